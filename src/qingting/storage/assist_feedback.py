"""Hints that agents were shown, and what people said of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from sqlalchemy import Connection, Row, func, select

from qingting.model.account import Reach
from qingting.model.assist_feedback import HintFeedback, Verdict
from qingting.model.live_event import HintKind
from qingting.storage.statements import insert_for, within
from qingting.storage.tables import assist_feedback, calls

_KEY = ("call", "hint_id", "actor_id")


def add_shown(connection: Connection, call: int, shown: Sequence[HintFeedback]) -> None:
    """Note that a call (by number) told hints; those noted before stay as they are."""
    if shown:
        rows = [{**asdict(one), "call": call} for one in shown]
        connection.execute(insert_for(connection, assist_feedback).on_conflict_do_nothing(), rows)


def give(connection: Connection, call: int, feedback: HintFeedback) -> None:
    """Store what somebody says of a hint of a call (by number); said again, it replaces what was said."""
    statement = insert_for(connection, assist_feedback).values(**asdict(feedback), call=call)
    changed = {name: statement.excluded[name] for name in ("verdict", "at_ms")}
    connection.execute(statement.on_conflict_do_update(index_elements=_KEY, set_=changed))


def shown(connection: Connection, call: int, hint_id: str) -> HintFeedback | None:
    """Return the note that a call (by number) told a hint; None when it told no such hint."""
    c = assist_feedback.c
    told = (c.call == call, c.hint_id == hint_id, c.verdict == Verdict.SHOWN.value)
    row = connection.execute(select(assist_feedback).where(*told)).one_or_none()
    return None if row is None else _feedback(row)


def of_call(connection: Connection, call: int) -> list[HintFeedback]:
    """Return all that is noted of a call's hints (by number), in order."""
    c = assist_feedback.c
    rows = connection.execute(select(assist_feedback).where(c.call == call).order_by(c.at_ms, c.id))
    return [_feedback(row) for row in rows]


def counts(
    connection: Connection, *, reach: Reach, from_day: int, to_day: int, team: str = "", agent_id: str = ""
) -> Mapping[tuple[HintKind, str], Mapping[Verdict, int]]:
    """Count verdicts on hints of calls within reach by kind and topic; days (20261130) are the calls', inclusive."""
    c, allowed = assist_feedback.c, within(reach, calls)
    conditions = [
        calls.c.day >= from_day,
        calls.c.day <= to_day,
        *([] if allowed is None else [allowed]),
        *(column == value for column, value in ((calls.c.team, team), (calls.c.agent_id, agent_id)) if value),
    ]
    query = (
        select(c.kind, c.topic, c.verdict, func.count().label("number"))
        .join(calls, calls.c.id == c.call)
        .where(*conditions)
        .group_by(c.kind, c.topic, c.verdict)
    )
    found: dict[tuple[HintKind, str], dict[Verdict, int]] = {}
    for row in connection.execute(query):
        found.setdefault((HintKind(row.kind), row.topic), {})[Verdict(row.verdict)] = row.number
    return found


def _feedback(row: Row[Any]) -> HintFeedback:
    values = dict(row._mapping)  # noqa: SLF001  SQLAlchemy's documented access
    del values["call"]
    return HintFeedback(**{**values, "kind": HintKind(values["kind"]), "verdict": Verdict(values["verdict"])})
