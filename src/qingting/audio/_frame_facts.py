"""What is told of the frames of a channel, and in which units; cheap to import, unlike the kernels."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

FRAME_MS = 32
"""Length of one frame of the network."""
CELLS = 4
"""Cells of 8 ms per frame."""
WARM_FRAMES = 4
"""So many skipped frames are evaluated when the gate opens, to lead the network's memory over the skip."""
GATE_HOLD_FRAMES = 8


class Choice(NamedTuple):
    """Thresholds as the kernels take them; see VoiceActivitySettings."""

    gate_lowest_dbfs: float
    gate_highest_dbfs: float
    gate_margin_db: float
    start_probability: float
    keep_probability: float


class Heard(NamedTuple):
    """What the next whole frames of a channel hold; arrays are cut out when they are asked for: few are."""

    frames: int
    runs: Sequence[tuple[int, int, float]]
    """Speech among them: first frame, end (exclusive), highest probability."""
    first: int
    """Frames of other channels before them in `all_levels`."""
    all_levels: NDArray[np.float32]
    row: int
    """Of the channel in `all_samples`."""
    begin: int
    """Where the sound begins in its row."""
    end: int
    all_samples: NDArray[np.float32]

    @property
    def levels(self) -> NDArray[np.float32]:
        """Loudness of the frames' cells, dBFS."""
        return self.all_levels[CELLS * self.first : CELLS * (self.first + self.frames)]

    @property
    def sound(self) -> NDArray[np.float32]:
        """Samples of the frames, with those of the WARM_FRAMES before; until the channel is listened to again."""
        return self.all_samples[self.row, self.begin : self.end]
