"""Keypoints by mouse, finger and keyboard: the saved file has the numbers that were placed, and pycocotools takes
them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from browser import Visit, Visitor, images, needs_browser, records, saved_text, text_of, write_dataset
from fingers import WINDOW, Hand
from playwright.sync_api import expect
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval
from servers import Server, until
from windows import serve_again

pytestmark = [pytest.mark.slow, needs_browser]

_NAMES = """nose, left eye, right eye, left ear, right ear, left shoulder, right shoulder, left elbow, right elbow,
left wrist, right wrist, left hip, right hip, left knee, right knee, left ankle, right ankle"""
NAMES = _NAMES.replace("\n", " ").split(", ")
NAMES_IN_FILE = [name.replace(" ", "_") for name in NAMES]
PERSON = {"id": 1, "name": "person", "keypoints": NAMES_IN_FILE, "skeleton": [[1, 2]]}
CATEGORIES = [PERSON, {"id": 2, "name": "cat"}, {"id": 3, "name": "hand", "keypoints": ["wrist", "thumb", "palm"]}]
BOX = (
    '{"id": 41, "image_id": 4, "category_id": 3, "bbox": [100.0, 100, 3e2, 200.5], "segmentation": [], "area": 60150,'
    ' "iscrowd": 0}'
)
POINTS = '{"id": 51, "image_id": 5, "category_id": 3, "keypoints": [200.50, 1.5e2, 2, 0, 0, 0, 400.0, 300, 1],'
POINTS += ' "num_keypoints": 2, "bbox": [200.5, 150, 199.5, 150], "area": 29925.0, "segmentation": [], "iscrowd": 0}'


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_dataset(tmp_path_factory.mktemp("points"), [BOX, POINTS], images(8), CATEGORIES)


@pytest.fixture(scope="module")
def server(dataset: Path) -> Iterator[Server]:
    with serve_again(dataset) as server:
        yield server


@pytest.fixture
def visitor(visit: Visit, server: Server) -> Visitor:
    return visit(server.url)


def saved(server: Server, dataset: Path, image_id: int) -> list[dict[str, Any]]:
    """The annotations of an image in the file, after a save."""
    annotations = json.loads(saved_text(server, dataset))["annotations"]
    return [each for each in annotations if each["image_id"] == image_id]


def choose(visitor: Visitor, name: str) -> None:
    """The category of the next shape."""
    visitor.page.locator(".categories .name", has_text=name).click()
    visitor.page.locator(".canvas").focus()


def test_seventeen_points_are_saved_in_the_order_of_the_names_with_v_box_and_area_and_one_undo_takes_them_back(
    visitor: Visitor, server: Server, dataset: Path
) -> None:
    visitor.open_image(1)
    hint = visitor.page.locator(".hint")
    visitor.press("k")
    places = [(100 + 40 * i, 80 + (37 * i) % 400) for i in range(17)]
    hidden, missing = {3, 16}, {0, 5}
    for i, (x, y) in enumerate(places):
        expect(hint).to_contain_text(f"{NAMES[i]}, {i + 1} of 17")
        if i in missing:
            visitor.press("s")
        else:
            visitor.click(x, y, button="right" if i in hidden else "left")
    expect(visitor.objects).to_have_count(1)
    visitor.answered(1)
    wanted = [
        number
        for i, place in enumerate(places)
        for number in ((0, 0, 0) if i in missing else (*place, 1 if i in hidden else 2))
    ]
    [record] = saved(server, dataset, 1)
    labelled = [place for i, place in enumerate(places) if i not in missing]
    left, right = min(x for x, _ in labelled), max(x for x, _ in labelled)
    top, bottom = min(y for _, y in labelled), max(y for _, y in labelled)
    assert record["keypoints"] == wanted
    assert record["num_keypoints"] == 15
    assert record["bbox"] == [left, top, right - left, bottom - top]
    assert record["area"] == (right - left) * (bottom - top)
    assert (record["segmentation"], record["iscrowd"], record["category_id"]) == ([], 0, 1)
    assert len(visitor.sent) == 1
    visitor.press("Control+z")
    until(lambda: records(server, 1) == [], "one undo takes all points")
    visitor.press("Control+Shift+z")
    until(lambda: records(server, 1) == [record], "and redo brings them back")


def test_pycocotools_opens_the_file_and_evaluates_its_keypoints(
    visitor: Visitor, server: Server, dataset: Path
) -> None:
    visitor.open_image(2)
    visitor.press("k")
    for i in range(17):
        visitor.click(150 + 30 * i, 100 + 20 * (i % 5))
    expect(visitor.objects).to_have_count(1)
    visitor.answered(1)
    [record] = saved(server, dataset, 2)
    truth = COCO(str(dataset))
    found = truth.loadRes([
        {"image_id": 2, "category_id": 1, "keypoints": record["keypoints"], "score": 0.9}
    ])  # fmt: skip
    evaluation = COCOeval(truth, found, "keypoints")
    evaluation.params.imgIds, evaluation.params.catIds = [2], [1]
    evaluation.evaluate()
    evaluation.accumulate()
    evaluation.summarize()
    assert np.isclose(evaluation.stats[0], 1)


def test_fingers_place_points_hide_them_by_a_long_press_and_leave_them_out_by_a_button(
    visit: Visit, server: Server, dataset: Path
) -> None:
    visitor = visit(server.url, has_touch=True, viewport=WINDOW)
    hand = Hand(visitor)
    visitor.open_image(3)
    page = visitor.page
    page.locator(".categories .name", has_text="hand").tap()
    page.get_by_role("button", name="Keypoints", exact=True).tap()
    page.get_by_role("button", name="Not there").tap()
    hand.tap((300, 200))
    # Two fingers move the picture, and place nothing.
    hand.down((500, 400), (600, 400))
    hand.up()
    page.get_by_role("button", name="One back").tap()
    hand.down((400, 300))
    hand.move((420, 330))
    hand.move((440, 360))
    hand.up()
    expect(page.locator(".hint")).to_contain_text("palm, 3 of 3")
    hand.down((350, 250))
    expect(visitor.objects).to_have_count(1)
    hand.up()
    visitor.answered(1)
    assert saved(server, dataset, 3)[0]["keypoints"] == [0, 0, 0, 440, 360, 2, 350, 250, 1]
    assert len(visitor.sent) == 1


def test_keys_alone_give_the_selected_box_its_points_and_leave_the_rest_of_its_text(
    visitor: Visitor, server: Server
) -> None:
    visitor.open_image(4)
    visitor.press("]", "k")
    expect(visitor.page.locator(".hint")).to_contain_text("Selected hand: click wrist, 1 of 3")
    visitor.page.locator(".canvas").focus()
    visitor.press(*["Shift+ArrowLeft"] * 3, "Enter", *["ArrowUp"] * 2, "Shift+Enter", "s")
    visitor.answered(1)
    x, y = 456 - 30, 305
    until(lambda: records(server, 4)[0].get("keypoints") == [x, y, 2, x, y - 2, 1, 0, 0, 0], "the keys placed them")
    assert text_of(server, 41).startswith(BOX[:-1])
    assert len(visitor.sent) == 1


def test_points_are_dragged_hidden_and_taken_away_and_box_and_area_follow(
    visitor: Visitor, server: Server, dataset: Path
) -> None:
    visitor.open_image(5)
    visitor.press("]")
    visitor.drag((200.5, 150), (250.5, 170))
    visitor.click(400, 300, button="right")
    visitor.answered(2)
    [record] = saved(server, dataset, 5)
    assert record["keypoints"] == [250.5, 170, 2, 0, 0, 0, 400, 300, 2]
    assert (record["bbox"], record["area"], record["num_keypoints"]) == ([250.5, 170, 149.5, 130], 149.5 * 130, 2)
    # What nobody moved keeps its digits.
    assert "0, 0, 0, 400.0, 300, 2]" in saved_text(server, dataset)
    visitor.click(300, 250)
    visitor.drag((300, 250), (310, 230))
    visitor.answered(3)
    [record] = saved(server, dataset, 5)
    assert record["keypoints"] == [260.5, 150, 2, 0, 0, 0, 410, 280, 2]
    assert record["bbox"] == [260.5, 150, 149.5, 130]
    visitor.page.keyboard.down("Alt")
    visitor.click(260.5, 150)
    visitor.page.keyboard.up("Alt")
    visitor.answered(4)
    [record] = saved(server, dataset, 5)
    assert (record["keypoints"], record["num_keypoints"]) == ([0, 0, 0, 0, 0, 0, 410, 280, 2], 1)


def test_the_keys_dialog_has_the_tool_and_its_key_and_changing_the_image_asks_first(visitor: Visitor) -> None:
    visitor.open_image(6)
    visitor.press("?")
    dialog = visitor.page.get_by_role("dialog")
    expect(dialog.get_by_role("button", name="K: Keypoints")).to_be_visible()
    expect(dialog.get_by_role("button", name="S: The keypoint is not there")).to_be_visible()
    visitor.press("Escape", "k")
    visitor.click(300, 200)
    visitor.press("f")
    expect(visitor.page.get_by_role("dialog")).to_contain_text("Leave what you are drawing?")


def test_names_and_skeleton_are_edited_in_the_dialog_of_the_category(
    visitor: Visitor, server: Server, dataset: Path
) -> None:
    visitor.open_image(7)
    page = visitor.page
    dialog = page.get_by_role("dialog")
    row = page.locator(".categories li", has_text="cat")

    def edit() -> None:
        row.hover()
        row.get_by_role("button", name="Edit").click()

    edit()
    page.get_by_label("Keypoints, one name a line").fill("nose\nleft_ear\ntail")
    page.get_by_label("Skeleton").fill("nose - left ear\nnose - paw")
    dialog.get_by_role("button", name="Save").click()
    fault = page.get_by_role("alert").filter(has_text="nose - paw")
    expect(fault).to_contain_text("does not join two of the keypoints")
    page.get_by_label("Skeleton").fill("nose - left ear\n1 - 3")
    dialog.get_by_role("button", name="Save").click()
    expect(page.get_by_role("dialog")).to_have_count(0)
    choose(visitor, "cat")
    visitor.press("k")
    visitor.click(200, 200)
    expect(page.locator(".hint")).to_contain_text("Click left ear, 2 of 3")
    visitor.press("Enter")
    visitor.answered(2)
    cat = next(each for each in json.loads(saved_text(server, dataset))["categories"] if each["id"] == 2)
    assert (cat["keypoints"], cat["skeleton"]) == (["nose", "left_ear", "tail"], [[1, 2], [1, 3]])
    # Their number can't be other while annotations have them: the server says so, and what was typed is there.
    edit()
    page.get_by_role("button", name="The 17 of COCO's person").click()
    dialog.get_by_role("button", name="Save").click()
    expect(page.get_by_role("alert").filter(has_text="annotation")).to_be_visible()
    expect(page.get_by_label("Keypoints, one name a line")).to_have_value("\n".join(NAMES_IN_FILE))
    dialog.get_by_role("button", name="Cancel").click()
    visitor.problems[:] = [each for each in visitor.problems if "422" not in each and "409" not in each]
