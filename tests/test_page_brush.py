"""The mask brush in a real browser: what the saved file holds is what was painted, pixel by pixel."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from browser import PICTURE, Visit, Visitor, images, needs_browser, pumped, records, saved_text, write_dataset
from fingers import WINDOW, Hand
from pixels import Pixels, Point, decoded, enclosed, painted
from playwright.sync_api import Locator, expect
from servers import Server, until
from windows import serve_again

pytestmark = [pytest.mark.slow, needs_browser]

SHAPE = (PICTURE[1], PICTURE[0])
RADIUS = 12
"""Of the pen, as it is at first."""
SQUARE = [[100, 100], [300, 100], [300, 300], [100, 300]]
LINE: list[tuple[float, float]] = [(400, 200), (600, 260), (600, 400), (420, 400)]
ON_A_POLYGON, AS_POLYGONS = 2, 3


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    flat = [side for corner in SQUARE for side in corner]
    polygons = [
        f'{{"id": {10 * image}, "image_id": {image}, "category_id": 1, "segmentation": [{flat}]}}'
        for image in (ON_A_POLYGON, AS_POLYGONS)
    ]
    return write_dataset(tmp_path_factory.mktemp("brush"), polygons, images(12))


@pytest.fixture(scope="module")
def server(dataset: Path) -> Iterator[Server]:
    with serve_again(dataset) as server:
        yield server


@pytest.fixture
def visitor(visit: Visit, server: Server) -> Visitor:
    return visit(server.url)


def stroke(visitor: Visitor, *points: tuple[float, float], key: str = "") -> None:
    """Drag along the points, while a key is held."""
    if key:
        visitor.page.keyboard.down(key)
    visitor.hold(*points)
    visitor.page.mouse.up()
    if key:
        visitor.page.keyboard.up(key)


def button(visitor: Visitor, words: str) -> Locator:
    """One of those over the picture."""
    return visitor.page.locator(".strip button", has_text=words)


def saved(server: Server, dataset: Path, image_id: int) -> list[Any]:
    """The segmentations of an image in the file."""
    annotations = json.loads(saved_text(server, dataset))["annotations"]
    return [each["segmentation"] for each in annotations if each["image_id"] == image_id]


def is_same(one: Pixels, other: Pixels) -> bool:
    return one.shape == other.shape and not np.any(one != other)


def test_the_file_has_the_pixels_that_were_painted_and_holes_where_they_were_erased(
    visitor: Visitor, server: Server, dataset: Path
) -> None:
    visitor.open_image(1)
    visitor.press("r")
    expect(visitor.page.locator(".hint")).to_contain_text("paints a new mask")
    stroke(visitor, *LINE)
    expect(visitor.objects).to_have_count(1)
    expect(visitor.page.locator(".hint")).to_contain_text("selected mask")
    band = painted(SHAPE, LINE, RADIUS)
    visitor.answered()
    assert is_same(decoded(saved(server, dataset, 1)[0]), band)

    # A circle is filled by going around it, and gets a hole.
    around: list[tuple[float, float]] = [(650, 250), (750, 250), (750, 350), (650, 350), (650, 260)]
    stroke(visitor, *around, key="Shift")
    disc = painted(SHAPE, around, RADIUS) | enclosed(SHAPE, around)
    stroke(visitor, (700, 300), (710, 300), key="Control")
    hole = painted(SHAPE, [(700, 300), (710, 300)], RADIUS)
    visitor.answered()
    (mask,) = saved(server, dataset, 1)
    assert is_same(decoded(mask), (band | disc) & (1 - hole))
    (record,) = records(server, 1)
    assert record["area"] == decoded(mask).sum()

    # Each stroke is one step back.
    visitor.press("Control+z")
    visitor.answered()
    assert is_same(decoded(saved(server, dataset, 1)[0]), band | disc)
    visitor.press("Control+z")
    visitor.answered()
    assert is_same(decoded(saved(server, dataset, 1)[0]), band)
    visitor.press("Control+Shift+z", "g")
    visitor.answered()
    expect(visitor.page.locator(".toast").last).to_contain_text("no hole")


def test_a_polygon_that_is_painted_on_is_a_mask_of_both(visitor: Visitor, server: Server, dataset: Path) -> None:
    visitor.open_image(ON_A_POLYGON)
    visitor.click(200, 200)
    visitor.press("r")
    stroke(visitor, (300, 200), (400, 220))
    expect(visitor.page.locator(".toast").last).to_contain_text("mask now")
    visitor.answered()
    expected = enclosed(SHAPE, SQUARE) | painted(SHAPE, [(300, 200), (400, 220)], RADIUS)
    assert is_same(decoded(saved(server, dataset, ON_A_POLYGON)[0]), expected)
    visitor.press("Control+z")
    visitor.answered()
    assert saved(server, dataset, ON_A_POLYGON) == [[[side for corner in SQUARE for side in corner]]]


def test_where_polygons_are_wanted_the_file_has_them_but_for_what_has_a_hole(
    visitor: Visitor, server: Server, dataset: Path
) -> None:
    visitor.open_image(AS_POLYGONS)
    visitor.click(200, 200)
    visitor.press("r")
    button(visitor, "Polygons").click()
    stroke(visitor, (300, 200), (400, 220))
    visitor.answered()
    expected = enclosed(SHAPE, SQUARE) | painted(SHAPE, [(300, 200), (400, 220)], RADIUS)
    (polygons,) = saved(server, dataset, AS_POLYGONS)
    (flat,) = polygons
    filled = enclosed(SHAPE, list(zip(flat[::2], flat[1::2], strict=True)))
    assert abs(int(filled.sum()) - int(expected.sum())) <= 0.01 * expected.sum()
    assert (filled != expected).sum() < 0.01 * expected.sum()
    stroke(visitor, (200, 200), (210, 200), key="Control")
    expect(visitor.page.locator(".toast").last).to_contain_text("has a hole")
    visitor.answered()
    (mask,) = saved(server, dataset, AS_POLYGONS)
    assert is_same(decoded(mask), filled & (1 - painted(SHAPE, [(200, 200), (210, 200)], RADIUS)))


def test_the_keys_alone_paint_and_erase(visitor: Visitor, server: Server, dataset: Path) -> None:
    visitor.open_image(4)
    visitor.press("r", "Enter", *["Shift+ArrowRight"] * 6, *["ArrowDown"] * 3, "Enter")
    expect(visitor.objects).to_have_count(1)
    x, y = PICTURE[0] / 2, PICTURE[1] / 2
    way: list[Point] = [(x, y), (x + 60, y), (x + 60, y + 3)]
    visitor.answered()
    assert is_same(decoded(saved(server, dataset, 4)[0]), painted(SHAPE, way, RADIUS))
    visitor.press("x", "Enter", "Enter")
    visitor.answered()
    gone = painted(SHAPE, [way[-1]], RADIUS)
    assert is_same(decoded(saved(server, dataset, 4)[0]), painted(SHAPE, way, RADIUS) & (1 - gone))


def test_the_wheel_resizes_the_pen_and_with_ctrl_it_zooms(visitor: Visitor, server: Server, dataset: Path) -> None:
    visitor.open_image(5)
    page = visitor.page
    visitor.press("r")
    page.mouse.move(*visitor.at(300, 300))
    page.mouse.wheel(0, -300)
    visitor.press("]")
    expect(page.locator(".editor .zoom")).to_contain_text("100 %")
    stroke(visitor, (300, 300), (380, 320))
    visitor.answered()
    # Three notches and a key are four steps of 15 %, each to half a pixel.
    radius = round(2 * 12 * 1.15**3) / 2
    radius = round(2 * radius * 1.15) / 2
    assert is_same(decoded(saved(server, dataset, 5)[0]), painted(SHAPE, [(300, 300), (380, 320)], radius))
    page.keyboard.down("Control")
    page.mouse.wheel(0, -100)
    page.keyboard.up("Control")
    expect(page.locator(".editor .zoom")).not_to_contain_text("100 %")


def test_what_is_painted_on_a_larger_picture_lies_where_it_is_seen(
    visitor: Visitor, server: Server, dataset: Path
) -> None:
    visitor.open_image(6)
    visitor.press("r", "+", "+")
    expect(visitor.page.locator(".editor .bar")).to_contain_text("156 %")
    stroke(visitor, (200, 100), (700, 433), (300, 433))
    scale, middle = 1.25**2, (PICTURE[0] / 2, PICTURE[1] / 2)
    places = [
        tuple(m + (at - m) / scale for at, m in zip(point, middle, strict=True))
        for point in ((200, 100), (700, 433), (300, 433))
    ]
    visitor.answered()
    assert is_same(decoded(saved(server, dataset, 6)[0]), painted(SHAPE, places, RADIUS))


def test_fingers_paint_erase_and_give_up(visit: Visit, server: Server, dataset: Path) -> None:
    visitor = visit(server.url, has_touch=True, viewport=WINDOW)
    hand = Hand(visitor)
    visitor.open_image(7)
    page = visitor.page
    page.get_by_role("button", name="Mask brush").tap()
    for name in ("Smaller", "Larger", "Erase", "Fill inside", "Polygons"):
        box = button(visitor, name).bounding_box()
        assert box is not None
        assert min(box["width"], box["height"]) >= 44
    hand.down((200, 200))
    hand.move((300, 200))
    hand.up()
    expect(visitor.objects).to_have_count(1)
    # Two fingers move the picture, and paint nothing.
    hand.down((200, 300))
    hand.move((230, 300))
    hand.down((230, 300), (330, 300))
    hand.move((230, 300), (330, 300))
    hand.up()
    button(visitor, "Erase").tap()
    hand.down((250, 190))
    hand.move((250, 230))
    hand.up()
    visitor.answered()
    gone = painted(SHAPE, [(250, 190), (250, 230)], RADIUS)
    pumped(page, lambda: len(visitor.sent) == 2, "two strokes were sent")
    assert is_same(decoded(saved(server, dataset, 7)[0]), painted(SHAPE, [(200, 200), (300, 200)], RADIUS) & (1 - gone))


def test_the_dialog_of_keys_has_what_the_brush_does(visitor: Visitor) -> None:
    visitor.open_image(8)
    visitor.press("?")
    dialog = visitor.page.get_by_role("dialog")
    for words in ("Mask brush", "A smaller pen", "A larger pen", "Fill the holes of the mask", "Begin another mask"):
        expect(dialog).to_contain_text(words)


def test_a_stroke_that_is_on_its_way_when_the_image_is_left_is_not_lost_in_silence(
    visitor: Visitor, server: Server
) -> None:
    visitor.open_image(9)
    visitor.press("r")
    visitor.hold((200, 200), (300, 200))
    visitor.press("f")
    expect(visitor.page.get_by_role("dialog")).to_contain_text("Leave what you are drawing?")
    visitor.page.get_by_role("button", name="Cancel").click()
    visitor.page.mouse.up()
    visitor.answered()
    until(lambda: len(records(server, 9)) == 1, "it is kept")
