"""The dataset in memory: three tables, tied together. Applies what was decided elsewhere; no locks, no disk."""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from typing import NamedTuple

import numpy as np

from cocoannot.changes.change import Edit, ValueEdit
from cocoannot.coco.parser import MAX_ID, NONE, SECTIONS, Document, Ints, SectionName
from cocoannot.coco.records import Record
from cocoannot.coco.serializer import FrozenDataset
from cocoannot.coco.style import Style, styles_of
from cocoannot.history.numbering import Numberings
from cocoannot.store.base import AnnotationText, Place, Stored
from cocoannot.store.memory.columns import SlotsByImage
from cocoannot.store.memory.image_lists import ImageLists
from cocoannot.store.memory.section_indexes import AnnotationIndex, ImageIndex, NameIndex
from cocoannot.store.memory.steps import Additions, Removals, Returns, Step, steps_of
from cocoannot.store.memory.table import Room, Table
from cocoannot.store.placing import STRIDE
from cocoannot.store.warnings import counted, few

NextIds = dict[str, int]


class Prepared(NamedTuple):
    """The edits of a change, and what is done for them; `by_image` as the index of annotations has it then, `None`
    where that is not made anew."""

    edits: list[Edit]
    steps: list[Step]
    by_image: SlotsByImage | None


DEAD_BYTES = 1 << 20
"""Bytes of text that are of no use and yet not worth reading a dataset anew for."""


class Tables:
    """Memory's state of the dataset; a `Lookup` for transactions. Not safe for threads: the store's lock guards it."""

    def __init__(self, document: Document, next_ids: Mapping[str, int] | None = None) -> None:
        self.image_index = ImageIndex(document)
        self.category_index = NameIndex(document, "categories")
        self.annotation_index = AnnotationIndex(document)
        styles = styles_of(document)
        self.images = Table(document, "images", self.image_index, styles["images"])
        self.annotations = Table(document, "annotations", self.annotation_index, styles["annotations"])
        self.categories = Table(document, "categories", self.category_index, styles["categories"])
        self.by_section: dict[SectionName, Table] = {
            "images": self.images,
            "annotations": self.annotations,
            "categories": self.categories,
        }
        self.next_ids: NextIds = {
            name: max(self._largest_id(name) + 1, 1, (next_ids or {}).get(name, 1)) for name in SECTIONS
        }
        """The id that the next new record of each section gets, unless a client brings one."""
        self.image_lists = ImageLists()
        self._buffer = document.buffer
        self._values = document.values
        # Top-level values that are others than in the file; `None` for one that is gone.
        self._own_values: dict[str, bytes | None] = {}
        # The sections that the file did not have when it was loaded: it goes without them again when they are empty.
        self._absent = frozenset(SECTIONS) - document.values.keys()

    @property
    def panoptic(self) -> bool:
        """See `cocoannot.store.base.Lookup`, here and below."""
        return self.annotation_index.panoptic

    @property
    def has_categories(self) -> bool:
        return self.categories.live > 0

    def style(self, section: SectionName) -> Style:
        return self.by_section[section].style

    def find(self, section: SectionName, record_id: int) -> Stored | None:
        table = self.by_section[section]
        slot = table.find(record_id)
        return None if slot is None else self._stored(table, slot)

    def has(self, section: SectionName, record_id: int) -> bool:
        return self.by_section[section].find(record_id) is not None

    def next_place(self, section: SectionName, others: int = 0) -> Place:
        return Place(self.next_ids[section], self.by_section[section].places.next_position + others * STRIDE)

    def rank(self, section: SectionName, position: int) -> int:
        return self.by_section[section].rank(position)

    def ranks(self, section: SectionName, positions: Sequence[int]) -> list[int]:
        return self.by_section[section].ranks(positions)

    def positions_at(self, section: SectionName, indexes: Sequence[int]) -> list[int | None]:
        return self.by_section[section].positions_at(indexes)

    def position_between(
        self, section: SectionName, before: int | None, after: int | None, record_id: int, share: int = 1
    ) -> int | None:
        return self.by_section[section].position_between(before, after, record_id, share)

    def categories_named(self, name: str) -> list[int]:
        return [self.categories.record_id(slot) for slot in self.category_index.slots_named(name)]

    def images_named(self, file_name: str) -> list[int]:
        return [self.images.record_id(slot) for slot in self.image_index.slots_named(file_name)]

    def count_annotations(self, *, image_id: int | None = None, category_id: int | None = None) -> int:
        if image_id is not None:
            return self.annotation_index.by_image.count(image_id)
        return 0 if category_id is None else self.annotation_index.per_category.get(category_id, 0)

    def annotations_where(self, *, image_id: int | None = None, category_id: int | None = None) -> Iterator[Stored]:
        if image_id is not None:
            slots = self.annotation_index.by_image.slots(image_id)
        else:
            live = self.annotations.slots()
            slots = live[self.annotation_index.category_ids[live] == category_id].tolist()
        return (self._stored(self.annotations, slot) for slot in slots)

    def annotation_texts(self, image_id: int, category_ids: Container[int]) -> Iterator[AnnotationText]:
        ids, categories = self.annotations.cells["id"], self.annotation_index.category_cells
        for slot in self.annotation_index.by_image.slots(image_id):
            if categories[slot] in category_ids:
                yield AnnotationText(ids[slot], categories[slot], self.annotations.text(slot))

    def ids_there(self, section: SectionName, record_ids: Iterable[int]) -> frozenset[int]:
        wanted = np.array([*record_ids], np.int64)
        table = self.by_section[section]
        return frozenset(wanted[np.isin(wanted, table.ids(table.slots()))].tolist())

    def get(self, section: SectionName, record_id: int) -> Record | None:
        """One record, `None` where there is none. Raises `AmbiguousId`."""
        table = self.by_section[section]
        slot = table.find(record_id)
        return None if slot is None else Record(table.text(slot))

    def find_copy(self, section: SectionName, record_id: int, text: bytes) -> Stored | None:
        """The record with this id; of several, one with this text. `None` where there is none."""
        table = self.by_section[section]
        slot = table.find_copy(record_id, text)
        return None if slot is None else self._stored(table, slot)

    def top_level(self, key: str) -> bytes | None:
        """See `cocoannot.store.base.Lookup`."""
        if key in self._own_values:
            return self._own_values[key]
        span = self._values.get(key)
        return None if span is None else self._buffer[span[0] : span[1]]

    def set_values(self, values: Iterable[ValueEdit]) -> None:
        """Give top-level values other texts."""
        for value in values:
            self._own_values[value.key] = value.after

    def prepare(self, edits: Iterable[Edit]) -> Prepared:
        """What `apply_prepared` needs for a change that was checked before, as long as nothing else is changed.

        It takes the time; nothing is changed, so that others may read meanwhile.
        """
        edits = list(edits)
        steps = steps_of(edits, self._find_slot)
        by_image = None
        for step in steps:
            if not isinstance(step, Edit) and step.section == "annotations":
                by_image = self._by_image_after(step)
        return Prepared(edits, steps, by_image)

    def apply(self, edits: Iterable[Edit]) -> None:
        """Make the edits of a change that was checked before."""
        edits = list(edits)
        self.image_lists.forget(edits)
        if self._make(edits):
            self._compact()

    def apply_prepared(self, prepared: Prepared) -> None:
        """The same for what was prepared, in much less time."""
        self.image_lists.forget(prepared.edits)
        for kind, steps in groupby(prepared.steps, key=type):
            if kind is Edit:
                self._make([step for step in steps if isinstance(step, Edit)])
                continue
            for step in steps:
                table = self.by_section[step.section]
                match step:
                    case Additions():
                        table.extend(step)
                        largest = int(step.columns["id"].max())
                        self.next_ids[step.section] = max(self.next_ids[step.section], largest + 1)
                    case Removals():
                        table.remove_all(step)
                    case Returns():
                        table.put_all_back(step)
        if prepared.by_image is not None:
            self.annotation_index.by_image = prepared.by_image
        self._compact()

    def _make(self, edits: list[Edit]) -> bool:
        """Make `edits`; returns whether one of them deletes."""
        deleted = False
        self._open_places(edits)
        for edit in edits:
            table = self.by_section[edit.section]
            if edit.before is None:
                assert edit.after is not None
                if edit.index is None:
                    table.append(edit.after)
                else:
                    table.put_back(edit.record_id, edit.position, edit.after)
                self.next_ids[edit.section] = max(self.next_ids[edit.section], edit.record_id + 1)
                continue
            slot = table.find_copy(edit.record_id, edit.before)
            assert slot is not None
            if edit.after is None:
                table.remove(slot)
                deleted = True
            else:
                table.replace(slot, edit.after)
        return deleted

    def _compact(self) -> None:
        for table in self.by_section.values():
            table.compact_if_sparse()

    def counts(self) -> dict[str, int]:
        """How many records each section has."""
        return {name: table.live for name, table in self.by_section.items()}

    def is_wasteful(self) -> bool:
        """Whether most of the file's text in memory is of no use any more, so that reading it anew would pay."""
        return sum(table.dead_bytes for table in self.by_section.values()) > max(DEAD_BYTES, len(self._buffer) // 2)

    def numberings(self) -> Numberings:
        """The positions of the records, of the sections where they are not those of any file."""
        numbered = {name: table.numbering for name, table in self.by_section.items()}
        return {name: numbering for name, numbering in numbered.items() if numbering is not None}

    def take_numberings(self, numberings: Numberings) -> None:
        """Go on with these positions."""
        for name, numbering in numberings.items():
            self.by_section[name].take_numbering(numbering)

    def go_on_from(self, other: Tables) -> None:
        """Take positions and layout of `other`, which holds the same records."""
        self._absent = other._absent
        for name, table in self.by_section.items():
            table.go_on_from(other.by_section[name])

    def warnings(self) -> list[str]:
        """What is wrong with the dataset and kept as it is: repeated ids, records that point nowhere, and what would
        surprise whoever annotates: no size, no category, no area. By the index alone, which has no geometry."""
        found = [
            f"{counted(len(ids), table.noun + ' id')} there more than once: {few(ids)}"
            for table in self.by_section.values()
            if (ids := table.repeated_ids)
        ]
        index, slots, images = self.annotation_index, self.annotations.slots(), self.images.slots()
        image_ids, category_ids, areas = index.image_ids[slots], index.category_ids[slots], index.areas[slots]
        without = category_ids < -MAX_ID
        measured = ~np.isnan(areas)
        # Captions have neither, and the segments of panoptic annotations have both.
        uncategorised = without & (self.has_categories | measured) & (not index.panoptic)
        unmeasured = ~without & ~measured & measured.any()
        known_image = np.isin(image_ids, self.images.ids(images))
        known_category = without | np.isin(category_ids, self.categories.ids(self.categories.slots()))
        for table, wrong, what in (
            (self.annotations, slots[~known_image], "of no image that is there"),
            (self.annotations, slots[~known_category], "of no category that is there"),
            (self.annotations, slots[uncategorised], "without a category"),
            (self.annotations, slots[unmeasured], "without an area, as others have it"),
            (self.images, images[~self.image_index.sized[images]], "without a width and a height"),
        ):
            if len(wrong):
                ids = [table.record_id(slot) for slot in wrong[:6].tolist()]
                found.append(f"{counted(len(wrong), table.noun)} {what}: {few(ids)}")
        return found

    def freeze(self) -> FrozenDataset:
        """The whole text as it is now, to be put together later."""
        sections = {name: table.freeze() for name, table in self.by_section.items()}
        # Programs that read COCO look for the category of each annotation where there is such a key, even an empty one.
        without = not self.has_categories and self.annotation_index.per_category.get(NONE)
        omitted = {name for name in self._absent if not self.by_section[name].live}
        if without:
            omitted.add("categories")
        own = dict(self._own_values)
        return FrozenDataset(self._buffer, self._values, sections, frozenset[str](omitted), own)

    def annotation_counts(self, image_ids: Ints) -> Ints:
        """How many annotations each of `image_ids` has, shape (images,)."""
        live = self.annotation_index.image_ids[self.annotations.slots()]
        ids, counts = np.unique(live, return_counts=True)
        if not len(ids):
            return np.zeros(len(image_ids), np.int64)
        found = np.minimum(ids.searchsorted(image_ids), len(ids) - 1)
        result: Ints = np.where(ids[found] == image_ids, counts[found], 0)
        return result

    def _stored(self, table: Table, slot: int) -> Stored:
        return Stored(table.record_id(slot), table.places.position(slot), Record(table.text(slot)), table.lead(slot))

    def _find_slot(self, edit: Edit) -> int | None:
        table = self.by_section[edit.section]
        if edit.before is None:
            return table.empty_slot(edit.position, edit.record_id)
        return table.find_copy(edit.record_id, edit.before)

    def _by_image_after(self, step: Additions | Removals | Returns) -> SlotsByImage:
        index, alive = self.annotation_index, self.annotations.alive
        if isinstance(step, Additions):
            return index.by_image_with(step.columns["image_id"], np.append(alive, np.ones(len(step.texts), np.bool_)))
        alive = alive.copy()
        alive[step.slots] = isinstance(step, Returns)
        returned = (step.slots, step.columns["image_id"]) if isinstance(step, Returns) else None
        return index.by_image_with(np.zeros(0, np.int64), alive, returned)

    def _open_places(self, edits: Iterable[Edit]) -> None:
        """See to it that there is an empty slot for each record that does not go to the end."""
        rooms: dict[SectionName, list[Room]] = {}
        for edit in edits:
            if edit.before is None and edit.index is not None:
                rooms.setdefault(edit.section, []).append(Room(edit.position, edit.record_id, edit.lead))
        for section, wanted in rooms.items():
            table = self.by_section[section]
            if any(table.empty_slot(room.position, room.record_id) is None for room in wanted):
                table.open(sorted(wanted, key=lambda room: room.position))

    def _largest_id(self, section: SectionName) -> int:
        """The largest id that `section` has used: one that an orphan points to was once given to another record."""
        index = self.annotation_index
        references = {"images": index.image_ids, "categories": index.category_ids}.get(section, index.image_ids[:0])
        return max(self.by_section[section].largest_id(), int(references.max(initial=-1)))
