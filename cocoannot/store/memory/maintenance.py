"""A dataset that no server has open, as the commands see it: what is known of it, its journal brought into the file, a
conflict resolved, and a file for S3. Serving it is not done here."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager

from cocoannot.files.conflicts import LoadedFile, resolve_conflict
from cocoannot.files.dataset_file import DatasetFile
from cocoannot.files.lock import Owner, find_owner
from cocoannot.history.kept import KeptHistory
from cocoannot.store.base import Saved, StoppedStatus
from cocoannot.store.memory.journal_changes import ids_beyond
from cocoannot.store.memory.store import MemoryStore

_LOCK_TIMEOUT = 1
"""Seconds for the lock: nobody held it a moment ago."""


class MemoryMaintenance:
    """The dataset in `file`; see `cocoannot.store.base.Maintenance`. `load` needs `owned` too.

    `history` keeps what the journal has before that forgets it, where the dataset has a history.
    """

    def __init__(self, file: DatasetFile, history: KeptHistory | None = None) -> None:
        self._file = file
        self._history = history

    @property
    def exists(self) -> bool:
        return self._file.path.exists()

    def owner(self) -> Owner | None:
        """Who serves the dataset now, `None` where nobody does. Raises `OSError`."""
        return find_owner(self._file.lock.path)

    @contextmanager
    def owned(self) -> Iterator[None]:
        self._file.lock.acquire(Owner(os.getpid(), "", str(self._file.path)), _LOCK_TIMEOUT, time.sleep)
        try:
            yield
        finally:
            self._file.lock.release()

    def status(self) -> StoppedStatus:
        state, entries = self._file.identity.stored(), self._file.journal.read().entries
        remote = state.remote
        return StoppedStatus(
            state.versions[-1].revision if state.versions else None,
            entries[-1].revision if entries else None,
            remote.revision if remote and remote.etag else None,
            remote.uri if remote else None,
            remote.etag if remote else None,
            str(self._file.unsaved) if self._file.unsaved.exists() else None,
        )

    def flush(self) -> Saved | None:
        if not self._file.unsaved.exists() and not self._file.journal.read().entries:
            return None
        with closing(self.load()) as store:
            return store.save()

    def resolve_conflict(self, choice: str, moment: str) -> list[str]:
        kept = resolve_conflict(self._file, choice, moment, self._replay, _ids_after)
        return [str(path) for path in kept]

    def load(self) -> MemoryStore:
        """The dataset in memory. Raises `DatasetError`, also for a conflict."""
        store = MemoryStore(history=self._history)
        store.load_file(self._file)
        return store

    def _replay(self, found: LoadedFile) -> None:
        with closing(MemoryStore(history=self._history)) as store:
            if found.is_certain:
                store.load_file(self._file, loaded=found)
            else:
                store.file_saver.load_uncertain(self._file, found)
            store.save()


def _ids_after(found: LoadedFile) -> dict[str, int]:
    return ids_beyond(found.entries, found.version.next_ids)
