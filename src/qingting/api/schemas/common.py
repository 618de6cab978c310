"""Bounded texts, ids and pages that the descriptions of all nouns share."""

from __future__ import annotations

from typing import Annotated, Generic, TypeVar

from fastapi import Path, Query
from pydantic import BaseModel, ConfigDict, Field

T = TypeVar("T")

PLAIN = r"^[^\x00-\x1f\x7f]*$"
"""No control characters: databases do not take NUL, and nobody names anything with the others."""
CALL_ID = r"^[^\x00-\x1f\x7f/\\]+$"
ULID = r"^[0-9a-hjkmnp-tv-z]{26}$"
EXAMPLE_ID = "01k5w3v0q8m2f7r4t9x1c6b3zd"
EXAMPLE_MS = 1_764_460_800_000

Text64 = Annotated[str, Field(max_length=64, pattern=PLAIN)]
Text128 = Annotated[str, Field(max_length=128, pattern=PLAIN)]
Text256 = Annotated[str, Field(max_length=256, pattern=PLAIN)]

JobId = Annotated[str, Path(pattern=ULID, examples=[EXAMPLE_ID])]
BatchId = Annotated[str, Path(pattern=ULID, examples=[EXAMPLE_ID])]
CallId = Annotated[str, Path(min_length=1, max_length=128, pattern=CALL_ID, examples=["20261130-0042"])]
Limit = Annotated[int, Query(ge=1, le=200, description="Most items of this page.")]
NumberCursor = Annotated[
    str, Query(pattern="^([0-9]{1,18})?$", description="`next_cursor` of the page before; empty for the first.")
]
IdCursor = Annotated[
    str,
    Query(pattern="^([0-9a-hjkmnp-tv-z]{26})?$", description="`next_cursor` of the page before; empty for the first."),
]
Reveal = Annotated[
    bool,
    Query(
        description="Leave personal data unmasked: needs the permission `calls:reveal`, and goes into the audit log."
    ),
]
IDEMPOTENCY_KEY = r"^[\x21-\x7e]{1,255}$"


class Body(BaseModel):
    """What comes in: nothing besides the fields that are named."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


class View(BaseModel):
    """What goes out."""

    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)


class Page(View, Generic[T]):
    """Some of many items."""

    items: list[T]
    next_cursor: str | None = Field(examples=["4711"])
    """Send it as `cursor` for the items after these; null on the last page."""
