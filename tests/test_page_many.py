"""Many annotations at once, and copies: one change and one undo for all, and the saved file has what was copied."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from browser import Visit, Visitor, images, needs_browser, records, saved_text, write_dataset
from fingers import WINDOW, Hand
from playwright.sync_api import expect
from pycocotools import mask as masks
from servers import Server, until
from windows import serve_again

pytestmark = [pytest.mark.slow, needs_browser]

SIDES = (60, 40)
FIRST = {1: 10, 2: 20, 3: 30, 4: 40, 5: 50, 6: 60, 8: 80}


def row(image_id: int, count: int = 4) -> list[str]:
    """Boxes beside one another, of the categories 1 and 2 in turn."""
    return [
        f'{{"id": {FIRST[image_id] + i}, "image_id": {image_id}, "category_id": {1 + i % 2}, "segmentation": [],'
        f' "bbox": [{100 + 100 * i}, 100.0, {SIDES[0]}, {SIDES[1]}], "area": 2400, "iscrowd": 0}}'
        for i in range(count)
    ]


MIXED = [
    '{"id": 90, "image_id": 9, "category_id": 1, "segmentation": [[100.0, 100.50, 3e2, 100, 300, 300.125]],'
    ' "area": 20012.5, "bbox": [100.0, 100, 200, 200.125], "iscrowd": 0,'
    ' "attributes": {"colour": "red", "seen": [1, 2.50]}}',
    '{"id": 91, "image_id": 9, "category_id": 5, "bbox": [400.0, 100, 200, 2e2], "area": 40000, "segmentation": [],'
    ' "iscrowd": 0, "keypoints": [450.0, 150, 2, 0, 0, 0, 550, 250, 1], "num_keypoints": 2, "score": 0.50}',
    '{"id": 92, "image_id": 9, "category_id": 2, "segmentation": {"size": [610, 912], "counts": "MASK"}, "area": 5000,'
    ' "bbox": [700, 100, 50, 100], "iscrowd": 1, "note": "a \\"crowd\\""}',
    '{"id": 93, "image_id": 9, "category_id": 1, "caption": "Three things.", "iscrowd": 0}',
]
SHAPES = 3


def encoded() -> str:
    """The compressed text of a rectangle of 50 x 100 pixels at (700, 100)."""
    counts: bytes = masks.frPyObjects([[700, 100, 750, 100, 750, 200, 700, 200]], 610, 912)[0]["counts"]
    return counts.decode().replace("\\", "\\\\")


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = images(30)
    made[19] |= {"width": 500, "height": 250}
    texts = [*(text for image_id in FIRST for text in row(image_id)), *MIXED]
    folder = tmp_path_factory.mktemp("many")
    return write_dataset(folder, [text.replace("MASK", encoded()) for text in texts], made)


@pytest.fixture(scope="module")
def server(dataset: Path) -> Iterator[Server]:
    with serve_again(dataset) as server:
        yield server


@pytest.fixture
def visitor(visit: Visit, server: Server) -> Visitor:
    return visit(server.url)


def saved(server: Server, dataset: Path, image_id: int) -> list[dict[str, Any]]:
    annotations = json.loads(saved_text(server, dataset))["annotations"]
    return [each for each in annotations if each["image_id"] == image_id]


def without_ids(record: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in record.items() if key not in ("id", "image_id")}


def go_on(visitor: Visitor, server: Server, image_id: int) -> None:
    """To the image with this id, which is the next one."""
    visitor.page.evaluate("performance.clearMeasures('image')")
    visitor.press("f")
    expect(visitor.page).to_have_url(f"{server.url}/#/images/{image_id}")
    visitor.painted()


def selected(visitor: Visitor) -> list[str]:
    rows = visitor.page.locator(".objects .current")
    return rows.evaluate_all("all => all.map(each => each.dataset.key)")  # type: ignore[no-any-return]


def by_frame(visitor: Visitor) -> None:
    visitor.page.keyboard.down("Shift")
    visitor.drag((90, 80), (390, 200))
    visitor.page.keyboard.up("Shift")


def by_clicks(visitor: Visitor) -> None:
    visitor.click(130, 120)
    visitor.page.keyboard.down("Control")
    visitor.click(230, 120)
    visitor.click(330, 120)
    visitor.page.keyboard.up("Control")


def by_range_in_the_list(visitor: Visitor) -> None:
    # The first one was chosen in the picture.
    visitor.click(130, 120)
    visitor.page.locator(".objects .name").nth(2).click(modifiers=["Shift"])


WAYS: dict[int, Callable[[Visitor], None]] = {1: by_frame, 2: by_clicks, 3: by_range_in_the_list}


def change_three(
    visitor: Visitor, server: Server, dataset: Path, image_id: int, select: Callable[[Visitor], None]
) -> None:
    before = records(server, image_id)
    visitor.open_image(image_id)
    visitor.sent.clear()
    select(visitor)
    keys = [str(FIRST[image_id] + i) for i in range(3)]
    until(lambda: selected(visitor) == keys, "three are selected")
    visitor.drag((230, 120), (240, 150))
    visitor.press("3")
    visitor.answered(2)
    found = saved(server, dataset, image_id)
    moved = [[110 + 100 * i, 130, *SIDES] for i in range(3)]
    assert [each["bbox"] for each in found] == [*moved, [400, 100, *SIDES]]
    assert [each["category_id"] for each in found] == [5, 5, 5, 2]
    visitor.press("Delete")
    expect(visitor.objects).to_have_count(1)
    visitor.answered(3)
    assert [each["id"] for each in saved(server, dataset, image_id)] == [FIRST[image_id] + 3]
    assert len(visitor.sent) == 3
    visitor.press(*["Control+z"] * 3)
    until(lambda: records(server, image_id) == before, "three undos bring back what three changes did")


def test_three_of_four_are_selected_moved_relabelled_and_deleted_each_as_one_change_and_one_undo(
    visitor: Visitor, server: Server, dataset: Path
) -> None:
    for image_id, select in WAYS.items():
        change_three(visitor, server, dataset, image_id, select)


def test_all_and_all_of_this_category_are_selected_by_keys_and_by_the_menu(visitor: Visitor) -> None:
    visitor.open_image(4)
    visitor.press("Control+a")
    until(lambda: selected(visitor) == ["40", "41", "42", "43"], "all are selected")
    visitor.click(230, 120)
    visitor.press("Control+Shift+a")
    until(lambda: selected(visitor) == ["41", "43"], "those of its category are selected")
    visitor.click(130, 120)
    visitor.page.get_by_role("button", name="More for annotations").click()
    visitor.page.get_by_role("button", name="All of this category").click()
    until(lambda: selected(visitor) == ["40", "42"], "the menu does the same")
    expect(visitor.page.get_by_role("dialog", name="More for annotations")).to_be_hidden()


def test_what_is_hidden_is_not_selected_with_all(visitor: Visitor, server: Server) -> None:
    visitor.open_image(8)
    visitor.objects.nth(1).hover()
    visitor.objects.nth(1).get_by_role("button", name="Hide").click()
    visitor.page.locator(".canvas").focus()
    visitor.press("Control+a")
    until(lambda: selected(visitor) == ["80", "82", "83"], "the hidden one is left alone")
    visitor.click(130, 120)
    visitor.press("Control+Shift+a", "Shift+c")
    visitor.answered()
    until(lambda: [each["iscrowd"] for each in records(server, 8)] == [1, 0, 1, 0], "two are crowds, as one change")
    assert len(visitor.sent) == 1


def test_a_finger_that_rests_on_a_shape_adds_it_to_what_is_selected(visit: Visit, server: Server) -> None:
    visitor = visit(server.url, has_touch=True, viewport=WINDOW)
    hand = Hand(visitor)
    visitor.open_image(5)
    hand.tap((130, 120))
    until(lambda: selected(visitor) == ["50"], "one is selected")
    hand.down((330, 120))
    until(lambda: selected(visitor) == ["50", "52"], "another one is selected too")
    hand.up()
    visitor.page.get_by_role("button", name="More for annotations").tap()
    visitor.page.get_by_role("button", name="Duplicate").tap()
    until(lambda: len(records(server, 5)) == 6, "both are there twice")
    assert [each["bbox"] for each in records(server, 5)[4:]] == [[110, 110, *SIDES], [310, 110, *SIDES]]


def test_copies_on_another_image_have_the_place_and_every_field_and_all_digits(
    visitor: Visitor, server: Server, dataset: Path
) -> None:
    visitor.open_image(9)
    visitor.press("Control+a", "Control+c")
    expect(visitor.page.locator(".toast").last).to_contain_text("4 annotations copied")
    go_on(visitor, server, 10)
    visitor.press("Control+v")
    expect(visitor.objects).to_have_count(4)
    visitor.answered(1)
    assert len(visitor.sent) == 1
    originals, copies = saved(server, dataset, 9), saved(server, dataset, 10)
    assert [without_ids(each) for each in copies] == [without_ids(each) for each in originals]
    for text in ("[100.0,100.50,3e2,100,300,300.125]", "[1,2.50]", "[450.0,150,2,", '"score":0.50', "2e2"):
        assert text in visitor.sent[0]
    visitor.press("Control+z")
    until(lambda: records(server, 10) == [], "one undo takes all of them back")


def test_a_copy_on_the_same_image_is_at_the_pointer(visitor: Visitor, server: Server, dataset: Path) -> None:
    visitor.open_image(6)
    visitor.click(130, 120)
    visitor.press("Control+c")
    visitor.page.mouse.move(*visitor.at(500, 400))
    visitor.press("Control+v")
    visitor.answered(1)
    assert saved(server, dataset, 6)[-1]["bbox"] == [470, 380, *SIDES]
    # At the edge it stays inside; a duplicate lies aside.
    visitor.page.mouse.move(*visitor.at(910, 400))
    visitor.press("Control+v", "Control+d")
    visitor.answered(3)
    assert [each["bbox"] for each in saved(server, dataset, 6)[-2:]] == [[852, 380, *SIDES], [852, 390, *SIDES]]
    assert len(visitor.sent) == 3


def test_the_shapes_of_the_image_before_are_repeated_and_dragged_as_a_group(
    visitor: Visitor, server: Server, dataset: Path
) -> None:
    visitor.open_image(9)
    go_on(visitor, server, 10)
    visitor.press("b", "Alt+r")
    expect(visitor.current).to_have_count(SHAPES)
    visitor.drag((500, 200), (520, 230))
    visitor.answered(2)
    found = saved(server, dataset, 10)
    assert found[0]["segmentation"] == [[120, 130.5, 320, 130, 320, 330.125]]
    assert found[1]["bbox"] == [420, 130, 200, 200]
    assert found[1]["keypoints"] == [470, 180, 2, 0, 0, 0, 570, 280, 1]
    assert found[2]["bbox"] == [720, 130, 50, 100]
    assert masks.area({"size": [610, 912], "counts": found[2]["segmentation"]["counts"].encode()}) == 5000
    assert (found[2]["iscrowd"], found[2]["note"]) == (1, 'a "crowd"')
    assert len(visitor.sent) == 2
    visitor.press("Control+z", "Control+z")
    until(lambda: records(server, 10) == [], "two undos: the drag, and the copies")


def test_on_a_smaller_image_a_mask_is_cut_and_what_lies_beside_it_is_left_out(
    visitor: Visitor, server: Server, dataset: Path
) -> None:
    visitor.open_image(9)
    visitor.press("Control+a", "Control+c")
    visitor.page.evaluate("performance.clearMeasures('image'); location.hash = '#/images/20'")
    expect(visitor.page.locator(".editor .bar")).to_contain_text(re.compile("500 . 250"))
    visitor.painted()
    visitor.press("Control+v")
    expect(visitor.page.locator(".toast").last).to_contain_text("1 annotation left out")
    visitor.answered(1)
    assert [each.get("caption") for each in saved(server, dataset, 20)] == [None, None, "Three things."]
