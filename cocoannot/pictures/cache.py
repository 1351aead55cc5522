"""A folder of small files, each by its key, within a bound of bytes. What is in them is the caller's business.

FOLDER/KE/KEY.cached      an entry: its data, then a SHA-256 of key and data
FOLDER/KE/KEY.unfinished  an entry that is being written, or was when its process was killed
FOLDER/total              the bytes of all entries, in decimal; locked while anything is written or removed

Losing any of them costs time and nothing else. No other file in the folder is ever touched.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import re
from collections.abc import Iterator
from pathlib import Path

_SHARD = re.compile(r"[0-9a-f]{2}")
_ENTRY = re.compile(r"[0-9a-f]{40}\.cached")
_UNFINISHED = re.compile(r"[0-9a-f]{40}\.unfinished")
_DIGEST_BYTES = 32
_KEEP = 0.8
"""How full the folder is after a clean-up, so that the next write does not need one."""


class Cache:
    """At most `max_bytes` of entries in `folder`, safe from any thread and any process that shares it.

    A key is 40 hexadecimal digits. An entry that is not whole, or that nobody here wrote, counts as missing.
    """

    def __init__(self, folder: Path, max_bytes: int) -> None:
        self.folder = folder
        self._max_bytes = max_bytes
        # Whether this process has looked through the folder; guarded by the lock on FOLDER/total.
        self._looked = False

    def get(self, key: str) -> bytes | None:
        """The data at `key`, which then counts as used; `None` where there is none, or it can't be read."""
        path = self._path(key)
        try:
            entry = path.read_bytes()
        except OSError:
            return None
        data, digest = entry[:-_DIGEST_BYTES], entry[-_DIGEST_BYTES:]
        # Entries are not fsynced: after a power cut there may be an empty one, or one with holes.
        if digest != _digest(key, data):
            return None
        with contextlib.suppress(OSError):
            os.utime(path)
        return data

    def put(self, key: str, data: bytes) -> None:
        """Keep `data`, removing what was not used for longest where there is no room.

        Raises `OSError` where the folder can't be written; nothing unfinished is left then.
        """
        entry = data + _digest(key, data)
        path = self._path(key)
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with self._locked() as fd:
            total = _read_total(fd)
            if total is None or not self._looked or total + len(entry) > self._max_bytes:
                total = self._make_room(len(entry))
                self._looked = True
            if total + len(entry) > self._max_bytes:
                return
            # Before the entry: a process that is killed now has counted too much, and never too little.
            _write_total(fd, total + len(entry))
            path.parent.mkdir(mode=0o700, exist_ok=True)
            _replace(path, entry)

    def _path(self, key: str) -> Path:
        return self.folder / key[:2] / f"{key}.cached"

    @contextlib.contextmanager
    def _locked(self) -> Iterator[int]:
        """The file with the total, open, and this thread the only one of all processes to have it so."""
        fd = os.open(self.folder / "total", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX)
            yield fd
        finally:
            os.close(fd)

    def _make_room(self, needed: int) -> int:
        """Remove unfinished files, and entries where `needed` bytes don't fit; returns the bytes that are left."""
        entries = []
        for file in self._files():
            if _UNFINISHED.fullmatch(file.name):
                # Who writes has the lock, which is ours: this one was left behind.
                with contextlib.suppress(OSError):
                    os.unlink(file)
            elif _ENTRY.fullmatch(file.name):
                with contextlib.suppress(OSError):
                    status = file.stat(follow_symlinks=False)
                    entries.append((status.st_mtime_ns, status.st_size, file.path))
        total = sum(size for _, size, _ in entries)
        if total + needed > self._max_bytes:
            for _, size, path in sorted(entries):
                with contextlib.suppress(OSError):
                    os.unlink(path)
                    total -= size
                if total + needed <= self._max_bytes * _KEEP:
                    break
        return total

    def _files(self) -> Iterator[os.DirEntry[str]]:
        with os.scandir(self.folder) as shards:
            for shard in shards:
                if _SHARD.fullmatch(shard.name) and shard.is_dir(follow_symlinks=False):
                    with os.scandir(shard) as files:
                        yield from (file for file in files if file.is_file(follow_symlinks=False))


def _digest(key: str, data: bytes) -> bytes:
    return hashlib.sha256(key.encode() + data).digest()


def _read_total(fd: int) -> int | None:
    text = os.pread(fd, 100, 0)
    return int(text) if text.isdigit() else None


def _write_total(fd: int, total: int) -> None:
    text = b"%d" % total
    os.pwrite(fd, text, 0)
    os.ftruncate(fd, len(text))


def _replace(path: Path, entry: bytes) -> None:
    unfinished = path.with_suffix(".unfinished")
    try:
        fd = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        with open(fd, "wb") as file:
            file.write(entry)
        os.replace(unfinished, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(unfinished)
        raise
