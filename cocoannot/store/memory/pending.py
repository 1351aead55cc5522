"""What is not in the file yet: counts, and since when. Guarded by the state's lock.

level --change--> pending --take--> saving --done--> level
                     ^                 |
                     +-----put back----+        changes made meanwhile are pending by themselves
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from cocoannot.changes.change import Edit
from cocoannot.changes.tracker import ChangeTracker


class Moment(msgspec.Struct, frozen=True, gc=False):
    """A point in time by both clocks, in seconds: `time.time()` for people, `time.monotonic()` for waiting."""

    wall: float
    monotonic: float


class Pending:
    """Changes since the last save, those that a running save is writing included."""

    def __init__(self) -> None:
        self._tracker = ChangeTracker()
        self._since: Moment | None = None
        self._taken: tuple[ChangeTracker, Moment | None] | None = None

    @property
    def tracker(self) -> ChangeTracker:
        """All changes that are not in the file yet, as a copy."""
        return self._tracker.merge(self._taken[0]) if self._taken else self._tracker.merge(ChangeTracker())

    @property
    def since(self) -> Moment | None:
        """When the oldest change was made that is not in the file yet."""
        return (self._taken[1] if self._taken else None) or self._since

    def add(self, edits: Sequence[Edit], now: Moment) -> bool:
        """Count a change; returns whether it is the first one that the next save is due for."""
        self._tracker.count_edits(edits)
        return self._begin(now)

    def add_counted(self, tracker: ChangeTracker, now: Moment) -> bool:
        """The same for a change that was counted before."""
        self._tracker = self._tracker.merge(tracker)
        return self._begin(now)

    def _begin(self, now: Moment) -> bool:
        first = self._since is None
        self._since = self._since or now
        return first

    def take(self) -> ChangeTracker:
        """Move everything into the save that begins; returns what it will write."""
        self._taken = (self._tracker, self._since)
        self._tracker, self._since = ChangeTracker(), None
        return self._taken[0]

    def done(self) -> None:
        """The save worked."""
        self._taken = None

    def put_back(self) -> None:
        """The save failed: its changes are pending again, and as old as they were."""
        assert self._taken is not None
        tracker, since = self._taken
        self._tracker, self._since, self._taken = tracker.merge(self._tracker), since or self._since, None
