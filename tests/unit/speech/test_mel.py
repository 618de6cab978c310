import numpy as np
import pytest

from qingting.speech._mel import _filters, log_mel


def tone(hertz: float, seconds: float = 1.0) -> np.ndarray:
    return (0.5 * np.sin(2 * np.pi * hertz * np.arange(int(16_000 * seconds)) / 16_000)).astype(np.float32)


def test_features_are_padded_or_cut_to_the_wanted_frames():
    assert log_mel(tone(440), 1000).shape == (80, 1000)
    assert log_mel(tone(440, 3.0), 100).shape == (80, 100)
    assert log_mel(tone(440), 1000).dtype == np.float32


def test_values_lie_within_two_units_of_the_loudest():
    features = log_mel(tone(440), 300)
    assert features.max() - features.min() == pytest.approx(2.0, abs=1e-5)
    assert features[:, 150:].max() == features.min()


@pytest.mark.parametrize(("low", "high"), [(200, 400), (400, 1000), (1000, 3000), (3000, 6000)])
def test_higher_tones_fall_in_higher_bands(low, high):
    bands = [int(log_mel(tone(hertz), 100)[:, 50].argmax()) for hertz in (low, high)]
    assert bands[0] < bands[1]


def test_bands_cover_the_spectrum_with_equal_area():
    filters = _filters()
    assert filters.shape == (80, 201)
    assert (filters >= 0).all()
    assert filters[20:].sum(axis=1) * 40 == pytest.approx(np.ones(60), rel=0.08)  # 40 Hz per bin


def test_silence_has_no_loudest_place():
    features = log_mel(np.zeros(16_000, np.float32), 200)
    assert features.min() == features.max() == pytest.approx(-1.5)
