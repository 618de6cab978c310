"""Which recordings the arguments mean."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from qingting.cli.recordings import collect, read_call_list
from qingting.errors import InputError
from qingting.model.call import AgentChannel


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("a.wav", "b.MP3", "notes.txt", "deep/er/c.amr", "deep/a.mp3"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    return tmp_path


def names(folder: Path, *paths: str) -> list[str]:
    jobs = collect([str(folder / p) for p in paths], {}, agent_channel="auto", line_of_business="general")
    return [job.path.relative_to(folder).as_posix() for job in jobs]


def test_a_folder_is_searched_with_its_sub_folders_for_recordings_only(folder: Path) -> None:
    assert names(folder, "") == ["a.wav", "b.MP3", "deep/a.mp3", "deep/er/c.amr"]


def test_a_named_file_is_always_tried(folder: Path) -> None:
    assert names(folder, "notes.txt") == ["notes.txt"]


def test_globs_and_double_mentions(folder: Path) -> None:
    assert names(folder, "**/*.mp3", "a.wav", "deep/a.mp3") == ["deep/a.mp3", "a.wav"]


@pytest.mark.parametrize("path", ["absent.wav", "*.flac"])
def test_an_argument_that_means_nothing_is_an_error(folder: Path, path: str) -> None:
    with pytest.raises(InputError):
        names(folder, path)


def test_an_empty_folder_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(InputError):
        names(tmp_path, "")


def test_call_ids_are_unique(folder: Path) -> None:
    jobs = collect([str(folder)], {}, agent_channel="auto", line_of_business="general")
    ids = [job.call.call_id for job in jobs]
    assert ids == ["a.wav", "b", "a.mp3", "c"]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030"])
def test_a_call_list_fills_the_call_data(folder: Path, encoding: str) -> None:
    path = folder / "calls.csv"
    path.write_bytes("file,call_id,agent_channel,team,满意度\na.wav,K1,right,售后组,5\n".encode(encoding))
    jobs = collect(
        [str(folder / "a.wav"), str(folder / "b.MP3")],
        read_call_list(path),
        agent_channel="left",
        line_of_business="ecommerce",
    )
    listed, unlisted = (job.call for job in jobs)
    assert (listed.call_id, listed.agent_channel, listed.team) == ("K1", AgentChannel.RIGHT, "售后组")
    assert listed.fields == {"满意度": "5"}
    assert (unlisted.call_id, unlisted.agent_channel, unlisted.team) == ("b", AgentChannel.LEFT, "")
    assert listed.line_of_business == unlisted.line_of_business == "ecommerce"


@pytest.mark.parametrize("content", ["", "recording,team\na.wav,x\n"])
def test_a_call_list_without_the_file_column_is_an_error(tmp_path: Path, content: str) -> None:
    (tmp_path / "calls.csv").write_text(content)
    with pytest.raises(InputError):
        read_call_list(tmp_path / "calls.csv")


def test_a_wrong_channel_in_a_call_list_is_an_error(folder: Path) -> None:
    (folder / "calls.csv").write_text("file,agent_channel\na.wav,middle\n")
    with pytest.raises(InputError):
        collect(
            [str(folder / "a.wav")],
            read_call_list(folder / "calls.csv"),
            agent_channel="auto",
            line_of_business="general",
        )


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=200)
@given(st.one_of(st.binary(max_size=300), st.text(max_size=200).map(lambda t: ("file,team\n" + t).encode())))
def test_any_bytes_give_a_call_list_or_an_input_error(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "calls.csv"
    path.write_bytes(content)
    try:
        rows = read_call_list(path)
    except InputError:
        return
    assert all(isinstance(value, str) for row in rows.values() for value in row.values())
