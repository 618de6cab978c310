"""Twilio Media Streams: what the published protocol says is understood, everything else is a typed error."""

from __future__ import annotations

import base64
import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qingting.errors import LiveProtocolError
from qingting.live.doors.door import Begin, End, Sound
from qingting.live.doors.twilio import TwilioDoor
from qingting.live.session import LiveFormat
from qingting.live.sound import open_decoder
from qingting.model.call import AgentChannel, Role
from qingting.testing.live_doors import TwilioCaller, to_mulaw


def as_mulaw(pcm):
    return np.stack([open_decoder("mulaw", 8000, 1).decode(to_mulaw(row).tobytes())[0] for row in pcm])


def begun(*, tracks: tuple[str, ...] = ("inbound", "outbound"), **parameters: str) -> tuple[TwilioDoor, TwilioCaller]:
    door, caller = TwilioDoor(), TwilioCaller(tracks=tracks, parameters=parameters)
    for message in caller.begin():
        door.take(message)
    return door, caller


def changed(message: str, **changes: Any) -> str:
    """A message with parts replaced, by paths like `media__track`; None removes."""
    said = json.loads(message)
    for path, value in changes.items():
        *way, last = path.split("__")
        at = said
        for name in way:
            at = at[name]
        if value is None:
            del at[last]
        else:
            at[last] = value
    return json.dumps(said)


def test_a_whole_call(noise, heard) -> None:
    door, caller = TwilioDoor(), TwilioCaller(parameters={"key": "qt_1", "agent_id": "1088", "team": "售后一组"})
    steps = [step for message in caller.call(noise) for step in door.take(message)]
    assert isinstance(steps[0], Begin)
    assert isinstance(steps[-1], End)
    assert np.array_equal(heard(steps), as_mulaw(noise))
    begin = steps[0]
    assert begin.form == LiveFormat(rate_hertz=8000, channels=2, roles=(Role.CUSTOMER, Role.AGENT))
    assert (begin.key, begin.call.call_id, begin.call.agent_id) == ("qt_1", caller.call_sid, "1088")
    assert (begin.call.team, begin.call.agent_channel) == ("售后一组", AgentChannel.RIGHT)
    assert door.missed == 0
    assert door.close() == []


@pytest.mark.parametrize(
    ("tracks", "inbound_is", "roles", "channel"),
    [
        (("inbound", "outbound"), "agent", (Role.AGENT, Role.CUSTOMER), AgentChannel.LEFT),
        (("outbound", "inbound"), "customer", (Role.CUSTOMER, Role.AGENT), AgentChannel.RIGHT),
        (("inbound",), "", (Role.CUSTOMER,), AgentChannel.AUTO),
        (("outbound",), "", (Role.AGENT,), AgentChannel.AUTO),
        (("outbound",), "agent", (Role.CUSTOMER,), AgentChannel.AUTO),
    ],
)
def test_who_is_on_which_track(tracks, inbound_is, roles, channel) -> None:
    door, caller = TwilioDoor(), TwilioCaller(tracks=tracks, parameters={"inbound_is": inbound_is})
    (begin,) = (step for message in caller.begin() for step in door.take(message))
    assert begin.form == LiveFormat(rate_hertz=8000, channels=len(tracks), roles=roles)
    assert begin.call.agent_channel is channel


def test_inbound_is_the_first_channel_whatever_the_order(noise, heard) -> None:
    door, caller = begun(tracks=("outbound", "inbound"))
    steps = door.take(caller.media("outbound", noise[1], 0))
    steps += door.take(caller.media("inbound", noise[0], 0))
    steps += door.take(caller.stop())
    assert np.array_equal(heard(steps), as_mulaw(noise))


def test_the_callers_own_call_id_wins() -> None:
    door, caller = TwilioDoor(), TwilioCaller(parameters={"call_id": "20261130-0001"})
    (begin,) = (step for message in caller.begin() for step in door.take(message))
    assert begin.call.call_id == "20261130-0001"


def test_marks_digits_and_new_kinds_of_messages_are_passed_over(noise, heard) -> None:
    door, caller = begun()
    assert door.take(caller.mark("greeting")) == []
    assert door.take(caller.digit("7")) == []
    assert door.take(changed(caller.mark("x"), event="telemetry")) == []
    door.take(caller.media("inbound", noise[0], 0))
    steps = door.take(caller.media("outbound", noise[1], 0)) + door.take(caller.stop())
    assert np.array_equal(heard(steps)[:, -100:], as_mulaw(noise)[:, -100:])


def test_sound_of_one_track_is_not_held_up_by_a_silent_one(noise, heard) -> None:
    door, caller = begun()
    steps = []
    for number in range(50):
        steps += door.take(caller.media("inbound", noise[0, number * 160 : number * 160 + 160], number * 20))
    assert heard(steps).shape[1] == 49 * 160 - 1600
    assert not heard(steps)[1].any()


def test_a_connection_that_breaks_off_keeps_what_was_heard(noise, heard) -> None:
    door, caller = begun()
    steps = door.take(caller.media("inbound", noise[0], 0)) + door.close()
    assert isinstance(steps[-1], End)
    assert np.array_equal(heard(steps)[0], as_mulaw(noise)[0])
    assert door.close() == []
    assert TwilioDoor().close() == []


def test_messages_that_never_came_are_counted(noise) -> None:
    door, caller = begun()
    for number, message in enumerate([caller.media("inbound", noise[0, :160], at * 20) for at in range(10)]):
        if number not in (3, 4, 7):
            door.take(message)
    assert door.missed == 3
    assert door.missing_ms == 60
    door.close()
    assert door.missing_ms == 60


def test_silence_that_was_not_sent_and_other_messages_are_no_missing_sound(noise) -> None:
    door, caller = begun()
    assert TwilioDoor().missing_ms == door.missing_ms == 0
    door.take(caller.media("inbound", noise[0, :160], 0))
    door.take(caller.media("inbound", noise[0, :160], 4000))
    caller.mark("lost")
    door.take(caller.media("outbound", noise[1, :160], 4000))
    assert (door.missed, door.missing_ms) == (1, 0)


def test_a_message_that_comes_twice_is_heard_once(noise, heard) -> None:
    door, caller = begun(tracks=("inbound",))
    media = caller.media("inbound", noise[0], 0)
    steps = door.take(media) + door.take(media) + door.take(caller.stop())
    assert np.array_equal(heard(steps), as_mulaw(noise[:1]))


def test_numbers_may_be_numbers_and_optional_parts_may_be_missing(noise, heard) -> None:
    door, caller = TwilioDoor(), TwilioCaller(tracks=("inbound",))
    _, start = caller.begin()
    (begin,) = door.take(
        changed(
            start,
            start__tracks=None,
            start__mediaFormat=None,
            start__customParameters=None,
            sequenceNumber=1,
            streamSid=None,
        )
    )
    assert begin.form.channels == 1
    media = caller.media("inbound", noise[0], 0)
    steps = door.take(changed(media, media__timestamp=0, media__chunk=1, media__track=None, sequenceNumber=None))
    steps += door.take(changed(caller.media("inbound", noise[1], 0), media__timestamp=None, media__chunk=None))
    assert np.array_equal(heard(steps)[0], as_mulaw(noise).ravel())


CONNECTED, START = TwilioCaller().begin()


@pytest.mark.parametrize(
    "message",
    [
        TwilioCaller().stop(),
        TwilioCaller().mark("x"),
        TwilioCaller().media("inbound", np.zeros(160, np.int16), 0),
        b"\x00\x01",
        "{}",
        changed(START, event=None),
        changed(START, event=["start"]),
        changed(START, start=None),
        changed(START, start="inbound"),
        changed(START, start__tracks=[]),
        changed(START, start__tracks=["inbound", "sideways"]),
        changed(START, start__tracks="inbound"),
        changed(START, start__tracks=[["inbound"]]),
        changed(START, start__mediaFormat={"encoding": "audio/x-l16", "sampleRate": 8000, "channels": 1}),
        changed(START, start__mediaFormat={"encoding": "audio/x-mulaw", "sampleRate": 16000, "channels": 1}),
        changed(START, start__mediaFormat={"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 2}),
        changed(START, start__mediaFormat=[8000]),
        changed(START, start__customParameters=["team"]),
        changed(START, start__customParameters={"inbound_is": "robot"}),
        changed(START, start__customParameters={"team": {"name": "x"}}),
        changed(START, start__callSid="x" * 1001),
        changed(START, sequenceNumber="one"),
        changed(START, sequenceNumber=True),
        START.replace('"1"', "NaN", 1),
    ],
)
def test_what_may_not_come_first_is_refused(message: bytes | str) -> None:
    door = TwilioDoor()
    door.take(CONNECTED)
    with pytest.raises(LiveProtocolError):
        door.take(message)
    assert door.close() == []


MEDIA = TwilioCaller().media("inbound", np.zeros(160, np.int16), 0)


@pytest.mark.parametrize(
    "message",
    [
        CONNECTED,
        START,
        "no json",
        b"{}",
        changed(MEDIA, media=None),
        changed(MEDIA, media__payload=None),
        changed(MEDIA, media__payload=17),
        changed(MEDIA, media__payload="###"),
        changed(MEDIA, media__payload="AAA"),
        changed(MEDIA, media__payload="语音"),
        changed(MEDIA, media__payload="AAAA\nAAAA"),
        changed(MEDIA, media__track="outbund"),
        changed(MEDIA, media__track=["inbound"]),
        changed(MEDIA, media__timestamp=-20),
        changed(MEDIA, media__timestamp=1.5),
        changed(MEDIA, media__timestamp=float("nan")),
        changed(MEDIA, media__timestamp=1 << 70),
        changed(MEDIA, media__chunk="first"),
        changed(MEDIA, streamSid="MZ" + "9" * 32),
        changed(MEDIA, media__payload="A" * (1 << 20)),
    ],
    ids=lambda message: str(message)[:40],
)
def test_what_may_not_come_in_between_is_refused_and_the_call_is_kept(message: bytes | str, noise, heard) -> None:
    door, caller = begun()
    steps = door.take(caller.media("inbound", noise[0], 0))
    with pytest.raises(LiveProtocolError):
        door.take(message)
    steps += door.close()
    assert np.array_equal(heard(steps)[0], as_mulaw(noise)[0])


def test_nothing_comes_after_stop() -> None:
    door, caller = begun()
    door.take(caller.stop())
    for message in (caller.stop(), MEDIA, START):
        with pytest.raises(LiveProtocolError):
            door.take(message)
    assert door.close() == []


ODD = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-5, 5),
    st.integers(),
    st.floats(),
    st.text(max_size=5),
    st.sampled_from(["inbound", "outbound", "start", "media", "stop", "1", "20", "AAAA", "audio/x-mulaw"]),
    st.lists(st.sampled_from(["inbound", "outbound", 1]), max_size=3),
    st.dictionaries(st.sampled_from(["payload", "track", "tracks", "team", "fields"]), st.integers(), max_size=2),
)
PATHS = [
    "event",
    "sequenceNumber",
    "streamSid",
    "start",
    "media",
    "stop",
    *(f"media.{name}" for name in ("track", "chunk", "timestamp", "payload")),
    *(f"start.{name}" for name in ("streamSid", "callSid", "tracks", "customParameters", "mediaFormat")),
]


@st.composite
def spoilt_streams(draw: st.DrawFn) -> list[str]:
    caller = TwilioCaller()
    messages = [*caller.begin()]
    sent = draw(st.lists(st.tuples(st.sampled_from(["inbound", "outbound"]), st.integers(0, 3000)), max_size=12))
    messages += [caller.media(track, np.ones(160, np.int16), at) for track, at in sent]
    messages += [caller.mark("x"), caller.stop()]
    for _ in range(draw(st.integers(0, 5))):
        where = draw(st.integers(0, len(messages) - 1))
        match draw(st.sampled_from(["part", "twice", "gone", "text", "swap"])):
            case "part" if messages[where].startswith('{"event"'):
                path, said = draw(st.sampled_from(PATHS)).split("."), json.loads(messages[where])
                inner = said.get(path[0]) if len(path) == 2 else said
                if isinstance(inner, dict):
                    inner[path[-1]] = draw(ODD)
                messages[where] = json.dumps(said)
            case "twice":
                messages.insert(where, messages[draw(st.integers(0, len(messages) - 1))])
            case "gone" if len(messages) > 1:
                del messages[where]
            case "text":
                messages[where] = draw(st.text(max_size=30))
            case _:
                messages.append(messages.pop(where))
    return messages


@given(messages=spoilt_streams())
def test_spoilt_streams_give_steps_in_order_or_a_typed_error(messages: list[str]) -> None:
    door, steps = TwilioDoor(), []
    for message in messages:
        try:
            steps += door.take(message)
        except LiveProtocolError:
            break
    steps += door.close()
    kinds = [type(step) for step in steps]
    assert kinds == [] or (kinds[0] is Begin and kinds[-1] is End and set(kinds[1:-1]) <= {Sound})
    assert all(step.samples.shape[0] == steps[0].form.channels for step in steps if isinstance(step, Sound))


@given(message=st.one_of(st.text(), st.binary()))
def test_arbitrary_messages_give_a_typed_error(message: bytes | str) -> None:
    with pytest.raises(LiveProtocolError):
        TwilioDoor().take(message)


def test_base64_of_all_codes_is_understood(heard) -> None:
    door, caller = begun(tracks=("inbound",))
    payload = base64.b64encode(bytes(range(256))).decode()
    steps = door.take(changed(caller.media("inbound", np.zeros(256, np.int16), 0), media__payload=payload))
    assert np.array_equal(heard(steps), open_decoder("mulaw", 8000, 1).decode(bytes(range(256))))
