"""When to write the history, behind the journal. What that means is the history's business.

level --a change--> writing --> pausing --> writing again where changes came meanwhile, or more is due, else level
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

log = logging.getLogger(__name__)

PAUSE = 0.5
"""Seconds between two rounds."""

_AFTER_FAILURE = 30.0


class HistoryWriter:
    """Calls `write` soon after each change, at most every `PAUSE` seconds, in a daemon thread of its own.

    `write` returns in how many seconds it wants to be called again, `None` for "after the next change". The thread is
    started by the first `notify`, so that it lives in the process that serves; `end` ends it. `wait(seconds)` pauses.
    """

    def __init__(self, write: Callable[[], float | None], wait: Callable[[float], object] | None = None) -> None:
        self._write = write
        self._wait = wait or threading.Event().wait
        self._changed = threading.Event()
        self._ended = False
        # Guards the starting of the thread.
        self._starting = threading.Lock()
        self._thread: threading.Thread | None = None

    def notify(self) -> None:
        """There is something to write that was not there before."""
        if self._changed.is_set():
            return
        if self._thread is None or not self._thread.is_alive():
            with self._starting:
                if self._thread is None or not self._thread.is_alive():
                    self._thread = threading.Thread(target=self._run, name="history", daemon=True)
                    self._thread.start()
        self._changed.set()

    def end(self) -> None:
        """Write no more; a round that is under way is not waited for."""
        self._ended = True
        self._changed.set()

    def step(self) -> float | None:
        """Write now; returns the seconds to wait until the next round, `None` for "until notified"."""
        try:
            return self._write()
        except Exception:
            log.exception("Writing the history failed in an unforeseen way; it is tried again")
            return _AFTER_FAILURE

    def _run(self) -> None:
        pause: float | None = None
        while not self._ended:
            self._changed.wait(pause)
            # Before writing: a change made during it must bring another round.
            self._changed.clear()
            if not self._ended:
                pause = self.step()
                self._wait(PAUSE)
