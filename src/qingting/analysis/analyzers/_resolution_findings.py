"""The verdicts on problems in words: every step with its place, and what is missing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qingting.analysis.analyzers._resolution_problem import Outcome, Problem, Step
from qingting.analysis.analyzers._solutions import OfferKind
from qingting.analysis.confidence import confidence_of
from qingting.analysis.findings import words_evidence
from qingting.analysis.signals import Signal, SignalName
from qingting.analysis.wording import at, quoted
from qingting.model.call import Role
from qingting.model.finding import Evidence, Finding, Level, Polarity

if TYPE_CHECKING:
    from collections.abc import Sequence

    from qingting.analysis.analyzers._solutions import Offer
    from qingting.analysis.contact_history import PastContact

_UNCONFIRMED = 0.7
_NOTHING_SAID = 0.8
_KINDS = {
    OfferKind.DONE: "已办理",
    OfferKind.PLAN: "给出方案",
    OfferKind.STEPS: "给出操作指引",
    OfferKind.FACTS: "作出说明",
    OfferKind.VAGUE: "笼统承诺",
    OfferKind.DECLINED: "表示办不了",
}
_OBJECTIONS = {
    "still": "客户表示问题仍未解决",
    "reject": "客户不接受",
    "give_up": "客户放弃由坐席解决",
    "consider": "客户要再考虑",
}


class ResolutionWriter:
    """Writes one verdict per problem, and what is known of repeat contacts."""

    def __init__(self, version: str, within_days: int, *, has_history: bool) -> None:
        self._version = version
        self._within_days = within_days
        self._has_history = has_history

    def verdict(self, problem: Problem, number: int, of: int) -> Finding:
        """The state of one problem at the end of the call."""
        outcome = problem.outcome()
        sure = problem.confirmation is not None
        credit = outcome is Outcome.RESOLVED and sure
        fault = outcome is Outcome.UNRESOLVED and _is_the_agents(problem)
        missing = "；".join(problem.missing()) if outcome is not Outcome.RESOLVED or not sure else ""
        place = f"（第{number}个问题，共{of}个）" if of > 1 else ""
        said = at(problem.statement.facts.utterance.start_ms)
        explanation = (
            f"客户在{said}提出{quoted(problem.statement.words)}{place}：{outcome.chinese}。"
            f"{_way(problem)}{f'缺少：{missing}。' if missing else ''}{self._history_words(outcome)}"
        )
        return Finding(
            rule_id=f"resolution.{outcome.value}",
            rule_version=self._version,
            dimension="resolution",
            title={"resolved": "问题已解决", "unresolved": "问题未解决", "unclear": "是否解决不明确"}[outcome.value],
            level=Level.MEDIUM if outcome is Outcome.UNRESOLVED else Level.LIGHT,
            polarity=Polarity.CREDIT if credit else Polarity.FAULT if fault else Polarity.NOTE,
            who=Role.AGENT,
            evidence=_evidence(problem, outcome),
            confidence=confidence_of([one.facts.utterance for one in _steps(problem)], **_doubt(problem, outcome)),
            explanation=explanation,
            advice=_advice(problem) if fault else "",
            facts={
                "state": outcome.value,
                "reason": problem.reason,
                "problem": number,
                "problems": of,
                "solution": problem.answer.kind.value if problem.answer is not None else "",
                "confirmed": sure,
                "accepted": problem.acceptance is not None,
                "contradicted": problem.objection is not None,
                "missing": missing,
                "history_checked": self._has_history,
            },
        )

    def repeat_contact(self, problem: Problem, past: Sequence[PastContact]) -> Finding:
        """The centre's memory knows the same matter."""
        newest = past[0]
        state = {"resolved": "当时记为已解决", "unresolved": "当时未解决"}.get(newest.state, "结果不明")
        return self._repeat(
            evidence=(_step_evidence(problem.statement, "problem", "客户陈述问题"),),
            problem=problem,
            explanation=(
                f"同一客户{self._within_days}天内第{len(past) + 1}次就同一事由来电，"
                f"上一次在{newest.days_ago:.0f}天前（{state}），不算首次解决。"
            ),
            facts={
                "source": "history",
                "reason": problem.reason,
                "contacts": len(past),
                "days_ago": newest.days_ago,
                "last_state": newest.state,
                "last_call": newest.call_id,
            },
        )

    def said_again(self, problem: Problem, step: Step) -> Finding:
        """The customer says that this is not the first contact."""
        doubt = "" if self._has_history else "（未接入历史来电记录，仅依据客户的话）"
        return self._repeat(
            evidence=(
                _step_evidence(step, "keyword", "客户说不是第一次来电"),
                _step_evidence(problem.statement, "context", "客户陈述问题"),
            ),
            problem=problem,
            explanation=f"客户在{at(step.facts.utterance.start_ms)}说{quoted(step.words)}，此前已为同一问题联系过{doubt}。",
            facts={"source": "customer", "reason": problem.reason, "history_checked": self._has_history},
        )

    def _repeat(self, *, evidence: tuple[Evidence, ...], problem: Problem, **fields: Any) -> Finding:
        return Finding(
            rule_id="resolution.repeat_contact",
            rule_version=self._version,
            dimension="resolution",
            title="同一问题重复来电",
            level=Level.MEDIUM,
            polarity=Polarity.NOTE,
            who=Role.CUSTOMER,
            evidence=tuple(dict.fromkeys(evidence)),
            confidence=confidence_of([problem.statement.facts.utterance]),
            **fields,
        )

    def _history_words(self, outcome: Outcome) -> str:
        if self._has_history or outcome is not Outcome.RESOLVED:
            return ""
        return "未接入历史来电记录，未核对是否重复来电。"


def _is_the_agents(problem: Problem) -> bool:
    """A concrete solution that the customer turns down is no fault of the agent; one that failed is."""
    if problem.objection_kind in ("reject", "give_up"):
        return problem.concrete is None
    # Who hung up after the first question back gave the agent no chance.
    return bool(problem.offers) or problem.objection is not None or problem.agent_turns > 1


def _doubt(problem: Problem, outcome: Outcome) -> dict[str, Any]:
    if outcome is Outcome.RESOLVED and problem.confirmation is None:
        return {"rule": _UNCONFIRMED, "rule_reason": "坐席没有确认，仅凭客户的话判断已解决"}
    if outcome is Outcome.UNRESOLVED and problem.objection is None:
        return {"rule": _NOTHING_SAID, "rule_reason": "客户没有明说未解决，按坐席没有给出办法判断"}
    return {}


def _steps(problem: Problem) -> list[Step]:
    answer = problem.answer
    offer = [_offer_step(answer)] if answer is not None else []
    rest = (problem.confirmation, problem.acceptance, problem.objection)
    return [problem.statement, *offer, *(step for step in rest if step is not None)]


def _offer_step(offer: Offer) -> Step:
    return Step(facts=offer.facts, start_char=offer.start_char, end_char=offer.end_char)


def _evidence(problem: Problem, outcome: Outcome) -> tuple[Evidence, ...]:
    """Every step in order; first the one that decides, where the player jumps to."""
    places: list[tuple[Step, str, str]] = [(problem.statement, "problem", "客户陈述问题")]
    if problem.answer is not None:
        kind = _KINDS[problem.answer.kind]
        places.append((_offer_step(problem.answer), "solution", f"坐席{kind}"))
    places += [
        (_offer_step(offer), "solution", f"坐席{_KINDS[offer.kind]}")
        for offer in problem.offers[-2:]
        if not offer.kind.concrete and offer is not problem.answer
    ]
    for step, operator, note in (
        (problem.confirmation, "confirmation", "坐席确认"),
        (problem.acceptance, "acceptance", "客户接受"),
        (problem.echo, "echo", "客户只是应声"),
        (problem.objection, "objection", _OBJECTIONS.get(problem.objection_kind, "")),
        (_offer_step(problem.later) if problem.later is not None else None, "solution", "坐席已办理"),
    ):
        if step is not None:
            places.append((step, operator, note))
    decisive = {"resolved": "acceptance", "unresolved": "objection"}.get(outcome.value, "")
    places.sort(key=lambda place: place[1] != decisive)
    return tuple(dict.fromkeys(_step_evidence(*place) for place in places))


def _step_evidence(step: Step, operator: str, note: str) -> Evidence:
    return words_evidence(step.facts, step.start_char, step.end_char, operator=operator, note=note)


def _way(problem: Problem) -> str:
    """Tell the steps that were found, with their times."""
    parts = []
    answer = problem.answer
    if answer is not None:
        detail = f"（{'、'.join(answer.details)}）" if answer.kind is OfferKind.PLAN and answer.details else ""
        words = quoted(answer.facts.quote(answer.start_char, answer.end_char))
        parts.append(f"坐席在{at(answer.facts.utterance.start_ms)}{_KINDS[answer.kind]}{words}{detail}")
    elif problem.offers:
        last = problem.offers[-1]
        words = quoted(last.facts.quote(last.start_char, last.end_char))
        parts.append(f"坐席在{at(last.facts.utterance.start_ms)}只是{_KINDS[last.kind]}{words}")
    for step, word in (
        (problem.confirmation, "坐席确认"),
        (problem.acceptance, "客户接受"),
        (problem.objection, _OBJECTIONS.get(problem.objection_kind, "")),
    ):
        if step is not None:
            parts.append(f"{at(step.facts.utterance.start_ms)}{word}{quoted(step.words)}")
    if problem.later is not None:
        later = problem.later
        words = quoted(later.facts.quote(later.start_char, later.end_char))
        parts.append(f"{at(later.facts.utterance.start_ms)}坐席已办理{words}")
    return "，".join(parts) + "。" if parts else ""


def _advice(problem: Problem) -> str:
    stated = f"客户在{at(problem.statement.facts.utterance.start_ms)}提出的{quoted(problem.statement.words, 20)}"
    if problem.objection is not None and problem.concrete is not None:
        moment = at(problem.objection.facts.utterance.start_ms)
        return (
            f"{stated}在{moment}仍未解决（{quoted(problem.objection.words, 20)}），请换一种办法或升级处理，"
            "说明由谁在何时完成，并约定回访确认。"
        )
    return (
        f"{stated}没有得到具体办法，请说明做什么、由谁做、何时完成（如“已为您补发，单号……，预计明天送达”），"
        "再以“您看这样处理可以吗？”确认。"
    )


def step_signal(value: str, step: Step) -> Signal:
    """Tell other dimensions a step as it is heard; a later contradiction is a step of its own."""
    return Signal(
        name=SignalName.RESOLUTION,
        value=value,
        role=step.facts.role,
        evidence=(words_evidence(step.facts, step.start_char, step.end_char, operator="resolution"),),
        confidence=confidence_of([step.facts.utterance]),
        utterances=(step.facts.utterance,),
    )
