"""What a job does, step by step: plain functions over the service and an inspector, without any job engine.

Each step may be repeated, wherever the process before died, and leaves the same behind: recordings, words and
reports are kept under keys of the job.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from qingting.audio.options import AudioOptions, NoiseReduction, RawFormat
from qingting.audio.roles import apply_roles, assign_agent, swap
from qingting.chat import is_chat
from qingting.errors import InvalidRequestError, NotFoundError
from qingting.inspector import Heard, read_conversation
from qingting.model.account import SYSTEM
from qingting.model.job import JobKind
from qingting.service import archive, fetching
from qingting.service.documents import call_from_plain
from qingting.service.upload_checks import safe_suffix
from qingting.storage import calls, jobs, recordings

if TYPE_CHECKING:
    from qingting.inspector import Inspector
    from qingting.jobs.room import Room
    from qingting.model.audio import PreparedAudio
    from qingting.model.call import CallInfo
    from qingting.model.job import InspectionJob
    from qingting.service.center import Service
    from qingting.storage.recordings import RecordingRow

SWAP = "swap"
"""Value of the option `agent` that exchanges agent and customer."""


@dataclass(frozen=True, kw_only=True)
class Bench:
    """What a worker works with."""

    service: Service
    inspector: Inspector
    audio_options: AudioOptions
    """Of the settings; a job's own options replace parts."""
    worker_id: str
    room: Room
    samples: dict[str, PreparedAudio] = field(default_factory=dict)
    """Job -> decoded recording, between its steps: hundreds of megabytes, too much to keep elsewhere."""
    abandoned: threading.Event = field(default_factory=threading.Event)
    """Set when the worker leaves with jobs unfinished: their runs must write nothing more."""


def fetch(bench: Bench, job: InspectionJob) -> None:
    """Download the recording of a job that has none yet.

    Raises ForbiddenAddressError, UploadTooLargeError, FetchError, StorageError.
    """
    service = bench.service
    with service.database.read() as connection:
        if jobs.recording_of(connection, job.id) is not None:
            return
        call = calls.get(connection, job.call_id, SYSTEM.reach)
    now = service.clock()
    with fetching.download(service.settings, job.source_url) as (name, chunks):
        own = f"{job.id}{safe_suffix(name)}"
        # The job's own key: a download repeated after a crash replaces the file of the one before.
        key = f"recordings/{service.day_and_hour(now)[0]}/{own}"
        size, sha256 = service.recordings.save(key, chunks)
    row = recordings.RecordingRow(
        id=job.id, call=call.id, key=key, name=own, sha256=sha256, size_bytes=size, created_ms=now
    )
    with service.database.write() as connection:
        if jobs.recording_of(connection, job.id) is None:
            recordings.add(connection, row)
            jobs.change(connection, job.id, recording_id=row.id)


def is_text(bench: Bench, job: InspectionJob) -> bool:
    """Whether the job's recording is a text conversation; raises NotFoundError without a recording."""
    return is_chat(Path(_recording(bench, job).name))


def decode(bench: Bench, job: InspectionJob) -> dict[str, object]:
    """Turn the recording into samples, and return facts of it for the record.

    Raises AudioError, WorkerError, NotFoundError when the sound was deleted.
    """
    with _file(bench, job) as path:
        audio = bench.inspector.decode(path, options_for(bench, job))
    bench.samples[job.id] = audio
    return {"duration_ms": audio.format.duration_ms, "channels": audio.format.channels, "spans": len(audio.spans)}


def transcribe(bench: Bench, job: InspectionJob) -> None:
    """Turn speech into words and keep them; what was kept before is not recognised again.

    Raises EngineError, PackError, StorageError, and what decode raises when the samples are elsewhere.
    """
    if archive.saved_transcript(bench.service, job.id) is not None:
        return
    if job.id not in bench.samples:
        decode(bench, job)
    archive.save_transcript(
        bench.service, job.id, bench.inspector.transcribe(bench.samples[job.id], call_of(bench, job))
    )


def read(bench: Bench, job: InspectionJob) -> None:
    """Read a text conversation and keep its words; raises ScriptError."""
    if archive.saved_transcript(bench.service, job.id) is None:
        with _file(bench, job) as path:
            archive.save_transcript(bench.service, job.id, read_conversation(path, call_of(bench, job)))


def recall(bench: Bench, job: InspectionJob) -> Heard:
    """Take the words of the call's latest report, and put agent and customer right if the job asks for it.

    Raises NotFoundError when they are no longer stored, InputError when the agent cannot be named.
    """
    with bench.service.database.read() as connection:
        call = calls.get(connection, job.call_id, SYSTEM.reach)
        heard = archive.words_of_call(connection, call.id)
    if heard is None:
        raise NotFoundError("The words of the call are no longer stored.")
    # Call data that came after the first inspection (survey, desktop events) counts now.
    return with_agent(replace(heard, call=call_from_plain(call.info)), job.options.get("agent", ""))


def conclude(bench: Bench, job: InspectionJob, before_storing: Callable[[], object]) -> dict[str, object]:
    """Judge the words and store the report, which ends the job; `stored` is False when it was cancelled meanwhile.

    Raises PackError, StorageError, and what recall raises.
    """
    heard = recall(bench, job) if job.kind is JobKind.REANALYSE else archive.saved_transcript(bench.service, job.id)
    if heard is None:
        raise NotFoundError("The words of the call are no longer stored.")
    report = bench.inspector.judge(heard)
    before_storing()
    return {"stored": archive.store_report(bench.service, job.id, heard, report)}


def with_agent(heard: Heard, agent: str) -> Heard:
    """Name the agent's party (`swap` exchanges both); empty changes nothing.

    Raises InputError when no agent was decided and none is named, or the party does not exist.
    """
    if not agent:
        return heard
    roles = swap(heard.roles) if agent == SWAP else assign_agent(heard.roles, agent)
    utterances = apply_roles(heard.transcript.utterances, roles)
    return replace(heard, roles=roles, transcript=replace(heard.transcript, utterances=utterances))


def call_of(bench: Bench, job: InspectionJob) -> CallInfo:
    """Return what is known of the job's call now."""
    with bench.service.database.read() as connection:
        return call_from_plain(calls.get(connection, job.call_id, SYSTEM.reach).info)


def options_for(bench: Bench, job: InspectionJob) -> AudioOptions:
    """Return the audio stage's options for a job; raises InvalidRequestError for ones that mean nothing."""
    options = bench.audio_options
    try:
        if noise_reduction := job.options.get("noise_reduction"):
            options = replace(options, noise_reduction=NoiseReduction(noise_reduction))
        if raw := job.options.get("raw"):
            encoding, rate, channels = raw.split(":")
            options = replace(
                options, raw=RawFormat(encoding=encoding, sample_rate_hertz=int(rate), channels=int(channels))
            )
    except ValueError:
        raise InvalidRequestError("An option of the job means nothing.") from None
    return options


def _recording(bench: Bench, job: InspectionJob) -> RecordingRow:
    with bench.service.database.read() as connection:
        recording_id = jobs.recording_of(connection, job.id)
        if recording_id is None:
            raise NotFoundError("The job has no recording.")
        row = recordings.get(connection, recording_id)
    if row.deleted_ms is not None:
        raise NotFoundError("The recording is no longer stored.")
    return row


@contextmanager
def _file(bench: Bench, job: InspectionJob) -> Iterator[Path]:
    row = _recording(bench, job)
    with bench.service.recordings.local(row.key) as path:
        yield path
