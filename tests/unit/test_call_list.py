"""Rows of call lists as calls."""

from __future__ import annotations

import pytest

from qingting.call_list import call_of_row
from qingting.errors import InputError
from qingting.model.call import AgentChannel, CallInfo

DEFAULT = CallInfo(call_id="d", line_of_business="ecommerce", agent_channel=AgentChannel.LEFT, team="A")


@pytest.mark.parametrize(
    ("row", "changes"),
    [
        ({}, {}),
        ({"call_id": "", "team": "", "agent_channel": ""}, {}),
        ({"call_id": "k", "team": "B"}, {"call_id": "k", "team": "B"}),
        ({"agent_channel": "right"}, {"agent_channel": AgentChannel.RIGHT}),
        ({"满意度": "5", "空": ""}, {"fields": {"满意度": "5"}}),
        ({"desktop_events": "/etc/passwd"}, {}),
        ({"medium": "email", "times_known": "no"}, {"fields": {"medium": "email", "times_known": "no"}}),
    ],
)
def test_filled_cells_replace_the_default(row: dict[str, str], changes: dict[str, object]) -> None:
    found = call_of_row(DEFAULT, row)
    expected = {**vars(DEFAULT), "fields": {}, **changes}
    assert vars(found) == expected


def test_a_wrong_channel_is_an_error() -> None:
    with pytest.raises(InputError):
        call_of_row(DEFAULT, {"agent_channel": "middle"})
