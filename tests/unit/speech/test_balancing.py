import asyncio
from email.utils import formatdate

import pytest

from qingting.speech.balancing import Balancer, BreakerOptions, BreakerState, Server, retry_after_seconds


class Clock:
    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


def make(clock, capacity=2, **options):
    rest = {"failures": 3, "first_rest_seconds": 1.0, "longest_rest_seconds": 8.0, "spread": 0.0}
    return Server(url="x", capacity=capacity, options=BreakerOptions(**{**rest, **options}), clock=clock)


def fail(server, **how):
    lease = server.take()
    server.fail(lease, **how)
    server.release(lease)


def test_three_failures_in_a_row_open_the_breaker(clock):
    server = make(clock)
    for _ in range(2):
        fail(server)
    lease = server.take()
    server.succeed(lease)
    server.release(lease)
    for _ in range(2):
        fail(server)
    assert server.state is BreakerState.CLOSED, "a success starts the count again"
    fail(server)
    assert server.state is BreakerState.OPEN
    assert not server.free


def test_a_refused_connection_opens_it_at_once(clock):
    server = make(clock)
    fail(server, at_once=True)
    assert server.state is BreakerState.OPEN


def test_rests_double_up_to_the_longest_and_start_again_after_success(clock):
    server = make(clock)
    rests = []
    for _ in range(6):
        fail(server, at_once=True)
        rests.append(server.free_at - clock.now)
        clock.now = server.free_at
        assert server.state is BreakerState.HALF_OPEN
    assert rests == [1.0, 2.0, 4.0, 8.0, 8.0, 8.0]
    lease = server.take()
    server.succeed(lease)
    server.release(lease)
    assert server.state is BreakerState.CLOSED
    fail(server, at_once=True)
    assert server.free_at - clock.now == 1.0


def test_half_open_lets_one_request_through(clock):
    server = make(clock, capacity=5)
    fail(server, at_once=True)
    clock.now += 1.0
    assert server.free
    lease = server.take()
    assert lease.trial
    assert not server.free
    server.release(lease)
    assert server.free, "a trial that was cancelled decides nothing"


def test_late_failures_of_an_old_life_do_not_lengthen_the_rest(clock):
    server = make(clock, capacity=40)
    leases = [server.take() for _ in range(32)]
    for lease in leases:
        server.fail(lease)
        server.release(lease)
    assert server.free_at - clock.now == 1.0
    assert (server.failed, server.in_flight) == (32, 0)
    old = leases[0]
    server.succeed(old)
    assert server.state is BreakerState.OPEN


def test_rests_vary_by_their_spread(clock):
    rests = set()
    for _ in range(20):
        server = make(clock, spread=0.2)
        fail(server, at_once=True)
        rests.add(server.free_at - clock.now)
    assert len(rests) > 10
    assert all(0.79 < rest < 1.21 for rest in rests)


def test_cooling_takes_no_requests_and_is_no_failure(clock):
    server = make(clock)
    server.cool(5.0)
    server.cool(2.0)
    assert not server.free
    assert server.state is BreakerState.CLOSED
    clock.now += 5.0
    assert server.free


def run(work):
    return asyncio.run(asyncio.wait_for(work, 5.0))


def test_the_least_loaded_share_of_places_decides():
    big, small = Server(url="big", capacity=8), Server(url="small", capacity=2)

    async def work():
        balancer = Balancer(servers=[big, small])
        for _ in range(10):
            await balancer.acquire()

    run(work())
    assert (big.in_flight, small.in_flight) == (8, 2)


def test_waits_for_a_place_and_takes_the_one_given_back():
    server = Server(url="x", capacity=1)

    async def work():
        balancer = Balancer(servers=[server])
        first = await balancer.acquire()
        waiting = [asyncio.create_task(balancer.acquire()) for _ in range(3)]
        await asyncio.sleep(0.01)
        assert not any(task.done() for task in waiting)
        for _ in range(3):
            with balancer.returning(first):
                pass
            done, _ = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            (task,) = done
            waiting.remove(task)
            first = task.result()

    run(work())
    assert server.in_flight == 1


def test_the_server_that_failed_is_avoided_while_another_is_healthy():
    one, other = Server(url="one", capacity=4), Server(url="other", capacity=1)

    async def work():
        balancer = Balancer(servers=[one, other])
        assert (await balancer.acquire(avoid=one)).server is other
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(balancer.acquire(avoid=one), 0.05)
        other.rest()
        assert (await balancer.acquire(avoid=one)).server is one

    run(work())


def test_a_rested_server_is_looked_at_before_it_is_asked():
    looks = []
    server = Server(url="x", capacity=4, options=BreakerOptions(first_rest_seconds=0.01, spread=0.0))
    server.rest()

    async def probe(_):
        looks.append(1)
        return len(looks) == 3

    async def work():
        return await Balancer(servers=[server], probe=probe).acquire()

    lease = run(work())
    assert len(looks) == 3
    assert lease.trial
    assert server.in_flight == 1


def test_a_cancelled_look_gives_its_place_back():
    server = Server(url="x", capacity=1, options=BreakerOptions(first_rest_seconds=0.01))
    server.rest()

    async def probe(_):
        await asyncio.sleep(10)
        return True

    async def work():
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(Balancer(servers=[server], probe=probe).acquire(), 0.1)

    run(work())
    assert server.in_flight == 0


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (None, 1.0),
        ("0", 0.0),
        ("2.5", 2.5),
        ("-3", 0.0),
        ("100000", 60.0),
        ("nan", 1.0),
        ("inf", 60.0),
        ("soon", 1.0),
        ("", 1.0),
        ("Wed, 01 Jan 2020 00:00:00 GMT", 0.0),
        ("Wed, 99 Jan 2020 00:00:00 GMT", 1.0),
    ],
)
def test_retry_after(header, seconds):
    assert retry_after_seconds(header) == seconds


def test_retry_after_as_a_date():
    import time

    assert 8.0 < retry_after_seconds(formatdate(time.time() + 10, usegmt=True)) <= 10.0
