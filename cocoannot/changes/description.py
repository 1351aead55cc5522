"""What a change did, for those who follow the dataset: which records, and in what way. Without their texts."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

import msgspec

from cocoannot.changes.change import Change, Edit
from cocoannot.changes.tracker import ChangeTracker
from cocoannot.coco.parser import NONE, AnnotationKeys, SectionName, read_keys

_Action = Literal["added", "updated", "deleted"]
Operation = Literal["add", "update", "delete"]
_OPERATIONS: dict[_Action, Operation] = {"added": "add", "updated": "update", "deleted": "delete"}
_ACTIONS: dict[Operation, _Action] = {operation: action for action, operation in _OPERATIONS.items()}


class DescribedEdit(msgspec.Struct, frozen=True, gc=False):
    """One record that was touched. `image_id` is that of its image, its own for an image, `None` for a category."""

    section: SectionName
    id: int
    image_id: int | None
    op: Operation


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
    return DescribedEdit(edit.section, edit.record_id, image_id, _OPERATIONS[edit.action])


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
