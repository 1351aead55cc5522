"""Saving the dataset when told to: a snapshot under the lock, everything slow outside it. Changes are not made here."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple, Protocol

from cocoannot.changes.tracker import ChangeTracker
from cocoannot.coco.parser import read_document
from cocoannot.coco.serializer import FrozenDataset, Piece, split
from cocoannot.errors import FileChanged, JournalError, NotDurable, NotLoaded, SaveError
from cocoannot.files.conflicts import keep_unsaved
from cocoannot.files.dataset_file import DatasetFile, OpenedFile
from cocoannot.files.journal import LARGE
from cocoannot.files.state import Remote
from cocoannot.store.memory.pending import Moment, Pending
from cocoannot.store.memory.replay import encode_change
from cocoannot.store.memory.tables import Change, Store
from cocoannot.store.memory.writing import DatasetChanges

log = logging.getLogger(__name__)


class Clock(Protocol):
    """The time in seconds; the module `time` is one."""

    def time(self) -> float: ...

    def monotonic(self) -> float: ...


class Saved(NamedTuple):
    """A save that worked: what was in it, its revision, and where another version was kept, if there was one."""

    summary: str
    revision: int
    kept: Path | None


class Saves(NamedTuple):
    """Saves since the start, replacements included: how many worked and how many failed, and what they took.

    `seconds` is the time of those that worked, all together.
    """

    done: int = 0
    failed: int = 0
    seconds: float = 0.0


class DatasetSaves(DatasetChanges):
    """The saving half of the manager: what is pending, and which revision the journal and the file have."""

    def __init__(
        self,
        on_dirty: Callable[[], object] = lambda: None,
        on_append: Callable[[], object] | None = None,
        clock: Clock = time,
    ) -> None:
        super().__init__()
        # Guards the file: one save at a time. Taken before `_changing`.
        self._saving = threading.RLock()
        self._on_dirty = on_dirty
        self._on_append = on_append
        self._clock = clock
        self._newly_dirty = False
        self._file: DatasetFile | None = None
        self._pending = Pending()
        self._file_revision = 0
        self._last_saved_at: float | None = None
        self._last_save_seconds: float | None = None
        self._last_error: str | None = None
        self._journal_error: str | None = None
        self._saves = Saves()

    def save(self) -> bool:
        """Write the dataset to its file if it has changed; returns whether it had. Raises `SaveError`, `FileChanged`.

        Where that fails nothing is lost: the changes stay in memory, and pending.
        """
        return self.save_now() is not None

    def flush(self) -> bool:
        """Save now, so that the saver has nothing left to do; returns whether there was anything to save."""
        return self.save()

    def shutdown(self) -> None:
        """Save what is pending before the process ends; safe to call more than once. Failures are logged."""
        try:
            if self._file is not None and self.save():
                log.info("Dataset saved on shutdown")
        except SaveError:
            with suppress(JournalError):
                self.sync_journal()
            log.critical("Dataset not saved on shutdown (%s); the journal has it", self.changes.summary())

    def close(self) -> None:
        """Make no change and no save any more: the file is about to be somebody else's. Reading goes on."""
        with self._saving, self._changing, self._lock:
            file, self._file = self._file, None
        if file is not None:
            file.journal.close()

    def save_now(self, *, overwrite: bool = False) -> Saved | None:
        """Like `save`, and says what was saved; `None` for nothing.

        With `overwrite`, a version that something else wrote is kept beside the file, and replaced.
        """
        with self._saving:
            with self._failure_told():
                conflict = overwrite and self._dataset_file.changed()
            journal = self._dataset_file.journal
            if self._revision == self._file_revision and not conflict:
                return None
            journal.prepare()
            with self._changing:
                revision = self._revision
                journal.turn(revision)
                with self._lock:
                    store = self._store
                    frozen, next_ids, summary = store.freeze(), dict(store.next_ids), self._pending.take().summary()
            try:
                kept = self._write(frozen.pieces(), revision, next_ids, overwrite=overwrite)
            except BaseException:
                self._put_back()
                raise
            with self._lock:
                self._pending.done()
                self._file_revision = revision
            if store.hoards():
                self._read_anew(frozen, revision, next_ids)
            log.info("Auto-saved dataset to %s (%s)", self._dataset_file.name, summary)
            return Saved(summary, revision, kept)

    def hold_file(self) -> OpenedFile:
        """The file as the last save left it, to be read whatever a save does. Raises `SaveError`, `FileChanged`."""
        with self._saving:
            return self._dataset_file.open_saved()

    def remember_remote(self, remote: Remote) -> None:
        """Write down what was agreed with S3. Raises `SaveError`."""
        with self._saving:
            self._dataset_file.remember_remote(remote)

    def sync_journal(self) -> None:
        """Make every change durable that was made so far. Raises `NotDurable`; a save is then due at once."""
        self._make_durable(None)

    def check_writable(self) -> None:
        """Raise `JournalError` where changes are refused now; where they were, it is tried whether they would be."""
        journal = self._dataset_file.journal
        if journal.trouble is not None:
            with self._changing:
                journal.try_out()

    def save_is_urgent(self) -> bool:
        """Whether the next save should not wait: the journal has grown large, or takes no change without one."""
        journal = None if self._file is None else self._file.journal
        return journal is not None and (journal.in_doubt or journal.size > LARGE)

    @property
    def changes(self) -> ChangeTracker:
        """What changed since the last save, as a copy."""
        with self._lock:
            return self._pending.tracker

    def unsaved_since(self) -> float | None:
        """When the oldest change was made that no save has taken yet, in the clock's monotonic seconds."""
        with self._lock:
            since = self._pending.since
            return None if since is None else since.monotonic

    @property
    def _dataset_file(self) -> DatasetFile:
        if self._file is None:
            raise NotLoaded("the dataset is not loaded yet; try again in a moment")
        return self._file

    def _commit(self, change: Change, tracker: ChangeTracker) -> int:
        now, revision = self._now(), self._revision + 1
        self._dataset_file.journal.append(revision, now.wall, None, encode_change(change))
        with self._lock:
            self._store.apply(change)
            self._revision = revision
            self._newly_dirty |= self._pending.add(tracker, now)
        return revision

    def _committed(self, revision: int) -> None:
        tell = False
        if self._newly_dirty:
            with self._lock:
                tell, self._newly_dirty = self._newly_dirty, False
        if tell or self.save_is_urgent():
            self._on_dirty()
        if self._on_append is None:
            self._make_durable(revision)
        else:
            self._on_append()

    def _make_durable(self, revision: int | None) -> None:
        try:
            self._dataset_file.journal.sync(revision)
        except NotDurable as exc:
            if str(exc) != self._journal_error:
                log.error("%s", exc)
            self._journal_error = str(exc)
            self._on_dirty()
            raise

    def _write(
        self, pieces: Iterable[Piece], revision: int, next_ids: Mapping[str, int], *, overwrite: bool
    ) -> Path | None:
        with self._failure_told():
            started = self._now()
            kept = self._dataset_file.save(split(pieces), revision, next_ids, overwrite=overwrite, now=started.wall)
        ended = self._now()
        seconds = ended.monotonic - started.monotonic
        self._last_saved_at, self._last_save_seconds, self._last_error = ended.wall, seconds, None
        self._journal_error = None
        self._saves = Saves(self._saves.done + 1, self._saves.failed, self._saves.seconds + seconds)
        return kept

    @contextmanager
    def _failure_told(self) -> Iterator[None]:
        """A failure of what is done meanwhile counts as one of a save; it is logged, once, and shown in the status."""
        try:
            yield
        except SaveError as exc:
            error = self._keep_unsaved(exc) if isinstance(exc, FileChanged) else exc
            if str(error) != self._last_error:
                log.error("%s", error)
            self._count_failure(str(error))
            raise error from exc.__cause__
        except Exception as exc:
            self._count_failure(f"saving failed in an unforeseen way: {exc!r}")
            raise

    def _count_failure(self, error: str) -> None:
        self._last_error = error
        self._saves = self._saves._replace(failed=self._saves.failed + 1)

    def _read_anew(self, frozen: FrozenDataset, revision: int, next_ids: Mapping[str, int]) -> None:
        """Let memory stand on the text that was saved, so that the older one can go; not where it changed since."""
        store = Store(read_document(b"".join(frozen.pieces()), self._dataset_file.name), next_ids)
        with self._lock:
            if self._revision == revision:
                self._loaded = store

    def _keep_unsaved(self, error: FileChanged) -> FileChanged:
        """Keep a copy of what is pending; returns `error`, with the reason added where that failed too."""
        with self._lock:
            store, revision = self._store, self._revision
            if revision == self._file_revision:
                return error
            frozen, next_ids = store.freeze(), dict(store.next_ids)
        try:
            keep_unsaved(self._dataset_file, split(frozen.pieces()), revision, next_ids)
        except SaveError as exc:
            return FileChanged(f"{error} (this failed too: {exc})", disk_full=exc.disk_full)
        return error

    def _put_back(self) -> None:
        with self._lock:
            self._pending.put_back()

    def _now(self) -> Moment:
        return Moment(self._clock.time(), self._clock.monotonic())
