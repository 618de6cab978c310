"""Messages over a pair of pipes: a pickle, and the large buffers beside it."""

from __future__ import annotations

import contextlib
import pickle
import struct
from typing import Any, BinaryIO

_HEAD = struct.Struct("<QI")
"""Length of the pickle, number of buffers."""
_PIPE_BYTES = 1 << 20
_F_SETPIPE_SZ = 1031
"""Linux's fcntl command for a pipe's capacity (linux/fcntl.h)."""


Packed = tuple[bytearray, list[bytearray]]
"""A message as it travels: the pickle, and its buffers."""


class WireClosedError(Exception):
    """The other side is gone."""


class Wire:
    """One side of the connection between a pool and its worker."""

    def __init__(self, *, reader: BinaryIO, writer: BinaryIO) -> None:
        self._reader = reader
        self._writer = writer
        _widen(writer)

    def send(self, message: Any) -> None:
        """Send anything that pickles; raises WireClosedError when nobody reads."""
        buffers: list[pickle.PickleBuffer] = []
        body = pickle.dumps(message, protocol=5, buffer_callback=buffers.append)
        raws = [buffer.raw() for buffer in buffers]
        head = _HEAD.pack(len(body), len(raws)) + b"".join(struct.pack("<Q", raw.nbytes) for raw in raws)
        try:
            self._write(memoryview(head + body))
            for raw in raws:
                self._write(raw)
        except (OSError, ValueError):
            raise WireClosedError from None

    def answer(self, outcome: tuple[str, Any]) -> None:
        """Send a result; one that does not pickle is sent as the failure it is."""
        try:
            self.send(outcome)
        except WireClosedError:
            raise
        except Exception as error:  # noqa: BLE001 (pickling runs the result's own code)
            self.send(("failure", type(error).__name__))

    def receive(self) -> Any:
        """Wait for the next message; raises WireClosedError when the other side is gone.

        Arrays in the message are backed by fresh memory and may be written to.
        """
        return unpack(self.receive_packed())

    def receive_packed(self) -> Packed:
        """Wait for the next message and leave it packed; raises WireClosedError."""
        try:
            length, count = _HEAD.unpack(self._read(_HEAD.size))
            sizes = struct.unpack(f"<{count}Q", self._read(8 * count))
            return self._read(length), [self._read(size) for size in sizes]
        except (OSError, ValueError):
            raise WireClosedError from None

    def close(self) -> None:
        """Close both pipes."""
        for pipe in (self._writer, self._reader):
            with contextlib.suppress(OSError):
                pipe.close()

    def _write(self, data: memoryview) -> None:
        data = data.cast("B")
        while data:
            data = data[self._writer.write(data) :]

    def _read(self, length: int) -> bytearray:
        data = bytearray(length)
        view = memoryview(data)
        at = 0
        while at < length:
            count = self._reader.readinto(view[at:])  # type: ignore[attr-defined]  # an unbuffered FileIO
            if not count:
                raise WireClosedError
            at += count
        return data


def unpack(packed: Packed) -> Any:
    """Make the message again; raises whatever unpickling raises."""
    body, buffers = packed
    return pickle.loads(body, buffers=buffers)  # noqa: S301 (from our own process)


def _widen(pipe: BinaryIO) -> None:
    """Ask for a large pipe: fewer switches between the two processes."""
    try:
        import fcntl
    except ImportError:  # Windows
        return
    with contextlib.suppress(OSError, ValueError):
        fcntl.fcntl(pipe.fileno(), _F_SETPIPE_SZ, _PIPE_BYTES)
