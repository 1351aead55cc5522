"""The latest changes, as many as fit: what undo and those who follow the dataset ask for first."""

from __future__ import annotations

from collections import deque
from itertools import islice

from cocoannot.changes.change import Change

MOST_CHANGES = 10_000
MOST_BYTES = 16 << 20
"""How many changes are kept, and how many bytes of text in them."""


class RecentChanges:
    """Changes that follow one another without a gap, after the revision `start`. The state's lock guards it."""

    def __init__(self, start: int) -> None:
        self.start = start
        """The revision after which every change is here."""
        self._changes: deque[Change] = deque()
        self._sizes: deque[int] = deque()
        self._bytes = 0

    def add(self, change: Change) -> None:
        """Keep `change`, the next one; the oldest go where there is no room."""
        size = sum([len(edit.before or b"") + len(edit.after or b"") for edit in change.edits])
        self._changes.append(change)
        self._sizes.append(size)
        self._bytes += size
        while self._changes and (len(self._changes) > MOST_CHANGES or self._bytes > MOST_BYTES):
            self.start = self._changes.popleft().revision
            self._bytes -= self._sizes.popleft()

    def since(self, revision: int) -> list[Change] | None:
        """Every change after `revision`, oldest first; `None` where some of them are not here any more."""
        if revision < self.start:
            return None
        newest_first = islice(reversed(self._changes), max(0, self.start + len(self._changes) - revision))
        return list(newest_first)[::-1]

    def get(self, revision: int) -> Change | None:
        """The change that made `revision`, `None` where it is not here."""
        at = revision - self.start - 1
        return self._changes[at] if 0 <= at < len(self._changes) else None

    def all(self) -> list[Change]:
        """Everything that is here, oldest first."""
        return list(self._changes)
