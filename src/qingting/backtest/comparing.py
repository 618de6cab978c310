"""One stored report under two versions: which findings appear, vanish or change."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from qingting.backtest.values import CallComparison, CallScore, Change, ChangeKind, Failed, Quality, RuleCount
from qingting.backtest.versions import Side
from qingting.inspector import replay
from qingting.model.finding import Polarity, Standing

if TYPE_CHECKING:
    from qingting.backtest.labels import Label
    from qingting.backtest.versions import Version
    from qingting.model.finding import Evidence, Finding
    from qingting.model.report import Report

_POLARITY = {Polarity.FAULT: "问题", Polarity.CREDIT: "亮点", Polarity.NOTE: "提示"}
Pair = tuple["Finding | None", "Finding | None"]


def compare_call(
    report: Report, old: Version, new: Version, *, labels: Sequence[Label] = (), file: str = ""
) -> CallComparison:
    """Judge one call by both versions and compare what they find.

    Raises PackError when a version has no plan for the call's line of business, ReportError or
    InputError when the stored words contradict each other.
    """
    line = report.call.line_of_business
    reports = {Side.OLD: replay(report, old.plan_for(line)), Side.NEW: replay(report, new.plan_for(line))}
    scope = None if old.rules is None or new.rules is None else old.rules | new.rules
    findings = {
        side: [one for one in made.findings if scope is None or one.rule_id in scope] for side, made in reports.items()
    }
    labels = [label for label in labels if scope is None or label.rule_id in scope]
    pairs = pair_findings(findings[Side.OLD], findings[Side.NEW])
    return CallComparison(
        call_id=report.call.call_id,
        file=file,
        score=_score(report, reports, file),
        changes=tuple(
            change for pair in pairs if (change := _change(pair, labels, call_id=report.call.call_id, file=file))
        ),
        rules=_counts(pairs),
        quality=_quality(labels, findings, reports),
        unreviewed={
            side: sum(not any(label.meets(one) for label in labels) for one in found)
            for side, found in findings.items()
        },
        failed=tuple(
            Failed(
                call_id=report.call.call_id,
                file=file,
                side=side,
                analyzer=failure.analyzer,
                error_type=failure.error_type,
            )
            for side, made in reports.items()
            for failure in made.failures
        ),
    )


def pair_findings(old: Sequence[Finding], new: Sequence[Finding]) -> list[Pair]:
    """Join findings of one rule that lie at the same place, then those whose first evidence overlaps.

    Each finding stands in exactly one pair; what has no partner stands alone. In order of time.
    """
    left_old, left_new = dict(enumerate(old)), dict(enumerate(new))
    pairs: list[Pair] = []
    for same in (_same_place, _overlapping):
        for at, finding in list(left_old.items()):
            alike = (n for n, one in left_new.items() if one.rule_id == finding.rule_id and same(finding, one))
            partner = next(alike, None)
            if partner is not None:
                pairs.append((left_old.pop(at), left_new.pop(partner)))
    pairs += [(one, None) for one in left_old.values()]
    pairs += [(None, one) for one in left_new.values()]
    return sorted(pairs, key=lambda pair: (_place(pair).evidence[0].start_ms, _place(pair).rule_id))


def _place(pair: Pair) -> Finding:
    """The newer finding of a pair."""
    finding = pair[1] or pair[0]
    assert finding is not None  # noqa: S101  a pair has at least one
    return finding


def _same_place(one: Finding, other: Finding) -> bool:
    return [_where(place) for place in one.evidence] == [_where(place) for place in other.evidence]


def _where(place: Evidence) -> tuple[int | None, int, int, int, int]:
    return (place.utterance, place.start_char, place.end_char, place.start_ms, place.end_ms)


def _overlapping(one: Finding, other: Finding) -> bool:
    first, second = one.evidence[0], other.evidence[0]
    if first.utterance is not None and second.utterance is not None:
        inside = first.start_char < second.end_char and second.start_char < first.end_char
        return first.utterance == second.utterance and inside
    return first.start_ms < second.end_ms and second.start_ms < first.end_ms


def _change(pair: Pair, labels: Sequence[Label], *, call_id: str, file: str) -> Change | None:
    old, new = pair
    differs = _differs(old, new) if old and new else ""
    if old and new and not differs:
        return None
    shown = _place(pair)
    first = shown.evidence[0]
    return Change(
        kind=ChangeKind.CHANGED if old and new else ChangeKind.FIRES if new else ChangeKind.GONE,
        call_id=call_id,
        file=file,
        rule_id=shown.rule_id,
        title=shown.title,
        level=shown.level.chinese if shown.polarity is Polarity.FAULT else _POLARITY[shown.polarity],
        start_ms=first.start_ms,
        end_ms=first.end_ms,
        quote="；".join(dict.fromkeys(place.quote for place in shown.evidence if place.quote)),
        explanation=shown.explanation,
        differs=differs,
        reviewed=_reviewed(shown, labels),
    )


def _differs(old: Finding, new: Finding) -> str:
    """Say in Chinese what of a verdict differs; empty when nothing that matters does."""
    review = (old.standing is Standing.REVIEW, new.standing is Standing.REVIEW)
    parts = (
        ("程度", old.level.chinese, new.level.chinese),
        ("性质", _POLARITY[old.polarity], _POLARITY[new.polarity]),
        ("涉及", old.who.chinese, new.who.chinese),
        ("把握", *("待复核" if one else "确定" for one in review)),
    )
    return "，".join(f"{name}：{before}→{after}" for name, before, after in parts if before != after)


def _reviewed(finding: Finding, labels: Sequence[Label]) -> bool | None:
    """What the labels say of a finding; one about its place says more than one about the whole call."""
    meeting = [label for label in labels if label.meets(finding)]
    placed = [label for label in meeting if label.utterance is not None or label.at_ms is not None]
    verdicts = {label.right for label in placed or meeting}
    return verdicts.pop() if len(verdicts) == 1 else None


def _counts(pairs: Sequence[Pair]) -> dict[str, RuleCount]:
    counts: dict[str, RuleCount] = {}
    for old, new in pairs:
        shown = _place((old, new))
        changed = bool(old and new and _differs(old, new))
        one = RuleCount(
            title=shown.title,
            old=int(old is not None),
            new=int(new is not None),
            fires=int(old is None),
            gone=int(new is None),
            changed=int(changed),
            kept=int(bool(old and new) and not changed),
        )
        counts[shown.rule_id] = counts.get(shown.rule_id, RuleCount()).plus(one)
    return {
        rule: count.plus(RuleCount(calls_old=int(count.old > 0), calls_new=int(count.new > 0)))
        for rule, count in counts.items()
    }


def _quality(
    labels: Sequence[Label], findings: Mapping[Side, Sequence[Finding]], reports: Mapping[Side, Report]
) -> dict[str, dict[Side, Quality]]:
    """Hold each version's findings against the labels, rule by rule."""
    by_rule: dict[str, dict[Side, Quality]] = {}
    for label in labels:
        of_rule = by_rule.setdefault(label.rule_id, {side: Quality() for side in Side})
        for side in Side:
            found = any(label.meets(one) for one in findings[side])
            of_rule[side] = of_rule[side].plus(_judged(label, found=found, report=reports[side]))
    return by_rule


def _judged(label: Label, *, found: bool, report: Report) -> Quality:
    dimension = label.rule_id.split(".")[0]
    # A dimension that did not run is no clean one. What it found before it failed stands.
    if not found and f"analyzer:{dimension}" in {gap.what for gap in report.gaps}:
        return Quality(not_inspected=1)
    outcome = Counter({("true" if label.right else "false", found): 1})
    return Quality(
        true_found=outcome["true", True],
        true_missed=outcome["true", False],
        false_found=outcome["false", True],
        false_avoided=outcome["false", False],
    )


def _score(report: Report, reports: Mapping[Side, Report], file: str) -> CallScore:
    old, new = reports[Side.OLD].score, reports[Side.NEW].score
    return CallScore(
        call_id=report.call.call_id,
        file=file,
        old=old.total if old.valid else None,
        new=new.total if new.valid else None,
        old_grade=old.grade,
        new_grade=new.grade,
    )
