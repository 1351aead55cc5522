"""Changes as those hear of them who follow the dataset in this process: its own, and those of other processes.

    own change   ----made, nothing is missing before it----> told
    look         ----head.revision is higher----> read from the tables, own changes too
                 ----another lineage----> told as a replacement of everything

Each change is told once, in the order of revisions. Whoever looks decides how often; who must not be late catches up.

A primary that is promoted may lack changes that the one before it showed and never acknowledged, and gives their
revisions again. So it begins a lineage: the dataset's own one, with the primary's timeline in it. Which changes are the
same could be found out for who follows here; but not for who was told of them by another process.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence

from cocoannot.changes.change import Change
from cocoannot.store.base import Follower
from cocoannot.store.postgres.moment import TABLES_AND_HEAD, Moment, Point, Reading
from cocoannot.store.postgres.past import whole_changes
from cocoannot.store.postgres.schema import check_tables

_AT_ONCE = 100
_EVERYTHING = ("images", "annotations", "categories")
_LONGEST = 32
"""Digits that the name of a lineage has at most."""
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
        self._timeline = 0
        self.lineage = ""
        """What the revisions that are told belong to."""

    @property
    def told(self) -> int:
        """The newest revision that followers have heard of."""
        return self._told

    def newest(self) -> int:
        """The newest revision. Raises `LOST`, `OtherTables`."""
        return self._look()[0].revision

    def start(self, moment: Moment) -> None:
        """Everything up to here is known."""
        self._timeline, self._told = moment.point
        self._saved = moment.head.file_revision
        self.lineage = _lineage_of(moment.head.lineage, self._timeline)

    def made(self, changes: Sequence[Change], timeline: int, *, saved: bool = False) -> None:
        """This process made `changes` at the primary of `timeline`, one after the other.

        `saved` tells that the file has them already.
        """
        with self._telling:
            if timeline != self._timeline or changes[0].revision > self._told + 1:
                # Others made some in between. The next look reads all of them at once: each time by itself would take
                # as long as to make one.
                return
            for change in changes:
                self._tell(change)
            self._follower.promised(self._told)
            if saved and self._told > self._saved:
                self._saved = self._told
                self._follower.saved(self._told)

    def saved(self, point: Point) -> None:
        """The file is at `point`."""
        with self._telling:
            if point.timeline == self._timeline and point.revision > self._saved:
                self._saved = point.revision
                self._follower.promised(point.revision)
                self._follower.saved(point.revision)

    def look(self, *, settled: bool = False) -> bool:
        """Tell of what other processes did; returns whether the file lacks changes. Raises `LOST`, `OtherTables`."""
        there, file_revision = self._look(settled=settled)
        with self._telling:
            if there > self._point:
                self._read_up_to(there)
                self._follower.promised(self._told)
            self.saved(there._replace(revision=file_revision))
        return bool(there.revision > file_revision)

    def catch_up(self, *, settled: bool = False) -> None:
        """Tell of every change that is committed by now; with `settled`, wait for those that have the head's lock.

        Raises `Unavailable`.
        """
        self._reading.database.insist(lambda: self.look(settled=settled), changes=settled)

    @property
    def _point(self) -> Point:
        return Point(self._timeline, self._told)

    def _look(self, *, settled: bool = False) -> tuple[Point, int]:
        """How far the primary is, and the file."""
        seen = self._reading.newest
        values = {"d": self._reading.dataset_id}
        with self._reading.database.connection() as connection:
            # Whoever changes the dataset has this row's lock until it is committed.
            row = connection.execute(_NEWEST + (b" FOR SHARE OF h" if settled else b""), values).fetchone()
            if row is None:
                # A dataset that was removed has no news.
                self._reading.gone(connection)
                return self._point, self._saved
            version, revision, file_revision = row
            check_tables(version)
            self._reading.saw(connection, revision, seen)
            return Point(connection.timeline or self._timeline, revision), file_revision

    def _read_up_to(self, there: Point) -> None:
        while self._point < there:
            with self._reading.moment() as moment:
                timeline = moment.connection.timeline or there.timeline
                lineage = _lineage_of(moment.head.lineage, timeline)
                if lineage != self.lineage:
                    self._timeline, self.lineage = timeline, lineage
                    self._begin(moment.head.revision, moment.head.file_revision)
                    continue
                changes = whole_changes(moment, self._told, min(there.revision, self._told + _AT_ONCE))
            if not changes or changes[0].revision != self._told + 1:
                # Not kept any more: who follows has to read everything again, as after a replacement.
                changes = [Change(there.revision, 0.0, None, None, replaced=_EVERYTHING)]
            for change in changes:
                self._tell(change)

    def _begin(self, revision: int, file_revision: int) -> None:
        """What was told may not be so any more."""
        self._told, self._saved = revision, file_revision
        self._follower.changed(Change(revision, 0.0, None, None, replaced=_EVERYTHING))
        self._follower.saved(file_revision)

    def _tell(self, change: Change) -> None:
        if change.revision > self._told:
            self._follower.changed(change)
            self._told = change.revision


def _lineage_of(lineage: str, timeline: int) -> str:
    """The lineage of revisions at the primary of a timeline."""
    return f"{lineage[: _LONGEST - 8]}{timeline:08x}" if timeline else lineage
