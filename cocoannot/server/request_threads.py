"""The threads that answer requests: one, for as long as it gets on with them, and more where a request takes long.

    submit --> requests that wait --> a thread that answers one after another
    watch      where none of them was begun for 5 ms: one thread more for each, up to as many as are allowed

Threads that are ready at the same time take the interpreter from each other with every system call, and each time one
of them has to be woken on another core. That costs more than the requests themselves; bench/NOTES.md has figures.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent import futures
from functools import partial
from queue import Empty, SimpleQueue
from typing import Any

_LONG = 0.005
"""Seconds after which a request takes long."""


class RequestThreads(futures.Executor):
    """Runs what is submitted in at most `most` threads, first come, first served.

    A thread waits `lingers` seconds for the next request before it is given back.
    """

    def __init__(self, most: int, *, lingers: float = 1.0) -> None:
        self._most = most
        self._lingers = lingers
        self._threads = futures.ThreadPoolExecutor(most)
        self._waiting: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        # Guards how many threads there are that take what waits.
        self._lock = threading.Lock()
        self._answering = 0
        self._newest: object = None
        """What was begun last."""
        self._is_in_use = threading.Event()
        self._is_over = False
        threading.Thread(target=self._watch, name="request-threads", daemon=True).start()

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> futures.Future[Any]:
        """Run `fn` with these arguments soon; the future has what it returns or raises."""
        future: futures.Future[Any] = futures.Future()
        with self._lock:
            self._waiting.put(partial(_run, future, partial(fn, *args, **kwargs)))
            if not self._answering:
                self._add_thread()
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Let the threads end once they have done what was submitted; nothing may be submitted any more."""
        with self._lock:
            self._is_over = True
            for _ in range(self._answering):
                self._waiting.put(None)
        self._is_in_use.set()
        self._threads.shutdown(wait, cancel_futures=cancel_futures)

    def _add_thread(self) -> None:
        self._answering += 1
        self._threads.submit(self._answer)
        self._is_in_use.set()

    def _answer(self) -> None:
        """Take one after another, for as long as this thread is needed."""
        while (task := self._next()) is not None:
            self._newest = task
            begun = time.monotonic()
            task()
            if self._newest is not task and time.monotonic() < begun + _LONG:
                # It did not take long, and another thread has begun something meanwhile: one of the two is enough.
                with self._lock:
                    if self._answering > 1:
                        self._answering -= 1
                        return

    def _next(self) -> Callable[[], None] | None:
        while True:
            try:
                return self._waiting.get(timeout=self._lingers)
            except Empty:
                with self._lock:
                    if self._waiting.empty():
                        self._answering -= 1
                        return None

    def _watch(self) -> None:
        while self._is_in_use.wait():
            before = self._newest
            time.sleep(_LONG)
            with self._lock:
                if self._is_over:
                    return
                if not self._answering:
                    self._is_in_use.clear()
                elif self._newest is before:
                    # One for each: where something else takes the interpreter, such as a save, all of them take long.
                    for _ in range(min(self._waiting.qsize(), self._most - self._answering)):
                        self._add_thread()


def _run(future: futures.Future[Any], task: Callable[[], Any]) -> None:
    if not future.set_running_or_notify_cancel():
        return
    try:
        future.set_result(task())
    except BaseException as exc:
        future.set_exception(exc)
