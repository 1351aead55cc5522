"""The records of one section, in file order. Which changes are allowed is decided above.

A record that nobody touched is a byte range of the file as it was read; a changed or added one is a text of its
own. Slots count the records in file order; a deleted record's slot stays empty until `compact` numbers them anew.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np
import numpy.typing as npt

from cocoannot.coco.parser import NOUNS, Document, Ints, Keys, SectionName, read_keys
from cocoannot.coco.serializer import FrozenSection
from cocoannot.coco.style import Style
from cocoannot.errors import AmbiguousId
from cocoannot.store.memory.columns import Columns, IdIndex


class SectionIndex(Protocol):
    """What a section is searched by beside the id; told of each change by the table."""

    def added(self, keys: Keys) -> None:
        """A record with these keys has the next slot."""
        ...

    def replaced(self, slot: int, keys: Keys) -> None:
        """The record at `slot` has these keys now."""
        ...

    def removed(self, slot: int) -> None:
        """There is no record at `slot` any more."""
        ...

    def compacted(self, slots: Ints) -> None:
        """The slots were numbered anew: these are the old numbers, in the new order."""
        ...


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
        self._texts: dict[int, bytes] = {}
        # Of the records that the file has: those that came later have the slots after them. `lead` is where the gap
        # before a record begins; with it a record's neighbours in the file need not be its slots'.
        leads = np.concatenate([section.starts[:1], section.ends[:-1]])
        self._spans = Columns(start=section.starts, end=section.ends, lead=leads)
        self._rows = Columns(id=section.keys["id"], alive=np.ones(self.live, np.bool_))
        self._ids = IdIndex(section.keys["id"])
        # Positions of the slots that were numbered anew; those after them follow at a distance.
        self._positions = np.zeros(0, np.int64)
        self._distance = 0

    @property
    def repeated_ids(self) -> list[int]:
        """Ids that the file holds more than once, ascending."""
        ids: list[int] = self._ids.repeated().tolist()
        return ids

    def find(self, record_id: int) -> int | None:
        """The slot of the record with this id, `None` where there is none. Raises `AmbiguousId`."""
        slots = self._ids.slots(record_id)
        if len(slots) > 1:
            raise AmbiguousId(
                f"{self.noun} id {record_id} is there {len(slots)} times, so it is not clear which one is meant; stop "
                f"the server and give each {self.noun} in the file an id of its own: `flask check --fix OUT` lists "
                "them, and writes a repaired copy where it is certain what is right"
            )
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
        own = self._texts.get(slot)
        if own is not None:
            return own
        spans = self._spans.cells
        return self._buffer[spans["start"][slot] : spans["end"][slot]]

    def position(self, slot: int) -> int:
        """What orders the record at `slot` among all that were ever here; see `cocoannot.changes.change.Edit`."""
        return int(self._positions[slot]) if slot < len(self._positions) else slot + self._distance

    @property
    def next_position(self) -> int:
        """The position that the next record at the end gets."""
        return len(self._rows) + self._distance

    def positions(self) -> Ints:
        """The positions of all records, in file order."""
        slots = self.slots()
        known = slots[: slots.searchsorted(len(self._positions))]
        return np.concatenate([self._positions[known], slots[len(known) :] + self._distance])

    def take_positions(self, other: Table) -> None:
        """Go on with the positions of `other`, which holds the same records."""
        self._positions = other.positions()
        self._distance = other.next_position - len(self._rows)

    def append(self, text: bytes) -> None:
        """Put a record at the end."""
        keys = read_keys(self.name, text)
        slot = self._rows.append(keys.id, 1)
        self._texts[slot] = text
        self._ids.add(keys.id, slot)
        self.live += 1
        self._index.added(keys)

    def replace(self, slot: int, text: bytes) -> None:
        """Give a record another text with the same id."""
        self._abandon(slot)
        self._texts[slot] = text
        self._index.replaced(slot, read_keys(self.name, text))

    def remove(self, slot: int) -> None:
        """Take a record away; its slot stays empty."""
        self._index.removed(slot)
        self._abandon(slot)
        self._texts.pop(slot, None)
        self._rows.cells["alive"][slot] = 0
        self._ids.remove(self.record_id(slot), slot)
        self.live -= 1

    def compact_if_sparse(self) -> None:
        """Number the records anew where empty slots outnumber them. Takes time linear in their number then."""
        if len(self._rows) <= 2 * self.live + 1024:
            return
        next_position, positions, slots = self.next_position, self.positions(), self.slots()
        self._texts = {new: self._texts[old] for new, old in enumerate(slots.tolist()) if old in self._texts}
        self._spans.keep(slots[: slots.searchsorted(len(self._spans))])
        self._rows.keep(slots)
        self._ids = IdIndex(self._rows["id"])
        self._positions, self._distance = positions, next_position - len(slots)
        self._index.compacted(slots)

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
            dict(self._texts),
            self.style,
        )

    def _abandon(self, slot: int) -> None:
        """Count the file's text of a record that is about to get another one, or none."""
        if slot not in self._texts:
            self.dead_bytes += self._spans.cells["end"][slot] - self._spans.cells["start"][slot]
