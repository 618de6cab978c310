"""What a pack can demand of an agent's words, as typed options."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from qingting.analysis.lexicon import groups, lexicon
from qingting.errors import PackError
from qingting.model.call import Medium, Role
from qingting.model.finding import Level


class Kind(StrEnum):
    """What is demanded."""

    MUST_SAY = "must_say"
    MUST_ASK = "must_ask"
    MUST_NOT_SAY = "must_not_say"


@dataclass(frozen=True, kw_only=True)
class Topic:
    """Words that make an item apply, or before which it must be done."""

    phrases: tuple[str, ...] = ()
    """Any of these, said by `who`."""
    lexicons: tuple[str, ...] = ()
    """Or any phrase of these bundled lexicons."""
    who: Role = Role.AGENT
    """Who says them."""
    name: str = ""
    """Chinese words for the topic in explanations (e.g. 同意退款)."""

    def __post_init__(self) -> None:
        """Refuse a topic without words."""
        _need_words(self.phrases, self.lexicons)

    def all_phrases(self) -> tuple[str, ...]:
        """Own phrases and those of the lexicons."""
        return (*self.phrases, *(phrase for name in self.lexicons for phrase in lexicon(name)))


@dataclass(frozen=True, kw_only=True)
class Window:
    """Where in the call an item must be done; all zero: anywhere."""

    first_seconds: int = 0
    """Within so many seconds after the agent's first word."""
    first_utterances: int = 0
    """Within the first so many utterances of the agent; with first_seconds, whichever is later."""
    last_utterances: int = 0
    """Within the last so many utterances of the agent."""

    def __post_init__(self) -> None:
        """Refuse windows that contradict themselves."""
        if min(self.first_seconds, self.first_utterances, self.last_utterances) < 0:
            raise ValueError("window sizes cannot be negative")
        if self.last_utterances and self.at_start:
            raise ValueError("a window is at the start or at the end, not both")

    @property
    def at_start(self) -> bool:
        """Whether the window closes before the call's end."""
        return bool(self.first_seconds or self.first_utterances)


@dataclass(frozen=True, kw_only=True)
class Item:
    """One thing that an agent must or must not say."""

    id: str
    """Snake-case; the rule id is `compliance.<id>`."""
    name: str
    """Chinese name."""
    kind: Kind = Kind.MUST_SAY
    phrases: tuple[str, ...] = ()
    """Any of these counts as said."""
    lexicons: tuple[str, ...] = ()
    """Or any phrase of these bundled lexicons."""
    scripts: tuple[str, ...] = ()
    """Longer read-outs: enough of one counts as said, whatever is left out or misheard."""
    script_share: float = 0.7
    """Share of a script's two-character pieces that must be heard."""
    exceptions: tuple[str, ...] = ()
    """Longer phrases that contain one of the item's but do not count: allowed ones, or with another sense."""
    near: tuple[str, ...] = ()
    """Phrases after which an omission is doubtful: it may have been said in other words."""
    window: Window = field(default_factory=Window)
    """Where in the call it must be said."""
    when: Topic | None = None
    """The item applies only to calls in which this is said."""
    before: Topic | None = None
    """It must be said before this is said; calls without this are not judged."""
    media: tuple[Medium, ...] = tuple(Medium)
    """The item applies to these kinds of conversation."""
    customer_digits: int = 0
    """When positive, a number of so many digits given by the customer does as well."""
    level: Level = Level.MEDIUM
    advice: str = ""
    """Chinese: what to say instead or in future; the call's own facts are put before it."""
    group_advice: Mapping[str, str] = field(default_factory=dict)
    """For forbidden words: group of the lexicon -> advice in place of `advice`."""

    def __post_init__(self) -> None:
        """Refuse items that nothing could fulfil or break."""
        if not self.id.isidentifier() or self.id != self.id.lower():
            raise ValueError("an item's id is snake_case")
        _need_words((*self.phrases, *self.scripts), self.lexicons)
        if not 0.3 <= self.script_share <= 1.0:
            raise ValueError("script_share lies between 0.3 and 1")
        if self.before is not None and (self.when is not None or self.window != Window()):
            raise ValueError("an item with `before` has neither `when` nor `window`")
        if not self.advice:
            raise ValueError("an item needs advice")

    @property
    def rule_id(self) -> str:
        """Id of its findings' rule."""
        return f"compliance.{self.id}"

    def all_phrases(self) -> tuple[str, ...]:
        """Own phrases and those of the lexicons."""
        return (*self.phrases, *(phrase for name in self.lexicons for phrase in lexicon(name)))

    def advice_for(self, phrase: str) -> str:
        """Advice for a forbidden phrase: that of its group where the pack gives one."""
        for name in self.lexicons:
            for group, phrases in groups(name).items():
                if phrase in phrases and group in self.group_advice:
                    return self.group_advice[group]
        return self.advice


def _need_words(phrases: tuple[str, ...], lexicons: tuple[str, ...]) -> None:
    if not phrases and not lexicons:
        raise ValueError("phrases or lexicons are missing")
    for name in lexicons:
        try:
            lexicon(name)
        except PackError as error:
            raise ValueError(f"{error} {error.remedy}") from error
