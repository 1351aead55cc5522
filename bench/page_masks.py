"""Painting on a very large mask, and making other shapes of it: how long the page can do nothing else meanwhile."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image
from pycocotools import mask as coco

from bench import page_data
from bench.page_figures import Figures, Tab

LARGE = (4000, 3000)

_WATCH = """() => {
  window.longest = 0;
  new PerformanceObserver((list) => {
    for (const {duration} of list.getEntries()) window.longest = Math.max(window.longest, duration);
  }).observe({type: "longtask"});
}"""


def dataset(folder: Path) -> Path:
    """One large image with a mask that fills half of it, with an uneven edge and 200 holes, and a polygon across it."""
    width, height = LARGE
    image = {"id": 1, "file_name": "000001.jpg", "width": width, "height": height}
    Image.effect_noise(LARGE, 60).convert("RGB").save(folder / "000001.jpg", quality=70)
    rows, columns = np.mgrid[:height, :width]
    y, x = (rows - height / 2) / height, (columns - width / 2) / width
    angle = np.arctan2(y, x)
    mask = np.hypot(x, y) < 0.42 + 0.02 * np.sin(37 * angle) + 0.006 * np.sin(211 * angle)
    mask &= np.hypot(rows % 240 - 120, columns % 240 - 120) > 30
    found = coco.encode(np.asfortranarray(mask.astype(np.uint8)))
    segmentation = {"size": [height, width], "counts": found["counts"].decode()}
    left, top, wide, high = (float(side) for side in coco.toBbox(found))
    box = [left, top, wide, high]
    band = {"segmentation": [[100, 1400, 3900, 1400, 3900, 1600, 100, 1600]], "bbox": [100, 1400, 3800, 200]}
    annotations = [
        {"image_id": 1, "category_id": 1, "segmentation": segmentation, "area": int(mask.sum()), "bbox": box},
        {"image_id": 1, "category_id": 2, **band, "area": 760_000.0},
    ]
    return page_data.write(folder, [image], annotations, 9)


def figures(tab: Tab) -> Figures:
    """Painting on a mask of 4,000 x 3,000 pixels, and making other shapes of it. The old page can't."""
    page, keyboard, mouse = tab.page, tab.page.keyboard, tab.page.mouse
    tab.open_image(1)
    if not page.locator(".rail").count():
        return {}
    page.evaluate(_WATCH)
    keyboard.press("]")
    keyboard.press("r")
    tab.rest()
    box = page.locator(".canvas").bounding_box()
    assert box is not None

    def paint() -> None:
        x, y = box["x"] + box["width"] / 3, box["y"] + box["height"] / 3
        mouse.move(x, y)
        mouse.down()
        for step in range(1, 61):
            mouse.move(x + 3 * step, y + 2 * step)
        mouse.up()

    def longest(act: Callable[[], object]) -> float:
        page.evaluate("() => { window.longest = 0; }")
        act()
        tab.rest()
        found: float = page.evaluate("() => window.longest")
        return found

    painted = longest(paint)
    work = tab.busy(paint)
    keyboard.press("v")
    page.locator(".objects li .name").nth(0).click()
    page.locator(".objects li .name").nth(1).click(modifiers=["Control"])
    found = {
        "longest task of painting on a mask of 4,000 x 3,000, ms (0: none of 50)": painted,
        "a step of painting on it, ms of work": work / 60,
        "longest task of subtracting from it, ms (0: none of 50)": longest(lambda: keyboard.press("Shift+J")),
        "longest task of making it a box, ms (0: none of 50)": longest(lambda: keyboard.press("Shift+B")),
        "longest task of making that a mask, ms (0: none of 50)": longest(lambda: keyboard.press("Shift+M")),
        "longest task of making that polygons, ms (0: none of 50)": longest(lambda: keyboard.press("Shift+P")),
    }
    # The next measurement begins with what this one did.
    for _ in range(5):
        keyboard.press("Control+z")
    tab.rest()
    return found
