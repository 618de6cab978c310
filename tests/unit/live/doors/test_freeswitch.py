"""FreeSWITCH's streams: metadata or none, frames of any size, and texts in between."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qingting.errors import LiveProtocolError
from qingting.live.doors.door import Begin, End, Sound
from qingting.live.doors.freeswitch import FreeSwitchDoor
from qingting.live.session import LiveFormat
from qingting.live.sound import open_decoder
from qingting.model.call import AgentChannel, Role
from qingting.testing.live_doors import freeswitch_call, to_alaw


def begin_of(parameters: dict[str, str], metadata: dict[str, Any] | None = None) -> Begin:
    (begin,) = FreeSwitchDoor(parameters).take(b"" if metadata is None else json.dumps(metadata))
    assert isinstance(begin, Begin)
    return begin


@pytest.mark.parametrize("metadata", [None, {"call_id": "c1", "caller": "13800138000"}])
def test_a_whole_stereo_call(noise, heard, metadata) -> None:
    door = FreeSwitchDoor({"channels": "stereo", "rate": "8k", "key": "qt_1", "team": "售后一组"})
    steps = [step for message in freeswitch_call(noise, 8000, metadata) for step in door.take(message)]
    steps += door.close()
    assert isinstance(steps[-1], End)
    assert np.array_equal(heard(steps), noise)
    begin = steps[0]
    assert begin.form == LiveFormat(rate_hertz=8000, channels=2, roles=(Role.CUSTOMER, Role.AGENT))
    assert (begin.key, begin.call.team, begin.call.agent_channel) == ("qt_1", "售后一组", AgentChannel.RIGHT)
    assert begin.call.call_id == ("c1" if metadata else "")
    assert begin.call.fields == {}
    assert door.close() == []


@pytest.mark.parametrize(
    ("parameters", "form"),
    [
        ({}, LiveFormat(rate_hertz=8000, channels=1)),
        ({"rate": "16k", "channels": "mixed"}, LiveFormat(rate_hertz=16_000, channels=1)),
        ({"channels": "mixed", "caller_is": "agent"}, LiveFormat(rate_hertz=8000, channels=1)),
        ({"channels": "mono", "caller_is": "agent"}, LiveFormat(rate_hertz=8000, channels=1, roles=(Role.AGENT,))),
        (
            {"rate": "16000", "channels": "2", "left_is": "agent"},
            LiveFormat(rate_hertz=16_000, channels=2, roles=(Role.AGENT, Role.CUSTOMER)),
        ),
        (
            {"channels": "stereo", "left_is": "customer", "caller_is": "customer"},
            LiveFormat(rate_hertz=8000, channels=2, roles=(Role.CUSTOMER, Role.AGENT)),
        ),
    ],
)
def test_parameters_and_metadata_say_the_same(parameters: dict[str, str], form: LiveFormat) -> None:
    assert begin_of(parameters).form == form
    assert begin_of({}, parameters).form == form
    assert begin_of({"rate": "8000", "channels": "1"}, {"rate": 16_000, "channels": 2}).form.rate_hertz == 16_000


def test_metadata_wins_over_parameters() -> None:
    begin = begin_of({"team": "A", "agent_id": "1", "key": "old"}, {"team": "B", "key": "new"})
    assert (begin.call.team, begin.call.agent_id, begin.key) == ("B", "1", "new")


def test_other_encodings_of_forks_of_the_modules(noise, heard) -> None:
    door = FreeSwitchDoor({"encoding": "alaw"})
    codes = to_alaw(noise[0]).tobytes()
    assert np.array_equal(heard(door.take(codes)), open_decoder("alaw", 8000, 1).decode(codes))


def test_texts_in_between_are_passed_over(noise, heard) -> None:
    door = FreeSwitchDoor({"channels": "2"})
    messages = list(freeswitch_call(noise, 8000, {}))
    messages[3:3] = ['{"dtmf": "5"}', '"hold"']
    messages.append('{"reason": "hang-up"}')
    steps = [step for message in messages for step in door.take(message)]
    assert np.array_equal(heard(steps), noise)


@given(data=st.binary(max_size=400), cuts=st.lists(st.integers(0, 400), max_size=10), channels=st.sampled_from("12"))
def test_any_cut_gives_the_same_sound(data: bytes, cuts: list[int], channels: str) -> None:
    door, steps = FreeSwitchDoor({"channels": channels}), []
    edges = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
    for start, end in pairwise(edges):
        steps += door.take(data[start:end])
    assert sum(isinstance(step, Begin) for step in steps) == 1
    got = np.concatenate([step.samples for step in steps[1:]] or [np.empty((int(channels), 0))], axis=1)
    assert np.array_equal(got, open_decoder("pcm16", 8000, int(channels)).decode(data))


@pytest.mark.parametrize(
    "parameters",
    [
        {"rate": "44100"},
        {"rate": "8K"},
        {"channels": "3"},
        {"channels": "surround"},
        {"encoding": "opus"},
        {"left_is": "robot"},
        {"left_is": "agent", "caller_is": "customer"},
        {"team": "a\x00b"},
        {"call_id": "x" * 1001},
    ],
)
def test_wrong_parameters_are_refused(parameters: dict[str, str]) -> None:
    door = FreeSwitchDoor(parameters)
    with pytest.raises(LiveProtocolError):
        door.take(b"\x00\x00")
    assert door.close() == []


@pytest.mark.parametrize("first", ["hello", "[]", '"x"', "{'team': 'x'}", '{"rate": NaN}', '{"rate": true}', ""])
def test_first_texts_that_are_no_metadata_are_refused(first: str) -> None:
    with pytest.raises(LiveProtocolError):
        FreeSwitchDoor({}).take(first)


@pytest.mark.parametrize("message", ["hello", "", "NaN", "x" * (1 << 20) + "x", bytes((1 << 20) + 1)], ids=len)
def test_what_may_not_come_in_between_is_refused(message: bytes | str) -> None:
    door = FreeSwitchDoor({})
    door.take(b"\x00\x00")
    with pytest.raises(LiveProtocolError):
        door.take(message)
    assert [type(step) for step in door.close()] == [End]
    with pytest.raises(LiveProtocolError):
        door.take(b"\x00\x00")


@given(
    parameters=st.dictionaries(
        st.sampled_from(["rate", "channels", "encoding", "left_is", "caller_is", "team", "fields.x", "key"]),
        st.one_of(st.text(max_size=6), st.sampled_from(["8k", "16000", "2", "stereo", "agent", "mulaw"])),
        max_size=4,
    ),
    messages=st.lists(
        st.one_of(
            st.binary(max_size=50),
            st.text(max_size=20),
            st.dictionaries(st.text(max_size=8), st.one_of(st.text(), st.integers(), st.floats()), max_size=3).map(
                json.dumps
            ),
        ),
        max_size=10,
    ),
)
def test_whatever_comes_gives_steps_in_order_or_a_typed_error(
    parameters: dict[str, str], messages: list[bytes | str]
) -> None:
    door, steps = FreeSwitchDoor(parameters), []
    for message in messages:
        try:
            steps += door.take(message)
        except LiveProtocolError:
            break
    steps += door.close()
    kinds = [type(step) for step in steps]
    assert kinds == [] or (kinds[0] is Begin and kinds[-1] is End and set(kinds[1:-1]) <= {Sound})
    assert all(step.samples.shape[0] == steps[0].form.channels for step in steps if isinstance(step, Sound))
