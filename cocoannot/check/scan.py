"""A first look at annotations, many at a time: which are right, which lack something plain, which are odd.

By the rules of `annotation_repairs`, which looks at one record and decides; what is odd here may still turn out to be
right there.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import chain, compress
from typing import Annotated, NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt

from cocoannot.check.record_repairs import Size, count_labelled
from cocoannot.check.tolerances import AREA_OFF, AREA_RATIO, EDGE_OFF, MASK_AREA_RATIO, MASK_EDGE_OFF, ROUNDING
from cocoannot.coco import rle
from cocoannot.coco.geometry import COORDINATE_LIMIT, may_overlap
from cocoannot.coco.parser import MAX_ID, NONE, Ints

Id = Annotated[int, msgspec.Meta(ge=-MAX_ID, le=MAX_ID)]
Flag = Annotated[int, msgspec.Meta(ge=0, le=1)]
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
    segmentation: list[list[float]] | _Mask | msgspec.UnsetType | None = msgspec.UNSET
    bbox: list[float] | None = None
    area: float | None = None
    keypoints: list[float] | None = None
    num_keypoints: int | None = None
    iscrowd: bool | Flag | None = None
    segments_info: msgspec.Raw | None = None


class Scan(NamedTuple):
    """By annotation: its keys (`NONE` where it has none), its box [x, y, width, height] in pixels, and what was seen.

    Nothing else is to be used of odd ones. `marks` are problems by kind, all of them such as a copy can repair.
    """

    ids: Ints
    image_ids: Ints
    category_ids: Ints
    boxes: Floats
    marks: dict[str, Bools]
    odd: Bools


class Known(NamedTuple):
    """Sizes by image id, how many keypoints each category defines, and in `crowds` whether `iscrowd` is needed."""

    sizes: dict[int, Size]
    keypoints: dict[int, int]
    crowds: bool = True


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
    odd |= np.fromiter([row.segmentation is None for row in rows], np.bool_)
    odd[wrong] = True
    uncrowded = np.fromiter([row.iscrowd is None for row in rows], np.bool_)
    shapes = _Shapes(rows, odd, known)
    marks = {"stale_bbox": shapes.stale_boxes(), "stale_area": shapes.stale_areas()}
    marks |= {"no_bbox": ~shapes.has_bbox, "no_area": ~shapes.has_area, "no_iscrowd": uncrowded & known.crowds}
    _look_at_keypoints(rows, odd, known)
    category_ids = np.array(categories, np.int64)
    return Scan(ids, image_ids, category_ids, shapes.boxes, {kind: mark & ~odd for kind, mark in marks.items()}, odd)


class _Shapes:
    """The segmentations of some annotations, measured: their areas, and their left, top, right and bottom edges."""

    def __init__(self, rows: list[Row], odd: Bools, known: Known) -> None:
        self._rows, self._odd = rows, odd
        self._areas: Floats = np.zeros(len(rows))
        self._edges: Floats = np.zeros((len(rows), 4))
        self._measured = np.zeros(len(rows), np.bool_)
        self._masks = np.zeros(len(rows), np.bool_)
        self._several = np.zeros(len(rows), np.bool_)
        self.has_bbox: Bools = np.fromiter([bool(row.bbox) for row in rows], np.bool_)
        self.has_area: Bools = np.fromiter([row.area is not None for row in rows], np.bool_)
        for i, row in enumerate(rows):
            if isinstance(row.segmentation, _Mask):
                self._measure_mask(i, row.segmentation, known.sizes.get(row.image_id))
        self._measure_polygons()
        # What has no geometry, or keypoints alone, is for the closer look.
        self._odd |= ~self._measured & ~self.has_bbox
        self.boxes: Floats = np.hstack([self._edges[:, :2], self._edges[:, 2:] - self._edges[:, :2]])

    def stale_boxes(self) -> Bools:
        given = self.has_bbox
        self._odd |= given & np.fromiter([len(row.bbox or ()) != 4 for row in self._rows], np.bool_)
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
        stale: Bools = given & self._measured & (off > np.where(self._masks, MASK_EDGE_OFF, EDGE_OFF) + ROUNDING)
        # A box that is stale becomes that of the segmentation.
        self.boxes[given & ~stale] = boxes[given & ~stale]
        return stale

    def stale_areas(self) -> Bools:
        given = self.has_area
        areas = np.fromiter([0.0 if row.area is None else row.area for row in self._rows], np.float64)
        self._odd |= (areas < 0) | (areas > 2**53)
        np.clip(areas, 0, 2**53, out=areas)
        ratio = np.where(self._masks, MASK_AREA_RATIO, AREA_RATIO)
        off = np.abs(areas - self._areas) > AREA_OFF + ratio * np.maximum(areas, self._areas)
        stale: Bools = given & self._measured & off
        # Several polygons may cover each other, which the sum of their areas does not know.
        self._odd |= stale & self._several
        return stale

    def _measure_mask(self, i: int, mask: _Mask, size: Size | None) -> None:
        try:
            if size is None or mask.size != size:
                raise ValueError
            area, (x, y, width, height) = rle.area_and_bbox(rle.runs(mask.counts, *size), *size)
            if area == 0:
                raise ValueError
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
        self._odd[owners[twice == 0]] = True
        boxes = np.hstack([np.minimum.reduceat(limited, firsts), np.maximum.reduceat(limited, firsts)])
        heads = np.flatnonzero(np.diff(owners, prepend=-1))
        self._edges[owners[heads], :2] = np.minimum.reduceat(boxes[:, :2], heads)
        self._edges[owners[heads], 2:] = np.maximum.reduceat(boxes[:, 2:], heads)
        areas = np.minimum(np.abs(twice) / 2, (boxes[:, 2:] - boxes[:, :2]).prod(axis=1))
        self._areas += np.bincount(owners, areas, len(lists))
        self._measured[owners] = True
        counts = np.diff(heads, append=len(owners))
        self._several[owners[heads[counts > 1]]] = True
        for head, count in zip(heads[counts > 1].tolist(), counts[counts > 1].tolist(), strict=True):
            # Of those that overlap, holes among them, the area of the union is measured one by one.
            if may_overlap(boxes[head : head + count].tolist()):
                self._odd[owners[head]] = True


def _look_at_keypoints(rows: list[Row], odd: Bools, known: Known) -> None:
    for i, row in enumerate(rows):
        if row.keypoints is not None:
            expected = None if row.category_id is None else known.keypoints.get(row.category_id)
            labelled = count_labelled(row.keypoints, expected)
            odd[i] |= (
                labelled is None
                or (row.num_keypoints or 0) != labelled
                or (bool(row.keypoints) and row.num_keypoints is None)
            )
