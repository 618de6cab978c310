"""Dialects as data: which words show a dialect, how sure that is, and their standard words.

Strength of an entry: 3 is written so in this dialect only, 2 seldom elsewhere, 1 shows nothing
alone, 0 is standard Chinese too and only mapped to the standard word. One ambiguous word never
decides: the sum must reach `DECISIVE`, and lead over the next dialect.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, cast

from qingting.analysis.text import Hit, NormalText, PhraseBook, Reading, normalise, not_inside
from qingting.documents import Document, read_document

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

FOLDER = Path(__file__).parent / "lexicons" / "dialects"
DECISIVE = 3
"""Strengths of an utterance's distinct words must sum up to so much."""
LEAD = 1
"""The sum must be by so much higher than any other dialect's."""
SURE = 0.7
"""From this confidence on one utterance alone is worth a finding."""
_STRENGTHS = range(4)


@dataclass(frozen=True, kw_only=True)
class DialectWord:
    """A word or expression of a dialect."""

    form: str
    """As recognition writes it, in simplified characters."""
    reading: str
    """How it is said there, in the dialect's usual romanisation; approximate where there is none."""
    standard: str
    """The standard words it stands for."""
    strength: int
    """0 to 3: how much it shows the dialect."""


@dataclass(frozen=True, kw_only=True)
class Dialect:
    """A language or dialect that customers speak."""

    id: str
    name: str
    """Chinese name."""
    language: str
    """The engine's label for it: `yue`; `zh` where engines give no own label."""
    separate: bool
    """Whether it differs so much from Mandarin that a Mandarin sentence is known by its words."""
    regions: tuple[str, ...] = ()
    """Provinces and cities where it is at home."""
    words: tuple[DialectWord, ...] = ()
    ordinary: tuple[str, ...] = ()
    """Standard words that contain dialect words: 阿拉 within 阿拉伯."""
    loanwords: frozenset[str] = frozenset()
    """For English: words used within Chinese, lower case."""


@dataclass(frozen=True, kw_only=True)
class DialectGuess:
    """The dialect an utterance shows by its words."""

    dialect: str
    """Its id."""
    score: int
    """Sum of the strengths of its distinct words."""
    confidence: float
    """0 to 1, from the score; for one short word under SURE."""
    hits: tuple[Hit, ...]
    """The words, in order."""


@cache
def dialects(folder: Path = FOLDER) -> Mapping[str, Dialect]:
    """Return all dialects by id. Raises PackError that names file, line, field and fix."""
    found = (_read(path) for path in sorted(folder.glob("*.yaml")))
    return {dialect.id: dialect for dialect in found}


def _read(path: Path) -> Dialect:
    document = read_document(path, source=f"lexicons/dialects/{path.name}")
    data = document.data
    for name in ("id", "name", "language"):
        if not isinstance(data.get(name), str):
            raise document.error((name,), f"`{name}` must be text", f'Write `{name}: "…"`.')
    if data["id"] != path.stem:
        raise document.error(("id",), "the id must be the file's name", f"Write `id: {path.stem}`.")
    entries = data.get("entries")
    if not isinstance(entries, list):
        raise document.error(("entries",), "entries are missing", "Add `entries:` with one row per word.")
    return Dialect(
        id=path.stem,
        name=str(data["name"]),
        language=str(data["language"]),
        separate=data.get("separate") is True,
        regions=_texts(document, "regions"),
        words=tuple(_word(document, place, row) for place, row in enumerate(entries)),
        ordinary=_texts(document, "ordinary"),
        loanwords=frozenset(_texts(document, "loanwords")),
    )


def _texts(document: Document, name: str) -> tuple[str, ...]:
    values = document.data.get(name, [])
    if not isinstance(values, list) or not all(isinstance(one, str) and one for one in values):
        raise document.error((name,), "must be a list of texts", "Write `[词, 词]`; put no and yes in quotes.")
    return tuple(values)


def _word(document: Document, place: int, row: object) -> DialectWord:
    texts, strength = (row[:3], row[3]) if isinstance(row, list) and len(row) == 4 else ((), None)
    if not texts or not all(isinstance(one, str) and one for one in texts) or strength not in _STRENGTHS:
        raise document.error(
            ("entries", place), "a row is [word, reading, standard words, strength 0 to 3]", "Complete the row."
        )
    if normalise(texts[0]) != texts[0]:
        place_of_form = ("entries", place, 0)
        raise document.error(place_of_form, "the word holds a filler or punctuation", "Write it without 呃 and marks.")
    return DialectWord(form=texts[0], reading=texts[1], standard=texts[2], strength=cast("int", strength))


@cache
def word_of(dialect: str) -> Mapping[str, DialectWord]:
    """Return a dialect's words by form."""
    return {word.form: word for word in dialects()[dialect].words}


@cache
def dialect_phrases() -> Mapping[str, tuple[str, ...]]:
    """Return the phrases to find: the forms under `word:<dialect>`, and `ordinary`."""
    labels = {f"word:{one.id}": tuple(word.form for word in one.words) for one in dialects().values() if one.words}
    labels["ordinary"] = tuple(dict.fromkeys(word for one in dialects().values() for word in one.ordinary))
    return labels


@cache
def _book() -> PhraseBook:
    return PhraseBook({"dialects": dialect_phrases()})


def words_in(text: NormalText) -> dict[str, tuple[Hit, ...]]:
    """Return the dialect words in a text by dialect id; those within ordinary words left out."""
    found = _book().find(text)
    by_label = {label: hits for (_, label), hits in found.items()}
    return real_words(by_label)


def real_words(by_label: Mapping[str, Sequence[Hit]]) -> dict[str, tuple[Hit, ...]]:
    """Take phrase hits by label (see dialect_phrases) and return the dialect words by dialect id."""
    ordinary = by_label.get("ordinary", ())
    found: dict[str, tuple[Hit, ...]] = {}
    for label, hits in by_label.items():
        # Longer in the text than in its own characters: punctuation stands inside (唔，好的 is no 唔好).
        whole = [hit for hit in hits if hit.end_char - hit.start_char == hit.normal_end - hit.normal_start]
        kept = not_inside(whole, ordinary) if label != "ordinary" else ()
        if kept:
            found[label.removeprefix("word:")] = kept
    return found


def guess(
    words: Mapping[str, Sequence[Hit]], *, labelled: str = "", expected: Collection[str] = ()
) -> DialectGuess | None:
    """Return the dialect that words show; None when they show none, or two alike.

    `labelled` is the dialect the engine named: worth as much as one decisive word. `expected`
    are dialects at home on the line or in the caller's region: they tip a balance, never decide.
    """
    scores = {dialect: _score(dialect, hits) for dialect, hits in words.items()}
    if labelled:
        scores[labelled] = scores.get(labelled, 0) + DECISIVE
    ranked = sorted(scores, key=lambda one: (-(scores[one] + (one in expected)), one))
    if not ranked:
        return None
    best = ranked[0]
    leads = all(scores[best] + (best in expected) >= scores[one] + LEAD for one in ranked[1:])
    if scores[best] < DECISIVE or not leads:
        return None
    hits = tuple(hit for hit in words.get(best, ()) if word_of(best)[hit.phrase].strength)
    confidence = _confidence(best, scores[best], hits)
    return DialectGuess(dialect=best, score=scores[best], confidence=confidence, hits=hits)


def _score(dialect: str, hits: Iterable[Hit]) -> int:
    return sum(word_of(dialect)[form].strength for form in {hit.phrase for hit in hits})


def _confidence(dialect: str, score: int, hits: Sequence[Hit]) -> float:
    """How sure a score is: the steps were set so that single short words stay under SURE."""
    if score >= 6:
        return 0.95
    if score > DECISIVE:
        return 0.85
    longest = max((len(hit.phrase) for hit in hits if word_of(dialect)[hit.phrase].strength == DECISIVE), default=0)
    return 0.75 if longest >= 3 else 0.6


def standardise(text: str, spoken: Collection[str] | None = None) -> list[tuple[int, int, str]]:
    """Return (start, end, standard words) for each dialect word of a text, in order, none overlapping.

    Offsets are of `text`. `spoken` are the dialects known to be spoken; by default those the text
    itself shows. Words that show nothing alone (strength 1) are mapped only where their dialect
    is spoken, the others always; of overlapping words the longest counts.
    """
    return _standard_words(words_in(NormalText(text)), spoken)


def _standard_words(found: Mapping[str, Sequence[Hit]], spoken: Collection[str] | None) -> list[tuple[int, int, str]]:
    if not found:
        return []
    if spoken is None:
        shown = guess(found)
        spoken = () if shown is None else (shown.dialect,)
    candidates = [
        (hit, word_of(dialect)[hit.phrase], dialect in spoken) for dialect, hits in found.items() for hit in hits
    ]
    usable = [one for one in candidates if one[2] or one[1].strength != 1]
    usable.sort(key=lambda one: (-(one[0].normal_end - one[0].normal_start), not one[2], one[0].normal_start))
    taken: list[tuple[int, int, str]] = []
    for hit, word, _ in usable:
        if word.standard != word.form and all(
            hit.end_char <= start or end <= hit.start_char for start, end, _ in taken
        ):
            taken.append((hit.start_char, hit.end_char, word.standard))
    return sorted(taken)


def standard_reading(text: NormalText) -> Reading | None:
    """Return the text as standard Mandarin would say it, with the way back; None where it says it already.

    好烦啊 and 勿来噻 then match what rules and lexicons write in standard words.
    """
    words = _standard_words(words_in(text), None)
    return Reading(text, words) if words else None


def standard_text(text: str, spoken: Collection[str] | None = None) -> str:
    """Return the text with its dialect words replaced by standard ones; see standardise."""
    parts, last = [], 0
    for start, end, words in standardise(text, spoken):
        parts += [text[last:start], words]
        last = end
    return "".join([*parts, text[last:]])
