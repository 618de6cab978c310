"""合规话术: what must be said, asked and not said, where in the call and in which order.

Decided as follows: forbidden words at their utterance; `before` items when the later words
are said first; items with a window at the start when it closes; all others at the end of the
call. Omissions are raised once both sides have spoken, never on one-sided calls.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from qingting.analysis.analyzer import Analyzer, SpeechStart, Watch
from qingting.analysis.analyzers._compliance_findings import ComplianceWriter, Omission
from qingting.analysis.analyzers._compliance_items import Item, Kind, Window
from qingting.analysis.analyzers._compliance_progress import Progress
from qingting.analysis.analyzers._compliance_usage import not_disclaimed
from qingting.analysis.findings import sentence_evidence
from qingting.analysis.similarity import ScriptText
from qingting.analysis.text import Hit, not_inside
from qingting.analysis.usage import meant
from qingting.model.call import CallInfo, Role
from qingting.model.finding import Evidence, Finding

if TYPE_CHECKING:
    from qingting.analysis.context import CallSoFar, UtteranceFacts


@dataclass(frozen=True, kw_only=True)
class ComplianceOptions:
    """What is demanded, by the pack."""

    items: tuple[Item, ...] = ()
    """Items in the order in which reports list them."""

    def __post_init__(self) -> None:
        """Refuse two items of one id."""
        ids = [item.id for item in self.items]
        if len(set(ids)) != len(ids):
            raise ValueError("two items have the same id")


class Compliance(Analyzer):
    """Checks the agent's words against the pack's items."""

    id: ClassVar[str] = "compliance"
    name: ClassVar[str] = "合规话术"
    description: ClassVar[str] = "必说、必问、禁说话术的执行情况：位置、顺序与时间窗口，逐项给出执行或遗漏的依据。"
    version: ClassVar[str] = "1"
    Options: ClassVar[type] = ComplianceOptions
    options: ComplianceOptions

    def __init__(self, options: object | None = None) -> None:
        super().__init__(options)
        self._scripts = {item.id: tuple(ScriptText(script) for script in item.scripts) for item in self.options.items}

    def phrases(self) -> Mapping[str, Iterable[str]]:
        """Phrases of all items, and customers' and agents' farewells."""
        found: dict[str, Iterable[str]] = {}
        for item in self.options.items:
            found[f"say {item.id}"] = item.all_phrases()
            found[f"except {item.id}"] = item.exceptions
            found[f"near {item.id}"] = item.near
            if item.when is not None:
                found[f"when {item.id}"] = item.when.all_phrases()
            if item.before is not None:
                found[f"before {item.id}"] = item.before.all_phrases()
        return found

    def watch(self, call: CallInfo, so_far: CallSoFar) -> Watch:
        """Open the watch for one call."""
        items = tuple(item for item in self.options.items if call.medium in item.media)
        return _ComplianceWatch(items, self._scripts, ComplianceWriter(self.version), so_far)


class _ComplianceWatch(Watch):
    """Follows every item through one call."""

    def __init__(
        self,
        items: tuple[Item, ...],
        scripts: Mapping[str, tuple[ScriptText, ...]],
        write: ComplianceWriter,
        so_far: CallSoFar,
    ) -> None:
        self._write = write
        self._so_far = so_far
        self._forbidden = [item for item in items if item.kind is Kind.MUST_NOT_SAY]
        self._progress = [Progress(item, scripts[item.id]) for item in items if item.kind is not Kind.MUST_NOT_SAY]
        self._agent: list[UtteranceFacts] = []
        self._agent_from_ms: int | None = None
        self._customer_spoke = False
        self._waiting: list[Omission] = []

    def on_speech_start(self, speech: SpeechStart) -> Iterable[Finding]:
        """The agent's first word opens the windows at the start."""
        if speech.role is Role.AGENT and self._agent_from_ms is None:
            self._agent_from_ms = speech.at_ms
            for progress in self._progress:
                seconds = progress.item.window.first_seconds
                if seconds:
                    self._so_far.set_timer(speech.at_ms + 1000 * seconds, progress.item.id)
        return ()

    def on_utterance(self, facts: UtteranceFacts) -> Iterable[Finding]:
        """Look for every item in the words just heard."""
        found: list[Finding] = []
        if facts.role is Role.AGENT:
            self._agent.append(facts)
            found += self._forbidden_words(facts)
        elif facts.role is Role.CUSTOMER and facts.text.text:
            self._customer_spoke = True
        for progress in self._progress:
            found += self._follow(progress, facts)
        self._close_windows()
        return found + self._release()

    def on_timer(self, at_ms: int, name: str) -> Iterable[Finding]:
        """A window measured in seconds closes, unless the agent is just speaking in it."""
        for progress in self._progress:
            if progress.item.id == name:
                progress.seconds_over = True
        self._close_windows()
        return self._release()

    def on_end(self, end_ms: int) -> Iterable[Finding]:
        """Decide everything that could still have been said; sum up the execution."""
        for progress in self._progress:
            if not progress.decided and progress.applies:
                progress.decided = True
                if not progress.done_within(self._agent):
                    self._waiting.append(self._omission(progress, end_ms))
        found = self._release()
        if self._customer_spoke and self._agent and any(progress.applies for progress in self._progress):
            found += self._write.execution(self._progress, self._agent, end_ms)
        return found

    def _forbidden_words(self, facts: UtteranceFacts) -> list[Finding]:
        found: list[Finding] = []
        for item in self._forbidden:
            said = not_inside(facts.hits(f"say {item.id}"), facts.hits(f"except {item.id}"))
            hits = not_disclaimed(facts.text, meant(facts.text, said))
            if hits:
                found.append(self._write.forbidden(item, facts, hits))
        return found

    def _follow(self, progress: Progress, facts: UtteranceFacts) -> list[Finding]:
        progress.look(facts, self._agent)
        topic = progress.item.when or progress.item.before
        if topic is None or facts.role is not topic.who or progress.topic is not None:
            return []
        label = "when" if progress.item.when is not None else "before"
        hits = meant(facts.text, facts.hits(f"{label} {progress.item.id}"))
        if not hits:
            return []
        progress.topic = sentence_evidence(facts, hits[0], operator="topic", note=topic.name or "触发条件")
        if progress.item.before is None:
            return []
        return self._judge_order(progress, progress.topic, facts, hits[0])

    def _judge_order(self, progress: Progress, topic: Evidence, facts: UtteranceFacts, later: Hit) -> list[Finding]:
        progress.decided = True
        done = progress.done
        if done and (done.utterance.index != facts.utterance.index or done.end_char <= later.start_char):
            return []
        progress.out_of_order = True
        return [self._write.order(progress.item, topic, facts)]

    def _close_windows(self) -> None:
        for progress in self._progress:
            if progress.decided or not progress.applies or not self._window_over(progress):
                continue
            progress.decided = True
            if not progress.done:
                self._waiting.append(self._omission(progress, self._so_far.now_ms))

    def _window_over(self, progress: Progress) -> bool:
        window = progress.item.window
        if not window.at_start or self._agent_from_ms is None:
            return False
        if window.first_seconds and not (progress.seconds_over and self._nobody_began_inside(window)):
            return False
        return len(self._agent) >= window.first_utterances

    def _nobody_began_inside(self, window: Window) -> bool:
        """Whether no utterance of the agent that began within the window is still running."""
        since_ms = self._so_far.speaking_since(Role.AGENT)
        closes_ms = (self._agent_from_ms or 0) + 1000 * window.first_seconds
        return since_ms is None or since_ms >= closes_ms

    def _omission(self, progress: Progress, at_ms: int) -> Omission:
        return Omission(
            progress=progress, agent=tuple(self._agent), from_ms=self._agent_from_ms or 0, to_ms=at_ms,
            last=self._so_far.utterances[-1] if self._so_far.utterances else None,
        )  # fmt: skip

    def _release(self) -> list[Finding]:
        """Raise what waited for both sides to have spoken."""
        if not (self._customer_spoke and any(facts.text.text for facts in self._agent)):
            return []
        waiting, self._waiting = self._waiting, []
        return [self._write.omission(one) for one in waiting]
