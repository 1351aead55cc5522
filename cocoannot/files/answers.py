"""Answers to requests that had a key, kept so that the same request, sent again, is not done again.

    NAME.cocoannot/answers/1.jsonl ...     lines as in the journal, in the order of their revisions

The journal has each answer first. It is durable here before the journal forgets it (`sync`), and a start brings here
what is missing (`add`). Of what was asked, and what an answer holds, nothing is known here.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import suppress
from hashlib import blake2b
from pathlib import Path

import msgspec

from cocoannot.files.atomic import sync_folder
from cocoannot.files.segments import SUFFIX, entry_of, line, segment_number, segment_paths, shorten

MOST = 100_000
MOST_BYTES = 1 << 30
"""How many answers are kept at least, and how many bytes they may have for that."""

_PARTS = 4
"""So many parts hold `MOST` answers; one more is being filled."""


class _Named(msgspec.Struct, frozen=True):
    """Of an answer, what it is found by."""

    revision: int
    key: str
    actor: str | None = None


class _Part:
    """One file, and where in it each answer begins, by the hash of its name: about 130 bytes of memory for one."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.size = 0
        self.starts: dict[int, int] = {}
        self.synced = 0


class KeptAnswers:
    """The newest answers in `folder`: at least `most` of them, as far as they fit into `most_bytes`.

    Safe from any thread, but for `open`.
    """

    def __init__(self, folder: Path, most: int = MOST, most_bytes: int = MOST_BYTES) -> None:
        self.folder = folder
        self._most = most
        self._most_bytes = most_bytes
        # Guards the fields below, for moments; no fsync is waited for.
        self._lock = threading.Lock()
        # One fsync at a time. Taken before `_lock`.
        self._syncing = threading.Lock()
        self._parts: list[_Part] = []
        self._fd = -1
        # What the disk did not take yet.
        self._waiting: dict[int, bytes] = {}

    def open(self, revision: int) -> int:
        """Read what is there. Answers above the `revision` that the dataset is at are dropped: their changes are lost.

        Returns how many lines are damaged, and left out. Raises `DatasetError`, `OSError`.
        """
        damaged, self._parts = 0, []
        for path in segment_paths(self.folder):
            part = _Part(path)
            for start, text in _lines(path):
                named = _named(text)
                if not text.endswith(b"\n") or (named is not None and named.revision > revision):
                    break
                damaged += named is None
                if named is not None:
                    part.starts[_digest(named.actor, named.key)] = start
                part.size = start + len(text)
            if part.size < path.stat().st_size:
                shorten(path, part.size)
            self._parts.append(part)
        return damaged

    def find(self, actor: str | None, key: str) -> bytes | None:
        """The JSON text of the answer to the request that `actor` called `key`, `None` where none is kept.

        Raises `OSError`.
        """
        digest = _digest(actor, key)
        with self._lock:
            entry = self._waiting.get(digest)
            parts = reversed(self._parts)
            place = next(((part.path, part.starts[digest]) for part in parts if digest in part.starts), None)
        # A part that was dropped meanwhile is too old.
        if entry is None and place is not None and place[0].exists():
            with place[0].open("rb") as file:
                file.seek(place[1])
                entry = entry_of(file.readline())
        if entry is None:
            return None
        named = msgspec.json.decode(entry, type=_Named)
        return entry if (named.actor, named.key) == (actor, key) else None

    def add(self, actor: str | None, key: str, entry: bytes) -> None:
        """Keep an answer, the JSON text of an object with `revision`, `key` and `actor`.

        Where the disk does not take it, it waits in memory: see `write`.
        """
        with self._lock:
            self._waiting[_digest(actor, key)] = entry
        with suppress(OSError):
            self.write()

    def write(self) -> None:
        """Write what waits in memory. Raises `OSError`; no answer should be added then."""
        with self._lock:
            for digest, entry in list(self._waiting.items()):
                part = self._part()
                text = line(entry)
                self._append(part, text)
                part.starts[digest] = part.size
                part.size += len(text)
                del self._waiting[digest]

    def sync(self) -> bool:
        """Make durable what was added; returns whether that worked. Parts that are not needed any more are deleted."""
        try:
            self.write()
            with self._syncing:
                with self._lock:
                    sizes = [(part, part.size) for part in self._parts if part.size > part.synced]
                for part, size in sizes:
                    _sync_file(part.path)
                    part.synced = size
                self._drop_oldest()
        except OSError:
            return False
        return True

    def close(self) -> None:
        """Let go of the file."""
        with self._lock:
            self._close()

    def _part(self) -> _Part:
        """The part that the next line goes to, open."""
        last = self._parts[-1] if self._parts else None
        if last and len(last.starts) < self._most // _PARTS and last.size < self._most_bytes // _PARTS:
            if self._fd < 0:
                self._fd = os.open(last.path, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC)
            return last
        self._close()
        self.folder.mkdir(parents=True, exist_ok=True)
        number = segment_number(last.path) + 1 if last else 1
        part = _Part(self.folder / f"{number}{SUFFIX}")
        self._fd = os.open(part.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        # Whoever made the folder may have come no further.
        sync_folder(self.folder)
        sync_folder(self.folder.parent)
        self._parts.append(part)
        return part

    def _append(self, part: _Part, text: bytes) -> None:
        try:
            # What an append left that failed, and could not be cut off.
            if os.fstat(self._fd).st_size != part.size:
                os.ftruncate(self._fd, part.size)
            view = memoryview(text)
            while view:
                view = view[os.write(self._fd, view) :]
        except OSError:
            with suppress(OSError):
                os.ftruncate(self._fd, part.size)
            raise

    def _drop_oldest(self) -> None:
        while True:
            with self._lock:
                newer = self._parts[1:]
                enough = sum(len(part.starts) for part in newer) >= self._most
                if not newer or not (enough or sum(part.size for part in self._parts) > self._most_bytes):
                    return
                oldest = self._parts.pop(0)
            oldest.path.unlink(missing_ok=True)

    def _close(self) -> None:
        fd, self._fd = self._fd, -1
        if fd >= 0:
            with suppress(OSError):
                os.close(fd)


def _digest(actor: str | None, key: str) -> int:
    name = msgspec.json.encode((actor, key))
    return int.from_bytes(blake2b(name, digest_size=8).digest(), "big")


def _named(text: bytes) -> _Named | None:
    """What the answer in a line is found by, `None` where the line is damaged."""
    try:
        return msgspec.json.decode(entry_of(text) or b"", type=_Named)
    except msgspec.MsgspecError:
        return None


def _lines(path: Path) -> Iterator[tuple[int, bytes]]:
    start = 0
    with path.open("rb") as file:
        for text in file:
            yield start, text
            start += len(text)


def _sync_file(path: Path) -> None:
    fd = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
