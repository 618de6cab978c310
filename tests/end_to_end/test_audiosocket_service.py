"""Asterisk's AudioSocket over real TCP into a running service: announced calls come in, and nobody else."""

from __future__ import annotations

import socket
import struct
import uuid
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import httpx2
import numpy as np
import pytest
from numpy.typing import NDArray

from qingting.audio.roles import apply_roles
from qingting.bootstrap import plans
from qingting.errors import NotFoundError
from qingting.inspector import judge
from qingting.live.session import LiveFormat
from qingting.model.call import Role
from qingting.model.transcript import Transcript
from qingting.report.formats.json import to_plain
from qingting.settings import load_settings
from qingting.speech.recognizer import Recognizer
from qingting.testing.installation import wait_until
from qingting.testing.known_calls_engine import KnownCallsEngine
from qingting.testing.live_doors import at_rate, audiosocket_call, audiosocket_packet
from qingting.testing.telephone import TELEPHONE_HERTZ, one_side, telephone_sound

if TYPE_CHECKING:
    from tests.end_to_end.conftest import Centre

    from qingting.testing.samples import SampleCall

pytestmark = pytest.mark.timeout(300)

SAMPLE = "angry_escalation"
KNOWN = f"customer:{SAMPLE}"
IDLE_SECONDS = 4


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
        return port


PORT = free_port()
SETTINGS = {
    "QINGTING_LIVE__AUDIOSOCKET_PORT": str(PORT),
    "QINGTING_LIVE__AUDIOSOCKET_SENDERS": "127.0.0.1",
    "QINGTING_LIVE__IDLE_SECONDS": str(IDLE_SECONDS),
    "QINGTING_LIVE__START_EARLY": "true",
    "QINGTING_API__REQUESTS_PER_MINUTE": "0",
}


Essence = tuple[list[tuple[int, int, str]], list[str], float]
"""Utterances (start, end, role and text), ids of findings, score."""


def essence(report: Mapping[str, Any]) -> Essence:
    spoken = [(one["start_ms"], one["end_ms"], one["role"]) for one in report["transcript"]["utterances"]]
    return spoken, sorted(one["id"] for one in report["findings"]), report["score"]["total"]


Announce = Callable[..., tuple[str, uuid.UUID]]


@pytest.fixture(scope="module")
def voice(sample: SampleCall) -> NDArray[np.int16]:
    """The customer on one channel of 8 kHz, [1, samples]."""
    row = ("left", "right").index(sample.script.party(Role.CUSTOMER))
    return telephone_sound(sample)[row : row + 1]


@pytest.fixture(scope="module")
def expected(sample: SampleCall) -> Essence:
    """What an inspection of the customer's channel comes to."""
    script, audio = one_side(sample, Role.CUSTOMER)
    plan = plans(load_settings())(script.call.line_of_business)
    roles = LiveFormat(rate_hertz=TELEPHONE_HERTZ, channels=1, roles=(Role.CUSTOMER,)).decision()
    spoken, engine = Recognizer(KnownCallsEngine([(script, audio)])).transcribe(audio, corrector=plan.corrector)
    transcript = Transcript(utterances=apply_roles(spoken, roles), engine=engine, duration_ms=audio.format.duration_ms)
    report = judge(call=script.call, roles=roles, transcript=transcript, plan=plan)
    return essence(to_plain(report))


@pytest.fixture
def announce(centre: Centre, request: pytest.FixtureRequest) -> Announce:
    """Announce a call with the customer's voice; returns its id and UUID."""

    def announced(suffix: str = "", **data: Any) -> tuple[str, uuid.UUID]:
        call_id = f"{request.node.name[:100]}{suffix}"
        answer = httpx2.post(
            f"{centre.service.url}/api/v1/live/expected",
            headers={"Authorization": f"Bearer {centre.key}"},
            json={"call_id": call_id, "agent_id": "8012", "team": "售后", "who": "customer", **data},
        )
        assert answer.status_code == 201, answer.text
        return call_id, uuid.UUID(answer.json()["uuid"])

    return announced


def connected(source: str = "127.0.0.1") -> socket.socket:
    return socket.create_connection(("127.0.0.1", PORT), timeout=60, source_address=(source, 0))


def send_all(connection: socket.socket, packets: Iterable[bytes]) -> None:
    for packet in packets:
        connection.sendall(packet)


def wait_until_closed(connection: socket.socket) -> None:
    """Read to the end; nothing may come before it, since it would be played to the call."""
    with suppress(ConnectionResetError):
        assert connection.recv(1) == b""


def frames_of(voice: NDArray[np.int16], number: uuid.UUID, from_seconds: int, to_seconds: int) -> list[bytes]:
    """Packets of a part of the call: the UUID where it begins, then sound; no hang-up."""
    part = voice[:, from_seconds * TELEPHONE_HERTZ : to_seconds * TELEPHONE_HERTZ]
    packets = list(audiosocket_call(part, TELEPHONE_HERTZ, number))[:-1]
    return packets if from_seconds == 0 else packets[1:]


def test_an_announced_call_gets_the_report_of_its_recording(
    centre: Centre, announce: Announce, voice: NDArray[np.int16], expected: Essence
) -> None:
    call_id, number = announce(fields={"queue": "退款"})
    with connected() as connection:
        send_all(connection, audiosocket_call(voice, TELEPHONE_HERTZ, number))
        wait_until_closed(connection)
    report = centre.report_of(call_id)
    assert essence(report) == expected
    assert len(expected[0]) > 5
    assert expected[1]
    assert {one["role"] for one in report["transcript"]["utterances"]} == {"customer"}
    assert (report["recording"]["sample_rate_hertz"], report["recording"]["channels"]) == (8000, 1)
    assert report["recording"]["duration_ms"] == voice.shape[1] * 1000 // TELEPHONE_HERTZ
    assert (report["call"]["agent_id"], report["call"]["team"]) == ("8012", "售后")
    assert report["call"]["fields"] == {"queue": "退款"}


def test_two_calls_at_once_do_not_mix(
    centre: Centre, announce: Announce, voice: NDArray[np.int16], expected: Essence
) -> None:
    calls = [announce(f"-{n}") for n in range(2)]
    with connected() as first, connected() as second:
        pairs = zip(*(audiosocket_call(voice, TELEPHONE_HERTZ, number) for _, number in calls), strict=True)
        for one, other in pairs:
            first.sendall(one)
            second.sendall(other)
        wait_until_closed(first)
        wait_until_closed(second)
    assert [essence(centre.report_of(call_id)) for call_id, _ in calls] == [expected, expected]


def test_sixteen_kilohertz_are_taken_too(centre: Centre, announce: Announce, voice: NDArray[np.int16]) -> None:
    call_id, number = announce(rate=16_000)
    wide = at_rate(voice, TELEPHONE_HERTZ, 16_000)
    with connected() as connection:
        send_all(connection, audiosocket_call(wide, 16_000, number))
        wait_until_closed(connection)
    assert centre.report_of(call_id)["recording"]["sample_rate_hertz"] == 16_000


@pytest.mark.parametrize("end", ["finish", "reset"])
def test_a_connection_that_vanishes_leaves_a_report(
    centre: Centre, announce: Announce, voice: NDArray[np.int16], end: str
) -> None:
    call_id, number = announce()
    connection = connected()
    send_all(connection, frames_of(voice, number, 0, 20))
    wait_until_kept(centre, 20)
    if end == "reset":
        # Closing sends a reset instead of an end: what a machine that lost its memory of the connection does.
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()
    # A reset throws away what was not read.
    least = 19_500 if end == "reset" else 20_000
    assert least <= centre.report_of(call_id)["recording"]["duration_ms"] <= 20_000


def wait_until_kept(centre: Centre, seconds: int) -> None:
    """Wait until so much sound of the only call that runs is on disk, but for the last half second at most."""
    second = 2 * TELEPHONE_HERTZ
    wait_until(lambda: any(one.stat().st_size > 44 + seconds * second - second // 2 for one in centre.spooled))


def test_a_call_that_nobody_announced_is_refused_and_leaves_nothing(
    centre: Centre, announce: Announce, voice: NDArray[np.int16]
) -> None:
    known = {one["call_id"] for one in centre.api.calls()}
    with connected() as connection:
        with suppress(ConnectionError):
            send_all(connection, audiosocket_call(voice[:, :TELEPHONE_HERTZ], TELEPHONE_HERTZ, uuid.uuid4()))
        wait_until_closed(connection)
    assert {one["call_id"] for one in centre.api.calls()} == known
    wait_until(lambda: not centre.spooled)


def test_a_uuid_is_good_once(centre: Centre, announce: Announce, voice: NDArray[np.int16]) -> None:
    call_id, number = announce()
    with connected() as first, connected() as second:
        send_all(first, frames_of(voice, number, 0, 10))
        wait_until_kept(centre, 10)
        with suppress(ConnectionError):
            send_all(second, frames_of(voice, number, 0, 5))
        wait_until_closed(second)
        send_all(first, [audiosocket_packet(0x00)])
    assert centre.report_of(call_id)["recording"]["duration_ms"] == 10_000


def test_an_address_that_may_not_send_is_refused(centre: Centre, announce: Announce, voice: NDArray[np.int16]) -> None:
    call_id, number = announce()
    with connected("127.0.0.2") as connection:
        with suppress(ConnectionError):
            send_all(connection, frames_of(voice, number, 0, 5))
        wait_until_closed(connection)
    assert not centre.state_of(call_id)
    wait_until(lambda: not centre.spooled)
    # The announcement is still good: nobody but an allowed sender can use it up.
    with connected() as connection:
        send_all(connection, audiosocket_call(voice[:, : 5 * TELEPHONE_HERTZ], TELEPHONE_HERTZ, number))
        wait_until_closed(connection)
    assert centre.report_of(call_id)["recording"]["duration_ms"] == 5000


GARBAGE = {
    "not the protocol": b"GET / HTTP/1.1\r\n\r\n",
    "sound before the UUID": audiosocket_packet(0x10, b"\0" * 320),
    "a UUID that is too short": audiosocket_packet(0x01, b"\0" * 15),
    "a TLS greeting": bytes.fromhex("160301020001000001fc0303"),
}


@pytest.mark.parametrize("sent", GARBAGE.values(), ids=GARBAGE.keys())
def test_garbage_closes_its_own_connection_only(
    centre: Centre, announce: Announce, voice: NDArray[np.int16], sent: bytes
) -> None:
    call_id, number = announce()
    with connected() as good, connected() as bad:
        send_all(good, frames_of(voice, number, 0, 5))
        bad.sendall(sent)
        wait_until_closed(bad)
        send_all(good, [*frames_of(voice, number, 5, 10), audiosocket_packet(0x00)])
        wait_until_closed(good)
    assert centre.report_of(call_id)["recording"]["duration_ms"] == 10_000


BROKEN = {
    "a frame that is cut off": audiosocket_packet(0x10, b"\1" * 320)[:100],
    "a frame of another rate": audiosocket_packet(0x12, b"\0" * 640),
    "a frame of no known kind": audiosocket_packet(0x7F, b"\0" * 10),
    "a rate that is not taken": audiosocket_packet(0x16, b"\0" * 1920),
    "a second UUID": audiosocket_packet(0x01, uuid.uuid4().bytes),
}


@pytest.mark.parametrize("sent", BROKEN.values(), ids=BROKEN.keys())
def test_a_call_that_breaks_off_is_reported_up_to_there(
    centre: Centre, announce: Announce, voice: NDArray[np.int16], sent: bytes
) -> None:
    call_id, number = announce()
    with connected() as connection:
        send_all(connection, frames_of(voice, number, 0, 10))
        wait_until_kept(centre, 10)
        connection.sendall(sent)
        with suppress(OSError):
            # A frame that is cut off shows as such when the connection ends; everything else closes it.
            connection.shutdown(socket.SHUT_WR)
        wait_until_closed(connection)
    assert centre.report_of(call_id)["recording"]["duration_ms"] == 10_000


@pytest.mark.parametrize("begun", [False, True], ids=["before the UUID", "within the call"])
def test_a_connection_that_brings_nothing_is_closed(
    centre: Centre, announce: Announce, voice: NDArray[np.int16], begun: bool
) -> None:
    call_id, number = announce()
    with connected() as connection:
        if begun:
            send_all(connection, frames_of(voice, number, 0, 10))
        wait_until_closed(connection)
    if begun:
        assert centre.report_of(call_id)["recording"]["duration_ms"] == 10_000
    else:
        assert not centre.state_of(call_id)


def test_a_call_without_sound_leaves_no_report(centre: Centre, announce: Announce) -> None:
    call_id, number = announce()
    with connected() as connection:
        send_all(connection, [audiosocket_packet(0x01, number.bytes), audiosocket_packet(0x00)])
        wait_until_closed(connection)
    centre.wait_for_state(call_id, "known")
    wait_until(lambda: not centre.spooled)
    with pytest.raises(NotFoundError):
        centre.api.report(call_id)
