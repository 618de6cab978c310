"""The client."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx2

from qingting.client._multipart import Multipart
from qingting.client._requests import Requests, reached
from qingting.client.results import Batch, Event, Inspection, Job
from qingting.errors import UnreachableError

_PREFIX = "/api/v1"
_INSPECTION_SECONDS = 600.0
"""Longest silence of the service during a synchronous inspection: its own limit is shorter."""
_FIRST_POLL_SECONDS, _LAST_POLL_SECONDS = 0.2, 3.0
_SILENCE_SECONDS = 60.0
"""Of a stream of events: the service says something every 15 seconds."""

Recording = str | Path
CallData = Mapping[str, Any]
"""Fields as the API's `CallData` has them: `call_id`, `line_of_business`, `agent_id`, `team` …"""


class QingtingClient:
    """One service, asked with one API key; safe to use from several threads. Use it as a context manager.

    All methods raise the service's errors as they are named in qingting.errors (NotFoundError, NotAudioError,
    TooManyRequestsError …), and UnreachableError when it cannot be reached.
    """

    def __init__(
        self,
        base_url: str,
        api_key: str,
        *,
        timeout_seconds: float = 60.0,
        attempts: int = 5,
        transport: httpx2.BaseTransport | None = None,
    ) -> None:
        """`timeout_seconds` bounds the service's silence; `attempts` how often a request is sent at most."""
        self._http = httpx2.Client(
            base_url=base_url.rstrip("/") + _PREFIX,
            headers={"Authorization": f"Bearer {api_key}"},
            timeout=timeout_seconds,
            transport=transport,
        )
        self._requests = Requests(self._http, attempts=attempts)

    def inspect(
        self,
        recording: Recording,
        *,
        call: CallData | None = None,
        options: Mapping[str, str] | None = None,
        replace: bool = False,
        idempotency_key: str = "",
    ) -> Inspection:
        """Inspect a short recording and wait for its report; takes longer ones than it may wait for to their end.

        Raises TooLongToWaitError for a recording that belongs to `submit`, and the error of a recording that
        cannot be used.
        """
        body = _upload([("file", Path(recording))], call=call, options=options, replace=replace)
        plain = self._requests.json(
            "POST", "/inspections", multipart=body, headers=_keyed(idempotency_key), timeout=_INSPECTION_SECONDS
        )
        found = Inspection.of(plain)
        return found if found.state not in ("queued", "running") else self.wait(found.job_id)

    def submit(
        self,
        recording: Recording,
        *,
        call: CallData | None = None,
        options: Mapping[str, str] | None = None,
        priority: str = "normal",
        replace: bool = False,
        idempotency_key: str = "",
    ) -> Job:
        """Submit a recording (a file, or an http(s) address that the service fetches) and return its job at once."""
        headers = _keyed(idempotency_key)
        if isinstance(recording, str) and recording.startswith(("http://", "https://")):
            plain = {"url": recording, "call": dict(call or {}), "options": dict(options or {}), "priority": priority}
            return Job.of(self._requests.json("POST", "/jobs", json={**plain, "replace": replace}, headers=headers))
        body = _upload([("file", Path(recording))], call=call, options=options, priority=priority, replace=replace)
        return Job.of(self._requests.json("POST", "/jobs", multipart=body, headers=headers))

    def submit_many(
        self,
        recordings: Iterable[Recording],
        *,
        call_list: Recording | None = None,
        call: CallData | None = None,
        name: str = "",
        priority: str = "low",
        idempotency_key: str = "",
    ) -> Batch:
        """Submit many files in one request; broken ones are listed under `refused` and never stop the others.

        `call_list` is a CSV or Excel file with a column `file` and columns of call data; `call` holds for all.
        """
        files = [("list", Path(call_list))] if call_list is not None else []
        files += [("file", Path(one)) for one in recordings]
        body = _upload(files, call=call, priority=priority, name=name)
        plain = self._requests.json(
            "POST", "/batches", multipart=body, headers=_keyed(idempotency_key), timeout=_INSPECTION_SECONDS
        )
        return Batch.of(plain)

    def job(self, job_id: str) -> Job:
        """Return how far a job is."""
        return Job.of(self._requests.json("GET", f"/jobs/{_segment(job_id)}"))

    def batch(self, batch_id: str) -> Batch:
        """Return how far a batch is."""
        return Batch.of(self._requests.json("GET", f"/batches/{_segment(batch_id)}"))

    def cancel(self, job_id: str) -> Job:
        """Cancel a job."""
        return Job.of(self._requests.json("POST", f"/jobs/{_segment(job_id)}/cancel"))

    def retry(self, job_id: str) -> Job:
        """Give a job that failed new attempts."""
        return Job.of(self._requests.json("POST", f"/jobs/{_segment(job_id)}/retry"))

    def wait(self, job_id: str, *, timeout_seconds: float = 3600.0) -> Inspection:
        """Wait until a job has ended and return what became of it, with `error` for one that failed.

        Raises TimeoutError when it has not ended in time.
        """
        end, pause = time.monotonic() + timeout_seconds, _FIRST_POLL_SECONDS
        while True:
            found = self.result(job_id)
            if found.state not in ("queued", "running"):
                return found
            if time.monotonic() + pause > end:
                raise TimeoutError(f"job {job_id} has not ended within {timeout_seconds:g} seconds")
            time.sleep(pause)
            pause = min(pause * 1.5, _LAST_POLL_SECONDS)

    def result(self, job_id: str, *, reveal: bool = False) -> Inspection:
        """Return what a job has come to so far."""
        path = f"/jobs/{_segment(job_id)}/result"
        return Inspection.of(self._requests.json("GET", path, params={"reveal": reveal}))

    def report(self, call_id: str, *, reveal: bool = False) -> Inspection:
        """Return a call's latest report; `reveal` leaves personal data unmasked, where the key may."""
        path = f"/calls/{_segment(call_id)}/report"
        return Inspection.of(self._requests.json("GET", path, params={"reveal": reveal}))

    def calls(self, **filters: Any) -> Iterator[Mapping[str, Any]]:
        """Give all calls that fit the filters of `GET /calls`, newest first."""
        return self._pages("/calls", filters)

    def findings(self, **filters: Any) -> Iterator[Mapping[str, Any]]:
        """Give all findings that fit the filters of `GET /findings`, newest first."""
        return self._pages("/findings", filters)

    def search(self, words: str, **filters: Any) -> Iterator[Mapping[str, Any]]:
        """Give all calls in which the words are said, newest first: `call` and `snippets`."""
        return self._pages("/search", {"q": words, **filters})

    def export(self, what: str, path: Recording, *, form: str = "csv", **filters: Any) -> Path:
        """Write `calls`, `findings` or `measures` into a file (`csv`, `xlsx`, `jsonl`); returns its path."""
        target = Path(path)
        unfinished = target.with_name(f"{target.name}.unfinished")
        parameters = _given({"format": form, **filters})
        try:
            with (
                self._requests.stream(f"/exports/{_segment(what)}", params=parameters) as response,
                unfinished.open("wb") as file,
            ):
                for piece in response.iter_bytes():
                    file.write(piece)
            unfinished.replace(target)
        finally:
            unfinished.unlink(missing_ok=True)
        return target

    def events(self, *, after: int | None = None, **filters: str) -> Iterator[Event]:
        """Give events as they happen, for ever: filters `kind`, `job_id`, `batch_id`.

        `after` resumes behind an event's id. Comes back by itself when the connection ends; an event may come twice.
        """
        while True:
            headers = {} if after is None else {"Last-Event-ID": str(after)}
            try:
                for event in self._connection(headers, filters):
                    after = event.id
                    yield event
            except UnreachableError:
                time.sleep(1.0)

    def close(self) -> None:
        """Close all connections."""
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _connection(self, headers: Mapping[str, str], filters: Mapping[str, str]) -> Iterator[Event]:
        options = {"headers": headers, "params": _given(filters), "timeout": _SILENCE_SECONDS}
        with self._requests.stream("/events", **options) as response, reached():
            for told in httpx2.EventSource(response):
                if told.event in ("job", "alert"):
                    yield Event.of(json.loads(told.data))

    def _pages(self, path: str, filters: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
        cursor = ""
        while True:
            page = self._requests.json("GET", path, params=_given({"limit": 200, **filters, "cursor": cursor}))
            yield from page["items"]
            cursor = page["next_cursor"]
            if not cursor:
                return


def _upload(
    files: list[tuple[str, Path]],
    *,
    call: CallData | None,
    options: Mapping[str, str] | None = None,
    replace: bool = False,
    **words: str,
) -> Multipart:
    fields = {name: word for name, word in words.items() if word}
    if call:
        fields["call"] = json.dumps(call, ensure_ascii=False)
    if options:
        fields["options"] = json.dumps(options)
    if replace:
        fields["replace"] = "true"
    return Multipart(fields=fields, files=files)


def _keyed(idempotency_key: str) -> dict[str, str]:
    return {"Idempotency-Key": idempotency_key or uuid.uuid4().hex}


def _given(filters: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in filters.items() if value is not None and value != ""}


def _segment(text: str) -> str:
    from urllib.parse import quote

    return quote(text, safe="")
