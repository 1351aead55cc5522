"""What records are searched by beside their ids: names, and what annotations refer to. No texts of records."""

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
    SectionName,
    area_of,
    has_size,
)
from cocoannot.store.memory.columns import Columns, SlotsByImage


class NameIndex:
    """Images by file name, categories by name; `names` holds the one at each slot, `""` where a record has none."""

    def __init__(self, document: Document, section: SectionName) -> None:
        self.names = list(document.sections[section].names)

    def added(self, keys: Keys) -> None:
        """See `cocoannot.store.memory.table.SectionIndex`, here and below."""
        self.names.append(_name(keys))

    def replaced(self, slot: int, keys: Keys) -> None:
        self.names[slot] = _name(keys)

    def removed(self, slot: int) -> None:
        pass

    def revived(self, slot: int, keys: Keys) -> None:
        self.replaced(slot, keys)

    def renumbered(self, slots: Ints) -> None:
        self.names = [self.names[slot] if slot >= 0 else "" for slot in slots.tolist()]


class ImageIndex:
    """Images by file name, and which of them have a size."""

    def __init__(self, document: Document) -> None:
        self._names = NameIndex(document, "images")
        self._columns = Columns(sized=document.sections["images"].keys["sized"] != 0)

    @property
    def names(self) -> list[str]:
        """By slot, `""` where a record has none."""
        return self._names.names

    @property
    def sized(self) -> npt.NDArray[np.bool_]:
        """By slot: whether there are a width and a height."""
        return self._columns["sized"]

    def added(self, keys: Keys) -> None:
        assert isinstance(keys, ImageKeys)
        self._names.added(keys)
        self._columns.append(has_size(keys))

    def replaced(self, slot: int, keys: Keys) -> None:
        assert isinstance(keys, ImageKeys)
        self._names.replaced(slot, keys)
        self._columns.cells["sized"][slot] = has_size(keys)

    def removed(self, slot: int) -> None:
        pass

    def revived(self, slot: int, keys: Keys) -> None:
        self.replaced(slot, keys)

    def renumbered(self, slots: Ints) -> None:
        self._names.renumbered(slots)
        self._columns.keep(slots)


class AnnotationIndex:
    """What annotations refer to, and what lists of them are filtered by."""

    def __init__(self, document: Document) -> None:
        keys = document.sections["annotations"].keys
        self._columns = Columns(
            image_id=keys["image_id"],
            category_id=keys["category_id"],
            crowd=keys["iscrowd"] != 0,
            area=keys["area"].astype(np.float32, copy=False),
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

    def revived(self, slot: int, keys: Keys) -> None:
        assert isinstance(keys, AnnotationKeys)
        cells = self._columns.cells
        cells["image_id"][slot], cells["category_id"][slot] = keys.image_id, keys.category_id
        cells["crowd"][slot], cells["area"][slot] = keys.iscrowd, area_of(keys)
        self.by_image.add(keys.image_id, slot)
        self._count(keys.category_id, 1)

    def renumbered(self, slots: Ints) -> None:
        self._columns.keep(slots)
        self.by_image = SlotsByImage(self.image_ids, slots >= 0)

    def _count(self, category_id: int, change: int) -> None:
        count = self.per_category.get(category_id, 0) + change
        if count:
            self.per_category[category_id] = count
        else:
            del self.per_category[category_id]


def _name(keys: Keys) -> str:
    value = keys.file_name if isinstance(keys, ImageKeys) else keys.name if isinstance(keys, CategoryKeys) else ""
    return value if isinstance(value, str) else ""
