"""CPU time of the rule language: 1,000 rules with 20,000 phrases on a ten-minute call of 150 utterances.

    python benchmarks/rules.py [--json] [--calls 10]

Goals: at most 10 ms for the rules beyond the facts, at most 2 ms for one more live utterance
(facts and rules), at most 2 s to compile; at least 20 times faster than a loop over one
compiled regular expression per rule, with the same hits.

Four loads differ in how many of their phrases the call really says, so that cost and hits can
be told apart. A fifth of the rules demand an answer within ten seconds, a fifth report every
hit, the rest need a second word. `few`, `usual` and `many` are judged with homophone tolerance
off; `usual` a second time with it on for every phrase. What is usual is measured too: the word
hits and findings of the bundled rules on the bundled calls, as many per rule and utterance.

The regex loop stands for what one writes first: per rule one expression that joins its 20
phrases, per utterance one search, prepared beforehand on texts normalised beforehand. It only
tells (rule, utterance); `matching_ms` is our cost of the same answer, `rules_ms` that of
everything: places, order, deadlines, and findings written with evidence and advice.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import statistics
import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from functools import cache

from qingting.analysis.context import CallState
from qingting.analysis.dialects import standard_reading
from qingting.analysis.lexicon import lexicon, lexicon_names
from qingting.analysis.rules.compiling import CompiledRules
from qingting.analysis.rules.eye import RuleEye
from qingting.analysis.rules.kinds.words import WordsOptions
from qingting.analysis.rules.loading import bundled_rule_files, load_all
from qingting.analysis.rules.model import Homophones, Rule
from qingting.analysis.rules.terms import column_of
from qingting.analysis.runner import Inspection
from qingting.analysis.text import GAP, NormalText, PhraseBook, normalise
from qingting.model.call import CallInfo, Role
from qingting.model.transcript import EngineIdentity, Transcript, Utterance
from qingting.testing.samples import sample_calls

RULES, PHRASES_PER_RULE, UTTERANCES, STEP_MS = 1000, 20, 150, 4000
LOADS = {"none": 0.0, "few": 0.0004, "usual": 0.006, "many": 0.013}
"""Load -> share of phrases that are real ones of the lexicons; the others are made of the same characters."""


@cache
def heard_phrases() -> tuple[str, ...]:
    """Phrases of the lexicons that the call says, in three utterances at most: what rules of a centre look for."""
    phrases = {phrase for name in lexicon_names() for phrase in lexicon(name) if GAP not in phrase}
    book = PhraseBook({"": {"": sorted(phrase for phrase in phrases if len(normalise(phrase)) > 1)}})
    counts: Counter[str] = Counter()
    for utterance in long_call().utterances:
        hits = book.find(NormalText(utterance.text)).get(("", ""), ())
        counts.update({hit.phrase for hit in hits})
    return tuple(sorted(phrase for phrase, count in counts.items() if count <= 3))


def made_rules(real_share: float, *, homophones: bool) -> tuple[Rule, ...]:
    """Return the rules, always the same ones."""
    dice = random.Random(7)
    real = heard_phrases()
    letters = sorted({one for one in "".join(real) if not one.isascii()})

    def made() -> str:
        return "".join(dice.choice(letters) for _ in range(dice.randint(4 if real_share == 0.0 else 3, 6)))

    plain = []
    for number in range(RULES):
        phrases = [dice.choice(real) if dice.random() < real_share else made() for _ in range(PHRASES_PER_RULE)]
        role = dice.choice(["agent", "customer", "any"])
        word: dict[str, object] = {"words": {"any": [p for p in phrases if normalise(p)]}, "role": role}
        when: list[object] = ["word"]
        conditions: dict[str, object] = {"word": word}
        if number % 5 == 0:
            conditions["answer"] = {"words": ["抱歉"], "role": "agent", "after": {"to": "word", "within_seconds": 10}}
            when.append({"not": "answer"})
        elif number % 5 < 4:
            conditions["also"] = {"words": ["另有要求"], "same": "word"}
            when.append("also")
        rule: dict[str, object] = {
            "id": f"r{number}", "name": "规则", "advice": "请改进", "conditions": conditions, "when": when,
            "for_each": "word",
        }  # fmt: skip
        plain.append(rule)
    rules = load_all((), plain)
    return tuple(_by_sound(rule) for rule in rules) if homophones else rules


def _by_sound(rule: Rule) -> Rule:
    changed = {}
    for name, condition in rule.conditions.items():
        assert isinstance(condition.options, WordsOptions)
        changed[name] = replace(condition, options=replace(condition.options, homophones=Homophones()))
    return replace(rule, conditions=changed)


def long_call() -> Transcript:
    """A ten-minute call made of the demo scripts' own sentences."""
    # Rules find dialect words by their standard meaning too, which the loop cannot.
    said = [turn.text for sample in sample_calls() for turn in sample.script.turns]
    texts = [text for text in said if standard_reading(NormalText(text)) is None]
    utterances = tuple(
        Utterance(
            index=index, party=("left", "right")[index % 2], role=(Role.AGENT, Role.CUSTOMER)[index % 2],
            role_confidence=1.0, start_ms=index * STEP_MS, end_ms=index * STEP_MS + 3500,
            text=texts[index % len(texts)],
        )
        for index in range(UTTERANCES)
    )  # fmt: skip
    engine = EngineIdentity(name="script", model="script", revision="")
    return Transcript(utterances=utterances, engine=engine, duration_ms=UTTERANCES * STEP_MS)


def facts_ms(transcript: Transcript) -> float:
    """CPU time of the shared facts alone."""
    began = time.process_time()
    state = CallState(CallInfo(call_id="speed"), PhraseBook({}))
    for utterance in transcript.utterances:
        state.start(utterance.party, utterance.role, utterance.start_ms)
        state.add(utterance)
    return 1000 * (time.process_time() - began)


def _analysis_ms(inspection: Inspection, transcript: Transcript) -> float:
    began = time.process_time()
    result = inspection.analyze(transcript, CallInfo(call_id="speed"))
    taken = 1000 * (time.process_time() - began)
    assert not result.failures
    return taken


def live_ms(inspection: Inspection, transcript: Transcript) -> list[float]:
    """CPU time of each utterance of a live call, facts and rules."""
    running, taken = inspection.open(CallInfo(call_id="speed")), []
    for utterance in transcript.utterances:
        running.speech_started(utterance.party, utterance.role, utterance.start_ms)
        began = time.thread_time()
        running.hear(utterance)
        taken.append(1000 * (time.thread_time() - began))
    return taken


def own_hits(eye: RuleEye) -> set[tuple[str, int]]:
    """(rule, utterance) of every phrase hit in the last call."""
    assert eye.last is not None
    return {
        (state.compiled.rule.id, utterance.index)
        for state in eye.last.states.values()
        for one in state.judge.hits.get("word", ())
        for utterance in one.found.utterances
    }


def regex_loop(rules: Sequence[Rule], transcript: Transcript) -> tuple[set[tuple[str, int]], float]:
    """Do the same by one compiled expression per rule, compiled beforehand: hits and CPU ms."""
    compiled = []
    for rule in rules:
        options = rule.conditions["word"].options
        assert isinstance(options, WordsOptions)
        words = sorted({normalise(word) for word in options.any}, key=len, reverse=True)
        compiled.append((rule.id, rule.conditions["word"].speaker.role, re.compile("|".join(map(re.escape, words)))))
    texts = [(one.index, one.role, NormalText(one.text).text) for one in transcript.utterances]
    began, hits = time.process_time(), set()
    for index, role, text in texts:
        for rule_id, speaker, pattern in compiled:
            if (speaker is None or speaker is role) and pattern.search(text):
                hits.add((rule_id, index))
    return hits, 1000 * (time.process_time() - began)


def matching(rules: CompiledRules, transcript: Transcript) -> tuple[set[tuple[str, int]], float]:
    """Do what the regex loop does by the one pass over all words: hits and CPU ms."""
    texts = [(one.index, column_of(one.role), NormalText(one.text)) for one in transcript.utterances]
    ids = [one.rule.id for one in rules.rules]
    began, hits = time.process_time(), set()
    for index, column, text in texts:
        for word, *_ in rules.book.places(text, column):
            for entry in word.loud[column]:
                hits.add((ids[entry.rule], index))
    return hits, 1000 * (time.process_time() - began)


def usual_density() -> dict[str, float]:
    """Count what the bundled rules meet on the bundled calls, for 1,000 rules and 150 utterances."""
    rules = load_all(bundled_rule_files(), ())
    eye = RuleEye(rules)
    inspection = Inspection([eye])
    hits = findings = utterances = 0
    for sample in sample_calls():
        transcript = sample.transcript()
        findings += len(inspection.analyze(transcript, sample.script.call_info()).findings)
        utterances += len(transcript.utterances)
        assert eye.last is not None
        states = eye.last.states.values()
        hits += sum(len(state.judge.hits.get(name, ())) for state in states for name in state.compiled.wakers)
    scale = RULES / len(rules) * UTTERANCES / utterances
    return {"bundled_rules_hits": round(hits * scale), "bundled_rules_findings": round(findings * scale)}


def measure(calls: int) -> dict[str, float | bool]:
    """Return the figures."""
    transcript = long_call()
    figures: dict[str, float | bool] = {"rules": RULES, "phrases": RULES * PHRASES_PER_RULE, **usual_density()}
    figures["facts_ms"] = round(statistics.median(facts_ms(transcript) for _ in range(calls)), 2)
    for name, share in LOADS.items():
        figures |= _one_load(name, made_rules(share, homophones=False), transcript, calls)
    figures |= _one_load("usual_by_sound", made_rules(LOADS["usual"], homophones=True), transcript, calls)
    return figures


def _one_load(name: str, rules: Sequence[Rule], transcript: Transcript, calls: int) -> dict[str, float | bool]:
    began = time.process_time()
    compiled = CompiledRules(rules)
    compile_ms = 1000 * (time.process_time() - began)
    eye = RuleEye(rules)
    inspection, empty = Inspection([eye]), Inspection([RuleEye([])])
    totals, bases, pairs, loops = [], [], [], []
    # In turn, so that a busy machine slows all of them alike.
    for _ in range(calls):
        bases.append(_analysis_ms(empty, transcript))
        totals.append(_analysis_ms(inspection, transcript))
        matched, one_ms = matching(compiled, transcript)
        pairs.append(one_ms)
        expected, loop_ms = regex_loop(rules, transcript)
        loops.append(loop_ms)
    own_ms, match_ms = statistics.median(totals) - statistics.median(bases), statistics.median(pairs)
    hits = own_hits(eye)
    live = [one for _ in range(3) for one in live_ms(inspection, transcript)]
    figures: dict[str, float | bool] = {
        "hits": len(hits),
        "findings": len(inspection.analyze(transcript, CallInfo(call_id="speed")).findings),
        "compile_ms": round(compile_ms, 1),
        "matching_ms": round(match_ms, 2),
        "rules_ms": round(own_ms, 2),
        "live_utterance_p50_ms": round(statistics.median(live), 3),
        "live_utterance_p99_ms": round(statistics.quantiles(live, n=100)[98], 3),
    }
    if not name.endswith("by_sound"):
        figures |= {
            "same_hits_as_regex": hits == expected == matched,
            "regex_loop_ms": round(statistics.median(loops), 1),
            "matching_times_faster": round(statistics.median(loops) / match_ms, 1),
            "rules_times_faster": round(statistics.median(loops) / own_ms, 1),
        }
    return {f"{name}.{key}": value for key, value in figures.items()}


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--calls", type=int, default=10, help="calls to measure")
    chosen = parser.parse_args(arguments)
    figures = measure(chosen.calls)
    if chosen.json:
        print(json.dumps(figures, indent=2))
    else:
        print("\n".join(f"{name:44} {value!s:>10}" for name, value in figures.items()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
