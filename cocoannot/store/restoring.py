"""Restoring: the edits that make the dataset what it was at a revision. They are one change, which can be undone."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from cocoannot.changes.change import Edit, ValueEdit
from cocoannot.changes.inverse import inverse, inverse_values
from cocoannot.errors import Conflict
from cocoannot.store.base import KeptChanges, Lookup
from cocoannot.store.undoing import placed

MOST_EDITS = 1_000_000
MOST_TEXT = 512 << 20
"""Edits since then, and bytes of records in them, that are taken back at once: they are in memory meanwhile."""


def back_to(revision: int, lookup: Lookup, history: KeptChanges) -> tuple[list[Edit], list[ValueEdit]]:
    """The edits that take everything back that was done after `revision`, ready to be made; none for none.

    Those of top-level values stand beside them.

    Raises `NotKept` where that can't be told any more, or is yet to come, `Conflict` where it is too much.
    """
    values: list[ValueEdit] = []
    with history.edits_since(revision) as edits:
        back = placed(inverse(_of_records(_counted(edits, revision), values)), lookup)
    return back, [value for value in inverse_values(values) if lookup.top_level(value.key) != value.after]


def _of_records(edits: Iterable[Edit | ValueEdit], values: list[ValueEdit]) -> Iterator[Edit]:
    """The edits of records; those of top-level values are added to `values`."""
    for edit in edits:
        if isinstance(edit, ValueEdit):
            values.append(edit)
        else:
            yield edit


def _counted(edits: Iterable[Edit | ValueEdit], revision: int) -> Iterator[Edit | ValueEdit]:
    size = 0
    for number, edit in enumerate(edits):
        size += len(edit.before or b"") + len(edit.after or b"")
        if number >= MOST_EDITS or size > MOST_TEXT:
            raise Conflict(
                f"more was done after revision {revision} than can be taken back at once; give a later one, or get the "
                f"dataset as it was then by an export at {revision}"
            )
        yield edit
