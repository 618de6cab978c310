"""What is known of a call, compared with what a rule asks for."""

from __future__ import annotations

import operator
from typing import TYPE_CHECKING, Any

from qingting.analysis.rules.model import AppliesTo, FieldTest, Operator

if TYPE_CHECKING:
    from collections.abc import Callable

    from qingting.model.call import CallInfo

OWN_FIELDS = ("call_id", "line_of_business", "agent_id", "team", "direction", "started_at", "customer_reference")
"""Fields every call has; any other name is one of its further data."""
_ORDERED: dict[Operator, Callable[[Any, Any], bool]] = {
    Operator.EQUALS: operator.eq,
    Operator.NOT_EQUALS: operator.ne,
    Operator.ABOVE: operator.gt,
    Operator.BELOW: operator.lt,
    Operator.AT_LEAST: operator.ge,
    Operator.AT_MOST: operator.le,
}


def field_value(call: CallInfo, name: str) -> str:
    """Return a field of the call, empty when it has none of that name."""
    return str(getattr(call, name)) if name in OWN_FIELDS else str(call.fields.get(name, ""))


def compare(test: FieldTest, value: str) -> bool:
    """Whether a field's value passes; an empty one passes only tests that ask for emptiness or difference."""
    asked = test.compare
    if asked in (Operator.EMPTY, Operator.NOT_EMPTY):
        return (value == "") is (asked is Operator.EMPTY)
    if asked is Operator.ONE_OF:
        return value in test.values
    if asked in (Operator.CONTAINS, Operator.NOT_CONTAINS):
        return (test.value in value) is (asked is Operator.CONTAINS)
    if value == "":
        return asked is Operator.NOT_EQUALS
    if asked is Operator.BETWEEN:
        low, high = test.values
        return _ordered(Operator.AT_LEAST, value, low) and _ordered(Operator.AT_MOST, value, high)
    return _ordered(asked, value, test.value)


def _ordered(asked: Operator, value: str, other: str) -> bool:
    """Compare as numbers when both are numbers, else as texts (ISO dates sort as texts)."""
    try:
        return _ORDERED[asked](float(value), float(other))
    except ValueError:
        return _ORDERED[asked](value, other)


def applies(scope: AppliesTo, call: CallInfo) -> bool:
    """Whether a rule is meant for a call."""
    wanted = (
        (scope.line_of_business, call.line_of_business),
        (scope.direction, call.direction),
        (scope.team, call.team),
        (scope.channel, call.fields.get("channel", "")),
    )
    if any(allowed and value not in allowed for allowed, value in wanted):
        return False
    return all(compare(test, field_value(call, test.field)) for test in scope.fields)
