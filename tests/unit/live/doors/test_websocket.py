"""Qingting's own protocol: what the door tells of sound that did not come."""

from __future__ import annotations

import json

import numpy as np

from qingting.live.doors.websocket import OwnDoor
from qingting.live.session import LiveFormat
from qingting.testing.live_doors import opus_packets

START = {"type": "start", "audio": {"rate": 8000, "channels": 1, "encoding": "opus"}}


def test_packets_that_were_lost_are_told(noise) -> None:
    door, packets = OwnDoor(), opus_packets(noise[:1], 8000)
    assert door.missing_ms == 0
    door.take(json.dumps(START))
    for number, packet in enumerate(packets):
        door.take(b"" if number in (3, 4) else packet)
    assert door.missing_ms == 40


def test_what_a_connection_that_goes_on_has_lost_is_counted_anew() -> None:
    door, (packet, *_) = OwnDoor(), opus_packets(np.zeros((1, 160), np.int16), 8000)
    door.take(json.dumps({"type": "resume", "token": "x", "encoding": "opus"}))
    door.resumed("opus", LiveFormat(rate_hertz=8000, channels=1))
    door.take(packet)
    door.take(b"")
    assert door.missing_ms == 20
