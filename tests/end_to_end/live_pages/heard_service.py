"""`qingting serve` whose listening process knows a sample call by its sound, however it came through a microphone.

    python heard_service.py CALL_ID [--port N]

As tests/live_service.py, save that sound is found in the call by likeness: a browser's microphone changes
every sample of it.
"""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import numpy as np
from numpy.typing import NDArray

from qingting.audio.front_end import prepare
from qingting.model.audio import PreparedAudio, SpeechSpan
from qingting.model.transcript import EngineIdentity
from qingting.speech.engine import SAMPLE_RATE_HERTZ, Capabilities, Clip, Recognition, RecognitionOptions, SpeechEngine
from qingting.testing import sample_call
from qingting.testing.call_script import CallScript
from qingting.testing.known_calls_engine import KnownCallsEngine
from qingting.testing.scripted_engine import answers_for_spans

THINNED = 4
"""Every so many samples become one: enough to find sound again, in a quarter of the time."""
LIKENESS = 0.5


class HeardCallEngine(SpeechEngine):
    """Finds clips in a call by cross-correlation, and answers with the words said there."""

    def __init__(self, script: CallScript, audio: PreparedAudio) -> None:
        assert audio.rate_hertz == SAMPLE_RATE_HERTZ
        self._script = script
        self._spans = audio.spans
        self._tracks = dict(zip(audio.parties, (_thinned(row / 32768) for row in audio.pcm), strict=True))

    @property
    def identity(self) -> EngineIdentity:
        return EngineIdentity(name="heard-call", model="script", revision="")

    @property
    def capabilities(self) -> Capabilities:
        return KnownCallsEngine(()).capabilities

    def transcribe(self, clips: Sequence[Clip], options: RecognitionOptions) -> list[Recognition]:
        return [self._answer(clip) for clip in clips]

    def _answer(self, clip: Clip) -> Recognition:
        found = [(*_find(_thinned(clip.samples), track), party) for party, track in self._tracks.items()]
        likeness, at, party = max(found)
        if likeness < LIKENESS:
            return Recognition(text="", language="")
        start_ms = at * THINNED * 1000 // SAMPLE_RATE_HERTZ
        heard = SpeechSpan(party=party, channel=0, start_ms=start_ms, end_ms=start_ms + round(clip.seconds * 1000))
        others = [rest for one in self._spans for rest in _without(one, heard)]
        return answers_for_spans(self._script, [heard, *others])[0]


def _without(span: SpeechSpan, heard: SpeechSpan) -> list[SpeechSpan]:
    """What of a span was not heard: it keeps the words that are said there."""
    if span.party != heard.party:
        return [span]
    rests = ((span.start_ms, min(span.end_ms, heard.start_ms)), (max(span.start_ms, heard.end_ms), span.end_ms))
    return [replace(span, start_ms=start_ms, end_ms=end_ms) for start_ms, end_ms in rests if start_ms < end_ms]


def _thinned(samples: NDArray[np.floating]) -> NDArray[np.float64]:
    whole = len(samples) // THINNED * THINNED
    return samples[:whole].reshape(-1, THINNED).mean(axis=1)


def _find(clip: NDArray[np.float64], track: NDArray[np.float64]) -> tuple[float, int]:
    """Likeness (normalised correlation, 0 to 1) and place, in thinned samples, of where the clip fits best."""
    size = 1 << (len(clip) + len(track)).bit_length()
    crossed = np.fft.irfft(np.fft.rfft(track, size) * np.conj(np.fft.rfft(clip, size)), size)[: len(track)]
    energy = np.concatenate([[0.0], np.cumsum(track**2)])
    ends = np.minimum(np.arange(len(track)) + len(clip), len(track))
    there = energy[ends] - energy[: len(track)]
    likeness = crossed / np.sqrt(np.maximum(there * np.sum(clip**2), 1e-9))
    best = int(np.argmax(likeness))
    return float(likeness[best]), best


def _live_service() -> ModuleType:
    path = Path(__file__).parents[2] / "live_service.py"
    spec = importlib.util.spec_from_file_location("live_service", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def main(arguments: list[str]) -> None:
    sample = sample_call(arguments[0])

    def heard_calls(_: str) -> HeardCallEngine:
        return HeardCallEngine(sample.script, prepare(sample.audio_path))

    def listening(call_ids: str, link: int) -> list[str]:
        return [sys.executable, str(Path(__file__).resolve()), call_ids, "--link", str(link)]

    service = _live_service()
    service.known_calls = heard_calls  # type: ignore[attr-defined]
    service._listening = listening  # type: ignore[attr-defined]
    service.main(arguments)


if __name__ == "__main__":
    main(sys.argv[1:])
