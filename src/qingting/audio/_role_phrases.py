"""Phrases that tell agent and customer apart, and how they are found in recognised text."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib import resources
from itertools import pairwise

import yaml

from qingting.errors import PackError

_FUZZY_LENGTH = 5
"""Shorter phrases must match exactly: too many others lie one character away."""
_LEAST_PAIRS, _LEAST_CHARACTERS = 0.5, 0.75
"""Shares of a phrase's character pairs and characters; one wrong character of five still passes both."""


@dataclass(frozen=True, kw_only=True)
class PhraseGroup:
    """Phrases of one kind."""

    agent_side: bool
    """Said by the agent; else by the customer."""
    label: str
    """What the reader is told was said."""
    weight: float
    """Log-odds of the first hit."""
    phrases: tuple[str, ...]


@cache
def phrase_groups() -> tuple[PhraseGroup, ...]:
    """Return the shipped phrases; raises PackError when the data file is malformed."""
    source = resources.files("qingting.audio").joinpath("data/role_phrases.yaml")
    try:
        entries = yaml.safe_load(source.read_text("utf-8"))
        return tuple(
            PhraseGroup(
                agent_side={"agent": True, "customer": False}[entry["side"]],
                label=entry["label"],
                weight=float(entry["weight"]),
                phrases=tuple(entry["phrases"]),
            )
            for entry in entries
        )
    except (yaml.YAMLError, KeyError, TypeError, ValueError) as error:
        raise PackError("role_phrases.yaml is malformed") from error


@dataclass(frozen=True)
class HeardText:
    """An utterance's text, ready to be searched."""

    characters: str
    pairs: frozenset[tuple[str, str]]

    @classmethod
    def of(cls, text: str) -> HeardText:
        """Leave out everything that is not said: punctuation and spaces."""
        characters = "".join(c for c in text if c.isalnum())
        return cls(characters, frozenset(pairwise(characters)))

    def strength(self, phrase: str) -> float:
        """Return how well `phrase` is heard here: 1 word for word, less with mis-heard characters, 0 not at all."""
        if phrase in self.characters:
            return 1.0
        if len(phrase) < _FUZZY_LENGTH:
            return 0.0
        pairs = _pairs(phrase)
        share = sum(pair in self.pairs for pair in pairs) / len(pairs)
        if share < _LEAST_PAIRS:
            return 0.0
        known = sum(c in self.characters for c in phrase) / len(phrase)
        return share if known >= _LEAST_CHARACTERS else 0.0


@cache
def _pairs(phrase: str) -> tuple[tuple[str, str], ...]:
    return tuple(pairwise(phrase))


def hits(group: PhraseGroup, texts: list[HeardText]) -> float:
    """Return how often the group is heard: one hit per utterance at most, as strong as its best phrase."""
    return sum(max((text.strength(phrase) for phrase in group.phrases), default=0.0) for text in texts)
