"""Outlines: one ring that encloses what an annotation does, held against masks that others draw."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pycocotools import mask as coco_mask

from cocoannot.coco.records import Record, encode
from cocoannot.exchange.outlines import MOST_PIXELS, TooLarge, clip, follow, join, outline

Floats = npt.NDArray[np.float64]


def enclosed(ring: Floats, width: int, height: int) -> npt.NDArray[np.bool_]:
    """Which pixels' centres are inside a ring by the even-odd rule: shape (height, width)."""
    xs, ys = np.meshgrid(np.arange(width) + 0.5, np.arange(height) + 0.5)
    inside = np.zeros((height, width), bool)
    for (x0, y0), (x1, y1) in zip(ring, np.roll(ring, -1, axis=0), strict=True):
        crosses = (y0 > ys) != (y1 > ys)
        # Too large for a number only where it does not cross.
        with np.errstate(over="ignore", invalid="ignore"):
            at = x0 + (ys - y0) * (x1 - x0) / np.where(y1 == y0, 1, y1 - y0)
        inside ^= crosses & (xs < at)
    return inside


def ring_of(segmentation: Any, width: int = 40, height: int = 30) -> Floats:
    ring = outline(Record(encode({"segmentation": segmentation})), width, height)
    assert ring is not None
    return ring


masks = st.integers(1, 7).flatmap(
    lambda width: st.lists(st.lists(st.booleans(), min_size=width, max_size=width), min_size=1, max_size=7)
)


@given(masks)
def test_the_outline_of_a_mask_encloses_its_pixels_and_no_others(rows: list[list[bool]]) -> None:
    mask = np.array(rows)
    rings = follow(mask)
    if not mask.any():
        assert rings == []
        return
    assert np.array_equal(enclosed(join(rings), mask.shape[1], mask.shape[0]), mask)


@given(masks, st.booleans())
def test_masks_come_as_rle_of_both_kinds(rows: list[list[bool]], compressed: bool) -> None:
    mask = np.asfortranarray(np.array(rows, np.uint8))
    rle: Any = coco_mask.encode(mask)
    counts: Any = rle["counts"].decode()
    if not compressed:
        flat = mask.flatten(order="F")
        ends = [0, *(np.flatnonzero(np.diff(flat)) + 1).tolist(), len(flat)]
        counts = [0] * int(flat[0]) + np.diff(ends).tolist()
    ring = outline(Record(encode({"segmentation": {"size": list(mask.shape), "counts": counts}})), 7, 7)
    if not mask.any():
        assert ring is None
        return
    assert ring is not None
    assert np.array_equal(enclosed(ring, mask.shape[1], mask.shape[0]), mask)


def test_polygons_that_are_apart_are_joined_into_one() -> None:
    parts = [[2, 2, 10, 2, 10, 9, 2, 9], [20, 4, 33, 4, 33, 20], [5, 15, 12, 15, 12, 25, 5, 25]]
    expected = np.any([enclosed(ring_of([part]), 40, 30) for part in parts], axis=0)
    assert np.array_equal(enclosed(ring_of(parts), 40, 30), expected)


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
@pytest.mark.parametrize(
    "parts",
    [
        [[2, 2, 30, 2, 30, 25, 2, 25], [8, 8, 15, 8, 15, 15, 8, 15]],
        [[2, 2, 20, 2, 20, 20, 2, 20], [10, 10, 35, 10, 35, 28, 10, 28]],
    ],
    ids=["one inside another", "two that overlap"],
)
def test_polygons_that_overlap_are_their_union_as_in_pycocotools(parts: list[list[float]]) -> None:
    drawn = coco_mask.decode(coco_mask.merge(coco_mask.frPyObjects(parts, 30, 40))).astype(bool)
    mine = enclosed(ring_of(parts), 40, 30)
    assert (mine != drawn).sum() <= 60
    assert mine[12, 12]
    assert mine[5, 5]


def test_what_is_outside_the_image_is_cut_off() -> None:
    ring = ring_of([[-10, -10, 100, 5, 60, 90, -20, 20]])
    assert ring.min() >= 0
    assert ring[:, 0].max() <= 40
    assert ring[:, 1].max() <= 30
    whole = np.array([[-10, -10], [100, 5], [60, 90], [-20, 20]], float)
    assert np.array_equal(enclosed(ring, 40, 30), enclosed(whole, 40, 30))


points = st.tuples(st.floats(-20, 60), st.floats(-20, 60))


@given(st.lists(points, min_size=3, max_size=6))
@example([(0, 0), (0, 0), (1, 2.2e-313)])
def test_cutting_leaves_what_is_inside_as_it_was(polygon: list[tuple[float, float]]) -> None:
    whole = np.array(polygon)
    cut = clip(whole, 40, 30)
    if len(cut) == 0:
        assert not enclosed(whole, 40, 30).any()
        return
    assert cut.min() >= 0
    assert (enclosed(cut, 40, 30) != enclosed(whole, 40, 30)).sum() <= 2


@pytest.mark.parametrize(
    "segmentation",
    [
        None,
        [],
        [[]],
        [[1, 2, 3, 4]],
        [[1, 1, 1, 1, 1, 1]],
        {"size": [3], "counts": "x"},
        {"counts": [1]},
        "x",
        [[1] * 7],
    ],
)
def test_what_has_no_extent_has_no_outline(segmentation: Any) -> None:
    assert outline(Record(encode({"segmentation": segmentation})), 40, 30) is None


def test_a_polygon_beyond_the_image_has_no_outline() -> None:
    assert outline(Record(encode({"segmentation": [[50, 50, 60, 50, 60, 60]]})), 40, 30) is None


def test_a_mask_that_would_take_much_memory_is_refused() -> None:
    side = int(MOST_PIXELS**0.5) + 1
    counts = [side, side, side * side - 2 * side]
    with pytest.raises(TooLarge):
        outline(Record(encode({"segmentation": {"size": [side, side], "counts": counts}})), side, side)
