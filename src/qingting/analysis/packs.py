"""Packs: what is inspected in one line of business, as data.

A pack names itself, may extend another pack, and gives options per analyzer. Extending
merges: mappings by key, lists of mappings that carry an `id` by that id (an entry with
`remove: true` drops the inherited one); anything else replaces what was inherited.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from qingting.analysis.options import FILES, OptionError, build_options, names_a_file
from qingting.analysis.tools import Tools
from qingting.documents import Document, Place, pack_error, read_document
from qingting.errors import PackError

if TYPE_CHECKING:
    from qingting.analysis.analyzer import Analyzer

FOLDER = Path(__file__).parent / "packs"
_WORDS = ("id", "name", "version", "extends", "description")
_KNOWN = (*_WORDS, "hot_words", "correct_terms", "hints", "analyzers")


@dataclass(frozen=True, kw_only=True)
class Pack:
    """The options of all analyzers for one line of business."""

    id: str
    name: str
    """Chinese name."""
    version: str
    description: str = ""
    """One Chinese sentence."""
    analyzers: Mapping[str, Mapping[str, object]] = field(default_factory=dict)
    """Analyzer id -> option name -> plain value; analyzers not named run with their defaults."""
    switched_off: frozenset[str] = frozenset()
    """Ids of analyzers that the pack turns off (`knowledge: false`)."""
    hot_words: tuple[str, ...] = ()
    """Names of the lists of words that recognition should expect, own ones before inherited ones."""
    correct_terms: bool = True
    """Whether misheard words of those lists are put right."""
    hints: Mapping[str, object] = field(default_factory=dict)
    """Plain values over the hints that come with Qingting (qingting.live.assist.book reads them)."""
    documents: tuple[Document, ...] = ()
    """The files it was read from, the extended ones first."""

    @property
    def label(self) -> str:
        """Id and version as reports name the pack: ecommerce@1."""
        return f"{self.id}@{self.version}"


def pack_names(folder: Path = FOLDER) -> tuple[str, ...]:
    """Names of the packs in a folder; the bundled ones by default."""
    return tuple(sorted(path.stem for path in folder.glob("*.yaml")))


def load_pack(name: str | Path, *, folder: Path = FOLDER) -> Pack:
    """Load a pack by name from a folder (then from the bundled ones), or from a file's path.

    Raises PackError that names file, line, field and fix.
    """
    return _load(name, folder, ())


def _load(name: str | Path, folder: Path, loading: tuple[Path, ...]) -> Pack:
    path = _find(name, folder)
    if path in loading:
        raise PackError(f"{path.name}: packs extend each other in a circle.", remedy="Remove one `extends:`.")
    document = read_document(path)
    words = {key: _word(document, key, required=key in ("id", "name", "version")) for key in _WORDS}
    for key in document.data:
        if key not in _KNOWN:
            raise document.error((key,), "no field has this name", f"Known fields: {', '.join(_KNOWN)}.")
    base = _load(words["extends"], path.parent, (*loading, path)) if words["extends"] else None
    own, switched_off = _analyzers(document)
    merged = dict(base.analyzers) if base else {}
    for analyzer, values in own.items():
        merged[analyzer] = _merge_mappings(merged.get(analyzer, {}), values)
    inherited_off = (base.switched_off if base else frozenset()) - own.keys()
    return Pack(
        id=words["id"],
        name=words["name"],
        version=words["version"],
        description=words["description"],
        analyzers={analyzer: _without_removed(values) for analyzer, values in merged.items()},
        switched_off=inherited_off | switched_off,
        hot_words=_hot_words(document, base.hot_words if base else ()),
        correct_terms=_switch(document, "correct_terms", otherwise=base.correct_terms if base else True),
        hints=lay_over(base.hints if base else {}, _mapping(document, "hints")),
        documents=(*(base.documents if base else ()), document),
    )


def _find(name: str | Path, folder: Path) -> Path:
    if isinstance(name, Path):
        return name
    for place in (folder, FOLDER):
        if name in pack_names(place):
            return place / f"{name}.yaml"
    known = sorted({*pack_names(folder), *pack_names()})
    raise PackError(f"No pack is named {name!r}.", remedy=f"Use one of: {', '.join(known)}.")


def _word(document: Document, key: str, *, required: bool) -> str:
    value = document.data.get(key)
    if value is None and not required:
        return ""
    if not isinstance(value, str) or not value.strip():
        raise document.error((key,), f"`{key}` must be text", f'Write `{key}: "…"` with quotes.')
    return value


def _hot_words(document: Document, inherited: tuple[str, ...]) -> tuple[str, ...]:
    """Names of lists: a name or several; a list may extend another, so that naming one is enough as a rule."""
    value = document.data.get("hot_words")
    if value is None:
        return inherited
    names = value if isinstance(value, list) else [value]
    if not all(isinstance(name, str) and name.strip() for name in names):
        raise document.error(
            ("hot_words",), "must name lists of hot words", "Write a name, or [one, two]; [] for none."
        )
    return tuple(names)


def _switch(document: Document, key: str, *, otherwise: bool) -> bool:
    value = document.data.get(key, otherwise)
    if not isinstance(value, bool):
        raise document.error((key,), "must be true or false", "Write `true` or `false` without quotes.")
    return value


def _mapping(document: Document, key: str) -> Mapping[str, object]:
    value = document.data.get(key, {})
    if not isinstance(value, Mapping):
        raise document.error((key,), "must be a mapping", "Write `name: value` lines below it.")
    return value


def lay_over(old: Mapping[str, object], new: Mapping[str, object]) -> dict[str, object]:
    """Merge values into others as a pack does with those of the pack that it extends."""
    return _merge_mappings(old, new)


def _analyzers(document: Document) -> tuple[dict[str, Mapping[str, object]], frozenset[str]]:
    section = document.data.get("analyzers", {})
    if not isinstance(section, Mapping):
        raise document.error(("analyzers",), "must be a mapping", "Write analyzer ids with their options below.")
    own: dict[str, Mapping[str, object]] = {}
    for analyzer, values in section.items():
        if isinstance(values, Mapping):
            own[analyzer] = values
        elif values is not False:
            place = ("analyzers", analyzer)
            raise document.error(
                place, "must be options or `false`", "Write options below it, or `false` to turn it off."
            )
    return own, frozenset(analyzer for analyzer, values in section.items() if values is False)


def _merge(old: object, new: object) -> object:
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        return _merge_mappings(old, new)
    if _have_ids(old) and _have_ids(new):
        merged = {str(item["id"]): item for item in _items(old)}
        for item in _items(new):
            key = str(item["id"])
            merged[key] = _merge_mappings(merged.get(key, {}), item)
        return list(merged.values())
    return new


def _merge_mappings(old: Mapping[str, object], new: Mapping[str, object]) -> dict[str, object]:
    return {**old, **{key: _merge(old[key], value) if key in old else value for key, value in new.items()}}


def _have_ids(value: object) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(one, Mapping) and "id" in one for one in value)


def _items(value: object) -> Sequence[Mapping[str, object]]:
    return value if isinstance(value, list) else []


def _without_removed(values: Mapping[str, object]) -> dict[str, object]:
    kept: dict[str, object] = {}
    for name, value in values.items():
        if _have_ids(value):
            kept[name] = [
                {key: part for key, part in item.items() if key != "remove"}
                for item in _items(value)
                if item.get("remove") is not True
            ]
        else:
            kept[name] = value
    return kept


def build_analyzers(pack: Pack, classes: Sequence[type[Analyzer]], tools: Tools | None = None) -> tuple[Analyzer, ...]:
    """Return an instance of every analyzer that the pack does not turn off, with its options and tools.

    Raises PackError for an analyzer that is not installed, an unknown option, a value of the
    wrong type, or options that the analyzer refuses.
    """
    known = {kind.id for kind in classes}
    for analyzer in (*pack.analyzers, *pack.switched_off):
        if analyzer not in known:
            fix = f"Install its package, or use one of: {', '.join(sorted(known))}."
            raise _error(pack, ("analyzers", analyzer), "no analyzer has this id", fix)
    given = tools or Tools()
    return tuple(_build(pack, kind, given) for kind in classes if kind.id not in pack.switched_off)


def _build(pack: Pack, kind: type[Analyzer], tools: Tools) -> Analyzer:
    place: Place = ("analyzers", kind.id)
    try:
        options = build_options(kind.Options, _with_own_files(pack, kind), place)
        make: Callable[..., Analyzer] = kind
        return make(options, **tools.for_analyzer(kind))
    except OptionError as error:
        raise _error(pack, error.place, error.problem, error.fix) from error
    except ValueError as error:
        raise _error(pack, place, str(error), "Correct the analyzer's options.") from error


def _with_own_files(pack: Pack, kind: type[Analyzer]) -> dict[str, object]:
    """Options of an analyzer in which paths are taken from the folder of the pack file that names them."""
    values = dict(pack.analyzers.get(kind.id, {}))
    for name in (one.name for one in dataclasses.fields(kind.Options) if one.metadata.get(FILES)):
        listed = values.get(name)
        if isinstance(listed, list):
            named_in = next(one for one in reversed(pack.documents) if ("analyzers", kind.id, name) in one.lines)
            values[name] = [_beside(named_in, ("analyzers", kind.id, name, at), one) for at, one in enumerate(listed)]
    return values


def _beside(document: Document, place: Place, value: object) -> object:
    if not isinstance(value, str) or not names_a_file(value) or document.folder is None:
        return value
    path = document.folder / value
    if not path.is_file():
        fix = f"Paths are taken from the folder of {document.source}; correct it, or name a bundled file."
        raise document.error(place, "there is no such file", fix)
    return str(path)


def _error(pack: Pack, place: Place, problem: str, fix: str) -> PackError:
    """Name the file and line that gave the value: lists merged by id keep their entry's own place."""
    for document in reversed(pack.documents):
        own = _own_place(pack, document, place)
        if own in document.lines:
            return document.error(own, problem, fix)
    for document in reversed(pack.documents):
        if place[:2] in document.lines:
            return document.error(place[:2], f"{problem} ({'.'.join(map(str, place[2:]))})", fix)
    return pack_error(f"{pack.id}.yaml", 1, place, problem, fix)


def _own_place(pack: Pack, document: Document, place: Place) -> Place:
    """Translate a place in the merged pack to the place in one of its files."""
    merged: object = {"analyzers": pack.analyzers}
    source: object = document.data
    own: list[str | int] = []
    for part in place:
        step = part
        if isinstance(part, int) and _have_ids(merged) and isinstance(source, list):
            wanted = _items(merged)[part]["id"]
            step = next((at for at, one in enumerate(_items(source)) if one.get("id") == wanted), len(source))
        own.append(step)
        merged, source = _below(merged, part), _below(source, step)
    return tuple(own)


def _below(value: object, part: str | int) -> object:
    if isinstance(value, Mapping):
        return value.get(part)
    if isinstance(value, list) and isinstance(part, int) and part < len(value):
        return value[part]
    return None
