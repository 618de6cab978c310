"""What agents think of the hints they were shown, and what supervisors learn from it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from qingting.errors import InvalidRequestError, NotFoundError
from qingting.model.account import Permission
from qingting.model.assist_feedback import HintFeedback, Verdict
from qingting.model.ids import new_id
from qingting.service.figures import Period, Wanted, number_of, period_of
from qingting.service.reading import require
from qingting.storage import assist_feedback, calls

if TYPE_CHECKING:
    from qingting.model.account import Actor
    from qingting.model.live_event import AssistHint, HintKind
    from qingting.service.center import Service


@dataclass(frozen=True, kw_only=True)
class HintFigures:
    """What became of the hints of a kind, or of a kind and topic."""

    kind: HintKind
    topic: str
    """Empty where all topics of the kind are counted together."""
    shown: int
    """Hints that agents were shown."""
    useful: int
    not_useful: int
    dismissed: int
    """Verdicts; several people may give one on the same hint."""


def shown(service: Service, call_id: str, hints: Sequence[AssistHint]) -> None:
    """Note that a running call told hints to its agent; only of these may anybody give feedback.

    A call that was deleted meanwhile is no error.
    """
    if not hints:
        return
    with service.database.write() as connection:
        call = calls.find(connection, call_id)
        if call is None:
            return
        noted = [
            HintFeedback(
                id=new_id(),
                hint_id=hint.hint_id,
                kind=hint.kind,
                topic=hint.topic,
                verdict=Verdict.SHOWN,
                agent_id=call.agent_id,
                actor_id="",
                at_ms=service.clock(),
            )
            for hint in hints
        ]
        assist_feedback.add_shown(connection, call.id, noted)


def give(service: Service, actor: Actor, call_id: str, hint_id: str, verdict: Verdict) -> HintFeedback:
    """Say what one thinks of a hint; saying it again changes it.

    Raises AccessDeniedError, InvalidRequestError, NotFoundError for a call out of reach and a hint that was not shown.
    """
    require(actor, Permission.CALLS_READ)
    if verdict is Verdict.SHOWN:
        raise InvalidRequestError("`shown` is nobody's verdict.", field="verdict")
    with service.database.write() as connection:
        call = calls.get(connection, call_id, actor.reach)
        hint = assist_feedback.shown(connection, call.id, hint_id)
        if hint is None:
            raise NotFoundError("The call showed no such hint.")
        given = replace(hint, id=new_id(), verdict=verdict, actor_id=actor.id, at_ms=service.clock())
        assist_feedback.give(connection, call.id, given)
    return given


def summary(
    service: Service, actor: Actor, wanted: Wanted, *, by_topic: bool = False
) -> tuple[Period, list[HintFigures]]:
    """Count hints of calls within reach and verdicts on them, the kinds shown most often first.

    `wanted` gives days, team and agent. Raises AccessDeniedError, InvalidRequestError.
    """
    require(actor, Permission.MEASURES_READ)
    period = period_of(service, wanted)
    with service.database.read() as connection:
        found = assist_feedback.counts(
            connection,
            reach=actor.reach,
            from_day=number_of(period.first),
            to_day=number_of(period.last),
            team=wanted.team,
            agent_id=wanted.agent_id,
        )
    rows = [
        HintFigures(
            kind=kind,
            topic=topic,
            shown=verdicts.get(Verdict.SHOWN, 0),
            useful=verdicts.get(Verdict.USEFUL, 0),
            not_useful=verdicts.get(Verdict.NOT_USEFUL, 0),
            dismissed=verdicts.get(Verdict.DISMISSED, 0),
        )
        for (kind, topic), verdicts in found.items()
    ]
    return period, sorted(rows if by_topic else _by_kind(rows), key=lambda row: (-row.shown, row.kind, row.topic))


def _by_kind(rows: Iterable[HintFigures]) -> list[HintFigures]:
    found: dict[HintKind, HintFigures] = {}
    for row in rows:
        so_far = found.get(row.kind)
        found[row.kind] = replace(row, topic="") if so_far is None else _sum(so_far, row)
    return list(found.values())


def _sum(one: HintFigures, other: HintFigures) -> HintFigures:
    return replace(
        one,
        shown=one.shown + other.shown,
        useful=one.useful + other.useful,
        not_useful=one.not_useful + other.not_useful,
        dismissed=one.dismissed + other.dismissed,
    )
