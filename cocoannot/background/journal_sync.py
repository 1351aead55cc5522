"""When to make the journal durable, where changes don't wait for that. What it means is the store's business.

level --a change--> syncing --> pausing --> syncing again where changes came meanwhile, else level
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from cocoannot.errors import CocoannotError

log = logging.getLogger(__name__)

PAUSE = 0.5
"""Seconds between two rounds: with the time of a slow fsync, a change is durable within a second."""


class JournalSync:
    """Calls `sync` soon after each change, at most every `PAUSE` seconds, in a daemon thread of its own.

    The thread is started by the first `notify`, so that it lives in the process that serves; `end` ends it.
    `wait(seconds)` pauses.
    """

    def __init__(self, sync: Callable[[], object], wait: Callable[[float], object] | None = None) -> None:
        self._sync = sync
        self._wait = wait or threading.Event().wait
        self._changed = threading.Event()
        self._ended = False
        # Guards the starting of the thread.
        self._starting = threading.Lock()
        self._thread: threading.Thread | None = None

    def notify(self) -> None:
        """There is something to make durable that was not there before."""
        if self._changed.is_set():
            return
        if self._thread is None or not self._thread.is_alive():
            with self._starting:
                if self._thread is None or not self._thread.is_alive():
                    self._thread = threading.Thread(target=self._run, name="journal-sync", daemon=True)
                    self._thread.start()
        self._changed.set()

    def end(self) -> None:
        """Sync no more; a round that is under way is not waited for."""
        self._ended = True
        self._changed.set()

    def step(self) -> None:
        """Sync now; a failure is shown elsewhere, and must not end the thread."""
        try:
            self._sync()
        except CocoannotError:
            pass
        except Exception:
            log.exception("Making the journal durable failed in an unforeseen way; it is tried again")
            self._changed.set()

    def _run(self) -> None:
        self._changed.wait()
        while not self._ended:
            # Before syncing: a change made during it must bring another round.
            self._changed.clear()
            self.step()
            self._wait(PAUSE)
            self._changed.wait()
