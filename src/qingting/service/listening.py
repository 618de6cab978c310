"""What people hear of calls: the recording that a report rests on, personal data silenced unless they reveal it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from qingting.audio.encode import encode_mp3, encode_wav, peaks
from qingting.errors import InvalidRequestError, NotFoundError
from qingting.inspector import WAVEFORM_BUCKETS
from qingting.model.account import Permission
from qingting.privacy.silencing import clip, silence, silent_spans
from qingting.service import archive, reading
from qingting.service.auditing import Action
from qingting.storage import calls, recordings

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from qingting.model.account import Actor
    from qingting.model.report import Report
    from qingting.service.center import Service
    from qingting.storage.calls import CallRow
    from qingting.storage.recordings import RecordingRow

    Reader = Callable[[Path], tuple[int, NDArray[np.int16]]]
    """Decodes a recording: its rate in hertz, samples [channels, samples]."""

_LAST_MS = 366 * 86_400_000
"""Behind the end of every recording."""
_STEREO = ("left", "right")
_ONE_AT_A_TIME = threading.Lock()
"""The samples of a long call take hundreds of megabytes."""


@dataclass(frozen=True, kw_only=True)
class Sound:
    """A piece of a call's sound in a form to be played."""

    data: bytes
    media_type: str
    masked: bool
    """Whether personal data was silenced."""


@dataclass(frozen=True, kw_only=True)
class Piece:
    """Which part of a recording, and how."""

    start_ms: int = 0
    end_ms: int | None = None
    """None is the recording's end."""
    form: str = "mp3"
    """`mp3` or `wav`."""


def listen(
    service: Service,
    actor: Actor,
    call_id: str,
    piece: Piece,
    *,
    reader: Reader,
    reveal: bool = False,
    address: str = "",
) -> Sound:
    """Return a call's sound, or a piece of it.

    Raises AccessDeniedError, NotFoundError for an unknown call or one without sound, InvalidRequestError for a
    piece outside the recording, AudioError or WorkerError when it cannot be decoded.
    """
    call, report, recording = _find(service, actor, call_id, reveal=reveal)
    whole = piece.end_ms is None
    actions = _WHOLE if whole else _CLIP
    reading.note(service, actor, actions[reveal], call, address, detail={"start_ms": piece.start_ms})
    with _ONE_AT_A_TIME:
        rate, pcm = _samples(service, recording, report, reader, reveal=reveal)
        cut = clip(pcm, rate, piece.start_ms, _LAST_MS if piece.end_ms is None else piece.end_ms)
        if not cut.size:
            raise InvalidRequestError("start_ms lies behind the recording's end.", field="query.start_ms")
        if piece.form == "wav":
            return Sound(data=encode_wav(cut, rate), media_type="audio/wav", masked=not reveal)
        return Sound(data=encode_mp3(cut, rate), media_type="audio/mpeg", masked=not reveal)


def player_of(
    service: Service, actor: Actor, found: reading.Reading, *, reader: Reader, address: str = ""
) -> tuple[bytes | None, list[list[float]] | None]:
    """Return sound (MP3) and waveform for a report's page; None where the actor may not listen or none is stored."""
    reveal = not found.masked
    if not actor.may(Permission.CALLS_LISTEN) or found.report.recording is None:
        return None, None
    recording = _of_report(service, found.call, found.report)
    if recording is None:
        return None, None
    reading.note(service, actor, _WHOLE[reveal], found.call, address)
    with _ONE_AT_A_TIME:
        rate, pcm = _samples(service, recording, found.report, reader, reveal=reveal)
        return encode_mp3(pcm, rate), peaks(pcm, WAVEFORM_BUCKETS)


_WHOLE = (Action.RECORDING_LISTENED, Action.RECORDING_REVEALED)
_CLIP = (Action.CLIP_LISTENED, Action.CLIP_REVEALED)


def _find(service: Service, actor: Actor, call_id: str, *, reveal: bool) -> tuple[CallRow, Report, RecordingRow]:
    reading.require(actor, Permission.CALLS_LISTEN)
    reading.require_reading(actor, reveal=reveal)
    with service.database.read() as connection:
        call = calls.get(connection, call_id, actor.reach)
        # The unmasked one: where its words stand tells what to silence.
        report = archive.load_report(connection, call_number=call.id)
    if report is None:
        raise NotFoundError("The call has no report, so that its sound cannot be given yet.")
    recording = _of_report(service, call, report)
    if recording is None:
        raise NotFoundError("The recording is no longer stored, or the call has none.")
    return call, report, recording


def _of_report(service: Service, call: CallRow, report: Report) -> RecordingRow | None:
    """The very recording whose words the report holds: of another one the wrong places would be silenced."""
    if report.recording is None:
        return None
    with service.database.read() as connection:
        stored = recordings.of_calls(connection, [call.id])
    return next((one for one in stored if one.sha256 == report.recording.sha256), None)


def _samples(
    service: Service, recording: RecordingRow, report: Report, reader: Reader, *, reveal: bool
) -> tuple[int, NDArray[np.int16]]:
    with service.recordings.local(recording.key) as path:
        rate, pcm = reader(path)
    if reveal:
        return rate, pcm
    spans = silent_spans(report.transcript, reading.masker_of(service))
    parties = _STEREO if pcm.shape[0] == len(_STEREO) else tuple(report.roles.roles)
    return rate, silence(pcm, rate, spans, parties)
