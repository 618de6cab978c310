"""Runs the steps on the connection that `storage.upgrading` passes in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import sqlalchemy as sa
from alembic import context

from qingting.storage.tables import metadata

if TYPE_CHECKING:
    from alembic.autogenerate.api import AutogenContext


def _spelled(kind: str, item: object, writing: AutogenContext) -> str | Literal[False]:
    """Write JSON columns as both databases have them."""
    if kind == "type" and isinstance(item, sa.JSON):
        writing.imports.add("from sqlalchemy.dialects import postgresql")
        return "sa.JSON().with_variant(postgresql.JSONB(), 'postgresql')"
    return False


def _ours(_: object, name: str | None, kind: str, *__: object) -> bool:
    """Leave the index of words out of comparisons: its tables are the databases' own (see search.py)."""
    return not (kind == "table" and name is not None and name.startswith("words"))


connection = context.config.attributes["connection"]
context.configure(
    connection=connection,
    target_metadata=metadata,
    transaction_per_migration=False,
    render_item=_spelled,
    include_object=_ours,
)
context.run_migrations()
