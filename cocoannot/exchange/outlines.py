"""The outline of an object as one closed ring of points, as formats want it that know nothing else.

    several polygons that are apart    joined by bridges without width, there and back, which enclose nothing
    polygons that overlap              drawn, and the outline of what is drawn is followed: COCO means their union
    a mask (RLE)                       its pixels' outline is followed; holes are joined like polygons

A ring that is joined so is right where it is filled by the even-odd rule, as OpenCV's `fillPoly` and Pillow do, and by
the winding rule too. Points are `(x, y)` in pixels of the image, arrays of shape (points, 2).
"""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil, floor
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

from cocoannot.coco import rle
from cocoannot.coco.geometry import may_overlap
from cocoannot.coco.polygon_union import union_area
from cocoannot.coco.records import Record

Ring = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

MOST_PIXELS = 100_000_000
"""Of a mask that is drawn: a byte for each is needed, for a moment."""


class TooLarge(Exception):
    """A mask has more pixels than it should take memory for."""


def outline(annotation: Record, width: float, height: float) -> Ring | None:
    """The outline of an annotation's segmentation within an image of this size; `None` where there is none of it.

    Raises `TooLarge`.
    """
    segmentation = annotation.get("segmentation")
    rings = _of_mask(segmentation) if isinstance(segmentation, dict) else _of_polygons(segmentation)
    clipped = [ring for ring in (clip(ring, width, height) for ring in rings) if _extent(ring)]
    return join(clipped) if clipped else None


def clip(ring: Ring, width: float, height: float) -> Ring:
    """The part of a polygon that is within `[0, width]` and `[0, height]` (Sutherland and Hodgman, 1974)."""
    for axis, bound, sign in ((0, 0.0, 1), (0, width, -1), (1, 0.0, 1), (1, height, -1)):
        inside = (ring[:, axis] - bound) * sign >= 0
        if inside.all():
            continue
        if not inside.any():
            return np.zeros((0, 2))
        ring = _cut(ring, inside, axis, bound)
    return ring


def join(rings: Sequence[Ring]) -> Ring:
    """One ring that encloses what `rings` enclose, by bridges of no width between points that are near each other."""
    joined = rings[0]
    for ring in rings[1:]:
        to = _nearest(ring, joined[_nearest(joined, ring[0])])
        start = _nearest(joined, ring[to])
        there = np.concatenate([ring[to:], ring[: to + 1]])
        joined = np.concatenate([joined[: start + 1], there, joined[start:]])
    return joined


def follow(mask: Mask) -> list[Ring]:
    """The outlines of the pixels of a mask, shape (height, width): those outside one way round, holes the other way.

    A pixel at column x and row y is the square from x to x + 1 and from y to y + 1.
    """
    padded = np.pad(mask, 1).astype(np.int8)
    # An edge goes from one corner to the next, with the mask on its right.
    across, down = np.diff(padded, axis=0)[:, 1:-1], np.diff(padded, axis=1)[1:-1, :]
    edges: dict[tuple[int, int], list[tuple[int, int]]] = {}
    for (ys, xs), start, end in (
        (np.nonzero(across == 1), (0, 0), (1, 0)),
        (np.nonzero(across == -1), (1, 0), (0, 0)),
        (np.nonzero(down == 1), (0, 1), (0, 0)),
        (np.nonzero(down == -1), (0, 0), (0, 1)),
    ):
        for x, y in zip(xs.tolist(), ys.tolist(), strict=True):
            edges.setdefault((x + start[0], y + start[1]), []).append((x + end[0], y + end[1]))
    rings = []
    while edges:
        rings.append(_without_straight(_walk(edges, next(iter(edges)))))
    return rings


def _walk(edges: dict[tuple[int, int], list[tuple[int, int]]], start: tuple[int, int]) -> list[tuple[int, int]]:
    """Take a way from `start` back to it out of `edges`. Where two meet at a corner, it stays with its own pixel."""
    points = [start]
    at, came = _take(edges, start, None), start
    while at != start:
        points.append(at)
        at, came = _take(edges, at, (at[0] - came[0], at[1] - came[1])), at
    return points


def _take(
    edges: dict[tuple[int, int], list[tuple[int, int]]], at: tuple[int, int], heading: tuple[int, int] | None
) -> tuple[int, int]:
    ends = edges[at]
    index = 0
    if len(ends) > 1 and heading is not None:
        # To the right, so that pixels that touch at a corner alone are apart.
        right = (at[0] - heading[1], at[1] + heading[0])
        index = ends.index(right) if right in ends else 0
    end = ends.pop(index)
    if not ends:
        del edges[at]
    return end


def _without_straight(points: list[tuple[int, int]]) -> Ring:
    """The corners alone: points between two edges of one direction are left out."""
    ring = np.array(points, np.float64)
    before, behind = ring - np.roll(ring, 1, axis=0), np.roll(ring, -1, axis=0) - ring
    corners: Ring = ring[(before[:, 0] * behind[:, 1] - before[:, 1] * behind[:, 0]) != 0]
    return corners


def _of_polygons(segmentation: object) -> list[Ring]:
    polygons = segmentation if isinstance(segmentation, list) else []
    rings = [ring for polygon in polygons if (ring := _ring(polygon)) is not None]
    boxes = [[*ring.min(axis=0).tolist(), *ring.max(axis=0).tolist()] for ring in rings]
    if len(rings) < 2 or not may_overlap(boxes):
        return rings
    if union_area([(ring[:, 0].tolist(), ring[:, 1].tolist()) for ring in rings]) is None:
        return rings
    return _of_drawn(rings)


def _ring(polygon: object) -> Ring | None:
    """The points of a polygon `[x, y, x, y, ...]`, `None` where that is none."""
    if not isinstance(polygon, list) or len(polygon) < 6 or len(polygon) % 2:
        return None
    if not all(type(number) in (int, float) for number in polygon):
        return None
    ring = np.array(polygon, np.float64).reshape(-1, 2)
    return ring if np.isfinite(ring).all() else None


def _of_drawn(rings: Sequence[Ring]) -> list[Ring]:
    corner = [floor(number) for number in np.min([ring.min(axis=0) for ring in rings], axis=0)]
    end = [ceil(number) for number in np.max([ring.max(axis=0) for ring in rings], axis=0)]
    width, height = end[0] - corner[0] + 1, end[1] - corner[1] + 1
    _check_size(width * height)
    picture = Image.new("1", (width, height))
    draw = ImageDraw.Draw(picture)
    for ring in rings:
        # A pixel is meant by its centre.
        draw.polygon([tuple(point) for point in (ring - corner - 0.5).tolist()], fill=1)
    return [ring + corner for ring in follow(np.asarray(picture, np.bool_))]


def _of_mask(segmentation: dict[str, Any]) -> list[Ring]:
    size = segmentation.get("size")
    if not (isinstance(size, list) and len(size) == 2 and all(type(side) is int for side in size)):
        return []
    height, width = size
    try:
        runs = rle.runs(segmentation.get("counts"), height, width)
    except ValueError:
        return []
    area, (x, y, box_width, box_height) = rle.area_and_bbox(runs, height, width)
    if not area:
        return []
    _check_size(width * height)
    values = np.arange(len(runs)) % 2 == 1
    mask = np.repeat(values, runs).reshape(width, height).T
    left, top = int(x), int(y)
    part = mask[top : top + int(box_height), left : left + int(box_width)]
    return [ring + np.array([left, top]) for ring in follow(part)]


def _check_size(pixels: int) -> None:
    if pixels > MOST_PIXELS:
        raise TooLarge


def _cut(ring: Ring, inside: npt.NDArray[np.bool_], axis: int, bound: float) -> Ring:
    points = []
    for number in range(len(ring)):
        before, point = ring[number - 1], ring[number]
        if inside[number - 1] != inside[number]:
            share = (bound - before[axis]) / (point[axis] - before[axis])
            crossing = before + (point - before) * share
            crossing[axis] = bound
            points.append(crossing)
        if inside[number]:
            points.append(point)
    return np.array(points)


def _nearest(ring: Ring, point: npt.NDArray[np.float64]) -> int:
    return int(((ring - point) ** 2).sum(axis=1).argmin())


def _extent(ring: Ring) -> bool:
    """Whether a ring encloses anything."""
    if len(ring) < 3:
        return False
    x, y = (ring - ring[0]).T
    return bool(abs(np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1))) > 1e-9)
