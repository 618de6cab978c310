"""The Chinese sentences of the scorecard: every one adds up by hand."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING

from qingting.model.finding import Finding, Standing
from qingting.report import wording
from qingting.report.card import Card, Fatal, Item
from qingting.report.doubt import OMISSION

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from qingting.report.scorecard import Entry, Outcome

UNINSPECTED = "未检测"
"""How the reason of an item begins that nobody looked at."""


def points(tenths: int) -> str:
    """Write tenths of a point without sign: 25 -> `2.5`."""
    return wording.number(abs(tenths) / 10)


def place(finding: Finding) -> str:
    """Where a finding lies in the call: a moment, or for something unsaid the time it was awaited."""
    if not finding.evidence:
        return "通话中"
    awaited = next((evidence for evidence in finding.evidence if evidence.operator == OMISSION), None)
    if awaited is not None:
        return f"{wording.moment(awaited.start_ms)}至{wording.moment(awaited.end_ms)}未听到"
    return wording.moment(finding.evidence[0].start_ms)


def places(findings: Iterable[Finding]) -> str:
    """List where findings lie."""
    return "、".join(place(finding) for finding in findings)


def reason(outcome: Outcome) -> str:
    """Why an item came to its points."""
    item = outcome.item
    if item.by_hand:
        return _by_hand(item)
    if outcome.not_applicable:
        return f"{outcome.not_applicable}，不计分。"
    verb = _verb(item)
    parts = [_counted(outcome, verb), *_capped(outcome, verb), *_review(outcome, verb)]
    if outcome.partly:
        parts.append("该项分析中途失败，仅计失败前已发现的部分。")
    return "".join(parts)


def unscored(outcome: Outcome) -> str:
    """Why an item has no points in a call that cannot be scored."""
    waiting = "".join(_review(outcome, _verb(outcome.item)))
    return f"{outcome.not_applicable or '本通未评分'}。{waiting}"


def _verb(item: Item) -> str:
    if item.by_rule:
        return "计"
    return "加" if item.add is not None else "扣"


def _by_hand(item: Item) -> str:
    if item.fatal is not Fatal.NONE:
        return "由人工判定，机检不计分。"
    most, verb = (item.add, "加") if item.add is not None else (item.deduct, "扣")
    limit = f"（最多{verb}{wording.number(most)}分）" if isinstance(most, float) else ""
    return f"由人工评分{limit}，机检不计分。"


def _counted(outcome: Outcome, verb: str) -> str:
    counted = outcome.of(Standing.COUNTED)
    if not counted:
        if outcome.entries:
            return ""
        if outcome.partly:
            return "尚未发现问题。"
        return {"加": "未检出，不加分。", "计": "未检出，不计分。"}.get(verb, "未发现问题，不扣分。")
    listed = "；".join(_amount(entry, verb) for entry in counted)
    if len(counted) == 1:
        return f"{listed}。"
    total = (
        "计0"
        if outcome.item.by_rule and not outcome.tenths
        else f"{_direction(outcome.tenths, verb)}{points(outcome.tenths)}"
    )
    return f"{listed}；{len(counted)}处合计{total}分。"


def _amount(entry: Entry, verb: str) -> str:
    why = f"（{entry.why}）" if entry.why else ""
    rule = f"“{entry.finding.title}”" if verb == "计" else ""
    return f"{place(entry.finding)}{rule}，{_direction(entry.tenths, verb)}{points(entry.tenths)}分{why}"


def _direction(tenths: int, verb: str) -> str:
    """Own rules add and deduct in one item: there the amount decides."""
    return verb if verb != "计" else "加" if tenths > 0 else "扣"


def _capped(outcome: Outcome, verb: str) -> list[str]:
    grouped = groupby(outcome.of(Standing.CAPPED), key=lambda entry: entry.why)
    return [_not_again(why, [entry.finding for entry in entries], verb) for why, entries in grouped]


def _not_again(why: str, findings: Sequence[Finding], verb: str) -> str:
    return f"另有{len(findings)}处（{places(findings)}）不再{verb}分：{why}。"


def _review(outcome: Outcome, verb: str) -> list[str]:
    review = outcome.of(Standing.REVIEW)
    if not review:
        return []
    listed = "；".join(f"{place(entry.finding)}，{entry.why}" for entry in review)
    return [f"{len(review)}处待复核，暂不{verb}分（{listed}）。"]


def verdict(card: Card, outcomes: Sequence[Outcome], total: int, if_all_hold: int) -> str:
    """Write the sentence under the score: the sum, then what is still open; amounts in tenths."""
    parts = [_sum(card, outcomes, total)]
    waiting = sum(len(outcome.of(Standing.REVIEW)) for outcome in outcomes)
    if waiting:
        same = "，即使全部成立得分也不变" if if_all_hold == total else f"，若全部成立则为{points(if_all_hold)}分"
        parts.append(f"另有{waiting}处待复核{same}。")
    missing = [outcome.item.name for outcome in outcomes if outcome.not_applicable.startswith(UNINSPECTED)]
    if missing:
        parts.append(f"{_names(missing)}未检测，得分不含{'该项' if len(missing) == 1 else '这些项'}。")
    by_hand = sum(outcome.item.by_hand for outcome in outcomes)
    if by_hand:
        parts.append(f"{by_hand}个人工项未计入。")
    return "".join(parts)


def _sum(card: Card, outcomes: Sequence[Outcome], total: int) -> str:
    off = sum(entry.tenths for outcome in outcomes for entry in outcome.entries if entry.tenths < 0)
    on = sum(entry.tenths for outcome in outcomes for entry in outcome.entries if entry.tenths > 0)
    fatal = [outcome.item.name for outcome in outcomes if outcome.fatal]
    text = f"基础{wording.number(card.base)}分"
    text += f"，扣{points(off)}分" if off else "，无扣分"
    text += f"，加{points(on)}分" if on else ""
    text += f"，得{points(total)}分"
    raw = round(card.base * 10) + off + on
    if raw != total:
        bound = "上限" if raw > total else "下限"
        text += f"（{bound}{points(total)}分）"
    return text + (f"；触发一票否决：{'、'.join(fatal)}。" if fatal else "。")


def _names(names: Sequence[str]) -> str:
    shown = "、".join(f"“{name}”" for name in names[:3])
    return f"{shown}等{len(names)}项" if len(names) > 3 else shown
