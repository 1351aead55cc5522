"""Changes as the journal has them: written as JSON, read again, and made once more on a store.

[["annotations", 7, {"id": 7, ...}], ["images", 3]]     annotation 7 is now {...}; image 3 is gone
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

import msgspec

from cocoannot.changes.tracker import ChangeTracker
from cocoannot.errors import DatasetError
from cocoannot.files.segments import Entry
from cocoannot.store.memory.tables import Change, Drop, NextIds, Put, Store


def encode_change(change: Change) -> bytes:
    """`change` as JSON on one line."""
    return b"[%b]" % b",".join(map(_encode, change))


def decode_change(text: msgspec.Raw) -> Change:
    """The change that `text` is. Raises `DatasetError`."""
    try:
        operations: list[list[msgspec.Raw]] = msgspec.json.decode(text, type=list[list[msgspec.Raw]])
        return [_operation(*operation) for operation in operations]
    except (msgspec.MsgspecError, TypeError) as exc:
        raise DatasetError(f"the journal holds a change that this version does not know ({exc})") from exc


def replay(store: Store, entries: Iterable[Entry], *, tolerant: bool = False) -> ChangeTracker:
    """Make the changes of `entries` on `store`; returns what they are, counted.

    With `tolerant`, for a store that is not the one that they were made on, a record that is gone already stays so.
    Raises `DatasetError`, `AmbiguousId`.
    """
    tracker = ChangeTracker()
    for entry in entries:
        for operation in decode_change(entry.change):
            table = store.tables[operation.section]
            known = table.find(operation.record_id) is not None
            if isinstance(operation, Put):
                tracker.count(operation.section, "updated" if known else "added")
            elif known:
                tracker.count(operation.section, "deleted")
                if operation.section == "images":
                    tracker.count("annotations", "deleted", store.annotations.by_image.count(operation.record_id))
            elif tolerant:
                continue
            else:
                raise DatasetError(f"the journal deletes {table.noun} {operation.record_id}, which is not there")
            store.apply([operation])
    return tracker


def ids_beyond(entries: Iterable[Entry], next_ids: NextIds) -> NextIds:
    """`next_ids`, with none that `entries` have given already."""
    beyond = dict(next_ids)
    for entry in entries:
        for operation in decode_change(entry.change):
            if isinstance(operation, Put):
                beyond[operation.section] = max(beyond.get(operation.section, 1), operation.record_id + 1)
    return beyond


def _encode(operation: Put | Drop) -> bytes:
    section = operation.section.encode()
    if isinstance(operation, Put):
        return b'["%b",%d,%b]' % (section, operation.record_id, operation.text)
    return b'["%b",%d]' % (section, operation.record_id)


def _operation(section: msgspec.Raw, record_id: msgspec.Raw, text: msgspec.Raw | None = None) -> Put | Drop:
    name = msgspec.json.decode(section, type=Literal["images", "annotations", "categories"])
    number = msgspec.json.decode(record_id, type=int)
    return Drop(name, number) if text is None else Put(name, number, bytes(text))
