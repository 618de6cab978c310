"""What analyzers know of a call so far: facts per utterance, computed once when it arrives."""

from __future__ import annotations

import heapq
from typing import TYPE_CHECKING

from qingting.analysis.character_times import CharacterTimes
from qingting.analysis.dialects import standard_reading
from qingting.analysis.signals import SignalBoard
from qingting.analysis.speakers import Baseline, RoleSoFar, speech_time_ms, spoken_characters
from qingting.analysis.text import Hit, NormalText, PhraseBook
from qingting.model.call import CallInfo, Role

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from qingting.analysis.meaning import SentenceVectors
    from qingting.analysis.signals import Signal
    from qingting.analysis.text import Hits, Reading
    from qingting.analysis.utterance_meaning import UtteranceMeaning
    from qingting.model.transcript import Utterance


class UtteranceFacts:
    """All that is known of one utterance; what costs is computed when first asked for.

    One object per analyzer, thin: the parts with state are shared between analyzers.
    """

    __slots__ = ("_hits", "_owner", "_times", "baseline", "pause_before_ms", "reading", "text", "utterance")

    def __init__(
        self,
        *,
        utterance: Utterance,
        text: NormalText,
        hits: Mapping[tuple[str, str], tuple[Hit, ...]],
        times: CharacterTimes,
        baseline: Baseline,
        pause_before_ms: int,
        reading: Reading | None = None,
        owner: str = "",
    ) -> None:
        self.utterance = utterance
        self.text = text
        """Normalised text and clause borders."""
        self.reading = reading
        """The text with its dialect words read as standard Mandarin; None where it has none."""
        self.baseline = baseline
        """How the same role spoke before this utterance."""
        self.pause_before_ms = pause_before_ms
        """Silence of this party since its previous utterance, or since the call's start."""
        self._hits = hits
        self._times = times
        self._owner = owner

    def for_analyzer(self, owner: str) -> UtteranceFacts:
        """Return the same facts with the phrase hits of one analyzer."""
        return UtteranceFacts(
            utterance=self.utterance,
            text=self.text,
            hits=self._hits,
            times=self._times,
            baseline=self.baseline,
            pause_before_ms=self.pause_before_ms,
            reading=self.reading,
            owner=owner,
        )

    @property
    def role(self) -> Role:
        """Who speaks, as far as known."""
        return self.utterance.role

    def hits(self, label: str) -> tuple[Hit, ...]:
        """Places where phrases of this analyzer's label stand, in order of the text."""
        return self._hits.get((self._owner, label), ())

    def time_of(self, start_char: int, end_char: int) -> tuple[int, int]:
        """Start and end in ms of a range of utterance.text, within the utterance."""
        return self._times.span(start_char, end_char)

    def quote(self, start_char: int, end_char: int) -> str:
        """Return the exact words of a range."""
        return self.utterance.text[start_char:end_char]

    @property
    def characters(self) -> int:
        """Characters said, numbers counted as spoken, punctuation left out."""
        return spoken_characters(self.utterance, self.text)

    @property
    def speech_ms(self) -> int:
        """Time spent speaking: without inner pauses where acoustic facts exist, else the span."""
        return speech_time_ms(self.utterance)

    @property
    def characters_per_second(self) -> float | None:
        """Speech rate; None without words or without time."""
        return self.characters * 1000 / self.speech_ms if self.characters and self.speech_ms else None


class CallState:
    """The shared part of a call so far; the runner moves it on before analyzers see an event."""

    def __init__(
        self,
        call: CallInfo,
        book: PhraseBook,
        board: SignalBoard | None = None,
        vectors: SentenceVectors | None = None,
        *,
        as_spoken: frozenset[str] = frozenset(),
    ) -> None:
        """`as_spoken` are the analyzers whose phrases are not looked for in the standard reading of dialect words."""
        self.call = call
        self.board = SignalBoard() if board is None else board
        self.vectors = vectors
        self.meaning: UtteranceMeaning | None = None
        self.now_ms = 0
        self.utterances: list[Utterance] = []
        self.by_index: dict[int, Utterance] = {}
        self.roles = {role: RoleSoFar(role) for role in Role}
        self.speaking: list[tuple[str, int, Role]] = []
        self.silent_since_ms: int | None = None
        self._book = book
        self._as_spoken = as_spoken
        self._party_end_ms: dict[str, int] = {}

    def start(self, party: str, role: Role, at_ms: int) -> None:
        """Note that a party begins to speak."""
        self.speaking.append((party, at_ms, role))
        self.silent_since_ms = None
        self.roles[role].last_start_ms = at_ms

    def is_running(self, utterance: Utterance) -> bool:
        """Whether the utterance's speech start was announced and it has not been heard yet."""
        return any((party, start) == (utterance.party, utterance.start_ms) for party, start, _ in self.speaking)

    def add(self, utterance: Utterance) -> UtteranceFacts:
        """Keep an utterance that has ended and compute its facts."""
        text = NormalText(utterance.text)
        reading = standard_reading(text)
        role = self.roles[utterance.role]
        facts = UtteranceFacts(
            utterance=utterance,
            text=text,
            reading=reading,
            hits=self._find(text, reading),
            times=CharacterTimes(utterance),
            baseline=role.baseline(),
            pause_before_ms=max(utterance.start_ms - self._party_end_ms.get(utterance.party, 0), 0),
        )
        role.add(utterance, facts.characters)
        self.utterances.append(utterance)
        self.by_index[utterance.index] = utterance
        self._party_end_ms[utterance.party] = max(utterance.end_ms, self._party_end_ms.get(utterance.party, 0))
        key = (utterance.party, utterance.start_ms)
        place = next(at for at, (party, start, _) in enumerate(self.speaking) if (party, start) == key)
        del self.speaking[place]
        if not self.speaking:
            self.silent_since_ms = utterance.end_ms
        return facts

    def _find(self, text: NormalText, reading: Reading | None) -> Hits:
        if reading is None:
            return self._book.find(text)
        return self._book.find_read(text, reading, as_spoken=self._as_spoken)


class Timers:
    """Timers of all watches of one call, due in order of time, then of setting."""

    def __init__(self) -> None:
        self._heap: list[tuple[int, int, str, str]] = []
        self._live: dict[tuple[str, str], int] = {}
        self._count = 0

    def set(self, owner: str, at_ms: int, name: str) -> None:
        """Set or move a timer."""
        self._count += 1
        self._live[owner, name] = self._count
        heapq.heappush(self._heap, (at_ms, self._count, owner, name))

    def cancel(self, owner: str, name: str) -> None:
        """Forget a timer; unknown ones are ignored."""
        self._live.pop((owner, name), None)

    def due(self, until_ms: int) -> Iterator[tuple[int, str, str]]:
        """Take (time, owner, name) of timers due at or before a time; more may be set meanwhile."""
        while self._heap and self._heap[0][0] <= until_ms:
            at_ms, number, owner, name = heapq.heappop(self._heap)
            if self._live.get((owner, name)) == number:
                del self._live[owner, name]
                yield at_ms, owner, name


class CallSoFar:
    """One analyzer's window on the call until now. Read it; never keep what it returns beyond the event."""

    __slots__ = ("_owner", "_state", "_taken", "_timers")

    def __init__(self, state: CallState, timers: Timers, owner: str) -> None:
        self._state = state
        self._timers = timers
        self._owner = owner
        self._taken = 0

    @property
    def call(self) -> CallInfo:
        """What is known of the call besides its sound."""
        return self._state.call

    @property
    def now_ms(self) -> int:
        """Call time of the event being handled."""
        return self._state.now_ms

    @property
    def utterances(self) -> Sequence[Utterance]:
        """Everything heard, in order of end_ms, the one being handled last."""
        return self._state.utterances

    def role(self, role: Role) -> RoleSoFar:
        """How a role has taken part, the utterance being handled included."""
        return self._state.roles[role]

    def is_speaking(self, role: Role) -> bool:
        """Whether someone of this role is speaking now."""
        return any(speaker == role for _, _, speaker in self._state.speaking)

    def speaking_since(self, role: Role) -> int | None:
        """When the running speech of a role began; None when it is silent."""
        return min((start for _, start, speaker in self._state.speaking if speaker == role), default=None)

    @property
    def silent_since_ms(self) -> int | None:
        """Since when nobody speaks; None while someone does or before anyone has."""
        return self._state.silent_since_ms

    def set_timer(self, at_ms: int, name: str) -> None:
        """Ask for on_timer(at_ms, name); setting the same name again moves it, a past time fires next."""
        self._timers.set(self._owner, max(at_ms, self._state.now_ms), name)

    def cancel_timer(self, name: str) -> None:
        """Forget a timer of this analyzer; unknown names are ignored."""
        self._timers.cancel(self._owner, name)

    def wants(self, name: str) -> bool:
        """Whether anybody listens to signals of a name: what nobody hears need not be made."""
        return name in self._state.board.wanted

    def publish(self, signal: Signal) -> None:
        """Tell those who listen what is known now; it cannot be taken back."""
        if signal.name in self._state.board.wanted:
            self._state.board.signals.append(signal)

    def take_signals(self) -> Sequence[Signal]:
        """Return the signals published since this analyzer last asked, in order."""
        signals = self._state.board.signals
        if self._taken == len(signals):
            return ()
        news = signals[self._taken :]
        self._taken = len(signals)
        return news

    def missing(self, source: str) -> str:
        """Say in Chinese why an analyzer (or MEANING) tells nothing in this call; empty when it does."""
        return self._state.board.missing(source)

    @property
    def failed(self) -> str:
        """Say in Chinese that some analyzer failed on the call; empty when none did."""
        return self._state.board.failed

    def meaning(self, facts: UtteranceFacts) -> UtteranceMeaning | None:
        """Sentence vectors of an utterance, made once for all who ask; None when there are none.

        After an error of the vectors, MEANING counts as missing for the rest of the call.
        """
        state = self._state
        if state.vectors is None or "meaning" in state.board.lost:
            return None
        if state.meaning is None or state.meaning.index != facts.utterance.index:
            from qingting.analysis.utterance_meaning import measure

            state.meaning = measure(facts, state.vectors, state.board)
        return state.meaning

    def embed(self, sentences: Sequence[str]) -> NDArray[np.float32] | None:
        """Vectors [n, d] to compare with those of utterances; None when there are none, like `meaning`."""
        state = self._state
        if state.vectors is None or "meaning" in state.board.lost:
            return None
        from qingting.analysis.utterance_meaning import embed

        return embed(sentences, state.vectors, state.board)
