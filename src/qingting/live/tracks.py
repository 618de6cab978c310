"""Joins the tracks of a call that come apart, each with its own times, into one stream.

A track's sound stands where its sender's clock says, relative to the other tracks:

- a piece that begins within 40 ms of the end of the one before follows it without a seam: clocks tremble; but not
  where the numbers of the pieces say that one between them never came;
- a later one leaves silence between, an overlapping one loses what was heard before, a repeated one is dropped;
- a track that stays back by more than 200 ms, and the piece that another one has just sent, is filled with silence,
  so that the others' words are not held up. What comes too late for its place is no duplicate: it stands behind the
  silence, and later pauses make up for it;
- a clock that jumps by more than 30 s, or back by more than 2 s, is believed no more: the sound stands at the
  present time of the call.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

LAG_MS = 200
SLACK_MS = 40
LONGEST_JUMP_MS = 30_000
LONGEST_BACK_MS = 2_000


class TrackJoiner:
    """The tracks of one call, which begins with the first sound. Not for several threads at once.

    Keeps 200 ms and a piece of two tracks at most, nothing of a single one.
    """

    def __init__(self, rate_hertz: int, names: Sequence[str]) -> None:
        """`names`: the tracks, in the order of the channels they become."""
        self._rate_hertz = rate_hertz
        self._tracks = {name: _Track(rate_hertz) for name in names}
        self._zero: int | None = None
        self._given = 0

    @property
    def dropped_ms(self) -> int:
        """Sound that came twice, over all tracks."""
        return sum(track.dropped for track in self._tracks.values()) * 1000 // self._rate_hertz

    @property
    def missing_ms(self) -> int:
        """Sound that never came, over all tracks, as the numbers of the pieces tell; by the clock as far as that helps.

        A pause that was not sent has no numbers missing.
        """
        return sum(track.missing for track in self._tracks.values()) * 1000 // self._rate_hertz

    def add(
        self, name: str, samples: NDArray[np.int16], *, at_ms: int | None = None, number: int | None = None
    ) -> NDArray[np.int16]:
        """Take the next piece of a track, int16 [samples]; returns what is certain now, int16 [tracks, samples].

        `at_ms` is the sender's time of its first sample, `number` counts the pieces of the track; each may be
        unknown. Raises KeyError for a name that is no track's.
        """
        track = self._tracks[name]
        at = None if at_ms is None else at_ms * self._rate_hertz // 1000
        if samples.size:
            self._zero = at if self._zero is None else self._zero
            track.add(samples, at, number, now=self._now, zero=self._zero or 0)
        ready = min(one.end for one in self._tracks.values())
        return self._give(max(ready, track.begun - LAG_MS * self._rate_hertz // 1000))

    def finish(self) -> NDArray[np.int16]:
        """Return the rest, int16 [tracks, samples]; shorter tracks end with silence."""
        return self._give(self._now)

    @property
    def _now(self) -> int:
        return max(track.end for track in self._tracks.values())

    def _give(self, until: int) -> NDArray[np.int16]:
        given = np.zeros((len(self._tracks), max(0, until - self._given)), np.int16)
        self._given += given.shape[1]
        for track, row in zip(self._tracks.values(), given, strict=True):
            track.give(row)
        return given


class _Track:
    """One track; all times are counted in samples."""

    def __init__(self, rate_hertz: int) -> None:
        self._slack, self._jump, self._back = (
            ms * rate_hertz // 1000 for ms in (SLACK_MS, LONGEST_JUMP_MS, LONGEST_BACK_MS)
        )
        self._kept = np.empty(0, np.int16)
        self._at: int | None = None
        """Sender's time of the latest piece, as said."""
        self._clock = 0
        """Sender's time of the next sample, seams closed."""
        self._shift: int | None = None
        """From the sender's time to the call's; None before the first piece."""
        self._number: int | None = None
        self.begun = 0
        """Call time of the latest piece."""
        self.end = 0
        """Call time of the next sample."""
        self.dropped = 0
        self.missing = 0

    def add(self, samples: NDArray[np.int16], at: int | None, number: int | None, *, now: int, zero: int) -> None:
        """Keep a piece at its place. `now` is the call's time, `zero` the sender's time when the call began."""
        if self._repeats(at, number):
            self.dropped += samples.size
            return
        start, shift = self._start(at, number, now, zero)
        skipped = self._skipped(number)
        if skipped:
            hole = start - self._clock
            # Where the clock tells nothing of them, the pieces count as long as this one.
            self.missing += max(0, hole) if hole else min(skipped * samples.size, self._jump)
        fresh = samples[max(0, self._clock - start) :]
        self.dropped += samples.size - fresh.size
        start = max(start, self._clock)
        silence = max(0, start + shift - self.end)
        self._kept = np.concatenate([self._kept, np.zeros(silence, np.int16), fresh])
        self.begun = self.end + silence
        self.end = self.begun + fresh.size
        self._clock, self._shift = start + fresh.size, shift
        self._at = self._at if at is None else at
        self._number = self._number if number is None else number

    def give(self, row: NDArray[np.int16]) -> None:
        """Part with the oldest samples, into a row of zeros; what is missing stays silence."""
        known = min(row.size, self._kept.size)
        row[:known] = self._kept[:known]
        self._kept = self._kept[known:]
        self.end += row.size - known

    def _repeats(self, at: int | None, number: int | None) -> bool:
        """Whether neither time nor number goes on, as far as they are known."""
        signs = []
        if at is not None and self._at is not None:
            signs.append(self._clock - self._back <= at <= self._at)
        if number is not None and self._number is not None:
            signs.append(number <= self._number)
        return bool(signs) and all(signs)

    def _skipped(self, number: int | None) -> int:
        """Pieces between the latest one and this one, as far as their numbers are known."""
        return 0 if number is None or self._number is None else max(0, number - self._number - 1)

    def _start(self, at: int | None, number: int | None, now: int, zero: int) -> tuple[int, int]:
        """Sender's time at which a piece begins, and the shift to the call's time."""
        if self._shift is None:
            self._clock = at or 0
            shift = now if at is None else -zero
        else:
            shift = self._shift
        if at is None:
            return self._clock, shift
        if at < self._clock - self._back or not -self._back <= at + shift <= now + self._jump:
            self._clock = at
            return at, now - at
        follows = number is not None and self._number is not None and number == self._number + 1
        seam = at - self._clock
        trembles = seam <= (0 if self._skipped(number) else self._slack) and (follows or seam >= -self._slack)
        return (self._clock if trembles else at), shift
