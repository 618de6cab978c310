"""The findings of emotion in words: Chinese explanations that name what raised the intensity."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qingting.analysis.analyzers._emotion_change import TENSE
from qingting.analysis.confidence import confidence_of
from qingting.analysis.findings import (
    hit_evidence,
    sentence_evidence,
    time_evidence,
    utterance_evidence,
    words_evidence,
)
from qingting.analysis.pace import ENDLESS_MS
from qingting.analysis.signals import Signal, SignalName
from qingting.analysis.wording import at, duration, quoted, seconds
from qingting.model.call import Role
from qingting.model.finding import Confidence, Evidence, Finding, Level, Polarity

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from qingting.analysis.analyzers._emotion_change import Change, Eased
    from qingting.analysis.analyzers._emotion_mood import Mood
    from qingting.analysis.analyzers._emotion_refusal import OpenRefusal
    from qingting.analysis.analyzers._emotion_repeats import Repeat
    from qingting.analysis.analyzers._emotion_silence import SlowReturn
    from qingting.model.transcript import Utterance

TEXT_ONLY = 0.75
"""Confidence where no sound could be compared: under certainty, over the usual doubt threshold."""
_TEXT_ONLY_REASON = "没有可比的声音数据，只按文字和语速判断"
_ANGRY = 0.75
"""Negative intensity from which a mood is called angry: where an escalation is serious."""
_GLAD = 0.2
"""Valence from which a mood is called positive."""
_WORDS_ALONE = 0.85
_WORDS_ALONE_REASON = "声音没有明显变化，主要按用语判断"
_TITLES = {
    "escalation": "客户情绪升级",
    "potential_dissatisfaction": "客户潜在不满",
    "unanswered_refusal": "客户强烈否定未得到可行答复",
    "repeated_demand": "客户反复提出同一诉求",
    "agent_emotion": "坐席情绪失当",
    "eased": "坐席安抚见效",
    "curve": "情绪曲线",
}


class EmotionWriter:
    """Writes one finding per kind."""

    def __init__(self, version: str) -> None:
        self._version = version

    def _finding(self, rule: str, **fields: Any) -> Finding:
        return Finding(
            rule_id=f"emotion_analyzer.{rule}",
            rule_version=self._version,
            dimension="emotion_analyzer",
            title=_TITLES[rule],
            **fields,
        )

    def escalation(self, change: Change) -> Finding:
        """A customer's anger has grown."""
        now = change.path[-1]
        steps = "；".join(f"{at(mood.facts.utterance.start_ms)}{mood.reasons(3)}" for mood in change.path[:-1])
        lead = f"此前：{steps}。" if steps else ""
        grown = "继续升级" if change.level is Level.SERIOUS else "明显升级"
        first = _word_of(now)
        return self._finding(
            "escalation",
            level=change.level,
            polarity=Polarity.FAULT,
            who=Role.CUSTOMER,
            evidence=tuple(_mood_evidence(mood) for mood in (now, *reversed(change.path[:-1]))),
            confidence=_confidence(change.path),
            explanation=(
                f"客户情绪在{at(now.facts.utterance.start_ms)}{grown}"
                f"（强度由{change.before:.2f}升至{change.now:.2f}）：{now.reasons(5)}。{lead}"
            ),
            advice=(
                f"客户在{at(now.facts.utterance.start_ms)}说{first}时，先致歉并复述其诉求，"
                "再给出具体办法和时限；权限不够就当即请主管接听或约定回电时间。"
            ),
            facts={
                "intensity": now.intensity,
                "tension": now.tension,
                "tension_before": round(change.before, 4),
                "reasons": now.reasons(6),
                "text_only": not _heard(change.path),
            },
        )

    def potential_dissatisfaction(self, slow: SlowReturn) -> Finding:
        """A silence and slow words."""
        facts = slow.mood.facts
        slower = round((1 - slow.rate_ratio) * 100)
        thin, why = (0.75, "客户此前说话不多，语速基准较薄") if facts.baseline.utterances < 2 else (1.0, "")
        return self._finding(
            "potential_dissatisfaction",
            level=Level.LIGHT,
            polarity=Polarity.NOTE,
            who=Role.CUSTOMER,
            evidence=(
                utterance_evidence(facts, operator="emotion", note=f"语速较其平均慢{slower}%"),
                time_evidence(slow.start_ms, slow.end_ms, operator="silence", role=Role.CUSTOMER, note="客户沉默"),
                utterance_evidence(slow.before, operator="context", note="沉默前坐席的话"),
            ),
            confidence=confidence_of([facts.utterance], rule=thin, rule_reason=why),
            explanation=(
                f"坐席说{quoted(slow.before.utterance.text)}后，客户沉默{seconds(slow.end_ms - slow.start_ms)}"
                f"（{at(slow.start_ms)}起），随后放慢语速（较其平均慢{slower}%）说{quoted(facts.utterance.text)}，"
                "可能有没有说出口的不满或犹豫，建议主动询问顾虑。"
            ),
            facts={"silence_ms": slow.end_ms - slow.start_ms, "rate_ratio": round(slow.rate_ratio, 3)},
        )

    def unanswered_refusal(self, refusal: OpenRefusal, within_ms: int, now_ms: int) -> Finding:
        """A strong no that got no workable answer."""
        facts, hit = refusal.facts, refusal.hit
        words = quoted(facts.quote(hit.start_char, hit.end_char))
        start_ms = facts.utterance.end_ms
        said = refusal.replies[-1] if refusal.replies else None
        evidence = [sentence_evidence(facts, hit, operator="negation", note="客户强烈否定")]
        evidence += [utterance_evidence(one, operator="context", note="没有可行的答复") for one in refusal.replies[-3:]]
        evidence.append(
            time_evidence(start_ms, now_ms, operator="response_time", role=Role.AGENT, note="没有可行的答复")
        )
        instead = f"其间坐席只说了{quoted(said.utterance.text)}。" if said is not None else "其间坐席没有回应。"
        soon = f"{duration(within_ms)}内" if within_ms < ENDLESS_MS else "当次会话内"
        until = soon if now_ms - start_ms >= within_ms else "到通话结束"
        involved = [facts.utterance, *(one.utterance for one in refusal.replies[-3:])]
        return self._finding(
            "unanswered_refusal",
            level=Level.SERIOUS,
            polarity=Polarity.FAULT,
            who=Role.AGENT,
            evidence=tuple(evidence),
            confidence=_confidence([refusal.mood], involved),
            explanation=f"客户在{at(facts.utterance.start_ms)}以{words}强烈否定，{until}没有得到可行的答复。{instead}",
            advice=(
                f"客户在{at(facts.utterance.start_ms)}说{words}后，请在{soon}给出可选的办法："
                "换一种方案、申请特殊处理，或请主管接听，并说明时限。"
            ),
            facts={"waited_ms": now_ms - start_ms, "threshold_ms": within_ms, "phrase": hit.phrase},
        )

    def repeated_demand(self, repeat: Repeat) -> Finding:
        """The same demand was made again and again."""
        last = repeat.mentions[-1]
        words = quoted(last.facts.quote(last.hit.start_char, last.hit.end_char))
        first_ms = repeat.mentions[0].facts.utterance.start_ms
        newest_first = list(dict.fromkeys(reversed(repeat.mentions)))
        return self._finding(
            "repeated_demand",
            level=Level.MEDIUM if repeat.count >= 3 else Level.LIGHT,
            polarity=Polarity.NOTE,
            who=Role.CUSTOMER,
            evidence=tuple(
                hit_evidence(one.facts, one.hit, operator="repeat", note="同一诉求") for one in newest_first
            ),
            confidence=confidence_of([one.facts.utterance for one in repeat.mentions]),
            explanation=(
                f"客户从{at(first_ms)}起，{seconds(repeat.span_ms)}内{repeat.count}次提出同一诉求（最近一次说{words}），"
                "前面的回应没有解决其关切。"
            ),
            facts={"count": repeat.count, "demand": repeat.group, "phrase": last.hit.phrase, "span_ms": repeat.span_ms},
        )

    def agent_emotion(self, mood: Mood) -> Finding:
        """The agent is impatient or cold."""
        facts = mood.facts
        return self._finding(
            "agent_emotion",
            level=Level.MEDIUM,
            polarity=Polarity.FAULT,
            who=Role.AGENT,
            evidence=(_mood_evidence(mood),),
            confidence=_confidence([mood]),
            explanation=f"坐席在{at(facts.utterance.start_ms)}流露不耐烦或冷淡（强度{mood.tension:.2f}）：{mood.reasons(4)}。",
            advice=(
                f"{at(facts.utterance.start_ms)}说{_word_of(mood)}会激化情绪；请放慢语速、压低音量，"
                "先回应客户的感受，再说明能做什么。"
            ),
            facts={"tension": mood.tension, "reasons": mood.reasons(6), "text_only": not mood.voice.heard},
        )

    def eased(self, eased: Eased) -> Finding:
        """A tense customer calmed down after the agent's answer."""
        peak, calm, answer = eased.peak, eased.calm, eased.answer
        return self._finding(
            "eased",
            level=Level.LIGHT,
            polarity=Polarity.CREDIT,
            who=Role.AGENT,
            evidence=(
                words_evidence(answer.facts, answer.start_char, answer.end_char, operator="answer", note="坐席的答复"),
                _mood_evidence(peak),
                utterance_evidence(calm.facts, operator="emotion", note="客户语气缓和"),
            ),
            confidence=_confidence([peak, calm], [answer.facts.utterance]),
            explanation=(
                f"客户在{at(peak.facts.utterance.start_ms)}情绪激动（强度{peak.tension:.2f}：{peak.reasons(3)}），"
                f"坐席在{at(answer.facts.utterance.start_ms)}给出答复后缓和（降至{calm.tension:.2f}）。"
            ),
            facts={"tension_before": peak.tension, "tension_after": calm.tension},
        )

    def curve(self, moods: Sequence[Mood], *, text_only: bool) -> Finding:
        """The course of both sides' feelings, for drawing."""
        by_role = {role: [mood for mood in moods if mood.facts.role is role] for role in (Role.CUSTOMER, Role.AGENT)}
        main = by_role[Role.CUSTOMER] or by_role[Role.AGENT]
        peak = max(main, key=lambda mood: (mood.tension, mood.intensity, -mood.facts.utterance.start_ms))
        top = sorted(main, key=lambda mood: (-mood.tension, mood.facts.utterance.start_ms))[:3]
        shown = [peak, *(mood for mood in top if mood is not peak and mood.tension > 0)]
        who = peak.facts.role.chinese
        calm = f"{who}全程情绪平稳" if peak.tension < 0.25 else (
            f"{who}情绪在{at(peak.facts.utterance.start_ms)}最强（负面强度{peak.tension:.2f}）：{peak.reasons(3)}"
        )  # fmt: skip
        how = "（只按文字和语速推算，没有声音数据）" if text_only else ""
        facts: dict[str, str | int | float | bool] = {
            "text_only": text_only,
            "peak_ms": peak.facts.utterance.start_ms,
            "peak_tension": peak.tension,
        }
        for role, ones in by_role.items():
            facts[f"{role.value}_intensity"] = _encoded(
                (mood.facts.utterance.start_ms, mood.intensity) for mood in ones
            )
            facts[f"{role.value}_valence"] = _encoded((mood.facts.utterance.start_ms, mood.valence) for mood in ones)
        return self._finding(
            "curve",
            level=Level.LIGHT,
            polarity=Polarity.NOTE,
            who=peak.facts.role,
            evidence=tuple(_mood_evidence(mood) for mood in shown),
            confidence=confidence_of(
                (), rule=TEXT_ONLY if text_only else 1.0, rule_reason=_TEXT_ONLY_REASON if text_only else ""
            ),
            explanation=f"{calm}{how}。",
            facts=facts,
        )


def _encoded(points: Iterable[tuple[int, float]]) -> str:
    """Write a curve as ms:value pairs with two decimals: `12300:0.45;15800:0.10`."""
    return ";".join(f"{at_ms}:{value:.2f}" for at_ms, value in points)


def _heard(moods: Iterable[Mood]) -> bool:
    return any(mood.voice.heard for mood in moods)


def _confidence(moods: Sequence[Mood], others: Sequence[Utterance] = ()) -> Confidence:
    """Lower where the sound was not heard or does not agree with the words."""
    involved = [*(mood.facts.utterance for mood in moods), *others]
    if not _heard(moods):
        return confidence_of(involved, rule=TEXT_ONLY, rule_reason=_TEXT_ONLY_REASON)
    if not any(mood.voice.arousal() for mood in moods):
        return confidence_of(involved, rule=_WORDS_ALONE, rule_reason=_WORDS_ALONE_REASON)
    return confidence_of(involved)


def mood_signal(mood: Mood) -> Signal:
    """Tell other dimensions the mood of an utterance: `angry` from 0.75 on, `negative` from 0.45 on."""
    positive = mood.valence >= _GLAD and mood.tension < TENSE
    state = "angry" if mood.tension >= _ANGRY else "negative" if mood.tension >= TENSE else "calm"
    return Signal(
        name=SignalName.EMOTION,
        value="positive" if positive else state,
        role=mood.facts.role,
        evidence=(_mood_evidence(mood),),
        confidence=_confidence([mood]),
        utterances=(mood.facts.utterance,),
        strength=mood.tension,
        says=mood.reasons(3),
    )


def _mood_evidence(mood: Mood) -> Evidence:
    return utterance_evidence(mood.facts, operator="emotion", note=mood.reasons(4))


def _word_of(mood: Mood) -> str:
    hit = next((cue.hit for cue in mood.cues if cue.hit is not None), None)
    facts = mood.facts
    return quoted(facts.quote(hit.start_char, hit.end_char) if hit else facts.utterance.text, 20)
