"""Reads tables that people bring: CSV as Excel and call-centre systems write it, and Excel workbooks.

What comes in is not trusted: bytes, rows, columns and cells are bounded, and only one row at a time
is in memory (of workbooks also their table of texts).
"""

from __future__ import annotations

import codecs
import csv
import io
import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from itertools import chain
from pathlib import Path
from typing import BinaryIO, TextIO

from qingting.errors import InvalidRequestError, UnsupportedUploadError, UploadTooLargeError

MAX_BYTES = 200 * 1024**2
"""Largest file."""
MAX_ROWS = 500_000
MAX_COLUMNS = 200
MAX_CELL = 32_767
"""Characters of a cell, as in Excel."""
HEADING_WITHIN = 20
"""Rows among which the headings are looked for: exports begin with titles."""

Cell = str | int | float | datetime | time | timedelta | None
"""Workbooks know numbers and times, CSV only text."""

_OLD_EXCEL = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_ZIP = b"PK\x03\x04"
_REMEDY = "Save it as CSV (UTF-8) or as an Excel workbook (.xlsx)."
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f]")


@dataclass(frozen=True, kw_only=True)
class TableRow:
    """One row below the headings."""

    number: int
    """As a spreadsheet program counts, from 1; for CSV the line on which the row ends."""
    values: Mapping[str, Cell]
    """Heading -> value; empty cells are left out, and so are cells under no heading."""


@dataclass(frozen=True, kw_only=True)
class OpenTable:
    """A table that is being read."""

    headings: tuple[str, ...]
    rows: Iterator[TableRow]
    """Read once; raises InvalidRequestError where the file turns out to be broken."""


@contextmanager
def open_table(path: Path, is_heading: Callable[[Sequence[str]], bool]) -> Iterator[OpenTable]:
    """Open a CSV file or a workbook (its first sheet); `is_heading` tells the row of headings.

    Raises UnsupportedUploadError for other kinds of files, UploadTooLargeError over a limit, and
    InvalidRequestError for broken files and those without the headings.
    """
    if path.stat().st_size > MAX_BYTES:
        raise UploadTooLargeError(f"The table has more than {MAX_BYTES // 1024**2} MiB.", remedy="Split it by day.")
    with path.open("rb") as file:
        head = file.read(4096)
        _refuse_other_kinds(head)
        file.seek(0)
        if head.startswith(_ZIP):
            from qingting.service._workbook import workbook_rows

            with workbook_rows(file) as numbered:
                yield _table(numbered, is_heading)
        else:
            with _decoded(file) as text:
                yield _table(_csv_rows(text), is_heading)


def _refuse_other_kinds(head: bytes) -> None:
    if not head.strip():
        raise InvalidRequestError("The table is empty.", remedy=_REMEDY)
    if head.startswith(_OLD_EXCEL):
        raise UnsupportedUploadError(
            "The table is an Excel file of the old format (.xls), or protected by a password.",
            remedy="Save it as an Excel workbook (.xlsx) without password, or as CSV.",
        )
    start = head.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if start.startswith((b"<html", b"<!doctype", b"<table", b"<?xml", b"<head", b"<meta", b"<style")):
        raise UnsupportedUploadError(
            "The table is a web page or XML, whatever its name says.",
            remedy="Open it in Excel and save it as an Excel workbook (.xlsx) or CSV.",
        )
    if head.startswith((b"%PDF", b"\x1f\x8b", b"Rar!", b"7z\xbc\xaf", b"RIFF", b"ID3", b"OggS", b"#!AMR")):
        raise UnsupportedUploadError("The file is no table.", remedy=_REMEDY)


def _table(numbered: Iterable[tuple[int, Sequence[Cell]]], is_heading: Callable[[Sequence[str]], bool]) -> OpenTable:
    rows = iter(numbered)
    for count, (number, cells) in enumerate(rows, start=1):
        headings = [heading_text(cell) for cell in cells]
        if is_heading(headings):
            _refuse_wide(headings, number)
            return OpenTable(headings=tuple(h for h in headings if h), rows=_rows(rows, headings))
        if count == HEADING_WITHIN:
            break
    raise InvalidRequestError(
        f"None of the first {HEADING_WITHIN} rows holds the needed headings.",
        remedy="Name the columns as the documentation lists them (docs/how-to/call-records.md).",
    )


def heading_text(cell: Cell) -> str:
    """Write a heading on one line, without what spreadsheets leave around it."""
    return " ".join(unicodedata.normalize("NFKC", cell).split())[:128] if isinstance(cell, str) else ""


def _refuse_wide(headings: Sequence[str], number: int) -> None:
    if len(headings) > MAX_COLUMNS and any(headings[MAX_COLUMNS:]):
        raise InvalidRequestError(
            f"Row {number} has more than {MAX_COLUMNS} columns.", remedy="Leave columns out that nobody needs."
        )


def _rows(rows: Iterator[tuple[int, Sequence[Cell]]], headings: Sequence[str]) -> Iterator[TableRow]:
    # Of two columns with one name the first counts.
    places = {heading: headings.index(heading) for heading in headings if heading}
    for count, (number, cells) in enumerate(rows, start=1):
        if count > MAX_ROWS:
            raise InvalidRequestError(f"The table has more than {MAX_ROWS} rows.", remedy="Split it by day.")
        values = {}
        for heading, place in places.items():
            value = _clean(cells[place]) if place < len(cells) else None
            if value is not None:
                values[heading] = value
        if values:
            yield TableRow(number=number, values=values)


def _clean(cell: Cell) -> Cell:
    """A cell without what keeps Excel from changing numbers (`="0012"`, tabs, apostrophes); None for empty ones."""
    if not isinstance(cell, str):
        return cell
    text = _CONTROL.sub("", cell).strip()
    if text.startswith('="') and text.endswith('"'):
        text = text[2:-1].strip()
    return text.removeprefix("'")[:MAX_CELL] or None


def _csv_rows(text: TextIO) -> Iterator[tuple[int, Sequence[Cell]]]:
    first = list(_lines_of(text, HEADING_WITHIN))
    reader = csv.reader(chain(first, text), delimiter=_separator(first))
    try:
        for row in reader:
            yield reader.line_num, row
    except csv.Error:
        raise InvalidRequestError(f"Line {reader.line_num} is no CSV.", remedy=_REMEDY) from None


def _lines_of(file: TextIO, count: int) -> Iterator[str]:
    for _ in range(count):
        line = file.readline()
        if not line:
            return
        yield line


def _separator(lines: Sequence[str]) -> str:
    """The sign that stands most often outside quotes in one of the first lines."""
    bare = [re.sub(r'"[^"]*"', "", line) for line in lines]
    counts = {sign: max((line.count(sign) for line in bare), default=0) for sign in (",", "\t", ";", "，")}
    return max(counts, key=lambda sign: counts[sign])


@contextmanager
def _decoded(file: BinaryIO) -> Iterator[TextIO]:
    encoding = _encoding(file)
    file.seek(0)
    text = io.TextIOWrapper(file, encoding=encoding, newline="")
    try:
        yield text
    finally:
        # Whoever opened the file closes it.
        text.detach()


def _encoding(file: BinaryIO) -> str:
    """The encoding of a whole text file; UTF-8 is certain where it fits, GB18030 is what Excel writes in China."""
    head = file.read(4096)
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return _that_fits(file, ("utf-16",))
    if b"\0" in head:
        # Digits, separators and line ends have their zero in the second byte of two, or in the first.
        little = head[1::2].count(0) > head[::2].count(0)
        return _that_fits(file, ("utf-16-le" if little else "utf-16-be",))
    return _that_fits(file, ("utf-8-sig", "gb18030"))


def _that_fits(file: BinaryIO, encodings: Sequence[str]) -> str:
    for encoding in encodings:
        file.seek(0)
        decoder = codecs.getincrementaldecoder(encoding)()
        try:
            while block := file.read(1 << 20):
                if "\0" in decoder.decode(block):
                    break
            else:
                decoder.decode(b"", final=True)
                return encoding
        except UnicodeDecodeError:
            continue
    raise UnsupportedUploadError("The table is neither UTF-8 nor GB18030 nor UTF-16 text.", remedy=_REMEDY)
