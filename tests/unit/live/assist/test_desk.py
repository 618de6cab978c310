"""One hint at a time: the most urgent first, none too often, none against the agent's wish."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from qingting.live.assist.book import HintBook, HintText, Limits
from qingting.live.assist.desk import Candidate, HintDesk
from qingting.model.live_event import HintKind

LIMITS = Limits()


def candidate(since_s: float, *, kind: HintKind = HintKind.EMPATHY, topic: str = "mood", **hint: Any) -> Candidate:
    text = HintText(kind=kind, text="可尝试共情回应：{word}。", **hint)
    return Candidate(name="x", hint=text, topic=topic, since_ms=round(since_s * 1000))


def desk(**limits: Any) -> HintDesk:
    return HintDesk(HintBook(limits=replace(LIMITS, **limits)))


def told(desk: HintDesk, seconds: float, *standing: Candidate) -> str | None:
    """Topic of the hint that is told at a time."""
    found = desk.next(round(seconds * 1000), standing)
    return None if found is None else found[0].topic


def test_a_hint_is_filled_in_and_numbered() -> None:
    one = desk()
    one.offer(replace(candidate(1), values={"word": "失望"}, finding_id="r#1"))
    found = one.next(1500)
    assert found is not None
    hint = found[0]
    assert (hint.hint_id, hint.at_ms, hint.text) == ("h1", 1500, "可尝试共情回应：失望。")
    assert (hint.kind, hint.topic, hint.urgent, hint.finding_id) == (HintKind.EMPATHY, "mood", False, "r#1")
    assert one.next(1600) is None


def test_what_nothing_fills_in_is_left_out() -> None:
    assert candidate(1).text() == "可尝试共情回应：。"


@pytest.mark.parametrize(("hint", "gap"), [({}, 15), ({"urgency": 1}, 5), ({"prompt": True}, 5)])
def test_hints_keep_their_distance(hint: dict[str, Any], gap: float) -> None:
    one = desk(useful_seconds=100)
    one.offer(candidate(10))
    assert told(one, 10) == "mood"
    one.offer(candidate(10, topic="other", **hint))
    assert told(one, 10 + gap - 0.1) is None
    assert told(one, 10 + gap) == "other"


def test_what_matters_much_does_not_wait_for_what_matters_little() -> None:
    one = desk()
    one.offer(candidate(10, urgency=4))
    assert told(one, 10) == "mood"
    for topic, urgency in (("much", 2), ("a little", 3)):
        one.offer(candidate(14, topic=topic, urgency=urgency))
    assert [told(one, seconds) for seconds in (14.9, 15, 20.1, 24)] == [None, "much", None, None]


def test_of_several_the_most_urgent_goes_first_then_the_newest() -> None:
    one = desk(useful_seconds=100)
    for topic, since, urgency in (("old", 8, 2), ("new", 9, 2), ("later", 9, 5), ("urgent", 7, 1)):
        one.offer(candidate(since, topic=topic, urgency=urgency))
    assert [told(one, 10 + 15 * number) for number in range(4)] == ["urgent", "new", "old", "later"]


def test_what_waited_too_long_is_dropped() -> None:
    one = desk()
    one.offer(candidate(1))
    one.offer(candidate(2, topic="b"))
    assert told(one, 2) == "b"
    assert told(one, 30) is None


def test_standing_hints_do_not_grow_old() -> None:
    one = desk()
    one.offer(candidate(10))
    assert told(one, 10) == "mood"
    assert told(one, 30, candidate(12, topic="waiting")) == "waiting"


@pytest.mark.parametrize(("own", "after"), [({}, 90), ({"cool_down_seconds": 200}, 200)])
def test_the_same_does_not_come_again_before_its_time(own: dict[str, Any], after: float) -> None:
    one = desk()
    one.offer(candidate(10, **own))
    assert told(one, 10) == "mood"
    for seconds, wanted in ((10 + after - 1, None), (10 + after, "mood")):
        one.offer(candidate(seconds, **own))
        assert told(one, seconds) == wanted


def test_kind_and_topic_together_make_it_the_same() -> None:
    one = desk()
    for kind, topic in ((HintKind.EMPATHY, "a"), (HintKind.RISK, "a"), (HintKind.RISK, "b")):
        one.offer(candidate(10, kind=kind, topic=topic))
    assert [told(one, 10, *[]), told(one, 25), told(one, 40)] == ["a", None, None]


def test_much_of_late_leaves_room_for_urgent_ones_only() -> None:
    one = desk()
    for number in range(4):
        one.offer(candidate(20 * number, topic=str(number)))
        assert told(one, 20 * number) == str(number)
    one.offer(candidate(80, topic="plain"))
    one.offer(candidate(80, topic="prompt", prompt=True))
    assert told(one, 80) is None
    one.offer(candidate(81, topic="urgent", urgency=1))
    assert told(one, 81) == "urgent"
    one.offer(candidate(190, topic="later"))
    assert told(one, 190) is None
    one.offer(candidate(201, topic="later"))
    assert told(one, 201) == "later"


def test_a_call_has_only_so_many() -> None:
    one = desk(most_hints=2, gap_seconds=0)
    for number in range(4):
        one.offer(candidate(number, topic=str(number), urgency=1))
    assert [told(one, 10 * number) for number in range(1)] == ["3"]
    for number in range(4):
        one.offer(candidate(30, topic=f"x{number}", urgency=1))
    assert [told(one, 30 + 10 * number) for number in range(3)] == ["x0", None, None]


def test_what_an_agent_does_not_want_stays_quiet_for_the_rest_of_the_call() -> None:
    one = desk()
    one.offer(candidate(1))
    assert told(one, 1) == "mood"
    assert not one.dismiss("h2")
    assert one.dismiss("h1")
    one.offer(candidate(500))
    assert told(one, 500) is None
    one.offer(candidate(501, topic="other"))
    assert told(one, 501) == "other"


def test_what_was_done_meanwhile_is_withdrawn() -> None:
    one = desk()
    one.offer(candidate(1))
    one.offer(candidate(1, kind=HintKind.RISK, topic="threat", urgency=2))
    one.withdraw(HintKind.EMPATHY)
    assert told(one, 1) == "threat"
    assert told(one, 16) is None


def test_what_waits_is_bounded() -> None:
    one = desk()
    for number in range(1000):
        one.offer(candidate(number / 100, topic=str(number % 7)))
    assert len(one._waiting) == 7
    one.next(10**9)
    assert one._waiting == {}
