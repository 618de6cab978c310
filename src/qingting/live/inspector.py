"""Opens sessions for running calls: one engine and the plans of all lines of business, shared by all of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from qingting.live.session import LiveFormat, LiveSession

if TYPE_CHECKING:
    from qingting.inspector import Plan
    from qingting.model.call import CallInfo
    from qingting.speech.decode_desk import DecodeDesk
    from qingting.speech.engine import SpeechEngine


class LiveInspector:
    """Immutable; safe to use from several threads, while each session belongs to one."""

    def __init__(self, *, engine: SpeechEngine, desk: DecodeDesk, plan_for: Callable[[str], Plan]) -> None:
        """None of them is closed here."""
        self._engine = engine
        self._desk = desk
        self._plan_for = plan_for

    def open(self, call: CallInfo, form: LiveFormat, *, wake: Callable[[], None] | None = None) -> LiveSession:
        """Begin a call; `wake` is called from any thread when the session should be polled.

        Raises PackError for an unknown line of business, InputError for a wrong format.
        """
        plan = self._plan_for(call.line_of_business)
        return LiveSession(call, form, plan, engine=self._engine, desk=self._desk, wake=wake)
