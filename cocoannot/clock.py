"""What tells the time: the module `time`, or in tests a clock that stands still. And how a time is told to others."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """The time in seconds."""

    def time(self) -> float:
        """Seconds since 1970."""
        ...

    def monotonic(self) -> float:
        """Seconds since some moment; it never goes back."""
        ...


def moment(seconds: float) -> datetime:
    """A time in seconds since 1970 as answers and events have it: in UTC."""
    return datetime.fromtimestamp(seconds, UTC)
