"""Compiled histogram of levels, for the noise floor of a call that goes on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from qingting.audio._compile import kernel
from qingting.audio._pitch import levels

if TYPE_CHECKING:
    from numpy.typing import NDArray


@kernel
def count_levels(
    samples: NDArray[np.int16],
    hop: int,
    pole: float,
    settling: int,
    lowest: float,
    bins_per_db: int,
    counts: NDArray[np.int32],
) -> None:
    """Add the levels of consecutive whole hops to `counts`, save those of the first `settling`.

    Bins begin at `lowest` dBFS; what lies outside counts in the first or last one.
    """
    hops = samples.shape[0] // hop
    if hops == 0:
        return
    out = np.empty(hops, np.float32)
    levels(samples, hop, pole, out)
    for c in range(settling, hops):
        place = (out[c] - np.float32(lowest)) * np.float32(bins_per_db)
        counts[int(min(max(place, np.float32(0.0)), np.float32(counts.shape[0] - 1)))] += 1
