"""Boxes compared with boxes, held against a slow model in plain Python; and how much an image differs."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cocoannot.predictions.disagreement import disagreement
from cocoannot.predictions.index import Rows
from cocoannot.predictions.matching import Boxes, best_cover, best_cover_on_image, match, within

Box = tuple[int, int, tuple[int, int, int, int]]
"""Image, category, and left, top, width, height."""

side = st.integers(0, 6)
extent = st.integers(1, 6)
box = st.tuples(st.integers(1, 2), st.integers(1, 2), st.tuples(side, side, extent, extent))
boxes = st.lists(box, max_size=14)


def made(some: list[Box]) -> Boxes:
    return Boxes(
        np.array([each[0] for each in some], np.int64),
        np.array([each[1] for each in some], np.int64),
        np.array([each[2] for each in some], np.float32).reshape(-1, 4),
    )


def overlap(one: Box, other: Box) -> float:
    (left, top, width, height), (x, y, wide, high) = one[2], other[2]
    across = min(left + width, x + wide) - max(left, x)
    down = min(top + height, y + high) - max(top, y)
    return across * down if across > 0 and down > 0 and one[:2] == other[:2] else 0


def iou(one: Box, other: Box) -> float:
    common = overlap(one, other)
    return common / (one[2][2] * one[2][3] + other[2][2] * other[2][3] - common)


@given(boxes, boxes)
def test_best_cover_is_the_largest_iou_of_image_and_category(ones: list[Box], others: list[Box]) -> None:
    check_best(ones, others, *best_cover(made(ones), made(others)))


@given(boxes, boxes)
def test_best_cover_on_one_image_is_the_same(ones: list[Box], others: list[Box]) -> None:
    ones, others = ([(1, *each[1:]) for each in some] for some in (ones, others))
    check_best(ones, others, *best_cover_on_image(made(ones), made(others)))


def check_best(ones: list[Box], others: list[Box], places: npt.NDArray[Any], best: npt.NDArray[Any]) -> None:
    for one, place, found in zip(ones, places.tolist(), best.tolist(), strict=True):
        largest = max((iou(one, other) for other in others), default=0)
        assert found == pytest.approx(largest)
        assert (place < 0) == (largest == 0)
        if place >= 0:
            assert iou(one, others[place]) == pytest.approx(largest)


@given(boxes, boxes, st.randoms(use_true_random=False))
def test_matching_is_greedy_by_score_and_then_by_iou(ones: list[Box], others: list[Box], random: Any) -> None:
    scores = [random.random() for _ in ones]
    found = match(made(ones), np.array(scores), made(others)).tolist()
    taken: set[int] = set()
    for place in sorted(range(len(ones)), key=lambda place: -scores[place]):
        free = {other: iou(ones[place], others[other]) for other in range(len(others)) if other not in taken}
        most = max(free.values(), default=0)
        if most < 0.5:
            assert found[place] == -1
        else:
            assert free[found[place]] == pytest.approx(most)
            taken.add(found[place])


@given(boxes, boxes)
def test_within_is_half_of_the_box_in_one_region(ones: list[Box], others: list[Box]) -> None:
    for one, found in zip(ones, within(made(ones), made(others)).tolist(), strict=True):
        assert found == any(2 * overlap(one, other) >= one[2][2] * one[2][3] for other in others)


def test_many_alike_are_matched_one_by_one_and_in_bounded_blocks() -> None:
    alike: list[Box] = [(1, 1, (0, 0, 5, 5))] * 1500
    found = match(made(alike), np.arange(1500.0), made(alike[:1400]))
    assert sorted(found.tolist()) == [-1] * 100 + list(range(1400))
    assert (found[:100] == -1).all(), "those with the lowest scores go without"


def annotated(some: list[Box], crowds: list[bool]) -> Rows:
    boxes = made(some)
    return Rows(boxes.image_ids, np.arange(len(some)), boxes.category_ids, boxes.boxes, np.array(crowds, np.bool_))


CAT: Box = (1, 1, (0, 0, 10, 10))
SHIFTED: Box = (1, 1, (1, 0, 10, 10))
ELSEWHERE: Box = (1, 1, (50, 50, 10, 10))
DOG: Box = (1, 2, (0, 0, 10, 10))


@pytest.mark.parametrize(
    ("predictions", "scores", "objects", "crowds", "expected"),
    [
        ([], [], [], [], 0),
        ([CAT], [1.0], [CAT], [False], 0),
        ([SHIFTED], [0.75], [CAT], [False], 0.25),
        ([], [], [CAT, DOG], [False, False], 2),
        ([ELSEWHERE], [0.75], [], [], 0.75),
        ([DOG], [0.75], [CAT], [False], 1.75),
        ([CAT, SHIFTED], [0.5, 0.75], [CAT], [False], 0.75),
        ([CAT, SHIFTED], [0.5, 0.75], [CAT, CAT], [False, False], 0.75),
        ([(1, 1, (2, 2, 3, 3))], [0.75], [CAT], [True], 0),
        ([DOG], [0.75], [CAT], [True], 0.75),
        ([CAT, ELSEWHERE], [7.0, -7.0], [CAT], [False], 0),
    ],
)
def test_disagreement_adds_up_what_one_side_says_alone(
    predictions: list[Box], scores: list[float], objects: list[Box], crowds: list[bool], expected: float
) -> None:
    images = np.array([1, 2], np.int64)
    values = disagreement(made(predictions), np.array(scores, np.float64), annotated(objects, crowds), images)
    assert values.tolist() == [pytest.approx(expected), 0]
