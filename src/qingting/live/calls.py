"""The calls whose sound this process takes: kept on disk, brought to a listening process, ended whatever breaks.

Belongs to one event loop. A call's sound is on disk before anything else happens to it. What listens to it may
die: the call then goes on as a recording, and a job inspects it after its end.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any

from qingting.errors import InputError, LiveUnavailableError, NotFoundError, QingtingError
from qingting.live.log import EventLog
from qingting.live.masking import LiveMasking
from qingting.live.plain import told
from qingting.live.register import Limits, Register
from qingting.live.wall import Relay, Wall
from qingting.live.wire import Opening, Outcome, Told
from qingting.model.live_event import LiveEvent, LiveFault, LiveState
from qingting.privacy.masking import Masker

if TYPE_CHECKING:
    from qingting.live.link import Link
    from qingting.live.session import LiveFormat
    from qingting.live.spool import Spool, Spools
    from qingting.model.account import Actor
    from qingting.model.call import CallInfo

log = logging.getLogger(__name__)

AHEAD_SECONDS = 10
"""So much of a call may be on its way to its listening process; then its sender has to wait."""
_KEPT_SECONDS = 120.0
"""An ended call's events can be asked for so long."""
_BEAT_SECONDS = 5.0
_BYTES = 2
"""Of a sample."""
_END_SECONDS = 8.0
"""The calls that run when the service stops have so long to end; others are ended at the next start."""


class RunningCall:
    """One call from its first sound to its report."""

    def __init__(self, calls: LiveCalls, opening: Opening, actor: Actor, spool: Spool) -> None:
        self.id = opening.live_id
        self.call = opening.call
        self.form = opening.form
        self.actor = actor
        self.token = secrets.token_urlsafe(32)
        """Whoever has it may resume the call."""
        self.log = EventLog()
        self.state = LiveState.RUNNING
        self.begun_ms = opening.begun_ms
        """Milliseconds since 1970, UTC."""
        self.missing_ms = 0
        """Sound that never came, as far as its senders' protocols tell; its doors' sum."""
        self._calls = calls
        self._spool = spool
        self._link: Link | None = None
        self._number = 0
        self._most = round(calls.limits.max_seconds * self.form.rate_hertz)
        """Samples of the longest call."""
        self._block = _BYTES * self.form.channels
        self._heard = 0
        """Samples that were worked through."""
        self._room = asyncio.Event()
        self._kick: Callable[[], None] | None = None
        """Closes the connection of its sender; without one the call ends after a while."""
        self._timer: asyncio.TimerHandle | None = None
        self._limit: asyncio.TimerHandle | None = None

    @property
    def received_ms(self) -> int:
        """Sound that was taken."""
        return self._spool.samples * 1000 // self.form.rate_hertz

    @property
    def received_samples(self) -> int:
        """Sound that was taken, per channel."""
        return self._spool.samples

    @property
    def has_room(self) -> bool:
        """Whether the call runs and need not be waited for."""
        return self.state is LiveState.RUNNING and (self._link is None or not (self._link.is_full or self._is_behind))

    async def feed(self, content: bytes) -> None:
        """Take the next sound, and wait while the call is far behind. Raises as take()."""
        self.take(content)
        if self._link is not None:
            await self._link.flushed()
        while self._link is not None and self._is_behind:
            self._room.clear()
            await self._room.wait()

    def take(self, content: bytes) -> None:
        """Take the next sound: int16, interleaved.

        Raises InputError after its end, StorageError when the sound cannot be kept: the call has ended then.
        """
        if self.state is not LiveState.RUNNING:
            raise InputError("The call has ended.", remedy="Start a new one.")
        content = content[: (self._most - self._spool.samples) * self._block]
        try:
            self._spool.write(content)
        except QingtingError:
            self._calls.keep(self.stop())
            raise
        if self._link is not None:
            self._link.sound(self._number, content)
        if self._spool.samples >= self._most:
            self._calls.keep(self.stop())

    async def stop(self) -> None:
        """No more sound comes: the report is written. Again is harmless."""
        if self.state is not LiveState.RUNNING:
            return
        self.state = LiveState.ENDING
        self._cancel_timers()
        has_sound = self._spool.close()
        if not has_sound:
            if self._link is not None:
                self._link.cancel(self._number)
                self._link = None
            await self._forget()
        elif self._link is not None:
            if self.missing_ms:
                self._link.missing(self._number, self.missing_ms)
            self._link.stop(self._number, str(self._spool.path))
        else:
            await self._hand_over()

    def attach(self, kick: Callable[[], None]) -> None:
        """A sender is there; one that was there before is kicked: two would mix their sound."""
        if self._kick is not None:
            self._kick()
        self._kick = kick
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def detach(self, kick: Callable[[], None]) -> None:
        """A sender is gone; without another one the call ends after a while."""
        if self._kick != kick:
            return
        self._kick = None
        if self.state is LiveState.RUNNING:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(self._calls.limits.resume_seconds, lambda: self._calls.keep(self.stop()))

    def dismiss(self, hint_id: str) -> None:
        """The agent does not want a hint."""
        if self._link is not None:
            self._link.dismiss(self._number, hint_id)

    def listen_with(self, link: Link) -> None:
        """Give the call to a listening process."""
        self._link = link
        self._number = link.open(Opening(live_id=self.id, call=self.call, form=self.form, begun_ms=self.begun_ms), self)
        loop = asyncio.get_running_loop()
        self._limit = loop.call_later(self._calls.limits.max_seconds, lambda: self._calls.keep(self.stop()))

    # What its listening process says: see link.Listening.

    def told(self, events: list[Told]) -> None:
        """Number what it tells."""
        self.log.append(events)

    def card(self, text: str) -> None:
        """Put its line on the wall."""
        self._calls.wall.put(self.id, self.call, text)

    def heard(self, at_ms: int) -> None:
        """So much was worked through."""
        self._heard = at_ms * self.form.rate_hertz // 1000
        self._room.set()

    def ended(self, outcome: Outcome) -> None:
        """Its session is over."""
        self._link = None
        self._room.set()
        if outcome is not Outcome.FAILED:
            self._finish(LiveState.REPORTED if outcome is Outcome.REPORTED else LiveState.FAILED)
        elif self.state is LiveState.ENDING:
            self._calls.keep(self._hand_over())
        else:
            self._calls.wall.state(self.id, self.call, LiveState.FAILED, begun_ms=self.begun_ms)

    def lost(self) -> None:
        """Its listening process is gone: it goes on as a recording."""
        self._say(
            LiveFault(
                at_ms=self.received_ms,
                code="live_interrupted",
                cause="What listened to the call has stopped.",
                remedy="The call is recorded on, and inspected after its end.",
            )
        )
        self.ended(Outcome.FAILED)

    @property
    def _is_behind(self) -> bool:
        return self._spool.samples - self._heard > AHEAD_SECONDS * self.form.rate_hertz

    async def _hand_over(self) -> None:
        try:
            delayed = await asyncio.to_thread(self._calls.register.hand_over, self.id, self._spool.path)
        except QingtingError as error:
            # Row and file stay: recover() tries again.
            log.error("a running call cannot be ended now: %s", error.code)
            remedy = "The call's sound is kept; its report is made as soon as it can be stored."
            self._say(LiveFault(at_ms=self.received_ms, code=error.code, cause=error.cause, remedy=remedy))
            self._finish(LiveState.FAILED, keep_sound=True)
            return
        if delayed is not None:
            self._say(delayed)
        self._finish(LiveState.FAILED)

    async def _forget(self) -> None:
        try:
            await asyncio.to_thread(self._calls.register.forget, self.id)
        except QingtingError as error:
            log.error("a running call cannot be ended now: %s", error.code)
        cause = "No sound of the call came."
        self._say(LiveFault(at_ms=0, code="live_empty", cause=cause, remedy="Send sound before stop.", fatal=True))
        self._finish(LiveState.FAILED)

    def _say(self, event: LiveEvent) -> None:
        self.log.append([told(event, LiveMasking(_NO_MASKS))])

    def _finish(self, state: LiveState, *, keep_sound: bool = False) -> None:
        self.state = state
        self._cancel_timers()
        if not keep_sound:
            self._spool.path.unlink(missing_ok=True)
        self.log.close()
        self._calls.over(self)

    def _cancel_timers(self) -> None:
        for timer in (self._timer, self._limit):
            if timer is not None:
                timer.cancel()
        self._timer = self._limit = None


_NO_MASKS = Masker(())


class LiveCalls:
    """All running calls of this process."""

    def __init__(
        self,
        register: Register,
        spools: Spools,
        links: list[Link],
        limits: Limits,
        *,
        relay: Relay | None = None,
        start_early: bool = False,
    ) -> None:
        """Links are closed by close() alone; `start_early` starts their processes before the first call comes.

        `relay` brings lines of the wall from and to other processes that take calls.
        """
        self._relay = relay
        self._start_early = start_early
        self.register = register
        self.limits = limits
        self.wall = Wall(relay)
        self._spools = spools
        self._links = links
        self._calls: dict[str, RunningCall] = {}
        self._by_token: dict[str, RunningCall] = {}
        self._tasks: set[asyncio.Task[Any]] = set()
        self._closing = False
        self._none = asyncio.Event()
        self._none.set()

    def __len__(self) -> int:
        return len(self._calls)

    def start(self) -> None:
        """Begin to give signs of life and to look for calls that dead processes left."""
        self.keep(self._beat())
        if self._relay is not None:
            loop = asyncio.get_running_loop()

            def deliver(line: str) -> None:
                loop.call_soon_threadsafe(self.wall.put_foreign, line)

            self._relay.start(deliver)
        if self._start_early:
            for link in self._links:
                self.keep(link.start())

    async def open(self, actor: Actor, call: CallInfo, form: LiveFormat, *, address: str = "") -> RunningCall:
        """Take a call. The sender attaches itself.

        Raises LiveUnavailableError, and as service.live_calls.begin and Spools.open.
        """
        if self._closing or not self._links:
            raise LiveUnavailableError("No running calls are taken here.")
        if len(self._calls) >= self.limits.most_calls:
            raise LiveUnavailableError("As many calls run as may.")
        live_id, call = await asyncio.to_thread(self.register.begin, actor, call, address)
        try:
            spool = self._spools.open(live_id, form)
        except QingtingError:
            await asyncio.to_thread(self.register.forget, live_id)
            raise
        begun_ms = time.time_ns() // 1_000_000
        running = RunningCall(self, Opening(live_id=live_id, call=call, form=form, begun_ms=begun_ms), actor, spool)
        self._none.clear()
        self._calls[running.id] = self._by_token[running.token] = running
        link = await self._free_link()
        if link is None:
            running.lost()
        else:
            running.listen_with(link)
        return running

    def resume(self, token: str) -> RunningCall:
        """Return the call of a token; raises NotFoundError when it is over for long, or never was."""
        found = self._by_token.get(token)
        if found is None:
            raise NotFoundError("No running call has this token.", remedy="Start a new one.")
        return found

    def find(self, call_id: str, wants: Callable[[CallInfo], bool]) -> RunningCall:
        """Return the running call of an id that somebody may see; raises NotFoundError."""
        found = next((one for one in self._by_token.values() if one.call.call_id == call_id and wants(one.call)), None)
        if found is None:
            raise NotFoundError("No such call runs here.")
        return found

    def dismiss(self, call_id: str, hint_id: str) -> None:
        """The agent of a call does not want a hint; one that runs elsewhere, or no more, is no error."""
        for call in self._calls.values():
            if call.call.call_id == call_id:
                call.dismiss(hint_id)

    def keep(self, work: Awaitable[Any]) -> None:
        """Let something happen beside the present task."""
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def over(self, call: RunningCall) -> None:
        """A call has ended: its events can be asked for a while longer."""
        self._calls.pop(call.id, None)
        if not self._calls:
            self._none.set()
        self.wall.state(call.id, call.call, call.state, begun_ms=call.begun_ms)
        asyncio.get_running_loop().call_later(_KEPT_SECONDS, self._by_token.pop, call.token, None)

    async def close(self) -> None:
        """End all calls: what was heard until now becomes their reports, or jobs."""
        self._closing = True
        await asyncio.gather(*(call.stop() for call in tuple(self._calls.values())), return_exceptions=True)
        with suppress(TimeoutError):
            async with asyncio.timeout(_END_SECONDS):
                await self._none.wait()
        for link in self._links:
            await link.close()
        if self._relay is not None:
            await asyncio.to_thread(self._relay.close)
        for task in tuple(self._tasks):
            task.cancel()

    async def _free_link(self) -> Link | None:
        for link in sorted(self._links, key=lambda one: one.calls):
            try:
                if await link.start():
                    return link
            except OSError as error:
                log.error("a listening process cannot be started: %s", type(error).__name__)
        return None

    async def _beat(self) -> None:
        while True:
            for duty in (partial(self.register.beat, tuple(self._calls)), self.register.recover):
                try:
                    await asyncio.to_thread(duty)
                except QingtingError as error:
                    log.warning("running calls: %s", error.code)
                except Exception as error:  # noqa: BLE001  the next look may go better
                    log.error("unexpected %s while looking after running calls", type(error).__name__)
            self.wall.tend()
            await asyncio.sleep(_BEAT_SECONDS)
