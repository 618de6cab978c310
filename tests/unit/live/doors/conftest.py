"""What the tests of doors share."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from qingting.live.doors.door import Sound, Step


def _heard(steps: list[Step]) -> NDArray[np.int16]:
    pieces = [step.samples for step in steps if isinstance(step, Sound)]
    assert all(piece.dtype == np.int16 and piece.shape[1] for piece in pieces)
    return np.concatenate(pieces, axis=1)


@pytest.fixture
def heard():
    """All sound of some steps, [channels, samples]."""
    return _heard


@pytest.fixture
def noise() -> NDArray[np.int16]:
    """A second of two channels at 8 kHz, and a bit: the last frame is short."""
    return np.random.default_rng(5).integers(-20_000, 20_000, (2, 8050)).astype(np.int16)
