"""One file of the journal: lines that prove themselves, appended, cut back where that fails, and read again.

    {"crc": "1c291ca3", "entry": {"after": 41}}                                                          its head
    {"crc": "...", "entry": {"revision": 42, "time": 1763866801.5, "actor": null, "key": null, "durable": 40,
                               "change": [...]}}

`crc` is the CRC-32 of the entry's text. What a change means is not known here.
"""

from __future__ import annotations

import os
import zlib
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import msgspec
from msgspec import UNSET, UnsetType

from cocoannot.errors import DatasetError
from cocoannot.files.atomic import sync_folder

SUFFIX = ".jsonl"


class Entry(msgspec.Struct, frozen=True):
    """One change: the revision that it made, when (seconds since 1970), by whom, the client's key, and its JSON text.

    `answer` is the JSON text of what was answered to a request with a key, `undoes` the revision that was taken back;
    lines of other changes are without. `durable` is the revision up to which all was known to be fsynced when the line
    was written: what a power cut took before it can't be what had been promised.
    """

    revision: int
    time: float
    durable: int
    change: msgspec.Raw
    actor: str | None = None
    key: str | None = None
    answer: msgspec.Raw | UnsetType = UNSET
    undoes: int | UnsetType = UNSET


_ENTRY = msgspec.json.Encoder()
_CHANGE = b'"change":'


class _Head(msgspec.Struct, frozen=True):
    """The first line of a segment: the revision that its first change follows."""

    after: int


class _Line(msgspec.Struct, frozen=True):
    crc: str
    entry: msgspec.Raw


class Reading(NamedTuple):
    """What a segment holds: `after` of its head (`None` where it has none), its changes, and its sound part.

    What follows the first `sound` bytes, of `size`, is no whole line; `damage` says where a line before a good one is
    broken, `None` where none is, or only by NULs: blocks that a power cut kept from the disk read so.
    """

    after: int | None
    entries: list[Entry]
    sound: int
    size: int
    damage: str | None


class Segment:
    """A segment that is being written. One thread at a time may append; any may `sync`."""

    def __init__(self, path: Path) -> None:
        """Make the file; its name is durable. Raises `OSError`, and there is then no file."""
        self.path = path
        self.size = 0
        self.last = -1
        """The revision of its last line, -1 where it has none."""
        self.sound = True
        """Whether a line may follow: not after one that could neither be written whole nor be cut off."""
        self._head_size = 0
        self._synced = 0
        self._fd = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            sync_folder(path.parent)
        except BaseException:
            self.close()
            with suppress(OSError):
                path.unlink()
            raise

    @property
    def holds_changes(self) -> bool:
        """Whether there is more in it than a head."""
        return self.size > self._head_size

    @property
    def durable(self) -> bool:
        """Whether every line was fsynced."""
        return self._synced >= self.size

    def begin(self, after: int) -> None:
        """Write the head. Raises `OSError`, and nothing was written."""
        self._append([line(b'{"after":%d}' % after)], after)
        self._head_size = self.size

    def append(self, entry: Entry, change: Sequence[bytes] = ()) -> None:
        """Write a change, whose JSON text is that of `entry`, or `change` in pieces. Raises `OSError`, and nothing was
        written."""
        if not change:
            self._append([line(_ENTRY.encode(entry))], entry.revision)
            return
        # Only numbers stand before it.
        before, around, after = _ENTRY.encode(entry).partition(_CHANGE + bytes(entry.change))
        assert around
        self._append(_pieces([before + _CHANGE, *change, after]), entry.revision)

    def try_out(self, size: int) -> None:
        """Write `size` bytes and take them back. Raises `OSError`."""
        length = self.size
        try:
            self._write(b" " * size)
        finally:
            self._cut(length)

    def take_back(self, size: int, last: int) -> None:
        """Cut off what was appended after the segment had `size` bytes and ended at revision `last`."""
        self._cut(size)
        self.size, self.last = size, last

    def sync(self) -> None:
        """Make every line durable that was written before. Raises `OSError`; what that is worth is then not known."""
        size = self.size
        if self._synced < size:
            os.fsync(self._fd)
            self._synced = size

    def close(self) -> None:
        """Let go of the file; nothing happens where that was done."""
        fd, self._fd = self._fd, -1
        if fd >= 0:
            # What had to be durable was fsynced; closing has no more to tell.
            with suppress(OSError):
                os.close(fd)

    def _append(self, pieces: Sequence[bytes], revision: int) -> None:
        length = self.size
        try:
            for piece in pieces:
                self._write(piece)
        except BaseException:
            self._cut(length)
            raise
        self.size, self.last = length + sum(map(len, pieces)), revision

    def _write(self, data: bytes) -> None:
        view = memoryview(data)
        while view:
            view = view[os.write(self._fd, view) :]

    def _cut(self, size: int) -> None:
        try:
            os.ftruncate(self._fd, size)
        except OSError:
            self.sound = False


def read_segment(path: Path) -> Reading:
    """Read a segment; broken lines are told of, not raised. Raises `OSError`."""
    data = path.read_bytes()
    after: int | None = None
    entries: list[Entry] = []
    damage: str | None = None
    sound = broken = start = number = 0
    hole = False
    while start < len(data):
        newline = data.find(b"\n", start)
        end = len(data) if newline < 0 else newline
        number += 1
        found = _parse(data[start:end])
        if found is None:
            broken = broken or number
            hole = hole or b"\0" in data[start:end]
        elif broken:
            if not hole:
                damage = damage or f"{path}: line {broken} is damaged, and good ones follow it"
            broken, hole = 0, False
        if isinstance(found, _Head):
            after = found.after
        elif found is not None:
            entries.append(found)
        start = end + 1
        if found is not None:
            sound = min(start, len(data))
    return Reading(after, entries, sound, len(data), damage)


def shorten(path: Path, size: int) -> None:
    """Cut a file to its first `size` bytes, and make them durable. Raises `OSError`."""
    with path.open("r+b") as file:
        file.truncate(size)
        os.fsync(file.fileno())


def segment_paths(folder: Path) -> list[Path]:
    """The segments in `folder`, oldest first. Raises `DatasetError` for a file that is none, `OSError`."""
    paths = list(folder.glob(f"*{SUFFIX}"))
    for path in paths:
        if not path.stem.isdecimal():
            raise DatasetError(f"{path} is no segment of the journal; move it away")
    return sorted(paths, key=segment_number)


def segment_number(path: Path) -> int:
    """Which segment it is, counted from 1 in the order in which they were begun."""
    return int(path.stem)


def line(entry: bytes) -> bytes:
    """The line for an entry's JSON text."""
    return b'{"crc":"%08x","entry":%b}\n' % (zlib.crc32(entry), entry)


def _pieces(entry: Sequence[bytes]) -> list[bytes]:
    """The line for an entry's JSON text, both in pieces."""
    crc = 0
    for piece in entry:
        crc = zlib.crc32(piece, crc)
    return [b'{"crc":"%08x","entry":' % crc, *entry, b"}\n"]


def entry_of(text: bytes) -> bytes | None:
    """The entry's JSON text in a line, `None` where the line is not whole."""
    try:
        found = msgspec.json.decode(text, type=_Line)
    except (ValueError, RecursionError):  # msgspec.DecodeError and UnicodeDecodeError are the former
        return None
    entry = bytes(found.entry)
    return entry if f"{zlib.crc32(entry):08x}" == found.crc else None


def _parse(text: bytes) -> Entry | _Head | None:
    entry = entry_of(text)
    if entry is None:
        return None
    try:
        if entry.startswith(b'{"after"'):
            return msgspec.json.decode(entry, type=_Head)
        return msgspec.json.decode(entry, type=Entry)
    except (ValueError, RecursionError):
        return None
