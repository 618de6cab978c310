"""称呼礼貌: once the customer has given a name, the agent should use it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from qingting.analysis.analyzer import Analyzer, Watch
from qingting.analysis.confidence import confidence_of
from qingting.analysis.findings import hit_evidence, time_evidence
from qingting.analysis.wording import at, quoted
from qingting.model.call import CallInfo, Role
from qingting.model.finding import Finding, Level, Polarity

if TYPE_CHECKING:
    from qingting.analysis.context import CallSoFar, UtteranceFacts
    from qingting.analysis.text import Hit


@dataclass(frozen=True, kw_only=True)
class NameCourtesyOptions:
    """How the analyzer is tuned in a pack."""

    patience_seconds: int = 60
    """So long after the name was given the agent has time to use it."""
    titles: tuple[str, ...] = ("先生", "女士", "小姐", "老师", "阿姨", "叔叔")
    """Words by which the agent may address the customer."""


class NameCourtesy(Analyzer):
    """Notices when a customer gave a name and was never addressed."""

    id: ClassVar[str] = "name_courtesy"
    name: ClassVar[str] = "称呼礼貌"
    description: ClassVar[str] = "客户报出姓氏后，坐席是否用“先生、女士”等称呼客户。"
    version: ClassVar[str] = "1"
    Options: ClassVar[type] = NameCourtesyOptions
    options: NameCourtesyOptions

    def phrases(self) -> Mapping[str, Iterable[str]]:
        """Both lists are found in the one pass that serves all analyzers."""
        return {"name": ("我姓", "免贵姓", "我叫", "我的名字是"), "title": self.options.titles}

    def watch(self, call: CallInfo, so_far: CallSoFar) -> Watch:
        """Open the watch for one call: all state lives there, none in the analyzer."""
        return _NameWatch(self.options, self.version, so_far)


class _NameWatch(Watch):
    def __init__(self, options: NameCourtesyOptions, version: str, so_far: CallSoFar) -> None:
        self._options = options
        self._version = version
        self._so_far = so_far
        self._given: tuple[UtteranceFacts, Hit] | None = None
        self._done = False

    def on_utterance(self, facts: UtteranceFacts) -> Iterable[Finding]:
        """Wait for the name, then for the title."""
        if facts.role is Role.AGENT and facts.hits("title"):
            self._done = True
            self._so_far.cancel_timer("patience")
        elif facts.role is Role.CUSTOMER and facts.hits("name") and self._given is None:
            self._given = (facts, facts.hits("name")[0])
            self._so_far.set_timer(facts.utterance.end_ms + 1000 * self._options.patience_seconds, "patience")
        return ()

    def on_timer(self, at_ms: int, name: str) -> Iterable[Finding]:
        """The time is over: decide now, and never again."""
        return self._decide(at_ms)

    def on_end(self, end_ms: int) -> Iterable[Finding]:
        """A shorter call decides at its end."""
        return self._decide(end_ms)

    def _decide(self, now_ms: int) -> list[Finding]:
        if self._given is None or self._done:
            return []
        self._done = True
        facts, hit = self._given
        named = hit_evidence(facts, hit, note="客户报出姓名")
        return [
            Finding(
                rule_id="name_courtesy.not_addressed",
                rule_version=self._version,
                dimension="name_courtesy",
                title="未称呼客户",
                level=Level.LIGHT,
                polarity=Polarity.FAULT,
                who=Role.AGENT,
                evidence=(
                    named,
                    time_evidence(
                        facts.utterance.end_ms, now_ms, operator="omission", role=Role.AGENT, note="未称呼客户"
                    ),
                ),
                confidence=confidence_of([facts.utterance]),
                explanation=f"客户在{at(named.start_ms)}说{quoted(facts.utterance.text)}，此后坐席没有称呼客户。",
                advice=f"客户在{at(named.start_ms)}已报出姓名，建议随后称呼“×先生”或“×女士”。",
                facts={"waited_ms": now_ms - facts.utterance.end_ms},
            )
        ]
