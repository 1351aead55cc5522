"""Replacing files: written beside the target, fsynced, renamed over it. What is in them is not known here."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import os
import secrets
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import NamedTuple

from cocoannot.files.hashing import Block, Hashing

# For a larger write Linux looks for memory that is as large in one piece, which can take longer than the write.
_WRITE = 512 << 10
_AHEAD = 8 << 20
# What file systems answer that have no links.
_NO_LINKS = (errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK)


class Content(NamedTuple):
    """What a file holds, without where: its size in bytes and the sha256 of its bytes, in hexadecimal."""

    size: int
    sha256: str


class Stamp(NamedTuple):
    """What tells cheaply that a file is still the one that was seen; nanoseconds for the times."""

    device: int
    inode: int
    size: int
    mtime: int
    ctime: int

    @classmethod
    def of(cls, status: os.stat_result) -> Stamp:
        return cls(status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)


class NewFile:
    """A file in the making beside `target`; gone again at the end of the `with` block unless `replace` was called.

    One process at a time may make a new file for a target: the name of the unfinished one is fixed, so that a
    start finds what a killed process left (`clear_unfinished`); a lock on it tells others that somebody is at it. It is
    made in `folder`, on the same file system, where that is given. The mode of `like` is kept, of the target by
    default, and its owner where that is allowed; with `mode` that is the mode.
    """

    def __init__(
        self, target: Path, *, like: Path | None = None, folder: Path | None = None, mode: int | None = None
    ) -> None:
        self.target = target
        self._like = like or target
        self._mode = mode
        self._path = unfinished(folder / target.name if folder else target)
        self._fd = -1
        self._replaced = False

    def __enter__(self) -> NewFile:
        self._path.unlink(missing_ok=True)
        try:
            like = self._like.stat()
        except FileNotFoundError:
            like = None
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        # Nobody else may open it before it has the mode that it is to have.
        self._fd = os.open(self._path, flags, 0o666 if like is None and self._mode is None else 0o600)
        try:
            # Where a file system has no locks, nobody can tell.
            with contextlib.suppress(OSError):
                fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if like is not None:
                self._take_after(like)
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end()

    def write(self, blocks: Iterable[Block]) -> Content:
        """Write `blocks`, which must not change, and fsync them. Raises `OSError`."""
        begun = 0
        with Hashing() as hashing:
            for block in blocks:
                hashing.update(block)
                view = memoryview(block)
                while view:
                    view = view[os.write(self._fd, view[:_WRITE]) :]
                if hashing.size - begun >= _AHEAD and hasattr(os, "posix_fadvise"):
                    # Linux then begins to write them to the disk, which has less left to do at the fsync.
                    os.posix_fadvise(self._fd, begun, hashing.size - begun, os.POSIX_FADV_DONTNEED)
                    begun = hashing.size
            os.fsync(self._fd)
            return Content(hashing.size, hashing.hexdigest())

    @property
    def path(self) -> Path:
        """Where it is until it replaces the target."""
        return self._path

    def replace(self) -> None:
        """Rename the new file over the target; from then on it is there. Raises `OSError`.

        The name is durable only once the folder is fsynced (`sync_folder`).
        """
        os.rename(self._path, self.target)
        self._replaced = True

    def stamp(self) -> Stamp:
        """The stamp of the new file, which renaming it changes. Raises `OSError`."""
        return Stamp.of(os.fstat(self._fd))

    def _take_after(self, like: os.stat_result) -> None:
        # One by one: a group can be kept where the user can't. An id that this user namespace does not know is EINVAL.
        for uid, gid in ((-1, like.st_gid), (like.st_uid, -1)):
            with contextlib.suppress(OSError):
                os.fchown(self._fd, uid, gid)
        os.fchmod(self._fd, like.st_mode & 0o7777 if self._mode is None else self._mode)

    def _end(self) -> None:
        if not self._replaced:
            with contextlib.suppress(OSError):
                self._path.unlink()
        # What was replaced has been fsynced, so that closing it has no more to tell.
        with contextlib.suppress(OSError):
            os.close(self._fd)


def unfinished(target: Path) -> Path:
    """Where a `NewFile` for `target` is made."""
    return target.with_name(f".{target.name}.unfinished")


def create_file(target: Path, data: bytes) -> None:
    """Write a new file and make it durable; any number of processes may try at once, and one of them does it.

    Raises `FileExistsError` where there is something of that name, `OSError`.
    """
    unfinished = target.with_name(f".{target.name}.{secrets.token_hex(8)}.unfinished")
    fd = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666)
    try:
        with open(fd, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(fd)
        link_new(unfinished, target)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(unfinished)
        raise
    sync_folder(target.parent)


def link_new(unfinished: Path, target: Path) -> None:
    """Give a file the name `target`, where nothing has that: a link fails there, while a rename would replace it.

    Raises `FileExistsError`, `OSError`.
    """
    try:
        os.link(unfinished, target)
    except OSError as exc:
        if exc.errno not in _NO_LINKS:
            raise
        # Nothing better is there on such a file system.
        if os.path.lexists(target):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(target)) from exc
        os.rename(unfinished, target)
        return
    with contextlib.suppress(OSError):
        os.unlink(unfinished)


def clear_unfinished(target: Path) -> None:
    """Remove what a killed process left beside `target`. Raises `OSError`."""
    unfinished(target).unlink(missing_ok=True)


def clear_all_unfinished(folder: Path) -> None:
    """Remove what killed processes left in `folder`; what another process is at stays. Raises `OSError`."""
    for path in folder.glob(".*.unfinished"):
        if not _is_being_made(path):
            path.unlink(missing_ok=True)


def _is_being_made(path: Path) -> bool:
    """Whether a `NewFile` is there whose process is alive, or may be: it belongs to somebody else."""
    try:
        fd = os.open(path, os.O_WRONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except PermissionError:
        return True
    except OSError:
        return False
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    finally:
        os.close(fd)
    return False


def replace_file(target: Path, data: bytes) -> Content:
    """Replace a small file and make it durable. Raises `OSError`."""
    with NewFile(target) as new:
        content = new.write([data])
        new.replace()
    sync_folder(target.parent)
    return content


def sync_folder(folder: Path) -> None:
    """Make the names in `folder` durable. Raises `OSError`."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def content_of(path: Path) -> Content:
    """Size and hash of a file, read in blocks. Raises `OSError`."""
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256")
        return Content(file.tell(), digest.hexdigest())


def copy_aside(path: Path, target: Path, folder: Path | None = None) -> None:
    """Keep the content and the mode of `path` as `target`, durably, `path` itself unchanged. Raises `OSError`.

    The copy is made in `folder`, beside `target` by default.
    """
    with path.open("rb") as file, NewFile(target, like=path, folder=folder) as new:
        new.write(iter(lambda: file.read(_WRITE), b""))
        new.replace()
    sync_folder(target.parent)
