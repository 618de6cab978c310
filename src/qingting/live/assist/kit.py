"""What assisting needs of one line of business, prepared once and shared by all its calls."""

from __future__ import annotations

from functools import cache, cached_property
from typing import TYPE_CHECKING

from qingting.analysis.analyzers.compliance import Compliance
from qingting.analysis.analyzers.contact_reason import ContactReason
from qingting.analysis.asked_reasons import AskedReasons
from qingting.analysis.character_times import CharacterTimes
from qingting.analysis.checklist import ChecklistMaker
from qingting.analysis.context import UtteranceFacts
from qingting.analysis.dialects import standard_reading
from qingting.analysis.dialogue import dialogue_phrases, wish_of
from qingting.analysis.lexicon import lexicon
from qingting.analysis.speakers import Baseline
from qingting.analysis.text import NormalText, PhraseBook
from qingting.analysis.usage import meant
from qingting.live.assist.desk import Candidate
from qingting.model.call import Role

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from qingting.analysis.analyzer import Analyzer
    from qingting.analysis.intents import Intent
    from qingting.inspector import Plan
    from qingting.live.assist.book import HintBook
    from qingting.model.transcript import Utterance

DIALOGUE = "responsiveness"
"""The same labels under the same name are compiled once, for the dimension and for this."""
OWN = "assist"
FEELING, UNSURE = "feeling", "unsure"
_AFTER_GOODBYE = 6
"""So many characters may follow words of parting: 再见啊，谢谢."""
_NOBODY = Baseline(
    utterances=0, characters=0, speech_ms=0, characters_per_second=None, loudness_dbfs=None, pitch_hertz=None
)


class Spoken:
    """An utterance with what stands in it."""

    def __init__(self, facts: UtteranceFacts, found: Collection[tuple[str, str]]) -> None:
        """`found`: (analyzer id, label) of the phrases that stand in it."""
        self._facts = facts
        self._found = found
        self.utterance = facts.utterance
        self.text = facts.text
        self.role = facts.role
        self.dialogue = facts.for_analyzer(DIALOGUE)
        """Facts with the hits that qingting.analysis.dialogue asks for."""
        self.own = facts.for_analyzer(OWN)
        """Facts with feelings, not knowing and the words of the knowledge."""

    @cached_property
    def says_goodbye(self) -> bool:
        """Whether it ends with words of parting, and wants nothing any more."""
        hits = meant(self.text, self.dialogue.hits("farewell"))
        ends = any(len(self.text.text) - hit.normal_end <= _AFTER_GOODBYE for hit in hits)
        return ends and (self.role is Role.AGENT or wish_of(self.dialogue) is None)

    def labels_of(self, analyzer: type[Analyzer]) -> frozenset[str]:
        """Labels of an analyzer's phrases that stand in it."""
        return frozenset(label for owner, label in self._found if owner == analyzer.id)

    def for_analyzer(self, analyzer: type[Analyzer]) -> UtteranceFacts:
        """Facts with the hits of an analyzer's phrases."""
        return self._facts.for_analyzer(analyzer.id)


class AssistKit:
    """Checklist, contact reasons, hints and all their phrases. Immutable; safe to use from several threads."""

    def __init__(self, plan: Plan, book: HintBook, line_of_business: str) -> None:
        """`plan` and `book` are those of the line of business."""
        self.book = book
        compliance = next((one for one in plan.analyzers if isinstance(one, Compliance)), None)
        reasons = next((one for one in plan.analyzers if isinstance(one, ContactReason)), None)
        self.checklists = ChecklistMaker(compliance) if compliance is not None else None
        self._reasons = AskedReasons(reasons, line_of_business) if reasons is not None else None
        self.knowledge = {entry: one for entry, one in book.knowledge.items() if one.enabled}
        heard = {DIALOGUE: dialogue_phrases(), OWN: self._own_phrases()}
        if compliance is not None:
            heard[Compliance.id] = _frozen(compliance)
        self._agent_book = PhraseBook(heard)
        if reasons is not None:
            heard[ContactReason.id] = _frozen(reasons)
        self._book = PhraseBook(heard)

    def hear(self, utterance: Utterance) -> Spoken:
        """Find all phrases in an utterance."""
        text = NormalText(utterance.text)
        reading = standard_reading(text)
        book = self._agent_book if utterance.role is Role.AGENT else self._book
        hits = book.find(text) if reading is None else book.find_read(text, reading, as_spoken=())
        facts = UtteranceFacts(
            utterance=utterance, text=text, reading=reading, hits=hits, times=CharacterTimes(utterance),
            baseline=_NOBODY, pause_before_ms=0,
        )  # fmt: skip
        return Spoken(facts, hits.keys())

    def reasons_of(self, spoken: Spoken) -> list[Intent]:
        """Contact reasons that an utterance of the customer is about."""
        if self._reasons is None:
            return []
        return self._reasons.of(spoken.for_analyzer(ContactReason), spoken.labels_of(ContactReason))

    def candidate(
        self,
        name: str,
        since_ms: int,
        *,
        topic: str = "",
        values: Mapping[str, str] | None = None,
    ) -> Candidate | None:
        """Make a hint of the book ready to be told; None when it is turned off."""
        hint = self.book.hint(name)
        if hint is None:
            return None
        return Candidate(name=name, hint=hint, topic=topic, since_ms=since_ms, values=values or {})

    def _own_phrases(self) -> dict[str, tuple[str, ...]]:
        words = {entry_label(entry): one.words for entry, one in self.knowledge.items()}
        return {FEELING: self.book.feelings, UNSURE: lexicon("agent_unknown"), **words}


def entry_label(entry: str) -> str:
    """Label of the words that suggest an entry of the knowledge."""
    return f"entry {entry}"


@cache
def times_in_chinese(count: int) -> str:
    """Write how often: 三次."""
    return f"{'零一二三四五六七八九十'[count] if count <= 10 else count}次"


def _frozen(analyzer: Analyzer) -> dict[str, tuple[str, ...]]:
    return {label: tuple(phrases) for label, phrases in analyzer.phrases().items()}
