"""Numbers of phones and cards, also said in pieces, in words, or misheard by a digit.

A number is the digits of one party that follow each other with nothing but pauses and fillers
between, within 15 s. What it is follows from its length and check digits, else from the words
before it or from what the other party asked for.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import pairwise

from qingting.particulars.digits import DigitRun, digit_runs
from qingting.particulars.numbers import valid_bank_card, valid_id_card
from qingting.privacy.lines import Found, Line, Piece

JOIN_MS = 15_000
"""Pieces further apart belong to different numbers; a question holds for as long."""
_FILLERS = re.compile(
    r"(?:[\s，,。.、…\-—？?！!]|嗯|啊|呃|额|哦|诶|哎|对|好|是|然后|后面|再来|再|接着|那个|完了|就是|吧|呢|的)*"
)
_GAP = re.compile(r"(?:[\s，,。.…\-—]|嗯|啊|呃|额|哦|然后|后面|再来|再|接着|那个|是){0,5}")
_CUES = re.compile(
    r"(?P<order>(?:订单|运单|快递单|物流单|快递|物流|单号|工单|流水|受理|编号|编码|工号|型号|序列号|货号|条码|条形码|验证码|校验码|券码|取件码|提货码"
    r"|件号|票号|保单|户号|客户号|会员|合同|批次|车牌|发票|积分|密码|货单|退货单|报修单|群|QQ|qq)(?:单)?(?:编)?(?:号)?(?:码)?)"
    r"|(?P<id_card>身份证|证件|身份号)(?:件)?(?:号)?(?:码)?"
    r"|(?P<bank_card>卡号|银行卡|信用卡|储蓄卡|借记卡|工资卡|账号|帐号|账户|帐户|张卡|卡片)(?:号)?(?:码)?"
    r"|(?P<phone>手机|电话|号码|座机|固话|联系方式|来电|致电|回我|打给?(?:我|他|她|这个|那个))(?:号)?(?:码)?"
)
_TAIL = re.compile(r"(?:后|末|最后|尾)(?:的|面|面的|边)?\s?[四五六4-6]位|尾号|末四位|尾数|[四4六6]位尾")
_ORDER_JUST_BEFORE = re.compile(r"(?:是|为|：|:|，|,|\s|这个|就是|那个)*$")
_AFTER = re.compile(r"[，,]?(?:这个|这|才|就)?(?:是|的)?[^\d，。]{0,5}$")
_MOBILE = re.compile(r"(?:86)?1[3-9]\d{9}")
_LANDLINE = re.compile(r"0(?:10|2\d|[3-9]\d{2})\d{7,8}")
_HOTLINE = re.compile(r"[48]00\d{7}")
_DATE = re.compile(r"(?:19|20)\d{2}(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])")
_LENGTHS = {"phone": (7, 13), "bank_card": (8, 20), "id_card": (6, 20)}
"""Digits that count as such a number when it was asked for."""
_PROBABLE_CARD = (15, 20)
_MOST_DIGITS = 20
_CUE_REACH = 40
"""Characters before a number in which words can say what it is."""


@dataclass(frozen=True, kw_only=True)
class _Run:
    line: Line
    run: DigitRun


@dataclass(frozen=True, kw_only=True)
class _Context:
    cue: str
    """What was spoken of: a kind, `order`, or empty."""
    tail: bool = False
    """Only the last digits were asked for."""
    just_before: bool = False
    """The cue stands directly before the digits."""


def numbers(lines: Sequence[Line]) -> Iterator[Found]:
    """Find numbers of phones, identity cards and bank cards."""
    for chain in _chains(lines):
        context = _context(chain, lines)
        yield from _read(chain, context)


def _chains(lines: Sequence[Line]) -> Iterator[list[_Run]]:
    """Group the runs of digits that could be one number."""
    open_chains: dict[str, list[_Run]] = {}
    for line in lines:
        runs = [_Run(line=line, run=run) for run in digit_runs(line.text)]
        chain = open_chains.get(line.party, [])
        for run in runs:
            if chain and not _joined(chain[-1], run):
                yield chain
                chain = []
            chain = [*chain, run]
        open_chains[line.party] = chain
        if chain and not runs and not _FILLERS.fullmatch(line.text):
            yield open_chains.pop(line.party)
    yield from (chain for chain in open_chains.values() if chain)


def _joined(before: _Run, after: _Run) -> bool:
    if before.run.digits.endswith("X"):
        return False
    if before.line.index == after.line.index:
        return _GAP.fullmatch(before.line.text, before.run.end, after.run.start) is not None
    return (
        after.line.start_ms - before.line.end_ms <= JOIN_MS
        and _FILLERS.fullmatch(before.line.text, before.run.end) is not None
        and _FILLERS.fullmatch(after.line.text, 0, after.run.start) is not None
    )


def _context(chain: Sequence[_Run], lines: Sequence[Line]) -> _Context:
    """What the digits are, by the words around them or by what was asked before."""
    first, last = chain[0], chain[-1]
    before = first.line.text[max(0, first.run.start - _CUE_REACH) : first.run.start]
    own = _last_cue(before)
    if own.cue:
        return own
    after = last.line.text[last.run.end : last.run.end + 12]
    follow = _CUES.search(after)
    if follow and _AFTER.fullmatch(after[: follow.start()]):
        return _Context(cue=_kind(follow), just_before=True)
    return _asked(first.line, lines)


def _last_cue(text: str) -> _Context:
    cues = list(_CUES.finditer(text))
    if not cues:
        return _Context(cue="")
    rest = text[cues[-1].end() :]
    kind = _kind(cues[-1])
    return _Context(
        cue=kind, tail=_TAIL.search(rest) is not None, just_before=_ORDER_JUST_BEFORE.fullmatch(rest) is not None
    )


def _asked(line: Line, lines: Sequence[Line]) -> _Context:
    """What was spoken of last before this line."""
    for earlier in reversed([one for one in lines if one.index < line.index][-6:]):
        if line.start_ms - earlier.end_ms > JOIN_MS:
            break
        cues = {_kind(match) for match in _CUES.finditer(earlier.text)}
        if cues:
            context = _last_cue(earlier.text)
            # 手机号或者订单号: the number's form decides.
            return context if cues != {"phone", "order"} else _Context(cue="phone")
    return _Context(cue="")


def _kind(match: re.Match[str]) -> str:
    return match.lastgroup or ""


def _read(chain: Sequence[_Run], context: _Context) -> Iterator[Found]:
    """Read the numbers out of a chain: certain ones first, then what the context or the length says of the rest."""
    rest: list[_Run] = []
    at = 0
    whole = _by_form(_digits(chain[: _MOST_DIGITS + 1]), context)
    if whole:
        yield _found(whole, chain)
        return
    while at < len(chain):
        end = next(
            (end for end in range(min(len(chain), at + _MOST_DIGITS), at, -1) if _certain(chain[at:end], context)), None
        )
        if end is None:
            rest.append(chain[at])
            at += 1
            continue
        yield from _remaining(rest, context)
        rest = []
        yield _found(_by_form(_digits(chain[at:end]), context), chain[at:end])
        at = end
    yield from _remaining(rest, context)


def _certain(runs: Sequence[_Run], context: _Context) -> bool:
    return bool(_by_form(_digits(runs), context))


def _remaining(runs: Sequence[_Run], context: _Context) -> Iterator[Found]:
    if not runs:
        return
    kind = _by_context(_digits(runs), context) or _by_length(_digits(runs), context)
    if kind:
        yield _found(kind, runs)
        return
    if len(runs) > 1:
        for run in runs:
            yield from _remaining([run], context)


def _by_form(digits: str, context: _Context) -> str:
    """Kind of a number that shows what it is; empty when it does not."""
    if valid_id_card(digits) or (len(digits) == 18 and _looks_like_id(digits) and context.cue != "order"):
        return "id_card"
    if context.cue == "order" and (context.just_before or not _MOBILE.fullmatch(digits)):
        return ""
    if _MOBILE.fullmatch(digits) or _LANDLINE.fullmatch(digits):
        return "phone"
    return "bank_card" if valid_bank_card(digits) and digits[0] in "3456" else ""


def _looks_like_id(digits: str) -> bool:
    try:
        date(int(digits[6:10]), int(digits[10:12]), int(digits[12:14]))
    except ValueError:
        return False
    return digits[:17].isdigit() and digits[0] in "1234568" and digits[6:8] in ("19", "20")


def _by_context(digits: str, context: _Context) -> str:
    """Kind of a number that was asked for, though its length or check digit is wrong."""
    if context.cue not in _LENGTHS or _HOTLINE.fullmatch(digits):
        return ""
    if context.cue == "id_card" and (context.tail or context.just_before) and 4 <= len(digits) <= 6:
        return "id_card"
    fewest, most = _LENGTHS[context.cue]
    if not fewest <= len(digits) <= most or _DATE.fullmatch(digits):
        return ""
    return context.cue


def _by_length(digits: str, context: _Context) -> str:
    """Long numbers are cards that were misheard, unless somebody spoke of an order."""
    if context.cue == "order" or not _PROBABLE_CARD[0] <= len(digits) <= _PROBABLE_CARD[1]:
        return ""
    return "id_card" if digits.endswith("X") else "bank_card"


def _digits(runs: Sequence[_Run]) -> str:
    return "".join(one.run.digits for one in runs)


def _found(kind: str, runs: Sequence[_Run]) -> Found:
    """One number; runs of one line become one piece, with what stands between them."""
    groups: list[list[_Run]] = [[runs[0]]]
    for before, after in pairwise(runs):
        if before.line.index == after.line.index:
            groups[-1].append(after)
        else:
            groups.append([after])
    pieces = tuple(Piece(line=one[0].line.index, start=one[0].run.start, end=one[-1].run.end) for one in groups)
    texts = tuple(group[0].line.text[piece.start : piece.end] for group, piece in zip(groups, pieces, strict=True))
    return Found(kind=kind, pieces=pieces, texts=texts)
