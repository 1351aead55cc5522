"""The page by keyboard and by ear: axe-core finds nothing in any state, Tab is never caught, the focus goes back."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import pytest
from browser import deafen, needs_browser, settled
from playwright.sync_api import Page, expect
from servers import ROOT, Server, until
from users import logged_in, serve_team
from windows import Windows, serve_again

from cocoannot.demo import make_demo

AXE = ROOT / "tools" / "page" / "node_modules" / "axe-core" / "axe.min.js"
TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
DESK: dict[str, Any] = {"viewport": {"width": 1280, "height": 720}}
PHONE: dict[str, Any] = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}
ZOOMED: dict[str, Any] = {"viewport": {"width": 640, "height": 360}}

Scheme = Literal["light", "dark"]
COLOURS = {"type": "rule", "values": ["color-contrast", "link-in-text-block"]}
IMAGE = "#/images/16"
PERSONS = "#/images/1"
"""It has shapes of every category."""
BROKEN = "#/images/12"

pytestmark = [pytest.mark.slow, needs_browser]
needs_axe = pytest.mark.skipif(not AXE.exists(), reason="there is no axe-core: `make test` installs it")

Act = Callable[[Page], None]


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """As it is made: its pictures take long to draw."""
    folder = tmp_path_factory.mktemp("demo")
    make_demo(folder)
    return folder


@pytest.fixture
def dataset(demo: Path, tmp_path: Path) -> Path:
    """The demo's file, to be changed."""
    return shutil.copytree(demo, tmp_path / "demo") / "annotations.json"


@pytest.fixture(scope="module")
def server(demo: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The demo, with images in all states, and a shape that can't be drawn on an image that has no other."""
    path = shutil.copytree(demo, tmp_path_factory.mktemp("states") / "demo") / "annotations.json"
    dataset = json.loads(path.read_bytes())
    dataset["annotations"].append(
        {"id": 9000, "image_id": 12, "category_id": 1, "bbox": "none", "segmentation": [1, 2]}
    )
    for image, status in zip(dataset["images"], ("done", "empty", "skipped", "returned", "approved"), strict=False):
        image["annotation_status"] = status
    path.write_text(json.dumps(dataset))
    with serve_again(path) as server:
        yield server


@contextmanager
def opened(windows: Windows, server: Server, address: str, **window: Any) -> Iterator[Page]:
    with windows.opened(**{"reduced_motion": "reduce", **window}) as page:
        page.set_default_timeout(15_000)
        go(page, server, address)
        yield page


def go(page: Page, server: Server, address: str) -> None:
    """Go to an address of the page at which it is not."""
    page.evaluate("performance.clearMeasures('image')")
    page.goto(f"{server.url}/{address}")
    if "/images/" in address and not address.endswith("99999"):
        until(lambda: page.evaluate("performance.getEntriesByName('image').length"), "the picture is painted")
    else:
        expect(page.locator("#save-state")).to_contain_text(re.compile("[Ss]aved"))


def focused(page: Page) -> str:
    """What has the focus, as a screen reader says it."""
    name: str = page.evaluate("(document.activeElement.ariaLabel ?? document.activeElement.textContent).trim()")
    return name


def violations(page: Page) -> list[tuple[str, str, list[str]]]:
    """What axe-core finds, in light and in dark: there nothing is another than the colours."""
    if not page.evaluate("'axe' in window"):
        page.evaluate(AXE.read_text())
    looks: list[tuple[Scheme, object, int]] = [("light", TAGS, 6), ("dark", COLOURS, 1)]
    return [
        (scheme, each["id"], [node["html"] for node in each["nodes"]])
        for scheme, rules, least in looks
        for each in _looked(page, scheme, rules, least)
    ]


def _looked(page: Page, scheme: Scheme, rules: object, least: int) -> list[dict[str, Any]]:
    page.emulate_media(color_scheme=scheme)
    problems: list[dict[str, Any]]
    # Of what passes the number alone: each element would come otherwise.
    problems, others = page.evaluate(
        """async (rules) => {
            const found = await axe.run(document, {runOnly: rules, resultTypes: ["violations"]});
            return [found.violations, found.passes.length + found.incomplete.length];
        }""",
        rules,
    )
    # It has looked at something.
    assert others >= least
    return problems


def small_targets(page: Page) -> list[str]:
    """What is to be seen and too small for a finger."""
    small: list[str] = page.evaluate(
        """[...document.querySelectorAll("button, select, input, a[href]")]
            .filter(each => each.checkVisibility({visibilityProperty: true}))
            .map(each => [each.ariaLabel ?? each.textContent, each.getBoundingClientRect()])
            .filter(([, box]) => box.width < 44 || box.height < 43)
            .map(([name, box]) => `${name}: ${box.width} x ${box.height}`)"""
    )
    return small


def _nothing(page: Page) -> None:
    settled(page)


def _select(page: Page) -> None:
    page.locator(".objects .name").last.click()
    expect(page.locator(".objects .current")).to_have_count(1)


def _key(key: str) -> Act:
    def press(page: Page) -> None:
        page.keyboard.press(key)
        expect(page.get_by_role("dialog")).to_be_visible()

    return press


def _category(button: str) -> Act:
    def click(page: Page) -> None:
        row = page.locator(".categories li").nth(1)
        row.hover()
        row.get_by_role("button", name=button).click()
        expect(page.get_by_role("dialog")).to_be_visible()

    return click


def _see(page: Page) -> None:
    page.locator("#seeing-button").click()
    expect(page.locator("#seeing")).to_be_visible()


def _state(page: Page) -> None:
    page.locator("#work-button").click()
    expect(page.get_by_role("dialog", name="State of the image")).to_be_visible()


def _send_back(page: Page) -> None:
    page.keyboard.press("Shift+x")
    expect(page.get_by_role("dialog")).to_contain_text("Send this image back")


def _lists(page: Page) -> None:
    page.get_by_role("button", name="Show or hide the lists").click()
    expect(page.locator(".sidebar")).to_be_visible()


def _record(page: Page) -> None:
    page.get_by_role("button", name="Show it").click()
    expect(page.get_by_role("dialog")).to_contain_text("can't be drawn")


def _draw(page: Page) -> None:
    box = page.locator(".canvas").bounding_box()
    assert box is not None
    page.keyboard.press("p")
    for x, y in [(200, 200), (300, 200), (300, 300)]:
        page.mouse.click(box["x"] + x, box["y"] + y)
    expect(page.get_by_role("button", name="Finish")).to_be_visible()


def _keypoints(page: Page) -> None:
    box = page.locator(".canvas").bounding_box()
    assert box is not None
    page.keyboard.press("6")
    page.keyboard.press("k")
    page.mouse.click(box["x"] + 200, box["y"] + 200)
    expect(page.get_by_role("button", name="Not there")).to_be_visible()


def _details(page: Page) -> None:
    if not page.locator(".sidebar").is_visible():
        _lists(page)
    page.locator(".objects .name", has_text="person").first.click()
    page.locator(".details > summary").click()
    page.locator(".history > summary").click()
    expect(page.locator(".versions-list li")).to_have_count(1)
    page.get_by_role("button", name="Add the field").click()
    expect(page.get_by_role("alert").filter(has_text="Type a name")).to_be_visible()


def _more(page: Page) -> None:
    page.get_by_role("button", name="More for annotations").click()
    expect(page.get_by_role("dialog", name="More for annotations")).to_be_visible()


def _waiting(page: Page) -> None:
    page.route("**/api/images/17*/**", lambda route: None)
    page.route("**/api/images/17", lambda route: None)
    page.evaluate("location.hash = '#/images/17'")
    expect(page.get_by_role("progressbar")).to_be_visible()


def _gallery_waiting(page: Page) -> None:
    page.route("**/api/images?*", lambda route: None)
    page.evaluate("location.hash = '#/images?annotated=true'")
    expect(page.locator(".skeleton").first).to_be_visible()


def _versions(page: Page) -> None:
    """Somebody else has changed what is changed here, and it was not heard of; the server is left as it was."""
    deafen(page)
    until(lambda: page.evaluate("performance.getEntriesByName('image').length"), "the picture is painted")
    page.route("**/api/status", lambda route: route.abort())
    _select(page)
    key = page.locator(".objects .current").get_attribute("data-key")
    url = page.url.partition("#")[0]
    there = page.request.get(f"{url}api/annotations/{key}").json()["category_id"]
    for category in (3 if there != 3 else 4, there):
        page.request.patch(f"{url}api/annotations/{key}", data={"category_id": category})
        if category != there:
            page.locator(".canvas").focus()
            page.keyboard.press("2" if there != 2 else "5")
            expect(page.get_by_role("dialog")).to_contain_text("Two versions")


def _away(page: Page) -> None:
    page.route("**/api/**", lambda route: route.abort())
    expect(page.locator(".notice")).to_contain_text("does not answer")


def _people(page: Page) -> None:
    page.get_by_role("button", name="Who is here").click()
    expect(page.get_by_role("dialog", name="Who is here")).to_contain_text("ben")


def _account(page: Page) -> None:
    page.get_by_role("button", name="Your account").click()
    expect(page.get_by_role("dialog", name="Your account")).to_be_visible()


def _choose(item: str) -> Act:
    def choose(page: Page) -> None:
        _account(page)
        page.get_by_role("button", name=item).click()
        expect(page.get_by_role("dialog", name=item)).to_be_visible()

    return choose


def _log_out(page: Page) -> None:
    _account(page)
    page.get_by_role("button", name="Log out").click()
    expect(page.get_by_role("dialog", name="Log in")).to_be_visible()


DIALOGS: dict[str, Act] = {
    "more": _more,
    "palette": _key("/"),
    "keys": _key("?"),
    "seeing": _see,
    "state": _state,
    "sending back": _send_back,
    "category": _category("Edit"),
    "delete": _category("Delete"),
    "pin": _category("Choose a key"),
}
"""What is open over the editor, until Escape."""

Walk = Mapping[str, tuple[str, Act]]

WALKS: dict[str, tuple[dict[str, Any], Walk]] = {
    "desk": (
        DESK,
        {
            "gallery": ("#/images", _nothing),
            "gallery, filtered": ("#/images?category_id=4&min_annotations=3&max_annotations=6", _nothing),
            "gallery, nothing found": ("#/images?file_name=nowhere", _nothing),
            "statistics": ("#/statistics", _nothing),
            "no such image": ("#/images/99999", _nothing),
            "broken shape": (BROKEN, _nothing),
            "text of a broken shape": (BROKEN, _record),
            "editor, nothing selected": (IMAGE, _nothing),
            **{name: (IMAGE, act) for name, act in DIALOGS.items()},
            "editor": (IMAGE, _select),
            "details": (PERSONS, _details),
        },
    ),
    "desk, in forced colours": ({**DESK, "forced_colors": "active"}, {"editor": (IMAGE, _select)}),
    "phone": (
        PHONE,
        {
            "statistics": ("#/statistics", _nothing),
            "gallery": ("#/images", _nothing),
            "editor": (IMAGE, _nothing),
            **{name: (IMAGE, DIALOGS[name]) for name in ("more", "state")},
            "lists": (IMAGE, _lists),
            "details": (PERSONS, _details),
        },
    ),
    "desk at 200 %": (ZOOMED, {"editor": (IMAGE, _nothing), "statistics": ("#/statistics", _nothing)}),
}
"""States that one page can be in one after another: where each is, and what is done there."""

STATES: dict[str, tuple[str, dict[str, Any], Act]] = {
    "gallery, loading": ("#/statistics", DESK, _gallery_waiting),
    "editor, loading": (IMAGE, DESK, _waiting),
    "editor, drawing": (IMAGE, DESK, _draw),
    "editor, placing keypoints": (PERSONS, DESK, _keypoints),
    "placing keypoints on a phone": (PERSONS, PHONE, _keypoints),
    "two versions": (IMAGE, DESK, _versions),
    "server away": (IMAGE, DESK, _away),
}
"""States after which a page is not as it was before."""

TEAM_DIALOGS: dict[str, Act] = {
    "people": _people,
    "account": _account,
    "tokens": _choose("My tokens"),
    "users": _choose("Users"),
    "login": _log_out,
}


def find_nothing_in(page: Page, dialogs: Mapping[str, Act]) -> None:
    """Open one after another; the last one may be one that Escape does not close."""
    for number, (name, act) in enumerate(dialogs.items(), start=1):
        act(page)
        assert violations(page) == [], name
        if number < len(dialogs):
            page.keyboard.press("Escape")
            expect(page.get_by_role("dialog")).to_have_count(0)


@needs_axe
def test_axe_finds_nothing_about_people(windows: Windows, dataset: Path) -> None:
    with (
        serve_team(dataset, {"ada": "admin", "ben": "annotator"}) as server,
        logged_in(windows, server, "ben") as ben,
    ):
        ben.open(IMAGE)
        expect(ben.page.locator(".here")).to_have_count(1)
        for window in (DESK, PHONE):
            with logged_in(windows, server, "ada", reduced_motion="reduce", **window) as ada:
                ada.open(IMAGE)
                expect(ada.page.locator(".here")).to_be_visible()
                assert window is DESK or small_targets(ada.page) == []
                find_nothing_in(ada.page, TEAM_DIALOGS)


@needs_axe
@pytest.mark.parametrize("window", [DESK, PHONE, ZOOMED], ids=["desk", "phone", "zoomed"])
def test_axe_finds_nothing_about_predictions(windows: Windows, dataset: Path, window: dict[str, Any]) -> None:
    with serve_again(dataset) as server:
        box = {"image_id": 16, "category_id": 4, "bbox": [20, 20, 90, 70], "score": 0.72}
        server.request("PUT", "/api/predictions/yolo", [box])
        with opened(windows, server, IMAGE, **window) as page:
            line = page.get_by_role("region", name="Predictions")
            for key, words in (("", "Point at"), (".", "star 0.72")):
                if key:
                    page.keyboard.press(key)
                expect(line).to_contain_text(words)
                assert violations(page) == [], key
            for part in ("combobox", "slider", "button"):
                for each in line.get_by_role(part).all():
                    around = each.bounding_box()
                    assert around, part
                    assert around["x"] + around["width"] <= window["viewport"]["width"]
                    assert around["y"] + around["height"] <= window["viewport"]["height"]


@needs_axe
@pytest.mark.parametrize("walk", WALKS)
def test_axe_finds_nothing_in_light_and_dark(windows: Windows, server: Server, walk: str) -> None:
    window, states = WALKS[walk]
    there, _ = next(iter(states.values()))
    found = {}
    with opened(windows, server, there, **window) as page:
        for state, (address, act) in states.items():
            if address != there:
                go(page, server, address)
                there = address
            act(page)
            found[state] = violations(page)
            # Where none is open, Escape leaves the image.
            if page.get_by_role("dialog").count():
                page.keyboard.press("Escape")
                expect(page.get_by_role("dialog")).to_have_count(0)
    assert found == {state: [] for state in states}


@needs_axe
@pytest.mark.parametrize("state", STATES)
def test_axe_finds_nothing_while_something_lasts(windows: Windows, server: Server, state: str) -> None:
    address, window, act = STATES[state]
    with opened(windows, server, address, **window) as page:
        act(page)
        assert violations(page) == []


def test_tab_goes_through_the_editor_and_out_of_it(windows: Windows, server: Server) -> None:
    with opened(windows, server, IMAGE) as page:
        page.locator(".canvas").focus()
        passed = []
        for _ in range(40):
            page.keyboard.press("Tab")
            if page.evaluate("document.activeElement === document.body"):
                break
            passed.append(focused(page))
        assert page.evaluate("document.activeElement === document.body"), passed
        assert "Find among the annotations" in passed
        assert "Find among the categories" in passed


def test_brackets_step_through_the_annotations(windows: Windows, server: Server) -> None:
    with opened(windows, server, IMAGE) as page:
        names = page.locator(".objects .name")
        first, second = (names.nth(i).get_attribute("title") for i in (0, 1))
        current = page.locator(".objects .current .name")
        page.keyboard.press("]")
        expect(current).to_have_attribute("title", str(first))
        page.keyboard.press("]")
        expect(current).to_have_attribute("title", str(second))
        page.keyboard.press("[")
        expect(current).to_have_attribute("title", str(first))


def test_a_closed_dialog_gives_the_focus_back(windows: Windows, server: Server) -> None:
    with opened(windows, server, IMAGE) as page:
        page.locator("#help").focus()
        page.keyboard.press("Enter")
        expect(page.get_by_role("dialog")).to_be_visible()
        page.keyboard.press("Escape")
        expect(page.get_by_role("dialog")).to_have_count(0)
        assert page.evaluate("document.activeElement.id") == "help"


def test_the_gallery_focuses_the_image_that_one_comes_from(windows: Windows, server: Server) -> None:
    with opened(windows, server, "#/images") as page:
        page.locator(".tile").nth(2).focus()
        page.keyboard.press("Enter")
        expect(page.locator(".title")).to_contain_text("demo_03")
        page.keyboard.press("Escape")
        expect(page.locator(".tile:focus")).to_contain_text("demo_03")


def test_arrows_go_through_a_list_of_which_tab_sees_one_row(windows: Windows, server: Server) -> None:
    with opened(windows, server, IMAGE) as page:
        rows = page.locator(".objects .name")
        expect(rows.first).to_be_visible()
        assert page.locator(".objects .name[tabindex='0']").count() == 1
        rows.first.focus()
        page.keyboard.press("ArrowDown")
        expect(rows.nth(1)).to_be_focused()
        page.keyboard.press("End")
        expect(rows.last).to_be_focused()


def test_the_save_state_is_announced_when_it_becomes_another_one(windows: Windows, server: Server) -> None:
    assert server.request("POST", "/api/flush", {}).status == 200
    with opened(windows, server, IMAGE) as page:
        heard: list[str] = []
        page.expose_function("hear", lambda text: heard.append(text))
        page.evaluate(
            "new MutationObserver(() => hear(document.getElementById('announcements').textContent))"
            ".observe(document.getElementById('announcements'), {childList: true, characterData: true, subtree: true})"
        )
        ticks: list[str] = []
        for _ in range(3):
            page.keyboard.press("]")
            page.keyboard.press("ArrowRight")
            expect(page.locator("#save-state")).to_contain_text("unsaved change")
            ticks.append(page.locator("#save-state").inner_text())
        assert heard == ["There are unsaved changes"], ticks


def test_a_name_that_is_refused_can_be_corrected(windows: Windows, server: Server) -> None:
    with opened(windows, server, IMAGE) as page:
        _category("Edit")(page)
        name = page.get_by_role("textbox", name="Name", exact=True)
        name.fill("circle")
        page.keyboard.press("Enter")
        expect(page.get_by_role("alert").filter(has_text="circle")).to_be_visible()
        expect(name).to_have_value("circle")
        page.keyboard.press("Escape")


def test_what_is_drawn_is_not_left_without_a_question(windows: Windows, server: Server) -> None:
    with opened(windows, server, IMAGE) as page:
        _draw(page)
        page.locator("#to-statistics").click()
        expect(page.get_by_role("dialog")).to_contain_text("Leave what you are drawing?")
        page.get_by_role("button", name="Cancel").click()
        expect(page.get_by_role("button", name="Finish")).to_be_visible()
        expect(page).to_have_url(f"{server.url}/{IMAGE}")
        page.locator("#to-statistics").click()
        page.get_by_role("button", name="Leave it").click()
        expect(page.locator("#statistics")).to_be_visible()


@pytest.mark.parametrize(("window", "least"), [(PHONE, 0.7), (ZOOMED, 0.7), (DESK, 0.6)])
def test_the_picture_keeps_most_of_the_window(
    windows: Windows, server: Server, window: dict[str, Any], least: float
) -> None:
    with opened(windows, server, IMAGE, **window) as page:
        box = page.locator(".canvas").bounding_box()
        assert box is not None
        size = window["viewport"]
        assert box["width"] * box["height"] >= least * size["width"] * size["height"], box


def test_targets_are_large_enough_for_fingers(windows: Windows, server: Server) -> None:
    with opened(windows, server, IMAGE, **PHONE) as page:
        _lists(page)
        _nothing(page)
        assert small_targets(page) == []


def test_forced_colours_keep_swatches_and_what_is_selected(windows: Windows, server: Server) -> None:
    colours = "each => getComputedStyle(each).backgroundColor"
    with opened(windows, server, IMAGE, forced_colors="active") as page:
        page.locator(".objects .name").first.click()
        swatches = {each.evaluate(colours) for each in page.locator(".categories .swatch").all()}
        assert len(swatches) > 4
        selected, other = (
            page.locator(f".objects {row}").first.evaluate(colours) for row in (".current", "li:not(.current)")
        )
        assert selected != other


def test_long_names_break_nothing(windows: Windows, dataset: Path) -> None:
    content = json.loads(dataset.read_bytes())
    for category in content["categories"]:
        category["name"] += "-with-a-name-that-never-ends" * 20
    dataset.write_text(json.dumps(content))
    with serve_again(dataset) as server:
        for window in (DESK, PHONE):
            with opened(windows, server, IMAGE, **window) as page:
                for address in (IMAGE, "#/images?category_id=1", "#/statistics"):
                    if address != IMAGE:
                        go(page, server, address)
                    _nothing(page)
                    width = page.evaluate("document.documentElement.scrollWidth")
                    assert width == window["viewport"]["width"], address
