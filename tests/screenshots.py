"""Pictures of the page in all its states, for the docs and to look at one by one: `make screenshots`."""

from __future__ import annotations

import io
import json
import math
import random
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Literal

import tiny_model
from browser import browser, deafen, settled
from PIL import Image
from playwright.sync_api import Browser, Page, Route, expect
from servers import Server, serve, until
from users import logged_in, serve_team
from windows import Windows

from cocoannot.demo import make_demo

Scheme = Literal["light", "dark"]

DESK: dict[str, Any] = {"viewport": {"width": 1280, "height": 720}}
ZOOMED: dict[str, Any] = {"viewport": {"width": 640, "height": 360}, "device_scale_factor": 2}
"""The same window at 200 %."""
PHONE: dict[str, Any] = {
    "viewport": {"width": 390, "height": 844},
    "device_scale_factor": 2,
    "has_touch": True,
    "is_mobile": True,
}
LIGHT: Scheme = "light"
DARK: Scheme = "dark"

IMAGE = "#/images/16"
FIRST = "#/images/1"
"""It has shapes of every category."""
UNANNOTATED = "#/images/12"
PERSON = [(548, 219), (544, 239), (581, 272), (504, 228), (536, 286)]
"""Where five keypoints of the person on it are, in pixels of 640 x 480."""

CROWD = 300


class Studio:
    """Takes pictures of the page at `server` into `folder`."""

    def __init__(self, chromium: Browser, server: Server, folder: Path) -> None:
        self._chromium = chromium
        self._server = server
        self._folder = folder

    @contextmanager
    def page(self, scheme: Scheme, window: dict[str, Any], address: str) -> Iterator[Page]:
        """A page at an address, in a window of its own."""
        context = self._chromium.new_context(color_scheme=scheme, reduced_motion="reduce", **window)
        page = context.new_page()
        try:
            page.goto(f"{self._server.url}/{address}")
            yield page
        finally:
            page.unroute_all(behavior="ignoreErrors")
            context.close()

    def take(self, name: str, page: Page, *, idle: bool = True) -> None:
        """A picture of what is to be seen, with few colours, so that it is small; once the network is `idle`."""
        if idle:
            settled(page)
        with Image.open(io.BytesIO(page.screenshot())) as picture:
            small = picture.convert("RGB").quantize(256, Image.Quantize.FASTOCTREE)
        small.save(self._folder / f"{name}.png", optimize=True)
        print(f"{name}.png")

    def shoot(
        self, name: str, address: str, scheme: Scheme, window: dict[str, Any], act: Callable[[Page], None] | None = None
    ) -> None:
        """Open an address, do something there, and take the picture."""
        with self.page(scheme, window, address) as page:
            if "/images/" in address:
                _wait_for_picture(page)
            else:
                expect(page.locator("#save-state")).to_contain_text("Saved")
                settled(page)
            if act:
                act(page)
            self.take(name, page)


def main(folder: Path) -> None:
    """Write a picture of each state into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as temporary, browser() as chromium:
        names = ("demo", "crowd", "team", "model", "hand", "states", "outlines")
        paths = [Path(temporary) / name / "annotations.json" for name in names]
        for dataset in paths:
            make_demo(dataset.parent)
        demo, crowd, team, model, hand, states, outlines = paths
        _make_crowd(crowd)
        with serve(demo) as server:
            studio = Studio(chromium, server, folder)
            _views(studio)
            _hands(studio)
            # What they did is saved, as the next pictures say.
            server.request("POST", "/api/flush", {})
            _waiting(studio)
            _two_versions(studio, server)
        with serve_team(team, {"anna": "admin", "ben": "annotator", "cem.aydin": "reviewer"}) as server:
            _team(Windows(chromium), Studio(chromium, server, folder), server)
        with serve(crowd) as server:
            Studio(chromium, server, folder).shoot("crowd", "#/images/1", DARK, DESK)
        with serve(model) as server:
            _predictions(Studio(chromium, server, folder), server)
        with serve(hand) as server:
            _tools(Studio(chromium, server, folder))
        with serve(states) as server:
            _states(Studio(chromium, server, folder), server)
        files = [outlines.with_name(name) for name in ("encoder.onnx", "decoder.onnx")]
        tiny_model.write_encoder(files[0])
        tiny_model.write_decoder(files[1])
        with serve(outlines, env={"COCOANNOT_ASSIST": ",".join(map(str, files))}) as server:
            _outlines(Studio(chromium, server, folder), server)


def _views(studio: Studio) -> None:
    studio.shoot("gallery", "#/images", LIGHT, DESK)
    studio.shoot("gallery-dark", "#/images?category_id=4&min_annotations=3&max_annotations=6", DARK, DESK)
    studio.shoot("editor", IMAGE, LIGHT, DESK, _select)
    studio.shoot("editor-dark", IMAGE, DARK, DESK, _select)
    studio.shoot("palette", IMAGE, LIGHT, DESK, _open_palette)
    studio.shoot("statistics", "#/statistics", LIGHT, DESK)
    studio.shoot("phone", IMAGE, LIGHT, PHONE)
    studio.shoot("phone-lists", IMAGE, LIGHT, PHONE, _open_lists)
    studio.shoot("phone-gallery", "#/images", DARK, PHONE)
    studio.shoot("zoom-200", IMAGE, LIGHT, ZOOMED, _select)


def _hands(studio: Studio) -> None:
    """Tools in use."""
    studio.shoot("keypoints", UNANNOTATED, LIGHT, DESK, _place_keypoints)
    studio.shoot("keypoints-dark", UNANNOTATED, DARK, DESK, _place_keypoints)
    studio.shoot("phone-keypoints", UNANNOTATED, LIGHT, PHONE, _place_keypoints)
    studio.shoot("many", FIRST, LIGHT, DESK, _select_many)
    studio.shoot("phone-many", FIRST, DARK, PHONE, _select_many)
    studio.shoot("details", FIRST, LIGHT, DESK, _open_details)
    studio.shoot("details-dark", FIRST, DARK, DESK, _look_at_details)
    studio.shoot("phone-details", FIRST, LIGHT, PHONE, _open_phone_details)
    studio.shoot("category", FIRST, LIGHT, DESK, _edit_category)


def _waiting(studio: Studio) -> None:
    """What is seen where nothing is, or nothing comes."""
    studio.shoot("empty", "#/images?file_name=nowhere", LIGHT, DESK)
    with studio.page(LIGHT, DESK, "#/images") as page:
        held: list[Route] = []
        page.route("**/api/images/*/file*", lambda route: held.append(route))
        page.evaluate(f"location.hash = '{IMAGE}'")
        page.reload()
        expect(page.get_by_role("progressbar")).to_be_visible()
        expect(page.locator(".objects li").first).to_be_visible()
        # The picture never comes, so that the network is never idle: the blurred thumbnail is all that is waited for.
        page.wait_for_timeout(1500)
        studio.take("loading", page, idle=False)
        for route in held:
            route.abort()
    with studio.page(DARK, DESK, "#/images/99999") as page:
        expect(page.locator(".state")).to_contain_text("no image 99999")
        studio.take("error", page)
    with studio.page(DARK, DESK, IMAGE) as page:
        _wait_for_picture(page)
        page.route("**/api/**", lambda route: route.abort())
        expect(page.locator(".notice")).to_contain_text("does not answer")
        studio.take("away", page, idle=False)


def _two_versions(studio: Studio, server: Server) -> None:
    with studio.page(LIGHT, DESK, IMAGE) as page:
        _wait_for_picture(page)
        # The page is not to hear of the other's change before it makes its own.
        deafen(page)
        _wait_for_picture(page)
        page.route("**/api/status", lambda route: route.abort())
        box = next(
            each for each in server.request("GET", "/api/images/16/annotations").body if not each["segmentation"]
        )
        x, y, width, height = box["bbox"]
        server.request("PATCH", f"/api/annotations/{box['id']}", {"bbox": [x - 20, y, width + 45, height + 12]})
        page.locator(f".objects .name[title$='id {box['id']}']").click()
        page.get_by_label("Width", exact=True).fill(str(round(width * 0.8)))
        page.keyboard.press("Enter")
        expect(page.get_by_role("dialog")).to_contain_text("Take theirs")
        studio.take("two-versions", page, idle=False)


def _team(windows: Windows, studio: Studio, server: Server) -> None:
    """Several people: each with a browser."""
    with studio.page(LIGHT, DESK, "#/images") as page:
        expect(page.get_by_role("dialog", name="Log in")).to_be_visible()
        studio.take("login", page)
    people = {"anna": LIGHT, "ben": DARK, "cem.aydin": LIGHT}
    with ExitStack() as stack:
        anna, ben, cem = (
            stack.enter_context(logged_in(windows, server, name, color_scheme=scheme, reduced_motion="reduce"))
            for name, scheme in people.items()
        )
        for visitor in (anna, ben, cem):
            visitor.open(IMAGE)
            _wait_for_picture(visitor.page)
        expect(anna.page.locator(".here")).to_contain_text("ben and cem.aydin")
        settled(ben.page)
        ben.page.locator(".objects .name").first.click()
        ben.press("4")
        expect(anna.page.locator(".by:visible")).to_have_text("ben")
        studio.take("team-anna", anna.page, idle=False)
        studio.take("team-ben", ben.page)
        cem.open("#/images/5")
        anna.open("#/images")
        expect(anna.page.locator(".tile .face")).to_have_count(2)
        studio.take("team-gallery", anna.page)
        anna.page.get_by_role("button", name="Your account").click()
        anna.page.get_by_role("button", name="Users").click()
        anna.page.get_by_role("textbox", name="Name", exact=True).fill("dora")
        anna.page.get_by_role("button", name="Add", exact=True).click()
        expect(anna.page.locator(".shown-once")).to_be_visible()
        studio.take("users", anna.page)
    with logged_in(windows, server, "ben", **PHONE) as ben, logged_in(windows, server, "anna") as anna:
        anna.open(IMAGE)
        ben.open(IMAGE)
        _wait_for_picture(ben.page)
        expect(ben.page.locator(".here")).to_be_visible()
        studio.take("phone-team", ben.page)


def _predictions(studio: Studio, server: Server) -> None:
    """What a model says: some of what is there, something that was forgotten, and something that is not there."""
    shapes = server.request("GET", "/api/images/16/annotations").body
    choose = random.Random(3)
    layer: list[dict[str, Any]] = []
    for number, shape in enumerate(shapes):
        box = [round(side + choose.uniform(-3, 3), 2) for side in shape["bbox"]]
        head = {"image_id": 16, "category_id": shape["category_id"], "score": round(choose.uniform(0.55, 0.98), 3)}
        layer.append({**head, "bbox": box})
        if number in (1, 3):
            server.request("DELETE", f"/api/annotations/{shape['id']}")
    layer.append({"image_id": 16, "category_id": 4, "bbox": [20, 20, 90, 70], "score": 0.72})
    server.request("PUT", "/api/predictions/yolo-v8", layer)
    for name, scheme, window in (
        ("predictions", LIGHT, DESK),
        ("predictions-dark", DARK, DESK),
        ("phone-predictions", LIGHT, PHONE),
    ):
        studio.shoot(name, IMAGE, scheme, window, _choose_prediction)


def _tools(studio: Studio) -> None:
    """Tools in use. Places are those of the window, with the picture fitted into it."""
    studio.shoot("brush", IMAGE, LIGHT, DESK, _paint)
    studio.shoot("brush-dark", IMAGE, DARK, DESK, _erase)
    studio.shoot("phone-brush", IMAGE, LIGHT, PHONE, _paint_by_finger)
    studio.shoot("shape-menu", IMAGE, LIGHT, DESK, _open_shape_menu)
    studio.shoot("fewer-corners", IMAGE, LIGHT, DESK, _thin)
    studio.shoot("cut", IMAGE, DARK, DESK, _cut)
    studio.shoot("neighbour", IMAGE, LIGHT, DESK, _follow)


def _states(studio: Studio, server: Server) -> None:
    """How far people are: on thumbnails, on an image that was sent back, on a phone."""
    status = {4: "returned", 5: "skipped", 9: "returned", 12: "empty"}
    for image_id in range(1, 15):
        body = {"status": status.get(image_id, "approved" if image_id < 7 else "done")}
        comment = {"comment": "The arrow in the corner is missing"} if body["status"] == "returned" else {}
        server.request("PUT", f"/api/images/{image_id}/status", {**body, **comment})
    server.request("POST", "/api/flush", {})
    studio.shoot("states-gallery", "#/images", LIGHT, DESK)
    studio.shoot("states-gallery-dark", "#/images?status=returned", DARK, DESK)
    studio.shoot("states", "#/images/4", LIGHT, DESK, _open_state)
    studio.shoot("phone-states", "#/images/4", DARK, PHONE, _open_state)
    studio.shoot("phone-states-gallery", "#/images", LIGHT, PHONE)


def _outlines(studio: Studio, server: Server) -> None:
    """What the picture gives: a line along an edge, and an object that was found by clicks."""
    shapes = {shape["category_id"]: shape for shape in server.request("GET", "/api/images/16/annotations").body}
    for shape in shapes.values():
        server.request("DELETE", f"/api/annotations/{shape['id']}")
    server.request("POST", "/api/flush", {})
    record = server.request("GET", "/api/images/16").body
    size = (record["width"], record["height"])
    x, y, width, height = shapes[1]["bbox"]
    centre, radius = (x + width / 2, y + height / 2), width / 2
    x, y, width, height = shapes[4]["bbox"]
    star = (x + width / 2, y + height / 2)

    def follow(page: Page) -> None:
        page.keyboard.press("m")
        for degrees in (200, 280, 350):
            angle = math.radians(degrees)
            at = (centre[0] + radius * math.cos(angle), centre[1] + radius * math.sin(angle))
            page.mouse.click(*_place(page, size, at))
        for beside in (3, 2):
            page.mouse.move(*_place(page, size, (centre[0] + beside, centre[1] + radius + beside)))
            settled(page)

    def click(page: Page) -> None:
        expect(page.get_by_role("button", name="Click an object")).to_be_enabled()
        page.keyboard.press("q")
        page.mouse.click(*_place(page, size, star))
        expect(page.locator(".hint")).to_contain_text("sure")

    studio.shoot("edges", IMAGE, LIGHT, DESK, follow)
    studio.shoot("points", IMAGE, LIGHT, DESK, click)


def _place(page: Page, size: tuple[int, int], pixel: tuple[float, float]) -> tuple[float, float]:
    """Where a pixel of a picture of this size, fitted into the canvas, is in the window."""
    box = page.locator(".canvas").bounding_box()
    assert box is not None
    scale = min((box["width"] - 24) / size[0], (box["height"] - 24) / size[1])
    return (
        box["x"] + box["width"] / 2 + (pixel[0] - size[0] / 2) * scale,
        box["y"] + box["height"] / 2 + (pixel[1] - size[1] / 2) * scale,
    )


def _make_crowd(path: Path) -> None:
    """Many small shapes on the first image, the same ones each time."""
    dataset = json.loads(path.read_bytes())
    choose = random.Random(7)
    image = dataset["images"][0]
    categories = [category["id"] for category in dataset["categories"]]
    first = max(annotation["id"] for annotation in dataset["annotations"]) + 1
    for number in range(CROWD):
        width, height = choose.randint(8, 48), choose.randint(8, 48)
        x, y = choose.randint(0, image["width"] - width), choose.randint(0, image["height"] - height)
        corners = [x, y + height // 2, x + width // 2, y, x + width, y + height // 3, x + width * 2 // 3, y + height]
        shape = {"segmentation": [corners]} if number % 2 else {"segmentation": []}
        dataset["annotations"].append({
            "id": first + number, "image_id": image["id"], "category_id": choose.choice(categories), **shape,
            "bbox": [x, y, width, height], "area": width * height, "iscrowd": 0,
        })  # fmt: skip
    path.write_text(json.dumps(dataset))


def _wait_for_picture(page: Page) -> None:
    painted = "performance.getEntriesByName('image').length"
    until(lambda: page.evaluate(painted), "the picture is painted")


def _select(page: Page) -> None:
    page.keyboard.press("]")
    expect(page.locator(".objects .current")).to_have_count(1)


def _open_lists(page: Page) -> None:
    page.get_by_role("button", name="Show or hide the lists").click()
    _select(page)


def _choose_prediction(page: Page) -> None:
    expect(page.get_by_role("region", name="Predictions")).to_contain_text("open")
    page.keyboard.press(".")
    expect(page.locator(".current-prediction")).to_contain_text("0.9")


def _stroke(page: Page, *points: tuple[float, float]) -> None:
    """Press at the first point and go on to the others; the button stays down."""
    page.mouse.move(*points[0])
    page.mouse.down()
    for point in points[1:]:
        page.mouse.move(*point, steps=8)


def _paint(page: Page) -> None:
    page.keyboard.press("r")
    for _ in range(4):
        page.keyboard.press("]")
    _stroke(page, (368, 192), (500, 168), (455, 300), (380, 200))
    page.mouse.up()
    expect(page.locator(".objects li")).to_have_count(7)
    _stroke(page, (440, 235), (470, 235))


def _erase(page: Page) -> None:
    page.locator(".objects .name", has_text="star").first.click()
    page.keyboard.press("r")
    page.keyboard.press("x")
    _stroke(page, (720, 500), (800, 600))
    page.mouse.up()
    page.mouse.move(700, 540)


def _paint_by_finger(page: Page) -> None:
    page.get_by_role("button", name="Mask brush").tap()
    page.locator(".canvas").tap(position={"x": 195, "y": 300})
    expect(page.locator(".strip")).to_be_visible()


def _open_shape_menu(page: Page) -> None:
    page.locator(".objects .name", has_text="circle").first.click()
    page.locator(".objects .name", has_text="star").first.click(modifiers=["Control"])
    page.get_by_role("button", name="Join, subtract").click()
    expect(page.locator(".shape-menu")).to_be_visible()


def _thin(page: Page) -> None:
    page.locator(".objects .name", has_text="circle").first.click()
    page.keyboard.press("t")
    expect(page.locator(".hint")).to_contain_text("corners")
    for _ in range(8):
        page.keyboard.press("[")


def _cut(page: Page) -> None:
    page.locator(".objects .name", has_text="star").first.click()
    page.keyboard.press("c")
    _stroke(page, (690, 450), (830, 620))


def _follow(page: Page) -> None:
    page.keyboard.press("p")
    page.keyboard.press("w")
    for place in ((655, 540), (600, 650)):
        page.mouse.click(*place)
    page.keyboard.press("w")
    page.mouse.click(690, 660)
    page.mouse.move(700, 600)


def _place_keypoints(page: Page) -> None:
    """Four of a person's seven, one of them hidden; the pointer is where the fifth comes."""
    page.keyboard.press("6")
    page.keyboard.press("k")
    canvas = page.locator(".canvas").bounding_box()
    assert canvas is not None
    scale = min((canvas["width"] - 24) / 640, (canvas["height"] - 24) / 480)
    left, top = (canvas["x"] + canvas["width"] / 2 - 320 * scale, canvas["y"] + canvas["height"] / 2 - 240 * scale)
    buttons: tuple[Literal["left", "right"], ...] = ("left", "left", "left", "right")
    for (x, y), button in zip(PERSON, buttons, strict=False):
        page.mouse.click(left + x * scale, top + y * scale, button=button)
    page.mouse.move(left + PERSON[-1][0] * scale, top + PERSON[-1][1] * scale)
    expect(page.locator(".hint")).to_contain_text("hip, 5 of 7")


def _select_many(page: Page) -> None:
    page.keyboard.press("Control+a")
    page.get_by_role("button", name="More for annotations").click()
    expect(page.get_by_role("button", name="Duplicate")).to_be_visible()


def _open_details(page: Page) -> None:
    page.locator(".objects .name", has_text="person").first.click()
    page.locator(".details > summary").click()
    page.get_by_label("Name of a new field").fill("pose")
    page.get_by_label("Value of the new field").fill("standing")
    page.get_by_role("button", name="Add the field").click()
    _look_at_history(page)


def _look_at_details(page: Page) -> None:
    """What the picture before has left."""
    page.locator(".objects .name", has_text="person").first.click()
    page.locator(".details > summary").click()
    _look_at_history(page)


def _look_at_history(page: Page) -> None:
    page.locator(".history > summary").click()
    expect(page.locator(".versions-list li").first).to_contain_text("pose")
    page.locator(".versions-list").scroll_into_view_if_needed()


def _open_phone_details(page: Page) -> None:
    page.get_by_role("button", name="Show or hide the lists").click()
    page.locator(".objects .name", has_text="person").first.click()
    page.locator(".details > summary").click()


def _edit_category(page: Page) -> None:
    row = page.locator(".categories li", has_text="person")
    row.hover()
    row.get_by_role("button", name="Edit").click()
    expect(page.get_by_role("dialog")).to_be_visible()


def _open_state(page: Page) -> None:
    page.locator("#work-button").click()
    expect(page.get_by_role("dialog", name="State of the image")).to_be_visible()


def _open_palette(page: Page) -> None:
    page.keyboard.press("/")
    expect(page.get_by_role("dialog")).to_be_visible()
    page.keyboard.type("s")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
