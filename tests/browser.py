"""A real browser on the page of a real server: what went wrong in it, where the picture's pixels are, and a network
that is slow or broken. What the page must do then is the tests' business."""

from __future__ import annotations

import io
import json
import re
import shutil
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from PIL import Image
from playwright.sync_api import Browser, Page, Route, expect, sync_playwright
from servers import Server, until
from windows import Windows

# The former is Chromium without all that a window needs, and a third quicker.
CHROMIUM = next(filter(None, map(shutil.which, ("chromium-headless-shell", "chromium", "chromium-browser"))), "")
needs_browser = pytest.mark.skipif(not CHROMIUM, reason="there is no Chromium: apt-get install chromium-headless-shell")

PICTURE = (912, 610)
"""A picture of this size fills the canvas of a window of 1280 x 720 pixels, a pixel each, with its margin of 12."""

CATEGORIES: list[dict[str, Any]] = [
    {"id": 1, "name": "cat"},
    {"id": 2, "name": "dog"},
    {"id": 5, "name": "person", "keypoints": ["head", "hand", "foot"], "skeleton": [[1, 2], [1, 3]]},
]
API = "**/api/**"
BATCH = "**/api/annotations/batch"

# A busy machine is slow; what never comes fails all the same.
expect.set_options(timeout=15_000)

_MARGIN = 12
_LOADED = """url =>
    performance.getEntriesByType("resource").map(each => each.name).filter(name => !name.startsWith(url))
"""
_PAINTED = "performance.getEntriesByName('image').length"

_QUIET = """async () => {
    const count = () => performance.getEntriesByType("resource").length;
    for (let before = -1; before !== count(); await new Promise(resolve => setTimeout(resolve, 500))) before = count();
}"""
_DEAF = "window.SharedWorker = class { port = {postMessage() {}}; };"


@contextmanager
def browser() -> Iterator[Browser]:
    """Chromium, without a window."""
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, headless=True, args=["--no-sandbox"])
        try:
            yield chromium
        finally:
            chromium.close()


def images(count: int) -> list[dict[str, Any]]:
    """Records of images, 1 to `count`, that all show one plain picture."""
    return [{"id": i, "file_name": "plain.png", "width": PICTURE[0], "height": PICTURE[1]} for i in range(1, count + 1)]


@cache
def plain_picture() -> bytes:
    """A PNG file of the size `PICTURE`."""
    made = io.BytesIO()
    Image.new("RGB", PICTURE, "navy").save(made, "PNG")
    return made.getvalue()


def write_dataset(folder: Path, annotations: Sequence[str], images: object, categories: object = CATEGORIES) -> Path:
    """A dataset with the plain picture beside it. `annotations` are JSON texts, which stay as they are."""
    (folder / "plain.png").write_bytes(plain_picture())
    records = ",\n".join(annotations)
    path = folder / "dataset.json"
    sections = [
        f'"images": {json.dumps(images)}',
        f'"annotations": [\n{records}\n]',
        f'"categories": {json.dumps(categories)}',
    ]
    path.write_text("{" + ",\n".join(sections) + "}\n")
    return path


def settled(page: Page) -> None:
    """Wait until nothing was loaded for half a second. The browser's own notion of it never comes: a stream is open."""
    page.evaluate(_QUIET)


def deafen(page: Page) -> None:
    """Open the page anew so that no event reaches it: it knows of others only what it asks for."""
    page.add_init_script(_DEAF)
    page.reload()


class Visitor:
    """Somebody who uses the page at `url`: `page` is Playwright's, `sent` the bodies of all requests but GET
    and those that tell the others where they are, since the page was loaded."""

    def __init__(self, page: Page, url: str) -> None:
        self.page = page
        self.url = url
        self.problems: list[str] = []
        self.foreign: list[str] = []
        self.sent: list[str] = []
        page.set_default_timeout(15_000)
        page.on("console", self._note)
        page.on("pageerror", lambda error: self.problems.append(str(error)))
        page.on("request", self._check)

    def open(self, address: str = "") -> None:
        """Open the page, at an address within it such as `#/images/1`."""
        with self._loading():
            self.page.goto(f"{self.url}/{address}")

    def open_image(self, image_id: int) -> None:
        """Open the page at an image, and wait until its picture can be drawn on."""
        self.page.evaluate("performance.clearMeasures('image')")
        with self._loading():
            self.page.goto(f"{self.url}/#/images/{image_id}")
            self.wait_for_picture()

    def deafen(self) -> None:
        """Let no event reach the open image: it knows of others only what it asks for."""
        deafen(self.page)
        self.wait_for_picture()

    def wait_for_picture(self) -> None:
        """Wait until the picture can be drawn on."""
        expect(self.page.locator(".editor .bar")).to_contain_text(re.compile(r"\d+ . \d+"))
        self.painted()

    def painted(self) -> None:
        """Wait until a picture is painted that was not when an image was opened."""
        pumped(self.page, lambda: bool(self.page.evaluate(_PAINTED)), "the picture is painted")

    def at(self, x: float, y: float) -> tuple[float, float]:
        """Where the picture's pixel (x, y) is in the window; the picture must be of the size `PICTURE`, fitted."""
        box = self.page.locator(".canvas").bounding_box()
        assert box is not None
        assert (box["width"], box["height"]) == (PICTURE[0] + 2 * _MARGIN, PICTURE[1] + 2 * _MARGIN), box
        return box["x"] + _MARGIN + x, box["y"] + _MARGIN + y

    def click(self, x: float, y: float, **options: Any) -> None:
        """Click at the picture's pixel."""
        self.page.mouse.click(*self.at(x, y), **options)

    def drag(self, start: tuple[float, float], end: tuple[float, float]) -> None:
        """Press at one pixel of the picture, let go at another one."""
        mouse = self.page.mouse
        mouse.move(*self.at(*start))
        mouse.down()
        mouse.move(*self.at((start[0] + end[0]) / 2, (start[1] + end[1]) / 2))
        mouse.move(*self.at(*end))
        mouse.up()

    def hold(self, start: tuple[float, float], *ways: tuple[float, float]) -> None:
        """Press at one pixel of the picture and move over others; the button stays down."""
        self.page.mouse.move(*self.at(*start))
        self.page.mouse.down()
        for way in ways:
            self.page.mouse.move(*self.at(*way))

    def press(self, *keys: str) -> None:
        """Press keys one after another, on the picture."""
        for key in keys:
            self.page.keyboard.press(key)

    def answered(self, changes: int = 0) -> None:
        """Wait until the server has answered all changes: the page shows them before. So many are to be sent first."""
        if changes:
            pumped(self.page, lambda: len(self.sent) >= changes, f"{changes} changes are sent")
        expect(self.page.locator("#save-state")).not_to_contain_text(re.compile("Sending|kept here"))

    @property
    def state(self) -> Any:
        """The save state, to expect something of."""
        return expect(self.page.locator("#save-state"))

    @property
    def objects(self) -> Any:
        """The rows of the list of annotations."""
        return self.page.locator(".objects li")

    @property
    def current(self) -> Any:
        """The row that is selected."""
        return self.page.locator(".objects .current")

    @contextmanager
    def _loading(self) -> Iterator[None]:
        """Hear nothing of 200 files while a page loads, which takes this process long; look at their addresses then. A
        page that is there already may have something to send."""
        if self.page.url.startswith(self.url):
            yield
            return
        self.page.remove_listener("request", self._check)
        yield
        names: list[str] = self.page.evaluate(_LOADED, f"{self.url}/")
        self.foreign += filter(self._is_foreign, names)
        self.page.on("request", self._check)

    def _note(self, message: Any) -> None:
        if message.type == "error":
            self.problems.append(message.text)

    def _check(self, request: Any) -> None:
        path = urlsplit(request.url).path
        if request.method != "GET" and not path.startswith("/api/presence/"):
            self.sent.append(request.post_data or "")
        if self._is_foreign(request.url):
            self.foreign.append(request.url)

    def _is_foreign(self, url: str) -> bool:
        target = urlsplit(url)
        return target.scheme in ("http", "https") and target.netloc != urlsplit(self.url).netloc


Visit = Callable[..., Visitor]


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    """One for all tests of a process. Started with an own one, a module takes two seconds more."""
    with browser() as chromium:
        yield chromium


@pytest.fixture(scope="session")
def windows(chromium: Browser) -> Windows:
    return Windows(chromium)


@pytest.fixture
def visit(windows: Windows) -> Iterator[Visit]:
    """Makes visitors of the page at an address, each with a browser's memory of its own. At the end, none may have seen
    a problem, but for those that have one of the texts `expected`."""
    with ExitStack() as stack:
        made: list[tuple[Visitor, Sequence[str]]] = []

        def visit(url: str, *, expected: Sequence[str] = (), **options: Any) -> Visitor:
            visitor = Visitor(stack.enter_context(windows.opened(**options)), url)
            made.append((visitor, expected))
            return visitor

        yield visit
        for visitor, expected in made:
            assert visitor.foreign == []
            assert [each for each in visitor.problems if not any(text in each for text in expected)] == []


def pumped(page: Page, look: Callable[[], bool], what: str) -> None:
    """As `until`, where requests wait for this process to let them go."""

    def after_a_while() -> bool:
        page.wait_for_timeout(20)
        return look()

    until(after_a_while, what)


class Gate:
    """Keeps requests of one kind back until it is opened."""

    def __init__(self, visitor: Visitor, pattern: str) -> None:
        self._page = visitor.page
        self._waiting: list[Route] = []
        self._is_open = False
        self._page.route(pattern, self._take)

    def _take(self, route: Route) -> None:
        if self._is_open:
            route.continue_()
        else:
            self._waiting.append(route)

    def wait_for_one(self) -> None:
        """Until a request is there."""
        pumped(self._page, lambda: bool(self._waiting), "a request waits")

    def open(self) -> None:
        """Let go what waits, and what comes."""
        self._is_open = True
        for route in self._waiting:
            route.continue_()


def away(visitor: Visitor) -> Callable[[], None]:
    """The server can't be reached, until what this gives is called."""
    visitor.page.route(API, lambda route: route.abort("connectionrefused"))
    return lambda: visitor.page.unroute(API)


def records(server: Server, image_id: int = 1) -> list[dict[str, Any]]:
    """The annotations of an image in the server."""
    found: list[dict[str, Any]] = server.request("GET", f"/api/images/{image_id}/annotations").body
    return found


def text_of(server: Server, annotation_id: int) -> str:
    """The record's text as the server has it."""
    with urllib.request.urlopen(f"{server.url}/api/annotations/{annotation_id}") as answer:
        text: str = answer.read().decode()
    return text


def saved_text(server: Server, dataset: Path) -> str:
    """The file's text, after a save."""
    assert server.request("POST", "/api/flush", {}).status == 200
    return dataset.read_text()
