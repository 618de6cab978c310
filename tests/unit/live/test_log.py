"""Events are numbered, and whoever lost some gets them again."""

from __future__ import annotations

import json

from qingting.live import log
from qingting.live.log import EventLog
from qingting.live.wire import Told


def event(name: str, **more: str) -> Told:
    return Told(text=json.dumps({"type": name}), **more)


def names(found: list[tuple[int, str]]) -> list[tuple[int, str]]:
    assert all(json.loads(text)["sequence"] == number for number, text in found)
    return [(number, json.loads(text)["type"]) for number, text in found]


def test_events_come_after_a_number_in_order() -> None:
    told = EventLog()
    told.append([event("a"), event("b")])
    told.append([event("c")])
    assert names(told.after(0)[0]) == [(1, "a"), (2, "b"), (3, "c")]
    assert names(told.after(2)[0]) == [(3, "c")]
    assert told.after(3) == ([], False)
    assert told.after(99) == ([], False)


def test_unfinished_words_go_when_newer_ones_or_the_final_come() -> None:
    told = EventLog()
    told.append([event("partial", partial_of="left"), event("partial", partial_of="right")])
    told.append([event("partial", partial_of="left")])
    assert names(told.after(0)[0]) == [(2, "partial"), (3, "partial")]
    told.append([event("utterance", final_of="left")])
    assert names(told.after(0)[0]) == [(2, "partial"), (4, "utterance")]
    told.append([event("utterance", final_of="left"), event("dropped", final_of="right")])
    assert names(told.after(0)[0]) == [(4, "utterance"), (5, "utterance"), (6, "dropped")]


def test_listeners_are_called_until_they_leave() -> None:
    told, calls = EventLog(), []
    wake = lambda: calls.append(told.last)  # noqa: E731
    told.listen(wake)
    told.append([event("a")])
    told.close()
    told.forget(wake)
    told.append([event("b")])
    assert calls == [1, 1]
    assert told.closed


def test_memory_is_bounded_and_the_loss_is_told(monkeypatch) -> None:
    monkeypatch.setattr(log, "MOST_BYTES", 4000)
    told = EventLog()
    for _ in range(1000):
        told.append([event("finding")])
    found, forgotten = told.after(0)
    assert forgotten
    assert sum(len(text) for _, text in found) <= 4000
    assert found[-1][0] == 1000
    assert not told.after(found[0][0])[1]


def test_partial_words_alone_never_grow() -> None:
    told = EventLog()
    for _ in range(10_000):
        told.append([event("partial", partial_of="left")])
    assert len(told.after(0)[0]) == 1
