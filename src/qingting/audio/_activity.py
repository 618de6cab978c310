"""Compiled steps of voice activity: loudness of 8 ms cells, the energy gate, the runs of speech."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from qingting.audio._compile import kernel
from qingting.audio._frame_facts import CELLS

if TYPE_CHECKING:
    from numpy.typing import NDArray

BUCKETS = 3
"""The noise floor is the quietest cell of this many buckets ..."""
BUCKET_FRAMES = 24
"""... of this many frames: 2.3 s, longer than sounds between two stop consonants, shorter than a turn."""

NOTHING = 1e-15
"""Far below any sound: without this digital silence would decay into numbers that take processors ten times longer."""


def new_gates(channels: int) -> NDArray[np.float64]:
    """Memories of so many channels' gates at their beginning."""
    return np.tile(np.array([-80.0] * BUCKETS + [0.0, 0.0, 0.0]), (channels, 1))


@kernel
def loudness(
    samples: NDArray[np.float32],
    first: int,
    cell: int,
    pole: float,
    memory: NDArray[np.float32],
    out: NDArray[np.float32],
) -> None:
    """Fill `out` with the level of consecutive cells, dBFS; a first-order high-pass takes out offset and rumble.

    `memory` holds the last input and output of the high-pass between calls.
    """
    before, passed = memory[0], memory[1]
    keep = np.float32(pole)
    at = first
    for c in range(out.shape[0]):
        energy = np.float32(0.0)
        for i in range(at, at + cell):
            passed = samples[i] - before + keep * passed
            before = samples[i]
            energy += passed * passed
        at += cell
        if abs(passed) < NOTHING:
            passed = np.float32(0.0)
        out[c] = 10.0 * np.log10(energy / cell + 1e-10)
    memory[0], memory[1] = before, passed


@kernel
def gate(
    levels: NDArray[np.float32],
    lowest: float,
    highest: float,
    margin: float,
    hold: int,
    warm: int,
    memory: NDArray[np.float64],
    frames: NDArray[np.int64],
    counts: NDArray[np.bool_],
) -> int:
    """Choose the frames to evaluate; returns how many were written to `frames`.

    A frame is open when its loudest cell is `margin` dB over the noise floor, that bar being held
    between `lowest` and `highest` dBFS; it stays open for `hold` frames more. When it opens after
    a skip, the `warm` frames before it (indices may be negative: earlier blocks) are evaluated too, to lead
    the network's memory over the skip: `counts` is False for them, as they were passed over as silence already.
    `memory`: minima of the buckets, current bucket's age, frames left open, frames skipped.
    """
    count = 0
    for f in range(levels.shape[0] // CELLS):
        low, high = levels[CELLS * f], levels[CELLS * f]
        for c in range(1, CELLS):
            low, high = min(low, levels[CELLS * f + c]), max(high, levels[CELLS * f + c])
        if memory[BUCKETS] >= BUCKET_FRAMES:
            for b in range(BUCKETS - 1, 0, -1):
                memory[b] = memory[b - 1]
            memory[0], memory[BUCKETS] = low, 0.0
        memory[0], memory[BUCKETS] = min(memory[0], low), memory[BUCKETS] + 1.0
        floor = memory[0]
        for b in range(1, BUCKETS):
            floor = min(floor, memory[b])
        if high > min(max(floor + margin, lowest), highest):
            if memory[BUCKETS + 1] == 0.0:
                for back in range(int(min(memory[BUCKETS + 2], warm)), 0, -1):
                    frames[count], counts[count] = f - back, False
                    count += 1
            memory[BUCKETS + 1] = hold + 1.0
        if memory[BUCKETS + 1] > 0.0:
            memory[BUCKETS + 1] -= 1.0
            memory[BUCKETS + 2] = 0.0
            frames[count], counts[count] = f, True
            count += 1
        else:
            memory[BUCKETS + 2] += 1.0
    return count


@kernel
def runs(
    probabilities: NDArray[np.float32],
    on: float,
    off: float,
    speaking: int,
    starts: NDArray[np.int64],
    ends: NDArray[np.int64],
    peaks: NDArray[np.float32],
) -> tuple[int, int]:
    """Write the runs of speech frames: from a probability of `on` until it falls below `off`.

    `speaking`: whether the frame before was speech. Returns how many runs were written (start, end (exclusive),
    highest probability), and whether the last frame is speech.
    """
    count, inside = 0, False
    for f in range(probabilities.shape[0]):
        if probabilities[f] >= on:
            speaking = 1
        elif probabilities[f] < off:
            speaking = 0
        if not speaking:
            inside = False
            continue
        if not inside:
            inside = True
            starts[count], peaks[count] = f, probabilities[f]
            count += 1
        ends[count - 1] = f + 1
        peaks[count - 1] = max(peaks[count - 1], probabilities[f])
    return count, speaking
