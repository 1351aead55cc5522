"""The area that polygons cover together, where some of them overlap. What a valid polygon is, is decided elsewhere.

The plane is cut into horizontal slabs at each vertex and each crossing of edges. Inside a slab no edges cross, so the
width that is covered changes evenly: the width along the middle line, times the height, is the area. What is inside a
polygon that crosses itself follows from the even-odd rule, by which pycocotools draws it.

The work grows with the number of vertices, not with that of crossings, of which a hundred vertices can have thousands:
where there are too many, the width is measured along evenly spaced lines, and the area is an estimate.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Integers = NDArray[np.intp]
Ring = tuple[Sequence[float], Sequence[float]]
"""The x and the y of a polygon's vertices, in pixels."""

# How many pairs of edges are looked at, and in how many places edges and middle lines meet: so many, and for each
# vertex so many more, up to a limit (0.1 to 0.3 s). Outlines of objects have 1 to 25 for each vertex.
WORK, WORK_PER_VERTEX, MOST_WORK = 2_000, 20, 300_000
MOST_LINES = 4_096
MOST_VERTICES = 200_000

# Polygons that share an edge overlap by rounding: this share of their box at most.
_ROUNDING = 1e-9


class _Edges(NamedTuple):
    """Edges that are not horizontal, from their lower y to the higher one; `owner` is the position of the polygon."""

    x0: Floats
    y0: Floats
    x1: Floats
    y1: Floats
    owner: Integers

    def at(self, index: Integers) -> _Edges:
        return _Edges(self.x0[index], self.y0[index], self.x1[index], self.y1[index], self.owner[index])


def union_area(rings: Sequence[Ring]) -> float | None:
    """Measure the union in square pixels; `None` where no two polygons overlap, however they touch.

    It is exact but for rounding where edges cross as they do in outlines of objects, else an estimate. `None` too for
    more than MOST_VERTICES vertices.
    """
    if sum(len(xs) for xs, _ in rings) > MOST_VERTICES:
        return None
    edges = _edges(rings)
    if not len(edges.owner):
        return None
    covered, shared = _measure(edges, *_slabs(edges))
    box = np.ptp(np.append(edges.x0, edges.x1)) * np.ptp(np.append(edges.y0, edges.y1))
    return covered if shared > _ROUNDING * box else None


def _edges(rings: Sequence[Ring]) -> _Edges:
    xs = np.array([x for ring in rings for x in ring[0]], dtype=np.float64)
    ys = np.array([y for ring in rings for y in ring[1]], dtype=np.float64)
    # From the corner of them all, a small shape far out keeps its digits.
    xs -= xs.min()
    ys -= ys.min()
    lengths = np.array([len(ring[0]) for ring in rings])
    ends = lengths.cumsum()
    following = np.arange(1, len(xs) + 1)
    following[ends - 1] = ends - lengths
    down = ys[following] < ys
    start, end = np.where(down, following, np.arange(len(xs))), np.where(down, np.arange(len(xs)), following)
    edges = _Edges(xs[start], ys[start], xs[end], ys[end], np.repeat(np.arange(len(rings)), lengths))
    return edges.at(np.flatnonzero(edges.y0 < edges.y1))


def _slabs(edges: _Edges) -> tuple[Floats, Floats]:
    """Give the middle line and the height of each slab."""
    limit = min(MOST_WORK, WORK + WORK_PER_VERTEX * len(edges.owner))
    crossings = _crossings(edges, limit)
    if crossings is not None:
        levels = np.unique(np.concatenate([edges.y0, edges.y1, crossings]))
        middles = (levels[1:] + levels[:-1]) / 2
        if _spans(edges, middles)[1].sum() <= limit:
            return middles, np.diff(levels)
    top = edges.y1.max()
    lines = max(1, min(MOST_LINES, int(limit * top / (edges.y1 - edges.y0).sum())))
    return (np.arange(lines) + 0.5) * (top / lines), np.full(lines, top / lines)


def _crossings(edges: _Edges, limit: int) -> Floats | None:
    """Give the y of each point where edges cross; `None` where more than `limit` pairs of edges are as high.

    Where an edge ends on another one is a vertex, and no crossing.
    """
    edges = edges.at(np.argsort(edges.y0))
    count = len(edges.owner)
    above = np.searchsorted(edges.y0, edges.y1) - np.arange(1, count + 1)
    total = int(above.sum())
    if total > limit:
        return None
    first = np.repeat(np.arange(count), above)
    second = np.arange(total) - np.repeat(above.cumsum() - above, above) + first + 1
    left, right = np.minimum(edges.x0, edges.x1), np.maximum(edges.x0, edges.x1)
    near = (left[first] < right[second]) & (left[second] < right[first])
    one, other = edges.at(first[near]), edges.at(second[near])
    dx, dy, other_dx, other_dy = one.x1 - one.x0, one.y1 - one.y0, other.x1 - other.x0, other.y1 - other.y0
    away_x, away_y = other.x0 - one.x0, other.y0 - one.y0
    # Parallel edges divide by zero, and what comes of it is not between 0 and 1.
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        turn = dx * other_dy - dy * other_dx
        along = (away_x * other_dy - away_y * other_dx) / turn
        along_other = (away_x * dy - away_y * dx) / turn
        inside = (along > 0) & (along < 1) & (along_other > 0) & (along_other < 1)
        return (one.y0 + along * dy)[inside]


def _spans(edges: _Edges, middles: Floats) -> tuple[Integers, Integers]:
    """Give which of the lines each edge meets first, and how many of them."""
    first = np.searchsorted(middles, edges.y0)
    return first, np.searchsorted(middles, edges.y1) - first


def _measure(edges: _Edges, middles: Floats, heights: Floats) -> tuple[float, float]:
    """Give the area that is covered, and the area that is covered again, once for each time."""
    first, spans = _spans(edges, middles)
    edge = np.repeat(np.arange(len(spans)), spans)
    line = np.arange(len(edge)) - np.repeat(spans.cumsum() - spans, spans) + first[edge]
    # How far along the edge, from 0 to 1: an edge that is nearly horizontal has a slope beyond all limits.
    along = (middles[line] - edges.y0[edge]) / (edges.y1 - edges.y0)[edge]
    x = edges.x0[edge] + along * (edges.x1 - edges.x0)[edge]
    # A line meets each polygon an even number of times: by turns it goes in and out.
    turns = np.empty(len(edge), dtype=np.intp)
    turns[np.lexsort((x, edges.owner[edge], line))] = 1 - 2 * (np.arange(len(edge)) % 2)
    order = np.lexsort((x, line))
    depth = turns[order].cumsum()[:-1]
    pieces = np.diff(x[order]) * heights[line[order][:-1]]
    return float(pieces[depth > 0].sum()), float((pieces * (depth - 1))[depth > 1].sum())
