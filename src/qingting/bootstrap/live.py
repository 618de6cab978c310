"""What running calls are listened to with: in one process, or in a service's own processes."""

from __future__ import annotations

import gc
import signal
import socket
import sys
from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from qingting.bootstrap.assist import assistants
from qingting.bootstrap.planning import lines_of_business, plans
from qingting.bootstrap.speech import open_engine
from qingting.live.inspector import LiveInspector
from qingting.model.live_event import AlertRaised, ReportDelayed, ReportReady
from qingting.speech.decode_desk import DecodeDesk

if TYPE_CHECKING:
    from qingting.inspector import Heard
    from qingting.live.calls import LiveCalls
    from qingting.model.account import Actor
    from qingting.model.call import CallInfo
    from qingting.model.finding import Finding
    from qingting.model.live_event import AssistHint
    from qingting.model.report import Report
    from qingting.service.center import Service
    from qingting.service.live_calls import LiveAlerts, Owner
    from qingting.settings import Settings
    from qingting.speech.engine import SpeechEngine

_TURN_SECONDS = 0.001


@contextmanager
def open_live(settings: Settings, *, engine: SpeechEngine | None = None) -> Iterator[LiveInspector]:
    """Give what opens sessions of running calls; the engine and its threads are closed afterwards.

    `engine` replaces the one that the settings choose. Raises UnknownEngineError, EngineUnavailableError or
    MissingExtraError when none can run.
    """
    chosen = engine or open_engine(settings)
    try:
        with ThreadPoolExecutor(settings.workers, thread_name_prefix="decode") as threads:
            desk, plan_for = DecodeDesk(threads, slots=settings.workers), plans(settings)
            yield LiveInspector(
                engine=chosen,
                desk=desk,
                plan_for=plan_for,
                assistants=assistants(settings, plan_for),
                role_threshold=settings.role_threshold,
            )
    finally:
        if engine is None:
            chosen.close()


def listening_command(link: int) -> list[str]:
    """Return the command of a listening process whose end of the link is a file descriptor."""
    return [sys.executable, "-m", "qingting", "live-process", "--link", str(link)]


def open_live_calls(service: Service, *, command: Callable[[int], Sequence[str]] = listening_command) -> LiveCalls:
    """Make what takes running calls into the service; whoever uses it starts and closes it, in its event loop.

    `command` is that of a listening process (tests, own engines). Raises StorageUnavailableError.
    """
    from qingting.live.calls import LiveCalls
    from qingting.live.link import Link
    from qingting.live.register import Limits
    from qingting.live.spool import Spools
    from qingting.model.ids import new_id
    from qingting.service.live_calls import Owner
    from qingting.service.wall_relay import WallRelay

    live, storage = service.settings.live, service.settings.storage
    spools = Spools(storage.folder / "live", min_free_bytes=storage.min_free_bytes)
    owner = Owner(id=new_id(), host=socket.gethostname())
    return LiveCalls(
        _Register(service=service, owner=owner, sound_of=spools.existing),
        spools,
        [Link(command, stall_seconds=live.stall_seconds) for _ in range(live.processes)],
        Limits(
            most_calls=live.max_calls,
            max_seconds=60 * live.max_minutes,
            resume_seconds=live.resume_seconds,
        ),
        # On SQLite all running calls are in one process.
        relay=None if service.database.is_sqlite else WallRelay(service, sender=owner.id),
        start_early=live.start_early,
    )


def run_listening(
    settings: Settings,
    link: int,
    *,
    open_inspector: Callable[[Settings], AbstractContextManager[LiveInspector]] = open_live,
) -> None:
    """Be a listening process until the other end of the link, a file descriptor, is closed.

    `open_inspector` gives what opens sessions (tests, own engines). Raises as open_live and open_service.
    """
    from qingting.bootstrap.service import open_service
    from qingting.live.shard import Shard
    from qingting.service.live_calls import LiveAlerts
    from qingting.service.reading import masker_of

    # Ctrl-C at a terminal reaches all processes: the one that takes the sound says when to end.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with (
        socket.socket(fileno=link) as own,
        open_inspector(settings) as inspector,
        open_service(settings, upgrade=False) as service,
    ):
        inspector.warm(lines_of_business(settings))
        # Packs and lexicons live as long as the process: looking through them for rubbish would stop all calls.
        gc.collect()
        gc.freeze()
        # Threads that store reports compute, too: the one that hears all calls must not wait long for its turn.
        sys.setswitchinterval(_TURN_SECONDS)
        keeper = _Keeper(service=service, alerts=LiveAlerts(service))
        Shard(
            own,
            inspector,
            keeper,
            masker=masker_of(service),
            last_words_seconds=settings.live.last_words_seconds,
        ).run()


@dataclass(frozen=True, kw_only=True)
class _Register:
    """As live.calls.Register."""

    service: Service
    owner: Owner
    sound_of: Callable[[str], Path | None]

    def begin(self, actor: Actor, call: CallInfo, address: str) -> tuple[str, CallInfo]:
        from qingting.service import live_calls

        begun = live_calls.begin(self.service, actor, call, self.owner, address=address)
        return begun.id, begun.call

    def hand_over(self, live_id: str, sound: Path) -> ReportDelayed | None:
        return _delayed(self.service, live_id, sound)

    def forget(self, live_id: str) -> None:
        from qingting.service import live_calls

        live_calls.forget(self.service, live_id)

    def beat(self, live_ids: Collection[str]) -> None:
        from qingting.service import live_calls

        live_calls.beat(self.service, self.owner, live_ids)

    def recover(self) -> int:
        from qingting.live.spool import repair
        from qingting.service import live_calls

        return live_calls.recover(self.service, self.owner, self.sound_of, repair=repair)


@dataclass(frozen=True, kw_only=True)
class _Keeper:
    """As live.shard.Keeper."""

    service: Service
    alerts: LiveAlerts

    def alerts_for(self, call: CallInfo, finding: Finding) -> list[AlertRaised]:
        if not self.alerts.wants(call, finding):
            return []
        return [
            AlertRaised(
                at_ms=finding.decided_ms,
                alert_id=alert.id,
                level=alert.level,
                title=alert.title,
                rule_id=alert.rule_id,
                finding_id=alert.finding_id,
            )
            for alert in self.alerts.raise_for(call.call_id, finding)
        ]

    def hints_shown(self, call: CallInfo, hints: Sequence[AssistHint]) -> None:
        from qingting.service import assist_feedback

        assist_feedback.shown(self.service, call.call_id, hints)

    def conclude(self, live_id: str, sound: Path, heard: Heard, report: Report) -> ReportReady | None:
        from qingting.service import live_calls

        ended = live_calls.conclude(self.service, live_id, sound, heard, report)
        if ended is None:
            return None
        return ReportReady(
            at_ms=heard.transcript.duration_ms,
            call_id=heard.call.call_id,
            job_id=ended.job_id,
            score=ended.score,
            grade=ended.grade,
        )

    def hand_over(self, live_id: str, sound: Path) -> ReportDelayed | None:
        return _delayed(self.service, live_id, sound)


def _delayed(service: Service, live_id: str, sound: Path) -> ReportDelayed | None:
    from qingting.service import live_calls

    ended = live_calls.hand_over(service, live_id, sound)
    return None if ended is None else ReportDelayed(at_ms=0, call_id=ended.call_id, job_id=ended.job_id)
