"""Writing a call in the format its script asks for."""

from __future__ import annotations

import ctypes
import ctypes.util
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

from qingting.testing.call_script import ScriptAudio

_AMR_WB_FRAME = 320
"""Samples of 20 ms at 16 kHz."""
_AMR_WB_BIT_RATES = (6600, 8850, 12650, 14250, 15850, 18250, 19850, 23050, 23850)


def encode(pcm: NDArray[np.int16], audio: ScriptAudio, path: Path) -> None:
    """Write int16 samples [samples, channels] to `path`."""
    if audio.codec == "amr_wb":
        _encode_amr_wb(pcm[:, 0], audio.bit_rate, path)
        return
    # Without bitexact the Ogg muxer draws a random serial number for its stream.
    with av.open(str(path), "w", format=audio.container, options={"fflags": "+bitexact"}) as container:
        # Encoder names and times in headers would make two runs differ.
        container.metadata.clear()
        stream = container.add_stream(audio.codec, rate=audio.sample_rate_hertz)
        assert isinstance(stream, av.AudioStream)
        stream.codec_context.layout = "stereo" if audio.channels == 2 else "mono"
        stream.codec_context.flags |= av.codec.context.Flags.bitexact
        if audio.bit_rate:
            stream.codec_context.bit_rate = audio.bit_rate
        for packet in stream.encode(_frame(pcm, audio)):
            container.mux(packet)
        for packet in stream.encode(None):
            container.mux(packet)


def _frame(pcm: NDArray[np.int16], audio: ScriptAudio) -> av.AudioFrame:
    layout = "stereo" if audio.channels == 2 else "mono"
    frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(pcm.reshape(1, -1)), format="s16", layout=layout)
    frame.sample_rate = audio.sample_rate_hertz
    frame.pts = 0
    return frame


def _encode_amr_wb(samples: NDArray[np.int16], bit_rate: int, path: Path) -> None:
    """Encode with libvo-amrwbenc (Debian package libvo-amrwbenc0): PyAV has no AMR-WB encoder."""
    name = ctypes.util.find_library("vo-amrwbenc")
    if name is None:
        raise RuntimeError("AMR-WB needs libvo-amrwbenc; on Debian: apt-get install libvo-amrwbenc0")
    library = ctypes.CDLL(name)
    library.E_IF_init.restype = ctypes.c_void_p
    library.E_IF_encode.argtypes = [ctypes.c_void_p, ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int]
    library.E_IF_exit.argtypes = [ctypes.c_void_p]
    state = library.E_IF_init()
    buffer = ctypes.create_string_buffer(128)
    blocks = [b"#!AMR-WB\n"]
    padded = np.pad(samples, (0, -len(samples) % _AMR_WB_FRAME))
    for frame in padded.reshape(-1, _AMR_WB_FRAME):
        block = np.ascontiguousarray(frame)
        size = library.E_IF_encode(state, _AMR_WB_BIT_RATES.index(bit_rate), block.ctypes.data, buffer, 0)
        blocks.append(buffer.raw[:size])
    library.E_IF_exit(state)
    path.write_bytes(b"".join(blocks))
