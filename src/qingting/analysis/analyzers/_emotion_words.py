"""Signs of emotion in words: lexicon, negation classes, rhetorical questions, emphasis."""

from __future__ import annotations

import re
from bisect import bisect_left
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from qingting.analysis.analyzers._emotion_cues import Cue
from qingting.analysis.lexicon import groups
from qingting.analysis.text import not_inside
from qingting.analysis.usage import meant
from qingting.analysis.wording import quoted

if TYPE_CHECKING:
    from collections.abc import Iterable

    from qingting.analysis.context import UtteranceFacts
    from qingting.analysis.text import Hit

_NEGATIVE = {
    "rage": (0.6, "激烈用语"),
    "anger": (0.42, "愤怒用语"),
    "threat": (0.42, "投诉或要求升级"),
    "frustration": (0.3, "不满用语"),
    "disappointment": (0.3, "失望用语"),
    "anxiety": (0.22, "焦急用语"),
    "urgency": (0.18, "催促用语"),
    "confusion": (0.1, "困惑用语"),
}
"""Weight and Chinese name of each group of negative words; set on made conversations, no measured constants."""
_DISCONTENT = {
    "insult": (0.5, "辱骂的话"),
    "threat": (0.42, "投诉或要求升级"),
    "questioning": (0.32, "质问"),
    "ultimatum": (0.3, "最后通牒"),
    "challenge": (0.32, "顶撞叫板"),
    "irony": (0.3, "讽刺的话"),
    "neglect": (0.3, "指责没人管"),
    "unfair": (0.28, "抱怨不公"),
    "repetition": (0.26, "抱怨反复"),
    "disdain": (0.25, "拒绝的话"),
    "blame": (0.24, "指责"),
    "loss": (0.22, "抱怨损失"),
    "long_wait": (0.18, "抱怨久等"),
}
"""Weight and Chinese name of each way to be angry without saying so; set like those above."""
_POSITIVE = {"satisfaction": 0.35, "relief_told": 0.3, "relief": 0.25, "gratitude": 0.2}
_AGENT = {"talk_back": (0.6, "顶撞的话"), "impatient": (0.5, "不耐烦的话"), "cold": (0.38, "冷淡的话")}
_FORBIDDEN = {"talk_back": 0.6, "impatient": 0.5, "insult": 0.7}
_FURTHER = (1.0, 0.6, 0.4)
"""The second and third phrase of one group add less than the first."""
_INTENSIFIED = 1.25
_REFUSAL_WEIGHT = 0.25
_RHETORICAL_WEIGHT = 0.35
_SOFT_WEIGHT = 0.14
_EMPHASIS_WEIGHT = 0.1
_SHOUT_WEIGHT = 0.06
_POLITE_SHARE = 0.7
"""A polite tone takes so much of the negative words' weight: 不好意思，这个可能不行."""
_SOFTENED = re.compile("可能|恐怕|怕是|估计|大概|好像|如果|要是|万一|是不是|会不会|行$|不是|没说")
_BARE_NO = re.compile("^(?:那|这|这样|这可|那可|就是|啊|哎|那也|这也|还|我说|跟你说|我告诉你)*$")
_REPORTING = ("他", "她", "他们", "朋友", "家人", "老公", "老婆")


@dataclass(frozen=True, kw_only=True)
class WordReading:
    """What an utterance's words say of the speaker's feelings."""

    negative: tuple[Cue, ...] = ()
    positive: tuple[Cue, ...] = ()
    refusal: Hit | None = None
    """A strong, unsoftened no: 不可能, 我不接受."""
    polite: bool = False


@cache
def emotion_phrases() -> dict[str, tuple[str, ...]]:
    """Return the phrases these functions need, by label."""
    found: dict[str, tuple[str, ...]] = {}
    for prefix, name in (
        ("feels", "emotion_customer"),
        ("discontent", "customer_discontent"),
        ("degree", "emotion_degree"),
        ("no", "negation"),
        ("rhetorical", "rhetorical_question"),
        ("agent", "agent_impatience"),
        ("forbidden", "forbidden_words"),
    ):
        found.update({f"{prefix}_{group}": phrases for group, phrases in groups(name).items()})
    return found


def read_customer(facts: UtteranceFacts) -> WordReading:
    """Read a customer's utterance."""
    negative_hits = {group: meant(facts.text, facts.hits(f"feels_{group}")) for group in _NEGATIVE}
    every_negative = [hit for group in _NEGATIVE for hit in facts.hits(f"feels_{group}")]
    cues: list[Cue] = []
    seen: set[tuple[int, int]] = set()
    for group, (weight, name) in _NEGATIVE.items():
        others = [hit for other in _NEGATIVE if other != group for hit in facts.hits(f"feels_{other}")]
        fresh = [
            hit for hit in not_inside(negative_hits[group], others) if (hit.normal_start, hit.normal_end) not in seen
        ]
        seen.update((hit.normal_start, hit.normal_end) for hit in fresh)
        cues += _graded(facts, group, fresh, weight, name)
    cues += _strong_questions(facts)
    cues += _indirect(facts, [cue.hit for cue in cues if cue.hit is not None])
    refusal = refusal_of(facts)
    polite = _is_polite(facts)
    if refusal is not None:
        cues.append(Cue(kind="refusal", weight=_REFUSAL_WEIGHT, reason=_name("绝对否定", facts, refusal), hit=refusal))
    if cues:
        cues += _emphasis(facts, [cue.hit for cue in cues if cue.hit is not None])
    if polite:
        cues = [_softer(cue) for cue in cues]
    positive = tuple(
        Cue(kind=group, weight=weight, reason=_name("认可用语", facts, hit), hit=hit)
        for group, weight in _POSITIVE.items()
        for hit in not_inside(meant(facts.text, facts.hits(f"feels_{group}")), every_negative)[:1]
    )
    return WordReading(negative=tuple(cues), positive=positive, refusal=refusal, polite=polite)


def read_agent(facts: UtteranceFacts) -> WordReading:
    """Read an agent's utterance: own impatience only; words of empathy name the customer's feelings."""
    cues: list[Cue] = []
    for group, (weight, name) in _AGENT.items():
        cues += _graded(facts, group, meant(facts.text, facts.hits(f"agent_{group}")), weight, name)
    known = [cue.hit for cue in cues if cue.hit is not None]
    for group, weight in _FORBIDDEN.items():
        hits = meant(facts.text, facts.hits(f"forbidden_{group}"))
        fresh = [hit for hit in hits if not any(_overlap(hit, other) for other in known)]
        name = "贬损的话" if group == "insult" else _AGENT[group][1]
        cues += _graded(facts, group, fresh, weight, name)
    if cues:
        cues += _emphasis(facts, [])
    warm = (*facts.hits("empathy"), *facts.hits("courtesy"))
    positive = tuple(Cue(kind="warm", weight=0.1, reason=_name("礼貌用语", facts, hit), hit=hit) for hit in warm[:2])
    return WordReading(negative=tuple(cues), positive=positive)


def refusal_of(facts: UtteranceFacts) -> Hit | None:
    """Return a strong no of the speaker; None for softened, asked, supposed and polite ones."""
    if _is_polite(facts):
        return None
    return next((hit for hit in meant(facts.text, facts.hits("no_absolute")) if is_firm(facts, hit)), None)


def _is_polite(facts: UtteranceFacts) -> bool:
    """Whether a courteous no is said; 不需要 within 根本不需要 is none."""
    return bool(not_inside(facts.hits("no_polite"), facts.hits("no_absolute")))


def is_firm(facts: UtteranceFacts, hit: Hit) -> bool:
    """Whether a no is said by the speaker, as a statement, with nothing that softens it."""
    clause, after, asked = _around(facts, hit)
    if asked or _SOFTENED.search(clause[-6:]) or any(name in clause for name in _REPORTING):
        return False
    return hit.phrase != "不行" or (bool(_BARE_NO.search(clause)) and not after.startswith(("了", "就")))


def _around(facts: UtteranceFacts, hit: Hit) -> tuple[str, str, bool]:
    """Normalised words of the clause before and after a hit, and whether its clause asks."""
    start, end = facts.text.clause_at(hit.start_char)
    offsets, words = facts.text.offsets, facts.text.text
    before = words[bisect_left(offsets, start) : hit.normal_start]
    after = words[hit.normal_end : bisect_left(offsets, end)]
    mark = facts.utterance.text[end : end + 1]
    return before, after, after.endswith(("吗", "呢")) or (mark in ("?", "？") and hit.phrase != "怎么可能")


def _graded(facts: UtteranceFacts, kind: str, hits: Iterable[Hit], weight: float, name: str) -> list[Cue]:
    """One cue per phrase, each further one weaker."""
    cues = []
    for hit, share in zip(_no_overlaps(hits), _FURTHER, strict=False):
        strength = weight * share * (_INTENSIFIED if _is_intensified(facts, hit) else 1.0)
        cues.append(Cue(kind=kind, weight=strength, reason=_name(name, facts, hit), hit=hit))
    return cues


def _no_overlaps(hits: Iterable[Hit]) -> list[Hit]:
    kept: list[Hit] = []
    for hit in hits:
        if not any(_overlap(hit, other) for other in kept):
            kept.append(hit)
    return kept


def _overlap(one: Hit, other: Hit) -> bool:
    return one.normal_start < other.normal_end and other.normal_start < one.normal_end


def _is_intensified(facts: UtteranceFacts, hit: Hit) -> bool:
    return any(
        hit.normal_start - 4 <= degree.normal_start and degree.normal_end <= hit.normal_start + 2
        for degree in facts.hits("degree_intensifiers")
    )


def _indirect(facts: UtteranceFacts, known: list[Hit]) -> list[Cue]:
    """Anger that is not named: threats, irony, ultimatums …; words that other signs hold already count once."""
    cues: list[Cue] = []
    for group, (weight, name) in _DISCONTENT.items():
        hits = meant(facts.text, facts.hits(f"discontent_{group}"))
        fresh = [hit for hit in hits if not any(_overlap(hit, other) for other in known)]
        cues += _graded(facts, group, fresh, weight, name)
        known = [*known, *fresh]
    return cues


def _strong_questions(facts: UtteranceFacts) -> list[Cue]:
    strong = meant(facts.text, facts.hits("rhetorical_strong"))
    return [
        Cue(kind="rhetorical", weight=_RHETORICAL_WEIGHT * share, reason=_name("质问", facts, hit), hit=hit)
        for hit, share in zip(_no_overlaps(strong), _FURTHER, strict=False)
    ]


def _emphasis(facts: UtteranceFacts, known: list[Hit]) -> list[Cue]:
    """Signs that only strengthen what other words say."""
    cues = [
        Cue(kind="rhetorical_soft", weight=_SOFT_WEIGHT, reason=_name("反问", facts, hit), hit=hit)
        for hit in not_inside(facts.hits("rhetorical_soft"), (*facts.hits("rhetorical_strong"), *known))[:1]
    ]
    cues += [
        Cue(kind="emphasis", weight=_EMPHASIS_WEIGHT, reason=_name("强调", facts, hit), hit=hit)
        for hit in not_inside(facts.hits("degree_emphasis"), known)[:1]
    ]
    shouts = facts.utterance.text.count("！") + facts.utterance.text.count("!")
    if shouts:
        cues.append(Cue(kind="shout", weight=_SHOUT_WEIGHT * min(shouts, 2), reason="感叹语气"))
    return cues


def _softer(cue: Cue) -> Cue:
    return Cue(kind=cue.kind, weight=cue.weight * _POLITE_SHARE, reason=cue.reason, hit=cue.hit)


def _name(name: str, facts: UtteranceFacts, hit: Hit) -> str:
    return f"{name}{quoted(facts.quote(hit.start_char, hit.end_char), 16)}"
