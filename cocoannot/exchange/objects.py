"""What other formats can have of a COCO dataset: images with objects, each with a class and a box inside the image.

What they can't have is left out and counted, by the reason. How a format writes an object is not known here.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple, TypeGuard

import numpy as np

from cocoannot.coco.geometry import measure_segmentation
from cocoannot.coco.parser import NONE, Document, SectionName
from cocoannot.coco.records import Record
from cocoannot.errors import DatasetError, InvalidRecord
from cocoannot.exchange.names import Names

_LIMIT = 1e9
"""Pixels, beyond which nothing is."""

Skipped = Counter[str]
"""How many annotations were left out, by the reason."""


class Object(NamedTuple):
    """An annotation: the place of its category in the dataset's list of them, and its box in pixels within the image,
    `(left, top, right, bottom)`; `is_cut` where a part of it is outside."""

    category: int
    box: tuple[float, float, float, float]
    is_cut: bool
    is_crowd: bool
    record: Record


class ImageObjects(NamedTuple):
    """An image, the `name` of its file in the export, its size in pixels, and what is on it."""

    record: Record
    name: str
    width: float
    height: float
    objects: list[Object]


class Reading:
    """A dataset as it is read, image by image, in file order; `skipped` grows meanwhile."""

    def __init__(self, document: Document) -> None:
        self._document = document
        self._names = Names()
        self.skipped: Skipped = Counter()
        self.categories = [self._record("categories", row) for row in range(self._count("categories"))]
        self.class_names = [_class_name(record) for record in self.categories]
        ids = document.sections["categories"].keys["id"].tolist()
        self._classes = {category_id: number for number, category_id in enumerate(ids)}
        annotations = document.sections["annotations"]
        if (annotations.keys["id"] == NONE).any():
            raise DatasetError("the annotations are panoptic (segments_info), which this format can't have")
        # The annotations in the order of their images, each image's in file order.
        self._order = np.argsort(annotations.keys["image_id"], kind="stable")
        self._image_ids = annotations.keys["image_id"][self._order]

    def __len__(self) -> int:
        return self._count("images")

    def __iter__(self) -> Iterator[ImageObjects]:
        image_ids = self._document.sections["images"].keys["id"]
        known = np.isin(self._image_ids, image_ids)
        self._skip("the image is not there", int(np.count_nonzero(~known)))
        # Of records with one id the last counts, as for programs that read COCO.
        last = {image_id: row for row, image_id in enumerate(image_ids.tolist())}
        for row, image_id in enumerate(image_ids.tolist()):
            record = self._record("images", row)
            width, height = _size(record)
            rows = self._rows_of(image_id) if last[image_id] == row else []
            if rows and not width:
                self._skip("the image has no width and height", len(rows))
                rows = []
            found = (self._object(self._record("annotations", each), each, width, height) for each in rows)
            objects = [each for each in found if each is not None]
            yield ImageObjects(
                record, self._names.give(record.get("file_name"), image_id), width or 0, height or 0, objects
            )

    def left_out(self, reason: str) -> None:
        """Count an annotation that a format can't have."""
        self.skipped[reason] += 1

    def _object(self, annotation: Record, row: int, width: float, height: float) -> Object | None:
        category = self._classes.get(int(self._document.sections["annotations"].keys["category_id"][row]))
        if category is None:
            return self._without("the category is not there")
        box = _box(annotation, width, height)
        if box is None:
            return self._without("no box and no segmentation")
        x, y, box_width, box_height = box
        left, right = max(x, 0.0), min(x + box_width, width)
        top, bottom = max(y, 0.0), min(y + box_height, height)
        if left >= right or top >= bottom:
            return self._without("outside the image")
        is_cut = (left, top) != (x, y) or right < x + box_width or bottom < y + box_height
        return Object(category, (left, top, right, bottom), is_cut, annotation.get("iscrowd") in (1, True), annotation)

    def _without(self, reason: str) -> Object | None:
        self.left_out(reason)
        return None

    def _skip(self, reason: str, count: int) -> None:
        if count:
            self.skipped[reason] += count

    def _rows_of(self, image_id: int) -> list[int]:
        start, end = np.searchsorted(self._image_ids, [image_id, image_id + 1])
        rows: list[int] = self._order[start:end].tolist()
        return rows

    def _record(self, section: SectionName, row: int) -> Record:
        records = self._document.sections[section]
        return Record(self._document.buffer[int(records.starts[row]) : int(records.ends[row])])

    def _count(self, section: SectionName) -> int:
        return len(self._document.sections[section].starts)


def _class_name(record: Record) -> str:
    name = record.get("name")
    return name if isinstance(name, str) and name else str(record.get("id"))


def _size(record: Record) -> tuple[float, float]:
    """Width and height in pixels, 0 twice where one is missing."""
    width, height = record.get("width"), record.get("height")
    if not _is_number(width) or not _is_number(height) or min(width, height) <= 0:
        return 0, 0
    return width, height


def _box(annotation: Record, width: float, height: float) -> list[float] | None:
    """The box `[x, y, width, height]`, its own one, else that of its segmentation; `None` where there is none."""
    box = annotation.get("bbox")
    if _is_box(box):
        return box
    try:
        measured = measure_segmentation(annotation.get("segmentation"), int(height), int(width)).bbox
    except InvalidRecord:
        return None
    return measured if _is_box(measured) else None


def _is_box(box: object) -> TypeGuard[list[float]]:
    return isinstance(box, list) and len(box) == 4 and all(map(_is_number, box)) and box[2] > 0 and box[3] > 0


def _is_number(value: object) -> TypeGuard[float]:
    """Whether it is a number that can be counted with: a very large one is no coordinate."""
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < _LIMIT
