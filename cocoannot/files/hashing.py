"""The sha256 of what is written or read, computed beside that. Nothing else."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from queue import Queue
from threading import Thread
from types import TracebackType

Block = bytes | memoryview

_ALONE = 8 << 20
_WAITING = 8


class Hashing:
    """A sha256 that a thread of its own computes, a few blocks behind the caller, until the `with` block ends.

    A short one is computed by the caller, and so is all of it where no thread is to be had: a process that ends may
    have none any more. What is given must not change.
    """

    def __init__(self) -> None:
        self.size = 0
        """How many bytes were given."""
        self._digest = hashlib.sha256()
        self._blocks: Queue[Block | None] = Queue(_WAITING)
        self._thread: Thread | None = None

    def __enter__(self) -> Hashing:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._finish()

    def update(self, block: Block) -> None:
        """Add `block`."""
        self.size += len(block)
        if self._thread is None and self.size > _ALONE:
            self._thread = _started(self._work)
        if self._thread is None:
            self._digest.update(block)
        else:
            self._blocks.put(block)

    def hexdigest(self) -> str:
        """The sha256 of all that was given, in hexadecimal; nothing can be added after it."""
        self._finish()
        return self._digest.hexdigest()

    def _work(self) -> None:
        while (block := self._blocks.get()) is not None:
            self._digest.update(block)

    def _finish(self) -> None:
        if self._thread is not None:
            self._blocks.put(None)
            self._thread.join()
            self._thread = None


def _started(work: Callable[[], object]) -> Thread | None:
    thread = Thread(target=work, name="hashing", daemon=True)
    try:
        thread.start()
    except RuntimeError:
        return None
    return thread
