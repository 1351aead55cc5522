"""Changes as those hear of them who follow the dataset in this process: its own, and those of other processes.

    own change   ----made, nothing is missing before it----> told
    look         ----head.revision is higher----> read from the tables, own changes too

Each change is told once, in the order of revisions. Whoever looks decides how often; who must not be late catches up.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence

from cocoannot.changes.change import Change
from cocoannot.store.base import Follower
from cocoannot.store.postgres.moment import TABLES_AND_HEAD, Reading
from cocoannot.store.postgres.past import whole_changes
from cocoannot.store.postgres.schema import check_tables

_AT_ONCE = 100
_NEWEST = f"SELECT version_num, revision, file_revision FROM {TABLES_AND_HEAD} WHERE dataset_id = %(d)s".encode()


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
        """The newest revision. Raises `LOST`, `OtherTables`."""
        return self._look()[0]

    def start(self, revision: int, file_revision: int) -> None:
        """Everything up to here is known."""
        self._told, self._saved = revision, file_revision

    def made(self, changes: Sequence[Change], *, saved: bool = False) -> None:
        """This process made `changes`, one after the other; `saved` tells that the file has them already."""
        with self._telling:
            if changes[0].revision > self._told + 1:
                # Others made some in between. The next look reads all of them at once: each time by itself would take
                # as long as to make one.
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
        """Tell of what other processes did; returns whether the file lacks changes. Raises `LOST`, `OtherTables`."""
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
        values = {"d": self._reading.dataset_id}
        with self._reading.database.connection() as connection:
            # Whoever changes the dataset has this row's lock until it is committed.
            row = connection.execute(_NEWEST + (b" FOR SHARE OF h" if settled else b""), values).fetchone()
            if row is None:
                # A dataset that was removed has no news.
                self._reading.gone(connection)
                return self._told, self._saved
            version, revision, file_revision = row
            check_tables(version)
            self._reading.saw(connection, revision, seen)
            return revision, file_revision

    def _read_up_to(self, revision: int) -> None:
        while self._told < revision:
            with self._reading.moment() as moment:
                changes = whole_changes(moment, self._told, min(revision, self._told + _AT_ONCE))
            if not changes or changes[0].revision != self._told + 1:
                # Not kept any more: who follows has to read everything again, as after a replacement.
                changes = [Change(revision, 0.0, None, None, replaced=("images", "annotations", "categories"))]
            for change in changes:
                self._tell(change)

    def _tell(self, change: Change) -> None:
        if change.revision > self._told:
            self._follower.changed(change)
            self._told = change.revision
