"""Reads a scorecard's YAML: shape first, then what only makes sense across fields."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import yaml
from pydantic import TypeAdapter, ValidationError

from qingting.errors import PackError
from qingting.report.card import Card, Count, Fatal, Item, LevelPoints, Section
from qingting.report.same_fault import EVERY_ITEM

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterator

_ADAPTER = TypeAdapter(Card)
_Complaint = tuple[str, str, str]
"""Field path, what is wrong, what to write."""


class _StrictLoader(yaml.SafeLoader):
    """Safe YAML in which a key that stands twice is an error, not a silent overwrite."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:  # noqa: FBT001, FBT002
        seen: set[Any] = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if key in seen:
                raise yaml.constructor.ConstructorError(
                    "mapping", node.start_mark, f"key {key!r} stands twice", key_node.start_mark
                )
            seen.add(key)
        return super().construct_mapping(node, deep=deep)


def read_card(text: str, name: str) -> Card:
    """Parse and check the text of a card file called `name`; raises PackError."""
    try:
        plain = yaml.load(text, Loader=_StrictLoader)  # noqa: S506 (derived from SafeLoader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f" at line {mark.line + 1}" if mark else ""
        problem = getattr(error, "problem", None) or type(error).__name__
        raise _error(name, f"(YAML){line}", str(problem), "Correct the YAML syntax there.") from error
    if not isinstance(plain, dict):
        raise _error(name, "(top)", "is no mapping", "Start with id, name, version, grades and sections.")
    try:
        card = _ADAPTER.validate_python(_tuples(plain), extra="forbid")
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        field = _path(first["loc"])
        fix = f"Correct {field}; docs/scorecard.md lists the fields."
        raise _error(name, field, _shape_problem(first), fix) from None
    for field, problem, fix in _complaints(card):
        raise _error(name, field, problem, fix)
    return card


def _error(name: str, field: str, problem: str, fix: str) -> PackError:
    return PackError(f"Scorecard {name}, field {field}: {problem}.", remedy=fix)


def _tuples(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _tuples(inner) for key, inner in value.items()}
    return tuple(_tuples(inner) for inner in value) if isinstance(value, list) else value


def _path(loc: tuple[int | str, ...]) -> str:
    # Members of a union stand in the path by type name: no part of the file.
    real = [part for part in loc if part not in ("float", "LevelPoints")]
    parts = [f"[{part}]" if isinstance(part, int) else f".{part}" for part in real]
    return "".join(parts).lstrip(".")


def _shape_problem(error: Any) -> str:
    if error["type"] == "unexpected_keyword_argument":
        return "is no field of a scorecard"
    if error["type"] in ("missing", "missing_argument", "missing_keyword_only_argument"):
        return "is missing"
    message: str = error["msg"]
    return message[0].lower() + message[1:]


def _complaints(card: Card) -> Iterator[_Complaint]:
    yield from _bounds(card)
    yield from _bands(card)
    yield from _ids(card)
    yield from _fulls(card)
    yield from _same_faults(card)
    for at, section in enumerate(card.sections):
        for index, item in enumerate(section.items):
            yield from _item(card, section, item, f"sections[{at}].items[{index}]")


def _bounds(card: Card) -> Iterator[_Complaint]:
    for name in ("base", "floor", "ceiling"):
        yield from _step(name, getattr(card, name))
    for name in ("id", "name", "version"):
        if not getattr(card, name).strip():
            yield name, "is empty", f"Write the card's {name}."
    if not card.floor <= card.base <= card.ceiling:
        yield "base", "is not between floor and ceiling", "Choose floor <= base <= ceiling."
    if not card.floor < card.ceiling:
        yield "ceiling", "is not above the floor", "Choose floor < ceiling."
    if not 0 <= card.doubt_threshold <= 1:
        yield "doubt_threshold", "is not between 0 and 1", "Use 0.6 unless reviews show a better one."
    if card.floor != 0 and any(item.fatal is Fatal.CARD for _, item in card.items()):
        yield "floor", "is not 0 though a fatal item covers the card", "Set floor: 0, or remove fatal: card."


def _bands(card: Card) -> Iterator[_Complaint]:
    starts = [grade.at_least for grade in card.grades]
    if not card.grades:
        yield "grades", "is empty", "Name at least one band, the last from the floor on."
    elif starts != sorted(set(starts), reverse=True):
        yield "grades", "are not ordered from best to worst", "List the bands by falling at_least, each value once."
    elif starts[-1] > card.floor:
        yield f"grades[{len(starts) - 1}].at_least", "is above the floor", "Let the last band start at the floor."


def _ids(card: Card) -> Iterator[_Complaint]:
    seen: dict[str, str] = {}
    rules: dict[str, str] = {}
    if not any(True for _ in card.items()):
        yield "sections", "hold no item", "Add a section with at least one item."
    for at, section in enumerate(card.sections):
        if f"section {section.id}" in seen or not section.id:
            yield f"sections[{at}].id", "is empty or stands twice", "Give every section its own id."
        seen[f"section {section.id}"] = ""
        for index, item in enumerate(section.items):
            field = f"sections[{at}].items[{index}]"
            if item.id in seen or not item.id:
                yield f"{field}.id", "is empty or stands twice", "Give every item its own id."
            seen[item.id] = field
            for rule in item.rules:
                if rule in rules:
                    yield f"{field}.rules", f"{rule} belongs to {rules[rule]} already", "Name a rule in one item only."
                rules[rule] = item.id


def _fulls(card: Card) -> Iterator[_Complaint]:
    fulls = [section.full for section in card.sections]
    for at, full in enumerate(fulls):
        if full is not None and full <= 0:
            yield f"sections[{at}].full", "is not positive", "Write the points the section stands for."
        if full is not None:
            yield from _step(f"sections[{at}].full", full)
    # What own rules take comes on top of the card's own points.
    own = [section.full for section in card.sections if not all(item.by_rule for item in section.items)]
    known = [full for full in own if full is not None]
    if len(known) == len(own) and round(sum(known) * 10) != round(card.base * 10):
        yield "sections", "full points do not add up to base", "Make the full points of all sections sum to base."


def _item(card: Card, section: Section, item: Item, field: str) -> Iterator[_Complaint]:
    if item.add is not None and item.deduct is not None:
        yield field, "both adds and deducts", "Split it into two items."
    if item.by_rule:
        yield from _by_rule(item, field)
    elif item.add is None and item.deduct is None and item.fatal is Fatal.NONE:
        yield field, "has no points", "Set deduct, add, by_rule or fatal."
    if item.by_hand and item.rules:
        yield f"{field}.rules", "stands beside by_hand", "Remove rules or by_hand: people or rules score an item."
    if not item.by_hand and not item.rules:
        yield f"{field}.rules", "is empty", "Name rule ids, or set by_hand: true."
    if item.fatal is not Fatal.NONE and item.add is not None:
        yield f"{field}.fatal", "stands beside add", "Only faults can be fatal: use deduct."
    if item.fatal is Fatal.SECTION and section.full is None:
        yield f"{field}.fatal", "needs the section's full points", "Set full on the section, or use fatal: card."
    for rule in item.rules:
        if "." not in rule:
            yield f"{field}.rules", f"{rule!r} names no analyzer", "Write <analyzer>.<rule> or <analyzer>.*"
    yield from _points(item, field)


def _by_rule(item: Item, field: str) -> Iterator[_Complaint]:
    for name in ("deduct", "add"):
        if getattr(item, name) is not None:
            yield f"{field}.{name}", "stands beside by_rule", "Remove one: the rules or the card name the points."
    if item.by_hand or item.fatal is not Fatal.NONE:
        yield f"{field}.by_rule", "stands beside by_hand or fatal", "Remove one of them."
    if item.count is not Count.EACH:
        yield f"{field}.count", "stands beside by_rule", "Remove it: each rule says how often it counts."


def _same_faults(card: Card) -> Iterator[_Complaint]:
    above: list[str] = []
    for at, section in enumerate(card.sections):
        for index, item in enumerate(section.items):
            for name in item.same_fault_as:
                if name not in (EVERY_ITEM, *above):
                    field = f"sections[{at}].items[{index}].same_fault_as"
                    yield (
                        field,
                        f"{name!r} is no item above it",
                        "Name items that stand before, or `*` for all of them.",
                    )
            if item.same_fault_as and (item.by_hand or item.fatal is not Fatal.NONE):
                field = f"sections[{at}].items[{index}].same_fault_as"
                yield field, "stands beside by_hand or fatal", "Remove it: only points can be compared."
            above.append(item.id)


def _points(item: Item, field: str) -> Iterator[_Complaint]:
    for name in ("deduct", "add", "cap"):
        value = getattr(item, name)
        numbers = (value.serious, value.medium, value.light) if isinstance(value, LevelPoints) else (value,)
        for number in numbers:
            if number is None:
                continue
            if number < 0 or (number == 0 and name == "cap"):
                yield f"{field}.{name}", "is negative or nothing", "Write a positive number; deduct already means off."
            yield from _step(f"{field}.{name}", number)


def _step(field: str, number: float) -> Iterator[_Complaint]:
    if not math.isfinite(number):
        yield field, "is no finite number", "Write a plain number."
    elif abs(number * 10 - round(number * 10)) > 1e-6:
        yield field, "has more than one decimal", "Use steps of 0.1 point."
