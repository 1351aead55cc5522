"""When to look for what other processes did. What is looked at is not known here."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

log = logging.getLogger(__name__)

INTERVAL = 0.25
"""Seconds between two looks: that late are events of other processes at most."""

_LONGEST = 2.0


class Looker:
    """Calls `look` every `interval` seconds, in a daemon thread of its own, from `start` to `end`; where it fails, in
    pauses that grow. The first failure in a row is logged, and that it has ended."""

    def __init__(self, look: Callable[[], object], interval: float = INTERVAL) -> None:
        self._look = look
        self._interval = interval
        self._pause = interval
        self._failed = False
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin, if that was not done yet."""
        if self._thread is not None:
            return
        self._thread = threading.Thread(target=self._run, name="looker", daemon=True)
        self._thread.start()

    def end(self) -> None:
        """Look no more; a look that is under way is waited for, but not for long."""
        self._ended.set()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join(_LONGEST)

    def step(self) -> float:
        """Look once; returns the seconds to wait until the next look."""
        try:
            self._look()
        except Exception as exc:
            if not self._failed:
                log.warning("Can't look for what other processes do: %s", exc)
            self._failed = True
            self._pause = min(2 * self._pause, _LONGEST)
        else:
            if self._failed:
                log.warning("What other processes do is seen again")
            self._failed, self._pause = False, self._interval
        return self._pause

    def _run(self) -> None:
        while not self._ended.wait(self.step()):
            pass
