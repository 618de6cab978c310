"""Reads the example dialogues of a rule and plays them as calls."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from qingting.analysis.options import OptionError, build_options
from qingting.analysis.rules.model import Example, ExampleLookup, ExampleTurn
from qingting.analysis.rules.plain import as_list, as_mapping, known_keys, number_as_text
from qingting.documents import Place
from qingting.errors import ScriptError
from qingting.model.audio import VoiceFacts
from qingting.model.call import CallInfo, DesktopEvent, Role
from qingting.model.transcript import EngineIdentity, Transcript, Utterance

_LINE = re.compile(r"\s*(?P<who>坐席|客户|未知)\s*(?:\+(?P<gap>\d+(?:\.\d+)?))?\s*[：:]\s*(?P<text>.*\S)\s*", re.DOTALL)
_ROLES = {"坐席": Role.AGENT, "客户": Role.CUSTOMER, "未知": Role.UNSURE}
_PARTIES = {Role.AGENT: "left", Role.CUSTOMER: "right", Role.UNSURE: "mono"}
_MS_PER_CHARACTER = 220
_OWN_CALL_FIELDS = ("line_of_business", "agent_id", "team", "direction", "started_at", "customer_reference")


@dataclass(frozen=True, kw_only=True)
class ExampleHead:
    """What an example says beside its turns."""

    name: str = ""
    findings: int | None = None
    """Exact number of findings."""
    tail_seconds: float = 2.0
    """Silence after the last words."""
    desktop: tuple[ExampleLookup, ...] | None = None
    """What the agent did in the knowledge base."""

    def __post_init__(self) -> None:
        """Refuse counts that can never be."""
        if (self.findings is not None and self.findings < 1) or self.tail_seconds < 0:
            raise ValueError("`findings` must be at least 1 and `tail_seconds` not negative")


def read_examples(value: object, place: Place, *, line: int) -> tuple[Example, ...]:
    """Read `examples: {positive: […], negative: […]}`; raises OptionError."""
    if value is None:
        return ()
    data = as_mapping(value, place)
    known_keys(data, ("positive", "negative"), place)
    found: list[Example] = []
    for name in ("positive", "negative"):
        for number, one in enumerate(as_list(data.get(name, []), (*place, name))):
            found.append(_example(one, (*place, name, number), positive=name == "positive", line=line))
    return tuple(found)


def _example(value: object, place: Place, *, positive: bool, line: int) -> Example:
    if isinstance(value, list):
        return Example(turns=_turns(value, place), positive=positive, line=line)
    data = as_mapping(value, place)
    known_keys(data, ("name", "findings", "tail_seconds", "desktop", "call", "turns"), place)
    head = build_options(ExampleHead, {k: v for k, v in data.items() if k not in ("call", "turns")}, place)
    call = {name: str(number_as_text(one)) for name, one in as_mapping(data.get("call", {}), (*place, "call")).items()}
    if head.findings is not None and not positive:
        raise OptionError((*place, "findings"), "a negative example has no findings", "Remove it.")
    turns = _turns(as_list(data.get("turns"), (*place, "turns")), (*place, "turns"))
    return Example(turns=turns, positive=positive, call=call, line=line, **vars(head))


def _turns(value: list[object], place: Place) -> tuple[ExampleTurn, ...]:
    turns = tuple(_turn(one, (*place, number)) for number, one in enumerate(value))
    if not turns:
        raise OptionError(place, "a dialogue needs at least one turn", "Write `- 客户：…` and `- 坐席：…`.")
    return turns


def _turn(value: object, place: Place) -> ExampleTurn:
    if isinstance(value, Mapping):
        turn = build_options(ExampleTurn, value, place)
        assert isinstance(turn, ExampleTurn)  # noqa: S101  what build_options was asked for
        return turn
    match = _LINE.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        fix = 'Write "客户：…" or "坐席：…"; "坐席+5：…" begins 5 seconds after the words before.'
        raise OptionError(place, "is no turn of a dialogue", fix)
    gap = {} if match["gap"] is None else {"gap_seconds": float(match["gap"])}
    return ExampleTurn(role=_ROLES[match["who"]], text=match["text"], **gap)


def example_call(example: Example) -> tuple[CallInfo, Transcript]:
    """Play an example as a call; times not given are estimated at 220 ms a character."""
    own = {name: value for name, value in example.call.items() if name in _OWN_CALL_FIELDS}
    fields = {name: value for name, value in example.call.items() if name not in _OWN_CALL_FIELDS}
    utterances: list[Utterance] = []
    latest_ms = 0
    for turn in example.turns:
        start_ms = max(latest_ms + round(turn.gap_seconds * 1000), 0)
        length = max(len(turn.text), 2) * _MS_PER_CHARACTER if turn.seconds is None else round(turn.seconds * 1000)
        utterances.append(_utterance(turn, start_ms, start_ms + length))
        latest_ms = max(latest_ms, start_ms + length)
    ordered = sorted(utterances, key=lambda one: (one.start_ms, one.end_ms, one.party))
    numbered = tuple(Utterance(**{**vars(one), "index": index}) for index, one in enumerate(ordered))
    engine = EngineIdentity(name="example", model="example", revision="")
    end_ms = latest_ms + round(example.tail_seconds * 1000)
    looked_up = None if example.desktop is None else tuple(_lookup(one) for one in example.desktop)
    name = example.name or "example"
    call = CallInfo(call_id=name, fields=fields, desktop_events=looked_up, **own)  # type: ignore[arg-type]
    return call, Transcript(utterances=numbered, engine=engine, duration_ms=end_ms)


def _lookup(one: ExampleLookup) -> DesktopEvent:
    values = {name: value for name, value in vars(one).items() if name != "at_seconds"}
    return DesktopEvent(at_ms=round(one.at_seconds * 1000), **values)


def _utterance(turn: ExampleTurn, start_ms: int, end_ms: int) -> Utterance:
    voice = None
    if turn.loudness_dbfs is not None or turn.pitch_hertz is not None:
        voice = VoiceFacts(
            voiced_ms=(end_ms - start_ms) // 2,
            voiced_ratio=0.5,
            speech_ms=end_ms - start_ms,
            loudness_dbfs=-24.0 if turn.loudness_dbfs is None else turn.loudness_dbfs,
            loudness_range_db=10.0,
            pitch_hertz=turn.pitch_hertz,
            pitch_range_semitones=None,
            final_pitch_slope=None,
            pause_before_ms=0,
        )
    return Utterance(
        index=0, party=_PARTIES[turn.role], role=turn.role, role_confidence=1.0, start_ms=start_ms, end_ms=end_ms,
        text=turn.text, spoken_text=turn.text, voice=voice,
    )  # fmt: skip


def dialogue_call(lines: Sequence[str], *, source: str) -> tuple[CallInfo, Transcript]:
    """Play lines of a dialogue (客户：…, 坐席+5：…) as a call; blank lines are left out.

    Raises ScriptError that names file and line, never the words.
    """
    turns = []
    for number, line in enumerate(lines, start=1):
        if line.strip():
            try:
                turns.append(_turn(line, ()))
            except OptionError as error:
                raise ScriptError(f"{source}, line {number}: {error.problem}", remedy=error.fix) from None
    if not turns:
        raise ScriptError(f"{source} holds no dialogue.", remedy="Write one turn per line: 客户：… or 坐席：….")
    return example_call(Example(turns=tuple(turns), positive=True))
