"""Whether the same customer was here before about the same matter: a look-up that is passed in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True, kw_only=True)
class PastContact:
    """An earlier contact of the same customer about the same matter."""

    call_id: str
    """The earlier call's id."""
    days_ago: float
    """Days between the earlier contact and this one."""
    state: str = ""
    """How it ended: `resolved`, `unresolved`, `unclear`; empty when unknown."""


class ContactHistory(Protocol):
    """The centre's memory of contacts."""

    def find(self, customer_reference: str, reason: str, within_days: int) -> Sequence[PastContact]:
        """Return earlier contacts of the customer about the reason, newest first; none is an empty sequence.

        `reason` is the fact `reason` of the verdicts of `resolution` (delivery, goods, money …).
        The same question gets the same answer while a call lasts, the running call left out.
        """
        ...
