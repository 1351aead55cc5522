"""Fingers: everything that a mouse does, and nothing that two fingers did not mean."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from browser import Visit, Visitor, images, needs_browser, records, write_dataset
from fingers import WINDOW, Hand
from playwright.sync_api import expect
from servers import Server, until
from windows import serve_again

pytestmark = [pytest.mark.slow, needs_browser]

IMAGES = 6
ANNOTATIONS = [
    f'{{"id": {10 * image + 1}, "image_id": {image}, "category_id": 1, "segmentation":'
    " [[100, 100, 300, 100, 300, 300, 100, 300]]}"
    for image in range(1, IMAGES + 1)
]
SQUARE = [[100, 100, 300, 100, 300, 300, 100, 300]]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serve_again(write_dataset(tmp_path_factory.mktemp("touch"), ANNOTATIONS, images(IMAGES))) as server:
        yield server


@pytest.fixture
def visitor(visit: Visit, server: Server) -> Visitor:
    return visit(server.url, has_touch=True, viewport=WINDOW)


@pytest.fixture
def hand(visitor: Visitor) -> Hand:
    return Hand(visitor)


def polygons(server: Server, image_id: int) -> object:
    return records(server, image_id)[0]["segmentation"]


def test_a_finger_selects_and_moves_a_shape_and_a_trembling_one_moves_nothing(
    visitor: Visitor, server: Server, hand: Hand
) -> None:
    visitor.open_image(1)
    hand.tap((200, 200))
    expect(visitor.current).to_have_count(1)
    hand.down((200, 200))
    hand.move((207, 204))
    hand.up()
    hand.down((200, 200))
    hand.move((230, 200))
    hand.move((240, 220))
    hand.up()
    until(lambda: polygons(server, 1) == [[140, 120, 340, 120, 340, 320, 140, 320]], "it was moved")
    visitor.answered()
    assert len(visitor.sent) == 1


def test_a_second_finger_gives_the_drag_up_and_zooms(visitor: Visitor, server: Server, hand: Hand) -> None:
    visitor.open_image(2)
    hand.tap((200, 200))
    hand.down((200, 200))
    hand.move((220, 200))
    hand.down((220, 200), (320, 200))
    hand.move((170, 200), (370, 200))
    hand.up()
    expect(visitor.page.locator(".editor .bar")).to_contain_text("200 %")
    visitor.answered()
    assert (visitor.sent, polygons(server, 2)) == ([], SQUARE)
    # Nothing is held any more: what others do is shown.
    assert server.request("PATCH", "/api/annotations/21", {"category_id": 2}).status == 200
    expect(visitor.objects).to_contain_text("dog")


def test_a_finger_that_rests_on_a_corner_removes_it(visitor: Visitor, server: Server, hand: Hand) -> None:
    visitor.open_image(3)
    hand.tap((200, 200))
    hand.down((300, 300))
    until(lambda: polygons(server, 3) == [[100, 100, 300, 100, 100, 300]], "one corner less")
    hand.up()


def test_a_polygon_is_drawn_by_taps_and_two_fingers_move_the_picture_meanwhile(
    visitor: Visitor, server: Server, hand: Hand
) -> None:
    visitor.open_image(4)
    visitor.page.get_by_role("button", name="Polygon", exact=True).tap()
    for corner in [(500, 300), (600, 300)]:
        hand.tap(corner)
    hand.down((400, 400), (600, 400))
    hand.move((430, 420), (630, 420))
    hand.up()
    hand.tap((630, 420))
    visitor.page.get_by_role("button", name="Finish").tap()
    expect(visitor.objects).to_have_count(2)
    visitor.answered()
    assert records(server, 4)[1]["segmentation"] == [[500, 300, 600, 300, 600, 400]]


def test_a_finger_that_the_system_takes_away_leaves_no_change(visitor: Visitor, server: Server, hand: Hand) -> None:
    visitor.open_image(5)
    hand.tap((200, 200))
    hand.down((200, 200))
    hand.move((260, 260))
    hand.lose()
    hand.tap((200, 200))
    visitor.press("2")
    until(lambda: records(server, 5)[0]["category_id"] == 2, "the next change is the first")
    visitor.answered()
    assert (len(visitor.sent), polygons(server, 5)) == (1, SQUARE)
