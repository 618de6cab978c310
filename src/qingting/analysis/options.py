"""Turns a pack's plain data into an analyzer's typed options, with errors that name the place."""

from __future__ import annotations

import dataclasses
import difflib
import types
import typing
from collections.abc import Mapping, Sequence
from enum import Enum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from qingting.documents import Place

FILES = "files"
"""Metadata key of options that list files: a pack's paths are taken from its own folder."""


def names_a_file(value: str) -> bool:
    """Whether a text is a path and no name of something bundled."""
    return "/" in value or "\\" in value or value.endswith((".yaml", ".yml"))


class OptionError(Exception):
    """A value does not fit its option; the pack loader adds file and line."""

    def __init__(self, place: Place, problem: str, fix: str) -> None:
        super().__init__(problem)
        self.place = place
        self.problem = problem
        self.fix = fix


def build_options(kind: type, values: Mapping[str, object], place: Place = ()) -> Any:
    """Return kind(**values) with every value converted to its field's type.

    `kind` is a dataclass whose fields may be bool, int, float, str, Enum, dataclasses, tuples
    and mappings of these, or unions with None; `object` takes any value as it stands. Raises
    OptionError for an unknown name, a missing or wrong value; a ValueError of the dataclass's own
    check becomes one too.
    """
    hints = typing.get_type_hints(kind)
    fields = {field.name: field for field in dataclasses.fields(kind) if field.init}
    for name in values:
        if name not in fields:
            raise OptionError((*place, name), "no option has this name", _suggest(name, fields))
    for name, field in fields.items():
        has_default = (field.default, field.default_factory) != (dataclasses.MISSING, dataclasses.MISSING)
        if name not in values and not has_default:
            raise OptionError(place, f"`{name}` is missing", f"Add `{name}:`.")
    converted = {name: _convert(hints[name], value, (*place, name)) for name, value in values.items()}
    try:
        return kind(**converted)
    except ValueError as error:
        raise OptionError(place, str(error), "Correct the value.") from error


def _suggest(name: str, known: Mapping[str, object]) -> str:
    close = difflib.get_close_matches(name, known, n=1)
    if close:
        return f"Did you mean `{close[0]}`?"
    return f"Known names: {', '.join(sorted(known))}." if known else "It has no options."


def _convert(kind: object, value: object, place: Place) -> object:
    origin = typing.get_origin(kind)
    if kind is object:
        return value
    if kind in _SIMPLE:
        return _SIMPLE[kind](value, place)
    if origin in (typing.Union, types.UnionType):
        return _optional(kind, value, place)
    if origin is tuple:
        return _sequence(kind, value, place)
    if origin in (dict, Mapping):
        return _mapping(kind, value, place)
    if isinstance(kind, type) and issubclass(kind, Enum):
        return _enum(kind, value, place)
    if isinstance(kind, type) and dataclasses.is_dataclass(kind):
        return build_options(kind, _expect_mapping(value, place), place)
    raise TypeError(f"options of type {kind} are not supported")


def _plain(kinds: tuple[type, ...], words: str, make: Callable[[Any], object]) -> Callable[[object, Place], object]:
    def check(value: object, place: Place) -> object:
        # bool is an int to Python, never to the writer of a pack.
        wrong_bool = isinstance(value, bool) and bool not in kinds
        if not isinstance(value, kinds) or wrong_bool:
            raise OptionError(place, f"must be {words}, not {_kind_words(value)}", f"Write {words}.")
        return make(value)

    return check


_SIMPLE: dict[object, Callable[[object, Place], object]] = {
    bool: _plain((bool,), "true or false", bool),
    int: _plain((int,), "a whole number", int),
    float: _plain((int, float), "a number", float),
    str: _plain((str,), "text", str),
}


def _kind_words(value: object) -> str:
    names = {
        bool: "true/false",
        int: "a whole number",
        float: "a number",
        str: "text",
        list: "a list",
        dict: "a mapping",
    }
    return names.get(type(value), "empty" if value is None else type(value).__name__)


def _optional(kind: object, value: object, place: Place) -> object:
    inner = [part for part in typing.get_args(kind) if part is not type(None)]
    if len(inner) != 1:
        raise TypeError(f"options of type {kind} are not supported")
    return None if value is None else _convert(inner[0], value, place)


def _sequence(kind: object, value: object, place: Place) -> tuple[object, ...]:
    if isinstance(value, str) or not isinstance(value, Sequence):
        raise OptionError(place, f"must be a list, not {_kind_words(value)}", "Write a list: `- …` per line.")
    inner = typing.get_args(kind)[0]
    return tuple(_convert(inner, item, (*place, number)) for number, item in enumerate(value))


def _mapping(kind: object, value: object, place: Place) -> dict[str, object]:
    inner = typing.get_args(kind)[1]
    return {name: _convert(inner, item, (*place, name)) for name, item in _expect_mapping(value, place).items()}


def _enum(kind: type[Enum], value: object, place: Place) -> Enum:
    members = {_spelling(member): member for member in kind}
    if not isinstance(value, str | int) or str(value).lower() not in members:
        raise OptionError(place, "is none of the allowed words", f"Use one of: {', '.join(members)}.")
    return members[str(value).lower()]


def _spelling(member: Enum) -> str:
    """How a pack writes a member: its value when that is a word, else its name."""
    return member.value.lower() if isinstance(member.value, str) else member.name.lower()


def _expect_mapping(value: object, place: Place) -> Mapping[str, object]:
    if not isinstance(value, Mapping):
        raise OptionError(place, f"must be a mapping, not {_kind_words(value)}", "Write `name: value` lines below it.")
    return value
