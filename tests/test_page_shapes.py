"""Shapes made of shapes, in a real browser: the saved file lies within half a pixel of what shapely makes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from browser import PICTURE, Visit, Visitor, images, needs_browser, records, saved_text, write_dataset
from fingers import WINDOW, Hand
from pixels import decoded, enclosed
from playwright.sync_api import Locator, expect
from servers import Server, until
from shapely import LineString, Point, Polygon, unary_union
from shapely.geometry.base import BaseGeometry
from shapely.ops import split
from windows import serve_again

pytestmark = [pytest.mark.slow, needs_browser]

SHAPE = (PICTURE[1], PICTURE[0])
HALF = 0.5
STAR = [300.25, 80.5, 340.1, 190.75, 455.0, 190.0, 362.5, 262.33, 398.75, 375.2]
STAR += [300.0, 306.0, 201.4, 375.9, 237.5, 262.0, 145.0, 190.0, 259.9, 190.5]
BLOCK = [280.0, 150.0, 520.5, 170.25, 500.0, 330.75, 300.33, 300.0]
SMALL = [290.0, 220.0, 320.0, 220.0, 320.0, 250.0, 290.0, 250.0]
FAR = [700.0, 400.0, 800.0, 400.0, 800.0, 500.0]
CURVE = [
    round(side, 2)
    for angle in np.linspace(0, 2 * np.pi, 120, endpoint=False)
    for side in (400 + (150 + 8 * np.sin(9 * angle)) * np.cos(angle), 300 + 150 * np.sin(angle))
]
JOIN, SUBTRACT, HOLE, CUT, CUT_BY_KEYS, THIN, PARTS, TURNED, FOLLOW, BY_TOUCH, MENU = range(1, 12)


def shape(annotation_id: int, *rings: list[float], category: int = 1) -> str:
    """Polygons, and a field that COCO does not know; the tens of its id are its image."""
    return (
        f'{{"id": {annotation_id}, "image_id": {annotation_id // 10}, "category_id": {category}, "grade": "0.50",'
        f' "segmentation": {json.dumps(rings)}}}'
    )


ANNOTATIONS = [
    *(
        shape(10 * image + 1, STAR)
        for image in (JOIN, SUBTRACT, BY_TOUCH, MENU, HOLE, CUT, CUT_BY_KEYS, TURNED, FOLLOW)
    ),
    *(shape(10 * image + 2, BLOCK, category=2) for image in (JOIN, SUBTRACT, BY_TOUCH, MENU)),
    shape(10 * HOLE + 2, SMALL),
    shape(10 * THIN + 1, CURVE),
    shape(10 * PARTS + 1, STAR, FAR),
]


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_dataset(tmp_path_factory.mktemp("shapes"), ANNOTATIONS, images(20))


@pytest.fixture(scope="module")
def server(dataset: Path) -> Iterator[Server]:
    with serve_again(dataset) as server:
        yield server


@pytest.fixture
def visitor(visit: Visit, server: Server) -> Visitor:
    return visit(server.url)


def geometry(*flats: list[float]) -> BaseGeometry:
    return unary_union([Polygon(list(zip(flat[::2], flat[1::2], strict=True))) for flat in flats])


def saved(server: Server, dataset: Path, image_id: int) -> list[dict[str, Any]]:
    """The annotations of an image in the file."""
    annotations = json.loads(saved_text(server, dataset))["annotations"]
    return [each for each in annotations if each["image_id"] == image_id]


def off(found: BaseGeometry, expected: BaseGeometry) -> float:
    """How far the edges are apart at most, in pixels."""
    return float(found.boundary.hausdorff_distance(expected.boundary))


def select(visitor: Visitor, *rows: int) -> None:
    """Select rows of the list, one after another."""
    for number, row in enumerate(rows):
        visitor.page.locator(".objects li .name").nth(row).click(modifiers=["Control"] if number else [])


def button(visitor: Visitor, words: str) -> Locator:
    """One of those over the picture."""
    return visitor.page.locator(".strip button", has_text=words)


def test_a_join_is_that_of_shapely_and_one_undo_brings_both_back(
    visitor: Visitor, server: Server, dataset: Path
) -> None:
    before = saved(server, dataset, JOIN)
    visitor.open_image(JOIN)
    select(visitor, 1, 0)
    visitor.press("j")
    expect(visitor.objects).to_have_count(1)
    visitor.answered()
    (joined,) = saved(server, dataset, JOIN)
    assert off(geometry(*joined["segmentation"]), geometry(STAR, BLOCK)) <= HALF
    # The one that was selected first is left.
    assert (joined["id"], joined["category_id"], joined["grade"]) == (10 * JOIN + 2, 2, "0.50")
    assert joined["area"] == pytest.approx(geometry(STAR, BLOCK).area, abs=1)
    visitor.press("Control+z")
    expect(visitor.objects).to_have_count(2)
    visitor.answered()
    assert saved(server, dataset, JOIN) == before


def test_a_subtraction_is_that_of_shapely_and_the_other_shape_stays(
    visitor: Visitor, server: Server, dataset: Path
) -> None:
    visitor.open_image(SUBTRACT)
    select(visitor, 0, 1)
    visitor.press("Shift+J")
    until(lambda: records(server, SUBTRACT)[0]["segmentation"] != [STAR], "it is cut")
    less, other = saved(server, dataset, SUBTRACT)
    assert off(geometry(*less["segmentation"]), geometry(STAR).difference(geometry(BLOCK))) <= HALF
    assert other["segmentation"] == [BLOCK]
    # Corners that were there are written as they were.
    assert "300.25, 80.5" in saved_text(server, dataset)


def test_what_gets_a_hole_becomes_a_mask_of_the_right_pixels(visitor: Visitor, server: Server, dataset: Path) -> None:
    visitor.open_image(HOLE)
    select(visitor, 0, 1)
    visitor.press("Shift+J")
    until(lambda: isinstance(records(server, HOLE)[0]["segmentation"], dict), "it is a mask")
    mask = decoded(saved(server, dataset, HOLE)[0]["segmentation"])
    star, small = (enclosed(SHAPE, list(zip(flat[::2], flat[1::2], strict=True))) for flat in (STAR, SMALL))
    # Where an edge runs through a pixel's middle, either is right.
    assert (mask != (star & (1 - small))).sum() <= 2
    visitor.press("Shift+P")
    expect(visitor.page.locator(".toast").last).to_contain_text("has holes")


def test_a_cut_is_that_of_shapely_and_one_undo_heals_it(visitor: Visitor, server: Server, dataset: Path) -> None:
    visitor.open_image(CUT)
    visitor.click(300, 250)
    visitor.press("c")
    visitor.drag((250, 60), (380, 400))
    expect(visitor.objects).to_have_count(2)
    visitor.answered()
    pieces = saved(server, dataset, CUT)
    expected = split(geometry(STAR), LineString([(250, 60), (380, 400)])).geoms
    by_size = sorted(expected, key=lambda piece: -piece.area)
    assert pieces[0]["id"] == 10 * CUT + 1
    for piece, wanted in zip(pieces, by_size, strict=True):
        assert off(geometry(*piece["segmentation"]), wanted) <= HALF
        assert (piece["category_id"], piece["grade"]) == (1, "0.50")
    visitor.press("Control+z")
    expect(visitor.objects).to_have_count(1)
    visitor.answered()
    assert saved(server, dataset, CUT)[0]["segmentation"] == [STAR]


def test_the_keys_alone_cut(visitor: Visitor, server: Server, dataset: Path) -> None:
    visitor.open_image(CUT_BY_KEYS)
    visitor.press("]", "c", *["Shift+ArrowUp"] * 40, *["Shift+ArrowLeft"] * 15, "Enter")
    visitor.press(*["Shift+ArrowDown"] * 62, "Enter", "Enter")
    expect(visitor.objects).to_have_count(2)
    visitor.answered()
    x = PICTURE[0] / 2 - 150
    expected = sorted(split(geometry(STAR), LineString([(x, 0), (x, 610)])).geoms, key=lambda piece: -piece.area)
    found = saved(server, dataset, CUT_BY_KEYS)
    assert off(geometry(*found[0]["segmentation"]), expected[0]) <= HALF


def test_fewer_corners_are_as_many_as_is_said_and_the_edge_stays_near(
    visitor: Visitor, server: Server, dataset: Path
) -> None:
    visitor.open_image(THIN)
    visitor.press("]", "t")
    hint = visitor.page.locator(".hint")
    expect(hint).to_contain_text("of 120 corners")
    while not (hint.text_content() or "").startswith("40 "):
        count = int((hint.text_content() or "").split()[0])
        visitor.press("ArrowLeft" if count > 40 else "ArrowRight")
        expect(hint).not_to_contain_text(f"{count} of")
    visitor.press("Enter")
    until(lambda: len(records(server, THIN)[0]["segmentation"][0]) == 80, "it has 40 corners")
    (thin,) = saved(server, dataset, THIN)
    (flat,) = thin["segmentation"]
    corners = {*zip(CURVE[::2], CURVE[1::2], strict=True)}
    assert {*zip(flat[::2], flat[1::2], strict=True)} < corners
    assert off(geometry(flat), geometry(CURVE)) < 3
    visitor.press("Control+z")
    until(lambda: records(server, THIN)[0]["segmentation"] == [CURVE], "all are back")


def test_parts_and_corners_are_removed_by_clicks_and_by_keys(visitor: Visitor, server: Server) -> None:
    visitor.open_image(PARTS)
    visitor.click(300, 250)
    visitor.press("Shift+A")
    visitor.click(770, 430)
    until(lambda: records(server, PARTS)[0]["segmentation"] == [STAR], "the part is gone")
    visitor.click(300.25, 80.5)
    until(lambda: records(server, PARTS)[0]["segmentation"] == [STAR[2:]], "the corner is gone")
    visitor.press("]", "]", "Delete")
    until(lambda: records(server, PARTS)[0]["segmentation"] == [STAR[4:]], "the next one too")
    visitor.press("Control+z", "Control+z", "Control+z")
    until(lambda: records(server, PARTS)[0]["segmentation"] == [STAR, FAR], "all is back")


def test_a_polygon_becomes_a_mask_a_polygon_and_a_box(visitor: Visitor, server: Server, dataset: Path) -> None:
    visitor.open_image(TURNED)
    visitor.click(300, 250)
    visitor.press("Shift+M")
    until(lambda: isinstance(records(server, TURNED)[0]["segmentation"], dict), "it is a mask")
    mask = decoded(saved(server, dataset, TURNED)[0]["segmentation"])
    assert (mask != enclosed(SHAPE, list(zip(STAR[::2], STAR[1::2], strict=True)))).sum() <= 2
    visitor.press("Shift+P")
    until(lambda: isinstance(records(server, TURNED)[0]["segmentation"], list), "it is polygons")
    (again,) = saved(server, dataset, TURNED)
    assert geometry(*again["segmentation"]).area == pytest.approx(mask.sum(), rel=0.01)
    assert again["grade"] == "0.50"
    visitor.press("Shift+B")
    until(lambda: records(server, TURNED)[0]["segmentation"] == [], "it is a box")
    x, y, width, height = saved(server, dataset, TURNED)[0]["bbox"]
    assert np.allclose([x, y, x + width, y + height], [145, 80.5, 455, 375.9], atol=1)


def test_a_polygon_follows_the_edge_of_its_neighbour(visitor: Visitor, server: Server, dataset: Path) -> None:
    visitor.open_image(FOLLOW)
    visitor.press("p")
    page = visitor.page
    page.keyboard.down("Control")
    # Beside the edges that end at the tip on the right and at the one below.
    visitor.click(400, 193)
    visitor.click(383, 320)
    page.keyboard.up("Control")
    visitor.click(600, 100)
    visitor.press("Enter")
    expect(visitor.objects).to_have_count(2)
    visitor.answered()
    _, drawn = saved(server, dataset, FOLLOW)
    (flat,) = drawn["segmentation"]
    assert flat[2:6] == [455.0, 190.0, 362.5, 262.33]
    assert geometry(flat).intersection(geometry(STAR)).area < 1
    for place in (flat[:2], flat[6:8]):
        assert geometry(STAR).boundary.distance(Point(place)) < 0.02


def test_fingers_join_cut_and_remove(visit: Visit, server: Server, dataset: Path) -> None:
    visitor = visit(server.url, has_touch=True, viewport=WINDOW)
    hand = Hand(visitor)
    page = visitor.page
    visitor.open_image(BY_TOUCH)
    page.keyboard.press("Control+a")
    page.get_by_role("button", name="Join, subtract, make it").tap()
    item = page.locator(".shape-menu button", has_text="Join")
    box = item.bounding_box()
    assert box is not None
    assert box["height"] >= 44
    item.tap()
    expect(visitor.objects).to_have_count(1)
    page.get_by_role("button", name="Cut", exact=True).tap()
    hand.down((250, 60))
    hand.move((300, 200))
    hand.move((380, 420))
    hand.up()
    expect(visitor.objects).not_to_have_count(1)
    visitor.answered()
    pieces = [geometry(*each["segmentation"]) for each in saved(server, dataset, BY_TOUCH)]
    assert unary_union(pieces).area == pytest.approx(geometry(STAR, BLOCK).area, abs=1)
    assert len(visitor.sent) == 2


def test_the_menu_has_only_what_can_be_done(visitor: Visitor) -> None:
    visitor.open_image(MENU)
    opener = visitor.page.get_by_role("button", name="Join, subtract, make it")
    expect(opener).to_be_hidden()
    visitor.click(240, 210)
    opener.click()
    menu = visitor.page.get_by_role("dialog", name="What is selected becomes")
    expect(menu.get_by_role("button", name="Join what is selected")).to_be_disabled()
    expect(menu.get_by_role("button", name="Make it polygons")).to_be_disabled()
    expect(menu.get_by_role("button", name="Make it a mask")).to_be_enabled()
    visitor.press("Escape")
    expect(menu).to_be_hidden()
    expect(visitor.current).to_have_count(1)
