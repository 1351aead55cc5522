"""The annotations of an import: left out, new, or refused. What their images and categories are is known."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Set
from typing import NamedTuple

from cocoannot.coco.annotation_rules import has_other_keypoints
from cocoannot.coco.incoming import Incoming
from cocoannot.coco.likeness import Likeness, likeness
from cocoannot.coco.parser import NONE
from cocoannot.coco.records import Record
from cocoannot.coco.rules import count_of_keypoints
from cocoannot.errors import AmbiguousId
from cocoannot.store.base import Lookup
from cocoannot.store.import_records import FreeIds, NewRecords
from cocoannot.store.import_report import Report


class Refusal(NamedTuple):
    """Why what refers to a record of theirs can't be taken: in words, and the same without names."""

    reason: str
    kind: str


Place = int | Refusal
"""What an id of theirs is here."""

_NO_IMAGE = Refusal("has no image_id", "no image_id")
_NO_CATEGORY = Refusal("has no category_id, and this dataset has categories", "no category_id")


class AnnotationImport:
    """Takes the annotations of `theirs`. `images` and `categories` have what their ids are here; `known` are images of
    ours, which may have some of the annotations. With `by_id` an image that is not in the file may be one of ours."""

    def __init__(
        self,
        theirs: Incoming,
        lookup: Lookup,
        records: NewRecords,
        report: Report,
        images: dict[int, Place],
        categories: Mapping[int, Place],
        known: Set[int],
        *,
        by_id: bool,
    ) -> None:
        self._theirs = theirs
        self._lookup = lookup
        self._records = records
        self._report = report
        self._images = images
        self._categories = categories
        self._known = set(known)
        self._by_id = by_id
        self._ids = FreeIds("annotations", theirs.ids["annotations"], lookup)
        self._uncategorised: Place = _NO_CATEGORY if lookup.has_categories or records.counts["categories"] else NONE
        self._new_categories = {edit.record_id for edit in records.edits if edit.section == "categories"}
        # Ours by image and category, and then by geometry; only where theirs have some.
        self._there: dict[tuple[int, int], dict[Likeness, int]] = {}
        self._wanted: defaultdict[int, set[int]] = defaultdict(set)
        self._defined: dict[int, int | None] = {}

    def take_all(self) -> None:
        """Take them in the order of the file."""
        keys = self._theirs.document.sections["annotations"].keys
        pairs = list(zip(keys["image_id"].tolist(), keys["category_id"].tolist(), strict=True))
        places = {pair: (self._image(pair[0]), self._category(pair[1])) for pair in dict.fromkeys(pairs)}
        for image, category in places.values():
            if isinstance(image, int) and isinstance(category, int) and image in self._known:
                self._wanted[image].add(category)
        for slot, (their_id, pair) in enumerate(zip(self._theirs.ids["annotations"], pairs, strict=True)):
            image, category = places[pair]
            if isinstance(image, Refusal):
                self._report.refuse("annotations", their_id, slot, *image)
            elif isinstance(category, Refusal):
                self._report.refuse("annotations", their_id, slot, *category)
            else:
                self._take(slot, their_id, pair, image, category)

    def _take(self, slot: int, their_id: int, pair: tuple[int, int], image: int, category: int) -> None:
        report, text = self._report, self._theirs.text("annotations", slot)
        if image in self._known and (ours := self._ours(image, category)):
            there = ours.get(likeness(text))
            if there is not None:
                report.take("annotations", their_id, there, new=False)
                return
        if b'"keypoints"' in text and (refusal := self._keypoints_refusal(text, category)):
            report.refuse("annotations", their_id, slot, *refusal)
            return
        our_id = self._ids.give(their_id)
        ids = {} if our_id == their_id else {"id": our_id}
        if image != pair[0]:
            ids["image_id"] = image
        if category != pair[1]:
            ids["category_id"] = category
        self._records.add("annotations", our_id, text, ids)
        report.take("annotations", their_id, our_id, new=True)

    def _image(self, image_id: int) -> Place:
        if image_id == NONE:
            return _NO_IMAGE
        if (place := self._images.get(image_id)) is not None:
            return place
        if self._by_id:
            try:
                if self._lookup.has("images", image_id):
                    self._known.add(image_id)
                    return image_id
            except AmbiguousId as exc:
                return Refusal(str(exc), "their image's id is there more than once here")
        return Refusal(f"its image {image_id} is not in the file", "their image is not in the file")

    def _category(self, category_id: int) -> Place:
        if category_id == NONE:
            return self._uncategorised
        refusal = Refusal(f"its category {category_id} is not in the file", "their category is not in the file")
        return self._categories.get(category_id, refusal)

    def _ours(self, image_id: int, category_id: int) -> dict[Likeness, int]:
        """Ours of an image and a category, by geometry."""
        categories = self._wanted.pop(image_id, None)
        if categories is not None:
            for each in categories:
                self._there[image_id, each] = {}
            for ours in self._lookup.annotation_texts(image_id, categories):
                self._there[image_id, ours.category_id].setdefault(likeness(ours.text), ours.record_id)
        return self._there[image_id, category_id]

    def _keypoints_refusal(self, text: bytes, category_id: int) -> Refusal | None:
        """Programs that draw keypoints, or evaluate them, want as many as the category has."""
        if category_id == NONE or category_id in self._new_categories:
            return None
        if category_id not in self._defined:
            stored = self._lookup.find("categories", category_id)
            self._defined[category_id] = None if stored is None else count_of_keypoints(stored.record)
        defined = self._defined[category_id]
        if not has_other_keypoints(Record(text), defined):
            return None
        reason = f"has another number of keypoints than {defined}, as its category {category_id} has here"
        return Refusal(reason, "another number of keypoints than here")
