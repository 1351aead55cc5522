"""What a change did, for those who follow the dataset: which records, and in what way. Without their texts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Literal

import msgspec
from msgspec import UNSET, UnsetType

from cocoannot.changes.change import Change, Edit
from cocoannot.changes.tracker import ChangeTracker
from cocoannot.clock import moment
from cocoannot.coco.parser import NONE, AnnotationKeys, SectionName, read_keys

_Action = Literal["added", "updated", "deleted"]
Operation = Literal["add", "update", "delete"]
_OPERATIONS: dict[_Action, Operation] = {"added": "add", "updated": "update", "deleted": "delete"}
_ACTIONS: dict[Operation, _Action] = {operation: action for action, operation in _OPERATIONS.items()}


class DescribedEdit(msgspec.Struct, frozen=True, gc=False):
    """One record that was touched. `image_id` is that of its image, its own for an image, `None` for a category.

    `from_image_id` is there for an annotation that was moved to another image: the one that it was on before.
    """

    section: SectionName
    id: int
    image_id: int | None
    op: Operation
    from_image_id: int | UnsetType = UNSET

    @property
    def images(self) -> set[int]:
        """The images that it changed something on."""
        return {image_id for image_id in (self.image_id, self.from_image_id) if isinstance(image_id, int)}


class DescribedChange(msgspec.Struct, frozen=True, gc=False):
    """A change without its texts; see `cocoannot.changes.change.Change`."""

    revision: int
    time: float
    actor: str | None
    edits: tuple[DescribedEdit, ...] = ()
    replaced: tuple[str, ...] = ()
    undoes: int | None = None


def describe_change(change: Change) -> DescribedChange:
    """What `change` did."""
    edits = tuple([describe(edit) for edit in change.edits])
    return DescribedChange(change.revision, change.time, change.actor, edits, change.replaced, change.undoes)


class Undone(msgspec.Struct, frozen=True):
    """What an undo did."""

    edits: tuple[DescribedEdit, ...]


def describe(edit: Edit) -> DescribedEdit:
    """What `edit` did."""
    image_id = image_of(edit, edit.before if edit.after is None else edit.after)
    before = image_id if edit.after is None else image_of(edit, edit.before)
    moved = edit.before is not None and before not in (None, image_id)
    op = _OPERATIONS[edit.action]
    return DescribedEdit(edit.section, edit.record_id, image_id, op, UNSET if before is None or not moved else before)


def told(change: DescribedChange, edits: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """`change` as answers and events have it, with the first ones of its edits as `edits`."""
    body = {
        "revision": change.revision,
        "time": moment(change.time),
        "user": change.actor,
        "kind": kind(change),
        "summary": summary(change, change.edits),
        "edits": edits,
    }
    if change.undoes is not None:
        body["undoes"] = change.undoes
    if len(edits) < len(change.edits):
        body["more"] = len(change.edits) - len(edits)
    return body


def kind(change: Change | DescribedChange) -> Literal["edit", "undo", "reset"]:
    """`undo` for a change that undid another one, `reset` for a bulk replacement, else `edit`."""
    if change.replaced:
        return "reset"
    return "edit" if change.undoes is None else "undo"


def summary(change: Change | DescribedChange, edits: Iterable[DescribedEdit]) -> str:
    """What was done, in words, such as `3 annotation(s) added`."""
    if change.replaced:
        return f"{', '.join(change.replaced)} replaced"
    tracker = ChangeTracker()
    for edit in edits:
        tracker.count(edit.section, _ACTIONS[edit.op])
    return tracker.summary()


def image_of(edit: Edit, text: bytes | None) -> int | None:
    """The image that the record of `edit` is, or is on with this text of it; `None` where there is none."""
    if edit.section == "images":
        return edit.record_id
    if text is None or edit.section == "categories":
        return None
    keys = read_keys(edit.section, text)
    return keys.image_id if isinstance(keys, AnnotationKeys) and keys.image_id != NONE else None


def images_of(edit: Edit) -> set[int]:
    """The images that `edit` changed something on: two where a record went from one to another."""
    return {image_id for text in (edit.before, edit.after) if (image_id := image_of(edit, text)) is not None}
