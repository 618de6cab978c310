"""Hot words: the words of a line of business that a recogniser should expect, as data.

A list names itself, may extend another, and gives words by category:

    id: ecommerce
    name: "电商热词"
    version: "1"
    extends: general
    categories:
      - id: order
        name: "订单"
        words:
          - 下单
          - {text: 订单, said: [单子], heard: [丁丹, {text: 定单, near: [退款]}], reading: "ding4 dan1"}

Engines get a few of them per call (`choose_hot_words`); the corrector knows all (corrector.py).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from qingting.documents import Document, Place, read_document
from qingting.errors import PackError
from qingting.pinyin import readings
from qingting.speech._units import is_han
from qingting.speech._word_model import MEANS_ALONE, is_known_word

FOLDER = Path(__file__).parent / "hotwords"
_TOP = ("id", "name", "version", "extends", "categories")
_CATEGORY = ("id", "name", "words")
_WORD = ("text", "said", "heard", "reading")
_HEARD = ("text", "near")
_LONGEST = 12
"""Longer phrases are no words any more: recognisers and the corrector do nothing good with them."""
MOST_WORDS = 16
"""What an engine gets at most by default: measured (docs/benchmarks.md)."""
HOT_WORD_CHARACTERS = 4
"""Characters per word that an engine gets on average at most: phrases leave room for fewer words."""
MOST_CHARACTERS = MOST_WORDS * HOT_WORD_CHARACTERS


@dataclass(frozen=True, kw_only=True)
class Misheard:
    """A form in which recognisers write a word wrongly."""

    text: str
    """As many characters as the word."""
    near: tuple[str, ...] = ()
    """It counts only when one of these stands in the same utterance or the one before; empty: always."""


@dataclass(frozen=True, kw_only=True)
class HotWord:
    """One word of a line of business."""

    text: str
    category: str
    """Id of its category."""
    said: tuple[str, ...] = ()
    """Other ways people say it (退钱 for 退款): right as they are, and a sign of the subject."""
    heard: tuple[Misheard, ...] = ()
    reading: tuple[tuple[str, int], ...] = ()
    """Syllables with tones where a dictionary would choose others; empty otherwise."""


@dataclass(frozen=True, kw_only=True)
class HotWordList:
    """The words of one line of business, the important ones first."""

    id: str
    name: str
    """Chinese name."""
    version: str
    words: tuple[HotWord, ...]
    categories: Mapping[str, str]
    """Category id -> Chinese name."""

    @property
    def label(self) -> str:
        """Id and version: ecommerce@1."""
        return f"{self.id}@{self.version}"


def hot_word_lists(folder: Path = FOLDER) -> tuple[str, ...]:
    """Names of the lists in a folder; the bundled ones by default."""
    return tuple(sorted(path.stem for path in folder.glob("*.yaml")))


def load_hot_words(name: str | Path, *, folder: Path = FOLDER) -> HotWordList:
    """Load a list by name from a folder (then from the bundled ones), or from a file's path.

    Words of an extended list come after its own. Raises PackError that names file, line, field and fix.
    """
    return _load(_find(name, folder), folder, ())


def join_lists(lists: Sequence[HotWordList]) -> HotWordList:
    """One list of several: the words of the first first, none twice."""
    words: dict[str, HotWord] = {}
    categories: dict[str, str] = {}
    for one in lists:
        categories = {**one.categories, **categories}
        for word in one.words:
            words.setdefault(word.text, word)
    label = "+".join(one.id for one in lists)
    versions = "+".join(one.version for one in lists)
    return HotWordList(
        id=label, name="、".join(one.name for one in lists), version=versions, words=tuple(words.values()),
        categories=categories,
    )  # fmt: skip


def choose_hot_words(
    known: HotWordList,
    call_data: Iterable[str] = (),
    *,
    most_words: int = MOST_WORDS,
    most_characters: int = MOST_CHARACTERS,
) -> tuple[str, ...]:
    """The few words worth telling the engine for one call.

    `call_data` are short texts known of the call (product, campaign, queue): a text of two to
    twelve letters or Chinese characters is a hot word itself, and a category whose name or words stand in
    them comes first. The rest goes round the categories, each word in its list's order.
    """
    texts = [text.strip() for text in call_data if text.strip()]
    own = [text for text in texts if _is_name(text)]
    hinted = [word.text for word in known.words if any(word.text in text for text in texts)]
    categories = {word.category for word in known.words if any(word.text in text for text in texts)}
    categories |= {key for key, name in known.categories.items() if any(name in text for text in texts)}
    first = [word for word in known.words if word.category in categories]
    rest = [word for word in known.words if word.category not in categories]
    ordered = [*own, *hinted, *(word.text for word in (*_in_turn(first), *_in_turn(rest)))]
    chosen: list[str] = []
    left = most_characters
    for text in dict.fromkeys(ordered):
        if len(chosen) < most_words and len(text) <= left:
            chosen.append(text)
            left -= len(text)
    return tuple(chosen)


def _is_name(text: str) -> bool:
    """Whether call data is a name worth hearing: neither a number nor a sentence."""
    return 2 <= len(text) <= _LONGEST and all(is_han(c) or (c.isascii() and c.isalpha()) or c in " -" for c in text)


def _in_turn(words: Sequence[HotWord]) -> list[HotWord]:
    """The first word of every category, then the second of each, and so on."""
    place: dict[str, int] = {}
    ranked = []
    for word in words:
        place[word.category] = place.get(word.category, -1) + 1
        ranked.append((place[word.category], word))
    return [word for _, word in sorted(ranked, key=lambda pair: pair[0])]


def _find(name: str | Path, folder: Path) -> Path:
    if isinstance(name, Path):
        return name
    for place in (folder, FOLDER):
        if name in hot_word_lists(place):
            return place / f"{name}.yaml"
    known = sorted({*hot_word_lists(folder), *hot_word_lists()})
    raise PackError(f"No list of hot words is named {name!r}.", remedy=f"Use one of: {', '.join(known)}.")


def _load(path: Path, folder: Path, loading: tuple[Path, ...]) -> HotWordList:
    if path in loading:
        raise PackError(f"{path.name}: hot-word lists extend each other in a circle.", remedy="Remove one `extends:`.")
    document = read_document(path)
    _check_keys(document, (), document.data, _TOP)
    head = {key: _text(document, (key,), document.data.get(key), required=key != "extends") for key in _TOP[:-1]}
    base = _load(_find(head["extends"], folder), folder, (*loading, path)) if head["extends"] else None
    categories, words = _categories(document)
    own = HotWordList(
        id=head["id"], name=head["name"], version=head["version"], words=tuple(words), categories=categories
    )
    if base is None:
        return own
    joined = join_lists((own, base))
    return HotWordList(id=own.id, name=own.name, version=own.version, words=joined.words, categories=joined.categories)


def _categories(document: Document) -> tuple[dict[str, str], list[HotWord]]:
    names: dict[str, str] = {}
    words: list[HotWord] = []
    places: dict[str, Place] = {}
    for number, item in enumerate(_items(document, ("categories",), document.data.get("categories"))):
        place: Place = ("categories", number)
        entry = _mapping(document, place, item)
        _check_keys(document, place, entry, _CATEGORY)
        category = _text(document, (*place, "id"), entry.get("id"), required=True)
        names[category] = _text(document, (*place, "name"), entry.get("name"), required=True)
        for at, one in enumerate(_items(document, (*place, "words"), entry.get("words"))):
            where = (*place, "words", at)
            word = _word(document, where, one, category)
            if word.text in places:
                line = document.line(places[word.text])
                raise document.error(where, f"the word stands already in line {line}", "Keep one of them.")
            places[word.text] = where
            words.append(word)
    return names, words


def _word(document: Document, place: Place, item: object, category: str) -> HotWord:
    if isinstance(item, str):
        item = {"text": item}
    entry = _mapping(document, place, item)
    _check_keys(document, place, entry, _WORD)
    text = _text(document, (*place, "text"), entry.get("text"), required=True)
    if not 2 <= len(text) <= _LONGEST:
        raise document.error(place, f"a hot word has 2 to {_LONGEST} characters", "Shorten it, or leave it out.")
    said = tuple(
        _text(document, (*place, "said", at), one, required=True)
        for at, one in enumerate(_items(document, (*place, "said"), entry.get("said", [])))
    )
    heard = tuple(
        _misheard(document, (*place, "heard", at), one, text)
        for at, one in enumerate(_items(document, (*place, "heard"), entry.get("heard", [])))
    )
    reading = _reading(document, (*place, "reading"), entry.get("reading"), text)
    return HotWord(text=text, category=category, said=said, heard=heard, reading=reading)


def _misheard(document: Document, place: Place, item: object, word: str) -> Misheard:
    if isinstance(item, str):
        item = {"text": item}
    entry = _mapping(document, place, item)
    _check_keys(document, place, entry, _HEARD)
    text = _text(document, (*place, "text"), entry.get("text"), required=True)
    near = tuple(
        _text(document, (*place, "near", at), one, required=True)
        for at, one in enumerate(_items(document, (*place, "near"), entry.get("near", [])))
    )
    if len(text) != len(word) or not all(map(is_han, text + word)) or text == word:
        raise document.error(
            place,
            "a misheard form has as many Chinese characters as its word and differs from it",
            "Correct it; other ways to say the word belong under `said`.",
        )
    short = len(text) == 2 and any(one in MEANS_ALONE for one, own in zip(text, word, strict=True) if one != own)
    if (short or is_known_word(text)) and not near:
        raise document.error(
            place,
            "the misheard form may stand in right sentences too (a common word, or one of two words)",
            "Write {text: …, near: [words that must stand near it]}, or leave it out.",
        )
    return Misheard(text=text, near=near)


def _reading(document: Document, place: Place, value: object, word: str) -> tuple[tuple[str, int], ...]:
    if value is None:
        return ()
    parts = _text(document, place, value, required=True).split()
    syllables = [(part[:-1], int(part[-1])) for part in parts if part[:-1].isalpha() and part[-1:] in "12345"]
    known = len(parts) == len(syllables) == len(word) and all(
        any(syllable == one for one, _ in _all_readings(character))
        for (syllable, _), character in zip(syllables, word, strict=True)
    )
    if not known:
        raise document.error(
            place,
            "a reading has one syllable with its tone per character, as a dictionary gives it",
            'Write it like "ding4 dan1", ü as v.',
        )
    return tuple(syllables)


@cache
def _all_readings(character: str) -> tuple[tuple[str, int], ...]:
    """Every reading of a character, rare ones too."""
    from pypinyin.pinyin_dict import pinyin_dict

    from qingting.pinyin import split_tone

    marked = pinyin_dict.get(ord(character), "")
    return tuple(split_tone(one) for one in marked.split(",")) if marked else readings(character)


def _check_keys(document: Document, place: Place, entry: Mapping[str, object], known: Sequence[str]) -> None:
    for key in entry:
        if key not in known:
            raise document.error((*place, key), "no field has this name", f"Known fields: {', '.join(known)}.")


def _text(document: Document, place: Place, value: object, *, required: bool) -> str:
    if value is None and not required:
        return ""
    if not isinstance(value, str) or not value.strip():
        raise document.error(place, f"`{place[-1]}` must be text", "Write text, numbers in quotes.")
    return value.strip()


def _mapping(document: Document, place: Place, value: object) -> Mapping[str, object]:
    if not isinstance(value, Mapping):
        raise document.error(place, "must be a mapping", "Write its fields below it.")
    return value


def _items(document: Document, place: Place, value: object) -> Sequence[object]:
    if not isinstance(value, list):
        raise document.error(place, "must be a list", "Write entries beginning with `-`, or [a, b].")
    return value
