"""How many streams may be open: in all, and for one user. Who counts as a user is decided elsewhere."""

from __future__ import annotations

import threading
from collections import Counter

from cocoannot.errors import TooMany

MOST_OF_ONE = 20
"""How many streams one user may have open."""

_COME_AGAIN = 10.0
"""Seconds after which to try again."""


class Places:
    """Places for streams, `most` in all. Safe from any thread."""

    def __init__(self, most: int, most_of_one: int = MOST_OF_ONE) -> None:
        self._most = most
        self._most_of_one = most_of_one
        self._lock = threading.Lock()
        self._taken: Counter[str] = Counter()
        self.count = 0
        """How many are taken."""

    def take(self, who: str) -> None:
        """Take a place. Raises `TooMany`."""
        with self._lock:
            if self.count >= self._most:
                raise TooMany(
                    f"{self.count} event streams are open, which is the limit (COCOANNOT_EVENT_STREAMS); come again "
                    "later, or ask for changes by GET /api/changes?since=REVISION",
                    _COME_AGAIN,
                )
            if self._taken[who] >= self._most_of_one:
                raise TooMany(
                    f"you have {self._most_of_one} event streams open, which is the limit for one user or address; "
                    "close one, or share one among all tabs",
                    _COME_AGAIN,
                )
            self._taken[who] += 1
            self.count += 1

    def leave(self, who: str) -> None:
        """Give a place back."""
        with self._lock:
            self.count -= 1
            self._taken[who] -= 1
            if not self._taken[who]:
                del self._taken[who]
