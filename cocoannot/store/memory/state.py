"""What is in memory at a moment: tables, revision, what is pending, the latest changes. One lock guards all of it."""

from __future__ import annotations

import threading
from collections.abc import Sequence

from cocoannot.changes.change import Change
from cocoannot.changes.tracker import ChangeTracker
from cocoannot.coco.parser import SectionName
from cocoannot.errors import NotLoaded
from cocoannot.store.memory.pending import Moment, Pending
from cocoannot.store.memory.recent_changes import RecentChanges
from cocoannot.store.memory.spreading import spread
from cocoannot.store.memory.steps import MANY
from cocoannot.store.memory.tables import Tables


class State:
    """The dataset in memory. `lock` is held for memory's work only, for moments, never for the disk's."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.revision = 0
        self.file_revision = 0
        self.lineage = ""
        self.pending = Pending()
        self.recent = RecentChanges(0)
        self.warnings: list[str] = []
        self.loaded_at = 0.0
        self._tables: Tables | None = None

    @property
    def is_loaded(self) -> bool:
        return self._tables is not None

    @property
    def tables(self) -> Tables:
        """Raises `NotLoaded`."""
        if self._tables is None:
            raise NotLoaded("the dataset is not loaded yet; try again in a moment")
        return self._tables

    def load(self, tables: Tables, file_revision: int, changes: Sequence[Change], revision: int, now: Moment) -> None:
        """Take `tables`, which have `changes` on top of the file's `file_revision`, as the dataset."""
        recent, pending = RecentChanges(file_revision), Pending()
        for change in changes:
            recent.add(change)
            pending.add(change.edits, now)
        with self.lock:
            self._tables, self.pending, self.recent = tables, pending, recent
            self.revision, self.file_revision = revision, file_revision
            self.warnings, self.loaded_at = tables.warnings(), now.wall

    def apply(self, change: Change, now: Moment) -> bool:
        """Make a change that was written down; returns whether it is the first one that the next save is due for."""
        if len(change.edits) >= MANY:
            return self._apply_many(change, now)
        with self.lock:
            tables = self.tables
            tables.apply(change.edits)
            tables.set_values(change.values)
            self.revision = change.revision
            self.recent.add(change)
            return self.pending.add(change.edits, now)

    def _apply_many(self, change: Change, now: Moment) -> bool:
        """The same, with all that takes long done before the lock is taken."""
        tables, counted = self.tables, ChangeTracker()
        prepared = tables.prepare(change.edits)
        counted.count_edits(change.edits)
        with self.lock:
            if self._tables is not tables:
                # A save has read them anew.
                tables = self.tables
                prepared = tables.prepare(change.edits)
            tables.apply_prepared(prepared)
            tables.set_values(change.values)
            self.revision = change.revision
            self.recent.add(change)
            return self.pending.add_counted(counted, now)

    def replace(self, tables: Tables, change: Change) -> None:
        """Take other tables, which are in the file already, as what a bulk replacement made of the dataset."""
        with self.lock:
            self.pending.take()
            self.pending.done()
            self._tables, self.warnings = tables, tables.warnings()
            self.revision = self.file_revision = change.revision
            self.recent.add(change)

    def spread(self, section: SectionName) -> None:
        """Number the positions of `section` anew, with room between all of them."""
        with self.lock:
            changes = spread(self.tables, section, self.recent.all())
            recent = RecentChanges(self.recent.start)
            for change in changes:
                recent.add(change)
            self.recent = recent

    def swap(self, tables: Tables, revision: int) -> None:
        """Take other tables with the same records, unless something was changed after `revision`."""
        with self.lock:
            if self.revision == revision:
                tables.go_on_from(self.tables)
                self._tables = tables
