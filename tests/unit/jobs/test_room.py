"""Many share the room, one has it alone."""

from __future__ import annotations

import threading

import pytest

from qingting.jobs.room import Room


class Guest:
    """Enters in a thread of its own and stays until told."""

    def __init__(self, room: Room, *, alone: bool) -> None:
        self.inside, self.leave = threading.Event(), threading.Event()
        self.thread = threading.Thread(target=self._visit, args=(room, alone), daemon=True)
        self.thread.start()

    def _visit(self, room: Room, alone: bool) -> None:
        with room.enter(alone=alone):
            self.inside.set()
            self.leave.wait(20)

    def came_in(self) -> bool:
        return self.inside.wait(20)

    def waits(self) -> bool:
        return not self.inside.wait(0.1)

    def go(self) -> None:
        self.leave.set()
        self.thread.join(20)


def test_many_are_inside_together() -> None:
    room = Room()
    guests = [Guest(room, alone=False) for _ in range(4)]
    assert all(guest.came_in() for guest in guests)
    for guest in guests:
        guest.go()


def test_one_waits_for_all_others_and_keeps_them_out() -> None:
    room = Room()
    first = Guest(room, alone=False)
    assert first.came_in()
    alone = Guest(room, alone=True)
    assert alone.waits()
    later = Guest(room, alone=False)
    assert later.waits(), "whoever comes later must not keep it waiting for ever"
    first.go()
    assert alone.came_in()
    assert later.waits()
    alone.go()
    assert later.came_in()
    later.go()


def test_two_that_want_to_be_alone_come_one_after_the_other() -> None:
    room = Room()
    first, second = Guest(room, alone=True), Guest(room, alone=True)
    assert first.came_in() or second.came_in()
    inside, outside = (first, second) if first.inside.is_set() else (second, first)
    assert outside.waits()
    inside.go()
    assert outside.came_in()
    outside.go()


@pytest.mark.parametrize("alone", [False, True])
def test_a_failing_guest_leaves_the_room(alone: bool) -> None:
    room = Room()
    with pytest.raises(ValueError, match="x"), room.enter(alone=alone):
        raise ValueError("x")
    with room.enter(alone=True):
        pass
