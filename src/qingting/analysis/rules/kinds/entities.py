"""Conditions on particulars that were said: numbers of phones, cards and orders, amounts, dates, addresses."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from qingting.analysis.findings import words_evidence
from qingting.analysis.rules.kinds.base import Eye, Found, Kind
from qingting.analysis.rules.kinds.texts import spoken
from qingting.analysis.rules.model import Condition
from qingting.analysis.wording import at, quoted
from qingting.particulars.addresses import masked_address
from qingting.particulars.numbers import Particular, places, valid_bank_card, valid_id_card

if TYPE_CHECKING:
    from qingting.analysis.context import CallSoFar, UtteranceFacts


_SEPARATORS = re.compile(r"[^\dA-Za-z]")
_CHECKS: dict[Particular, Callable[[str], bool]] = {
    Particular.ID_CARD: valid_id_card,
    Particular.BANK_CARD: valid_bank_card,
}
_OPEN = (Particular.AMOUNT, Particular.DATE)
"""Kinds that name nobody: shown as they are."""


def masked(value: str, kind: Particular) -> str:
    """Hide the middle of a value: 138****5678."""
    if kind in _OPEN:
        return value
    if kind is Particular.ADDRESS:
        return masked_address(value)
    ends = 4 if len(value) >= 15 else 2 if len(value) < 9 else 3
    return f"{value[:ends]}****{value[-min(ends + 1, 4) :]}"


@dataclass(frozen=True, kw_only=True)
class EntityOptions:
    """Which particular."""

    kind: Particular
    masked: bool = True
    """Whether texts show it with its middle hidden; amounts and dates are always shown."""
    exclude: tuple[str, ...] = ()
    """Values that do not count, such as the centre's own number."""


class EntityKind(Kind):
    """A particular is said."""

    name: ClassVar[str] = "entity"
    chinese: ClassVar[str] = "信息实体"
    Options: ClassVar[type] = EntityOptions
    shorthand: ClassVar[str] = "kind"
    delayable: ClassVar[bool] = True
    captures: ClassVar[bool] = True

    def __init__(self, condition: Condition) -> None:
        super().__init__(condition)
        options = condition.options
        assert isinstance(options, EntityOptions)  # noqa: S101  built by the loader from Options
        self.options = options

    def open(self, so_far: CallSoFar, wake: Callable[[int], None]) -> Eye:
        """Particulars need no state."""
        return _EntityEye(self)

    def label(self) -> str:
        """Write which particular."""
        return f"说出{self.options.kind.chinese}"


class _EntityEye(Eye):
    def __init__(self, kind: EntityKind) -> None:
        self._kind = kind

    def on_utterance(self, facts: UtteranceFacts) -> Iterable[Found]:
        found: list[Found] = []
        options = self._kind.options
        for start, end in places(options.kind, facts.utterance.text):
            value = facts.quote(start, end)
            plain = value if options.kind in (*_OPEN, Particular.ADDRESS) else _SEPARATORS.sub("", value)
            if plain in options.exclude or not _CHECKS.get(options.kind, bool)(plain):
                continue
            place = words_evidence(facts, start, end, operator=EntityKind.name, note=options.kind.chinese)
            shown = masked(plain, options.kind) if options.masked else plain
            says = f"{facts.role.chinese}在{at(place.start_ms)}说出{options.kind.chinese}{quoted(shown)}"
            found.append(spoken(facts, (place,), says, value=shown, quote=shown))
        return found
