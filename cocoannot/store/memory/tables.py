"""The dataset in memory: three tables, tied together. Applies what was decided elsewhere; no locks, no disk."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
import numpy as np

from cocoannot.coco.parser import MAX_ID, SECTIONS, Document, Ints
from cocoannot.coco.records import Record
from cocoannot.coco.serializer import FrozenDataset
from cocoannot.errors import Conflict
from cocoannot.store.memory.table import AnnotationTable, NamedTable, Table

NextIds = dict[str, int]

HOARD = 1 << 20
"""Bytes of text that are of no use and yet not worth reading a dataset anew for."""


class Put(msgspec.Struct, frozen=True, gc=False):
    """`section` holds `text` under `record_id` from now on: in place where the id is there, else at the end."""

    section: str
    record_id: int
    text: bytes


class Drop(msgspec.Struct, frozen=True, gc=False):
    """`section` holds no `record_id` any more. An image takes its annotations along."""

    section: str
    record_id: int


Change = list[Put | Drop]
"""One change: made as a whole or not at all."""


class Store:
    """Memory's state of the dataset. Not safe for threads: the manager's lock guards it."""

    def __init__(self, document: Document, next_ids: Mapping[str, int] | None = None) -> None:
        self.images = NamedTable(document, "images")
        self.categories = NamedTable(document, "categories")
        self.annotations = AnnotationTable(document)
        self.tables: dict[str, Table] = {
            "images": self.images,
            "annotations": self.annotations,
            "categories": self.categories,
        }
        self.next_ids: NextIds = {
            name: max(self._largest_id(name) + 1, 1, (next_ids or {}).get(name, 1)) for name in SECTIONS
        }
        """The id that the next new record of each section gets, unless a client brings one."""
        self._buffer = document.buffer
        self._values = document.values

    def image(self, image_id: int) -> Record | None:
        return self._record(self.images, image_id)

    def category(self, category_id: int) -> Record | None:
        return self._record(self.categories, category_id)

    def annotation(self, annotation_id: int) -> Record | None:
        return self._record(self.annotations, annotation_id)

    def top_level(self, key: str) -> bytes | None:
        """The text of a top-level value that is no section, `None` where it is not there."""
        span = self._values.get(key)
        return None if span is None else self._buffer[span[0] : span[1]]

    def new_id(self, section: str, at_least: int = 0) -> int:
        """The next id of `section`; every call gives the same until a change takes it. Raises `Conflict`."""
        new_id = max(self.next_ids[section], at_least)
        if new_id > MAX_ID:
            raise Conflict(f"{section} have used the largest id there is, {MAX_ID}; bring an id that is free")
        return new_id

    def apply(self, change: Change) -> None:
        """Make a change that was checked before."""
        dropped = False
        for operation in change:
            table = self.tables[operation.section]
            slot = table.find(operation.record_id)
            if isinstance(operation, Drop):
                assert slot is not None
                dropped = True
                if table is self.images:
                    self._drop_annotations(operation.record_id)
                table.remove(slot)
            elif slot is None:
                table.append(operation.text)
                self._use_id(operation.section, operation.record_id)
            else:
                table.replace(slot, operation.text)
        if dropped:
            for table in self.tables.values():
                if table.wasteful():
                    table.keep()

    def counts(self) -> dict[str, int]:
        """How many records each section has."""
        return {name: self.tables[name].live for name in SECTIONS}

    def hoards(self) -> bool:
        """Whether most of the file's text in memory is of no use any more, so that reading it anew would pay."""
        return sum(table.dead_bytes for table in self.tables.values()) > max(HOARD, len(self._buffer) // 2)

    def warnings(self) -> list[str]:
        """What is wrong with the dataset and kept as it is: repeated ids, records that point nowhere."""
        found = [
            f"{_count(len(ids), table.noun + ' id')} there more than once: {_few(ids)}"
            for table in self.tables.values()
            if (ids := table.repeated_ids)
        ]
        for table, column in ((self.images, "image"), (self.categories, "category")):
            ours = self.annotations
            references = ours.image_ids if table is self.images else ours.category_ids
            slots = ours.slots()
            known = np.isin(references[slots], table.ids(table.slots()))
            if table is self.categories:
                known |= references[slots] < -MAX_ID
            if lost := slots[~known].tolist():
                ids = [ours.record_id(slot) for slot in lost[:6]]
                found.append(f"{_count(len(lost), 'annotation')} of no {column} that is there: {_few(ids)}")
        return found

    def freeze(self) -> FrozenDataset:
        """The whole text as it is now, to be put together later."""
        return FrozenDataset(self._buffer, self._values, {name: table.freeze() for name, table in self.tables.items()})

    def annotation_counts(self, image_ids: Ints) -> Ints:
        """How many annotations each of `image_ids` has, shape (images,)."""
        ours = self.annotations
        ids, counts = np.unique(ours.image_ids[ours.slots()], return_counts=True)
        if not len(ids):
            return np.zeros(len(image_ids), np.int64)
        found = np.minimum(ids.searchsorted(image_ids), len(ids) - 1)
        result: Ints = np.where(ids[found] == image_ids, counts[found], 0)
        return result

    def _record(self, table: Table, record_id: int) -> Record | None:
        slot = table.find(record_id)
        return None if slot is None else Record(table.text(slot))

    def _largest_id(self, section: str) -> int:
        """The largest id that `section` has used: one that an orphan points to was once given to another record."""
        ours = self.annotations
        references = {"images": ours.image_ids, "categories": ours.category_ids}.get(section, ours.image_ids[:0])
        return max(self.tables[section].largest_id(), int(references.max(initial=-1)))

    def _drop_annotations(self, image_id: int) -> None:
        for slot in self.annotations.by_image.slots(image_id):
            self.annotations.remove(slot)

    def _use_id(self, section: str, record_id: int) -> None:
        self.next_ids[section] = max(self.next_ids[section], record_id + 1)


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'s' if number > 1 else ''}"


def _few(ids: list[int]) -> str:
    return ", ".join(map(str, ids[:5])) + (", ..." if len(ids) > 5 else "")
