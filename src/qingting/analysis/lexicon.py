"""Phrase lists kept as data: one YAML file per lexicon, groups of spoken variants."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from qingting.documents import Document, read_document
from qingting.errors import PackError

FOLDER = Path(__file__).parent / "lexicons"


def lexicon_names() -> tuple[str, ...]:
    """Names of the lexicons that come with Qingting."""
    return tuple(sorted(path.stem for path in FOLDER.glob("*.yaml")))


@lru_cache(maxsize=64)
def lexicon(name: str) -> tuple[str, ...]:
    """Return a bundled lexicon's phrases, groups joined, without repeats.

    Raises PackError for an unknown name or a malformed file.
    """
    return tuple(dict.fromkeys(phrase for group in groups(name).values() for phrase in group))


@lru_cache(maxsize=64)
def groups(name: str) -> dict[str, tuple[str, ...]]:
    """Return a bundled lexicon's phrases by group; raises PackError like lexicon()."""
    path = FOLDER / f"{name}.yaml"
    if name not in lexicon_names():
        raise PackError(f"No lexicon is named {name!r}.", remedy=f"Use one of: {', '.join(lexicon_names())}.")
    document = read_document(path, source=f"lexicons/{path.name}")
    found = document.data.get("groups")
    if not isinstance(found, dict) or not found:
        raise document.error(("groups",), "groups of phrases are missing", "Add `groups:` with lists of phrases.")
    return {group: _phrases(document, group, phrases) for group, phrases in found.items()}


def _phrases(document: Document, group: str, phrases: object) -> tuple[str, ...]:
    if not isinstance(phrases, list):
        raise document.error(("groups", group), "a group is a list of phrases", "Write the phrases as a list.")
    for number, phrase in enumerate(phrases):
        if not isinstance(phrase, str) or not phrase.strip():
            place = ("groups", group, number)
            raise document.error(place, "a phrase is text", "Put the phrase in quotes.")
    return tuple(phrases)
