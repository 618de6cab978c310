"""Phrase lists kept as data: one YAML file per lexicon, groups of spoken variants.

`groups:` lists phrases as they are; `patterns:` lists families of phrases by group, written
with alternatives and the file's own `slots:` (see phrase_patterns), and adds to the groups.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

from qingting.analysis.phrase_patterns import expand
from qingting.documents import Document, read_document
from qingting.errors import PackError

FOLDER = Path(__file__).parent / "lexicons"


def lexicon_names() -> tuple[str, ...]:
    """Names of the lexicons that come with Qingting."""
    return tuple(sorted(path.stem for path in FOLDER.glob("*.yaml")))


@lru_cache(maxsize=128)
def lexicon(name: str) -> tuple[str, ...]:
    """Return a bundled lexicon's phrases, groups joined, without repeats.

    Raises PackError for an unknown name or a malformed file.
    """
    return tuple(dict.fromkeys(phrase for group in groups(name).values() for phrase in group))


@lru_cache(maxsize=128)
def groups(name: str) -> dict[str, tuple[str, ...]]:
    """Return a bundled lexicon's phrases by group; raises PackError like lexicon()."""
    path = FOLDER / f"{name}.yaml"
    if name not in lexicon_names():
        raise PackError(f"No lexicon is named {name!r}.", remedy=f"Use one of: {', '.join(lexicon_names())}.")
    return read_groups(read_document(path, source=f"lexicons/{path.name}"))


def read_groups(document: Document) -> dict[str, tuple[str, ...]]:
    """Return the phrases of a lexicon file by group, its patterns spelled out; raises PackError."""
    listed, families = _lists(document, "groups"), _lists(document, "patterns")
    if not listed and not families:
        raise document.error(("groups",), "groups of phrases are missing", "Add `groups:` with lists of phrases.")
    slots = _slots(document)
    found = {group: list(phrases) for group, phrases in listed.items()}
    for group, patterns in families.items():
        for number, pattern in enumerate(patterns):
            try:
                found.setdefault(group, []).extend(expand(pattern, slots))
            except ValueError as error:
                fix = "Write `(a|b)`, `(a)?`, `<slot>` or `…`."
                raise document.error(("patterns", group, number), str(error), fix) from None
    return {group: tuple(dict.fromkeys(phrases)) for group, phrases in found.items()}


def _lists(document: Document, section: str) -> dict[str, tuple[str, ...]]:
    found = document.data.get(section, {})
    if not isinstance(found, Mapping):
        raise document.error((section,), f"`{section}` names groups", f"Add `{section}:` with lists of phrases.")
    return {group: _phrases(document, (section, group), phrases) for group, phrases in found.items()}


def _phrases(document: Document, place: tuple[str, str], phrases: object) -> tuple[str, ...]:
    if not isinstance(phrases, list):
        raise document.error(place, "a group is a list of phrases", "Write the phrases as a list.")
    for number, phrase in enumerate(phrases):
        if not isinstance(phrase, str) or not phrase.strip():
            raise document.error((*place, number), "a phrase is text", "Put the phrase in quotes.")
    return tuple(phrases)


def _slots(document: Document) -> dict[str, str]:
    found = document.data.get("slots", {})
    if not isinstance(found, Mapping) or not all(isinstance(value, str) for value in found.values()):
        raise document.error(("slots",), "slots are texts by name", 'Write `name: "one|other"` below `slots:`.')
    return dict(found)
