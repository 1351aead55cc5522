"""The annotator page in a real browser, on a real server: what people do, and what is in the file then."""

import hashlib
import json
import re
import urllib.request
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from browser import PICTURE, Visit, Visitor, needs_browser
from PIL import Image
from playwright.sync_api import expect
from s3_copies import Object
from s3_servers import S3Server
from servers import ROOT, Server, send, until
from windows import serve_again

from cocoannot.settings import Settings

pytestmark = [pytest.mark.slow, needs_browser]

POLYGON = [100.25, 100.123456, 200.5, 100.0, 200.0, 200.0, 100.0, 200.0]
DATASET: dict[str, Any] = {
    "images": [
        {"id": 1, "file_name": "one.png", "width": PICTURE[0], "height": PICTURE[1]},
        {"id": 2, "file_name": "two.png", "width": PICTURE[0], "height": PICTURE[1]},
    ],
    "annotations": [
        {
            "id": 7,
            "image_id": 1,
            "category_id": 1,
            "segmentation": [POLYGON],
            "area": 9987.5,
            "bbox": [100.0, 100.0, 100.5, 100.0],
            "iscrowd": 0,
            "note": {"by": "Ada"},
        },
        {"id": 8, "image_id": 1, "category_id": 2, "bbox": [50, 50, 400, 300], "area": 120000, "iscrowd": 0},
    ],
    "categories": [{"id": 1, "name": "cat"}, {"id": 2, "name": "dog"}, {"id": 5, "name": "person"}],
}


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    for name, colour in (("one.png", "navy"), ("two.png", "darkgreen")):
        Image.new("RGB", PICTURE, colour).save(tmp_path / name)
    path = tmp_path / "dataset.json"
    path.write_text(json.dumps(DATASET))
    return path


@pytest.fixture
def server(dataset: Path) -> Iterator[Server]:
    with serve_again(dataset) as server:
        yield server


@pytest.fixture
def visitor(visit: Visit, server: Server) -> Visitor:
    """Somebody who has image 1 open."""
    visitor = visit(server.url)
    visitor.open_image(1)
    return visitor


def saved(server: Server, dataset: Path) -> dict[int, dict[str, Any]]:
    """The annotations in the file, after a save, by id."""
    assert server.request("POST", "/api/flush", {}).status == 200
    return {annotation["id"]: annotation for annotation in json.loads(dataset.read_bytes())["annotations"]}


def annotations(server: Server) -> list[dict[str, Any]]:
    """The annotations of image 1 in the server."""
    found: list[dict[str, Any]] = server.request("GET", "/api/images/1/annotations").body
    return found


# Drawing


def test_a_box_drawn_by_mouse_has_the_exact_numbers_in_the_file(
    visitor: Visitor, server: Server, dataset: Path
) -> None:
    visitor.press("b", "2")
    visitor.drag((500, 300), (620, 390))
    expect(visitor.objects).to_have_count(3)
    visitor.answered()
    added = saved(server, dataset)[9]
    assert added == {
        "id": 9,
        "image_id": 1,
        "category_id": 2,
        "bbox": [500, 300, 120, 90],
        "segmentation": [],
        "area": 10800,
        "iscrowd": 0,
    }


def test_a_polygon_drawn_by_mouse_has_the_exact_numbers_in_the_file(
    visitor: Visitor, server: Server, dataset: Path
) -> None:
    visitor.press("p")
    for x, y in [(500, 300), (600, 300), (600, 400)]:
        visitor.click(x, y)
    visitor.click(500, 300)
    expect(visitor.objects).to_have_count(3)
    visitor.answered()
    added = saved(server, dataset)[9]
    assert added["segmentation"] == [[500, 300, 600, 300, 600, 400]]
    assert (added["bbox"], added["area"]) == ([500, 300, 100, 100], 5000)


def test_the_tool_stays_and_shapes_are_kept_inside_the_picture(visitor: Visitor, server: Server) -> None:
    visitor.press("b")
    visitor.drag((836, 496), (925, 620))
    expect(visitor.objects).to_have_count(3)
    visitor.drag((600, 500), (650, 550))
    expect(visitor.objects).to_have_count(4)
    visitor.answered()
    assert [each["bbox"] for each in annotations(server)[2:]] == [[836, 496, 76, 114], [600, 500, 50, 50]]


def test_a_degenerate_shape_is_refused(visitor: Visitor, server: Server) -> None:
    visitor.press("p")
    for x in (500, 600, 700):
        visitor.click(x, 300)
    visitor.click(500, 300)
    expect(visitor.page.locator(".toast")).to_contain_text("three corners")
    assert len(annotations(server)) == 2


def test_undo_while_drawing_takes_the_last_corner_back(visitor: Visitor, server: Server) -> None:
    visitor.press("p")
    for x, y in [(500, 300), (600, 300), (900, 600)]:
        visitor.click(x, y)
    visitor.press("Control+z")
    for x, y in [(600, 400), (500, 300)]:
        visitor.click(x, y)
    expect(visitor.objects).to_have_count(3)
    visitor.answered()
    assert annotations(server)[2]["segmentation"] == [[500, 300, 600, 300, 600, 400]]


def test_a_part_more_goes_to_the_selected_annotation(visitor: Visitor, server: Server) -> None:
    visitor.click(150, 150)
    visitor.press("a")
    for x, y in [(500, 300), (600, 300), (600, 400), (500, 300)]:
        visitor.click(x, y)
    until(lambda: len(annotations(server)[0]["segmentation"]) == 2, "the annotation has two parts")
    assert annotations(server)[0]["segmentation"] == [POLYGON, [500, 300, 600, 300, 600, 400]]


# Changing


def test_the_smallest_shape_wins_a_click(visitor: Visitor) -> None:
    visitor.click(150, 150)
    expect(visitor.page.locator(".objects .current")).to_have_attribute("data-key", "7")
    visitor.click(400, 300)
    expect(visitor.page.locator(".objects .current")).to_have_attribute("data-key", "8")


def test_moving_a_corner_leaves_every_digit_of_the_others(visitor: Visitor, server: Server, dataset: Path) -> None:
    visitor.click(150, 150)
    visitor.drag((200, 200), (250, 260))
    until(lambda: annotations(server)[0]["segmentation"] != [POLYGON], "the polygon was changed")
    changed = saved(server, dataset)[7]
    assert changed["segmentation"] == [[100.25, 100.123456, 200.5, 100.0, 250, 260, 100.0, 200.0]]
    assert changed["note"] == {"by": "Ada"}


def test_a_box_stays_a_rectangle_when_a_corner_is_dragged(visitor: Visitor, server: Server) -> None:
    visitor.click(400, 300)
    visitor.drag((450, 350), (500, 380))
    until(lambda: annotations(server)[1]["bbox"] != [50, 50, 400, 300], "the box was changed")
    assert annotations(server)[1]["bbox"] == [50, 50, 450, 330]


def test_a_shape_is_moved_as_a_whole_and_not_out_of_the_picture(visitor: Visitor, server: Server) -> None:
    visitor.click(400, 300)
    visitor.drag((300, 300), (100, 320))
    until(lambda: annotations(server)[1]["bbox"] != [50, 50, 400, 300], "the box was moved")
    assert annotations(server)[1]["bbox"] == [0, 70, 400, 300]


def test_a_number_that_is_typed_is_one_change(visitor: Visitor, server: Server) -> None:
    visitor.click(400, 300)
    field = visitor.page.get_by_label("Left", exact=True)
    field.fill("60.5")
    field.press("Enter")
    field.press("Escape")
    expect(field).to_have_value("60.5")
    until(lambda: annotations(server)[1]["bbox"] == [60.5, 50, 400, 300], "the box was changed")
    visitor.answered()
    assert server.status()["revision"]["memory"] == 1


def test_delete_and_undo_give_the_same_record_back(visitor: Visitor, server: Server, dataset: Path) -> None:
    before = saved(server, dataset)[7]
    visitor.click(150, 150)
    visitor.press("Delete")
    expect(visitor.objects).to_have_count(1)
    visitor.answered()
    assert 7 not in saved(server, dataset)
    visitor.press("Control+z")
    expect(visitor.objects).to_have_count(2)
    assert saved(server, dataset)[7] == before
    visitor.press("Control+Shift+z")
    expect(visitor.objects).to_have_count(1)


def test_undo_of_a_reshape_brings_the_published_area_back(visitor: Visitor, server: Server, dataset: Path) -> None:
    before = saved(server, dataset)[7]
    visitor.click(150, 150)
    visitor.drag((200, 200), (250, 260))
    until(lambda: annotations(server)[0]["area"] != before["area"], "the area was computed")
    visitor.press("Control+z")
    until(lambda: 7 in saved(server, dataset) and saved(server, dataset)[7] == before, "all is as it was")


def test_a_key_chooses_the_category_of_what_is_selected(visitor: Visitor, server: Server) -> None:
    visitor.click(150, 150)
    visitor.press("3")
    until(lambda: annotations(server)[0]["category_id"] == 5, "the category was changed")
    visitor.press("Escape", "b")
    visitor.drag((500, 300), (620, 390))
    expect(visitor.objects).to_have_count(3)
    visitor.answered()
    assert annotations(server)[2]["category_id"] == 1


def test_a_key_for_the_next_shape_leaves_the_one_just_drawn_alone(visitor: Visitor, server: Server) -> None:
    visitor.press("b", "3")
    visitor.drag((500, 300), (620, 390))
    expect(visitor.objects).to_have_count(3)
    visitor.press("2")
    visitor.drag((650, 300), (700, 390))
    expect(visitor.objects).to_have_count(4)
    visitor.answered()
    assert [each["category_id"] for each in annotations(server)[2:]] == [5, 2]


def test_keys_are_ignored_in_inputs(visitor: Visitor, server: Server) -> None:
    visitor.click(150, 150)
    visitor.page.get_by_role("button", name="Add a category").click()
    visitor.page.get_by_role("textbox", name="Name", exact=True).press_sequentially("bird 3 hdf")
    visitor.page.get_by_role("button", name="Add", exact=True).click()
    until(lambda: len(server.request("GET", "/api/categories").body) == 4, "the category was added")
    assert server.request("GET", "/api/categories").body[-1]["name"] == "bird 3 hdf"
    visitor.answered()
    assert annotations(server)[0]["category_id"] == 1


def test_everything_can_be_done_by_keyboard(visit: Visit, server: Server) -> None:
    visitor = visit(server.url)
    visitor.open()
    tile = visitor.page.locator(".tile").first
    tile.focus()
    visitor.press("Enter")
    expect(visitor.objects).to_have_count(2)
    visitor.page.locator(".canvas").focus()
    visitor.press("]")
    expect(visitor.page.locator(".objects .current")).to_have_count(1)
    visitor.press("Delete")
    expect(visitor.objects).to_have_count(1)
    visitor.press("f")
    expect(visitor.page.locator(".title")).to_contain_text("two.png")
    visitor.press("d")
    expect(visitor.page.locator(".title")).to_contain_text("one.png")
    visitor.press("?")
    expect(visitor.page.get_by_role("dialog")).to_contain_text("Next image")
    visitor.press("Escape")
    expect(visitor.page.get_by_role("dialog")).to_have_count(0)


# The save state


def test_the_save_state_follows_a_change_and_a_save(visitor: Visitor) -> None:
    visitor.state.to_contain_text("Saved")
    visitor.click(150, 150)
    visitor.press("Delete")
    visitor.state.to_contain_text("1 unsaved change - saves in")
    visitor.press("Control+s")
    visitor.state.to_contain_text("Saved ")


def test_a_failed_save_is_red_and_says_why(visitor: Visitor, dataset: Path) -> None:
    visitor.click(150, 150)
    visitor.press("Delete")
    visitor.state.to_contain_text("unsaved")
    dataset.write_text('{"theirs": true}')
    visitor.press("Control+s")
    dialog = visitor.page.get_by_role("dialog")
    expect(dialog).to_contain_text("something else changed")
    visitor.page.get_by_role("button", name="Decide later").click()
    visitor.state.to_contain_text("Save failed: file changed by something else - retry")
    visitor.page.get_by_role("button", name="Save failed").click()
    visitor.page.get_by_role("button", name="Save ours").click()
    visitor.state.to_contain_text("Saved ")
    visitor.problems[:] = [each for each in visitor.problems if "409" not in each]


def test_changes_wait_in_the_page_while_the_server_is_away(visit: Visit, dataset: Path) -> None:
    with serve_again(dataset) as server:
        url = server.url
        visitor = visit(url)
        visitor.open_image(1)
        server.kill()
    visitor.click(150, 150)
    visitor.press("Delete")
    visitor.state.to_contain_text("Server away - 1 change kept here")
    with serve_again(dataset) as server:
        assert server.url == url
        expect(visitor.objects).to_have_count(1)
        visitor.state.to_contain_text("unsaved change")
        assert [each["id"] for each in annotations(server)] == [8]
    visitor.problems[:] = [each for each in visitor.problems if "ERR_CONNECTION" not in each]


def test_a_dataset_in_s3_is_uploaded_and_a_conflict_is_chosen_about(
    visit: Visit, moto: S3Server, tmp_path: Path
) -> None:
    with closing(Object(moto, moto.new_key())) as there:
        there.put(DATASET)
        env = {**moto.env(), "COCOANNOT_DATASET": str(there.uri), "COCOANNOT_CACHE": str(tmp_path)}
        path = Settings.read(env, {}).dataset_path()
        path.parent.mkdir(parents=True)
        with serve_again(path, env=env) as server:
            visitor = visit(server.url)
            visitor.open("#/statistics")
            state, button = visitor.page.locator(".s3-state"), visitor.page.get_by_role("button", name="Save to S3")
            expect(state).to_have_text("S3: level")
            server.request("DELETE", "/api/annotations/8")
            expect(state).to_have_text("S3: 1 ahead")
            button.click()
            expect(state).to_have_text("S3: level")
            there.put(DATASET)
            server.request("DELETE", "/api/annotations/7")
            expect(state).to_have_text("S3: 1 ahead")
            button.click()
            expect(visitor.page.get_by_role("dialog")).to_contain_text("changed by somebody else")
            visitor.page.get_by_role("button", name="Decide later").click()
            expect(state).to_have_text("S3: conflict")
            button.click()
            visitor.page.get_by_role("button", name="Keep theirs as a copy").click()
            expect(state).to_have_text("S3: level")
            assert json.loads(there.read())["annotations"] == []
    visitor.problems[:] = [each for each in visitor.problems if "409" not in each]


# Two people


def test_a_change_of_somebody_else_is_noticed(visitor: Visitor, server: Server) -> None:
    assert server.request("DELETE", "/api/annotations/8").status == 204
    expect(visitor.objects).to_have_count(1)
    assert server.request("PATCH", "/api/annotations/7", {"category_id": 2}).status == 200
    expect(visitor.objects.locator(".by")).to_have_text("Somebody")
    assert visitor.page.locator(".toast").count() == 0


@pytest.mark.parametrize(("choice", "category"), [("Take theirs", 2), ("Take mine", 5)])
def test_the_user_chooses_where_somebody_else_was_faster(
    visitor: Visitor, server: Server, choice: str, category: int
) -> None:
    # It hears of nothing, and what it asks for by itself is held back: it is certain that it does not know yet.
    visitor.deafen()
    visitor.page.route("**/api/status", lambda route: route.abort())
    visitor.click(150, 150)
    assert server.request("PATCH", "/api/annotations/7", {"category_id": 2}).status == 200
    visitor.press("3")
    visitor.page.get_by_role("button", name=choice).click()
    until(lambda: annotations(server)[0]["category_id"] == category, f"{choice} was done")
    visitor.problems[:] = [each for each in visitor.problems if "412" not in each and "ERR_FAILED" not in each]


# Names, tokens, sizes


def test_hostile_names_are_shown_as_text(visit: Visit, dataset: Path) -> None:
    hostile = '<img src=x onerror="document.title=1"><script>document.title=2</script>'
    content = json.loads(dataset.read_text())
    content["categories"][0]["name"] = content["images"][0]["file_name"] = hostile
    dataset.write_text(json.dumps(content))
    with serve_again(dataset) as server:
        visitor = visit(server.url)
        visitor.open()
        expect(visitor.page.locator(".tile .text").first).to_have_text(hostile)
        visitor.open("#/images/1")
        expect(visitor.page.locator(".title")).to_contain_text(hostile)
        expect(visitor.page.locator(".categories .text").first).to_have_text(hostile)
        visitor.open("#/statistics")
        expect(visitor.page.locator("#statistics h2").first).to_be_visible()
        assert visitor.page.locator("img[src=x], main script").count() == 0
        assert "cocoannot" in visitor.page.title()
    visitor.problems[:] = [each for each in visitor.problems if "404" not in each]


def test_a_token_is_asked_for_once(visit: Visit, dataset: Path) -> None:
    with serve_again(dataset, env={"COCOANNOT_TOKEN": "a-token-of-enough-characters"}) as server:
        visitor = visit(server.url)
        visitor.open()
        token = visitor.page.get_by_label("Token", exact=True)
        token.fill("wrong")
        visitor.press("Enter")
        expect(visitor.page.get_by_role("alert")).to_have_text("The token is wrong.")
        token.fill("a-token-of-enough-characters")
        visitor.press("Enter")
        expect(visitor.page.locator(".tile")).to_have_count(2)
        visitor.page.reload()
        expect(visitor.page.locator(".tile")).to_have_count(2)
    visitor.problems[:] = [each for each in visitor.problems if "401" not in each]


def test_the_gallery_has_100000_images_and_few_elements(visit: Visit, tmp_path: Path) -> None:
    images = [{"id": i, "file_name": f"{i:06d}.jpg", "width": 640, "height": 480} for i in range(1, 100_001)]
    dataset = tmp_path / "many.json"
    dataset.write_text(json.dumps({**DATASET, "images": images}))
    with serve_again(dataset) as server:
        visitor = visit(server.url)
        visitor.open()
        expect(visitor.page.locator(".found")).to_have_text("100,000 images")
        visitor.page.locator(".scroller").evaluate("element => element.scrollTo(0, element.scrollHeight)")
        expect(visitor.page.locator(".tile").last).to_contain_text("100000.jpg")
        assert visitor.page.locator(".tile").count() < 100
        visitor.page.get_by_label("File name contains").fill("0999")
        expect(visitor.page.locator(".found")).to_have_text("120 images")
        assert "file_name=0999" in visitor.page.url
    visitor.problems[:] = [each for each in visitor.problems if "404" not in each]


def test_the_filter_is_in_the_address(visit: Visit, server: Server) -> None:
    visitor = visit(server.url)
    visitor.open("#/images?annotated=false")
    expect(visitor.page.locator(".tile")).to_have_count(1)
    visitor.page.get_by_label("Annotated", exact=True).select_option("true")
    expect(visitor.page.locator(".tile .text")).to_have_text("one.png")
    assert "annotated=true" in visitor.page.url


def test_statistics_lead_to_the_images(visit: Visit, server: Server) -> None:
    visitor = visit(server.url)
    visitor.open("#/statistics")
    visitor.page.get_by_role("link", name="dog").click()
    expect(visitor.page.locator(".tile .text")).to_have_text("one.png")


def test_a_category_in_use_is_deleted_by_moving_its_annotations(visitor: Visitor, server: Server) -> None:
    visitor.page.locator(".categories li", has_text="cat").hover()
    visitor.page.locator(".categories").get_by_label("Delete cat").click()
    expect(visitor.page.get_by_role("dialog")).to_contain_text("1 annotation uses it")
    visitor.page.get_by_role("button", name="Choose another category").click()
    visitor.page.get_by_role("dialog").get_by_text("dog").click()
    visitor.page.get_by_role("button", name="Move them and delete").click()
    until(lambda: len(server.request("GET", "/api/categories").body) == 2, "the category is gone")
    assert [each["category_id"] for each in annotations(server)] == [2, 2]


# The page itself


def test_the_page_allows_nothing_but_its_own_files(server: Server) -> None:
    with urllib.request.urlopen(server.url + "/") as answer:
        policy = answer.headers["Content-Security-Policy"]
        text = answer.read().decode()
    for rule in ("default-src 'none'", "script-src 'self'", "frame-ancestors 'none'"):
        assert rule in policy
    assert "unsafe" not in policy
    assert "://" not in text


def test_its_files_are_cached_for_good_below_an_address_of_their_content(server: Server) -> None:
    with urllib.request.urlopen(server.url + "/") as answer:
        (address,) = re.findall(r'src="(page/[0-9a-f]+/main.js)"', answer.read().decode())
    with urllib.request.urlopen(f"{server.url}/{address}") as answer:
        assert "immutable" in answer.headers["Cache-Control"]
        assert answer.headers["Content-Type"].startswith("text/javascript")
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert send(server.url, "GET", "/page/0000/main.js").status == 404
    assert send(server.url, "GET", "/" + address.replace("main.js", "types.d.ts")).status == 404


def test_the_gallery_does_not_wait_for_the_editor(server: Server) -> None:
    with urllib.request.urlopen(server.url + "/") as answer:
        first, later = answer.read().decode().split("<template")
    assert "views/gallery.js" in first
    assert "views/gallery.js" not in later
    for name in ("views/editor.js", "vendor/openlayers.js", "canvas/canvas.js"):
        assert name in later
        assert name not in first


def test_the_document_names_every_module_that_the_page_loads(visitor: Visitor) -> None:
    named = visitor.page.eval_on_selector_all(
        "link[rel=modulepreload], script[src]", "all => all.map(e => e.href || e.src)"
    )
    loaded = visitor.page.evaluate("performance.getEntriesByType('resource').map(entry => entry.name)")
    assert {address for address in loaded if address.endswith(".js")} == set(named)


def test_vendored_files_are_the_ones_that_were_bundled() -> None:
    vendor = ROOT / "cocoannot" / "web" / "static" / "vendor"
    sums = dict(re.findall(r"^([0-9a-f]{64})  (.+)$", (vendor / "VERSIONS").read_text(), re.MULTILINE))
    assert {name: hashlib.sha256((vendor / name).read_bytes()).hexdigest() for name in sums.values()} == {
        name: digest for digest, name in sums.items()
    }
    assert sorted(sums.values()) == ["clipper.js", "openlayers.css", "openlayers.js"]


def test_the_page_is_checked_with_the_types_of_the_openlayers_that_was_bundled() -> None:
    bundled, checked = (json.loads((ROOT / "tools" / tool / "package.json").read_text()) for tool in ("vendor", "page"))
    assert checked["devDependencies"]["ol"] == bundled["devDependencies"]["ol"]
