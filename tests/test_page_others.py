"""Others at the same time: what they change, delete and undo while a hand is at work on the same image."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from browser import BATCH, Gate, Visit, Visitor, images, needs_browser, pumped, records, settled, text_of, write_dataset
from playwright.sync_api import expect
from servers import Server, until
from windows import serve_again

pytestmark = [pytest.mark.slow, needs_browser]

IMAGES = 20
ANNOTATIONS = [
    f'{{"id": {10 * image + i}, "image_id": {image}, "category_id": 1, "bbox": {box}, "area": 127800.0, "iscrowd": 0}}'
    for image in range(1, IMAGES + 1)
    for i, box in enumerate(["[50.0, 60.50, 426.0, 300.0]", "[600.0, 400.0, 1e2, 100.10]"], 1)
]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serve_again(write_dataset(tmp_path_factory.mktemp("others"), ANNOTATIONS, images(IMAGES))) as server:
        yield server


@pytest.fixture
def visitor(visit: Visit, server: Server) -> Visitor:
    """Refused changes are what some of this is about; browsers write them down."""
    return visit(server.url, expected=["Failed to load resource"])


def noticed(visitor: Visitor) -> None:
    """Wait until the page has heard of somebody else's change and has read what it is."""
    expect(visitor.page.locator("#save-state")).to_contain_text("unsaved")
    settled(visitor.page)


# While the mouse is down


def test_a_shape_that_is_deleted_under_the_hand_comes_back_where_one_wants_it(visitor: Visitor, server: Server) -> None:
    visitor.open_image(1)
    visitor.click(300, 200)
    visitor.hold((300, 200), (320, 200))
    assert server.request("DELETE", "/api/annotations/11").status == 204
    noticed(visitor)
    visitor.page.mouse.move(*visitor.at(340, 210))
    visitor.page.mouse.up()
    visitor.page.get_by_role("button", name="Take mine").click()
    until(lambda: len(records(server, 1)) == 2, "it is there again")
    visitor.answered()
    assert text_of(server, 11).replace(" ", "").count('"bbox":[90,70.5,426.0,300.0]') == 1


def test_a_drag_of_another_shape_goes_on_when_its_neighbour_is_changed(visitor: Visitor, server: Server) -> None:
    visitor.open_image(2)
    visitor.click(300, 200)
    visitor.hold((300, 200), (320, 200))
    assert server.request("PATCH", "/api/annotations/22", {"category_id": 2}).status == 200
    expect(visitor.page.locator(".objects")).to_contain_text("dog")
    visitor.page.mouse.move(*visitor.at(340, 210))
    visitor.page.mouse.up()
    until(lambda: records(server, 2)[0]["bbox"] == [90, 70.5, 426, 300], "both changes are there")
    assert records(server, 2)[1]["category_id"] == 2


def test_an_image_that_is_deleted_under_the_hand_is_said_to_be_gone(visitor: Visitor, server: Server) -> None:
    visitor.open_image(3)
    visitor.click(300, 200)
    visitor.hold((300, 200), (320, 200))
    assert server.request("DELETE", "/api/images/3").status == 200
    visitor.page.mouse.move(*visitor.at(340, 210))
    visitor.page.mouse.up()
    expect(visitor.page.locator("#editor")).to_contain_text("no image 3")
    expect(visitor.objects).to_have_count(0)
    visitor.press("f")
    expect(visitor.page).to_have_url(f"{server.url}/#/images/4")
    visitor.painted()
    expect(visitor.objects).to_have_count(2)


def test_escape_gives_a_drag_up_and_shows_what_came_meanwhile(visitor: Visitor, server: Server) -> None:
    visitor.open_image(5)
    visitor.click(300, 200)
    visitor.hold((300, 200), (320, 200))
    assert server.request("PATCH", "/api/annotations/51", {"category_id": 2}).status == 200
    noticed(visitor)
    visitor.press("Escape")
    visitor.page.mouse.up()
    expect(visitor.page.locator(".objects")).to_contain_text("dog")
    visitor.answered()
    assert visitor.sent == []


# Two tabs


def test_two_tabs_on_one_image_see_each_others_changes(visit: Visit, server: Server) -> None:
    one, other = (visit(server.url, expected=["Failed to load resource"]) for _ in range(2))
    for each in (one, other):
        each.open_image(6)
    one.click(300, 200)
    one.drag((300, 200), (320, 200))
    other.click(650, 450)
    other.drag((650, 450), (650, 430))
    until(lambda: [each["bbox"][:2] for each in records(server, 6)] == [[70, 60.5], [600, 380]], "both are there")
    one.press("b")
    one.drag((700, 100), (750, 150))
    other.page.locator(".objects .name").nth(1).click()
    other.press("Delete")
    until(lambda: [each["id"] for each in records(server, 6)][:-1] == [61], "one is new, one is gone")
    for each in (one, other):
        expect(each.objects).to_have_count(2)
        expect(each.objects.first).not_to_have_class("pending")


def test_an_undo_of_what_another_tab_has_changed_since_is_left_out_with_words(visit: Visit, server: Server) -> None:
    one, other = (visit(server.url, expected=["Failed to load resource"]) for _ in range(2))
    for each in (one, other):
        each.open_image(7)
    one.page.locator(".objects .name").first.click()
    one.press("2")
    one.click(650, 450)
    one.press("Delete")
    one.answered()
    expect(other.objects).to_have_count(1)
    other.page.locator(".objects .name").first.click()
    other.press("3")
    until(lambda: records(server, 7)[0]["category_id"] == 5, "the other tab has changed it")
    one.press("Control+z", "Control+z")
    expect(one.page.locator(".toast").last).to_contain_text("Can't undo: annotation 71 was changed since then")
    expect(one.objects).to_have_count(2)
    assert [each["category_id"] for each in records(server, 7)] == [5, 1]


# Undo


def test_an_undo_before_the_answer_takes_back_what_was_not_answered(visitor: Visitor, server: Server) -> None:
    visitor.open_image(8)
    before = text_of(server, 81)
    gate = Gate(visitor, BATCH)
    visitor.click(300, 200)
    visitor.drag((300, 200), (320, 200))
    gate.wait_for_one()
    visitor.press("Control+z")
    gate.open()
    pumped(visitor.page, lambda: len(visitor.sent) == 2, "the undo is sent")
    visitor.answered()
    assert text_of(server, 81) == before
    expect(visitor.page.locator("#undo")).to_be_disabled()


def test_undo_shows_the_image_that_it_is_on(visitor: Visitor, server: Server) -> None:
    visitor.open_image(9)
    visitor.click(300, 200)
    visitor.press("Delete")
    expect(visitor.objects).to_have_count(1)
    visitor.press("f")
    expect(visitor.page).to_have_url(f"{server.url}/#/images/10")
    expect(visitor.objects).to_have_count(2)
    visitor.press("Control+z")
    expect(visitor.page).to_have_url(f"{server.url}/#/images/9")
    expect(visitor.objects).to_have_count(2)
    assert [each["id"] for each in records(server, 9)] == [91, 92]


def test_back_and_forward_show_each_image_with_its_own_changes(visitor: Visitor, server: Server) -> None:
    visitor.open_image(11)
    visitor.open_image(12)
    gate = Gate(visitor, BATCH)
    visitor.click(300, 200)
    visitor.press("Delete")
    visitor.page.go_back()
    expect(visitor.page).to_have_url(f"{server.url}/#/images/11")
    expect(visitor.objects).to_have_count(2)
    visitor.page.go_forward()
    expect(visitor.page).to_have_url(f"{server.url}/#/images/12")
    expect(visitor.objects).to_have_count(1)
    visitor.page.go_back()
    expect(visitor.objects).to_have_count(2)
    gate.open()
    visitor.answered()
    assert [len(records(server, image)) for image in (11, 12)] == [2, 1]


# Categories


def test_the_next_shape_gets_another_category_where_somebody_deleted_its_own(visitor: Visitor, server: Server) -> None:
    category = server.request("POST", "/api/categories", {"name": "soon gone"}).body["id"]
    visitor.open_image(13)
    visitor.page.locator(".categories .name", has_text="soon gone").click()
    assert server.request("DELETE", f"/api/categories/{category}").status == 204
    expect(visitor.page.locator(".categories")).not_to_contain_text("soon gone")
    visitor.press("b")
    visitor.drag((500, 100), (560, 150))
    expect(visitor.objects).to_have_count(3)
    visitor.answered()
    assert records(server, 13)[-1]["category_id"] == 1


def test_a_shape_whose_category_was_just_deleted_is_refused_with_words(visitor: Visitor, server: Server) -> None:
    category = server.request("POST", "/api/categories", {"name": "soon gone too"}).body["id"]
    visitor.open_image(14)
    visitor.page.locator(".categories .name", has_text="soon gone too").click()
    # The page does not hear of it before the shape is drawn.
    gate = Gate(visitor, "**/api/categories*")
    assert server.request("DELETE", f"/api/categories/{category}").status == 204
    visitor.press("b")
    visitor.drag((500, 100), (560, 150))
    expect(visitor.page.locator(".toast").last).to_contain_text("Not changed")
    expect(visitor.objects).to_have_count(2)
    gate.open()
    expect(visitor.page.locator(".categories")).not_to_contain_text("soon gone too")
    visitor.drag((500, 100), (560, 150))
    expect(visitor.objects).to_have_count(3)
    visitor.answered()
    assert records(server, 14)[-1]["category_id"] == 1


def test_deleting_a_category_that_somebody_began_to_use_is_refused_with_words(visitor: Visitor, server: Server) -> None:
    category = server.request("POST", "/api/categories", {"name": "in use"}).body["id"]
    visitor.open_image(15)
    row = visitor.page.locator(".categories li", has_text="in use")
    row.hover()
    row.get_by_label("Delete in use").click()
    expect(visitor.page.get_by_role("dialog")).to_contain_text("No annotation uses it")
    server.add({"image_id": 16, "category_id": category, "bbox": [1, 2, 3, 4]})
    visitor.page.get_by_role("button", name="Delete", exact=True).click()
    expect(visitor.page.locator(".toast").last).to_contain_text("“in use” was not deleted: somebody has just begun")
    assert category in [each["id"] for each in server.request("GET", "/api/categories").body]


def test_undo_brings_a_category_back_with_what_had_it(visitor: Visitor, server: Server) -> None:
    category = server.request("POST", "/api/categories", {"name": "taken back"}).body["id"]
    server.add({"image_id": 17, "category_id": category, "bbox": [1, 2, 30, 40]})
    visitor.open_image(17)
    before = json.dumps(records(server, 17))
    row = visitor.page.locator(".categories li", has_text="taken back")
    row.hover()
    row.get_by_label("Delete taken back").click()
    dialog = visitor.page.get_by_role("dialog")
    visitor.page.get_by_role("button", name="Choose another category").click()
    dialog.get_by_text("dog").click()
    visitor.page.get_by_role("button", name="Move them and delete").click()
    expect(visitor.page.locator(".categories")).not_to_contain_text("taken back")
    visitor.answered()
    visitor.press("Control+z")
    expect(visitor.page.locator(".categories")).to_contain_text("taken back")
    expect(visitor.page.locator(".objects")).to_contain_text("taken back")
    assert json.dumps(records(server, 17)) == before


# Questions in the middle of a drag


def test_a_question_about_one_shape_does_not_disturb_the_drag_of_another(visitor: Visitor, server: Server) -> None:
    visitor.open_image(18)
    gate = Gate(visitor, BATCH)
    visitor.click(300, 200)
    visitor.press("2")
    gate.wait_for_one()
    visitor.click(650, 450)
    visitor.hold((650, 450), (650, 440))
    assert server.request("PATCH", "/api/annotations/181", {"category_id": 5}).status == 200
    gate.open()
    expect(visitor.page.get_by_role("dialog")).to_contain_text("Two versions")
    visitor.page.mouse.move(*visitor.at(650, 430))
    visitor.page.mouse.up()
    visitor.page.get_by_role("button", name="Take theirs").click()
    visitor.answered()
    # Nothing follows the pointer any more, and the next drag begins anew.
    visitor.page.mouse.move(*visitor.at(700, 300))
    visitor.page.mouse.move(*visitor.at(800, 200))
    first, second = records(server, 18)
    assert first["category_id"] == 5
    assert second["bbox"] in ([600, 400, 100, 100.1], [600, 380, 100, 100.1])
    top = second["bbox"][1]
    visitor.drag((650, top + 50), (660, top + 50))
    pumped(visitor.page, lambda: records(server, 18)[1]["bbox"][:2] == [610, top], "it is moved")


def test_a_key_for_the_next_image_in_the_middle_of_a_drag_loses_nothing(visitor: Visitor, server: Server) -> None:
    visitor.open_image(19)
    visitor.click(300, 200)
    visitor.hold((300, 200), (320, 200))
    visitor.press("f")
    expect(visitor.page.get_by_role("dialog")).to_contain_text("Leave what you are drawing?")
    visitor.page.mouse.up()
    visitor.page.get_by_role("button", name="Cancel").click()
    expect(visitor.page).to_have_url(f"{server.url}/#/images/19")
    visitor.page.mouse.move(*visitor.at(500, 500))
    visitor.page.mouse.move(*visitor.at(600, 550))
    visitor.page.locator(".objects .name").first.click()
    visitor.press("2")
    until(lambda: records(server, 19)[0]["category_id"] == 2, "the key was heard")
    assert records(server, 19)[0]["bbox"] in ([50, 60.5, 426, 300], [70, 60.5, 426, 300])
