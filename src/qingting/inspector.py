"""Joins the stages for a recording: prepare -> transcribe -> roles -> analyse -> report.

Text conversations (chats, e-mail) enter after the first three: their words and roles are known.

An Inspector is immutable and safe to use from several threads at once; every call's state
lives in its own `inspect` run.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

from qingting.analysis.analyzer import Analyzer
from qingting.analysis.runner import AnalysisResult
from qingting.analysis.runner import Inspection as Analysis
from qingting.audio.encode import encode_mp3, peaks
from qingting.audio.options import AudioOptions
from qingting.audio.roles import apply_roles, assign_agent, decide_roles, swap
from qingting.chat import is_chat, load_chat
from qingting.errors import EngineUnavailableError, QingtingError
from qingting.model.audio import PreparedAudio, RecordingFormat, RoleDecision
from qingting.model.call import CallInfo, Role
from qingting.model.report import Gap, Report
from qingting.model.transcript import Transcript
from qingting.report.assemble import assemble
from qingting.report.card import Card
from qingting.report.similar_cases import CaseLibrary
from qingting.speech.corrector import Corrector
from qingting.speech.hot_words import HOT_WORD_CHARACTERS, MOST_WORDS, HotWordList, choose_hot_words
from qingting.speech.recognizer import Recognizer

log = logging.getLogger(__name__)

WAVEFORM_BUCKETS = 1200
"""Peaks per channel for drawing: finer than any screen shows."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """How calls of one line of business are analysed and scored."""

    pack: str
    """Pack id and version, `ecommerce@1`."""
    analysis: Analysis
    """Analyzers with the pack's options, phrases compiled."""
    card: Card
    hot_words: tuple[str, ...] = ()
    """Words the engine should always expect."""
    case_library: CaseLibrary | None = None
    """Reviewed findings of other calls, shown beside serious findings; None shows none."""
    vocabulary: HotWordList | None = None
    """The line of business's words, of which each call gets a few; None without."""
    most_hot_words: int = MOST_WORDS
    """Words of the vocabulary that the engine gets at most."""
    corrector: Corrector | None = None
    """Puts misheard words of the vocabulary right; None leaves them."""

    @property
    def analyzers(self) -> tuple[Analyzer, ...]:
        """The analyzers that run."""
        return self.analysis.analyzers

    def hot_words_for(self, call: CallInfo) -> tuple[str, ...]:
        """Words the engine should expect in this call: fixed ones, then those its data and its business suggest."""
        if self.vocabulary is None or not self.most_hot_words:
            return self.hot_words
        chosen = choose_hot_words(
            self.vocabulary,
            call.fields.values(),
            most_words=self.most_hot_words,
            most_characters=self.most_hot_words * HOT_WORD_CHARACTERS,
        )
        return tuple(dict.fromkeys((*self.hot_words, *chosen)))


@dataclass(frozen=True, kw_only=True)
class Stopwatch:
    """Seconds spent on one call, by stage; no content of the call."""

    seconds: dict[str, float] = field(default_factory=dict)

    def lap(self, stage: str, since: float) -> float:
        """Book the time since `since` under a stage; returns now."""
        now = time.perf_counter()
        self.seconds[stage] = self.seconds.get(stage, 0.0) + now - since
        return now


@dataclass(frozen=True, kw_only=True)
class InspectedCall:
    """A report with the sound it was made from."""

    report: Report
    audio: PreparedAudio | None
    """None for text conversations."""
    seconds: dict[str, float]
    """Wall seconds per stage: `audio`, `speech`, `analysis`."""

    def player_mp3(self) -> bytes | None:
        """The sound as an MP3 for the report's player; None without sound."""
        if self.audio is None or not self.audio.pcm.size:
            return None
        return encode_mp3(self.audio.pcm, self.audio.rate_hertz)

    def waveform(self) -> list[list[float]]:
        """Peaks per channel, 0 to 1, for drawing; empty for text conversations."""
        return [] if self.audio is None else peaks(self.audio.pcm, WAVEFORM_BUCKETS)


@dataclass(frozen=True, kw_only=True)
class Heard:
    """A call's words before anyone judged them: enough to judge them now or at any later time."""

    call: CallInfo
    recording: RecordingFormat | None
    """None for text conversations."""
    roles: RoleDecision
    transcript: Transcript
    gaps: tuple[Gap, ...] = ()
    """What only the stages before the analysis know: notes on the sound, messages left out."""


@dataclass(frozen=True, kw_only=True)
class Job:
    """One recording or text conversation to inspect."""

    path: Path
    call: CallInfo


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What became of a job: exactly one of `result` and `error` is set."""

    job: Job
    result: InspectedCall | None = None
    error: QingtingError | None = None


class Inspector:
    """Inspects recordings with one engine and the plan of each call's line of business."""

    def __init__(
        self,
        *,
        prepare: Callable[[Path, AudioOptions], PreparedAudio],
        recognizer: Recognizer | None,
        plan_for: Callable[[str], Plan],
        audio_options: AudioOptions,
        role_threshold: float,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """`recognizer` may be None where only text conversations come."""
        self._prepare = prepare
        self._recognizer = recognizer
        self._plan_for = plan_for
        self._audio_options = audio_options
        self._role_threshold = role_threshold
        self._clock = clock

    def inspect(self, path: Path, call: CallInfo) -> InspectedCall:
        """Inspect one recording, or one text conversation (`.json`, `.csv`).

        Raises ScriptError for a malformed conversation, AudioError for a recording that cannot
        be used, WorkerError when a decoder died on it, EngineError when recognition failed
        altogether, PackError for a broken pack.
        """
        # A wrong line of business is the caller's first mistake: said before minutes go into the recording.
        self._plan_for(call.line_of_business)
        watch, began = Stopwatch(), time.perf_counter()
        audio: PreparedAudio | None = None
        if is_chat(path):
            heard = read_conversation(path, call)
        else:
            audio = self.decode(path)
            began = watch.lap("audio", began)
            heard = self.transcribe(audio, call)
            began = watch.lap("speech", began)
        report = self.judge(heard)
        watch.lap("analysis", began)
        log.info("inspected a call of %d ms", heard.transcript.duration_ms)
        return InspectedCall(report=report, audio=audio, seconds=watch.seconds)

    def decode(self, path: Path, options: AudioOptions | None = None) -> PreparedAudio:
        """Turn a recording into clean samples with its speech found; `options` replace the inspector's own.

        Raises AudioError, or WorkerError when a decoder died on it.
        """
        if self._recognizer is None:
            raise EngineUnavailableError(
                "This inspector was opened for text conversations only.", remedy="Open one for recordings."
            )
        return self._prepare(path, options or self._audio_options)

    def transcribe(self, audio: PreparedAudio, call: CallInfo) -> Heard:
        """Turn speech into words and decide who is the agent.

        Raises EngineError when recognition failed altogether, PackError for a broken pack.
        """
        if self._recognizer is None:
            raise EngineUnavailableError(
                "This inspector was opened for text conversations only.", remedy="Open one for recordings."
            )
        plan = self._plan_for(call.line_of_business)
        utterances, engine = self._recognizer.transcribe(
            audio, hot_words=plan.hot_words_for(call), corrector=plan.corrector
        )
        roles = decide_roles(
            utterances,
            audio.parties,
            call.agent_channel,
            direction=call.direction,
            speaker_confidence=audio.speaker_confidence,
            threshold=self._role_threshold,
        )
        return Heard(
            call=call,
            recording=audio.format,
            roles=roles,
            transcript=Transcript(
                utterances=apply_roles(utterances, roles), engine=engine, duration_ms=audio.format.duration_ms
            ),
            gaps=tuple(Gap(what="audio.note", reason=note) for note in audio.notes),
        )

    def judge(self, heard: Heard) -> Report:
        """Analyse and score a call's words. Raises PackError for a broken pack."""
        return judge(
            call=heard.call,
            recording=heard.recording,
            roles=heard.roles,
            transcript=heard.transcript,
            plan=self._plan_for(heard.call.line_of_business),
            gaps=heard.gaps,
            now=self._clock(),
        )

    def inspect_many(self, jobs: Sequence[Job], *, workers: int) -> Iterator[Outcome]:
        """Inspect recordings `workers` at a time; outcomes come as they are ready.

        A recording that fails becomes an Outcome with its error and never stops the others.
        Only so many calls as workers are in memory besides the one being handed over.
        """
        with ThreadPoolExecutor(workers, thread_name_prefix="inspect") as pool:
            waiting = iter(jobs)
            running: set[Future[Outcome]] = set()
            try:
                _start(pool, self._outcome, waiting, running, workers)
                while running:
                    ready, running = wait(running, return_when=FIRST_COMPLETED)
                    for outcome in ready:
                        yield outcome.result()
                        _start(pool, self._outcome, waiting, running, 1)
            finally:
                pool.shutdown(wait=True, cancel_futures=True)

    def _outcome(self, job: Job) -> Outcome:
        try:
            return Outcome(job=job, result=self.inspect(job.path, job.call))
        except QingtingError as error:
            return Outcome(job=job, error=error)
        except Exception as error:  # noqa: BLE001  one recording's fault must not end the batch
            # The message could hold customer words; its type is enough to report the defect.
            cause = f"unexpected {type(error).__name__} while inspecting"
            log.error(cause)
            return Outcome(
                job=job, error=QingtingError(cause, remedy="This is a defect of Qingting: please report it.")
            )


def read_conversation(path: Path, call: CallInfo) -> Heard:
    """Read a chat or e-mail thread; raises ScriptError when it is malformed."""
    chat = load_chat(path, call)
    return Heard(
        call=chat.call,
        recording=None,
        roles=certain_roles(chat.transcript),
        transcript=chat.transcript,
        gaps=chat.gaps,
    )


def judge(
    *,
    call: CallInfo,
    roles: RoleDecision,
    transcript: Transcript,
    plan: Plan,
    recording: RecordingFormat | None = None,
    gaps: Iterable[Gap] = (),
    now: datetime | None = None,
) -> Report:
    """Analyse and score words that are known: the part of an inspection after recognition."""
    heard = Heard(call=call, recording=recording, roles=roles, transcript=transcript, gaps=tuple(gaps))
    return write_report(heard, plan.analysis.analyze(transcript, call), plan, now=now)


def write_report(heard: Heard, result: AnalysisResult, plan: Plan, *, now: datetime | None = None) -> Report:
    """Score what the analysis of a call's words came to, afterwards or while it ran."""
    return assemble(
        call=heard.call,
        recording=heard.recording,
        roles=heard.roles,
        transcript=heard.transcript,
        findings=result.findings,
        failures=result.failures,
        gaps=(*heard.gaps, *result.gaps),
        card=plan.card,
        pack=plan.pack,
        analyzer_versions={analyzer.id: analyzer.version for analyzer in plan.analyzers},
        analyzer_names={analyzer.id: analyzer.name for analyzer in plan.analyzers},
        created_at=(now or datetime.now(UTC)).isoformat(timespec="seconds"),
        case_library=plan.case_library,
    )


def replay(report: Report, plan: Plan) -> Report:
    """Analyse and score a stored report's words again, under the plan that made it or another one.

    A stored report carries everything that the analysis sees (words with times and flags, acoustic
    facts, roles, call data, desktop events), so that the same plan gives the same findings and score.
    What only the stages before the analysis knew (notes on the sound, sound and messages left out) is kept.
    """
    return judge(
        call=report.call,
        recording=report.recording,
        roles=report.roles,
        transcript=report.transcript,
        plan=plan,
        gaps=tuple(gap for gap in report.gaps if gap.what.startswith(("audio.", "chat."))),
    )


def judge_again(report: Report, plan_for: Callable[[str], Plan], *, agent: str = "") -> Report:
    """Exchange agent and customer, or name the agent's party, and analyse again without transcribing again.

    Raises InputError when no agent was decided and none is named, or the party does not exist.
    """
    roles = assign_agent(report.roles, agent) if agent else swap(report.roles)
    utterances = apply_roles(report.transcript.utterances, roles)
    corrected = replace(report, roles=roles, transcript=replace(report.transcript, utterances=utterances))
    return replay(corrected, plan_for(report.call.line_of_business))


def certain_roles(transcript: Transcript) -> RoleDecision:
    """The role decision of a transcript whose roles are known (a script, a chat)."""
    roles = {utterance.party: utterance.role for utterance in transcript.utterances}
    agent = next((party for party, role in roles.items() if role is Role.AGENT), "")
    return RoleDecision(agent=agent, confidence=1.0 if agent else 0.0, reasons=("会话数据给出了角色",), roles=roles)


def _start(
    pool: ThreadPoolExecutor,
    work: Callable[[Job], Outcome],
    waiting: Iterator[Job],
    running: set[Future[Outcome]],
    count: int,
) -> None:
    for _ in range(count):
        job = next(waiting, None)
        if job is None:
            return
        running.add(pool.submit(work, job))
