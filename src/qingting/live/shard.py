"""A process that listens to running calls: sound comes over its link, what the calls tell goes back."""

from __future__ import annotations

import hashlib
import logging
import os
import selectors
import socket
import time
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qingting.audio.voice_activity import frames_of_calls, listen_together
from qingting.errors import QingtingError
from qingting.live.heard_call import HeardCall, Keeper
from qingting.live.masking import LiveMasking
from qingting.live.plain import told
from qingting.live.session import missing_sound
from qingting.live.wire import Kind, Opening, Outcome, Reader, message, pickled, unpickled
from qingting.model.audio import RecordingFormat
from qingting.model.live_event import (
    AssistHint,
    FindingRaised,
    LiveEvent,
    LiveFault,
    LiveState,
    ReportDelayed,
    ReportReady,
)
from qingting.model.transcript import Flag

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    from numpy.typing import NDArray

    from qingting.live.inspector import LiveInspector
    from qingting.live.session import LiveSession
    from qingting.model.call import CallInfo
    from qingting.privacy.masking import Masker

log = logging.getLogger(__name__)

BEAT_SECONDS = 1.0
_READ_BYTES = 256 * 1024
_MOST_READS = 64
_FEW_CALLS = 20
_ROUND_SECONDS = 0.025
"""More calls than a few are worked for in rounds of this length: what comes for one meanwhile is heard together
with what comes for the others, which costs half of hearing each alone."""
_LEAST_MS = ((120, 0), (200, 200), (1 << 32, 300))
"""Calls of the process, and the least sound of one that is heard at once."""
_PIECE_MS = 400
"""Sound that has waited is heard in pieces of this length: events keep their order and times."""
_LONGEST_WAIT_SECONDS = 0.5
"""Sound that has waited so long is heard although its sender pauses."""
_HEARD_EVERY_MS = 1000
_PCM_CODEC = "pcm_s16le"


class Shard:
    """The calls of this process. One thread feeds all sessions; reports and alerts are stored in others."""

    def __init__(
        self,
        link: socket.socket,
        inspector: LiveInspector,
        keeper: Keeper,
        *,
        masker: Masker,
        last_words_seconds: float,
    ) -> None:
        self._link = link
        self._inspector = inspector
        self._keeper = keeper
        self._masker = masker
        self._patience = last_words_seconds
        self._calls: dict[int, HeardCall] = {}
        self._woken: deque[int] = deque()
        self._done: deque[tuple[int, list[LiveEvent], Outcome | None]] = deque()
        self._awake = False
        self._wake_read, self._wake_write = os.pipe()
        os.set_blocking(self._wake_read, False)
        os.set_blocking(self._wake_write, False)
        self._store = ThreadPoolExecutor(2, thread_name_prefix="store")
        self._reader = Reader()
        self._waiting: dict[int, HeardCall] = {}
        """Calls with sound that was not heard yet, in order of its coming."""
        self._now = time.monotonic()
        self._out: list[bytes] = []
        self._frames = {rate_hertz: frames_of_calls(rate_hertz) for rate_hertz in (8000, 16000)}

    def run(self) -> None:
        """Work until the other end of the link is closed; reports that are being stored are waited for."""
        with selectors.DefaultSelector() as selector:
            selector.register(self._link, selectors.EVENT_READ)
            selector.register(self._wake_read, selectors.EVENT_READ)
            self._out.append(message(Kind.READY, 0))
            beat_at = began = 0.0
            while True:
                now = time.monotonic()
                if now >= beat_at:
                    self._out.append(message(Kind.BEAT, 0))
                    self._look(now)
                    beat_at = now + BEAT_SECONDS
                if not self._flush():
                    break
                self._rest(began)
                ready = [key.fileobj for key, _ in selector.select(max(0.0, beat_at - time.monotonic()))]
                began = time.monotonic()
                if self._wake_read in ready:
                    self._drain_wakes()
                if self._link in ready and not self._receive():
                    break
                self._hear_others()
        self._store.shutdown(wait=True)

    def _rest(self, since: float) -> None:
        """Let a round's work come together, and threads have their turn."""
        if len(self._calls) > _FEW_CALLS:
            time.sleep(max(0.0, since + _ROUND_SECONDS - time.monotonic()))

    def _receive(self) -> bool:
        """Take everything that has come. The sound of a call is fed together: the more there is to do, the cheaper."""
        self._now = time.monotonic()
        for _ in range(_MOST_READS):
            try:
                data = self._link.recv(_READ_BYTES, socket.MSG_DONTWAIT)
            except BlockingIOError:
                break
            if not data:
                return False
            for kind, number, content in self._reader.feed(data):
                self._safely(number, self._handle, kind, number, content)
        return self._feed_waiting()

    def _feed_waiting(self) -> bool:
        """Let sessions hear what is long enough: with many calls in longer pieces, which cost less."""
        least_ms = next(ms for calls, ms in _LEAST_MS if len(self._calls) <= calls)
        calls = [call for call in self._waiting.values() if self._calls.get(call.number) is call]
        ready = [call for call in calls if call.sound_waits and call.waiting_ms >= least_ms]
        while ready:
            pieces = [(call, call.next_piece(_PIECE_MS)) for call in ready]
            self._hear_ahead(pieces)
            for call, samples in pieces:
                self._safely(call.number, self._feed, call, samples)
                if not self._flush():
                    return False
            # Words that are known meanwhile do not wait until a backlog is heard.
            self._hear_others()
            ready = [call for call in ready if call.sound_waits and self._calls.get(call.number) is call]
        self._waiting = {call.number: call for call in calls if call.sound_waits}
        return True

    def _hear_ahead(self, pieces: list[tuple[HeardCall, NDArray[np.int16]]]) -> None:
        """Find the speech of all these pieces in one go."""
        for rate_hertz, frames in self._frames.items():
            own = [(call, samples) for call, samples in pieces if call.session.form.rate_hertz == rate_hertz]
            if own:
                listen_together(frames, [one for call, samples in own for one in call.session.channels(samples)])

    def _safely(self, number: int, work: Callable[..., None], *arguments: Any) -> None:
        """Do something for a call; one that fails must not take the others with it."""
        try:
            work(*arguments)
        except QingtingError as error:
            self._fail(number, error.code, error.cause, error.remedy)
        except Exception as error:  # noqa: BLE001  texts may hold words
            log.error("unexpected %s in a running call", type(error).__name__)
            self._fail(number, "unexpected", f"unexpected {type(error).__name__} in a running call", "")

    def _handle(self, kind: Kind, number: int, content: bytes) -> None:
        if kind is Kind.OPEN:
            self._open(number, unpickled(content))
            return
        call = self._calls.get(number)
        if call is None or call.ending:
            if kind is Kind.STOP and call is None:
                self._post(number, [], Outcome.FAILED)
            return
        match kind:
            case Kind.SOUND:
                call.take(content, self._now)
                self._waiting[number] = call
            case Kind.STOP:
                self._feed_all(call)
                call.sound = Path(content.decode())
                call.patience = time.monotonic() + self._patience
                call.card.state(LiveState.ENDING)
                self._tell(call, call.session.stop())
                self._end_when_done(call)
            case Kind.MISSING:
                call.missing_ms = int(content)
            case Kind.CANCEL:
                call.session.cancel()
                del self._calls[number]
            case Kind.DISMISS:
                call.assist.dismiss(content.decode())
            case _:
                pass

    def _feed_all(self, call: HeardCall) -> None:
        """Let a call's session hear all that has come for it."""
        while call.sound_waits:
            self._feed(call, call.next_piece(_PIECE_MS))

    def _feed(self, call: HeardCall, samples: NDArray[np.int16]) -> None:
        if self._calls.get(call.number) is not call:
            return
        self._tell(call, call.session.feed(samples))
        now_ms = call.session.now_ms
        if now_ms - call.acknowledged_ms >= _HEARD_EVERY_MS:
            call.acknowledged_ms = now_ms
            self._out.append(message(Kind.HEARD, call.number, str(now_ms).encode()))

    def _open(self, number: int, opening: Opening) -> None:
        frames = self._frames.get(opening.form.rate_hertz)
        session = self._inspector.open(opening.call, opening.form, wake=lambda: self._wake(number), frames=frames)
        assist = self._inspector.assist(opening.call, opening.form)
        call = HeardCall(number, opening, session, assist, self._masker)
        self._calls[number] = call
        self._tell(call, [])

    def _tell(self, call: HeardCall, events: list[LiveEvent]) -> None:
        now_ms = call.session.now_ms
        if not call.ending:
            events = [*events, *call.assist.hear(events, now_ms)]
        if events:
            self._out.append(pickled(Kind.EVENTS, call.number, [told(event, call.masking) for event in events]))
        for event in events:
            call.card.hear(event, call.masking)
            if isinstance(event, FindingRaised):
                self._store.submit(self._alert, call.number, call.session.call, event)
        hints = [event for event in events if isinstance(event, AssistHint)]
        if hints:
            self._store.submit(self._note_hints, call.session.call, hints)
        card = call.card.due(now_ms)
        if card is not None:
            self._out.append(message(Kind.CARD, call.number, card.encode()))

    def _end_when_done(self, call: HeardCall) -> None:
        if call.sound is None or call.ending:
            return
        late = time.monotonic() >= call.patience
        if call.session.done or late:
            call.ending = True
            self._store.submit(self._end, call, call.sound, late=late and not call.session.done)

    def _look(self, now: float) -> None:
        """Now and then: calls whose last words do not come, lines of the wall that nobody spoke into."""
        for call in list(self._calls.values()):
            if call.sound is not None and now >= call.patience:
                self._end_when_done(call)
            if not call.ending:
                if now - call.waiting_since > _LONGEST_WAIT_SECONDS:
                    self._safely(call.number, self._feed_all, call)
                # Silences show by time alone.
                self._tell(call, [])
            card = None if call.ending else call.card.due(call.session.now_ms, now=True)
            if card is not None:
                self._out.append(message(Kind.CARD, call.number, card.encode()))

    def _hear_others(self) -> None:
        """Poll sessions whose decodes are done, and take what threads have stored."""
        numbers = set()
        while self._woken:
            numbers.add(self._woken.popleft())
        for number in numbers:
            call = self._calls.get(number)
            if call is None or call.ending:
                continue
            self._safely(number, self._poll, call)
        while self._done:
            number, events, outcome = self._done.popleft()
            call = self._calls.get(number)
            if call is not None:
                self._tell(call, events)
            if outcome is not None:
                self._calls.pop(number, None)
                self._out.append(message(Kind.ENDED, number, str(int(outcome)).encode()))

    def _poll(self, call: HeardCall) -> None:
        self._tell(call, call.session.poll())
        self._end_when_done(call)

    def _end(self, call: HeardCall, sound: Path, *, late: bool) -> None:
        """In a thread: write and store the report, or give the call's sound to a job."""
        events: list[LiveEvent] = []
        try:
            end: LiveEvent | None
            if late:
                call.session.cancel()
                end = self._keeper.hand_over(call.live_id, sound)
            else:
                gaps = missing_sound(call.missing_ms)
                heard, report, events = call.session.finish(_format(sound, call.session), gaps)
                events += call.assist.end(events)
                refused = any(Flag.REFUSED in one.flags for one in heard.transcript.utterances)
                if refused or call.session.form.report_needs_recording:
                    # What the recogniser refused while the call ran, it may understand when it is asked again; who
                    # speaks in a mixed call is told by its recording.
                    end = self._keeper.hand_over(call.live_id, sound)
                else:
                    end = self._keeper.conclude(call.live_id, sound, heard, report)
            events = [*events, *([] if end is None else [end])]
            outcome = _OUTCOMES.get(type(end), Outcome.NOTHING)
        except Exception as error:  # noqa: BLE001  its sound is on disk, and is inspected later
            log.error("a running call could not be ended: %s", _kind_of(error))
            outcome = Outcome.FAILED
        self._post(call.number, events, outcome)

    def _alert(self, number: int, call: CallInfo, event: FindingRaised) -> None:
        """In a thread: raise the alerts of a finding."""
        try:
            raised = self._keeper.alerts_for(call, event.finding)
        except Exception as error:  # noqa: BLE001  the report raises them, too
            log.warning("an alert of a running call could not be raised: %s", _kind_of(error))
            return
        if raised:
            self._post(number, list(raised), None)

    def _note_hints(self, call: CallInfo, hints: list[AssistHint]) -> None:
        """In a thread: remember what was shown."""
        try:
            self._keeper.hints_shown(call, hints)
        except Exception as error:  # noqa: BLE001  nobody can give feedback on these hints then
            log.warning("hints of a running call could not be noted: %s", _kind_of(error))

    def _fail(self, number: int, code: str, cause: str, remedy: str) -> None:
        """End a session that cannot go on; the call's sound is still being kept."""
        call = self._calls.pop(number, None)
        fault = LiveFault(at_ms=0, code=code, cause=cause, remedy=remedy)
        if call is not None:
            call.session.cancel()
        masking = LiveMasking(self._masker) if call is None else call.masking
        self._out.append(pickled(Kind.EVENTS, number, [told(fault, masking)]))
        self._out.append(message(Kind.ENDED, number, str(int(Outcome.FAILED)).encode()))

    def _post(self, number: int, events: list[LiveEvent], outcome: Outcome | None) -> None:
        self._done.append((number, events, outcome))
        self._wake_up()

    def _wake(self, number: int) -> None:
        self._woken.append(number)
        self._wake_up()

    def _wake_up(self) -> None:
        if self._awake:  # whoever set it has written, and what was queued before is seen
            return
        self._awake = True
        with suppress(BlockingIOError):  # it is awake already
            os.write(self._wake_write, b"x")

    def _drain_wakes(self) -> None:
        with suppress(BlockingIOError):
            while os.read(self._wake_read, 4096):
                pass
        # In this order: who is queued after it writes again, who was before is polled next.
        self._awake = False

    def _flush(self) -> bool:
        if self._out:
            out, self._out = b"".join(self._out), []
            try:
                self._link.sendall(out)
            except OSError:
                return False
        return True


_OUTCOMES: dict[type, Outcome] = {ReportReady: Outcome.REPORTED, ReportDelayed: Outcome.HANDED_OVER}


def _kind_of(error: Exception) -> str:
    return error.code if isinstance(error, QingtingError) else f"unexpected {type(error).__name__}"


def _format(sound: Path, session: LiveSession) -> RecordingFormat:
    with sound.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return RecordingFormat(
        container="wav",
        codec=_PCM_CODEC,
        sample_rate_hertz=session.form.rate_hertz,
        channels=session.form.channels,
        duration_ms=session.now_ms,
        size_bytes=sound.stat().st_size,
        sha256=digest,
    )
