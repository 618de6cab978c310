"""Waits for the end of a job without holding a thread."""

from __future__ import annotations

import asyncio
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from starlette.concurrency import run_in_threadpool

from qingting.errors import TooManyRequestsError
from qingting.model.event import EventKind, ServiceEvent
from qingting.service.event_feed import EventFeed, Listener
from qingting.service.job_control import get_job

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from qingting.model.account import Actor
    from qingting.model.job import InspectionJob
    from qingting.service.center import Service

_RETRY_SECONDS = 10


class Room:
    """How many may wait at once in this process."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._waiting = 0

    @contextmanager
    def place(self) -> Iterator[None]:
        """Take a place; raises TooManyRequestsError when none is free. For the event loop's thread only."""
        if self._waiting >= self._most:
            raise TooManyRequestsError(
                "Too many synchronous inspections are under way.", retry_after_seconds=_RETRY_SECONDS
            )
        self._waiting += 1
        try:
            yield
        finally:
            self._waiting -= 1


def waker(woken: asyncio.Event) -> Callable[[], None]:
    """Return what wakes a coroutine of the running loop from another thread."""
    loop = asyncio.get_running_loop()

    def wake() -> None:
        # A loop that has ended has nobody left to wake.
        with suppress(RuntimeError):
            loop.call_soon_threadsafe(woken.set)

    return wake


async def end_of_job(
    service: Service, feed: EventFeed, actor: Actor, job_id: str, *, timeout_seconds: float
) -> InspectionJob:
    """Return a job when it has ended, or as it is when the time is over; raises NotFoundError when it is deleted."""
    loop, woken = asyncio.get_running_loop(), asyncio.Event()

    def wants(event: ServiceEvent) -> bool:
        return event.kind is EventKind.JOB and event.job_id == job_id

    listener = Listener(wants=wants, wake=waker(woken))
    await run_in_threadpool(feed.listen, listener)
    deadline = loop.time() + timeout_seconds
    try:
        while True:
            job = await run_in_threadpool(get_job, service, actor, job_id)
            left = deadline - loop.time()
            if job.state.ended or left <= 0 or listener.ended or listener.dropped:
                return job
            try:
                async with asyncio.timeout(left):
                    await woken.wait()
            except TimeoutError:
                continue
            woken.clear()
            listener.take()
    finally:
        feed.forget(listener)
