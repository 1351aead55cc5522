"""One owner: a lock that the kernel lets go of when its process ends, whatever way."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import msgspec

from cocoannot.errors import OwnedElsewhere

_STEP = 0.05


class Owner(msgspec.Struct, frozen=True):
    """Who holds a dataset: its process id, the address of its server (`""` where it has none), the dataset's path."""

    pid: int
    url: str
    dataset: str


class OwnerLock:
    """`flock` on a file that says who holds it. Not shared with child processes that run another program."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._fd = -1

    @property
    def held(self) -> bool:
        return self._fd >= 0

    def acquire(self, owner: Owner, timeout: float, wait: Callable[[float], object]) -> None:
        """Take the lock, waiting for at most `timeout` seconds, in steps by `wait(seconds)`.

        Raises `OwnedElsewhere`, which names the owner, and `OSError`.
        """
        self.path.parent.mkdir(exist_ok=True)
        fd = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            waited = 0.0
            while not _try(fd):
                if waited >= timeout:
                    raise OwnedElsewhere(
                        f"{owner.dataset} is in use by {describe(read_owner(self.path))}; stop it first"
                    )
                wait(_STEP)
                waited += _STEP
            os.ftruncate(fd, 0)
            os.pwrite(fd, msgspec.json.encode(owner), 0)
        except BaseException:
            os.close(fd)
            raise
        self._fd = fd

    def release(self) -> None:
        """Let go; nothing happens where the lock is not held."""
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)


@contextmanager
def locked(path: Path, timeout: float) -> Iterator[None]:
    """Hold the lock at `path` meanwhile, that others hold for moments only. Its owner is that of the folder.

    Raises `TimeoutError` where it is not free within `timeout` seconds, `OSError`.
    """
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        folder = path.parent.stat()
        with suppress(OSError):
            os.fchown(fd, folder.st_uid, folder.st_gid)
        deadline = time.monotonic() + timeout
        while not _try(fd):
            if time.monotonic() >= deadline:
                raise TimeoutError(f"{path} is held by another process")
            time.sleep(_STEP)
        yield
    finally:
        os.close(fd)


def find_owner(path: Path) -> Owner | None:
    """Who holds the lock at `path` now; `None` where nobody does. Raises `OSError`."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        return None if _try(fd, fcntl.LOCK_SH) else read_owner(path) or Owner(0, "", "")
    finally:
        os.close(fd)


def read_owner(path: Path) -> Owner | None:
    """What the lock file says, whether or not its writer is still there."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=Owner)
    except (OSError, msgspec.DecodeError):
        return None


def describe(owner: Owner | None) -> str:
    """`owner` in words, for messages."""
    if owner is None or not owner.pid:
        return f"the server at {owner.url}" if owner is not None and owner.url else "another process"
    return f"process {owner.pid}" + (f" at {owner.url}" if owner.url else "")


def _try(fd: int, kind: int = fcntl.LOCK_EX) -> bool:
    try:
        fcntl.flock(fd, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
