"""All bundled rules at once: live equals afterwards on calls made of their own words, and stays cheap on long ones."""

from __future__ import annotations

import time
from functools import cache

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from qingting.analysis.analyzers.custom_rules import CustomRules, CustomRulesOptions
from qingting.analysis.discovery import discover
from qingting.analysis.lexicon import lexicon
from qingting.analysis.packs import build_analyzers, load_pack
from qingting.analysis.rules.eye import RuleEye
from qingting.analysis.rules.kinds.words import WordsOptions
from qingting.analysis.rules.loading import bundled_rule_files, load_rule_file
from qingting.analysis.rules.model import Rule
from qingting.analysis.rules.testing import run_examples
from qingting.analysis.runner import Inspection
from qingting.analysis.text import normalise
from qingting.model.call import CallInfo, Role
from qingting.model.finding import Finding, Polarity
from qingting.model.transcript import EngineIdentity, Transcript, Utterance
from qingting.testing.replay import CallReplay
from qingting.testing.samples import sample_calls

RULES = {name: load_rule_file(name).rules for name in bundled_rule_files()}
EVERY = [rule for rules in RULES.values() for rule in rules]
TURNS = sorted({(turn.role, turn.text) for rule in EVERY for one in rule.examples for turn in one.turns})
"""What their examples say: every rule is near on such calls."""
CALL = CallInfo(call_id="rules")


@cache
def all_rules() -> Inspection:
    return Inspection([CustomRules(CustomRulesOptions(files=bundled_rule_files()))])


def played(turns: list[tuple[Role, str]], gaps_ms: list[int]) -> Transcript:
    """A call of turns; a negative gap overlaps the turn before."""
    said, end_ms = [], 0
    free_ms = {Role.AGENT: 0, Role.CUSTOMER: 0}
    for (role, text), gap_ms in zip(turns, gaps_ms, strict=True):
        start_ms = max(end_ms + gap_ms, free_ms[role], 0)
        free_ms[role] = start_ms + len(text) * 200
        end_ms = max(end_ms, free_ms[role])
        party = "left" if role is Role.AGENT else "right"
        said.append(
            Utterance(
                index=0, party=party, role=role, role_confidence=1.0, start_ms=start_ms, end_ms=free_ms[role], text=text
            )
        )
    ordered = sorted(said, key=lambda one: (one.start_ms, one.end_ms, one.party))
    numbered = tuple(Utterance(**{**vars(one), "index": index}) for index, one in enumerate(ordered))
    engine = EngineIdentity(name="t", model="t", revision="")
    return Transcript(utterances=numbered, engine=engine, duration_ms=end_ms + 8000)


def both_ways(inspection: Inspection, transcript: Transcript, seed: int) -> tuple[Finding, ...]:
    """Findings of the finished call, checked to be those of a live one."""
    result = inspection.analyze(transcript, CALL)
    assert result.failures == ()
    assert CallReplay(CALL, transcript, inspection, seed=seed).run() == result.findings
    return result.findings


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    said=st.lists(st.tuples(st.sampled_from(TURNS), st.sampled_from([-900, 0, 300, 2500, 9000])), max_size=24),
    seed=st.integers(0, 3),
)
def test_calls_made_of_the_examples_words(said, seed: int) -> None:
    transcript = played([turn for turn, _ in said], [gap for _, gap in said])
    together = both_ways(all_rules(), transcript, seed)
    # No rule depends on which others run beside it.
    alone = [one for rules in RULES.values() for one in Inspection([RuleEye(rules)]).analyze(transcript, CALL).findings]
    assert sorted(one.id for one in together) == sorted(one.id for one in alone)


def test_a_call_of_two_thousand_turns() -> None:
    turns = [TURNS[(index * 37) % len(TURNS)] for index in range(2000)]
    transcript = played(turns, [300] * 2000)
    began = time.process_time()
    assert len(both_ways(all_rules(), transcript, 1)) > 20
    assert time.process_time() - began < 20, "the cost of a turn grows with the call"


@pytest.mark.parametrize("name", bundled_rule_files())
def test_every_rule_has_examples_both_ways_and_passes_them(name: str) -> None:
    assert 8 <= len(RULES[name]) <= 15
    for rule in RULES[name]:
        assert {one.positive for one in rule.examples} == {True, False}, rule.id
        assert rule.version
        assert rule.polarity is Polarity.NOTE or "{" in rule.advice, f"{rule.id}: the advice names nothing of the call"
    assert not [outcome for outcome in run_examples(RULES[name]) if not outcome.passed]


@pytest.mark.parametrize("pack", ["general", "ecommerce", "finance", "telecom"])
def test_packs_run_their_rules_and_faultless_calls_stay_silent(pack: str) -> None:
    (rules,) = (one for one in build_analyzers(load_pack(pack), discover()) if one.id == "custom_rules")
    assert isinstance(rules, CustomRules)
    wanted = {rule.id for name in {"general", pack} for rule in RULES[name]}
    assert {one.rule.id for one in rules.compiled.rules} == wanted
    inspection = Inspection([rules])
    for sample in sample_calls():
        if sample.script.faultless:
            result = inspection.analyze(sample.transcript(), sample.script.call_info())
            assert [one.rule_id for one in result.findings if one.polarity is Polarity.FAULT] == [], sample.id


def forbidden(pack: str) -> set[str]:
    """Phrases that the pack's own must-not-say items look for."""
    (compliance,) = (one for one in build_analyzers(load_pack(pack), discover()) if one.id == "compliance")
    items = compliance.options.items  # type: ignore[attr-defined]
    names = [name for item in items if item.kind.value == "must_not_say" for name in item.lexicons]
    return {normalise(phrase) for name in names for phrase in lexicon(name)}


def agent_faults(rule: Rule) -> set[str]:
    """Words of an agent that are a fault by themselves: the rule needs nothing else."""
    options = [one.options for one in rule.conditions.values() if one.id == rule.for_each]
    found = [one for one in options if isinstance(one, WordsOptions) and len(rule.conditions) == 1]
    return {normalise(word) for one in found for word in one.any}


@pytest.mark.parametrize("pack", ["general", "ecommerce", "finance", "telecom"])
def test_bundled_rules_repeat_no_compliance_item(pack: str) -> None:
    """Rules and compliance items of a pack must not punish the same words."""
    known = forbidden(pack)
    for rule in (rule for name in {"general", pack} for rule in RULES[name] if rule.who is Role.AGENT):
        own = agent_faults(rule)
        assert not [word for word in own if any(phrase in word or word in phrase for phrase in known)], rule.id
