"""Compiled search for the likeliest course of two voices; imported late."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from qingting.audio._compile import kernel

if TYPE_CHECKING:
    from numpy.typing import NDArray


@kernel
def likeliest(
    gains: NDArray[np.float64],
    fresh: NDArray[np.bool_],
    change_cost: float,
    turn_cost: float,
    path: NDArray[np.int64],
) -> None:
    """Fill `path` with the voice, 0 or 1, of each cell (Viterbi 1967 with two states).

    gains: half the log-odds of voice 1 per cell. fresh: cells that begin a span; a change of voice costs
    `turn_cost` there and `change_cost` elsewhere.
    """
    cells = gains.shape[0]
    came = np.empty((cells, 2), np.int8)
    zero, one = 0.0, 0.0
    for i in range(cells):
        cost = turn_cost if fresh[i] else change_cost
        came[i, 0] = one - cost > zero
        came[i, 1] = one > zero - cost
        zero, one = max(zero, one - cost) - gains[i], max(one, zero - cost) + gains[i]
    state = 1 if one > zero else 0
    for i in range(cells - 1, -1, -1):
        path[i] = state
        state = came[i, state]
