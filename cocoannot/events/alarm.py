"""Waking a thread that waits for sockets, from any other thread, or from a signal handler."""

from __future__ import annotations

import os
from contextlib import suppress


class Alarm:
    """A pipe whose reading end a selector can wait for; made when it is first asked for, so that no fork shares it."""

    def __init__(self) -> None:
        self.asleep = False
        """Whether the thread waits, so that it has to be woken. It sets this before it looks for work the last time."""
        self._reading: int | None = None
        self._writing: int | None = None

    def open(self) -> int:
        """The end to wait for."""
        if self._reading is None:
            self._reading, self._writing = os.pipe()
            os.set_blocking(self._reading, False)
            os.set_blocking(self._writing, False)
        return self._reading

    def sound(self) -> None:
        """Wake the thread; takes no lock."""
        if self._writing is not None:
            # Full: it is about to wake.
            with suppress(BlockingIOError):
                os.write(self._writing, b"\0")

    def hush(self) -> None:
        """The thread is awake."""
        assert self._reading is not None
        with suppress(BlockingIOError):
            os.read(self._reading, 4096)

    def close(self) -> None:
        """Let go of it, where nobody sounds it any more."""
        reading, writing = self._reading, self._writing
        self._reading = self._writing = None
        for fd in (reading, writing):
            if fd is not None:
                os.close(fd)
