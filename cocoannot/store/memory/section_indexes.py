"""What records are searched by beside their ids: names, and what annotations refer to. No texts of records."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

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
    SectionName,
    area_of,
    has_size,
)
from cocoannot.coco.statuses import OPEN, status_number
from cocoannot.store.memory.columns import Columns, SlotsByImage

Arrays = Mapping[str, npt.NDArray[Any]]
Bools = npt.NDArray[np.bool_]

_BLOCK = 1024
"""How many images are looked at together for one that is open."""


class NameIndex:
    """Images by file name, categories by name; `names` holds the one at each slot, `""` where a record has none."""

    def __init__(self, document: Document, section: SectionName) -> None:
        self.names = list(document.sections[section].names)
        # The slots of each name: made when it is first asked for, which a dataset that is only read never is.
        self._slots: dict[str, list[int]] | None = None

    def slots_named(self, name: str) -> list[int]:
        """The slots of the records with this name, ascending."""
        if self._slots is None:
            self._slots = {}
            for slot, each in enumerate(self.names):
                if each:
                    self._slots.setdefault(each, []).append(slot)
        return sorted(self._slots.get(name, ()))

    def added(self, keys: Keys) -> None:
        """See `cocoannot.store.memory.table.SectionIndex`, here and below."""
        self.names.append("")
        self._rename(len(self.names) - 1, _name(keys))

    def extended(self, keys: Sequence[Keys], columns: Arrays) -> None:
        for each in keys:
            self.added(each)

    def replaced(self, slot: int, keys: Keys) -> None:
        self._rename(slot, _name(keys))

    def removed(self, slot: int) -> None:
        self._rename(slot, "")

    def all_removed(self, slots: Ints) -> None:
        for slot in slots.tolist():
            self.removed(slot)

    def revived(self, slot: int, keys: Keys) -> None:
        self.replaced(slot, keys)

    def all_revived(self, slots: Ints, keys: Sequence[Keys], columns: Arrays) -> None:
        for slot, each in zip(slots.tolist(), keys, strict=True):
            self.replaced(slot, each)

    def renumbered(self, slots: Ints) -> None:
        self.names = [self.names[slot] if slot >= 0 else "" for slot in slots.tolist()]
        self._slots = None

    def _rename(self, slot: int, name: str) -> None:
        before = self.names[slot]
        if self._slots is not None and before != name:
            if before:
                self._slots[before].remove(slot)
                if not self._slots[before]:
                    del self._slots[before]
            if name:
                self._slots.setdefault(name, []).append(slot)
        self.names[slot] = name


class ImageIndex:
    """Images by file name, which of them have a size, and how far people are with them."""

    def __init__(self, document: Document) -> None:
        keys = document.sections["images"].keys
        self._names = NameIndex(document, "images")
        self._columns = Columns(sized=keys["sized"], status=keys["status"])
        # There is no open image before this slot.
        self._first_open = 0

    @property
    def names(self) -> list[str]:
        """By slot, `""` where a record has none."""
        return self._names.names

    def slots_named(self, file_name: str) -> list[int]:
        return self._names.slots_named(file_name)

    @property
    def sized(self) -> npt.NDArray[np.bool_]:
        """By slot: whether there are a width and a height."""
        return self._columns["sized"]

    @property
    def statuses(self) -> npt.NDArray[np.int8]:
        """By slot: the place in `STATUSES`."""
        return self._columns["status"]

    def open_slots(self, alive: npt.NDArray[np.bool_]) -> Iterator[int]:
        """The slots of open images, in file order, of those that are `alive`; without a look at those before them."""
        statuses = self.statuses
        for start in range(self._first_open, len(statuses), _BLOCK):
            block = slice(start, start + _BLOCK)
            found = np.flatnonzero(alive[block] & (statuses[block] == OPEN)) + start
            if start == self._first_open:
                self._first_open = int(found[0]) if len(found) else min(start + _BLOCK, len(statuses))
            yield from found.tolist()

    def added(self, keys: Keys) -> None:
        assert isinstance(keys, ImageKeys)
        self._names.added(keys)
        self._columns.append(has_size(keys), status_number(keys.annotation_status))

    def extended(self, keys: Sequence[Keys], columns: Arrays) -> None:
        self._names.extended(keys, columns)
        self._columns.extend(sized=columns["sized"], status=columns["status"])

    def replaced(self, slot: int, keys: Keys) -> None:
        assert isinstance(keys, ImageKeys)
        self._names.replaced(slot, keys)
        self._columns.cells["sized"][slot] = has_size(keys)
        status = self._columns.cells["status"][slot] = status_number(keys.annotation_status)
        if status == OPEN:
            self._first_open = min(self._first_open, slot)

    def removed(self, slot: int) -> None:
        self._names.removed(slot)

    def all_removed(self, slots: Ints) -> None:
        self._names.all_removed(slots)

    def revived(self, slot: int, keys: Keys) -> None:
        self.replaced(slot, keys)

    def all_revived(self, slots: Ints, keys: Sequence[Keys], columns: Arrays) -> None:
        for slot, each in zip(slots.tolist(), keys, strict=True):
            self.replaced(slot, each)

    def renumbered(self, slots: Ints) -> None:
        self._names.renumbered(slots)
        self._columns.keep(slots)
        self._first_open = 0


class AnnotationIndex:
    """What annotations refer to, and what lists of them are filtered by."""

    def __init__(self, document: Document) -> None:
        keys = document.sections["annotations"].keys
        self._columns = Columns(
            image_id=keys["image_id"],
            category_id=keys["category_id"],
            crowd=keys["iscrowd"],
            area=keys["area"],
        )
        self.by_image = SlotsByImage(self.image_ids)
        ids, counts = np.unique(self.category_ids, return_counts=True)
        self.per_category: dict[int, int] = dict(zip(ids.tolist(), counts.tolist(), strict=True))
        """How many annotations each category id has; ids without any are not there."""
        self.panoptic = bool((keys["id"] == NONE).any())
        """Whether there are annotations without an id, which nobody can change."""

    @property
    def image_ids(self) -> Ints:
        """By slot, `NONE` for none."""
        return self._columns["image_id"]

    @property
    def category_ids(self) -> Ints:
        """By slot, `NONE` for none."""
        return self._columns["category_id"]

    @property
    def category_cells(self) -> Any:
        """The same for one slot at a time, which is quicker so."""
        return self._columns.cells["category_id"]

    @property
    def crowds(self) -> npt.NDArray[np.bool_]:
        """By slot: whether `iscrowd` is set."""
        return self._columns["crowd"]

    @property
    def areas(self) -> npt.NDArray[np.float32]:
        """By slot: square pixels, NaN for records without an area."""
        return self._columns["area"]

    def added(self, keys: Keys) -> None:
        assert isinstance(keys, AnnotationKeys)
        slot = self._columns.append(keys.image_id, keys.category_id, keys.iscrowd, area_of(keys))
        self.by_image.add(keys.image_id, slot)
        self._count(keys.category_id, 1)

    def by_image_with(self, image_ids: Ints, alive: Bools, returned: tuple[Ints, Ints] | None = None) -> SlotsByImage:
        """What `by_image` is to be when there are more annotations, on `image_ids`; `alive` tells which are there.

        Of those that come back, `returned` has the slots and the images.
        """
        every = np.concatenate([self.image_ids, image_ids])
        if returned is not None:
            every[returned[0]] = returned[1]
        return SlotsByImage(every, alive)

    def extended(self, keys: Sequence[Keys], columns: Arrays) -> None:
        """`by_image` is made beforehand, here and for all others at once, as that takes long."""
        self._columns.extend(
            image_id=columns["image_id"],
            category_id=columns["category_id"],
            crowd=columns["iscrowd"],
            area=columns["area"],
        )
        self._count_all(columns["category_id"], 1)

    def replaced(self, slot: int, keys: Keys) -> None:
        assert isinstance(keys, AnnotationKeys)
        cells = self._columns.cells
        if keys.image_id != (image_id := cells["image_id"][slot]):
            self.by_image.remove(image_id, slot)
            self.by_image.add(keys.image_id, slot)
            cells["image_id"][slot] = keys.image_id
        if keys.category_id != (category_id := cells["category_id"][slot]):
            self._count(category_id, -1)
            self._count(keys.category_id, 1)
            cells["category_id"][slot] = keys.category_id
        cells["crowd"][slot] = keys.iscrowd
        cells["area"][slot] = area_of(keys)

    def removed(self, slot: int) -> None:
        self.by_image.remove(self._columns.cells["image_id"][slot], slot)
        self._count(self._columns.cells["category_id"][slot], -1)

    def all_removed(self, slots: Ints) -> None:
        self._count_all(self.category_ids[slots], -1)

    def revived(self, slot: int, keys: Keys) -> None:
        assert isinstance(keys, AnnotationKeys)
        cells = self._columns.cells
        cells["image_id"][slot], cells["category_id"][slot] = keys.image_id, keys.category_id
        cells["crowd"][slot], cells["area"][slot] = keys.iscrowd, area_of(keys)
        self.by_image.add(keys.image_id, slot)
        self._count(keys.category_id, 1)

    def all_revived(self, slots: Ints, keys: Sequence[Keys], columns: Arrays) -> None:
        self.image_ids[slots], self.category_ids[slots] = columns["image_id"], columns["category_id"]
        self.crowds[slots], self.areas[slots] = columns["iscrowd"], columns["area"]
        self._count_all(columns["category_id"], 1)

    def renumbered(self, slots: Ints) -> None:
        self._columns.keep(slots)
        self.by_image = SlotsByImage(self.image_ids, slots >= 0)

    def _count_all(self, category_ids: Ints, sign: int) -> None:
        ids, counts = np.unique(category_ids, return_counts=True)
        for category_id, count in zip(ids.tolist(), counts.tolist(), strict=True):
            self._count(category_id, sign * count)

    def _count(self, category_id: int, change: int) -> None:
        count = self.per_category.get(category_id, 0) + change
        if count:
            self.per_category[category_id] = count
        else:
            del self.per_category[category_id]


def _name(keys: Keys) -> str:
    value = keys.file_name if isinstance(keys, ImageKeys) else keys.name if isinstance(keys, CategoryKeys) else ""
    return value if isinstance(value, str) else ""
