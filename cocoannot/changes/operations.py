"""What may be asked of a dataset: one record each. What comes of it is the transaction's business."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import msgspec

from cocoannot.coco.incoming import Incoming
from cocoannot.coco.parser import SectionName

ETags = frozenset[str] | None
"""The versions that a record may have for a change to be made, `*` for any; `None` where that does not matter."""


class Add(msgspec.Struct, frozen=True, gc=False):
    """Add a record: what follows from its fields is computed, its id is chosen where it brings none."""

    section: SectionName
    fields: Mapping[str, Any]


class Update(msgspec.Struct, frozen=True, gc=False):
    """Merge `changes` into a record at the top level; `None` as a value removes its field.

    With `merge`, a record that has another version than `if_match` says is changed all the same, where others changed
    other fields since.
    """

    section: SectionName
    record_id: int
    changes: Mapping[str, Any]
    if_match: ETags = None
    merge: bool = False


class Delete(msgspec.Struct, frozen=True, gc=False):
    """Delete a record: an image with its annotations; a category after moving its annotations to `reassign_to`."""

    section: SectionName
    record_id: int
    if_match: ETags = None
    reassign_to: int | None = None


class Restore(msgspec.Struct, frozen=True, gc=False):
    """Put a deleted annotation back, byte for byte; nothing is computed.

    `position` is how many annotations are to be before it when all operations are done; without one, or where there are
    fewer, it goes to the end.
    """

    text: bytes
    position: int | None = None


class Undo(msgspec.Struct, frozen=True, gc=False):
    """Take the change that made `revision` back, byte for byte and in place; the only operation of its change."""

    revision: int


class Revert(msgspec.Struct, frozen=True, gc=False):
    """Take back what `actor` did after the revision `since`, byte for byte and in place.

    It is the only operation of its change. With `dry_run` nothing is done: it is told what would be.
    """

    actor: str
    since: int
    dry_run: bool = False


Match = Literal["file_name", "id"]
"""What images are the same by."""


class Import(msgspec.Struct, frozen=True):
    """Bring another dataset in, its images matched by their names or ids; the only operation of its change.

    With `dry_run` nothing is done: it is told what would be.
    """

    theirs: Incoming
    match: Match = "file_name"
    dry_run: bool = False


class GoBack(msgspec.Struct, frozen=True, gc=False):
    """Make the dataset what it was at `revision`, byte for byte and in place, whoever changed it since.

    It is the only operation of its change. With `dry_run` nothing is done: it is told what would be.
    """

    revision: int
    dry_run: bool = False


Operation = Add | Update | Delete | Restore | Undo | Revert | Import | GoBack
