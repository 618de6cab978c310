"""Turns findings into a score: what counts, what is capped, what waits for a person, and why.

Exactness: every amount is a whole number of tenths of a point, so base plus the lines' points
is the total (then held between floor and ceiling), and a line's points are the sum of its
findings' points. A fatal item takes exactly what is left of its section or card, so that the
sum still holds when it sets its scope to zero.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from qingting.model.finding import AnalyzerFailure, Finding, Polarity, Standing
from qingting.model.report import Gap, Score, ScoreLine
from qingting.report import score_words
from qingting.report.card import Card, Count, Fatal, Item, Section, builtin_cards, card_for, load_card, tenths
from qingting.report.doubt import DoubtGate, unscorable
from qingting.report.rule_points import counts_once, wanted_tenths
from qingting.report.same_fault import EVERY_ITEM, taken_for

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from qingting.model.call import CallInfo
    from qingting.model.transcript import Transcript

__all__ = ["Entry", "Outcome", "builtin_cards", "card_for", "load_card", "score"]


@dataclass(frozen=True, kw_only=True)
class Entry:
    """What became of one finding in its item."""

    finding: Finding
    standing: Standing
    tenths: int = 0
    """Points in tenths, negative for deductions."""
    why: str = ""
    """Chinese words for anything but a plain count (cap reached, doubt …)."""


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What one item came to."""

    section: Section
    item: Item
    entries: tuple[Entry, ...] = ()
    not_applicable: str = ""
    """Chinese reason why the item does not apply or was not inspected."""
    partly: bool = False
    """True when an analyzer of the item failed after it had raised these findings."""
    fatal: bool = False

    @property
    def tenths(self) -> int:
        """Sum of the entries' points in tenths."""
        return sum(entry.tenths for entry in self.entries)

    def of(self, *standings: Standing) -> tuple[Entry, ...]:
        """Entries with one of these standings."""
        return tuple(entry for entry in self.entries if entry.standing in standings)


def score(
    card: Card,
    findings: Sequence[Finding],
    *,
    call: CallInfo,
    transcript: Transcript,
    failures: Sequence[AnalyzerFailure] = (),
    gaps: Sequence[Gap] = (),
    inspected: Collection[str] | None = None,
    analyzer_names: Mapping[str, str] | None = None,
) -> tuple[Score, tuple[Finding, ...]]:
    """Score a call; the answer holds the findings again, with points and standing, in their order.

    `inspected` names the analyzers that ran; None takes all but the failed ones and those with
    an `analyzer:<id>` gap as run; `analyzer_names` gives their Chinese names. A call that cannot
    be judged (no words, one side only, roles unknown, less than half of the items inspected)
    gets no points and no grade: its score is not valid.
    """
    missing = _Missing(failures, gaps, inspected, analyzer_names or {})
    gate = DoubtGate(card.doubt_threshold, transcript, gaps)
    outcomes = _settle(card, findings, call, transcript, missing, gate)
    why_not = unscorable(transcript, gaps) or _too_little_inspected(outcomes)
    if why_not:
        outcomes = _void(outcomes)
        verdict = _invalid(card, outcomes, why_not)
    else:
        assumed = _settle(card, findings, call, transcript, missing, None)
        verdict = _valid(card, outcomes, _total(card, assumed))
    settled = {id(entry.finding): entry for outcome in outcomes for entry in outcome.entries}
    return verdict, tuple(_marked(finding, settled.get(id(finding))) for finding in findings)


def _marked(finding: Finding, entry: Entry | None) -> Finding:
    if entry is None:
        return replace(finding, points=0.0, standing=Standing.UNSCORED)
    return replace(finding, points=entry.tenths / 10, standing=entry.standing)


class _Missing:
    """Which analyzers did not inspect the call, and how that is said."""

    def __init__(
        self,
        failures: Iterable[AnalyzerFailure],
        gaps: Iterable[Gap],
        inspected: Collection[str] | None,
        names: Mapping[str, str],
    ) -> None:
        self._failed = {failure.analyzer: failure.name for failure in failures}
        self._skipped = {gap.what.split(":", 1)[1] for gap in gaps if gap.what.startswith("analyzer:")}
        self._inspected = inspected
        self._names = names

    def why(self, item: Item) -> str:
        """Chinese reason why an item was not (fully) inspected; empty when it was."""
        for analyzer in item.analyzers:
            if analyzer in self._failed:
                return f"“{self._failed[analyzer] or analyzer}”分析失败"
            if analyzer in self._skipped or (self._inspected is not None and analyzer not in self._inspected):
                return f"“{self._names.get(analyzer, analyzer)}”分析未运行"
        return ""


@dataclass(kw_only=True)
class _Ledger:
    """Running sums in tenths while items are settled."""

    base: int
    net: int = 0
    deducted: dict[str, int] = field(default_factory=dict)
    """Section id -> sum taken off, positive."""
    section_net: dict[str, int] = field(default_factory=dict)
    counted: list[tuple[Item, Finding, int]] = field(default_factory=list)
    """What took or gave points so far, with its tenths."""

    def book(self, section: Section, item: Item, entry: Entry) -> None:
        amount = entry.tenths
        if amount:
            self.counted.append((item, entry.finding, amount))
        self.net += amount
        self.section_net[section.id] = self.section_net.get(section.id, 0) + amount
        if amount < 0:
            self.deducted[section.id] = self.deducted.get(section.id, 0) - amount

    def room(self, section: Section) -> int | None:
        """Tell what the section can still lose; None without limit."""
        return None if section.full is None else tenths(section.full) - self.deducted.get(section.id, 0)

    def taken(self, item: Item, finding: Finding, wanted: int) -> tuple[int, str]:
        """Tell what items that may be about the same fault took for the finding's words, and which one."""
        others = [
            (other.name, counted, amount)
            for other, counted, amount in self.counted
            if other.id != item.id and (other.id in item.same_fault_as or EVERY_ITEM in item.same_fault_as)
        ]
        return taken_for(finding, -1 if wanted < 0 else 1, others)

    def rest(self, section: Section, scope: Fatal) -> int:
        """Tell what a fatal item takes: all that is left of its scope."""
        left = self.base + self.net
        if scope is Fatal.SECTION:
            left = tenths(section.full or 0.0) + self.section_net.get(section.id, 0)
        return max(left, 0)


def _settle(
    card: Card,
    findings: Sequence[Finding],
    call: CallInfo,
    transcript: Transcript,
    missing: _Missing,
    gate: DoubtGate | None,
) -> list[Outcome]:
    by_item: dict[str, list[Finding]] = {}
    for finding in findings:
        by_item.setdefault(card.item_of(finding.rule_id), []).append(finding)
    ledger = _Ledger(base=tenths(card.base))
    outcomes: dict[str, Outcome] = {}
    for section, item in sorted(card.items(), key=lambda pair: _turn(pair[1])):
        hits = [finding for finding in by_item.get(item.id, ()) if _concerns(item, finding)]
        reason = missing.why(item)
        if item.by_hand:
            outcome = Outcome(section=section, item=item)
        elif not item.applies_when.holds(call, transcript.duration_ms):
            outcome = Outcome(section=section, item=item, not_applicable="本项不适用于此通话")
        elif reason and not hits:
            outcome = Outcome(section=section, item=item, not_applicable=f"{score_words.UNINSPECTED}：{reason}")
        else:
            outcome = _item(section, item, hits, ledger, gate, partly=bool(reason))
        outcomes[item.id] = outcome
    return [outcomes[item.id] for _, item in card.items()]


def _turn(item: Item) -> int:
    """Fatal items come after the others: they take what those left. Own rules see what both took."""
    return 2 if item.by_rule else {Fatal.NONE: 0, Fatal.SECTION: 1, Fatal.CARD: 3}[item.fatal]


def _concerns(item: Item, finding: Finding) -> bool:
    if item.by_rule:
        return wanted_tenths(finding) != 0
    return finding.polarity is (Polarity.CREDIT if item.add is not None else Polarity.FAULT)


def _item(
    section: Section, item: Item, hits: Sequence[Finding], ledger: _Ledger, gate: DoubtGate | None, *, partly: bool
) -> Outcome:
    entries: list[Entry] = []
    for finding in hits:
        doubt = gate.doubt(finding) if gate else ""
        if doubt:
            entries.append(Entry(finding=finding, standing=Standing.REVIEW, why=doubt))
            continue
        entry = _count(section, item, finding, ledger, _counted(entries))
        ledger.book(section, item, entry)
        entries.append(entry)
    fatal = item.fatal is not Fatal.NONE and bool(_counted(entries))
    return Outcome(section=section, item=item, entries=tuple(entries), partly=partly, fatal=fatal)


def _counted(entries: Iterable[Entry]) -> list[Entry]:
    return [entry for entry in entries if entry.standing is not Standing.REVIEW]


def _count(section: Section, item: Item, finding: Finding, ledger: _Ledger, before: Sequence[Entry]) -> Entry:
    if item.fatal is not Fatal.NONE:
        return _count_fatal(section, item, finding, ledger, first=not before)
    if item.count is Count.ONCE and any(one.standing is Standing.COUNTED for one in before):
        return Entry(finding=finding, standing=Standing.CAPPED, why="本项只计一次")
    if item.by_rule and counts_once(finding) and any(one.finding.rule_id == finding.rule_id for one in before):
        return Entry(finding=finding, standing=Standing.CAPPED, why=f"“{finding.title}”只计一次")
    wanted = wanted_tenths(finding) if item.by_rule else tenths(item.points(finding.level))
    size, why = min(_limits(section, item, finding, ledger, before, wanted), key=lambda limit: limit[0])
    if size == 0 and wanted != 0:
        return Entry(finding=finding, standing=Standing.CAPPED, why=why)
    return Entry(finding=finding, standing=Standing.COUNTED, tenths=size if wanted > 0 else -size, why=why)


def _limits(
    section: Section, item: Item, finding: Finding, ledger: _Ledger, before: Sequence[Entry], wanted: int
) -> list[tuple[int, str]]:
    """What a finding may take at most, and why; what it asks for comes first."""
    limits = [(abs(wanted), "")]
    taken, by = ledger.taken(item, finding, wanted)
    if taken:
        verb = "扣" if wanted < 0 else "加"
        why = f"同一处已在“{by}”{verb}{score_words.points(taken)}分"
        limits.append((max(abs(wanted) - taken, 0), why))
    if item.cap is not None:
        spent = sum(abs(entry.tenths) for entry in before if entry.tenths * wanted > 0)
        limits.append((tenths(item.cap) - spent, f"本项上限{score_words.points(tenths(item.cap))}分"))
    room = ledger.room(section)
    if wanted < 0 and room is not None:
        limits.append((room, f"本维度{score_words.points(tenths(section.full or 0.0))}分扣完为止"))
    return limits


def _count_fatal(section: Section, item: Item, finding: Finding, ledger: _Ledger, *, first: bool) -> Entry:
    rest = ledger.rest(section, item.fatal)
    scope = "整卡" if item.fatal is Fatal.CARD else f"“{section.name}”"
    if not first or rest == 0:
        return Entry(finding=finding, standing=Standing.CAPPED, why=f"{scope}已为0分")
    return Entry(finding=finding, standing=Standing.COUNTED, tenths=-rest, why=f"一票否决，{scope}余下分数全部扣除")


def _too_little_inspected(outcomes: Sequence[Outcome]) -> str:
    machine = [outcome for outcome in outcomes if not outcome.item.by_hand]
    missing = sum(outcome.not_applicable.startswith(score_words.UNINSPECTED) for outcome in machine)
    # A high score over a few items would look like a good call.
    return f"评分卡的{len(machine)}个机检项中有{missing}项未检测，未评分" if missing * 2 > len(machine) else ""


def _void(outcomes: Sequence[Outcome]) -> list[Outcome]:
    """Nothing counts in a call that cannot be scored: what was found waits for a person."""
    return [
        replace(
            outcome,
            fatal=False,
            entries=tuple(
                Entry(finding=entry.finding, standing=Standing.REVIEW, why="本通未评分") for entry in outcome.entries
            ),
        )
        for outcome in outcomes
    ]


def _total(card: Card, outcomes: Sequence[Outcome]) -> int:
    raw = tenths(card.base) + sum(outcome.tenths for outcome in outcomes)
    return min(max(raw, tenths(card.floor)), tenths(card.ceiling))


def _valid(card: Card, outcomes: Sequence[Outcome], if_all_hold: int) -> Score:
    total = _total(card, outcomes)
    grade = card.grade(total / 10)
    lines = tuple(_line(outcome) for outcome in outcomes)
    note = score_words.verdict(card, outcomes, total, if_all_hold)
    return _score(card, total / 10, grade, lines, valid=True, note=note)


def _invalid(card: Card, outcomes: Sequence[Outcome], why_not: str) -> Score:
    lines = tuple(
        replace(_line(outcome), applicable=False, reason=score_words.unscored(outcome)) for outcome in outcomes
    )
    waiting = sum(len(line.review) for line in lines)
    note = why_not + "。" + (f"已发现的{waiting}处列为待复核。" if waiting else "")
    return _score(card, 0.0, "", lines, valid=False, note=note)


def _score(card: Card, total: float, grade: str, lines: tuple[ScoreLine, ...], *, valid: bool, note: str) -> Score:
    return Score(
        card=card.id,
        card_name=card.name,
        card_version=card.version,
        base=card.base,
        floor=card.floor,
        ceiling=card.ceiling,
        total=total,
        grade=grade,
        lines=lines,
        valid=valid,
        note=note,
    )


def _line(outcome: Outcome) -> ScoreLine:
    return ScoreLine(
        item=outcome.item.id,
        name=outcome.item.name,
        section=outcome.section.name,
        points=outcome.tenths / 10,
        findings=tuple(entry.finding.id for entry in outcome.entries),
        review=tuple(entry.finding.id for entry in outcome.of(Standing.REVIEW)),
        fatal=outcome.fatal,
        applicable=not outcome.not_applicable,
        by_hand=outcome.item.by_hand,
        reason=score_words.reason(outcome),
    )
