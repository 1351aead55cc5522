"""Lists: which records of the store a question selects, in which order. Paging is by offset and limit."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt

from cocoannot.coco.parser import Ints
from cocoannot.coco.records import etag, with_derived
from cocoannot.store.memory.tables import Store

Derived = Literal["annotation_count", "annotations", "etag"]
SORTS = tuple(sign + key for key in ("position", "id", "file_name", "annotation_count") for sign in ("", "-"))


class Page(NamedTuple):
    """Some of the records that were asked for, as JSON texts, and how many there are in all."""

    total: int
    texts: list[bytes]


@dataclass(frozen=True)
class ImageQuery:
    """Which images: every condition that is given must hold. `sort` is one of `SORTS`; ties keep file order.

    `min_annotations` and `max_annotations` enclose how many an image has; `min_size` and `below_size` one of them at
    least, by the square root of its area, in pixels.
    """

    file_name: str = ""
    category_ids: Collection[int] = ()
    annotated: bool | None = None
    sort: str = "position"
    min_annotations: int | None = None
    max_annotations: int | None = None
    min_size: float | None = None
    below_size: float | None = None


@dataclass(frozen=True)
class AnnotationQuery:
    """Which annotations: every condition that is given must hold; they come in file order."""

    image_id: int | None = None
    category_id: int | None = None
    iscrowd: bool | None = None


def find_images(store: Store, query: ImageQuery, offset: int, limit: int, derived: Collection[Derived] = ()) -> Page:
    """The images that `query` selects, from `offset` on, at most `limit`."""
    images = store.images
    slots = images.slots()
    if query.category_ids:
        ours = store.annotations
        # The default makes a table of ids, which takes far longer where few are asked for, one by one.
        few = len(query.category_ids) <= 16
        chosen = ours.alive & np.isin(ours.category_ids, _int64(query.category_ids), kind="sort" if few else None)
        slots = slots[np.isin(images.ids(slots), ours.image_ids[chosen])]
    if query.min_size is not None or query.below_size is not None:
        ours = store.annotations
        live = ours.slots()
        areas = ours.areas[live]
        chosen = areas >= (query.min_size or 0) ** 2
        if query.below_size is not None:
            chosen &= areas < query.below_size**2
        slots = slots[np.isin(images.ids(slots), ours.image_ids[live][chosen])]
    if query.annotated is not None:
        slots = slots[(store.annotation_counts(images.ids(slots)) > 0) == query.annotated]
    if query.min_annotations is not None or query.max_annotations is not None:
        counts = store.annotation_counts(images.ids(slots))
        most = query.max_annotations
        slots = slots[(counts >= (query.min_annotations or 0)) & (counts <= (most if most is not None else counts))]
    if query.file_name:
        names = images.names
        slots = np.array([slot for slot in slots.tolist() if query.file_name in names[slot]], np.int64)
    slots = _sorted(store, slots, query.sort)
    return Page(len(slots), [_image_text(store, slot, derived) for slot in slots[offset : offset + limit].tolist()])


def find_annotations(
    store: Store, query: AnnotationQuery, offset: int, limit: int | None, derived: Collection[Derived] = ()
) -> Page:
    """The annotations that `query` selects, from `offset` on, at most `limit` (all where that is `None`)."""
    ours = store.annotations
    slots = ours.slots() if query.image_id is None else np.array(ours.by_image.slots(query.image_id), np.int64)
    if query.category_id is not None:
        slots = slots[np.isin(ours.category_ids[slots], _int64([query.category_id]))]
    if query.iscrowd is not None:
        slots = slots[ours.crowds[slots] == query.iscrowd]
    end = None if limit is None else offset + limit
    texts = [ours.text(slot) for slot in slots[offset:end].tolist()]
    return Page(
        len(slots), [with_derived(text, {"_etag": etag(text)}) for text in texts] if "etag" in derived else texts
    )


def find_categories(store: Store, derived: Collection[Derived] = ()) -> Page:
    """All categories, in file order."""
    categories = store.categories
    texts = []
    for slot in categories.slots().tolist():
        extra = {}
        if "annotation_count" in derived:
            extra["_annotation_count"] = store.annotations.per_category.get(categories.record_id(slot), 0)
        texts.append(with_derived(categories.text(slot), extra))
    return Page(len(texts), texts)


def _sorted(store: Store, slots: Ints, sort: str) -> Ints:
    descending, key = sort.startswith("-"), sort.lstrip("-")
    if key == "file_name":
        names = store.images.names
        return np.array(sorted(slots.tolist(), key=names.__getitem__, reverse=descending), np.int64)
    if key == "position":
        return slots[::-1] if descending else slots
    ids = store.images.ids(slots)
    values = ids if key == "id" else store.annotation_counts(ids)
    order: npt.NDArray[np.intp] = np.argsort(-values if descending else values, kind="stable")
    return slots[order]


def _image_text(store: Store, slot: int, derived: Collection[Derived]) -> bytes:
    text, image_id = store.images.text(slot), store.images.record_id(slot)
    extra: dict[str, Any] = {}
    if "annotation_count" in derived:
        extra["_annotation_count"] = store.annotations.by_image.count(image_id)
    if "annotations" in derived:
        texts = find_annotations(store, AnnotationQuery(image_id=image_id), 0, None).texts
        extra["_annotations"] = msgspec.Raw(b"[%b]" % b",".join(texts))
    if "etag" in derived:
        extra["_etag"] = etag(text)
    return with_derived(text, extra)


def _int64(ids: Collection[int]) -> Ints:
    """`ids` as an array, without those that no record can have."""
    return np.array([number for number in ids if -(2**63) < number < 2**63], np.int64)
