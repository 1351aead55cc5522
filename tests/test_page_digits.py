"""Numbers that JavaScript would write otherwise (426.0, 1.10, 1e2): those that no hand touched are the same text."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from browser import PICTURE, Visit, Visitor, images, needs_browser, records, saved_text, text_of, write_dataset
from PIL import Image
from playwright.sync_api import expect
from servers import Server, until
from windows import serve_again

pytestmark = [pytest.mark.slow, needs_browser]

ANNOTATIONS = [
    # Image 1: for changes that are undone.
    '{"segmentation": [[500.66,123.0,612.10,120.03,610.45,216.0,1e2,413.02]],"area": 702.1057499999998,'
    '"iscrowd": 0,"image_id": 1,"bbox": [100.0,120.03,512.10,292.99],"category_id": 2,"id": 11}',
    '{"id": 12, "image_id": 1, "category_id": 1, "bbox": [650.10, 60.0, 200.0, 1e2], "area": 20000.0, "score": 1.10}',
    '{"id": 13, "image_id": 1, "category_id": 5, "bbox": [700.0, 300.50, 150.0, 2e2], "area": 3e4, "iscrowd": 0,'
    ' "num_keypoints": 2, "keypoints": [720.0, 320.10, 2, 840.50, 4.9e2, 1, 0.0, 0, 0]}',
    # Image 2: one edge of a box is dragged.
    '{"id": 21, "image_id": 2, "category_id": 1, "bbox": [50.10, 60.50, 426.0, 1e2], "area": 42600.0, "score": 1.10}',
    # Image 3: one corner of a polygon.
    '{"id": 31, "image_id": 3, "category_id": 1, "segmentation": [[100.10, 1e2, 200.0, 100.50, 2e2, 200.0],'
    ' [300.0, 300.10, 400.0, 3e2, 4e2, 400.0]], "area": 1e4, "bbox": [100.10, 1e2, 299.9, 300.0], "iscrowd": 0}',
    # Image 4: half as large as the others' picture, with a corner at its left bottom.
    '{"id": 41, "image_id": 4, "category_id": 1, "segmentation": [[0.0, 305.0, 228.0, 305.00, 228.0, 152.50]],'
    ' "area": 1.0, "bbox": [0.0, 152.50, 228.0, 152.50], "iscrowd": 0}',
    # Image 6: one keypoint.
    '{"id": 61, "image_id": 6, "category_id": 5, "bbox": [300.0, 200.0, 3e2, 200.0], "num_keypoints": 3,'
    ' "keypoints": [310.0, 210.10, 2, 590.0, 3.9e2, 2, 450.50, 300.0, 1], "area": 6e4}',
    # Image 7: a number is typed.
    '{"id": 71, "image_id": 7, "category_id": 1, "bbox": [50.10, 60.0, 426.0, 1e2], "area": 42600.0}',
]
SMALL = (PICTURE[0] // 2, PICTURE[1] // 2)


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("digits")
    Image.new("RGB", SMALL, "green").save(folder / "small.png")
    made = images(7)
    made[3] |= {"file_name": "small.png", "width": SMALL[0], "height": SMALL[1]}
    return write_dataset(folder, ANNOTATIONS, made)


@pytest.fixture(scope="module")
def server(dataset: Path) -> Iterator[Server]:
    with serve_again(dataset) as server:
        yield server


@pytest.fixture
def visitor(visit: Visit, server: Server) -> Visitor:
    return visit(server.url)


def sent(visitor: Visitor) -> str:
    """What the page asked for last, once that is answered."""
    visitor.answered()
    return visitor.sent[-1]


def field(server: Server, annotation_id: int, name: str) -> str:
    """The text of a field in the server, without blanks."""
    text = re.sub(r"\s", "", text_of(server, annotation_id))
    found = re.search(rf'"{name}":(.*?)(,"|\}}$)', text)
    assert found is not None, text
    return found[1]


def test_many_changes_and_as_many_undos_leave_the_file_as_it_was_byte_for_byte(
    visitor: Visitor, server: Server, dataset: Path
) -> None:
    before = saved_text(server, dataset)
    visitor.open_image(1)
    visitor.click(640, 70)
    visitor.click(750, 110)
    for end in ((760, 110), (780, 120), (770, 125)):
        visitor.drag((750, 110), end)
    visitor.press("3", "1", "ArrowLeft", "Shift+ArrowDown")
    visitor.click(780, 450)
    visitor.drag((780, 450), (760, 440))
    visitor.press("Delete")
    expect(visitor.objects).to_have_count(2)
    visitor.click(500, 200)
    visitor.drag((500, 200), (520, 210))
    visitor.press("Delete")
    expect(visitor.objects).to_have_count(1)
    visitor.answered()
    assert saved_text(server, dataset) != before
    for _ in range(2):
        while visitor.page.locator("#undo").is_enabled():
            visitor.press("Control+z")
        expect(visitor.objects).to_have_count(3)
        visitor.answered()
        assert saved_text(server, dataset) == before
        while visitor.page.locator("#redo").is_enabled():
            visitor.press("Control+Shift+z")
        expect(visitor.objects).to_have_count(1)
        visitor.answered()
    assert len(records(server)) == 1


def test_dragging_one_edge_of_a_box_leaves_the_other_numbers(visitor: Visitor, server: Server) -> None:
    visitor.open_image(2)
    visitor.click(200, 100)
    visitor.drag((476, 110), (496, 150))
    assert '"bbox":[50.10,60.50,446,1e2]' in sent(visitor)
    assert field(server, 21, "bbox") == "[50.1,60.5,446,100.0]"
    assert field(server, 21, "score") == "1.10"


def test_dragging_one_corner_leaves_all_other_numbers(visitor: Visitor, server: Server) -> None:
    visitor.open_image(3)
    visitor.click(180, 120)
    visitor.drag((200, 200), (230, 220))
    kept = "[300.0,300.10,400.0,3e2,4e2,400.0]"
    assert f'"segmentation":[[100.10,1e2,200.0,100.50,230,220],{kept}]' in sent(visitor)
    kept = "[300.0,300.1,400.0,300.0,400.0,400.0]"
    assert field(server, 31, "segmentation") == f"[[100.1,100.0,200.0,100.5,230,220],{kept}]"


def test_dragging_one_keypoint_leaves_the_others(visitor: Visitor, server: Server) -> None:
    visitor.open_image(6)
    visitor.click(400, 250)
    visitor.drag((590, 390), (560, 370))
    assert '"keypoints":[310.0,210.10,2,560,370,2,450.50,300.0,1]' in sent(visitor)
    assert field(server, 61, "keypoints") == "[310.0,210.1,2,560,370,2,450.5,300.0,1]"
    assert field(server, 61, "bbox") == "[300.0,200.0,3e2,200.0]"


def test_typing_one_number_leaves_the_others(visitor: Visitor, server: Server) -> None:
    visitor.open_image(7)
    visitor.click(200, 100)
    visitor.page.get_by_label("Top").fill("62.25")
    visitor.page.get_by_label("Top").press("Enter")
    assert '"bbox":[50.10,62.25,426.0,1e2]' in sent(visitor)
    assert field(server, 71, "bbox") == "[50.1,62.25,426.0,100.0]"


def test_a_relabelled_record_differs_in_its_category_alone(visitor: Visitor, server: Server, dataset: Path) -> None:
    before = next(
        line for line in saved_text(server, dataset).splitlines() if '"id": 41}' in line or '"id": 41,' in line
    )
    visitor.open_image(4)
    visitor.page.locator(".objects .name").first.click()
    visitor.press("2")
    until(lambda: records(server, 4)[0]["category_id"] == 2, "it is a dog")
    assert before.replace('"category_id": 1', '"category_id": 2') in saved_text(server, dataset)


def test_no_number_of_one_picture_gets_into_another_one(visitor: Visitor, server: Server) -> None:
    visitor.open_image(4)
    visitor.page.locator(".objects .name").first.click()
    visitor.drag((400, 600), (410, 600))
    visitor.open_image(5)
    # The same numbers are 0.0, 228.0, 305.00 in the picture before; its left bottom corner is another place here.
    visitor.press("p")
    for x, y in [(-8, 616), (228, 610), (228, 305), (0, 305)]:
        visitor.click(x, y)
    visitor.press("Enter")
    expect(visitor.objects).to_have_count(1)
    assert '"segmentation":[[0,610,228,610,228,305,0,305]]' in sent(visitor)
    (drawn,) = records(server, 5)
    assert field(server, drawn["id"], "segmentation") == "[[0,610,228,610,228,305,0,305]]"
