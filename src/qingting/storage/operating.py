"""What those who run the service watch: a handful of counts, each from an index."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, func, select

from qingting.model.alert import AlertState
from qingting.model.delivery import DeliveryState
from qingting.model.job import JobState
from qingting.storage.tables import alerts, deliveries, jobs, reports

JOB_STATES = (JobState.QUEUED.value, JobState.RUNNING.value, JobState.SET_ASIDE.value)
"""States in which a job wants something: ended ones are too many to be counted each time."""
ALERT_STATES = (AlertState.OPEN.value, AlertState.ESCALATED.value)
DELIVERY_STATES = (DeliveryState.PENDING.value, DeliveryState.DEAD.value)


def job_states(connection: Connection) -> dict[str, int]:
    """State -> number of jobs, for JOB_STATES."""
    query = select(jobs.c.state, func.count()).where(jobs.c.state.in_(JOB_STATES)).group_by(jobs.c.state)
    return dict.fromkeys(JOB_STATES, 0) | {state: int(number) for state, number in connection.execute(query)}


def alert_states(connection: Connection) -> dict[str, int]:
    """State -> number of alerts that nobody acknowledged."""
    query = select(alerts.c.state, func.count()).where(alerts.c.state.in_(ALERT_STATES)).group_by(alerts.c.state)
    return dict.fromkeys(ALERT_STATES, 0) | {state: int(number) for state, number in connection.execute(query)}


def delivery_states(connection: Connection) -> dict[str, int]:
    """State -> number of messages that did not arrive."""
    query = select(deliveries.c.state, func.count()).where(deliveries.c.state.in_(DELIVERY_STATES))
    found = connection.execute(query.group_by(deliveries.c.state))
    return dict.fromkeys(DELIVERY_STATES, 0) | {state: int(number) for state, number in found}


def report_waits_ms(connection: Connection, *, since_ms: int, limit: int) -> Sequence[int]:
    """Time from a job's acceptance to its report, of reports stored since a time; the newest ones, at most `limit`."""
    query = (
        select(reports.c.created_ms - jobs.c.created_ms)
        .join(jobs, jobs.c.id == reports.c.job_id)
        .where(reports.c.created_ms >= since_ms)
        .order_by(reports.c.created_ms.desc())
        .limit(limit)
    )
    return [max(0, int(wait)) for wait in connection.execute(query).scalars()]
