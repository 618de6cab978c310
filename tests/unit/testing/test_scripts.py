from __future__ import annotations

import json
from pathlib import Path

import pytest

from qingting.errors import ScriptError
from qingting.model.call import AgentChannel, Role
from qingting.testing import load_script
from qingting.testing.call_script import spread_characters
from qingting.testing.scripts import read_script

GOOD = """
id: good
title: 好例子
line_of_business: ecommerce
call: {agent_id: "7"}
audio: {file: good.wav, container: wav, codec: pcm_alaw, sample_rate_hertz: 8000, channels: 2, agent_channel: right}
speakers:
  agent: {voice: {a: 1}, speed: 2}
turns:
  - {role: agent, gap_ms: 6000, text: "您好，工号12。", spoken: "您好，工号幺二。"}
  - {role: customer, gap_ms: 500, text: "我要退款，我的东西坏了。"}
  - {role: agent, gap_ms: -400, text: "好。"}
  - {role: customer, text: "嗯。"}
sounds:
  - {kind: ring_back, before_turn: 0, offset_ms: 100, duration_ms: 5000}
expected:
  - {rule: compliance.closing, who: agent, note: 没有结束语}
  - {rule: responsiveness.interruption, who: agent, turn: 2, note: 插话}
  - {rule: keywords.negative, who: customer, turn: 1, at_ms: 9000, note: 坏了}
must_not_fire:
  - {rule: keywords.negative, turn: 3, reason: 没有负面词}
faultless: false
"""


def write(folder: Path, text: str, name: str = "good") -> Path:
    path = folder / f"{name}.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def write_times(path: Path, **changes: object) -> None:
    turns = [(6000, 7000), (7400, 10_000), (9600, 9900), (10_500, 10_700)]
    times = {
        "recipe_sha256": read_script(path).recipe_sha256,
        "audio_sha256": "0" * 64,
        "duration_ms": 12_000,
        "turns": [{"start_ms": start, "end_ms": end} for start, end in turns],
        **changes,
    }
    path.with_suffix(".times.json").write_text(json.dumps(times), encoding="utf-8")


def test_estimates_times_from_words_gaps_and_speed(tmp_path: Path) -> None:
    script = load_script(write(tmp_path, GOOD))
    assert not script.measured
    assert [(turn.start_ms, turn.end_ms) for turn in script.turns] == [
        (6000, 6660),
        (7160, 9360),
        (8960, 9070),
        (9860, 10_080),
    ]
    assert script.duration_ms == 10_880


def test_a_turn_follows_the_latest_end_and_not_the_interrupting_turn(tmp_path: Path) -> None:
    turns = load_script(write(tmp_path, GOOD)).turns
    assert turns[2].end_ms < turns[1].end_ms
    assert turns[3].start_ms == turns[1].end_ms + 500


def test_measured_times_replace_estimates_everywhere(tmp_path: Path) -> None:
    path = write(tmp_path, GOOD)
    write_times(path)
    script = load_script(path)
    assert script.measured
    assert script.audio_sha256 == "0" * 64
    assert (script.turns[1].start_ms, script.turns[1].end_ms) == (7400, 10_000)
    assert script.duration_ms == 12_000
    assert (script.sounds[0].start_ms, script.sounds[0].end_ms) == (100, 5100)
    assert [item.at_ms for item in script.expected] == [None, 9600, 9000]


def test_words_outside_the_recipe_keep_measured_times_valid(tmp_path: Path) -> None:
    path = write(tmp_path, GOOD)
    write_times(path)
    write(tmp_path, GOOD.replace("title: 好例子", "title: 换个名字"))
    assert load_script(path).measured


def test_transcript_is_what_a_perfect_engine_gives(tmp_path: Path) -> None:
    path = write(tmp_path, GOOD)
    write_times(path)
    transcript = load_script(path).transcript()
    first = transcript.utterances[0]
    assert [one.index for one in transcript.utterances] == [0, 1, 2, 3]
    assert [one.party for one in transcript.utterances] == ["right", "left", "right", "left"]
    assert (first.role, first.role_confidence) == (Role.AGENT, 1.0)
    assert (first.text, first.spoken_text) == ("您好，工号12。", "您好，工号幺二。")
    assert [unit.text for unit in first.characters] == ["您", "好", "工", "号", "12"]
    assert (first.characters[0].start_ms, first.characters[-1].end_ms) == (6000, 7000)
    assert transcript.duration_ms == 12_000
    assert transcript.engine.name == "script"


def test_call_info_carries_what_is_known_before_listening(tmp_path: Path) -> None:
    call = load_script(write(tmp_path, GOOD)).call_info()
    assert (call.call_id, call.line_of_business, call.agent_id) == ("good", "ecommerce", "7")
    assert call.agent_channel is AgentChannel.RIGHT


def test_a_mixed_recording_names_speakers_in_order_of_speech(tmp_path: Path) -> None:
    mono = GOOD.replace("channels: 2, agent_channel: right", "channels: 1")
    script = load_script(write(tmp_path, mono))
    assert (script.party(Role.AGENT), script.party(Role.CUSTOMER)) == ("speaker_1", "speaker_2")
    assert script.call_info().agent_channel is AgentChannel.AUTO


BAD = {
    "title": ("title: 好例子", "title: 12", "title: must be a text"),
    "missing": ("title: 好例子", "", "title: is required"),
    "business": ("ecommerce", "banking", "line_of_business: must be one of"),
    "unknown": ("faultless: false", "fautless: false", "fautless: is not a field"),
    "role": ("role: customer, gap_ms: 500", "role: client, gap_ms: 500", r"turns\[1\].role: must be one of"),
    "blank text": ("text: 好。", "text: ''", r"turns\[2\].text: must be a text"),
    "no words": ('"好。"', '"。"', r"turns\[2\].text: must hold at least one word"),
    "gap": ("gap_ms: 500", "gap_ms: soon", r"turns\[1\].gap_ms: must be a number"),
    "part of a millisecond": ("gap_ms: 500", "gap_ms: 0.5", r"turns\[1\].gap_ms: must be a whole number"),
    "true is no number": ("gap_ms: 500", "gap_ms: true", r"turns\[1\].gap_ms: must be a number"),
    "too early": ("gap_ms: -400", "gap_ms: -9000", r"turns\[2\].gap_ms: must not let a turn start before"),
    "extra in turn": ("gap_ms: -400", "gap: -400", r"turns\[2\].gap: is not a field"),
    "speed": ("speed: 2", "speed: 9", "speakers.agent.speed: must be a number from 0.5 to 2"),
    "channel": (", agent_channel: right", "", "audio.agent_channel: is required"),
    "path as file": ("good.wav", "../good.wav", "audio.file: must be a plain file name"),
    "rule id": ("rule: compliance.closing", "rule: closing", r"expected\[0\].rule: must be a rule id"),
    "who": ("who: agent, note: 没", "who: robot, note: 没", r"expected\[0\].who: must be one of"),
    "turn": ("turn: 2", "turn: 4", r"expected\[1\].turn: must be the index of a turn"),
    "contradiction": ("keywords.negative, turn: 3", "keywords.negative, turn: 1", r"must_not_fire\[0\].rule: is also"),
    "contradiction everywhere": (
        "keywords.negative, turn: 3",
        "keywords.negative",
        r"must_not_fire\[0\].rule: is also",
    ),
    "sound": ("ring_back", "birdsong", r"sounds\[0\].kind: must be one of"),
    "sound too long": ("duration_ms: 5000", "duration_ms: 6000", r"sounds\[0\].duration_ms: must end inside the gap"),
    "sound nowhere": ("before_turn: 0, ", "", r"sounds\[0\].before_turn: is required"),
    "faultless": ("faultless: false", "faultless: perhaps", "faultless: must be true or false"),
    "other file name": ("id: good", "id: better", "id: must equal the file's name"),
}


@pytest.mark.parametrize(("old", "new", "message"), BAD.values(), ids=BAD)
def test_errors_name_the_field(tmp_path: Path, old: str, new: str, message: str) -> None:
    text = GOOD.replace('text: "好。"', "text: 好。") if old == "text: 好。" else GOOD
    assert old in text
    with pytest.raises(ScriptError, match=f"^good.yaml: {message}"):
        load_script(write(tmp_path, text.replace(old, new, 1)))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("id: [", "is not valid YAML"),
        ("- a list", "must be a mapping"),
        ("", "must be a mapping"),
        ("1: one", "must be a mapping of names"),
        (GOOD.split("turns:", maxsplit=1)[0], "turns: must be a list with at least one entry"),
        (GOOD.split("turns:", maxsplit=1)[0] + "turns: [hello]", r"turns\[0\]: must be a mapping"),
    ],
)
def test_broken_files_are_refused(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ScriptError, match=message):
        load_script(write(tmp_path, text))


def test_a_missing_or_binary_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ScriptError, match="cannot be read"):
        load_script(tmp_path / "nowhere.yaml")
    (tmp_path / "binary.yaml").write_bytes(b"\xff\xfe\xfa\x00")
    with pytest.raises(ScriptError, match=r"binary\.yaml: is not YAML text"):
        load_script(tmp_path / "binary.yaml")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"recipe_sha256": "f" * 64}, "recipe_sha256: is of another version"),
        ({"turns": []}, "turns: must be a list with at least one entry"),
        ({"turns": [{"start_ms": 0, "end_ms": 5}]}, "turns: must have one entry for each turn"),
        ({"turns": [{"start_ms": 9, "end_ms": 9}] * 4}, r"turns\[0\].end_ms: must be a number from 10"),
        ({"turns": [{"start_ms": 9, "end_ms": 12_001}] * 4}, r"turns\[0\].end_ms: must be a number"),
        ({"duration_ms": 0}, "duration_ms: must be a number from 1"),
        ({"spare": 1}, "spare: is not a field"),
    ],
)
def test_broken_times_are_refused(tmp_path: Path, changes: dict[str, object], message: str) -> None:
    path = write(tmp_path, GOOD)
    write_times(path, **changes)
    with pytest.raises(ScriptError, match=rf"^good.times.json: {message}"):
        load_script(path)


def test_times_that_are_no_json_are_refused(tmp_path: Path) -> None:
    path = write(tmp_path, GOOD)
    path.with_suffix(".times.json").write_text("{", encoding="utf-8")
    with pytest.raises(ScriptError, match="is not readable JSON"):
        load_script(path)


def test_errors_never_show_what_was_said(tmp_path: Path) -> None:
    for old, new, _ in BAD.values():
        if old not in GOOD:
            continue
        with pytest.raises(ScriptError) as caught:
            load_script(write(tmp_path, GOOD.replace(old, new, 1)))
        assert not any("\u4e00" <= letter <= "\u9fff" for letter in str(caught.value))


def test_characters_share_the_time_without_gaps() -> None:
    units = spread_characters("好，VIP 3号！", 1000, 2000)
    assert [unit.text for unit in units] == ["好", "VIP", "3", "号"]
    assert [(unit.start_ms, unit.end_ms) for unit in units] == [(1000, 1250), (1250, 1500), (1500, 1750), (1750, 2000)]
    assert spread_characters("……", 0, 100) == ()
