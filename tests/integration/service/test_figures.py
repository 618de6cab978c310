"""Figures within reach: who gets which sums, what is compared with what, and which questions have no answer."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from typing import Any, Protocol

import pytest
from fastapi.testclient import TestClient

from qingting.api.app import build_app
from qingting.api.limits import Limits
from qingting.errors import InvalidRequestError, NotFoundError
from qingting.model.account import SYSTEM, Actor, Permission, Reach, UserRole
from qingting.service import accounts, figures
from qingting.service.accounts import NewKey
from qingting.service.center import Service
from qingting.service.figures import Dimension, RuleOrder, Wanted
from qingting.storage import measures
from qingting.storage.measures import Contributions, Scope, net


class Clock(Protocol):
    ms: int


DAY = date(2026, 9, 21)
"""The clock's day in Shanghai."""


@dataclass(frozen=True, kw_only=True)
class Inspected:
    """A call, briefly."""

    agent: str = "a1"
    team: str = "物流组"
    day: int = 20260921
    hour: str = "09"
    reason: str = "refund"
    line: str = "ecommerce"
    grade: str = "良好"
    score: int = 900
    missed: bool = False
    bucket: int = 65

    def contributions(self) -> Contributions:
        keys = {
            Scope.TOTAL: "", Scope.TEAM: self.team, Scope.AGENT: self.agent, Scope.HOUR: self.hour,
            Scope.REASON: self.reason, Scope.LINE: self.line, Scope.GRADE: self.grade,
        }  # fmt: skip
        places = [
            (scope.value, self.day, key, "" if scope is Scope.TOTAL else self.team) for scope, key in keys.items()
        ]
        item = {"judged": 1, "hits": 1, "calls": 1, "tenths": -40} if self.missed else {"judged": 1, "met": 1}
        return Contributions(
            measures={place: {"known": 1, "inspected": 1, "scored": 1, "score_tenths": self.score} for place in places},
            rule_measures={
                (scope, rule_id, day, key, team): counts
                for scope, day, key, team in places
                if scope != Scope.GRADE
                for rule_id, counts in (
                    ("compliance.opening", item),
                    (f"contact_reason.{self.reason}", {"hits": 1, "calls": 1}),
                )
            },
            latency_measures={
                ("total", self.day, "", self.bucket): 1,
                ("team", self.day, self.team, self.bucket): 1,
            },
            titles={
                "compliance.opening": ("开场问候", "compliance"),
                "contact_reason.refund": ("来电原因：退款", "contact_reason"),
                "contact_reason.unknown": ("来电原因不明", "contact_reason"),
            },
        )


CALLS = (
    Inspected(),
    Inspected(agent="a2", missed=True, score=800, grade="合格", hour="10"),
    Inspected(agent="b1", team="售后组", reason="unknown", line="finance", bucket=80),
    Inspected(agent="a1", team="售后组", day=20260920, missed=True, score=700),
    Inspected(agent="", team="", day=20260822, reason=""),  # in the thirty days before
    Inspected(agent="b1", team="售后组", day=20260722),  # long ago
)
EVERYBODY = replace(SYSTEM, id="m")
SUPERVISOR = replace(SYSTEM, id="s", role=UserRole.SUPERVISOR, reach=Reach(teams=("物流组",)))
AGENT = replace(SYSTEM, id="a", role=UserRole.AGENT, reach=Reach(agent_id="a1"))
NOBODY = replace(SYSTEM, id="n", role=UserRole.AGENT, reach=Reach())


@pytest.fixture
def centre(service: Service) -> Service:
    with service.database.write() as connection:
        measures.apply(connection, net([call.contributions() for call in CALLS]))
    return service


def test_the_days_are_those_of_the_centre(centre: Service, clock: Clock) -> None:
    clock.ms = 1000 * round(datetime(2026, 9, 21, 15, 59, tzinfo=UTC).timestamp())  # 23:59 in Shanghai
    assert figures.period_of(centre, Wanted()).last == DAY
    clock.ms += 60_000
    assert figures.period_of(centre, Wanted()).last == date(2026, 9, 22)


@pytest.mark.parametrize(
    ("actor", "wanted", "inspected"),
    [
        (EVERYBODY, Wanted(), 4),
        (EVERYBODY, Wanted(from_day=DAY, to_day=DAY), 3),
        (EVERYBODY, Wanted(team="售后组"), 2),
        (EVERYBODY, Wanted(agent_id="a1"), 2),
        (EVERYBODY, Wanted(agent_id="a1", team="售后组"), 1),
        (EVERYBODY, Wanted(line_of_business="finance"), 1),
        (EVERYBODY, Wanted(hour=10), 1),
        (EVERYBODY, Wanted(reason="refund", team="售后组"), 1),
        (EVERYBODY, Wanted(team="no such team"), 0),
        (SUPERVISOR, Wanted(), 2),
        (SUPERVISOR, Wanted(team="物流组"), 2),
        (SUPERVISOR, Wanted(team="售后组"), 0),
        (SUPERVISOR, Wanted(agent_id="a1"), 1),  # of two calls the one in the team
        (SUPERVISOR, Wanted(agent_id="b1"), 0),
        (SUPERVISOR, Wanted(hour=9), 1),
        (AGENT, Wanted(), 2),
        (AGENT, Wanted(agent_id="a1"), 2),
        (AGENT, Wanted(agent_id="a2"), 0),
        (AGENT, Wanted(team="售后组"), 1),
        (NOBODY, Wanted(), 0),
        (NOBODY, Wanted(agent_id="a1"), 0),
    ],
)
def test_reach_and_filters(centre: Service, actor: Actor, wanted: Wanted, inspected: int) -> None:
    found = figures.overview(centre, actor, wanted)
    assert found.figures.inspected == inspected
    period, total, days = figures.coverage(centre, actor, wanted)
    assert (total.inspected, sum(day.inspected for _, day in days), len(days)) == (inspected, inspected, period.days)
    assert sum(day.inspected for _, day in figures.trend(centre, actor, wanted)[1]) == inspected
    judged = {rule.rule_id: rule.figures.judged for rule in rules(centre, actor, wanted)}
    assert judged.get("compliance.opening", 0) == inspected


def rules(centre: Service, actor: Actor, wanted: Wanted, order: RuleOrder = RuleOrder.MISSED, **more: Any) -> Any:
    return figures.rule_list(centre, actor, wanted, order, **more)[1]


@pytest.mark.parametrize(
    ("actor", "wanted", "by", "expected"),
    [
        (EVERYBODY, Wanted(), Dimension.TEAM, {"物流组": 2, "售后组": 2}),
        (EVERYBODY, Wanted(), Dimension.AGENT, {"a1": 2, "a2": 1, "b1": 1}),
        (EVERYBODY, Wanted(team="售后组"), Dimension.AGENT, {"a1": 1, "b1": 1}),
        (EVERYBODY, Wanted(agent_id="a1"), Dimension.TEAM, {"物流组": 1, "售后组": 1}),
        (EVERYBODY, Wanted(agent_id="a1"), Dimension.AGENT, {"a1": 2}),
        (EVERYBODY, Wanted(), Dimension.HOUR, {"09": 3, "10": 1}),
        (EVERYBODY, Wanted(), Dimension.REASON, {"refund": 3, "unknown": 1}),
        (EVERYBODY, Wanted(), Dimension.LINE, {"ecommerce": 3, "finance": 1}),
        (EVERYBODY, Wanted(), Dimension.GRADE, {"良好": 3, "合格": 1}),
        (EVERYBODY, Wanted(line_of_business="finance"), Dimension.TEAM, {"售后组": 1}),
        (SUPERVISOR, Wanted(), Dimension.TEAM, {"物流组": 2}),
        (SUPERVISOR, Wanted(), Dimension.AGENT, {"a1": 1, "a2": 1}),
        (SUPERVISOR, Wanted(), Dimension.REASON, {"refund": 2}),
        (AGENT, Wanted(), Dimension.AGENT, {"a1": 2}),
        (AGENT, Wanted(), Dimension.TEAM, {"物流组": 1, "售后组": 1}),
        (NOBODY, Wanted(), Dimension.AGENT, {}),
    ],
)
def test_comparisons(centre: Service, actor: Actor, wanted: Wanted, by: Dimension, expected: dict[str, int]) -> None:
    _, rows = figures.compare(centre, actor, wanted, by)
    assert {row.key: row.figures.inspected for row in rows} == expected
    if by is not Dimension.GRADE:
        _, rule, found = figures.rule_by(centre, actor, wanted, "compliance.opening", by)
        assert {row.key: row.figures.judged for row in found} == expected
        assert rule.figures.judged == sum(expected.values())


@pytest.mark.parametrize(
    ("actor", "wanted", "by"),
    [
        (EVERYBODY, Wanted(agent_id="a1"), Dimension.HOUR),
        (EVERYBODY, Wanted(hour=9), Dimension.REASON),
        (EVERYBODY, Wanted(line_of_business="finance"), Dimension.AGENT),
        (AGENT, Wanted(), Dimension.HOUR),
        (AGENT, Wanted(), Dimension.GRADE),
        (EVERYBODY, Wanted(agent_id="a1", hour=9), Dimension.TEAM),
    ],
)
def test_what_is_not_kept_is_refused_by_name(centre: Service, actor: Actor, wanted: Wanted, by: Dimension) -> None:
    with pytest.raises(InvalidRequestError, match="not kept"):
        figures.compare(centre, actor, wanted, by)
    with pytest.raises(InvalidRequestError, match="not kept"):
        figures.rule_by(centre, actor, wanted, "compliance.opening", by)


def test_periods_that_make_no_sense_are_refused(centre: Service) -> None:
    for first, last in ((date(2026, 9, 2), date(2026, 9, 1)), (date(2020, 1, 1), DAY), (date(1, 1, 1), date(1, 1, 2))):
        with pytest.raises(InvalidRequestError):
            figures.overview(centre, EVERYBODY, Wanted(from_day=first, to_day=last))


def test_a_period_is_compared_with_the_one_before_it(centre: Service) -> None:
    found = figures.overview(centre, EVERYBODY, Wanted())
    assert (found.period.first, found.period.last) == (date(2026, 8, 23), DAY)
    assert (found.figures.average_score, found.previous.inspected) == (82.5, 1)
    day = figures.overview(centre, EVERYBODY, Wanted(from_day=DAY, to_day=DAY))
    assert (day.figures.inspected, day.previous.inspected, day.previous.average_score) == (3, 1, 70.0)


def test_grades_and_latency_where_they_are_kept(centre: Service) -> None:
    found = figures.overview(centre, EVERYBODY, Wanted())
    assert found.grades == {"良好": 3, "合格": 1}
    assert found.latency is not None
    assert found.latency.reports == 4
    team = figures.overview(centre, SUPERVISOR, Wanted())
    assert team.grades == {"良好": 1, "合格": 1}
    assert team.latency is not None
    assert team.latency.reports == 2
    one = figures.overview(centre, AGENT, Wanted())
    assert (one.grades, one.latency) == (None, None)


def test_latency_by_day(centre: Service) -> None:
    _, whole, days = figures.latency(centre, EVERYBODY, Wanted())
    assert whole.reports == 4
    assert {day: found.reports for day, found in days if found.reports} == {date(2026, 9, 20): 1, DAY: 3}
    assert whole.p50_ms is not None
    assert whole.p99_ms is not None
    assert whole.p50_ms < whole.p99_ms
    with pytest.raises(InvalidRequestError, match="teams only"):
        figures.latency(centre, AGENT, Wanted())


def test_words_for_people(centre: Service) -> None:
    long = Wanted(from_day=date(2026, 7, 1))
    for by, expected in (
        (Dimension.REASON, {"refund": "退款", "unknown": "来电原因不明", "": "未提及来电原因"}),
        (Dimension.HOUR, {"09": "09:00–09:59", "10": "10:00–10:59"}),
        (Dimension.TEAM, {"物流组": "物流组", "售后组": "售后组", "": "未分组"}),
        (Dimension.AGENT, {"a1": "a1", "a2": "a2", "b1": "b1", "": "坐席未知"}),
    ):
        assert {row.key: row.label for row in figures.compare(centre, EVERYBODY, long, by)[1]} == expected


def test_rules_in_order(centre: Service) -> None:
    opening = rules(centre, EVERYBODY, Wanted())[0]
    assert (opening.rule_id, opening.title, opening.dimension) == ("compliance.opening", "开场问候", "compliance")
    assert (opening.figures.missed, opening.figures.rate, opening.figures.points) == (2, 0.5, -8.0)
    assert opening.figures.call_rate == 0.5
    by_calls = [rule.rule_id for rule in rules(centre, EVERYBODY, Wanted(), RuleOrder.CALLS)]
    assert by_calls == ["contact_reason.refund", "compliance.opening", "contact_reason.unknown"]
    assert rules(centre, EVERYBODY, Wanted(), RuleOrder.RATE)[0].rule_id == "compliance.opening"
    assert rules(centre, EVERYBODY, Wanted(), RuleOrder.POINTS)[0].rule_id == "compliance.opening"
    only = rules(centre, EVERYBODY, Wanted(), items_only=True)
    assert [rule.rule_id for rule in only] == ["compliance.opening"]
    reasons = rules(centre, EVERYBODY, Wanted(), dimension="contact_reason")
    assert {rule.rule_id for rule in reasons} == {"contact_reason.refund", "contact_reason.unknown"}


def test_a_rule_that_nobody_knows(centre: Service) -> None:
    with pytest.raises(NotFoundError):
        figures.rule_by(centre, EVERYBODY, Wanted(), "compliance.unheard_of", Dimension.TEAM)


@pytest.fixture
def client(centre: Service) -> Iterator[TestClient]:
    app = build_app(centre)
    app.state.limits = Limits(requests_per_minute=0, sign_ins_per_minute=0)
    with TestClient(app, base_url="http://qingting.test/api/v1/measures/") as opened:
        yield opened


def bearer(service: Service, *scopes: Permission, **more: Any) -> dict[str, str]:
    wanted = NewKey(name="key", role=UserRole.INTEGRATOR, scopes=frozenset(scopes), **more)
    return {"Authorization": f"Bearer {accounts.add_key(service, SYSTEM, wanted)[1]}"}


def test_every_route_answers_within_reach(centre: Service, client: TestClient) -> None:
    headers = bearer(centre, Permission.MEASURES_READ, teams=("物流组",))
    answers = {path: client.get(path, headers=headers) for path in (
        "overview", "trend", "by/agent", "by/hour", "coverage", "latency", "rules",
        "rules/compliance.opening/by/agent?from=2026-09-01&to=2026-09-21&limit=1",
    )}  # fmt: skip
    assert {path: answer.status_code for path, answer in answers.items()} == dict.fromkeys(answers, 200)
    overview = answers["overview"].json()
    assert (overview["figures"]["inspected"], overview["period"]["last"]) == (2, "2026-09-21")
    assert len(answers["trend"].json()["items"]) == 30
    assert [row["key"] for row in answers["by/agent"].json()["items"]] == ["a1", "a2"]
    last = answers["rules/compliance.opening/by/agent?from=2026-09-01&to=2026-09-21&limit=1"].json()
    assert ([row["key"] for row in last["items"]], last["left_off"], last["rule"]["title"]) == (["a2"], 1, "开场问候")
    assert answers["coverage"].json()["figures"]["waiting"] == 0


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("overview?from=2026-13-01", 422),
        ("overview?from=2026-09-02&to=2026-09-01", 422),
        ("overview?hour=24", 422),
        ("overview?agent=a1", 422),  # no such filter: an ignored one would look like an answer
        ("by/weekday", 422),
        ("by/hour?agent_id=a1", 422),
        ("by/agent?limit=0", 422),
        ("rules/no.such.rule/by/team", 404),
        ("latency?agent_id=a1", 422),
    ],
)
def test_wrong_questions(centre: Service, client: TestClient, path: str, status: int) -> None:
    answer = client.get(path, headers=bearer(centre, Permission.MEASURES_READ))
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"


def test_figures_need_their_permission(centre: Service, client: TestClient) -> None:
    assert client.get("overview").status_code == 401
    assert client.get("overview", headers=bearer(centre, Permission.CALLS_READ)).status_code == 403
