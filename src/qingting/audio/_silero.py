"""The Silero voice activity network (version 6, MIT licence), evaluated by own compiled kernels.

One frame is 32 ms. It is seen with 8 ms of the sound before it, as four short spectra; four
convolution layers turn them into 128 features; a recurrent layer carries the past; one number comes
out: the probability that someone speaks. Weights come from tools/extract_silero_weights.py.

The arithmetic of a frame never depends on which frames are computed in the same call, so a live
stream and a recording give the same probabilities, bit for bit.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from qingting.audio._compile import kernel

if TYPE_CHECKING:
    from numpy.typing import NDArray

_HIDDEN = 128
STATE_SHAPE = (2, _HIDDEN)
"""What a stream's recurrent layer remembers; zeros at its beginning."""


@kernel
def _add_product(
    a: NDArray[np.float32], at: int, weight: NDArray[np.float32], out: NDArray[np.float32]
) -> None:  # out[j] += sum over k of a[at + k] * weight[k, j]; rows of weight a multiple of 4
    for k in range(0, weight.shape[0], 4):
        w0, w1, w2, w3 = weight[k], weight[k + 1], weight[k + 2], weight[k + 3]
        a0, a1, a2, a3 = a[at + k], a[at + k + 1], a[at + k + 2], a[at + k + 3]
        for j in range(weight.shape[1]):
            out[j] = (((out[j] + a0 * w0[j]) + a1 * w1[j]) + a2 * w2[j]) + a3 * w3[j]


@kernel
def _add_products(
    a: NDArray[np.float32],
    at: tuple[int, int, int, int],
    weight: NDArray[np.float32],
    out: NDArray[np.float32],
    row: int,
) -> None:  # the same for four rows at once, so that each weight is fetched once
    c0, c1, c2, c3 = out[row], out[row + 1], out[row + 2], out[row + 3]
    p0, p1, p2, p3 = at
    for k in range(0, weight.shape[0], 4):
        w0, w1, w2, w3 = weight[k], weight[k + 1], weight[k + 2], weight[k + 3]
        a00, a01, a02, a03 = a[p0 + k], a[p0 + k + 1], a[p0 + k + 2], a[p0 + k + 3]
        a10, a11, a12, a13 = a[p1 + k], a[p1 + k + 1], a[p1 + k + 2], a[p1 + k + 3]
        a20, a21, a22, a23 = a[p2 + k], a[p2 + k + 1], a[p2 + k + 2], a[p2 + k + 3]
        a30, a31, a32, a33 = a[p3 + k], a[p3 + k + 1], a[p3 + k + 2], a[p3 + k + 3]
        for j in range(weight.shape[1]):
            c0[j] = (((c0[j] + a00 * w0[j]) + a01 * w1[j]) + a02 * w2[j]) + a03 * w3[j]
            c1[j] = (((c1[j] + a10 * w0[j]) + a11 * w1[j]) + a12 * w2[j]) + a13 * w3[j]
            c2[j] = (((c2[j] + a20 * w0[j]) + a21 * w1[j]) + a22 * w2[j]) + a23 * w3[j]
            c3[j] = (((c3[j] + a30 * w0[j]) + a31 * w1[j]) + a32 * w2[j]) + a33 * w3[j]


@kernel
def _exp(x: NDArray[np.float32], bits: NDArray[np.int32], powers: NDArray[np.float32], n: int) -> None:
    # e**x in place for the first n values, relative error below 3e-7: x = q ln 2 + r, e**r by its series.
    # `powers` is the float view of `bits`; loops of this form become vector instructions, calls of exp do not.
    for j in range(n):
        v = min(max(x[j], np.float32(-87.0)), np.float32(87.0))
        q = np.floor(v * np.float32(1.44269504) + np.float32(0.5))
        r = (v - q * np.float32(0.693359375)) + q * np.float32(2.12194440e-4)
        p = np.float32(1.9875691e-4)
        p = p * r + np.float32(1.3981999e-3)
        p = p * r + np.float32(8.3334519e-3)
        p = p * r + np.float32(4.1665796e-2)
        p = p * r + np.float32(1.6666665e-1)
        p = p * r + np.float32(0.5)
        x[j] = (p * r) * r + r + np.float32(1.0)
        bits[j] = (np.int32(q) + np.int32(127)) << np.int32(23)
    for j in range(n):
        x[j] *= powers[j]


@kernel
def _rectify(x: NDArray[np.float32], first: int, rows: int) -> None:
    for i in range(first, first + rows):
        for j in range(x.shape[1]):
            x[i, j] = max(x[i, j], np.float32(0.0))


@kernel
def _fold(samples: NDArray[np.float32], at: int, window: NDArray[np.float32], work: Work) -> None:
    # Puts the frame that starts (with its context) at samples[at] into `work.folded`, for the four
    # spectra j: the window is folded about its middle, then about its quarter, so that even and odd bins
    # (real and imaginary) each need only q products per bin, q being a quarter of the window.
    padded, folded, sums = work.padded, work.folded, work.sums
    q = sums.shape[1]
    size, hop, known = 4 * q, 2 * q, 9 * q
    padded[:known] = samples[at : at + known]
    for i in range(q):
        padded[known + i] = padded[known - 2 - i]
    for j in range(4):
        y = padded[j * hop : j * hop + size]
        re_even, re_odd = folded[j * q : (j + 1) * q], folded[(4 + j) * q : (5 + j) * q]
        im_even, im_odd = folded[(8 + j) * q : (9 + j) * q], folded[(12 + j) * q : (13 + j) * q]
        for i in range(1, q):
            y0, y1 = y[i] * window[i], y[size - i] * window[i]
            y2, y3 = y[hop - i] * window[hop - i], y[hop + i] * window[hop - i]
            re_even[i - 1], re_odd[i - 1] = (y0 + y1) + (y2 + y3), (y0 + y1) - (y2 + y3)
            im_even[i - 1], im_odd[i - 1] = (y0 - y1) - (y2 - y3), (y0 - y1) + (y2 - y3)
        y0, y1 = y[q] * window[q], y[size - q] * window[q]
        re_even[q - 1], re_odd[q - 1] = y0 + y1, np.float32(0.0)
        im_even[q - 1], im_odd[q - 1] = np.float32(0.0), y0 - y1
        middle = y[hop] * window[hop]
        top = middle
        for i in range(0, q, 2):
            top += re_even[i + 1] - re_even[i]
        work.top[j] = abs(top)
        for i in range(q):
            sums[j, i], sums[4 + j, i] = middle, -middle
            sums[8 + j, i], sums[12 + j, i] = np.float32(0.0), np.float32(0.0)


@kernel
def _spectra(
    samples: NDArray[np.float32], at: int, net: Net, work: Work, magnitudes: NDArray[np.float32]
) -> None:  # fills rows 1 to 4 of `magnitudes` (flat, rows 0 and 5 are the padding): even bins, odd bins, top bin
    _fold(samples, at, net.window, work)
    sums = work.sums
    q = sums.shape[1]
    for part in range(4):
        first = 4 * part * q
        rows = (first, first + q, first + 2 * q, first + 3 * q)
        _add_products(work.folded, rows, net.transform[part], sums, 4 * part)
    for j in range(4):
        row = magnitudes[(j + 1) * (2 * q + 1) : (j + 2) * (2 * q + 1)]
        for i in range(q):
            row[i] = np.sqrt(sums[j, i] * sums[j, i] + sums[8 + j, i] * sums[8 + j, i])
        for i in range(q):
            row[q + i] = np.sqrt(sums[4 + j, i] * sums[4 + j, i] + sums[12 + j, i] * sums[12 + j, i])
        row[2 * q] = work.top[j]


@kernel
def _encode(samples: NDArray[np.float32], starts: NDArray[np.int64], n: int, net: Net, work: Work) -> None:
    # Gate inputs of the recurrent layer for n <= 4 frames; rows of `work.gates` beyond n are left alone.
    bins = 2 * work.sums.shape[1] + 1
    for f in range(n):
        _spectra(samples, starts[f], net, work, work.magnitudes)
        work.columns[5 * f + 1 : 5 * f + 5] = net.spectrum_bias
        rows = (0, bins, 2 * bins, 3 * bins)
        _add_products(work.magnitudes, rows, net.spectrum_weight, work.columns, 5 * f + 1)
        _rectify(work.columns, 5 * f + 1, 4)
    work.halves[: 2 * n] = net.half_bias
    work.quarters[:n] = net.quarter_bias
    work.features[:n] = net.feature_bias
    work.gates[:n] = net.gate_bias
    columns, halves = work.columns.reshape(-1), work.halves.reshape(-1)
    quarters, features = work.quarters.reshape(-1), work.features.reshape(-1)
    if n == 4:
        for pair in range(2):
            first = pair * 10 * _HIDDEN
            at = (first, first + 2 * _HIDDEN, first + 5 * _HIDDEN, first + 7 * _HIDDEN)
            _add_products(columns, at, net.half_weight, work.halves, 4 * pair)
        _rectify(work.halves, 0, 8)
        _add_products(halves, (0, _HIDDEN, 2 * _HIDDEN, 3 * _HIDDEN), net.quarter_weight, work.quarters, 0)
        _rectify(work.quarters, 0, 4)
        narrow = _HIDDEN // 2
        _add_products(quarters, (0, narrow, 2 * narrow, 3 * narrow), net.feature_weight, work.features, 0)
        _rectify(work.features, 0, 4)
        _add_products(features, (0, _HIDDEN, 2 * _HIDDEN, 3 * _HIDDEN), net.input_weight, work.gates, 0)
        return
    for f in range(n):
        _add_product(columns, 5 * f * _HIDDEN, net.half_weight, work.halves[2 * f])
        _add_product(columns, (5 * f + 2) * _HIDDEN, net.half_weight, work.halves[2 * f + 1])
        _rectify(work.halves, 2 * f, 2)
        _add_product(halves, f * _HIDDEN, net.quarter_weight, work.quarters[f])
        _rectify(work.quarters, f, 1)
        _add_product(quarters, f * _HIDDEN // 2, net.feature_weight, work.features[f])
        _rectify(work.features, f, 1)
        _add_product(features, f * _HIDDEN, net.input_weight, work.gates[f])


@kernel
def _recur(gates: NDArray[np.float32], net: Net, work: Work, state: NDArray[np.float32]) -> float:
    # One step of the recurrent layer; gates (input, forget, cell, output) hold frame and past; gives the probability.
    hidden, cell = state[0], state[1]
    for j in range(4 * _HIDDEN):
        gates[j] = -gates[j]
    for j in range(2 * _HIDDEN, 3 * _HIDDEN):
        gates[j] *= np.float32(2.0)
    _exp(gates, work.bits, work.powers, 4 * _HIDDEN)
    for j in range(4 * _HIDDEN):
        gates[j] = np.float32(1.0) / (np.float32(1.0) + gates[j])
    for j in range(_HIDDEN):
        fresh = np.float32(2.0) * gates[2 * _HIDDEN + j] - np.float32(1.0)
        cell[j] = gates[_HIDDEN + j] * cell[j] + gates[j] * fresh
        work.tanh[j] = np.float32(-2.0) * cell[j]
    _exp(work.tanh, work.bits, work.powers, _HIDDEN)
    answer = net.answer_bias[0]
    for j in range(_HIDDEN):
        squashed = np.float32(2.0) / (np.float32(1.0) + work.tanh[j]) - np.float32(1.0)
        hidden[j] = gates[3 * _HIDDEN + j] * squashed
    for j in range(_HIDDEN):
        answer += net.answer_weight[j] * max(hidden[j], np.float32(0.0))
    return float(1.0 / (1.0 + np.exp(-answer)))


@kernel
def evaluate(
    samples: NDArray[np.float32],
    starts: NDArray[np.int64],
    net: Net,
    work: Work,
    state: NDArray[np.float32],
    probabilities: NDArray[np.float32],
) -> None:
    """Fill in the probability of the frames that start (with their context) at samples[starts], one stream's."""
    for first in range(0, starts.shape[0], 4):
        n = min(4, starts.shape[0] - first)
        _encode(samples, starts[first : first + n], n, net, work)
        for f in range(n):
            _add_product(state[0], 0, net.state_weight, work.gates[f])
            probabilities[first + f] = _recur(work.gates[f], net, work, state)


@kernel
def evaluate_four(
    samples: NDArray[np.float32],
    starts: NDArray[np.int64],
    net: Net,
    work: Work,
    states: NDArray[np.float32],
    streams: NDArray[np.int64],
    probabilities: NDArray[np.float32],
) -> None:
    """Fill in one frame's probability for each of four streams: `evaluate` with every weight fetched once for all.

    `streams`: index in `states` ([streams, 2, 128]) of each frame's stream.
    """
    _encode(samples, starts, 4, net, work)
    size = 2 * _HIDDEN
    at = (streams[0] * size, streams[1] * size, streams[2] * size, streams[3] * size)
    _add_products(states.reshape(-1), at, net.state_weight, work.gates, 0)
    for f in range(4):
        probabilities[f] = _recur(work.gates[f], net, work, states[streams[f]])


class Net(NamedTuple):
    """Weights; `transform` and `window` are the Fourier transform, the rest is trained."""

    window: NDArray[np.float32]
    transform: NDArray[np.float32]
    spectrum_weight: NDArray[np.float32]
    spectrum_bias: NDArray[np.float32]
    half_weight: NDArray[np.float32]
    half_bias: NDArray[np.float32]
    quarter_weight: NDArray[np.float32]
    quarter_bias: NDArray[np.float32]
    feature_weight: NDArray[np.float32]
    feature_bias: NDArray[np.float32]
    input_weight: NDArray[np.float32]
    state_weight: NDArray[np.float32]
    gate_bias: NDArray[np.float32]
    answer_weight: NDArray[np.float32]
    answer_bias: NDArray[np.float32]


class Work(NamedTuple):
    """Memory that the kernels write to; nothing in it outlives a call."""

    padded: NDArray[np.float32]
    folded: NDArray[np.float32]
    sums: NDArray[np.float32]
    top: NDArray[np.float32]
    magnitudes: NDArray[np.float32]
    columns: NDArray[np.float32]
    halves: NDArray[np.float32]
    quarters: NDArray[np.float32]
    features: NDArray[np.float32]
    gates: NDArray[np.float32]
    tanh: NDArray[np.float32]
    bits: NDArray[np.int32]
    powers: NDArray[np.float32]


def work(rate_hertz: int) -> Work:
    """Memory for the kernels at a rate; not for several threads at once."""
    q = rate_hertz // 250
    bits = np.zeros(4 * _HIDDEN, np.int32)

    def zeros(*shape: int) -> NDArray[np.float32]:
        return np.zeros(shape, np.float32)

    return Work(
        padded=zeros(10 * q),
        folded=zeros(16 * q),
        sums=zeros(16, q),
        top=zeros(4),
        magnitudes=zeros(6 * (2 * q + 1) + 4),
        columns=zeros(20, _HIDDEN),
        halves=zeros(8, _HIDDEN // 2),
        quarters=zeros(4, _HIDDEN // 2),
        features=zeros(4, _HIDDEN),
        gates=zeros(4, 4 * _HIDDEN),
        tanh=zeros(_HIDDEN),
        bits=bits,
        powers=bits.view(np.float32),
    )


@cache
def net(rate_hertz: int) -> Net:
    """The weights for a rate, 8000 or 16000."""
    q = rate_hertz // 250
    size = 4 * q
    step = np.arange(1, q + 1)[:, None]
    even = 2 * np.pi * step * np.arange(0, 2 * q, 2) / size
    odd = 2 * np.pi * step * np.arange(1, 2 * q, 2) / size
    transform = np.stack([np.cos(even), np.cos(odd), np.sin(even), np.sin(odd)]).astype(np.float32)
    window = (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(size) / size)).astype(np.float32)
    place = Path(__file__).with_name("data") / f"silero_{rate_hertz}.npz"
    with np.load(place) as stored:
        weights = {name: stored[name] for name in stored.files}
    bins = 2 * q + 1
    order = np.concatenate([np.arange(0, 2 * q, 2), np.arange(1, 2 * q, 2), [2 * q]])
    spectrum = weights["spectrum_weight"].reshape(3, bins, _HIDDEN)[:, order].reshape(3 * bins, _HIDDEN)
    weights["spectrum_weight"] = np.concatenate([spectrum, np.zeros((-3 * bins % 4, _HIDDEN), np.float32)])
    return Net(window=window, transform=transform, **weights)


class SileroNetwork:
    """The network alone, for one stream: what comparisons with the original ask. Recordings and calls: `_frames.py`.

    `rate_hertz` is 8000 or 16000; each rate has its own weights.
    """

    def __init__(self, rate_hertz: int) -> None:
        self.frame_samples = rate_hertz * 32 // 1000
        self.context_samples = rate_hertz * 4 // 1000
        self._net = net(rate_hertz)
        self._work = work(rate_hertz)
        self._state = np.zeros(STATE_SHAPE, np.float32)

    def probabilities(self, samples: NDArray[np.float32], starts: NDArray[np.int64]) -> NDArray[np.float32]:
        """Probability of speech for each frame, in order; float32, shape [len(starts)].

        samples: float32 in -1..1. starts: index in `samples` of each frame's first sample;
        the `context_samples` before it and the `frame_samples` from it on must be there.
        """
        answers = np.empty(starts.size, np.float32)
        evaluate(samples, starts - self.context_samples, self._net, self._work, self._state, answers)
        return answers
