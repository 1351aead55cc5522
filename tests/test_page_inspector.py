"""The inspector: what is typed there is what the saved file has, and who changed a record is told."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from browser import Visit, Visitor, images, needs_browser, records, saved_text, write_dataset
from playwright.sync_api import expect
from servers import Server, until
from users import logged_in, serve_team
from windows import Windows, serve_again

pytestmark = [pytest.mark.slow, needs_browser]

BOX = (
    '{"id": 11, "image_id": 1, "category_id": 1, "bbox": [100.0, 100, 200, 100], "area": 20000, "segmentation": [],'
    ' "iscrowd": 0, "score": 0.50, "attributes": {"colour": "red"}, "checked": false}'
)
CAPTION = '{"id": 21, "image_id": 2, "caption": "A cat."}'
POINTS = (
    '{"id": 31, "image_id": 3, "category_id": 5, "keypoints": [200.50, 150, 2, 0, 0, 0, 400, 300, 1],'
    ' "num_keypoints": 2, "bbox": [200.5, 150, 199.5, 150], "area": 29925.0, "segmentation": [], "iscrowd": 0}'
)
OTHER_POINTS = POINTS.replace('"id": 31, "image_id": 3', '"id": 51, "image_id": 5')

MIXED = [
    '{"id": 41, "image_id": 4, "category_id": 1, "bbox": [100, 100, 200, 100], "area": 20000, "segmentation": []}',
    '{"id": 42, "image_id": 4, "category_id": 1, "segmentation": [[100, 300, 300, 300, 300, 400]]}',
    '{"id": 43, "image_id": 4, "category_id": 1, "caption": "Two things."}',
]


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_dataset(tmp_path_factory.mktemp("inspector"), [BOX, CAPTION, POINTS, *MIXED, OTHER_POINTS], images(5))


@pytest.fixture(scope="module")
def server(dataset: Path) -> Iterator[Server]:
    with serve_again(dataset) as server:
        yield server


@pytest.fixture
def visitor(visit: Visit, server: Server) -> Visitor:
    return visit(server.url)


def saved(server: Server, dataset: Path, annotation_id: int) -> dict[str, Any]:
    annotations = json.loads(saved_text(server, dataset))["annotations"]
    found: dict[str, Any] = next(each for each in annotations if each["id"] == annotation_id)
    return found


def inspect(visitor: Visitor, image_id: int) -> None:
    """Select the annotation of an image and open its details."""
    visitor.open_image(image_id)
    visitor.page.locator(".objects .name").first.click()
    visitor.page.locator(".details > summary").click()


def test_crowd_and_fields_are_changed_added_and_taken_away_each_as_one_undo(
    visitor: Visitor, server: Server, dataset: Path
) -> None:
    inspect(visitor, 1)
    page = visitor.page
    fields = page.get_by_role("region", name="Fields of its own")
    expect(fields.get_by_label("score", exact=True)).to_have_value("0.50")
    expect(fields.get_by_label("attributes", exact=True)).to_have_value('{"colour":"red"}')
    page.get_by_label("A crowd of several").check()
    fields.get_by_label("score", exact=True).fill("0,750")
    fields.get_by_label("score", exact=True).press("Enter")
    fields.get_by_label("checked", exact=True).check()
    fields.get_by_label("attributes", exact=True).fill('{"colour": ')
    fields.get_by_label("attributes", exact=True).press("Enter")
    expect(fields.get_by_role("alert")).to_contain_text("no JSON")
    fields.get_by_label("attributes", exact=True).fill('{"colour": "blue", "parts": [1, 2.5]}')
    fields.get_by_label("attributes", exact=True).press("Enter")
    fields.get_by_label("Name of a new field").fill("bbox")
    fields.get_by_label("Value of the new field").press("Enter")
    expect(fields.get_by_role("alert")).to_contain_text("COCO's own")
    fields.get_by_label("Name of a new field").fill("weather")
    fields.get_by_label("Value of the new field").fill("rain")
    fields.get_by_label("Value of the new field").press("Enter")
    expect(fields.get_by_label("weather", exact=True)).to_have_value("rain")
    visitor.answered(5)
    found = saved(server, dataset, 11)
    assert found == {
        **json.loads(BOX),
        "iscrowd": 1,
        "score": 0.75,
        "checked": True,
        "attributes": {"colour": "blue", "parts": [1, 2.5]},
        "weather": "rain",
    }
    assert '"score":0.750' in visitor.sent[1]
    assert len(visitor.sent) == 5
    page.get_by_role("button", name="Take the field attributes away").click()
    visitor.answered(6)
    assert "attributes" not in saved(server, dataset, 11)
    page.locator(".canvas").focus()
    visitor.press(*["Control+z"] * 6)
    until(lambda: records(server, 1)[0] == json.loads(BOX), "six undos bring back what six changes did")
    expect(fields.get_by_label("weather", exact=True)).to_have_count(0)


def test_a_caption_is_changed_as_text(visitor: Visitor, server: Server, dataset: Path) -> None:
    inspect(visitor, 2)
    caption = visitor.page.get_by_label("Caption", exact=True)
    expect(caption).to_have_value("A cat.")
    caption.fill('Two cats.\nOne says "no".')
    caption.blur()
    visitor.answered(1)
    assert saved(server, dataset, 21)["caption"] == 'Two cats.\nOne says "no".'


def test_keypoints_are_placed_and_hidden_by_numbers(visitor: Visitor, server: Server, dataset: Path) -> None:
    inspect(visitor, 3)
    page = visitor.page
    state = page.get_by_label("hand: seen, hidden or not there")
    state.select_option("hidden")
    expect(page.get_by_role("region", name="Keypoints").get_by_role("alert")).to_contain_text("Type where it is")
    page.get_by_label("hand, left").fill("300")
    page.get_by_label("hand, top").fill("220.5")
    page.get_by_label("hand, top").press("Enter")
    page.get_by_label("foot: seen, hidden or not there").select_option("seen")
    page.get_by_label("head: seen, hidden or not there").select_option("not there")
    visitor.answered(3)
    found = saved(server, dataset, 31)
    assert found["keypoints"] == [0, 0, 0, 300, 220.5, 1, 400, 300, 2]
    assert (found["bbox"], found["area"], found["num_keypoints"]) == ([300, 220.5, 100, 79.5], 7950, 2)


def test_keypoints_that_are_changed_before_the_page_shows_it_are_all_changed(
    visitor: Visitor, server: Server, dataset: Path
) -> None:
    inspect(visitor, 5)
    expect(visitor.page.get_by_label("foot: seen, hidden or not there")).to_be_visible()
    # No frame is drawn in between, as on a busy machine.
    visitor.page.evaluate(
        """() => {
          for (const [name, value] of [["foot", "2"], ["head", "1"]]) {
            const state = document.querySelector(`select[aria-label^="${name}: seen"]`);
            state.value = value;
            state.dispatchEvent(new Event("change"));
          }
        }"""
    )
    visitor.answered(2)
    assert saved(server, dataset, 51)["keypoints"][2::3] == [1, 0, 2]


def test_the_history_tells_who_changed_what(windows: Windows, tmp_path: Path) -> None:
    dataset = write_dataset(tmp_path, [BOX], images(1))
    with (
        serve_team(dataset, {"anna": "annotator", "ben": "reviewer"}) as team,
        logged_in(windows, team, "anna") as anna,
        logged_in(windows, team, "ben") as ben,
    ):
        anna.open_image(1)
        anna.page.locator(".objects .name").first.click()
        anna.press("2")
        anna.answered(1)
        inspect(ben, 1)
        ben.page.locator(".history > summary").click()
        rows = ben.page.locator(".versions-list li")
        expect(rows).to_have_count(2)
        expect(rows.nth(0)).to_contain_text("anna")
        expect(rows.nth(0)).to_contain_text("just now")
        expect(rows.nth(0)).to_contain_text("changed category_id")
        expect(rows.nth(1)).to_contain_text("In the file")
        # One's own change comes too, once it is saved.
        ben.page.get_by_label("A crowd of several").check()
        expect(rows).to_have_count(3)
        expect(rows.nth(0)).to_contain_text("ben")
        expect(rows.nth(0)).to_contain_text("changed iscrowd")


def test_the_list_stays_under_the_pointer_whatever_is_selected(visitor: Visitor) -> None:
    visitor.open_image(4)
    rows = visitor.page.locator(".objects li")
    before = rows.first.bounding_box()
    for number in (0, 1, 2):
        rows.nth(number).click()
        expect(visitor.current).to_have_attribute("data-key", str(41 + number))
        assert rows.first.bounding_box() == before
    visitor.press("Control+a")
    expect(visitor.current).to_have_count(3)
    assert rows.first.bounding_box() == before


def test_a_locked_annotation_can_be_looked_at_and_not_changed(visitor: Visitor) -> None:
    inspect(visitor, 1)
    visitor.page.locator(".canvas").focus()
    visitor.press("l")
    expect(visitor.page.get_by_label("A crowd of several")).to_be_disabled()
    expect(visitor.page.get_by_label("score", exact=True)).to_be_disabled()
    expect(visitor.page.get_by_label("Name of a new field")).to_be_hidden()
