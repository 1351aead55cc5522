"""The page on a connection that is slow or cut anywhere, and over restarts of the server, also with the mouse down."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from browser import Visit, away, images, needs_browser, pumped, records, settled, text_of, write_dataset
from playwright.sync_api import expect
from s3_faults import proxy_to
from servers import Server, until
from windows import serve_again

pytestmark = [pytest.mark.slow, needs_browser]

IMAGES = 20
BROKEN = ["Failed to load resource"]
ANNOTATIONS = [
    f'{{"id": {10 * image + i}, "image_id": {image}, "category_id": 1, "bbox": {box}, "area": 127800.0, "iscrowd": 0}}'
    for image in range(1, IMAGES + 1)
    for i, box in enumerate(["[50.0, 60.50, 426.0, 300.0]", "[600.0, 400.0, 1e2, 100.10]"], 1)
]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serve_again(write_dataset(tmp_path_factory.mktemp("outages"), ANNOTATIONS, images(IMAGES))) as server:
        yield server


def boxes(server: Server, image_id: int) -> list[list[float]]:
    return [each["bbox"] for each in records(server, image_id)]


# Connections


def test_on_a_slow_connection_each_change_is_there_at_once_and_made_in_order(visit: Visit, server: Server) -> None:
    with proxy_to(server.url) as proxy:
        visitor = visit(proxy.url)
        visitor.open_image(1)
        proxy.slow(delay=0.4)
        visitor.click(300, 200)
        for end in ((310, 200), (330, 210), (350, 200)):
            visitor.drag((300, 200), end)
        visitor.press("2", "b")
        visitor.drag((500, 30), (560, 50))
        expect(visitor.objects).to_have_count(3)
        visitor.state.to_contain_text("Sending")
        visitor.press("f", "f")
        expect(visitor.page).to_have_url(f"{proxy.url}/#/images/3")
        until(lambda: len(records(server, 1)) == 3, "all is made")
        proxy.mend()
        visitor.answered()
        assert boxes(server, 1) == [[140, 70.5, 426, 300], [600, 400, 100, 100.1], [500, 30, 60, 20]]
        assert [len(records(server, image)) for image in (2, 3)] == [2, 2]


@pytest.mark.parametrize(("image_id", "direction", "after"), [(4, "up", 600), (5, "down", 40), (6, "down", 0)])
def test_a_connection_that_is_cut_loses_nothing_and_makes_nothing_twice(
    visit: Visit, server: Server, image_id: int, direction: str, after: int
) -> None:
    with proxy_to(server.url) as proxy:
        visitor = visit(proxy.url, expected=BROKEN)
        visitor.open_image(image_id)
        proxy.cut("up" if direction == "up" else "down", after, reset=True)
        visitor.press("b")
        visitor.drag((500, 30), (560, 50))
        visitor.press("v")
        visitor.click(300, 200)
        visitor.drag((300, 200), (320, 210))
        expect(visitor.objects).to_have_count(3)
        until(lambda: proxy.cuts >= 2, "it was cut more than once")
        proxy.mend()
        visitor.answered()
        until(lambda: boxes(server, image_id)[0][:2] == [70, 70.5], "both are made")
        assert boxes(server, image_id)[2:] == [[500, 30, 60, 20]]
        visitor.press("Control+z", "Control+z")
        expect(visitor.objects).to_have_count(2)
        visitor.answered()
        assert '"bbox": [50.0, 60.50, 426.0, 300.0]' in text_of(server, 10 * image_id + 1)


# Outages


def test_what_is_said_of_an_outage_does_not_keep_the_hand_from_the_picture(visit: Visit, server: Server) -> None:
    visitor = visit(server.url, expected=BROKEN)
    visitor.open_image(11)
    back = away(visitor)
    visitor.click(300, 200)
    visitor.press("2", "b")
    notice = visitor.page.locator(".notice", has_text="does not answer").bounding_box()
    assert notice is not None
    x, y = (notice["x"] + 30 - visitor.at(0, 0)[0], notice["y"] + 10 - visitor.at(0, 0)[1])
    visitor.drag((x, y), (x + 60, y + 100))
    expect(visitor.objects).to_have_count(3)
    back()
    visitor.answered()


def test_what_is_done_and_undone_during_an_outage_is_made_when_it_is_over(visit: Visit, server: Server) -> None:
    visitor = visit(server.url, expected=BROKEN)
    visitor.open_image(7)
    before = text_of(server, 71)
    back = away(visitor)
    visitor.click(300, 200)
    visitor.drag((300, 200), (320, 200))
    visitor.press("2", "Control+z")
    visitor.click(650, 450)
    visitor.press("Delete")
    expect(visitor.objects).to_have_count(1)
    visitor.state.to_contain_text("kept here")
    back()
    visitor.answered()
    until(lambda: len(records(server, 7)) == 1, "it is deleted")
    # The key's category was taken back, the drag was not.
    assert [(each["bbox"][0], each["category_id"]) for each in records(server, 7)] == [(70, 1)]
    visitor.press("Control+z", "Control+z")
    expect(visitor.objects).to_have_count(2)
    visitor.answered()
    until(lambda: text_of(server, 71) == before, "the drag is undone too")
    expect(visitor.page.locator("#undo")).to_be_disabled()


def test_somebody_elses_change_during_an_outage_is_asked_about(visit: Visit, server: Server) -> None:
    visitor = visit(server.url, expected=BROKEN)
    visitor.open_image(8)
    back = away(visitor)
    visitor.click(300, 200)
    visitor.drag((300, 200), (320, 200))
    visitor.click(650, 450)
    visitor.press("2")
    visitor.state.to_contain_text("2 changes kept here")
    assert server.request("PATCH", "/api/annotations/81", {"category_id": 5}).status == 200
    back()
    visitor.page.get_by_role("button", name="Take theirs").click()
    visitor.answered()
    assert [(each["bbox"][0], each["category_id"]) for each in records(server, 8)] == [(50, 5), (600, 2)]
    expect(visitor.page.locator(".objects")).to_contain_text("person")


# Restarts


def test_a_drag_and_a_polygon_go_on_over_a_restart_of_the_server(visit: Visit, tmp_path: Path) -> None:
    path = write_dataset(tmp_path, ANNOTATIONS[:4], images(2))
    with serve_again(path) as server:
        url = server.url
        visitor = visit(url, expected=BROKEN)
        visitor.open_image(1)
        visitor.click(300, 200)
        visitor.drag((300, 200), (310, 200))
        visitor.answered()
        visitor.hold((300, 200), (320, 200))
        server.kill()
    visitor.state.to_contain_text("Server away")
    with serve_again(path) as server:
        assert server.url == url
        expect(visitor.page.locator(".toast").first).to_contain_text("started again")
        visitor.page.mouse.move(*visitor.at(330, 210))
        visitor.page.mouse.up()
        until(lambda: boxes(server, 1)[0] == [90, 70.5, 426, 300], "both drags are there")
        visitor.press("p")
        for x, y in [(500, 300), (600, 300)]:
            visitor.click(x, y)
        server.kill()
    visitor.state.to_contain_text("Server away")
    with serve_again(path) as server:
        assert server.url == url
        pumped(visitor.page, lambda: "away" not in visitor.page.locator("#save-state").inner_text(), "it is noticed")
        settled(visitor.page)
        visitor.click(600, 400)
        visitor.press("Enter")
        expect(visitor.objects).to_have_count(3)
        visitor.answered()
        assert records(server, 1)[2]["segmentation"] == [[500, 300, 600, 300, 600, 400]]
        visitor.press("Control+z")
        expect(visitor.objects).to_have_count(2)
