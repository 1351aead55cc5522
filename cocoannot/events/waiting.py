"""Waiting for the next change, in the thread of a request: a long poll. What a change is, is not known here."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

_SLICE = 0.5
"""Seconds after which somebody who waits looks whether the server is ending."""


class Waiting:
    """Lets at most `most` threads wait at a time; others don't wait at all."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._changed = threading.Condition()
        self._waiting = 0

    def until(self, arrived: Callable[[], bool], seconds: float, ending: Callable[[], bool]) -> None:
        """Wait until `arrived()`, for `seconds` at most, and not where the server is ending."""
        end = time.monotonic() + seconds
        with self._changed:
            if self._waiting >= self._most:
                return
            # Before looking: who notifies looks at this after there is something.
            self._waiting += 1
            try:
                while not arrived() and not ending() and (left := end - time.monotonic()) > 0:
                    self._changed.wait(min(left, _SLICE))
            finally:
                self._waiting -= 1

    def notify(self) -> None:
        """Something may have arrived."""
        if self._waiting:
            with self._changed:
                self._changed.notify_all()
