"""Decoding of run-length encoded masks, with pycocotools as the oracle and hostile counts that it can't take."""

from __future__ import annotations

import itertools
import tracemalloc
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
from pycocotools import mask as oracle

from cocoannot.coco.rle import MOST_PIXELS, area_and_bbox, runs

Mask = npt.NDArray[np.uint8]
Picture = tuple[list[int], int, int]

masks = npst.arrays(
    np.uint8, npst.array_shapes(min_dims=2, max_dims=2, max_side=24), elements=st.integers(0, 1), fill=st.just(0)
)


@st.composite
def counts_of_a_picture(draw: st.DrawFn) -> Picture:
    """Draw counts, height and width: from empty runs to such as span thousands of columns."""
    height = draw(st.integers(1, 3000))
    lengths = st.one_of(st.integers(0, 40), st.integers(0, 40 * height), st.integers(0, 10_000_000))
    counts = [draw(st.integers(0, 10_000_000)), *draw(st.lists(lengths, max_size=40))]
    counts[-1] += -sum(counts) % height or (0 if sum(counts) else height)
    return counts, height, sum(counts) // height


def compressed(counts: Any, height: int, width: int) -> str:
    rle = oracle.frPyObjects({"size": [height, width], "counts": counts}, height, width)
    return str(rle["counts"], "ascii")


def runs_by_walking(mask: Mask) -> list[int]:
    pixels = [0, *mask.flatten(order="F").tolist()]
    lengths = [len(list(group)) for _, group in itertools.groupby(pixels)]
    return [lengths[0] - 1, *lengths[1:]]


@given(masks)
def test_runs_area_and_bbox_of_a_compressed_mask_are_those_of_pycocotools(mask: Mask) -> None:
    encoded = oracle.encode(np.asfortranarray(mask))
    height, width = mask.shape
    lengths = runs(encoded["counts"].decode(), height, width)
    assert lengths.tolist() == runs_by_walking(mask)
    assert area_and_bbox(lengths, height, width) == (oracle.area(encoded), oracle.toBbox(encoded).tolist())


@given(counts_of_a_picture())
def test_compressed_counts_decode_to_what_was_encoded_whatever_their_size(picture: Picture) -> None:
    counts, height, width = picture
    assert runs(compressed(counts, height, width), height, width).tolist() == counts


@given(counts_of_a_picture())
def test_area_and_bbox_of_large_and_of_empty_runs_are_those_of_pycocotools(picture: Picture) -> None:
    counts, height, width = picture
    assume(any(counts[1::2]))  # see below for a mask that is empty
    encoded = {"size": [height, width], "counts": compressed(counts, height, width)}
    expected = oracle.area(encoded), oracle.toBbox(encoded).tolist()
    assert area_and_bbox(runs(counts, height, width), height, width) == expected


@given(masks, st.data())
def test_runs_of_length_zero_change_neither_area_nor_bbox(mask: Mask, data: st.DataObject) -> None:
    height, width = mask.shape
    plain = runs_by_walking(mask)
    padded = list(plain)
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(padded)))
        padded[at:at] = [0, 0]
    expected = area_and_bbox(runs(plain, height, width), height, width)
    assert area_and_bbox(runs(padded, height, width), height, width) == expected


def test_an_empty_mask_with_a_foreground_run_has_no_box_where_pycocotools_gives_nonsense() -> None:
    counts = [5, 0, 7]
    assert area_and_bbox(runs(counts, 4, 3), 4, 3) == (0, [0, 0, 0, 0])
    assert max(oracle.toBbox({"size": [4, 3], "counts": compressed(counts, 4, 3)}).tolist()) > 12


@pytest.mark.parametrize(
    ("counts", "area", "bbox"),
    [
        ([12], 0, [0, 0, 0, 0]),
        ([12, 0], 0, [0, 0, 0, 0]),
        ([0, 12], 12, [0, 0, 3, 4]),
        ([5, 2, 5], 2, [1, 1, 1, 2]),
        ([4, 4, 4], 4, [1, 0, 1, 4]),
        ([3, 2, 7], 2, [0, 0, 2, 4]),
        ([11, 1], 1, [2, 3, 1, 1]),
    ],
)
def test_area_and_bbox_of_masks_three_pixels_wide_and_four_high(counts: Any, area: int, bbox: list[int]) -> None:
    assert area_and_bbox(runs(counts, 4, 3), 4, 3) == (area, bbox)


def test_area_and_bbox_are_plain_integers_as_in_published_files() -> None:
    area, bbox = area_and_bbox(runs([5, 2, 5], 4, 3), 4, 3)
    assert {type(number) for number in [area, *bbox]} == {int}


def test_counts_of_thirty_two_bits_decode() -> None:
    counts = [0, 2**31, 1, 3, 2**31 - 6, 1, 0]
    assert sum(counts) == MOST_PIXELS
    text = compressed(counts, 65_535, 65_537)
    assert runs(text, 65_535, 65_537).tolist() == counts
    assert runs(counts, 65_535, 65_537).tolist() == counts


def test_integral_floats_are_counts() -> None:
    lengths = runs([5.0, 2, 5], 4, 3)
    assert lengths.tolist() == [5, 2, 5]
    assert lengths.dtype == np.int64


@pytest.mark.parametrize(
    ("counts", "message"),
    [
        ([], "empty"),
        ("", "empty"),
        (None, "a list of integers or a string"),
        (b"5", "a list of integers or a string"),
        ([True, 11], "integers only"),
        ([True, 11.0], "integers only"),
        (["5", 7], "integers only"),
        ([[5], [7]], "integers only"),
        ([None, 12], "integers only"),
        ([11.5, 0.5], "count 0 is not an integer"),
        ([5, float("nan"), 7], "count 1 is not an integer"),
        ([5, 7, float("inf")], "count 2 is not an integer"),
        ([5, 7, 1e300], "count 2 is not an integer"),
        pytest.param([10**5000, 12], "at most 4294967295", id="integer of 5,001 digits"),
        pytest.param([-(10**5000), 12.0], "at most 4294967295", id="negative integer of 5,001 digits"),
        ([13, -1], "count 0 is not from 0 to 12"),
        ([5, -1, 8], "count 1 is not from 0 to 12"),
        ([2**63 - 1] * 8, "count 0 is not from 0 to 12"),
        ([5, 6], "add up to 11 and must add up to 4 \\* 3 = 12 pixels"),
        ([5, 8], "add up to 13"),
        ("5", "add up to 5"),
        ("é", "'0' to 'o'"),
        ("\ud800", "'0' to 'o'"),
        ("5\x007", "char 1 of counts"),
        ("52/", "char 2 of counts"),
        ("52p", "char 2 of counts"),
        ("5o", "middle of a value"),
        ("o" * 100, "middle of a value"),
        ("5" + "P" * 7 + "0", "value 1 of counts has more than 7 chars"),
        ("O", "count 0 is not from 0 to 12"),
        ("57000G", "count 5 is not from 0 to 12"),
        ("oooooo?" * 1000, "is not from 0 to 12"),
    ],
)
def test_counts_that_are_no_mask_are_refused(counts: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        runs(counts, 4, 3)
    assert type(caught.value) is ValueError


def test_a_value_of_seven_chars_is_read() -> None:
    assert runs("<" + "P" * 6 + "0", 4, 3).tolist() == [12, 0]


@pytest.mark.parametrize(("height", "width"), [(0, 5), (5, 0), (-5, -5), (65_536, 65_536), (10**400, 1)])
def test_a_picture_that_no_mask_can_have_is_refused(height: int, width: int) -> None:
    with pytest.raises(ValueError, match="1 to 4294967295 pixels"):
        runs([25], height, width)


sizes = st.integers(1, 6)
odd_numbers = st.one_of(st.integers(-5, 50), st.floats(), st.booleans(), st.sampled_from([10**400, 2**63, None, "5"]))
hostile = st.one_of(
    st.text(st.characters(min_codepoint=46, max_codepoint=114), max_size=30), st.text(), st.lists(odd_numbers)
)


@given(hostile, sizes, sizes)
def test_whatever_the_counts_the_answer_is_a_whole_mask_or_a_value_error(counts: Any, height: int, width: int) -> None:
    try:
        lengths = runs(counts, height, width)
    except ValueError:
        return
    assert int(lengths.sum()) == height * width
    assert lengths.min() >= 0
    x, y, w, h = area_and_bbox(lengths, height, width)[1]
    assert 0 <= x <= x + w <= width
    assert 0 <= y <= y + h <= height


def test_a_million_counts_take_memory_in_proportion() -> None:
    text = "0111" + "0" * 999_996
    tracemalloc.start()
    try:
        assert len(runs(text, 1_499_998, 1)) == 1_000_000
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 25_000_000
