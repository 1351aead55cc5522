"""The events of one lineage, on their way to streams. Where a stream begins, and what it is told first, is the feed's.

    changed (under the lock of changes) --> noted --promised--> events in the ring --> streams

Nobody follows: nothing is noted, and the ring's floor goes along.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator

from cocoannot.changes.change import Change
from cocoannot.events.hub import Hub
from cocoannot.events.ring import Ring
from cocoannot.events.texts import Event, change_event, heartbeat


class Line:
    """What happens in `lineage` after `revision`, and a hub that writes it. The other parameters are the hub's."""

    def __init__(self, lineage: str, revision: int, patience: float, each_second: Callable[[], object]) -> None:
        self.lineage = lineage
        self.ring = Ring()
        self.ring.clear(revision)
        self._noted: deque[Change] = deque()
        # Guards `promised`.
        self._promising = threading.Lock()
        self.promised = revision
        beat = lambda at: heartbeat(lineage, at)  # noqa: E731
        self.hub = Hub(self.ring, self._news, self._has_news, beat, patience, each_second)

    def changed(self, change: Change, *, is_followed: bool) -> None:
        """See `cocoannot.store.base.Follower`, here and below."""
        if is_followed:
            self._noted.append(change)
        else:
            self._noted.clear()
            self.ring.clear(change.revision)

    def promise(self, revision: int) -> None:
        """What was noted up to `revision` may be told."""
        with self._promising:
            self.promised = max(self.promised, revision)
        if self._noted:
            self.hub.wake()

    def _has_news(self) -> bool:
        return bool(self._noted) and self._noted[0].revision <= self.promised

    def _news(self) -> Iterator[Event]:
        while self._has_news():
            yield change_event(self.lineage, self._noted.popleft())
