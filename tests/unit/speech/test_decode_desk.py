from concurrent.futures import Executor, Future, ThreadPoolExecutor
from threading import Barrier, Lock

import pytest

from qingting.speech.decode_desk import DecodeDesk, SameThreadExecutor


class ByHand(Executor):
    """Runs tasks when told to."""

    def __init__(self):
        self.tasks = []

    def submit(self, fn, /, *args, **kwargs):
        future = Future()
        self.tasks.append((future, fn))
        return future

    def run(self):
        future, fn = self.tasks.pop(0)
        try:
            future.set_result(fn())
        except Exception as error:  # noqa: BLE001  as executors do
            future.set_exception(error)


def test_partials_run_only_while_nothing_else_does():
    hand = ByHand()
    desk = DecodeDesk(hand)
    first = desk.partial(lambda: 1)
    assert desk.partial(lambda: 2) is None
    final = desk.final(lambda: 3)
    assert desk.waiting == 1
    hand.run()
    assert first.result() == 1
    assert desk.partial(lambda: 4) is None, "the final has begun"
    hand.run()
    assert final.result() == 3
    assert desk.partial(lambda: 5) is not None


def test_finals_run_in_order_and_a_cancelled_one_is_passed_over():
    hand = ByHand()
    desk = DecodeDesk(hand)
    ran = []
    futures = [desk.final(lambda n=n: ran.append(n)) for n in range(4)]
    assert futures[2].cancel()
    assert not futures[0].cancel(), "it runs"
    for _ in range(3):
        hand.run()
    assert ran == [0, 1, 3]
    assert not hand.tasks


def test_an_error_frees_the_slot_and_reaches_the_asker():
    desk = DecodeDesk(SameThreadExecutor())
    with pytest.raises(ZeroDivisionError):
        desk.final(lambda: 1 // 0).result()
    assert desk.partial(lambda: 7).result() == 7


def test_partials_leave_slots_for_finals():
    hand = ByHand()
    desk = DecodeDesk(hand, slots=4)
    assert [desk.partial(lambda: 0) is not None for _ in range(4)] == [True, True, False, False]
    desk.final(lambda: 0)
    desk.final(lambda: 0)
    assert (len(hand.tasks), desk.waiting) == (4, 0)
    assert DecodeDesk(hand, slots=4, partial_slots=0).partial(lambda: 0) is None
    with pytest.raises(ValueError, match="slots"):
        DecodeDesk(hand, slots=0)


def test_an_executor_that_was_shut_down_fails_the_decode_only():
    pool = ThreadPoolExecutor(1)
    pool.shutdown()
    desk = DecodeDesk(pool)
    with pytest.raises(RuntimeError):
        desk.final(lambda: 0).result(timeout=5)
    assert desk.waiting == 0


def test_threads_never_run_more_than_the_slots_and_lose_nothing():
    running, most, lock = 0, 0, Lock()
    barrier = Barrier(4)

    def work(number):
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        with lock:
            running -= 1
        return number

    with ThreadPoolExecutor(8) as pool, ThreadPoolExecutor(4) as askers:
        desk = DecodeDesk(pool, slots=2)

        def ask(start):
            barrier.wait()
            return [desk.final(lambda n=n: work(n)) for n in range(start, start + 50)]

        futures = [future for asked in askers.map(ask, range(0, 200, 50)) for future in asked]
        assert sorted(future.result(timeout=10) for future in futures) == list(range(200))
    assert 1 <= most <= 2
