"""What hints there are, as data: texts, urgency, cool-downs, thresholds, knowledge; packs change any of it.

`hints.yaml` beside this module holds the hints that come with Qingting. A pack's `hints:` section is laid over
it by name; a key with a dot is a rule id, whose finding gives the hint: `custom_rules.my_rule`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from functools import cache
from pathlib import Path
from string import Formatter
from typing import TYPE_CHECKING

from qingting.analysis.options import OptionError, build_options
from qingting.analysis.packs import lay_over
from qingting.documents import Document, read_document
from qingting.model.live_event import HintKind

if TYPE_CHECKING:
    from qingting.analysis.packs import Pack
    from qingting.documents import Place
    from qingting.errors import PackError

FILE = Path(__file__).parent / "hints.yaml"
SECTION = "hints"
_FILLED_IN = frozenset({"advice", "answer", "demand", "names", "seconds", "times", "title", "topic", "word"})
"""What the texts may leave to be filled in; each hint has some of them."""
MOST_CHARACTERS = 120
"""A hint is read at a glance."""


@dataclass(frozen=True, kw_only=True)
class Limits:
    """How often an agent is told something."""

    gap_seconds: int = 15
    """Shortest time between two hints."""
    urgent_gap_seconds: int = 5
    """The same before an urgent one, one of use at once or not at all, and one much more urgent than the last."""
    cool_down_seconds: int = 90
    """After this time the same kind and topic may come again."""
    most_at_once: int = 4
    """So many hints within `at_once_seconds` are enough: after them only urgent ones come."""
    at_once_seconds: int = 180
    most_hints: int = 20
    """Most hints of one call."""
    useful_seconds: int = 10
    """A hint that had to wait longer is not told."""
    least_confidence: float = 0.6
    """Findings of lower confidence give no hint."""

    def __post_init__(self) -> None:
        """Refuse negative times."""
        if min(getattr(self, one.name) for one in fields(self)) < 0:
            raise ValueError("limits cannot be negative")


@dataclass(frozen=True, kw_only=True)
class Times:
    """From when on something is late, long or often."""

    late_answer_seconds: float = 5
    """Silence after the customer's demand or question."""
    dead_air_seconds: float = 6
    """Silence that nobody announced."""
    after_question_seconds: float = 12
    """Silence after the agent asked something: the customer may have to look it up."""
    hold_seconds: float = 25
    """Silence after the agent asked the customer to wait."""
    monologue_seconds: float = 45
    """Talk of the agent without a word of the customer."""
    window_share: float = 0.6
    """Share of an opening item's time after which it is reminded of."""
    goodbye_seconds: float = 3
    """Silence after the customer's goodbye in which the closing words are missed."""
    repeat_count: int = 3
    """So many questions about one thing are a repetition."""
    repeat_window_seconds: int = 300
    """Within this time."""

    def __post_init__(self) -> None:
        """Refuse what can never come, or comes at once."""
        if min(getattr(self, one.name) for one in fields(self)) <= 0 or self.window_share > 1:
            raise ValueError("times and counts must be positive, window_share at most 1")


@dataclass(frozen=True, kw_only=True)
class HintText:
    """One hint."""

    kind: HintKind = HintKind.OTHER
    text: str
    """Chinese, with places to be filled in."""
    urgency: int = 3
    """1 is urgent and goes first, 5 can wait."""
    prompt: bool = False
    """Whether it may come after the short gap though it is not urgent: later it is of no use."""
    enabled: bool = True
    cool_down_seconds: int = 0
    """Of its own; 0 takes the limits'."""

    def __post_init__(self) -> None:
        """Refuse texts that nothing can fill in, and long ones."""
        if not 1 <= self.urgency <= 5:
            raise ValueError("urgency lies between 1 and 5")
        if not self.text or len(self.text) > MOST_CHARACTERS:
            raise ValueError(f"the text must have 1 to {MOST_CHARACTERS} characters")
        unknown = {name for _, name, _, _ in Formatter().parse(self.text) if name is not None} - _FILLED_IN
        if unknown:
            raise ValueError(f"nothing fills in {{{sorted(unknown)[0]}}}; known: {', '.join(sorted(_FILLED_IN))}")


@dataclass(frozen=True, kw_only=True)
class Asked:
    """How a contact reason is named that the customer asks about again and again."""

    name: str = ""
    """Chinese; empty takes the reason's own name."""
    advice: str = ""
    """Chinese: what may help."""


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One answer that the agent may use."""

    title: str
    answer: str
    words: tuple[str, ...]
    """Any of these in a customer's question suggests it; `…` stands for a few characters."""
    enabled: bool = True

    def __post_init__(self) -> None:
        """Refuse entries that are never suggested or fill the screen."""
        if not self.words or not self.title or not self.answer:
            raise ValueError("an entry needs title, answer and words")
        if len(self.title) + len(self.answer) > MOST_CHARACTERS:
            raise ValueError(f"title and answer have at most {MOST_CHARACTERS} characters")


@dataclass(frozen=True, kw_only=True)
class HintBook:
    """All hints of one line of business. Immutable."""

    limits: Limits = field(default_factory=Limits)
    times: Times = field(default_factory=Times)
    hints: Mapping[str, HintText] = field(default_factory=dict)
    """Name of a hint, or rule id, -> hint."""
    feelings: tuple[str, ...] = ()
    """Words of disappointment."""
    asks: Mapping[str, Asked] = field(default_factory=dict)
    """Contact reason -> how to speak of it; `default` for all others."""
    demands: Mapping[str, str] = field(default_factory=dict)
    """Group of demands that people repeat -> Chinese name."""
    knowledge: Mapping[str, Entry] = field(default_factory=dict)

    def hint(self, name: str) -> HintText | None:
        """Return a hint by name; None when there is none, or it is turned off."""
        found = self.hints.get(name)
        return found if found is not None and found.enabled else None

    def hint_of_rule(self, rule_id: str) -> HintText | None:
        """Return the hint that a rule's finding gives: its own, else that of its dimension (`compliance.*`)."""
        own = self.hints.get(rule_id)
        return self.hint(rule_id if own is not None else f"{rule_id.partition('.')[0]}.*")


def read_hints(pack: Pack) -> HintBook:
    """Return the hints of a pack's line of business.

    Raises PackError that names file, line, field and fix.
    """
    bundled = _bundled()
    values = lay_over(bundled.data, pack.hints)
    try:
        book: HintBook = build_options(HintBook, values, (SECTION,))
    except OptionError as error:
        raise _error(pack, bundled, error) from error
    return book


@cache
def _bundled() -> Document:
    return read_document(FILE, source=f"assist/{FILE.name}")


def _error(pack: Pack, bundled: Document, error: OptionError) -> PackError:
    """Name the file that gave the value: the pack's own before the bundled one."""
    for length in range(len(error.place), 0, -1):
        place: Place = error.place[:length]
        for document in reversed(pack.documents):
            if place in document.lines:
                return document.error(error.place, error.problem, error.fix)
        if length > 1 and place[1:] in bundled.lines:
            return bundled.error(error.place[1:], error.problem, error.fix)
    return bundled.error((), error.problem, error.fix)
