"""The findings of compliance in words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from qingting.analysis.confidence import FLAGGED, confidence_of
from qingting.analysis.findings import (
    apart,
    quotes,
    sentence_evidence,
    time_evidence,
    utterance_evidence,
    words_evidence,
)
from qingting.analysis.wording import at, quoted, seconds
from qingting.model.call import Role
from qingting.model.finding import Confidence, Evidence, Finding, Level, Polarity

if TYPE_CHECKING:
    from qingting.analysis.analyzers._compliance_items import Item
    from qingting.analysis.analyzers._compliance_progress import Done, Progress
    from qingting.analysis.context import UtteranceFacts
    from qingting.analysis.text import Hit
    from qingting.model.transcript import Utterance

CUT_OFF_MS = 1500
"""A call that ends so soon after the customer's last word left the agent no time to close it."""
NEARLY_CONFIDENCE = 0.5
"""Confidence of an omission when similar words were heard."""


@dataclass(frozen=True, kw_only=True)
class Omission:
    """An item that was not said in its window."""

    progress: Progress
    agent: tuple[UtteranceFacts, ...]
    """The agent's utterances until the decision."""
    from_ms: int
    """The agent's first word."""
    to_ms: int
    """When the window closed."""
    last: Utterance | None
    """Last utterance of the call until then."""

    @property
    def item(self) -> Item:
        """The item omitted."""
        return self.progress.item

    def heard(self) -> tuple[UtteranceFacts, ...]:
        """The agent's utterances within the window."""
        window = self.item.window
        if window.last_utterances:
            return self.agent[-window.last_utterances :]
        if not window.at_start:
            return self.agent
        closes_ms = self.from_ms + 1000 * window.first_seconds
        inside = sum(facts.utterance.start_ms < closes_ms for facts in self.agent) if window.first_seconds else 0
        return self.agent[: max(inside, window.first_utterances, 1)]


class ComplianceWriter:
    """Writes findings about items."""

    def __init__(self, version: str) -> None:
        self._version = version

    def _finding(
        self,
        item: Item,
        *,
        title: str,
        evidence: Sequence[Evidence],
        confidence: Confidence,
        explanation: str,
        advice: str,
        facts: dict[str, str | int | float | bool],
    ) -> Finding:
        return Finding(
            rule_id=item.rule_id,
            rule_version=self._version,
            dimension="compliance",
            title=title,
            level=item.level,
            polarity=Polarity.FAULT,
            who=Role.AGENT,
            evidence=tuple(evidence),
            confidence=confidence,
            explanation=explanation,
            advice=advice,
            facts=facts,
        )

    def forbidden(self, item: Item, facts: UtteranceFacts, hits: Sequence[Hit]) -> Finding:
        """The agent said what must not be said."""
        evidence = [sentence_evidence(facts, hit, note=item.name) for hit in hits]
        words = quotes(facts, hits)
        moment = at(evidence[0].start_ms)
        return self._finding(
            item,
            title=item.name,
            evidence=tuple(dict.fromkeys(evidence)),
            confidence=confidence_of([facts.utterance]),
            explanation=f"坐席在{moment}说{words}，属于“{item.name}”不得使用的说法。",
            advice=f"{moment}坐席说{words}，{item.advice_for(hits[0].phrase)}",
            facts={"phrase": hits[0].phrase, "phrases": len(apart(hits))},
        )

    def order(self, item: Item, topic: Evidence, facts: UtteranceFacts) -> Finding:
        """Something was said before what must come first."""
        what = topic.note
        moment = at(topic.start_ms)
        return self._finding(
            item,
            title=f"未先{item.name}",
            evidence=(topic,),
            confidence=confidence_of([facts.utterance]),
            explanation=f"坐席在{moment}说{quoted(topic.quote)}（{what}），此前没有{item.name}。",
            advice=f"{moment}{what}之前，{item.advice}",
            facts={"order": True},
        )

    def omission(self, omission: Omission) -> Finding:
        """Something that must be said was not."""
        item, progress = omission.item, omission.progress
        heard = omission.heard()
        spoken = [facts for facts in heard if facts.text.text] or list(heard)
        at_start = item.window.at_start
        shown = spoken[0] if at_start else spoken[-1]
        window_ms = (heard[0].utterance.start_ms, omission.to_ms)
        gap = time_evidence(*window_ms, operator="omission", role=Role.AGENT, note=f"应有“{item.name}”，未听到")
        place = utterance_evidence(shown, operator="context", note="坐席首句" if at_start else "坐席末句")
        evidence = (place, gap) if progress.topic is None else (progress.topic, gap)
        where = _where(omission, shown)
        return self._finding(
            item,
            title=f"遗漏{item.name}",
            evidence=evidence,
            confidence=self._omission_confidence(omission, heard),
            explanation=f"{where}没有{item.name}。",
            advice=f"{where}没有{item.name}；{item.advice}",
            facts={"window_start_ms": window_ms[0], "window_end_ms": window_ms[1], "omitted": True},
        )

    def _omission_confidence(self, omission: Omission, heard: Sequence[UtteranceFacts]) -> Confidence:
        """Doubt what may have been said but not recognised, and calls that were cut off."""
        rule, reason = 1.0, ""
        nearly, last = omission.progress.nearly, omission.last
        flagged = [one.utterance for one in heard if any(flag.doubtful for flag in one.utterance.flags)]
        if nearly is not None and (not nearly.other_words or nearly.facts in heard):
            rule = NEARLY_CONFIDENCE
            reason = _near_reason(nearly)
        at_end = not omission.item.window.at_start and omission.progress.topic is None
        if at_end and last and last.role is Role.CUSTOMER and omission.to_ms - last.end_ms < CUT_OFF_MS:
            rule, reason = NEARLY_CONFIDENCE, "客户说完即挂断，坐席可能没有机会说"
        if flagged:
            moment, why = at(flagged[0].start_ms), next(flag for flag in flagged[0].flags if flag.doubtful).chinese
            rule, reason = FLAGGED, f"{moment}坐席有语句识别存疑（{why}），其中可能说过"
        sure = confidence_of([one.utterance for one in heard], rule=rule, rule_reason=reason, words=False)
        typical = _median([one.utterance.confidence for one in heard if one.utterance.confidence is not None])
        if typical is not None and typical < sure.value:
            reasons = (f"坐席语句的识别置信度一般（中位数{typical:.2f}），可能说过而未识别", *sure.reasons)
            return Confidence(value=typical, reasons=reasons)
        return sure

    def execution(self, progress: Sequence[Progress], agent: Sequence[UtteranceFacts], end_ms: int) -> list[Finding]:
        """Sum up which items were done where; one note per call."""
        due = [one for one in progress if one.applies]
        done = [one for one in due if _fulfilled(one, agent)]
        missed = [one for one in due if one not in done]
        evidence = [place for one in done for place in _said(one)]
        if missed:
            first, last = agent[0].utterance.start_ms, end_ms
            names = "、".join(one.item.name for one in missed)
            evidence.append(time_evidence(first, last, operator="omission", role=Role.AGENT, note=f"未执行：{names}"))
        lines = [f"应执行{len(due)}项，已执行{len(done)}项（{len(done) / len(due):.0%}）"]
        lines += [f"未执行：{'、'.join(one.item.name for one in missed)}"] if missed else []
        states: dict[str, str | int | float | bool] = {one.item.id: _state(one, one in done) for one in progress}
        finding = Finding(
            rule_id="compliance.execution",
            rule_version=self._version,
            dimension="compliance",
            title="话术执行率",
            level=Level.LIGHT,
            polarity=Polarity.NOTE,
            who=Role.AGENT,
            evidence=tuple(evidence),
            confidence=confidence_of([facts.utterance for facts in agent], words=False),
            explanation="；".join(lines) + "。",
            facts={"items": len(due), "done": len(done), "rate": round(len(done) / len(due), 3), **states},
        )
        return [finding]


def _fulfilled(progress: Progress, agent: Sequence[UtteranceFacts]) -> bool:
    return not progress.out_of_order and progress.done_within(agent)


def _state(progress: Progress, done: bool) -> str:  # noqa: FBT001  two words for two states
    if not progress.applies:
        return "not_applicable"
    return "done" if done else "omitted"


def _said(progress: Progress) -> list[Evidence]:
    place = progress.latest if progress.item.window.last_utterances else progress.done
    if place is None:
        return []
    note = f"已执行：{progress.item.name}"
    return [words_evidence(place.facts, place.start_char, place.end_char, operator="said", note=note)]


def _where(omission: Omission, shown: UtteranceFacts) -> str:
    item, topic = omission.item, omission.progress.topic
    words = quoted(shown.utterance.text, 24) if shown.text.text else "无可识别内容"
    if topic is not None:
        what = item.when.name if item.when is not None else ""
        return f"坐席在{at(topic.start_ms)}说{quoted(topic.quote, 24)}（{what}），直到通话结束"
    if item.window.first_seconds:
        length = seconds(1000 * item.window.first_seconds)
        return f"坐席首句为{words}（{at(shown.utterance.start_ms)}），开口后{length}内"
    if item.window.first_utterances:
        return f"坐席首句为{words}（{at(shown.utterance.start_ms)}），前{item.window.first_utterances}句内"
    return f"坐席最后一句为{words}（{at(shown.utterance.start_ms)}），直到通话结束"


def _near_reason(nearly: Done) -> str:
    moment = at(nearly.utterance.start_ms)
    if nearly.other_words:
        return f"{moment}说了{quoted(nearly.utterance.text[nearly.start_char : nearly.end_char])}，可能已用其他说法表达"
    return f"{moment}听到相近的话术（符合{nearly.share:.0%}），可能是识别有误"


def _median(values: Sequence[float]) -> float | None:
    ordered = sorted(values)
    return ordered[(len(ordered) - 1) // 2] if ordered else None
