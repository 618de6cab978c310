"""Follows rules through one call: live and afterwards alike, every finding as early as it is certain."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from qingting.analysis.analyzer import SpeechStart, Watch
from qingting.analysis.rules.fields import applies
from qingting.analysis.rules.findings import RuleFindings
from qingting.analysis.rules.hearing import SignalEyes, heard_by, unknown_gaps
from qingting.analysis.rules.kinds import Eye, Found
from qingting.analysis.rules.scopes import Clock, Judge, Stamped, Truth, Verdict
from qingting.analysis.rules.terms import Place, TermHits, column_of
from qingting.model.call import Role
from qingting.model.finding import Finding

if TYPE_CHECKING:
    from collections.abc import Callable

    from qingting.analysis.context import CallSoFar, UtteranceFacts
    from qingting.analysis.rules.compiling import CompiledRule, CompiledRules
    from qingting.model.call import CallInfo
    from qingting.model.report import Gap

_NO_EACH = -1
_Heard = tuple[int, int, int]


@dataclass(kw_only=True, slots=True)
class RuleState:
    """One rule in one call."""

    compiled: CompiledRule
    judge: Judge
    closed: set[int] = field(default_factory=set)
    """Hits of `for_each` that were judged; _NO_EACH when the call was."""
    findings: int = 0
    done: bool = False
    """Nothing the rest of the call brings can matter."""
    unknown: bool = False
    """Some judgement was not possible: a dimension it rests on was not inspected."""


class RuleWatch(Watch):
    """All rules in one call.

    `now_ms`-based decisions ask the clock what is known for certain, so that ticks and the
    order in which the same events are fed never change what is found.
    """

    def __init__(self, rules: CompiledRules, call: CallInfo, so_far: CallSoFar, write: RuleFindings) -> None:
        self._rules = rules
        self._so_far = so_far
        self._write = write
        self.clock = Clock(so_far)
        self.states: dict[int, RuleState] = {}
        self._off = {number for number in rules.limited if not applies(rules.rules[number].rule.applies_to, call)}
        self._eyes: dict[int, Eye] = {}
        self._utterance_eyes: list[tuple[int, Role | None, Eye]] = []
        self._start_eyes: list[tuple[int, Eye]] = []
        self._end_eyes: list[tuple[int, Eye]] = []
        self._signal_eyes = SignalEyes()
        self._touched: set[int] = set()
        self._when_heard: set[int] = set()
        self._number = 0
        self._past: list[tuple[UtteranceFacts, _Heard, int, list[Place]]] = []
        """Utterances with words that sleeping rules may want later."""
        self._heard: list[tuple[UtteranceFacts, _Heard]] = []
        """All utterances before the present one, where sleeping rules look at more than words."""
        self._awake: set[int] = set()
        """Rules that are awake and have such words."""
        self._raised: list[Finding] = []
        for leaf in rules.listening:
            self._listen(leaf)
        for number in rules.wakeful:
            if number not in self._off:
                self._state(number)
                self._touched.add(number)
        self._raised += self._judge_touched()

    def _listen(self, leaf: int) -> None:
        number, name = self._rules.leaves[leaf]
        if number in self._off:
            return
        eye = self._eye(leaf)
        kind, methods = self._rules.rules[number].kinds[name], type(eye)
        if methods.on_utterance is not Eye.on_utterance:
            self._utterance_eyes.append((leaf, None if kind.hears_all else kind.condition.speaker.role, eye))
        if methods.on_speech_start is not Eye.on_speech_start:
            self._start_eyes.append((leaf, eye))
        if methods.on_end is not Eye.on_end:
            self._end_eyes.append((leaf, eye))
        self._signal_eyes.add(leaf, kind, eye)

    def _eye(self, leaf: int) -> Eye:
        eye = self._eyes.get(leaf)
        if eye is None:
            number, name = self._rules.leaves[leaf]
            wake: Callable[[int], None] = partial(self._wake, f"leaf:{leaf}")
            eye = self._eyes[leaf] = self._rules.rules[number].kinds[name].open(self._so_far, wake)
        return eye

    def _wake(self, name: str, at_ms: int) -> None:
        self._so_far.set_timer(at_ms, name)

    def _state(self, number: int) -> RuleState:
        state = self.states.get(number)
        if state is None:
            compiled = self._rules.rules[number]
            state = RuleState(compiled=compiled, judge=Judge(compiled=compiled, clock=self.clock))
            self.states[number] = state
            if number in self._rules.quiet:
                self._wake_up(number)
        return state

    def state_of(self, number: int) -> RuleState:
        """Return a rule's state with everything found for it so far, also while it sleeps."""
        return self._state(number)

    def _wake_up(self, number: int) -> None:
        """Look again at the words that did not matter while the rule slept."""
        self._awake.add(number)
        for facts, heard, column, places in self._past:
            hits = TermHits(facts.text)
            for place in places:
                entries = place[0].quiet[column].get(number)
                if entries:
                    hits.add(entries, place)
            for leaf, found in hits.by_leaf():
                self._take(leaf, self._eye(leaf).on_terms(facts, found), heard)
        for leaf in self._rules.drowsy.get(number, ()):
            known = len(self._utterance_eyes)
            self._listen(leaf)
            for _, speaker, eye in self._utterance_eyes[known:]:
                for facts, heard in self._heard:
                    if speaker is None or speaker is facts.role:
                        self._take(leaf, eye.on_utterance(facts), heard)

    def on_speech_start(self, speech: SpeechStart) -> Iterable[Finding]:
        """Silences end, and what is known of the call becomes visible."""
        self._hear_signals()
        for leaf, eye in self._start_eyes:
            self._take(leaf, eye.on_speech_start(speech))
            if eye.settled:
                self._settle(leaf)
        return self._judge_touched()

    def on_utterance(self, facts: UtteranceFacts) -> Iterable[Finding]:
        """Look for everything in the words just heard, then judge the rules they concern."""
        role = facts.role
        heard = self.clock.heard
        heard[2] += 1
        if role is not Role.UNSURE:
            heard[0 if role is Role.AGENT else 1] += 1
        if facts.utterance.voice is not None:
            self.clock.has_voice = True
        self._hear_signals()
        column = column_of(role)
        places = self._rules.book.places(facts.text, column)
        if facts.reading is not None:
            places = [*self._rules.book.places_read(facts.reading, column), *places]
        if places:
            self._look(facts, column, places)
        for leaf, speaker, eye in self._utterance_eyes:
            if speaker is None or speaker is role:
                self._take(leaf, eye.on_utterance(facts))
        if self._rules.drowsy:
            self._heard.append((facts, self._stamp()))
        if self._when_heard:
            self._touched |= self._when_heard
            self._when_heard.clear()
        return self._judge_touched()

    def _look(self, facts: UtteranceFacts, column: int, places: list[Place]) -> None:
        """Show the words of an utterance to the conditions of rules that are awake or may wake by them."""
        hits = TermHits(facts.text)
        quiet = [place for place in places if place[0].quiet[column]]
        if quiet:
            # Before the hits: a rule that wakes by them looks here for the rest of its words.
            self._past.append((facts, self._stamp(), column, quiet))
        for place in places:
            word = place[0]
            hits.add((entry for entry in word.loud[column] if self._follows(entry.rule)), place)
            for number in word.quiet[column].keys() & self._awake:
                if self._follows(number):
                    hits.add(word.quiet[column][number], place)
        for leaf, found in hits.by_leaf():
            self._take(leaf, self._eye(leaf).on_terms(facts, found))

    def _follows(self, number: int) -> bool:
        if number in self._off:
            return False
        state = self.states.get(number)
        return state is None or not state.done

    def on_timer(self, at_ms: int, name: str) -> Iterable[Finding]:
        """A silence lasts, or a deadline has come."""
        kind, _, number = name.partition(":")
        if kind == "leaf":
            self._take(int(number), self._eyes[int(number)].on_timer(at_ms))
        else:
            self._touched.add(int(number))
        return self._judge_touched()

    def on_end(self, end_ms: int) -> Iterable[Finding]:
        """Judge everything that was still open."""
        self._hear_signals()
        for leaf, eye in self._end_eyes:
            self._take(leaf, eye.on_end(end_ms))
        self.clock.ended = True
        for number in self._rules.resting:
            if number not in self._off:
                self._state(number)
        self._touched.update(self.states)
        return self._judge_touched()

    def on_signals(self) -> Iterable[Finding]:
        """Another dimension's timer has told something."""
        self._hear_signals()
        return self._judge_touched()

    def gaps(self) -> Iterable[Gap]:
        """Name the rules that could not be judged."""
        return unknown_gaps([self.states[number] for number in sorted(self.states)])

    def _hear_signals(self) -> None:
        if not self._signal_eyes:
            return
        for signal in self._so_far.take_signals():
            heard = heard_by(signal, self._so_far, self.clock)
            for leaf, eye in self._signal_eyes.of(signal):
                self._take(leaf, eye.on_signal(signal), heard)

    def _settle(self, leaf: int) -> None:
        number, name = self._rules.leaves[leaf]
        settled = self._state(number).judge.settled
        if name not in settled:
            settled.add(name)
            self._touched.add(number)

    def _take(self, leaf: int, found: Iterable[Found], heard: _Heard | None = None) -> None:
        number, name = self._rules.leaves[leaf]
        for one in found:
            stamped = Stamped(found=one, heard=heard or self._stamp(), number=self._number)
            self._number += 1
            self._state(number).judge.hits.setdefault(name, []).append(stamped)
            self._touched.add(number)

    def _stamp(self) -> _Heard:
        agent, customer, everyone = self.clock.heard
        return agent, customer, everyone

    def _judge_touched(self) -> Iterable[Finding]:
        if not self._touched and not self._raised:
            return ()
        raised, self._raised = self._raised, []
        for number in sorted(self._touched):
            state = self.states[number]
            if not state.done:
                raised += self._judge(number, state)
        self._touched.clear()
        return raised

    def _judge(self, number: int, state: RuleState) -> Iterator[Finding]:
        rule = state.compiled.rule
        looks: list[int] = []
        for key, each in self._cases(state):
            verdict = verdict_of(state, each)
            if verdict.truth is Truth.OPEN:
                looks += [verdict.look_at_ms] if verdict.look_at_ms is not None else []
                if verdict.look_when_heard:
                    self._when_heard.add(number)
                continue
            state.closed.add(key)
            state.unknown = state.unknown or verdict.truth is Truth.UNKNOWN
            if verdict.truth is Truth.HOLDS:
                state.findings += 1
                yield self._write.finding(state, verdict, each)
                if rule.max_findings and state.findings >= rule.max_findings:
                    state.done = True
                    return
        state.done = not rule.for_each and _NO_EACH in state.closed
        if looks:
            self._so_far.set_timer(min(looks), f"rule:{number}")

    def _cases(self, state: RuleState) -> list[tuple[int, Stamped | None]]:
        """What is to be judged: the call, or every hit of `for_each` that was not judged yet."""
        each = state.compiled.rule.for_each
        if not each:
            return [(_NO_EACH, None)]
        return [(one.number, one) for one in state.judge.qualified(each, None) if one.number not in state.closed]


def verdict_of(state: RuleState, each: Stamped | None) -> Verdict:
    """Judge a rule with its exceptions: it holds when no exception does."""
    rule, judge = state.compiled.rule, state.judge
    verdict = judge.tree(rule.when, each)
    if rule.unless is None or verdict.truth is not Truth.HOLDS:
        return verdict
    judge.excusing = True
    forgiven = judge.tree(rule.unless, each)
    judge.excusing = False
    if forgiven.truth in (Truth.OPEN, Truth.UNKNOWN):
        return forgiven
    if forgiven.truth is Truth.HOLDS:
        return Verdict(truth=Truth.FAILS, support=forgiven.support)
    return verdict
