"""Changes as those hear of them who follow the dataset in this process: its own, and those of other processes.

    own change   ----made----> in order, what is missing before it read from the tables first
    look         ----head.revision is higher----> read from the tables

Each change is told once, in the order of revisions. Whoever looks decides how often; who must not be late catches up.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence

from cocoannot.changes.change import Change
from cocoannot.store.base import Follower
from cocoannot.store.postgres.database import LOST
from cocoannot.store.postgres.moment import Reading
from cocoannot.store.postgres.past import whole_changes

_AT_ONCE = 100


class Following:
    """Tells `follower` of changes. Any thread may call anything."""

    def __init__(self, reading: Reading, follower: Follower) -> None:
        self._reading = reading
        self._follower = follower
        # Guards what was told, and keeps it in order.
        self._telling = threading.RLock()
        self._told = 0
        self._saved = 0

    @property
    def told(self) -> int:
        """The newest revision that followers have heard of."""
        return self._told

    def newest(self) -> int:
        """The newest revision. Raises `LOST`."""
        return self._look()[0]

    def start(self, revision: int, file_revision: int) -> None:
        """Everything up to here is known."""
        self._told, self._saved = revision, file_revision

    def made(self, changes: Sequence[Change], *, saved: bool = False) -> None:
        """This process made `changes`, one after the other; `saved` tells that the file has them already."""
        with self._telling:
            try:
                self._read_up_to(changes[0].revision - 1)
            except LOST:
                # They are made all the same: the next look tells of them.
                return
            for change in changes:
                self._tell(change)
            self._follower.promised(self._told)
            if saved and self._told > self._saved:
                self._saved = self._told
                self._follower.saved(self._told)

    def saved(self, revision: int) -> None:
        """The file is at `revision`."""
        with self._telling:
            if revision > self._saved:
                self._saved = revision
                self._follower.promised(revision)
                self._follower.saved(revision)

    def look(self, *, settled: bool = False) -> bool:
        """Tell of what other processes did; returns whether the file lacks changes. Raises `LOST`."""
        revision, file_revision = self._look(settled=settled)
        with self._telling:
            if revision > self._told:
                self._read_up_to(revision)
                self._follower.promised(self._told)
            if file_revision > self._saved:
                self.saved(file_revision)
        return bool(revision > file_revision)

    def catch_up(self, *, settled: bool = False) -> None:
        """Tell of every change that is committed by now; with `settled`, wait for those that have the head's lock.

        Raises `Unavailable`.
        """
        self._reading.database.insist(lambda: self.look(settled=settled), changes=settled)

    def _look(self, *, settled: bool = False) -> tuple[int, int]:
        seen = self._reading.newest
        # Whoever changes the dataset has this row's lock until it is committed.
        lock = " FOR SHARE" if settled else ""
        with self._reading.database.connection() as connection:
            row = connection.execute(
                f"SELECT revision, file_revision FROM head WHERE dataset_id = %s{lock}".encode(),
                (self._reading.dataset_id,),
            ).fetchone()
            if row is not None:
                self._reading.saw(connection, row[0], seen)
        # A dataset that was removed has no news.
        return (self._told, self._saved) if row is None else (row[0], row[1])

    def _read_up_to(self, revision: int) -> None:
        while self._told < revision:
            with self._reading.moment() as moment:
                changes = whole_changes(moment, self._told, min(revision, self._told + _AT_ONCE))
            if not changes:
                # Not kept any more: who follows has to read everything again, as after a replacement.
                changes = [Change(revision, 0.0, None, None, replaced=("images", "annotations", "categories"))]
            for change in changes:
                self._tell(change)

    def _tell(self, change: Change) -> None:
        if change.revision > self._told:
            self._follower.changed(change)
            self._told = change.revision
