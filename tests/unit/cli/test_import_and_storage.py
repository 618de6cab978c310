"""`qingting import` and `qingting storage` over an installation of their own."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from qingting.bootstrap.service import open_service
from qingting.cli import app
from qingting.errors import ConflictError, QingtingError, StorageError, StorageVersionError
from qingting.settings import load_settings
from qingting.storage import calls


@pytest.fixture(autouse=True)
def _own_installation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("QINGTING_STORAGE__FOLDER", str(tmp_path / "data"))
    monkeypatch.setenv("QINGTING_STORAGE__MIN_FREE_BYTES", "0")


def run(*arguments: str) -> Result:
    result = CliRunner().invoke(app, arguments)
    assert result.exception is None, result.output
    return result


def refused(*arguments: str) -> BaseException:
    error = CliRunner().invoke(app, arguments).exception
    assert isinstance(error, QingtingError)
    return error


def test_lists_are_taken_in_and_problems_printed(tmp_path: Path) -> None:
    (tmp_path / "calls.csv").write_text("通话编号,满意度\nc1,5\nc2,王小明\n", encoding="gb18030")
    result = run("import", "call-records", "calls.csv")
    assert result.stdout == "1 added, 0 changed, 0 unchanged, 1 refused\n"
    assert result.stderr == "row 3, csat: is no score from 1 to 5\n"
    (tmp_path / "scores.csv").write_text("call_id,score\nc1,2\n")
    assert run("import", "csat", "scores.csv").stdout == "0 added, 1 changed, 0 unchanged, 0 refused\n"
    (tmp_path / "kb.jsonl").write_text('{"call_id": "c1", "at_ms": 5, "kind": "open", "article": "KB-1"}\n')
    assert "1 actions; 0 calls are analysed again" in run("import", "desktop-events", "kb.jsonl").stdout
    with open_service(load_settings()) as service, service.database.read() as connection:
        row = calls.find(connection, "c1")
    assert row is not None
    assert row.csat == 2.0


def test_many_problems_are_cut_short(tmp_path: Path) -> None:
    (tmp_path / "calls.csv").write_text("call_id,csat\n" + "c,9\n" * 50)
    result = run("import", "call-records", "calls.csv")
    assert len(result.stderr.splitlines()) == 21
    assert "30 more" in result.stderr


def test_tables_are_brought_up_to_date_and_required(tmp_path: Path) -> None:
    assert isinstance(refused("storage", "check"), StorageVersionError)
    assert "were at nothing" in run("storage", "upgrade").stdout
    before, _, after = run("storage", "upgrade").stdout.strip().removeprefix("tables were at ").partition(", are at ")
    assert before == after
    assert "0 recordings, 0 of them missing; database sound" in run("storage", "check").stdout


def test_a_backup_is_restored_into_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "calls.csv").write_text("call_id\nc1\n")
    run("import", "call-records", "calls.csv")
    assert run("storage", "backup", "copy").stdout.startswith("1 files")
    assert isinstance(refused("storage", "restore", "copy"), ConflictError)
    monkeypatch.setenv("QINGTING_STORAGE__FOLDER", str(tmp_path / "new"))
    assert "restored 1 files" in run("storage", "restore", "copy").stdout
    assert "database sound" in run("storage", "check").stdout
    assert run("import", "call-records", "calls.csv").stdout.startswith("0 added, 0 changed, 1 unchanged")


def test_missing_recordings_are_found(tmp_path: Path) -> None:
    from qingting.model.account import SYSTEM
    from qingting.model.call import CallInfo
    from qingting.service.intake import Submission, submit

    (tmp_path / "c.json").write_text('[{"role": "customer", "text": "x"}]')
    with open_service(load_settings()) as service:
        submit(service, SYSTEM, Submission(call=CallInfo(call_id="c"), file=tmp_path / "c.json"))
    run("storage", "check")
    (recording,) = (tmp_path / "data" / "recordings").rglob("*.json")
    recording.unlink()
    assert isinstance(refused("storage", "check"), StorageError)


def test_measures_are_rebuilt() -> None:
    run("storage", "upgrade")
    assert run("storage", "rebuild-measures").stdout == "0 reports, 0 counted otherwise, 0 unreadable\n"
