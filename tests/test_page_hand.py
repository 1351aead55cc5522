"""What a hand means and what it does not: clicks, drags, keys, fingers, and corners in the making."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from browser import PICTURE, Visit, Visitor, images, needs_browser, records, saved_text, write_dataset
from playwright.sync_api import expect
from servers import Server, until
from windows import serve_again

pytestmark = [pytest.mark.slow, needs_browser]

SQUARE = "[[100, 100, 300, 100, 300, 300, 100, 300]]"
CAPTION = '{"id": 61, "image_id": 6, "caption": "A cat, and a dog that is not seen."}'


def box(annotation_id: int, bbox: str = "[500, 300, 120, 90]") -> str:
    """A box; the tens of its id are its image."""
    return f'{{"id": {annotation_id}, "image_id": {annotation_id // 10}, "category_id": 1, "bbox": {bbox}, "area": 1}}'


def polygon(annotation_id: int, segmentation: str = SQUARE) -> str:
    image_id = annotation_id // 10
    return f'{{"id": {annotation_id}, "image_id": {image_id}, "category_id": 1, "segmentation": {segmentation}}}'


ANNOTATIONS = [
    box(11, "[-20.5, 400.25, 300.0, 300.0]"),
    polygon(12),
    box(21, "[-20.5, 400.25, 300.0, 300.0]"),
    polygon(31),
    box(32),
    '{"id": 41, "image_id": 4, "category_id": 5, "bbox": [100, 100, 200, 200], "num_keypoints": 2,'
    ' "keypoints": [150, 150, 2, 0, 0, 0, 250, 280, 1]}',
    '{"id": 42, "image_id": 4, "category_id": 5, "segmentation": [[500, 100, 700, 100, 700, 300, 500, 300]],'
    ' "num_keypoints": 1, "keypoints": [0, 0, 0, 600, 220, 2, 0, 0, 0]}',
    polygon(51, "[[100, 100, 300, 100, 350, 200, 300, 300, 100, 300, 60, 200]]"),
    CAPTION,
    box(81),
    box(91),
    *(polygon(each) for each in (101, 111)),
]


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_dataset(tmp_path_factory.mktemp("hand"), ANNOTATIONS, images(20))


@pytest.fixture(scope="module")
def server(dataset: Path) -> Iterator[Server]:
    with serve_again(dataset) as server:
        yield server


@pytest.fixture
def visitor(visit: Visit, server: Server) -> Visitor:
    return visit(server.url)


def draw(visitor: Visitor, *corners: tuple[float, float]) -> None:
    """Begin a polygon."""
    visitor.press("p")
    for x, y in corners:
        visitor.click(x, y)


def drawn(visitor: Visitor, server: Server, image_id: int) -> object:
    """The polygons of the annotation that was drawn last, once it is in the server."""
    visitor.answered()
    return records(server, image_id)[-1]["segmentation"]


# Clicks and drags


def test_clicks_change_nothing_wherever_they_are_and_however_the_hand_shakes(visitor: Visitor, server: Server) -> None:
    visitor.open_image(1)
    mouse = visitor.page.mouse
    places = [(2, 500), (100, 606), (150, 450), (280, 500), (100, 200), (200, 101), (300, 300), (103, 103), (200, 200)]
    for x, y in places * 2:
        visitor.hold((x, y), (x + 2, y + 2), (x + 1, y - 1))
        mouse.up()
    expect(visitor.current).to_have_attribute("data-key", "12")
    # What is done next is the first that the server hears of.
    visitor.press("2")
    visitor.answered()
    assert len(visitor.sent) == 1
    assert records(server, 1)[0]["bbox"] == [-20.5, 400.25, 300, 300]


def test_a_box_beyond_the_pictures_edge_is_moved_and_not_cropped(visitor: Visitor, server: Server) -> None:
    visitor.open_image(2)
    visitor.click(150, 500)
    visitor.drag((150, 500), (250, 480))
    until(lambda: records(server, 2)[0]["bbox"] == [79.5, 380.25, 300, 300], "it was moved as it is")


def test_a_drag_on_a_zoomed_and_moved_picture_is_as_long_as_it_looks(visitor: Visitor, server: Server) -> None:
    visitor.open_image(8)
    page = visitor.page
    visitor.click(560, 340)
    # About the middle of the canvas, twice by a quarter; then 100 to the left by the middle button.
    visitor.press("+", "+")
    expect(page.locator(".editor .bar")).to_contain_text("156 %")
    visitor.hold((600, 500))
    page.mouse.up()
    visitor.click(560, 340)
    page.mouse.move(*visitor.at(600, 500))
    page.mouse.down(button="middle")
    page.mouse.move(*visitor.at(500, 500), steps=3)
    page.mouse.up(button="middle")
    middle, scale = (PICTURE[0] / 2, PICTURE[1] / 2), 1.25**2
    x, y = (middle[0] + (560 - middle[0]) * scale - 100, middle[1] + (345 - middle[1]) * scale)
    visitor.click(x, y)
    visitor.drag((x, y), (x - 100, y + 50))
    until(lambda: records(server, 8)[0]["bbox"] == [436, 332, 120, 90], "64 to the left and 32 down")


def test_a_window_that_changes_its_size_during_a_drag_and_a_polygon_does_no_harm(
    visitor: Visitor, server: Server
) -> None:
    visitor.open_image(9)
    page = visitor.page
    visitor.click(560, 340)
    visitor.hold((560, 340), (570, 340))
    page.set_viewport_size({"width": 1000, "height": 500})
    page.set_viewport_size({"width": 1280, "height": 720})
    until(lambda: page.locator(".canvas").bounding_box()["width"] == PICTURE[0] + 24, "it is as large as before")  # type: ignore[index]
    page.mouse.move(*visitor.at(600, 360))
    page.mouse.up()
    until(lambda: records(server, 9)[0]["bbox"] == [540, 320, 120, 90], "it is where the pointer let it go")
    draw(visitor, (100, 100), (200, 100))
    page.set_viewport_size({"width": 700, "height": 500})
    page.set_viewport_size({"width": 1280, "height": 720})
    until(lambda: page.locator(".canvas").bounding_box()["width"] == PICTURE[0] + 24, "it is as large as before")  # type: ignore[index]
    visitor.click(200, 200)
    visitor.press("Enter")
    expect(visitor.objects).to_have_count(2)
    assert drawn(visitor, server, 9) == [[100, 100, 200, 100, 200, 200]]


# What goes along


def test_keypoints_go_along_with_their_box_and_their_polygon(visitor: Visitor, server: Server) -> None:
    visitor.open_image(4)
    visitor.click(200, 200)
    visitor.drag((200, 200), (220, 230))
    visitor.click(560, 180)
    visitor.drag((560, 180), (550, 200))
    visitor.answered()
    with_box, with_polygon = records(server, 4)
    assert with_box["bbox"] == [120, 130, 200, 200]
    assert with_box["keypoints"] == [170, 180, 2, 0, 0, 0, 270, 310, 1]
    assert with_polygon["segmentation"] == [[490, 120, 690, 120, 690, 320, 490, 320]]
    assert with_polygon["keypoints"] == [0, 0, 0, 590, 240, 2, 0, 0, 0]


def test_a_part_goes_to_the_annotation_that_was_selected_when_it_was_begun(visitor: Visitor, server: Server) -> None:
    visitor.open_image(3)
    visitor.click(200, 200)
    visitor.press("a")
    visitor.click(700, 300)
    visitor.page.locator(".objects .name").nth(1).click()
    expect(visitor.current).to_have_attribute("data-key", "32")
    for x, y in [(800, 300), (800, 400), (700, 300)]:
        visitor.click(x, y)
    until(lambda: len(records(server, 3)[0]["segmentation"]) == 2, "the part is where it was meant to be")
    assert records(server, 3)[1].get("segmentation") in (None, [])


def test_a_number_key_gives_no_category_to_a_caption(visitor: Visitor, server: Server, dataset: Path) -> None:
    visitor.open_image(6)
    visitor.page.locator(".objects .name").first.click()
    expect(visitor.current).to_have_count(1)
    visitor.press("2", "b")
    visitor.drag((500, 300), (620, 390))
    expect(visitor.objects).to_have_count(2)
    visitor.answered()
    assert len(visitor.sent) == 1
    assert CAPTION in saved_text(server, dataset)


# Corners


@pytest.mark.parametrize(("image_id", "how"), [(10, {"modifiers": ["Alt"]}), (11, {"button": "right"})])
def test_alt_or_the_right_button_on_a_corner_removes_it(
    visitor: Visitor, server: Server, image_id: int, how: dict[str, object]
) -> None:
    visitor.open_image(image_id)
    visitor.click(200, 200)
    page = visitor.page
    if "modifiers" in how:
        page.keyboard.down("Alt")
    visitor.click(300, 300, button=how.get("button", "left"))
    page.keyboard.up("Alt")
    until(lambda: records(server, image_id)[0]["segmentation"] == [[100, 100, 300, 100, 100, 300]], "one corner less")
    visitor.click(150, 150)
    visitor.click(100, 300, button="right")
    expect(page.locator(".toast").last).to_contain_text("three corners")


def test_enter_closes_a_polygon_and_the_picture_can_be_moved_meanwhile(visitor: Visitor, server: Server) -> None:
    visitor.open_image(12)
    page = visitor.page
    draw(visitor, (500, 300), (600, 300))
    page.keyboard.down("Space")
    visitor.drag((400, 400), (300, 350))
    page.keyboard.up("Space")
    page.mouse.move(*visitor.at(400, 400))
    page.mouse.down(button="middle")
    page.mouse.move(*visitor.at(450, 400), steps=3)
    page.mouse.up(button="middle")
    # It lies 50 to the left and 50 up now.
    visitor.click(550, 350)
    visitor.press("Enter")
    expect(visitor.objects).to_have_count(1)
    assert drawn(visitor, server, 12) == [[500, 300, 600, 300, 600, 400]]


def test_a_polygon_in_the_making_is_not_lost_by_escape_or_by_going_on(visitor: Visitor, server: Server) -> None:
    visitor.open_image(14)
    page = visitor.page
    visitor.open_image(13)
    draw(visitor, (500, 300), (600, 300), (600, 400))
    visitor.press("Escape")
    expect(page.locator(".toast").last).to_contain_text("Esc again")
    leave = page.get_by_role("dialog")
    for go in ("f", "d"):
        visitor.press(go)
        expect(leave).to_contain_text("Leave what you are drawing?")
        page.get_by_role("button", name="Cancel").click()
        expect(page).to_have_url(f"{server.url}/#/images/13")
    page.go_back()
    expect(leave).to_contain_text("Leave what you are drawing?")
    page.get_by_role("button", name="Cancel").click()
    expect(page).to_have_url(f"{server.url}/#/images/13")
    visitor.press("Enter")
    expect(visitor.objects).to_have_count(1)
    assert drawn(visitor, server, 13) == [[500, 300, 600, 300, 600, 400]]


def test_what_is_drawn_by_mistake_is_left_where_one_says_so(visitor: Visitor, server: Server) -> None:
    visitor.open_image(15)
    draw(visitor, (500, 300), (600, 300), (600, 400))
    visitor.press("f")
    visitor.page.get_by_role("button", name="Leave it").click()
    expect(visitor.page).to_have_url(f"{server.url}/#/images/16")
    visitor.painted()
    draw(visitor, (100, 100), (200, 100), (200, 200))
    visitor.press("Enter")
    expect(visitor.objects).to_have_count(1)
    assert drawn(visitor, server, 16) == [[100, 100, 200, 100, 200, 200]]
    assert records(server, 15) == []
