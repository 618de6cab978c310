"""Running calls as the API shows them."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from qingting.api.schemas.common import EXAMPLE_ID, EXAMPLE_MS, PLAIN, ULID, Body, Text64, Text128, Text256, View
from qingting.live.doors.door import Expected
from qingting.live.session import LiveFormat
from qingting.model.call import CallInfo, Role
from qingting.model.live_event import LiveState


class LastLine(View):
    """What was said last."""

    role: Role
    start_ms: int
    text: str = Field(examples=["我要投诉你们。"])
    """Masked, and shortened to its end."""


class LiveCall(View):
    """A running call's line on the wall."""

    id: str = Field(pattern=ULID, examples=[EXAMPLE_ID])
    call_id: str = Field(examples=["20261130-0042"])
    agent_id: str
    team: str
    line_of_business: str
    direction: str
    state: LiveState
    begun_ms: int = Field(examples=[EXAMPLE_MS])
    """When the call began: milliseconds since 1970, UTC."""
    at_ms: int
    """Call time of this line."""
    risk: int | None
    """Worst of what was found and warned of: 1 serious, 2 moderate, 3 light; null when nothing was."""
    risk_title: str
    moods: dict[str, str]
    """Role -> `positive`, `calm`, `negative`, `angry`."""
    last_line: LastLine | None
    faults: int
    alerts: int
    score: float | None = None
    """When the report is there."""
    grade: str = ""


class LiveCallList(View):
    """The calls that run now."""

    items: list[LiveCall]


class ExpectedCall(Body):
    """What is known of a call before its sound comes."""

    call_id: Annotated[str, Field(max_length=128, pattern=r"^[^\x00-\x1f\x7f/\\]*$")] = ""
    """Empty lets the service make one."""
    line_of_business: Text64 = "general"
    agent_id: Text128 = ""
    team: Text128 = ""
    direction: Literal["", "inbound", "outbound"] = ""
    customer_reference: Text256 = ""
    fields: dict[str, Annotated[str, Field(max_length=1000, pattern=PLAIN)]] = Field(
        default_factory=dict, max_length=50
    )
    rate: Literal[8000, 16000] = 8000
    who: Literal["both", "agent", "customer"] = "both"
    """Whose voice the single channel carries."""

    def call_info(self) -> CallInfo:
        """The call's data; an empty id stays empty."""
        given = ("line_of_business", "agent_id", "team", "direction", "customer_reference", "fields")
        return CallInfo(call_id=self.call_id or "-", **{name: getattr(self, name) for name in given})

    def announced(self) -> Expected:
        """What the door needs to know."""
        from dataclasses import replace

        roles = () if self.who == "both" else (Role(self.who),)
        form = LiveFormat(rate_hertz=self.rate, channels=1, roles=roles)
        return Expected(call=replace(self.call_info(), call_id=self.call_id), form=form)


class Expectation(View):
    """How the call's sound must name itself."""

    uuid: str = Field(examples=["0b9a0c3e-5b5f-4e0a-9d5e-6a3b1c2d4e5f"])
