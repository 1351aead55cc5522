"""The manager: one dataset in memory, changed at once, saved when told to. When that is, is the saver's business.

    change --> memory, revision + 1 --> first unsaved one? --> on_dirty()
    save   --> snapshot under the lock --> write, outside it --> revision of the file

It knows no HTTP and starts no thread. Locks are always taken in this order:

    _changing   who may change memory (see DatasetChanges)
    _saving     who may write the file
    _lock       memory itself, for moments (see DatasetReads)
"""

from __future__ import annotations

import logging
import shlex
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from cocoannot.dataset.changes import DatasetChanges
from cocoannot.dataset.document import read_document
from cocoannot.dataset.pending import Moment, Pending
from cocoannot.dataset.records import encode
from cocoannot.dataset.store import Change, Store, split
from cocoannot.dataset.table import Piece
from cocoannot.dataset.tracker import ChangeTracker
from cocoannot.errors import DatasetError, FileChanged, NotLoaded, SaveError, VersionMismatch
from cocoannot.storage.dataset_file import DatasetFile

log = logging.getLogger(__name__)

_EMPTY = b'{"info": {}, "licenses": [], "images": [], "annotations": [], "categories": []}\n'


class Clock(Protocol):
    """The time in seconds; the module `time` is one."""

    def time(self) -> float: ...

    def monotonic(self) -> float: ...


class Saved(NamedTuple):
    """A save that worked: what was in it, its revision, and where another version was kept, if there was one."""

    summary: str
    revision: int
    kept: Path | None


class Snapshot(NamedTuple):
    """The whole dataset's text at one revision: `blocks` to be read once, `size` bytes in all, `name` of its file."""

    name: str
    revision: int
    size: int
    blocks: Iterator[Piece]


class Status(NamedTuple):
    """Where the manager stands. Times are seconds since 1970, `None` for never; `size` is in bytes."""

    name: str
    path: Path
    size: int
    counts: dict[str, int]
    warnings: list[str]
    revision: int
    file_revision: int
    pending: ChangeTracker
    pending_since: float | None
    loaded_at: float
    last_saved_at: float | None
    last_save_seconds: float | None
    last_error: str | None


class DatasetManager(DatasetChanges):
    """Holds one COCO dataset in memory; safe from any thread.

    `on_dirty` is called after the first change that is not in the file, outside every lock.
    """

    def __init__(self, on_dirty: Callable[[], object] = lambda: None, clock: Clock = time) -> None:
        super().__init__()
        # Guards the file: one save at a time.
        self._saving = threading.RLock()
        self._on_dirty = on_dirty
        self._clock = clock
        self._file: DatasetFile | None = None
        self._pending = Pending()
        self._file_revision = 0
        self._warnings: list[str] = []
        self._loaded_at = 0.0
        self._last_saved_at: float | None = None
        self._last_save_seconds: float | None = None
        self._last_error: str | None = None

    def load(self, path: Path, *, create: bool = False) -> None:
        """Read the dataset at `path` into memory; `create` makes an empty one where there is no file.

        Raises `DatasetError`. The caller makes sure that no other process owns the dataset.
        """
        file = DatasetFile(path)
        if create and not file.path.exists():
            file.create(_EMPTY)
        data, version = file.read()
        try:
            document = read_document(data, file.name)
        except DatasetError as exc:
            raise DatasetError(
                f"{exc}. `flask check {shlex.quote(file.name)} --fix OUT` writes a repaired copy, where one can be made"
            ) from exc
        store = Store(document, version.next_ids)
        file.remember(store.next_ids)
        with self._changing, self._saving, self._lock:
            self._file, self._loaded, self._pending = file, store, Pending()
            self._revision = self._file_revision = version.revision
            self._warnings = store.warnings()
            self._loaded_at = self._clock.time()
        log.info("Dataset loaded into memory from %s", file.name)
        for warning in self._warnings:
            log.warning("%s: %s; kept as it is", file.name, warning)

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
            if self.is_loaded and self.save():
                log.info("Dataset saved on shutdown")
        except SaveError:
            log.critical("Dataset not saved on shutdown (%s)", self.changes.summary())

    def save_now(self, *, overwrite: bool = False) -> Saved | None:
        """Like `save`, and says what was saved; `None` for nothing.

        With `overwrite`, a version that something else wrote is kept beside the file, and replaced.
        """
        with self._saving:
            conflict = overwrite and self._dataset_file.changed()
            with self._lock:
                store, revision = self._store, self._revision
                if revision == self._file_revision and not conflict:
                    return None
                pieces, next_ids, summary = store.pieces(), dict(store.next_ids), self._pending.take().summary()
            try:
                kept = self._write(pieces, revision, next_ids, overwrite=overwrite)
            except BaseException:
                self._put_back()
                raise
            with self._lock:
                self._pending.done()
                self._file_revision = revision
            if store.hoards():
                self._read_anew(pieces, revision, next_ids)
            log.info("Auto-saved dataset to %s (%s)", self._dataset_file.name, summary)
            return Saved(summary, revision, kept)

    def set_images(self, images: Sequence[Mapping[str, Any]]) -> None:
        """Replace all images and save at once. Raises as `replace` does."""
        self.replace({"images": _list_text(images)})

    def set_annotations(self, annotations: Sequence[Mapping[str, Any]]) -> None:
        """Replace all annotations and save at once. Raises as `replace` does."""
        self.replace({"annotations": _list_text(annotations)})

    def replace(self, texts: Mapping[str, bytes], if_revision: int | None = None) -> int:
        """Replace top-level values by JSON texts, read by the same rules as a file; returns the new revision.

        The new file is written first, then memory changes: what was pending is in it. Raises `DatasetError`
        where a text can't be kept, `VersionMismatch` where `if_revision` is given and not the current one,
        `SaveError`; memory is then as it was.
        """
        try:
            return self._replace(texts, if_revision)
        except SaveError:
            if self.unsaved_since() is not None:
                self._on_dirty()
            raise

    def snapshot(self) -> Snapshot:
        """The whole dataset as it is now, as the file would be."""
        with self._lock:
            pieces, revision, name = self._store.pieces(), self._revision, self._dataset_file.path.name
        return Snapshot(name, revision, sum(map(len, pieces)), split(pieces))

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

    def status(self) -> Status:
        """Where everything stands, at one moment. Raises `NotLoaded`."""
        with self._lock:
            store, file, since = self._store, self._dataset_file, self._pending.since
            return Status(
                file.name,
                file.path,
                sum(map(len, store.pieces())),
                store.counts(),
                list(self._warnings),
                self._revision,
                self._file_revision,
                self._pending.tracker,
                None if since is None else since.wall,
                self._loaded_at,
                self._last_saved_at,
                self._last_save_seconds,
                self._last_error,
            )

    @property
    def _dataset_file(self) -> DatasetFile:
        if self._file is None:
            raise NotLoaded("the dataset is not loaded yet; try again in a moment")
        return self._file

    def _commit(self, change: Change, tracker: ChangeTracker) -> bool:
        now = self._now()
        with self._lock:
            self._store.apply(change)
            self._revision += 1
            return self._pending.add(tracker, now)

    def _changed_first(self) -> None:
        self._on_dirty()

    def _replace(self, texts: Mapping[str, bytes], if_revision: int | None) -> int:
        with self._changing, self._saving:
            with self._lock:
                if if_revision not in (None, self._revision):
                    raise VersionMismatch(
                        f"the dataset is at revision {self._revision}, not {if_revision}; read it again, then decide",
                        str(self._revision),
                    )
                data = b"".join(self._store.pieces(dict(texts)))
                next_ids = self._store.next_ids
            store = Store(read_document(data, "the new dataset"), next_ids)
            revision = self._revision + 1
            try:
                self._write([data], revision, store.next_ids, overwrite=False)
            except SaveError:
                self._doubt(revision)
                raise
            with self._lock:
                self._pending.take()
                self._pending.done()
                self._loaded, self._warnings = store, store.warnings()
                self._revision = self._file_revision = revision
            log.info("Dataset replaced (%s) and saved to %s", ", ".join(texts), self._dataset_file.name)
            return revision

    def _write(
        self, pieces: list[Piece], revision: int, next_ids: Mapping[str, int], *, overwrite: bool
    ) -> Path | None:
        started = self._now()
        try:
            suffix = time.strftime("theirs-%Y%m%dT%H%M%SZ", time.gmtime(started.wall))
            kept = self._dataset_file.save(split(pieces), revision, next_ids, keep_theirs=suffix if overwrite else None)
        except SaveError as exc:
            error = self._keep_unsaved(exc) if isinstance(exc, FileChanged) else exc
            if str(error) != self._last_error:
                log.error("%s", error)
            self._last_error = str(error)
            raise error from exc.__cause__
        ended = self._now()
        self._last_saved_at, self._last_save_seconds = ended.wall, ended.monotonic - started.monotonic
        self._last_error = None
        return kept

    def _read_anew(self, pieces: list[Piece], revision: int, next_ids: Mapping[str, int]) -> None:
        """Let memory stand on the text that was saved, so that the older one can go; not where it changed since."""
        store = Store(read_document(b"".join(pieces), self._dataset_file.name), next_ids)
        with self._lock:
            if self._revision == revision:
                self._loaded = store

    def _keep_unsaved(self, error: FileChanged) -> FileChanged:
        """Keep a copy of what is pending; returns `error`, with the reason added where that failed too."""
        with self._lock:
            store, revision = self._store, self._revision
            if revision == self._file_revision:
                return error
            pieces, next_ids = store.pieces(), dict(store.next_ids)
        try:
            self._dataset_file.keep_unsaved(split(pieces), revision, next_ids)
        except SaveError as exc:
            return FileChanged(f"{error} (this failed too: {exc})", disk_full=exc.disk_full)
        return error

    def _put_back(self) -> None:
        with self._lock:
            self._pending.put_back()

    def _doubt(self, revision: int) -> None:
        """After a replacement failed: where its file may be in place all the same, memory is to be saved over it."""
        if self._dataset_file.newest_revision == revision:
            with self._lock:
                self._revision = revision + 1
                self._pending.add(ChangeTracker(), self._now())

    def _now(self) -> Moment:
        return Moment(self._clock.time(), self._clock.monotonic())


def _list_text(records: Sequence[Mapping[str, Any]]) -> bytes:
    return b"[%b]" % b",\n".join(encode(dict(record)) for record in records)
