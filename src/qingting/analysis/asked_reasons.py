"""Which contact reasons a customer's words are about, whenever they are said and however often."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qingting.analysis.analyzers._contact_mentions import mentions
from qingting.analysis.intents import intents

if TYPE_CHECKING:
    from collections.abc import Collection

    from qingting.analysis.analyzers.contact_reason import ContactReason
    from qingting.analysis.context import UtteranceFacts
    from qingting.analysis.intents import Intent


class AskedReasons:
    """The reasons that one line of business knows, as the dimension of contact reasons knows them. Immutable."""

    def __init__(self, analyzer: ContactReason, line_of_business: str) -> None:
        chosen = intents(analyzer.options.line_of_business or line_of_business)
        self._known = tuple(intent for intent in chosen if intent.id not in analyzer.options.ignored)

    def of(self, facts: UtteranceFacts, labels: Collection[str]) -> list[Intent]:
        """Return the reasons of an utterance by its words.

        `facts` hold the hits of the analyzer's phrases, `labels` name those phrases that stand in it at all.
        """
        possible = [intent for intent in self._known if _may_be_said(intent, labels)]
        return [one.intent for one in mentions(facts, possible, states=True, signs=False)] if possible else []


def _may_be_said(intent: Intent, labels: Collection[str]) -> bool:
    if f"phrase:{intent.id}" in labels or f"pattern:{intent.id}" in labels:
        return True
    return any(all(f"term:{word}" in labels for word in pair) for pair in intent.pairs)
