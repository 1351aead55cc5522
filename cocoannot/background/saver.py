"""When to save. What saving means is the store's business.

level --first change--> waiting --interval since that change--> saving --> level, or waiting again
                           ^                                      |
                           +---- failed: a pause that grows ------+
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

from cocoannot.errors import SaveError

log = logging.getLogger(__name__)

_FIRST_PAUSE = 1.0


class Saver:
    """Calls `save` `interval` seconds after the oldest unsaved change, in a daemon thread of its own.

    `unsaved_since` tells when that change was made, on `clock`, and `None` where there is none. The thread is
    started by the first `notify`, so that it lives in the process that serves; `end` ends it. `stop` replaces
    `save` once `save_immediately` was called. Where `urgent` is true, the interval is not waited for.
    """

    def __init__(
        self,
        interval: float,
        unsaved_since: Callable[[], float | None],
        save: Callable[[], object],
        stop: Callable[[], object],
        clock: Callable[[], float] = time.monotonic,
        urgent: Callable[[], bool] = lambda: False,
    ) -> None:
        self._interval = interval
        self._unsaved_since = unsaved_since
        self._save = save
        self._stop = stop
        self._clock = clock
        self._urgent = urgent
        self._dirty = threading.Event()
        self._immediate = False
        self._ended = False
        self._failures = 0
        self._retry_at = 0.0
        # Guards the starting of the thread.
        self._starting = threading.Lock()
        self._thread: threading.Thread | None = None

    def notify(self) -> None:
        """There is something to save that was not there before."""
        log.debug("Auto-save timer scheduled (%gs)", self._interval)
        with self._starting:
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._run, name="saver", daemon=True)
                self._thread.start()
        self._dirty.set()

    def save_immediately(self) -> None:
        """Save at once from now on: the process is about to end, and requests may still be draining.

        For signal handlers: it takes only the event's lock, which the main thread of a server never holds; and but
        once, since a second signal may come while the first one is at it.
        """
        if not self._immediate:
            self._immediate = True
            self._dirty.set()

    def end(self) -> None:
        """Save no more; a save that is under way is not waited for."""
        self._ended = True
        self._dirty.set()

    def next_save_in(self) -> float | None:
        """Seconds until the next save, 0 where it is due, `None` where there is nothing to save."""
        since = self._unsaved_since()
        if since is None:
            return None
        due = since if self._immediate or self._urgent() else since + self._interval
        if self._failures:
            due = max(due, self._retry_at)
        return max(0.0, due - self._clock())

    def step(self) -> float | None:
        """Save if it is time to; returns the seconds to wait until the next look, `None` for "until notified"."""
        pause = self.next_save_in()
        if pause != 0:
            return pause
        try:
            (self._stop if self._immediate else self._save)()
        except SaveError:
            self._back_off()
        except Exception:
            log.exception("Saving failed in an unforeseen way; it is tried again")
            self._back_off()
        else:
            self._failures = 0
            if self._immediate and self._unsaved_since() is not None:
                self._back_off()
        return self.next_save_in()

    def _back_off(self) -> None:
        self._retry_at = self._clock() + min(self._interval, _FIRST_PAUSE * 2.0 ** min(self._failures, 16))
        self._failures += 1

    def _run(self) -> None:
        pause: float | None = 0.0
        while not self._ended:
            pause = self.step()
            self._dirty.wait(pause)
            # Before looking: a change made after the look must wake the next wait.
            self._dirty.clear()
