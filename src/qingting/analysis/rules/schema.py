"""JSON Schema of rule files, written from the code: editors complete and check rules with it.

`schema.json` beside this module is its text; a test keeps the two equal. The loader checks
more than a schema can (anchors, ids, patterns).
"""

from __future__ import annotations

import ast
import dataclasses
import inspect
import json
import types
import typing
from collections.abc import Mapping
from enum import Enum, IntEnum
from functools import cache
from pathlib import Path
from typing import Any

from qingting.analysis.rules.conditions import Common
from qingting.analysis.rules.examples import ExampleHead
from qingting.analysis.rules.kinds import KINDS
from qingting.analysis.rules.loading import FileHead
from qingting.analysis.rules.model import Anchor, ExampleTurn, FieldTest, Homophones, Side
from qingting.analysis.rules.reading import RuleHead

PATH = Path(__file__).with_name("schema.json")
_Schema = dict[str, Any]


def rule_schema() -> _Schema:
    """Return the JSON Schema (2020-12) of a rule file."""
    words = {"type": "object", "additionalProperties": _one_or_many({"type": "string"})}
    top = _object(FileHead)
    top["properties"] |= {
        "homophones": _ref("homophones"),
        "phrases": words,
        "synonyms": words,
        "rules": {"type": "array", "minItems": 1, "items": _ref("rule")},
    }
    top["required"] = [*top["required"], "rules"]
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Qingting rule file",
        **top,
        "$defs": {
            "rule": _rule(),
            "condition": _condition(),
            "tree": _tree(),
            "homophones": {"anyOf": [{"type": "boolean"}, _object(Homophones)]},
            "dialogue": _dialogue(),
        },
    }


def schema_text() -> str:
    """Return the schema as schema.json holds it."""
    return json.dumps(rule_schema(), ensure_ascii=False, indent=2) + "\n"


def _ref(name: str) -> _Schema:
    return {"$ref": f"#/$defs/{name}"}


def _rule() -> _Schema:
    rule = _object(RuleHead)
    rule["properties"] |= {
        "homophones": _ref("homophones"),
        "conditions": {"type": "object", "additionalProperties": _ref("condition")},
        "when": _ref("tree"),
        "unless": _ref("tree"),
        "examples": {
            "type": "object",
            "additionalProperties": False,
            "properties": {name: {"type": "array", "items": _ref("dialogue")} for name in ("positive", "negative")},
        },
    }
    rule["required"] = [*rule["required"], "when"]
    return rule


def _condition() -> _Schema:
    common = _object(Common)["properties"]
    anchor = _object(Anchor)
    anchor["properties"].pop("side")
    anchor["properties"]["hit"] = {"type": ["string", "integer"]}
    sides = {side.value: {"anyOf": [{"type": "string"}, anchor]} for side in Side}
    kinds = {name: _kind(name) for name in KINDS}
    return {
        "type": "object",
        "additionalProperties": False,
        "properties": {"id": {"type": "string"}, **common, **sides, **kinds},
        "oneOf": [{"required": [name]} for name in KINDS],
    }


def _kind(name: str) -> _Schema:
    kind = KINDS[name]
    options = _object(kind.Options)
    options["description"] = kind.chinese
    for field, known in options["properties"].items():
        if field == "homophones":
            options["properties"][field] = _ref("homophones")
        elif known.get("type") == "array":
            options["properties"][field] = {**_one_or_many(known["items"]), **_description(known)}
    if not kind.shorthand:
        return options
    return {"anyOf": [options["properties"][kind.shorthand], options]}


def _description(known: _Schema) -> _Schema:
    return {"description": known["description"]} if "description" in known else {}


def _one_or_many(item: _Schema) -> _Schema:
    return {"anyOf": [item, {"type": "array", "items": item}]}


def _tree() -> _Schema:
    parts = {"type": "array", "minItems": 1, "items": _ref("tree")}

    def only(**properties: _Schema) -> _Schema:
        return {
            "type": "object", "additionalProperties": False, "properties": properties, "required": list(properties)
        }  # fmt: skip

    return {
        "anyOf": [
            {"type": "string", "description": "Id of a condition."},
            parts,
            only(all=parts),
            only(any=parts),
            only(**{"not": _ref("tree")}),
            only(at_least={"type": "integer", "minimum": 1}, of=parts),
            _ref("condition"),
        ]
    }


def _dialogue() -> _Schema:
    turn = {"anyOf": [{"type": "string", "pattern": "^\\s*(坐席|客户|未知)"}, _object(ExampleTurn)]}
    turns = {"type": "array", "minItems": 1, "items": turn}
    long = _object(ExampleHead)
    long["properties"] |= {"turns": turns, "call": {"type": "object"}}
    long["required"] = ["turns"]
    return {"anyOf": [turns, long]}


def _object(kind: type) -> _Schema:
    """Schema of a dataclass, with the docstring line under each field as its description."""
    hints, meanings = typing.get_type_hints(kind), _meanings(kind)
    properties: _Schema = {}
    required = []
    for field in dataclasses.fields(kind):
        properties[field.name] = _type(hints[field.name])
        if field.name in meanings:
            properties[field.name] = {**properties[field.name], "description": meanings[field.name]}
        if field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING:
            required.append(field.name)
    if kind is FieldTest:
        text = {"type": ["string", "number"]}
        properties |= {"value": text, "values": {"type": "array", "items": text}}
    return {"type": "object", "additionalProperties": False, "properties": properties, "required": required}


_PLAIN = {bool: "boolean", int: "integer", float: "number", str: "string"}


def _type(kind: Any) -> _Schema:
    origin, inner = typing.get_origin(kind), typing.get_args(kind)
    if kind in _PLAIN:
        return {"type": _PLAIN[kind]}
    if origin in (typing.Union, types.UnionType):
        return {"anyOf": [*(_type(one) for one in inner if one is not type(None)), {"type": "null"}]}
    if origin is tuple:
        return {"type": "array", "items": _type(inner[0])}
    if origin is Mapping:
        return {"type": "object", "additionalProperties": _type(inner[1])}
    if issubclass(kind, Enum):
        return {"enum": [one.name.lower() if issubclass(kind, IntEnum) else one.value for one in kind]}
    return _object(kind)


@cache
def _meanings(kind: type) -> dict[str, str]:
    (node,) = ast.parse(inspect.cleandoc(inspect.getsource(kind))).body
    assert isinstance(node, ast.ClassDef)  # noqa: S101  the source of a class
    meanings: dict[str, str] = {}
    for field, line in zip(node.body, node.body[1:], strict=False):
        if not (isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name)):
            continue
        if isinstance(line, ast.Expr) and isinstance(line.value, ast.Constant) and isinstance(line.value.value, str):
            meanings[field.target.id] = " ".join(line.value.value.split())
    return meanings
