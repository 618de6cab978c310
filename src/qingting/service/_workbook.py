"""The rows of an Excel workbook, after a look at what is in the archive."""

from __future__ import annotations

import re
import warnings
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, BinaryIO

import openpyxl

from qingting.errors import InvalidRequestError, QingtingError, UnsupportedUploadError
from qingting.service.tables_in import HEADING_WITHIN, MAX_COLUMNS, MAX_ROWS

if TYPE_CHECKING:
    from qingting.service.tables_in import Cell

MAX_ENTRIES = 2000
MAX_UNPACKED = 512 * 1024**2
"""Bytes of all parts together; half a million rows of twenty columns have about 400 MB."""
MAX_TEXTS = 128 * 1024**2
"""Bytes of the table of texts, the only part that is kept in memory."""
MAX_RATIO = 200
"""Unpacked to packed size of parts over 1 MiB; real sheets reach about 30."""
MAX_CELLS_IN_ROW = 16_384

_REMEDY = "Save the sheet anew in Excel as a workbook (.xlsx), or as CSV."
_ROW_OR_CELL = re.compile(rb"<(?:[\w.-]+:)?(row|c)[\s/>]")
_BLOCK = 1 << 20


@contextmanager
def workbook_rows(file: BinaryIO) -> Iterator[Iterator[tuple[int, Sequence[Cell]]]]:
    """Give the first sheet's rows with their numbers; formulas give the values that Excel had stored.

    Raises UnsupportedUploadError for other archives, macros and passwords; InvalidRequestError for
    broken workbooks and archives that would unpack to more than the limits.
    """
    try:
        with zipfile.ZipFile(file) as archive:
            _examine(archive)
        # The library warns of styles it does not know; none matters here.
        warnings.filterwarnings("ignore", module=r"openpyxl\..*")
        book = openpyxl.load_workbook(file, read_only=True, data_only=True, keep_links=False)
    except QingtingError:
        raise
    except Exception:  # noqa: BLE001  a malformed workbook makes the library raise anything
        raise _broken() from None
    try:
        yield _rows(book)
    finally:
        book.close()


def _rows(book: Any) -> Iterator[tuple[int, Sequence[Cell]]]:
    if not book.worksheets:
        raise InvalidRequestError("The workbook has no sheet of cells.", remedy=_REMEDY)
    sheet = book.worksheets[0]
    # Sizes that writers note are often wrong; None reads to the end.
    sheet.reset_dimensions()
    most = MAX_ROWS + HEADING_WITHIN + 1
    try:
        for number, row in enumerate(sheet.iter_rows(max_col=MAX_COLUMNS + 1, values_only=True), start=1):
            if number > most:
                raise InvalidRequestError(f"The table has more than {MAX_ROWS} rows.", remedy="Split it by day.")
            yield number, row
    except QingtingError:
        raise
    except Exception:  # noqa: BLE001  a malformed sheet makes the library raise anything
        raise _broken() from None


def _broken() -> InvalidRequestError:
    return InvalidRequestError("The workbook is broken.", remedy=_REMEDY)


def _examine(archive: zipfile.ZipFile) -> None:
    parts = archive.infolist()
    names = {part.filename.lower() for part in parts}
    if "xl/workbook.xml" not in names:
        raise UnsupportedUploadError("The file is an archive, but no Excel workbook (.xlsx).", remedy=_REMEDY)
    if any("vbaproject" in name for name in names):
        raise UnsupportedUploadError("The workbook holds macros.", remedy="Save it without macros (.xlsx).")
    if any(part.flag_bits & 0x1 for part in parts):
        raise UnsupportedUploadError("The workbook is protected by a password.", remedy="Save it without password.")
    texts = sum(part.file_size for part in parts if part.filename.lower().endswith("sharedstrings.xml"))
    unpacked = sum(part.file_size for part in parts)
    bombs = any(part.file_size > max(_BLOCK, part.compress_size * MAX_RATIO) for part in parts)
    if len(parts) > MAX_ENTRIES or unpacked > MAX_UNPACKED or texts > MAX_TEXTS or bombs:
        raise InvalidRequestError("The workbook unpacks to more than any list of calls has.", remedy="Split it by day.")
    for part in parts:
        if part.filename.lower().startswith("xl/worksheets/") and part.filename.lower().endswith(".xml"):
            _examine_sheet(archive, part)


def _examine_sheet(archive: zipfile.ZipFile, part: zipfile.ZipInfo) -> None:
    """Refuse a row with more cells than Excel has columns: the library keeps one row in memory."""
    cells, kept = 0, b""
    with archive.open(part) as sheet:
        while block := sheet.read(_BLOCK):
            if b"\0" in block or b"<!DOCTYPE" in block:
                raise _broken()
            text = kept + block
            for found in _ROW_OR_CELL.finditer(text):
                cells = 0 if found[1] == b"row" else cells + 1
                if cells > MAX_CELLS_IN_ROW:
                    raise InvalidRequestError("A row has more cells than Excel has columns.", remedy=_REMEDY)
            # A tag may lie across two blocks.
            cut = text.rfind(b"<", len(text) - 64)
            kept = text[cut:] if cut >= 0 and not _ROW_OR_CELL.match(text, cut) else b""
