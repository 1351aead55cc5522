"""When the saver saves, told by a clock that stands still; and its thread, told by what it calls."""

from __future__ import annotations

import json
import logging
import queue
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from conftest import FakeClock, OpenDataset

from cocoannot.background.saver import Saver
from cocoannot.errors import SaveError
from cocoannot.manager import DatasetManager
from cocoannot.store.base import Saved
from cocoannot.store.memory.store import MemoryStore

INTERVAL = 30


class Work:
    """Something to save: since when, how often it was, and what happens while it is."""

    def __init__(self, clock: FakeClock) -> None:
        self.saves: list[float] = []
        self.stops: list[float] = []
        self.during: Callable[[], object] = lambda: None
        self._clock = clock
        self._since: float | None = None

    def change(self) -> None:
        if self._since is None:
            self._since = self._clock.monotonic()

    def unsaved_since(self) -> float | None:
        return self._since

    def save(self) -> None:
        self.saves.append(self._clock.monotonic())
        self._run()

    def stop(self) -> None:
        self.stops.append(self._clock.monotonic())
        self._run()

    def _run(self) -> None:
        taken, self._since = self._since, None
        try:
            self.during()
        except BaseException:
            self._since = taken
            raise


@pytest.fixture
def work(clock: FakeClock) -> Work:
    return Work(clock)


@pytest.fixture
def saver(work: Work, clock: FakeClock) -> Saver:
    return Saver(INTERVAL, work.unsaved_since, work.save, work.stop, clock.monotonic)


def failing(times: int, error: Exception) -> Callable[[], None]:
    left = iter([error] * times)

    def fail() -> None:
        if (exc := next(left, None)) is not None:
            raise exc

    return fail


def test_nothing_is_scheduled_while_nothing_changed(saver: Saver, work: Work, clock: FakeClock) -> None:
    clock.advance(100)
    assert saver.next_save_in() is None
    assert saver.step() is None
    assert work.saves == []


def test_first_change_schedules_a_save_one_interval_later(saver: Saver, work: Work, clock: FakeClock) -> None:
    clock.advance(100)
    work.change()
    assert saver.next_save_in() == INTERVAL
    assert saver.step() == INTERVAL
    clock.advance(29.5)
    assert saver.step() == 0.5
    assert work.saves == []


def test_save_fires_at_the_interval_and_stops_after_it(saver: Saver, work: Work, clock: FakeClock) -> None:
    work.change()
    clock.advance(INTERVAL)
    assert saver.next_save_in() == 0
    assert saver.step() is None
    clock.advance(1000)
    assert saver.step() is None
    assert work.saves == [INTERVAL]


def test_later_changes_do_not_push_the_save_back(saver: Saver, work: Work, clock: FakeClock) -> None:
    for _ in range(6):
        work.change()
        assert saver.step() == INTERVAL - clock.monotonic()
        clock.advance(5)
    saver.step()
    assert work.saves == [INTERVAL]


def test_change_during_a_save_gets_an_interval_of_its_own(saver: Saver, work: Work, clock: FakeClock) -> None:
    def during() -> None:
        clock.advance(2)
        work.change()
        clock.advance(3)

    work.during = during
    work.change()
    clock.advance(INTERVAL)
    assert saver.step() == INTERVAL - 3
    work.during = lambda: None
    clock.advance(INTERVAL - 3)
    assert saver.step() is None
    assert work.saves == [INTERVAL, INTERVAL + 2 + INTERVAL]


def test_change_after_a_save_schedules_the_next_one(saver: Saver, work: Work, clock: FakeClock) -> None:
    work.change()
    clock.advance(INTERVAL)
    saver.step()
    clock.advance(7)
    work.change()
    assert saver.step() == INTERVAL


def test_save_by_somebody_else_stands_the_waiting_one_down(saver: Saver, work: Work, clock: FakeClock) -> None:
    work.change()
    clock.advance(10)
    work.save()
    assert saver.next_save_in() is None
    clock.advance(20)
    assert saver.step() is None
    assert work.saves == [10]


def test_failed_save_is_tried_again_with_pauses_that_grow_up_to_the_interval(
    saver: Saver, work: Work, clock: FakeClock
) -> None:
    work.during = failing(8, SaveError("the disk is full"))
    work.change()
    clock.advance(INTERVAL)
    pauses = []
    while (pause := saver.step()) is not None:
        pauses.append(pause)
        assert saver.next_save_in() == pause
        clock.advance(pause)
    assert pauses == [1, 2, 4, 8, 16, 30, 30, 30]
    assert len(work.saves) == 9


def test_pauses_begin_again_after_a_save_that_worked(saver: Saver, work: Work, clock: FakeClock) -> None:
    work.during = failing(3, SaveError("the disk is full"))
    work.change()
    clock.advance(INTERVAL)
    while (pause := saver.step()) is not None:
        clock.advance(pause)
    work.during = failing(1, SaveError("full again"))
    work.change()
    clock.advance(INTERVAL)
    assert saver.step() == 1


def test_pause_is_never_longer_than_a_short_interval(work: Work, clock: FakeClock) -> None:
    saver = Saver(0.25, work.unsaved_since, work.save, work.stop, clock.monotonic)
    work.during = failing(1, SaveError("the disk is full"))
    work.change()
    clock.advance(0.25)
    assert saver.step() == 0.25


def test_failures_without_end_are_survived(saver: Saver, work: Work, clock: FakeClock) -> None:
    work.during = failing(5000, SaveError("the disk is gone"))
    work.change()
    clock.advance(INTERVAL)
    for _ in range(5000):
        pause = saver.step()
        assert pause is not None
        clock.advance(pause)
    assert saver.step() is None


def test_unforeseen_exception_is_logged_and_tried_again(
    saver: Saver, work: Work, clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    work.during = failing(1, ZeroDivisionError("nobody thought of this"))
    work.change()
    clock.advance(INTERVAL)
    assert saver.step() == 1
    assert "nobody thought of this" in caplog.text
    clock.advance(1)
    assert saver.step() is None
    assert len(work.saves) == 2


def test_saving_immediately_is_done_by_stop(saver: Saver, work: Work, clock: FakeClock) -> None:
    work.change()
    clock.advance(1)
    assert saver.step() == INTERVAL - 1
    saver.save_immediately()
    assert saver.next_save_in() == 0
    assert saver.step() is None
    assert (work.stops, work.saves) == ([1], [])


def test_changes_after_that_are_saved_immediately_too(saver: Saver, work: Work, clock: FakeClock) -> None:
    saver.save_immediately()
    assert saver.step() is None
    for _ in range(2):
        clock.advance(1)
        work.change()
        assert saver.step() is None
    assert (work.stops, work.saves) == ([1, 2], [])


def test_stop_that_could_not_save_is_tried_again_after_a_pause(saver: Saver, work: Work, clock: FakeClock) -> None:
    saver.save_immediately()
    work.change()
    work.during = work.change  # `stop` raises nothing; what it could not save is still there
    assert saver.step() == 1
    clock.advance(1)
    assert saver.step() == 1
    work.during = lambda: None
    clock.advance(1)
    assert saver.step() is None
    assert work.stops == [0, 1, 2]


# With the manager


def test_first_change_schedules_and_the_next_does_not_schedule_a_second(
    open_dataset: OpenDataset, small: dict[str, Any], clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    saver: Saver
    manager = open_dataset(small, on_dirty=lambda: saver.notify())
    saver = Saver(INTERVAL, manager.store.unsaved_since, manager.save, manager.shutdown, clock.monotonic)
    caplog.clear()
    with caplog.at_level(logging.DEBUG, logger="cocoannot.background.saver"):
        manager.delete_annotation(1)
        manager.delete_annotation(2)
    assert caplog.messages == ["Auto-save timer scheduled (30s)"]
    assert [record.levelname for record in caplog.records] == ["DEBUG"]


def test_change_during_the_managers_save_gets_an_interval_of_its_own(
    open_dataset: OpenDataset, small: dict[str, Any], clock: FakeClock
) -> None:
    manager = open_dataset(small)
    saver = Saver(INTERVAL, manager.store.unsaved_since, manager.save, manager.shutdown, clock.monotonic)
    manager.delete_annotation(1)
    clock.advance(INTERVAL)
    clock.on_next_time(lambda: manager.delete_annotation(2))
    assert saver.step() == INTERVAL
    assert manager.changes.annotations_deleted == 1
    clock.advance(INTERVAL)
    assert saver.step() is None
    assert not manager.changes.has_changes()


# The thread


def test_thread_saves_by_itself_after_each_change(small: dict[str, Any], dataset_path: Path) -> None:
    dataset_path.write_text(json.dumps(small))
    saved: queue.Queue[Saved | None] = queue.Queue()
    saver: Saver
    manager = DatasetManager(MemoryStore(on_dirty=lambda: saver.notify()))
    saver = Saver(0.05, manager.store.unsaved_since, lambda: saved.put(manager.store.save()), manager.shutdown)
    manager.load(dataset_path)
    for annotation_id, left in ((1, [2, 7]), (7, [2])):
        manager.delete_annotation(annotation_id)
        done = saved.get(timeout=10)
        assert done is not None
        assert done.summary == "1 annotation(s) deleted"
        assert [record["id"] for record in json.loads(dataset_path.read_bytes())["annotations"]] == left


def test_saving_immediately_wakes_the_thread_that_waits() -> None:
    stopped = threading.Event()
    looks: queue.Queue[None] = queue.Queue()

    def clock() -> float:
        looks.put(None)  # the last thing that a look at the time to save does
        return 0.0

    saver = Saver(3600, lambda: None if stopped.is_set() else 0.0, lambda: None, stopped.set, clock)
    saver.notify()
    looks.get(timeout=10)
    with suppress(queue.Empty):
        while True:  # until it looks no more, and so waits for its hour
            looks.get(timeout=0.1)
    saver.save_immediately()
    assert stopped.wait(timeout=10)


def test_one_thread_does_it_however_often_it_is_notified() -> None:
    before = set(threading.enumerate())
    saver = Saver(3600, lambda: None, lambda: None, lambda: None)
    assert set(threading.enumerate()) == before
    for _ in range(3):
        saver.notify()
    started = set(threading.enumerate()) - before
    assert [thread.daemon for thread in started] == [True]
    saver.end()
    for thread in started:
        thread.join(timeout=10)
    assert not any(thread.is_alive() for thread in started)


def test_thread_lives_on_after_an_unforeseen_exception() -> None:
    saved = threading.Event()
    started = time.monotonic()
    fail = failing(2, ZeroDivisionError("nobody thought of this"))

    def save() -> None:
        fail()
        saved.set()

    saver = Saver(0.02, lambda: None if saved.is_set() else started, save, lambda: None)
    saver.notify()
    assert saved.wait(timeout=10)


def test_change_right_after_the_thread_looked_wakes_it_again() -> None:
    """The change comes between the look that finds nothing and the wait: a wake-up lost there is lost for ever."""
    saves: queue.Queue[None] = queue.Queue()
    since: list[float] = [time.monotonic()]
    change_after_look = iter([True])

    saver: Saver

    def unsaved_since() -> float | None:
        if since:
            return since[0]
        if next(change_after_look, False):
            since.append(time.monotonic())
            saver.notify()
        return None

    def save() -> None:
        since.clear()
        saves.put(None)

    saver = Saver(0.02, unsaved_since, save, lambda: None)
    saver.notify()
    saves.get(timeout=10)
    saves.get(timeout=10)
