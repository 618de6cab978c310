"""The findings of responsiveness in words: Chinese explanations with the call's own times."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from qingting.analysis.confidence import confidence_of
from qingting.analysis.dialogue import Act
from qingting.analysis.findings import sentence_evidence, time_evidence, utterance_evidence
from qingting.analysis.wording import at, quoted, seconds
from qingting.model.call import Role
from qingting.model.finding import Evidence, Finding, Level, Polarity

if TYPE_CHECKING:
    from qingting.analysis.analyzers._pauses import OpenHold, OpenWish, Silence
    from qingting.analysis.analyzers.responsiveness import ResponsivenessOptions
    from qingting.analysis.context import CallSoFar, UtteranceFacts
    from qingting.model.finding import Confidence

_TITLES = {
    "late_answer": "响应客户要求过慢",
    "dead_air": "静默过长",
    "long_hold": "让客户等待过久",
    "interruption": "插话打断客户",
    "customer_interruption": "客户打断坐席",
    "monologue": "独白过长",
    "fast_speech": "语速过快",
    "talk_ratio": "坐席说话占比过高",
}


class FindingWriter:
    """Writes one finding per kind of fault."""

    def __init__(self, options: ResponsivenessOptions, version: str) -> None:
        self._options = options
        self._version = version

    def _finding(
        self,
        rule: str,
        *,
        level: Level,
        evidence: Sequence[Evidence],
        confidence: Confidence,
        explanation: str,
        advice: str,
        facts: Mapping[str, str | int | float | bool],
        polarity: Polarity = Polarity.FAULT,
        who: Role = Role.AGENT,
    ) -> Finding:
        return Finding(
            rule_id=f"responsiveness.{rule}",
            rule_version=self._version,
            dimension="responsiveness",
            title=_TITLES[rule],
            level=level,
            polarity=polarity,
            who=who,
            evidence=tuple(evidence),
            confidence=confidence,
            explanation=explanation,
            advice=advice,
            facts=facts,
        )

    def _late(
        self,
        wish: OpenWish,
        delay_ms: int,
        evidence: Sequence[Evidence],
        tail: str,
        advice: str,
        *,
        facts: Sequence[UtteranceFacts],
    ) -> Finding:
        hit = wish.hit
        asked = sentence_evidence(wish.facts, hit, operator="demand", note="客户提出要求或问题")
        gap = time_evidence(
            wish.turn_end_ms, wish.turn_end_ms + delay_ms, operator="response_time", role=Role.AGENT, note="坐席未回应"
        )
        return self._finding(
            "late_answer",
            level=Level.MEDIUM,
            evidence=(asked, gap, *evidence),
            confidence=confidence_of([wish.facts.utterance, *(one.utterance for one in facts)]),
            explanation=(
                f"客户在{at(asked.start_ms)}提出{quoted(asked.quote)}，{tail}"
                f"（标准为{seconds(self._options.late_answer_ms)}以内）。"
            ),
            advice=f"客户在{at(asked.start_ms)}提出{quoted(asked.quote, 20)}，{advice}",
            facts={"delay_ms": delay_ms, "threshold_ms": self._options.late_answer_ms, "phrase": hit.phrase},
        )

    def late_answer(self, wish: OpenWish, answer: UtteranceFacts, delay_ms: int, act: Act) -> Finding:
        """The agent's answer came too late."""
        reply = utterance_evidence(answer, operator="answer", note="坐席的回应")
        kind = "才请客户稍候" if act is Act.HOLD else "才回应"
        return self._late(
            wish,
            delay_ms,
            (reply,),
            f"坐席{seconds(delay_ms)}后（{at(answer.utterance.start_ms)}）{kind}",
            f"坐席{seconds(delay_ms)}后{kind}，建议先用一句话应答（如“好的，我马上为您处理，请稍等”）再查询。",
            facts=[answer],
        )

    def asked_again(self, wish: OpenWish, again_ms: int) -> Finding:
        """The customer had to speak again before any answer."""
        delay_ms = again_ms - wish.turn_end_ms
        return self._late(
            wish,
            delay_ms,
            (),
            f"{seconds(delay_ms)}内坐席没有回应，客户在{at(again_ms)}只好再次开口",
            f"{seconds(delay_ms)}无人应答，建议需要查询时先说“请您稍等，我正在查询”，不要让客户追问。",
            facts=(),
        )

    def never_answered(self, wish: OpenWish, end_ms: int) -> Finding:
        """The call ended without an answer."""
        delay_ms = end_ms - wish.turn_end_ms
        return self._late(
            wish,
            delay_ms,
            (),
            f"直到通话结束（{seconds(delay_ms)}后）坐席都没有回应",
            "直到通话结束都没有回应，建议主动回拨客户，答复该要求。",
            facts=(),
        )

    def dead_air(self, silence: Silence, limit_ms: int) -> Finding:
        """Nobody spoke for too long."""
        before = silence.after
        gap = time_evidence(
            silence.start_ms, silence.end_ms, operator="silence", role=Role.AGENT, note="双方都没有说话"
        )
        last = utterance_evidence(before, operator="context", note="静默前的最后一句")
        who = before.role.chinese
        return self._finding(
            "dead_air",
            level=Level.LIGHT,
            evidence=(gap, last),
            confidence=confidence_of([before.utterance], words=False),
            explanation=(
                f"{at(silence.start_ms)}起双方静默{seconds(silence.length_ms)}（标准为{seconds(limit_ms)}以内），"
                f"此前{who}说{quoted(before.utterance.text)}，坐席没有请客户稍候，也没有主动接话。"
            ),
            advice=(
                f"{at(silence.start_ms)}到{at(silence.end_ms)}之间静默了{seconds(silence.length_ms)}，"
                "建议需要操作时先说“请您稍等”，或主动询问客户是否听清、是否有疑问。"
            ),
            facts={"silence_ms": silence.length_ms, "threshold_ms": limit_ms},
        )

    def long_hold(self, hold: OpenHold, at_ms: int) -> Finding:
        """The customer waited too long after 稍等."""
        waited_ms = at_ms - hold.since_ms
        asked = utterance_evidence(hold.facts, operator="hold", note="坐席请客户稍候")
        gap = time_evidence(hold.since_ms, at_ms, operator="silence", role=Role.AGENT, note="客户等待")
        return self._finding(
            "long_hold",
            level=Level.MEDIUM,
            evidence=(gap, asked),
            confidence=confidence_of([hold.facts.utterance]),
            explanation=(
                f"坐席在{at(asked.start_ms)}请客户稍候，{seconds(waited_ms)}后（{at(at_ms)}）才再次说话"
                f"（标准为{seconds(self._options.long_hold_ms)}以内），其间没有告知进展。"
            ),
            advice=(
                f"从{at(hold.since_ms)}起客户等待了{seconds(waited_ms)}，建议每{seconds(self._options.long_hold_ms)}内"
                "回到线上告知进展，如“还在为您查询，请再稍等”；预计时间较长时征得同意后回拨。"
            ),
            facts={
                "hold_ms": waited_ms,
                "customer_speech_ms": hold.customer_ms,
                "threshold_ms": self._options.long_hold_ms,
            },
        )

    def interruption(self, first: UtteranceFacts, second: UtteranceFacts, overlap_ms: int) -> Finding:
        """One side talked over the other."""
        start_ms = second.utterance.start_ms
        by_agent = second.role is Role.AGENT
        limit_ms = self._options.interruption_ms if by_agent else self._options.customer_interruption_ms
        overlap = time_evidence(
            start_ms, start_ms + overlap_ms, operator="overlap", role=second.role, note="双方同时说话"
        )
        heard = (
            overlap,
            utterance_evidence(second, operator="overlap", note=f"{second.role.chinese}插话"),
            utterance_evidence(first, operator="overlap", note=f"{first.role.chinese}正在说话"),
        )
        return self._finding(
            "interruption" if by_agent else "customer_interruption",
            level=Level.MEDIUM if by_agent else Level.LIGHT,
            evidence=heard,
            confidence=confidence_of([first.utterance, second.utterance]),
            explanation=(
                f"{first.role.chinese}在{at(first.utterance.start_ms)}开始说{quoted(first.utterance.text)}，尚未说完，"
                f"{second.role.chinese}在{at(start_ms)}插话{quoted(second.utterance.text)}，"
                f"双方同时说话{seconds(overlap_ms)}。"
            ),
            advice=(
                f"{at(start_ms)}客户还在说话时插了话，重叠{seconds(overlap_ms)}，建议等客户说完再回应；"
                "确需打断时先说“抱歉打断一下”。"
                if by_agent
                else ""
            ),
            facts={"overlap_ms": overlap_ms, "threshold_ms": limit_ms},
            polarity=Polarity.FAULT if by_agent else Polarity.NOTE,
            who=second.role,
        )

    def monologue(self, run: Sequence[UtteranceFacts]) -> Finding:
        """The agent talked on without a word of the customer."""
        start_ms, end_ms = run[0].utterance.start_ms, run[-1].utterance.end_ms
        stretch = time_evidence(start_ms, end_ms, operator="monologue", role=Role.AGENT, note="坐席连续说话")
        return self._finding(
            "monologue",
            level=Level.LIGHT,
            evidence=(stretch, utterance_evidence(run[0], operator="monologue", note="独白开头")),
            confidence=confidence_of([one.utterance for one in run], words=False),
            explanation=(
                f"坐席从{at(start_ms)}到{at(end_ms)}连续说了{seconds(end_ms - start_ms)}"
                f"（标准为{seconds(self._options.monologue_ms)}以内），其间客户没有说话的机会。"
            ),
            advice=(
                f"{at(start_ms)}开始的{seconds(end_ms - start_ms)}说明较长，建议分成几段，"
                "每段之后停顿并确认，如“到这里您清楚吗？”。"
            ),
            facts={"length_ms": end_ms - start_ms, "threshold_ms": self._options.monologue_ms},
        )

    def fast_speech(self, stretch: Sequence[UtteranceFacts], rate: float) -> Finding:
        """The agent spoke too fast over a stretch of text."""
        fastest = max(stretch, key=lambda one: one.characters_per_second or 0.0)
        characters = sum(one.characters for one in stretch)
        start = at(stretch[0].utterance.start_ms)
        rounded = round(rate, 1)
        others = [utterance_evidence(one, operator="speech_rate") for one in stretch if one is not fastest]
        return self._finding(
            "fast_speech",
            level=Level.LIGHT,
            evidence=(utterance_evidence(fastest, operator="speech_rate", note="最快的一句"), *others),
            confidence=confidence_of([one.utterance for one in stretch]),
            explanation=(
                f"坐席从{start}起的{characters}个字平均语速每秒{rounded}字"
                f"（标准为每秒{self._options.fast_speech_per_second}字以内）。"
            ),
            advice=f"{start}起语速达到每秒{rounded}字，建议放慢到每秒4至5字，在金额、时间、步骤处停顿，确认客户听清。",
            facts={
                "characters_per_second": rounded,
                "threshold": self._options.fast_speech_per_second,
                "characters": characters,
            },
        )

    def talk_ratio(self, so_far: CallSoFar, ratio: float) -> Finding:
        """The agent took nearly all of the talking."""
        agent = so_far.role(Role.AGENT)
        spoken = [utterance for utterance in so_far.utterances if utterance.role is Role.AGENT]
        longest = max(spoken, key=lambda utterance: utterance.end_ms - utterance.start_ms)
        share = f"{ratio:.0%}"
        return self._finding(
            "talk_ratio",
            level=Level.LIGHT,
            evidence=(
                time_evidence(
                    longest.start_ms, longest.end_ms, operator="talk_ratio", role=Role.AGENT, note="坐席最长的一段"
                ),
            ),
            confidence=confidence_of(spoken, words=False),
            explanation=(
                f"全程坐席说话{seconds(agent.span_ms)}，占双方说话时间的{share}"
                f"（标准为{self._options.talk_ratio:.0%}以内）。"
            ),
            advice=f"坐席说话占{share}，建议在说明之后用提问让客户表达，例如在{at(longest.end_ms)}这段说明之后询问客户的想法。",
            facts={"ratio": round(ratio, 3), "threshold": self._options.talk_ratio, "agent_speech_ms": agent.span_ms},
        )
