"""Polygons inside of polygons. COCO has no holes: what any polygon covers is the shape, so an inner one is filled.

A hole is cut out by one polygon that goes around the outer edge, along a line to the inner one, around it the other
way, and back along the line.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from cocoannot.coco.geometry import Number

_MOST_TESTS = 10**6
_Points = npt.NDArray[np.float64]


def has_hole(polygons: Sequence[Sequence[Number]]) -> bool:
    """Whether all of a polygon is inside of another one."""
    shapes = [np.array(polygon, np.float64).reshape(-1, 2) for polygon in polygons]
    for i, inner in enumerate(shapes):
        for j, outer in enumerate(shapes):
            if i == j or (inner.min(axis=0) < outer.min(axis=0)).any() or (inner.max(axis=0) > outer.max(axis=0)).any():
                continue
            if len(inner) == len(outer) and (inner == outer).all():
                continue
            step = 1 + len(inner) * len(outer) // _MOST_TESTS
            if _inside(inner[::step], outer).all():
                return True
    return False


def _inside(points: _Points, shape: _Points) -> npt.NDArray[np.bool_]:
    """Which points are in a shape, told by how many of its edges are to the right of each."""
    x, y = points[:, 0, None], points[:, 1, None]
    x1, y1 = shape[:, 0], shape[:, 1]
    x2, y2 = np.roll(x1, -1), np.roll(y1, -1)
    crossed = (y1 > y) != (y2 > y)
    with np.errstate(divide="ignore", invalid="ignore"):
        left = x < (x2 - x1) * (y - y1) / (y2 - y1) + x1
    inside: npt.NDArray[np.bool_] = (crossed & left).sum(axis=1) % 2 == 1
    return inside


def cut_out(outer: list[Number], holes: Sequence[list[Number]]) -> list[Number]:
    """One polygon that covers `outer` without `holes`."""
    shape = outer
    for hole in holes:
        if _turn(hole) * _turn(outer) > 0:
            hole = [number for pair in reversed(list(_pairs(hole))) for number in pair]
        ring, around = list(_pairs(shape)), list(_pairs(hole))
        # Any line will do, the shortest is the nicest.
        step = 1 + len(ring) * len(around) // _MOST_TESTS
        _, i, j = min(
            ((x - u) ** 2 + (y - v) ** 2, i, j)
            for i, (x, y) in list(enumerate(ring))[::step]
            for j, (u, v) in enumerate(around)
        )
        bridged = [*ring[: i + 1], *around[j:], *around[: j + 1], *ring[i:]]
        shape = [number for pair in bridged for number in pair]
    return shape


def _pairs(polygon: Sequence[Number]) -> zip[tuple[Number, Number]]:
    return zip(polygon[::2], polygon[1::2], strict=True)


def _turn(polygon: Sequence[Number]) -> Number:
    """Above 0 for one way around, below for the other."""
    xs, ys = polygon[::2], polygon[1::2]
    return sum(xs[i - 1] * ys[i] - xs[i] * ys[i - 1] for i in range(len(xs)))
