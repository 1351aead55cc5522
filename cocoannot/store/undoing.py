"""Undo: the edits that take a change back, where nothing that came later stands in the way.

A change is taken back as a whole or not at all. What it did to a record must still be what the record is, and what
comes back must find what it refers to, unless that was missing before already: what no later change touched is as
it was then.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterable

import msgspec

from cocoannot.changes.change import Change, Edit, ValueEdit
from cocoannot.changes.description import describe
from cocoannot.changes.inverse import inverse, inverse_values
from cocoannot.coco.parser import NONE, AnnotationKeys, CategoryKeys, SectionName, read_keys
from cocoannot.coco.records import Record
from cocoannot.errors import AmbiguousId, Conflict, UnknownId
from cocoannot.store.base import KeptChanges, Lookup, Touched

_REFERENCES: tuple[tuple[SectionName, str], ...] = (("images", "image_id"), ("categories", "category_id"))


def undo(revision: int, lookup: Lookup, history: KeptChanges) -> tuple[list[Edit], list[ValueEdit]]:
    """The edits that take the change of `revision` back, ready to be made, those of top-level values beside them.

    Raises `UnknownId` where it is not there, or not any more, `Conflict` where it can't be taken back.
    """
    change = history.change(revision)
    if change is None:
        raise UnknownId(
            f"there is no change {revision} that could be undone: those after revision {history.oldest_change} are kept"
        )
    if change.replaced:
        raise Conflict(f"change {revision} replaced {', '.join(change.replaced)} in bulk, which can't be undone yet")
    edits = inverse(change.edits)
    if not edits:
        raise Conflict(f"change {revision} left everything as it was, so there is nothing to undo")
    with history.touched_since(revision) as touched:
        changed = in_the_way(edits, touched, lookup)
    if changed:
        raise _refusal(change, changed)
    values = inverse_values(change.values)
    if others := changed_values(values, lookup):
        raise Conflict(
            f"change {revision} can't be undone: something later changed {', '.join(others)}; nothing was done. Undo "
            "what came later first"
        )
    return placed(edits, lookup), values


def changed_values(values: Iterable[ValueEdit], lookup: Lookup) -> list[str]:
    """The keys of `values`, which take something back, that have another value by now."""
    return [value.key for value in values if lookup.top_level(value.key) != value.before]


def in_the_way(edits: list[Edit], touched: Touched, lookup: Lookup) -> list[Edit]:
    """Those of `edits`, which take something back, that can't be made, as later changes `touched` these records."""
    return _Check(edits, touched, lookup).failed()


class _Check:
    """Whether `edits` can be made although later changes `touched` these records."""

    def __init__(self, edits: list[Edit], touched: Touched, lookup: Lookup) -> None:
        self._edits = edits
        self._lookup = lookup
        self._touched = touched
        self._after: dict[tuple[SectionName, int], bytes | None] = {}
        for edit in edits:
            # A record that is moved is deleted first, and then added.
            self._after[edit.section, edit.record_id] = edit.after
        self._deleted = {(edit.section, edit.record_id) for edit in edits if edit.after is None}

    def failed(self) -> list[Edit]:
        """The edits that something stands in the way of."""
        return [edit for edit in self._edits if not (self._stands(edit) and self._fits(edit))]

    def _stands(self, edit: Edit) -> bool:
        """Whether the record is what the change made of it."""
        section, record_id = edit.section, edit.record_id
        if edit.before is None:
            return (section, record_id) in self._deleted or not self._is_there(section, record_id)
        stored = self._lookup.find_copy(section, record_id, edit.before)
        return stored is not None and stored.record.text == edit.before

    def _fits(self, edit: Edit) -> bool:
        """Whether the record, as it is to be, goes together with all others."""
        match edit.section:
            case "annotations":
                return edit.after is None or self._finds_what_it_needs(edit.after)
            case "images":
                return not self._is_used(edit, "image_id") and not self._breaks_masks(edit)
            case "categories":
                return not self._is_used(edit, "category_id") and not self._has_name_of_another(edit)

    def _finds_what_it_needs(self, text: bytes) -> bool:
        keys = read_keys("annotations", text)
        assert isinstance(keys, AnnotationKeys)
        for section, field in _REFERENCES:
            record_id: int = getattr(keys, field)
            was_there = record_id != NONE and self._touched.was_there((section, record_id))
            if was_there and not self._will_be(section, record_id):
                return False
        return ("images", keys.image_id) not in self._touched or self._mask_fits(text, keys.image_id)

    def _mask_fits(self, text: bytes, image_id: int) -> bool:
        segmentation = Record(text).get("segmentation")
        image = self._lookup.find("images", image_id)
        if not isinstance(segmentation, dict) or image is None:
            return True
        return bool(segmentation.get("size") == [image.record.get("height"), image.record.get("width")])

    def _is_used(self, edit: Edit, field: str) -> bool:
        """Whether annotations need the record that is to go, which did not at the time."""
        if edit.after is not None or self._after[edit.section, edit.record_id] is not None:
            return False
        return any(
            ("annotations", stored.record_id) in self._touched and ("annotations", stored.record_id) not in self._after
            for stored in self._lookup.annotations_where(**{field: edit.record_id})
        )

    def _breaks_masks(self, edit: Edit) -> bool:
        """Whether an image is to get another size, and has masks (RLE) since that are of the one that it has."""
        if edit.before is None or edit.after is None:
            return False
        now, then = Record(edit.before), Record(edit.after)
        if all(now.get(side) == then.get(side) for side in ("width", "height")):
            return False
        return any(
            ("annotations", stored.record_id) in self._touched and isinstance(stored.record.get("segmentation"), dict)
            for stored in self._lookup.annotations_where(image_id=edit.record_id)
        )

    def _has_name_of_another(self, edit: Edit) -> bool:
        if edit.after is None:
            return False
        keys = read_keys("categories", edit.after)
        assert isinstance(keys, CategoryKeys)
        others = self._lookup.categories_named(keys.name) if isinstance(keys.name, str) else []
        return any(
            ("categories", other) in self._touched and ("categories", other) not in self._after for other in others
        )

    def _will_be(self, section: SectionName, record_id: int) -> bool:
        if (section, record_id) in self._after:
            return self._after[section, record_id] is not None
        return self._is_there(section, record_id)

    def _is_there(self, section: SectionName, record_id: int) -> bool:
        try:
            return self._lookup.has(section, record_id)
        except AmbiguousId:
            return True


def placed(edits: list[Edit], lookup: Lookup) -> list[Edit]:
    """`edits`, ready to be made: each at the position that its record has, and those that add with their `index`."""
    gone: dict[SectionName, list[int]] = {"images": [], "annotations": [], "categories": []}
    added = dict.fromkeys(gone, 0)
    found = []
    coming: dict[SectionName, list[int]] = {name: [] for name in gone}
    for edit in edits:
        if edit.before is None:
            coming[edit.section].append(edit.position)
    ranks = {name: iter(lookup.ranks(name, positions)) for name, positions in coming.items() if positions}
    for edit in edits:
        if edit.before is None:
            before = next(ranks[edit.section]) - bisect_left(gone[edit.section], edit.position)
            edit = msgspec.structs.replace(edit, index=before + added[edit.section])
            added[edit.section] += 1
        else:
            stored = lookup.find_copy(edit.section, edit.record_id, edit.before)
            assert stored is not None
            edit = msgspec.structs.replace(edit, position=stored.position, lead=None)
            if edit.after is None:
                edit = msgspec.structs.replace(edit, lead=stored.lead)
                insort(gone[edit.section], edit.position)
        found.append(edit)
    return found


def _refusal(change: Change, edits: list[Edit]) -> Conflict:
    own = {(edit.section, edit.record_id): edit for edit in change.edits}
    described = [msgspec.to_builtins(describe(own[edit.section, edit.record_id])) for edit in edits]
    names = ", ".join(f"{each['section']} {each['id']}" for each in described[:5])
    more = "" if len(described) <= 5 else f" and {len(described) - 5} more"
    return Conflict(
        f"change {change.revision} can't be undone: something later changed {names}{more}, or what they need; nothing "
        "was done",
        {"edits": described},
    )
