"""The store of one process: everything is in memory, written to a journal first, and saved to a file behind.

    change --> journal --> memory, revision + 1 --> first unsaved one? --> on_dirty()

It knows no HTTP and starts no thread. What it is made of: `State` (memory, and its lock), `Transaction` (checks),
`queries` (lists), `FileSaver` (the file).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Sequence
from pathlib import Path

from cocoannot.changes.change import Change
from cocoannot.changes.operations import Operation
from cocoannot.clock import Clock
from cocoannot.coco.parser import SectionName
from cocoannot.coco.records import Record
from cocoannot.coco.serializer import split
from cocoannot.errors import VersionMismatch
from cocoannot.files.conflicts import LoadedFile
from cocoannot.files.dataset_file import DatasetFile
from cocoannot.history.kept import KeptHistory
from cocoannot.store import base
from cocoannot.store.answers import answer
from cocoannot.store.base import Committed, Export, Found, Head, Neighbours, Page, Status, Texts, Version, Walk
from cocoannot.store.memory import queries
from cocoannot.store.memory.answered import answered, keep
from cocoannot.store.memory.barging_lock import BargingLock
from cocoannot.store.memory.last_authors import LastAuthors
from cocoannot.store.memory.past import Past
from cocoannot.store.memory.saving import FileSaver
from cocoannot.store.memory.snapshot import FrozenSource, MemorySnapshot
from cocoannot.store.memory.state import State
from cocoannot.store.memory.statistics import statistics
from cocoannot.store.placing import NoRoom
from cocoannot.store.queries import NEWEST, CategoryQuery, ChangeQuery, Derived, ImageQuery, Query, Statistics
from cocoannot.store.transaction import Transaction


class MemoryStore:
    """Holds one COCO dataset in memory; a `Store`, `Saves` and `History` (see `cocoannot.store.base`).

    `on_dirty` is called after the first change that is not in the file, and where a save should not wait;
    `on_append` after each change, for somebody who calls `sync` soon: without it a change returns only when it is
    durable. Both are called outside every lock. `follower` hears of each change. `history` keeps every change for good;
    without it, memory has the latest ones.
    """

    def __init__(
        self,
        on_dirty: Callable[[], object] = lambda: None,
        on_append: Callable[[], object] | None = None,
        clock: Clock = time,
        follower: base.Follower | None = None,
        history: KeptHistory | None = None,
    ) -> None:
        self._state = State()
        self._history = history
        self._past = Past(self._state, history)
        self._last_authors = LastAuthors(self._state, self._past)
        # One change, or one bulk replacement, at a time. Taken before the state's lock, so that a change is checked,
        # encoded and written down without holding up readers.
        self._changing = BargingLock()
        self._follower = follower or base.Followers()
        self.file_saver = FileSaver(self._state, self._changing, on_dirty, clock, self._follower, history)
        self._on_dirty = on_dirty
        self._on_append = on_append
        self.save = self.file_saver.save
        self.unsaved_since = self.file_saver.unsaved_since
        self.save_is_urgent = self.file_saver.save_is_urgent
        self.check_writable = self.file_saver.check_writable
        self.shutdown = self.file_saver.shutdown
        self.close = self.file_saver.close
        self.hold_file = self.file_saver.hold_file
        self.remember_remote = self.file_saver.remember_remote
        self.changes = self._past.changes
        self.change = self._past.change
        self.find_changes = self._past.find_changes
        self.annotations_at = self._past.annotations_at
        self.whole_changes = self._past.whole_changes
        self.work = self._past.work
        self.touched_since = self._past.touched_since
        self.edits_since = self._past.edits_since

    def load(self, uri: str, *, create: bool = False) -> None:
        """Serve the file at the path `uri`, with what its journal has above it."""
        self.load_file(DatasetFile(Path(uri)), create=create)

    def load_file(self, file: DatasetFile, *, create: bool = False, loaded: LoadedFile | None = None) -> None:
        """Like `load`, for a file of which something, or all that was `loaded`, is known. Raises `DatasetError`."""
        self.file_saver.load(file, create=create, loaded=loaded)

    @property
    def is_loaded(self) -> bool:
        return self._state.is_loaded

    @property
    def revision(self) -> int:
        return self._state.revision

    @property
    def lineage(self) -> str:
        return self._state.lineage

    def get(self, section: SectionName, record_id: int) -> Found:
        with self._state.lock:
            return Found(self._state.tables.get(section, record_id), self._state.revision)

    def find(self, query: Query, offset: int = 0, limit: int | None = None) -> Page:
        with self._last_authors.locked(query) as query:
            return queries.find(self._state.tables, query, offset, limit, self._state.revision)

    def neighbours(self, image_id: int, query: ImageQuery) -> Neighbours | None:
        with self._last_authors.locked(query) as query:
            return queries.neighbours(self._state.tables, image_id, query, self._state.revision)

    def first(self, query: ImageQuery) -> Found:
        with self._last_authors.locked(query) as query:
            text = queries.first(self._state.tables, query)
            return Found(None if text is None else Record(text), self._state.revision)

    def annotations_of(self, image_id: int, derived: Collection[Derived] = ()) -> Page | None:
        with self._state.lock:
            return queries.annotations_of(self._state.tables, image_id, derived, self._state.revision)

    def head(self) -> Head:
        with self._state.lock:
            tables = self._state.tables
            texts = {key: tables.top_level(key) or b"null" for key in ("info", "licenses")}
            texts["categories"] = b"[%b]" % b",".join(self.find(CategoryQuery()).texts)
            return Head(texts, tables.counts(), self._state.revision)

    def top_level(self, key: str) -> bytes | None:
        with self._state.lock:
            return self._state.tables.top_level(key)

    def counts(self) -> dict[str, int]:
        with self._state.lock:
            return self._state.tables.counts()

    def next_id(self, section: SectionName) -> int:
        with self._state.lock:
            return self._state.tables.next_ids[section]

    def statistics(self) -> Statistics:
        with self._state.lock:
            return statistics(self._state.tables, self._state.revision)

    def export(self) -> Export:
        with self._state.lock:
            frozen, revision, name = self._state.tables.freeze(), self._state.revision, self.file_saver.file.text_name
        return Export(name, revision, sum(map(len, frozen.pieces())), split(frozen.pieces()))

    def snapshot(self) -> MemorySnapshot:
        with self._state.lock:
            frozen, revision, name = self._state.tables.freeze(), self._state.revision, self.file_saver.file.text_name
        return MemorySnapshot(name, revision, FrozenSource(frozen))

    def walk(self, section: SectionName) -> Walk:
        with self._state.lock:
            table = self._state.tables.by_section[section]
            return Walk(self._state.revision, table.live, table.freeze().blocks())

    def commit(
        self,
        operations: Sequence[Operation],
        *,
        actor: str | None = None,
        key: str | None = None,
        request: str = "",
        if_revision: int | None = None,
    ) -> Committed:
        with self._changing:
            if key is not None and (before := answered(self.file_saver.file.answers, actor, key, request)):
                committed, first = before, False
            else:
                committed, first = self._commit(operations, actor, key, request, if_revision)
        if committed.change is None:
            return committed
        if first or self.file_saver.save_is_urgent():
            self._on_dirty()
        if self._on_append is None:
            self.file_saver.sync(committed.revision)
        else:
            self._on_append()
        self._follower.promised(committed.revision)
        return committed

    def replace(self, texts: Texts, *, actor: str | None = None, if_revision: int | None = None) -> Change:
        return self.file_saver.replace(texts, actor, if_revision)

    def sync(self) -> None:
        self.file_saver.sync()

    def versions(self, section: SectionName, record_id: int, query: ChangeQuery = NEWEST) -> list[Version]:
        return self._past.versions(section, record_id, query)

    @property
    def oldest_change(self) -> int:
        return self._past.oldest_change

    def export_at(self, revision: int) -> Export:
        return self._past.export_at(revision, self.file_saver.file.text_name)

    def snapshot_at(self, revision: int) -> MemorySnapshot:
        return self._past.snapshot_at(revision, self.file_saver.file.text_name)

    def _commit(
        self, operations: Sequence[Operation], actor: str | None, key: str | None, request: str, if_revision: int | None
    ) -> tuple[Committed, bool]:
        """See `commit`; returns also whether it is the first change that the next save is due for."""
        state, saver = self._state, self.file_saver
        if if_revision not in (None, state.revision):
            raise VersionMismatch(
                f"the dataset is at revision {state.revision}, not {if_revision}", str(state.revision)
            )
        try:
            transaction = Transaction(state.tables, self)
            results = transaction.perform_all(operations)
        except NoRoom as exc:
            state.spread(exc.section)
            transaction = Transaction(state.tables, self)
            results = transaction.perform_all(operations)
        merged = transaction.merged
        if not transaction.edits:
            return Committed(results, state.revision, None, merged=merged), False
        now = saver.now()
        edits, undoes = tuple(transaction.edits), transaction.undoes
        values = tuple(transaction.values)
        change = Change(state.revision + 1, now.wall, actor, key, edits, undoes=undoes, values=values)
        kept = None if key is None else answer(request, results, change.edits, merged)
        saver.write_down(change, kept)
        first = state.apply(change, now)
        if self._history is not None:
            self._history.note(change)
        # Here and not later, where the next change may be before this one.
        self._follower.changed(change)
        if kept is not None:
            keep(saver.file.answers, change, kept)
        return Committed(results, change.revision, change, merged=merged), first

    def status(self) -> Status:
        state, saver = self._state, self.file_saver
        with state.lock:
            file, pending = saver.file, state.pending
            journal, since = file.journal, pending.since
            return Status(
                name=file.name,
                path=str(file.path),
                # Not that of memory: that takes as long as an export, and this is asked for often.
                size=file.size,
                counts=state.tables.counts(),
                warnings=[*state.warnings, *self._past.warnings],
                revision=state.revision,
                journal_revision=max(min(journal.durable, state.revision), state.file_revision),
                file_revision=state.file_revision,
                pending=pending.tracker,
                pending_since=None if since is None else since.wall,
                pending_seconds=None if since is None else saver.now().monotonic - since.monotonic,
                loaded_at=state.loaded_at,
                saves=saver.results,
                journal_size=journal.size,
                journal_error=journal.trouble,
                backups=[base.Backup(str(backup.path), backup.size) for backup in file.backups.found()],
            )
