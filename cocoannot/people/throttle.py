"""Failed logins slow down: after some failures each further attempt has to wait twice as long. In memory only."""

from __future__ import annotations

import math
import threading
from typing import NamedTuple

from cocoannot.clock import Clock
from cocoannot.errors import TooManyLogins

FREE = 5
"""Failures before the first wait, which is of one second."""
LONGEST = 900.0
"""Seconds of the longest wait."""

_FORGET_AFTER = 3600.0
_CAPACITY = 10_000


class _Failures(NamedTuple):
    number: int
    last: float
    last_but_one: float

    def wait(self, now: float) -> float:
        """Seconds until the next attempt may be made."""
        if self.number < FREE:
            return 0.0
        return self.last + min(LONGEST, 2.0 ** min(self.number - FREE, 30)) - now


class Throttle:
    """Failures by a key: a name, or an address. An attempt counts as a failure until it is known to be none.

    So attempts that are made at the same time are not free. An attempt that has to wait does not count. Failures are
    forgotten after an hour without one; of very many keys the oldest.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        # By key, the one of the latest attempt last; the lock guards it.
        self._failures: dict[str, _Failures] = {}
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._failures)

    def begin(self, key: str) -> None:
        """Count an attempt. Raises `TooManyLogins` where it comes too early."""
        now = self._clock.monotonic()
        with self._lock:
            failures = self._failures.get(key)
            if failures is None or now - failures.last > _FORGET_AFTER:
                failures = _Failures(0, now, now)
            if (wait := failures.wait(now)) > 0:
                seconds = math.ceil(wait)
                raise TooManyLogins(f"there were too many failed logins; try again in {seconds} s", seconds)
            self._failures.pop(key, None)
            self._failures[key] = _Failures(failures.number + 1, now, failures.last)
            if len(self._failures) > _CAPACITY:
                del self._failures[next(iter(self._failures))]

    def forgive(self, key: str) -> None:
        """The attempt was no failure; those before it still count."""
        with self._lock:
            failures = self._failures.pop(key, None)
            if failures is not None and failures.number > 1:
                self._failures[key] = failures._replace(number=failures.number - 1, last=failures.last_but_one)

    def forget(self, key: str) -> None:
        """Let all failures of `key` be forgotten."""
        with self._lock:
            self._failures.pop(key, None)
