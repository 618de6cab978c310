"""Reads YAML data files so that every complaint can name file and line."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import yaml

from qingting.errors import PackError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

Place = tuple[str | int, ...]
"""Path of keys and list positions from the document's top to a value."""


@dataclass(frozen=True, kw_only=True)
class Document:
    """A YAML mapping with the line of each of its values."""

    source: str
    """File name for messages."""
    data: Mapping[str, object]
    """The document's content."""
    lines: Mapping[Place, int] = field(default_factory=dict)
    """Line (from 1) of each value by its place."""
    folder: Path | None = None
    """Where the file lies; None for a text that came from no file."""

    def error(self, place: Place, problem: str, fix: str) -> PackError:
        """Build a PackError that names file, line, field and fix."""
        return pack_error(self.source, self.line(place), place, problem, fix)

    def line(self, place: Place) -> int:
        """Line of the value at a place, or of the nearest enclosing value."""
        while place and place not in self.lines:
            place = place[:-1]
        return self.lines.get(place, 1)


def field_name(place: Place) -> str:
    """Write a place as a reader does: analyzers.compliance.items[2].name."""
    text = ""
    for part in place:
        text += f"[{part}]" if isinstance(part, int) else f".{part}"
    return text.lstrip(".")


def pack_error(source: str, line: int, place: Place, problem: str, fix: str) -> PackError:
    """Build the one form of message all data files' errors have."""
    where = f", field {field_name(place)}" if place else ""
    return PackError(f"{source}, line {line}{where}: {problem}", remedy=fix)


_LOADER: type[yaml.SafeLoader] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""libyaml's where PyYAML was built with it: the lexicons take an eighth of the time."""


def read_document(path: Path, *, source: str | None = None) -> Document:
    """Read a YAML file whose top is a mapping.

    Raises PackError when the file cannot be read, is no YAML, has no mapping at its top, or
    says the same key twice.
    """
    name = source or path.name
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise PackError(
            f"{name} cannot be read: {type(error).__name__}.", remedy="Check the path; files are UTF-8."
        ) from error
    return replace(parse_document(text, source=name), folder=path.absolute().parent)


def parse_document(text: str, *, source: str) -> Document:
    """Parse YAML text; see read_document."""
    try:
        loader, top = _composed(text)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise pack_error(source, line, (), f"no valid YAML: {error.problem}", "Correct the YAML syntax.") from error
    except yaml.YAMLError as error:
        raise pack_error(source, 1, (), "no valid YAML", "Correct the YAML syntax.") from error
    if not isinstance(top, yaml.MappingNode):
        raise pack_error(source, 1, (), "the file must hold a mapping", "Begin with `id:` and `name:`.")
    lines: dict[Place, int] = {}
    _collect(top, (), lines, source)
    data = loader.construct_document(top)
    return Document(source=source, data=data, lines=lines)


def _composed(text: str) -> tuple[yaml.SafeLoader, yaml.Node | None]:
    """The loader and the document's nodes; errors are PyYAML's own, which name the line that is wrong."""
    loader = _LOADER(text)
    try:
        return loader, loader.get_single_node()
    except yaml.YAMLError:
        own = yaml.SafeLoader(text)
        return own, own.get_single_node()


def _collect(node: yaml.Node, place: Place, lines: dict[Place, int], source: str) -> None:
    lines[place] = node.start_mark.line + 1
    if isinstance(node, yaml.SequenceNode):
        for number, item in enumerate(node.value):
            _collect(item, (*place, number), lines, source)
    if not isinstance(node, yaml.MappingNode):
        return
    for key, value in node.value:
        below = (*place, str(key.value))
        line = key.start_mark.line + 1
        if not isinstance(key, yaml.ScalarNode) or key.tag != "tag:yaml.org,2002:str":
            raise pack_error(source, line, below, "keys must be words", "Put the key in quotes.")
        if below in lines:
            raise pack_error(source, line, below, "the same key stands twice", "Keep one of them.")
        _collect(value, below, lines, source)
        lines[below] = line
