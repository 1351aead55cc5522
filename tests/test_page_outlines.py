"""Outlines that the picture gives, on the page: along edges.

What is saved is compared with objects whose outlines are known, for the test has painted them.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from pathlib import Path

import pytest
from browser import PICTURE, Visit, Visitor, away, needs_browser, saved_text, settled
from painted import CARD, Points, card, circle, off, on_circle, paint
from playwright.sync_api import expect
from servers import Server, serve

pytestmark = [pytest.mark.slow, needs_browser]


@pytest.fixture(scope="module")
def picture(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("picture") / "objects.png"
    paint(path)
    return path


@pytest.fixture
def dataset(tmp_path: Path, picture: Path) -> Path:
    (tmp_path / picture.name).write_bytes(picture.read_bytes())
    image = {"id": 1, "file_name": picture.name, "width": PICTURE[0], "height": PICTURE[1]}
    path = tmp_path / "dataset.json"
    path.write_text(json.dumps({"images": [image], "annotations": [], "categories": [{"id": 1, "name": "thing"}]}))
    return path


@pytest.fixture
def server(dataset: Path) -> Iterator[Server]:
    with serve(dataset) as server:
        yield server


def saved_outline(server: Server, dataset: Path) -> Points:
    """The one polygon in the file."""
    (annotation,) = json.loads(saved_text(server, dataset))["annotations"]
    (ring,) = annotation["segmentation"]
    return list(zip(ring[::2], ring[1::2], strict=True))


def follow(visitor: Visitor, points: Points) -> None:
    """Click on each point, a little beside the edge, when the line to the one before is there."""
    beside = random.Random(2)
    visitor.press("m")
    for x, y in points:
        visitor.click(x + beside.uniform(-3, 3), y + beside.uniform(-3, 3))


# Along edges


def test_four_clicks_outline_a_circle_to_a_pixel(visit: Visit, server: Server, dataset: Path) -> None:
    visitor = visit(server.url)
    visitor.open_image(1)
    follow(visitor, [on_circle(degrees) for degrees in (5, 95, 185, 275)])
    visitor.press("Enter")
    expect(visitor.objects).to_have_count(1)
    visitor.answered()
    outline = saved_outline(server, dataset)
    assert off(outline, circle()) <= 1.5
    # So few corners that a person can go on with them.
    assert 12 <= len(outline) <= 120


def test_clicks_on_its_corners_outline_a_card_and_the_first_point_closes_it(
    visit: Visit, server: Server, dataset: Path
) -> None:
    visitor = visit(server.url)
    visitor.open_image(1)
    follow(visitor, card())
    visitor.click(*CARD[0])
    expect(visitor.objects).to_have_count(1)
    visitor.answered()
    assert off(saved_outline(server, dataset), card()) <= 2.5
    # It is one change, and one undo.
    visitor.press("Control+z")
    expect(visitor.objects).to_have_count(0)


def test_the_line_follows_the_pointer_and_backspace_takes_a_point_back(visit: Visit, server: Server) -> None:
    visitor = visit(server.url)
    visitor.open_image(1)
    hint = visitor.page.locator(".hint")
    follow(visitor, [on_circle(0), on_circle(90)])
    expect(hint).to_contain_text("Backspace takes one back")
    visitor.page.mouse.move(*visitor.at(*on_circle(180)))
    visitor.press("Backspace", "Backspace")
    expect(hint).to_contain_text("Click on an edge")
    visitor.press("Enter")
    settled(visitor.page)
    assert visitor.sent == []


def test_with_alt_a_line_is_straight(visit: Visit, server: Server, dataset: Path) -> None:
    visitor = visit(server.url)
    visitor.open_image(1)
    visitor.press("m")
    visitor.page.keyboard.down("Alt")
    for x, y in [(20, 20), (400, 20), (400, 600)]:
        visitor.click(x, y)
    visitor.page.keyboard.up("Alt")
    visitor.press("Enter")
    expect(visitor.objects).to_have_count(1)
    visitor.answered()
    assert saved_outline(server, dataset)[:3] == [(20, 20), (400, 20), (400, 600)]


def test_where_the_picture_can_t_be_read_lines_are_straight_and_it_says_so(
    visit: Visit, server: Server, dataset: Path
) -> None:
    (dataset.parent / "objects.png").unlink()
    visitor = visit(server.url, expected=("404",))
    visitor.open("#/images/1")
    expect(visitor.page.locator(".notice")).to_contain_text("can't be shown")
    visitor.press("m")
    for x, y in [(20, 20), (400, 20), (400, 600)]:
        visitor.click(x, y)
    expect(visitor.page.locator(".toast")).to_contain_text("lines are straight")
    visitor.press("Enter")
    expect(visitor.objects).to_have_count(1)
    visitor.answered()
    assert saved_outline(server, dataset) == [(20, 20), (400, 20), (400, 600)]


def test_an_outline_is_kept_while_the_server_is_away(visit: Visit, server: Server, dataset: Path) -> None:
    visitor = visit(server.url, expected=("Failed to load",))
    visitor.open_image(1)
    follow(visitor, [on_circle(0)])
    settled(visitor.page)
    back = away(visitor)
    for degrees in (90, 180, 270):
        visitor.click(*on_circle(degrees))
    visitor.press("Enter")
    expect(visitor.objects).to_have_count(1)
    back()
    visitor.answered()
    assert off(saved_outline(server, dataset), circle()) <= 1.5


def test_a_finger_outlines_by_taps_and_buttons(visit: Visit, server: Server, dataset: Path) -> None:
    # Buttons are larger for fingers: the picture is as large as everywhere in a window that is larger by as much.
    visitor = visit(server.url, has_touch=True, viewport={"width": 1288, "height": 734})
    visitor.open_image(1)
    visitor.page.get_by_role("button", name="Follow edges").tap()
    for degrees in (0, 90, 180, 270):
        visitor.page.touchscreen.tap(*visitor.at(*on_circle(degrees)))
    visitor.page.get_by_role("button", name="Finish").tap()
    expect(visitor.objects).to_have_count(1)
    visitor.answered()
    assert off(saved_outline(server, dataset), circle()) <= 2
