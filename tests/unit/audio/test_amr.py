"""AMR frames are decoded in runs; a frame that the decoder refuses costs only its own 20 ms."""

import av
import numpy as np
import pytest
from av.audio.fifo import AudioFifo

from qingting.audio import _amr
from qingting.audio._assembly import Assembly
from qingting.audio.options import AudioLimits

REFUSED = b"\x3c" + b"!" * 31


def frames_of(count):
    """Frames of the highest rate, each one unlike the others."""
    random = np.random.default_rng(3)
    return [b"\x3c" + random.integers(0, 256, 31, np.uint8).tobytes() for _ in range(count)]


@pytest.fixture
def strict(monkeypatch):
    """The real decoder, but it refuses every packet that holds REFUSED."""
    real = _amr._decoded
    monkeypatch.setattr(_amr, "_decoded", lambda decoder, data: None if REFUSED in data else real(decoder, data))


def decoded(frames):
    assembly = Assembly(AudioLimits())
    lost = _amr._decode(frames, _amr.NARROW_BAND, assembly)
    return assembly.finish()[0], lost


@pytest.mark.parametrize("count", [1, 49, 50, 51, 137])
def test_runs_give_the_samples_that_single_frames_give(count):
    frames = frames_of(count)
    decoder, fifo = av.CodecContext.create("libopencore_amrnb", "r"), AudioFifo()
    for frame in frames:
        for samples in decoder.decode(av.Packet(frame)):
            samples.pts = None
            fifo.write(samples)
    samples, lost = decoded(frames)
    assert lost == 0
    assert np.array_equal(samples, fifo.read(0, partial=True).to_ndarray()[0])


@pytest.mark.parametrize("at", [0, 10, 49, 50, 119])
def test_a_refused_frame_becomes_20_ms_of_silence_and_the_rest_stays(strict, at):
    frames = frames_of(120)
    frames[at] = REFUSED
    samples, lost = decoded(frames)
    assert lost == pytest.approx(0.02)
    assert samples.size == 120 * 160
    quiet = [i for i in range(120) if not samples[i * 160 : i * 160 + 160].any()]
    assert quiet == [at]


def test_runs_keep_every_frame_and_every_gap_in_order():
    frames = [*frames_of(60), 0.5, 0.25, *frames_of(3)]
    runs = list(_amr._runs(frames))
    assert [run if isinstance(run, float) else len(run) for run in runs] == [50, 10, 0.5, 0.25, 3]
    assert [x for run in runs for x in ([run] if isinstance(run, float) else run)] == frames
