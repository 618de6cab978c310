"""Messages between processes arrive whole however they are cut."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qingting.live.session import LiveFormat
from qingting.live.wire import HEAD, Kind, Opening, Reader, message, pickled, unpickled
from qingting.model.call import CallInfo

MESSAGES = st.lists(st.tuples(st.sampled_from(list(Kind)), st.integers(0, 2**32 - 1), st.binary(max_size=300)))


@given(MESSAGES, st.lists(st.integers(1, 64)))
def test_any_cutting_gives_the_same_messages(messages, cuts) -> None:
    data = b"".join(message(*one) for one in messages)
    reader, found, at = Reader(), [], 0
    for cut in [*cuts, len(data) + 1]:
        found += list(reader.feed(data[at : at + cut]))
        at += cut
    assert found == messages


def test_objects_come_back_as_they_were() -> None:
    opening = Opening(live_id="x", call=CallInfo(call_id="c"), form=LiveFormat(rate_hertz=8000, channels=1), begun_ms=7)
    ((kind, number, content),) = Reader().feed(pickled(Kind.OPEN, 7, opening))
    assert (kind, number, unpickled(content)) == (Kind.OPEN, 7, opening)


@pytest.mark.parametrize("head", [HEAD.pack(1, 1, 2**32 - 1), HEAD.pack(99, 1, 0)])
def test_what_is_no_message_is_refused(head: bytes) -> None:
    with pytest.raises(ValueError, match=r"as long|not a valid Kind"):
        list(Reader().feed(head))
