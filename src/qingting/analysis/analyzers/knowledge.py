"""知识库使用: what the agent looked up, joined to what the customer really asked.

A question is open from the customer's wish to the agent's answer. What the agent searches and
opens meanwhile belongs to it. Decided when the answer was given, or at the end of the call:

- mismatch: nothing that was looked up fits, and the article used last (or, when none was opened,
  the query) speaks of something else;
- searched in vain (a note: the knowledge base may lack it): searches after which nothing was opened;
- time lost: the fitting article was found after detours that took too long;
- not searched: the agent did not know, and neither looked nor handed the question on.

Events are seen only when the call reaches their time, so that a live call gives the same findings.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from qingting.analysis.analyzer import Analyzer, Watch
from qingting.analysis.analyzers._knowledge_findings import KnowledgeWriter, fits_signal
from qingting.analysis.analyzers._knowledge_match import (
    Comparison,
    Fit,
    Matcher,
    Scorer,
    character_similarity,
    sentences,
)
from qingting.analysis.dialogue import Act, agent_act, dialogue_phrases, has_problem, is_presence, is_sound
from qingting.analysis.lexicon import lexicon
from qingting.analysis.usage import meant
from qingting.model.call import CallInfo, DesktopEvent, DesktopKind, Role
from qingting.model.finding import Finding

if TYPE_CHECKING:
    from qingting.analysis.context import CallSoFar, UtteranceFacts
    from qingting.analysis.text import Hit

_REMEMBERED = 4
"""Customer's utterances before the question that belong to what is asked (那多久到账 after 我要退款)."""


@dataclass(frozen=True, kw_only=True)
class KnowledgeOptions:
    """From when on a look-up fits, and how long a detour may take."""

    fits_from: float = 0.34
    """Similarity (0 to 1) from which query or article fits the question."""
    unlike_below: float = 0.12
    """Similarity under which they are held for unlike when no topic tells."""
    time_lost_ms: int = 30_000
    """Longest time from the first look-up to the one that fits."""

    def __post_init__(self) -> None:
        """Refuse thresholds that contradict each other."""
        if not 0.0 <= self.unlike_below <= self.fits_from <= 1.0:
            raise ValueError("unlike_below and fits_from lie between 0 and 1, in this order")


class Knowledge(Analyzer):
    """Joins desktop events to the customer's questions."""

    id: ClassVar[str] = "knowledge"
    name: ClassVar[str] = "知识库使用"
    description: ClassVar[str] = "坐席在知识库的检索与打开的文章是否对应客户的问题：匹配偏差、检索未果、未检索与耗时。"
    version: ClassVar[str] = "1"
    needs_desktop_events: ClassVar[bool] = True
    Options: ClassVar[type] = KnowledgeOptions
    options: KnowledgeOptions

    def __init__(self, options: object | None = None, *, scorer: Scorer = character_similarity) -> None:
        """`scorer` measures similarity; the options' thresholds must suit it."""
        super().__init__(options)
        self._matcher = Matcher(fits_from=self.options.fits_from, unlike_below=self.options.unlike_below, scorer=scorer)

    def phrases(self) -> Mapping[str, Iterable[str]]:
        """Phrases of the conversation's acts, of not knowing and of looking up."""
        return {**dialogue_phrases(), "unknown": lexicon("agent_unknown"), "look_up": lexicon("agent_look_up")}

    def watch(self, call: CallInfo, so_far: CallSoFar) -> Watch:
        """Open the watch for one call; every event of the desktop sets a timer."""
        events = sorted(call.desktop_events or (), key=lambda event: event.at_ms)
        for number, event in enumerate(events):
            so_far.set_timer(event.at_ms, str(number))
        return _KnowledgeWatch(self.options, KnowledgeWriter(self.version), self._matcher, tuple(events), so_far)


class _KnowledgeWatch(Watch):
    """Keeps the open question and what was looked up for it."""

    def __init__(
        self,
        options: KnowledgeOptions,
        write: KnowledgeWriter,
        matcher: Matcher,
        events: tuple[DesktopEvent, ...],
        so_far: CallSoFar,
    ) -> None:
        self._so_far = so_far
        self._options = options
        self._write = write
        self._matcher = matcher
        self._events = events
        self._seen: list[DesktopEvent] = []
        self._said: deque[UtteranceFacts] = deque(maxlen=_REMEMBERED)
        self._question: UtteranceFacts | None = None
        self._since_answer: list[UtteranceFacts] = []
        self._lookups: list[DesktopEvent] = []
        self._unknown: tuple[UtteranceFacts, Hit] | None = None
        self._fitting = 0
        self._mismatched = 0

    def on_timer(self, at_ms: int, name: str) -> Iterable[Finding]:
        """The agent does something in the knowledge base."""
        event = self._events[int(name)]
        self._seen.append(event)
        if event.kind is not DesktopKind.CLOSE:
            self._lookups.append(event)
        return ()

    def on_utterance(self, facts: UtteranceFacts) -> Iterable[Finding]:
        """A question opens, an answer closes."""
        if facts.role is Role.CUSTOMER:
            return self._hear_customer(facts)
        if facts.role is Role.AGENT:
            return self._hear_agent(facts)
        return ()

    def on_end(self, end_ms: int) -> Iterable[Finding]:
        """Judge what was still open, and sum up."""
        found = [*self._judge_unknown(), *self._judge(None, end_ms)]
        if self._seen:
            found.append(self._write.summary(self._seen, self._fitting, self._mismatched))
        return found

    def _hear_customer(self, facts: UtteranceFacts) -> list[Finding]:
        if is_sound(facts) or is_presence(facts):
            return []
        found = self._judge_unknown()
        if self._question is None:
            # What was looked up before anyone asked belongs to nothing that could be compared.
            self._lookups = [event for event in self._lookups if event.at_ms >= facts.utterance.start_ms]
        if has_problem(facts):
            self._question = facts
        self._since_answer.append(facts)
        return found

    def _hear_agent(self, facts: UtteranceFacts) -> list[Finding]:
        found = self._judge_unknown() if facts.hits("unknown") else []
        unknown = self._says_unknown(facts)
        if unknown is not None and self._question is not None:
            self._unknown = (facts, unknown)
        if facts.hits("look_up") or facts.hits("hold"):
            self._unknown = None
        if agent_act(facts) is Act.ANSWER and unknown is None:
            found += self._judge(facts, facts.utterance.start_ms)
        return found

    def _says_unknown(self, facts: UtteranceFacts) -> Hit | None:
        """Return where the agent does not know; the customer's not knowing and mere politeness do not count."""
        for hit in meant(facts.text, facts.hits("unknown")):
            start, end = facts.text.clause_at(hit.start_char)
            before, after = facts.quote(start, hit.start_char), facts.quote(hit.end_char, max(end, hit.end_char))
            about_customer = any(word in before for word in ("您", "你", "客户"))
            if not about_customer and not after.startswith(("您", "你", "的地方")):
                return hit
        return None

    def _judge_unknown(self) -> list[Finding]:
        """The agent did not know: did anything follow?"""
        unknown, self._unknown = self._unknown, None
        question = self._question
        if unknown is None or question is None or self._lookups:
            return []
        return [self._write.not_searched(question, *unknown)]

    def _judge(self, answer: UtteranceFacts | None, until_ms: int) -> list[Finding]:
        """Compare what was looked up with what was asked, and begin anew."""
        question, lookups = self._question, self._lookups
        asked = [*self._since_answer[::-1], *self._said]
        self._said.extendleft(self._since_answer)
        self._question, self._lookups, self._since_answer, self._unknown = None, [], [], None
        if question is None or not lookups:
            return []
        opened = [event for event in lookups if event.kind is not DesktopKind.SEARCH]
        if not opened:
            return self._judge_searches(question, asked, lookups, answer, until_ms)
        return self._judge_articles(question, asked, lookups, opened, answer)

    def _judge_articles(
        self,
        question: UtteranceFacts,
        asked: list[UtteranceFacts],
        lookups: list[DesktopEvent],
        opened: list[DesktopEvent],
        answer: UtteranceFacts | None,
    ) -> list[Finding]:
        compared = [(event, self._compare(question, asked, event)) for event in opened]
        fitting = next((event for event, one in compared if one.fit is Fit.FITS), None)
        if fitting is not None:
            self._fitting += 1
            self._so_far.publish(fits_signal(question, fitting))
            detours = [event for event in lookups if event.at_ms < fitting.at_ms]
            lost_ms = fitting.at_ms - max(detours[0].at_ms, 0) if detours else 0
            if lost_ms <= self._options.time_lost_ms:
                return []
            return [self._write.time_lost(question, detours, fitting, self._options.time_lost_ms)]
        if any(one.fit is Fit.UNCLEAR for _, one in compared):
            return []
        return self._mismatch(question, *compared[-1], answer)

    def _judge_searches(
        self,
        question: UtteranceFacts,
        asked: list[UtteranceFacts],
        searches: list[DesktopEvent],
        answer: UtteranceFacts | None,
        until_ms: int,
    ) -> list[Finding]:
        compared = [(event, self._compare(question, asked, event)) for event in searches]
        found = [self._write.in_vain(question, searches, until_ms, answer)]
        # A poor query may simply be unlike; only another topic is held against the agent.
        if all(one.fit is Fit.MISMATCH for _, one in compared):
            found += self._mismatch(question, *compared[-1], answer)
        return found

    def _mismatch(
        self, question: UtteranceFacts, event: DesktopEvent, compared: Comparison, answer: UtteranceFacts | None
    ) -> list[Finding]:
        self._mismatched += 1
        return [self._write.mismatch(question, event, compared, answer)]

    def _compare(self, question: UtteranceFacts, asked: list[UtteranceFacts], event: DesktopEvent) -> Comparison:
        others = [one for one in asked if one.utterance.index != question.utterance.index]
        said = [part for facts in (question, *others) for part in sentences(facts.utterance.text)]
        found = [event.query] if event.kind is DesktopKind.SEARCH else [event.title, *sentences(event.text)]
        words = [part for part in found if part] or [event.name or event.text]
        return self._matcher.compare(said or [question.utterance.text], words)
