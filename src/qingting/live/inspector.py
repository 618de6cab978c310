"""Opens sessions for running calls: one engine and the plans of all lines of business, shared by all of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import TYPE_CHECKING

import numpy as np

from qingting.audio.live_gate import warm_up
from qingting.audio.roles import ROLE_THRESHOLD
from qingting.errors import PackError
from qingting.live.session import LiveFormat, LiveSession
from qingting.model.call import CallInfo, Role

if TYPE_CHECKING:
    from qingting.audio._frames import SpeechFrames
    from qingting.inspector import Plan
    from qingting.live.assist.assistant import Assistants, LiveAssist
    from qingting.speech.decode_desk import DecodeDesk
    from qingting.speech.engine import SpeechEngine


class LiveInspector:
    """Immutable; safe to use from several threads, while each session belongs to one."""

    def __init__(
        self,
        *,
        engine: SpeechEngine,
        desk: DecodeDesk,
        plan_for: Callable[[str], Plan],
        assistants: Assistants,
        role_threshold: float = ROLE_THRESHOLD,
    ) -> None:
        """None of them is closed here; `role_threshold` as LiveSession."""
        self._role_threshold = role_threshold
        self._assistants = assistants
        self._engine = engine
        self._desk = desk
        self._plan_for = plan_for

    def warm(self, lines_of_business: Iterable[str]) -> None:
        """Do beforehand what the first calls would wait for: plans, compiled kernels; broken packs are left out."""
        for line in lines_of_business:
            with suppress(PackError):
                self._plan_for(line)
        form = LiveFormat(rate_hertz=8000, channels=2)
        with suppress(PackError):
            self.assist(CallInfo(call_id="-"), form)
            session = self.open(CallInfo(call_id="-"), form)
            noise = np.random.default_rng(0).integers(-2000, 2000, (2, 3 * form.rate_hertz))
            session.feed(noise.astype(np.int16))
            session.cancel()
            warm_up(form.rate_hertz)

    def open(
        self,
        call: CallInfo,
        form: LiveFormat,
        *,
        wake: Callable[[], None] | None = None,
        frames: SpeechFrames | None = None,
    ) -> LiveSession:
        """Begin a call; `wake` is called from any thread when the session should be polled. `frames` as LiveSession.

        Raises PackError for an unknown line of business, InputError for a wrong format.
        """
        plan = self._plan_for(call.line_of_business)
        return LiveSession(
            call,
            form,
            plan,
            engine=self._engine,
            desk=self._desk,
            wake=wake,
            frames=frames,
            role_threshold=self._role_threshold,
        )

    def assist(self, call: CallInfo, form: LiveFormat) -> LiveAssist:
        """Open the assistant of a call's agent, who hears what the call's session tells. Raises PackError."""
        return self._assistants.open(call, roles=tuple(role for role in form.roles if role is not Role.UNSURE))
