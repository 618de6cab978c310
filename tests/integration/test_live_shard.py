"""A listening process's calls end with a report or with a job, whatever their recogniser does."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from qingting.audio.decode import decode
from qingting.audio.front_end import prepare
from qingting.audio.options import AudioLimits, AudioOptions
from qingting.audio.source import open_source
from qingting.bootstrap import plans
from qingting.bootstrap.assist import assistants
from qingting.errors import EngineAnswerError, StorageUnavailableError
from qingting.live import shard as shard_module
from qingting.live.inspector import LiveInspector
from qingting.live.session import LiveFormat
from qingting.live.shard import Shard
from qingting.live.wire import Kind, Opening, Outcome, Reader, message, pickled, unpickled
from qingting.model.call import CallInfo, Role
from qingting.model.live_event import ReportDelayed, ReportReady
from qingting.model.report import Report
from qingting.privacy.masking import Masker
from qingting.settings import load_settings
from qingting.speech.decode_desk import DecodeDesk
from qingting.speech.engine import SpeechEngine
from qingting.testing.known_calls_engine import KnownCallsEngine
from qingting.testing.samples import sample_call

SAMPLE = sample_call("angry_escalation")
DECODED = decode(open_source(SAMPLE.audio_path, AudioLimits()), AudioOptions())
LEFT = Role.AGENT if SAMPLE.script.party(Role.AGENT) == "left" else Role.CUSTOMER
FORM = LiveFormat(rate_hertz=DECODED.rate_hertz, channels=2, roles=(LEFT, LEFT.other))


@pytest.fixture(scope="module")
def plan_for():
    return plans(load_settings())


@pytest.fixture(scope="module")
def engine() -> KnownCallsEngine:
    return KnownCallsEngine([(SAMPLE.script, prepare(SAMPLE.audio_path))])


class Kept:
    """Notes what is kept."""

    def __init__(self) -> None:
        self.ended: list[tuple[str, str]] = []
        self.reports: list[Report] = []
        self.broken = False

    def alerts_for(self, call: CallInfo, finding: Any) -> list[Any]:
        raise StorageUnavailableError("the database is away")

    def hints_shown(self, call: CallInfo, hints: Any) -> None:
        raise StorageUnavailableError("the database is away")

    def conclude(self, live_id: str, sound: Path, heard: Any, report: Any) -> ReportReady | None:
        if self.broken:
            raise StorageUnavailableError("the database is away")
        self.ended.append((live_id, "reported"))
        self.reports.append(report)
        return ReportReady(at_ms=0, call_id=heard.call.call_id, job_id="j", score=report.score.total, grade="")

    def hand_over(self, live_id: str, sound: Path) -> ReportDelayed | None:
        self.ended.append((live_id, "handed over"))
        return ReportDelayed(at_ms=0, call_id="c", job_id="j")


class Front:
    """The other end of the link."""

    def __init__(self, link: socket.socket, sound: Path) -> None:
        self.link = link
        self.sound = sound
        self.told: dict[int, list[str]] = {}
        self.outcomes: dict[int, Outcome] = {}
        self._reader = Reader()

    def open(self, number: int, **changes: Any) -> None:
        call = CallInfo(call_id=f"c{number}", **changes)
        self.link.sendall(pickled(Kind.OPEN, number, Opening(live_id=f"l{number}", call=call, form=FORM, begun_ms=0)))

    def play(self, number: int, pcm: np.ndarray = DECODED.pcm) -> None:
        for first in range(0, pcm.shape[1], FORM.rate_hertz):
            piece = pcm[:, first : first + FORM.rate_hertz]
            self.link.sendall(message(Kind.SOUND, number, piece.T.tobytes()))
        self.link.sendall(message(Kind.STOP, number, str(self.sound).encode()))

    def play_together(self, numbers: Sequence[int], pcm: np.ndarray = DECODED.pcm) -> None:
        """Second by second, each call's in turn."""
        for first in range(0, pcm.shape[1], FORM.rate_hertz):
            content = pcm[:, first : first + FORM.rate_hertz].T.tobytes()
            for number in numbers:
                self.link.sendall(message(Kind.SOUND, number, content))
        for number in numbers:
            self.link.sendall(message(Kind.STOP, number, str(self.sound).encode()))

    def hear_until_ended(self, count: int) -> None:
        self.link.settimeout(120)
        while len(self.outcomes) < count:
            for kind, number, content in self._reader.feed(self.link.recv(1 << 16)):
                if kind is Kind.EVENTS:
                    self.told.setdefault(number, []).extend(one.text for one in unpickled(content))
                if kind is Kind.ENDED:
                    self.outcomes[number] = Outcome(int(content))


@contextmanager
def shard(
    engine: SpeechEngine, plan_for: Any, kept: Kept, tmp_path: Path, *, patience: float = 60.0
) -> Iterator[Front]:
    sound = tmp_path / "sound.wav"
    sound.write_bytes(b"RIFF")
    ours, theirs = socket.socketpair()
    with ThreadPoolExecutor(2) as pool:
        helping = assistants(load_settings(), plan_for)
        desk = DecodeDesk(pool, slots=2)
        inspector = LiveInspector(engine=engine, desk=desk, plan_for=plan_for, assistants=helping)
        running = Shard(theirs, inspector, kept, masker=Masker(()), last_words_seconds=patience)
        thread = threading.Thread(target=running.run)
        thread.start()
        try:
            yield Front(ours, sound)
        finally:
            ours.close()
            thread.join(30)
            theirs.close()
            assert not thread.is_alive()


def test_calls_side_by_side_are_each_reported(engine, plan_for, tmp_path) -> None:
    kept = Kept()
    with shard(engine, plan_for, kept, tmp_path) as front:
        for number in (1, 2, 3):
            front.open(number)
        # A front goes on reading while it sends.
        with ThreadPoolExecutor(1) as sender:
            sender.submit(lambda: [front.play(number) for number in (3, 1, 2)])
            front.hear_until_ended(3)
    assert set(front.outcomes.values()) == {Outcome.REPORTED}
    assert sorted(kept.ended) == [("l1", "reported"), ("l2", "reported"), ("l3", "reported")]
    assert words(front, 1) == words(front, 2) == words(front, 3), "calls do not mix"
    assert len(words(front, 1)) > 20


def test_many_calls_are_worked_for_in_rounds_and_tell_what_one_alone_tells(engine, plan_for, tmp_path) -> None:
    numbers = range(1, shard_module._FEW_CALLS + 5)
    kept = Kept()
    with shard(engine, plan_for, kept, tmp_path) as front:
        for number in numbers:
            front.open(number)
        with ThreadPoolExecutor(1) as sender:
            sender.submit(front.play_together, numbers)
            front.hear_until_ended(len(numbers))
    assert set(front.outcomes.values()) == {Outcome.REPORTED}
    alone = Kept()
    with shard(engine, plan_for, alone, tmp_path) as other:
        other.open(1)
        other.play(1)
        other.hear_until_ended(1)
    assert len(words(other, 1)) > 20
    assert [words(front, number) for number in numbers] == [words(other, 1)] * len(numbers)


def words(front: Front, number: int) -> list[str]:
    """What does not depend on when the recogniser answers: utterances, and findings by their ids."""
    told = [json.loads(text) for text in front.told[number]]
    said = [one["text"] for one in told if one["type"] == "utterance"]
    return said + [one["finding"]["id"] for one in told if one["type"] == "finding"]


class Stalling(KnownCallsEngine):
    """Never answers until it is let go."""

    def __init__(self, known: KnownCallsEngine) -> None:
        self._known = known._known
        self.let_go = threading.Event()

    def transcribe(self, clips, options):
        self.let_go.wait()
        return super().transcribe(clips, options)


def test_a_recogniser_that_stalls_makes_the_call_a_job(engine, plan_for, tmp_path) -> None:
    kept, stalling = Kept(), Stalling(engine)
    with shard(stalling, plan_for, kept, tmp_path, patience=0.3) as front:
        front.open(1)
        front.play(1)
        front.hear_until_ended(1)
        stalling.let_go.set()
    assert front.outcomes == {1: Outcome.HANDED_OVER}
    assert kept.ended == [("l1", "handed over")]


class Failing(KnownCallsEngine):
    """Refuses every second clip."""

    def __init__(self, known: KnownCallsEngine) -> None:
        self._known = known._known
        self.asked = 0

    def transcribe(self, clips, options):
        self.asked += 1
        if self.asked % 2 == 0:
            raise EngineAnswerError("no answer")
        return super().transcribe(clips, options)


def test_words_that_the_recogniser_refused_are_asked_for_again_by_a_job(engine, plan_for, tmp_path) -> None:
    kept = Kept()
    with shard(Failing(engine), plan_for, kept, tmp_path) as front:
        front.open(1)
        front.play(1)
        front.hear_until_ended(1)
    assert front.outcomes == {1: Outcome.HANDED_OVER}


def test_a_report_that_cannot_be_stored_leaves_the_call_to_others(engine, plan_for, tmp_path) -> None:
    kept = Kept()
    kept.broken = True
    with shard(engine, plan_for, kept, tmp_path) as front:
        front.open(1)
        front.play(1)
        front.hear_until_ended(1)
    assert front.outcomes == {1: Outcome.FAILED}
    assert kept.ended == []


def test_one_call_that_fails_leaves_the_others_alone(engine, plan_for, tmp_path) -> None:
    kept = Kept()
    with shard(engine, plan_for, kept, tmp_path) as front:
        front.open(1, line_of_business="nonesuch")
        front.open(2)
        front.link.sendall(message(Kind.SOUND, 9, b"\0\0"))
        front.link.sendall(message(Kind.STOP, 9, b"nowhere"))
        front.play(2)
        front.hear_until_ended(3)
    assert front.outcomes == {1: Outcome.FAILED, 2: Outcome.REPORTED, 9: Outcome.FAILED}
    assert any('"pack"' in text for text in front.told[1])


def test_a_cancelled_call_says_no_more(engine, plan_for, tmp_path) -> None:
    kept = Kept()
    with shard(engine, plan_for, kept, tmp_path) as front:
        front.open(1)
        front.link.sendall(message(Kind.CANCEL, 1))
        front.open(2)
        front.play(2)
        front.hear_until_ended(1)
    assert front.outcomes == {2: Outcome.REPORTED}
    assert kept.ended == [("l2", "reported")]


MIXED = LiveFormat(rate_hertz=FORM.rate_hertz, channels=1)


@pytest.mark.parametrize(
    ("form", "needed"),
    [
        (MIXED, True),
        (replace(MIXED, roles=(Role.UNSURE,)), True),
        (replace(MIXED, roles=(Role.CUSTOMER,)), False),
        (replace(MIXED, roles=(Role.AGENT,)), False),
        (replace(FORM, roles=()), False),
        (FORM, False),
    ],
)
def test_the_report_of_a_mixed_call_alone_needs_the_recording(form: LiveFormat, needed: bool) -> None:
    assert form.report_needs_recording is needed


@pytest.mark.parametrize(
    ("roles", "outcome", "kept_as"),
    [((), Outcome.HANDED_OVER, "handed over"), ((Role.CUSTOMER,), Outcome.REPORTED, "reported")],
)
def test_a_job_makes_the_report_of_a_mixed_call(
    engine, plan_for, tmp_path, roles: tuple[Role, ...], outcome: Outcome, kept_as: str
) -> None:
    kept, form = Kept(), replace(MIXED, roles=roles)
    with shard(engine, plan_for, kept, tmp_path) as front:
        front.link.sendall(
            pickled(Kind.OPEN, 1, Opening(live_id="l1", call=CallInfo(call_id="c1"), form=form, begun_ms=0))
        )
        front.play(1, DECODED.pcm[:1])
        front.hear_until_ended(1)
    assert front.outcomes == {1: outcome}
    assert kept.ended == [("l1", kept_as)]
    told = [json.loads(text)["type"] for text in front.told[1]]
    assert told[-1] == {"handed over": "report_delayed", "reported": "report"}[kept_as]


@pytest.mark.parametrize(
    ("missing_ms", "reason"),
    [(1240, "实时音频缺失约1.2秒，缺失处按静音处理。"), (100, "实时音频缺失约0.1秒，缺失处按静音处理。"), (60, "")],
)
def test_sound_that_never_came_is_a_gap_of_the_report(engine, plan_for, tmp_path, missing_ms: int, reason: str) -> None:
    kept = Kept()
    with shard(engine, plan_for, kept, tmp_path) as front:
        front.open(1)
        front.link.sendall(message(Kind.MISSING, 1, str(missing_ms).encode()))
        front.play(1)
        front.hear_until_ended(1)
    (report,) = kept.reports
    assert [gap.reason for gap in report.gaps if gap.what == "audio.truncated"] == ([reason] if reason else [])


def test_unknown_sound_is_a_quiet_call(engine, plan_for, tmp_path) -> None:
    kept = Kept()
    form = replace(FORM, roles=())
    with shard(engine, plan_for, kept, tmp_path) as front:
        front.link.sendall(
            pickled(Kind.OPEN, 1, Opening(live_id="l1", call=CallInfo(call_id="c"), form=form, begun_ms=0))
        )
        front.play(1, np.zeros((2, 3 * FORM.rate_hertz), np.int16))
        front.hear_until_ended(1)
    assert front.outcomes == {1: Outcome.REPORTED}
