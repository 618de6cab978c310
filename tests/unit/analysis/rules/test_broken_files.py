"""Broken rule files: each is refused with file, line, field and fix."""

# ruff: noqa: E501  the tables read better on long lines

from __future__ import annotations

import re

import pytest

from qingting.analysis.rules.loading import load_rule_file, parse_rules
from qingting.errors import PackError

HEAD = 'id: t\nname: 测试\nversion: "1"\n'
RULE = HEAD + "rules:\n  - id: r\n    name: 规则\n    advice: 请改进\n"


def rule(*lines: str) -> str:
    return RULE + "".join(f"    {line}\n" for line in lines)


BROKEN = {
    "no yaml": ("id: [", 1, "no valid YAML"),
    "no mapping": ("- a\n", 1, "mapping"),
    "key twice": ("id: t\nid: u\n", 2, "twice"),
    "no id": ("name: x\nversion: '1'\nrules: []\n", 1, "`id` is missing"),
    "bad file id": (HEAD.replace("id: t", "id: Te st") + "rules: [{}]\n", 1, "no valid id"),
    "version is a number": ("id: t\nname: x\nversion: 1\n", 3, "must be text"),
    "unknown top key": (HEAD + "rule: []\n", 4, "no option has this name"),
    "no rules": (HEAD, 1, "at least one rule"),
    "rules empty": (HEAD + "rules: []\n", 4, "at least one rule"),
    "rule no mapping": (HEAD + "rules:\n  - 退款\n", 5, "mapping"),
    "unknown rule key": (rule("wenn: {words: [a]}", "when: {words: [a]}"), 8, "no option has this name"),
    "rule without name": (HEAD + "rules:\n  - id: r\n    when: {words: [a]}\n", 5, "`name` is missing"),
    "blank name": (HEAD + "rules:\n  - id: r\n    name: ' '\n    advice: x\n    when: {words: [a]}\n", 5, "blank"),
    "fault without advice": (HEAD + "rules:\n  - id: r\n    name: x\n    when: {words: [a]}\n", 5, "needs `advice`"),
    "bad rule id": (rule("when: {words: [a]}").replace("id: r", "id: R-1"), 5, "no valid id"),
    "rule id twice": (rule("when: {words: [a]}") + "  - id: r\n    name: y\n    advice: x\n    when: {words: [a]}\n", 9,
                      "two rules"),
    "bad level": (rule("level: terrible", "when: {words: [a]}"), 8, "allowed words"),
    "bad polarity": (rule("polarity: bad", "when: {words: [a]}"), 8, "allowed words"),
    "bad who": (rule("who: robot", "when: {words: [a]}"), 8, "allowed words"),
    "enabled is text": (rule('enabled: "yes"', "when: {words: [a]}"), 8, "true or false"),
    "negative cap": (rule("max_findings: -1", "when: {words: [a]}"), 5, "negative"),
    "score is text": (rule("score: {points: five}", "when: {words: [a]}"), 8, "a number"),
    "no when": (rule(), 5, "`when` is missing"),
    "empty list": (rule("when: []"), 8, "list is empty"),
    "empty all": (rule("when: {all: []}"), 8, "list is empty"),
    "at_least too many": (rule("when: {at_least: 3, of: [{words: [a]}, {words: [b]}]}"), 8, "number of parts"),
    "at_least true": (rule("when: {at_least: true, of: [{words: [a]}]}"), 8, "number of parts"),
    "not with more": (rule("when: {not: {words: [a]}, all: []}"), 8, "no field has this name"),
    "unknown condition": (rule("conditions:", "  a: {words: [x]}", "when: [a, b]"), 10, "no condition has the id 'b'"),
    "unused condition": (rule("conditions:", "  a: {words: [x]}", "  b: {words: [y]}", "when: a"), 10, "used nowhere"),
    "condition id": (rule("conditions:", "  A: {words: [x]}", "when: A"), 9, "no valid id"),
    "condition twice": (rule("when: [{id: a, words: [x]}, {id: a, words: [y]}]"), 8, "two conditions"),
    "no kind": (rule("when: {role: agent}"), 8, "no kind"),
    "unknown kind": (rule("when: {word: [x]}"), 8, "Did you mean `words`"),
    "two kinds": (rule("when: {words: [x], regex: y}"), 8, "one kind"),
    "unknown condition key": (rule("when: {words: [x], roles: agent}"), 8, "Did you mean `role`"),
    "bad role": (rule("when: {words: [x], role: seller}"), 8, "allowed words"),
    "words empty": (rule("when: {words: []}"), 8, "exactly one of"),
    "words blank": (rule("when: {words: ['，']}"), 8, "empty or holds punctuation"),
    "words two lists": (rule("when: {words: {any: [a], all: [b]}}"), 8, "exactly one of"),
    "needed too many": (rule("when: {words: {some: [a, b], needed: 3}}"), 8, "`needed`"),
    "unknown lexicon": (rule("when: {words: {lexicons: [nothing]}}"), 8, "No lexicon"),
    "unknown group": (rule("when: {words: {groups: [nothing]}}"), 8, "no word group"),
    "strange synonym": (rule("when: {words: {any: [a], synonyms: {b: [c]}}}"), 8, "`synonyms`"),
    "empty group": (HEAD + "phrases: {a: []}\nrules: []\n", 4, "empty"),
    "homophones word": (rule("when: {words: {any: [a], homophones: {confusions: [b_p]}}}"), 8, "allowed words"),
    "homophones short": (rule("homophones: {min_syllables: 1}", "when: {words: [a]}"), 8, "at least 2"),
    "homophones elsewhere": (rule("when: {regex: {pattern: a, homophones: true}}"), 8, "no homophones"),
    "bad regex": (rule("when: {regex: '(退款'}"), 8, "regular expression"),
    "regex matches all": (rule("when: {regex: '退?'}"), 8, "empty text"),
    "bad exclude": (rule("when: {regex: {pattern: 退, exclude: '['}}"), 8, "regular expression"),
    "near without distance": (rule("when: {near: {first: [a], second: [b]}}"), 8, "exactly one distance"),
    "near without second": (rule("when: {near: {first: [a], characters: 3}}"), 8, "`second` is missing"),
    "script too short": (rule("when: {script: 您}"), 8, "two characters"),
    "script share": (rule("when: {script: {texts: [您好您好], share: 2}}"), 8, "`share`"),
    "repeat similarity": (rule("when: {repeat: {similarity: 0}}"), 8, "`similarity`"),
    "unknown entity": (rule("when: {entity: passport}"), 8, "allowed words"),
    "silence zero": (rule("when: {silence: 0}"), 8, "above 0"),
    "response without role": (rule("when: {silence: {seconds: 3, between: response}}"), 8, "must respond"),
    "rate without limit": (rule("when: {speech_rate: {over: call}}"), 8, "at least one of"),
    "rate jump of call": (rule("when: {speech_rate: {jump: 1.5, over: call}}"), 8, "over utterances"),
    "overlap negative": (rule("when: {overlap: -1}"), 8, "above 0"),
    "loudness zero": (rule("when: {loudness: 0}"), 8, "above 0"),
    "pitch empty": (rule("when: {pitch: }"), 8, "options are missing"),
    "turns without limit": (rule("when: {turns: {}}"), 8, "above"),
    "ratio without role": (rule("when: {talk_ratio: {above: 0.8}}"), 8, "whose share"),
    "duration impossible": (rule("when: {duration: {above: 10, below: 5}}"), 8, "no number"),
    "field without value": (rule("when: {call: {field: team}}"), 8, "needs `value`"),
    "between one bound": (rule("when: {call: {field: csat, compare: between, values: [1]}}"), 8, "two bounds"),
    "position empty": (rule("when: {words: [a], position: {}}"), 8, "at least one limit"),
    "position percent": (rule("when: {words: [a], position: {from_percent: 120}}"), 8, "0 to 100"),
    "position reversed": (rule("when: {words: [a], position: {from_percent: 80, to_percent: 20}}"), 8, "below"),
    "times zero": (rule("when: {words: [a], times: 0}"), 8, "`times`"),
    "window zero": (rule("when: {words: [a], window_seconds: 0}"), 8, "`window_seconds`"),
    "dangling anchor": (rule("when: {words: [a], after: demand}"), 8, "is no condition of this rule"),
    "two anchors": (rule("conditions:", "  a: {words: [x]}", "when: [a, {words: [y], after: a, before: a}]"), 10,
                    "one anchor"),
    "anchor hit": (rule("conditions:", "  a: {words: [x]}", "when: [a, {words: [y], after: {to: a, hit: third}}]"), 10,
                   "`hit` must be"),
    "anchor circle": (rule("conditions:", "  a: {words: [x], after: b}", "  b: {words: [y], after: a}", "when: [a, b]"),
                      9, "circle"),
    "anchor without place": (rule("conditions:", "  a: {duration: {above: 3}}", "when: [a, {words: [y], after: a}]"),
                             10, "no place"),
    "anchor to none": (rule("conditions:", "  a: {words: {none: [x]}}", "when: [a, {words: [y], after: a}]"), 10,
                       "no place"),
    "for_each unknown": (rule("for_each: x", "when: {words: [a]}"), 8, "no condition has the id"),
    "template condition": (rule("when: {words: [a]}").replace("请改进", "'{demand.quote}'"), 7, "names no condition"),
    "template field": (rule("when: {words: [a], id: a}").replace("请改进", "'{a.words}'"), 7, "nothing known"),
    "template value": (rule("when: {words: [a], id: a}").replace("请改进", "'{a.value}'"), 7, "captures no value"),
    "examples key": (rule("when: {words: [a]}", "examples: {good: []}"), 9, "no field has this name"),
    "example no turn": (rule("when: {words: [a]}", "examples: {positive: [[你好]]}"), 9, "no turn"),
    "example empty": (rule("when: {words: [a]}", "examples: {positive: [[]]}"), 9, "at least one turn"),
    "negative with findings": (
        rule("when: {words: [a]}", "examples: {negative: [{turns: ['客户：a'], findings: 1}]}"), 9, "no findings"),
    "similar without sentence": (rule("when: {similar: []}"), 8, "at least one sentence"),
    "similar threshold": (rule("when: {similar: {sentences: [我要退货], threshold: 1.5}}"), 8, "`threshold`"),
    "emotion state": (rule("when: {emotion: furious}"), 8, "positive, calm, negative, angry"),
    "emotion empty": (rule("when: {emotion: {change: 0.3}}"), 8, "at least one of state"),
    "emotion level": (rule("when: {emotion: {at_least: 3}}"), 8, "`at_least`"),
    "emotion trend": (rule("when: {emotion: {trend: up}}"), 8, "rising, falling"),
    "unknown language": (rule("when: {language: cantonse}"), 8, "Did you mean `cantonese`"),
    "unknown language lists all": (rule("when: {language: klingon}"), 8, "mandarin"),
    "dialect is no dialect": (rule("when: {dialect: english}"), 8, "no dialect has the id 'english'"),
    "unknown intent": (rule("when: {intent: refnd}"), 8, "Did you mean `refund`"),
    "intent empty": (rule("when: {intent: {any: []}}"), 8, "needs a contact reason"),
    "resolution state": (rule("when: {resolution: solved}"), 8, "resolved, unresolved"),
    "knowledge state": (rule("when: {knowledge: found}"), 8, "mismatch, searched_in_vain"),
    "finding empty": (rule("when: {finding: {least_confidence: 0.5}}"), 8, "at least one of rule"),
    "finding of no dimension": (rule("when: {finding: keyword.negative}"), 8, "Did you mean `keywords`"),
    "finding of rules themselves": (rule("when: {finding: custom_rules.a}"), 8, "no dimension that rules may rest on"),
    "finding level": (rule("when: {finding: {level: bad}}"), 8, "serious, medium, light"),
    "hang up side": (rule("when: {hang_up: boss}"), 8, "agent, customer, system"),
    "hang up with role": (rule("when: {hang_up: agent, role: agent}"), 8, "names its side itself"),
    "example desktop": (
        rule("when: {words: [a]}", "examples: {positive: [{turns: ['客户：a'], desktop: [{at_seconds: 1, kind: look}]}]}"),
        9, "search, open, close, copy"),
    "example search for nothing": (
        rule("when: {words: [a]}", "examples: {positive: [{turns: ['客户：a'], desktop: [{at_seconds: 1, kind: search}]}]}"),
        9, "a search needs `query`"),
    "applies_to key": (rule("applies_to: {teams: [a]}", "when: {words: [a]}"), 8, "Did you mean `team`"),
}  # fmt: skip


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_file_is_refused_with_its_place_and_a_fix(name: str) -> None:
    text, line, words = BROKEN[name]
    with pytest.raises(PackError) as caught:
        parse_rules(text, source="own.yaml")
    error = caught.value
    assert re.match(rf"own\.yaml, line {line}\b", error.cause), error.cause
    assert words in f"{error.cause} {error.remedy}", f"{error.cause} | {error.remedy}"
    assert error.remedy.endswith((".", "…`.", "?"))


def test_there_are_at_least_forty_kinds() -> None:
    assert len(BROKEN) >= 40


def test_an_unknown_bundled_file_is_named() -> None:
    with pytest.raises(PackError, match="No rule file is named"):
        load_rule_file("nothing")
    with pytest.raises(PackError, match="cannot be read"):
        load_rule_file("nothing/there.yaml")
