"""Finds the inspection dimensions: a folder scan, and entry points of installed packages."""

from __future__ import annotations

import dataclasses
import importlib
import inspect
import pkgutil
import re
import typing
from importlib.metadata import EntryPoint, entry_points

from qingting.analysis import analyzers
from qingting.analysis.analyzer import Analyzer
from qingting.errors import DiscoveryError

ENTRY_POINT_GROUP = "qingting.analyzers"
_ID = re.compile(r"[a-z][a-z0-9_]*")
_METADATA = ("id", "name", "description", "version")


def discover() -> list[type[Analyzer]]:
    """Return the class of every analyzer, bundled and installed, in order of id.

    Raises DiscoveryError that names the plug-in which cannot be imported, has no or several
    analyzers, lacks metadata, or has an id that another one has.
    """
    found: dict[str, tuple[str, type[Analyzer]]] = {}
    for origin, kind in (*_bundled(), *_installed()):
        if kind.id in found:
            raise DiscoveryError(f"Two analyzers have the id {kind.id!r}: {found[kind.id][0]} and {origin}.")
        found[kind.id] = (origin, kind)
    return [found[key][1] for key in sorted(found)]


def analyzer_ids() -> tuple[str, ...]:
    """Return the ids of all analyzers, bundled and installed, without importing any."""
    names = [module.name for module in pkgutil.iter_modules(analyzers.__path__) if not module.name.startswith("_")]
    return tuple(sorted({*names, *(point.name for point in entry_points(group=ENTRY_POINT_GROUP))}))


def _bundled() -> list[tuple[str, type[Analyzer]]]:
    names = sorted(module.name for module in pkgutil.iter_modules(analyzers.__path__))
    return [_from_module(name) for name in names if not name.startswith("_")]


def _from_module(name: str) -> tuple[str, type[Analyzer]]:
    origin = f"{analyzers.__name__}.{name}"
    try:
        module = importlib.import_module(origin)
    except Exception as error:
        raise DiscoveryError(f"The analyzer module {origin} cannot be imported: {type(error).__name__}.") from error
    kinds = [
        kind
        for _, kind in inspect.getmembers(module, inspect.isclass)
        if issubclass(kind, Analyzer) and kind.__module__ == origin
    ]
    if len(kinds) != 1:
        raise DiscoveryError(
            f"The analyzer module {origin} holds {len(kinds)} analyzers.",
            remedy="Define exactly one Analyzer there; modules that begin with `_` are not scanned.",
        )
    _check(origin, kinds[0], wanted_id=name)
    return origin, kinds[0]


def _installed() -> list[tuple[str, type[Analyzer]]]:
    points = sorted(entry_points(group=ENTRY_POINT_GROUP), key=lambda point: (point.name, point.value))
    return [_from_entry_point(point) for point in points]


def _from_entry_point(point: EntryPoint) -> tuple[str, type[Analyzer]]:
    package = f" of package {point.dist.name}" if point.dist else ""
    origin = f"{point.value} (entry point {point.name!r}{package})"
    try:
        kind = point.load()
    except Exception as error:
        raise DiscoveryError(f"The analyzer {origin} cannot be imported: {type(error).__name__}.") from error
    if not (inspect.isclass(kind) and issubclass(kind, Analyzer)):
        raise DiscoveryError(f"{origin} is no Analyzer.", remedy="Let the entry point name an Analyzer class.")
    _check(origin, kind, wanted_id=point.name)
    return origin, kind


def _check(origin: str, kind: type[Analyzer], *, wanted_id: str) -> None:
    for name in _METADATA:
        value = getattr(kind, name, None)
        if not isinstance(value, str) or not value.strip():
            raise DiscoveryError(f"The analyzer {origin} has no `{name}`.", remedy=f"Give the class a `{name}` text.")
    if kind.id != wanted_id or not _ID.fullmatch(kind.id):
        raise DiscoveryError(
            f"The analyzer {origin} has the id {kind.id!r}; expected {wanted_id!r}.",
            remedy="The id is snake_case and equals the module's or entry point's name.",
        )
    if inspect.isabstract(kind):
        missing = ", ".join(sorted(kind.__abstractmethods__))
        raise DiscoveryError(f"The analyzer {origin} does not define {missing}.")
    _check_options(origin, kind)


def _check_options(origin: str, kind: type[Analyzer]) -> None:
    options: object = kind.Options
    if not (inspect.isclass(options) and dataclasses.is_dataclass(options)):
        raise DiscoveryError(f"The Options of the analyzer {origin} are no dataclass.")
    parameters = getattr(options, "__dataclass_params__", None)
    if not getattr(parameters, "frozen", False):
        raise DiscoveryError(f"The Options of the analyzer {origin} are not frozen.")
    try:
        typing.get_type_hints(options)
        kind(options())
    except Exception as error:
        raise DiscoveryError(
            f"The analyzer {origin} cannot be built with its default options: {type(error).__name__}.",
            remedy="Give every option a default, and import its type outside `if TYPE_CHECKING`.",
        ) from error
