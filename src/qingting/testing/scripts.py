"""Reading conversation scripts.

A script is a YAML file written by people. The times that were measured when its audio was
made stand in a sibling file ``<id>.times.json``, so that making the audio never touches the
hand-written part. A script without audio needs no such file: its times are estimated.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

import yaml

from qingting.errors import ScriptError
from qingting.model.call import AgentChannel, CallInfo, Role
from qingting.testing._desktop import read_desktop_events
from qingting.testing._fields import Fields
from qingting.testing.call_script import (
    ESTIMATED_MS_PER_CHARACTER,
    SOUND_KINDS,
    CallScript,
    ExpectedFinding,
    RuleRemark,
    ScriptAudio,
    ScriptSound,
    ScriptSpeaker,
    ScriptTurn,
    spread_characters,
)

__all__ = [
    "CallScript",
    "ExpectedFinding",
    "RuleRemark",
    "ScriptAudio",
    "ScriptSound",
    "ScriptSpeaker",
    "ScriptTurn",
    "load_script",
    "read_script",
]

_RULE = re.compile(r"[a-z][a-z0-9_]*\.[a-z][a-z0-9_]*")
_FILE = re.compile(r"[a-z0-9_]+\.[a-z0-9]+")
_FIRST_GAP_MS = 500
_TAIL_MS = 800


def load_script(path: Path | str) -> CallScript:
    """Read a script and, where it exists, the file of its measured times.

    Raises ScriptError, which names the file and the field, never its content.
    """
    script = read_script(path)
    times = Path(path).with_suffix(".times.json")
    return _with_measured_times(script, times) if times.exists() else script


def read_script(path: Path | str) -> CallScript:
    """Read the hand-written part of a script only: its times are estimates.

    Raises ScriptError as load_script does.
    """
    path = Path(path)
    document = _parsed(path)
    script = _read(Fields(document, path.name), document)
    if script.id != path.stem:
        raise ScriptError(f"{path.name}: id: must equal the file's name")
    return script


def _parsed(path: Path) -> dict[str, object]:
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
    except yaml.MarkedYAMLError as error:
        line = "" if error.problem_mark is None else f", line {error.problem_mark.line + 1}"
        raise ScriptError(f"{path.name}{line}: is not valid YAML") from None
    except (yaml.YAMLError, UnicodeDecodeError):
        raise ScriptError(f"{path.name}: is not YAML text in UTF-8") from None
    except OSError as error:
        raise ScriptError(f"{path.name}: cannot be read ({type(error).__name__})") from None
    if not isinstance(document, dict):
        raise ScriptError(f"{path.name}: must be a mapping of names to values")
    return document


def _read(fields: Fields, document: Mapping[str, object]) -> CallScript:
    call_id = fields.text("id")
    title = fields.text("title")
    business = fields.choice("line_of_business", ("general", "ecommerce", "finance", "telecom"))
    audio = _read_audio(fields.sub("audio")) if fields.has("audio") else None
    speakers = _read_speakers(fields.sub("speakers"))
    turns = _read_turns(fields, speakers)
    script = CallScript(
        id=call_id,
        title=title,
        call=_read_call(fields.sub("call"), call_id, business, audio),
        audio=audio,
        speakers=MappingProxyType(speakers),
        turns=turns,
        sounds=tuple(_read_sound(item, turns) for item in fields.items("sounds")),
        expected=tuple(_read_expected(item, turns) for item in fields.items("expected")),
        may_fire=tuple(_read_remark(item, turns) for item in fields.items("may_fire")),
        must_not_fire=tuple(_read_remark(item, turns) for item in fields.items("must_not_fire")),
        faultless=fields.flag("faultless", default=False),
        duration_ms=max(turn.end_ms for turn in turns) + fields.whole("tail_ms", 0, 60_000, _TAIL_MS),
        measured=False,
        audio_sha256="",
        recipe_sha256=_recipe_digest(document),
        desktop=read_desktop_events(fields, len(turns)),
    )
    fields.done()
    _check_contradictions(fields, script)
    return script


def _read_audio(fields: Fields) -> ScriptAudio:
    file = fields.text("file")
    if not _FILE.fullmatch(file):
        raise fields.fail("file", "must be a plain file name of small letters, digits and _")
    channels = fields.whole("channels", 1, 2)
    side = fields.choice("agent_channel", ("left", "right"), "left" if channels == 1 else None)
    audio = ScriptAudio(
        file=file,
        container=fields.text("container"),
        codec=fields.text("codec"),
        sample_rate_hertz=fields.whole("sample_rate_hertz", 8000, 48_000),
        channels=channels,
        agent_channel=AgentChannel(side) if channels == 2 else AgentChannel.AUTO,
        bit_rate=fields.whole("bit_rate", 0, 512_000, 0),
        noise_dbfs=fields.number("noise_dbfs", -96, -20, -58),
    )
    fields.done()
    return audio


def _read_speakers(fields: Fields) -> dict[Role, ScriptSpeaker]:
    speakers = {}
    for role in (Role.AGENT, Role.CUSTOMER):
        one = fields.sub(role.value)
        speakers[role] = ScriptSpeaker(
            voice=MappingProxyType(one.weights("voice")),
            speed=one.number("speed", 0.5, 2.0, 1.0),
            level_dbfs=one.number("level_dbfs", -40, -6, -20),
        )
        one.done()
    fields.done()
    return speakers


def _read_call(fields: Fields, call_id: str, business: str, audio: ScriptAudio | None) -> CallInfo:
    call = CallInfo(
        call_id=call_id,
        line_of_business=business,
        agent_channel=AgentChannel.AUTO if audio is None else audio.agent_channel,
        agent_id=fields.text("agent_id", ""),
        team=fields.text("team", ""),
        direction=fields.choice("direction", ("inbound", "outbound", ""), ""),
        started_at=fields.text("started_at", ""),
        customer_reference=fields.text("customer_reference", ""),
    )
    fields.done()
    return call


def _read_turns(fields: Fields, speakers: Mapping[Role, ScriptSpeaker]) -> tuple[ScriptTurn, ...]:
    turns: list[ScriptTurn] = []
    end_ms = 0
    for item in fields.items("turns", required=True):
        role = Role(item.choice("role", ("agent", "customer")))
        text = item.text("text")
        gap_ms = item.whole("gap_ms", -20_000, 120_000, _FIRST_GAP_MS)
        speed = item.number("speed", 0.5, 2.0, 1.0)
        spoken = item.text("spoken", text)
        units = len(spread_characters(spoken, 0, 1))
        if units == 0:
            raise item.fail("text", "must hold at least one word")
        start_ms = end_ms + gap_ms
        if start_ms < (turns[-1].start_ms if turns else 0):
            raise item.fail("gap_ms", "must not let a turn start before the turn above it")
        length_ms = round(units * ESTIMATED_MS_PER_CHARACTER / (speed * speakers[role].speed))
        end_ms = max(end_ms, start_ms + length_ms)
        turns.append(
            ScriptTurn(
                role=role,
                text=text,
                spoken_text=spoken,
                gap_ms=gap_ms,
                speed=speed,
                level_db=item.number("level_db", -20, 12, 0),
                start_ms=start_ms,
                end_ms=start_ms + length_ms,
            )
        )
        item.done()
    return tuple(turns)


def _turn_index(fields: Fields, turns: tuple[ScriptTurn, ...], name: str = "turn") -> int | None:
    if not fields.has(name):
        return None
    index = fields.whole(name, 0, 100_000)
    if index >= len(turns):
        raise fields.fail(name, "must be the index of a turn, from 0")
    return index


def _rule(fields: Fields) -> str:
    rule = fields.text("rule")
    if not _RULE.fullmatch(rule):
        raise fields.fail("rule", "must be a rule id, <dimension>.<rule>")
    return rule


def _read_sound(fields: Fields, turns: tuple[ScriptTurn, ...]) -> ScriptSound:
    kind = fields.choice("kind", SOUND_KINDS)
    turn = _turn_index(fields, turns, "before_turn")
    if turn is None:
        raise fields.fail("before_turn", "is required")
    offset_ms = fields.whole("offset_ms", 0, 120_000, 0)
    duration_ms = fields.whole("duration_ms", 1, 120_000)
    if offset_ms + duration_ms > turns[turn].gap_ms:
        raise fields.fail("duration_ms", "must end inside the gap before its turn")
    start_ms = turns[turn].start_ms - turns[turn].gap_ms + offset_ms
    sound = ScriptSound(
        kind=kind,
        before_turn=turn,
        offset_ms=offset_ms,
        duration_ms=duration_ms,
        level_dbfs=fields.number("level_dbfs", -60, -6, -24),
        start_ms=start_ms,
        end_ms=start_ms + duration_ms,
    )
    fields.done()
    return sound


def _read_expected(fields: Fields, turns: tuple[ScriptTurn, ...]) -> ExpectedFinding:
    rule = _rule(fields)
    who = Role(fields.choice("who", ("agent", "customer")))
    turn = _turn_index(fields, turns)
    at_ms = fields.whole("at_ms", 0, 24 * 3_600_000) if fields.has("at_ms") else None
    if at_ms is None and turn is not None:
        at_ms = turns[turn].start_ms
    expected = ExpectedFinding(rule=rule, who=who, turn=turn, at_ms=at_ms, note=fields.text("note"))
    fields.done()
    return expected


def _read_remark(fields: Fields, turns: tuple[ScriptTurn, ...]) -> RuleRemark:
    remark = RuleRemark(rule=_rule(fields), turn=_turn_index(fields, turns), reason=fields.text("reason"))
    fields.done()
    return remark


def _check_contradictions(fields: Fields, script: CallScript) -> None:
    wanted = {(item.rule, item.turn) for item in script.expected}
    for index, remark in enumerate(script.must_not_fire):
        everywhere = remark.turn is None and any(rule == remark.rule for rule, _ in wanted)
        if everywhere or (remark.rule, remark.turn) in wanted:
            raise fields.fail(f"must_not_fire[{index}].rule", "is also listed under expected")


def _recipe_digest(document: Mapping[str, object]) -> str:
    """Digest over what shapes the sound: a change elsewhere keeps measured times valid."""
    recipe = {name: document.get(name) for name in ("audio", "speakers", "turns", "sounds", "tail_ms")}
    return hashlib.sha256(json.dumps(recipe, ensure_ascii=False, sort_keys=True).encode()).hexdigest()


def _with_measured_times(script: CallScript, path: Path) -> CallScript:
    try:
        fields = Fields(json.loads(path.read_text(encoding="utf-8")), path.name)
    except (OSError, ValueError):
        raise ScriptError(f"{path.name}: is not readable JSON") from None
    if fields.text("recipe_sha256") != script.recipe_sha256:
        raise fields.fail("recipe_sha256", "is of another version of the script; make the audio again")
    duration_ms = fields.whole("duration_ms", 1, 24 * 3_600_000)
    audio_sha256 = fields.text("audio_sha256")
    spans = _read_spans(fields, duration_ms, len(script.turns))
    fields.done()
    turns = tuple(
        replace(turn, start_ms=start, end_ms=end) for turn, (start, end) in zip(script.turns, spans, strict=True)
    )
    return replace(
        script,
        turns=turns,
        sounds=tuple(_moved(sound, turns[sound.before_turn]) for sound in script.sounds),
        expected=tuple(_relocated(item, script.turns, turns) for item in script.expected),
        duration_ms=duration_ms,
        measured=True,
        audio_sha256=audio_sha256,
    )


def _read_spans(fields: Fields, duration_ms: int, count: int) -> list[tuple[int, int]]:
    spans = []
    for item in fields.items("turns", required=True):
        start_ms = item.whole("start_ms", 0, duration_ms)
        spans.append((start_ms, item.whole("end_ms", start_ms + 1, max(duration_ms, start_ms + 1))))
        item.done()
    if len(spans) != count:
        raise fields.fail("turns", "must have one entry for each turn of the script")
    return spans


def _moved(sound: ScriptSound, turn: ScriptTurn) -> ScriptSound:
    start_ms = turn.start_ms - turn.gap_ms + sound.offset_ms
    return replace(sound, start_ms=start_ms, end_ms=start_ms + sound.duration_ms)


def _relocated(item: ExpectedFinding, old: tuple[ScriptTurn, ...], new: tuple[ScriptTurn, ...]) -> ExpectedFinding:
    """Follow the turn, unless the time was given by hand."""
    if item.turn is None or item.at_ms != old[item.turn].start_ms:
        return item
    return replace(item, at_ms=new[item.turn].start_ms)
