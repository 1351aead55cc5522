"""Where the shapes of a day's work are, and what a hand that takes hold of them means: in picture pixels, told from the
records alone. What it does to the page is not known here.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

import numpy as np
from day_model import COMPUTED, Fields, Mask, Near, Pixels, Token, pixels_of, value

Point = tuple[float, float]
Bounds = tuple[float, float, float, float]
Size = tuple[int, int]
Kind = Literal["box", "polygon", "mask", "points"]

ROUNDING = 0.0101
"""The page rounds what a hand draws to hundredths; it may be one more where the pointer is between two."""
_SUM = 1e-7


class Handle(NamedTuple):
    """What a shape can be taken by; `room` is how long the edge is that has a handle in its middle."""

    kind: Literal["vertex", "middle", "corner", "edge", "keypoint"]
    at: Point
    ring: int
    index: int  # type: ignore[assignment]
    room: float = math.inf


def kind_of(fields: Fields) -> Kind:
    segmentation = fields.get("segmentation")
    if isinstance(segmentation, dict | Mask):
        return "mask"
    if segmentation:
        return "polygon"
    points = labelled(fields)
    # A box that the server is still to compute is that of the points.
    if not points or (
        isinstance(fields["bbox"], list)
        and any(abs(a - b) > 0.05 for a, b in zip(_around(points), _box(fields), strict=True))
    ):
        return "box"
    return "points"


def is_known(fields: Fields) -> bool:
    """Whether all numbers are those that the server has, and not what a hand meant."""
    return not any(isinstance(number, Near) for number in _numbers(fields))


def bounds(fields: Fields) -> Bounds:
    match kind_of(fields):
        case "box":
            return _box(fields)
        case "points":
            return _around(labelled(fields))
        case "polygon":
            return _around([point for ring in rings(fields) for point in ring])
        case "mask":
            rows, columns = np.nonzero(_pixels(fields))
            return float(columns.min()), float(rows.min()), float(columns.max()) + 1, float(rows.max()) + 1


def rings(fields: Fields) -> list[list[Point]]:
    return [
        list(zip(map(value, ring[0::2]), map(value, ring[1::2]), strict=True)) for ring in fields["segmentation"]
    ]  # fmt: skip


def labelled(fields: Fields) -> list[Point]:
    flat = list(map(value, fields.get("keypoints") or []))
    return [(x, y) for x, y, seen in zip(flat[0::3], flat[1::3], flat[2::3], strict=True) if seen]


def is_inside(fields: Fields, point: Point) -> bool:
    """Whether the point is well inside of the shape."""
    kind = kind_of(fields)
    if kind == "polygon":
        return any(_contains(ring, point) for ring in rings(fields))
    if kind == "mask":
        return bool(_pixels(fields)[int(point[1]), int(point[0])])
    return is_around(bounds(fields), point, -1)


def is_around(around: Bounds, point: Point, reach: float) -> bool:
    left, top, right, bottom = around
    return left - reach <= point[0] <= right + reach and top - reach <= point[1] <= bottom + reach


def extent(fields: Fields) -> float:
    left, top, right, bottom = bounds(fields)
    return (right - left) * (bottom - top)


def handles(fields: Fields) -> list[Handle]:
    kind = kind_of(fields)
    found = [
        Handle("keypoint", (value(flat[i]), value(flat[i + 1])), 0, i // 3)
        for flat in [fields.get("keypoints") or []]
        for i in range(0, len(flat), 3)
        if value(flat[i + 2])
    ]
    if kind == "box":
        left, top, right, bottom = bounds(fields)
        found += _ring_handles("corner", "edge", 0, [(left, top), (right, top), (right, bottom), (left, bottom)])
    elif kind == "polygon":
        for number, ring in enumerate(rings(fields)):
            found += _ring_handles("vertex", "middle", number, ring)
    return found


def _ring_handles(
    corner: Literal["vertex", "corner"], middle: Literal["middle", "edge"], number: int, ring: list[Point]
) -> list[Handle]:
    found = []
    for index, (x, y) in enumerate(ring):
        next_x, next_y = ring[(index + 1) % len(ring)]
        room = math.hypot(next_x - x, next_y - y)
        found.append(Handle(corner, (x, y), number, index))
        found.append(Handle(middle, ((x + next_x) / 2, (y + next_y) / 2), number, index, room))
    return found


# What a hand means


def shift(around: Bounds, by: Point, frame: Size) -> Point:
    """How far something can be moved: not over the picture's edge, and not farther out where it is over it."""
    left, top, right, bottom = around
    across = min(max(0, frame[0] - right), max(min(0, -left), by[0]))
    down = min(max(0, frame[1] - bottom), max(min(0, -top), by[1]))
    return across, down


def moved(fields: Fields, by: Point, frame: Size, give: float) -> Fields:
    """The fields that are other where a shape is moved, as far as the picture lets it."""
    kind = kind_of(fields)
    if kind == "mask":
        by = round(by[0]), round(by[1])
    dx, dy = shift(bounds(fields), by, frame)
    changes: Fields = {}
    if kind == "box":
        x, y, width, height = fields["bbox"]
        changes = {"bbox": [_added(x, dx, give), _added(y, dy, give), width, height], "segmentation": []}
    elif kind == "polygon":
        flat = [[_added(each, (dx, dy)[i % 2], give) for i, each in enumerate(ring)] for ring in fields["segmentation"]]
        changes = {"segmentation": flat, "bbox": COMPUTED}
    elif kind == "mask":
        dx, dy = math.trunc(dx), math.trunc(dy)
        changes = {"segmentation": Mask(_shifted(_pixels(fields), dx, dy)), "bbox": COMPUTED}
    if fields.get("keypoints"):
        flat = fields["keypoints"]
        steps = (dx, dy, 0.0)
        carried = [
            _added(each, steps[i % 3], give) if i % 3 < 2 and value(flat[i - i % 3 + 2]) else each
            for i, each in enumerate(flat)
        ]
        changes |= {"keypoints": carried, "num_keypoints": COMPUTED}
    if kind == "points":
        changes |= {"segmentation": [], "bbox": COMPUTED}
    return {**changes, "area": COMPUTED}


def reshaped(fields: Fields, handle: Handle, by: Point, frame: Size) -> Fields:
    """The fields that are other where a handle is dragged."""
    x = min(frame[0], max(0.0, handle.at[0] + by[0]))
    y = min(frame[1], max(0.0, handle.at[1] + by[1]))
    at = [Near(x, ROUNDING), Near(y, ROUNDING)]
    if handle.kind == "keypoint":
        flat = list(fields["keypoints"])
        flat[3 * handle.index : 3 * handle.index + 2] = at
        changes: Fields = {"keypoints": flat, "num_keypoints": COMPUTED}
        if kind_of(fields) == "points":
            changes |= {"segmentation": [], "bbox": COMPUTED, "area": COMPUTED}
        return changes
    if handle.kind in ("vertex", "middle"):
        start = 2 * handle.index + (2 if handle.kind == "middle" else 0)
        return with_ring(fields, handle.ring, start, 2 if handle.kind == "vertex" else 0, at)
    sides = {"corner": ["00", "10", "11", "01"], "edge": [" 0", "1 ", " 1", "0 "]}[handle.kind][handle.index]
    left, width = _stretched(fields["bbox"][0], fields["bbox"][2], sides[0], x)
    top, height = _stretched(fields["bbox"][1], fields["bbox"][3], sides[1], y)
    return {"bbox": [left, top, width, height], "segmentation": [], "area": COMPUTED}


def with_ring(fields: Fields, ring: int, start: int, count: int, numbers: Sequence[object]) -> Fields:
    """The fields that are other where `count` numbers of a ring make room for others."""
    flat = list(fields["segmentation"][ring])
    flat[start : start + count] = numbers
    parts = [flat if i == ring else part for i, part in enumerate(fields["segmentation"])]
    return {"segmentation": parts, "bbox": COMPUTED, "area": COMPUTED}


def new_box(image_id: int, category: int, one: Point, other: Point, frame: Size) -> Fields:
    (x1, y1), (x2, y2) = _clamped(one, frame), _clamped(other, frame)
    box = [min(x1, x2), min(y1, y2), abs(x2 - x1), abs(y2 - y1)]
    drawn = [Near(number, ROUNDING * (1 + i // 2)) for i, number in enumerate(box)]
    return _new(image_id, category, {"bbox": drawn, "segmentation": []})


def new_polygon(image_id: int, category: int, corners: Sequence[Point]) -> Fields:
    return _new(image_id, category, {"segmentation": [ring_of(corners)], "bbox": COMPUTED})


def ring_of(corners: Sequence[Point]) -> list[Near]:
    return [Near(number, ROUNDING) for corner in corners for number in corner]


def _new(image_id: int, category: int, geometry: Fields) -> Fields:
    keys = {"image_id": Token(image_id), "category_id": Token(category), "iscrowd": Token(0)}
    return {**keys, **geometry, "area": COMPUTED}


def _clamped(point: Point, frame: Size) -> Point:
    return min(frame[0], max(0.0, point[0])), min(frame[1], max(0.0, point[1]))


def _stretched(start: Any, length: Any, side: str, to: float) -> tuple[Any, Any]:
    if side == " ":
        return start, length
    low = value(start)
    still = low + value(length) if side == "0" else low
    give = _give(start) + _give(length) + ROUNDING
    # A side that is not dragged keeps its digits.
    begin = start if side == "1" and to >= still else Near(min(still, to), give)
    return begin, Near(abs(to - still), give)


def _added(number: Any, by: float, give: float) -> Any:
    return number if by == 0 else Near(value(number) + by, _give(number) + give + _SUM)


def _give(number: Any) -> float:
    return number.give if isinstance(number, Near) else 0.0


def _shifted(pixels: Pixels, dx: int, dy: int) -> Pixels:
    return np.roll(pixels, (dy, dx), axis=(0, 1))


def _pixels(fields: Fields) -> Pixels:
    segmentation = fields["segmentation"]
    return segmentation.pixels if isinstance(segmentation, Mask) else pixels_of(segmentation)


def _box(fields: Fields) -> Bounds:
    x, y, width, height = map(value, fields["bbox"])
    return x, y, x + width, y + height


def _around(points: Sequence[Point]) -> Bounds:
    xs, ys = [x for x, _ in points], [y for _, y in points]
    return min(xs), min(ys), max(xs), max(ys)


def _contains(ring: Sequence[Point], point: Point) -> bool:
    x, y = point
    inside = False
    for (x1, y1), (x2, y2) in zip(ring, [*ring[1:], ring[0]], strict=True):
        if (y1 > y) != (y2 > y) and x < x1 + (y - y1) / (y2 - y1) * (x2 - x1):
            inside = not inside
    return inside


def _numbers(fields: Fields) -> list[object]:
    flat: list[object] = []
    waiting: list[object] = [fields]
    while waiting:
        each = waiting.pop()
        if isinstance(each, dict):
            waiting += each.values()
        elif isinstance(each, list):
            waiting += each
        else:
            flat.append(each)
    return flat
