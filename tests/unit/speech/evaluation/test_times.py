from __future__ import annotations

from qingting.model.transcript import TimedText
from qingting.speech.evaluation.material import Turn
from qingting.speech.evaluation.times import edge_shifts


def heard(text: str, *, start: int = 1000) -> list[TimedText]:
    return [TimedText(text=c, start_ms=start + 200 * n, end_ms=start + 200 * (n + 1)) for n, c in enumerate(text)]


def turn(text: str, start: int, end: int) -> Turn:
    return Turn(party="left", text=text, start_ms=start, end_ms=end)


def test_edges_of_turns_are_compared() -> None:
    assert edge_shifts([turn("您好，", 900, 1500), turn("再见。", 1400, 1700)], heard("您好再见")) == (
        100,
        -100,
        0,
        100,
    )


def test_edges_that_were_misheard_do_not_count() -> None:
    assert edge_shifts([turn("您好", 1000, 1400)], heard("你好")) == (0,)
    assert edge_shifts([turn("您好", 1000, 1400)], heard("喂喂")) == ()


def test_nothing_to_compare() -> None:
    assert edge_shifts([], heard("您好")) == ()
    assert edge_shifts([turn("……", 0, 5)], heard("您好")) == ()
    assert edge_shifts([turn("您好", 0, 5)], []) == ()
