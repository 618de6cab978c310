"""Scorecards as data: the card of a line of business, read from YAML and checked before use.

方案 (card) -> 维度 (section) -> 评分项 (item) -> 规则 (rule ids or globs). Points have steps of 0.1
and are summed as whole tenths, so that every sum is exact.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from fnmatch import fnmatchcase
from importlib import resources
from typing import TYPE_CHECKING, Any

from qingting.errors import PackError
from qingting.model.call import Medium
from qingting.model.finding import Level

if TYPE_CHECKING:
    from collections.abc import Iterator
    from importlib.resources.abc import Traversable

    from qingting.model.call import CallInfo


class Count(StrEnum):
    """How often an item counts in one call."""

    EACH = "each"
    ONCE = "once"


class Fatal(StrEnum):
    """What an item sets to zero when it is hit (一票否决)."""

    NONE = "none"
    SECTION = "section"
    CARD = "card"


@dataclass(frozen=True, kw_only=True)
class LevelPoints:
    """Points by severity of the finding."""

    serious: float
    medium: float
    light: float

    def of(self, level: Level) -> float:
        """Points of one severity."""
        return {Level.SERIOUS: self.serious, Level.MEDIUM: self.medium, Level.LIGHT: self.light}[level]


@dataclass(frozen=True, kw_only=True)
class AppliesWhen:
    """Conditions on the call that must all hold; an empty one always holds."""

    direction: tuple[str, ...] = ()
    """Any of these directions; a call of unknown direction passes."""
    line_of_business: tuple[str, ...] = ()
    """Any of these lines of business."""
    team: tuple[str, ...] = ()
    """Any of these teams."""
    min_duration_seconds: float = 0.0
    """Shortest call the item applies to."""
    medium: tuple[Medium, ...] = ()
    """Any of these kinds of conversation."""
    fields: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Call field -> any of these values."""

    def holds(self, call: CallInfo, duration_ms: int) -> bool:
        """Whether the item applies to a call."""
        return (
            (not self.direction or call.direction in ("", *self.direction))
            and (not self.line_of_business or call.line_of_business in self.line_of_business)
            and (not self.team or call.team in self.team)
            and (not self.medium or call.medium in self.medium)
            and duration_ms >= self.min_duration_seconds * 1000
            and all(call.fields.get(name) in values for name, values in self.fields.items())
        )


@dataclass(frozen=True, kw_only=True)
class Item:
    """One thing the card scores (评分项)."""

    id: str
    """Unique in the card."""
    name: str
    rules: tuple[str, ...] = ()
    """Rule ids, or globs such as `compliance.*`; an exact id outranks a glob of another item."""
    deduct: float | LevelPoints | None = None
    """Points off per counted fault; for items scored by people the most they may take off."""
    add: float | LevelPoints | None = None
    """Points for each counted credit; for items scored by people the most they may add."""
    count: Count = Count.EACH
    cap: float | None = None
    """Most points the item may add or deduct in one call; None sets no limit."""
    fatal: Fatal = Fatal.NONE
    by_hand: bool = False
    """Scored by a person; the machine lists it and leaves its points at 0."""
    by_rule: bool = False
    """Each finding takes or gives what its own rule says; `cap` limits either sum."""
    same_fault_as: tuple[str, ...] = ()
    """Ids of items above, or `*` for all that are settled before: of findings on the same words the larger counts."""
    applies_when: AppliesWhen = field(default_factory=AppliesWhen)

    @property
    def analyzers(self) -> tuple[str, ...]:
        """Ids of the analyzers its rules come from, in order, each once."""
        return tuple(dict.fromkeys(rule.split(".", 1)[0] for rule in self.rules))

    def points(self, level: Level) -> float:
        """Points of one counted finding, positive for credits, negative for faults."""
        value, sign = (self.add, 1) if self.add is not None else (self.deduct, -1)
        if value is None:
            return 0.0
        return sign * (value.of(level) if isinstance(value, LevelPoints) else value)


@dataclass(frozen=True, kw_only=True)
class Section:
    """A group of items (维度)."""

    id: str
    name: str
    items: tuple[Item, ...]
    full: float | None = None
    """Points the section stands for: the most it can lose, and what a section-fatal item takes."""


@dataclass(frozen=True, kw_only=True)
class Grade:
    """A band of totals and its name."""

    name: str
    at_least: float


@dataclass(frozen=True, kw_only=True)
class Card:
    """How calls of one line of business are scored (方案)."""

    id: str
    name: str
    version: str
    sections: tuple[Section, ...]
    grades: tuple[Grade, ...]
    """Best first; the last one reaches down to the floor."""
    base: float = 100.0
    floor: float = 0.0
    ceiling: float = 100.0
    doubt_threshold: float = 0.6
    """Findings less sure than this never count: they wait for a person."""

    def items(self) -> Iterator[tuple[Section, Item]]:
        """All items with their sections, in order."""
        for section in self.sections:
            for item in section.items:
                yield section, item

    def item_of(self, rule_id: str) -> str:
        """Id of the item that scores a rule, or empty: an exact rule id first, then the first glob."""
        globbed = ""
        for _, item in self.items():  # noqa: PERF102
            if rule_id in item.rules:
                return item.id
            if not globbed and any(fnmatchcase(rule_id, rule) for rule in item.rules):
                globbed = item.id
        return globbed

    def grade(self, total: float) -> str:
        """Name of the band a total falls into."""
        return next((grade.name for grade in self.grades if total >= grade.at_least), self.grades[-1].name)


def tenths(points: float) -> int:
    """Whole tenths of a number of points; sums are made in these."""
    return round(points * 10)


def load_card(path: Traversable) -> Card:
    """Read and check a card file (any pathlib.Path, or a file inside a package).

    Raises PackError that names the file, the field and what to write there.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise PackError(
            f"Scorecard {path.name} cannot be read: {type(error).__name__}.",
            remedy="Save the file as UTF-8 text and check that it may be read.",
        ) from error
    return _read(text, path.name)


def builtin_cards() -> dict[str, Card]:
    """List the cards that come with Qingting, by id; an id is a line of business."""
    folder = resources.files("qingting.report").joinpath("cards")
    cards = [load_card(file) for file in folder.iterdir() if file.name.endswith(".yaml")]
    return {card.id: card for card in sorted(cards, key=lambda card: card.id)}


def card_for(line_of_business: str) -> Card:
    """Choose the built-in card of a line of business; the general one where it has none of its own."""
    cards = builtin_cards()
    return cards.get(line_of_business, cards["general"])


def _read(text: str, name: str) -> Card:
    from qingting.report._card_yaml import read_card

    card: Card = read_card(text, name)
    return card


def as_plain(card: Card) -> dict[str, Any]:
    """Give the card as plain JSON-ready values, for listings and the console."""
    from pydantic import TypeAdapter

    plain: dict[str, Any] = TypeAdapter(Card).dump_python(card, mode="json", exclude_defaults=True)
    return plain
