"""响应 in text conversations: how long the customer waits for the agent's message.

Times count from message to message. Silences, overlaps and speech do not exist here; what is
left are the late answer and the wait after 请稍等, decided at the agent's next message or at the end.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from qingting.analysis.analyzer import Watch
from qingting.analysis.confidence import confidence_of
from qingting.analysis.dialogue import Act, agent_act, is_presence, is_sound, wish_of
from qingting.analysis.findings import sentence_evidence, time_evidence, utterance_evidence
from qingting.analysis.wording import at, duration, quoted
from qingting.model.call import Medium, Role
from qingting.model.finding import Evidence, Finding, Level, Polarity

if TYPE_CHECKING:
    from qingting.analysis.analyzers.responsiveness import ResponsivenessOptions
    from qingting.analysis.context import UtteranceFacts
    from qingting.analysis.text import Hit

SAME_TURN_MS = 20_000
"""A customer's message so soon after the last one still belongs to the same turn."""


@dataclass(kw_only=True)
class _Wish:
    facts: UtteranceFacts
    hit: Hit
    since_ms: int
    """The turn's last message: from here the agent's time counts."""


class TextResponseWatch(Watch):
    """Measures the agent's answering times in a chat or e-mail thread."""

    def __init__(self, options: ResponsivenessOptions, version: str, medium: Medium) -> None:
        self._version = version
        mail = medium is Medium.EMAIL
        self._late_ms = options.email_late_answer_ms if mail else options.chat_late_answer_ms
        self._hold_ms = options.email_late_answer_ms if mail else options.chat_hold_ms
        self._wish: _Wish | None = None
        self._hold: UtteranceFacts | None = None
        self._goodbye = False

    def on_utterance(self, facts: UtteranceFacts) -> Iterable[Finding]:
        """Open wishes at the customer's messages, close them at the agent's."""
        self._goodbye = bool(facts.hits("farewell")) or (self._goodbye and is_sound(facts))
        if facts.role is Role.CUSTOMER:
            self._hear_customer(facts)
        elif facts.role is Role.AGENT:
            return self._hear_agent(facts)
        return ()

    def on_end(self, end_ms: int) -> Iterable[Finding]:
        """Judge a wish that was never answered."""
        wish = self._wish
        if wish is None or self._goodbye:
            return ()
        return [self._never_answered(wish, end_ms)] if end_ms - wish.since_ms > self._late_ms else ()

    def _hear_customer(self, facts: UtteranceFacts) -> None:
        if is_presence(facts) or is_sound(facts):
            return
        sent_ms = facts.utterance.start_ms
        if self._wish is not None:
            if sent_ms - self._wish.since_ms <= SAME_TURN_MS:
                self._wish.since_ms = sent_ms
            return
        hit = wish_of(facts)
        if hit is not None:
            self._wish = _Wish(facts=facts, hit=hit, since_ms=sent_ms)

    def _hear_agent(self, facts: UtteranceFacts) -> list[Finding]:
        act = agent_act(facts)
        if act in (Act.SILENT, Act.SOUND):
            return []
        found: list[Finding] = []
        sent_ms = facts.utterance.start_ms
        hold, self._hold = self._hold, facts if act is Act.HOLD else None
        if hold is not None and sent_ms - hold.utterance.start_ms > self._hold_ms:
            found.append(self._long_hold(hold, facts))
        wish, self._wish = self._wish, None
        if wish is not None and hold is None and sent_ms - wish.since_ms > self._late_ms:
            found.append(self._late(wish, facts, act))
        return found

    def _late(self, wish: _Wish, answer: UtteranceFacts, act: Act) -> Finding:
        delay_ms = answer.utterance.start_ms - wish.since_ms
        kind = "才请客户稍候" if act is Act.HOLD else "才回复"
        told = f"坐席{duration(delay_ms)}后（{at(answer.utterance.start_ms)}）{kind}"
        advice = f"坐席{duration(delay_ms)}后{kind}，建议先回一句“已收到，正在为您核实”，再查询处理。"
        reply = utterance_evidence(answer, operator="answer", note="坐席的回复")
        return self._unanswered(wish, delay_ms, told, advice, (reply,), (answer,))

    def _never_answered(self, wish: _Wish, end_ms: int) -> Finding:
        delay_ms = end_ms - wish.since_ms
        told = f"直到会话结束（{duration(delay_ms)}后）坐席都没有回复"
        return self._unanswered(wish, delay_ms, told, "直到会话结束都没有回复，建议主动联系客户答复。", (), ())

    def _unanswered(
        self,
        wish: _Wish,
        delay_ms: int,
        told: str,
        advice: str,
        more: tuple[Evidence, ...],
        by: tuple[UtteranceFacts, ...],
    ) -> Finding:
        asked = sentence_evidence(wish.facts, wish.hit, operator="demand", note="客户提出要求或问题")
        gap = time_evidence(
            wish.since_ms, wish.since_ms + delay_ms, operator="response_time", role=Role.AGENT, note="坐席未回复"
        )
        said = f"客户在{at(asked.start_ms)}提出{quoted(asked.quote)}"
        return self._finding(
            "late_answer",
            "响应客户要求过慢",
            (asked, gap, *more),
            (wish.facts, *by),
            f"{said}，{told}（标准为{duration(self._late_ms)}以内）。",
            f"{said}，{advice}",
            {"delay_ms": delay_ms, "threshold_ms": self._late_ms, "phrase": wish.hit.phrase},
        )

    def _long_hold(self, hold: UtteranceFacts, back: UtteranceFacts) -> Finding:
        start_ms, end_ms = hold.utterance.start_ms, back.utterance.start_ms
        waited = duration(end_ms - start_ms)
        asked = utterance_evidence(hold, operator="hold", note="坐席请客户稍候")
        gap = time_evidence(start_ms, end_ms, operator="response_time", role=Role.AGENT, note="客户等待")
        return self._finding(
            "long_hold",
            "让客户等待过久",
            (gap, asked),
            (hold, back),
            f"坐席在{at(start_ms)}请客户稍候，{waited}后（{at(end_ms)}）才再次回复"
            f"（标准为{duration(self._hold_ms)}以内），其间没有告知进展。",
            f"从{at(start_ms)}起客户等待了{waited}，建议每{duration(self._hold_ms)}内告知一次进展，"
            "预计时间较长时约定答复时间。",
            {"hold_ms": end_ms - start_ms, "threshold_ms": self._hold_ms},
        )

    def _finding(
        self,
        rule: str,
        title: str,
        evidence: tuple[Evidence, ...],
        about: tuple[UtteranceFacts, ...],
        explanation: str,
        advice: str,
        facts: dict[str, str | int | float | bool],
    ) -> Finding:
        return Finding(
            rule_id=f"responsiveness.{rule}",
            rule_version=self._version,
            dimension="responsiveness",
            title=title,
            level=Level.MEDIUM,
            polarity=Polarity.FAULT,
            who=Role.AGENT,
            evidence=evidence,
            confidence=confidence_of([one.utterance for one in about]),
            explanation=explanation,
            advice=advice,
            facts=facts,
        )
