"""The lock of changes: one at a time, nobody forgotten, and no owner that can't run."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator

import pytest

from cocoannot.store.memory.barging_lock import BargingLock

ROUNDS = 300


@pytest.fixture
def no_switching() -> Iterator[None]:
    """A thread keeps the interpreter until it lets go of it."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1000)
    yield
    sys.setswitchinterval(interval)


def test_one_thread_at_a_time_and_each_gets_its_turn() -> None:
    turns, inside, most, done = BargingLock(), [], [], []

    def work() -> None:
        for _ in range(ROUNDS):
            with turns:
                inside.append(1)
                most.append(len(inside))
                time.sleep(0)  # lets the others run
                inside.pop()
        done.append(1)

    threads = [threading.Thread(target=work, daemon=True) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(done) == 8
    assert max(most) == 1
    assert len(most) == 8 * ROUNDS


def test_one_that_others_always_come_before_gets_its_turn() -> None:
    turns, stop, served = BargingLock(), threading.Event(), threading.Event()

    def keep_taking() -> None:
        while not stop.is_set():
            with turns:
                time.sleep(0)  # others run only now, when it is taken

    def take() -> None:
        for _ in range(20):
            with turns:
                pass
        served.set()

    threads = [threading.Thread(target=work, daemon=True) for work in (keep_taking, keep_taking, take)]
    for thread in threads:
        thread.start()
    assert served.wait(60)
    stop.set()
    for thread in threads:
        thread.join(60)


def test_an_error_ends_the_turn() -> None:
    turns = BargingLock()
    with pytest.raises(ZeroDivisionError), turns:
        raise ZeroDivisionError
    with turns:
        pass


@pytest.mark.usefixtures("no_switching")
def test_a_thread_that_waits_owns_nothing_until_it_runs() -> None:
    turns, order, started = BargingLock(), [], threading.Event()

    def wait() -> None:
        started.set()
        with turns:
            order.append("the one that waited")

    with turns:
        thread = threading.Thread(target=wait, daemon=True)
        thread.start()
        started.wait(60)
        time.sleep(0.1)  # lets it come to where it waits
    until = time.monotonic() + 0.05
    while time.monotonic() < until:
        pass  # long enough for it to take what the system would hand over; the interpreter stays here
    with turns:
        order.append("the one that runs")
    thread.join(60)
    assert order == ["the one that runs", "the one that waited"]
