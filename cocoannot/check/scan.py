"""A first look at annotations, many at a time: which are right, which have a stale area or box, which are odd.

By the rules of `record_repairs`, which looks at one record and decides; what is odd here may still turn out to be right
there.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import chain, compress
from typing import Annotated, NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt

from cocoannot.check.record_repairs import (
    AREA_OFF,
    AREA_RATIO,
    EDGE_OFF,
    MASK_AREA_RATIO,
    MASK_EDGE_OFF,
    Size,
    count_labelled,
)
from cocoannot.coco import rle
from cocoannot.coco.geometry import COORDINATE_LIMIT
from cocoannot.coco.parser import MAX_ID, NONE, Ints

Id = Annotated[int, msgspec.Meta(ge=-MAX_ID, le=MAX_ID)]
Bools = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]


class _Mask(msgspec.Struct, gc=False):
    size: tuple[int, int]
    counts: str | list[int]


class Row(msgspec.Struct, gc=False):
    """What there is to look at in an annotation, as it is in most."""

    id: Id = NONE
    image_id: Id = NONE
    category_id: Id | None = None
    segmentation: list[list[float]] | _Mask | None = None
    bbox: list[float] | None = None
    area: float | None = None
    keypoints: list[float] | None = None
    num_keypoints: int | None = None
    segments_info: msgspec.Raw | None = None


class Scan(NamedTuple):
    """By annotation: its keys (`NONE` where it has none), and what was seen. Nothing else is to be used of odd ones."""

    ids: Ints
    image_ids: Ints
    category_ids: Ints
    stale_area: Bools
    stale_bbox: Bools
    odd: Bools


class Known(NamedTuple):
    """What annotations refer to: sizes by image id, and how many keypoints each category defines."""

    sizes: dict[int, Size]
    keypoints: dict[int, int]


_ROWS = msgspec.json.Decoder(list[Row])
_ROW = msgspec.json.Decoder(Row)


def scan(text: bytes, texts: Callable[[], Sequence[bytes]], known: Known) -> Scan:
    """Look at the annotations in `text`, with commas between; `texts` splits it where they must be read one by one."""
    wrong: list[int] = []
    try:
        rows = _ROWS.decode(b"[%b]" % text)
    except (msgspec.DecodeError, RecursionError):
        rows = []
        for i, one in enumerate(texts()):
            try:
                rows.append(_ROW.decode(one))
            except (msgspec.DecodeError, RecursionError):
                rows.append(Row())
                wrong.append(i)
    ids, image_ids = (np.fromiter([getattr(row, key) for row in rows], np.int64) for key in ("id", "image_id"))
    categories = [NONE if row.category_id is None else row.category_id for row in rows]
    odd = (ids == NONE) | (image_ids == NONE)
    odd |= np.fromiter([row.category_id is None or row.segments_info is not None for row in rows], np.bool_)
    odd[wrong] = True
    shapes = _Shapes(rows, odd, known)
    stale_bbox = shapes.stale_boxes()
    stale_area = shapes.stale_areas()
    _look_at_keypoints(rows, odd, known)
    return Scan(ids, image_ids, np.array(categories, np.int64), stale_area & ~odd, stale_bbox & ~odd, odd)


class _Shapes:
    """The segmentations of some annotations, measured: their areas, and their left, top, right and bottom edges."""

    def __init__(self, rows: list[Row], odd: Bools, known: Known) -> None:
        self._rows, self._odd = rows, odd
        self._areas: Floats = np.zeros(len(rows))
        self._edges: Floats = np.zeros((len(rows), 4))
        self._measured = np.zeros(len(rows), np.bool_)
        self._masks = np.zeros(len(rows), np.bool_)
        for i, row in enumerate(rows):
            if isinstance(row.segmentation, _Mask):
                self._measure_mask(i, row.segmentation, known.sizes.get(row.image_id))
        self._measure_polygons()

    def stale_boxes(self) -> Bools:
        given = np.fromiter([row.bbox is not None for row in self._rows], np.bool_)
        self._odd |= given & np.fromiter([row.bbox is not None and len(row.bbox) != 4 for row in self._rows], np.bool_)
        usable = [row.bbox if row.bbox and len(row.bbox) == 4 else (0.0, 0.0, 0.0, 0.0) for row in self._rows]
        boxes = np.fromiter(chain.from_iterable(usable), np.float64, 4 * len(usable)).reshape(-1, 4)
        self._odd |= given & (np.abs(boxes) > COORDINATE_LIMIT).any(axis=1)
        np.clip(boxes, -COORDINATE_LIMIT, COORDINATE_LIMIT, out=boxes)
        corners, sides = boxes[:, :2], boxes[:, 2:]
        extent = self._edges[:, 2:] - self._edges[:, :2]
        flat = ((sides <= 0) & ((extent > 0) | ~self._measured[:, None])).any(axis=1) | (sides < 0).any(axis=1)
        far = ~self._measured & (corners + sides > COORDINATE_LIMIT).any(axis=1)
        self._odd |= given & (flat | far)
        off = np.abs(np.hstack([corners, corners + sides]) - self._edges).max(axis=1, initial=0)
        stale: Bools = given & self._measured & (off > np.where(self._masks, MASK_EDGE_OFF, EDGE_OFF) + 1e-6)
        return stale

    def stale_areas(self) -> Bools:
        given = np.fromiter([row.area is not None for row in self._rows], np.bool_)
        areas = np.fromiter([0.0 if row.area is None else row.area for row in self._rows], np.float64)
        self._odd |= (areas < 0) | (areas > 2**53)
        np.clip(areas, 0, 2**53, out=areas)
        ratio = np.where(self._masks, MASK_AREA_RATIO, AREA_RATIO)
        off = np.abs(areas - self._areas) > AREA_OFF + ratio * np.maximum(areas, self._areas)
        stale: Bools = given & self._measured & off
        return stale

    def _measure_mask(self, i: int, mask: _Mask, size: Size | None) -> None:
        try:
            if size is None or mask.size != size:
                raise ValueError
            area, (x, y, width, height) = rle.area_and_bbox(rle.runs(mask.counts, *size), *size)
        except ValueError:
            self._odd[i] = True
            return
        self._areas[i], self._edges[i] = area, (x, y, x + width, y + height)
        self._measured[i] = self._masks[i] = True

    def _measure_polygons(self) -> None:
        lists = [row.segmentation if isinstance(row.segmentation, list) else () for row in self._rows]
        owners = np.repeat(np.arange(len(lists)), np.fromiter(map(len, lists), np.int64, len(lists)))
        polygons = list(chain.from_iterable(lists))
        lengths = np.fromiter(map(len, polygons), np.int64, len(polygons))
        self._odd[owners[(lengths < 6) | (lengths % 2 > 0)]] = True
        usable = ~self._odd[owners]
        if not usable.any():
            return
        owners, lengths = owners[usable], lengths[usable]
        numbers = np.fromiter(
            chain.from_iterable(compress(polygons, usable.tolist())), np.float64, int(lengths.sum())
        ).reshape(-1, 2)
        points = lengths // 2
        firsts = np.cumsum(points) - points
        # Points far out are odd; what is measured of them must only not overflow.
        limited = np.clip(numbers, -COORDINATE_LIMIT, COORDINATE_LIMIT)
        self._odd[np.repeat(owners, points)[(limited != numbers).any(axis=1)]] = True
        xs, ys = limited[:, 0], limited[:, 1]
        following, previous = np.arange(len(xs)) + 1, np.arange(len(xs)) - 1
        following[firsts + points - 1], previous[firsts] = firsts, firsts + points - 1
        twice = np.add.reduceat((xs - np.repeat(xs[firsts], points)) * (ys[following] - ys[previous]), firsts)
        self._areas += np.bincount(owners, np.abs(twice) / 2, len(lists))
        heads = np.flatnonzero(np.diff(owners, prepend=-1))
        self._edges[owners[heads], :2] = np.minimum.reduceat(limited, firsts[heads])
        self._edges[owners[heads], 2:] = np.maximum.reduceat(limited, firsts[heads])
        self._measured[owners] = True


def _look_at_keypoints(rows: list[Row], odd: Bools, known: Known) -> None:
    for i, row in enumerate(rows):
        if row.keypoints is not None:
            expected = None if row.category_id is None else known.keypoints.get(row.category_id)
            labelled = count_labelled(row.keypoints, expected)
            odd[i] |= labelled is None or (row.num_keypoints is not None and row.num_keypoints != labelled)
