"""Which side ended the call, as the telephone system tells it.

The words do not tell who hung up: who spoke last is a hint and no more. Without a field of the
call the condition is unknown; a rule may ask for the hint, which is then under every
scorecard's doubt threshold.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, ClassVar

from qingting.analysis.findings import time_evidence
from qingting.analysis.rules.kinds.base import Eye, Found, Kind
from qingting.model.call import Role

if TYPE_CHECKING:
    from qingting.analysis.context import CallSoFar
    from qingting.analysis.rules.model import Condition
    from qingting.model.call import CallInfo
    from qingting.model.transcript import Utterance

FIELD = "hang_up_side"
"""Field of the call that names the side, unless a rule names another one."""
_HINT_CONFIDENCE = 0.3
_HINT_REASON = "没有挂机方数据，仅按最后说话的一方推测"
_HINT_WITHIN_MS = 2000
"""Words that end so shortly before the call does hint at their speaker."""
_WORDS = {
    "agent": ("agent", "坐席", "座席", "客服", "员工", "服务方", "callcenter"),
    "customer": ("customer", "客户", "用户", "顾客", "主叫客户", "user", "client"),
    "system": ("system", "系统", "ivr", "platform", "平台", "超时", "timeout", "network", "网络"),
}


class HangUpSide(StrEnum):
    """Who ended the call."""

    AGENT = "agent"
    CUSTOMER = "customer"
    SYSTEM = "system"

    @property
    def chinese(self) -> str:
        """What a reader sees."""
        return {"agent": "坐席", "customer": "客户", "system": "系统"}[self.value]

    @property
    def role(self) -> Role:
        """The role of the side."""
        return Role.UNSURE if self is HangUpSide.SYSTEM else Role(self.value)


@dataclass(frozen=True, kw_only=True)
class HangUpOptions:
    """Which side, and how it is known."""

    by: HangUpSide
    """`agent`, `customer` or `system`."""
    field: str = FIELD
    """Field of the call that names the side (agent/坐席, customer/客户, system/系统)."""
    hint: bool = False
    """Without the field, take who spoke last within 2 s of the end, with confidence 0.3."""

    def __post_init__(self) -> None:
        """Refuse a field without name."""
        if not self.field.strip():
            raise ValueError("`field` must name a field of the call")


def side_of(call: CallInfo, field: str) -> HangUpSide | None:
    """Return the side that a call's field names; None when it is empty or says something else."""
    value = str(call.fields.get(field, "")).strip().lower()
    return next((HangUpSide(side) for side, words in _WORDS.items() if value in words), None)


class HangUpKind(Kind):
    """One side ended the call."""

    name: ClassVar[str] = "hang_up"
    chinese: ClassVar[str] = "挂机方"
    Options: ClassVar[type] = HangUpOptions
    shorthand: ClassVar[str] = "by"
    captures: ClassVar[bool] = True
    may_miss: ClassVar[bool] = True
    of_speech: ClassVar[bool] = False

    def __init__(self, condition: Condition) -> None:
        super().__init__(condition)
        options = condition.options
        assert isinstance(options, HangUpOptions)  # noqa: S101  built by the loader from Options
        self.options = options

    @property
    def late(self) -> bool:
        """The end of the call tells."""
        return True

    @property
    def at_end(self) -> bool:
        """The end of the call tells."""
        return True

    def problem(self) -> str:
        """The side is named by the option."""
        return "" if self.condition.speaker.role is None else "`hang_up` names its side itself: remove `role`"

    def missing(self, so_far: CallSoFar) -> str:
        """It is unknown without the field, and when the field says something strange."""
        if self.options.hint or side_of(so_far.call, self.options.field) is not None:
            return ""
        given = bool(str(so_far.call.fields.get(self.options.field, "")).strip())
        why = "的值无法识别" if given else "未提供"
        return f"{self.chinese}：通话字段{self.options.field}{why}"

    def open(self, so_far: CallSoFar, wake: Callable[[int], None]) -> Eye:
        """Wait for the end."""
        return _HangUpEye(self.options, so_far)

    def label(self) -> str:
        """Write the side."""
        return f"{self.options.by.chinese}先挂机"


class _HangUpEye(Eye):
    def __init__(self, options: HangUpOptions, so_far: CallSoFar) -> None:
        self._options = options
        self._so_far = so_far

    def on_end(self, end_ms: int) -> Iterable[Found]:
        known = side_of(self._so_far.call, self._options.field)
        last = self._last(end_ms) if known is None and self._options.hint else None
        role = self._options.by.role
        if known is not self._options.by and (last is None or last.role is not role or role is Role.UNSURE):
            return ()
        says = f"{self._options.by.chinese}先挂机"
        start_ms = end_ms if last is None else last.end_ms
        return (
            Found(
                at_ms=start_ms,
                start_ms=start_ms,
                end_ms=end_ms,
                evidence=(time_evidence(start_ms, end_ms, operator=HangUpKind.name, role=role, note=says),),
                says=f"{says}（推测）" if known is None else says,
                utterances=() if last is None else (last,),
                value=self._options.by.chinese,
                confidence=1.0 if known is not None else _HINT_CONFIDENCE,
                reason="" if known is not None else _HINT_REASON,
                words=False,
            ),
        )

    def _last(self, end_ms: int) -> Utterance | None:
        heard = self._so_far.utterances
        near = bool(heard) and end_ms - heard[-1].end_ms <= _HINT_WITHIN_MS
        return heard[-1] if near else None
