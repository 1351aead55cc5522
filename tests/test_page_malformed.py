"""Records that can't be drawn, of every kind: they are named with their text, and those beside them can be worked on.
And records that are odd but right: one id twice, keypoints alone, masks with holes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from browser import PICTURE, Visit, Visitor, images, needs_browser, records, saved_text, write_dataset
from playwright.sync_api import expect
from servers import Server, until
from windows import serve_again

pytestmark = [pytest.mark.slow, needs_browser]

# Each makes an annotation that can't be drawn, and why.
KINDS = {
    '"segmentation": [10, 10, 200, 10, 200, 200]': "one flat list of numbers",
    '"segmentation": [[[10, 10], [200, 10], [200, 200]]]': "nested",
    '"segmentation": [[10, 10, 200, 10, 200, 200], 7]': "polygon 2 is a number",
    '"segmentation": {"polygon": 1}': "size",
    '"segmentation": "10,10,200,10"': "the segmentation is text",
    '"segmentation": [["10", "10", "200", "10", "200", "200"]]': "text where a number should be",
    '"segmentation": [[10, 10, null, 10, 200, 200]]': "null where a number should be",
    '"segmentation": [[10, 10, 200, 10, 200]]': "odd number of coordinates",
    '"segmentation": [[10, 10, 200, 10]]': "fewer than three corners",
    '"segmentation": [[]]': "fewer than three corners",
    '"segmentation": [[10, 10, 1e300, 10, 200, 200]]': "far too large",
    '"segmentation": {"size": [610, 912]}': "counts",
    '"segmentation": {"counts": [1, 2]}': "size",
    '"segmentation": {"size": "610x912", "counts": [1, 2]}': "size",
    '"segmentation": {"size": [610, 912], "counts": [-1, 2]}': "counts",
    '"segmentation": {"size": [610, 912], "counts": [5, 6]}': "counts",
    '"segmentation": {"size": [610, 912], "counts": "not a mask"}': "counts",
    '"segmentation": null': "no segmentation",
    '"bbox": "10,10,200,200"': "the box is text",
    '"bbox": ["10", "10", "200", "200"]': "text where a number should be",
    '"bbox": {"x": 10}': "the box is an object",
    '"bbox": [10, 10, 200]': "3 numbers",
    '"bbox": [10, 10, -200, 200]': "negative",
    '"bbox": [10, 10, 200, null]': "null where a number should be",
    '"keypoints": [10, 10]': "2 numbers",
    '"keypoints": "10,10,2"': "text",
    '"keypoints": [10, 10, 7]': "v that is not",
    '"bbox": [10, 10, 200, 200], "keypoints": {"head": [1, 2]}': "keypoints is an object",
    '"iscrowd": "no"': "no segmentation",
}
ODD = len(KINDS) + 1
ALONE = (1, 14, 19, 25, 29)
"""Images of one broken shape: polygons, a mask, a box, keypoints, and nothing to draw."""
TOGETHER = {ODD + 1 + start // 10: [*KINDS][start : start + 10] for start in range(0, len(KINDS), 10)}
"""Images that have several kinds, and which."""
IMAGES = ODD + len(TOGETHER)
# A ring of 300 x 300 pixels from (300, 100) on, with a hole of 100 x 100 in its middle.
COLUMNS = [[100, 300, 210]] * 100 + [[100, 100, 100, 100, 210]] * 100 + [[100, 300, 210]] * 100


def runs() -> list[int]:
    """The mask as COCO's uncompressed counts, column by column."""
    counts = [610 * 300]
    for column in [*COLUMNS, [610 * (PICTURE[0] - 600)]]:
        counts[-1] += column[0]
        counts.extend(column[1:])
    return counts


def broken_id(image_id: int) -> int:
    return 10 * image_id + 2


def together_id(image_id: int, number: int) -> int:
    """The id of an annotation of an image with several kinds; the good ones have 0 and the last number."""
    return 100 * image_id + number


def texts() -> Iterator[str]:
    """Each broken shape between two good ones, several of them between two, then the odd image."""
    for image_id, fields in enumerate(KINDS, 1):
        yield from _between(image_id, {broken_id(image_id): fields}, 10 * image_id + 1, 10 * image_id + 3)
    for image_id, kinds in TOGETHER.items():
        broken = {together_id(image_id, number): fields for number, fields in enumerate(kinds, 1)}
        yield from _between(image_id, broken, together_id(image_id, 0), together_id(image_id, len(kinds) + 1))
    record = f'"image_id": {ODD}, "category_id": 1'
    yield f'{{"id": 9001, {record}, "bbox": [50, 50, 100, 50], "area": 5000}}'
    yield f'{{"id": 9001, {record}, "bbox": [50, 400, 100, 50], "area": 5000}}'
    yield f'{{"id": 9002, {record}, "keypoints": [700, 400, 2, 800, 400, 2, 750, 500, 2], "num_keypoints": 3}}'
    yield f'{{"id": 9003, {record}, "segmentation": {{"size": [610, 912], "counts": {runs()}}}, "area": 80000}}'
    yield f'{{"id": 9004, {record}, "bbox": [10, 10, 890, 590], "area": 525100}}'


def _between(image_id: int, broken: dict[int, str], first: int, last: int) -> Iterator[str]:
    record = f'"image_id": {image_id}, "category_id": 1'
    yield f'{{"id": {first}, {record}, "bbox": [300, 100, 100, 50], "area": 5000}}'
    for annotation_id, fields in broken.items():
        yield f'{{"id": {annotation_id}, {record}, {fields}}}'
    yield f'{{"id": {last}, {record}, "segmentation": [[500, 100, 700, 100, 700, 300, 500, 300]]}}'


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_dataset(tmp_path_factory.mktemp("malformed"), [*texts()], images(IMAGES))


@pytest.fixture(scope="module")
def server(dataset: Path) -> Iterator[Server]:
    with serve_again(dataset) as server:
        yield server


@pytest.fixture
def visitor(visit: Visit, server: Server) -> Visitor:
    return visit(server.url)


def drag_those_beside(visitor: Visitor) -> None:
    for start in ((350, 125), (600, 200)):
        visitor.click(*start)
        visitor.drag(start, (start[0] + 10, start[1] + 20))
    visitor.answered()


def are_kept(before: str, after: str, broken: list[int]) -> None:
    kept = [line for line in before.splitlines() if line.startswith(tuple(f'{{"id": {each},' for each in broken))]
    assert len(kept) == len(broken)
    assert [line for line in kept if line not in after.splitlines()] == []


def test_each_of_several_broken_shapes_is_named_and_those_beside_them_can_be_changed(
    visitor: Visitor, server: Server, dataset: Path
) -> None:
    before = saved_text(server, dataset)
    broken = []
    for image_id, kinds in TOGETHER.items():
        ids = [together_id(image_id, number) for number in range(1, len(kinds) + 1)]
        broken += ids
        visitor.open_image(image_id)
        expect(visitor.objects).to_have_count(len(kinds) + 2)
        expect(visitor.page.locator(".objects .broken")).to_have_count(len(kinds))
        for annotation_id, fields in zip(ids, kinds, strict=True):
            row = visitor.page.locator(f".objects .broken[data-key='{annotation_id}'] .name")
            assert KINDS[fields] in (row.get_attribute("title") or ""), fields
        expect(visitor.page.locator(".notice")).to_contain_text(f"{len(kinds)} annotations can't be drawn")
        drag_those_beside(visitor)
        first, *others, last = records(server, image_id)
        assert (first["bbox"], last["segmentation"][0][:2]) == ([310, 120, 100, 50], [510, 120])
        assert [each["id"] for each in others] == ids
    assert len(broken) == len(KINDS)
    are_kept(before, saved_text(server, dataset), broken)


@pytest.mark.torture
def test_a_broken_shape_is_named_and_those_beside_it_can_be_changed(
    visitor: Visitor, server: Server, dataset: Path, torture: bool
) -> None:
    before = saved_text(server, dataset)
    alone = range(1, ODD) if torture else ALONE
    for image_id in alone:
        fields, why = [*KINDS.items()][image_id - 1]
        visitor.open_image(image_id)
        expect(visitor.objects, fields).to_have_count(3)
        row = visitor.page.locator(".objects .broken .name")
        expect(row, fields).to_have_count(1)
        assert why in (row.get_attribute("title") or ""), fields
        expect(visitor.page.locator(".notice"), fields).to_contain_text("1 annotation can't be drawn")
        drag_those_beside(visitor)
        first, broken, last = records(server, image_id)
        assert (first["bbox"], last["segmentation"][0][:2]) == ([310, 120, 100, 50], [510, 120]), fields
        assert broken["id"] == broken_id(image_id)
    are_kept(before, saved_text(server, dataset), [*map(broken_id, alone)])


def test_the_text_of_a_broken_shape_is_shown_as_it_is_in_the_file(visitor: Visitor) -> None:
    for image_id in (1, 15):
        visitor.open_image(image_id)
        visitor.page.get_by_role("button", name="Show it").click()
        text = visitor.page.get_by_role("dialog").locator("pre").inner_text()
        assert [*KINDS][image_id - 1].replace(" ", "") in "".join(text.split())
        visitor.press("Escape")


def test_the_gallery_shows_all_images_where_some_have_broken_shapes(visitor: Visitor) -> None:
    visitor.open("#/images")
    expect(visitor.page.locator(".tile").first).to_be_visible()
    # Something is drawn on each: a good shape stands before and after the broken one.
    painted = """() => [...document.querySelectorAll(".tile:has(canvas)")].filter(tile => {
        const {data} = tile.querySelector("canvas").getContext("2d").getImageData(0, 0, 999, 999);
        return data.some(each => each);
    }).map(tile => Number(tile.dataset.id))"""
    seen: set[int] = set()

    def all_seen() -> bool:
        seen.update(visitor.page.evaluate(painted))
        visitor.page.locator(".scroller").evaluate("scroller => scroller.scrollBy(0, 200)")
        return len(seen) == IMAGES

    until(all_seen, "each has been seen with its shapes")


def test_a_broken_shape_can_be_deleted_and_brought_back(visitor: Visitor, server: Server, dataset: Path) -> None:
    line = next(each for each in saved_text(server, dataset).splitlines() if each.startswith('{"id": 22,'))
    visitor.open_image(2)
    visitor.page.locator(".objects .broken .name").click()
    visitor.press("Delete")
    expect(visitor.objects).to_have_count(2)
    visitor.answered()
    assert line not in saved_text(server, dataset)
    visitor.press("Control+z")
    expect(visitor.objects).to_have_count(3)
    visitor.answered()
    assert line in saved_text(server, dataset)


def test_two_annotations_with_one_id_are_both_there(visitor: Visitor) -> None:
    visitor.open_image(ODD)
    expect(visitor.objects).to_have_count(5)
    keys = []
    for y in (75, 425):
        visitor.click(100, y)
        expect(visitor.current).to_have_count(1)
        keys.append(visitor.current.get_attribute("data-key"))
    assert keys == ["9001", "9001#2"]


def test_keypoints_alone_are_a_shape_and_can_be_moved(visitor: Visitor, server: Server) -> None:
    visitor.open_image(ODD)
    visitor.click(750, 440)
    expect(visitor.current).to_have_attribute("data-key", "9002")
    visitor.drag((750, 440), (740, 430))
    visitor.answered()
    (record,) = (each for each in records(server, ODD) if each["id"] == 9002)
    assert record["keypoints"] == [690, 390, 2, 790, 390, 2, 740, 490, 2]


def test_a_mask_is_hit_by_its_pixels_and_not_by_its_box(visitor: Visitor) -> None:
    visitor.open_image(ODD)
    visitor.click(320, 120)
    expect(visitor.current).to_have_attribute("data-key", "9003")
    visitor.click(450, 250)
    expect(visitor.current).to_have_attribute("data-key", "9004")
