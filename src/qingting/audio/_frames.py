"""Which frames are speech, for many channels at once: all that is computed per sample, in one compiled call.

Each channel has a row of samples and a memory of its own; the arithmetic of a channel does not depend on which
others are listened to in the same call, nor on how its sound is cut.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from qingting.audio import _silero
from qingting.audio._activity import gate, loudness, new_gates, runs
from qingting.audio._compile import kernel
from qingting.audio._frame_facts import CELLS, FRAME_MS, GATE_HOLD_FRAMES, WARM_FRAMES, Choice, Heard

if TYPE_CHECKING:
    from numpy.typing import NDArray

_HIGH_PASS_HERTZ = 60.0
_CHOSEN = WARM_FRAMES + 1
"""At most so many frames are evaluated for each new one."""
_INT16_SCALE = 1 / 32768


class _Rows(NamedTuple):
    """What is remembered of each channel; first axis: channel."""

    samples: NDArray[np.float32]
    """History, then the frames of the last call, then what is less than a frame, then room for more."""
    held: NDArray[np.int64]
    """Samples behind the history."""
    done: NDArray[np.int64]
    """Frames of the last call: they become history with the next one."""
    filters: NDArray[np.float32]
    gates: NDArray[np.float64]
    speaking: NDArray[np.int8]
    states: NDArray[np.float32]


class _Out(NamedTuple):
    """What a call tells, channel after channel."""

    frames: NDArray[np.int64]
    """New frames of each channel."""
    levels: NDArray[np.float32]
    chosen: NDArray[np.int64]
    """Frames to evaluate of each channel."""
    starts: NDArray[np.int64]
    """For each frame to evaluate: where it starts with its context, in all samples."""
    frame: NDArray[np.int64]
    """Which of the channel's new frames it is; negative for earlier ones."""
    counts: NDArray[np.bool_]
    probabilities: NDArray[np.float32]
    run_counts: NDArray[np.int64]
    run_starts: NDArray[np.int64]
    run_ends: NDArray[np.int64]
    run_peaks: NDArray[np.float32]


class _Sizes(NamedTuple):
    """Lengths in samples."""

    kept: int
    """History of a channel."""
    frame: int
    cell: int
    context: int
    """What the network sees before a frame."""


@kernel
def _take(sound: NDArray[np.int16 | np.float32], scale: float, row: int, sizes: _Sizes, rows: _Rows) -> int:
    # Makes the frames of the last call history and adds new samples; returns the whole frames there are now.
    samples = rows.samples[row]
    passed, held = rows.done[row] * sizes.frame, rows.held[row]
    for i in range(sizes.kept + held - passed):
        samples[i] = samples[i + passed]
    end = sizes.kept + held - passed
    for i in range(sound.shape[0]):
        samples[end + i] = np.float32(sound[i]) * np.float32(scale)
    held += sound.shape[0] - passed
    rows.held[row], rows.done[row] = held, held // sizes.frame
    return int(held // sizes.frame)


@kernel
def _evaluate_all(numbers: NDArray[np.int64], rows: _Rows, net: _silero.Net, work: _silero.Work, out: _Out) -> None:
    # Four channels side by side as long as there are four; each of the last ones alone.
    samples = rows.samples.reshape(-1)
    ends = np.cumsum(out.chosen)
    at = ends - out.chosen
    lanes, starts, streams = np.empty(4, np.int64), np.empty(4, np.int64), np.empty(4, np.int64)
    answers = np.empty(4, np.float32)
    active, following = 0, 0
    while True:
        while active < 4 and following < numbers.shape[0]:
            if out.chosen[following] > 0:
                lanes[active] = following
                active += 1
            following += 1
        if active < 4:
            break
        for lane in range(4):
            starts[lane], streams[lane] = out.starts[at[lanes[lane]]], numbers[lanes[lane]]
        _silero.evaluate_four(samples, starts, net, work, rows.states, streams, answers)
        for lane in range(3, -1, -1):
            channel = lanes[lane]
            out.probabilities[at[channel]] = answers[lane]
            at[channel] += 1
            if at[channel] == ends[channel]:
                active -= 1
                lanes[lane] = lanes[active]
    for lane in range(active):
        first, end = at[lanes[lane]], ends[lanes[lane]]
        state = rows.states[numbers[lanes[lane]]]
        _silero.evaluate(samples, out.starts[first:end], net, work, state, out.probabilities[first:end])


@kernel
def _listen(
    sound: NDArray[np.int16 | np.float32],
    lengths: NDArray[np.int64],
    scale: float,
    numbers: NDArray[np.int64],
    sizes: _Sizes,
    pole: float,
    choice: Choice,
    rows: _Rows,
    net: _silero.Net,
    work: _silero.Work,
    out: _Out,
) -> None:
    room = rows.samples.shape[1]
    first, frame, chosen = 0, 0, 0
    for k in range(numbers.shape[0]):
        row = numbers[k]
        count = _take(sound[first : first + lengths[k]], scale, row, sizes, rows)
        levels = out.levels[CELLS * frame : CELLS * (frame + count)]
        loudness(rows.samples[row], sizes.kept, sizes.cell, pole, rows.filters[row], levels)
        own = gate(
            levels, choice.gate_lowest_dbfs, choice.gate_highest_dbfs, choice.gate_margin_db, GATE_HOLD_FRAMES,
            WARM_FRAMES, rows.gates[row], out.frame[chosen:], out.counts[chosen:],
        )  # fmt: skip
        for i in range(chosen, chosen + own):
            out.starts[i] = row * room + sizes.kept + out.frame[i] * sizes.frame - sizes.context
        out.frames[k], out.chosen[k] = count, own
        first, frame, chosen = first + lengths[k], frame + count, chosen + own
    _evaluate_all(numbers, rows, net, work, out)
    chosen, run = 0, 0
    for k in range(numbers.shape[0]):
        probabilities = np.zeros(out.frames[k], np.float32)
        for i in range(chosen, chosen + out.chosen[k]):
            if out.counts[i]:
                probabilities[out.frame[i]] = out.probabilities[i]
        out.run_counts[k], speaking = runs(
            probabilities, choice.start_probability, choice.keep_probability, rows.speaking[numbers[k]],
            out.run_starts[run:], out.run_ends[run:], out.run_peaks[run:],
        )  # fmt: skip
        rows.speaking[numbers[k]] = speaking
        chosen, run = chosen + out.chosen[k], run + out.run_counts[k]


class SpeechFrames:
    """Channels of one rate with the same thresholds. Not for several threads at once, save close()."""

    def __init__(self, rate_hertz: int, choice: Choice, *, most_frames: int) -> None:
        """`most_frames`: a piece of one channel may be as long; memory per channel grows with it."""
        self.frame_samples = rate_hertz * FRAME_MS // 1000
        self.most_samples = most_frames * self.frame_samples
        self._choice = choice
        self._pole = float(np.exp(-2 * np.pi * _HIGH_PASS_HERTZ / rate_hertz))
        self._sizes = _Sizes(
            kept=_CHOSEN * self.frame_samples,
            frame=self.frame_samples,
            cell=self.frame_samples // CELLS,
            context=rate_hertz * 4 // 1000,
        )
        self._net = _silero.net(rate_hertz)
        self._work = _silero.work(rate_hertz)
        self._rows = self._new_rows(1)
        self._free = [0]
        self.evaluated = 0
        """Frames that the network was given."""

    def open(self) -> int:
        """Begin a channel; returns its number."""
        if not self._free:
            known = self._rows.held.size
            pairs = zip(_arrays(self._rows), _arrays(self._new_rows(known)), strict=True)
            self._rows = _Rows._make([np.concatenate(pair) for pair in pairs])
            self._free = list(range(known, 2 * known))
        number = self._free.pop()
        for memory, fresh in zip(_arrays(self._rows), _arrays(self._new_rows(1)), strict=True):
            memory[number] = fresh[0]
        return number

    def close(self, number: int) -> None:
        """End a channel; its number is given to another one."""
        self._free.append(number)

    def listen(self, numbers: Sequence[int], pieces: Sequence[NDArray[np.int16 | np.float32]]) -> list[Heard]:
        """Take the next samples of some channels, each named once; at most `most_samples` of each, all of one type."""
        scale = _INT16_SCALE if pieces[0].dtype == np.int16 else 1.0
        lengths = np.array([piece.size for piece in pieces], np.int64)
        sound = np.ascontiguousarray(pieces[0]) if len(pieces) == 1 else np.concatenate(pieces)
        out = self._new_out(len(pieces), sound.size // self.frame_samples + len(pieces))
        _listen(
            sound, lengths, scale, np.array(numbers, np.int64), self._sizes, self._pole, self._choice, self._rows,
            self._net, self._work, out,
        )  # fmt: skip
        self.evaluated += int(out.chosen.sum())
        return self._told(numbers, out)

    def _told(self, numbers: Sequence[int], out: _Out) -> list[Heard]:
        told, frame, run = [], 0, 0
        levels, samples, kept, length = out.levels, self._rows.samples, self._sizes.kept, self.frame_samples
        begin = kept - WARM_FRAMES * length
        frames, counts = out.frames.tolist(), out.run_counts.tolist()
        most = sum(counts)
        found = list(
            zip(*(runs[:most].tolist() for runs in (out.run_starts, out.run_ends, out.run_peaks)), strict=True)
        )
        for number, own, own_runs in zip(numbers, frames, counts, strict=True):
            runs = found[run : run + own_runs] if own_runs else ()
            told.append(Heard(own, runs, frame, levels, number, begin, kept + own * length, samples))
            frame, run = frame + own, run + own_runs
        return told

    def _new_rows(self, channels: int) -> _Rows:
        room = self._sizes.kept + self.frame_samples + self.most_samples
        return _Rows(
            samples=np.zeros((channels, room), np.float32),
            held=np.zeros(channels, np.int64),
            done=np.zeros(channels, np.int64),
            filters=np.zeros((channels, 2), np.float32),
            gates=new_gates(channels),
            speaking=np.zeros(channels, np.int8),
            states=np.zeros((channels, *_silero.STATE_SHAPE), np.float32),
        )

    def _new_out(self, channels: int, most: int) -> _Out:
        return _Out(
            frames=np.empty(channels, np.int64),
            levels=np.empty(CELLS * most, np.float32),
            chosen=np.empty(channels, np.int64),
            starts=np.empty(_CHOSEN * most, np.int64),
            frame=np.empty(_CHOSEN * most, np.int64),
            counts=np.empty(_CHOSEN * most, np.bool_),
            probabilities=np.empty(_CHOSEN * most, np.float32),
            run_counts=np.empty(channels, np.int64),
            run_starts=np.empty(most, np.int64),
            run_ends=np.empty(most, np.int64),
            run_peaks=np.empty(most, np.float32),
        )


def _arrays(rows: _Rows) -> tuple[NDArray[Any], ...]:
    return tuple(rows)
