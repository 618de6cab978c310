"""Turns one rule's plain data into a Rule; every mistake becomes an OptionError with its place."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from qingting.analysis.options import OptionError, build_options
from qingting.analysis.rules.conditions import ConditionReader
from qingting.analysis.rules.examples import read_examples
from qingting.analysis.rules.kinds import KINDS
from qingting.analysis.rules.model import (
    AppliesTo,
    AtLeast,
    Condition,
    Homophones,
    Leaf,
    Not,
    Rule,
    RuleScore,
    Tree,
    leaves,
)
from qingting.analysis.rules.plain import as_list, as_mapping, as_text, known_keys, suggest, texts_of_tests
from qingting.analysis.rules.templates import CALL_FIELDS, FIELDS, places
from qingting.analysis.text import normalise
from qingting.documents import Place
from qingting.model.call import Role
from qingting.model.finding import Level, Polarity

_ID = re.compile(r"[a-z][a-z0-9_]*")


@dataclass(frozen=True, kw_only=True)
class FileDefaults:
    """What a file says for all its rules."""

    version: str
    homophones: Homophones | None = None
    phrases: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Word groups by name."""
    synonyms: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class RuleHead:
    """The plain fields of a rule."""

    id: str
    """Unlike every other rule's; lower-case letters, digits and `_`."""
    name: str
    """Chinese name that reports show."""
    version: str = ""
    """Changes when the same call could get other findings; empty takes the file's."""
    level: Level = Level.MEDIUM
    polarity: Polarity = Polarity.FAULT
    who: Role = Role.AGENT
    """Whose conduct a finding is about."""
    applies_to: AppliesTo = field(default_factory=AppliesTo)
    """For which calls the rule is meant."""
    score: RuleScore = field(default_factory=RuleScore)
    for_each: str = ""
    """Condition whose every hit is judged on its own; empty judges the call once."""
    max_findings: int = 0
    """Most findings in one call; 0 sets no limit."""
    explanation: str = ""
    """Template; empty writes it from the conditions."""
    advice: str = ""
    """Template of what to do better; needed for faults."""
    description: str = ""
    """Why the rule exists."""
    enabled: bool = True

    def __post_init__(self) -> None:
        """Refuse what reports could not show."""
        if not self.name.strip():
            raise ValueError("`name` must not be blank")
        if self.polarity is Polarity.FAULT and not self.advice.strip():
            raise ValueError("a fault needs `advice`: what the agent should do better")
        if self.score.points and self.polarity is Polarity.NOTE:
            raise ValueError("a note has no points: it never counts")
        if self.score.points > 0 and self.polarity is Polarity.FAULT:
            raise ValueError("a fault cannot add points: write them negative, or set `polarity: credit`")
        if self.score.points < 0 and self.polarity is Polarity.CREDIT:
            raise ValueError("a credit cannot deduct points: write them positive, or set `polarity: fault`")
        if abs(self.score.points * 10 - round(self.score.points * 10)) > 1e-6:
            raise ValueError("`points` are in steps of 0.1")
        if self.max_findings < 0:
            raise ValueError("`max_findings` must not be negative")


_STRUCTURE = ("conditions", "when", "unless", "examples", "homophones")


def check_id(value: str, place: Place) -> None:
    """Raise OptionError unless an id is snake_case."""
    if not _ID.fullmatch(value):
        fix = "Use lower-case letters, digits and `_`, beginning with a letter."
        raise OptionError(place, f"{value!r} is no valid id", fix)


def phrase_groups(value: object, place: Place) -> dict[str, tuple[str, ...]]:
    """Read named word lists."""
    groups = {}
    for name, words in as_mapping(value, place).items():
        listed = as_list(words, (*place, name))
        groups[name] = tuple(as_text(word, (*place, name, number)) for number, word in enumerate(listed))
        if not groups[name] or not all(map(normalise, groups[name])):
            raise OptionError((*place, name), "the list is empty or has an empty word", "Write at least one word.")
    return groups


def homophones_of(value: object, default: Homophones | None, place: Place) -> Homophones | None:
    """Read `homophones: true`, false, or settings over the default's."""
    if value is None:
        return default
    if isinstance(value, bool):
        return (default or Homophones()) if value else None
    settings = as_mapping(value, place)
    base = {name: one for name, one in vars(default or Homophones()).items() if name not in settings}
    plain = {**base, "confusions": [one.value for one in base["confusions"]]} if "confusions" in base else base
    built = build_options(Homophones, {**plain, **settings}, place)
    return built if built.use else None


def read_rule(value: object, place: Place, defaults: FileDefaults, *, source: str, line: int) -> Rule:
    """Read one rule; raises OptionError."""
    data = as_mapping(value, place)
    head = _head(data, place)
    check_id(head.id, (*place, "id"))
    own = homophones_of(data.get("homophones"), defaults.homophones, (*place, "homophones"))
    reader = _RuleReader(replace(defaults, homophones=own), place)
    when, unless = reader.trees(data)
    rule = Rule(
        **{**vars(head), "version": head.version or defaults.version},
        conditions=reader.conditions,
        when=when,
        unless=unless,
        examples=read_examples(data.get("examples"), (*place, "examples"), line=line),
        source=source,
        line=line,
    )
    _check_links(rule, place)
    return rule


def _head(data: Mapping[str, object], place: Place) -> RuleHead:
    plain = {name: value for name, value in data.items() if name not in _STRUCTURE}
    if isinstance(plain.get("applies_to"), Mapping):
        plain["applies_to"] = texts_of_tests(as_mapping(plain["applies_to"], place))
    head = build_options(RuleHead, plain, place)
    assert isinstance(head, RuleHead)  # noqa: S101  what build_options was asked for
    return head


class _RuleReader:
    """Collects a rule's conditions while it reads them and the trees."""

    def __init__(self, defaults: FileDefaults, place: Place) -> None:
        self.conditions: dict[str, Condition] = {}
        self._place = place
        self._negated: set[str] = set()
        self._one = ConditionReader(defaults.homophones, defaults.phrases, defaults.synonyms)

    def trees(self, data: Mapping[str, object]) -> tuple[Tree, Tree | None]:
        """Read the named conditions, then `when` and `unless`."""
        place = (*self._place, "conditions")
        for name, value in as_mapping(data.get("conditions", {}), place).items():
            check_id(name, (*place, name))
            self._add(name, as_mapping(value, (*place, name)), (*place, name))
        if data.get("when") is None:
            raise OptionError(self._place, "`when` is missing", "Add `when:` with a condition or a list of conditions.")
        when = self._tree(data["when"], (*self._place, "when"), lists="all")
        excuse = data.get("unless")
        return when, None if excuse is None else self._tree(excuse, (*self._place, "unless"), lists="any")

    def _add(self, name: str, data: Mapping[str, object], place: Place) -> None:
        if name in self.conditions:
            raise OptionError(place, f"two conditions have the id {name!r}", "Give every condition an id of its own.")
        condition, negated = self._one.read(name, data, place)
        self.conditions[name] = condition
        if negated:
            self._negated.add(name)

    def _tree(self, value: object, place: Place, *, lists: str = "all") -> Tree:
        if isinstance(value, list):
            return self._group(value, place, 1 if lists == "any" else None)
        if isinstance(value, str):
            return self._leaf(value, place)
        data = as_mapping(value, place)
        if "not" in data:
            known_keys(data, ("not",), place)
            return Not(part=self._tree(data["not"], (*place, "not")))
        if "at_least" in data:
            return self._some(data, place)
        for name, needed in (("all", None), ("any", 1)):
            if name in data:
                known_keys(data, (name,), place)
                return self._group(data[name], (*place, name), needed)
        return self._inline(data, place)

    def _some(self, data: Mapping[str, object], place: Place) -> Tree:
        known_keys(data, ("at_least", "of"), place)
        needed, parts = data["at_least"], as_list(data.get("of"), (*place, "of"))
        if isinstance(needed, bool) or not isinstance(needed, int) or not 0 < needed <= len(parts):
            fix = f"Write a number from 1 to {len(parts)}, the number of parts in `of`."
            raise OptionError((*place, "at_least"), "no such number of parts can hold", fix)
        return self._group(parts, (*place, "of"), needed)

    def _group(self, value: object, place: Place, needed: int | None) -> Tree:
        parts = as_list(value, place)
        if not parts:
            raise OptionError(place, "the list is empty", "Write at least one condition.")
        trees = tuple(self._tree(one, (*place, number)) for number, one in enumerate(parts))
        return AtLeast(needed=len(trees) if needed is None else needed, parts=trees)

    def _leaf(self, name: str, place: Place) -> Tree:
        if name not in self.conditions:
            raise OptionError(place, f"no condition has the id {name!r}", suggest(name, self.conditions))
        return Not(part=Leaf(condition=name)) if name in self._negated else Leaf(condition=name)

    def _inline(self, data: Mapping[str, object], place: Place) -> Tree:
        own = data.get("id")
        name = as_text(own, (*place, "id")) if own is not None else self._free_name()
        check_id(name, (*place, "id"))
        self._add(name, {key: one for key, one in data.items() if key != "id"}, place)
        return self._leaf(name, place)

    def _free_name(self) -> str:
        number = 1
        while f"c{number}" in self.conditions:
            number += 1
        return f"c{number}"


def _check_links(rule: Rule, place: Place) -> None:
    """Whatever names a condition must name one that exists and can be meant."""
    known = rule.conditions
    negated = {name for name in known if getattr(known[name].options, "none", ())}
    if rule.for_each and rule.for_each not in known:
        problem = f"no condition has the id {rule.for_each!r}"
        raise OptionError((*place, "for_each"), problem, suggest(rule.for_each, known))
    targets = [(rule.for_each, (*place, "for_each"))] if rule.for_each else []
    for condition in known.values():
        if condition.anchor is not None:
            if condition.anchor.to not in known:
                problem = f"the anchor {condition.anchor.to!r} is no condition of this rule"
                raise OptionError((*condition.place, condition.anchor.side.value), problem,
                                  suggest(condition.anchor.to, known))  # fmt: skip
            targets.append((condition.anchor.to, (*condition.place, condition.anchor.side.value)))
    for name, at_place in targets:
        if name in negated or not KINDS[known[name].kind].anchorable:
            problem = f"the condition {name!r} has no place in the call"
            raise OptionError(at_place, problem, "Name a condition that is heard at some place, such as words.")
    _check_circles(rule)
    _check_use(rule, place)
    _check_templates(rule, place)


def _check_circles(rule: Rule) -> None:
    for condition in rule.conditions.values():
        seen = [condition.id]
        anchor = condition.anchor
        while anchor is not None:
            if anchor.to in seen:
                fix = "Anchor one of them to another condition."
                raise OptionError(condition.place, f"anchors run in a circle: {' -> '.join([*seen, anchor.to])}", fix)
            seen.append(anchor.to)
            anchor = rule.conditions[anchor.to].anchor


def _check_use(rule: Rule, place: Place) -> None:
    used = set(leaves(rule.when)) | (set(leaves(rule.unless)) if rule.unless else set())
    used |= {rule.for_each} | {one.anchor.to for one in rule.conditions.values() if one.anchor is not None}
    for name, condition in rule.conditions.items():
        if name not in used:
            fix = "Name it in `when` or `unless`, or delete it."
            raise OptionError(condition.place or place, f"the condition {name!r} is used nowhere", fix)


def _check_templates(rule: Rule, place: Place) -> None:
    for text, name in (("advice", rule.advice), ("explanation", rule.explanation)):
        for problem, fix in _template_problems(rule, name):
            raise OptionError((*place, text), problem, fix)


def _template_problems(rule: Rule, template: str) -> Iterator[tuple[str, str]]:
    known = rule.conditions
    for condition, name in places(template):
        if condition == "call" and name in CALL_FIELDS:
            continue
        if condition not in known:
            yield f"{{{condition}}} names no condition of this rule", suggest(condition, known)
        elif name not in FIELDS:
            yield f"{{{condition}.{name}}} asks for nothing known", f"Use one of: {', '.join(FIELDS)}."
        elif name == "value" and not KINDS[known[condition].kind].captures:
            yield f"the condition {condition!r} captures no value", f"Use {{{condition}.quote}} for its words."
