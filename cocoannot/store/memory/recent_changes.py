"""The latest changes, as many as fit: what undo and those who follow the dataset ask for first."""

from __future__ import annotations

from collections import OrderedDict, deque
from itertools import takewhile

from cocoannot.changes.change import Change

MOST_CHANGES = 10_000
MOST_BYTES = 16 << 20
"""How many changes are kept, and how many bytes of text in them."""


class RecentChanges:
    """All changes after the revision `start`. The state's lock guards it.

    Not every revision is that of a change: a replacement that failed, but may be in place, has one to itself.
    """

    def __init__(self, start: int) -> None:
        self.start = start
        """The revision after which every change is here."""
        self._changes: OrderedDict[int, Change] = OrderedDict()
        self._sizes: deque[int] = deque()
        self._bytes = 0

    def add(self, change: Change) -> None:
        """Keep `change`, the next one; the oldest go where there is no room."""
        size = sum([len(edit.before or b"") + len(edit.after or b"") for edit in change.edits])
        self._changes[change.revision] = change
        self._sizes.append(size)
        self._bytes += size
        while self._changes and (len(self._changes) > MOST_CHANGES or self._bytes > MOST_BYTES):
            self.start, _ = self._changes.popitem(last=False)
            self._bytes -= self._sizes.popleft()

    def since(self, revision: int) -> list[Change] | None:
        """Every change after `revision`, oldest first; `None` where some of them are not here any more."""
        if revision < self.start:
            return None
        newest_first = takewhile(lambda change: change.revision > revision, reversed(self._changes.values()))
        return list(newest_first)[::-1]

    def get(self, revision: int) -> Change | None:
        """The change that made `revision`, `None` where it is not here."""
        return self._changes.get(revision)

    def all(self) -> list[Change]:
        """Everything that is here, oldest first."""
        return list(self._changes.values())
