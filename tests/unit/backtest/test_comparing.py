"""Which findings of two versions are the same, and what labels make of them."""

from __future__ import annotations

import pytest

from qingting.backtest.comparing import _change, _counts, _reviewed, pair_findings
from qingting.backtest.labels import Label
from qingting.backtest.values import ChangeKind
from qingting.model.call import Role
from qingting.model.finding import Level, Polarity, Standing


def kinds(old, new):
    changes = [_change(pair, [], call_id="c1", file="c1.json") for pair in pair_findings(old, new)]
    return [change.kind if change else None for change in changes]


def test_the_same_findings_are_no_change(make):
    found = [make.finding("a.x"), make.finding("a.y"), make.finding("b.x", make.place(0, 9, utterance=1, chars=(0, 2)))]
    assert kinds(found, list(found)) == [None, None, None]


@pytest.mark.parametrize(
    ("old", "new", "same"),
    [
        ({"utterance": 3, "chars": (0, 4)}, {"utterance": 3, "chars": (2, 6)}, True),
        ({"utterance": 3, "chars": (0, 4)}, {"utterance": 3, "chars": (4, 6)}, False),
        ({"utterance": 3, "chars": (0, 4)}, {"utterance": 4, "chars": (0, 4)}, False),
        ({}, {}, True),
        ({"utterance": 3, "chars": (0, 4)}, {}, True),
    ],
    ids=["overlapping words", "words beside", "another utterance", "overlapping time", "words and time"],
)
def test_a_finding_is_known_again_by_its_place(make, old, new, same):
    one = make.finding("a.x", make.place(1000, 3000, **old))
    other = make.finding("a.x", make.place(2000, 4000, **new))
    expected = [None] if same else [ChangeKind.FIRES, ChangeKind.GONE]
    assert sorted(kinds([one], [other]), key=str) == sorted(expected, key=str)


def test_times_that_only_touch_are_two_places(make):
    one, other = (make.finding("a.x", make.place(start, start + 1000)) for start in (1000, 2000))
    assert kinds([one], [other]) == [ChangeKind.GONE, ChangeKind.FIRES]


def test_another_rule_is_another_verdict(make):
    assert sorted(kinds([make.finding("a.x")], [make.finding("a.y")])) == [ChangeKind.FIRES, ChangeKind.GONE]


def test_the_exact_place_wins_over_an_overlapping_one(make):
    wide, exact = make.finding("a.x", make.place(0, 9000)), make.finding("a.x", make.place(2000, 3000))
    pairs = pair_findings([exact], [wide, exact])
    assert (exact, exact) in pairs
    assert (None, wide) in pairs


def test_each_finding_stands_in_one_pair(make):
    one = make.finding("a.x", make.place(0, 9000))
    pairs = pair_findings([one, one], [one])
    assert sorted(pair[1] is None for pair in pairs) == [False, True]


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"level": Level.SERIOUS}, "程度：中等→严重"),
        ({"polarity": Polarity.NOTE}, "性质：问题→提示"),
        ({"who": Role.CUSTOMER}, "涉及：坐席→客户"),
        ({"standing": Standing.REVIEW}, "把握：确定→待复核"),
        ({"standing": Standing.CAPPED}, ""),
    ],
    ids=["level", "polarity", "who", "review", "cap only"],
)
def test_a_changed_verdict_says_what_differs(make, more, words):
    ((old, new),) = pair_findings([make.finding("a.x")], [make.finding("a.x", **more)])
    change = _change((old, new), [], call_id="c1", file="c1.json")
    assert (change.differs if change else "") == words
    assert (change is None) == (words == "")
    if change:
        assert change.kind is ChangeKind.CHANGED
        assert change.better is None


def test_counts_add_up(make):
    kept, gone, fired = (make.finding("a.x", make.place(start, start + 10)) for start in (0, 100, 200))
    counts = _counts(pair_findings([kept, gone], [kept, fired]))["a.x"]
    assert (counts.old, counts.new, counts.kept, counts.gone, counts.fires) == (2, 2, 1, 1, 1)
    assert (counts.calls_old, counts.calls_new) == (1, 1)
    only_new = _counts(pair_findings([], [fired]))["a.x"]
    assert (only_new.calls_old, only_new.calls_new) == (0, 1)


def test_a_label_about_the_place_says_more_than_one_about_the_call(make):
    found = make.finding("a.x", make.place(5000, 6000, utterance=2, chars=(0, 3)))
    whole = Label(call_id="c1", rule_id="a.x", right=True)
    here = Label(call_id="c1", rule_id="a.x", right=False, utterance=2)
    elsewhere = Label(call_id="c1", rule_id="a.x", right=False, utterance=3)
    assert _reviewed(found, [whole]) is True
    assert _reviewed(found, [whole, here]) is False
    assert _reviewed(found, [elsewhere]) is None
    assert _reviewed(found, [here, Label(call_id="c1", rule_id="a.x", right=True, at_ms=5500)]) is None


def test_whether_a_change_is_better(make):
    assert make.change(ChangeKind.FIRES, reviewed=True).better is True
    assert make.change(ChangeKind.FIRES, reviewed=False).better is False
    assert make.change(ChangeKind.GONE, reviewed=False).better is True
    assert make.change(ChangeKind.GONE, reviewed=True).better is False
    assert make.change(ChangeKind.GONE).better is None
