"""Which times are silenced, and what that does to the samples."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from qingting.model.call import Role
from qingting.model.transcript import EngineIdentity, Flag, TimedText, Transcript, Utterance
from qingting.privacy.detection import KINDS
from qingting.privacy.masking import Masker
from qingting.privacy.silencing import MARGIN_MS, clip, silence, silent_spans

RATE = 8000
TEXT = "手机13812345678。"
MASKER = Masker(KINDS)


def utterance(**changes: object) -> Utterance:
    """Ten characters a second from second 10 on: the number lasts from 10.2 s to 11.3 s."""
    units = tuple(
        TimedText(text=one, start_ms=10_000 + 100 * at, end_ms=10_100 + 100 * at) for at, one in enumerate(TEXT[:-1])
    )
    plain = Utterance(
        index=0, party="right", role=Role.CUSTOMER, role_confidence=1.0, start_ms=10_000, end_ms=14_000, text=TEXT,
        characters=units,
    )  # fmt: skip
    return replace(plain, **changes)  # type: ignore[arg-type]


def transcript(*said: Utterance, duration_ms: int = 20_000) -> Transcript:
    engine = EngineIdentity(name="script", model="script", revision="")
    return Transcript(utterances=said, engine=engine, duration_ms=duration_ms)


def test_exact_times_get_a_margin() -> None:
    assert silent_spans(transcript(utterance()), MASKER) == [("right", 10_200 - MARGIN_MS, 11_300 + MARGIN_MS)]


def test_estimated_times_get_a_fifth_of_the_utterance() -> None:
    spread = utterance(flags=(Flag.TIMES_SPREAD,))
    assert silent_spans(transcript(spread), MASKER) == [("right", 10_200 - 800, 11_300 + 800)]


@pytest.mark.parametrize(
    "characters",
    [
        (),
        (TimedText(text="手", start_ms=10_000, end_ms=10_100),),
        (TimedText(text="13812345678", start_ms=10_000, end_ms=10_300),),
    ],
    ids=["none", "none of the number", "faster than anyone speaks"],
)
def test_without_times_the_whole_utterance_is_silenced(characters: tuple[TimedText, ...]) -> None:
    whole = utterance(characters=characters)
    assert silent_spans(transcript(whole), MASKER) == [("right", 10_000 - MARGIN_MS, 14_000 + MARGIN_MS)]


def test_spans_stay_inside_the_call_and_do_not_overlap() -> None:
    first = utterance(start_ms=0, end_ms=900, characters=())
    second = replace(first, index=1, start_ms=950, end_ms=1900)
    assert silent_spans(transcript(first, second, duration_ms=1950), MASKER) == [("right", 0, 1950)]


def test_nothing_is_silenced_without_personal_data() -> None:
    assert silent_spans(transcript(utterance(text="手机没电了。")), MASKER) == []


def noise(channels: int) -> np.ndarray:
    return np.full((channels, 3 * RATE), 1000, np.int16)


def test_only_the_channel_of_the_party_is_silenced_with_fades_inside() -> None:
    pcm = noise(2)
    silent = silence(pcm, RATE, [("right", 1000, 2000)], ("left", "right"))
    assert np.array_equal(silent[0], pcm[0])
    assert not silent[1, RATE + 40 : 2 * RATE - 40].any()
    assert (silent[1, :RATE] == 1000).all()
    assert (silent[1, 2 * RATE :] == 1000).all()
    assert 0 < silent[1, RATE + 20] < 1000
    assert (pcm == 1000).all(), "the given samples are not changed"


@pytest.mark.parametrize(
    ("channels", "parties", "party"),
    [
        (1, ("speaker_1", "speaker_2"), "speaker_2"),
        (1, ("mono",), "mono"),
        (2, ("mono",), "mono"),
        (2, ("left", "right"), "speaker_1"),
    ],
    ids=["mixed", "mono", "mono in two channels", "unknown party"],
)
def test_every_channel_that_could_carry_it_is_silenced(channels: int, parties: tuple[str, ...], party: str) -> None:
    silent = silence(noise(channels), RATE, [(party, 1000, 2000)], parties)
    assert not silent[:, RATE + 40 : 2 * RATE - 40].any()
    assert (silent[:, :RATE] == 1000).all()


@pytest.mark.parametrize("span", [("left", 2900, 9000), ("left", 3500, 9000), ("left", 500, 500), ("left", 0, 1)])
def test_spans_at_the_edges_do_no_harm(span: tuple[str, int, int]) -> None:
    silent = silence(noise(1), RATE, [span], ("left",))
    assert silent.shape == (1, 3 * RATE)
    assert (silent[:, 16 : int(2.9 * RATE)] == 1000).all()


def test_samples_of_another_shape_are_refused() -> None:
    with pytest.raises(ValueError, match="channels"):
        silence(np.zeros(10, np.int16), RATE, [], ("left",))


def test_a_clip_is_cut_to_the_sample() -> None:
    pcm = np.arange(3 * RATE, dtype=np.int16)[None]
    assert clip(pcm, RATE, 1000, 1500)[0, [0, -1]].tolist() == [8000, 11_999]
    assert clip(pcm, RATE, -500, 9000).shape == (1, 3 * RATE)
