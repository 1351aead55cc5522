"""What geometry is accepted, what is measured from it, and that nothing hostile gets past with another error."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
from msgspec.structs import astuple
from pycocotools import mask as oracle

from cocoannot.coco.geometry import (
    COORDINATE_LIMIT,
    Measured,
    count_keypoints,
    measure_bbox,
    measure_segmentation,
)
from cocoannot.errors import InvalidRecord

Mask = npt.NDArray[np.uint8]
Rectangle = tuple[float, float, float, float]

HUGE = 10**5000  # more digits than Python turns into text
HUGE_IMAGE = pytest.param(HUGE, 3, id="huge")
NOT_COORDINATES = [
    pytest.param(value, id=name)
    for name, value in {
        "true": True,
        "decimal": Decimal(12),
        "null": None,
        "text": "5",
        "list": [5],
        "nan": math.nan,
        "infinity": math.inf,
        "huge": HUGE,
        "negative huge": -HUGE,
        "past the limit": COORDINATE_LIMIT + 1,
        "past the negative limit": -COORDINATE_LIMIT - 0.001,
    }.items()
]

coordinates = st.one_of(
    st.integers(-COORDINATE_LIMIT, COORDINATE_LIMIT),
    st.floats(-COORDINATE_LIMIT, COORDINATE_LIMIT),
    st.integers(0, 64_000).map(lambda hundredths: hundredths / 100),
)
points = st.tuples(coordinates, coordinates)
polygons = st.lists(points, min_size=3, max_size=12).map(lambda vertices: [n for point in vertices for n in point])
hundredths = st.integers(0, 20_000).map(lambda n: n / 100)
small_polygons = st.lists(st.tuples(hundredths, hundredths), min_size=3, max_size=12).map(
    lambda vertices: [n for point in vertices for n in point]
)
spans = st.tuples(hundredths, hundredths).map(sorted).filter(lambda span: span[0] < span[1])
masks = npst.arrays(np.uint8, npst.array_shapes(min_dims=2, max_dims=2, max_side=12), elements=st.integers(0, 1))
anything = st.recursive(
    st.one_of(
        st.none(), st.booleans(), st.integers(-3, 20), st.floats(), st.text(max_size=5), st.sampled_from([10**400, 2.0])
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=8), st.fixed_dictionaries({}, optional={"size": inner, "counts": inner})
    ),
    max_leaves=20,
)


def refused(call: Callable[..., object], *args: object) -> dict[str, list[str]]:
    with pytest.raises(InvalidRecord) as caught:
        call(*args)
    return caught.value.errors


def outline(left: float, top: float, right: float, bottom: float) -> list[float]:
    return [left, top, right, top, right, bottom, left, bottom]


def area_of_union(rectangles: list[Rectangle]) -> Fraction | int:
    """Exactly, by the cells that the edges make of the plane."""
    xs, ys = (sorted({Fraction(box[i]) for box in rectangles for i in (axis, axis + 2)}) for axis in (0, 1))
    return sum(
        (right - left) * (bottom - top)
        for left, right in pairwise(xs)
        for top, bottom in pairwise(ys)
        if any(box[0] <= left and right <= box[2] and box[1] <= top and bottom <= box[3] for box in rectangles)
    )


@st.composite
def stars(draw: st.DrawFn) -> list[float]:
    """A polygon around a point, which does not cross itself, in a picture of 200 by 200 pixels."""
    x, y, radii = draw(
        st.tuples(st.integers(60, 140), st.integers(60, 140), st.lists(st.integers(5, 60), min_size=3, max_size=12))
    )
    angles = [2 * math.pi * i / len(radii) for i in range(len(radii))]
    corners = [(x + r * math.cos(angle), y + r * math.sin(angle)) for r, angle in zip(radii, angles, strict=True)]
    return [round(n, 2) for corner in corners for n in corner]


def test_polygon_has_the_area_and_bbox_of_a_published_file() -> None:
    polygon = [577.41, 82.75, 586.12, 6.38, 592.82, 8.39, 583.44, 86.1]  # annotation 1984090 of COCO train2017
    measured = measure_segmentation([polygon], 480, 640)
    assert measured.area == 514.6002000000051
    assert measured.bbox == pytest.approx([577.41, 6.38, 15.41, 79.72])


def test_areas_of_polygons_add_up_and_one_bbox_holds_them_all() -> None:
    square, triangle = [10, 20, 14, 20, 14, 24, 10, 24], [1.5, 50, 1.5, 60, 3.5, 50]
    assert measure_segmentation([square, triangle], 480, 640) == Measured(26.0, [1.5, 20, 12.5, 40])


def test_a_polygon_that_is_there_twice_counts_once_whichever_way_it_turns() -> None:
    square, reverse = [0, 0, 4, 0, 4, 4, 0, 4], [0, 4, 4, 4, 4, 0, 0, 0]
    assert measure_segmentation([square, reverse], 480, 640).area == 16


def test_a_polygon_inside_another_adds_nothing() -> None:
    outer, inner = [100, 100, 400, 100, 400, 400, 100, 400], [200, 200, 300, 200, 300, 300, 200, 300]
    assert measure_segmentation([outer, inner], 500, 500) == Measured(90_000.0, [100, 100, 300, 300])
    assert measure_segmentation([inner, outer], 500, 500).area == 90_000


@given(st.lists(st.tuples(spans, spans), min_size=2, max_size=6))
def test_rectangles_have_the_area_of_their_union(sides: list[tuple[list[float], list[float]]]) -> None:
    rectangles = [(left, top, right, bottom) for (left, right), (top, bottom) in sides]
    area = measure_segmentation([outline(*box) for box in rectangles], None, None).area
    assert area == pytest.approx(float(area_of_union(rectangles)), rel=1e-9)


@given(st.lists(polygons, min_size=1, max_size=40))
def test_an_area_is_never_larger_than_the_box(segmentation: list[list[float]]) -> None:
    measured = measure_segmentation(segmentation, None, None)
    _, _, width, height = measured.bbox
    assert 0 <= measured.area <= width * height


def test_a_polygon_that_goes_round_twice_is_not_larger_than_its_box() -> None:
    square = [0, 0, 4, 0, 4, 4, 0, 4]
    assert measure_segmentation([[*square, *square]], 480, 640).area == 16


def test_a_polygon_alone_that_crosses_itself_has_the_area_of_published_files() -> None:
    bow_tie, with_a_loop = [0, 0, 4, 4, 4, 0, 0, 4], [0, 0, 6, 0, 6, 4, 2, 4, 2, 2, 4, 2, 4, 7, 0, 7]
    assert measure_segmentation([bow_tie], 480, 640).area == 0
    assert measure_segmentation([with_a_loop], 480, 640).area == 40


@given(small_polygons, small_polygons, st.sampled_from([0.25, 3, 1000.1]))
def test_polygons_apart_have_the_sum_of_their_areas_to_the_last_digit(
    one: list[float], other: list[float], gap: float
) -> None:
    right = max(one[0::2]) - min(other[0::2]) + gap
    moved = [n if i % 2 else n + right for i, n in enumerate(other)]
    areas = [measure_segmentation([polygon], None, None).area for polygon in (one, moved)]
    assert measure_segmentation([one, moved], None, None).area == sum(areas)


@given(st.lists(st.tuples(hundredths, hundredths), min_size=3, max_size=6))
def test_polygons_that_share_edges_keep_the_sum_though_their_boxes_meet(ends: list[tuple[float, float]]) -> None:
    # Slices of a strip, between lines that don't cross.
    lines = list(zip(*map(sorted, zip(*ends, strict=True)), strict=True))
    slices = [[a, 0.1, b, 0.1, d, 90.3, c, 90.3] for (a, c), (b, d) in pairwise(lines)]
    measured = measure_segmentation(slices, None, None)
    _, _, width, height = measured.bbox
    areas = [measure_segmentation([each], None, None).area for each in slices]
    assert measured.area == min(sum(areas), width * height)


@settings(max_examples=50)
@given(st.lists(stars(), min_size=2, max_size=4))
def test_area_of_polygons_that_overlap_is_the_one_that_pycocotools_draws(segmentation: list[list[float]]) -> None:
    # Drawn 20 times as large: what is drawn is off by a share of the outline.
    large = [[20 * number for number in polygon] for polygon in segmentation]
    drawn = oracle.area(oracle.merge(oracle.frPyObjects(large, 4_000, 4_000))) / 400
    outlines = sum(sum(measure_segmentation([polygon], None, None).bbox[2:]) for polygon in segmentation)
    assert measure_segmentation(segmentation, None, None).area == pytest.approx(drawn, abs=0.3 * outlines)


def test_a_small_overlap_far_out_is_seen() -> None:
    x = y = 131_000.25
    one, other = outline(x, y, x + 0.5, y + 0.5), outline(x + 0.25, y, x + 0.75, y + 0.5)
    assert measure_segmentation([one, other], None, None).area == 0.375


@pytest.mark.parametrize("vertices", [300, 30_000])
def test_area_of_polygons_that_cross_themselves_everywhere_is_estimated(vertices: int) -> None:
    generator = np.random.default_rng(1)
    scribbles = [generator.uniform(0, 1000, 2 * vertices).tolist() for _ in range(2)]
    area = measure_segmentation(scribbles, None, None).area
    drawn = oracle.area(oracle.merge(oracle.frPyObjects(scribbles, 1000, 1000)))
    assert area == pytest.approx(drawn, rel=0.05)


def test_polygons_with_more_vertices_than_are_looked_at_have_the_sum_of_their_areas() -> None:
    comb = [n for x in range(110_000) for n in (x / 2, 10 * (x % 2))]
    area = measure_segmentation([comb], None, None).area
    assert measure_segmentation([comb, comb], None, None).area == 2 * area


def test_many_polygons_are_measured_together() -> None:
    squares = [outline(3 * x, 3 * y, 3 * x + 2, 3 * y + 2) for x in range(10) for y in range(10)]
    assert measure_segmentation(squares, None, None).area == 400
    assert measure_segmentation([*squares, outline(0, 0, 29, 29)], None, None).area == 29 * 29


def test_polygons_need_no_image_size() -> None:
    assert measure_segmentation([[0, 0, 4, 0, 4, 4]], None, None) == Measured(8.0, [0, 0, 4, 4])


def test_area_of_polygons_is_a_float_and_their_bbox_keeps_integers() -> None:
    assert json.dumps(astuple(measure_segmentation([[10, 20, 14, 20, 14, 24]], 480, 640))) == "[8.0, [10, 20, 4, 4]]"


def test_a_small_polygon_far_out_keeps_its_digits() -> None:
    x = y = 131_000.7
    right, bottom = x + 0.01, y + 0.01
    area = measure_segmentation([[x, y, right, y, right, bottom, x, bottom]], 480, 640).area
    assert area == pytest.approx((right - x) * (bottom - y), rel=1e-12)


def test_coordinates_may_go_up_to_the_limit() -> None:
    n = COORDINATE_LIMIT
    assert measure_segmentation([[-n, -n, n, -n, n, n, -n, n]], 480, 640) == Measured(
        4.0 * n * n, [-n, -n, 2 * n, 2 * n]
    )


@given(st.lists(polygons, min_size=1, max_size=3))
def test_every_vertex_is_in_the_bbox_and_the_area_is_finite(segmentation: Any) -> None:
    measured = measure_segmentation(segmentation, None, None)
    x, y, width, height = measured.bbox
    assert math.isfinite(measured.area)
    assert measured.area >= 0
    assert [x, y] == [min(min(polygon[axis::2]) for polygon in segmentation) for axis in (0, 1)]
    assert [width, height] == [
        max(max(polygon[axis::2]) for polygon in segmentation) - low for axis, low in ((0, x), (1, y))
    ]


@given(polygons, st.integers(0, 11))
def test_area_of_a_polygon_does_not_depend_on_where_it_starts_or_which_way_it_goes(
    polygon: list[float], start: int
) -> None:
    vertices = [polygon[i : i + 2] for i in range(0, len(polygon), 2)]
    turned = [n for vertex in reversed([*vertices[start:], *vertices[:start]]) for n in vertex]
    area = measure_segmentation([polygon], None, None).area
    assert measure_segmentation([turned], None, None).area == pytest.approx(area, rel=1e-9, abs=1e-3)


@given(st.integers(0, 30), st.integers(0, 30), st.integers(1, 30), st.integers(1, 30))
def test_area_and_bbox_of_a_rectangle_are_those_of_its_pixels(x: int, y: int, width: int, height: int) -> None:
    polygon = [x, y, x + width, y, x + width, y + height, x, y + height]
    painted = oracle.frPyObjects([polygon], 64, 64)[0]
    assert measure_segmentation([polygon], 64, 64) == Measured(oracle.area(painted), oracle.toBbox(painted).tolist())


@given(masks)
def test_rle_has_the_area_and_bbox_that_pycocotools_gives(mask: Mask) -> None:
    encoded = oracle.encode(np.asfortranarray(mask))
    height, width = mask.shape
    segmentation = {"size": [height, width], "counts": encoded["counts"].decode()}
    expected = Measured(oracle.area(encoded), oracle.toBbox(encoded).tolist())
    assert measure_segmentation(segmentation, height, width) == expected


def test_rle_of_a_list_gives_integers_as_published_crowds_have() -> None:
    segmentation = {"size": [4, 3], "counts": [5, 2, 5]}
    assert json.dumps(astuple(measure_segmentation(segmentation, 4, 3))) == "[2, [1, 1, 1, 2]]"


def test_other_keys_and_integral_floats_in_rle_are_let_be() -> None:
    segmentation = {"size": [4.0, 3.0], "counts": [5.0, 2.0, 5.0], "tool": "brush"}
    assert measure_segmentation(segmentation, 4, 3) == Measured(2, [1, 1, 1, 2])


@pytest.mark.parametrize("segmentation", [None, True, 5, "5", (), []])
def test_segmentation_that_is_neither_polygons_nor_rle_is_refused(segmentation: Any) -> None:
    assert list(refused(measure_segmentation, segmentation, 4, 3)) == ["segmentation"]


@pytest.mark.parametrize("part", [None, 5, "5", {}, [], [1, 2, 3, 4], [1, 2, 3, 4, 5, 6, 7], [[1, 2], [3, 4], [5, 6]]])
def test_a_polygon_that_is_none_is_refused_by_its_position(part: object) -> None:
    assert list(refused(measure_segmentation, [[0, 0, 4, 0, 4, 4], part], 4, 3)) == ["segmentation.1"]


@pytest.mark.parametrize("value", NOT_COORDINATES)
@pytest.mark.parametrize("position", [0, 5])
def test_a_polygon_with_a_value_that_is_no_coordinate_is_refused(value: object, position: int) -> None:
    polygon: list[object] = [0, 0, 4, 0, 4, 4]
    polygon[position] = value
    text = "must be finite numbers from -131070 to 131070 pixels"
    assert refused(measure_segmentation, [polygon], 4, 3) == {"segmentation.0": [text]}


@pytest.mark.parametrize("size", [None, 12, [], [4], [3, 4], [4, 3, 1], ["4", "3"], [4.5, 3], [HUGE, 3], [4, None]])
def test_rle_of_another_size_than_the_image_is_refused(size: object) -> None:
    errors = refused(measure_segmentation, {"size": size, "counts": [12]}, 4, 3)
    assert errors == {"segmentation.size": ["must be [4, 3], the height and width of the image"]}


def test_true_is_not_a_side_of_length_one() -> None:
    assert list(refused(measure_segmentation, {"size": [True, 1], "counts": [1]}, 1, 1)) == ["segmentation.size"]


@pytest.mark.parametrize("counts", [None, 12, {}, [], "", [13], [True, 11], [HUGE], "o", "\ud800"])
def test_rle_with_counts_that_are_no_mask_is_refused(counts: object) -> None:
    assert list(refused(measure_segmentation, {"size": [4, 3], "counts": counts}, 4, 3)) == ["segmentation.counts"]


def test_rle_without_its_keys_is_refused_with_each_that_is_missing() -> None:
    errors = refused(measure_segmentation, {}, 4, 3)
    assert errors == {"segmentation.size": ["is missing"], "segmentation.counts": ["is missing"]}


@pytest.mark.parametrize(("height", "width"), [(None, None), (None, 3), (4, None), (0, 3), (4, -3), HUGE_IMAGE])
def test_rle_is_refused_where_the_image_has_no_usable_size(height: int, width: int) -> None:
    errors = refused(measure_segmentation, {"size": [height, width], "counts": [12]}, height, width)
    assert "no usable height and width" in errors["segmentation"][0]


@given(anything)
def test_whatever_the_segmentation_it_is_measured_or_refused(segmentation: Any) -> None:
    try:
        measured = measure_segmentation(segmentation, 4, 3)
    except InvalidRecord:
        return
    assert all(map(math.isfinite, [measured.area, *measured.bbox]))


def test_bbox_stays_as_given_and_its_area_is_width_times_height() -> None:
    assert json.dumps(astuple(measure_bbox([10, 20.5, 4, 3]))) == "[12, [10, 20.5, 4, 3]]"
    assert json.dumps(astuple(measure_bbox([-10, 0, 4, 2.5]))) == "[10.0, [-10, 0, 4, 2.5]]"


@pytest.mark.parametrize("bbox", [None, 5, "abcd", {}, [], [1, 2, 3], [1, 2, 3, 4, 5], [[1, 2], [3, 4]]])
def test_bbox_that_is_not_four_numbers_is_refused(bbox: Any) -> None:
    assert "four numbers" in refused(measure_bbox, bbox)["bbox"][0]


@pytest.mark.parametrize("value", NOT_COORDINATES)
@pytest.mark.parametrize("position", range(4))
def test_bbox_with_a_value_that_is_no_coordinate_is_refused(value: object, position: int) -> None:
    bbox: list[object] = [1, 1, 1, 1]
    bbox[position] = value
    assert "finite numbers" in refused(measure_bbox, bbox)["bbox"][0]


@pytest.mark.parametrize("bbox", [[1, 2, 0, 4], [1, 2, 3, 0.0], [1, 2, -3, 4], [1, 2, 3, -4]])
def test_bbox_without_extent_is_refused(bbox: Any) -> None:
    assert "greater than 0" in refused(measure_bbox, bbox)["bbox"][0]


@pytest.mark.parametrize("bbox", [[131_070, 0, 1, 1], [0, 100_000.5, 1, 100_000]])
def test_bbox_that_reaches_beyond_the_limit_is_refused(bbox: Any) -> None:
    assert "at most 131070 pixels" in refused(measure_bbox, bbox)["bbox"][0]


def test_bbox_may_reach_the_limit() -> None:
    assert measure_bbox([131_069, 0, 1, 131_070]).area == 131_070


def test_keypoints_that_are_labelled_are_counted_hidden_or_not() -> None:
    assert count_keypoints([5, 6, 2, 0, 0, 0, 7.5, 8.5, 1], 3) == 2
    assert count_keypoints([5, 6, 2.0], None) == 1


@given(st.lists(st.tuples(coordinates, coordinates, st.sampled_from([0, 1, 2]))))
def test_number_of_keypoints_is_that_of_flags_above_zero(keypoints: Any) -> None:
    flat = [number for keypoint in keypoints for number in keypoint]
    labelled = [keypoint for keypoint in keypoints if keypoint[2] != 0]
    assert count_keypoints(flat, len(keypoints)) == count_keypoints(flat, None) == len(labelled)


@pytest.mark.parametrize("keypoints", [None, 5, "abc", {}, [1], [1, 2, 2, 4], [1, 2, 2, 4, 5]])
def test_keypoints_that_are_not_threes_are_refused(keypoints: Any) -> None:
    assert "three numbers for each" in refused(count_keypoints, keypoints, None)["keypoints"][0]


@pytest.mark.parametrize("expected", [0, 1, 3])
def test_keypoints_in_another_number_than_the_category_defines_are_refused(expected: int) -> None:
    errors = refused(count_keypoints, [1, 2, 2, 4, 5, 2], expected)
    assert errors == {"keypoints": [f"has 2 keypoints, and the category defines {expected}"]}


@pytest.mark.parametrize("value", NOT_COORDINATES)
@pytest.mark.parametrize("position", range(3))
def test_keypoints_with_a_value_that_is_no_coordinate_are_refused(value: object, position: int) -> None:
    keypoints: list[object] = [1, 2, 2]
    keypoints[position] = value
    assert "finite numbers" in refused(count_keypoints, keypoints, 1)["keypoints"][0]


@pytest.mark.parametrize("flag", [-1, 3, 0.5, 1.5])
def test_keypoints_with_an_unknown_flag_are_refused(flag: float) -> None:
    assert refused(count_keypoints, [1, 2, 2, 4, 5, flag], 2) == {"keypoints": ["v must be 0, 1 or 2"]}
