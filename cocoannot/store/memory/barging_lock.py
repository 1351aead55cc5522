"""A lock for what lets go of the interpreter while it is held, such as a write to disk."""

from __future__ import annotations

import threading


class BargingLock:
    """A lock that no thread owns while it waits for the interpreter; not reentrant.

    One of `threading` is given to a thread that waits for it, which then waits for the interpreter, and everybody who
    gets that in between comes to a lock that is taken. This one is anybody's who runs when it is let go. A thread that
    was woken and finds it taken again waits as for any lock, so that everybody gets a turn.
    """

    def __init__(self) -> None:
        self._taken = threading.Lock()
        self._released = threading.Condition()
        self._waiting = 0

    def __enter__(self) -> None:
        if not self._taken.acquire(blocking=False):
            self._wait()

    def __exit__(self, *_: object) -> None:
        self._taken.release()
        # Whoever begins to wait after this line was there finds the lock free, or another one who comes here.
        if self._waiting:
            with self._released:
                self._released.notify()

    def _wait(self) -> None:
        with self._released:
            self._waiting += 1
            try:
                if self._taken.acquire(blocking=False):
                    return
                self._released.wait()
            finally:
                self._waiting -= 1
        self._taken.acquire()
