"""A folder of stored reports: order, damaged ones, doubles."""

from __future__ import annotations

import pytest

from qingting.backtest.running import _each_once, stored_reports
from qingting.backtest.values import LeftOut
from qingting.errors import InputError


def test_json_files_of_all_folders_in_order_hidden_ones_left_out(tmp_path):
    for name in ("b.json", "a/c.json", ".a.json", ".git/d.json", "e.csv", "f.json.partial"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("{}")
    (tmp_path / "folder.json").mkdir()
    assert [path.relative_to(tmp_path).as_posix() for path in stored_reports(tmp_path)] == ["a/c.json", "b.json"]


def test_a_folder_without_reports_is_an_error(tmp_path):
    with pytest.raises(InputError, match="no stored reports"):
        stored_reports(tmp_path)


def test_a_call_counts_once(make):
    first, again = make.comparison("c1"), make.comparison("c1")
    again = type(again)(call_id="c1", file="copy.json", score=again.score)
    left = LeftOut(file="x.json", reason="…", damaged=True)
    outcomes = list(_each_once([first, left, again]))
    assert outcomes[:2] == [first, left]
    assert isinstance(outcomes[2], LeftOut)
    assert outcomes[2].file == "copy.json"
    assert not outcomes[2].damaged
