"""How far people are with images, on the page: done, empty, skipped, sent back, approved, and which image is next."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from browser import PICTURE, Visit, Visitor, away, needs_browser, plain_picture, saved_text, settled
from playwright.sync_api import expect
from servers import Server
from users import logged_in, serve_team
from windows import Windows, serve_again

pytestmark = [pytest.mark.slow, needs_browser]

ROLES = {"anna": "reviewer", "ben": "annotator", "vera": "viewer"}
PHONE: dict[str, Any] = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}
BOX = {"id": 7, "image_id": 1, "category_id": 1, "bbox": [50, 60, 400, 300], "area": 120000, "iscrowd": 0}


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    """Five images, of which the first one has an annotation."""
    images = [{"id": i, "file_name": f"{i}.png", "width": PICTURE[0], "height": PICTURE[1]} for i in range(1, 6)]
    for image in images:
        (tmp_path / str(image["file_name"])).write_bytes(plain_picture())
    path = tmp_path / "dataset.json"
    path.write_text(json.dumps({"images": images, "annotations": [BOX], "categories": [{"id": 1, "name": "cat"}]}))
    return path


@pytest.fixture
def server(dataset: Path) -> Iterator[Server]:
    with serve_again(dataset) as server:
        yield server


@pytest.fixture
def team(dataset: Path) -> Iterator[Server]:
    with serve_team(dataset, ROLES) as server:
        yield server


def is_open(visitor: Visitor, image_id: int) -> None:
    """Wait until an image is open, and its picture painted."""
    expect(visitor.page.locator(".editor .title")).to_have_text(f"{image_id}.png")
    visitor.wait_for_picture()


def state(visitor: Visitor) -> Any:
    return expect(visitor.page.locator("#work-button"))


def set_status(server: Server, image_id: int, status: str, **more: str) -> None:
    assert server.request("PUT", f"/api/images/{image_id}/status", {"status": status, **more}).status == 200


def saved_statuses(server: Server, dataset: Path) -> list[Any]:
    """Of the images in the file, after a save."""
    return [image.get("annotation_status") for image in json.loads(saved_text(server, dataset))["images"]]


# By keyboard


def test_a_tap_on_space_marks_done_and_opens_the_next_open_image(visit: Visit, server: Server, dataset: Path) -> None:
    set_status(server, 2, "done")
    visitor = visit(server.url)
    visitor.open_image(1)
    state(visitor).to_contain_text("Open")
    visitor.press("Space")
    is_open(visitor, 3)
    visitor.press("d", "d")
    is_open(visitor, 1)
    state(visitor).to_contain_text("Done")
    assert saved_statuses(server, dataset) == ["done", "done", None, None, None]


def test_space_that_is_held_moves_the_picture_and_marks_nothing(visit: Visit, server: Server, dataset: Path) -> None:
    visitor = visit(server.url)
    visitor.open_image(1)
    keyboard, mouse = visitor.page.keyboard, visitor.page.mouse
    # Quickly, but with the pointer pressed in between.
    keyboard.down("Space")
    visitor.drag((300, 300), (340, 330))
    keyboard.up("Space")
    # For long, with nothing in between: nobody taps a key for half a second.
    keyboard.down("Space")
    visitor.page.wait_for_timeout(500)
    keyboard.up("Space")
    # With another key in between.
    keyboard.down("Space")
    keyboard.press("h")
    keyboard.up("Space")
    mouse.wheel(0, 0)
    visitor.press("h")
    settled(visitor.page)
    assert visitor.sent == []
    # A tap still means what it says.
    visitor.press("Space")
    is_open(visitor, 2)
    assert saved_statuses(server, dataset)[0] == "done"


def test_space_marks_nothing_while_something_is_drawn(visit: Visit, server: Server) -> None:
    visitor = visit(server.url)
    visitor.open_image(2)
    visitor.press("p")
    visitor.click(100, 100)
    visitor.click(200, 100)
    visitor.press("Space")
    settled(visitor.page)
    assert visitor.sent == []
    expect(visitor.page.get_by_role("button", name="Finish")).to_be_visible()


def test_e_marks_as_empty_only_what_has_no_annotation(visit: Visit, server: Server, dataset: Path) -> None:
    visitor = visit(server.url)
    visitor.open_image(1)
    visitor.press("e")
    expect(visitor.page.locator(".toast")).to_contain_text("there is 1 annotation on it")
    state(visitor).to_contain_text("Open")
    visitor.press("Shift+e")
    is_open(visitor, 2)
    visitor.press("e")
    is_open(visitor, 3)
    assert saved_statuses(server, dataset) == ["skipped", "empty", None, None, None]


def test_undo_takes_a_state_back_and_opens_its_image_again(visit: Visit, server: Server, dataset: Path) -> None:
    before = dataset.read_text()
    visitor = visit(server.url)
    visitor.open_image(1)
    visitor.press("Space")
    is_open(visitor, 2)
    visitor.press("Control+z")
    is_open(visitor, 1)
    state(visitor).to_contain_text("Open")
    visitor.answered()
    assert saved_text(server, dataset) == before
    visitor.press("Control+Shift+z")
    state(visitor).to_contain_text("Done")


def test_what_is_drawn_before_space_is_kept_first(visit: Visit, server: Server) -> None:
    visitor = visit(server.url)
    visitor.open_image(2)
    visitor.press("b")
    visitor.drag((100, 100), (300, 200))
    visitor.press("Space")
    is_open(visitor, 1)
    assert [annotation["bbox"] for annotation in server.request("GET", "/api/images/2/annotations").body] == [
        [100, 100, 200, 100]
    ]
    kinds = [[edit["section"] for edit in change["edits"]] for change in server.request("GET", "/api/changes").body]
    assert kinds == [["annotations"], ["images"]]


def test_the_last_image_says_that_nothing_is_left(visit: Visit, server: Server) -> None:
    for image_id in range(2, 6):
        set_status(server, image_id, "done")
    visitor = visit(server.url)
    visitor.open_image(1)
    visitor.press("Space")
    expect(visitor.page.locator(".toast")).to_contain_text("No image is left to do")
    state(visitor).to_contain_text("Done")


def test_what_is_next_is_looked_for_in_the_list_that_one_goes_through(visit: Visit, server: Server) -> None:
    visitor = visit(server.url)
    visitor.open("#/images/1?file_name=4&status=open")
    is_open(visitor, 1)
    visitor.press("Space")
    is_open(visitor, 4)
    assert visitor.page.url.endswith("#/images/4?file_name=4&status=open")


def test_while_the_server_is_away_a_state_waits_and_is_not_lost(visit: Visit, server: Server, dataset: Path) -> None:
    visitor = visit(server.url, expected=("Failed to load",))
    visitor.open_image(1)
    settled(visitor.page)
    back = away(visitor)
    visitor.press("Space")
    state(visitor).to_contain_text("Done")
    state(visitor).to_have_attribute("aria-busy", "true")
    back()
    is_open(visitor, 2)
    assert saved_statuses(server, dataset)[0] == "done"


# By mouse and by touch


def test_the_panel_sets_every_state_by_mouse(visit: Visit, server: Server, dataset: Path) -> None:
    visitor = visit(server.url)
    panel = visitor.page.get_by_role("dialog", name="State of the image")
    visitor.open_image(1)
    # After the approval comes what there is to review.
    for following, act in ((2, "Done"), (3, "Empty"), (4, "Skip"), (1, "Approve")):
        visitor.page.locator("#work-button").click()
        panel.get_by_role("button", name=re.compile(f"^{act}")).click()
        expect(panel).to_be_hidden()
        is_open(visitor, following)
    visitor.page.locator("#work-button").click()
    panel.get_by_role("button", name="Open again").click()
    state(visitor).to_contain_text("Open")
    visitor.answered()
    assert saved_statuses(server, dataset) == [None, "empty", "skipped", "approved", None]
    # The picture has the focus again, and so has Space its meaning.
    visitor.press("Space")
    is_open(visitor, 5)


def test_a_finger_marks_done_and_goes_on(windows: Windows, server: Server, dataset: Path) -> None:
    with windows.opened(**PHONE) as page:
        page.goto(f"{server.url}/#/images/1")
        page.get_by_role("button", name=re.compile("^Done; on")).tap()
        expect(page).to_have_url(re.compile("#/images/2$"))
        page.locator("#work-button").tap()
        page.get_by_role("dialog", name="State of the image").get_by_role("button", name=re.compile("^Empty")).tap()
        expect(page).to_have_url(re.compile("#/images/3$"))
    assert saved_statuses(server, dataset) == ["done", "empty", None, None, None]


# The gallery


def test_tiles_filters_progress_and_statistics_tell_the_states(visit: Visit, server: Server) -> None:
    set_status(server, 2, "done")
    set_status(server, 3, "returned", comment="a cat is missing")
    visitor = visit(server.url)
    visitor.open("#/images")
    page = visitor.page
    marks = page.locator(".tile .status-mark")
    expect(marks).to_have_count(2)
    expect(marks.last).to_have_attribute("title", "Sent back: a cat is missing")
    progress = page.get_by_role("group", name="Progress")
    expect(progress.get_by_role("img", name="1 of 5 images are finished")).to_be_visible()
    # What others do is seen without a reload.
    set_status(server, 5, "empty")
    expect(marks).to_have_count(3)
    expect(progress.get_by_role("img", name="2 of 5 images are finished")).to_be_visible()
    progress.get_by_role("link", name="1 empty").click()
    expect(page.locator(".tile")).to_have_count(1)
    expect(page.locator(".chip")).to_contain_text("Empty")
    expect(page.get_by_label("State", exact=True)).to_have_value("empty")
    page.get_by_label("State", exact=True).select_option("open")
    expect(page.locator(".tile")).to_have_count(2)
    visitor.open("#/statistics")
    page.get_by_role("link", name=re.compile("^Sent back")).click()
    expect(page.locator(".tile")).to_have_count(1)


def test_next_to_do_opens_an_image_that_nobody_else_has(windows: Windows, team: Server) -> None:
    with logged_in(windows, team, "anna") as anna, logged_in(windows, team, "ben") as ben:
        for visitor, image_id in ((anna, 1), (ben, 2)):
            visitor.open("#/images")
            visitor.page.get_by_role("button", name="Next to do").click()
            is_open(visitor, image_id)
        ben.press("Space")
        is_open(ben, 3)
        # What anna has is hers until she has finished it.
        anna.open("#/images")
        # Pressed before the list is shown, the key would mean the image that is open still.
        expect(anna.page.get_by_role("button", name="Next to do")).to_be_visible()
        anna.press("Shift+f")
        is_open(anna, 1)


# Reviews


def test_a_reviewer_approves_or_sends_back_and_the_annotator_sees_why(
    windows: Windows, team: Server, dataset: Path
) -> None:
    with logged_in(windows, team, "anna") as anna, logged_in(windows, team, "ben") as ben:
        ben.open_image(1)
        for image_id in (2, 3):
            ben.press("Space")
            is_open(ben, image_id)
        anna.open("#/images")
        anna.page.get_by_role("button", name="Next to review").click()
        is_open(anna, 1)
        anna.press("Shift+Space")
        is_open(anna, 2)
        anna.press("Shift+x")
        anna.page.get_by_label("What is to be done").fill("the tail too")
        anna.press("Enter")
        expect(anna.page.locator(".toast")).to_contain_text("No image is left to review")
        state(anna).to_contain_text("Sent back")
        # It comes back to whoever did it, before what is open.
        ben.press("Space")
        is_open(ben, 2)
        expect(ben.page.locator(".notice")).to_contain_text("Sent back: the tail too")
        # Once ben has done it again, the words are gone.
        ben.press("Space")
        is_open(ben, 4)
        anna.press("Control+s")
        expect(anna.page.locator("#save-state")).to_contain_text("Saved")
    assert [image.get("annotation_status") for image in json.loads(dataset.read_text())["images"]] == [
        "approved", "done", "done", None, None,
    ]  # fmt: skip


def test_nobody_approves_their_own_work(windows: Windows, team: Server) -> None:
    with logged_in(windows, team, "anna") as anna:
        anna.open_image(1)
        anna.press("Space")
        is_open(anna, 2)
        anna.press("d")
        is_open(anna, 1)
        anna.press("Shift+Space")
        expect(anna.page.locator(".toast")).to_contain_text("you finished image 1 yourself")
        state(anna).to_contain_text("Done")


def test_what_a_role_can_t_do_is_grey_and_its_keys_do_nothing(windows: Windows, team: Server) -> None:
    with logged_in(windows, team, "ben") as ben, logged_in(windows, team, "vera") as vera:
        for visitor, keys, names in (
            (ben, ("Shift+Space", "Shift+b"), ("Approve", "Send back")),
            (vera, ("Space", "e", "x"), ("Done", "Empty", "Skip", "Open again", "Approve")),
        ):
            visitor.open_image(2)
            visitor.press(*keys)
            settled(visitor.page)
            assert visitor.sent == []
            visitor.page.locator("#work-button").click()
            panel = visitor.page.get_by_role("dialog", name="State of the image")
            for name in names:
                expect(panel.get_by_role("button", name=re.compile(f"^{name}"))).to_be_disabled()


def test_all_of_it_is_in_the_dialog_of_keys(visit: Visit, server: Server) -> None:
    visitor = visit(server.url)
    visitor.open_image(1)
    visitor.press("?")
    table = visitor.page.locator(".keys table", has=visitor.page.get_by_text("State of the image", exact=True))
    expect(table.get_by_role("row")).to_have_count(8)
    expect(table.get_by_role("row", name=re.compile("Done; on")).locator("kbd")).to_have_text("Space")
    expect(table.get_by_role("row", name=re.compile("Approve")).locator("kbd")).to_have_text("Shift+Space")
