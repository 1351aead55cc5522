"""The records of one section, in file order. Which changes are allowed is decided above.

A record that nobody touched is a byte range of the file as it was read; a changed or added one is a text of its
own. Slots count the records in file order; a deleted record's slot stays empty, so that it can come back to its place,
until `compact` numbers them anew. Then its position tells where a slot is to be opened for it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from cocoannot.coco.parser import NOUNS, Document, Ints, Keys, SectionName, read_keys
from cocoannot.coco.serializer import FrozenSection, layout_of
from cocoannot.coco.style import Style
from cocoannot.history.numbering import Numbering
from cocoannot.store.memory.columns import Columns, IdIndex
from cocoannot.store.memory.places import Places
from cocoannot.store.memory.steps import Additions, Removals, Returns
from cocoannot.store.placing import between
from cocoannot.store.warnings import ambiguous


class SectionIndex(Protocol):
    """What a section is searched by beside the id; told of each change by the table."""

    def added(self, keys: Keys) -> None:
        """A record with these keys has the next slot."""
        ...

    def extended(self, keys: Sequence[Keys], columns: Mapping[str, npt.NDArray[Any]]) -> None:
        """Records with these keys have the next slots; `columns` has the same as arrays."""
        ...

    def replaced(self, slot: int, keys: Keys) -> None:
        """The record at `slot` has these keys now."""
        ...

    def removed(self, slot: int) -> None:
        """There is no record at `slot` any more."""
        ...

    def all_removed(self, slots: Ints) -> None:
        """There are no records at `slots` any more."""
        ...

    def revived(self, slot: int, keys: Keys) -> None:
        """The empty `slot` holds a record with these keys."""
        ...

    def all_revived(self, slots: Ints, keys: Sequence[Keys], columns: Mapping[str, npt.NDArray[Any]]) -> None:
        """The empty `slots` hold records with these keys; `columns` has the same as arrays."""
        ...

    def renumbered(self, slots: Ints) -> None:
        """The slots were numbered anew: these are the old numbers, in the new order, -1 for one that is empty."""
        ...


class Room(NamedTuple):
    """What a slot is opened for; `lead` as in `cocoannot.changes.change.Edit`."""

    position: int
    record_id: int
    lead: bytes | None


class Table:
    """One section's records by slot and by id. Not safe for threads: the store's lock guards it."""

    def __init__(self, document: Document, name: SectionName, index: SectionIndex, style: Style) -> None:
        section = document.sections[name]
        self.name = name
        self.noun = NOUNS[name]
        self.style = style
        self.live = len(section.starts)
        self.dead_bytes = 0
        """How much of the file's text in memory belongs to records that were changed or deleted, in bytes."""
        self._index = index
        self._buffer = document.buffer
        self._section = section._replace(keys={}, names=[])
        self._layout = layout_of(document.buffer, section, style)
        # The texts of the file's records that have another one now, by slot.
        self._changed: dict[int, bytes] = {}
        # Those of the records that came later, which have the slots after the file's; empty where there is none.
        self._added: list[bytes] = []
        # Of the records that the file has. `lead` is where the gap before a record begins; with it a record's
        # neighbours in the file need not be its slots'.
        leads = np.concatenate([section.starts[:1], section.ends[:-1]])
        self._spans = Columns(start=section.starts, end=section.ends, lead=leads)
        self._rows = Columns(id=section.keys["id"], alive=np.ones(self.live, np.bool_))
        self._ids = IdIndex(section.keys["id"])
        # What stands before records that were put back, and before the first one, where it is neither in the file nor
        # what stands between others.
        self._leads: dict[int, bytes] = {}
        self.places = Places(len(self._rows))

    @property
    def repeated_ids(self) -> list[int]:
        """Ids that the file holds more than once, ascending."""
        return self._ids.repeated()

    def find(self, record_id: int) -> int | None:
        """The slot of the record with this id, `None` where there is none. Raises `AmbiguousId`."""
        slots = self._ids.slots(record_id)
        if len(slots) > 1:
            raise ambiguous(self.name, record_id, len(slots))
        return slots[0] if slots else None

    def find_copy(self, record_id: int, text: bytes) -> int | None:
        """The slot of the record with this id; of several, of one with this text. `None` where there is none."""
        slots = self._ids.slots(record_id)
        if len(slots) > 1:
            slots = [slot for slot in slots if self.text(slot) == text]
        return slots[0] if slots else None

    def largest_id(self) -> int:
        """The largest id there is, -1 in an empty table."""
        ids = self._rows["id"][self._rows["alive"]]
        return max(-1, int(ids.max())) if len(ids) else -1

    def slots(self) -> Ints:
        """The slots of all records, in file order."""
        return np.flatnonzero(self._rows["alive"])

    @property
    def alive(self) -> npt.NDArray[np.bool_]:
        """Whether each slot holds a record."""
        return self._rows["alive"]

    @property
    def cells(self) -> dict[str, Any]:
        """Columns for one slot at a time, to be used before the next change: `id`."""
        return self._rows.cells

    def record_id(self, slot: int) -> int:
        """The id of the record at `slot`."""
        record_id: int = self._rows.cells["id"][slot]
        return record_id

    def ids(self, slots: Ints) -> Ints:
        """The ids of the records at `slots`, shape (slots,)."""
        ids: Ints = self._rows["id"][slots]
        return ids

    def text(self, slot: int) -> bytes:
        """The JSON text of the record at `slot`."""
        if slot >= len(self._spans):
            return self._added[slot - len(self._spans)]
        own = self._changed.get(slot)
        if own is not None:
            return own
        spans = self._spans.cells
        return self._buffer[spans["start"][slot] : spans["end"][slot]]

    def lead(self, slot: int) -> bytes | None:
        """What stands before the record at `slot`, behind the one before it; `None` for what stands between others."""
        lead = self._leads.get(slot)
        if lead is None and slot < len(self._spans):
            spans = self._spans.cells
            lead = self._buffer[spans["lead"][slot] : spans["start"][slot]]
        return lead if lead and lead != self._layout.gap else None

    def go_on_from(self, other: Table) -> None:
        """Take positions and layout of `other`, which holds the same records."""
        slots = other.slots()
        self.places = other.places.renumbered(slots)
        self._layout = other._layout
        if len(slots) and (lead := other.lead(int(slots[0]))) is not None:
            self._leads[0] = lead

    @property
    def numbering(self) -> Numbering | None:
        """The positions; `None` where they are those of any file that was read for the first time."""
        if self.live == len(self._rows) and self.places.are_usual:
            return None
        return Numbering(self.positions(), self.places.next_position)

    def take_numbering(self, numbering: Numbering) -> None:
        """Go on with these positions of the records, unless they are not as many."""
        if len(numbering.positions) == len(self._rows):
            self.places = Places(len(self._rows), *numbering)

    def positions(self) -> Ints:
        """The positions of all records, in file order."""
        return self.places.of(self.slots())

    def append(self, text: bytes) -> None:
        """Put a record at the end."""
        keys = read_keys(self.name, text)
        slot = self._rows.append(keys.id, 1)
        self._added.append(text)
        self._ids.add(keys.id, slot)
        self.places.append()
        self.live += 1
        self._index.added(keys)

    def extend(self, added: Additions) -> None:
        """Put many records at the end."""
        first, number = len(self._rows), len(added.texts)
        ids = added.columns["id"]
        self._rows.extend(id=ids, alive=np.ones(number, np.bool_))
        self._added += added.texts
        self._ids.extend(ids.tolist(), first)
        self.places.append(number)
        self.live += number
        self._index.extended(added.keys, added.columns)

    def remove_all(self, removed: Removals) -> None:
        """Take many records away; their slots stay empty."""
        self._index.all_removed(removed.slots)
        for record_id, slot in zip(removed.ids, removed.slots.tolist(), strict=True):
            self._empty(slot)
            self._ids.remove(record_id, slot)
        self._rows["alive"][removed.slots] = False
        self.live -= len(removed.ids)

    def put_all_back(self, returned: Returns) -> None:
        """Put many records into their empty slots."""
        for slot, text, keys in zip(returned.slots.tolist(), returned.texts, returned.keys, strict=True):
            self._fill(slot, text)
            self._ids.revive(keys.id, slot)
        self._rows["alive"][returned.slots] = True
        self.live += len(returned.texts)
        self._index.all_revived(returned.slots, returned.keys, returned.columns)

    def empty_slot(self, position: int, record_id: int) -> int | None:
        """The slot that a record with this id and position once had, and that is empty; `None` where it is gone."""
        slot = self.places.first_slot(position)
        cells = self._rows.cells
        while slot < len(self._rows) and self.places.position(slot) == position:
            if not cells["alive"][slot] and cells["id"][slot] == record_id:
                return slot
            slot += 1
        return None

    def spread(self, known: Ints) -> None:
        """Number all positions anew, by their ranks among `known`."""
        self.places = self.places.spread(known)

    def put_back(self, record_id: int, position: int, text: bytes) -> None:
        """Put a record into its empty slot."""
        slot = self.empty_slot(position, record_id)
        assert slot is not None
        self._rows.cells["alive"][slot] = 1
        self._fill(slot, text)
        self._ids.revive(record_id, slot)
        self.live += 1
        self._index.revived(slot, read_keys(self.name, text))

    def open(self, rooms: Sequence[Room]) -> None:
        """Make an empty slot for each of `rooms`, which are in order; all others that are empty go."""
        slots = self.slots()
        at = self.places.renumbered(slots).slots_after(np.array([room.position for room in rooms], np.int64))
        in_file = int(slots.searchsorted(len(self._spans)))
        in_file += int(np.count_nonzero(at <= in_file))
        positions = np.insert(self.places.of(slots), at, [room.position for room in rooms])
        self._renumber(np.insert(slots, at, -1), positions, in_file)
        for slot, room in zip((at + np.arange(len(rooms))).tolist(), rooms, strict=True):
            self._rows.cells["id"][slot] = room.record_id
            if room.lead is not None and slot < len(self._spans):
                self._leads[slot] = room.lead
        self._ids = IdIndex(self._rows["id"])
        for slot, room in zip((at + np.arange(len(rooms))).tolist(), rooms, strict=True):
            self._ids.remove(room.record_id, slot)

    def replace(self, slot: int, text: bytes) -> None:
        """Give a record another text with the same id."""
        self._abandon(slot)
        self._set_text(slot, text)
        self._index.replaced(slot, read_keys(self.name, text))

    def remove(self, slot: int) -> None:
        """Take a record away; its slot stays empty."""
        self._index.removed(slot)
        self._empty(slot)
        self._rows.cells["alive"][slot] = 0
        self._ids.remove(self.record_id(slot), slot)
        self.live -= 1

    def compact_if_sparse(self) -> None:
        """Number the records anew where empty slots outnumber them. Takes time linear in their number then."""
        if len(self._rows) <= 2 * self.live + 1024:
            return
        slots = self.slots()
        self._renumber(slots, self.places.of(slots), int(slots.searchsorted(len(self._spans))))
        self._ids = IdIndex(self._rows["id"])

    def freeze(self) -> FrozenSection:
        """The section's text as it is now, to be put together later."""
        spans = self._spans
        return FrozenSection(
            self._buffer,
            self._section,
            spans["start"],
            spans["end"],
            spans["lead"],
            self.slots(),
            dict(self._changed),
            self._added.copy(),
            self.style,
            self._layout,
            dict(self._leads),
        )

    def _renumber(self, slots: Ints, positions: Ints, in_file: int) -> None:
        """Number the slots anew: `slots` are the old numbers, in the new order, -1 for an empty one.

        The first `in_file` of them are the file's.
        """
        were_in_file = len(self._spans)
        self._spans.keep(slots[:in_file])
        self._added = [b"" if slot < 0 else self._added[slot - were_in_file] for slot in slots[in_file:].tolist()]
        known = np.flatnonzero(slots >= 0)
        old = slots[known]

        def moved(by_slot: dict[int, bytes]) -> dict[int, bytes]:
            there = np.array(sorted(by_slot), np.int64)
            there = there[np.isin(there, old)]
            return dict(
                zip(known[old.searchsorted(there)].tolist(), map(by_slot.__getitem__, there.tolist()), strict=True)
            )

        self._changed, self._leads = moved(self._changed), moved(self._leads)
        self._rows.keep(slots)
        self.places = Places(len(slots), positions, self.places.next_position)
        self._index.renumbered(slots)

    def rank(self, position: int) -> int:
        """How many records come before this position."""
        return int(np.count_nonzero(self.alive[: self.places.first_slot(position)]))

    def ranks(self, positions: Sequence[int]) -> list[int]:
        """The same for each of many positions."""
        before = np.concatenate([[0], np.cumsum(self.alive)])
        return [int(before[self.places.first_slot(position)]) for position in positions]

    def beside(self, slot: int) -> tuple[int | None, int | None]:
        """The slots of the records before and behind the one at `slot`, `None` for none."""
        before, behind = self.alive[:slot][::-1], self.alive[slot + 1 :]
        previous = int(before.argmax()) if len(before) else 0
        following = int(behind.argmax()) if len(behind) else 0
        return (
            slot - 1 - previous if len(before) and before[previous] else None,
            slot + 1 + following if len(behind) and behind[following] else None,
        )

    def positions_at(self, indexes: Sequence[int]) -> list[int | None]:
        """The positions of the records with so many others before them, `None` beyond the last."""
        slots = self.slots()
        return [self.places.position(int(slots[index])) if index < len(slots) else None for index in indexes]

    def position_between(self, before: int | None, after: int | None, record_id: int, share: int) -> int | None:
        """See `cocoannot.store.base.Lookup`."""
        first = 0 if before is None else self.places.first_slot(before + 1)
        last = len(self._rows) if after is None else self.places.first_slot(after)
        own = np.flatnonzero((self._rows["id"][first:last] == record_id) & ~self.alive[first:last])
        if len(own):
            return self.places.position(first + int(own[-1]))
        return None if after is None else between(self.name, before, after, share)

    def _abandon(self, slot: int) -> None:
        """Count the file's text of a record that is about to get another one, or none."""
        if slot < len(self._spans) and slot not in self._changed:
            self.dead_bytes += self._spans.cells["end"][slot] - self._spans.cells["start"][slot]

    def _empty(self, slot: int) -> None:
        """There is no record at `slot` any more."""
        self._abandon(slot)
        if slot < len(self._spans):
            self._changed.pop(slot, None)
        else:
            self._set_text(slot, b"")

    def _fill(self, slot: int, text: bytes) -> None:
        """The empty `slot` holds a record again."""
        if slot < len(self._spans) and self.text(slot) == text:
            self.dead_bytes -= len(text)
        else:
            self._set_text(slot, text)

    def _set_text(self, slot: int, text: bytes) -> None:
        in_file = len(self._spans)
        if slot < in_file:
            self._changed[slot] = text
        else:
            self._added[slot - in_file] = text
