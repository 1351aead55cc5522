"""The journal: every change, appended before it is acknowledged, kept until the dataset's file has it.

    NAME.cocoannot/journal/1.jsonl ...     segments, in the order in which they were begun

    ready --write error--> ready: the change is not made; `trouble` says why until a write works again
    ready --fsync error--> in doubt: no change is made --a save of everything (`checkpoint`)--> ready

A save begins a segment with its snapshot (`prepare`, `turn`); once it is durable the older ones go (`checkpoint`).
"""

from __future__ import annotations

import errno
import threading
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import msgspec
from msgspec import UNSET

from cocoannot.errors import JournalError, NotDurable
from cocoannot.files.atomic import sync_folder
from cocoannot.files.segments import (
    SUFFIX,
    Entry,
    Reading,
    Segment,
    read_segment,
    segment_number,
    segment_paths,
    shorten,
)

LARGE = 64 << 20
"""Bytes of journal that bring the next save forward."""

_IN_PIECES = b"0"
"""Stands for a change whose text is given in pieces."""

_TRIAL = 4096
"""Bytes that are written, and taken back, to see whether the disk takes any again."""


class Recording(NamedTuple):
    """What is on disk: changes in the order in which they were made, and where a segment is damaged, if one is."""

    entries: list[Entry]
    damage: str | None


class _Old(NamedTuple):
    """A segment that is not written to any more, the revision of its last line, and the file while it is open."""

    path: Path
    last: int
    size: int
    segment: Segment | None


class Journal:
    """The journal in `folder`. One thread at a time may change it (`append`, `try_out`, `turn`).

    `prepare`, `sync`, `checkpoint` and what only looks may be called by any thread meanwhile.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        # One fsync at a time, and no file closed during it. Taken before `_lock`.
        self._syncing = threading.Lock()
        # Guards `_spare`, `_number` and `_placed`: segments are begun in the order of their numbers, or a start would
        # read them in another one. Taken before `_lock`.
        self._beginning = threading.Lock()
        # Guards the fields below, for moments.
        self._lock = threading.Lock()
        self._readings: dict[Path, Reading] = {}
        self.keyed: list[Entry] = []
        """The changes with a key that were read; until `open`, which may delete them."""
        self._old: list[_Old] = []
        self._current: Segment | None = None
        self._spare: Segment | None = None
        self._number = 0
        self._placed = False
        self._appended = 0
        self._durable = 0
        self._trouble: str | None = None
        self._doubt: str | None = None

    @property
    def durable(self) -> int:
        """The revision up to which every change would survive a power cut, in the journal or in the file."""
        return self._durable

    @property
    def size(self) -> int:
        """Bytes of all segments."""
        with self._lock:
            size = self._current.size if self._current else 0
            return size + sum([old.size for old in self._old]) if self._old else size

    @property
    def trouble(self) -> str | None:
        """Why changes are refused, `None` where they are not."""
        return self._doubt or self._trouble

    @property
    def in_doubt(self) -> bool:
        """Whether changes are refused until everything was saved."""
        return self._doubt is not None

    @property
    def wants_save(self) -> bool:
        """Whether a save should not wait: the journal is large, or takes no change until everything was saved."""
        return self._doubt is not None or self.size > LARGE

    def read(self) -> Recording:
        """What is on disk; nothing is changed there. Raises `DatasetError`, `OSError`."""
        self._readings = {path: read_segment(path) for path in segment_paths(self.folder)}
        entries: list[Entry] = []
        damage = None
        for reading in self._readings.values():
            # Beyond a head only what an append left that failed, and could not be cut off either.
            while reading.after is not None and entries and entries[-1].revision > reading.after:
                entries.pop()
            entries += reading.entries
            damage = damage or reading.damage
        self.keyed = [entry for entry in entries if entry.key is not None]
        return Recording(entries, damage)

    def open(self, revision: int, file_revision: int) -> list[str]:
        """Go on from what was read: cut torn lines off, make the rest durable. Raises `OSError`.

        The dataset is at `revision`, its file at `file_revision`. Returns what was cut off or is missing, in words.
        """
        told, self._old = [], []
        for path, reading in self._readings.items():
            # What is above `revision` is no good: lines before it are missing.
            last = max((entry.revision for entry in reading.entries if entry.revision <= revision), default=-1)
            if reading.sound < reading.size:
                after = max(last, reading.after or 0)
                told.append(
                    "The journal ended in a line that is not whole, which was cut off: "
                    f"{path}: {reading.size - reading.sound} bytes after revision {after}"
                )
            if reading.sound < reading.size or last > file_revision:
                # A process that was killed may not have come to its fsync.
                shorten(path, reading.sound)
            self._old.append(_Old(path, last, reading.sound, None))
        for path, reading in [*self._readings.items()][-1:]:
            if (reading.after or 0) > revision:
                told.append(
                    f"{path} begins after revision {reading.after}, and the dataset is at {revision}: "
                    "changes may be missing"
                )
        self._number = max(map(segment_number, self._readings), default=0)
        self._readings, self.keyed = {}, []
        self._appended = self._durable = revision
        self._drop_old(file_revision)
        return told

    def append(
        self,
        revision: int,
        time: float,
        actor: str | None,
        key: str | None,
        change: bytes | Sequence[bytes],
        *,
        answer: bytes | None = None,
        undoes: int | None = None,
    ) -> None:
        """Write the change that makes `revision`, a JSON text on one line, in pieces where it is long.

        Raises `JournalError`: it is not there.

        `answer` and `undoes` are as in `cocoannot.files.segments.Entry`.
        """
        if self._doubt is not None:
            self._refuse_in_doubt()
        try:
            segment = self._current
            if segment is None or not segment.sound or segment.last != revision - 1:
                segment = self._begin(revision - 1)
            before = segment.size, segment.last
            whole, pieces = (change, ()) if isinstance(change, bytes) else (_IN_PIECES, change)
            entry = Entry(revision, time, self._durable, msgspec.Raw(whole), actor, key)
            if answer is not None or undoes is not None:
                entry = msgspec.structs.replace(
                    entry,
                    answer=UNSET if answer is None else msgspec.Raw(answer),
                    undoes=UNSET if undoes is None else undoes,
                )
            segment.append(entry, pieces)
        except OSError as exc:
            raise self._failed(exc) from exc
        self._trouble = None
        with self._lock:
            if self._doubt is None:
                self._appended = revision
                return
        segment.take_back(*before)
        self._refuse_in_doubt()

    def note(self, revision: int, time: float, actor: str | None, change: bytes | Sequence[bytes]) -> None:
        """Write down a change that the file has already; where that fails, nothing is lost and nothing is told."""
        before = self._trouble
        with suppress(JournalError):
            self.append(revision, time, actor, None, change)
        self._trouble = before

    def try_out(self) -> None:
        """See whether changes can be written again, where they could not. Raises `JournalError`."""
        self._refuse_in_doubt()
        if self._trouble is not None:
            try:
                segment = self._current
                if segment is None or not segment.sound:
                    segment = self._begin(self._appended)
                segment.try_out(_TRIAL)
            except OSError as exc:
                raise self._failed(exc) from exc
            self._trouble = None

    def sync(self, revision: int | None = None) -> None:
        """Make everything durable that was appended; nothing happens where `revision` is. Raises `NotDurable`.

        Threads that wait for one another share an fsync.
        """
        with self._syncing:
            with self._lock:
                target = self._appended
                if self._durable >= (target if revision is None else revision):
                    return
                if self._doubt is not None:
                    raise self._not_durable()
                segments = [old.segment for old in self._old if old.segment] + [self._current]
            try:
                for segment in segments:
                    if segment is not None:
                        segment.sync()
            except OSError as exc:
                self.doubt(f"can't make {self.folder} durable: {exc.strerror}")
                raise self._not_durable() from exc
            with self._lock:
                self._durable = max(self._durable, target)
                for index, old in enumerate(self._old):
                    # Not one that was written to after its fsync had begun, before it was retired.
                    if old.segment and old.segment.durable:
                        old.segment.close()
                        self._old[index] = old._replace(segment=None)

    def doubt(self, reason: str) -> None:
        """Refuse changes until everything was saved: what is in memory and what is on disk may differ."""
        with self._lock:
            self._doubt = reason
            # Nothing is known of it any more.
            self._retire_current()

    def prepare(self) -> None:
        """Make a segment for `turn` to begin, so that nobody has to wait for that.

        Where the disk does not let us, the save goes on without: its changes stay in older segments a while longer.
        """
        with self._beginning:
            if self._spare is None:
                with suppress(OSError):
                    self._spare = self._create()

    def turn(self, revision: int) -> None:
        """Go on in the segment that was prepared, where the one before holds changes. The dataset is at `revision`."""
        changed = self._current is None or self._current.holds_changes
        if self._spare is not None and changed:
            with suppress(OSError):
                self._begin(revision)

    def checkpoint(self, revision: int, *, needed: bool = False) -> None:
        """The dataset's file is durable at `revision`: older segments are deleted, unless they are `needed` still."""
        with self._syncing:
            with self._lock:
                if self._appended <= revision:
                    self._appended, self._doubt = revision, None
                self._durable = max(self._durable, revision)
            if not needed:
                self._drop_old(revision)

    def close(self) -> None:
        """Make durable what can be, and let go of the files; there are no changes any more."""
        with suppress(NotDurable):
            self.sync()
        with self._syncing, self._beginning, self._lock:
            for segment in [*(old.segment for old in self._old), self._current, self._spare]:
                if segment is not None:
                    segment.close()

    def _begin(self, after: int) -> Segment:
        with self._beginning:
            segment = self._spare or self._create()
            self._spare = segment
            try:
                segment.begin(after)
            finally:
                if segment.last >= 0 or not segment.sound:
                    self._spare = None
                if not segment.sound:
                    with self._lock:
                        self._old.append(_Old(segment.path, -1, segment.size, segment))
            with self._lock:
                self._retire_current()
                self._current = segment
            return segment

    def _create(self) -> Segment:
        if not (self._placed and self.folder.is_dir()):
            self.folder.mkdir(parents=True, exist_ok=True)
            # Whoever made them may have come no further: a name that a power cut takes away takes all that is in it.
            sync_folder(self.folder.parent)
            sync_folder(self.folder.parent.parent)
            self._placed = True
        # A number is never tried again: a file may be left of the one that failed.
        self._number += 1
        return Segment(self.folder / f"{self._number}{SUFFIX}")

    def _retire_current(self) -> None:
        if self._current is not None:
            self._old.append(_Old(self._current.path, self._current.last, self._current.size, self._current))
            self._current = None

    def _drop_old(self, revision: int) -> None:
        while self._old and self._old[0].last <= revision:
            oldest = self._old[0]
            if oldest.segment:
                oldest.segment.close()
            try:
                oldest.path.unlink(missing_ok=True)
            except OSError:
                # The next save comes back to it; what it holds is not replayed over a newer file.
                return
            with self._lock:
                del self._old[0]

    def _failed(self, exc: OSError) -> JournalError:
        self._trouble = f"can't write {self.folder}: {exc.strerror}"
        full = exc.errno in (errno.ENOSPC, errno.EDQUOT)
        return JournalError(
            f"{self._trouble}; the change was not made. It can be made as soon as the disk takes it", disk_full=full
        )

    def _refuse_in_doubt(self) -> None:
        if self._doubt is not None:
            raise JournalError(f"{self._doubt}; the change was not made: none is until the dataset was saved")

    def _not_durable(self) -> NotDurable:
        return NotDurable(
            f"{self._doubt}; the change was made, but a power cut may undo it: no other is until the dataset was saved"
        )
