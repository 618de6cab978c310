"""What a centre remembers of its customers' matters."""

from __future__ import annotations

from datetime import datetime

import pytest

from qingting.analysis.contact_history import Contact, KnownContacts, moment
from qingting.model.call import CallInfo


def contact(started_at: str, call_id: str = "old", reason: str = "delivery", customer: str = "K1") -> Contact:
    return Contact(
        customer_reference=customer,
        reason=reason,
        started_at=datetime.fromisoformat(started_at),
        call_id=call_id,
        state="unresolved",
    )


def call(started_at: str = "2024-05-08T10:00:00+08:00", customer: str = "K1", call_id: str = "now") -> CallInfo:
    return CallInfo(call_id=call_id, customer_reference=customer, started_at=started_at)


KNOWN = KnownContacts(
    [
        contact("2024-05-01T09:00:00+08:00", "too_old"),
        contact("2024-05-03T02:00:00+00:00", "older"),
        contact("2024-05-07T10:00:00+08:00", "newer"),
        contact("2024-05-09T10:00:00+08:00", "later"),
        contact("2024-05-07T11:00:00+08:00", "other_matter", reason="money"),
        contact("2024-05-07T11:00:00+08:00", "other_customer", customer="K2"),
    ]
)


def test_earlier_contacts_of_the_matter_newest_first() -> None:
    found = KNOWN.find(call(), "delivery", 7)
    assert [(one.call_id, one.days_ago, one.state) for one in found] == [
        ("newer", 1.0, "unresolved"),
        ("older", 5.0, "unresolved"),
    ]


@pytest.mark.parametrize(
    "asking",
    [
        call(customer=""),
        call(started_at=""),
        call(started_at="2024-05-08T10:00:00"),
        call(started_at="昨天"),
        call(customer="K3"),
        call(started_at="2024-04-01T10:00:00+08:00"),
    ],
)
def test_nothing_is_claimed_of_calls_that_cannot_be_placed(asking: CallInfo) -> None:
    assert list(KNOWN.find(asking, "delivery", 7)) == []


def test_the_call_itself_is_no_earlier_contact() -> None:
    again = call(started_at="2024-05-07T12:00:00+08:00", call_id="newer")
    assert [one.call_id for one in KNOWN.find(again, "delivery", 7)] == ["older", "too_old"]


def test_moments_need_a_zone() -> None:
    assert moment("2024-05-08T10:00:00Z") is not None
    assert moment("2024-05-08 10:00") is None
