"""One change in the making: what the dataset would be with it. Nothing is stored until the whole change stands."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property, partial
from typing import Any

import msgspec

from cocoannot.changes.change import Edit, ValueEdit
from cocoannot.changes.description import Undone, describe
from cocoannot.changes.operations import Add, Delete, ETags, GoBack, Import, Operation, Restore, Revert, Undo, Update
from cocoannot.coco import annotation_rules, rules
from cocoannot.coco.parser import MAX_ID, NOUNS, SectionName
from cocoannot.coco.records import Record, check_version, merge
from cocoannot.errors import (
    AmbiguousId,
    BadOperation,
    CocoannotError,
    Conflict,
    InvalidRecord,
    UnknownId,
    VersionMismatch,
)
from cocoannot.store.base import Deleted, KeptChanges, Lookup, OperationResult, Place, Stored
from cocoannot.store.dependents import check_keypoints, check_masks
from cocoannot.store.importing import import_dataset
from cocoannot.store.late_updates import LateUpdates
from cocoannot.store.placing import Wanted, give_places
from cocoannot.store.restoring import back_to
from cocoannot.store.reverting import revert
from cocoannot.store.undoing import undo


class Transaction:
    """Collects the edits of one change; each operation sees what the ones before it did."""

    def __init__(self, lookup: Lookup, history: KeptChanges) -> None:
        self.edits: list[Edit] = []
        self.values: list[ValueEdit] = []
        """The top-level values that are others by this change."""
        self.undoes: int | None = None
        """The revision whose change this one takes back, `None` for others."""
        self.merged: dict[int, tuple[str, ...]] = {}
        """By the index of an update that was merged with what others did: the fields that they changed."""
        self._lookup = lookup
        self._history = history
        # The records that this change has touched so far, as it leaves them.
        self._touched: dict[tuple[SectionName, int], Stored | None] = {}
        # What was added at the end so far, and the ids that are free after that.
        self._appended: dict[SectionName, int] = {}
        self._next_ids: dict[SectionName, int] = {}
        # Annotations that don't go to the end: where they are to be, and the number of their first edit.
        self._put_back: dict[int, tuple[int, int]] = {}
        # The images that this change has given a file_name to.
        self._file_names: dict[str, int] = {}

    @cached_property
    def _late_updates(self) -> LateUpdates:
        return LateUpdates(self._lookup, self._history)

    def perform_all(self, operations: Sequence[Operation]) -> list[OperationResult]:
        """Do `operations` in order; returns what came of each. Raises `BadOperation`."""
        results: list[OperationResult] = []
        for index, operation in enumerate(operations):
            try:
                if isinstance(operation, Update) and operation.merge:
                    operation = self._merged(index, operation)
                results.append(self._perform(operation))
            except CocoannotError as exc:
                raise BadOperation(index, exc) from exc
        if self._put_back:
            self._give_places()
        return results

    def has(self, section: SectionName, record_id: int) -> bool:
        """Whether there is such a record after what was done so far. Raises `AmbiguousId`."""
        if (section, record_id) in self._touched:
            return self._touched[section, record_id] is not None
        return self._lookup.has(section, record_id)

    def get(self, section: SectionName, record_id: int) -> Record | None:
        """The record as this change leaves it so far. Raises `AmbiguousId`."""
        stored = self._find(section, record_id)
        return None if stored is None else stored.record

    @property
    def has_categories(self) -> bool:
        """Whether there is any category, of those that were there or that this change adds."""
        return self._lookup.has_categories or self._appended.get("categories", 0) > 0

    def _perform(self, operation: Operation) -> OperationResult:
        match operation:
            case Add(section, fields):
                return self._add(section, fields)
            case Update(section, record_id, changes, if_match):
                return self._update(self._existing(section, record_id, if_match), section, changes)
            case Delete(section, record_id, if_match, reassign_to):
                return self._delete(self._existing(section, record_id, if_match), section, reassign_to)
            case Restore(text, position):
                return self._restore(text, position)
            case Undo(revision):
                return self._undo(revision)
            case Revert():
                edits, values = revert(operation.actor, operation.since, self._lookup, self._history)
                return self._take_back(edits, values, dry_run=operation.dry_run)
            case Import():
                return self._import(operation)
            case GoBack(revision, dry_run):
                return self._take_back(*back_to(revision, self._lookup, self._history), dry_run=dry_run)

    def _merged(self, index: int, operation: Update) -> Update:
        """`operation` as it is to be done: on the version that it expects, or merged with what others made of it."""
        section, record_id = operation.section, operation.record_id
        try:
            self._existing(section, record_id, operation.if_match)
        except VersionMismatch:
            theirs = self._existing(section, record_id, None).record
            late = self._late_updates.merge(operation, theirs, f"{NOUNS[section]} {record_id}")
            if late.merged:
                self.merged[index] = late.merged
            return Update(section, record_id, late.changes)
        return operation

    def _restore(self, text: bytes, position: int | None) -> Record:
        self._refuse_panoptic("this dataset's annotations are panoptic (segments_info), which are read-only")
        record_id = annotation_rules.restored_annotation(text)
        self._check_free("annotations", record_id, "there is nothing to restore")
        if position is None:
            self._put_back.pop(record_id, None)
        else:
            _, first_edit = self._put_back.get(record_id, (0, len(self.edits)))
            self._put_back[record_id] = position, first_edit
        record = self._append("annotations", self._place("annotations"), record_id, Record(text))
        if position is not None:
            # It does not go there after all.
            self._appended["annotations"] -= 1
        return record

    def _take_back(self, edits: list[Edit], values: list[ValueEdit], *, dry_run: bool) -> Undone:
        self._check_alone()
        if not dry_run:
            self.edits += edits
            self.values += values
        return Undone(tuple(map(describe, edits)))

    def _import(self, operation: Import) -> Record:
        self._check_alone("an import")
        found = import_dataset(operation, self._lookup)
        if not operation.dry_run:
            self.edits += found.edits
            self.values += found.values
        return Record(found.report.as_json())

    def _check_alone(self, what: str = "an undo") -> None:
        if self.edits or self.undoes is not None:
            raise Conflict(f"{what} is a change of its own; make it without other operations")

    def _undo(self, revision: int) -> Undone:
        self._check_alone()
        self.undoes = revision
        edits, values = undo(revision, self._lookup, self._history)
        self.edits += edits
        self.values += values
        return Undone(tuple(map(describe, self.edits)))

    def _give_places(self) -> None:
        """Move the edits of annotations that were put back to the end, as one each, at the places that they get."""
        end = self._lookup.next_place("annotations").position
        others = [edit for number, edit in enumerate(self.edits) if not self._is_of_put_back(number, edit)]
        of_annotations = [edit for edit in others if edit.section == "annotations"]
        gone = {edit.position for edit in of_annotations if edit.after is None}
        added = {edit.position for edit in of_annotations if edit.position >= end} - gone
        left = {record_id: self._touched["annotations", record_id] for record_id in self._put_back}
        wanted = [Wanted(self._put_back[record_id][0], record_id) for record_id, stored in left.items() if stored]
        for given in give_places(
            self._lookup, "annotations", wanted, {position for position in gone if position < end}, added
        ):
            stored = left[given.record_id]
            assert stored is not None
            position = given.position
            if position is None:
                position = self._place("annotations").position
                self._appended["annotations"] = self._appended.get("annotations", 0) + 1
            others.append(Edit("annotations", given.record_id, position, None, stored.record.text, index=given.rank))
        self.edits = others

    def _is_of_put_back(self, number: int, edit: Edit) -> bool:
        if edit.section != "annotations" or edit.record_id not in self._put_back:
            return False
        return number >= self._put_back[edit.record_id][1]

    def _add(self, section: SectionName, fields: Mapping[str, Any]) -> Record:
        match section:
            case "annotations":
                self._refuse_panoptic("this dataset's annotations are panoptic (segments_info), which are read-only")
                checked = annotation_rules.new_annotation(fields, self)
            case "images":
                checked = rules.new_image(fields)
                self._check_file_name(checked["file_name"], None)
            case "categories":
                checked = rules.new_category(fields)
                self._check_name(checked["name"], None)
        return self._new(section, checked)

    def _update(self, stored: Stored, section: SectionName, changes: Mapping[str, Any]) -> Record:
        match section:
            case "annotations":
                checked = annotation_rules.changed_annotation(stored.record, changes, self)
            case "images":
                checked = rules.changed_image(changes)
                check_masks(stored, checked, partial(self._annotations_where, "image_id", stored.record_id))
                if "file_name" in checked and checked["file_name"] != stored.record.get("file_name"):
                    self._check_file_name(checked["file_name"], stored.record_id)
            case "categories":
                checked = rules.changed_category(stored.record, changes)
                annotations = partial(self._annotations_where, "category_id", stored.record_id)
                check_keypoints(stored, {**stored.record, **checked}, annotations)
                if "name" in checked:
                    self._check_name(checked["name"], stored.record_id)
        return self._merge(section, stored, checked) if checked else stored.record

    def _delete(self, stored: Stored, section: SectionName, reassign_to: int | None) -> Deleted:
        count = 0
        match section:
            case "images":
                count = self._delete_annotations_of(stored.record_id)
            case "categories":
                self._leave_category(stored, reassign_to)
        self._remove(section, stored)
        return Deleted(count)

    def _delete_annotations_of(self, image_id: int) -> int:
        annotations = self._annotations_where("image_id", image_id)
        if annotations:
            self._refuse_panoptic("this image has panoptic annotations (segments_info), which are read-only")
        for annotation in annotations:
            self._remove("annotations", annotation)
        return len(annotations)

    def _leave_category(self, category: Stored, reassign_to: int | None) -> None:
        """See to it that no annotation uses the category. Raises `Conflict` where one does, and has nowhere to go."""
        category_id = category.record_id
        self._refuse_panoptic("this dataset's annotations are panoptic, read-only, and may use the category")
        if reassign_to is None:
            if count := self._count_annotations_in(category_id):
                raise Conflict(
                    f"{count} annotation(s) use category {category_id}; delete them first, or give reassign_to=ID",
                    {"annotation_count": count},
                )
            return
        if reassign_to == category_id:
            raise InvalidRecord({"reassign_to": ["is the category that is to be deleted"]})
        if not self.has("categories", reassign_to):
            raise InvalidRecord({"reassign_to": [f"there is no category with id {reassign_to}"]})
        annotations = self._annotations_where("category_id", category_id)
        check_keypoints(category, self.get("categories", reassign_to) or {}, lambda: annotations)
        for annotation in annotations:
            self.has("annotations", annotation.record_id)  # raises where the id is ambiguous
            self._merge("annotations", annotation, {"category_id": reassign_to})

    def _count_annotations_in(self, category_id: int) -> int:
        if self._touched:
            return len(self._annotations_where("category_id", category_id))
        return self._lookup.count_annotations(category_id=category_id)

    def _annotations_where(self, field: str, record_id: int) -> list[Stored]:
        """The annotations whose `field`, `image_id` or `category_id`, is this id, after what was done so far."""
        touched = [stored for (section, _), stored in self._touched.items() if section == "annotations" and stored]
        return [
            *(
                stored
                for stored in self._lookup.annotations_where(**{field: record_id})
                if ("annotations", stored.record_id) not in self._touched
            ),
            *(stored for stored in touched if stored.record.get(field) == record_id),
        ]

    def _check_name(self, name: str, own_id: int | None) -> None:
        for category_id in self._lookup.categories_named(name):
            if category_id != own_id:
                raise Conflict(f"there is a category named {name!r} already: id {category_id}")

    def _check_file_name(self, name: str, own_id: int | None) -> None:
        """A file may have a `file_name` twice, and stays as it is; but some programs then refuse all of it."""
        given = self._file_names.get(name)
        for image_id in [*self._lookup.images_named(name), *([] if given is None else [given])]:
            if image_id != own_id and self._is_called(image_id, name):
                raise Conflict(
                    f"there is an image with the file_name {name!r:.100} already: id {image_id}; programs that find "
                    "images by it (supervision, globox) refuse a file that has one twice. Change that image instead"
                )

    def _is_called(self, image_id: int, name: str) -> bool:
        """Whether an image still has a name that it had, or was given in this change."""
        if ("images", image_id) not in self._touched:
            return True
        stored = self._touched["images", image_id]
        return stored is not None and stored.record.get("file_name") == name

    def _refuse_panoptic(self, message: str) -> None:
        if self._lookup.panoptic:
            raise Conflict(message)

    def _find(self, section: SectionName, record_id: int) -> Stored | None:
        if (section, record_id) in self._touched:
            return self._touched[section, record_id]
        return self._lookup.find(section, record_id)

    def _existing(self, section: SectionName, record_id: int, if_match: ETags) -> Stored:
        stored = self._find(section, record_id)
        if stored is None:
            raise UnknownId(f"there is no {NOUNS[section]} with id {record_id}")
        check_version(stored.record.text, if_match, f"{NOUNS[section]} {record_id}")
        return stored

    def _new(self, section: SectionName, fields: Mapping[str, Any]) -> Record:
        place = self._place(section)
        record_id = place.record_id
        if fields.get("id") is not None:
            record_id = rules.check_new_id(fields["id"], section)
            self._check_free(section, record_id, "leave `id` out to get a free one")
        elif record_id > MAX_ID:
            raise Conflict(f"{section} have used the largest id there is, {MAX_ID}; bring an id that is free")
        whole = {**fields, "id": record_id} if "id" in fields else {"id": record_id, **fields}
        return self._append(section, place, record_id, Record(_as_json(self._lookup.style(section).encode, whole)))

    def _check_free(self, section: SectionName, record_id: int, what_to_do: str) -> None:
        try:
            taken = self.has(section, record_id)
        except AmbiguousId:
            taken = True
        if taken:
            raise Conflict(f"{NOUNS[section]} id {record_id} is taken; {what_to_do}")

    def _append(self, section: SectionName, place: Place, record_id: int, record: Record) -> Record:
        self._appended[section] = self._appended.get(section, 0) + 1
        self._next_ids[section] = max(place.record_id, record_id + 1)
        self._touch(section, Stored(record_id, place.position, record))
        self.edits.append(Edit(section, record_id, place.position, None, record.text))
        return record

    def _place(self, section: SectionName) -> Place:
        if not self._appended:
            return self._lookup.next_place(section)
        place = self._lookup.next_place(section, self._appended.get(section, 0))
        return Place(max(place.record_id, self._next_ids.get(section, 0)), place.position)

    def _merge(self, section: SectionName, stored: Stored, changes: Mapping[str, Any]) -> Record:
        record = Record(_as_json(merge, stored.record.text, changes, self._lookup.style(section)))
        self._touch(section, msgspec.structs.replace(stored, record=record))
        self.edits.append(Edit(section, stored.record_id, stored.position, stored.record.text, record.text))
        return record

    def _touch(self, section: SectionName, stored: Stored) -> None:
        self._touched[section, stored.record_id] = stored
        if section == "images" and isinstance(name := stored.record.get("file_name"), str):
            self._file_names[name] = stored.record_id

    def _remove(self, section: SectionName, stored: Stored) -> None:
        self._touched[section, stored.record_id] = None
        self.edits.append(Edit(section, stored.record_id, stored.position, stored.record.text, None, lead=stored.lead))


def _as_json(encoder: Callable[..., bytes], *args: object) -> bytes:
    try:
        return encoder(*args)
    except (msgspec.MsgspecError, ValueError, OverflowError, RecursionError, TypeError) as exc:
        raise InvalidRecord({"record": [f"can't be written as JSON: {exc}"]}) from exc
