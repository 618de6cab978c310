"""One running call: sound in, events out, and its words and findings at the end.

The session knows no socket, no thread and no clock: `feed` sound as it comes, `poll` whenever `wake` was
called, `stop` at the end, `poll` until `done`. Everything it keeps is bounded by the length of speech
that is open, save the transcript itself.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from qingting.analysis.runner import AnalysisResult
from qingting.analysis.signals import SignalName
from qingting.audio.live_gate import STEP_MS, LiveGates
from qingting.audio.roles import ROLE_THRESHOLD, apply_roles, decide_roles
from qingting.errors import InputError
from qingting.inspector import Heard, Plan, write_report
from qingting.live.ordering import OrderedAnalysis, Settled, roles_by_party
from qingting.live.risk import RiskWatch
from qingting.model.audio import RecordingFormat, RoleDecision
from qingting.model.call import AgentChannel, CallInfo, Role
from qingting.model.live_event import (
    EmotionChanged,
    FinalUtterance,
    FindingRaised,
    LiveEvent,
    LiveState,
    PartialText,
    RiskRaised,
    SpeechDropped,
)
from qingting.model.report import Gap
from qingting.model.transcript import Transcript
from qingting.speech.engine import RecognitionOptions
from qingting.speech.stream_events import Final, Partial, SpeechDiscarded, StreamEvent
from qingting.speech.stream_options import StreamOptions
from qingting.speech.streaming import PartyStream

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from qingting.audio._frames import SpeechFrames
    from qingting.audio.voice_activity import VoiceActivity
    from qingting.model.report import Report
    from qingting.speech.decode_desk import DecodeDesk
    from qingting.speech.engine import SpeechEngine

_LEAST_MISSING_MS = 100


@dataclass(frozen=True, kw_only=True)
class LiveFormat:
    """What kind of sound a running call sends, after decoding."""

    rate_hertz: int
    """8000 or 16000."""
    channels: int
    """1 or 2."""
    roles: tuple[Role, ...] = ()
    """Who is on each channel; empty where nobody knows, and for one channel with both parties."""

    @property
    def parties(self) -> tuple[str, ...]:
        """Names of the parties as the audio stage has them."""
        return ("left", "right") if self.channels == 2 else ("mono",)

    @property
    def report_needs_recording(self) -> bool:
        """Whether the report must come from the recording: one channel holds both parties.

        Nobody can be told apart in it while the call runs; whoever hears the whole recording separates the speakers.
        """
        return self.channels == 1 and all(role is Role.UNSURE for role in self.roles)

    @property
    def roles_show_afterwards(self) -> bool:
        """Whether the call's words tell at its end who was who: two channels of which nobody said it before."""
        return self.channels == 2 and Role.AGENT not in self.roles

    def decision(self) -> RoleDecision:
        """Who is the agent: certain where the caller said so, else undecided for the whole call."""
        if self.channels == 2 and not self.roles_show_afterwards:
            channel = AgentChannel.LEFT if self.roles[0] is Role.AGENT else AgentChannel.RIGHT
            return decide_roles((), self.parties, channel)
        if self.channels == 1 and self.roles and self.roles[0] is not Role.UNSURE:
            agent = "mono" if self.roles[0] is Role.AGENT else ""
            return RoleDecision(agent=agent, confidence=1.0, reasons=("声道由设置指定",), roles={"mono": self.roles[0]})
        return RoleDecision(
            agent="",
            confidence=0.0,
            reasons=("实时通话未指定声道角色",),
            roles=dict.fromkeys(self.parties, Role.UNSURE),
        )


def missing_sound(missing_ms: int) -> list[Gap]:
    """Say that sound of a running call never came; nothing for holes in which no word fits."""
    if missing_ms < _LEAST_MISSING_MS:
        return []
    return [Gap(what="audio.truncated", reason=f"实时音频缺失约{missing_ms / 1000:.1f}秒，缺失处按静音处理。")]


class LiveSession:
    """One running call. Not for several threads at once; sessions share engine and desk and nothing else."""

    def __init__(
        self,
        call: CallInfo,
        form: LiveFormat,
        plan: Plan,
        *,
        engine: SpeechEngine,
        desk: DecodeDesk,
        wake: Callable[[], None] | None = None,
        options: StreamOptions | None = None,
        frames: SpeechFrames | None = None,
        role_threshold: float = ROLE_THRESHOLD,
    ) -> None:
        """`wake` is called from any thread when poll() may have something. Raises InputError for a wrong format.

        `frames`: shared with sessions that are heard ahead together; of the call's rate. `role_threshold`: as
        decide_roles, for calls of which nobody said who is on which channel.
        """
        if form.channels not in (1, 2) or form.rate_hertz not in (8000, 16000):
            raise InputError("A running call has one or two channels of 8 or 16 kHz.", remedy="Correct the format.")
        self.call = call
        self.form = form
        self.state = LiveState.RUNNING
        self._plan = plan
        self._role_threshold = role_threshold
        self._decision = form.decision()
        self._roles = roles_by_party(self._decision)
        self._engine = engine
        if options is None:
            words = plan.hot_words_for(call) if engine.capabilities.hot_words else ()
            options = StreamOptions(recognition=RecognitionOptions(hot_words=words))
        gates = LiveGates(form.rate_hertz, form.parties, frames=frames)
        self._channels = gates.channels
        self._streams = [
            PartyStream(engine, gates.gate(party), desk, options=options, wake=wake) for party in form.parties
        ]
        self._analysis = plan.analysis.open(call, also_signals=(SignalName.EMOTION,))
        self._ordered = OrderedAnalysis(self._analysis, self._roles, corrector=plan.corrector)
        self._risks = RiskWatch()
        self._moods: dict[Role, str] = {}
        self._signals_read = 0
        self._end_ms = 0

    @property
    def now_ms(self) -> int:
        """Call time heard."""
        first, last = self._streams[0], self._streams[-1]
        return min(first.now_ms, last.now_ms)

    @property
    def done(self) -> bool:
        """Whether the call has ended and all its words are known."""
        return self.state is LiveState.ENDING and all(stream.done for stream in self._streams)

    def feed(self, samples: NDArray[np.int16]) -> list[LiveEvent]:
        """Take the next sound, int16 [channels, samples], of any length; returns what is known now.

        Raises InputError for another number of channels, and after stop().
        """
        if self.state is not LiveState.RUNNING:
            raise InputError("The call has ended.", remedy="Start a new one.")
        if samples.ndim != 2 or samples.shape[0] != self.form.channels:
            raise InputError("The sound has another number of channels than the call.", remedy="Correct the format.")
        told: list[StreamEvent] = []
        step = STEP_MS * self.form.rate_hertz // 1000
        for first in range(0, samples.shape[1], step):
            piece = samples[:, first : first + step]
            for stream, row in zip(self._streams, piece, strict=True):
                told += stream.feed(row)
        return self._tell(told)

    def channels(self, samples: NDArray[np.int16]) -> list[tuple[VoiceActivity, NDArray[np.int16]]]:
        """What voice activity will hear when these samples, 400 ms at most, are fed: for listen_together()."""
        return list(zip(self._channels, samples, strict=True))

    def poll(self) -> list[LiveEvent]:
        """Return what decodes have told since the last call."""
        told = [event for stream in self._streams for event in stream.poll()]
        return self._tell(told)

    def stop(self) -> list[LiveEvent]:
        """No more sound comes; the last words may still be recognised: poll() until `done`."""
        if self.state is not LiveState.RUNNING:
            return self.poll()
        self.state = LiveState.ENDING
        self._end_ms = max(stream.now_ms for stream in self._streams)
        return self._tell([event for stream in self._streams for event in stream.finish()])

    def give_up(self) -> list[LiveEvent]:
        """After stop(): wait no longer; utterances that still have no words are marked as refused."""
        return self._tell([event for stream in self._streams for event in stream.give_up()])

    def cancel(self) -> None:
        """End at once, without a report."""
        self.state = LiveState.FAILED
        for stream in self._streams:
            stream.cancel()

    def finish(
        self, recording: RecordingFormat | None, gaps: Sequence[Gap] = ()
    ) -> tuple[Heard, Report, list[LiveEvent]]:
        """After `done`: the call's words, its report, and what was decided by its end.

        `recording` describes the file in which the sound was kept; `gaps` name what was lost of it.
        Raises InputError before the call is done.
        """
        if not self.done:
            raise InputError("The call is not done yet.", remedy="Call stop(), then poll() until it is.")
        events = self._settled(self._ordered.finish(self._end_ms))
        utterances, roles = tuple(self._ordered.utterances), self._decision
        if self.form.roles_show_afterwards:
            roles = decide_roles(
                utterances,
                self.form.parties,
                self.call.agent_channel,
                direction=self.call.direction,
                threshold=self._role_threshold,
            )
            utterances = apply_roles(utterances, roles)
        transcript = Transcript(
            utterances=utterances,
            engine=self._engine.identity,
            duration_ms=max([self._end_ms, *(one.end_ms for one in utterances)]),
        )
        heard = Heard(
            call=self.call, recording=recording, roles=roles, transcript=transcript, gaps=(*self._gaps(), *gaps)
        )
        if self.form.roles_show_afterwards:
            result = self._plan.analysis.analyze(transcript, self.call)
        else:
            result = AnalysisResult(
                findings=self._analysis.findings, failures=self._analysis.failures, gaps=self._analysis.gaps
            )
        self.state = LiveState.REPORTED
        return heard, write_report(heard, result, self._plan), events

    def _gaps(self) -> list[Gap]:
        return missing_sound(sum(stream.counts.lost_ms for stream in self._streams))

    def _tell(self, told: Sequence[StreamEvent]) -> list[LiveEvent]:
        events: list[LiveEvent] = []
        for one in told:
            events += self._one(one)
        return events + self._settled(self._ordered.settle(min(stream.settled_ms for stream in self._streams)))

    def _one(self, told: StreamEvent) -> list[LiveEvent]:
        match told:
            case Partial():
                role = self._roles[told.party][0]
                partial = PartialText(
                    at_ms=told.at_ms,
                    party=told.party,
                    role=role,
                    start_ms=told.start_ms,
                    stable_text=told.stable_text,
                    tail_text=told.tail_text,
                )
                return [partial, *self._look(told.stable_text, told.party, told.start_ms, told.at_ms)]
            case Final():
                self._ordered.add(told.utterance)
                return self._look(told.utterance.text, told.utterance.party, told.utterance.start_ms, told.at_ms)
            case SpeechDiscarded():
                return [SpeechDropped(at_ms=told.at_ms, party=told.party, start_ms=told.start_ms)]
            case _:
                return []

    def _look(self, text: str, party: str, start_ms: int, at_ms: int) -> list[LiveEvent]:
        """Warnings about words that are certain enough."""
        role = self._roles[party][0]
        return [
            RiskRaised(
                at_ms=at_ms,
                level=risk.level,
                kind=risk.kind,
                title=risk.title,
                role=role,
                start_ms=start_ms,
                quote=text[risk.start_char : risk.end_char],
            )
            for risk in self._risks.look(text, party=party, role=role, start_ms=start_ms)
        ]

    def _settled(self, settled: Settled) -> list[LiveEvent]:
        at_ms = max(stream.now_ms for stream in self._streams)
        if settled.utterances:
            self._risks.forget_before(settled.utterances[0].start_ms)
        finals = [FinalUtterance(at_ms=at_ms, utterance=one) for one in settled.utterances]
        found = [FindingRaised(at_ms=at_ms, finding=one) for one in settled.findings]
        return [*finals, *self._moods_changed(at_ms), *found]

    def _moods_changed(self, at_ms: int) -> list[LiveEvent]:
        """Moods that became others since this was last asked."""
        fresh = self._analysis.signals[self._signals_read :]
        self._signals_read += len(fresh)
        changed: list[LiveEvent] = []
        for signal in fresh:
            if signal.name is SignalName.EMOTION and self._moods.get(signal.role, "calm") != signal.value:
                self._moods[signal.role] = signal.value
                mood = EmotionChanged(at_ms=at_ms, role=signal.role, mood=signal.value, intensity=signal.strength)
                changed.append(mood)
        return changed
