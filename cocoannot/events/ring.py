"""The latest events, as many as fit: the one buffer of all streams, each of which has a place in it.

floor < every event that is here <= newest
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Sequence

from cocoannot.events.texts import Event

MOST_EVENTS = 10_000
MOST_BYTES = 16 << 20
"""How many events are kept, and how many bytes of them."""

_IMAGE_BYTES = 64
"""About what an image's id takes in a set."""


class Ring:
    """Events in the order of their revisions, all of those after `floor`. Safe from any thread."""

    def __init__(self, most_events: int = MOST_EVENTS, most_bytes: int = MOST_BYTES) -> None:
        self._most_events = most_events
        self._most_bytes = most_bytes
        # Guards all below.
        self._lock = threading.Lock()
        self._events: deque[Event] = deque()
        self._bytes = 0
        self._floor = 0

    @property
    def floor(self) -> int:
        """The revision after which nothing is missing."""
        return self._floor

    @property
    def newest(self) -> int:
        """The revision of the last event, `floor` where there is none."""
        with self._lock:
            return self._events[-1].revision if self._events else self._floor

    def clear(self, revision: int) -> None:
        """Forget everything: nobody wants what is up to `revision`."""
        with self._lock:
            if self._events:
                self._events.clear()
                self._bytes = 0
            self._floor = revision

    def add(self, event: Event) -> None:
        """Add the next event; the oldest go where there is no room."""
        with self._lock:
            if event.revision <= self._floor:
                return
            self._events.append(event)
            self._bytes += _size(event)
            while self._events and not self._fits(len(self._events), self._bytes):
                gone = self._events.popleft()
                self._bytes -= _size(gone)
                self._floor = gone.revision

    def put_before(self, events: Sequence[Event], floor: int, after: int) -> bool:
        """Put `events`, all between the revision `after` and the floor, before the others; returns whether they fit.

        Not where `floor` is not the floor any more.
        """
        with self._lock:
            size = sum(map(_size, events))
            if floor != self._floor or not self._fits(len(self._events) + len(events), self._bytes + size):
                return False
            self._events.extendleft(reversed(events))
            self._bytes += size
            self._floor = after
            return True

    def since(self, revision: int) -> list[Event] | None:
        """Every event after `revision`, oldest first; `None` where some of them are not here any more."""
        with self._lock:
            if revision < self._floor:
                return None
            found: list[Event] = []
            for event in reversed(self._events):
                if event.revision <= revision:
                    break
                found.append(event)
        found.reverse()
        return found

    def _fits(self, events: int, size: int) -> bool:
        return events <= self._most_events and size <= self._most_bytes


def _size(event: Event) -> int:
    return len(event.text) + _IMAGE_BYTES * len(event.images or ())
