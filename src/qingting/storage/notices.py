"""Short messages between the processes of one installation, through PostgreSQL; nothing of them is stored."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

from sqlalchemy import text

from qingting.storage.database import translated

if TYPE_CHECKING:
    from collections.abc import Mapping

    from qingting.storage.database import Database

_MOST_BYTES = 7900
"""PostgreSQL takes less than 8000 bytes in one message."""


def send(database: Database, channel: str, messages: Mapping[str, str], *, sender: str) -> None:
    """Tell each message to all who listen; one that is too long is left out. Raises StorageError."""
    packed = [json.dumps({"from": sender, "text": one}, ensure_ascii=False) for one in messages.values()]
    with database.write() as connection:
        for one in packed:
            if len(one.encode()) <= _MOST_BYTES:
                connection.execute(text("SELECT pg_notify(:channel, :one)"), {"channel": channel, "one": one})


def listen(database: Database, channel: str, heard: Callable[[str], None], *, own: str, stop: threading.Event) -> None:
    """Call `heard` with each message of others until `stop` is set, looked at every second.

    Holds a connection of its own. Raises StorageUnavailableError when it breaks.
    """
    with translated(), database.engine.connect() as connection:
        raw = connection.connection.driver_connection
        if raw is None:
            return
        raw.rollback()
        raw.autocommit = True
        try:
            raw.execute(f'LISTEN "{channel}"')
            while not stop.is_set():
                for notice in raw.notifies(timeout=1.0):
                    said = json.loads(notice.payload)
                    if said["from"] != own:
                        heard(said["text"])
        finally:
            # It listens, and must not go back to the pool.
            connection.invalidate()
