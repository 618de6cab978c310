"""How long people may take: windows made for speech, stretched to the pace of a written conversation."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qingting.model.call import Medium

if TYPE_CHECKING:
    from qingting.model.call import CallInfo

_STRETCH = {Medium.VOICE: 1, Medium.CHAT: 6, Medium.EMAIL: 2880}
"""30 s of a call are 3 min of a chat (its longest hold) and 24 h of an e-mail thread (its longest answer)."""
ENDLESS_MS = 10**12
"""More than any conversation lasts: what follows within it is judged by order alone."""


def paced(window_ms: int, call: CallInfo) -> int:
    """Return a window for a call in ms; ENDLESS_MS where the messages carry no times."""
    return window_ms * _STRETCH[call.medium] if call.times_known else ENDLESS_MS
