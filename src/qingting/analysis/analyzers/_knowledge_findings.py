"""The findings of knowledge in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from qingting.analysis.analyzers._knowledge_match import Comparison, Fit
from qingting.analysis.confidence import confidence_of
from qingting.analysis.findings import sentence_evidence, time_evidence, utterance_evidence
from qingting.analysis.signals import Signal, SignalName
from qingting.analysis.wording import at, quoted, seconds
from qingting.model.call import DesktopEvent, DesktopKind, Role
from qingting.model.finding import Confidence, Evidence, Finding, Level, Polarity

if TYPE_CHECKING:
    from qingting.analysis.context import UtteranceFacts
    from qingting.analysis.text import Hit

UNLIKE_CONFIDENCE = 0.5
"""Unlike words may mean the same: a person decides."""
TOPIC_CONFIDENCE = 0.85
"""Different topics of the lexicon."""


class KnowledgeWriter:
    """Writes findings about the use of the knowledge base."""

    def __init__(self, version: str) -> None:
        self._version = version

    def _finding(
        self,
        rule: str,
        title: str,
        *,
        evidence: Sequence[Evidence],
        confidence: Confidence,
        explanation: str,
        advice: str = "",
        facts: Mapping[str, str | int | float | bool],
        level: Level = Level.LIGHT,
        polarity: Polarity = Polarity.FAULT,
    ) -> Finding:
        return Finding(
            rule_id=f"knowledge.{rule}",
            rule_version=self._version,
            dimension="knowledge",
            title=title,
            level=level,
            polarity=polarity,
            who=Role.AGENT,
            evidence=tuple(evidence),
            confidence=confidence,
            explanation=explanation,
            advice=advice,
            facts=facts,
        )

    def mismatch(
        self, question: UtteranceFacts, event: DesktopEvent, compared: Comparison, answer: UtteranceFacts | None
    ) -> Finding:
        """What was looked up speaks of something else than the customer asked."""
        by_topic = compared.fit is Fit.MISMATCH
        asked = utterance_evidence(question, operator="question", note="客户的问题")
        evidence = [asked, event_evidence(event)]
        if answer is not None:
            evidence.append(utterance_evidence(answer, operator="answer", note="坐席据此答复"))
        reason = "按主题词判断" if by_topic else "仅凭用词不同判断，可能是同义说法"
        what = f"{event.kind.chinese}了{quoted(event.name)}"
        moment = at(max(event.at_ms, 0))
        return self._finding(
            "mismatch",
            "知识匹配偏差",
            level=Level.MEDIUM,
            evidence=evidence,
            confidence=confidence_of(
                [question.utterance, *([answer.utterance] if answer else [])],
                rule=TOPIC_CONFIDENCE if by_topic else UNLIKE_CONFIDENCE,
                rule_reason=reason,
            ),
            explanation=(
                f"客户在{at(asked.start_ms)}问{quoted(compared.asked)}，坐席在{moment}{what}，"
                f"二者不相符：比较{quoted(compared.asked)}与{quoted(compared.found)}，相似度{compared.similarity:.2f}。"
            ),
            advice=(
                f"客户问的是{quoted(compared.asked, 24)}，{moment}{what}并不对应，"
                "建议用客户问题中的关键词检索，核对文章标题后再答复；如知识库缺少对应文章，请提交补充。"
            ),
            facts={
                "question": compared.asked,
                "found": compared.found,
                "similarity": compared.similarity,
                "question_topics": "、".join(compared.asked_topics),
                "found_topics": "、".join(compared.found_topics),
            },
        )

    def in_vain(
        self, question: UtteranceFacts, searches: Sequence[DesktopEvent], until_ms: int, by: UtteranceFacts | None
    ) -> Finding:
        """Searches after which no article was opened."""
        lost_ms = until_ms - max(searches[0].at_ms, 0)
        words = "、".join(dict.fromkeys(quoted(event.query) for event in searches))
        empty = all(event.results == 0 for event in searches)
        outcome = "没有结果" if empty else "没有打开任何文章"
        return self._finding(
            "searched_in_vain",
            "检索未果",
            polarity=Polarity.NOTE,
            evidence=[
                event_evidence(searches[-1]),
                utterance_evidence(question, operator="question", note="客户的问题"),
            ],
            confidence=confidence_of([question.utterance, *([by.utterance] if by else [])]),
            explanation=(
                f"客户在{at(question.utterance.start_ms)}问{quoted(question.utterance.text)}，"
                f"坐席检索{words}共{len(searches)}次，{outcome}，用时{seconds(lost_ms)}；知识库可能缺少对应内容。"
            ),
            facts={"searches": len(searches), "no_results": empty, "lost_ms": lost_ms},
        )

    def time_lost(
        self, question: UtteranceFacts, detours: Sequence[DesktopEvent], fitting: DesktopEvent, limit_ms: int
    ) -> Finding:
        """The fitting article was found, but late."""
        begin_ms = max(detours[0].at_ms, 0)
        lost_ms = fitting.at_ms - begin_ms
        steps = "、".join(dict.fromkeys(quoted(event.name, 16) for event in detours[:4]))
        lost = time_evidence(
            begin_ms, fitting.at_ms, operator="desktop", role=Role.AGENT, note=f"查找{quoted(fitting.name)}之前的周折"
        )
        return self._finding(
            "time_lost",
            "检索周折过多",
            evidence=[lost, utterance_evidence(question, operator="question", note="客户的问题")],
            confidence=confidence_of([question.utterance]),
            explanation=(
                f"客户在{at(question.utterance.start_ms)}问{quoted(question.utterance.text)}，坐席从{at(begin_ms)}起先后查了"
                f"{steps}，{seconds(lost_ms)}后才找到{quoted(fitting.name)}（标准为{seconds(limit_ms)}以内）。"
            ),
            advice=(
                f"{at(begin_ms)}起的查找用了{seconds(lost_ms)}，"
                f"下次遇到同类问题可直接检索{quoted(fitting.title or fitting.name, 20)}。"
            ),
            facts={"lost_ms": lost_ms, "threshold_ms": limit_ms, "lookups": len(detours)},
        )

    def not_searched(self, question: UtteranceFacts, unknown: UtteranceFacts, hit: Hit) -> Finding:
        """The agent did not know, and did not look."""
        said = sentence_evidence(unknown, hit, operator="unknown", note="坐席表示不清楚")
        asked = utterance_evidence(question, operator="question", note="客户的问题")
        return self._finding(
            "not_searched",
            "不清楚而未检索",
            level=Level.MEDIUM,
            evidence=[said, asked],
            confidence=confidence_of([question.utterance, unknown.utterance]),
            explanation=(
                f"客户在{at(asked.start_ms)}问{quoted(question.utterance.text)}，坐席在{at(said.start_ms)}说"
                f"{quoted(said.quote)}，没有检索知识库，也没有转交核实。"
            ),
            advice=(
                f"{at(said.start_ms)}答不上客户的{quoted(question.utterance.text, 20)}时，"
                "建议说“我马上为您查一下”，检索知识库后答复；查不到时登记并约定回复时间。"
            ),
            facts={"phrase": hit.phrase},
        )

    def summary(self, events: Sequence[DesktopEvent], fitting: int, mismatched: int) -> Finding:
        """Count how the knowledge base was used; one note per call."""
        counts = {kind: sum(event.kind is kind for event in events) for kind in DesktopKind}
        places = [event_evidence(event) for event in events if event.kind in (DesktopKind.SEARCH, DesktopKind.OPEN)]
        return self._finding(
            "use",
            "知识库使用",
            polarity=Polarity.NOTE,
            evidence=places[:20] or [event_evidence(events[0])],
            confidence=confidence_of(()),
            explanation=(
                f"检索{counts[DesktopKind.SEARCH]}次，打开文章{counts[DesktopKind.OPEN]}次；"
                f"与客户问题相符{fitting}次，不相符{mismatched}次。"
            ),
            facts={
                "searches": counts[DesktopKind.SEARCH],
                "opened": counts[DesktopKind.OPEN],
                "fitting": fitting,
                "mismatched": mismatched,
            },
        )


def fits_signal(question: UtteranceFacts, event: DesktopEvent) -> Signal:
    """Tell other dimensions that an article fits what the customer asked."""
    asked = utterance_evidence(question, operator="question", note="客户的问题")
    return Signal(
        name=SignalName.KNOWLEDGE,
        value="fits",
        role=Role.AGENT,
        evidence=(asked, event_evidence(event)),
        confidence=confidence_of([question.utterance]),
        utterances=(question.utterance,),
    )


def event_evidence(event: DesktopEvent) -> Evidence:
    """Evidence for an action: its moment, with what was searched or opened."""
    at_ms = max(event.at_ms, 0)
    note = f"坐席{event.kind.chinese}{quoted(event.name)}" if event.name else f"坐席{event.kind.chinese}"
    return time_evidence(at_ms, at_ms, operator="desktop", role=Role.AGENT, note=note)
