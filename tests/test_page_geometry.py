"""The page's geometry, under Node.js, beside pycocotools and shapely on thousands of random shapes."""

from __future__ import annotations

import json
import math
import os
import random
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pixels import Pixels, decoded, enclosed, encoded, painted
from pycocotools import mask as coco
from shapely import Polygon, make_valid, unary_union
from shapely.geometry.base import BaseGeometry

NODE = shutil.which("node", path=os.pathsep.join([os.environ["PATH"], str(Path(sys.executable).parent)]))
ORACLE = Path(__file__).parent / "page" / "oracle.js"
pytestmark = pytest.mark.skipif(NODE is None, reason="there is no Node.js: `make test-page` installs it")

Ask = Callable[[list[list[Any]]], list[Any]]


@pytest.fixture
def ask(tmp_path: Path) -> Ask:
    """Ask the page's geometry many questions at once."""

    def ask(questions: list[list[Any]]) -> list[Any]:
        assert NODE is not None
        (tmp_path / "questions.json").write_text(json.dumps(questions))
        done = subprocess.run([NODE, ORACLE, tmp_path / "questions.json"], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return list(json.loads(done.stdout))

    return ask


def pixels_of(text: str, like: Pixels) -> Pixels:
    """The mask of these counts, of the size of another one."""
    return decoded({"size": [*like.shape], "counts": text})


def random_mask(choose: random.Random, side: int = 48) -> Pixels:
    """Noise, blobs, stripes, or nearly nothing and nearly all."""
    shape = (choose.randint(1, side), choose.randint(1, side))
    noise = np.random.default_rng(choose.getrandbits(32)).random(shape)
    kind = choose.randrange(4)
    if kind == 0:
        return (noise < choose.choice([0, 0.02, 0.5, 0.98, 1])).astype(np.uint8)
    rows, columns = np.mgrid[: shape[0], : shape[1]]
    if kind == 1:
        stripes: Pixels = ((rows // choose.randint(1, 4) + columns // choose.randint(1, 4)) % 2).astype(np.uint8)
        return stripes
    blobs = np.zeros(shape, np.uint8)
    for number in range(choose.randint(1, 6)):
        y, x, radius = choose.uniform(0, shape[0]), choose.uniform(0, shape[1]), choose.uniform(1, side / 3)
        blobs[(rows - y) ** 2 + (columns - x) ** 2 <= radius**2] = 1 if kind == 2 or number % 2 == 0 else 0
    return blobs


def star(choose: random.Random, size: float) -> list[float]:
    """A polygon with many corners around a place in a square."""
    x, y, count = choose.uniform(0, size), choose.uniform(0, size), choose.randint(3, 40)
    flat: list[float] = []
    for angle in sorted(choose.uniform(0, 2 * math.pi) for _ in range(count)):
        radius = choose.uniform(size / 12, size / 2)
        flat += [round(x + radius * math.cos(angle), 2), round(y + radius * math.sin(angle), 2)]
    return flat


def shape_of(polygons: list[list[float]]) -> BaseGeometry:
    return unary_union([make_valid(Polygon(list(zip(flat[::2], flat[1::2], strict=True)))) for flat in polygons])


# Masks


@pytest.mark.torture
def test_counts_runs_areas_and_boxes_are_those_of_pycocotools(ask: Ask, torture: bool) -> None:
    choose = random.Random(1)
    masks = [random_mask(choose) for _ in range(4000 if torture else 1000)]
    texts = [encoded(pixels) for pixels in masks]
    for pixels, mask, found in zip(masks, texts, ask([["mask", mask] for mask in texts]), strict=True):
        assert (found["text"], found["again"]) == (mask["counts"], mask["counts"])
        assert np.array_equal(pixels_of(found["text"], pixels), pixels)
        assert found["area"] == found["pixels"] == coco.area({**mask, "counts": mask["counts"].encode()})
        left, top, width, height = coco.toBbox({**mask, "counts": mask["counts"].encode()})
        assert found["box"] == ([left, top, left + width, top + height] if pixels.any() else None)
        assert sum(found["runs"]) == pixels.size
        assert sum(found["runs"][1::2]) == pixels.sum()


def test_the_edge_of_a_mask_encloses_its_pixels_and_turns_the_other_way_around_holes(ask: Ask) -> None:
    choose = random.Random(2)
    masks = [random_mask(choose, 24) for _ in range(500)]
    for pixels, found in zip(masks, ask([["mask", encoded(pixels)] for pixels in masks]), strict=True):
        parts, holes = _count(pixels, 0), _count(1 - np.pad(pixels, 1), 1) - 1
        assert found["parts"] == parts
        areas = [_signed_area(ring) for ring in found["edge"]]
        assert sum(areas) == pixels.sum()
        assert (sum(area > 0 for area in areas), sum(area < 0 for area in areas)) == (parts, holes)
        filled = pixels_of(found["filled"], pixels)
        assert filled.sum() == sum(area for area in areas if area > 0)
        assert (filled >= pixels).all()


@pytest.mark.parametrize("operation", ["union", "difference", "intersection"])
def test_masks_are_combined_pixel_by_pixel(ask: Ask, operation: str) -> None:
    choose = random.Random(operation)
    pairs: list[tuple[Pixels, Pixels]] = []
    while len(pairs) < 300:
        one = random_mask(choose)
        other = np.resize(random_mask(choose), one.shape).astype(np.uint8)
        pairs.append((one, other))
    answers = ask([["masks", encoded(one), encoded(other), operation] for one, other in pairs])
    for (one, other), text in zip(pairs, answers, strict=True):
        expected = {"union": one | other, "difference": one & (1 - other), "intersection": one & other}[operation]
        assert text == encoded(expected)["counts"]


def test_a_stroke_paints_the_pixels_whose_middle_the_pen_passes(ask: Ask) -> None:
    choose = random.Random(3)
    strokes: list[tuple[Pixels, list[list[float]], float, str]] = []
    for _ in range(300):
        points = [[choose.uniform(-10, 60), choose.uniform(-10, 60)] for _ in range(choose.randint(1, 5))]
        strokes.append((random_mask(choose), points, choose.uniform(0.4, 15), choose.choice(["union", "difference"])))
    answers = ask([["stroke", encoded(pixels), *rest] for pixels, *rest in strokes])
    for (pixels, points, radius, operation), text in zip(strokes, answers, strict=True):
        near = painted(pixels.shape, points, radius)
        assert text == encoded(pixels | near if operation == "union" else pixels & (1 - near))["counts"]


# Polygons and masks


def test_a_polygon_becomes_the_pixels_whose_middle_it_holds(ask: Ask) -> None:
    choose = random.Random(4)
    polygons = [[star(choose, 40) for _ in range(choose.randint(1, 3))] for _ in range(200)]
    for parts, text in zip(polygons, ask([["fill", each, [40, 50]] for each in polygons]), strict=True):
        pixels = decoded({"size": [40, 50], "counts": text})
        rings = [list(zip(flat[::2], flat[1::2], strict=True)) for flat in parts]
        expected = np.maximum.reduce([enclosed((40, 50), ring) for ring in rings])
        # Where an edge runs through a pixel's middle, either is right.
        assert (pixels != expected).sum() <= 1


@pytest.mark.torture
def test_a_mask_becomes_polygons_and_a_mask_again_with_the_same_area(ask: Ask, torture: bool) -> None:
    choose = random.Random(5)
    count = 600 if torture else 200
    masks = [pixels for pixels in (random_mask(choose, 96) for _ in range(count)) if pixels.any()]
    outlines = ask([["toPolygons", encoded(pixels), [*pixels.shape]] for pixels in masks])
    again = ask([["toMask", found["polygons"], [*each.shape]] for found, each in zip(outlines, masks, strict=True)])
    filled = ask([["mask", encoded(pixels)] for pixels in masks])
    fewer = 0
    for pixels, found, mask, whole in zip(masks, outlines, again, filled, strict=True):
        expected = pixels_of(whole["filled"], pixels)
        assert found["holes"] == _count(1 - np.pad(pixels, 1), 1) - 1
        back = pixels_of(mask["counts"], pixels)
        assert abs(int(back.sum()) - int(expected.sum())) <= 0.01 * expected.sum()
        # No pixel that is more than one away from the edge is another one.
        assert not ((back != expected) & (_eroded(expected, 0) | _eroded(1 - expected, 1)).astype(bool)).any()
        fewer += sum(map(len, found["polygons"])) < sum(2 * len(ring) for ring in whole["edge"])
    assert fewer > len(masks) / 4


@pytest.mark.parametrize("operation", ["union", "difference", "intersection"])
def test_polygons_are_combined_as_shapely_does_it(ask: Ask, operation: str) -> None:
    choose = random.Random(operation)
    pairs = [([star(choose, 200)], [star(choose, 200) for _ in range(choose.randint(1, 2))]) for _ in range(300)]
    answers = ask([["combined", one, [other], operation, [400, 400]] for one, other in pairs])
    polygons = 0
    for (one, other), found in zip(pairs, answers, strict=True):
        expected: BaseGeometry = getattr(shape_of(one), operation)(shape_of(other))
        if isinstance(found, list):
            polygons += 1
            assert shape_of(found).symmetric_difference(expected).area <= 0.5 + 0.01 * expected.length
        elif found is not None:
            # It has a hole, and is a mask then: of what is in the picture.
            clipped = expected.intersection(Polygon([(0, 0), (400, 0), (400, 400), (0, 400)]))
            assert coco.area({**found, "counts": found["counts"].encode()}) == pytest.approx(
                clipped.area, abs=clipped.length
            )
        else:
            assert expected.area < 1
    assert polygons > 100


def test_a_line_cuts_polygons_and_masks_where_it_was_drawn_and_nowhere_else(ask: Ask) -> None:
    ring = [10, 10, 90, 10, 90, 30, 30, 30, 30, 70, 90, 70, 90, 90, 10, 90]
    size = [100, 100]
    pixels = np.zeros(size, np.uint8)
    pixels[10:90, 10:90] = 1
    pixels[30:70, 30:90] = 0
    cases = [
        ([[60, 0], [60, 50]], [5000, 600]),
        ([[60, 0], [60, 100]], [3800, 600, 600]),
        ([[0, 50], [50, 50]], [2500, 2500]),
        ([[60, 0], [60, 20]], [5600]),
        ([[95, 0], [95, 100]], [5600]),
        ([[50, 0], [50, 20], [95, 20]], [5200, 400]),
    ]
    total = 80 * 80 - 60 * 40
    for mask in (False, True):
        shape: object = encoded(pixels) if mask else [ring]
        answers = ask([["sliced", shape, line, size] for line, _ in cases])
        for (line, expected), found in zip(cases, answers, strict=True):
            if mask:
                areas = [int(coco.area({**each, "counts": each["counts"].encode()})) for each in found]
            else:
                areas = [round(shape_of(each).area) for each in found]
            assert sum(areas) == total
            assert len(areas) == len(expected), (line, areas)


def test_corners_go_one_by_one_those_first_that_matter_least(ask: Ask) -> None:
    choose = random.Random(6)
    rings = [star(choose, 100) for _ in range(200)]
    points = [list(zip(flat[::2], flat[1::2], strict=True)) for flat in rings]
    for corners, places in zip(points, ask([["order", [each]] for each in points]), strict=True):
        assert len(places) == len({place for _, place, _ in places}) == len(corners) - 3
        left = list(range(len(corners)))
        floor = 0.0
        for _, gone, cost in places:
            costs = {
                corner: max(floor, _triangle(corners[left[i - 1]], corners[corner], corners[left[(i + 1) % len(left)]]))
                for i, corner in enumerate(left)
            }
            assert costs[gone] == pytest.approx(min(costs.values()))
            assert cost == pytest.approx(costs[gone])
            floor = costs[gone]
            left.remove(gone)


def _triangle(one: tuple[float, float], two: tuple[float, float], three: tuple[float, float]) -> float:
    return abs((two[0] - one[0]) * (three[1] - one[1]) - (three[0] - one[0]) * (two[1] - one[1])) / 2


def _signed_area(ring: list[list[float]]) -> float:
    return sum(x1 * y2 - x2 * y1 for (x1, y1), (x2, y2) in zip(ring, [*ring[1:], ring[0]], strict=True)) / 2


def _eroded(pixels: Pixels, outside: int) -> Pixels:
    """Without the pixels that have one of the other kind around them; `outside` is what lies around the picture."""
    padded = np.pad(pixels, 1, constant_values=outside)
    rows, columns = pixels.shape
    shifted = [padded[y : y + rows, x : x + columns] for y in range(3) for x in range(3)]
    return np.asarray(np.minimum.reduce(shifted))


def _count(pixels: Pixels, corners: int) -> int:
    """How many parts there are; pixels that meet at a corner belong together where `corners` is 1."""
    left = {(int(y), int(x)) for y, x in np.argwhere(pixels)}
    steps = [(y, x) for y in (-1, 0, 1) for x in (-1, 0, 1) if (y or x) and (corners or not (y and x))]
    found = 0
    while left:
        found += 1
        waiting = [left.pop()]
        while waiting:
            y, x = waiting.pop()
            for near in [(y + dy, x + dx) for dy, dx in steps]:
                if near in left:
                    left.remove(near)
                    waiting.append(near)
    return found
