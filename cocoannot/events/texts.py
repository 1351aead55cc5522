"""What events look like on their way: blocks of lines, as the WHATWG's HTML standard has them (9.2). Who gets them is
decided elsewhere.

    id: LINEAGE:REVISION       where a stream goes on from, for those that have a place in the order of changes
    event: change
    data: {...}                JSON on one line
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import msgspec

from cocoannot.changes.change import Change, Edit
from cocoannot.coco.parser import NONE, AnnotationKeys, read_keys
from cocoannot.coco.records import etag

MOST_EDITS = 100
"""How many edits of a change an event tells; `more` says how many there are beyond."""

RETRY = 2000
"""Milliseconds after which a browser comes back that lost its stream."""

_OPERATIONS = {"added": "add", "updated": "update", "deleted": "delete"}


class Event(NamedTuple):
    """A change as those who follow hear of it; `images` are those that it concerns, `None` for everybody."""

    revision: int
    text: bytes
    images: frozenset[int] | None


def change_event(lineage: str, change: Change) -> Event:
    """The event of `change`; of a bulk replacement a `reset`: whoever follows has to read again."""
    place = event_id(lineage, change.revision)
    if change.replaced:
        return Event(change.revision, block("reset", {"revision": change.revision}, place), None)
    told: list[dict[str, object]] = []
    images: set[int] = set()
    concerns_all = False
    for number, edit in enumerate(change.edits):
        before, after = _image_of(edit, edit.before), _image_of(edit, edit.after)
        images.update(image for image in (before, after) if image is not None)
        concerns_all = concerns_all or edit.section == "categories"
        if number < MOST_EDITS:
            told.append(_described(edit, before, after))
    data: dict[str, object] = {
        "revision": change.revision,
        "time": change.time,
        "user": change.actor,
        "edits": told,
    }
    if len(change.edits) > MOST_EDITS:
        data["more"] = len(change.edits) - MOST_EDITS
    return Event(change.revision, block("change", data, place), None if concerns_all else frozenset(images))


def described(edit: Edit) -> dict[str, object]:
    """What `edit` did, without the texts: `section`, `id`, `op`, and where there are any `image_id` and `etag`."""
    return _described(edit, _image_of(edit, edit.before), _image_of(edit, edit.after))


def event_id(lineage: str, revision: int) -> str:
    """What a client says to go on after `revision`."""
    return f"{lineage}:{revision}"


def block(event: str, data: Mapping[str, Any], place: str | None = None) -> bytes:
    """One event; without a `place` it is for those who follow now, and never sent again."""
    head = b"" if place is None else b"id: %b\n" % place.encode()
    return b"%bevent: %b\ndata: %b\n\n" % (head, event.encode(), msgspec.json.encode(data))


def heartbeat(lineage: str, revision: int) -> bytes:
    """An id without data: no event for anybody, but a stream that breaks off later goes on from there."""
    return b"id: %b\n\n" % event_id(lineage, revision).encode()


def retry() -> bytes:
    """When a client is to come back that lost its stream."""
    return b"retry: %d\n" % RETRY


def _described(edit: Edit, before: int | None, after: int | None) -> dict[str, object]:
    told: dict[str, object] = {"section": edit.section, "id": edit.record_id}
    image = before if edit.after is None else after
    if image is not None:
        told["image_id"] = image
    if edit.before is not None and edit.after is not None and before not in (None, after):
        told["from_image_id"] = before
    told["op"] = _OPERATIONS[edit.action]
    if edit.after is not None:
        told["etag"] = etag(edit.after)
    return told


def _image_of(edit: Edit, text: bytes | None) -> int | None:
    """The image that a record is or belongs to, `None` for none."""
    if text is None or edit.section == "categories":
        return None
    if edit.section == "images":
        return edit.record_id
    keys = read_keys("annotations", text)
    assert isinstance(keys, AnnotationKeys)
    return None if keys.image_id == NONE else keys.image_id
