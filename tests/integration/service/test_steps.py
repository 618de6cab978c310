"""One run of a job without any engine: what its steps leave, and what becomes of the job when they fail."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Protocol

import pytest
from sqlalchemy import func, select, update

from qingting.audio.options import AudioOptions
from qingting.errors import NotFoundError, StorageFullError, StorageUnavailableError
from qingting.jobs import attempt, states
from qingting.jobs.attempt import Outcome, run_attempt
from qingting.jobs.room import Room
from qingting.jobs.steps import Bench
from qingting.model.account import SYSTEM
from qingting.model.call import CallInfo, Role
from qingting.model.ids import new_id
from qingting.model.job import InspectionJob, JobState, JobStep
from qingting.service import archive, intake, job_control
from qingting.service.center import Service
from qingting.settings import load_settings
from qingting.storage import calls, dispatching, events, jobs
from qingting.storage.calls import CallState
from qingting.storage.recordings import RecordingRow
from qingting.storage.tables import jobs as job_table
from qingting.storage.tables import reports as report_table
from qingting.testing.installation import wait_until
from qingting.testing.told_inspector import SECRET, ToldInspector


class Clock(Protocol):
    ms: int


class Engine:
    """Keeps the outcomes of steps as the job engine does; loses itself when told."""

    def __init__(self) -> None:
        self.kept: dict[tuple[str, str], Outcome] = {}
        self.before: Callable[[str], None] = lambda step: None

    def run(self, bench: Bench, workflow: str) -> str:
        def checkpoint(name: str, work: Callable[[], Outcome]) -> Outcome:
            self.before(name)
            if (workflow, name) not in self.kept:
                self.kept[workflow, name] = json.loads(json.dumps(work()))
            return self.kept[workflow, name]

        return run_attempt(bench, workflow, checkpoint)


@pytest.fixture
def bench(service: Service, tmp_path: Path) -> Bench:
    inspector: Any = ToldInspector(tmp_path / "trace")
    return Bench(service=service, inspector=inspector, audio_options=AudioOptions(), worker_id="w1", room=Room())


def put(bench: Bench, order: dict[str, Any] | bytes, *, suffix: str = ".wav", **submitted: Any) -> str:
    """Accept orders as a recording, and hand the job over."""
    number = new_id()
    content = order if isinstance(order, bytes) else json.dumps(order).encode()
    size, sha256 = bench.service.recordings.save(f"recordings/1/{number}{suffix}", [content])
    row = RecordingRow(
        id=number, call=0, key=f"recordings/1/{number}{suffix}", name=f"{number}{suffix}", sha256=sha256,
        size_bytes=size, created_ms=1,
    )  # fmt: skip
    call = submitted.pop("call", CallInfo(call_id=number, agent_id="a1", team="t1"))
    submission = intake.Submission(call=call, **submitted)
    prepared = intake.Prepared(submission=submission, recording=row, fingerprint="")
    job = intake.accept(bench.service, SYSTEM, prepared).job
    dispatch(bench)
    return job.id


def dispatch(bench: Bench) -> list[str]:
    now = bench.service.clock()
    with bench.service.database.write() as connection:
        taken = jobs.take_for_dispatch(connection, now_ms=now, limit=10, worker_id="w1")
    return [attempt.workflow_id(job.id, job.attempts + 1) for job in taken]


def job_of(bench: Bench, job_id: str) -> InspectionJob:
    with bench.service.database.read() as connection:
        return jobs.get(connection, job_id, SYSTEM.reach)


def told(bench: Bench, job_id: str) -> list[str]:
    with bench.service.database.read() as connection:
        return [event.name for event in events.after(connection, 0, job_id=job_id)]


def reports(bench: Bench, job_id: str) -> int:
    with bench.service.database.read() as connection:
        return int(
            connection.execute(
                select(func.count()).select_from(report_table).where(report_table.c.job_id == job_id)
            ).scalar_one()
        )


def done(bench: Bench, step: str) -> int:
    inspector: Any = bench.inspector
    return len(inspector.done(step))


def test_a_recording_becomes_a_report(bench: Bench) -> None:
    job_id = put(bench, {}, options={"noise_reduction": "light"})
    assert Engine().run(bench, f"{job_id}.1") == "done"
    job = job_of(bench, job_id)
    assert (job.state, job.attempts, job.progress, job.failure) == (JobState.DONE, 1, 1.0, None)
    assert reports(bench, job_id) == 1
    assert told(bench, job_id) == ["job.queued", *["job.running"] * 5, "job.done"]
    with bench.service.database.read() as connection:
        call = calls.get(connection, job.call_id, SYSTEM.reach)
        report = archive.load_report(connection, call_number=call.id)
    assert call.state is CallState.INSPECTED
    assert report is not None
    assert report.transcript.utterances
    assert bench.samples == {}


def test_options_of_the_job_reach_the_decoder(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[AudioOptions] = []
    decode = bench.inspector.decode
    monkeypatch.setattr(
        bench.inspector, "decode", lambda path, options: (seen.append(options), decode(path, options))[1]
    )
    job_id = put(bench, {}, options={"noise_reduction": "light", "raw": "alaw:8000:2"})
    Engine().run(bench, f"{job_id}.1")
    assert seen[0].noise_reduction.value == "light"
    assert seen[0].raw is not None
    assert (seen[0].raw.encoding, seen[0].raw.sample_rate_hertz, seen[0].raw.channels) == ("alaw", 8000, 2)


def test_a_conversation_needs_neither_decoder_nor_engine(bench: Bench) -> None:
    said = [{"role": "agent", "text": "您好"}, {"role": "customer", "text": "我要退款"}]
    job_id = put(bench, json.dumps(said).encode(), suffix=".json")
    assert Engine().run(bench, f"{job_id}.1") == "done"
    assert (done(bench, "decode"), done(bench, "transcribe"), done(bench, "judge")) == (0, 0, 1)
    assert job_of(bench, job_id).state is JobState.DONE


@pytest.mark.parametrize(
    ("order", "state", "code"),
    [
        ({"decode": "AudioLimitError"}, JobState.FAILED, "audio_limit"),
        ({"decode": "NotAudioError"}, JobState.FAILED, "not_audio"),
        ({"transcribe": "EngineAnswerError"}, JobState.FAILED, "engine_answer"),
        ({"transcribe": "EngineTimeoutError"}, JobState.QUEUED, "engine_timeout"),
        ({"decode": "WorkerCrashedError"}, JobState.QUEUED, "worker_crashed"),
        ({"decode": "unforeseen"}, JobState.QUEUED, "unexpected"),
    ],
)
def test_what_becomes_of_a_failed_attempt(bench: Bench, order: dict[str, Any], state: JobState, code: str) -> None:
    job_id = put(bench, order)
    Engine().run(bench, f"{job_id}.1")
    job = job_of(bench, job_id)
    assert job.state is state
    assert job.failure is not None
    assert job.failure.code == code
    assert SECRET not in job.failure.cause + job.failure.remedy
    with bench.service.database.read() as connection:
        call = calls.get(connection, job.call_id, SYSTEM.reach)
    assert call.state is (CallState.FAILED if state is JobState.FAILED else CallState.QUEUED)
    assert told(bench, job_id)[-1] == f"job.{state.value}"


def test_waits_grow_until_the_job_is_set_aside(bench: Bench, clock: Clock) -> None:
    job_id = put(bench, {"transcribe": "EngineTimeoutError"})
    engine, waits = Engine(), []
    for run in (1, 2, 3):
        engine.run(bench, f"{job_id}.{run}")
        job = job_of(bench, job_id)
        waits.append(job.due_ms - clock.ms)
        assert dispatch(bench) == [], "it is not due yet"
        clock.ms = max(clock.ms, job.due_ms)
        if run < 3:
            assert dispatch(bench) == [f"{job_id}.{run + 1}"]
    assert waits[:2] == [5_000, 20_000]
    assert job.state is JobState.SET_ASIDE
    assert job.failure is not None
    assert job.failure.code == "engine_timeout"
    assert dispatch(bench) == []


def test_a_dead_decoder_is_tried_once_more(bench: Bench, clock: Clock) -> None:
    job_id = put(bench, {"decode": "WorkerCrashedError"})
    engine = Engine()
    engine.run(bench, f"{job_id}.1")
    clock.ms += 60_000
    dispatch(bench)
    engine.run(bench, f"{job_id}.2")
    assert job_of(bench, job_id).state is JobState.FAILED


@pytest.mark.parametrize("error", ["EngineUnavailableError", "StorageFullError", "StorageUnavailableError"])
def test_an_outage_costs_no_attempt(bench: Bench, clock: Clock, error: str) -> None:
    job_id = put(bench, {"transcribe": error, "times": 6})
    engine = Engine()
    for run in range(1, 8):
        dispatch(bench)
        engine.run(bench, f"{job_id}.{run}")
        job = job_of(bench, job_id)
        assert job.due_ms - clock.ms <= 300_000
        clock.ms = max(clock.ms, job.due_ms)
    assert job.state is JobState.DONE


def test_a_full_disk_while_storing_loses_nothing(bench: Bench, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    job_id = put(bench, {})
    stored = archive.store_report

    def full(*_: object) -> bool:
        raise StorageFullError("The database has no space left.")

    monkeypatch.setattr(archive, "store_report", full)
    engine = Engine()
    engine.run(bench, f"{job_id}.1")
    assert job_of(bench, job_id).state is JobState.QUEUED
    monkeypatch.setattr(archive, "store_report", stored)
    clock.ms += 60_000
    dispatch(bench)
    engine.run(bench, f"{job_id}.2")
    assert job_of(bench, job_id).state is JobState.DONE
    assert done(bench, "transcribe") == 1, "words that were heard are not recognised again"


def test_a_run_waits_while_the_database_is_away(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    job_id = put(bench, {"decode": "NotAudioError"})
    settle, away = states.settle, [StorageUnavailableError("away"), StorageUnavailableError("away")]

    def sometimes(*given: Any) -> JobState | None:
        if away:
            raise away.pop()
        return settle(*given)

    monkeypatch.setattr(states, "settle", sometimes)
    monkeypatch.setattr(attempt, "_STORAGE_PAUSE_SECONDS", 0.0)
    assert Engine().run(bench, f"{job_id}.1") == "failed"
    assert away == []


@pytest.mark.parametrize("step", ["decode", "transcribe", "report"])
def test_a_run_that_broke_off_goes_on_behind_its_last_finished_step(bench: Bench, step: str) -> None:
    class Killed(BaseException):
        pass

    def kill(name: str) -> None:
        if name == step:
            raise Killed

    job_id = put(bench, {})
    engine = Engine()
    engine.before = kill
    with pytest.raises(Killed):
        engine.run(bench, f"{job_id}.1")
    assert job_of(bench, job_id).state is JobState.RUNNING
    engine.before = lambda _: None
    another = replace(bench, samples={}, worker_id="w2")
    assert engine.run(another, f"{job_id}.1") == "done"
    job = job_of(bench, job_id)
    assert (job.state, job.attempts) == (JobState.DONE, 2)
    # Samples are not kept: a run that goes on elsewhere decodes again. Words are.
    assert done(bench, "decode") == (2 if step == "transcribe" else 1)
    assert done(bench, "transcribe") == 1
    assert reports(bench, job_id) == 1


def test_a_report_is_stored_once_however_often_a_run_comes_back(bench: Bench) -> None:
    job_id = put(bench, {})
    assert Engine().run(bench, f"{job_id}.1") == "done"
    assert Engine().run(bench, f"{job_id}.1") == "nothing to do"
    assert reports(bench, job_id) == 1


@pytest.mark.parametrize("max_attempts", [1, 2, 3])
def test_a_job_that_takes_its_worker_down_is_set_aside(bench: Bench, max_attempts: int) -> None:
    job_id = put(bench, {})
    with bench.service.database.write() as connection:
        jobs.change(connection, job_id, max_attempts=max_attempts)
    begun = 0
    while states.begin(bench.service, job_id, 1, worker_id="w1") is not None:
        begun += 1
        assert begun < 10
    job = job_of(bench, job_id)
    # A job that may try only once has one attempt alone, since another job may have been to blame.
    assert begun == max(2, max_attempts)
    assert job.state is JobState.SET_ASIDE
    assert job.failure is not None
    assert job.failure.code == "poisoned"
    assert told(bench, job_id)[-1] == "job.set_aside"


def test_only_the_last_attempt_after_a_broken_one_is_alone(bench: Bench) -> None:
    job_id = put(bench, {})
    alone = []
    for _ in range(3):
        alone.append(states.suspected(job_of(bench, job_id)))
        states.begin(bench.service, job_id, 1, worker_id="w1")
    assert alone == [False, False, True]


def test_an_attempt_that_an_orderly_stop_broke_off_does_not_count(bench: Bench) -> None:
    job_id = put(bench, {})
    for _ in range(8):
        assert states.begin(bench.service, job_id, 1, worker_id="w1") is not None
        with bench.service.database.write() as connection:
            assert dispatching.give_back(connection, "w1") == 1
    assert Engine().run(bench, f"{job_id}.1") == "done"
    assert job_of(bench, job_id).attempts == 1


def test_a_run_that_its_worker_abandons_writes_nothing_more(bench: Bench) -> None:
    """Its decoder was taken away under it: that is no failure of the recording."""
    job_id = put(bench, {"decode": "WorkerCrashedError"})
    bench.abandoned.set()
    engine = Engine()
    threading.Thread(target=engine.run, args=(bench, f"{job_id}.1"), daemon=True).start()
    wait_until(lambda: done(bench, "decode") == 1)
    time.sleep(0.2)
    assert engine.kept == {}
    assert job_of(bench, job_id).state is JobState.RUNNING


def test_an_old_run_does_nothing_while_a_newer_one_has_the_job(bench: Bench, clock: Clock) -> None:
    job_id = put(bench, {"transcribe": "EngineTimeoutError", "times": 1})
    Engine().run(bench, f"{job_id}.1")
    assert Engine().run(bench, f"{job_id}.1") == "nothing to do", "the job waits for its second attempt"
    clock.ms += 60_000
    assert dispatch(bench) == [f"{job_id}.2"]
    assert states.begin(bench.service, job_id, 2, worker_id="w2") is not None
    assert Engine().run(bench, f"{job_id}.1") == "nothing to do"
    assert not states.reach(bench.service, job_id, 1, JobStep.DECODE, 0.1)
    setback = states.setback_of(ValueError())
    assert states.settle(bench.service, job_id, 1, setback) is None
    assert job_of(bench, job_id).state is JobState.RUNNING


@pytest.mark.parametrize("step", ["decode", "transcribe", "judge"])
def test_a_job_is_cancelled_between_its_steps(bench: Bench, step: str, monkeypatch: pytest.MonkeyPatch) -> None:
    job_id = put(bench, {})
    ordinary = getattr(bench.inspector, step)

    def cancelling(*given: Any) -> Any:
        job_control.cancel(bench.service, SYSTEM, job_id)
        return ordinary(*given)

    monkeypatch.setattr(bench.inspector, step, cancelling)
    Engine().run(bench, f"{job_id}.1")
    job = job_of(bench, job_id)
    assert job.state is JobState.CANCELLED
    assert job.failure is not None
    assert job.failure.code == "cancelled"
    assert reports(bench, job_id) == 0
    assert told(bench, job_id)[-1] == "job.cancelled"


def test_a_job_cancelled_in_the_last_moment_stores_nothing(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    job_id = put(bench, {})
    store = archive.store_report

    def cancelling(*given: Any) -> bool:
        job_control.cancel(bench.service, SYSTEM, job_id)
        return store(*given)

    monkeypatch.setattr(archive, "store_report", cancelling)
    Engine().run(bench, f"{job_id}.1")
    assert job_of(bench, job_id).state is JobState.CANCELLED
    assert reports(bench, job_id) == 0


def test_a_waiting_job_is_cancelled_at_once(bench: Bench) -> None:
    job_id = put(bench, {})
    with bench.service.database.write() as connection:
        jobs.change(connection, job_id, cancel_requested=True)
    assert states.cancel_waiting(bench.service, job_id)
    assert job_of(bench, job_id).state is JobState.CANCELLED
    assert Engine().run(bench, f"{job_id}.1") == "nothing to do"
    assert not states.cancel_waiting(bench.service, job_id)


def test_a_retried_job_begins_a_new_run(bench: Bench) -> None:
    job_id = put(bench, {"decode": "NotAudioError", "times": 1})
    engine = Engine()
    engine.run(bench, f"{job_id}.1")
    job_control.retry(bench.service, SYSTEM, job_id)
    assert dispatch(bench) == [f"{job_id}.2"]
    assert engine.run(bench, f"{job_id}.2") == "done"


def test_a_job_whose_call_was_deleted_meanwhile_ends_quietly(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    job_id = put(bench, {})
    transcribe = bench.inspector.transcribe

    def deleting(*given: Any) -> Any:
        with bench.service.database.write() as connection:
            row = calls.find(connection, job_of(bench, job_id).call_id)
            assert row is not None
            calls.remove(connection, row.id)
        return transcribe(*given)

    monkeypatch.setattr(bench.inspector, "transcribe", deleting)
    Engine().run(bench, f"{job_id}.1")
    with pytest.raises(NotFoundError):
        job_of(bench, job_id)
    assert Engine().run(bench, f"{job_id}.1") == "nothing to do"


def test_a_recording_that_is_gone_fails_its_job(bench: Bench) -> None:
    job_id = put(bench, {})
    with bench.service.database.read() as connection:
        recording = jobs.recording_of(connection, job_id)
    bench.service.recordings.delete(f"recordings/1/{recording}.wav")
    assert Engine().run(bench, f"{job_id}.1") == "failed"
    failure = job_of(bench, job_id).failure
    assert failure is not None
    assert failure.code == "not_found"


def test_words_are_analysed_again_without_recognising_them(bench: Bench) -> None:
    job_id = put(bench, {})
    Engine().run(bench, f"{job_id}.1")
    call_id = job_of(bench, job_id).call_id
    again = job_control.reanalyse(bench.service, SYSTEM, call_id, agent="swap")
    assert dispatch(bench) == [f"{again.id}.1"]
    assert Engine().run(bench, f"{again.id}.1") == "done"
    assert (done(bench, "decode"), done(bench, "transcribe"), done(bench, "judge")) == (1, 1, 2)
    with bench.service.database.read() as connection:
        call = calls.get(connection, call_id, SYSTEM.reach)
        before = archive.load_report(connection, report_id=_report_id(connection, job_id))
        after = archive.load_report(connection, call_number=call.id)
    assert before is not None
    assert after is not None
    roles = {one.text: one.role for one in before.transcript.utterances}
    assert {one.text: one.role for one in after.transcript.utterances} == {
        text: role.other for text, role in roles.items()
    }
    assert Role.AGENT in roles.values()


def test_call_data_that_came_later_counts_when_words_are_analysed_again(bench: Bench) -> None:
    job_id = put(bench, {})
    Engine().run(bench, f"{job_id}.1")
    call_id = job_of(bench, job_id).call_id
    with bench.service.database.write() as connection:
        call = calls.get(connection, call_id, SYSTEM.reach)
        info = {**call.info, "fields": {**call.info["fields"], "csat": "1"}}
        calls.change(connection, call.id, {"info": info})
    again = job_control.reanalyse(bench.service, SYSTEM, call_id)
    dispatch(bench)
    Engine().run(bench, f"{again.id}.1")
    with bench.service.database.read() as connection:
        report = archive.load_report(connection, call_number=call.id)
    assert report is not None
    assert report.call.fields["csat"] == "1"


def test_a_repeated_analysis_that_fails_leaves_the_call_as_it_was(bench: Bench) -> None:
    job_id = put(bench, {})
    Engine().run(bench, f"{job_id}.1")
    call_id = job_of(bench, job_id).call_id
    again = job_control.reanalyse(bench.service, SYSTEM, call_id)
    with bench.service.database.write() as connection:
        connection.execute(update(job_table).where(job_table.c.id == again.id).values(options={"agent": "nobody"}))
    dispatch(bench)
    assert Engine().run(bench, f"{again.id}.1") == "failed"
    with bench.service.database.read() as connection:
        assert calls.get(connection, call_id, SYSTEM.reach).state is CallState.INSPECTED


def _report_id(connection: Any, job_id: str) -> str:
    return str(connection.execute(select(report_table.c.id).where(report_table.c.job_id == job_id)).scalar_one())


@contextmanager
def recorder(content: bytes) -> Iterator[tuple[str, list[str]]]:
    """A recorder of the centre that serves one recording."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"127.0.0.1:{server.server_port}", asked
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def from_address(bench: Bench, url: str) -> str:
    submission = intake.Submission(call=CallInfo(call_id=new_id()), url=url)
    prepared = intake.Prepared(submission=submission, recording=None, fingerprint="")
    job = intake.accept(bench.service, SYSTEM, prepared).job
    dispatch(bench)
    return job.id


def test_a_recording_is_fetched_once(bench: Bench, clock: Clock) -> None:
    with recorder(json.dumps({"transcribe": "EngineTimeoutError", "times": 1}).encode()) as (host, asked):
        settings = load_settings(api={"allowed_hosts": host})
        bench = replace(bench, service=replace(bench.service, settings=settings))
        job_id = from_address(bench, f"http://{host}/calls/../%2e%2e/etc/20261130_13812345678.WAV?token=x")
        engine = Engine()
        engine.run(bench, f"{job_id}.1")
        clock.ms += 60_000
        dispatch(bench)
        assert engine.run(bench, f"{job_id}.2") == "done"
    assert len(asked) == 1
    with bench.service.database.read() as connection:
        recording = jobs.recording_of(connection, job_id)
        report = archive.load_report(
            connection, call_number=calls.get(connection, job_of(bench, job_id).call_id, SYSTEM.reach).id
        )
    assert recording == job_id
    assert report is not None
    assert bench.service.recordings.exists(f"recordings/{bench.service.day_and_hour(clock.ms)[0]}/{job_id}.wav")


def test_a_forbidden_address_fails_its_job(bench: Bench) -> None:
    job_id = from_address(bench, "http://169.254.169.254/latest/meta-data")
    assert Engine().run(bench, f"{job_id}.1") == "failed"
    failure = job_of(bench, job_id).failure
    assert failure is not None
    assert failure.code == "forbidden_address"
    assert "169" not in failure.cause
