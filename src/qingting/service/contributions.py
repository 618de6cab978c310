"""What a call and its report add to the figures; docs/reference/measures.md defines each of them.

`book_call` and `book_report` write it in the caller's transaction, together with what they tell of.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from qingting.model.call import Role
from qingting.model.finding import Finding, Level, Polarity, Standing
from qingting.service.compliance_items import inspected_items
from qingting.storage import measures
from qingting.storage.calls import CallState
from qingting.storage.measures import Contributions, Counts, Scope, net

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from qingting.model.report import Report
    from qingting.service.center import Service
    from qingting.storage.calls import CallRow

SUMMARIES = frozenset(
    {"compliance.execution", "emotion_analyzer.curve", "keywords.counts", "knowledge.use", "dialect_detector.summary"}
)
"""Notes of which every call has one: counted per rule they would say nothing."""
DOUBT = 0.6
"""Findings that no scorecard item names are doubtful under this confidence (the scorecards' own default)."""
LATENCY_RATIO = 1.1
"""Bounds of the latency buckets grow by this ratio: a percentile is off by at most 5 %."""
LATENCY_FROM_MS = 10
"""Upper bound of what falls into the first bucket, before its growth."""
_LATENCY_SCOPES = (Scope.TOTAL, Scope.TEAM)
_PLACE = ("day", "hour", "agent_id", "team", "line_of_business")
"""Columns of a call that decide where it counts."""


def book_call(service: Service, connection: Connection, *, before: CallRow | None, after: CallRow) -> None:
    """Count a new call (`before` is None), or move a known one, with its report, when its row has changed."""
    book_calls(service, connection, [(before, after)])


def book_calls(service: Service, connection: Connection, changes: Iterable[tuple[CallRow | None, CallRow]]) -> None:
    """Do for many calls at once what `book_call` does for one; pairs of before and after."""
    added: list[Contributions] = []
    removed: list[Contributions] = []
    for before, after in changes:
        added.append(of_known_call(service, after))
        removed += [] if before is None else [of_known_call(service, before)]
        booked = measures.lock_contributions(connection, after.report_id) if after.report_id else None
        if before is not None and booked is not None and _moved(before, after):
            old = Contributions.from_bytes(booked[1])
            own = moved(old, after)
            added.append(own)
            removed.append(old)
            measures.save_contributions(connection, after.report_id or "", own.to_bytes())
    measures.apply(connection, net(added, removed))


def book_report(
    service: Service,
    connection: Connection,
    *,
    before: CallRow,
    after: CallRow,
    report: Report,
    reported_ms: int,
    arrived_ms: int | None = None,
    earlier: bytes = b"",
) -> bytes:
    """Count a report in place of the call's earlier one; returns what to store as the report's contributions.

    `before` and `after` are the call's row before and with this report; `arrived_ms` is when the job was
    accepted; `earlier` are the stored contributions of the report that was the latest so far.
    """
    old = Contributions.from_bytes(earlier)
    own = of_report(service, after, report, reported_ms=reported_ms, arrived_ms=arrived_ms, earlier=old)
    added, removed = (own, of_known_call(service, after)), (old, of_known_call(service, before))
    measures.apply(connection, net(added, removed))
    return own.to_bytes()


def of_known_call(service: Service, call: CallRow) -> Contributions:
    """What a call adds by being known: itself, its failure, what the customer thought of it."""
    counts = {"known": 1}
    if call.state is CallState.FAILED:
        counts["failed"] = 1
    if call.csat is not None:
        counts |= {"csat_count": 1, "csat_hundredths": round(100 * call.csat)}
    scopes = [Scope.TOTAL, Scope.TEAM, Scope.AGENT, Scope.HOUR, Scope.LINE]
    # Reason and grade are known only of inspected calls.
    scopes += [Scope.REASON, Scope.GRADE] if call.state is CallState.INSPECTED else []
    keys = _keys(call, reason=call.reason, grade=call.grade)
    return Contributions(measures={_place(call, scope, keys): counts for scope in scopes})


def of_report(
    service: Service,
    call: CallRow,
    report: Report,
    *,
    reported_ms: int,
    arrived_ms: int | None = None,
    earlier: Contributions | None = None,
) -> Contributions:
    """What a report adds to the figures.

    `reported_ms` is when it was stored, `arrived_ms` when its job was accepted (else the call's
    registration counts). The latency is that of the call's first report: `earlier` passes it on.
    """
    keys = _keys(call, reason=reason_of(report), grade=report.score.grade if report.score.valid else "")
    latency = _earlier_latency(earlier)
    if latency is None:
        latency_ms = _latency_ms(call, report, reported_ms, call.created_ms if arrived_ms is None else arrived_ms)
        latency = latency_ms, bucket_of(latency_ms)
    by_rule = _by_rule(service, report)
    counts = _counts(report, by_rule) | {"latency_count": 1, "latency_ms": latency[0]}
    return Contributions(
        measures={_place(call, scope, keys): counts for scope in Scope},
        rule_measures={
            (scope.value, rule_id, call.day, keys[scope], "" if scope is Scope.TOTAL else call.team): rule.counts()
            for scope in Scope
            if scope is not Scope.GRADE
            for rule_id, rule in by_rule.items()
        },
        latency_measures={_latency_place(call, scope, latency[1]): 1 for scope in _LATENCY_SCOPES},
        titles={rule_id: (rule.title, rule.dimension) for rule_id, rule in by_rule.items()},
    )


def moved(contributions: Contributions, call: CallRow) -> Contributions:
    """Return a report's contributions under the agent, team, time and line of business that the call has now."""
    keys = _keys(call, reason="", grade="")
    kept = (Scope.REASON, Scope.GRADE)

    def place(scope: str, key: str) -> tuple[int, str, str]:
        return call.day, key if scope in kept else keys[Scope(scope)], "" if scope == Scope.TOTAL else call.team

    return Contributions(
        measures={(scope, *place(scope, key)): counts for (scope, _, key, _), counts in contributions.measures.items()},
        rule_measures={
            (scope, rule_id, *place(scope, key)): counts
            for (scope, rule_id, _, key, _), counts in contributions.rule_measures.items()
        },
        latency_measures={
            _latency_place(call, Scope(scope), bucket): number
            for (scope, _, _, bucket), number in contributions.latency_measures.items()
        },
        titles=contributions.titles,
    )


def reason_of(report: Report) -> str:
    """Main contact reason; `unknown` when none was heard, empty when nothing was said or looked for."""
    main = [f for f in report.findings if f.dimension == "contact_reason" and f.facts.get("primary")]
    return str(main[0].facts.get("intent", "")) if main else ""


def resolution_of(report: Report) -> str:
    """`unresolved` when a problem is, `resolved` when all are, else `unclear`; empty without problems.

    A doubtful verdict is unclear.
    """
    verdicts = [
        finding for finding in report.findings if finding.dimension == "resolution" and "state" in finding.facts
    ]
    states = {"unclear" if doubtful(report, finding) else finding.facts["state"] for finding in verdicts}
    if "unresolved" in states:
        return "unresolved"
    return "unclear" if "unclear" in states else "resolved" if states else ""


def doubtful(report: Report, finding: Finding) -> bool:
    """Whether a finding waits for a person: it is neither counted as missed nor as met."""
    if finding.standing is Standing.REVIEW:
        return True
    return finding.standing is Standing.UNSCORED and (not report.score.valid or finding.confidence.value < DOUBT)


def bucket_of(latency_ms: int) -> int:
    """Number of the latency's bucket: bucket n holds 10 ms x 1.1**n up to 10 ms x 1.1**(n + 1)."""
    if latency_ms <= LATENCY_FROM_MS:
        return 0
    return int(math.log(latency_ms / LATENCY_FROM_MS, LATENCY_RATIO))


def bucket_middle_ms(bucket: int) -> float:
    """Latency that stands for a bucket: at most 5 % from every latency in it."""
    return LATENCY_FROM_MS * math.pow(LATENCY_RATIO, bucket + 0.5)


def _moved(before: CallRow, after: CallRow) -> bool:
    return any(getattr(before, name) != getattr(after, name) for name in _PLACE)


def _keys(call: CallRow, *, reason: str, grade: str) -> dict[Scope, str]:
    return {
        Scope.TOTAL: "",
        Scope.TEAM: call.team,
        Scope.AGENT: call.agent_id,
        Scope.HOUR: f"{call.hour:02}",
        Scope.REASON: reason[:128],
        Scope.LINE: call.line_of_business,
        Scope.GRADE: grade[:128],
    }


def _place(call: CallRow, scope: Scope, keys: Mapping[Scope, str]) -> measures.MeasureKey:
    return scope.value, call.day, keys[scope], "" if scope is Scope.TOTAL else call.team


def _latency_place(call: CallRow, scope: Scope, bucket: int) -> measures.LatencyKey:
    return scope.value, call.day, "" if scope is Scope.TOTAL else call.team, bucket


def _earlier_latency(earlier: Contributions | None) -> tuple[int, int] | None:
    if earlier is None or not earlier.latency_measures:
        return None
    bucket = next(iter(earlier.latency_measures))[-1]
    total = next(counts for (scope, *_), counts in earlier.measures.items() if scope == Scope.TOTAL)
    return total["latency_ms"], bucket


def _latency_ms(call: CallRow, report: Report, reported_ms: int, arrived_ms: int) -> int:
    """Time from the recording's arrival, or from hang-up when that came later (live calls)."""
    hung_up_ms = call.started_ms + report.statistics.duration_ms if report.call.started_at else arrived_ms
    # A clock of the centre's that runs ahead must not make the service look fast.
    since_ms = max(arrived_ms, hung_up_ms) if hung_up_ms <= reported_ms else arrived_ms
    return max(reported_ms - since_ms, 0)


@dataclass(kw_only=True)
class _Rule:
    """What one rule came to in one call."""

    title: str
    dimension: str
    sure: int = 0
    doubtful: int = 0
    tenths: int = 0
    met: bool | None = None
    """None when it was not judged."""

    def counts(self) -> Counts:
        judged = self.met is not None
        counts = {
            "hits": self.sure,
            "calls": int(self.sure > 0),
            "doubtful": int(self.doubtful > 0 and not self.sure),
            "judged": int(judged),
            "met": int(bool(self.met)),
            "tenths": self.tenths,
        }
        return {name: value for name, value in counts.items() if value}


def _by_rule(service: Service, report: Report) -> dict[str, _Rule]:
    found: dict[str, _Rule] = {}
    for finding in report.findings:
        if finding.rule_id in SUMMARIES:
            continue
        rule = found.setdefault(finding.rule_id, _Rule(title=finding.title, dimension=finding.dimension))
        rule.tenths += round(10 * finding.points)
        if doubtful(report, finding):
            rule.doubtful += 1
        else:
            rule.sure += 1
    for rule_id, title, done in inspected_items(report, service.settings.pack_folder):
        rule = found.setdefault(rule_id, _Rule(title=title, dimension="compliance"))
        rule.title = title or rule.title
        if rule.sure:
            rule.met = False
        elif not rule.doubtful:
            rule.met = done
    return found


def _counts(report: Report, by_rule: Mapping[str, _Rule]) -> dict[str, int]:
    score = report.score
    waiting = sum(finding.standing is Standing.REVIEW for finding in report.findings)
    counts = {
        "inspected": 1,
        "scored": int(score.valid),
        "score_tenths": round(10 * score.total) if score.valid else 0,
        "reviews": waiting,
        "review_calls": int(waiting > 0),
        **_findings(report),
        **_resolution(report),
        **_knowledge(report),
        **_execution(by_rule),
        **_talk(report),
    }
    return {name: value for name, value in counts.items() if value}


def _findings(report: Report) -> dict[str, int]:
    sure = [finding for finding in report.findings if not doubtful(report, finding)]
    faults = [finding for finding in sure if finding.polarity is Polarity.FAULT]
    levels = Counter(finding.level for finding in faults)
    alerts = sum(finding.dimension == "emotion_analyzer" for finding in faults)
    return {
        **{level.name.lower(): levels[level] for level in Level},
        "credits": sum(finding.polarity is Polarity.CREDIT for finding in sure),
        "emotion_alerts": alerts,
        "emotion_calls": int(alerts > 0),
    }


def _resolution(report: Report) -> dict[str, int]:
    state = resolution_of(report)
    again = any(f.rule_id == "resolution.repeat_contact" and not doubtful(report, f) for f in report.findings)
    return {state: 1, "repeated": int(again and state == "resolved")} if state else {}


def _knowledge(report: Report) -> dict[str, int]:
    use = [finding.facts for finding in report.findings if finding.rule_id == "knowledge.use"]
    wrong = [doubtful(report, finding) for finding in report.findings if finding.rule_id == "knowledge.mismatch"]
    return {
        "knowledge_checks": sum(int(facts.get("fitting", 0)) + int(facts.get("mismatched", 0)) for facts in use),
        "knowledge_mismatches": wrong.count(False),
        "knowledge_doubtful": wrong.count(True),
    }


def _execution(by_rule: Mapping[str, _Rule]) -> dict[str, int]:
    items = [rule for rule in by_rule.values() if rule.dimension == "compliance"]
    judged = [rule.met for rule in items if rule.met is not None]
    waiting = sum(rule.met is None and rule.doubtful > 0 for rule in items)
    return {"items_judged": len(judged), "items_met": sum(judged), "items_doubtful": waiting}


def _talk(report: Report) -> dict[str, int]:
    speech: defaultdict[Role, int] = defaultdict(int)
    for party in report.statistics.parties:
        speech[party.role] += party.speech_ms
    return {
        "agent_speech_ms": speech[Role.AGENT],
        "customer_speech_ms": speech[Role.CUSTOMER],
        "silence_ms": report.statistics.silence_ms,
        "overlap_ms": report.statistics.overlap_ms,
        "duration_ms": report.statistics.duration_ms,
    }
