"""The records of one section, in file order. Which changes are allowed is decided above.

A record that nobody touched is a byte range of the file as it was read; a changed or added one is a text of its
own. Slots count the records in file order; a deleted record's slot stays empty until `keep` numbers them anew.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from cocoannot.coco.parser import (
    NONE,
    AnnotationKeys,
    CategoryKeys,
    Document,
    ImageKeys,
    Ints,
    Keys,
    area_of,
    read_keys,
)
from cocoannot.coco.serializer import FrozenSection
from cocoannot.errors import AmbiguousId
from cocoannot.store.memory.columns import Column, Groups, IdIndex

_NOUN = {"images": "image", "annotations": "annotation", "categories": "category"}


class Table:
    """One section's records by slot and by id. Not safe for threads: the manager's lock guards it."""

    def __init__(self, document: Document, name: str) -> None:
        section = document.sections[name]
        self.name = name
        self.noun = _NOUN[name]
        self.live = len(section.starts)
        self._buffer = document.buffer
        self._section = section._replace(keys={}, names=[])
        self._texts: dict[int, bytes] = {}
        self.dead_bytes = 0
        """How much of the file's text in memory belongs to records that were changed or deleted, in bytes."""
        # Only of the records that the file has: those that came later have the slots after them.
        self._starts = Column(section.starts)
        self._ends = Column(section.ends)
        # Where the gap before each record begins; with it a record's neighbours in the file need not be its slots'.
        self._leads = Column(np.concatenate([section.starts[:1], section.ends[:-1]]))
        self._ids = Column(section.keys["id"])
        self._alive = Column(np.ones(self.live, np.bool_))
        self._index = IdIndex(self._ids.values)

    @property
    def repeated_ids(self) -> list[int]:
        """Ids that the file holds more than once, ascending."""
        ids: list[int] = self._index.repeated().tolist()
        return ids

    def find(self, record_id: int) -> int | None:
        """The slot of the record with this id, `None` where there is none. Raises `AmbiguousId`."""
        slots = self._index.slots(record_id)
        if len(slots) > 1:
            raise AmbiguousId(
                f"{self.noun} id {record_id} is there {len(slots)} times, so it is not clear which one is meant; "
                f"stop the server and give each {self.noun} in the file an id of its own"
            )
        return slots[0] if slots else None

    def taken(self, record_id: int) -> bool:
        return bool(self._index.slots(record_id))

    def largest_id(self) -> int:
        """The largest id there is, -1 in an empty table."""
        ids = self._ids.values[self._alive.values]
        return max(-1, int(ids.max())) if len(ids) else -1

    def slots(self) -> Ints:
        """The slots of all records, in file order."""
        return np.flatnonzero(self._alive.values)

    @property
    def alive(self) -> npt.NDArray[np.bool_]:
        """Whether each slot holds a record."""
        return self._alive.values

    def record_id(self, slot: int) -> int:
        return self._ids[slot]

    def ids(self, slots: Ints) -> Ints:
        ids: Ints = self._ids.values[slots]
        return ids

    def text(self, slot: int) -> bytes:
        own = self._texts.get(slot)
        return self._buffer[self._starts[slot] : self._ends[slot]] if own is None else own

    def append(self, text: bytes) -> int:
        """Put a record at the end; returns its slot."""
        keys = read_keys(self.name, text)
        slot = len(self._ids)
        self._ids.append(keys.id)
        self._alive.append(1)
        self._texts[slot] = text
        self._index.add(keys.id, slot)
        self.live += 1
        self._enter(slot, keys, new=True)
        return slot

    def replace(self, slot: int, text: bytes) -> None:
        """Give a record another text with the same id."""
        self._abandon(slot)
        self._texts[slot] = text
        self._enter(slot, read_keys(self.name, text), new=False)

    def remove(self, slot: int) -> None:
        self._leave(slot)
        self._abandon(slot)
        self._texts.pop(slot, None)
        self._alive[slot] = 0
        self._index.remove(self._ids[slot], slot)
        self.live -= 1

    def wasteful(self) -> bool:
        """Whether empty slots outnumber the records, so that `keep` is worth its time."""
        return len(self._ids) > 2 * self.live + 1024

    def keep(self) -> None:
        """Number the records anew, without empty slots. Takes time linear in their number."""
        slots = self.slots()
        self._texts = {new: self._texts[old] for new, old in enumerate(slots.tolist()) if old in self._texts}
        in_file = slots[: slots.searchsorted(len(self._starts))]
        for column in ("_starts", "_ends", "_leads"):
            setattr(self, column, Column(getattr(self, column).values[in_file]))
        for column in self._columns():
            setattr(self, column, Column(getattr(self, column).values[slots]))
        self._index = IdIndex(self._ids.values)
        self._renumber(slots)

    def freeze(self) -> FrozenSection:
        """The section's text as it is now, to be put together later."""
        starts, ends, leads = (column.values for column in (self._starts, self._ends, self._leads))
        return FrozenSection(self._buffer, self._section, starts, ends, leads, self.slots(), dict(self._texts))

    def _abandon(self, slot: int) -> None:
        """Count the file's text of a record that is about to get another one, or none."""
        if slot not in self._texts:
            self.dead_bytes += self._ends[slot] - self._starts[slot]

    def _columns(self) -> list[str]:
        return ["_ids", "_alive"]

    def _enter(self, slot: int, keys: Keys, *, new: bool) -> None:
        """Bring what is indexed beside the id up to the text that the slot has now."""
        raise NotImplementedError

    def _leave(self, slot: int) -> None:
        """Take the slot out of what is indexed beside the id."""

    def _renumber(self, slots: Ints) -> None:
        """Follow `keep`: `slots` are the old numbers in the new order."""
        raise NotImplementedError


class NamedTable(Table):
    """Images by file name, categories by name."""

    def __init__(self, document: Document, name: str) -> None:
        super().__init__(document, name)
        self.names = list(document.sections[name].names)
        """The name at each slot, `""` where the record has none."""

    def _enter(self, slot: int, keys: Keys, *, new: bool) -> None:
        value = keys.file_name if isinstance(keys, ImageKeys) else keys.name if isinstance(keys, CategoryKeys) else ""
        name = value if isinstance(value, str) else ""
        if new:
            self.names.append(name)
        else:
            self.names[slot] = name

    def _renumber(self, slots: Ints) -> None:
        self.names = [self.names[slot] for slot in slots.tolist()]


class AnnotationTable(Table):
    """Annotations with what lists are filtered by."""

    def __init__(self, document: Document) -> None:
        super().__init__(document, "annotations")
        keys = document.sections["annotations"].keys
        self._image_ids = Column(keys["image_id"])
        self._category_ids = Column(keys["category_id"])
        self._crowds = Column(keys["iscrowd"] != 0)
        self._areas = Column(keys["area"].astype(np.float32, copy=False))
        self.by_image = Groups(self._image_ids.values)
        ids, counts = np.unique(self._category_ids.values, return_counts=True)
        self.per_category: dict[int, int] = dict(zip(ids.tolist(), counts.tolist(), strict=True))
        """How many annotations each category id has; ids without any are not there."""
        self.panoptic = bool((self._ids.values == NONE).any())
        """Whether there are annotations without an id, which nobody can change."""

    @property
    def image_ids(self) -> Ints:
        return self._image_ids.values

    @property
    def category_ids(self) -> Ints:
        return self._category_ids.values

    @property
    def crowds(self) -> npt.NDArray[np.bool_]:
        return self._crowds.values

    @property
    def areas(self) -> npt.NDArray[np.float32]:
        """Square pixels, NaN for records without an area."""
        return self._areas.values

    def _columns(self) -> list[str]:
        return [*super()._columns(), "_image_ids", "_category_ids", "_crowds", "_areas"]

    def _enter(self, slot: int, keys: Keys, *, new: bool) -> None:
        assert isinstance(keys, AnnotationKeys)
        if new:
            self._image_ids.append(keys.image_id)
            self._category_ids.append(keys.category_id)
            self._crowds.append(keys.iscrowd)
            self._areas.append(area_of(keys))
            self.by_image.add(keys.image_id, slot)
            self._count(keys.category_id, 1)
            return
        if keys.image_id != (image_id := self._image_ids[slot]):
            self.by_image.remove(image_id, slot)
            self.by_image.add(keys.image_id, slot)
            self._image_ids[slot] = keys.image_id
        if keys.category_id != (category_id := self._category_ids[slot]):
            self._count(category_id, -1)
            self._count(keys.category_id, 1)
            self._category_ids[slot] = keys.category_id
        self._crowds[slot] = keys.iscrowd
        self._areas[slot] = area_of(keys)

    def _leave(self, slot: int) -> None:
        self.by_image.remove(self._image_ids[slot], slot)
        self._count(self._category_ids[slot], -1)

    def _count(self, category_id: int, change: int) -> None:
        count = self.per_category.get(category_id, 0) + change
        if count:
            self.per_category[category_id] = count
        else:
            del self.per_category[category_id]

    def _renumber(self, slots: Ints) -> None:
        self.by_image = Groups(self._image_ids.values)
