"""The manager: what whoever embeds cocoannot calls. It keeps nothing; everything is done by its store.

Single changes come back as records, as a plain program wants them. The API asks `store` itself, whose answers tell
their revision.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from cocoannot.changes.change import Change
from cocoannot.changes.operations import Add, Delete, ETags, Operation, Restore, Undo, Update
from cocoannot.changes.tracker import ChangeTracker
from cocoannot.coco.fields import unstorable
from cocoannot.coco.parser import SectionName
from cocoannot.coco.records import Record, encode
from cocoannot.errors import BadOperation, InvalidRecord, UnknownId
from cocoannot.store.base import Committed, Deleted, SavingStore
from cocoannot.store.memory.store import MemoryStore
from cocoannot.store.queries import AnnotationQuery, CategoryQuery, ImageQuery


class DatasetManager:
    """One COCO dataset; safe from any thread. Every method but `load` raises `NotLoaded` before it is loaded.

    Each change may raise `JournalError`: it could not be written down and was not made; and `NotDurable`: it was made,
    and it is not known whether it would survive a power cut. `actor` is who makes it, for those who ask later.
    """

    def __init__(self, store: SavingStore | None = None) -> None:
        self.store = MemoryStore() if store is None else store

    def load(self, path: Path | str, *, create: bool = False) -> None:
        """Read the dataset at `path`, with what its journal has above it; `create` makes an empty one.

        The caller makes sure that no other process owns the dataset. Raises `DatasetError`.
        """
        self.store.load(str(path), create=create)

    def save(self) -> bool:
        """Write the dataset to its file if it has changed; returns whether it had. Raises `SaveError`, `FileChanged`.

        Where that fails nothing is lost: the changes stay in memory, and pending.
        """
        return self.store.save(automatic=True) is not None

    def flush(self) -> bool:
        """Save now, because somebody asked for it; returns whether there was anything to save. Raises as `save`."""
        return self.store.save() is not None

    def shutdown(self) -> None:
        """Save what is pending before the process ends; safe to call more than once. Failures are logged."""
        self.store.shutdown()

    def close(self) -> None:
        """Make no change and no save any more: the file is about to be somebody else's. Reading goes on."""
        self.store.close()

    @property
    def is_loaded(self) -> bool:
        return self.store.is_loaded

    @property
    def revision(self) -> int:
        """How many changes were accepted so far, over restarts."""
        return self.store.revision

    @property
    def changes(self) -> ChangeTracker:
        """What changed since the last save, as a copy."""
        return self.store.status().pending

    def counts(self) -> dict[str, int]:
        """How many `images`, `annotations` and `categories` there are."""
        return self.store.counts()

    def get_images(self) -> list[Record]:
        """All images, in file order."""
        return _records(self.store.find(ImageQuery()).texts)

    def get_images_range(self, start: int, count: int) -> list[Record]:
        """At most `count` images from position `start` (from 0) on, in file order."""
        return _records(self.store.find(ImageQuery(), start, count).texts)

    def get_annotations(self) -> list[Record]:
        """All annotations, in file order."""
        return _records(self.store.find(AnnotationQuery()).texts)

    def get_annotations_by_image(self, image_id: int) -> list[Record]:
        """The annotations of one image, in file order; none where there is no such image."""
        return _records(self.store.find(AnnotationQuery(image_id=image_id)).texts)

    def get_categories(self) -> list[Record]:
        """All categories, in file order."""
        return _records(self.store.find(CategoryQuery()).texts)

    def get_image(self, image_id: int) -> Record | None:
        """One image, `None` where there is none with this id. Raises `AmbiguousId`."""
        return self.store.get("images", image_id).record

    def get_annotation(self, annotation_id: int) -> Record | None:
        """One annotation, `None` where there is none with this id. Raises `AmbiguousId`."""
        return self.store.get("annotations", annotation_id).record

    def get_category(self, category_id: int) -> Record | None:
        """One category, `None` where there is none with this id. Raises `AmbiguousId`."""
        return self.store.get("categories", category_id).record

    def get_info(self) -> Any:
        """The file's `info`, decoded; `None` where it has none."""
        return self._top_level("info")

    def get_licenses(self) -> Any:
        """The file's `licenses`, decoded; `None` where it has none."""
        return self._top_level("licenses")

    def get_next_annotation_id(self) -> int:
        """The id that the next new annotation gets, unless somebody else's is added first."""
        return self.store.next_id("annotations")

    def get_next_category_id(self) -> int:
        """The id that the next new category gets, unless somebody else's is added first."""
        return self.store.next_id("categories")

    def get_next_image_id(self) -> int:
        """The id that the next new image gets, unless somebody else's is added first."""
        return self.store.next_id("images")

    def add_annotation(self, annotation: Mapping[str, Any], *, actor: str | None = None) -> Record:
        """Add an annotation; `area`, `bbox` and `num_keypoints` are computed, `id` is chosen where none is given.

        Returns the stored record. Raises `InvalidRecord`, and `Conflict` where the id is taken.
        """
        return self._add("annotations", annotation, actor)

    def update_annotation(
        self, annotation_id: int, updates: Mapping[str, Any], if_match: ETags = None, *, actor: str | None = None
    ) -> Record | None:
        """Merge `updates` at the top level; `None` as a value removes its field.

        Returns the stored record, `None` where there is none with this id. Raises `InvalidRecord`, `AmbiguousId`,
        and `VersionMismatch` where `if_match` is given and does not hold the record's ETag.
        """
        return self._update("annotations", annotation_id, updates, if_match, actor)

    def delete_annotation(self, annotation_id: int, if_match: ETags = None, *, actor: str | None = None) -> bool:
        """Delete an annotation; returns whether it was there. Raises `AmbiguousId`, `VersionMismatch`."""
        return self._delete(Delete("annotations", annotation_id, if_match), actor) is not None

    def change_annotations(
        self, operations: Sequence[Mapping[str, Any]], *, actor: str | None = None
    ) -> list[Record | None]:
        """Make many changes to annotations as one: all or none.

        Each operation is `{"op": "add" | "restore", "annotation": {...}}`, `{"op": "update", "id", "changes"}` or
        `{"op": "delete", "id"}`; the last two may bring `if_match`, a collection of ETags, and `restore` a `position`,
        how many annotations are before it once all is done. Returns the stored
        records in order, `None` for a deleted one. Raises `BadOperation`.
        """
        committed = self.store.commit([_operation(index, each) for index, each in enumerate(operations)], actor=actor)
        return [result if isinstance(result, Record) else None for result in committed.results]

    def add_category(self, category: Mapping[str, Any], *, actor: str | None = None) -> Record:
        """Add a category; returns the stored record. Raises `InvalidRecord`, `Conflict` (name or id taken)."""
        return self._add("categories", category, actor)

    def update_category(
        self, category_id: int, updates: Mapping[str, Any], if_match: ETags = None, *, actor: str | None = None
    ) -> Record | None:
        """Like `update_annotation`, for a category; a name that is taken raises `Conflict`."""
        return self._update("categories", category_id, updates, if_match, actor)

    def delete_category(
        self,
        category_id: int,
        reassign_to: int | None = None,
        if_match: ETags = None,
        *,
        actor: str | None = None,
    ) -> bool:
        """Delete a category, its annotations moved to `reassign_to` first; returns whether it was there.

        Raises `Conflict` where annotations use it and `reassign_to` is not given.
        """
        return self._delete(Delete("categories", category_id, if_match, reassign_to), actor) is not None

    def add_image(self, image: Mapping[str, Any], *, actor: str | None = None) -> Record:
        """Add an image; returns the stored record. Raises `InvalidRecord`, `Conflict` (id taken)."""
        return self._add("images", image, actor)

    def update_image(
        self, image_id: int, updates: Mapping[str, Any], if_match: ETags = None, *, actor: str | None = None
    ) -> Record | None:
        """Like `update_annotation`, for an image."""
        return self._update("images", image_id, updates, if_match, actor)

    def delete_image(self, image_id: int, if_match: ETags = None, *, actor: str | None = None) -> Deleted | None:
        """Delete an image and its annotations, as one change; `None` where there is none with this id."""
        return self._delete(Delete("images", image_id, if_match), actor)

    def set_images(self, images: Sequence[Mapping[str, Any]], *, actor: str | None = None) -> None:
        """Replace all images and save at once. Raises `DatasetError`, `SaveError`; memory is then as it was."""
        self.store.replace({"images": _list_text(images)}, actor=actor)

    def set_annotations(self, annotations: Sequence[Mapping[str, Any]], *, actor: str | None = None) -> None:
        """Replace all annotations and save at once. Raises `DatasetError`, `SaveError`; memory is then as it was."""
        self.store.replace({"annotations": _list_text(annotations)}, actor=actor)

    def undo(self, revision: int, *, actor: str | None = None) -> Change:
        """Take the change that made `revision` back, byte for byte and in place; returns the change that did so.

        Raises `UnknownId` where it is not kept, `Conflict` where something later changed what it needs.
        """
        made = self.change(Undo(revision), actor=actor).change
        assert made is not None
        return made

    def change(self, operation: Operation, *, actor: str | None = None) -> Committed:
        """Do one thing, as `Store.commit` does; raises what went wrong with it, without an index."""
        try:
            return self.store.commit([operation], actor=actor)
        except BadOperation as exc:
            raise exc.cause from exc.__cause__

    def _add(self, section: SectionName, fields: Mapping[str, Any], actor: str | None) -> Record:
        result = self.change(Add(section, fields), actor=actor).results[0]
        assert isinstance(result, Record)
        return result

    def _update(
        self, section: SectionName, record_id: int, changes: Mapping[str, Any], if_match: ETags, actor: str | None
    ) -> Record | None:
        try:
            result = self.change(Update(section, record_id, changes, if_match), actor=actor).results[0]
        except UnknownId:
            return None
        assert isinstance(result, Record)
        return result

    def _delete(self, operation: Delete, actor: str | None) -> Deleted | None:
        try:
            result = self.change(operation, actor=actor).results[0]
        except UnknownId:
            return None
        assert isinstance(result, Deleted)
        return result

    def _top_level(self, key: str) -> Any:
        text = self.store.top_level(key)
        return None if text is None else msgspec.json.decode(text)


def _operation(index: int, operation: Mapping[str, Any]) -> Operation:
    if_match = operation.get("if_match")
    versions = None if if_match is None else frozenset(if_match)
    match operation.get("op"):
        case "add":
            return Add("annotations", operation["annotation"])
        case "restore":
            if problem := unstorable(dict(operation["annotation"])):
                raise BadOperation(index, InvalidRecord({"annotation": [problem]}))
            return Restore(encode(dict(operation["annotation"])), operation.get("position"))
        case "update":
            return Update("annotations", operation["id"], operation["changes"], versions)
        case "delete":
            return Delete("annotations", operation["id"], versions)
        case unknown:
            error = InvalidRecord({"op": [f"is {unknown!r}; must be add, update, delete or restore"]})
            raise BadOperation(index, error)


def _records(texts: Sequence[bytes]) -> list[Record]:
    return [Record(text) for text in texts]


def _list_text(records: Sequence[Mapping[str, Any]]) -> bytes:
    return b"[%b]" % b",\n".join(encode(dict(record)) for record in records)
