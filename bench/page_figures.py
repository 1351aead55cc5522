"""What is measured of a page in a browser's tab: from what the hand does to what the eye sees, and how much work it is.

Both pages can be measured: only what they have in common is used.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable

from playwright.sync_api import Browser, CDPSession, Locator, Page

from bench import page_data

Figures = dict[str, float]

_REST = 1000
"""Milliseconds after which all that follows from an act is done."""

_PAUSE = 60
"""Milliseconds after which a choice is painted, and another one can follow."""

_PROBES = """
const once = (type, act) => new Promise((done) => {
  addEventListener(type, () => act(done, performance.now()), {capture: true, once: true});
});
window.painted = (type) => once(type, (done, from) => {
  requestAnimationFrame(() => setTimeout(() => done(performance.now() - from)));
});
window.image = (type) => once(type, (done, from) => {
  new PerformanceObserver((list, observer) => {
    for (const {name, startTime, duration} of list.getEntries()) {
      if (name !== "image") continue;
      observer.disconnect();
      done(startTime + duration - from);
    }
  }).observe({type: "measure"});
});
window.current = (type, words) => once(type, (done, from) => {
  const look = () => {
    const isThere = document.querySelector(".objects .current")?.textContent.includes(words);
    if (isThere) setTimeout(() => done(performance.now() - from));
    else requestAnimationFrame(look);
  };
  requestAnimationFrame(look);
});
window.tile = (words) => new Promise((done) => {
  const look = () => {
    const isThere = [...document.querySelectorAll(".tile")].some((tile) => tile.textContent.includes(words));
    if (isThere) setTimeout(() => done(performance.now()));
    else requestAnimationFrame(look);
  };
  look();
});
"""

_COUNT = """async () => {
  const main = document.querySelector("script[type=module]").src;
  const {Feature, VectorSource} = await import(main.replace("main.js", "vendor/openlayers.js"));
  window.touched = new Set();
  const {addFeatures} = VectorSource.prototype;
  const {setGeometry} = Feature.prototype;
  VectorSource.prototype.addFeatures = function (features) {
    for (const feature of features) window.touched.add(feature);
    return addFeatures.call(this, features);
  };
  Feature.prototype.setGeometry = function (geometry) {
    window.touched.add(this);
    return setGeometry.call(this, geometry);
  };
}"""

_TO_THE_END = """async (last) => {
  const from = performance.now();
  const scroller = document.querySelector(".scroller");
  scroller.scrollTo(0, scroller.scrollHeight);
  return (await window.tile(last)) - from;
}"""


class Tab:
    """A browser's tab on the page of the server at `port`."""

    def __init__(self, chromium: Browser, port: int) -> None:
        context = chromium.new_context(viewport={"width": 1280, "height": 720})
        context.add_init_script(_PROBES)
        self.page: Page = context.new_page()
        self._devtools: CDPSession = context.new_cdp_session(self.page)
        self._devtools.send("Performance.enable")
        self._url = f"http://127.0.0.1:{port}/"

    def open(self, address: str) -> None:
        self.page.goto("about:blank")
        self.page.goto(self._url + address)

    def open_image(self, image_id: int) -> None:
        self.open(f"#/images/{image_id}")
        self.page.wait_for_function("() => performance.getEntriesByName('image').length > 0")
        self.rest()

    def rest(self) -> None:
        """Until what follows by itself is done."""
        self.page.wait_for_timeout(_REST)

    def timed(self, probe: str, act: Callable[[], object]) -> float:
        """Milliseconds from the event that `act` makes until what the probe waits for."""
        self.page.evaluate(f"() => {{ window.result = {probe}; }}")
        act()
        milliseconds: float = self.page.evaluate("() => window.result")
        return milliseconds

    def busy(self, act: Callable[[], object]) -> float:
        """Milliseconds that the page's own thread works more than without it, for `act` and what follows."""
        idle = self._work(lambda: None)
        return max(0.0, self._work(act) - idle)

    def close(self) -> None:
        self.page.context.close()

    def _work(self, act: Callable[[], object]) -> float:
        before = self._task_seconds()
        act()
        self.rest()
        return (self._task_seconds() - before) * 1000

    def _task_seconds(self) -> float:
        metrics = self._devtools.send("Performance.getMetrics")["metrics"]
        return float(next(each["value"] for each in metrics if each["name"] == "TaskDuration"))


def images(tab: Tab) -> Figures:
    """From image to image, and to one of 1,000 polygons."""
    keyboard, mouse = tab.page.keyboard, tab.page.mouse
    tab.open_image(1)
    calm = []
    for _ in range(8):
        calm.append(tab.timed("image('keydown')", lambda: keyboard.press("f")))
        tab.rest()
    hasty = [tab.timed("image('keydown')", lambda: keyboard.press("f")) for _ in range(8)]
    tab.open_image(page_data.USUAL)
    many = tab.timed("image('keydown')", lambda: keyboard.press("f"))
    tab.rest()

    def pan() -> None:
        box = tab.page.locator(".canvas").bounding_box()
        assert box is not None
        # Beside the picture: a drag from there moves it.
        x, y = box["x"] + 4, box["y"] + 4
        mouse.move(x, y)
        mouse.down()
        for step in range(1, 61):
            mouse.move(x + 4 * step, y + 2 * step)
        mouse.up()

    return {
        "key press to the next image painted, ms": statistics.median(calm),
        "the same, one after another without a rest, ms": statistics.median(hasty),
        "key press to 1,000 polygons painted, ms": many,
        "a step of panning 1,000 polygons, ms of work": tab.busy(pan) / 60,
        **_change(tab),
    }


def _change(tab: Tab) -> Figures:
    """One of 300 shapes gets another category."""
    page, keyboard = tab.page, tab.page.keyboard
    tab.open_image(page_data.MANY_SHAPES)
    page.evaluate(_COUNT)
    page.locator(".objects li .name").first.click()
    page.wait_for_selector(".objects .current")
    tab.rest()
    page.evaluate("() => window.touched.clear()")
    change = tab.timed("current('keydown', 'category 0003')", lambda: keyboard.press("3"))
    tab.rest()
    touched: int = page.evaluate("() => window.touched.size")
    return {
        "key press to a change among 300 shapes in the list, ms": change,
        "a change among 300 shapes and all that follows, ms of work": tab.busy(lambda: keyboard.press("4")),
        "features made or changed by it": touched,
    }


def categories(tab: Tab) -> Figures:
    """Choosing among 1,203."""
    tab.open_image(1)
    rows = tab.page.locator(".categories li .name")
    clicks = [tab.timed("painted('click')", rows.nth(number).click) for number in (3, 1, 4, 2)]
    places = [_middle(rows.nth(number)) for number in (5, 2, 4, 1, 3) * 2]
    tab.rest()
    return {
        "click on one of 1,203 categories to the choice painted, ms": statistics.median(clicks),
        "such a choice and all that follows, ms of work": tab.busy(lambda: _choose(tab, places)) / len(places),
        # The old page has nothing to find one by its name.
        **(_palette(tab) if tab.page.locator(".rail").count() else {}),
    }


def _choose(tab: Tab, places: list[tuple[float, float]]) -> None:
    """By the mouse alone: looking for a row is work for the page too, and none that a person makes."""
    for place in places:
        tab.page.mouse.click(*place)
        tab.page.wait_for_timeout(_PAUSE)


def _middle(row: Locator) -> tuple[float, float]:
    box = row.bounding_box()
    assert box is not None
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def _palette(tab: Tab) -> Figures:
    page, keyboard = tab.page, tab.page.keyboard
    shown = tab.timed("painted('keydown')", lambda: keyboard.press("/"))
    page.locator("dialog input").fill("category 077")
    narrowed = tab.timed("painted('keydown')", lambda: keyboard.press("7"))
    taken = tab.timed("painted('keydown')", lambda: keyboard.press("Enter"))
    return {
        "palette of 1,203 categories shown, ms": shown,
        "palette narrowed by a letter, ms": narrowed,
        "category taken from the palette, ms": taken,
    }


def gallery(tab: Tab) -> Figures:
    """118,287 images."""
    tab.open("")
    opened: float = tab.page.evaluate("() => window.tile('000001')")
    tab.rest()
    jumped: float = tab.page.evaluate(_TO_THE_END, f"{page_data.GALLERY:06}")
    return {"gallery of 118,287 images opened, ms": opened, "scrolled to its end, ms": jumped}
