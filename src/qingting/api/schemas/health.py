"""Life and readiness."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from pydantic import Field

from qingting.api.schemas.common import View
from qingting.service.readiness import PartState


class Life(View):
    """The process lives."""

    status: Literal["ok"]


class PartView(View):
    """One part of the service."""

    name: str = Field(examples=["database"])
    """`database`, `tables`, `recordings` or `workers`."""
    ready: bool
    problem: str
    """What is wrong; empty when nothing is."""


class Readiness(View):
    """Whether the service can work."""

    ready: bool
    parts: list[PartView]

    @classmethod
    def of(cls, parts: Sequence[PartState], *, ready: bool) -> Readiness:
        """Show the parts."""
        return cls(ready=ready, parts=[PartView(**vars(part)) for part in parts])
