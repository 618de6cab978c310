"""What tests of the storage share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import Connection

from qingting.storage import calls
from qingting.storage.calls import CallRow

AddCall = Callable[..., CallRow]


@pytest.fixture
def add_call() -> AddCall:
    """Insert a call: `add_call(connection, "c1", team="A", day=20261130)`."""

    def add(connection: Connection, call_id: str, **values: Any) -> CallRow:
        usual: dict[str, Any] = {
            "call_id": call_id, "line_of_business": "general", "medium": "voice", "started_ms": 1000, "day": 20261130,
            "hour": 9, "info": {"call_id": call_id}, "source": "api", "created_ms": 1000, "state": "queued",
        }  # fmt: skip
        number = calls.add(connection, usual | values)
        return calls.by_number(connection, number)

    return add
