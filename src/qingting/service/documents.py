"""What a call's words and its report look like in the database: compressed, and exact on the way back.

A stored document is one byte that names its form, then zlib-compressed JSON. Reports are stored without
their transcript, which stands once in `transcripts`, however often the call is analysed again.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING, Any, TypeVar

from qingting.errors import InvalidRequestError, ReportError
from qingting.model.call import CallInfo
from qingting.model.transcript import Transcript
from qingting.report.formats import json as json_format

if TYPE_CHECKING:
    from pydantic import TypeAdapter

    from qingting.inspector import Heard
    from qingting.model.report import Report

T = TypeVar("T")

_FORM = b"\x01"
_MOST_BYTES = 256 * 1024**2
"""No document of ours is as long; a damaged one must not fill the memory."""


def pack_heard(heard: Heard) -> bytes:
    """Compress a call's words; raises ReportError when a text is no Unicode or a number not finite."""
    try:
        plain = _heard_adapter().dump_python(heard, mode="json")
        return compress(json.dumps(plain, ensure_ascii=False, allow_nan=False).encode())
    except ValueError as error:  # the library's own text could hold customer words
        raise ReportError(f"The words of a call cannot be stored: {type(error).__name__}.") from None


def unpack_heard(data: bytes) -> Heard:
    """Read a call's words back, equal to what was packed; raises ReportError without any content."""
    return _validated(_heard_adapter(), decompress(data))


def pack_report(report: Report) -> bytes:
    """Compress a report without its transcript; raises ReportError like pack_heard."""
    return compress(json_format.dump(replace(report, transcript=_without_words(report.transcript))).encode())


def unpack_report(data: bytes, transcript: Transcript) -> Report:
    """Read a report back and give it its transcript; raises ReportError without any content."""
    return replace(json_format.load(decompress(data)), transcript=transcript)


def call_to_plain(call: CallInfo) -> dict[str, Any]:
    """Turn a call's data into plain values for a JSON column.

    Raises InvalidRequestError for characters that databases do not take: NUL, halves of characters.
    """
    try:
        plain: dict[str, Any] = _call_adapter().dump_python(call, mode="json")
        text = json.dumps(plain, ensure_ascii=False, allow_nan=False)
        # pydantic writes halves of characters in keys as something else.
        (text + "".join(call.fields)).encode()
    except ValueError:
        raise InvalidRequestError("The call's data holds a text that is no Unicode.") from None
    if "\\u0000" in text and _has_nul(plain):
        raise InvalidRequestError("The call's data holds a NUL character.")
    return plain


def call_from_plain(plain: Mapping[str, Any]) -> CallInfo:
    """Read a call's data back, equal to what was stored; raises ReportError without any content."""
    return _validated(_call_adapter(), json.dumps(plain).encode())


def compress(data: bytes) -> bytes:
    """Compress a document."""
    return _FORM + zlib.compress(data, 6)


def decompress(data: bytes) -> bytes:
    """Read a compressed document back; raises ReportError when it is damaged or of another form."""
    if data[:1] != _FORM:
        raise ReportError("A stored document is of an unknown form.")
    reader = zlib.decompressobj()
    try:
        plain = reader.decompress(data[1:], _MOST_BYTES)
    except zlib.error:
        raise ReportError("A stored document is damaged.") from None
    if not reader.eof:
        raise ReportError("A stored document is damaged.")
    return plain


def _without_words(transcript: Transcript) -> Transcript:
    return replace(transcript, utterances=())


def _validated(adapter: TypeAdapter[T], data: bytes) -> T:
    from pydantic import ValidationError

    try:
        return adapter.validate_json(data, strict=True, extra="forbid")
    except ValidationError as error:
        kind = error.errors(include_url=False, include_input=False, include_context=False)[0]["type"]
        raise ReportError(f"A stored document is not valid: {kind}.") from None


def _has_nul(value: object) -> bool:
    if isinstance(value, str):
        return "\0" in value
    if isinstance(value, Mapping):
        return any(_has_nul(key) or _has_nul(one) for key, one in value.items())
    return isinstance(value, list) and any(_has_nul(one) for one in value)


@cache
def _heard_adapter() -> TypeAdapter[Heard]:
    from pydantic import TypeAdapter

    from qingting.inspector import Heard

    return TypeAdapter(Heard)


@cache
def _call_adapter() -> TypeAdapter[CallInfo]:
    from pydantic import TypeAdapter

    return TypeAdapter(CallInfo)
