"""What is told of the frames of a channel, and in which units; cheap to import, unlike the kernels."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
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
    """What the next whole frames of a channel hold; `sound` may change when the channel is listened to again."""

    frames: int
    runs: list[tuple[int, int, float]]
    """Speech among them: first frame, end (exclusive), highest probability."""
    levels: NDArray[np.float32]
    """Loudness of their cells, dBFS."""
    sound: NDArray[np.float32]
    """Their samples, with those of the WARM_FRAMES before."""
