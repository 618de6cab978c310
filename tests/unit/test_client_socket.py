"""The WebSocket client of the load generator: what a server sends is cut into messages."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
from websockets.frames import Frame, Opcode

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture(scope="module")
def sockets() -> Iterator[ModuleType]:
    sys.path.insert(0, str(BENCHMARKS))
    try:
        yield importlib.import_module("_client_socket")
    finally:
        sys.path.remove(str(BENCHMARKS))


def from_server(opcode: Opcode, data: bytes, *, fin: bool = True) -> bytes:
    return Frame(opcode, data, fin).serialize(mask=False)


STREAM = (
    from_server(Opcode.TEXT, b"")
    + from_server(Opcode.TEXT, b"a" * 125)
    + from_server(Opcode.TEXT, b"in ", fin=False)
    + from_server(Opcode.PING, b"between")
    + from_server(Opcode.CONT, b"three ", fin=False)
    + from_server(Opcode.CONT, b"parts")
    + from_server(Opcode.BINARY, b"b" * 126)
    + from_server(Opcode.PONG, b"")
    + from_server(Opcode.CLOSE, b"\x03\xe8bye")
)
MESSAGES = [
    (1, b""),
    (1, b"a" * 125),
    (9, b"between"),
    (1, b"in three parts"),
    (2, b"b" * 126),
    (10, b""),
    (8, b"\x03\xe8bye"),
]


@pytest.mark.parametrize("at", range(len(STREAM) + 1))
def test_messages_are_the_same_wherever_the_network_cuts(sockets: ModuleType, at: int) -> None:
    reader = sockets.FrameReader()
    assert reader.feed(STREAM[:at]) + reader.feed(STREAM[at:]) == MESSAGES


def test_messages_are_the_same_byte_by_byte(sockets: ModuleType) -> None:
    reader = sockets.FrameReader()
    assert [one for n in range(len(STREAM)) for one in reader.feed(STREAM[n : n + 1])] == MESSAGES


@pytest.mark.parametrize("size", [126, 65535, 65536, 70000, 1024 * 1024])
def test_long_messages_are_read_whole(sockets: ModuleType, size: int) -> None:
    payload = bytes(n % 251 for n in range(size))
    written = from_server(Opcode.TEXT, payload) + from_server(Opcode.TEXT, b"next")
    for at in (*range(12), size, size + 5, len(written)):
        reader = sockets.FrameReader()
        assert reader.feed(written[:at]) + reader.feed(written[at:]) == [(1, payload), (1, b"next")]


@pytest.mark.parametrize(
    "wrong",
    [
        Frame(Opcode.TEXT, b"masked").serialize(mask=True),
        b"\xc1\x00",  # compressed, which nobody asked for
        b"\x83\x00",  # an unknown opcode
        b"\x09\x00",  # a ping in parts
        b"\x89\x7e\x00\x7e" + b"a" * 126,  # too long a ping
        from_server(Opcode.CONT, b"of nothing"),
        from_server(Opcode.TEXT, b"a", fin=False) + from_server(Opcode.TEXT, b"b"),
        b"\x81\x7f" + (2**40).to_bytes(8, "big"),  # refused before it comes
        from_server(Opcode.TEXT, b"a" * 600_000, fin=False) + from_server(Opcode.CONT, b"a" * 600_000),
    ],
    # A mask is drawn by lot, and names must be the same in all processes that share the tests.
    ids=("masked", "compressed", "opcode", "parts", "long ping", "nothing", "interrupted", "huge", "long"),
)
def test_what_a_server_must_not_send_is_refused(sockets: ModuleType, wrong: bytes) -> None:
    with pytest.raises(sockets.ProtocolError):
        sockets.FrameReader().feed(wrong)
