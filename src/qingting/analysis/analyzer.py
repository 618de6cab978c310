"""The contract of an inspection dimension.

An analyzer works on a call that may still be open. Its findings are raised as soon as they
are decided and never taken back, so a live call and the finished recording give the same
findings: the runner feeds both through the same events, in the order of call time.

Events of one call, in order of time:

- ``on_speech_start`` when a party begins to speak (known before its words are);
- ``on_utterance`` when an utterance has ended and its words are known, in order of end_ms;
- ``on_timer`` when a timer that the watch has set comes due, before any later event;
- ``on_end`` once, when the call is over.

An analyzer that `listens` is asked after all others at each event, finds what they told in
``so_far.take_signals()``, and is asked ``on_signals`` when only a timer of another one fired.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from qingting.analysis.context import CallSoFar, UtteranceFacts
    from qingting.model.call import CallInfo, Role
    from qingting.model.finding import Finding
    from qingting.model.report import Gap


@dataclass(frozen=True, kw_only=True)
class NoOptions:
    """For analyzers without options."""


@dataclass(frozen=True, kw_only=True)
class SpeechStart:
    """A party has begun to speak; its words are not known yet."""

    party: str
    role: Role
    at_ms: int


class Watch(ABC):
    """An analyzer's eye on one call: holds that call's state and nothing else."""

    def on_speech_start(self, speech: SpeechStart) -> Iterable[Finding]:
        """Take note that someone begins to speak."""
        return ()

    @abstractmethod
    def on_utterance(self, facts: UtteranceFacts) -> Iterable[Finding]:
        """Look at an utterance that has just ended."""

    def on_timer(self, at_ms: int, name: str) -> Iterable[Finding]:
        """Act on a timer set through CallSoFar.set_timer."""
        return ()

    def on_end(self, end_ms: int) -> Iterable[Finding]:
        """Decide what only the end of the call can decide."""
        return ()

    def on_signals(self) -> Iterable[Finding]:
        """Act on signals that came at no event of this watch's own; for analyzers that listen."""
        return ()

    def gaps(self) -> Iterable[Gap]:
        """Say, after on_end, what could not be judged though the analyzer worked."""
        return ()


class Analyzer(ABC):
    """One inspection dimension: declares itself, and opens a watch per call.

    Immutable after construction; one instance serves many calls at once.
    """

    id: ClassVar[str]
    """Snake-case, unique: the module's name."""
    name: ClassVar[str]
    """Chinese name for people."""
    description: ClassVar[str]
    """One Chinese sentence."""
    version: ClassVar[str]
    """Changes when the same call could get other findings."""
    needs_audio: ClassVar[bool] = False
    """Whether it needs VoiceFacts; without audio it is not run and listed as not inspected."""
    needs_roles: ClassVar[bool] = True
    """Whether it needs to know agent and customer; without both it is listed as not inspected."""
    needs_times: ClassVar[bool] = False
    """Whether it measures times; conversations without times are listed as not inspected."""
    needs_desktop_events: ClassVar[bool] = False
    """Whether it needs CallInfo.desktop_events; calls without are listed as not inspected."""
    as_spoken: ClassVar[bool] = False
    """Whether its phrases are looked for in the spoken words only, not also in their standard Mandarin reading."""
    uses: ClassVar[tuple[str, ...]] = ()
    """Fields of `Tools` that it takes as keyword arguments of its constructor."""
    listens: frozenset[str] = frozenset()
    """Names of the signals (SignalName) it wants to hear; then it is asked after the analyzers that listen to none."""
    wants_meaning: bool = False
    """Whether it uses the sentence vectors of the inspection."""
    Options: ClassVar[type] = NoOptions
    """Frozen, keyword-only dataclass; every field has a default and a docstring line."""

    def __init__(self, options: object | None = None) -> None:
        self.options = self.Options() if options is None else options

    def phrases(self) -> Mapping[str, Iterable[str]]:
        """Label -> phrases to find in every utterance, in one pass with all other analyzers'.

        Hits arrive as ``facts.hits(label)``; labels are private to the analyzer.
        """
        return {}

    @abstractmethod
    def watch(self, call: CallInfo, so_far: CallSoFar) -> Watch:
        """Open the watch for one call."""
