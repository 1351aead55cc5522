"""The layer of predictions on the page: what is seen of it, and what keys, buttons and fingers write into the file."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from browser import PICTURE, Visit, Visitor, images, needs_browser, records, write_dataset
from playwright.sync_api import Locator, Route, expect
from servers import Server
from windows import serve_again

pytestmark = [pytest.mark.slow, needs_browser]

CAT = '{"id": 1, "image_id": 1, "category_id": 1, "bbox": [100.0, 100.0, 80.0, 60.0], "area": 4800.0, "iscrowd": 0}'
LAYER = """[
{"image_id": 1, "category_id": 1, "bbox": [100.0, 100.0, 80.0, 62.5], "score": 0.99},
{"image_id": 1, "category_id": 2, "bbox": [300.0, 100.50, 80.0, 60.0], "score": 0.90},
{"image_id": 1, "category_id": 1, "bbox": [500, 100, 80, 60], "score": 0.7},
{"image_id": 1, "category_id": 2, "segmentation": [[300, 300.0, 400, 300, 350, 400.25]], "score": 0.6},
{"image_id": 1, "category_id": 1, "bbox": [500, 300, 80, 60], "score": 0.3}
]"""
WINDOW = {"width": 1280, "height": 720 + 46}
"""The line of the predictions takes the height of itself from the picture."""


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with serve_again(write_dataset(tmp_path, [CAT], images(2))) as server:
        yield server


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    return tmp_path / "dataset.json"


def with_layer(server: Server, name: str = "yolo", layer: str = LAYER) -> str:
    """Upload a layer; returns its version."""
    answer = server.request("PUT", f"/api/predictions/{name}", json.loads(layer))
    assert answer.status in (200, 201)
    return str(answer.body["version"])


@pytest.fixture
def visitor(visit: Visit, server: Server) -> Visitor:
    with_layer(server)
    visitor = visit(server.url, viewport=WINDOW)
    visitor.open_image(1)
    expect(line(visitor)).to_contain_text("4 open, 1 covered")
    return visitor


def line(visitor: Visitor) -> Locator:
    return visitor.page.get_by_role("region", name="Predictions")


def button(visitor: Visitor, name: str) -> Locator:
    return line(visitor).get_by_role("button", name=name)


def meant(visitor: Visitor) -> Locator:
    return line(visitor).locator(".meant")


def point(visitor: Visitor, x: float, y: float) -> None:
    visitor.page.mouse.move(*visitor.at(x, y))


def new(server: Server) -> list[dict[str, Any]]:
    """The annotations that were added."""
    return [record for record in records(server, 1) if record["id"] != 1]


def states(server: Server) -> list[str]:
    return [each["_status"] for each in server.request("GET", "/api/images/1/predictions").body]


def test_y_accepts_the_one_under_the_pointer_and_the_file_has_it_with_all_digits(
    visitor: Visitor, server: Server, dataset: Path
) -> None:
    point(visitor, 340, 130)
    expect(meant(visitor)).to_have_text("dog 0.90")
    visitor.press("y")
    visitor.answered()
    expect(line(visitor)).to_contain_text("3 open, 1 covered")
    server.request("POST", "/api/flush")
    saved = dataset.read_text()
    assert '"bbox": [300.0, 100.5, 80.0, 60.0]' in saved or '"bbox": [300.0, 100.50, 80.0, 60.0]' in saved
    (added,) = new(server)
    version = server.request("GET", "/api/predictions/yolo").body["version"]
    assert added["prediction"] == {"layer": "yolo", "version": version, "id": 2, "score": 0.9, "user": None}
    assert (added["category_id"], added["area"], added["segmentation"]) == (2, 4800.0, [])
    assert states(server) == ["open", "accepted", "open", "open", "open"]
    assert CAT in saved


def test_undo_takes_an_accepted_one_back_and_it_is_open_again(visitor: Visitor, server: Server, dataset: Path) -> None:
    server.request("POST", "/api/flush")
    before = dataset.read_bytes()
    point(visitor, 340, 130)
    visitor.press("y")
    visitor.answered()
    visitor.press("Control+z")
    expect(line(visitor)).to_contain_text("4 open, 1 covered")
    visitor.answered()
    server.request("POST", "/api/flush")
    assert dataset.read_bytes() == before
    assert states(server) == ["open"] * 5


def test_shift_y_accepts_all_that_are_shown_as_one_change_but_for_those_that_are_covered(
    visitor: Visitor, server: Server
) -> None:
    revision = server.status()["revision"]["memory"]
    visitor.press("Shift+Y")
    visitor.answered()
    expect(line(visitor)).to_contain_text("1 open, 1 covered")
    assert [each["prediction"]["id"] for each in new(server)] == [2, 3, 4]
    assert new(server)[-1]["area"] == pytest.approx(5012.5)
    assert server.status()["revision"]["memory"] == revision + 1


def test_n_rejects_the_one_under_the_pointer_which_can_be_taken_back(visitor: Visitor, server: Server) -> None:
    point(visitor, 540, 130)
    visitor.press("n")
    expect(line(visitor)).to_contain_text("3 open, 1 covered")
    expect(visitor.page.locator(".toast")).to_contain_text("1 prediction rejected")
    assert states(server) == ["open", "open", "rejected", "open", "open"]
    visitor.page.get_by_role("button", name="Take back").click()
    expect(line(visitor)).to_contain_text("4 open, 1 covered")
    visitor.page.reload()
    expect(line(visitor)).to_contain_text("4 open, 1 covered")
    assert new(server) == []


def test_keys_mean_nothing_where_no_prediction_is_under_the_pointer(visitor: Visitor, server: Server) -> None:
    point(visitor, 800, 500)
    expect(meant(visitor)).to_have_text("Point at a dashed shape")
    for key in ("y", "n"):
        visitor.press(key)
    expect(button(visitor, "Accept:")).to_be_disabled()
    visitor.answered()
    assert new(server) == []
    assert states(server) == ["open"] * 5


def test_threshold_decides_what_is_shown_and_stays_from_image_to_image(visitor: Visitor) -> None:
    slider = line(visitor).get_by_role("slider")
    slider.fill("0.2")
    expect(line(visitor)).to_contain_text("5 open, 1 covered")
    slider.fill("0.95")
    expect(line(visitor)).to_contain_text("1 open, 1 covered")
    visitor.open_image(2)
    expect(line(visitor)).to_contain_text("none open")
    visitor.open_image(1)
    expect(line(visitor)).to_contain_text("0.95")
    expect(line(visitor)).to_contain_text("1 open, 1 covered")


def test_all_can_be_done_by_keyboard_alone(visitor: Visitor, server: Server) -> None:
    for expected in ("cat 0.99, covered", "dog 0.90", "cat 0.70"):
        visitor.press(".")
        expect(meant(visitor)).to_have_text(expected)
    visitor.press(",")
    visitor.press("y")
    visitor.answered()
    visitor.press("?")
    expect(visitor.page.get_by_role("dialog")).to_contain_text("Accept the prediction under the pointer")
    assert [each["prediction"]["id"] for each in new(server)] == [2]


def test_all_can_be_done_by_finger(visit: Visit, server: Server) -> None:
    with_layer(server)
    visitor = visit(server.url, viewport=WINDOW, has_touch=True)
    visitor.open_image(1)
    expect(line(visitor)).to_contain_text("1 covered")
    box = visitor.page.locator(".canvas").bounding_box()
    assert box is not None
    scale = (box["width"] - 24) / PICTURE[0]
    left, top = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    visitor.page.touchscreen.tap(left + (540 - PICTURE[0] / 2) * scale, top + (130 - PICTURE[1] / 2) * scale)
    expect(meant(visitor)).to_have_text("cat 0.70")
    button(visitor, "Accept:").tap()
    visitor.answered()
    assert [each["prediction"]["id"] for each in new(server)] == [3]


def test_another_layer_or_none_can_be_chosen(visitor: Visitor, server: Server) -> None:
    with_layer(server, "later", '[{"image_id": 1, "category_id": 1, "bbox": [5, 5, 9, 9], "score": 0.8}]')
    # The page may know the layers before the editor is there.
    held: list[Route] = []
    visitor.page.route("**/views/editor.js", lambda route: held.append(route))
    with visitor.page.expect_response("**/api/predictions"):
        visitor.page.reload(wait_until="commit")
    while not held:
        visitor.page.wait_for_timeout(20)
    held[0].continue_()
    visitor.page.unroute("**/views/editor.js")
    choice = line(visitor).get_by_role("combobox")
    expect(choice).to_have_value("later")
    expect(line(visitor)).to_contain_text("1 open")
    choice.select_option("yolo")
    expect(line(visitor)).to_contain_text("4 open, 1 covered")
    choice.select_option("No predictions")
    expect(line(visitor).get_by_role("slider")).to_be_hidden()
    visitor.page.reload()
    expect(choice).to_have_value("")


def test_nothing_is_shown_where_there_are_no_layers(visit: Visit, server: Server) -> None:
    visitor = visit(server.url)
    visitor.open_image(1)
    expect(line(visitor)).to_have_count(0)
    visitor.press("n")
    visitor.page.get_by_role("button", name="Brightness, labels, colours").click()
    expect(visitor.page.get_by_label("Names beside shapes")).to_be_checked()
