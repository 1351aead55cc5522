"""What images tell of their annotations, computed for a whole file; for what changes later it is SQL's (`SUMMARY`)."""

from __future__ import annotations

import struct

import numpy as np

from cocoannot.coco.parser import NONE, Document, Ints
from cocoannot.store.postgres.rows import AREAS

_INT8 = 20
"""What PostgreSQL calls the type of the elements."""


def summaries(document: Document) -> tuple[list[bytes], Ints]:
    """For each image the categories of its annotations, as COPY takes an array, and its bits of sizes."""
    keys = document.sections["annotations"].keys
    ids = document.sections["images"].keys["id"]
    return _categories(ids, keys["image_id"], keys["category_id"]), _sizes(ids, keys["image_id"], keys["area"])


def _categories(ids: Ints, image_ids: Ints, category_ids: Ints) -> list[bytes]:
    known = category_ids != NONE
    images, categories = image_ids[known], category_ids[known]
    order = np.lexsort((categories, images))
    images, categories = images[order], categories[order]
    first = np.ones(len(images), np.bool_)
    first[1:] = (images[1:] != images[:-1]) | (categories[1:] != categories[:-1])
    images, categories = images[first], categories[first]
    elements = np.empty(len(categories), np.dtype([("length", ">i4"), ("value", ">i8")]))
    elements["length"], elements["value"] = 8, categories
    raw, width = elements.tobytes(), elements.dtype.itemsize
    starts, ends = images.searchsorted(ids), images.searchsorted(ids, "right")
    return [
        _array(raw[width * start : width * end], end - start)
        for start, end in zip(starts.tolist(), ends.tolist(), strict=True)
    ]


def _array(elements: bytes, count: int) -> bytes:
    return struct.pack(">5i", 1, 0, _INT8, count, 1) + elements if count else struct.pack(">3i", 0, 0, _INT8)


def _sizes(ids: Ints, image_ids: Ints, areas: Ints) -> Ints:
    measured = areas >= 0
    images, which = np.unique(image_ids[measured], return_inverse=True)
    bits = np.left_shift(1, np.digitize(areas[measured].astype(np.float64), AREAS) - 1)
    sizes = np.zeros(len(images) + 1, np.int64)
    np.bitwise_or.at(sizes, which, bits)
    at = images.searchsorted(ids)
    known = np.zeros(len(ids), np.bool_)
    inside = at < len(images)
    known[inside] = images[at[inside]] == ids[inside]
    found: Ints = np.where(known, sizes[at], 0)
    return found
