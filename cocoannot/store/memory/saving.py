"""The file behind the dataset: loaded, saved when told to, replaced in bulk. Changes are not made here.

    load     the file, and every change that the journal has above it
    save     a snapshot under the lock --> everything slow outside it --> revision of the file
    replace  the new file is written first, then memory changes

Locks are always taken in this order:

    saving     who may write the file
    changing   who may change memory and the journal
    state      memory itself, for moments
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

import msgspec

from cocoannot.changes.answer import Answer
from cocoannot.changes.change import Change
from cocoannot.clock import Clock
from cocoannot.coco.parser import read_document
from cocoannot.coco.serializer import FrozenDataset, Piece, split
from cocoannot.errors import (
    DatasetError,
    FileChanged,
    JournalError,
    NotDurable,
    NotLoaded,
    SaveError,
    VersionMismatch,
)
from cocoannot.files.conflicts import LoadedFile, keep_unsaved, load_file
from cocoannot.files.dataset_file import DatasetFile, OpenedFile
from cocoannot.files.journal import Journal
from cocoannot.files.state import Remote
from cocoannot.history.kept import KeptHistory
from cocoannot.store.base import Follower, Saved, SaveResults, Texts
from cocoannot.store.memory.answered import take_over
from cocoannot.store.memory.barging_lock import BargingLock
from cocoannot.store.memory.document_reading import DocumentReading
from cocoannot.store.memory.journal_changes import complete_changes, encode_change, following, replay
from cocoannot.store.memory.pending import Moment
from cocoannot.store.memory.recent_changes import RecentChanges
from cocoannot.store.memory.state import State
from cocoannot.store.memory.tables import Tables

log = logging.getLogger(__name__)

_EMPTY = b'{"info": {}, "licenses": [], "images": [], "annotations": [], "categories": []}\n'


class FileSaver:
    """Keeps the file behind `state`. `changing` is held while memory and journal must not change."""

    def __init__(
        self,
        state: State,
        changing: BargingLock,
        on_dirty: Callable[[], object],
        clock: Clock,
        follower: Follower,
        history: KeptHistory | None,
    ) -> None:
        self.results = SaveResults()
        self._state = state
        self._changing = changing
        self._saving = threading.RLock()
        self._on_dirty = on_dirty
        self._clock = clock
        self._follower = follower
        self._history = history
        self._file: DatasetFile | None = None
        self._journal_error: str | None = None

    @property
    def file(self) -> DatasetFile:
        """Raises `NotLoaded`."""
        if self._file is None:
            raise NotLoaded("the dataset is not loaded yet; try again in a moment")
        return self._file

    @property
    def journal(self) -> Journal:
        """Raises `NotLoaded`."""
        return self.file.journal if self._file is None else self._file.journal

    def now(self) -> Moment:
        """This moment, by both clocks."""
        return Moment(self._clock.time(), self._clock.monotonic())

    def load(self, file: DatasetFile, *, create: bool = False, loaded: LoadedFile | None = None) -> None:
        """Read the dataset into memory; `create` makes an empty one where there is no file. Raises `DatasetError`.

        Changes that the journal has above the file are made again, and are pending. `loaded` is what was read of the
        file already.
        """
        if create and not file.path.exists():
            file.create(_EMPTY)
        reading = DocumentReading(file.name)
        found = loaded or load_file(file, reading.read)
        tables = Tables(reading.document(found.data), found.version.next_ids)
        if self._history is not None and found.is_known:
            tables.take_numberings(self._history.numberings(file.history, found.version.revision))
        file.remember(tables.next_ids)
        self._take(file, tables, found, replay(tables, found.entries), found.revision)
        log.info("Dataset loaded into memory from %s", file.name)
        if not found.is_known and found.version.revision:
            log.warning("%s is not as it was saved last: something else wrote it; it is taken as it is", file.name)
        for warning in self._state.warnings:
            log.warning("%s: %s; kept as it is", file.name, warning)

    def load_uncertain(self, file: DatasetFile, found: LoadedFile) -> None:
        """Take what was found, and put the journal's changes on top, though it is not certain that they belong there.

        For a `JournalConflict` that the operator has decided. Raises `DatasetError`, `AmbiguousId`.
        """
        tables = Tables(DocumentReading(file.name).document(found.data), found.version.next_ids)
        changes = replay(tables, found.entries, lenient=True)
        # None that anybody has seen stands for this.
        self._take(file, tables, found, changes, found.revision + 1)

    def save(self, *, overwrite: bool = False, automatic: bool = False) -> Saved | None:
        """See `cocoannot.store.base.Saves`, here and below."""
        with self._saving:
            with self._failure_told():
                conflict = overwrite and self.file.changed()
            state, journal = self._state, self.journal
            if state.revision == state.file_revision and not conflict:
                return None
            journal.prepare()
            with self._changing:
                revision = state.revision
                journal.turn(revision)
                with state.lock:
                    tables = state.tables
                    frozen, next_ids, summary = tables.freeze(), dict(tables.next_ids), state.pending.take().summary()
                    numberings = tables.numberings()
            if self._history is not None:
                self._history.keep_numberings(revision, numberings, state.file_revision)
            try:
                kept = self._write(frozen.pieces(), revision, next_ids, overwrite=overwrite)
            except BaseException:
                with state.lock:
                    state.pending.put_back()
                raise
            with state.lock:
                state.pending.done()
                state.file_revision = revision
            if tables.is_wasteful():
                self._read_anew(frozen, revision, next_ids)
            log.info("%s dataset to %s (%s)", "Auto-saved" if automatic else "Saved", self.file.name, summary)
            self._follower.promised(revision)
            self._follower.saved(revision)
            return Saved(summary, revision, str(kept) if kept else None)

    def replace(self, texts: Texts, actor: str | None, if_revision: int | None) -> Change:
        try:
            return self._replace(texts, actor, if_revision)
        except SaveError:
            if self.unsaved_since() is not None:
                self._on_dirty()
            raise

    def shutdown(self) -> None:
        try:
            if self._file is not None and self.save(automatic=True):
                log.info("Dataset saved on shutdown")
        except SaveError:
            with suppress(JournalError):
                self.sync()
            with self._state.lock:
                summary = self._state.pending.tracker.summary()
            log.critical("Dataset not saved on shutdown (%s); the journal has it", summary)

    def close(self) -> None:
        with self._saving, self._changing, self._state.lock:
            file, self._file = self._file, None
            is_saved = self._state.revision == self._state.file_revision
        if file is not None:
            file.journal.close()
            file.answers.close()
            if self._history is not None:
                self._history.close()
            if is_saved:
                file.settle()

    def write_down(self, change: Change, answer: Answer | None) -> None:
        """Append a change to the journal, with the answer to its request. Raises `JournalError`: it is not there."""
        self.journal.append(
            change.revision,
            change.time,
            change.actor,
            change.key,
            encode_change(change),
            answer=None if answer is None else msgspec.json.encode(answer),
            undoes=change.undoes,
        )

    def sync(self, revision: int | None = None) -> None:
        """Make every change up to `revision`, or all that were made, durable. Raises `NotDurable`."""
        try:
            self.journal.sync(revision)
        except NotDurable as exc:
            if str(exc) != self._journal_error:
                log.error("%s", exc)
            self._journal_error = str(exc)
            self._on_dirty()
            raise

    def check_writable(self) -> None:
        journal = self.journal
        if journal.trouble is not None:
            with self._changing:
                journal.try_out()

    def save_is_urgent(self) -> bool:
        return self._file is not None and self._file.journal.wants_save

    def unsaved_since(self) -> float | None:
        with self._state.lock:
            since = self._state.pending.since
            return None if since is None else since.monotonic

    def hold_file(self) -> OpenedFile:
        """The file as the last save left it, to be read whatever a save does. Raises `SaveError`, `FileChanged`."""
        with self._saving:
            return self.file.open_saved()

    def remember_remote(self, remote: Remote) -> None:
        """Write down what was agreed with S3. Raises `SaveError`."""
        with self._saving:
            self.file.remember_remote(remote)

    def _take(self, file: DatasetFile, tables: Tables, found: LoadedFile, changes: list[Change], revision: int) -> None:
        file_revision = found.version.revision
        self._open_answers(file, found.revision)
        level = self._start_history(file, found, changes, revision)
        if self._history is not None and self._history.repeats:
            file.begin_lineage()
        try:
            # Where the history lacks changes, none is dropped yet.
            doubts = file.journal.open(found.revision, file_revision if level else -1)
        except OSError as exc:
            raise DatasetError(f"can't mend the journal {file.journal.folder}: {exc.strerror}") from exc
        for text in doubts:
            log.warning("%s", text)
        with self._saving, self._changing:
            self._file = file
            self._state.lineage = file.identity.lineage
            self._state.load(tables, file_revision, changes, revision, self.now())
        if changes:
            with self._state.lock:
                summary = self._state.pending.tracker.summary()
            log.info("Changes after revision %d found in the journal (%s)", file_revision, summary)
            self._on_dirty()

    def _start_history(self, file: DatasetFile, found: LoadedFile, changes: list[Change], revision: int) -> bool:
        """Let the history go on with what the journal has; returns whether the journal may forget what the file has."""
        if self._history is None:
            return True
        if not found.is_certain:
            return self._history.start(file.history, revision, [], known=False)
        recorded = following([*complete_changes(found.earlier), *changes], revision)
        return self._history.start(file.history, revision, recorded, known=found.is_known)

    def _open_answers(self, file: DatasetFile, revision: int) -> None:
        with file.reading():
            if damaged := file.answers.open(revision):
                log.warning(
                    "%s: %d line(s) are damaged and left out; requests with their keys, sent again, are done again",
                    file.answers.folder,
                    damaged,
                )
            take_over(file.answers, file.journal.keyed, revision)

    def _replace(self, texts: Texts, actor: str | None, if_revision: int | None) -> Change:
        state = self._state
        with self._saving, self._changing:
            if callable(texts):
                texts = texts()
            with state.lock:
                if if_revision not in (None, state.revision):
                    raise VersionMismatch(
                        f"the dataset is at revision {state.revision}, not {if_revision}; read it again, then decide",
                        str(state.revision),
                    )
                frozen, next_ids = state.tables.freeze(), state.tables.next_ids
            data = b"".join(frozen.pieces(texts))
            tables = Tables(read_document(data, "the new dataset"), next_ids)
            change = Change(state.revision + 1, self._clock.time(), actor, None, replaced=tuple(texts))
            try:
                self._write([data], change.revision, tables.next_ids, overwrite=False)
            except SaveError:
                self._doubt(change.revision)
                raise
            state.replace(tables, change)
            if self._history is not None:
                self._history.note(change)
            self.journal.note(change.revision, change.time, actor, encode_change(change))
            log.info("Dataset replaced (%s) and saved to %s", ", ".join(texts), self.file.name)
            self._follower.changed(change)
            self._follower.promised(change.revision)
            self._follower.saved(change.revision)
            return change

    def _doubt(self, revision: int) -> None:
        """After a replacement failed: where its file may be in place all the same, memory is to be saved over it."""
        if self.file.newest_revision == revision:
            # A change would follow what is in memory, and not what may be in place.
            self.journal.doubt("a replacement of the dataset failed when it may have been in place")
            with self._state.lock:
                self._state.revision = revision + 1
                # Nobody made the changes that these revisions would be.
                self._state.recent = RecentChanges(revision + 1)
                self._state.pending.add((), self.now())

    def _write(
        self, pieces: Iterable[Piece], revision: int, next_ids: Mapping[str, int], *, overwrite: bool
    ) -> Path | None:
        # First: once the file has them, the journal forgets the changes.
        sealed = self._history is None or self._history.seal()
        with self._failure_told():
            started = self.now()
            kept = self.file.save(
                split(pieces), revision, next_ids, overwrite=overwrite, keep_journal=not sealed, now=started.wall
            )
        ended = self.now()
        self._journal_error = None
        self.results = self.results.worked(ended.wall, ended.monotonic - started.monotonic)
        return kept

    @contextmanager
    def _failure_told(self) -> Iterator[None]:
        """A failure of what is done meanwhile counts as one of a save; it is logged, once, and shown in the status."""
        try:
            yield
        except SaveError as exc:
            error = self._keep_unsaved(exc) if isinstance(exc, FileChanged) else exc
            if str(error) != self.results.error:
                log.error("%s", error)
            self.results = self.results.went_wrong(str(error))
            raise error from exc.__cause__
        except Exception as exc:
            self.results = self.results.went_wrong(f"saving failed in an unforeseen way: {exc!r}")
            raise

    def _keep_unsaved(self, error: FileChanged) -> FileChanged:
        """Keep a copy of what is pending; returns `error`, with the reason added where that failed too."""
        state = self._state
        with state.lock:
            revision = state.revision
            if revision == state.file_revision:
                return error
            frozen, next_ids = state.tables.freeze(), dict(state.tables.next_ids)
        try:
            keep_unsaved(self.file, split(frozen.pieces()), revision, next_ids)
        except SaveError as exc:
            return FileChanged(f"{error} (this failed too: {exc})", disk_full=exc.disk_full)
        return error

    def _read_anew(self, frozen: FrozenDataset, revision: int, next_ids: Mapping[str, int]) -> None:
        """Let memory stand on the text that was saved, so that the older one can go; not where it changed since."""
        tables = Tables(read_document(b"".join(frozen.pieces()), self.file.name), next_ids)
        self._state.swap(tables, revision)
