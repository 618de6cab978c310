"""What one party said lately: sound an engine may hear again before the next utterance."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from qingting.speech.guards import clear_speech

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from qingting.model.audio import VoiceFacts


class EarlierSound:
    """The latest utterances of a party, at most so many seconds of them; holds sound, never text.

    What is kept rests on the sound alone, not on what was recognised or when: so an utterance's words do not depend
    on the engine's load, and an utterance misheard spoils no later one.
    """

    def __init__(self, seconds: float, rate_hertz: int) -> None:
        """With 0 seconds nothing is ever kept."""
        self._room = int(seconds * rate_hertz)
        self._kept: deque[NDArray[np.int16]] = deque()
        self._size = 0
        self.version = 0
        """Changes whenever the sound does."""

    @property
    def pieces(self) -> tuple[NDArray[np.int16], ...]:
        """The sound of the utterances, oldest first."""
        return tuple(self._kept)

    def add(self, samples: NDArray[np.int16], voice: VoiceFacts) -> None:
        """Take an utterance that ended; sounds in which nobody clearly spoke are not kept. Older ones make room."""
        if not self._room or not clear_speech(voice):
            return
        self._kept.append(samples[-self._room :].copy())
        self._size += self._kept[-1].size
        while self._size > self._room:
            self._size -= self._kept.popleft().size
        self.version += 1
