"""AudioSocket: packets cut anywhere, a call that must have been announced, and kinds that are not taken."""

from __future__ import annotations

from itertools import pairwise
from uuid import UUID

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qingting.errors import LiveProtocolError
from qingting.live.doors.audiosocket import AudioSocketDoor
from qingting.live.doors.door import Begin, End, Expected, Sound, Step
from qingting.live.session import LiveFormat
from qingting.model.call import CallInfo, Role
from qingting.testing.live_doors import audiosocket_call, audiosocket_packet

CALL = UUID("40325ec2-5efd-4bd3-805f-53576e581d13")
HELLO = audiosocket_packet(0x01, CALL.bytes)
BYE = audiosocket_packet(0x00)
ANNOUNCED = Expected(call=CallInfo(call_id="c1", team="A"), form=LiveFormat(rate_hertz=8000, channels=1))


def door(announced: Expected = ANNOUNCED) -> AudioSocketDoor:
    return AudioSocketDoor({str(CALL): announced}.get)


def told(data: bytes, cuts: list[int], *, to: AudioSocketDoor | None = None) -> tuple[list[Step], bool]:
    """Steps of a stream that is cut so, and whether it ended in an error."""
    to, steps = to or door(), []
    edges = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
    try:
        for start, end in pairwise(edges):
            steps += to.take(data[start:end])
        to.take(b"")
    except LiveProtocolError:
        return steps, True
    return steps, False


def sound(steps: list[Step]) -> list[int]:
    return [int(one) for step in steps if isinstance(step, Sound) for one in step.samples.ravel()]


@pytest.mark.parametrize("rate_hertz", [8000, 16_000])
def test_a_whole_call_of_either_rate(noise, heard, rate_hertz: int) -> None:
    one = door()
    steps = [step for packet in audiosocket_call(noise[:1], rate_hertz, CALL) for step in one.take(packet)]
    assert steps[0] == Begin(call=ANNOUNCED.call, form=LiveFormat(rate_hertz=rate_hertz, channels=1))
    assert isinstance(steps[-1], End)
    assert np.array_equal(heard(steps), noise[:1])
    assert one.take(b"anything") == one.close() == []


def test_who_speaks_may_have_been_announced(noise, heard) -> None:
    form = LiveFormat(rate_hertz=8000, channels=2, roles=(Role.AGENT, Role.CUSTOMER))
    one = door(Expected(call=ANNOUNCED.call, form=form))
    steps = one.take(b"".join(audiosocket_call(noise, 8000, CALL)))
    assert steps[0] == Begin(call=ANNOUNCED.call, form=form)
    assert np.array_equal(heard(steps), noise)


def test_the_uuid_is_looked_up_once_and_in_its_usual_form() -> None:
    asked: list[str] = []

    def expected(text: str) -> Expected:
        asked.append(text)
        return ANNOUNCED

    one = AudioSocketDoor(expected)
    for at in range(len(HELLO)):
        assert one.take(HELLO[at : at + 1]) == []
    assert asked == ["40325ec2-5efd-4bd3-805f-53576e581d13"]


def test_a_call_nobody_announced_is_refused_at_once() -> None:
    one = AudioSocketDoor({}.get)
    with pytest.raises(LiveProtocolError) as caught:
        one.take(HELLO)
    assert str(CALL) not in str(caught.value)
    with pytest.raises(LiveProtocolError):
        one.take(audiosocket_packet(0x10, b"\x00\x00"))
    assert one.close() == []


@pytest.mark.parametrize(
    "first",
    [
        audiosocket_packet(0x10, bytes(320)),
        BYE,
        audiosocket_packet(0x01, bytes(15)),
        b"\x01\xff\xff",
        b"GET / HTTP/1.1\r\n",
        b"\x16\x03\x01",
    ],
)
def test_what_does_not_begin_with_a_uuid_is_refused_without_waiting_for_more(first: bytes) -> None:
    one = door()
    with pytest.raises(LiveProtocolError):
        one.take(first)
    assert one.close() == []


@pytest.mark.parametrize(
    "packet",
    [
        HELLO,
        audiosocket_packet(0x02),
        audiosocket_packet(0x19, b"\x00\x00"),
        audiosocket_packet(0x12, b"\x01\x00"),
        audiosocket_packet(0x16, b"\x01\x00"),
    ],
    ids=["second UUID", "unknown kind", "unknown sound", "other rate", "48 kHz"],
)
def test_a_wrong_packet_ends_the_call_with_the_sound_before_it(packet: bytes) -> None:
    data = HELLO + audiosocket_packet(0x10, b"\x07\x00\x08\x00") + packet + audiosocket_packet(0x10, b"\x09\x00")
    for cuts in ([], list(range(len(data)))):
        one = door()
        steps, failed = told(data, cuts, to=one)
        assert failed
        assert isinstance(steps[0], Begin)
        assert sound(steps) == [7, 8]
        assert [type(step) for step in one.close()] == [End]


@pytest.mark.parametrize(("kind", "hertz"), [(0x11, "12000"), (0x13, "24000"), (0x15, "44100"), (0x18, "192000")])
def test_rates_that_are_not_taken_are_named(kind: int, hertz: str) -> None:
    one = door()
    one.take(HELLO)
    with pytest.raises(LiveProtocolError, match=hertz):
        one.take(audiosocket_packet(kind, bytes(480)))
    assert one.close() == []


def test_digits_are_passed_over() -> None:
    data = HELLO + audiosocket_packet(0x10, b"\x01\x00") + audiosocket_packet(0x03, b"5")
    steps, failed = told(data + audiosocket_packet(0x10, b"\x02\x00") + BYE, [])
    assert (sound(steps), failed) == ([1, 2], False)


@pytest.mark.parametrize("error", [b"", b"\x01", b"\x04more"])
def test_an_error_of_asterisk_ends_the_call(error: bytes) -> None:
    data = HELLO + audiosocket_packet(0x10, b"\x01\x00") + audiosocket_packet(0xFF, error)
    steps, failed = told(data, [])
    assert [type(step) for step in steps] == [Begin, Sound, End]
    assert not failed


@pytest.mark.parametrize("data", [HELLO + BYE, HELLO])
def test_a_call_without_sound_begins_and_ends(data: bytes) -> None:
    one = door()
    assert one.take(data) + one.close() == [Begin(call=ANNOUNCED.call, form=ANNOUNCED.form), End()]


def test_a_connection_that_closes_ends_the_call() -> None:
    one = door()
    one.take(HELLO + audiosocket_packet(0x10, b"\x01\x00\x02"))
    assert [type(step) for step in one.close()] == [End]
    assert one.close() == []
    assert door().close() == []


def test_texts_are_refused() -> None:
    with pytest.raises(LiveProtocolError):
        door().take("hello")


def test_no_more_than_one_packet_is_kept() -> None:
    one = door()
    one.take(HELLO)
    one.take(b"\x10\xff\xff")
    for _ in range(200):
        one.take(bytes(60_000))
        assert len(one._kept) <= 3 + 0xFFFF
    with pytest.raises(LiveProtocolError):
        door().take(bytes((1 << 20) + 1))


PACKETS = st.one_of(
    st.tuples(st.sampled_from([0x10] * 6 + [0x12, 0x03, 0x01, 0x00, 0xFF, 0x13]), st.binary(max_size=12)),
    st.tuples(st.integers(0, 255), st.binary(max_size=4)),
)


@given(
    packets=st.lists(PACKETS, max_size=12), rest=st.binary(max_size=5), cuts=st.lists(st.integers(0, 300), max_size=20)
)
def test_any_cut_gives_the_same_call(packets: list[tuple[int, bytes]], rest: bytes, cuts: list[int]) -> None:
    data = HELLO + b"".join(audiosocket_packet(kind, payload) for kind, payload in packets) + rest
    whole, failed = told(data, [])
    cut, cut_failed = told(data, cuts)
    assert (sound(cut), cut_failed) == (sound(whole), failed)
    for steps in (whole, cut):
        kinds = [type(step) for step in steps]
        assert kinds.count(Begin) <= 1
        assert kinds[:1] in ([], [Begin])
        assert End not in kinds[:-1]
    assert [step for step in cut if not isinstance(step, Sound)] == [
        step for step in whole if not isinstance(step, Sound)
    ]


@given(data=st.binary(max_size=200), cuts=st.lists(st.integers(0, 200), max_size=10), known=st.booleans())
def test_arbitrary_bytes_give_steps_or_a_typed_error(data: bytes, cuts: list[int], *, known: bool) -> None:
    told((HELLO if known else b"") + data, cuts)
