"""A watched folder: what is taken, with which call data, and that nothing is taken twice or lost."""

from __future__ import annotations

import json
import os
import threading
import wave
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from qingting.errors import StorageFullError, TooManyRequestsError
from qingting.model.account import SYSTEM
from qingting.model.call import CallInfo
from qingting.service import call_records, intake, watch_folder
from qingting.service.center import Service
from qingting.service.documents import call_from_plain
from qingting.service.watch_folder import Looked, look
from qingting.storage import calls, jobs, recordings

CHAT = [{"role": "customer", "text": "退款多久到账？"}, {"role": "agent", "text": "三天。"}]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "watched"
    made.mkdir()
    return made


@pytest.fixture
def watched(service: Service, folder: Path) -> Callable[..., Service]:
    """The service with the folder watched; further settings of the section."""
    watch_folder._dealt_with.clear()

    def with_settings(**more: Any) -> Service:
        section = service.settings.watch.model_copy(update={"folder": folder, "settle_seconds": 0.0, **more})
        return replace(service, settings=service.settings.model_copy(update={"watch": section}))

    return with_settings


def wav(path: Path, frames: int = 8000) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes(os.urandom(2 * frames))
    return path


def write(path: Path, plain: object) -> Path:
    path.write_text(plain if isinstance(plain, str) else json.dumps(plain, ensure_ascii=False), encoding="utf-8")
    return path


def known(service: Service) -> dict[str, CallInfo]:
    with service.database.read() as connection:
        rows = calls.page(connection, reach=SYSTEM.reach, wanted=calls.CallFilter(), limit=100).items
    return {row.call_id: call_from_plain(row.info) for row in rows}


def job_count(service: Service) -> int:
    with service.database.read() as connection:
        return jobs.waiting(connection)


def files(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if not path.is_dir())


def outcome(looked: Looked) -> tuple[int, int, bool]:
    return looked.taken, looked.rejected, looked.stopped


def test_recordings_of_all_folders_are_taken_once_and_moved(watched: Callable[..., Service], folder: Path) -> None:
    service = watched(line_of_business="ecommerce")
    wav(folder / "0001.wav")
    wav(folder / "sub" / "deeper" / "0002.wav")
    write(folder / "chat.json", CHAT)
    assert outcome(look(service)) == (3, 0, False)
    assert files(folder) == ["done/0001.wav", "done/chat.json", "done/sub/deeper/0002.wav"]
    assert set(known(service)) == {"0001", "0002", "chat"}
    assert known(service)["0001"].line_of_business == "ecommerce"
    assert outcome(look(service)) == (0, 0, False)
    assert job_count(service) == 3
    with service.database.read() as connection:
        row = calls.find(connection, "0001")
    assert row is not None
    assert row.source == "watch"


@pytest.mark.parametrize(
    "name", [".0001.wav", "0001.wav.part", "0001.WAV.TMP", "0001.filepart", "0001.wav~", ".sub/0001.wav", "done/1.wav"]
)
def test_unfinished_and_hidden_files_are_left(watched: Callable[..., Service], folder: Path, name: str) -> None:
    wav(folder / name)
    assert outcome(look(watched())) == (0, 0, False)
    assert files(folder) == [name]


def test_a_file_is_taken_when_it_has_settled(
    watched: Callable[..., Service], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    service = watched(settle_seconds=30.0)
    path = wav(folder / "0001.wav")
    os.utime(path, (1, 1))
    assert outcome(look(service)) == (0, 0, False), "an old time of change proves nothing"
    later = path.stat().st_ctime + 31
    monkeypatch.setattr(watch_folder.time, "time", lambda: later)
    assert outcome(look(service)) == (1, 0, False)


def test_a_file_that_grows_while_it_is_read_waits(
    watched: Callable[..., Service], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = wav(folder / "0001.wav")
    real = watch_folder.pieces

    def growing(file: Any) -> Any:
        yield from real(file)
        with path.open("ab") as more:
            more.write(b"more")

    monkeypatch.setattr(watch_folder, "pieces", growing)
    assert outcome(look(watched())) == (0, 0, False)
    assert job_count(watched()) == 0


def test_links_are_not_followed(watched: Callable[..., Service], folder: Path, tmp_path: Path) -> None:
    outside = wav(tmp_path / "outside" / "0001.wav")
    (folder / "file.wav").symlink_to(outside)
    (folder / "sub").symlink_to(outside.parent, target_is_directory=True)
    os.mkfifo(folder / "pipe.wav")
    assert outcome(look(watched())) == (0, 0, False)
    write(folder / "calls.csv", f"file,desktop_events\n0002.wav,{outside}\n0003.wav,../outside/0001.wav\n")
    wav(folder / "0002.wav")
    wav(folder / "0003.wav")
    assert outcome(look(watched())) == (0, 2, False), "nor are lists that lead outside"


@pytest.mark.parametrize("name", ["0001.wav.json", "0001.json"])
def test_call_data_beside_the_recording(watched: Callable[..., Service], folder: Path, name: str) -> None:
    data = {
        "call_id": "real-id", "agent_id": 1001, "team": "物流组", "line_of_business": "finance", "direction": "inbound",
        "started_at": "2026-11-30 09:15:02", "fields": {"渠道": "APP"}, "队列": "VIP",
        "options": {"noise_reduction": "off"},
        "desktop_events": [{"at_ms": 5, "kind": "search", "query": "退款"}],
    }  # fmt: skip
    write(folder / name, data)
    service = watched()
    assert outcome(look(service)) == (0, 0, False), "it waits for its recording"
    wav(folder / "0001.wav")
    assert outcome(look(service)) == (1, 0, False)
    call = known(service)["real-id"]
    assert (call.agent_id, call.team, call.line_of_business) == ("1001", "物流组", "finance")
    assert call.started_at == "2026-11-30T09:15:02+08:00"
    assert call.fields == {"渠道": "APP", "队列": "VIP"}
    assert call.desktop_events is not None
    assert files(folder) == sorted(["done/0001.wav", f"done/{name}"])


def test_a_list_and_a_file_of_actions(watched: Callable[..., Service], folder: Path) -> None:
    rows = [
        "file,call_id,agent_id,started_at,渠道,desktop_events",
        "0001.wav,c1,1001,2026/11/30 9:15,APP,",
        "0002.wav,c2,,,,kb/2.jsonl",
    ]
    write(folder / "calls.csv", "\n".join(rows))
    wav(folder / "0001.wav")
    write(folder / "0001.desktop.jsonl", '{"at_ms": 5, "kind": "search", "query": "退款"}')
    wav(folder / "0002.wav")
    (folder / "kb").mkdir()
    write(folder / "kb" / "2.jsonl", '{"at_ms": 7, "kind": "open", "article": "KB-1"}')
    service = watched()
    looked = look(service)
    assert looked.taken == 2
    found = known(service)
    assert (found["c1"].agent_id, found["c1"].started_at) == ("1001", "2026-11-30T09:15:00+08:00")
    assert [event.at_ms for call in ("c1", "c2") for event in found[call].desktop_events or ()] == [5, 7]
    assert {"calls.csv", "done/0001.desktop.jsonl"} <= set(files(folder))


def test_call_records_tell_of_a_recording_by_its_name(
    watched: Callable[..., Service], folder: Path, tmp_path: Path
) -> None:
    service = watched(line_of_business="ecommerce")
    table = write(tmp_path / "records.csv", "通话编号,班组,业务线\n0001,物流组,金融\n0002,物流组,\n")
    call_records.import_calls(service, SYSTEM, table)
    wav(folder / "0001.wav")
    wav(folder / "0002.wav")
    look(service)
    found = known(service)
    assert (found["0001"].team, found["0001"].line_of_business) == ("物流组", "finance")
    assert found["0002"].line_of_business == "ecommerce"
    assert job_count(service) == 2


@pytest.mark.parametrize(
    ("name", "content", "code"),
    [
        ("a.wav", b"", "empty_audio"),
        ("a.wav", b"hello, no sound" * 100, "not_audio"),
        ("a.txt", b"notes", "not_audio"),
        ("a.json", b"{broken", "script"),
        ("a.csv", b"x,y\n1,2\n", "script"),
    ],
)
def test_what_cannot_be_taken_goes_aside_with_its_reason(
    watched: Callable[..., Service], folder: Path, name: str, content: bytes, code: str
) -> None:
    (folder / name).write_bytes(content)
    wav(folder / "good.wav")
    service = watched()
    assert outcome(look(service)) == (1, 1, False)
    reason = json.loads((folder / "rejected" / f"{name}.reason.json").read_text(encoding="utf-8"))
    assert reason["code"] == code
    assert set(reason) == {"code", "cause", "remedy"}
    assert files(folder) == ["done/good.wav", f"rejected/{name}", f"rejected/{name}.reason.json"]
    assert outcome(look(service)) == (0, 0, False)


@pytest.mark.parametrize(
    "data",
    ["{broken", "[1]", {"fields": 5}, {"options": {"unknown": "1"}}, {"call_id": "a/b"}, {"line_of_business": "nope"},
     {"agent_channel": "top"}, {"started_at": "yesterday"}, {"agent_id": ["x"]}, {"desktop_events": {"a": 1}},
     {"desktop_events": [{"kind": "nope"}]}],
)  # fmt: skip
def test_broken_call_data_are_rejected_with_their_recording(
    watched: Callable[..., Service], folder: Path, data: object
) -> None:
    wav(folder / "0001.wav")
    write(folder / "0001.wav.json", data)
    service = watched()
    assert outcome(look(service)) == (0, 1, False)
    assert files(folder) == ["rejected/0001.wav", "rejected/0001.wav.json", "rejected/0001.wav.reason.json"]
    assert job_count(service) == 0


def test_a_broken_list_makes_its_recordings_wait(watched: Callable[..., Service], folder: Path) -> None:
    wav(folder / "0001.wav")
    wav(folder / "sub" / "0002.wav")
    (folder / "calls.csv").write_bytes(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1")
    assert outcome(look(watched())) == (1, 0, False)
    assert "0001.wav" in files(folder)
    write(folder / "calls.csv", "file,call_id\n0001.wav,c1\n")
    assert outcome(look(watched())) == (1, 0, False)


def test_a_crash_after_acceptance_takes_nothing_twice(
    watched: Callable[..., Service], folder: Path, monkeypatch: pytest.MonkeyPatch, clock: Any
) -> None:
    service = watched()
    wav(folder / "0001.wav")
    write(folder / "0001.wav.json", {"call_id": "c1"})

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(watch_folder, "_put_away", killed)
        for hours in (0, 1, 30):
            clock.ms += hours * 3_600_000
            with pytest.raises(KeyboardInterrupt):
                look(service)
    assert outcome(look(service)) == (1, 0, False)
    assert files(folder) == ["done/0001.wav", "done/0001.wav.json"]
    assert job_count(service) == 1
    with service.database.read() as connection:
        call = calls.find(connection, "c1")
        assert call is not None
        assert len(recordings.of_calls(connection, [call.id])) == 1


def test_another_recording_of_a_call_is_rejected(watched: Callable[..., Service], folder: Path) -> None:
    service = watched()
    wav(folder / "a" / "0001.wav")
    wav(folder / "b" / "0001.wav")
    assert outcome(look(service)) == (1, 1, False)
    reason = json.loads((folder / "rejected" / "b" / "0001.wav.reason.json").read_text(encoding="utf-8"))
    assert reason["code"] == "conflict"


def test_two_workers_take_each_file_once(watched: Callable[..., Service], folder: Path) -> None:
    service = watched()
    for number in range(20):
        wav(folder / f"{number}.wav", 100)
    looks: list[Looked] = []
    threads = [threading.Thread(target=lambda: looks.append(look(service))) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    while not all(name.startswith("done/") for name in files(folder)):
        looks.append(look(service))
    assert job_count(service) == len(known(service)) == 20
    assert [one.rejected for one in looks if one.rejected] == []
    assert len(files(folder)) == 20


@pytest.mark.parametrize("error", [TooManyRequestsError("full"), StorageFullError("full")])
def test_it_stops_when_the_service_is_full_and_goes_on_later(
    watched: Callable[..., Service], folder: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    service = watched()
    for number in range(4):
        wav(folder / f"{number}.wav", 100)
    real, accepted = intake.submit, []

    def limited(*arguments: Any, **named: Any) -> Any:
        if len(accepted) == 2:
            raise error
        accepted.append("")
        return real(*arguments, **named)

    with monkeypatch.context() as patch:
        patch.setattr(intake, "submit", limited)
        assert outcome(look(service)) == (2, 0, True)
    assert files(folder) == ["2.wav", "3.wav", "done/0.wav", "done/1.wav"]
    assert outcome(look(service)) == (2, 0, False)


def test_one_look_takes_so_many(watched: Callable[..., Service], folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch_folder, "MOST_AT_ONCE", 3)
    for number in range(5):
        wav(folder / f"{number}.wav", 100)
    assert [look(watched()).taken for _ in range(3)] == [3, 2, 0]


def test_taken_files_may_be_deleted(watched: Callable[..., Service], folder: Path) -> None:
    wav(folder / "0001.wav")
    write(folder / "0001.wav.json", {})
    (folder / "bad.wav").write_bytes(b"no sound at all")
    assert outcome(look(watched(after="delete"))) == (1, 1, False)
    assert files(folder) == ["rejected/bad.wav", "rejected/bad.wav.reason.json"], "what was not taken is never deleted"


def test_files_may_be_left_where_they_are(watched: Callable[..., Service], folder: Path) -> None:
    service = watched(after="leave")
    path = wav(folder / "0001.wav")
    (folder / "bad.wav").write_bytes(b"no sound at all")
    assert outcome(look(service)) == (1, 1, False)
    assert outcome(look(service)) == (0, 0, False)
    watch_folder._dealt_with.clear()
    assert look(service).taken == 1, "after a restart it is asked again, and nothing happens"
    assert job_count(service) == 1
    wav(path, 50)
    assert look(service).rejected == 1, "other content under the name of a call that is known"
    assert files(folder) == ["0001.wav", "bad.wav"]


def test_a_name_that_was_used_before_is_kept_apart(watched: Callable[..., Service], folder: Path) -> None:
    service = watched()
    (folder / "done").mkdir()
    (folder / "done" / "0001.wav").write_bytes(b"earlier")
    wav(folder / "0001.wav")
    look(service)
    assert (folder / "done" / "0001.wav").read_bytes() == b"earlier"
    assert len(files(folder)) == 2


def test_what_cannot_be_read_or_moved_stops_no_others(
    watched: Callable[..., Service], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    service = watched()
    wav(folder / "a.wav")
    wav(folder / "b.wav")
    wav(folder / "c.wav")
    real_open, real_move = os.open, watch_folder._move

    def no_a(path: Any, *arguments: Any, **named: Any) -> int:
        if Path(path).name == "a.wav":
            raise PermissionError
        return real_open(path, *arguments, **named)

    def no_b(path: Path, *arguments: Any) -> None:
        if path.name == "b.wav":
            raise PermissionError
        real_move(path, *arguments)

    monkeypatch.setattr(watch_folder.os, "open", no_a)
    monkeypatch.setattr(watch_folder, "_move", no_b)
    assert outcome(look(service)) == (2, 1, False)
    assert json.loads((folder / "rejected" / "a.wav.reason.json").read_text())["code"] == "unreadable_audio"
    assert outcome(look(service)) == (0, 0, False), "what could not be moved is not asked again"
    assert job_count(service) == 2


def test_a_folder_that_is_missing_is_no_error(watched: Callable[..., Service], folder: Path) -> None:
    folder.rmdir()
    assert outcome(look(watched())) == (0, 0, False)
