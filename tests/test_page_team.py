"""Several people on one dataset, each with a browser: what one does, the others see at once, and by whom."""

from __future__ import annotations

import json
import re
import signal
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
from browser import PICTURE, Visitor, needs_browser, plain_picture
from playwright.sync_api import Page, expect
from relay import Relay
from servers import Server, until
from users import logged_in, serve_team
from windows import Windows, serve_again

pytestmark = [pytest.mark.slow, needs_browser]

BOXES = [
    {"id": 7, "image_id": 1, "category_id": 1, "bbox": [50, 60, 400, 300], "area": 120000, "iscrowd": 0},
    {"id": 8, "image_id": 1, "category_id": 2, "bbox": [600, 400, 200, 150], "area": 30000, "iscrowd": 0},
]
ROLES = {"anna": "reviewer", "ben": "annotator"}
NO_WORKER = "delete window.SharedWorker;"
NO_LOCKS = "Object.defineProperty(navigator, 'locks', {value: undefined});"


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    images = [{"id": i, "file_name": f"{i}.png", "width": PICTURE[0], "height": PICTURE[1]} for i in range(1, 5)]
    for image in images:
        (tmp_path / str(image["file_name"])).write_bytes(plain_picture())
    categories = [{"id": 1, "name": "cat"}, {"id": 2, "name": "dog"}, {"id": 3, "name": "bird"}]
    path = tmp_path / "dataset.json"
    path.write_text(json.dumps({"images": images, "annotations": BOXES, "categories": categories}))
    return path


@pytest.fixture
def team(dataset: Path) -> Iterator[Server]:
    with serve_team(dataset, ROLES) as server:
        yield server


@pytest.fixture
def anna(windows: Windows, team: Server) -> Iterator[Visitor]:
    with logged_in(windows, team, "anna") as visitor:
        visitor.open_image(1)
        yield visitor


@pytest.fixture
def ben(windows: Windows, team: Server) -> Iterator[Visitor]:
    with logged_in(windows, team, "ben") as visitor:
        visitor.open_image(1)
        yield visitor


@pytest.fixture
def server(dataset: Path) -> Iterator[Server]:
    """Without users."""
    with serve_again(dataset) as server:
        yield server


def row(visitor: Visitor, annotation_id: int) -> Any:
    """The row of an annotation."""
    return visitor.page.locator(".objects li", has=visitor.page.locator(f".name[title$='id {annotation_id}']"))


def relabel(visitor: Visitor, at: tuple[float, float], key: str) -> None:
    """Give the shape there another category, by its key."""
    visitor.click(*at)
    visitor.press(key)


def streams(server: Server) -> int:
    with urllib.request.urlopen(f"{server.url}/metrics") as answer:
        found = re.search(r"^cocoannot_event_streams (\d+)", answer.read().decode(), re.MULTILINE)
    assert found
    return int(found[1])


# What others do


def test_what_one_changes_draws_and_deletes_the_other_sees_with_the_name_beside_it(anna: Visitor, ben: Visitor) -> None:
    relabel(anna, (200, 200), "3")
    expect(row(ben, 7)).to_contain_text("bird")
    expect(row(ben, 7).locator(".by")).to_have_text("anna")
    expect(row(ben, 8).locator(".by")).to_be_hidden()
    # The name goes again, and for whoever made the change it was never there.
    expect(row(ben, 7).locator(".by")).to_be_hidden(timeout=15_000)
    assert anna.page.locator(".by:visible").count() == 0
    assert ben.page.locator(".toast").count() == 0
    anna.press("b")
    anna.drag((500, 60), (700, 200))
    expect(ben.objects).to_have_count(3)
    expect(ben.objects.last.locator(".by")).to_have_text("anna")
    anna.answered()
    anna.press("Delete")
    expect(ben.objects).to_have_count(2)


def test_what_is_dragged_stays_under_the_hand_until_it_is_let_go(anna: Visitor, ben: Visitor) -> None:
    ben.click(200, 200)
    mouse = ben.page.mouse
    mouse.move(*ben.at(200, 200))
    mouse.down()
    mouse.move(*ben.at(230, 200))
    relabel(anna, (200, 200), "3")
    anna.answered()
    relabel(anna, (700, 470), "3")
    # The other shape changes at once, so the news of both is there.
    expect(row(ben, 8)).to_contain_text("bird")
    expect(row(ben, 7)).to_contain_text("cat")
    ben.press("Escape")
    expect(row(ben, 7)).to_contain_text("bird")
    expect(row(ben, 7).locator(".by")).to_have_text("anna")
    mouse.up()


def test_a_conflict_shows_both_versions_and_who_was_faster(anna: Visitor, ben: Visitor, team: Server) -> None:
    ben.click(200, 200)
    mouse = ben.page.mouse
    mouse.move(*ben.at(200, 200))
    mouse.down()
    mouse.move(*ben.at(230, 200))
    relabel(anna, (200, 200), "3")
    relabel(anna, (700, 470), "3")
    expect(row(ben, 8)).to_contain_text("bird")
    mouse.up()
    dialog = ben.page.get_by_role("dialog", name="Two versions of one annotation")
    expect(dialog).to_contain_text("anna changed this annotation (cat) just now, while you changed it")
    expect(dialog.locator(".version")).to_have_count(2)
    expect(dialog.locator(".version").nth(1)).to_contain_text("anna's")
    expect(dialog.locator(".version").nth(1)).to_contain_text("bird")
    expect(dialog.locator(".version .differs").first).to_contain_text("80, 60")
    dialog.get_by_role("button", name="Take mine").click()
    expect(row(anna, 7).locator(".by")).to_have_text("ben")


def test_an_undo_that_was_built_upon_says_by_whom(anna: Visitor, ben: Visitor) -> None:
    relabel(anna, (200, 200), "2")
    expect(row(ben, 7).locator(".by")).to_have_text("anna")
    relabel(ben, (200, 200), "3")
    expect(row(anna, 7).locator(".by")).to_have_text("ben")
    anna.press("Control+z")
    expect(anna.page.locator(".toast")).to_contain_text("annotation 7 was changed since then by ben")


def test_gallery_counts_and_categories_follow(anna: Visitor, ben: Visitor) -> None:
    ben.open("#/images")
    first = ben.page.locator(".tile").first
    expect(first.locator(".badge")).to_contain_text("2")
    anna.press("1", "b")
    anna.drag((500, 60), (700, 200))
    expect(first.locator(".badge")).to_contain_text("3")
    ben.open("#/images/1")
    expect(ben.page.locator(".categories .count").first).to_have_text("2")
    anna.page.get_by_role("button", name="Add a category").click()
    anna.page.get_by_role("textbox", name="Name", exact=True).fill("fish")
    anna.press("Enter")
    expect(ben.page.locator(".categories")).to_contain_text("fish")


# Who is where


def nothing_lies_over_the_picture(visitor: Visitor) -> None:
    """None of what is shown of others."""
    canvas = visitor.page.locator(".canvas").bounding_box()
    assert canvas is not None
    shown = visitor.page.locator(".face:visible, .here:visible").all()
    assert shown
    for element in shown:
        box = element.bounding_box()
        assert box is not None
        assert box["y"] + box["height"] <= canvas["y"] + 1, box


def test_who_is_on_the_image_is_said_above_its_picture_and_on_its_thumbnail(anna: Visitor, ben: Visitor) -> None:
    expect(ben.page.locator(".here")).to_contain_text("anna is on this image too")
    nothing_lies_over_the_picture(ben)
    expect(anna.page.locator(".here")).to_contain_text("ben is on this image too")
    anna.open("#/images")
    expect(ben.page.locator(".here")).to_be_hidden()
    tile = anna.page.locator(".tile").first
    expect(tile.locator(".face")).to_have_attribute("data-initials", "BE")
    expect(anna.page.locator(".tile .face")).to_have_count(1)
    expect(anna.page.get_by_role("button", name="Who is here: ben")).to_be_visible()


def test_who_closes_the_page_is_gone(anna: Visitor, windows: Windows, team: Server) -> None:
    with logged_in(windows, team, "ben") as ben:
        ben.open_image(1)
        expect(anna.page.locator(".here")).to_contain_text("ben")
        ben.page.close()
    expect(anna.page.locator(".here")).to_be_hidden()
    expect(anna.page.locator(".people-here")).to_be_hidden()


def test_a_reviewer_follows_somebody_until_they_go_their_own_way_and_an_annotator_nobody(
    anna: Visitor, ben: Visitor
) -> None:
    ben.page.get_by_role("button", name="Who is here").click()
    here = ben.page.get_by_role("dialog", name="Who is here")
    expect(here).to_contain_text("anna")
    expect(ben.page.get_by_role("button", name="Follow", exact=True)).to_have_count(0)
    ben.press("Escape")
    expect(here).to_be_hidden()
    ben.page.locator(".canvas").focus()
    anna.page.get_by_role("button", name="Who is here").click()
    anna.page.get_by_role("button", name="Follow", exact=True).click()
    ben.press("f")
    expect(anna.page.locator(".editor .title")).to_contain_text("2.png")
    ben.press("f")
    expect(anna.page.locator(".editor .title")).to_contain_text("3.png")
    anna.page.keyboard.press("Escape")
    anna.page.locator(".canvas").focus()
    anna.press("d")
    expect(anna.page.locator(".editor .title")).to_contain_text("2.png")
    ben.press("f")
    expect(ben.page.locator(".editor .title")).to_contain_text("4.png")
    expect(anna.page.locator(".people-panel").get_by_text("on image 4")).to_be_attached()
    expect(anna.page.locator(".editor .title")).to_contain_text("2.png")


# The stream


@contextmanager
def tabs(windows: Windows, server: Server, script: str, count: int) -> Iterator[list[Page]]:
    """Several tabs of one browser, all at image 1."""
    with windows.opened() as first:
        pages = [first, *(first.context.new_page() for _ in range(1, count))]
        for page in pages:
            if script:
                page.add_init_script(script)
            page.goto(f"{server.url}/#/images/1")
            expect(page.locator(".objects li")).to_have_count(2)
        yield pages
        for page in pages:
            page.close()


@pytest.mark.parametrize(("script", "count"), [("", 1), (NO_WORKER, 1), (NO_WORKER + NO_LOCKS, 3)])
def test_all_tabs_of_a_browser_share_a_stream_where_that_is_possible(
    windows: Windows, server: Server, script: str, count: int
) -> None:
    with tabs(windows, server, script, 3) as pages:
        until(lambda: streams(server) == count, f"{count} streams are open")
        assert server.request("PATCH", "/api/annotations/7", {"category_id": 3}).status == 200
        for page in pages:
            expect(page.locator(".objects .by:visible")).to_have_text("Somebody")
        assert streams(server) == count
    until(lambda: streams(server) == 0, "the browser is closed")


@pytest.mark.parametrize("script", ["", NO_WORKER])
def test_the_other_tabs_go_on_hearing_when_the_first_one_is_closed(
    windows: Windows, server: Server, script: str
) -> None:
    with tabs(windows, server, script, 2) as (first, second):
        until(lambda: streams(server) == 1, "a stream is open")
        first.close()
        second.wait_for_timeout(100)
        until(lambda: streams(server) == 1, "a stream is open")
        assert server.request("PATCH", "/api/annotations/7", {"category_id": 3}).status == 200
        expect(second.locator(".objects .by:visible")).to_have_text("Somebody")


def test_changes_are_asked_for_where_no_stream_can_be_had(windows: Windows, server: Server) -> None:
    with windows.opened() as page:
        page.add_init_script(NO_WORKER + NO_LOCKS)
        page.route("**/api/events*", lambda route: route.fulfill(status=503, json={"message": "no"}))
        with page.expect_request(re.compile(r"/api/changes\?since=0&wait=")):
            page.goto(f"{server.url}/#/images/1")
        expect(page.locator(".objects li")).to_have_count(2)
        with page.expect_request(re.compile(r"/api/changes\?since=1&wait=")):
            assert server.request("PATCH", "/api/annotations/7", {"category_id": 3}).status == 200
        expect(page.locator(".objects .by:visible")).to_have_text("Somebody")


def test_a_stream_that_was_cut_off_goes_on_where_it_ended(windows: Windows, team: Server) -> None:
    with ExitStack() as stack:
        relay = stack.enter_context(closing(Relay(team.url)))
        anna = stack.enter_context(logged_in(windows, team, "anna"))
        anna.open_image(1)
        page = stack.enter_context(windows.opened())
        # The cookie is the host's, whatever the port.
        page.context.add_cookies(anna.page.context.cookies())  # type: ignore[arg-type]
        page.goto(f"{relay.url}/#/images/1")
        expect(page.locator(".objects li")).to_have_count(2)
        until(lambda: relay.asked, "a stream is open")
        relabel(anna, (200, 200), "2")
        expect(page.locator(".objects .by:visible")).to_have_text("anna")
        relay.cut()
        relabel(anna, (200, 200), "3")
        anna.press("b")
        anna.drag((500, 60), (700, 200))
        anna.answered()
        asked = len(relay.asked)
        until(lambda: len(relay.asked) > asked, "it is tried again")
        relay.is_closed = False
        # What came while it was cut off has its author: it was told, and not only read.
        expect(page.locator(".objects li").last.locator(".by")).to_have_text("anna", timeout=30_000)
        until(lambda: re.search(rb"(?i)last-event-id: [0-9a-f]+:1\r", relay.asked[-1]), "it goes on after revision 1")


def test_a_restart_of_the_server_loses_no_change(windows: Windows, dataset: Path, server: Server) -> None:
    with tabs(windows, server, "", 1) as (page,):
        until(lambda: streams(server) == 1, "a stream is open")
        assert server.request("PATCH", "/api/annotations/7", {"category_id": 3}).status == 200
        expect(page.locator(".objects .by:visible")).to_have_text("Somebody")
        worker = server.worker
        server.signal(signal.SIGHUP)
        server.wait_until_ready(but=worker)
        server.add({"image_id": 1, "category_id": 1, "bbox": [1, 2, 30, 40]})
        expect(page.locator(".objects li")).to_have_count(3, timeout=20_000)
