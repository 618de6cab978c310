"""The wall shows all running calls, of this process and of others, to who may see them."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from qingting.live import wall as wall_module
from qingting.live.card import Card
from qingting.live.masking import LiveMasking
from qingting.live.wall import Wall
from qingting.model.call import CallInfo, Role
from qingting.model.finding import Level
from qingting.model.live_event import EmotionChanged, LiveState, ReportReady, RiskRaised
from qingting.privacy.masking import Masker

BEGUN_MS = 1_764_460_800_000
CALL = CallInfo(call_id="c1", agent_id="8012", team="售后")


class Sent:
    """A relay that notes what it is given."""

    def __init__(self) -> None:
        self.lines: list[tuple[str, str]] = []

    def start(self, deliver: Callable[[str], None]) -> None:
        """Nothing to start."""

    def send(self, live_id: str, line: str) -> None:
        self.lines.append((live_id, line))

    def close(self) -> None:
        """Nothing to close."""


def line(state: str = "running", **more: Any) -> str:
    return json.dumps({"id": "l1", "call_id": "c1", "agent_id": "8012", "team": "售后", "state": state, **more})


def everything(_: CallInfo) -> bool:
    return True


def test_a_watcher_gets_all_lines_then_the_newest_of_each() -> None:
    wall = Wall()
    wall.put("l1", CALL, line())
    watcher = wall.watch(everything)
    assert watcher.take() == [line()]
    wall.put("l1", CALL, line(risk=3))
    wall.put("l1", CALL, line(risk=1))
    wall.put("l2", CALL, line(risk=2))
    assert watcher.changed.is_set()
    assert watcher.take() == [line(risk=1), line(risk=2)]
    assert watcher.take() == []
    assert not watcher.changed.is_set()
    wall.forget(watcher)
    wall.put("l1", CALL, line())
    assert watcher.take() == []


def test_nobody_sees_what_is_out_of_reach() -> None:
    wall = Wall()
    watcher = wall.watch(lambda call: call.team == "售前")
    wall.put("l1", CALL, line())
    wall.put_foreign(line())
    assert watcher.take() == []
    assert list(wall.lines(lambda call: call.team == "售前")) == []
    assert list(wall.lines(everything)) == [line()]


def test_a_call_that_is_over_is_shown_once_more() -> None:
    wall = Wall()
    wall.put("l1", CALL, line(faults=2))
    watcher = wall.watch(everything)
    watcher.take()
    wall.state("l1", CALL, LiveState.REPORTED, begun_ms=BEGUN_MS)
    (last,) = watcher.take()
    assert json.loads(last)["state"] == "reported"
    assert json.loads(last)["faults"] == 2
    assert list(wall.lines(everything)) == []


def test_a_call_that_nothing_listens_to_has_a_line() -> None:
    wall = Wall()
    watcher = wall.watch(everything)
    wall.state("l1", CALL, LiveState.FAILED, begun_ms=BEGUN_MS)
    assert json.loads(watcher.take()[0])["call_id"] == "c1"


def test_lines_of_other_processes_come_and_go(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr(wall_module.time, "monotonic", lambda: now[0])
    relay = Sent()
    wall = Wall(relay)
    watcher = wall.watch(everything)
    wall.put_foreign(line())
    wall.put("l2", CALL, line())
    assert relay.lines == [("l2", line())], "others' lines are not told again"
    for nonsense in ("", "[]", "{}", '{"id": 1}', "null"):
        wall.put_foreign(nonsense)
    now[0] += 20
    wall.tend()
    assert relay.lines == [("l2", line())] * 2, "own lines are, for processes that start later"
    watcher.take()
    now[0] += 20
    wall.tend()
    assert json.loads(watcher.take()[0])["state"] == "failed"
    assert list(wall.lines(everything)) == [line()], "the own one stays"


def test_another_process_cannot_change_an_own_line() -> None:
    wall = Wall()
    wall.put("l1", CALL, line(faults=1))
    wall.put_foreign(line(faults=9))
    assert list(wall.lines(everything)) == [line(faults=1)]


def test_a_card_is_written_when_something_changed_and_at_once_when_it_is_urgent() -> None:
    card, masks = Card("l1", CALL, BEGUN_MS), LiveMasking(Masker(()))
    first = json.loads(card.due(0) or "")
    assert (first["state"], first["begun_ms"]) == ("running", BEGUN_MS)
    assert card.due(100) is None
    card.hear(EmotionChanged(at_ms=100, role=Role.CUSTOMER, mood="negative", intensity=0.5), masks)
    assert card.due(200) is None, "soon"
    assert json.loads(card.due(600) or "")["moods"] == {"customer": "negative"}
    risk = RiskRaised(
        at_ms=700,
        level=Level.SERIOUS,
        kind="threat",
        title="投诉或要求升级",
        role=Role.CUSTOMER,
        start_ms=0,
        quote="我要投诉",
    )
    card.hear(risk, masks)
    assert json.loads(card.due(700) or "")["risk"] == 1
    card.hear(ReportReady(at_ms=800, call_id="c1", job_id="j", score=88.0, grade="良好"), masks)
    assert json.loads(card.due(800) or "")["score"] == 88.0
