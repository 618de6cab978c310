"""One running call in its listening process, and where its end is kept."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import numpy as np

from qingting.live.card import Card
from qingting.live.masking import LiveMasking

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from qingting.inspector import Heard
    from qingting.live.assist.assistant import LiveAssist
    from qingting.live.session import LiveSession
    from qingting.live.wire import Opening
    from qingting.model.call import CallInfo
    from qingting.model.finding import Finding
    from qingting.model.live_event import AlertRaised, AssistHint, ReportDelayed, ReportReady
    from qingting.model.report import Report
    from qingting.privacy.masking import Masker


class Keeper(Protocol):
    """Where a call's end is kept; may block, is called from threads of its own."""

    def alerts_for(self, call: CallInfo, finding: Finding) -> list[AlertRaised]:
        """Raise the alerts of a finding at once; returns the new ones."""
        ...

    def hints_shown(self, call: CallInfo, hints: Sequence[AssistHint]) -> None:
        """Note what the agent was shown, so that feedback can be given on it."""
        ...

    def conclude(self, live_id: str, sound: Path, heard: Heard, report: Report) -> ReportReady | None:
        """Store a call's report; None when the call was deleted or ended elsewhere."""
        ...

    def hand_over(self, live_id: str, sound: Path) -> ReportDelayed | None:
        """Let a job inspect the call's sound; None when the call was deleted or ended elsewhere."""
        ...


class HeardCall:
    """One call in this process."""

    def __init__(self, number: int, opening: Opening, session: LiveSession, assist: LiveAssist, masker: Masker) -> None:
        self.number = number
        self.live_id = opening.live_id
        self.session = session
        self.assist = assist
        self.masking = LiveMasking(masker)
        self.card = Card(opening.live_id, opening.call, opening.begun_ms)
        self._waiting: list[bytes] = []
        """Sound that has come and was not heard yet."""
        self.waiting_since = 0.0
        """When the oldest of it came."""
        self._waiting_bytes = 0
        self.acknowledged_ms = 0
        self.missing_ms = 0
        """Sound that never came; silence stands for it."""
        self.sound: Path | None = None
        """Its file, once no more sound comes."""
        self.patience = 0.0
        """Until when the last words are waited for."""
        self.ending = False
        """Its report is being written, in a thread."""

    @property
    def waiting_ms(self) -> int:
        """How much sound waits."""
        form = self.session.form
        return self._waiting_bytes * 1000 // (2 * form.channels * form.rate_hertz)

    @property
    def sound_waits(self) -> bool:
        """Whether there is a sample that was not heard."""
        return self._waiting_bytes >= 2 * self.session.form.channels

    def take(self, content: bytes, now: float) -> None:
        """Take the next sound: int16, interleaved."""
        if not self._waiting:
            self.waiting_since = now
        self._waiting.append(content)
        self._waiting_bytes += len(content)

    def next_piece(self, most_ms: int) -> NDArray[np.int16]:
        """Return the oldest sound that waits, int16 [channels, samples]; the rest goes on waiting."""
        form = self.session.form
        sample = 2 * form.channels
        most = most_ms * form.rate_hertz // 1000 * sample
        content = b"".join(self._waiting)
        size = min(len(content) // sample * sample, most)
        self._waiting = [content[size:]] if size < len(content) else []
        self._waiting_bytes = len(content) - size
        return np.frombuffer(content, np.int16, size // 2).reshape(-1, form.channels).T
