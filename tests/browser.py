"""A real browser on the page of a real server: what went wrong in it, and where the picture's pixels are."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright
from servers import until

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or ""
needs_browser = pytest.mark.skipif(not CHROMIUM, reason="there is no Chromium: apt-get install chromium")

PICTURE = (912, 610)
"""A picture of this size fills the canvas of a window of 1280 x 720 pixels, a pixel each, with its margin of 12."""

_MARGIN = 12

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


def settled(page: Page) -> None:
    """Wait until nothing was loaded for half a second. The browser's own notion of it never comes: a stream is open."""
    page.evaluate(_QUIET)


def deafen(page: Page) -> None:
    """Open the page anew so that no event reaches it: it knows of others only what it asks for."""
    page.add_init_script(_DEAF)
    page.reload()


class Visitor:
    """Somebody who uses the page at `url`: `page` is Playwright's."""

    def __init__(self, page: Page, url: str) -> None:
        self.page = page
        self.url = url
        self.problems: list[str] = []
        self.foreign: list[str] = []
        page.set_default_timeout(15_000)
        page.on("console", self._note)
        page.on("pageerror", lambda error: self.problems.append(str(error)))
        page.on("request", self._check)

    def open(self, address: str = "") -> None:
        """Open the page, at an address within it such as `#/images/1`."""
        self.page.goto(f"{self.url}/{address}")

    def open_image(self, image_id: int) -> None:
        """Open the page at an image, and wait until its picture can be drawn on."""
        self.open(f"#/images/{image_id}")
        self.wait_for_picture()

    def deafen(self) -> None:
        """Let no event reach the open image: it knows of others only what it asks for."""
        deafen(self.page)
        self.wait_for_picture()

    def wait_for_picture(self) -> None:
        """Until the picture can be drawn on."""
        expect(self.page.locator(".editor .bar")).to_contain_text(str(PICTURE[0]))
        painted = "performance.getEntriesByName('image').length"
        until(lambda: self.page.evaluate(painted), "the picture is painted")

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

    def press(self, *keys: str) -> None:
        """Press keys one after another, on the picture."""
        for key in keys:
            self.page.keyboard.press(key)

    def answered(self) -> None:
        """Wait until the server has answered all changes: the page shows them before."""
        expect(self.page.locator("#save-state")).not_to_contain_text(re.compile("Sending|kept here"))

    @property
    def state(self) -> Any:
        """The save state, to expect something of."""
        return expect(self.page.locator("#save-state"))

    @property
    def objects(self) -> Any:
        """The rows of the list of annotations."""
        return self.page.locator(".objects li")

    def _note(self, message: Any) -> None:
        if message.type == "error":
            self.problems.append(message.text)

    def _check(self, request: Any) -> None:
        target = urlsplit(request.url)
        if target.scheme in ("http", "https") and target.netloc != urlsplit(self.url).netloc:
            self.foreign.append(request.url)
