"""Digests that tie findings to the transcript and the report to its own content.

Canonical form: the JSON of the value with keys sorted, no spaces, non-ASCII characters as they
are, UTF-8; fields that hold their default are left out, so that a field added later (with a
default) does not change the digest of a stored report.
"""

from __future__ import annotations

import hashlib
import json
from contextlib import contextmanager
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING, Any

from qingting.errors import ReportError
from qingting.model.report import Report
from qingting.model.transcript import Transcript

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pydantic import TypeAdapter


def transcript_sha256(transcript: Transcript) -> str:
    """Hex SHA-256 over the canonical transcript: any change of a word, time or speaker changes it.

    Raises ReportError when a text cannot be written as UTF-8 or a number is not finite.
    """
    with _reported():
        return _sha256(_canonical(_plain(transcript)))


def report_sha256(report: Report) -> str:
    """Hex SHA-256 over the canonical report, its own seal left out.

    Raises ReportError like transcript_sha256.
    """
    with _reported():
        unsealed = replace(report, provenance=replace(report.provenance, report_sha256=""))
        return _sha256(_canonical(_plain(unsealed)))


def seal(report: Report) -> Report:
    """Write the digests of transcript and report into the provenance; call again after any change."""
    with _reported():
        plain = _plain(replace(report, provenance=replace(report.provenance, report_sha256="")))
        # Most of a report is its transcript, whose canonical form stands in the report's as it is.
        words = _canonical(plain["transcript"])
        words_sha256 = plain["provenance"]["transcript_sha256"] = _sha256(words)
        parts = {name: words if name == "transcript" else _canonical(part) for name, part in plain.items()}
        whole = ",".join(f"{_canonical(name)}:{parts[name]}" for name in sorted(parts))
        whole_sha256 = _sha256(f"{{{whole}}}")
    provenance = replace(report.provenance, transcript_sha256=words_sha256, report_sha256=whole_sha256)
    return replace(report, provenance=provenance)


def _plain(value: Report | Transcript) -> dict[str, Any]:
    plain: dict[str, Any] = _adapter(whole=isinstance(value, Report)).dump_python(
        value, mode="json", exclude_defaults=True
    )
    return plain


def _canonical(plain: object) -> str:
    return json.dumps(plain, ensure_ascii=False, allow_nan=False, sort_keys=True, separators=(",", ":"))


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


@contextmanager
def _reported() -> Iterator[None]:
    try:
        yield
    except ValueError as error:  # the library's own text could hold customer words
        raise ReportError(f"The report cannot be written as JSON: {type(error).__name__}.") from None


@cache
def _adapter(*, whole: bool) -> TypeAdapter[Any]:
    from pydantic import TypeAdapter

    return TypeAdapter(Report if whole else Transcript)
