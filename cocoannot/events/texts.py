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
from cocoannot.changes.description import DescribedEdit, describe_change, told
from cocoannot.coco.records import etag

MOST_EDITS = 100
"""How many edits of a change an event tells; `more` says how many there are beyond."""

RETRY = 2000
"""Milliseconds after which a browser comes back that lost its stream."""


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
    made = describe_change(change)
    edits = [_with_etag(edit, each) for edit, each in zip(change.edits[:MOST_EDITS], made.edits, strict=False)]
    concerns_all = any(edit.section == "categories" for edit in change.edits)
    images = None if concerns_all else frozenset[int]().union(*[edit.images for edit in made.edits])
    return Event(change.revision, block("change", told(made, edits), place), images)


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


def _with_etag(edit: Edit, described: DescribedEdit) -> dict[str, Any]:
    """What an edit did, with the ETag that its record has now."""
    body: dict[str, Any] = msgspec.to_builtins(described)
    return body if edit.after is None else {**body, "etag": etag(edit.after)}
