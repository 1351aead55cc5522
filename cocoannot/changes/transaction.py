"""One change in the making: what the dataset would be with it. Nothing is stored until the whole change stands."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from cocoannot.changes.tracker import Action, ChangeTracker
from cocoannot.coco import annotation_rules, rules
from cocoannot.coco.parser import MAX_ID
from cocoannot.coco.records import Record, check_version, encode, merge
from cocoannot.errors import Conflict, InvalidRecord, UnknownId
from cocoannot.store.memory.tables import Change, Drop, Put, Store

IfMatch = frozenset[str] | None


class Draft:
    """Collects the operations of one change; each sees what the ones before it did."""

    def __init__(self, store: Store) -> None:
        self.change: Change = []
        self.tracker = ChangeTracker()
        self._store = store
        self._annotations: dict[int, Record | None] = {}
        self._next_id = store.next_ids["annotations"]

    def has_image(self, image_id: int) -> bool:
        return self._store.images.find(image_id) is not None

    def has_category(self, category_id: int) -> bool:
        return self._store.categories.find(category_id) is not None

    def image(self, image_id: int) -> Record | None:
        return self._store.image(image_id)

    def category(self, category_id: int) -> Record | None:
        return self._store.category(category_id)

    def annotation(self, annotation_id: int) -> Record | None:
        """The annotation as this change leaves it so far."""
        if annotation_id in self._annotations:
            return self._annotations[annotation_id]
        return self._store.annotation(annotation_id)

    def add_annotation(self, fields: Mapping[str, Any], *, restore: bool = False) -> Record:
        """Add an annotation; with `restore` exactly as given, else with what is computed. Raises on bad fields."""
        if self._store.annotations.panoptic:
            raise Conflict("this dataset's annotations are panoptic (segments_info), which are read-only")
        checked = (annotation_rules.restored_annotation if restore else annotation_rules.new_annotation)(fields, self)
        if restore and fields.get("id") is None:
            raise InvalidRecord({"id": ["is required: the one that the annotation had"]})
        record_id = self._free_id("annotations", fields.get("id"), restore=restore)
        return self._put("annotations", record_id, checked)

    def update_annotation(self, annotation_id: int, changes: Mapping[str, Any], if_match: IfMatch = None) -> Record:
        """Merge `changes` into an annotation. Raises `UnknownId`, `VersionMismatch`, `InvalidRecord`."""
        record = self._existing("annotation", annotation_id, self.annotation(annotation_id), if_match)
        return self._merge(
            "annotations", annotation_id, record, annotation_rules.changed_annotation(record, changes, self)
        )

    def delete_annotation(self, annotation_id: int, if_match: IfMatch = None) -> bool:
        """Always true. Raises `UnknownId`, `VersionMismatch`."""
        self._existing("annotation", annotation_id, self.annotation(annotation_id), if_match)
        self._annotations[annotation_id] = None
        self._drop("annotations", annotation_id)
        return True

    def add_image(self, fields: Mapping[str, Any]) -> Record:
        checked = rules.new_image(fields)
        record_id = self._free_id("images", fields.get("id"))
        return self._put("images", record_id, checked)

    def update_image(self, image_id: int, changes: Mapping[str, Any], if_match: IfMatch = None) -> Record:
        record = self._existing("image", image_id, self.image(image_id), if_match)
        return self._merge("images", image_id, record, rules.changed_image(changes))

    def delete_image(self, image_id: int, if_match: IfMatch = None) -> int:
        """Delete an image and its annotations; returns how many those are. Raises `Conflict`, `UnknownId`."""
        self._existing("image", image_id, self.image(image_id), if_match)
        count = self._store.annotations.by_image.count(image_id)
        if count and self._store.annotations.panoptic:
            raise Conflict("this image has panoptic annotations (segments_info), which are read-only")
        self.tracker.count("annotations", "deleted", count)
        self._drop("images", image_id)
        return count

    def add_category(self, fields: Mapping[str, Any]) -> Record:
        checked = rules.new_category(fields)
        self._check_name(checked["name"], None)
        record_id = self._free_id("categories", fields.get("id"))
        return self._put("categories", record_id, checked)

    def update_category(self, category_id: int, changes: Mapping[str, Any], if_match: IfMatch = None) -> Record:
        record = self._existing("category", category_id, self.category(category_id), if_match)
        checked = rules.changed_category(changes)
        if "name" in checked:
            self._check_name(checked["name"], category_id)
        return self._merge("categories", category_id, record, checked)

    def delete_category(self, category_id: int, reassign_to: int | None = None, if_match: IfMatch = None) -> bool:
        """Delete a category; its annotations go to `reassign_to` first. Always true. Raises `Conflict`, `UnknownId`."""
        self._existing("category", category_id, self.category(category_id), if_match)
        annotations = self._store.annotations
        if annotations.panoptic:
            raise Conflict("this dataset's annotations are panoptic, read-only, and may use the category")
        count = annotations.per_category.get(category_id, 0)
        if reassign_to is not None:
            self._check_target(category_id, reassign_to)
            slots = annotations.slots()
            for slot in slots[annotations.category_ids[slots] == category_id].tolist():
                record_id = annotations.record_id(slot)
                annotations.find(record_id)  # raises where the id is ambiguous, before anything is changed
                record = Record(annotations.text(slot))
                self._merge("annotations", record_id, record, {"category_id": reassign_to})
        elif count:
            raise Conflict(
                f"{count} annotation(s) use category {category_id}; delete them first, or give reassign_to=ID",
                {"annotation_count": count},
            )
        self._drop("categories", category_id)
        return True

    def _check_target(self, category_id: int, reassign_to: int) -> None:
        if reassign_to == category_id:
            raise InvalidRecord({"reassign_to": ["is the category that is to be deleted"]})
        if self.category(reassign_to) is None:
            raise InvalidRecord({"reassign_to": [f"there is no category with id {reassign_to}"]})

    def _check_name(self, name: str, own_id: int | None) -> None:
        categories = self._store.categories
        for slot in categories.slots().tolist():
            if categories.names[slot] == name and categories.record_id(slot) != own_id:
                raise Conflict(f"there is a category named {name!r} already: id {categories.record_id(slot)}")

    def _free_id(self, section: str, wanted: object, *, restore: bool = False) -> int:
        if wanted is None:
            return self._store.new_id(section, self._next_id if section == "annotations" else 0)
        record_id = rules.check_new_id(wanted, -MAX_ID if restore else 0)
        table = self._store.tables[section]
        if section == "annotations" and record_id in self._annotations:
            taken = self._annotations[record_id] is not None
        else:
            taken = table.taken(record_id)
        if taken:
            what_to_do = "there is nothing to restore" if restore else "leave `id` out to get a free one"
            raise Conflict(f"{table.noun} id {record_id} is taken; {what_to_do}")
        return record_id

    def _existing(self, noun: str, record_id: int, record: Record | None, if_match: IfMatch) -> Record:
        if record is None:
            raise UnknownId(f"there is no {noun} with id {record_id}")
        check_version(record.text, if_match, f"{noun} {record_id}")
        return record

    def _put(self, section: str, record_id: int, fields: Mapping[str, Any]) -> Record:
        whole = {**fields, "id": record_id} if "id" in fields else {"id": record_id, **fields}
        record = Record(_as_json(encode, whole))
        self._store_text(section, record_id, record, "added")
        return record

    def _merge(self, section: str, record_id: int, record: Record, changes: Mapping[str, Any]) -> Record:
        if not changes:
            return record
        merged = Record(_as_json(merge, record.text, changes))
        self._store_text(section, record_id, merged, "updated")
        return merged

    def _store_text(self, section: str, record_id: int, record: Record, action: Action) -> None:
        if section == "annotations":
            self._annotations[record_id] = record
            self._next_id = max(self._next_id, record_id + 1)
        self.change.append(Put(section, record_id, record.text))
        self.tracker.count(section, action)

    def _drop(self, section: str, record_id: int) -> None:
        self.change.append(Drop(section, record_id))
        self.tracker.count(section, "deleted")


def _as_json(encoder: Callable[..., bytes], *args: object) -> bytes:
    try:
        return encoder(*args)
    except (msgspec.MsgspecError, ValueError, OverflowError, RecursionError, TypeError) as exc:
        raise InvalidRecord({"record": [f"can't be written as JSON: {exc}"]}) from exc
