"""Changing the dataset from any thread: written down, then in memory, each change as a whole or not at all."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, TypeVar

from cocoannot.changes.tracker import ChangeTracker
from cocoannot.changes.transaction import Draft, IfMatch
from cocoannot.coco.records import Record
from cocoannot.errors import BadOperation, CocoannotError, InvalidRecord, UnknownId
from cocoannot.store.memory.barging_lock import Turns
from cocoannot.store.memory.reading import DatasetReads
from cocoannot.store.memory.tables import Change

Result = TypeVar("Result")


class DeletedImage(NamedTuple):
    """What went with an image."""

    annotations_deleted: int


class DatasetChanges(DatasetReads):
    """The changing half of the manager. Every method raises `NotLoaded` before the dataset is loaded.

    Each may raise `JournalError`: the change could not be written down and was not made; and `NotDurable`: it was
    made, and it is not known whether it would survive a power cut.
    """

    def __init__(self) -> None:
        super().__init__()
        # Guards who may change memory and the journal: one change, or one bulk replacement, at a time. Taken before
        # `_lock`, so that a change is checked, encoded and written down without holding up readers.
        self._changing = Turns()

    def add_annotation(self, annotation: Mapping[str, Any]) -> Record:
        """Add an annotation; `area`, `bbox` and `num_keypoints` are computed, `id` is chosen where none is given.

        Returns the stored record. Raises `InvalidRecord`, and `Conflict` where the id is taken.
        """
        return self._change(lambda draft: draft.add_annotation(annotation))

    def update_annotation(
        self, annotation_id: int, updates: Mapping[str, Any], if_match: IfMatch = None
    ) -> Record | None:
        """Merge `updates` at the top level; `None` as a value removes its field.

        Returns the stored record, `None` where there is none with this id. Raises `InvalidRecord`, `AmbiguousId`,
        and `VersionMismatch` where `if_match` is given and does not hold the record's ETag.
        """
        return self._change_known(lambda draft: draft.update_annotation(annotation_id, updates, if_match))

    def delete_annotation(self, annotation_id: int, if_match: IfMatch = None) -> bool:
        """Delete an annotation; returns whether it was there. Raises `AmbiguousId`, `VersionMismatch`."""
        return bool(self._change_known(lambda draft: draft.delete_annotation(annotation_id, if_match)))

    def change_annotations(self, operations: Sequence[Mapping[str, Any]]) -> list[Record | None]:
        """Make many changes to annotations as one: all or none.

        Each operation is `{"op": "add" | "restore", "annotation": {...}}`, `{"op": "update", "id", "changes"}` or
        `{"op": "delete", "id"}`; the last two may bring `if_match`, a collection of ETags. Returns the stored
        records in order, `None` for a deleted one. Raises `BadOperation`.
        """
        return self._change(lambda draft: [_perform(draft, index, each) for index, each in enumerate(operations)])

    def add_category(self, category: Mapping[str, Any]) -> Record:
        """Add a category; returns the stored record. Raises `InvalidRecord`, `Conflict` (name or id taken)."""
        return self._change(lambda draft: draft.add_category(category))

    def update_category(self, category_id: int, updates: Mapping[str, Any], if_match: IfMatch = None) -> Record | None:
        """Like `update_annotation`, for a category; a name that is taken raises `Conflict`."""
        return self._change_known(lambda draft: draft.update_category(category_id, updates, if_match))

    def delete_category(self, category_id: int, reassign_to: int | None = None, if_match: IfMatch = None) -> bool:
        """Delete a category, its annotations moved to `reassign_to` first; returns whether it was there.

        Raises `Conflict` where annotations use it and `reassign_to` is not given.
        """
        return bool(self._change_known(lambda draft: draft.delete_category(category_id, reassign_to, if_match)))

    def add_image(self, image: Mapping[str, Any]) -> Record:
        """Add an image; returns the stored record. Raises `InvalidRecord`, `Conflict` (id taken)."""
        return self._change(lambda draft: draft.add_image(image))

    def update_image(self, image_id: int, updates: Mapping[str, Any], if_match: IfMatch = None) -> Record | None:
        """Like `update_annotation`, for an image."""
        return self._change_known(lambda draft: draft.update_image(image_id, updates, if_match))

    def delete_image(self, image_id: int, if_match: IfMatch = None) -> DeletedImage | None:
        """Delete an image and its annotations, as one change; `None` where there is none with this id."""
        count = self._change_known(lambda draft: draft.delete_image(image_id, if_match))
        return None if count is None else DeletedImage(count)

    def _change_known(self, make: Callable[[Draft], Result]) -> Result | None:
        try:
            return self._change(make)
        except UnknownId:
            return None

    def _change(self, make: Callable[[Draft], Result]) -> Result:
        """Let `make` draft a change, then make it; returns what `make` does."""
        with self._changing:
            draft = Draft(self._store)
            result = make(draft)
            if not draft.change:
                return result
            revision = self._commit(draft.change, draft.tracker)
        self._committed(revision)
        return result

    def _commit(self, change: Change, tracker: ChangeTracker) -> int:
        """Write a checked change down and put it into memory; returns the revision that it makes."""
        raise NotImplementedError

    def _committed(self, revision: int) -> None:
        """See to what follows from a change, outside every lock."""
        raise NotImplementedError


def _perform(draft: Draft, index: int, operation: Mapping[str, Any]) -> Record | None:
    try:
        if_match = operation.get("if_match")
        versions = None if if_match is None else frozenset(if_match)
        match operation.get("op"):
            case "add":
                return draft.add_annotation(operation["annotation"])
            case "restore":
                return draft.add_annotation(operation["annotation"], restore=True)
            case "update":
                return draft.update_annotation(operation["id"], operation["changes"], versions)
            case "delete":
                draft.delete_annotation(operation["id"], versions)
                return None
            case unknown:
                raise InvalidRecord({"op": [f"is {unknown!r}; must be add, update, delete or restore"]})
    except CocoannotError as exc:
        raise BadOperation(
            index, exc, next((part for part in ("annotation", "changes") if part in operation), None)
        ) from exc
