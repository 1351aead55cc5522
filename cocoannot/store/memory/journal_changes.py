"""Changes as the journal has them: written as JSON, read again, and made once more on tables.

    [["annotations", 7, 6, null, {...}], ...]     section, id, position, the record before and after, null for none
    ["annotations", 7, 6, null, {...}, 5]         put where 5 others are before it, and not at the end
    ["annotations", 7, 6, null, {...}, 5, ", "]   with what stands before it in the file
    ["=", "licenses", "[]", "[...]"]              a top-level value before and after, as JSON strings, null for none
    {"replaced": ["images"]}                      these top-level values were replaced by a save

A record that stands on several lines in its file is written as a JSON string, so that a change stays on one line.
Version 0.1.0 wrote `["annotations", 7, {...}]` for "is now", and `["images", 3]` for "is gone", an image's
annotations with it; such changes are read as well.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial
from itertools import groupby, pairwise
from typing import Any, Literal

import msgspec

from cocoannot.changes.change import Change, Edit, ValueEdit
from cocoannot.coco.parser import SectionName
from cocoannot.errors import DatasetError
from cocoannot.files.segments import Entry
from cocoannot.store.base import Stored
from cocoannot.store.memory.spreading import spread
from cocoannot.store.memory.tables import NextIds, Tables
from cocoannot.store.placing import NoRoom, Wanted, give_places

_VALUE = b'"="'
"""What the part of a top-level value begins with, where others have their section."""

_PIECE = 1_000
"""Edits in one piece of a text."""

_PARTS = msgspec.json.Decoder(list[list[msgspec.Raw]])


class _Replaced(msgspec.Struct, forbid_unknown_fields=True):
    replaced: tuple[str, ...]


class _Read(msgspec.Struct, frozen=True, gc=False):
    """One edit as it was read: `after` is `None` for "is gone"; `before` is there where it is `complete`."""

    section: SectionName
    record_id: int
    before: bytes | None
    after: bytes | None
    complete: bool
    index: int | None = None
    lead: bytes | None = None
    position: int = 0


def encode_change(change: Change) -> bytes | list[bytes]:
    """What `change` did, as JSON on one line; in pieces, so that no step takes long however much it is."""
    if change.replaced:
        return msgspec.json.encode(_Replaced(change.replaced))
    parts: Sequence[Edit | ValueEdit] = (*change.edits, *change.values) if change.values else change.edits
    if len(parts) <= _PIECE:
        return msgspec.json.encode([*map(_written, parts)])
    some = (parts[first : first + _PIECE] for first in range(0, len(parts), _PIECE))
    first, *others = (msgspec.json.encode([*map(_written, each)])[1:-1] for each in some)
    return [b"[", first, *(b"," + other for other in others), b"]"]


def replay(tables: Tables, entries: Iterable[Entry], *, lenient: bool = False) -> list[Change]:
    """Make the changes of `entries` on `tables`; returns them, complete, as what they did there.

    With `lenient`, for tables that are not those that they were made on, a record that is gone already stays so.
    Raises `DatasetError`, `AmbiguousId`.
    """
    changes: list[Change] = []
    for entry in entries:
        edits: list[Edit] = []
        for section, reads in groupby(_decode(entry), key=partial(_put_back_into, tables, lenient)):
            if section is None:
                for read in reads:
                    for edit in _edits(tables, read, lenient=lenient):
                        tables.apply([edit])
                        edits.append(edit)
                continue
            # All at once: it may take time linear in the number of records.
            together = list(reads)
            try:
                found = _put_back(tables, section, together)
            except NoRoom:
                *changes, unfinished = spread(tables, section, [*changes, Change(0, 0, None, None, tuple(edits))])
                edits, found = [*unfinished.edits], _put_back(tables, section, together)
            tables.apply(found)
            edits += found
        values = _values(entry)
        tables.set_values(values)
        undoes = None if isinstance(entry.undoes, msgspec.UnsetType) else entry.undoes
        changes.append(
            Change(entry.revision, entry.time, entry.actor, entry.key, tuple(edits), undoes=undoes, values=values)
        )
    return changes


def complete_changes(entries: Iterable[Entry]) -> list[Change]:
    """The changes of `entries` as they are written, without those that version 0.1.0 wrote, which lack what was before.

    Raises `DatasetError`.
    """
    changes = []
    for entry in entries:
        if bytes(entry.change).startswith(b"{"):
            replaced = msgspec.json.decode(entry.change, type=_Replaced).replaced
            changes.append(Change(entry.revision, entry.time, entry.actor, entry.key, replaced=replaced))
            continue
        parts = _decode(entry)
        if all(read.complete for read in parts):
            edits = (
                Edit(read.section, read.record_id, read.position, read.before, read.after, read.index, read.lead)
                for read in parts
            )
            undoes = None if isinstance(entry.undoes, msgspec.UnsetType) else entry.undoes
            changes.append(
                Change(
                    entry.revision,
                    entry.time,
                    entry.actor,
                    entry.key,
                    tuple(edits),
                    undoes=undoes,
                    values=_values(entry),
                )
            )
    return changes


def following(changes: Sequence[Change], revision: int) -> list[Change]:
    """Those of `changes`, the last ones, that follow one another and lead up to `revision`."""
    found: list[Change] = []
    for change in reversed(changes):
        if change.revision == revision - len(found):
            found.append(change)
    return found[::-1]


def ids_beyond(entries: Iterable[Entry], next_ids: NextIds) -> NextIds:
    """`next_ids`, with none that `entries` have given already."""
    beyond = dict(next_ids)
    for entry in entries:
        for read in _decode(entry):
            if read.after is not None:
                beyond[read.section] = max(beyond.get(read.section, 1), read.record_id + 1)
    return beyond


def texts_after(entry: Entry) -> list[bytes | None]:
    """What each edit of an entry left, `None` for a deleted record. Raises `DatasetError`."""
    return [read.after for read in _decode(entry)]


def _written(edit: Edit | ValueEdit) -> list[Any]:
    if isinstance(edit, ValueEdit):
        return ["=", edit.key, _string(edit.before), _string(edit.after)]
    parts = [edit.section, edit.record_id, edit.position, _record(edit.before), _record(edit.after)]
    if edit.index is not None:
        parts += [edit.index] if edit.lead is None else [edit.index, edit.lead.decode()]
    return parts


def _record(text: bytes | None) -> msgspec.Raw | str | None:
    if text is None:
        return None
    return text.decode() if b"\n" in text else msgspec.Raw(text)


def _string(text: bytes | None) -> str | None:
    return None if text is None else text.decode()


def _values(entry: Entry) -> tuple[ValueEdit, ...]:
    """The top-level values of an entry that `_decode` has read."""
    text = bytes(entry.change)
    if b"[" + _VALUE not in text or text.startswith(b"{"):
        return ()
    found = (parts[1:] for parts in _PARTS.decode(text) if bytes(parts[0]) == _VALUE)
    return tuple(
        [ValueEdit(msgspec.json.decode(key, type=str), _text(before), _text(after)) for key, before, after in found]
    )


def _decode(entry: Entry) -> list[_Read]:
    try:
        text = bytes(entry.change)
        if text.startswith(b"{"):
            msgspec.json.decode(text, type=_Replaced)
            # The file has it: it was saved before it was written down.
            return []
        return [_read(parts) for parts in _PARTS.decode(text) if bytes(parts[0]) != _VALUE]
    except (msgspec.MsgspecError, UnicodeDecodeError, TypeError, ValueError) as exc:
        raise DatasetError(f"the journal holds a change that this version does not know ({exc})") from exc


def _read(parts: Sequence[msgspec.Raw]) -> _Read:
    section: SectionName = msgspec.json.decode(parts[0], type=Literal["images", "annotations", "categories"])
    record_id = msgspec.json.decode(parts[1], type=int)
    match len(parts):
        case 5:
            position = msgspec.json.decode(parts[2], type=int)
            return _Read(section, record_id, _text(parts[3]), _text(parts[4]), True, position=position)
        case 6 | 7:
            position = msgspec.json.decode(parts[2], type=int)
            index = msgspec.json.decode(parts[5], type=int)
            lead = msgspec.json.decode(parts[6], type=str).encode() if len(parts) > 6 else None
            return _Read(section, record_id, _text(parts[3]), _text(parts[4]), True, max(index, 0), lead, position)
        case 3:
            return _Read(section, record_id, None, bytes(parts[2]), False)
        case 2:
            return _Read(section, record_id, None, None, False)
    raise ValueError(f"{len(parts)} parts")


def _text(raw: msgspec.Raw) -> bytes | None:
    text = bytes(raw)
    if text == b"null":
        return None
    return msgspec.json.decode(text, type=str).encode() if text.startswith(b'"') else text


def _edits(tables: Tables, read: _Read, *, lenient: bool) -> list[Edit]:
    """What `read` does to `tables` as they are."""
    stored = _find(tables, read, lenient=lenient)
    if stored is None and read.after is None:
        if lenient:
            return []
        noun = tables.by_section[read.section].noun
        raise DatasetError(f"the journal deletes {noun} {read.record_id}, which is not there")
    if stored is None:
        return [Edit(read.section, read.record_id, tables.next_place(read.section).position, None, read.after)]
    edits: list[Edit] = []
    if read.section == "images" and read.after is None and not read.complete:
        edits = [_edit("annotations", each, None) for each in tables.annotations_where(image_id=read.record_id)]
    return [*edits, _edit(read.section, stored, read.after)]


def _find(tables: Tables, read: _Read, *, lenient: bool) -> Stored | None:
    """The record that `read` is about; of several with its id, the one that it had before; `None` for a new one."""
    if not read.complete or lenient:
        return tables.find(read.section, read.record_id)
    return None if read.before is None else tables.find_copy(read.section, read.record_id, read.before)


def _put_back_into(tables: Tables, lenient: bool, read: _Read) -> SectionName | None:
    """The section that `read` puts a record into, elsewhere than at the end; `None` for all other edits."""
    if read.index is None or read.before is not None or (lenient and tables.has(read.section, read.record_id)):
        return None
    return read.section


def _put_back(tables: Tables, section: SectionName, reads: Iterable[_Read]) -> list[Edit]:
    """The edits that put records to where they were put. Raises `NoRoom`."""
    ordered = sorted(reads, key=lambda read: read.index or 0)
    if _fit(tables, section, ordered):
        # The history has these positions, and orders by them what was there before.
        return [
            Edit(section, read.record_id, read.position, None, read.after, read.index, read.lead) for read in ordered
        ]
    wanted = [Wanted(read.index or 0, read.record_id) for read in ordered]
    edits: list[Edit] = []
    appended = 0
    for read, given in zip(ordered, give_places(tables, section, wanted, (), ()), strict=True):
        position, index = given.position, given.rank
        if position is None:
            end = tables.next_place(section, appended).position
            # With a lead of its own it is put there, and not added.
            position, index = (end, None) if read.lead is None else (end - 1, read.index)
            appended += index is None
        edits.append(Edit(section, read.record_id, position, None, read.after, index, read.lead))
    return edits


def _fit(tables: Tables, section: SectionName, reads: Sequence[_Read]) -> bool:
    """Whether records that are put back have positions between those that they are to be between.

    They have others where the tables are numbered anew, as where there is no history.
    """
    positions = [read.position for read in reads]
    if any(after <= before for before, after in pairwise(positions)):
        return False
    if positions[-1] >= tables.next_place(section).position:
        return False
    # As many others are before each as are to be, and none of them has its position.
    ranks = tables.ranks(section, [*positions, *(position + 1 for position in positions)])
    others = [(read.index or 0) - at for at, read in enumerate(reads)]
    return ranks == [*others, *others]


def _edit(section: SectionName, stored: Stored, after: bytes | None) -> Edit:
    lead = stored.lead if after is None else None
    return Edit(section, stored.record_id, stored.position, stored.record.text, after, lead=lead)
