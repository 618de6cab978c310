"""Sound that its sender lost on the way is a gap of the call's report, not a pause in it."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from qingting.model.call import Role
from qingting.testing.live_doors import TWILIO_HERTZ, TwilioCaller, at_rate, frames, opus_packets
from qingting.testing.samples import SampleCall

if TYPE_CHECKING:
    from tests.end_to_end.conftest import Centre, Sound

pytestmark = pytest.mark.timeout(300)

KNOWN = SAMPLE = "angry_escalation"
SETTINGS = {"QINGTING_API__REQUESTS_PER_MINUTE": "0"}
FRAME_MS = 20


@pytest.fixture(scope="module")
def customer_first(sound: Sound, sample: SampleCall) -> np.ndarray:
    """Twenty seconds of 8 kHz, as Twilio has them."""
    pcm, rate_hertz = sound
    ordered = pcm if sample.script.party(Role.CUSTOMER) == "left" else pcm[::-1]
    return at_rate(ordered[:, : 20 * rate_hertz], rate_hertz, TWILIO_HERTZ)


def twilio_call(centre: Centre, call_id: str, pcm: np.ndarray, *, lost: range, silent: range) -> dict[str, Any]:
    """Report of a call: frames in `lost` are numbered and do not come, those in `silent` are no messages at all."""
    caller = TwilioCaller(parameters={"key": centre.key, "call_id": call_id})
    url = centre.service.url.replace("http", "ws", 1)
    with connect(f"{url}/api/v1/live/twilio", compression=None) as socket:
        for text in caller.begin():
            socket.send(text)
        for number, frame in enumerate(frames(pcm, TWILIO_HERTZ)):
            for track, row in zip(("inbound", "outbound"), frame, strict=True):
                if track == "outbound" or number not in silent:
                    text = caller.media(track, row, number * FRAME_MS)
                    if track == "outbound" or number not in lost:
                        socket.send(text)
        socket.send(caller.stop())
        # The first call waits for its listening process: leaving earlier would take what is not read yet along.
        with suppress(ConnectionClosed):
            socket.recv()
    return centre.report_of(call_id)


def truncated(report: dict[str, Any]) -> list[str]:
    return [gap["reason"] for gap in report["gaps"] if gap["what"] == "audio.truncated"]


def test_messages_that_twilio_lost_are_a_gap(centre: Centre, customer_first: np.ndarray) -> None:
    report = twilio_call(centre, "lost", customer_first, lost=range(200, 275), silent=range(0))
    assert truncated(report) == ["实时音频缺失约1.5秒，缺失处按静音处理。"]
    assert report["recording"]["duration_ms"] == 20_000


def test_silence_that_twilio_did_not_send_is_none(centre: Centre, customer_first: np.ndarray) -> None:
    report = twilio_call(centre, "silent", customer_first, lost=range(0), silent=range(200, 275))
    assert truncated(report) == []
    assert report["recording"]["duration_ms"] == 20_000


def test_packets_lost_before_and_after_a_broken_connection_add_up(centre: Centre, customer_first: np.ndarray) -> None:
    packets = opus_packets(customer_first, TWILIO_HERTZ, frame_ms=FRAME_MS)
    for number in (*range(100, 130), *range(400, 410)):
        packets[number] = b""
    audio = {"encoding": "opus", "rate": TWILIO_HERTZ, "channels": 2, "roles": ["customer", "agent"]}
    url = f"{centre.service.url.replace('http', 'ws', 1)}/api/v1/live"
    headers = {"X-API-Key": centre.key}
    with connect(url, compression=None, additional_headers=headers) as socket:
        socket.send(json.dumps({"type": "start", "call": {"call_id": "opus"}, "audio": audio}))
        token = json.loads(socket.recv())["token"]
        for packet in packets[:300]:
            socket.send(packet)
    with connect(url, compression=None, additional_headers=headers) as socket:
        socket.send(json.dumps({"type": "resume", "token": token, "after": 0, "encoding": "opus"}))
        received_ms = json.loads(socket.recv())["received_samples"] * 1000 // TWILIO_HERTZ
        for packet in packets[received_ms // FRAME_MS :]:
            socket.send(packet)
        socket.send('{"type": "stop"}')
        assert any(json.loads(message)["type"] == "report" for message in socket)
    assert truncated(centre.report_of("opus")) == ["实时音频缺失约0.8秒，缺失处按静音处理。"]
