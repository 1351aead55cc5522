"""Answering questions from the tables: which records, in which order. Paging is by offset and limit."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from cocoannot.coco.parser import Ints
from cocoannot.coco.records import etag, with_derived, with_etags
from cocoannot.coco.statuses import STATUSES
from cocoannot.store.base import Neighbours, Page
from cocoannot.store.memory.tables import Tables
from cocoannot.store.queries import RANKED, AnnotationQuery, CategoryQuery, Derived, ImageQuery, Query


def find(tables: Tables, query: Query, offset: int, limit: int | None, revision: int) -> Page:
    """The records that `query` selects, at the revision that `tables` are at."""
    end = None if limit is None else offset + limit
    match query:
        case AnnotationQuery():
            slots = _annotation_slots(tables, query)
            return Page(len(slots), _annotation_texts(tables, slots[offset:end], query.derived), revision)
        case ImageQuery():
            chosen = _image_list(tables, query)
            texts = [_image_text(tables, slot, query.derived) for slot in chosen[offset:end].tolist()]
            return Page(len(chosen), texts, revision)
        case CategoryQuery():
            texts = _category_texts(tables, query.derived)
            return Page(len(texts), texts[offset:end], revision)


def first(tables: Tables, query: ImageQuery) -> bytes | None:
    """The first image that `query` selects."""
    found: int | None
    if _is_open_alone(query):
        slots = tables.image_index.open_slots(tables.images.alive)
        found = next((slot for slot in slots if tables.images.record_id(slot) not in query.without), None)
    else:
        found = _at(_sorted(tables, _image_slots(tables, query), query), 0)
    return None if found is None else tables.images.text(found)


def _is_open_alone(query: ImageQuery) -> bool:
    """Whether nothing else is asked of an image than that it is open, and none of some."""
    plain = replace(query, without=(), category_ids=tuple(query.category_ids), derived=())
    return tuple(query.statuses) == ("open",) and replace(plain, statuses=()) == ImageQuery()


def annotations_of(tables: Tables, image_id: int, derived: Collection[Derived], revision: int) -> Page | None:
    """The annotations of an image, in file order, `None` where there is no such image. Raises `AmbiguousId`."""
    if not tables.has("images", image_id):
        return None
    slots = tables.annotation_index.by_image.slots(image_id)
    return Page(len(slots), _annotation_texts(tables, slots, derived), revision)


def neighbours(tables: Tables, image_id: int, query: ImageQuery, revision: int) -> Neighbours | None:
    """Where an image is in the list of `query`, `None` where there is no such image. Raises `AmbiguousId`."""
    images = tables.images
    slot = images.find(image_id)
    if slot is None:
        return None
    if query.is_whole:
        before, beside, total = images.rank(images.places.position(slot)), images.beside(slot), images.live
        position: int | None = before
        if query.sort == "-position":
            position, beside = total - 1 - before, beside[::-1]
    else:
        chosen = _image_list(tables, query)
        total, position = len(chosen), _index(chosen, slot)
        if position is None:
            # As if it were in the list.
            chosen = _sorted(tables, np.sort(np.append(chosen, slot)), query)
        at = _index(chosen, slot) or 0
        beside = (_at(chosen, at - 1), _at(chosen, at + 1))
    previous, following = (None if each is None else images.record_id(each) for each in beside)
    return Neighbours(previous, following, position, total, revision)


def _index(slots: Ints, slot: int) -> int | None:
    found = np.flatnonzero(slots == slot)
    return int(found[0]) if len(found) else None


def _at(slots: Ints, index: int) -> int | None:
    return int(slots[index]) if 0 <= index < len(slots) else None


def _annotation_slots(tables: Tables, query: AnnotationQuery) -> list[int]:
    index = tables.annotation_index
    if query.image_id is None:
        slots = tables.annotations.slots()
    else:
        slots = np.array(index.by_image.slots(query.image_id), np.int64)
    if query.category_id is not None:
        slots = slots[np.isin(index.category_ids[slots], _int64([query.category_id]))]
    if query.iscrowd is not None:
        slots = slots[index.crowds[slots] == query.iscrowd]
    found: list[int] = slots.tolist()
    return found


def _annotation_texts(tables: Tables, slots: list[int], derived: Collection[Derived]) -> list[bytes]:
    texts = [tables.annotations.text(slot) for slot in slots]
    return with_etags(texts) if "etag" in derived else texts


def _category_texts(tables: Tables, derived: Collection[Derived]) -> list[bytes]:
    categories = tables.categories
    texts = []
    for slot in categories.slots().tolist():
        extra = {}
        if "annotation_count" in derived:
            extra["_annotation_count"] = tables.count_annotations(category_id=categories.record_id(slot))
        texts.append(with_derived(categories.text(slot), extra))
    return texts


def _image_list(tables: Tables, query: ImageQuery) -> Ints:
    return tables.image_lists.get(query, lambda: _sorted(tables, _image_slots(tables, query), query))


def _image_slots(tables: Tables, query: ImageQuery) -> Ints:
    """The images that `query` selects, in file order."""
    images, index = tables.images, tables.annotation_index
    slots = images.slots()
    if query.statuses:
        numbers = [STATUSES.index(status) for status in query.statuses]
        slots = slots[np.isin(tables.image_index.statuses[slots], numbers)]
    if query.ids is not None:
        slots = slots[np.isin(images.ids(slots), _int64(query.ids))]
    if query.without:
        slots = slots[~np.isin(images.ids(slots), _int64(query.without))]
    if query.category_ids:
        # The default makes a table of ids, which takes far longer where few are asked for, one by one.
        few = len(query.category_ids) <= 16
        chosen = tables.annotations.alive & np.isin(
            index.category_ids, _int64(query.category_ids), kind="sort" if few else None
        )
        slots = slots[np.isin(images.ids(slots), index.image_ids[chosen])]
    if query.annotation_ids is not None:
        live = tables.annotations.slots()
        chosen = np.isin(tables.annotations.ids(live), _int64(query.annotation_ids))
        slots = slots[np.isin(images.ids(slots), index.image_ids[live][chosen])]
    if query.min_size is not None or query.below_size is not None:
        live = tables.annotations.slots()
        areas = index.areas[live]
        chosen = areas >= (query.min_size or 0) ** 2
        if query.below_size is not None:
            chosen &= areas < query.below_size**2
        slots = slots[np.isin(images.ids(slots), index.image_ids[live][chosen])]
    if query.annotated is not None:
        slots = slots[(tables.annotation_counts(images.ids(slots)) > 0) == query.annotated]
    if query.min_annotations is not None or query.max_annotations is not None:
        counts = tables.annotation_counts(images.ids(slots))
        most = query.max_annotations
        slots = slots[(counts >= (query.min_annotations or 0)) & (counts <= (most if most is not None else counts))]
    if query.file_name:
        names = tables.image_index.names
        slots = np.array([slot for slot in slots.tolist() if query.file_name in names[slot]], np.int64)
    return slots


def _sorted(tables: Tables, slots: Ints, query: ImageQuery) -> Ints:
    sort, ranking = query.sort, query.ranking if query.sort in RANKED else None
    descending, key = sort.startswith("-"), sort.lstrip("-")
    if key == "file_name":
        names = tables.image_index.names
        return np.array(sorted(slots.tolist(), key=names.__getitem__, reverse=descending), np.int64)
    if key == "position":
        return slots[::-1] if descending else slots
    ids = tables.images.ids(slots)
    values: npt.NDArray[Any]
    if ranking is not None:
        values = np.array(ranking.values(ids.tolist()), np.float64)
    else:
        values = ids if key == "id" else tables.annotation_counts(ids)
    order: npt.NDArray[np.intp] = np.argsort(-values if descending else values, kind="stable")
    return slots[order]


def _image_text(tables: Tables, slot: int, derived: Collection[Derived]) -> bytes:
    text, image_id = tables.images.text(slot), tables.images.record_id(slot)
    extra: dict[str, Any] = {}
    if "annotation_count" in derived:
        extra["_annotation_count"] = tables.count_annotations(image_id=image_id)
    if "annotations" in derived:
        texts = _annotation_texts(tables, tables.annotation_index.by_image.slots(image_id), ())
        extra["_annotations"] = msgspec.Raw(b"[%b]" % b",".join(texts))
    if "etag" in derived:
        extra["_etag"] = etag(text)
    return with_derived(text, extra)


def _int64(ids: Collection[int]) -> Ints:
    """`ids` as an array, without those that no record can have."""
    return np.array([number for number in ids if -(2**63) < number < 2**63], np.int64)
