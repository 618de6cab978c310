"""What is kept of earlier utterances: clear speech, the latest, at most so much."""

from dataclasses import replace

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from qingting.model.audio import VoiceFacts
from qingting.speech._earlier_sound import EarlierSound

CLEAR = VoiceFacts(
    voiced_ms=600, voiced_ratio=0.6, speech_ms=2000, loudness_dbfs=-25.0, loudness_range_db=9.0, pitch_hertz=200.0,
    pitch_range_semitones=3.0, final_pitch_slope=0.0, pause_before_ms=0,
)  # fmt: skip


def sound(value, size):
    return np.full(size, value, np.int16)


def test_older_utterances_make_room():
    earlier = EarlierSound(3, 100)
    for value, size in ((1, 100), (2, 150), (3, 100)):
        earlier.add(sound(value, size), CLEAR)
    assert [(int(piece[0]), piece.size) for piece in earlier.pieces] == [(2, 150), (3, 100)]
    assert earlier.version == 3


def test_of_a_long_utterance_its_end_is_kept():
    earlier = EarlierSound(1, 100)
    earlier.add(np.arange(250, dtype=np.int16), CLEAR)
    assert [piece.tolist() for piece in earlier.pieces] == [list(range(150, 250))]


def test_sound_in_which_nobody_clearly_spoke_is_not_kept():
    earlier = EarlierSound(3, 100)
    earlier.add(sound(1, 100), replace(CLEAR, voiced_ms=20))
    assert earlier.pieces == ()
    assert earlier.version == 0


def test_without_room_nothing_is_kept():
    earlier = EarlierSound(0, 100)
    earlier.add(sound(1, 100), CLEAR)
    assert earlier.pieces == ()
    assert earlier.version == 0


@given(st.lists(st.integers(min_value=0, max_value=700), max_size=30))
def test_memory_is_bounded(sizes):
    earlier = EarlierSound(5, 100)
    for size in sizes:
        earlier.add(sound(1, size), CLEAR)
        assert sum(piece.size for piece in earlier.pieces) <= 500
    assert all(piece.base is None for piece in earlier.pieces)
