"""Many calls in one go: what cannot be taken is named and never stops the others.

Recordings are stored as they come; rows are written only when the whole batch has arrived, some hundred calls
per transaction, so that a batch that breaks off leaves nothing and a large one blocks nobody.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from qingting.call_list import DESKTOP_COLUMN, FILE_COLUMN, call_of_row
from qingting.errors import (
    FetchError,
    InputError,
    InvalidRequestError,
    NotFoundError,
    QingtingError,
    RequestError,
    StorageError,
)
from qingting.model.call import CallInfo
from qingting.model.ids import new_id
from qingting.model.job import InspectionJob, Priority
from qingting.service import contributions, fetching, intake
from qingting.service.intake import Prepared, Submission
from qingting.service.tables_in import Cell, TableRow, open_table
from qingting.storage import idempotency, jobs
from qingting.storage.idempotency import Answer
from qingting.storage.jobs import BatchRow

if TYPE_CHECKING:
    from qingting.model.account import Actor
    from qingting.service.center import Service
    from qingting.service.fetching import Resolver
    from qingting.storage.statements import Page

_AT_ONCE = 100
"""Calls written in one transaction."""


@dataclass(frozen=True, kw_only=True)
class Refused:
    """A file or address of a batch that was not taken."""

    name: str
    """As the sender named it."""
    error: QingtingError


@dataclass(frozen=True, kw_only=True)
class BatchDefaults:
    """What holds for all calls of a batch."""

    name: str = ""
    call: CallInfo = field(default_factory=lambda: CallInfo(call_id=""))
    options: Mapping[str, str] = field(default_factory=dict)
    priority: Priority = Priority.LOW
    replace: bool = False


class BatchIntake:
    """A batch that is coming in: whoever makes one closes or discards it."""

    def __init__(self, service: Service, actor: Actor, defaults: BatchDefaults) -> None:
        self._service, self._actor, self._defaults = service, actor, defaults
        self._list: dict[str, dict[str, str]] = {}
        self._names: set[str] = set()
        self._prepared: list[Prepared] = []
        self._refused: list[Refused] = []
        self._digest = hashlib.sha256()
        self._resolver = _asked_once(fetching.resolve)
        intake.refuse_when_full(service)

    @property
    def size(self) -> int:
        """Files and addresses so far."""
        return len(self._prepared) + len(self._refused)

    def use_list(self, path: Path) -> None:
        """Take call data from a table with a column `file`; raises InvalidRequestError, UnsupportedUploadError."""
        with open_table(path, lambda headings: FILE_COLUMN in headings) as table:
            for row in table.rows:
                values = self._texts(row)
                name = PurePosixPath(values.pop(FILE_COLUMN, "").replace("\\", "/")).name
                if name:
                    self._list[name] = values

    def add_file(self, path: Path, file_name: str) -> None:
        """Check and store one recording; a broken one is noted. Raises StorageError."""
        name = PurePosixPath(file_name.replace("\\", "/")).name
        try:
            call = call_of_row(self._defaults.call, self._row(name))
            if not call.call_id:
                call = replace(call, call_id=self._made_id(name))
        except (InputError, RequestError) as error:
            self._refuse(file_name, error)
            return
        self._add(file_name, replace(self._submission(call), file=path, file_name=name))

    def add_url(self, url: str, call: CallInfo) -> None:
        """Check one address; a refused one is noted."""
        self._add(url, replace(self._submission(call), url=url))

    def close(self, *, idempotency_key: str = "", address: str = "") -> tuple[str, bool]:
        """Accept everything that was taken; returns the batch's id and whether the same request came before.

        Raises ConflictError and StillRunningError for the idempotency key, TooManyRequestsError when it does not
        fit into the backlog, StorageError.
        """
        batch_id = new_id()
        with intake.discarded_on_error(self._service, *self._prepared) as outcome:
            earlier = self._begin(batch_id, idempotency_key)
            outcome.written = True
        if earlier is not None:
            intake.discard(self._service, *self._prepared)
            return str(earlier.response["batch_id"]), True
        try:
            self._write_all(batch_id, address)
        except BaseException:
            self._release(idempotency_key)
            raise
        self._finish(batch_id, idempotency_key)
        return batch_id, False

    @contextmanager
    def discarded_on_error(self) -> Iterator[None]:
        """Remove what was stored so far when the block fails."""
        try:
            yield
        except BaseException:
            intake.discard(self._service, *self._prepared)
            raise

    def _submission(self, call: CallInfo) -> Submission:
        d = self._defaults
        return Submission(call=call, options=d.options, priority=d.priority, replace=d.replace, source="batch")

    def _row(self, name: str) -> dict[str, str]:
        row = self._list.get(name, {})
        if row.get(DESKTOP_COLUMN):
            raise InvalidRequestError(
                "A call list in a batch cannot name files of desktop events.",
                remedy="Send them to POST /imports/desktop-events, or submit the call alone.",
            )
        return row

    def _made_id(self, name: str) -> str:
        """The file's stem, or its name where another file of the batch has that stem."""
        stem = PurePosixPath(name).stem
        made = name if stem in self._names else stem
        self._names.add(made)
        return made

    def _texts(self, row: TableRow) -> dict[str, str]:
        texts = {heading: _text(cell) for heading, cell in row.values.items()}
        if "started_at" in texts:
            texts["started_at"] = self._with_zone(texts["started_at"])
        return texts

    def _with_zone(self, written: str) -> str:
        """Times in lists are those of the centre unless they say otherwise."""
        try:
            moment = datetime.fromisoformat(written)
        except ValueError:
            return written
        return (moment if moment.tzinfo else moment.replace(tzinfo=self._service.zone)).isoformat()

    def _add(self, name: str, submission: Submission) -> None:
        try:
            prepared = intake.prepare(self._service, self._actor, submission, resolver=self._resolver)
        except StorageError:
            raise
        except QingtingError as error:
            self._refuse(name, error)
            return
        self._digest.update(prepared.fingerprint.encode())
        self._prepared.append(prepared)

    def _refuse(self, name: str, error: QingtingError) -> None:
        self._digest.update(f"{error.code} {name}".encode("utf-8", "replace"))
        self._refused.append(Refused(name=printable(name), error=error))

    def _begin(self, batch_id: str, key: str) -> Answer | None:
        service, now = self._service, self._service.clock()
        with service.database.write() as connection:
            if key:
                asked = hashlib.sha256(f"{self._digest.hexdigest()} {self._defaults.name}".encode()).hexdigest()
                claimed = idempotency.claim(connection, actor_id=self._actor.id, key=key, fingerprint=asked, now_ms=now)
                if claimed is not None:
                    return claimed
            if self._prepared:
                # All or nothing: half a batch would have to be put together again by its sender.
                intake.require_room(service, connection, more=len(self._prepared))
            row = BatchRow(
                id=batch_id, name=self._defaults.name, created_ms=now, created_by=self._actor.id, refused=(), states={}
            )
            jobs.add_batch(connection, row)
        return None

    def _write_all(self, batch_id: str, address: str) -> None:
        for start in range(0, len(self._prepared), _AT_ONCE):
            chunk, rest = self._prepared[start : start + _AT_ONCE], self._prepared[start:]
            with intake.discarded_on_error(self._service, *rest) as outcome:
                refused = self._write_chunk(batch_id, chunk, address, outcome)
            for one, error in refused:
                intake.discard(self._service, one)
                name = one.submission.file_name or one.submission.url
                self._refused.append(Refused(name=printable(name), error=error))

    def _write_chunk(
        self, batch_id: str, chunk: Sequence[Prepared], address: str, outcome: intake.Outcome
    ) -> list[tuple[Prepared, QingtingError]]:
        refused: list[tuple[Prepared, QingtingError]] = []
        changes: list[intake.Change] = []
        with self._service.database.write() as connection:
            for one in chunk:
                try:
                    intake.write(
                        self._service, connection, self._actor, one, changes, batch_id=batch_id, address=address
                    )
                except RequestError as error:
                    refused.append((one, error))
            contributions.book_calls(self._service, connection, changes)
            outcome.written = True
        return refused

    def _finish(self, batch_id: str, key: str) -> None:
        with self._service.database.write() as connection:
            jobs.refuse_in_batch(connection, batch_id, [_plain(one) for one in self._refused])
            if key:
                answer = Answer(status=202, response={"batch_id": batch_id})
                idempotency.complete(connection, actor_id=self._actor.id, key=key, answer=answer)

    def _release(self, key: str) -> None:
        if key:
            with self._service.database.write() as connection:
                idempotency.release(connection, actor_id=self._actor.id, key=key)


def get_batch(service: Service, actor: Actor, batch_id: str) -> BatchRow:
    """Return a batch with the states of its jobs, to whoever sent it or may see everything; raises NotFoundError."""
    with service.database.read() as connection:
        batch = jobs.get_batch(connection, batch_id)
    if batch.created_by != actor.id and not actor.reach.everything:
        raise NotFoundError("No such batch.")
    return batch


def jobs_of_batch(
    service: Service, actor: Actor, batch_id: str, *, limit: int, after: str = "", state: str = ""
) -> Page[InspectionJob]:
    """List a batch's jobs within reach, newest first; raises NotFoundError."""
    get_batch(service, actor, batch_id)
    with service.database.read() as connection:
        return jobs.page(connection, reach=actor.reach, limit=limit, after=after, state=state, batch_id=batch_id)


def accepted_jobs(service: Service, actor: Actor, batch_id: str) -> list[tuple[str, str]]:
    """Return job id and call id of all jobs of a batch, about in the order in which they came; raises NotFoundError."""
    get_batch(service, actor, batch_id)
    with service.database.read() as connection:
        return jobs.ids_of_batch(connection, batch_id)


def _asked_once(resolver: Resolver) -> Resolver:
    """Remember what a host's addresses are: the recordings of a batch mostly lie on one."""
    found: dict[tuple[str, int], list[str]] = {}

    def look(host: str, port: int) -> list[str]:
        if (host, port) not in found:
            try:
                found[host, port] = resolver(host, port)
            except FetchError:
                found[host, port] = []
        return found[host, port]

    return look


def _text(cell: Cell) -> str:
    if isinstance(cell, datetime):
        return cell.isoformat()
    if isinstance(cell, float) and cell.is_integer():
        return str(int(cell))
    return str(cell)


def printable(name: str) -> str:
    """Return a sender's file name or address, fit for a list: no control characters, at most 255."""
    return "".join(one if one.isprintable() else "?" for one in name)[:255]


def _plain(refused: Refused) -> dict[str, Any]:
    error = refused.error
    return {"name": refused.name, "code": error.code, "cause": error.cause, "remedy": error.remedy}
