"""Tables as people bring them: encodings, separators, workbooks; and what is refused."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Sequence
from datetime import datetime, time
from pathlib import Path

import openpyxl
import pytest

from qingting.errors import InvalidRequestError, QingtingError, UnsupportedUploadError, UploadTooLargeError
from qingting.service import _workbook, tables_in
from qingting.service.tables_in import Cell, open_table


def has_id(headings: Sequence[str]) -> bool:
    return "编号" in headings


def read(path: Path) -> list[tuple[int, dict[str, Cell]]]:
    with open_table(path, has_id) as table:
        return [(row.number, dict(row.values)) for row in table.rows]


def file(folder: Path, data: bytes, name: str = "calls.csv") -> Path:
    path = folder / name
    path.write_bytes(data)
    return path


def workbook(folder: Path, rows: Sequence[Sequence[object]], name: str = "calls.xlsx") -> Path:
    book = openpyxl.Workbook(write_only=True)
    sheet = book.create_sheet("通话")
    for row in rows:
        sheet.append(list(row))
    book.save(folder / name)
    return folder / name


def repacked(path: Path, changes: dict[str, bytes | None]) -> Path:
    """The same archive with parts replaced (bytes), added or removed (None)."""
    with zipfile.ZipFile(path) as old:
        parts = {name: old.read(name) for name in old.namelist()}
    kept = {**parts, **changes}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as new:
        for name, data in kept.items():
            if data is not None:
                new.writestr(name, data)
    return path


TEXT = "编号,班组,备注\r\n001,物流组,好\r\n002,,\r\n"
WANTED = [(2, {"编号": "001", "班组": "物流组", "备注": "好"}), (3, {"编号": "002"})]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030", "utf-16", "utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_every_encoding_and_separator_gives_the_same_rows(tmp_path: Path, encoding: str, separator: str) -> None:
    assert read(file(tmp_path, TEXT.replace(",", separator).encode(encoding))) == WANTED


def test_gb18030_is_told_from_utf_8_by_the_whole_file(tmp_path: Path) -> None:
    body = "编号,备注\n" + "1,ok\n" * 400_000 + "2,客户很满意\n"
    rows = read(file(tmp_path, body.encode("gb18030")))
    assert rows[-1][1] == {"编号": "2", "备注": "客户很满意"}


def test_titles_above_the_headings_and_blank_rows_are_passed_over(tmp_path: Path) -> None:
    assert read(file(tmp_path, "通话记录,,\n\n编号,班组,\n7,甲,\n,,\n8,乙,\n".encode())) == [
        (4, {"编号": "7", "班组": "甲"}),
        (6, {"编号": "8", "班组": "乙"}),
    ]


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ('="0012"', "0012"),
        ("\t0012", "0012"),
        ("'0012", "0012"),
        (" 0012 ", "0012"),
        ("a\x00b".replace("\x00", "\x01"), "ab"),
    ],
)
def test_what_keeps_excel_from_changing_numbers_is_taken_off(tmp_path: Path, written: str, meant: str) -> None:
    quoted = '"' + written.replace('"', '""') + '"'
    assert read(file(tmp_path, f"编号\n{quoted}\n".encode())) == [(2, {"编号": meant})]


def test_quoted_cells_may_hold_separators_line_ends_and_unusual_breaks(tmp_path: Path) -> None:
    rows = read(file(tmp_path, '编号,备注\n1,"a,b\nc"\n2,x\u2028y\n'.encode()))
    assert [values for _, values in rows] == [{"编号": "1", "备注": "a,b\nc"}, {"编号": "2", "备注": "x\u2028y"}]


def test_of_two_columns_with_one_name_the_first_counts(tmp_path: Path) -> None:
    assert read(file(tmp_path, "编号,备注,备注\n1,a,b\n".encode())) == [(2, {"编号": "1", "备注": "a"})]


def test_a_workbook_gives_numbers_times_and_texts(tmp_path: Path) -> None:
    at = datetime(2026, 11, 30, 9, 15, 2)
    path = workbook(
        tmp_path, [["通话记录"], ["编号", "开始", "时长", "次数"], ["a", at, time(0, 3, 5), 7], [None], ["b"]]
    )
    assert read(path) == [
        (3, {"编号": "a", "开始": at, "时长": time(0, 3, 5), "次数": 7}),
        (5, {"编号": "b"}),
    ]


def test_a_workbook_that_lies_about_its_size_is_read_to_the_end(tmp_path: Path) -> None:
    path = workbook(tmp_path, [["编号"], ["a"], ["b"]])
    with zipfile.ZipFile(path) as archive:
        sheet = archive.read("xl/worksheets/sheet1.xml")
    changed = sheet.replace(b"<sheetData>", b'<dimension ref="A1:A1"/><sheetData>')
    assert [values for _, values in read(repacked(path, {"xl/worksheets/sheet1.xml": changed}))] == [
        {"编号": "a"},
        {"编号": "b"},
    ]


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600), "old format"),
        (b"<html><table><tr><td>1</td></tr></table>", "web page"),
        (b"\xef\xbb\xbf\r\n  <!DOCTYPE html>", "web page"),
        (b"<?xml version='1.0'?><Workbook/>", "web page"),
        (b"%PDF-1.7", "no table"),
        (b"RIFF\x00\x00\x00\x00WAVE", "no table"),
        (b"\xff\xfe\xfd\xff\x81", "neither UTF-8"),
        (b"\x81\x00\x81", "neither UTF-8"),
    ],
)
def test_other_kinds_are_refused_with_clear_words(tmp_path: Path, data: bytes, words: str) -> None:
    with pytest.raises(UnsupportedUploadError, match=words) as refused:
        read(file(tmp_path, data, "calls.xls"))
    assert refused.value.remedy


@pytest.mark.parametrize("data", [b"", b" \r\n ", b"\xef\xbb\xbf"])
def test_an_empty_file_is_refused(tmp_path: Path, data: bytes) -> None:
    with pytest.raises(InvalidRequestError):
        read(file(tmp_path, data))


def test_a_table_without_the_headings_is_refused(tmp_path: Path) -> None:
    rows = "a,b\n" * 30 + "编号\n1\n"
    with pytest.raises(InvalidRequestError, match="headings"):
        read(file(tmp_path, rows.encode()))


def archive(parts: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, data in parts.items():
            packed.writestr(name, data)
    return out.getvalue()


@pytest.mark.parametrize(
    ("changes", "kind", "words"),
    [
        ({"xl/vbaProject.bin": b"x"}, UnsupportedUploadError, "macros"),
        ({"xl/workbook.xml": None, "xl/workbook.bin": b"x"}, UnsupportedUploadError, "no Excel workbook"),
        ({"xl/media/a.png": bytes(5_000_000)}, InvalidRequestError, "unpacks"),
        ({f"xl/{n}.xml": b"" for n in range(2100)}, InvalidRequestError, "unpacks"),
        ({"xl/worksheets/sheet1.xml": b"<worksheet><sheetData><row>"}, InvalidRequestError, "broken"),
        ({"xl/worksheets/sheet1.xml": b"<!DOCTYPE x [<!ENTITY a 'b'>]><worksheet/>"}, InvalidRequestError, "broken"),
        ({"xl/workbook.xml": b"not xml"}, InvalidRequestError, "broken"),
        (
            {"xl/worksheets/sheet1.xml": b"<worksheet><sheetData><row>" + b"<c r='A1'/>" * 20_000 + b"</row>"},
            InvalidRequestError,
            "more cells",
        ),
    ],
)
def test_dangerous_and_broken_workbooks_are_refused(
    tmp_path: Path, changes: dict[str, bytes | None], kind: type[QingtingError], words: str
) -> None:
    path = repacked(workbook(tmp_path, [["编号"], ["a"]]), changes)
    with pytest.raises(kind, match=words):
        read(path)


def test_cells_are_counted_across_blocks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the block length, a row is neither missed nor counted twice."""
    path = workbook(tmp_path, [["编号", *"abcdefgh"], [1, 2, 3, 4, 5, 6, 7, 8, 9]])
    for block in range(60, 90):
        monkeypatch.setattr(_workbook, "_BLOCK", block)
        monkeypatch.setattr(_workbook, "MAX_CELLS_IN_ROW", 9)
        assert len(read(path)) == 1
        monkeypatch.setattr(_workbook, "MAX_CELLS_IN_ROW", 8)
        with pytest.raises(InvalidRequestError, match="more cells"):
            read(path)


def test_entities_do_not_grow(tmp_path: Path) -> None:
    """A billion laughs in another part of the workbook."""
    laughs = b"<?xml version='1.0'?><!DOCTYPE l [<!ENTITY a 'ha'>" + b"".join(
        f"<!ENTITY {chr(98 + n)} '{f'&{chr(97 + n)};' * 10}'>".encode() for n in range(12)
    )
    strings = (
        laughs + b"]><sst xmlns='http://schemas.openxmlformats.org/spreadsheetml/2006/main'><si><t>&m;</t></si></sst>"
    )
    types = b"""<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">
      <Override PartName="/xl/workbook.xml"
        ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.sheet.main+xml"/>
      <Override PartName="/xl/sharedStrings.xml"
        ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.sharedStrings+xml"/></Types>"""
    path = repacked(
        workbook(tmp_path, [["编号"], ["a"]]), {"xl/sharedStrings.xml": strings, "[Content_Types].xml": types}
    )
    with pytest.raises(InvalidRequestError, match="broken"):
        read(path)


def test_a_password_is_named(tmp_path: Path) -> None:
    path = workbook(tmp_path, [["编号"], ["a"]])
    data = bytearray(path.read_bytes())
    at = data.index(b"PK\x01\x02")
    data[at + 8] |= 1
    path.write_bytes(bytes(data))
    with pytest.raises(UnsupportedUploadError, match="password"):
        read(path)


def test_a_truncated_workbook_is_broken(tmp_path: Path) -> None:
    path = workbook(tmp_path, [["编号"], ["a"]])
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(InvalidRequestError, match="broken"):
        read(path)


@pytest.mark.parametrize("kind", ["csv", "xlsx"])
def test_too_many_rows_and_columns_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    monkeypatch.setattr(tables_in, "MAX_ROWS", 3)
    monkeypatch.setattr(tables_in, "MAX_COLUMNS", 4)
    monkeypatch.setattr(_workbook, "MAX_COLUMNS", 4)

    def table(rows: int, columns: int) -> Path:
        cells = [
            ["编号", *(f"c{n}" for n in range(columns - 1))],
            *([f"{n}", *["x"] * (columns - 1)] for n in range(rows)),
        ]
        if kind == "xlsx":
            return workbook(tmp_path, cells)
        return file(tmp_path, "\n".join(",".join(row) for row in cells).encode())

    assert len(read(table(3, 4))) == 3
    with pytest.raises(InvalidRequestError, match="rows"):
        read(table(4, 4))
    with pytest.raises(InvalidRequestError, match="columns"):
        read(table(3, 5))


def test_too_many_bytes_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables_in, "MAX_BYTES", 10)
    with pytest.raises(UploadTooLargeError):
        read(file(tmp_path, "编号\n1234\n5678\n".encode()))


def test_an_endless_cell_is_no_csv(tmp_path: Path) -> None:
    with pytest.raises(InvalidRequestError, match="Line 2"):
        read(file(tmp_path, ('编号\n"' + "x" * 300_000).encode()))
