"""Which records a filtered export has. How they are written is not known here.

    images       those that every condition holds for; a category holds where an annotation of the image has it
    annotations  those of these images, with categories only those that have one of them
    categories   those that were asked for, without that all

Without any condition it is everything, also annotations of images that are not there.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from cocoannot.coco.parser import NONE, AnnotationKeys, ImageKeys, Ints, Keys, SectionName, read_all_keys
from cocoannot.coco.statuses import STATUSES, Status, status_number
from cocoannot.errors import InvalidRecord
from cocoannot.store.base import Snapshot

Mask = npt.NDArray[np.bool_]

_AT_ONCE = 512


@dataclass(frozen=True)
class Selection:
    """Conditions on images: any of `category_ids`, any of `statuses`, a part of the file name, with annotations at all
    or without (`annotated`). Empty ones, and `None`, ask for nothing."""

    category_ids: Collection[int] = ()
    statuses: Collection[Status] = ()
    file_name: str = ""
    annotated: bool | None = None

    @property
    def is_whole(self) -> bool:
        """Whether it selects everything."""
        return self == Selection()

    def check(self) -> None:
        """Raise `InvalidRecord` where no image can be what is asked for."""
        if self.category_ids and self.annotated is False:
            raise InvalidRecord({"annotated": ["is false, and images without annotations have no category_id"]})


class Columns(NamedTuple):
    """Ids of the records of a snapshot, in file order, `NONE` for none; `statuses` are places in `STATUSES`."""

    image_ids: Ints
    image_names: list[str]
    statuses: Ints
    annotation_ids: Ints
    annotation_image_ids: Ints
    annotation_category_ids: Ints
    category_ids: Ints


class Selected(NamedTuple):
    """Which records are selected: for each section a mask of shape (records,), in file order."""

    images: Mask
    annotations: Mask
    categories: Mask

    def of(self, section: SectionName) -> Mask:
        """The mask of a section."""
        mask: Mask = getattr(self, section)
        return mask


def read_columns(snapshot: Snapshot) -> Columns:
    """Read what records are selected by: some 200 bytes for an image, 24 for an annotation."""
    images = [
        (keys.id, keys.file_name if isinstance(keys.file_name, str) else "", status_number(keys.annotation_status))
        for keys in _keys(snapshot, "images")
        if isinstance(keys, ImageKeys)
    ]
    annotations = np.fromiter(
        (
            (keys.id, keys.image_id, keys.category_id)
            for keys in _keys(snapshot, "annotations")
            if isinstance(keys, AnnotationKeys)
        ),
        np.dtype((np.int64, 3)),
    )
    # Each column by itself, since its integers are to be had one by one.
    ids, image_ids, category_ids = np.ascontiguousarray(annotations.T)
    return Columns(
        np.array([image[0] for image in images], np.int64),
        [image[1] for image in images],
        np.array([image[2] for image in images], np.int64),
        ids,
        image_ids,
        category_ids,
        np.fromiter((keys.id for keys in _keys(snapshot, "categories")), np.int64),
    )


def select(columns: Columns, selection: Selection) -> Selected:
    """The records that `selection` selects. Raises `InvalidRecord` for a category that is not there."""
    selection.check()
    images = np.ones(len(columns.image_ids), np.bool_)
    annotations = np.ones(len(columns.annotation_ids), np.bool_)
    categories = np.ones(len(columns.category_ids), np.bool_)
    if selection.is_whole:
        return Selected(images, annotations, categories)
    if selection.category_ids:
        _check_categories(columns, selection.category_ids)
        asked = np.array(list(selection.category_ids), np.int64)
        annotations &= np.isin(columns.annotation_category_ids, asked)
        categories &= np.isin(columns.category_ids, asked)
        images &= np.isin(columns.image_ids, columns.annotation_image_ids[annotations])
    if selection.statuses:
        images &= np.isin(columns.statuses, [STATUSES.index(status) for status in selection.statuses])
    if selection.file_name:
        images &= np.array([selection.file_name in name for name in columns.image_names], np.bool_)
    if selection.annotated is not None:
        images &= np.isin(columns.image_ids, columns.annotation_image_ids) == selection.annotated
    annotations &= np.isin(columns.annotation_image_ids, columns.image_ids[images])
    return Selected(images, annotations, categories)


def without_orphans(columns: Columns, selected: Selected) -> Selected:
    """`selected` without annotations whose image or category is not among them."""
    category_ids = columns.annotation_category_ids
    annotations = selected.annotations & np.isin(columns.annotation_image_ids, columns.image_ids[selected.images])
    known = np.isin(category_ids, columns.category_ids[selected.categories]) | (category_ids == NONE)
    return selected._replace(annotations=annotations & known)


def check_not_panoptic(columns: Columns, option: str) -> None:
    """Raise `InvalidRecord` where annotations have no ids, so that `option` can't be done."""
    if (columns.annotation_ids == NONE).any():
        raise InvalidRecord({option: ["can't be done with panoptic annotations (segments_info); leave it out"]})


def _check_categories(columns: Columns, asked: Collection[int]) -> None:
    check_not_panoptic(columns, "category_id")
    known = set(columns.category_ids.tolist())
    if unknown := [category_id for category_id in asked if category_id not in known]:
        names = ", ".join(map(str, unknown[:5])) + (", ..." if len(unknown) > 5 else "")
        raise InvalidRecord({"category_id": [f"there is no category with id {names}; GET /api/categories lists them"]})


def _keys(snapshot: Snapshot, section: SectionName) -> Iterator[Keys]:
    records = snapshot.records(section)
    while batch := list(islice(records, _AT_ONCE)):
        yield from read_all_keys(section, batch)
