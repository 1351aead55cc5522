"""What tells the time: the module `time`, or in tests a clock that stands still."""

from __future__ import annotations

from typing import Protocol


class Clock(Protocol):
    """The time in seconds."""

    def time(self) -> float:
        """Seconds since 1970."""
        ...

    def monotonic(self) -> float:
        """Seconds since some moment; it never goes back."""
        ...
