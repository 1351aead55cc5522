"""Outlines that the picture gives, on the page: along edges, and around the object in a box.

What is saved is compared with objects whose outlines are known, for the test has painted them.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest
from browser import PICTURE, Gate, Visit, Visitor, away, needs_browser, saved_text, settled
from painted import CARD, CIRCLE, Points, card, circle, off, on_circle, paint
from playwright.sync_api import Locator, expect
from servers import Server, until
from windows import serve_again

pytestmark = [pytest.mark.slow, needs_browser]
needs_opencv = pytest.mark.skipif(find_spec("cv2") is None, reason="OpenCV is not installed")
needs_onnx = pytest.mark.skipif(
    None in (find_spec("cv2"), find_spec("onnx"), find_spec("onnxruntime")), reason="onnx is not installed"
)


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
    with serve_again(dataset) as server:
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


# The object in a box


def boxed(visitor: Visitor, start: tuple[float, float], end: tuple[float, float]) -> None:
    """Draw a box, which is selected then."""
    visitor.press("b")
    visitor.drag(start, end)
    expect(visitor.current).to_have_count(1)
    visitor.answered()
    # What the server can find is known.
    expect(in_menu(visitor, "Shrink")).to_be_enabled()


def in_menu(visitor: Visitor, name: str) -> Locator:
    """What the menu of the shapes that are selected has of this name, seen or not."""
    return visitor.page.locator(".shape-menu button", has_text=name)


def saved_box(server: Server, dataset: Path) -> list[float]:
    (annotation,) = json.loads(saved_text(server, dataset))["annotations"]
    box: list[float] = annotation["bbox"]
    return box


@needs_opencv
def test_a_box_is_shrunk_to_the_object_in_it(visit: Visit, server: Server, dataset: Path) -> None:
    visitor = visit(server.url)
    visitor.open_image(1)
    boxed(visitor, (118, 160), (415, 445))
    visitor.press("Shift+s")
    x, y, radius = CIRCLE
    expected = [x - radius, y - radius, 2 * radius, 2 * radius]
    until(lambda: saved_box(server, dataset) != [118, 160, 297, 285], "it is another box")
    assert max(abs(one - other) for one, other in zip(saved_box(server, dataset), expected, strict=True)) <= 2
    visitor.press("Control+z")
    until(lambda: saved_box(server, dataset) == [118, 160, 297, 285], "it is as it was")


@needs_opencv
def test_a_box_becomes_the_outline_of_the_object_by_its_button(visit: Visit, server: Server, dataset: Path) -> None:
    visitor = visit(server.url)
    visitor.open_image(1)
    boxed(visitor, (470, 110), (790, 500))
    visitor.page.get_by_role("button", name="Join, subtract").click()
    in_menu(visitor, "Outline").click()
    # It is a polygon now: there is nothing to shrink any more.
    expect(in_menu(visitor, "Shrink")).to_be_disabled()
    visitor.answered()
    assert off(saved_outline(server, dataset), card()) <= 3
    assert len(saved_outline(server, dataset)) <= 60


@needs_opencv
def test_a_box_that_was_moved_meanwhile_stays_as_it_is(visit: Visit, server: Server, dataset: Path) -> None:
    visitor = visit(server.url)
    visitor.open_image(1)
    gate = Gate(visitor, "**/api/images/1/outline")
    boxed(visitor, (118, 160), (415, 445))
    visitor.press("Shift+s")
    try:
        gate.wait_for_one()
    except AssertionError:
        # On a busy machine the key came to nothing at times, and it is not known why: who sees that presses it again.
        visitor.press("Shift+s")
        gate.wait_for_one()
    # With the select tool, arrows move what is selected.
    visitor.press("v", "ArrowRight")
    gate.open()
    expect(visitor.page.locator(".toast", has_text="was changed meanwhile")).to_be_visible()
    visitor.answered()
    assert saved_box(server, dataset) == [119, 160, 297, 285]


# With a model


@pytest.fixture
def with_model(dataset: Path) -> Iterator[Server]:
    import tiny_model

    files = [dataset.with_name(name) for name in ("encoder.onnx", "decoder.onnx")]
    tiny_model.write_encoder(files[0])
    tiny_model.write_decoder(files[1])
    with serve_again(dataset, env={"COCOANNOT_ASSIST": ",".join(map(str, files))}) as server:
        yield server


@needs_onnx
def test_clicks_in_and_out_outline_an_object_and_enter_keeps_it(
    visit: Visit, with_model: Server, dataset: Path
) -> None:
    visitor = visit(with_model.url)
    visitor.open_image(1)
    expect(visitor.page.get_by_role("button", name="Click an object")).to_be_enabled()
    visitor.press("q")
    hint = visitor.page.locator(".hint")
    expect(hint).to_have_text("Click on an object")
    visitor.click(630, 300)
    expect(hint).to_contain_text("90 % sure")
    visitor.click(*CIRCLE[:2])
    visitor.click(640, 310, button="right")
    expect(hint).to_contain_text("90 % sure")
    visitor.press("Enter")
    expect(visitor.objects).to_have_count(1)
    visitor.answered()
    # The tiny network sees cells of seven pixels.
    assert off(saved_outline(with_model, dataset), circle()) <= 7
    # One change, and one undo.
    visitor.press("Control+z")
    expect(visitor.objects).to_have_count(0)


@needs_onnx
def test_a_finger_finds_an_object_too(visit: Visit, with_model: Server, dataset: Path) -> None:
    visitor = visit(with_model.url, has_touch=True, viewport={"width": 1288, "height": 734})
    visitor.open_image(1)
    visitor.page.get_by_role("button", name="Click an object").tap()
    visitor.page.touchscreen.tap(*visitor.at(*CIRCLE[:2]))
    expect(visitor.page.locator(".hint")).to_contain_text("90 % sure")
    visitor.page.get_by_role("button", name="Finish").tap()
    expect(visitor.objects).to_have_count(1)
    visitor.answered()
    assert off(saved_outline(with_model, dataset), circle()) <= 7


def test_without_a_model_its_tool_is_grey_and_says_why(visit: Visit, server: Server) -> None:
    visitor = visit(server.url)
    visitor.open_image(1)
    button = visitor.page.get_by_role("button", name="Click an object")
    expect(button).to_be_disabled()
    expect(button).to_have_attribute("title", "Click an object: needs a model, which this server has not (Q)")
    visitor.press("q")
    expect(visitor.page.locator("[data-tool=select]")).to_have_attribute("aria-pressed", "true")
