"""方言与语种: which language each party speaks, switches inside the call, and a hint when they do not meet."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from qingting.analysis.analyzer import Analyzer, Watch
from qingting.analysis.analyzers._spoken_language import (
    ENGLISH,
    MANDARIN,
    Spoken,
    home_of,
    language_signal,
    names,
    separate,
    spoken_in,
    sureness,
)
from qingting.analysis.confidence import confidence_of
from qingting.analysis.dialects import SURE, dialect_phrases, dialects, standard_text
from qingting.analysis.findings import quotes, utterance_evidence, words_evidence
from qingting.analysis.signals import SignalName
from qingting.analysis.wording import at, quoted
from qingting.model.call import CallInfo, Role
from qingting.model.finding import Confidence, Evidence, Finding, Level, Polarity

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from qingting.analysis.context import CallSoFar, UtteranceFacts
    from qingting.model.transcript import Utterance

_ENGINE_REMARK = "识别引擎只标注粤语，其他方言仅由词语推断。"


@dataclass(frozen=True, kw_only=True)
class DialectOptions:
    """What is at home on a line of business, and when to speak up."""

    expected: tuple[str, ...] = ()
    """Dialects at home on this line (`cantonese` …): they tip a balance between dialects, never decide alone."""
    most_switches: int = 3
    """So many switches of one party are listed; the summary counts all."""
    mismatch_utterances: int = 3
    """The customer kept to a dialect for so many utterances, and the agent answered so many times in Mandarin."""

    def __post_init__(self) -> None:
        unknown = sorted(set(self.expected) - set(dialects()))
        if unknown:
            raise ValueError(f"no dialect has the id {unknown[0]}; known are {', '.join(sorted(dialects()))}")
        if self.most_switches < 0 or self.mismatch_utterances < 1:
            raise ValueError("most_switches must be at least 0, mismatch_utterances at least 1")


class DialectDetector(Analyzer):
    """Notes the languages of a call by words and the engine's label; accents are not heard."""

    id: ClassVar[str] = "dialect_detector"
    name: ClassVar[str] = "方言与语种"
    description: ClassVar[str] = (
        "双方说的语言与方言（粤语、四川话、吴语、闽南话等）、通话中的切换，按词语和引擎标签判断。"
    )
    version: ClassVar[str] = "1"
    as_spoken: ClassVar[bool] = True
    needs_roles: ClassVar[bool] = False
    Options: ClassVar[type] = DialectOptions
    options: DialectOptions

    def phrases(self) -> Mapping[str, Iterable[str]]:
        """Words of all dialects, and ordinary words that contain them."""
        return dialect_phrases()

    def watch(self, call: CallInfo, so_far: CallSoFar) -> Watch:
        """Open the watch for one call."""
        return _DialectWatch(self.options, self.version, home_of(call, self.options.expected), so_far)


class _Speaker:
    """What one party has spoken until now."""

    def __init__(self, role: Role) -> None:
        self.role = role
        self.counts: Counter[str] = Counter()
        self.current: tuple[str, UtteranceFacts] | None = None
        self.weak: dict[str, UtteranceFacts] = {}
        self.reported: set[str] = set()
        self.switches = 0


class _DialectWatch(Watch):
    """Follows the language of each party."""

    def __init__(self, options: DialectOptions, version: str, home: frozenset[str], so_far: CallSoFar) -> None:
        self._so_far = so_far
        self._options = options
        self._version = version
        self._home = home
        self._speakers: dict[tuple[str, Role], _Speaker] = {}
        self._places: list[Evidence] = []
        self._involved: list[Utterance] = []
        self._mandarin_answers: list[UtteranceFacts] = []
        self._dialect_turns: list[UtteranceFacts] = []
        self._mismatched = False

    def on_utterance(self, facts: UtteranceFacts) -> Iterable[Finding]:
        """Tell the utterance's language and what is new about it."""
        if not facts.text.text:
            return ()
        key = (facts.utterance.party, facts.role)
        speaker = self._speakers.setdefault(key, _Speaker(facts.role))
        spoken = spoken_in(facts, self._home)
        speaker.counts[spoken.language] += 1
        if self._so_far.wants(SignalName.LANGUAGE):
            self._so_far.publish(language_signal(facts, spoken, self._home))
        found = [*self._language(speaker, facts, spoken), *self._switch(speaker, facts, spoken)]
        return [*found, *self._mismatch(facts, spoken)]

    def on_end(self, end_ms: int) -> Iterable[Finding]:
        """Sum up the languages of the call, when there was any but Mandarin."""
        if not self._places:
            return ()
        parts = [text for speaker in self._speakers.values() if (text := _summary(speaker))]
        return (
            self._finding(
                rule="summary",
                title="语种与方言统计",
                who=Role.UNSURE,
                evidence=tuple(self._places),
                confidence=confidence_of(self._involved),
                explanation=f"{'；'.join(parts)}。{_ENGINE_REMARK}",
                facts={
                    f"{speaker.role.value}_{language or 'unclear'}": count
                    for speaker in self._speakers.values()
                    for language, count in sorted(speaker.counts.items())
                },
            ),
        )

    def _language(self, speaker: _Speaker, facts: UtteranceFacts, spoken: Spoken) -> Iterable[Finding]:
        """Raise a language of a party once: from one sure utterance, or the second unsure one."""
        if spoken.english and ENGLISH not in speaker.reported:
            speaker.reported.add(ENGLISH)
            yield self._english(facts, spoken)
        if spoken.guess is None or spoken.language in speaker.reported:
            return
        sure = sureness(spoken, self._home)
        before = speaker.weak.get(spoken.language)
        if sure.value < SURE and before is None:
            speaker.weak[spoken.language] = facts
            return
        speaker.reported.add(spoken.language)
        yield self._dialect(facts, spoken, sure, before)

    def _dialect(
        self, facts: UtteranceFacts, spoken: Spoken, sure: Confidence, before: UtteranceFacts | None
    ) -> Finding:
        name = names()[spoken.language]
        value = max(sure.value, SURE) if before is not None else sure.value
        utterances = [facts.utterance] if before is None else [before.utterance, facts.utterance]
        hits = spoken.guess.hits if spoken.guess is not None else ()
        said = f"说{quotes(facts, hits)}" if hits else "的话被识别引擎标为该语种"
        standard = standard_text(facts.utterance.text, (spoken.language,))
        meaning = f"大意为{quoted(standard)}。" if hits and standard != facts.utterance.text else ""
        evidence = tuple(
            words_evidence(facts, hit.start_char, hit.end_char, operator="dialect", note=f"{name}用词") for hit in hits
        ) or (utterance_evidence(facts, operator="language_label", note="引擎语种标签"),)
        if before is not None:
            evidence += (utterance_evidence(before, operator="dialect", note=f"之前一句也像{name}"),)
        self._note(evidence[0], utterances)
        return self._finding(
            rule=spoken.language,
            title=f"说{name}",
            who=facts.role,
            evidence=evidence,
            confidence=confidence_of(utterances, rule=value, rule_reason=sure.reasons[0] if sure.reasons else ""),
            explanation=f"{_who(facts.role)}在{at(facts.utterance.start_ms)}{said}，像是{name}。{meaning}",
            facts={"language": spoken.language, "source": spoken.source, "words": len(hits), "standard": standard},
        )

    def _english(self, facts: UtteranceFacts, spoken: Spoken) -> Finding:
        whole = spoken.language == ENGLISH
        how = "说英语" if whole else "的话夹杂英语"
        places = spoken.english[:1] if whole else spoken.english
        evidence = tuple(words_evidence(facts, start, end, operator="language", note="英语") for start, end in places)
        sure = sureness(Spoken(english=spoken.english), self._home)
        words = quoted(facts.utterance.text) if whole else "、".join(quoted(facts.quote(*one)) for one in places[:3])
        self._note(evidence[0], [facts.utterance])
        return self._finding(
            rule=ENGLISH,
            title=how.removeprefix("的话"),
            who=facts.role,
            evidence=evidence,
            confidence=confidence_of([facts.utterance], rule=sure.value, rule_reason=sure.reasons[0]),
            explanation=f"{_who(facts.role)}在{at(facts.utterance.start_ms)}{how}：{words}。",
            facts={"language": ENGLISH, "mixed": not whole, "words": len(spoken.english)},
        )

    def _switch(self, speaker: _Speaker, facts: UtteranceFacts, spoken: Spoken) -> Iterable[Finding]:
        """Raise a change between languages that words can tell apart."""
        weak = spoken.guess is not None and sureness(spoken, self._home).value < SURE
        if spoken.language not in separate() or weak:
            if spoken.language and not weak:
                speaker.current = None
            return
        before, speaker.current = speaker.current, (spoken.language, facts)
        if before is None or before[0] == spoken.language:
            return
        speaker.switches += 1
        if speaker.switches > self._options.most_switches:
            return
        old, new = names()[before[0]], names()[spoken.language]
        evidence = (
            utterance_evidence(facts, operator="language", note=f"改说{new}"),
            utterance_evidence(before[1], operator="language", note=f"之前说{old}"),
        )
        self._note(evidence[0], [facts.utterance, before[1].utterance])
        value = sureness(spoken, self._home)
        yield self._finding(
            rule="switch",
            title=f"由{old}转{new}",
            who=facts.role,
            evidence=evidence,
            confidence=confidence_of(
                [facts.utterance, before[1].utterance],
                rule=min(value.value, 0.9),
                rule_reason="".join(value.reasons) or "按用词判断语种",
            ),
            explanation=f"{_who(facts.role)}在{at(facts.utterance.start_ms)}由{old}转为{new}。",
            facts={"from": before[0], "to": spoken.language},
        )

    def _mismatch(self, facts: UtteranceFacts, spoken: Spoken) -> Iterable[Finding]:
        """Hint once that the customer keeps to a dialect while the agent answers in Mandarin only."""
        apart = spoken.language in separate() - {MANDARIN, ENGLISH}
        if facts.role is Role.CUSTOMER and apart:
            self._dialect_turns.append(facts)
        elif facts.role is Role.AGENT and spoken.language == MANDARIN and self._dialect_turns:
            self._mandarin_answers.append(facts)
        enough = self._options.mismatch_utterances
        if self._mismatched or min(len(self._dialect_turns), len(self._mandarin_answers)) < enough:
            return
        spoken_by = {role: Counter[str]() for role in Role}
        for speaker in self._speakers.values():
            spoken_by[speaker.role].update(speaker.counts)
        dialect = max(separate() - {MANDARIN, ENGLISH}, key=lambda one: (spoken_by[Role.CUSTOMER][one], one))
        turns = spoken_by[Role.CUSTOMER][dialect]
        keeps = turns >= enough and turns >= 2 * spoken_by[Role.CUSTOMER][MANDARIN]
        if not keeps or spoken_by[Role.AGENT][dialect]:
            return
        self._mismatched = True
        yield self._unmet(dialect, turns)

    def _unmet(self, dialect: str, turns: int) -> Finding:
        name, answers = names()[dialect], self._mandarin_answers
        first, reply = self._dialect_turns[0], answers[0]
        involved = [first.utterance, reply.utterance]
        return self._finding(
            rule="mismatch",
            title=f"客户说{name}，坐席用普通话应答",
            who=Role.AGENT,
            evidence=(
                utterance_evidence(first, operator="dialect", note=f"客户说{name}"),
                *(utterance_evidence(one, operator="language", note="坐席用普通话应答") for one in answers[:3]),
            ),
            confidence=confidence_of(involved, rule=0.8, rule_reason="按用词判断语种，没有听辨口音"),
            explanation=(
                f"客户从{at(first.utterance.start_ms)}起已有{turns}句{name}，"
                f"坐席用普通话应答了{len(answers)}句，没有用{name}；这只是服务提示，不是差错。"
            ),
            advice=f"如沟通不畅，可询问客户能否说普通话，或转给会{name}的同事。",
            facts={"language": dialect, "customer_turns": turns, "agent_turns": len(answers)},
        )

    def _note(self, place: Evidence, utterances: Iterable[Utterance]) -> None:
        self._places.append(place)
        self._involved += utterances

    def _finding(
        self,
        *,
        rule: str,
        title: str,
        who: Role,
        evidence: tuple[Evidence, ...],
        confidence: Confidence,
        explanation: str,
        facts: Mapping[str, str | int | float | bool],
        advice: str = "",
    ) -> Finding:
        return Finding(
            rule_id=f"dialect_detector.{rule}",
            rule_version=self._version,
            dimension="dialect_detector",
            title=title,
            level=Level.LIGHT,
            polarity=Polarity.NOTE,
            who=who,
            evidence=evidence,
            confidence=confidence,
            explanation=explanation,
            advice=advice,
            facts=facts,
        )


def _who(role: Role) -> str:
    return "说话人" if role is Role.UNSURE else role.chinese


def _summary(speaker: _Speaker) -> str:
    """One party's languages: 客户：粤语5句、无法判断2句."""
    known = names()
    counted = [f"{known[one]}{count}句" for one, count in speaker.counts.most_common() if one]
    unclear = speaker.counts[""]
    if unclear:
        counted.append(f"无法判断{unclear}句")
    switched = f"，切换{speaker.switches}次" if speaker.switches else ""
    return f"{_who(speaker.role)}：{'、'.join(counted)}{switched}"
