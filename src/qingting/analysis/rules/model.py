"""What a rule file says, as values: rules, conditions, boolean trees, examples."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from qingting.documents import Place
from qingting.model.call import DesktopKind, Role
from qingting.model.finding import Level, Polarity
from qingting.pinyin import DEFAULT_CONFUSIONS, Confusion


class Speaker(StrEnum):
    """Whose speech a condition looks at."""

    AGENT = "agent"
    CUSTOMER = "customer"
    ANY = "any"

    @property
    def role(self) -> Role | None:
        """The role, or None for any."""
        return _ROLES.get(self.value)

    @property
    def chinese(self) -> str:
        """The word a call-centre person reads."""
        return {"agent": "坐席", "customer": "客户", "any": "双方"}[self.value]


_ROLES = {"agent": Role.AGENT, "customer": Role.CUSTOMER}


@dataclass(frozen=True, kw_only=True)
class Homophones:
    """How far mis-heard words may differ in sound."""

    use: bool = True
    """Whether words are also found by their sound."""
    confusions: tuple[Confusion, ...] = DEFAULT_CONFUSIONS
    """Sounds that count as one."""
    min_syllables: int = 2
    """Shorter words are found as written only."""
    confidence: float = 0.75
    """Confidence of a word that was found by its sound alone, 0 to 1."""

    def __post_init__(self) -> None:
        """Refuse values that can never work."""
        if self.min_syllables < 2:
            raise ValueError("`min_syllables` must be at least 2: single syllables sound like too much else")
        if not 0.0 < self.confidence <= 1.0:
            raise ValueError("`confidence` must be above 0 and at most 1")


@dataclass(frozen=True, kw_only=True)
class Position:
    """Which part of the call counts; all given limits hold together."""

    first_seconds: float | None = None
    """Only so many seconds from the call's start."""
    last_seconds: float | None = None
    """Only so many seconds before the call's end; decided at the end."""
    first_utterances: int | None = None
    """Only the speaker's first so many utterances."""
    last_utterances: int | None = None
    """Only the speaker's last so many utterances; decided at the end."""
    from_percent: float | None = None
    """From this share of the call's length on, 0 to 100; decided at the end."""
    to_percent: float | None = None
    """Up to this share of the call's length, 0 to 100; decided at the end."""

    def __post_init__(self) -> None:
        """Refuse empty stretches."""
        for name in ("first_seconds", "last_seconds", "first_utterances", "last_utterances"):
            value = getattr(self, name)
            if value is not None and value <= 0:
                raise ValueError(f"`{name}` must be above 0")
        low, high = self.from_percent, self.to_percent
        if any(value is not None and not 0 <= value <= 100 for value in (low, high)):
            raise ValueError("percentages are from 0 to 100")
        if low is not None and high is not None and low >= high:
            raise ValueError("`from_percent` must be below `to_percent`")
        if all(value is None for value in vars(self).values()):
            raise ValueError("a position needs at least one limit")

    @property
    def at_end(self) -> bool:
        """Whether only the call's end can tell what counts."""
        ends = (self.last_seconds, self.last_utterances, self.from_percent, self.to_percent)
        return any(value is not None for value in ends)


class Side(StrEnum):
    """Where a condition must hold, seen from its anchor."""

    AFTER = "after"
    BEFORE = "before"
    AROUND = "around"
    SAME = "same"
    """In the very utterance of the anchor."""


@dataclass(frozen=True, kw_only=True)
class Anchor:
    """Ties a condition to the hits of another one."""

    to: str
    """Id of the other condition."""
    side: Side = Side.AFTER
    """Before its words, after them, around them, or in the same utterance."""
    hit: str = "any"
    """Which of its hits: `first`, `last`, `any`, `every`, or a number from 1 as text."""
    within_seconds: float | None = None
    """Only so far from the anchor in time."""
    within_utterances: int | None = None
    """Only so far from the anchor in utterances of the condition's speaker."""

    def __post_init__(self) -> None:
        """Refuse what can never hold."""
        if self.hit not in ("first", "last", "any", "every") and not (self.hit.isdecimal() and int(self.hit) > 0):
            raise ValueError('`hit` must be first, last, any, every or a number in quotes such as "2"')
        for name in ("within_seconds", "within_utterances"):
            value = getattr(self, name)
            if value is not None and value <= 0:
                raise ValueError(f"`{name}` must be above 0")
        if self.side is Side.SAME and (self.within_seconds or self.within_utterances):
            raise ValueError("`side: same` takes no distance")


@dataclass(frozen=True, kw_only=True)
class Condition:
    """One thing to look for, and where."""

    id: str
    kind: str
    """Name of the condition's kind: `words`, `silence` …"""
    options: object
    """The kind's own options, an instance of its Options."""
    speaker: Speaker = Speaker.ANY
    name: str = ""
    """Chinese words for it in explanations; empty writes them from the options."""
    position: Position | None = None
    anchor: Anchor | None = None
    times: int = 1
    """So many hits are needed."""
    window_seconds: float | None = None
    """They must lie within so many seconds of each other."""
    place: Place = ()
    """Where it stands in its file."""


@dataclass(frozen=True, kw_only=True)
class Leaf:
    """Holds when a condition holds."""

    condition: str


@dataclass(frozen=True, kw_only=True)
class Not:
    """Holds when its part is known not to hold."""

    part: Tree


@dataclass(frozen=True, kw_only=True)
class AtLeast:
    """Holds when so many of its parts hold: all of them is `all`, one is `any`."""

    needed: int
    parts: tuple[Tree, ...]


Tree = Leaf | Not | AtLeast


def leaves(tree: Tree) -> Iterator[str]:
    """Ids of the conditions in a tree, in order."""
    if isinstance(tree, Leaf):
        yield tree.condition
    elif isinstance(tree, Not):
        yield from leaves(tree.part)
    else:
        for part in tree.parts:
            yield from leaves(part)


class Operator(StrEnum):
    """How a field of the call is compared."""

    EQUALS = "equals"
    NOT_EQUALS = "not_equals"
    ABOVE = "above"
    BELOW = "below"
    AT_LEAST = "at_least"
    AT_MOST = "at_most"
    BETWEEN = "between"
    EMPTY = "empty"
    NOT_EMPTY = "not_empty"
    CONTAINS = "contains"
    NOT_CONTAINS = "not_contains"
    ONE_OF = "one_of"


@dataclass(frozen=True, kw_only=True)
class FieldTest:
    """A comparison with a field of the call."""

    field: str
    """`line_of_business`, `team`, `direction`, `agent_id`, `started_at`, `customer_reference`, or any own field."""
    compare: Operator = Operator.EQUALS
    value: str = ""
    """What it is compared with; numbers compare as numbers when both sides are numbers."""
    values: tuple[str, ...] = ()
    """Two bounds for `between`, any number of texts for `one_of`."""

    def __post_init__(self) -> None:
        """Refuse comparisons that lack their other side."""
        if self.compare is Operator.BETWEEN and len(self.values) != 2:
            raise ValueError("`between` needs `values` with two bounds")
        if self.compare is Operator.ONE_OF and not self.values:
            raise ValueError("`one_of` needs `values`")
        alone = (Operator.EMPTY, Operator.NOT_EMPTY, Operator.BETWEEN, Operator.ONE_OF)
        if self.compare not in alone and not self.value:
            raise ValueError(f"`{self.compare.value}` needs `value`")


@dataclass(frozen=True, kw_only=True)
class AppliesTo:
    """For which calls a rule is meant; everything given must fit."""

    line_of_business: tuple[str, ...] = ()
    direction: tuple[str, ...] = ()
    team: tuple[str, ...] = ()
    channel: tuple[str, ...] = ()
    """Values of the call's own field `channel`."""
    fields: tuple[FieldTest, ...] = ()


class ScoreCount(StrEnum):
    """How often a rule's points count."""

    EACH = "each"
    ONCE = "once"


@dataclass(frozen=True, kw_only=True)
class RuleScore:
    """What a finding of the rule is worth; the scorecard decides what counts."""

    points: float = 0.0
    """Negative deducts, positive adds."""
    count: ScoreCount = ScoreCount.EACH
    """Whether every finding counts, or the first of a call only."""


@dataclass(frozen=True, kw_only=True)
class ExampleTurn:
    """One utterance of an example."""

    role: Role
    text: str
    gap_seconds: float = 0.6
    """From the latest end before to this one's start; negative overlaps."""
    seconds: float | None = None
    """Length; None takes 0.22 s a character."""
    loudness_dbfs: float | None = None
    pitch_hertz: float | None = None


@dataclass(frozen=True, kw_only=True)
class ExampleLookup:
    """One action of the agent in the knowledge base."""

    at_seconds: float
    """Call time."""
    kind: DesktopKind
    """`search`, `open`, `close` or `copy`."""
    query: str = ""
    """What was searched for."""
    results: int | None = None
    """How many articles a search found."""
    title: str = ""
    """Title of the article."""
    text: str = ""
    """The article's words."""

    def __post_init__(self) -> None:
        """Refuse a search for nothing."""
        if self.kind is DesktopKind.SEARCH and not self.query.strip():
            raise ValueError("a search needs `query`")


@dataclass(frozen=True, kw_only=True)
class Example:
    """A dialogue that tests its rule."""

    turns: tuple[ExampleTurn, ...]
    positive: bool
    """Whether the rule must find something."""
    name: str = ""
    findings: int | None = None
    """Exact number of findings; None asks for at least one (positive)."""
    call: Mapping[str, str] = field(default_factory=dict)
    """Fields of the call."""
    tail_seconds: float = 2.0
    """Silence after the last words."""
    desktop: tuple[ExampleLookup, ...] | None = None
    """What the agent did in the knowledge base; None when nobody recorded it."""
    line: int = 0


@dataclass(frozen=True, kw_only=True)
class Rule:
    """One point to inspect."""

    id: str
    name: str
    """Chinese."""
    version: str
    level: Level
    polarity: Polarity
    who: Role
    """Whose conduct a finding is about."""
    conditions: Mapping[str, Condition]
    when: Tree
    unless: Tree | None = None
    """Exceptions that forgive."""
    for_each: str = ""
    """Condition whose every hit is judged on its own; empty judges the call once."""
    applies_to: AppliesTo = AppliesTo()
    score: RuleScore = RuleScore()
    max_findings: int = 0
    """Most findings in one call; 0 sets no limit."""
    explanation: str = ""
    """Template; empty writes it from the conditions."""
    advice: str = ""
    """Template with captured values: {demand.quote}, {demand.time}."""
    description: str = ""
    """Why the rule exists, for those who keep it."""
    enabled: bool = True
    examples: tuple[Example, ...] = ()
    source: str = ""
    """File it was read from."""
    line: int = 0


@dataclass(frozen=True, kw_only=True)
class RuleFile:
    """The rules of one file."""

    source: str
    id: str
    name: str
    version: str
    rules: tuple[Rule, ...]
