"""Contact reasons as data: one file per line of business, found by folder scan."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from qingting.analysis.phrase_patterns import expand
from qingting.documents import Document, read_document

if TYPE_CHECKING:
    from collections.abc import Mapping

FOLDER = Path(__file__).parent / "lexicons" / "intents"
SHARED = "general"
"""The file of intents that every line of business has; as a line of business it stands for all of them."""
_LISTS = ("phrases", "signs", "excluded", "agent", "examples")
_FAMILIES = ("phrases", "patterns", "excluded", "agent")
"""Lists that may hold patterns (see phrase_patterns), with the file's own `slots:`."""


@dataclass(frozen=True, kw_only=True)
class Intent:
    """One reason why people call."""

    id: str
    name: str
    """Chinese name."""
    line: str
    """Line of business whose file holds it."""
    problem: bool = False
    """Whether it states a trouble: a wish in the same breath (退款) is the reason then, not the trouble."""
    phrases: tuple[str, ...] = ()
    """Words that say it."""
    pairs: tuple[tuple[str, ...], ...] = ()
    """Words that say it when all stand in one sentence, in any order."""
    patterns: tuple[str, ...] = ()
    """Everyday ways to say it (thing and trouble), spelled out: they count where a customer states the matter."""
    signs: tuple[str, ...] = ()
    """Words that only hint at it: they count while nothing better is known."""
    excluded: tuple[str, ...] = ()
    """Longer words within which the above do not count."""
    agent: tuple[str, ...] = ()
    """Words by which the agent says it on a call the centre makes."""
    examples: tuple[str, ...] = ()
    """Whole sentences of customers, for comparison by meaning."""


def intent_lines(folder: Path = FOLDER) -> tuple[str, ...]:
    """Lines of business that have own intents."""
    return tuple(sorted(path.stem for path in folder.glob("*.yaml")))


@lru_cache(maxsize=32)
def intents(line_of_business: str = SHARED, *, folder: Path = FOLDER) -> tuple[Intent, ...]:
    """Return the intents of a line of business in order of the files; all for `general` and unknown lines.

    Raises PackError that names file, line, field and fix.
    """
    known = intent_lines(folder)
    own = line_of_business in known and line_of_business != SHARED
    lines = [line for line in (SHARED, line_of_business) if line in known] if own else list(known)
    found: dict[str, Intent] = {}
    for line in lines:
        document = read_document(folder / f"{line}.yaml", source=f"lexicons/intents/{line}.yaml")
        for intent in _read(document, line):
            if intent.id in found:
                place = ("intents", intent.id)
                raise document.error(place, f"the file {found[intent.id].line}.yaml has it too", "Rename one of them.")
            found[intent.id] = intent
    return tuple(found.values())


def _read(document: Document, line: str) -> list[Intent]:
    section = document.data.get("intents")
    if not isinstance(section, dict) or not section:
        raise document.error(("intents",), "intents are missing", "Add `intents:` with one mapping per intent.")
    slots = document.data.get("slots", {})
    if not isinstance(slots, dict) or not all(isinstance(one, str) for one in slots.values()):
        raise document.error(("slots",), "slots are texts by name", 'Write `name: "one|other"` below `slots:`.')
    return [_intent(document, line, key, values, slots) for key, values in section.items()]


def _intent(document: Document, line: str, key: str, values: object, slots: Mapping[str, str]) -> Intent:
    place = ("intents", key)
    if not isinstance(values, dict) or not isinstance(values.get("name"), str):
        raise document.error(place, "an intent is a mapping with a name", "Add `name:` and its lists.")
    for name in values:
        if name not in ("name", "problem", "pairs", "patterns", *_LISTS):
            raise document.error(
                (*place, name), "no field has this name", f"Known: {', '.join(_LISTS)}, pairs, patterns."
            )
    lists = {name: _texts(document, (*place, name), values.get(name, [])) for name in (*_LISTS, "patterns")}
    lists |= {name: _spelled_out(document, (*place, name), lists[name], slots) for name in _FAMILIES}
    pairs = values.get("pairs", [])
    if not isinstance(pairs, list):
        raise document.error((*place, "pairs"), "must be a list of lists", "Write `- [词一, 词二]`.")
    return Intent(
        id=key,
        name=values["name"],
        line=line,
        problem=values.get("problem") is True,
        pairs=tuple(_texts(document, (*place, "pairs", at), words) for at, words in enumerate(pairs)),
        **lists,
    )


def _texts(document: Document, place: tuple[str | int, ...], values: object) -> tuple[str, ...]:
    if not isinstance(values, list) or not all(isinstance(one, str) and one.strip() for one in values):
        raise document.error(place, "must be a list of texts", "Write `[词, 词]`; put numbers in quotes.")
    return tuple(values)


def _spelled_out(
    document: Document, place: tuple[str | int, ...], patterns: tuple[str, ...], slots: Mapping[str, str]
) -> tuple[str, ...]:
    found: dict[str, None] = {}
    for number, pattern in enumerate(patterns):
        try:
            found.update(dict.fromkeys(expand(pattern, slots)))
        except ValueError as error:
            raise document.error((*place, number), str(error), "Write `(a|b)`, `(a)?`, `<slot>` or `…`.") from None
    return tuple(found)


def phrase_labels(known: tuple[Intent, ...]) -> Mapping[str, tuple[str, ...]]:
    """Return the phrases to find: labels `<list>:<id>` (phrase, pattern, sign, excluded, agent) and `term:<word>`."""
    labels: dict[str, tuple[str, ...]] = {}
    for intent in known:
        labels[f"phrase:{intent.id}"] = intent.phrases
        labels[f"pattern:{intent.id}"] = intent.patterns
        labels[f"sign:{intent.id}"] = intent.signs
        labels[f"excluded:{intent.id}"] = intent.excluded
        labels[f"agent:{intent.id}"] = intent.agent
        for word in (word for pair in intent.pairs for word in pair):
            labels[f"term:{word}"] = (word,)
    return labels
