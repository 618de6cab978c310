"""Two-way clustering of speech frames into voices, without any trained model.

A mixture of Gaussians learnt from the call itself says which *sound* a frame is; voices are then compared
sound by sound, so that a piece full of `a` is not taken for another speaker than one full of `s`. This is the
speaker verification idea of adapted mixtures (Reynolds et al. 2000) with the two speakers found by
expectation maximisation, started on the main axis along which the pieces of the call differ.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from qingting.audio._voice_frames import MEASURED_EVERY

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from qingting.audio._voice_frames import VoiceFrames

    Array = NDArray[np.float32]

_ATTEMPTS = (16, 12, 20)
"""Sounds in the mixture of each attempt."""
_PIECE_FRAMES = 75
"""Measured frames per piece while voices are looked for: long enough to hold most sounds."""
_LEARN_FRAMES = 3000
_LEARN_ROUNDS = 6
_VOICE_ROUNDS = 8
_RELEVANCE = 6.0
"""Frames of a sound after which a voice's own mean outweighs the call's (Reynolds' relevance factor)."""
_PITCH_RELEVANCE = 12.0
"""The same for voiced frames and the pitch."""
_FRAME_WEIGHT = 0.2
"""Neighbouring frames are alike: each counts as this share of an independent one ..."""
_PITCH_WEIGHT = 0.15
"""... and its pitch, which moves more slowly, as this."""
_FIRST_SLOPE = 3.0
_POWER_ROUNDS = 60
_RECUT_ROUNDS = 3
_CELL_FRAMES = 5
_MEASURED_CELL_FRAMES = 2
"""Cells of 40 to 50 ms, in frames and in measured frames."""
_CHANGE_COST = 5.5
_TURN_COST = 0.35


@dataclass(frozen=True, kw_only=True)
class TwoVoices:
    """How frames and pieces divide into two voices."""

    frame_odds: Array
    """Log-odds of voice 1 against voice 0 per frame, 0 for frames not measured, shape [frames]."""
    piece_odds: Array
    """Log-odds per piece of about 1.5 s of one voice, shape [pieces]."""
    piece_frames: Array
    """Active frames of each piece, about."""
    agreement: float
    """Share of the speech that all attempts divide alike, 0.5 to 1."""


@dataclass(frozen=True, kw_only=True)
class _Sounds:
    """Gaussian mixture with diagonal variance: what is said, whoever says it."""

    mean: Array
    deviation: Array
    weight: Array

    def posterior(self, frames: Array) -> Array:
        inverse = 1 / self.deviation**2
        constant = np.log(self.weight) - 0.5 * (self.mean**2 * inverse).sum(1) - np.log(self.deviation).sum(1)
        log = frames @ (self.mean * inverse).T - np.float32(0.5) * (frames**2) @ inverse.T + constant
        log -= log.max(axis=1, keepdims=True)
        np.exp(log, out=log)
        log /= log.sum(axis=1, keepdims=True)
        return np.asarray(log, np.float32)


@dataclass(frozen=True, kw_only=True)
class _Sums:
    """Sufficient statistics of pieces: occupancy [p, K], deviation sums [p, K, D], pitch count and sum [p]."""

    count: Array
    shift: Array
    voiced: Array
    pitch: Array


@dataclass(frozen=True, kw_only=True)
class _Contrast:
    """The two voices' difference as a linear function of the sums."""

    direction: Array
    per_sound: Array
    pitch_gain: float
    pitch_middle: float

    def odds(self, sums: _Sums) -> Array:
        flat = sums.shift.reshape(len(sums.shift), -1)
        spectral = flat @ self.direction.ravel() + sums.count @ self.per_sound
        tonal = self.pitch_gain * (sums.pitch - sums.voiced * self.pitch_middle)
        return np.asarray(_FRAME_WEIGHT * spectral + _PITCH_WEIGHT * tonal, np.float32)


@dataclass(frozen=True, kw_only=True)
class _Speech:
    """The measured frames."""

    voice: Array
    pitch: Array
    voiced: NDArray[np.bool_]
    span: NDArray[np.int64]


def find_two_voices(frames: VoiceFrames) -> TwoVoices:
    """Divide the measured frames into two voices; at least two measured frames are needed.

    The division is always made: whether there *are* two voices is for the caller to judge. Several attempts
    with different mixtures are averaged; how far they agree tells of a division that is really there.
    """
    chosen = frames.measured
    speech = _Speech(
        voice=frames.cepstra[chosen], pitch=frames.pitch[chosen], voiced=frames.voiced[chosen], span=frames.span[chosen]
    )
    attempts = [_attempt(speech, number, seed) for seed, number in enumerate(_ATTEMPTS)]
    first = attempts[0]
    aligned = [first, *(a if np.mean((a > 0) == (first > 0)) >= 0.5 else -a for a in attempts[1:])]
    agreement = min(float(np.mean(_course(a, speech) == _course(first, speech))) for a in aligned)
    mean = np.mean(aligned, axis=0)
    odds = np.zeros(len(chosen), np.float32)
    odds[chosen] = mean
    piece = _pieces(2 * speech.span + _course(mean, speech))
    return TwoVoices(
        frame_odds=odds,
        piece_odds=np.bincount(piece, mean).astype(np.float32),
        piece_frames=(MEASURED_EVERY * np.bincount(piece)).astype(np.float32),
        agreement=agreement,
    )


def _attempt(speech: _Speech, number: int, seed: int) -> Array:
    """Return the frames' odds as one mixture of `number` sounds sees them."""
    sounds = _learn_sounds(speech.voice, number, seed)
    posterior = sounds.posterior(speech.voice)
    sums = _sums(speech, posterior, _pieces(speech.span), sounds)
    contrast = _settle(sums, _first_guess(sums), sounds)
    odds = _frame_odds(contrast, sounds, speech, posterior)
    for _ in range(_RECUT_ROUNDS):
        label = _course(odds, speech)
        # Pieces cut where the voice changes are purer than pieces cut by the clock.
        piece = _pieces(2 * speech.span + label)
        sums = _sums(speech, posterior, piece, sounds)
        share = np.asarray(np.bincount(piece, label) / np.bincount(piece), np.float32)
        contrast = _settle(sums, share, sounds)
        odds = _frame_odds(contrast, sounds, speech, posterior)
    return odds


def _course(odds: Array, speech: _Speech) -> NDArray[np.int64]:
    return decode(odds, speech.span, _MEASURED_CELL_FRAMES)


def decode(odds: Array, span: NDArray[np.int64], cell_frames: int = _CELL_FRAMES) -> NDArray[np.int64]:
    """Return the likeliest course of voices, 0 or 1 per frame (Viterbi over cells of `cell_frames`).

    A change inside a span costs _CHANGE_COST of log-odds, one between spans less: people mostly take turns there.
    """
    from qingting.audio._turn_taking import likeliest

    starts = np.flatnonzero(np.diff(span, prepend=-1))
    lengths = np.diff(np.append(starts, len(span)))
    inside = np.arange(len(span)) - np.repeat(starts, lengths)
    cell_starts = np.flatnonzero(inside % cell_frames == 0)
    gains = (np.add.reduceat(odds, cell_starts) / 2).astype(np.float64)
    path = np.empty(len(cell_starts), np.int64)
    likeliest(gains, inside[cell_starts] == 0, _CHANGE_COST, _TURN_COST, path)
    return np.repeat(path, np.diff(np.append(cell_starts, len(span))))


def _settle(sums: _Sums, share: Array, sounds: _Sounds) -> _Contrast:
    contrast = _contrast(sums, share, sounds)
    for _ in range(_VOICE_ROUNDS):
        contrast = _contrast(sums, _probability(contrast.odds(sums)), sounds)
    return contrast


def _learn_sounds(frames: Array, number: int, seed: int) -> _Sounds:
    generator = np.random.default_rng(seed)
    sample = frames[generator.permutation(len(frames))[:_LEARN_FRAMES]]
    number = min(number, len(sample))
    spread = sample.std(axis=0) + np.float32(1e-3)
    sounds = _Sounds(
        mean=sample[:number],
        deviation=np.tile(spread, (number, 1)),
        weight=np.full(number, 1 / number, np.float32),
    )
    least = 0.05 * spread**2
    for _ in range(_LEARN_ROUNDS):
        posterior = sounds.posterior(sample)
        count = posterior.sum(axis=0) + np.float32(1e-3)
        mean = posterior.T @ sample / count[:, None]
        variance = posterior.T @ sample**2 / count[:, None] - mean**2
        deviation = np.sqrt(np.maximum(variance, least))
        sounds = _Sounds(mean=mean, deviation=deviation, weight=count / count.sum())
    return sounds


def _pieces(span: NDArray[np.int64]) -> NDArray[np.int64]:
    """Number the pieces: each span's measured frames in about equal parts of _PIECE_FRAMES."""
    starts = np.flatnonzero(np.diff(span, prepend=-1))
    lengths = np.diff(np.append(starts, len(span)))
    parts = np.maximum(1, np.round(lengths / _PIECE_FRAMES)).astype(np.int64)
    inside = np.arange(len(span)) - np.repeat(starts, lengths)
    before, number, length = (np.repeat(x, lengths) for x in (np.cumsum(parts) - parts, parts, lengths))
    return np.asarray(before + inside * number // length, np.int64)


def _sums(speech: _Speech, posterior: Array, piece: NDArray[np.int64], sounds: _Sounds) -> _Sums:
    starts = np.flatnonzero(np.diff(piece, prepend=-1))
    ends = np.append(starts[1:], len(piece))
    count = np.add.reduceat(posterior, starts, axis=0)
    first = np.stack([posterior[a:b].T @ speech.voice[a:b] for a, b in zip(starts, ends, strict=True)])
    return _Sums(
        count=count,
        shift=(first - count[:, :, None] * sounds.mean) / sounds.deviation,
        voiced=np.add.reduceat(speech.voiced.astype(np.float32), starts),
        pitch=np.add.reduceat(speech.pitch, starts),
    )


def _first_guess(sums: _Sums) -> Array:
    """Return each piece's probability of voice 1 from the main axis of the pieces' adapted means."""
    weight = np.sqrt(sums.count.sum(axis=0) / sums.count.sum())
    adapted = sums.shift / (sums.count[:, :, None] + _RELEVANCE) * weight[:, None]
    tone = sums.pitch / (sums.voiced + _PITCH_RELEVANCE)
    points = np.hstack([adapted.reshape(len(adapted), -1), tone[:, None]])
    trust = np.sqrt(np.minimum(sums.count.sum(axis=1) / _PIECE_FRAMES, 1))[:, None]
    points = (points - (points * trust).sum(axis=0) / trust.sum()) * trust
    axis = points[np.argmax((points**2).sum(axis=1))]
    for _ in range(_POWER_ROUNDS):
        axis = points.T @ (points @ axis)
        axis /= np.sqrt(axis @ axis) + 1e-12
    place = points @ axis
    return _probability(_FIRST_SLOPE * place / (np.sqrt((place**2).mean()) + 1e-12))


def _contrast(sums: _Sums, share: Array, sounds: _Sounds) -> _Contrast:
    shifts, weights, tones = [], [], []
    for part in (1 - share, share):
        count = part @ sums.count
        shifts.append(
            (part @ sums.shift.reshape(len(part), -1)).reshape(sounds.mean.shape) / (count + _RELEVANCE)[:, None]
        )
        weights.append(np.log((count + _RELEVANCE * sounds.weight) / (count.sum() + _RELEVANCE)))
        tones.append(float(part @ sums.pitch) / (float(part @ sums.voiced) + _PITCH_RELEVANCE))
    direction = shifts[1] - shifts[0]
    middle = (shifts[1] + shifts[0]) / 2
    return _Contrast(
        direction=direction,
        per_sound=weights[1] - weights[0] - (direction * middle).sum(axis=1),
        pitch_gain=tones[1] - tones[0],
        pitch_middle=(tones[1] + tones[0]) / 2,
    )


def _frame_odds(contrast: _Contrast, sounds: _Sounds, speech: _Speech, posterior: Array) -> Array:
    """Return the contrast frame by frame; in sum over a piece it equals the piece's odds."""
    slope = contrast.direction / sounds.deviation
    fixed = contrast.per_sound - (slope * sounds.mean).sum(axis=1)
    spectral = np.einsum("tk,tk->t", posterior, speech.voice @ slope.T + fixed)
    tonal = np.where(speech.voiced, contrast.pitch_gain * (speech.pitch - contrast.pitch_middle), 0)
    return np.asarray(_FRAME_WEIGHT * spectral + _PITCH_WEIGHT * tonal, np.float32)


def _probability(odds: Array) -> Array:
    return np.asarray(1 / (1 + np.exp(-np.clip(odds, -30, 30))), np.float32)
