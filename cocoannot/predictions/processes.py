"""Other processes that have the same folder and the same dataset: whose turn it is, and how one hears of what they did.
What is done in a turn is not known here. It ends with its process, whatever way: the kernel lets go of the lock.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Protocol

from cocoannot.errors import NotLoaded, Unavailable
from cocoannot.files.disk_errors import save_error
from cocoannot.files.lock import locked

WAIT = 30.0
"""Seconds to wait for the turn: a large change in a database takes so long."""

_COME_AGAIN = 2.0


class CatchUp(Protocol):
    """Tells followers of the dataset what other processes have committed by now; to be `settled`, it waits for what
    they are committing. Raises `Unavailable`."""

    def __call__(self, *, settled: bool = False) -> object: ...


def alone(*, settled: bool = False) -> None:
    """No other process changes the dataset."""


class Turn:
    """A turn that is for one at a time, among all threads of all processes, by a lock on a file once that is known."""

    def __init__(self, wait: float = WAIT) -> None:
        self._wait = wait
        # Of the threads of one process, one waits for the others.
        self._lock = threading.Lock()
        self._path: Path | None = None

    def start(self, path: Path) -> None:
        """Lock `path`, whose folder is there before anybody takes the turn."""
        self._path = path

    @contextmanager
    def taken(self) -> Iterator[None]:
        """Have the turn. Raises `Unavailable` where others have it for too long, `SaveError` where the file can't be
        locked, `NotLoaded` before the start."""
        if self._path is None:
            raise NotLoaded("the dataset is not loaded yet; try again in a moment")
        until = time.monotonic() + self._wait
        if not self._lock.acquire(timeout=self._wait):
            raise _busy()
        with ExitStack() as stack:
            stack.callback(self._lock.release)
            try:
                stack.enter_context(locked(self._path, max(0.0, until - time.monotonic())))
            except TimeoutError as exc:
                raise _busy() from exc
            except OSError as exc:
                raise save_error(str(self._path), exc, "nothing was done") from exc
            yield


def _busy() -> Unavailable:
    return Unavailable(
        "somebody else is changing or accepting predictions; nothing was done, try again in a moment", _COME_AGAIN
    )
