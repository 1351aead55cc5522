"""What a change did, for those who follow the dataset: which records, and in what way. Without their texts."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

import msgspec

from cocoannot.changes.change import Change, Edit
from cocoannot.changes.tracker import ChangeTracker
from cocoannot.coco.parser import NONE, AnnotationKeys, SectionName, read_keys

_Action = Literal["added", "updated", "deleted"]
_Operation = Literal["add", "update", "delete"]
_OPERATIONS: dict[_Action, _Operation] = {"added": "add", "updated": "update", "deleted": "delete"}
_ACTIONS: dict[_Operation, _Action] = {operation: action for action, operation in _OPERATIONS.items()}


class DescribedEdit(msgspec.Struct, frozen=True, gc=False):
    """One record that was touched. `image_id` is that of its image, its own for an image, `None` for a category."""

    section: SectionName
    id: int
    image_id: int | None
    op: _Operation


class Undone(msgspec.Struct, frozen=True):
    """What an undo did."""

    edits: tuple[DescribedEdit, ...]


def describe(edit: Edit) -> DescribedEdit:
    """What `edit` did."""
    return DescribedEdit(edit.section, edit.record_id, _image_id(edit), _OPERATIONS[edit.action])


def kind(change: Change) -> Literal["edit", "undo", "reset"]:
    """`undo` for a change that undid another one, `reset` for a bulk replacement, else `edit`."""
    if change.replaced:
        return "reset"
    return "edit" if change.undoes is None else "undo"


def summary(change: Change, edits: Iterable[DescribedEdit]) -> str:
    """What was done, in words, such as `3 annotation(s) added`."""
    if change.replaced:
        return f"{', '.join(change.replaced)} replaced"
    tracker = ChangeTracker()
    for edit in edits:
        tracker.count(edit.section, _ACTIONS[edit.op])
    return tracker.summary()


def _image_id(edit: Edit) -> int | None:
    if edit.section == "images":
        return edit.record_id
    text = edit.before if edit.after is None else edit.after
    keys = read_keys(edit.section, text or b"{}")
    return keys.image_id if isinstance(keys, AnnotationKeys) and keys.image_id != NONE else None
