"""Which party is the agent: certain from a channel map, else decided from what is said and how."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from qingting.audio._role_phrases import HeardText, hits, phrase_groups
from qingting.errors import InputError
from qingting.model.audio import RoleDecision
from qingting.model.call import AgentChannel, Role

if TYPE_CHECKING:
    from collections.abc import Sequence

    from qingting.model.transcript import Utterance

ROLE_THRESHOLD = 0.75
"""Below this confidence every role stays UNSURE."""

_MOST_REASONS = 6
_ONE_SIDED_LOG_ODDS = 2.0
"""Evidence that a call with a single speaker needs before that speaker gets a role."""
_ONE_PERSON_OPPOSED = 0.2
"""Share of contrary phrases above which a single speaker is taken for two voices in one party."""
_HIT_DECAY = 0.5
"""Each further hit of one kind counts half the one before: a habit is one fact, not ten."""
_FIRST_SPEAKER = {"inbound": 1.0, "outbound": -0.4, "": 0.7}
"""Log-odds for the first to speak, by direction: agents open inbound calls; called customers say 喂 first."""
_MOST_TALK = 0.5
_MOST_POLITENESS, _POLITENESS_SLOPE = 1.5, 0.6
_SPEECH_HABITS_ALONE = 0.70
"""Most confidence without any phrase: order, talk time and pronouns never decide alone."""
_CALIBRATION = 0.9
_MOST_CONFIDENCE = 0.99
"""Evidence is never as certain as a channel map."""

_PARTY_NAMES = {
    "left": "左声道",
    "right": "右声道",
    "mono": "录音中的说话人",
    "speaker_1": "说话人一",
    "speaker_2": "说话人二",
}


@dataclass(frozen=True, kw_only=True)
class _Evidence:
    """One observation: log-odds that the first of two parties is the agent (negative: the second)."""

    weight: float
    reason: str
    spoken: bool = True
    """Rests on a phrase, not on habits of speech."""


def decide_roles(
    utterances: Sequence[Utterance],
    parties: tuple[str, ...],
    agent_channel: AgentChannel,
    *,
    direction: str = "",
    speaker_confidence: float = 1.0,
    threshold: float = ROLE_THRESHOLD,
) -> RoleDecision:
    """Decide which of `parties` is the agent.

    A known `agent_channel` of a two-channel call is certain. Otherwise log-odds of the phrases in
    `data/role_phrases.yaml`, of who speaks first (`direction` as in CallInfo), of talk time and of 您 against
    你 are added, lowered where they contradict each other, and multiplied with `speaker_confidence`.
    Below `threshold` all roles are UNSURE and `agent` names the likelier party. `agent` is empty when nothing
    speaks for either party, or when the only party is no agent. Raises nothing.
    """
    if agent_channel.value in parties:
        roles = {p: Role.AGENT if p == agent_channel.value else Role.CUSTOMER for p in parties}
        return RoleDecision(agent=agent_channel.value, confidence=1.0, reasons=("声道由设置指定",), roles=roles)
    heard = [u for u in utterances if u.party in parties and any(c.isalnum() for c in u.text)]
    speaking = [p for p in parties if any(u.party == p for u in heard)]
    if not speaking:
        return _undecided(parties, ("没有可用的文字，无法判断角色",))
    if len(speaking) == 1:
        return _decide_one_sided(heard, speaking[0], parties, speaker_confidence, threshold)
    return _decide_two_sided(heard, speaking, parties, direction, speaker_confidence, threshold)


def swap(decision: RoleDecision) -> RoleDecision:
    """Swap agent and customer on a person's word: certain from then on.

    Raises InputError when the decision names no agent or does not have two parties: use `assign_agent` then.
    """
    others = [party for party in decision.roles if party != decision.agent]
    if not decision.agent or len(others) != 1:
        raise InputError(
            "Only a call of two parties with a likely agent can be swapped.", remedy="Name the agent's party instead."
        )
    return replace(assign_agent(decision, others[0]), reasons=("人工对调",))


def assign_agent(decision: RoleDecision, party: str) -> RoleDecision:
    """Make `party` the agent on a person's word; raises InputError when the call has no such party."""
    if party not in decision.roles:
        raise InputError("The call has no party of that name.", remedy="Use one of the parties of the role decision.")
    roles = {p: Role.AGENT if p == party else Role.CUSTOMER for p in decision.roles}
    return RoleDecision(agent=party, confidence=1.0, reasons=("人工指定",), roles=roles)


def apply_roles(utterances: Sequence[Utterance], decision: RoleDecision) -> tuple[Utterance, ...]:
    """Return the utterances with role and role_confidence of `decision`; everything else stays as it is.

    Where the decision is unsure but names a likely agent, the likely roles are set: the call can then be
    inspected for a person's review, and the decision's confidence goes with every finding.
    """
    likely = decision.roles
    if decision.agent and set(likely.values()) == {Role.UNSURE}:
        likely = {party: Role.AGENT if party == decision.agent else Role.CUSTOMER for party in likely}
    return tuple(
        replace(u, role=likely[u.party], role_confidence=decision.confidence)
        if u.party in likely
        else replace(u, role=Role.UNSURE, role_confidence=0.0)
        for u in utterances
    )


def _undecided(parties: tuple[str, ...], reasons: tuple[str, ...]) -> RoleDecision:
    return RoleDecision(agent="", confidence=0.0, reasons=reasons, roles=dict.fromkeys(parties, Role.UNSURE))


def _decide_two_sided(
    heard: list[Utterance],
    speaking: list[str],
    parties: tuple[str, ...],
    direction: str,
    speaker_confidence: float,
    threshold: float,
) -> RoleDecision:
    first, second = speaking[:2]
    evidence = _phrases(heard, first, 1) + _phrases(heard, second, -1) + _habits(heard, first, second, direction)
    total, strength = _weigh(evidence)
    if total == 0:
        return _undecided(parties, ("没有能区分坐席与客户的依据",))
    confidence = _probability(strength)
    reasons = _reasons(evidence, total)
    if not any(e.spoken for e in evidence):
        confidence = min(confidence, _SPEECH_HABITS_ALONE)
        reasons = (*reasons, "没有听到坐席或客户的典型用语，仅凭说话习惯推测")
    confidence, reasons = _limited(confidence, reasons, speaker_confidence)
    agent = first if total > 0 else second
    sure = confidence >= threshold
    roles = {p: (Role.AGENT if p == agent else Role.CUSTOMER) if sure else Role.UNSURE for p in parties}
    return RoleDecision(agent=agent, confidence=round(confidence, 3), reasons=reasons, roles=roles)


def _decide_one_sided(
    heard: list[Utterance], party: str, parties: tuple[str, ...], speaker_confidence: float, threshold: float
) -> RoleDecision:
    evidence = _phrases(heard, party, 1)
    total, strength = _weigh(evidence)
    note = f"只有{_name(party)}在说话"
    if abs(total) < _ONE_SIDED_LOG_ODDS:
        return _undecided(parties, (f"{note}，依据不足，无法判断角色", *_reasons(evidence, total)))
    if _opposed(evidence, total) > _ONE_PERSON_OPPOSED:
        reason = f"{note}，却兼有坐席与客户的用语，可能双方声音混在一起"
        return _undecided(parties, (reason, *_reasons(evidence, total)))
    silent = next((p for p in parties if p != party), "")
    agent = party if total > 0 else silent
    confidence, reasons = _limited(_probability(strength), (note, *_reasons(evidence, total)), speaker_confidence)
    role = (Role.AGENT if total > 0 else Role.CUSTOMER) if confidence >= threshold else Role.UNSURE
    roles = {p: role if p == party else role.other for p in parties}
    return RoleDecision(agent=agent, confidence=round(confidence, 3), reasons=reasons, roles=roles)


def _phrases(heard: list[Utterance], party: str, sign: int) -> list[_Evidence]:
    texts = [HeardText.of(u.text) for u in heard if u.party == party]
    found = []
    for group in phrase_groups():
        count = hits(group, texts)
        if count == 0:
            continue
        weight = group.weight * (1 - _HIT_DECAY**count) / (1 - _HIT_DECAY)
        side = "坐席" if group.agent_side else "客户"
        reason = f"{_name(party)}有{side}用语“{group.label}”{max(1, round(count))}处"
        found.append(_Evidence(weight=sign * weight * (1 if group.agent_side else -1), reason=reason))
    return found


def _habits(heard: list[Utterance], first: str, second: str, direction: str) -> list[_Evidence]:
    opener = min(heard, key=lambda u: u.start_ms).party
    opening = _FIRST_SPEAKER.get(direction, _FIRST_SPEAKER[""])
    spoken = [sum(u.end_ms - u.start_ms for u in heard if u.party == p) for p in (first, second)]
    talk = math.log((spoken[0] + 1000) / (spoken[1] + 1000))
    polite = _politeness(heard, first) - _politeness(heard, second)
    return [
        _Evidence(
            weight=opening if opener == first else -opening,
            reason=f"{_name(opener)}先开口",
            spoken=False,
        ),
        _Evidence(
            weight=max(-_MOST_TALK, min(_MOST_TALK, _MOST_TALK * talk)),
            reason=f"{_name(first if talk > 0 else second)}说话较多",
            spoken=False,
        ),
        _Evidence(
            weight=max(-_MOST_POLITENESS, min(_MOST_POLITENESS, _POLITENESS_SLOPE * polite)),
            reason=f"{_name(first if polite > 0 else second)}更多称对方为“您”",
            spoken=False,
        ),
    ]


def _politeness(heard: list[Utterance], party: str) -> float:
    """Log ratio of 您 to 你; 您好 and 你好 are greetings that both sides use."""
    text = "".join(u.text for u in heard if u.party == party)
    honorific = text.count("您") - text.count("您好")
    familiar = text.count("你") - text.count("你好")
    return math.log((honorific + 1) / (familiar + 1))


def _weigh(evidence: list[_Evidence]) -> tuple[float, float]:
    """Return the sum of the log-odds, and its size lowered by the share that contradicts it."""
    total = sum(e.weight for e in evidence)
    gross = sum(abs(e.weight) for e in evidence)
    return (total, abs(total) * math.sqrt(abs(total) / gross)) if gross else (0.0, 0.0)


def _opposed(evidence: list[_Evidence], total: float) -> float:
    gross = sum(abs(e.weight) for e in evidence)
    return (gross - abs(total)) / 2 / gross


def _probability(log_odds: float) -> float:
    return min(1 / (1 + math.exp(-_CALIBRATION * log_odds)), _MOST_CONFIDENCE)


def _reasons(evidence: list[_Evidence], total: float) -> tuple[str, ...]:
    weighty = sorted((e for e in evidence if abs(e.weight) >= 0.1), key=lambda e: -abs(e.weight))[:_MOST_REASONS]
    return tuple(e.reason if e.weight * total > 0 else f"相反的依据：{e.reason}" for e in weighty)


def _limited(confidence: float, reasons: tuple[str, ...], speaker_confidence: float) -> tuple[float, tuple[str, ...]]:
    limit = min(1.0, max(0.0, speaker_confidence))
    if limit < 1:
        reasons = (*reasons, "单声道录音，说话人由声音区分，角色可信度相应降低")
    return confidence * limit, reasons


def _name(party: str) -> str:
    return _PARTY_NAMES.get(party, party)
