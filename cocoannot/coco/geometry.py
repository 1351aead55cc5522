"""What geometry of an annotation is valid, and the area and the box that follow from it. Which kinds of
geometry a record may have, and what is stored for it, is decided elsewhere.

`area` and `bbox` are what published COCO files hold: for polygons the sum of their shoelace areas and the box of
the vertices, for a mask its pixel count and its box as pycocotools gives it. Nothing is rounded. (The crowds of
COCO itself are at odds with pycocotools: their boxes are a pixel short, their areas some percent off.)
Where polygons overlap it is the area of their union, and it is never larger than the box.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from itertools import combinations
from typing import Annotated, NoReturn, TypeGuard

import msgspec

from cocoannot.coco import rle
from cocoannot.coco.polygon_union import Ring, union_area
from cocoannot.errors import InvalidRecord

# Pixels: twice the largest picture side (65,535), so that shapes may reach over the edge. Far beyond it
# readers such as pycocotools' C code run out of memory or crash.
COORDINATE_LIMIT = 131_070

_COORDINATES = f"must be finite numbers from -{COORDINATE_LIMIT} to {COORDINATE_LIMIT} pixels"

# Looking at all pairs of more boxes than these takes longer than measuring the union.
MANY_POLYGONS = 32

Number = int | float
Box = tuple[Number, Number, Number, Number]
"""Left, top, right and bottom, in pixels."""


class _Coordinates(msgspec.Struct, gc=False):
    values: list[Annotated[float, msgspec.Meta(ge=-COORDINATE_LIMIT, le=COORDINATE_LIMIT)]]


class Measured(msgspec.Struct, frozen=True, gc=False):
    """Area in square pixels, and the box [x, y, width, height] in pixels."""

    area: Number
    bbox: list[Number]


def measure_segmentation(segmentation: object, height: int | None, width: int | None) -> Measured:
    """Measure polygons `[[x, y, x, y, x, y, ...], ...]` or an RLE object `{"size": [h, w], "counts": ...}`.

    `height` and `width` are the image's in pixels, None where it has no usable ones. Polygons give a
    float as area and a box in the numbers that came in; RLE gives integers. A polygon without extent has
    area 0, and so has an empty mask.

    The area of polygons is the sum of their shoelace areas while they don't overlap; where one lies inside
    or over another, it is that of the union (see polygon_union). A polygon alone that crosses itself has its
    shoelace area too, as in published files, but never more than its box.

    Raises InvalidRecord for `segmentation`, `segmentation.N` (the first polygon that is wrong, from 0),
    `segmentation.size` or `segmentation.counts`.
    """
    if isinstance(segmentation, dict):
        return _measure_rle(segmentation, height, width)
    if not isinstance(segmentation, list):
        _refuse("segmentation", "must be a list of polygons or an RLE object with size and counts")
    if not segmentation:
        _refuse("segmentation", "must have at least one polygon")
    return _measure_polygons(segmentation)


def may_overlap(boxes: Sequence[Sequence[Number]]) -> bool:
    """Tell whether the boxes `[left, top, right, bottom]` of polygons meet, or are too many to look at each pair."""
    return len(boxes) > MANY_POLYGONS or any(
        one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]
        for one, other in combinations(boxes, 2)
    )


def measure_bbox(bbox: object) -> Measured:
    """Measure a box `[x, y, width, height]` in pixels, which stays as it is; its area is width * height.

    Raises InvalidRecord for `bbox`, also when the corner across from x, y is beyond COORDINATE_LIMIT.
    """
    if not isinstance(bbox, list) or len(bbox) != 4:
        _refuse("bbox", "must be a list of four numbers, [x, y, width, height]")
    if not _all_coordinates(bbox):
        _refuse("bbox", _COORDINATES)
    x, y, width, height = bbox
    if width <= 0 or height <= 0:
        _refuse("bbox", "width and height must be greater than 0")
    if max(x + width, y + height) > COORDINATE_LIMIT:
        _refuse("bbox", f"x + width and y + height must be at most {COORDINATE_LIMIT} pixels")
    return Measured(width * height, [x, y, width, height])


def measure_keypoints(keypoints: object) -> Measured:
    """Measure the box of the labelled keypoints (v > 0) in a list `[x, y, v, x, y, v, ...]`, x and y in pixels.

    Its area is width * height, as pycocotools' `loadRes` has it. Without a labelled one both are 0. Raises as
    `count_keypoints` does.
    """
    count_keypoints(keypoints, None)
    assert isinstance(keypoints, list)
    labelled = [(x, y) for x, y, v in zip(keypoints[0::3], keypoints[1::3], keypoints[2::3], strict=True) if v > 0]
    if not labelled:
        return Measured(0, [0, 0, 0, 0])
    xs, ys = [x for x, _ in labelled], [y for _, y in labelled]
    x, y, width, height = min(xs), min(ys), max(xs) - min(xs), max(ys) - min(ys)
    return Measured(width * height, [x, y, width, height])


def count_keypoints(keypoints: object, expected: int | None) -> int:
    """Count the keypoints that are labelled (v > 0) in a list `[x, y, v, x, y, v, ...]`, x and y in pixels.

    v is 0 (not labelled), 1 (labelled, hidden) or 2 (visible), see https://cocodataset.org/#format-data.
    `expected` is how many keypoints the category defines, None when it defines none: any number will do.

    Raises InvalidRecord for `keypoints`.
    """
    if not isinstance(keypoints, list) or len(keypoints) % 3:
        _refuse("keypoints", "must be a list of three numbers for each keypoint, x, y and v")
    if expected is not None and len(keypoints) != 3 * expected:
        _refuse("keypoints", f"has {len(keypoints) // 3} keypoints, and the category defines {expected}")
    if not _all_coordinates(keypoints):
        _refuse("keypoints", _COORDINATES)
    flags = keypoints[2::3]
    if not all(flag in (0, 1, 2) for flag in flags):
        _refuse("keypoints", "v must be 0, 1 or 2")
    return sum(flag > 0 for flag in flags)


def _refuse(field: str, text: str) -> NoReturn:
    # What the client sent is never repeated: it may be an integer of thousands of digits, which has no text.
    raise InvalidRecord({field: [text]})


def _all_coordinates(values: Sequence[object]) -> TypeGuard[Sequence[Number]]:
    # NaN is on neither side of any limit, and True is no number here. A loop of our own takes four times as long, and
    # polygons have many vertices.
    try:
        msgspec.convert({"values": values}, _Coordinates)
        # To msgspec a Decimal is a number, and would be stored as a text: the sum is one as well, or there is none.
        return not isinstance(sum(values), Decimal)  # type: ignore[arg-type]
    except (msgspec.ValidationError, TypeError):
        return False


def _is_number(value: object) -> TypeGuard[Number]:
    return type(value) is int or type(value) is float  # exactly, because True is an int too


def _measure_polygons(segmentation: list[object]) -> Measured:
    area = 0.0
    rings: list[Ring] = []
    boxes: list[Box] = []
    for index, polygon in enumerate(segmentation):
        xs, ys = ring = _vertices(polygon, f"segmentation.{index}")
        left, top, right, bottom = box = _box(xs, ys)
        area += min(_shoelace(xs, ys), (right - left) * (bottom - top))
        rings.append(ring)
        boxes.append(box)
    if len(rings) > 1:
        left, top, right, bottom = _around(boxes)
        if may_overlap(boxes) and (union := union_area(rings)) is not None:
            area = union
        area = min(area, float((right - left) * (bottom - top)))
    return Measured(area, [left, top, right - left, bottom - top])


def _vertices(polygon: object, field: str) -> Ring:
    if not isinstance(polygon, list):
        _refuse(field, "must be a polygon, a flat list of numbers [x, y, x, y, ...]")
    if len(polygon) < 6 or len(polygon) % 2:
        _refuse(field, "must have an x and a y for each of at least three points")
    if not _all_coordinates(polygon):
        _refuse(field, _COORDINATES)
    return polygon[0::2], polygon[1::2]


def _box(xs: Sequence[Number], ys: Sequence[Number]) -> Box:
    # Sorting takes half the time of looking for the smallest and for the largest.
    xs, ys = sorted(xs), sorted(ys)
    return xs[0], ys[0], xs[-1], ys[-1]


def _around(boxes: list[Box]) -> Box:
    lefts, tops, rights, bottoms = zip(*boxes, strict=True)
    return min(lefts), min(tops), max(rights), max(bottoms)


def _shoelace(xs: Sequence[Number], ys: Sequence[Number]) -> float:
    """Give the area of a polygon by the shoelace formula (https://en.wikipedia.org/wiki/Shoelace_formula)."""
    # Of all orders to add it up in, this one gives the published areas to the last digit (281 of 284 in a sample).
    # Taking x from the first vertex, which is nothing then, keeps the digits of a small shape far from the picture's
    # corner.
    x0, following = xs[0], [*ys[2:], ys[0]]
    twice = sum([(x - x0) * (after - before) for x, after, before in zip(xs[1:], following, ys, strict=False)])
    return abs(twice) / 2


def _measure_rle(segmentation: dict[str, object], height: int | None, width: int | None) -> Measured:
    if height is None or width is None or min(height, width) < 1 or max(height, width) > rle.MOST_PIXELS:
        _refuse("segmentation", "can't be RLE, because the image has no usable height and width: give polygons")
    missing = {f"segmentation.{key}": ["is missing"] for key in ("size", "counts") if key not in segmentation}
    if missing:
        raise InvalidRecord(missing)
    size = segmentation["size"]
    if not isinstance(size, list) or not all(map(_is_number, size)) or size != [height, width]:
        _refuse("segmentation.size", f"must be [{height}, {width}], the height and width of the image")
    try:
        area, bbox = rle.area_and_bbox(rle.runs(segmentation["counts"], height, width), height, width)
    except ValueError as exc:
        raise InvalidRecord({"segmentation.counts": [str(exc)]}) from exc
    return Measured(area, [*bbox])
