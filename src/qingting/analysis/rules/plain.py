"""Small checks of plain data; every mistake becomes an OptionError with its place."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping

from qingting.analysis.options import OptionError
from qingting.documents import Place


def as_mapping(value: object, place: Place) -> Mapping[str, object]:
    """Return a mapping, or raise OptionError."""
    if not isinstance(value, Mapping):
        raise OptionError(place, f"must be a mapping, not {_kind(value)}", "Write `name: value` lines below it.")
    return value


def as_list(value: object, place: Place) -> list[object]:
    """Return a list, or raise OptionError."""
    if not isinstance(value, list):
        raise OptionError(place, f"must be a list, not {_kind(value)}", "Write a list: `- …` per line.")
    return value


def as_text(value: object, place: Place) -> str:
    """Return a text that is not blank, or raise OptionError."""
    if not isinstance(value, str) or not value.strip():
        raise OptionError(
            place, f"must be text, not {_kind(value)}", "Write text, in quotes if it looks like a number."
        )
    return value


def known_keys(data: Mapping[str, object], known: Iterable[str], place: Place) -> None:
    """Raise OptionError for a key that nobody knows."""
    allowed = tuple(known)
    for name in data:
        if name not in allowed:
            raise OptionError((*place, name), "no field has this name", suggest(name, allowed))


def suggest(name: str, known: Iterable[str]) -> str:
    """Say what may have been meant."""
    names = sorted(known)
    close = difflib.get_close_matches(name, names, n=1)
    if close:
        return f"Did you mean `{close[0]}`?"
    return f"Use one of: {', '.join(names)}." if names else "There is none; add it first."


def number_as_text(value: object) -> object:
    """Write a number as text; leave anything else."""
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else value


def texts_of_tests(data: Mapping[str, object]) -> dict[str, object]:
    """Write the numbers in comparisons with call fields as texts: 3 and "3" mean the same there."""
    done: dict[str, object] = {}
    for name, value in data.items():
        if name == "fields" and isinstance(value, list):
            done[name] = [texts_of_tests(one) if isinstance(one, Mapping) else one for one in value]
        elif name == "values" and isinstance(value, list):
            done[name] = [number_as_text(one) for one in value]
        else:
            done[name] = number_as_text(value) if name == "value" else value
    return done


def _kind(value: object) -> str:
    names = {bool: "true/false", int: "a number", float: "a number", str: "text", list: "a list", dict: "a mapping"}
    return names.get(type(value), "empty" if value is None else type(value).__name__)
