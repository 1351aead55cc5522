"""The history of one dataset: what has to be written, what goes wrong with the file, who reads. No thread of its own.

    change --note--> waiting --level--> in the file --seal--> durable        the journal may forget it

    working --file is damaged--> put aside under another name, a new file --> working
       |  ^
       v  | the next `level` that works
    failing: changes wait in memory, as many as fit; those that don't are left out, and the history says so

Nothing that happens to the file keeps the dataset from being served or changed.
"""

from __future__ import annotations

import logging
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from cocoannot.changes.change import Change
from cocoannot.clock import Clock
from cocoannot.errors import HistoryError
from cocoannot.history.blocks import DamagedHistory
from cocoannot.history.database import is_transient, open_database, open_for_reading, put_aside, seal
from cocoannot.history.forgetting import forget
from cocoannot.history.numbering import Numberings, find_numberings, keep_numberings
from cocoannot.history.reader import Reader
from cocoannot.history.stretches import find_beginning
from cocoannot.history.work import DAY
from cocoannot.history.writer import Writer

log = logging.getLogger(__name__)

MOST_WAITING = 64 << 20
"""Bytes of text that wait for a file that does not take them; more than that is left out."""

_HOUR = 3600.0
_LONGEST_PAUSE = 30.0


class KeptHistory:
    """Keeps every change of a dataset, those of the last `days` where that is given. Any thread may call anything.

    `on_note` is called after each change, for somebody who calls `step` soon. Only `reading` raises; what goes wrong
    otherwise is logged, and is in `warnings`.
    """

    def __init__(
        self, days: int | None = None, clock: Clock = time, on_note: Callable[[], object] = lambda: None
    ) -> None:
        self._days = days
        self._clock = clock
        self._on_note = on_note
        # One thread at a time writes to the file, or puts it aside. Taken before `_noting`.
        self._writing = threading.Lock()
        # Guards `_waiting` and `_size`, for moments.
        self._noting = threading.Lock()
        self._waiting: list[Change] = []
        self._size = 0
        self._path: Path | None = None
        self._revision = 0
        self._known = True
        self._database: sqlite3.Connection | None = None
        self._writer: Writer | None = None
        self.repeats = False
        """Whether revisions are given again that this history has for changes that are lost."""
        self._trouble: str | None = None
        self._notices: list[str] = []
        self._failures = 0
        self._forget_at = 0.0

    @property
    def warnings(self) -> list[str]:
        """What is wrong with the history, and what was; for people."""
        return [*self._notices, *([self._trouble] if self._trouble else [])]

    def start(self, path: Path, revision: int, changes: Sequence[Change], *, known: bool) -> bool:
        """Keep the history at `path` of a dataset that is at `revision`; returns whether it is level.

        `changes` are those that the journal has, one after the other, those last that led to `revision`. `known` is
        false where something else wrote the dataset's file.
        """
        self._path, self._revision, self._known = path, revision, known
        self._waiting, self._size = list(changes), sum(map(_size, changes))
        return self.level()

    def note(self, change: Change) -> None:
        """`change` was made: it has to be kept."""
        with self._noting:
            self._waiting.append(change)
            self._size += _size(change)
            full = self._size > MOST_WAITING
        if full and not self.level():
            self._leave_out()
        self._on_note()

    def level(self) -> bool:
        """Write what waits; returns whether the file has everything then. Nothing happens where there is nothing."""
        with self._writing:
            if self._path is None:
                return False
            with self._noting:
                changes = list(self._waiting)
            if self._writer is not None and not changes and self._trouble is None:
                return True
            return self._attempt(changes)

    def numberings(self, path: Path, revision: int) -> Numberings:
        """The positions of the records in the dataset's file, which is `revision`; the history is at `path`."""
        try:
            with open_for_reading(path) as database:
                return find_numberings(database, revision)
        except (sqlite3.Error, DamagedHistory):
            # There is none yet, or `start` will find out what is wrong.
            return {}

    def keep_numberings(self, revision: int, numberings: Numberings, file_revision: int) -> None:
        """Keep the positions of the records in a file that is about to be saved as `revision`, over `file_revision`."""
        with self._writing:
            try:
                if self._database is not None:
                    keep_numberings(self._database, revision, numberings, file_revision)
            except sqlite3.Error as exc:
                self._failed(exc)

    def seal(self) -> bool:
        """Like `level`, and durable: the journal needs no change any more that was made before."""
        with self._writing:
            if self._path is not None and not self._path.exists():
                # Somebody deleted it: what is written to it from now on would be lost.
                self._let_go()
        if not self.level():
            return False
        with self._writing:
            try:
                if self._database is not None:
                    seal(self._database)
            except sqlite3.Error as exc:
                self._failed(exc)
                return False
        return True

    def step(self) -> float | None:
        """Do what is due now; returns seconds until more may be, `None` for "with the next change"."""
        if not self.level():
            self._failures += 1
            return min(_LONGEST_PAUSE, 0.5 * 2.0 ** min(self._failures, 6))
        self._failures = 0
        return None if self._days is None else self._forget()

    @contextmanager
    def reading(self) -> Iterator[Reader]:
        """Read the history as it is, with every change that was made. Raises `HistoryError`."""
        level, path = self.level(), self._path
        if not level or path is None:
            raise HistoryError(f"{self._trouble or 'the history is closed'}; try again in a moment")
        try:
            with open_for_reading(path) as database:
                yield Reader(database)
        except (sqlite3.Error, DamagedHistory) as exc:
            with self._writing:
                self._failed(exc)
            raise HistoryError(f"the history can't be read ({exc}); try again in a moment") from exc

    def close(self) -> None:
        """Write what waits and let go of the file; there are no changes any more."""
        self.seal()
        with self._writing:
            self._path = None
            self._let_go()

    def _attempt(self, changes: Sequence[Change]) -> bool:
        for _ in range(2):
            try:
                self._write(changes)
            except Exception as exc:
                if not self._failed(exc):
                    return False
            else:
                break
        with self._noting:
            del self._waiting[: len(changes)]
            self._size = sum(map(_size, self._waiting))
        if self._trouble is not None:
            log.info("The history is written again: %s", self._path)
        self._trouble = None
        return True

    def _write(self, changes: Sequence[Change]) -> None:
        assert self._path is not None
        if self._database is None or self._writer is None:
            self._database = open_database(self._path)
            beginning = find_beginning(self._database, changes, self._revision, known=self._known)
            self._writer = Writer(self._database, beginning, self._clock.time())
            if beginning is not None:
                self.repeats = self.repeats or beginning.repeats
                log.info("%s: %s", self._path, beginning.reason)
        self._writer.write(changes)
        # A file that has to be opened again goes on from here.
        self._revision, self._known = self._writer.revision, True

    def _failed(self, exc: Exception) -> bool:
        """Tell what went wrong; returns whether to try once more, with a new file."""
        self._let_go()
        text = f"the history can't be used: {self._path}: {exc}"
        if is_transient(exc):
            if text != self._trouble:
                if isinstance(exc, sqlite3.Error | OSError):
                    log.warning("%s; changes are made, and wait for it", text)
                else:
                    log.exception("Writing the history failed in an unforeseen way")
            self._trouble = text
            return False
        assert self._path is not None
        try:
            aside = put_aside(self._path, self._clock.time())
        except OSError as error:
            self._trouble = f"{text}, and can't be put aside: {error.strerror}"
            log.warning("%s", self._trouble)
            return False
        notice = f"the history was of no use ({exc}); it was put aside as {aside}, and begins anew"
        self._notices = [*self._notices[-4:], notice]
        log.warning("%s", notice)
        return True

    def _leave_out(self) -> None:
        with self._noting:
            number, self._waiting, self._size = len(self._waiting), [], 0
        log.error("The history lacks %d changes: it could not be written for too long", number)
        self._notices = [*self._notices[-4:], f"the history lacks {number} changes, as it could not be written"]

    def _forget(self) -> float:
        now = self._clock.time()
        if now < self._forget_at:
            return min(_HOUR, self._forget_at - now)
        with self._writing:
            try:
                assert self._days is not None
                if self._database is not None and self._writer is not None:
                    more = forget(self._database, now - self._days * DAY)
                    self._writer.forget_names()
                    if more:
                        return 0.0
            except Exception as exc:
                self._failed(exc)
        self._forget_at = now + _HOUR
        return _HOUR

    def _let_go(self) -> None:
        database, self._database, self._writer = self._database, None, None
        if database is not None:
            with suppress(sqlite3.Error):
                database.close()


def _size(change: Change) -> int:
    return 64 + sum([len(edit.before or b"") + len(edit.after or b"") for edit in change.edits])
