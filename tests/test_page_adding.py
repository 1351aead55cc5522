"""Pictures added on the page: chosen, dropped, told of, over a network that breaks, by who may and who may not."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from browser import Visit, Visitor, away, needs_browser
from PIL import Image
from playwright.sync_api import FilePayload, expect
from servers import Server, until
from users import logged_in, serve_team
from windows import Windows, serve_again

pytestmark = [pytest.mark.slow, needs_browser]

REFUSALS = ["Failed to load resource"]


def jpeg(colour: str = "teal", size: tuple[int, int] = (64, 48)) -> bytes:
    data = io.BytesIO()
    Image.new("RGB", size, colour).save(data, "JPEG")
    return data.getvalue()


def payload(name: str, data: bytes | None = None) -> FilePayload:
    return {"name": name, "mimeType": "image/jpeg", "buffer": jpeg() if data is None else data}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "pictures"
    folder.mkdir()
    return folder


def dataset(folder: Path, *file_names: str) -> Path:
    """A dataset with records of these names, whose pictures are not there."""
    path = folder.parent / "dataset.json"
    images = [{"id": n, "file_name": name, "width": 64, "height": 48} for n, name in enumerate(file_names, 1)]
    path.write_text(json.dumps({"images": images, "annotations": [], "categories": [{"id": 1, "name": "cat"}]}))
    return path


@pytest.fixture
def server(folder: Path) -> Iterator[Server]:
    with serve_again(dataset(folder), env={"COCOANNOT_IMAGES": str(folder)}) as server:
        yield server


def names(server: Server) -> list[str]:
    return sorted(each["file_name"] for each in server.request("GET", "/api/images").body)


def open_empty(visitor: Visitor) -> None:
    """Open the page of a dataset without images, and wait until it shows that."""
    visitor.open()
    expect(visitor.page.get_by_text("There are no images yet")).to_be_visible()


def drop(visitor: Visitor, files: Mapping[str, bytes]) -> None:
    """Drop files onto the gallery, as the browser tells it."""
    texts = {name: base64.b64encode(data).decode() for name, data in files.items()}
    visitor.page.evaluate(
        """files => {
            const transfer = new DataTransfer();
            for (const [name, text] of Object.entries(files)) {
                const bytes = Uint8Array.from(atob(text), letter => letter.charCodeAt(0));
                transfer.items.add(new File([bytes], name, {type: "image/jpeg"}));
            }
            const place = document.querySelector("#gallery .scroller");
            for (const kind of ["dragenter", "dragover", "drop"])
                place.dispatchEvent(new DragEvent(kind, {bubbles: true, cancelable: true, dataTransfer: transfer}));
        }""",
        texts,
    )


def panel(visitor: Visitor) -> Any:
    return expect(visitor.page.get_by_role("region", name="Adding pictures"))


def progress(visitor: Visitor) -> Any:
    """How far it is, in words."""
    return expect(visitor.page.locator(".adding-line .text"))


def test_first_pictures_of_an_empty_dataset_are_chosen_by_the_keyboard(
    visit: Visit, server: Server, folder: Path
) -> None:
    visitor = visit(server.url)
    visitor.open()
    button = visitor.page.locator(".state").get_by_role("button", name="Add pictures")
    with visitor.page.expect_file_chooser() as chooser:
        button.press("Enter")
    assert chooser.value.is_multiple()
    chooser.value.set_files([payload("a.jpg"), payload("b.jpg", jpeg("red"))])
    progress(visitor).to_have_text("2 pictures added")
    expect(visitor.page.locator(".tile")).to_have_count(2)
    assert names(server) == ["a.jpg", "b.jpg"]
    visitor.page.get_by_role("region", name="Adding pictures").get_by_role("button", name="Close").press("Enter")
    panel(visitor).to_be_hidden()
    expect(visitor.page.get_by_role("button", name="Add pictures").first).to_be_focused()


def test_many_are_dropped_and_refused_ones_are_listed_with_reasons(visit: Visit, server: Server) -> None:
    visitor = visit(server.url, expected=REFUSALS)
    open_empty(visitor)
    good = {f"{number}.jpg": jpeg(size=(60 + number, 40)) for number in range(40)}
    drop(visitor, {**good, "notes.txt": b"no picture", "same.jpg": b"", "../../x.jpg": jpeg("red")})
    progress(visitor).to_have_text("41 pictures added, 2 refused")
    visitor.page.get_by_text("2 files refused").click()
    panel(visitor).to_contain_text("notes.txt: 'notes.txt' is not a picture")
    panel(visitor).to_contain_text("same.jpg: 'same.jpg' is empty")
    expect(visitor.page.locator(".found")).to_have_text("41 images")
    assert len(names(server)) == 41
    assert all("/" not in name for name in names(server))


def test_the_place_to_drop_is_shown_while_files_are_over_the_page(visit: Visit, server: Server) -> None:
    visitor = visit(server.url)
    open_empty(visitor)
    target = visitor.page.get_by_text("Drop pictures here to add them")
    expect(target).to_be_hidden()
    for kind, is_there in (("dragenter", True), ("dragleave", False)):
        visitor.page.evaluate(
            """kind => {
                const transfer = new DataTransfer();
                transfer.items.add(new File(["x"], "x.jpg"));
                document.body.dispatchEvent(new DragEvent(kind, {bubbles: true, dataTransfer: transfer}));
            }""",
            kind,
        )
        expect(target).to_be_visible(visible=is_there)


def test_pictures_go_on_after_the_server_was_killed_and_each_is_added_once(visit: Visit, folder: Path) -> None:
    env = {"COCOANNOT_IMAGES": str(folder)}
    path = dataset(folder)
    with serve_again(path, env=env) as server:
        url = server.url
        visitor = visit(url, expected=REFUSALS)
        open_empty(visitor)
        drop(visitor, {f"{number}.jpg": jpeg(size=(60 + number, 40)) for number in range(60)})
        until(lambda: len(list(folder.glob("*.jpg"))) > 3, "some are there")
        server.kill()
    panel(visitor).to_contain_text("The server does not answer; it goes on as soon as that is over")
    with serve_again(path, env=env) as server:
        assert server.url == url
        progress(visitor).to_have_text("60 pictures added", timeout=60_000)
        assert names(server) == sorted(path.name for path in folder.glob("*.jpg"))
        assert len(names(server)) == 60


def test_pictures_wait_while_the_server_is_away(visit: Visit, server: Server) -> None:
    visitor = visit(server.url, expected=REFUSALS)
    open_empty(visitor)
    come_back = away(visitor)
    drop(visitor, {"a.jpg": jpeg(), "b.jpg": jpeg("red")})
    panel(visitor).to_contain_text("0 of 2 pictures added. The server does not answer; it goes on")
    come_back()
    progress(visitor).to_have_text("2 pictures added")
    assert names(server) == ["a.jpg", "b.jpg"]


def test_stop_sends_nothing_more(visit: Visit, server: Server) -> None:
    visitor = visit(server.url, expected=REFUSALS)
    open_empty(visitor)
    come_back = away(visitor)
    drop(visitor, {f"{number}.jpg": jpeg(size=(60 + number, 40)) for number in range(9)})
    visitor.page.get_by_role("button", name="Stop").click()
    panel(visitor).to_be_hidden()
    come_back()
    visitor.page.reload()
    expect(visitor.page.get_by_text("There are no images yet")).to_be_visible()
    assert names(server) == []


def test_pictures_of_records_that_wait_for_them_get_there(visit: Visit, folder: Path) -> None:
    with serve_again(dataset(folder, "a.jpg", "b.jpg"), env={"COCOANNOT_IMAGES": str(folder)}) as server:
        visitor = visit(server.url, expected=REFUSALS)
        visitor.open()
        expect(visitor.page.locator(".tile")).to_have_count(2)
        expect(visitor.page.locator(".missing")).to_have_count(2)
        drop(visitor, {"a.jpg": jpeg(), "c.jpg": jpeg("red")})
        progress(visitor).to_have_text("2 pictures added")
        expect(visitor.page.locator(".tile")).to_have_count(3)
        expect(visitor.page.locator(".missing")).to_have_count(1)
        assert names(server) == ["a.jpg", "b.jpg", "c.jpg"]
        assert (folder / "a.jpg").read_bytes() == jpeg()


def test_new_pictures_in_the_folder_are_looked_for(visit: Visit, server: Server, folder: Path) -> None:
    (folder / "put here.jpg").write_bytes(jpeg())
    visitor = visit(server.url)
    visitor.open()
    visitor.page.get_by_role("button", name="Look in the image folder").click()
    expect(visitor.page.locator(".tile")).to_have_count(1)
    expect(visitor.page.get_by_text("1 new picture found")).to_be_visible()
    assert names(server) == ["put here.jpg"]
    (folder / "and here.jpg").write_bytes(jpeg("red"))
    visitor.page.get_by_role("button", name="Look for new pictures in the image folder").press("Enter")
    expect(visitor.page.locator(".tile")).to_have_count(2)


def test_pictures_are_added_on_a_phone(visit: Visit, server: Server) -> None:
    phone = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}
    visitor = visit(server.url, **phone)
    visitor.open()
    with visitor.page.expect_file_chooser() as chooser:
        visitor.page.locator("#add-pictures").tap()
    chooser.value.set_files([payload("a.jpg")])
    progress(visitor).to_have_text("1 picture added")
    box = visitor.page.locator("#add-pictures").bounding_box()
    assert box is not None
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= 390
    assert box["height"] >= 40


def test_who_may_not_add_pictures_is_told_and_sends_none(windows: Windows, folder: Path) -> None:
    with (
        serve_team(dataset(folder), {"anna": "annotator"}) as server,
        logged_in(windows, server, "anna") as visitor,
    ):
        visitor.open()
        expect(visitor.page.locator("#add-pictures")).to_be_disabled()
        expect(visitor.page.get_by_text("An administrator can add pictures")).to_be_visible()
        drop(visitor, {"a.jpg": jpeg()})
        expect(visitor.page.get_by_text("Adding pictures needs the role admin; yours is annotator")).to_be_visible()
        assert not [body for body in visitor.sent if "a.jpg" in body]
        assert list(folder.iterdir()) == []
