"""One accepted change, complete: enough to make it again, to take it back, and to tell who did what.

A change belongs to one revision. Its edits are in the order in which they were made, each on top of those before it;
what follows from an operation (an image's annotations, a category's) is spelled out as edits of its own.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from cocoannot.coco.parser import SectionName


class Edit(msgspec.Struct, frozen=True, gc=False):
    """One record before and after, as JSON texts; `None` for "not there".

    `position` orders the records of a section, ascending in file order. A record keeps its position for as long as it
    is in the store, and no other gets it. Where it was added elsewhere than at the end, `index` is how many records
    were before it then. `lead` is what stood in the file between it and the one before, where that is not what stands
    between others.
    """

    section: SectionName
    record_id: int
    position: int
    before: bytes | None
    after: bytes | None
    index: int | None = None
    lead: bytes | None = None

    @property
    def action(self) -> Literal["added", "updated", "deleted"]:
        """What was done to the record."""
        if self.before is None:
            return "added"
        return "deleted" if self.after is None else "updated"


class ValueEdit(msgspec.Struct, frozen=True, gc=False):
    """One top-level value that is no list of records, such as `licenses`, before and after, as JSON texts.

    `None` for "not there".
    """

    key: str
    before: bytes | None
    after: bytes | None


class Change(msgspec.Struct, frozen=True, gc=False):
    """What made `revision`: when (seconds since 1970), by whom (`None`: not known), and the client's key for it.

    `replaced` names the top-level keys that a bulk replacement gave other values: it has no edits, and what was
    before is not kept. `undoes` is the revision whose change it took back, `None` for others. `values` are made beside
    the edits, which such a change has as well.
    """

    revision: int
    time: float
    actor: str | None
    key: str | None
    edits: tuple[Edit, ...] = ()
    replaced: tuple[str, ...] = ()
    undoes: int | None = None
    values: tuple[ValueEdit, ...] = ()
