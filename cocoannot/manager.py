"""The manager: one dataset in memory, changed at once, saved when told to. When that is, is the saver's business.

    change --> journal --> memory, revision + 1 --> first unsaved one? --> on_dirty()
    save   --> snapshot under the lock --> write, outside it --> revision of the file
    load   --> the file, and every change that the journal has above it

It knows no HTTP and starts no thread. Locks are always taken in this order:

    _saving     who may write the file (see DatasetSaves)
    _changing   who may change memory and the journal (see DatasetChanges)
    _lock       memory itself, for moments (see DatasetReads)
"""

from __future__ import annotations

import logging
import shlex
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from cocoannot.changes.tracker import ChangeTracker
from cocoannot.coco.parser import Document, read_document
from cocoannot.coco.records import encode
from cocoannot.coco.serializer import Piece, split
from cocoannot.errors import DatasetError, NotADataset, SaveError, VersionMismatch
from cocoannot.files.backups import Backup
from cocoannot.files.dataset_file import DatasetFile, Found
from cocoannot.store.memory.pending import Pending
from cocoannot.store.memory.replay import replay
from cocoannot.store.memory.saving import Clock, DatasetSaves, Saves
from cocoannot.store.memory.tables import Store

log = logging.getLogger(__name__)

_EMPTY = b'{"info": {}, "licenses": [], "images": [], "annotations": [], "categories": []}\n'


class Snapshot(NamedTuple):
    """The whole dataset's text at one revision: `blocks` to be read once, `size` bytes in all, `name` of its file."""

    name: str
    revision: int
    size: int
    blocks: Iterator[Piece]


class Status(NamedTuple):
    """Where the manager stands. Times are seconds since 1970, `None` for never; `size` is the file's, in bytes.

    `pending_seconds` is how old the oldest change is that is not in the file, `None` where there is none.
    `journal_revision` is the one up to which all would survive a power cut, `journal_size` the journal's bytes,
    `journal_error` why changes are refused, `None` where they are not.
    """

    name: str
    path: Path
    size: int
    counts: dict[str, int]
    warnings: list[str]
    revision: int
    journal_revision: int
    file_revision: int
    pending: ChangeTracker
    pending_since: float | None
    pending_seconds: float | None
    loaded_at: float
    last_saved_at: float | None
    last_save_seconds: float | None
    last_error: str | None
    saves: Saves
    journal_size: int
    journal_error: str | None
    backups: list[Backup]


class DatasetManager(DatasetSaves):
    """Holds one COCO dataset in memory; safe from any thread.

    `on_dirty` is called after the first change that is not in the file, and where a save should not wait;
    `on_append` after each change, for somebody who calls `sync_journal` soon: without it a change returns only when it
    is durable. Both are called outside every lock.
    """

    def __init__(
        self,
        on_dirty: Callable[[], object] = lambda: None,
        on_append: Callable[[], object] | None = None,
        clock: Clock = time,
    ) -> None:
        super().__init__(on_dirty, on_append, clock)
        self._warnings: list[str] = []
        self._loaded_at = 0.0

    def load(self, path: Path | DatasetFile, *, create: bool = False) -> None:
        """Read the dataset at `path` into memory; `create` makes an empty one where there is no file.

        Changes that the journal has above the file are made again, and are pending. Raises `DatasetError`. The caller
        makes sure that no other process owns the dataset.
        """
        file = path if isinstance(path, DatasetFile) else DatasetFile(path)
        if create and not file.path.exists():
            file.create(_EMPTY)
        found = file.read()
        store = Store(_read_document(found.data, file.name), found.version.next_ids)
        file.remember(store.next_ids)
        self._take(file, store, found, replay(store, found.entries))
        log.info("Dataset loaded into memory from %s", file.name)
        if not found.is_known and found.version.revision:
            log.warning("%s is not as it was saved last: something else wrote it; it is taken as it is", file.name)
        for warning in self._warnings:
            log.warning("%s: %s; kept as it is", file.name, warning)

    def load_and_settle(self, file: DatasetFile) -> None:
        """Read the dataset, and put what its journal has on top, though it is not certain that this belongs there.

        For a `JournalConflict` that the operator has decided. Raises `DatasetError`, `AmbiguousId`.
        """
        found = file.read(settle=True)
        store = Store(_read_document(found.data, file.name), found.version.next_ids)
        self._take(file, store, found, replay(store, found.entries, tolerant=True))
        # None that anybody has seen stands for this.
        self._revision += 1

    def _take(self, file: DatasetFile, store: Store, found: Found, replayed: ChangeTracker) -> None:
        file_revision, revision = found.version.revision, found.revision
        try:
            doubts = file.journal.open(revision, file_revision)
        except OSError as exc:
            raise DatasetError(f"can't mend the journal {file.journal.folder}: {exc.strerror}") from exc
        pending = Pending()
        if found.entries:
            pending.add(replayed, self._now())
            log.info("Changes after revision %d found in the journal (%s)", file_revision, replayed.summary())
        for text in doubts:
            log.warning("%s", text)
        with self._saving, self._changing, self._lock:
            self._file, self._loaded, self._pending = file, store, pending
            self._revision, self._file_revision = revision, file_revision
            self._warnings = store.warnings()
            self._loaded_at = self._clock.time()
        if found.entries:
            self._on_dirty()

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
            frozen, revision, name = self._store.freeze(), self._revision, self._dataset_file.path.name
        return Snapshot(name, revision, sum(map(len, frozen.pieces())), split(frozen.pieces()))

    def status(self) -> Status:
        """Where everything stands, at one moment. Raises `NotLoaded`."""
        with self._lock:
            store, file, since = self._store, self._dataset_file, self._pending.since
            journal = file.journal
            return Status(
                file.name,
                file.path,
                # Not that of memory: that takes as long as a snapshot, and this is asked for often.
                file.size,
                store.counts(),
                list(self._warnings),
                self._revision,
                max(min(journal.durable, self._revision), self._file_revision),
                self._file_revision,
                self._pending.tracker,
                None if since is None else since.wall,
                None if since is None else self._clock.monotonic() - since.monotonic,
                self._loaded_at,
                self._last_saved_at,
                self._last_save_seconds,
                self._last_error,
                self._saves,
                journal.size,
                journal.trouble,
                file.backups.found(),
            )

    def _replace(self, texts: Mapping[str, bytes], if_revision: int | None) -> int:
        with self._saving, self._changing:
            with self._lock:
                if if_revision not in (None, self._revision):
                    raise VersionMismatch(
                        f"the dataset is at revision {self._revision}, not {if_revision}; read it again, then decide",
                        str(self._revision),
                    )
                frozen, next_ids = self._store.freeze(), self._store.next_ids
            data = b"".join(frozen.pieces(texts))
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

    def _doubt(self, revision: int) -> None:
        """After a replacement failed: where its file may be in place all the same, memory is to be saved over it."""
        if self._dataset_file.newest_revision == revision:
            # A change would follow what is in memory, and not what may be in place.
            self._dataset_file.journal.doubt("a replacement of the dataset failed when it may have been in place")
            with self._lock:
                self._revision = revision + 1
                self._pending.add(ChangeTracker(), self._now())


def _read_document(data: bytes, name: str) -> Document:
    try:
        return read_document(data, name)
    except NotADataset:
        raise
    except DatasetError as exc:
        raise DatasetError(
            f"{exc}. `flask check {shlex.quote(name)} --fix OUT` writes a repaired copy, where one can be made"
        ) from exc


def _list_text(records: Sequence[Mapping[str, Any]]) -> bytes:
    return b"[%b]" % b",\n".join(encode(dict(record)) for record in records)
