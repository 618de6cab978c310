"""Excel workbooks of any length: rows go to a file as they come."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator, Sequence
from typing import IO, TYPE_CHECKING

from openpyxl import Workbook
from openpyxl.cell import WriteOnlyCell

from qingting.report.formats.html_view import clean
from qingting.report.formats.table import is_formula

if TYPE_CHECKING:
    from openpyxl.worksheet._write_only import WriteOnlyWorksheet

    from qingting.report.formats.table import Cell

ROWS_PER_SHEET = 1_000_000
"""Excel takes 1,048,576; more go on in the next sheet."""
LONGEST_TEXT = 32_767
"""Characters of a cell in Excel."""
_PART = 1 << 16


def workbook_parts(title: str, columns: Sequence[str], rows: Iterable[Sequence[Cell]]) -> Iterator[bytes]:
    """Write a table as a workbook, part by part; it is made in a temporary file, not in memory."""
    with tempfile.TemporaryFile() as file:
        _write(file, title, columns, rows)
        file.seek(0)
        while part := file.read(_PART):
            yield part


def _write(file: IO[bytes], title: str, columns: Sequence[str], rows: Iterable[Sequence[Cell]]) -> None:
    book = Workbook(write_only=True)
    sheet = _sheet(book, title, columns)
    for number, row in enumerate(rows):
        if number and number % ROWS_PER_SHEET == 0:
            sheet = _sheet(book, f"{title}{number // ROWS_PER_SHEET + 1}", columns)
        sheet.append([_cell(sheet, value) for value in row])
    book.save(file)


def _sheet(book: Workbook, title: str, columns: Sequence[str]) -> WriteOnlyWorksheet:
    sheet = book.create_sheet(title)
    sheet.freeze_panes = "A2"
    sheet.append(list(columns))
    return sheet


def _cell(sheet: WriteOnlyWorksheet, value: Cell) -> object:
    if not isinstance(value, str):
        return value
    text = clean(value).replace("\ufffe", "\ufffd").replace("\uffff", "\ufffd")[:LONGEST_TEXT]
    formula = is_formula(text)
    if not formula and not text.startswith("#"):
        return text
    cell = WriteOnlyCell(sheet, value=text)
    # The library would make a formula or an error value of it.
    cell.data_type = "s"
    # Otherwise editing the cell, without changing it, would bring a formula to life.
    cell.quotePrefix = formula
    return cell
