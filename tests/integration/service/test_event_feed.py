"""The feed of events: nothing is lost, nothing comes twice, nobody waits for a slow watcher."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import httpx2
import pytest
from sqlalchemy import delete, insert

from qingting.errors import StorageUnavailableError, TooManyRequestsError
from qingting.model.account import UserRole
from qingting.model.event import EventKind, ServiceEvent
from qingting.service import event_feed
from qingting.service.center import Service
from qingting.service.event_feed import EventFeed, Listener
from qingting.storage import events, tables

if TYPE_CHECKING:
    from tests.integration.service.conftest import Api

sqlite = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


def happen(service: Service, name: str = "job.running", **more: Any) -> None:
    with service.database.write() as connection:
        event = ServiceEvent(kind=more.pop("kind", EventKind.JOB), name=name, at_ms=service.clock(), **more)
        events.append(connection, event)


class Watcher:
    """Collects what a listener gets."""

    def __init__(self, feed: EventFeed, wants: Callable[[ServiceEvent], bool] = lambda _: True, **more: Any) -> None:
        self.signal = threading.Event()
        self.listener = Listener(wants=wants, wake=self.signal.set, **more)
        self.seen: list[str] = []
        feed.listen(self.listener)

    def wait_for(self, count: int) -> list[str]:
        end = time.monotonic() + 30
        while len(self.seen) < count and time.monotonic() < end:
            self.signal.wait(1)
            self.signal.clear()
            self.seen += [event.name for event in self.listener.take()]
        return self.seen


@pytest.fixture
def feed(service: Service) -> Iterator[EventFeed]:
    with EventFeed(service, poll_seconds=0.01) as opened:
        yield opened


def test_watchers_get_what_they_want_in_order(service: Service, feed: EventFeed) -> None:
    happen(service, "before")
    everything = Watcher(feed)
    some = Watcher(feed, lambda event: event.job_id == "j1")
    for number in range(20):
        happen(service, f"e{number}", job_id=f"j{number % 2}")
    assert everything.wait_for(20) == [f"e{number}" for number in range(20)]
    assert some.wait_for(10) == [f"e{number}" for number in range(1, 20, 2)]


def test_a_watcher_who_comes_later_gets_what_comes_later(service: Service, feed: EventFeed) -> None:
    first = Watcher(feed)
    happen(service, "one")
    assert first.wait_for(1) == ["one"]
    feed.forget(first.listener)
    happen(service, "nobody watches")
    second = Watcher(feed)
    happen(service, "two")
    assert second.wait_for(1) == ["two"]
    assert first.listener.take() == []


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_an_event_that_is_committed_late_is_not_lost(service: Service, feed: EventFeed) -> None:
    """Two writers: the one with the smaller id commits last."""
    engine = service.database.engine
    values = {"kind": "job", "at_ms": 1, "data": {}}
    with engine.connect() as before, engine.connect() as slow:
        # Begun before anybody watches.
        before.execute(insert(tables.events).values(name="very late", **values))
        happen(service, "old")
        watcher = Watcher(feed)
        slow.execute(insert(tables.events).values(name="late", **values))
        for number in range(3):
            happen(service, f"e{number}")
        assert watcher.wait_for(3) == ["e0", "e1", "e2"]
        slow.commit()
        assert watcher.wait_for(4)[3:] == ["late"]
        before.commit()
        assert watcher.wait_for(5)[4:] == ["very late"]
    happen(service, "e3")
    assert watcher.wait_for(6)[5:] == ["e3"]


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_ids_of_undone_transactions_hold_nothing_up(service: Service, feed: EventFeed) -> None:
    watcher = Watcher(feed)
    with service.database.engine.connect() as undone:
        undone.execute(insert(tables.events).values(name="never", kind="job", at_ms=1, data={}))
        undone.rollback()
    happen(service, "after")
    assert watcher.wait_for(1) == ["after"]
    assert feed._missing


def test_missing_ids_are_forgotten_in_time(service: Service, feed: EventFeed, monkeypatch: pytest.MonkeyPatch) -> None:
    watcher = Watcher(feed)
    with service.database.write() as connection:
        connection.execute(insert(tables.events).values(id=50, name="far", kind="job", at_ms=1, data={}))
    assert watcher.wait_for(1) == ["far"]
    assert len(feed._missing) >= 48
    monkeypatch.setattr(event_feed, "_MISSING_SECONDS", 0.0)
    with service.database.write() as connection:
        connection.execute(insert(tables.events).values(id=51, name="next", kind="job", at_ms=1, data={}))
    assert watcher.wait_for(2) == ["far", "next"]
    assert not feed._missing


@sqlite
def test_an_emptied_log_that_numbers_from_one_again_is_followed(service: Service, feed: EventFeed) -> None:
    watcher = Watcher(feed)
    for number in range(3):
        happen(service, f"e{number}")
    watcher.wait_for(3)
    with service.database.write() as connection:
        connection.execute(delete(tables.events))
    happen(service, "new")
    assert watcher.wait_for(4)[3:] == ["new"]


@sqlite
def test_a_slow_watcher_is_dropped_and_others_are_not(service: Service, feed: EventFeed) -> None:
    slow, quick = Watcher(feed, limit=3), Watcher(feed)
    for number in range(10):
        happen(service, f"e{number}")
    assert len(quick.wait_for(10)) == 10
    assert slow.listener.dropped
    assert len(slow.listener.take()) <= 3


@sqlite
def test_a_database_that_is_away_for_a_while_loses_nothing(
    service: Service, feed: EventFeed, monkeypatch: pytest.MonkeyPatch
) -> None:
    watcher = Watcher(feed)
    after, failures = events.after, []

    def away(*given: Any, **named: Any) -> Any:
        if len(failures) < 3:
            failures.append(1)
            raise StorageUnavailableError("The database cannot be reached or is busy.")
        return after(*given, **named)

    monkeypatch.setattr(events, "after", away)
    happen(service, "kept")
    assert watcher.wait_for(1) == ["kept"]
    assert len(failures) == 3


@sqlite
def test_closing_tells_all_who_watch(service: Service) -> None:
    feed = EventFeed(service, poll_seconds=0.01)
    watcher = Watcher(feed)
    feed.close()
    assert watcher.listener.ended
    assert watcher.signal.is_set()
    assert Watcher(feed).listener.ended, "whoever comes later is told at once"


@sqlite
def test_a_signal_handler_may_end_it(service: Service) -> None:
    feed = EventFeed(service, poll_seconds=0.01)
    watcher = Watcher(feed)
    with feed._lock:
        feed.end_soon()  # whatever the interrupted code holds
    assert watcher.signal.wait(30)
    assert watcher.listener.ended
    feed.close()


@sqlite
def test_watchers_are_bounded(service: Service, feed: EventFeed, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(event_feed, "MOST_LISTENERS", 1)
    first = Watcher(feed)
    with pytest.raises(TooManyRequestsError):
        Watcher(feed)
    feed.forget(first.listener)
    Watcher(feed)


class Stream:
    """Server-sent events over a real connection, read in the background."""

    def __init__(self, port: int, headers: dict[str, str], **params: str) -> None:
        self.seen: list[tuple[str, Any]] = []
        self.status: int | None = None
        self._started = threading.Event()
        self._client = httpx2.Client(base_url=f"http://127.0.0.1:{port}/api/v1", timeout=30)
        self._thread = threading.Thread(target=self._read, args=(headers, params), daemon=True)
        self._thread.start()
        assert self._started.wait(30)

    def _read(self, headers: dict[str, str], params: dict[str, str]) -> None:
        with self._client, self._client.stream("GET", "events", headers=headers, params=params) as response:
            self.status = response.status_code
            self._started.set()
            if response.is_error:
                return
            name = ""
            for line in response.iter_lines():
                field, _, value = line.partition(": ")
                if field == "event":
                    name = value
                elif field == "data":
                    self.seen.append((name, json.loads(value)))

    def names(self, count: int) -> list[str]:
        """Names of the first events, waited for."""
        end = time.monotonic() + 30
        while len(self.seen) < count and time.monotonic() < end:
            time.sleep(0.02)
        return [data.get("name", name) for name, data in self.seen]


@sqlite
def test_events_stream_within_reach_and_resume(server: tuple[Api, int]) -> None:
    api, port = server
    stream = Stream(port, api.admin)
    own = Stream(port, api.key(UserRole.SUPERVISOR, teams=("A",)))
    alerts = Stream(port, api.admin, kind="alert")
    time.sleep(0.2)
    happen(api.service, "job.queued", team="A", call_id="c1")
    happen(api.service, "job.queued", team="B", call_id="c2")
    happen(api.service, "alert.raised", kind=EventKind.ALERT, team="A", data={"in_app": True})
    happen(api.service, "alert.hidden", kind=EventKind.ALERT, team="A", data={"in_app": False})
    happen(api.service, "job.done", team="A", call_id="c1")
    assert stream.names(4) == ["job.queued", "job.queued", "alert.raised", "job.done"]
    assert own.names(3) == ["job.queued", "alert.raised", "job.done"]
    assert alerts.names(1) == ["alert.raised"]
    kind, first = stream.seen[0]
    assert kind == "job"
    assert set(first) == {"id", "kind", "name", "at_ms", "job_id", "batch_id", "call_id", "data"}
    resumed = Stream(port, {**api.admin, "Last-Event-ID": str(first["id"])})
    assert resumed.names(3) == ["job.queued", "alert.raised", "job.done"]
    happen(api.service, "job.failed", team="A")
    assert resumed.names(4)[3:] == ["job.failed"]


@sqlite
def test_streams_end_orderly_when_the_service_stops(server: tuple[Api, int]) -> None:
    api, port = server
    stream = Stream(port, api.admin)
    api.client.app.state.event_feed.close()  # type: ignore[attr-defined]
    assert api.client.get("events", headers=api.admin).text == "retry: 2000\n\nevent: closed\ndata: {}\n\n"
    assert stream.seen == []


@sqlite
def test_a_stream_that_was_away_for_too_long_is_told(server: tuple[Api, int], monkeypatch: pytest.MonkeyPatch) -> None:
    api, port = server
    monkeypatch.setattr("qingting.service.watching.MOST_PAST", 3)
    monkeypatch.setattr("qingting.service.watching._AT_ONCE", 2)
    for number in range(10):
        happen(api.service, f"job.{number}")
    stream = Stream(port, {**api.admin, "Last-Event-ID": "0"})
    assert stream.names(5)[:5] == ["missed", "job.0", "job.1", "job.2", "job.3"]


@sqlite
@pytest.mark.parametrize("query", ["kind=nonsense", "job_id=x", "batch_id=%00"])
def test_wrong_filters_of_events_are_refused(api: Api, query: str) -> None:
    assert api.client.get(f"events?{query}", headers=api.admin).status_code == 422
    assert api.client.get("events", headers={**api.admin, "Last-Event-ID": "x"}).status_code == 422
    assert api.client.get("events").status_code == 401
