"""Which party speaks on which channel: copies, mixtures and dead channels are found here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

LEFT, RIGHT, MONO = "left", "right", "mono"

_SILENT_SAMPLE = 33
"""-60 dBFS; the idle noise of a telephone line lies below."""
_SILENT_SHARE = 0.0005
"""A click now and then does not make a channel alive."""
_OFFSET_LIMIT = 16
"""-66 dBFS: a smaller constant offset harms nothing."""
_CELL_SECONDS = 0.02
_ACTIVE_DBFS = -50.0
_ALIKE_DB = 6.0
_MIXED_SHARE = 0.9
"""Two parties on their own channels are about equally loud for a small part of a call only;
one room or one mixture recorded in stereo nearly always."""
_COPY_RESIDUE_DB = -20.0
"""What remains of a channel after taking the other one out, when both carry one signal."""
_MIN_ACTIVE_CELLS = 25
_LOOK_SECONDS = 20.0
_LOOKS = 12
"""Enough of a long call is looked at, spread evenly, to tell copies from parties."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Channels:
    """Samples with one row per party, as far as channels can tell parties apart."""

    pcm: NDArray[np.int16]
    """Shape [rows, samples]; 1 or 2 rows, without constant offset."""
    parties: tuple[str, ...]
    """("left", "right") or ("mono",), one per row."""
    silent: tuple[str, ...] = ()
    """Parties whose row carries no sound at all."""
    notes: tuple[str, ...] = ()
    """Chinese sentences on what was found and done."""


def arrange_channels(pcm: NDArray[np.int16], rate_hertz: int) -> Channels:
    """Decide what the rows of a decoded recording are; takes 1 or 2 rows.

    Two rows with one and the same signal (also louder, softer or with swapped poles), and
    stereo recordings of one room, become one row; a silent channel stays, and is named.
    """
    rows = _without_offset(pcm)
    if rows.shape[0] == 1:
        return Channels(pcm=rows, parties=(MONO,), silent=(MONO,) if _is_silent(rows[0]) else ())
    parties = (LEFT, RIGHT)
    silent = tuple(party for party, row in zip(parties, rows, strict=True) if _is_silent(row))
    if silent:
        return Channels(pcm=rows, parties=parties, silent=silent, notes=_silence_notes(silent))
    sample = _sample(rows, rate_hertz)
    if _is_copy(sample):
        louder = int(np.argmax(np.abs(sample).mean(axis=1)))
        note = "两个声道内容相同，按单声道处理。"
        return Channels(pcm=rows[louder : louder + 1], parties=(MONO,), notes=(note,))
    if _is_mixed(sample, rate_hertz):
        note = "两个声道录到的是同一混合声音，已合并为单声道处理。"
        return Channels(pcm=_mixed(rows), parties=(MONO,), notes=(note,))
    return Channels(pcm=rows, parties=parties)


def _without_offset(pcm: NDArray[np.int16]) -> NDArray[np.int16]:
    """Take a constant offset out of each row that has one; the input is not changed."""
    if pcm.shape[1] == 0:
        return pcm
    offsets = [round(float(row.mean())) for row in pcm]
    if max(map(abs, offsets)) < _OFFSET_LIMIT:
        return pcm
    moved = np.empty_like(pcm)
    for row, offset, target in zip(pcm, offsets, moved, strict=True):
        target[:] = np.clip(row.astype(np.int32) - offset, -32768, 32767)
    return moved


def _is_silent(row: NDArray[np.int16]) -> bool:
    loud = np.count_nonzero((row > _SILENT_SAMPLE) | (row < -_SILENT_SAMPLE))
    return bool(loud <= _SILENT_SHARE * row.size)


def _silence_notes(silent: tuple[str, ...]) -> tuple[str, ...]:
    if len(silent) == 2:
        return ("两个声道均无声音。",)
    names = {LEFT: "左声道", RIGHT: "右声道"}
    return (f"{names[silent[0]]}无声音：可能只录到一方，或双方都录在另一声道。",)


def _sample(rows: NDArray[np.int16], rate_hertz: int) -> NDArray[np.float32]:
    """Take evenly spread looks at a long recording, all of a short one; shape [2, samples]."""
    look, total = int(_LOOK_SECONDS * rate_hertz), rows.shape[1]
    if total <= look * _LOOKS:
        return rows.astype(np.float32)
    starts = np.linspace(0, total - look, _LOOKS).astype(int)
    return np.concatenate([rows[:, at : at + look] for at in starts], axis=1).astype(np.float32)


def _is_copy(sample: NDArray[np.float32]) -> bool:
    """Whether one gain turns one channel into the other up to a small residue."""
    left, right = sample
    energy_left, energy_right, shared = float(left @ left), float(right @ right), float(left @ right)
    if not energy_left or not energy_right:
        return False
    # Residue of the least-squares fit, relative to the channel: 1 - r^2.
    residue = max(1.0 - shared * shared / (energy_left * energy_right), 1e-12)
    return bool(10 * np.log10(residue) < _COPY_RESIDUE_DB)


def _is_mixed(sample: NDArray[np.float32], rate_hertz: int) -> bool:
    """Whether both channels are about equally loud nearly all the time there is sound."""
    cell = int(_CELL_SECONDS * rate_hertz)
    cells = sample[:, : sample.shape[1] // cell * cell].reshape(2, -1, cell)
    power = np.einsum("rct,rct->rc", cells, cells) / (cell * 32768.0**2)
    level = 10 * np.log10(np.maximum(power, 1e-10))
    active = level.max(axis=0) > _ACTIVE_DBFS
    if np.count_nonzero(active) < _MIN_ACTIVE_CELLS:
        return False
    alike = np.abs(level[0] - level[1])[active] < _ALIKE_DB
    return bool(alike.mean() >= _MIXED_SHARE)


def _mixed(rows: NDArray[np.int16]) -> NDArray[np.int16]:
    """Mean of both rows, or half their difference where the poles are swapped."""
    left, right = rows.astype(np.int32)
    sign = -1 if int(np.dot(left.astype(np.float64), right)) < 0 else 1
    mixed: NDArray[np.int16] = ((left + sign * right) // 2).astype(np.int16)[np.newaxis]
    return mixed
