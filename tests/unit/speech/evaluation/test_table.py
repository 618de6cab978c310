from __future__ import annotations

import pytest

from qingting.model.transcript import Flag
from qingting.speech.evaluation.cer import Errors
from qingting.speech.evaluation.table import (
    FileFigures,
    count_flags,
    error_interval,
    headings,
    markdown,
    plain_row,
    rows_of,
)
from qingting.speech.evaluation.terms import TermCounts


def figures(name: str, wrong: int, **more: object) -> FileFigures:
    values = {
        "name": name, "way": "embedded", "errors": Errors(reference=100, substitutions=wrong), "terms": TermCounts(),
        "audio_seconds": 10.0, "wall_seconds": 2.0, "cpu_seconds": 1.0,
    }  # fmt: skip
    return FileFigures(**{**values, **more})


def test_rows_per_way_and_property() -> None:
    rows = rows_of(
        [
            figures("a", 10, labels={"dialect": "四川", "noise": "10"}, shifts_ms=(100, -300), flags={"loop": 1}),
            figures("b", 30, labels={"dialect": "天津"}, terms=TermCounts(said=4, found=3, false=1)),
            figures("a", 50, way="other", labels={"dialect": "四川", "noise": "10"}),
        ]
    )
    assert [(row.way, row.label, row.value, row.files) for row in rows] == [
        ("embedded", "all", "", 2),
        ("other", "all", "", 1),
        ("embedded", "dialect", "四川", 1),
        ("other", "dialect", "四川", 1),
        ("embedded", "dialect", "天津", 1),
        ("embedded", "noise", "10", 1),
        ("other", "noise", "10", 1),
    ]
    everything = rows[0]
    assert everything.error_rate == pytest.approx(0.2)
    assert everything.term_recall == 0.75
    assert everything.median_shift_ms == 200.0
    assert everything.real_time_factor == pytest.approx(0.2)
    assert everything.cpu_per_second == pytest.approx(0.1)
    assert everything.flags == {"loop": 1}
    assert rows[1].term_recall is None
    assert rows[1].median_shift_ms is None


def test_the_interval_holds_the_rate_and_is_repeatable() -> None:
    parts = [Errors(reference=50, substitutions=n) for n in (2, 5, 9, 14, 3)]
    low, high = error_interval(parts)
    assert low < sum(part.total for part in parts) / 250 < high
    assert error_interval(parts) == (low, high)
    assert error_interval([]) == (0.0, 0.0)


def test_a_table_has_a_cell_per_heading() -> None:
    lines = list(markdown(rows_of([figures("a", 10), figures("b", 0, shifts_ms=(5,), terms=TermCounts(said=1))])))
    assert {line.count("|") for line in lines} == {len(headings()) + 1}
    assert "| 5.00 |" in lines[2]


def test_json_is_plain() -> None:
    import json

    plain = plain_row(rows_of([figures("a", 10)])[0])
    assert json.loads(json.dumps(plain)) == plain
    assert plain["character_error_rate"] == 0.1


def test_flags_are_counted() -> None:
    assert count_flags([Flag.LOOP, Flag.INVENTED, Flag.LOOP]) == {"loop": 2, "invented": 1}
