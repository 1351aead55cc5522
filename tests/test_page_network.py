"""The page with a network that is slow, loses answers or is away, and with others who change the same image."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from browser import (
    BATCH,
    PICTURE,
    Gate,
    Visit,
    Visitor,
    away,
    needs_browser,
    plain_picture,
    pumped,
    records,
    settled,
    text_of,
)
from playwright.sync_api import Route, expect
from servers import Server, until
from windows import serve_again

pytestmark = [pytest.mark.slow, needs_browser]

# Numbers that JavaScript would write otherwise.
BOX = '{"id": 7, "image_id": 1, "category_id": 1, "bbox": [50.0, 60.50, 426.0, 300.0], "area": 127800.0, "iscrowd": 0}'


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    images = [{"id": i, "file_name": f"{i}.png", "width": PICTURE[0], "height": PICTURE[1]} for i in range(1, 5)]
    for image in images:
        (tmp_path / str(image["file_name"])).write_bytes(plain_picture())
    categories = [{"id": 1, "name": "cat"}, {"id": 2, "name": "dog"}]
    path = tmp_path / "dataset.json"
    path.write_text(
        f'{{"images": {json.dumps(images)}, "annotations": [{BOX}], "categories": {json.dumps(categories)}}}'
    )
    return path


@pytest.fixture
def server(dataset: Path) -> Iterator[Server]:
    with serve_again(dataset) as server:
        yield server


@pytest.fixture
def visitor(visit: Visit, server: Server) -> Visitor:
    """Somebody who has image 1 open. What the browser says of a broken network is no problem of the page."""
    visitor = visit(server.url, expected=["Failed to load resource"])
    visitor.open_image(1)
    return visitor


def test_many_undos_bring_back_every_digit(visitor: Visitor, server: Server) -> None:
    before = text_of(server, 7)
    visitor.click(300, 200)
    for end in ((310, 200), (330, 210), (350, 200)):
        visitor.drag((300, 200), end)
    visitor.press("2", "Delete")
    expect(visitor.objects).to_have_count(0)
    visitor.press(*["Control+z"] * 5)
    expect(visitor.objects).to_have_count(1)
    visitor.answered()
    until(lambda: bool(records(server)), "it is there again")
    assert text_of(server, 7) == before
    visitor.press(*["Control+Shift+z"] * 5)
    until(lambda: records(server) == [], "all is done again")


def test_nothing_that_is_done_while_the_next_image_loads_gets_onto_it(visitor: Visitor, server: Server) -> None:
    visitor.click(300, 200)
    gate = Gate(visitor, "**/api/images/3*/**")
    visitor.open("#/images/3")
    gate.wait_for_one()
    visitor.press("Delete", "b")
    visitor.drag((500, 300), (620, 390))
    gate.open()
    expect(visitor.page.locator(".editor .title")).to_contain_text("3.png")
    expect(visitor.objects).to_have_count(0)
    visitor.answered()
    assert (records(server, 3), len(records(server))) == ([], 1)


def test_a_drag_while_an_earlier_change_is_unanswered_holds(visitor: Visitor, server: Server) -> None:
    gate = Gate(visitor, BATCH)
    visitor.click(300, 200)
    visitor.drag((300, 200), (320, 200))
    gate.wait_for_one()
    mouse = visitor.page.mouse
    mouse.move(*visitor.at(300, 200))
    mouse.down()
    mouse.move(*visitor.at(330, 220))
    gate.open()
    pumped(visitor.page, lambda: records(server)[0]["bbox"][0] == 70, "the first is answered")
    mouse.move(*visitor.at(340, 230))
    mouse.up()
    pumped(visitor.page, lambda: records(server)[0]["bbox"] == [110, 90.5, 426, 300], "both drags are in the file")


def test_a_drag_during_somebody_elses_change_is_asked_about(visitor: Visitor, server: Server) -> None:
    visitor.click(300, 200)
    mouse = visitor.page.mouse
    mouse.move(*visitor.at(300, 200))
    mouse.down()
    mouse.move(*visitor.at(320, 200))
    assert server.request("PATCH", "/api/annotations/7", {"category_id": 2}).status == 200
    expect(visitor.page.locator("#save-state")).to_contain_text("1 unsaved change")
    settled(visitor.page)
    mouse.move(*visitor.at(340, 200))
    mouse.up()
    visitor.page.get_by_role("button", name="Take mine").click()
    until(lambda: records(server)[0]["bbox"][0] == 90, "mine is in the file")


def test_a_lost_answer_makes_nothing_twice(visitor: Visitor, server: Server) -> None:
    lost: list[str] = []

    def lose(route: Route) -> None:
        route.fetch()
        lost.append(route.request.headers["idempotency-key"])
        route.abort("connectionreset")

    visitor.page.route(BATCH, lose, times=2)
    visitor.press("b")
    visitor.drag((500, 400), (620, 490))
    visitor.answered()
    until(lambda: len(lost) == 2, "two answers were lost")
    visitor.answered()
    expect(visitor.objects).to_have_count(2)
    assert (len(records(server)), len(set(lost))) == (2, 1)


def test_shapes_that_are_drawn_while_the_server_is_away_are_seen_and_kept(visitor: Visitor, server: Server) -> None:
    back = away(visitor)
    visitor.press("b")
    visitor.drag((500, 400), (620, 490))
    expect(visitor.page.locator(".notice")).to_contain_text("does not answer")
    visitor.drag((700, 400), (720, 490))
    expect(visitor.objects).to_have_count(3)
    visitor.state.to_contain_text("Server away - 2 changes kept here")
    back()
    until(lambda: len(records(server)) == 3, "they are in the file")
    visitor.state.to_contain_text("unsaved")


def test_after_an_outage_editor_and_gallery_go_on_by_themselves(visitor: Visitor, server: Server) -> None:
    back = away(visitor)
    visitor.open("#/images/4")
    expect(visitor.page.locator("#editor")).to_contain_text("does not answer")
    back()
    expect(visitor.page.locator(".editor .title")).to_contain_text("4.png")
    back = away(visitor)
    visitor.open("#/images?annotated=false")
    visitor.state.to_contain_text("Server away")
    back()
    expect(visitor.page.locator(".tile")).to_have_count(3)
    expect(visitor.page.locator(".found")).to_contain_text("3")


def test_an_image_that_is_not_there_shows_nothing_of_the_one_before(visitor: Visitor) -> None:
    visitor.click(300, 200)
    visitor.open("#/images/99")
    expect(visitor.page.locator("#editor")).to_contain_text("no image 99")
    expect(visitor.objects).to_have_count(0)
    visitor.press("b")
    visitor.page.mouse.move(400, 300)
    visitor.page.mouse.down()
    visitor.page.mouse.move(500, 400)
    visitor.page.mouse.up()
    expect(visitor.objects).to_have_count(0)


def test_next_goes_on_in_a_list_that_changes_under_ones_hands(visitor: Visitor, server: Server) -> None:
    title = visitor.page.locator(".editor .title")
    visitor.open("#/images/2?annotated=false")
    expect(title).to_contain_text("2.png")
    pumped(
        visitor.page, lambda: visitor.page.evaluate("performance.getEntriesByName('image').length") > 1, "it is painted"
    )
    visitor.press("b")
    visitor.drag((500, 300), (620, 390))
    until(lambda: len(records(server, 2)) == 1, "it is not in the list any more")
    visitor.press("f")
    expect(title).to_contain_text("3.png")
    visitor.page.go_back()
    expect(title).to_contain_text("2.png")
    visitor.press("f")
    expect(title).to_contain_text("3.png")
    visitor.press("d")
    expect(visitor.page.locator(".toast")).to_contain_text("first image")


def test_a_change_that_is_refused_is_taken_back_with_words(visitor: Visitor, server: Server) -> None:
    refusal = {"code": 422, "status": "Unprocessable Entity", "message": "operation 0: the box is not in the picture"}
    visitor.page.route(BATCH, lambda route: route.fulfill(status=422, json=refusal))
    visitor.press("b")
    visitor.drag((500, 400), (620, 490))
    expect(visitor.page.locator(".toast")).to_have_text("Not changed: the box is not in the picture")
    expect(visitor.objects).to_have_count(1)
    assert len(records(server)) == 1
