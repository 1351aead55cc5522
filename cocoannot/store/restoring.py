"""Restoring: the edits that make the dataset what it was at a revision. They are one change, which can be undone."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from cocoannot.changes.change import Edit
from cocoannot.changes.inverse import inverse
from cocoannot.errors import Conflict
from cocoannot.store.base import History, Lookup
from cocoannot.store.undoing import placed

MOST_EDITS = 1_000_000
MOST_TEXT = 512 << 20
"""Edits since then, and bytes of records in them, that are taken back at once: they are in memory meanwhile."""


def edits_back_to(revision: int, lookup: Lookup, history: History) -> list[Edit]:
    """The edits that take everything back that was done after `revision`, ready to be made; none for none.

    Raises `NotKept` where that can't be told any more, or is yet to come, `Conflict` where it is too much.
    """
    with history.edits_since(revision) as edits:
        return placed(inverse(_counted(edits, revision)), lookup)


def _counted(edits: Iterable[Edit], revision: int) -> Iterator[Edit]:
    size = 0
    for number, edit in enumerate(edits):
        size += len(edit.before or b"") + len(edit.after or b"")
        if number >= MOST_EDITS or size > MOST_TEXT:
            raise Conflict(
                f"more was done after revision {revision} than can be taken back at once; give a later one, or get the "
                f"dataset as it was then by an export at {revision}"
            )
        yield edit
