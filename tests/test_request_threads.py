"""One thread answers requests for as long as it gets on with them; where one takes long, others are not held up."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent import futures

import pytest

from cocoannot.server.request_threads import RequestThreads

SECONDS = 30.0
"""How long to wait for what must come, on a machine that is busy."""


@pytest.fixture
def open_pools() -> Iterator[Callable[[int], RequestThreads]]:
    pools: list[RequestThreads] = []

    def make(most: int) -> RequestThreads:
        pools.append(RequestThreads(most))
        return pools[-1]

    yield make
    for pool in pools:
        pool.shutdown()


def test_what_a_request_returns_and_raises_is_in_its_future(open_pools: Callable[[int], RequestThreads]) -> None:
    pool = open_pools(4)
    assert pool.submit(pow, 2, 10, mod=1000).result(SECONDS) == 24
    with pytest.raises(ZeroDivisionError):
        pool.submit(divmod, 1, 0).result(SECONDS)
    assert pool.submit(len, "abc").result(SECONDS) == 3


def test_a_request_that_takes_long_does_not_hold_up_the_others(open_pools: Callable[[int], RequestThreads]) -> None:
    pool, goes_on = open_pools(3), threading.Event()
    slow = [pool.submit(goes_on.wait, SECONDS) for _ in range(2)]
    assert [pool.submit(abs, -i).result(SECONDS) for i in range(50)] == list(range(50))
    assert not any(each.done() for each in slow)
    goes_on.set()
    assert all(each.result(SECONDS) for each in slow)


def test_as_many_take_long_at_once_as_there_may_be_threads(open_pools: Callable[[int], RequestThreads]) -> None:
    pool, all_there = open_pools(5), threading.Barrier(5)
    slow = [pool.submit(all_there.wait, SECONDS) for _ in range(5)]
    assert sorted(each.result(SECONDS) for each in slow) == [0, 1, 2, 3, 4]


def test_no_more_threads_than_allowed_answer_at_once(open_pools: Callable[[int], RequestThreads]) -> None:
    pool, goes_on, lock, running, most = open_pools(2), threading.Event(), threading.Lock(), 0, 0

    def run() -> None:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        goes_on.wait(0.05)
        with lock:
            running -= 1

    done = futures.wait([pool.submit(run) for _ in range(10)], SECONDS)
    assert not done.not_done
    assert most <= 2


def test_one_thread_is_enough_again_after_requests_that_took_long(open_pools: Callable[[int], RequestThreads]) -> None:
    pool, all_there = open_pools(4), threading.Barrier(4)
    futures.wait([pool.submit(all_there.wait, SECONDS) for _ in range(4)], SECONDS)
    for _ in range(200):
        if len(_who_answers(pool, 300)) == 1:
            return
    pytest.fail("many threads went on answering requests that took no time")


def test_whoever_asks_after_the_thread_was_given_back_is_answered_too() -> None:
    pool = RequestThreads(2, lingers=0)
    assert [pool.submit(abs, -i).result(SECONDS) for i in range(500)] == list(range(500))
    pool.shutdown()


def test_what_was_submitted_is_done_before_the_threads_end() -> None:
    pool, goes_on = RequestThreads(2), threading.Event()
    slow = pool.submit(goes_on.wait, SECONDS)
    queued = [pool.submit(threading.current_thread) for _ in range(20)]
    pool.shutdown(wait=False)
    goes_on.set()
    threads = {each.result(SECONDS) for each in queued}
    assert slow.result(SECONDS)
    for thread in threads:
        thread.join(SECONDS)
        assert not thread.is_alive()


def test_no_thread_is_added_after_the_end_though_a_request_takes_long() -> None:
    pool, goes_on = RequestThreads(2), threading.Event()
    slow = pool.submit(goes_on.wait, SECONDS)
    pool.shutdown(wait=False)
    # It would raise, which pytest notices.
    for thread in threading.enumerate():
        if thread.name == "request-threads":
            thread.join(SECONDS)
            assert not thread.is_alive()
    goes_on.set()
    assert slow.result(SECONDS)


def test_a_request_that_was_cancelled_is_not_answered(open_pools: Callable[[int], RequestThreads]) -> None:
    pool, goes_on = open_pools(2), threading.Event()
    seen: list[str] = []
    slow = [pool.submit(goes_on.wait, SECONDS) for _ in range(2)]
    queued = pool.submit(seen.append, "cancelled")
    assert queued.cancel()
    goes_on.set()
    futures.wait(slow, SECONDS)
    pool.submit(seen.append, "next").result(SECONDS)
    assert seen == ["next"]


def _who_answers(pool: RequestThreads, times: int) -> set[int]:
    """The threads that answer so many requests, which come at once and take no time."""

    def run() -> int:
        # Lets the interpreter go, so that each thread that could run does.
        time.sleep(0)
        return threading.get_ident()

    return {each.result(SECONDS) for each in [pool.submit(run) for _ in range(times)]}
