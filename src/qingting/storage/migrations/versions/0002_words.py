"""Tables of the full-text index, each database's own (see storage/search.py).

Revision ID: 0002
Revises: 0001
"""

from __future__ import annotations

from collections.abc import Sequence

from alembic import op

revision: str = "0002"
down_revision: str | None = "0001"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

_SQLITE = (
    # No cascade: the index forgets a text only when it is told it, which search.unindex does.
    "CREATE TABLE words_text (call INTEGER PRIMARY KEY REFERENCES calls (id), text BLOB NOT NULL)",
    "CREATE VIRTUAL TABLE words USING fts5(body, content='', columnsize=0, detail=none, tokenize='ascii')",
)
_POSTGRESQL = (
    "CREATE TABLE words_text (call BIGINT PRIMARY KEY REFERENCES calls (id) ON DELETE CASCADE, text BYTEA NOT NULL)",
    "CREATE TABLE words (call BIGINT PRIMARY KEY REFERENCES calls (id) ON DELETE CASCADE, body TSVECTOR NOT NULL)",
    # A long list of pending entries makes every search slow until the next vacuum.
    "CREATE INDEX ix_words_body ON words USING gin (body) WITH (gin_pending_list_limit = 1024)",
    # The planner overrates rare words and underrates unpacking texts: left alone it reads them one by one.
    "CREATE FUNCTION words_saying(tsquery) RETURNS SETOF bigint LANGUAGE sql STABLE SET enable_seqscan = off "
    "AS 'SELECT call FROM words WHERE body @@ $1'",
)


def upgrade() -> None:
    """Make them."""
    for statement in _POSTGRESQL if op.get_bind().dialect.name == "postgresql" else _SQLITE:
        op.execute(statement)


def downgrade() -> None:
    """Remove them; the texts are in the transcripts."""
    if op.get_bind().dialect.name == "postgresql":
        op.execute("DROP FUNCTION words_saying(tsquery)")
    op.execute("DROP TABLE words")
    op.execute("DROP TABLE words_text")
