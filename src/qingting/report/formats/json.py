"""The report as JSON: one published schema, strict on reading, exact on the way round."""

from __future__ import annotations

import ast
import inspect
import json
import textwrap
from functools import cache
from typing import TYPE_CHECKING, Any

from qingting.errors import ReportError
from qingting.model import audio, call, finding, transcript
from qingting.model import report as report_module
from qingting.model.report import SCHEMA_VERSION, Report

if TYPE_CHECKING:
    from pathlib import Path

    from pydantic import TypeAdapter

SCHEMA_ID = f"urn:qingting:report:{SCHEMA_VERSION}"
_MAJOR = SCHEMA_VERSION.split(".", maxsplit=1)[0]
_NOUNS = (audio, call, finding, report_module, transcript)


def dump(report: Report, *, indent: int | None = None) -> str:
    """Write a report as JSON text, non-ASCII characters as they are.

    Raises ReportError when a text cannot be written as UTF-8 or a number is not finite.
    """
    try:
        text = json.dumps(to_plain(report), ensure_ascii=False, allow_nan=False, indent=indent)
        text.encode()
    except ValueError as error:  # the library's own text could hold customer words
        raise ReportError(f"The report cannot be written as JSON: {type(error).__name__}.") from None
    return text


def to_plain(report: Report) -> dict[str, Any]:
    """Turn a report into dictionaries, lists, texts and numbers, ready for any JSON writer."""
    plain: dict[str, Any] = _adapter().dump_python(report, mode="json")
    return plain


def load(data: str | bytes) -> Report:
    """Read a report back; equal to what was dumped.

    Raises ReportError naming the field, never its content: for broken JSON, an unknown schema
    version, a missing or unknown field, or a value of another type.
    """
    from pydantic import ValidationError

    _check_version(data)
    try:
        report: Report = _adapter().validate_json(data, strict=True, extra="forbid")
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        raise ReportError(f"The report's field {_path(first['loc'])} is not valid: {first['type']}.") from None
    return report


def load_file(path: Path) -> Report:
    """Read a stored report from a file; raises ReportError like load, or when the file cannot be read."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ReportError(f"The report cannot be read: {type(error).__name__}.", remedy="Check the file.") from None
    try:
        return load(data.decode("utf-8-sig"))
    except UnicodeDecodeError:
        raise ReportError("The report is not UTF-8 text.") from None


def schema() -> dict[str, Any]:
    """Build the JSON Schema (draft 2020-12) of a report, each field described in words."""
    built: dict[str, Any] = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": SCHEMA_ID,
        "title": "Qingting report",
        **_adapter().json_schema(),
    }
    built["title"] = "Qingting report"
    described = _descriptions()
    for name, definition in [("Report", built), *built["$defs"].items()]:
        if definition.get("type") == "object":
            definition["additionalProperties"] = False
        for field, shape in definition.get("properties", {}).items():
            shape.pop("title", None)
            if field in described.get(name, {}):
                shape["description"] = described[name][field]
    return built


def _check_version(data: str | bytes) -> None:
    try:
        plain = json.loads(data)
    except ValueError as error:
        raise ReportError(f"The report is no JSON: {type(error).__name__}.") from None
    except RecursionError:
        raise ReportError("The report is no JSON of ours: nested too deep.") from None
    if not isinstance(plain, dict):
        raise ReportError("The report is no JSON object.")
    version = plain.get("schema_version", SCHEMA_VERSION)
    if not isinstance(version, str) or version.split(".", maxsplit=1)[0] != _MAJOR:
        raise ReportError(
            f"The report's field schema_version is not of major version {_MAJOR}.",
            remedy="Read it with the release of Qingting that wrote it, or inspect the recording again.",
        )


def _path(loc: tuple[int | str, ...]) -> str:
    # Names that are not ours may hold customer words: an unknown key is named by its place only.
    parts = []
    for part in loc:
        if isinstance(part, int):
            parts.append(f"[{part}]")
        else:
            parts.append(f".{part}" if part in _known_names() else ".(unknown)")
    return "".join(parts).lstrip(".") or "(top)"


@cache
def _known_names() -> frozenset[str]:
    built = _adapter().json_schema()
    return frozenset(
        name for definition in [built, *built["$defs"].values()] for name in definition.get("properties", {})
    )


@cache
def _adapter() -> TypeAdapter[Report]:
    from pydantic import TypeAdapter

    return TypeAdapter(Report)


@cache
def _descriptions() -> dict[str, dict[str, str]]:
    """Class name -> field -> the docstring line under it."""
    found: dict[str, dict[str, str]] = {}
    for module in _NOUNS:
        for node in ast.parse(textwrap.dedent(inspect.getsource(module))).body:
            if isinstance(node, ast.ClassDef):
                found[node.name] = _field_lines(node)
    return found


def _field_lines(node: ast.ClassDef) -> dict[str, str]:
    lines = {}
    for statement, following in zip(node.body, node.body[1:], strict=False):
        if (
            isinstance(statement, ast.AnnAssign)
            and isinstance(statement.target, ast.Name)
            and isinstance(following, ast.Expr)
            and isinstance(following.value, ast.Constant)
            and isinstance(following.value.value, str)
        ):
            lines[statement.target.id] = inspect.cleandoc(following.value.value)
    return lines
