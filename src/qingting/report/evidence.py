"""Digests that tie findings to the transcript and the report to its own content.

Canonical form: the JSON of the value with keys sorted, no spaces, non-ASCII characters as they
are, UTF-8; fields that hold their default are left out, so that a field added later (with a
default) does not change the digest of a stored report.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING, Any

from qingting.errors import ReportError
from qingting.model.report import Report
from qingting.model.transcript import Transcript

if TYPE_CHECKING:
    from pydantic import TypeAdapter


def transcript_sha256(transcript: Transcript) -> str:
    """Hex SHA-256 over the canonical transcript: any change of a word, time or speaker changes it.

    Raises ReportError when a text cannot be written as UTF-8 or a number is not finite.
    """
    return _digest(transcript)


def report_sha256(report: Report) -> str:
    """Hex SHA-256 over the canonical report, its own seal left out.

    Raises ReportError like transcript_sha256.
    """
    return _digest(replace(report, provenance=replace(report.provenance, report_sha256="")))


def seal(report: Report) -> Report:
    """Write the digests of transcript and report into the provenance; call again after any change."""
    provenance = replace(report.provenance, transcript_sha256=transcript_sha256(report.transcript), report_sha256="")
    unsealed = replace(report, provenance=provenance)
    return replace(unsealed, provenance=replace(provenance, report_sha256=report_sha256(unsealed)))


def _digest(value: Report | Transcript) -> str:
    adapter = _adapter(whole=isinstance(value, Report))
    try:
        plain = adapter.dump_python(value, mode="json", exclude_defaults=True)
        text = json.dumps(plain, ensure_ascii=False, allow_nan=False, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()
    except ValueError as error:  # the library's own text could hold customer words
        raise ReportError(f"The report cannot be written as JSON: {type(error).__name__}.") from None


@cache
def _adapter(*, whole: bool) -> TypeAdapter[Any]:
    from pydantic import TypeAdapter

    return TypeAdapter(Report if whole else Transcript)
