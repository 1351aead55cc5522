"""Who made an image done, empty or skipped: it goes back to them, and somebody else reviews it.

What happens is noted as it happens; what happened before is looked up in the store's history, once.
"""

from __future__ import annotations

import threading

import msgspec

from cocoannot.changes.change import Change, Edit
from cocoannot.coco.statuses import FINISHED, STATUSES, Status, status_number
from cocoannot.store.base import History, Store
from cocoannot.teamwork.holder import person


class _Keys(msgspec.Struct, gc=False):
    annotation_status: object = None


_DECODE = msgspec.json.Decoder(_Keys).decode


def status_of(text: bytes | None) -> Status | None:
    """The status in the text of an image's record, `None` where there is no record."""
    if text is None:
        return None
    # Nearly no record has one.
    return STATUSES[status_number(_DECODE(text).annotation_status if b"annotation_status" in text else None)]


class Authors:
    """The user behind the status of each image, `None` where nobody knows. Safe from any thread."""

    def __init__(self) -> None:
        # Guards the one below.
        self._lock = threading.Lock()
        self._known: dict[int, str | None] = {}

    def note(self, change: Change) -> list[int]:
        """Take in what a change did; returns the images whose status it has set, or that it has deleted."""
        touched = []
        for edit in change.edits:
            if edit.section == "images" and (after := _new_status(edit)) is not _SAME:
                touched.append(edit.record_id)
                with self._lock:
                    if after in FINISHED:
                        self._known[edit.record_id] = person(change.actor)
                    elif after in (None, "open"):
                        self._known.pop(edit.record_id, None)
        return touched

    def knows(self, image_id: int) -> bool:
        """Whether `find` answers without looking anything up."""
        return image_id in self._known

    def find(self, store: Store, image_id: int) -> str | None:
        """Who made the image what it is."""
        with self._lock:
            if image_id in self._known:
                return self._known[image_id]
        found = _look_up(store, image_id)
        with self._lock:
            return self._known.setdefault(image_id, found)

    def forget(self) -> None:
        """All records are others now."""
        with self._lock:
            self._known.clear()


_SAME = object()


def _new_status(edit: Edit) -> object:
    before, after = status_of(edit.before), status_of(edit.after)
    return _SAME if before == after else after


def _look_up(store: Store, image_id: int) -> str | None:
    if not isinstance(store, History):
        return None
    for version in reversed(store.versions("images", image_id)):
        before, after = (None if record is None else record.text for record in (version.before, version.record))
        status = status_of(after)
        if status in FINISHED and status != status_of(before):
            return person(version.actor)
    return None
