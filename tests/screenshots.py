"""The README's pictures of the page, from the demo dataset: `make screenshots`."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from browser import browser
from playwright.sync_api import expect
from servers import serve

from cocoannot.demo import make_demo

VIEWS = {"gallery": "#/images", "editor": "#/images/16", "statistics": "#/statistics"}


def main(folder: Path) -> None:
    """Write a picture of each view into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as demo:
        make_demo(Path(demo))
        with serve(Path(demo) / "annotations.json") as server, browser() as chromium:
            page = chromium.new_page(viewport={"width": 1280, "height": 720})
            for name, address in VIEWS.items():
                page.goto(f"{server.url}/{address}")
                page.reload()
                expect(page.locator("#save-state")).to_contain_text("Saved")
                if name == "editor":
                    page.locator(".objects button").first.click()
                page.wait_for_load_state("networkidle")
                page.screenshot(path=folder / f"{name}.png")
                print(f"{name}.png")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
