"""Lists: 1,203 categories, many images, filters that stay, hidden shapes, and names that are longer than any room."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from browser import API, Visit, Visitor, images, needs_browser, records, write_dataset
from playwright.sync_api import expect
from servers import Server, until
from windows import serve_again

pytestmark = [pytest.mark.slow, needs_browser]

LVIS = 1203
IMAGES = 3000
LONG = "a name that never ends " * 30
WORD = "Donaudampfschifffahrt" * 30
WINDOWS: list[dict[str, Any]] = [
    {"viewport": {"width": 1280, "height": 720}},
    {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True},
]


def box(annotation_id: int, image_id: int, category_id: int = 1, side: int = 100) -> str:
    return json.dumps(
        {
            "id": annotation_id,
            "image_id": image_id,
            "category_id": category_id,
            "bbox": [annotation_id % 700, 100, side, side],
            "area": side * side,
        }
    )


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Many images and categories; image 1 has 200 shapes, some later ones have one."""
    categories = [{"id": i, "name": f"thing {i:04d}", "supercategory": f"group {i % 40}"} for i in range(1, LVIS + 1)]
    annotations = [*(box(i, 1, i) for i in range(1, 201)), box(301, 2, 700), box(302, 3, 700, 30), box(303, 4, 700)]
    annotations += [box(310 + i, 10 + i) for i in range(10)]
    path = write_dataset(tmp_path_factory.mktemp("lists"), annotations, images(IMAGES), categories)
    with serve_again(path) as server:
        yield server


@pytest.fixture
def visitor(visit: Visit, server: Server) -> Visitor:
    return visit(server.url)


# 1,203 categories


def test_choosing_one_of_1203_categories_touches_a_few_rows(visitor: Visitor, server: Server) -> None:
    visitor.open_image(2)
    page = visitor.page
    expect(page.locator(".categories li").first).to_be_visible()
    assert page.locator(".categories li").count() < 60
    page.evaluate(
        "new MutationObserver(all => (window.touched = (window.touched ?? 0) + all.length))"
        ".observe(document.querySelector('.sidebar'), {subtree: true, childList: true, attributes: true})"
    )
    page.locator(".categories .name").nth(3).click()
    visitor.press("/")
    field = page.get_by_role("combobox", name="Category")
    field.fill("thing 0942")
    expect(page.locator("#palette-list li").first).to_contain_text("thing 0942")
    field.press("Enter")
    expect(page.locator(".in-force")).to_contain_text("thing 0942")
    expect(page.locator('.categories [aria-pressed="true"]')).to_contain_text("thing 0942")
    # Two choices, each of them far from the other: rows come and go, and no row of the 1,100 that are not seen.
    assert page.evaluate("window.touched") < 1000
    assert page.locator(".categories li").count() < 60


def test_the_palette_relabels_what_is_selected(visitor: Visitor, server: Server) -> None:
    visitor.open_image(2)
    visitor.page.locator(".objects .name").first.click()
    visitor.press("/")
    field = visitor.page.get_by_role("combobox", name="Category")
    field.fill("1203")
    field.press("Enter")
    until(lambda: records(server, 2)[0]["category_id"] == LVIS, "it has the last category")
    visitor.answered()
    assert len(visitor.sent) == 1


def test_a_choice_in_the_palette_counts_before_anything_that_is_done_next(visitor: Visitor, server: Server) -> None:
    visitor.open_image(2)
    page = visitor.page
    visitor.press("/")
    page.get_by_role("combobox", name="Category").fill("thing 0942")
    expect(page.locator("#palette-list li")).to_have_count(1)
    enter = """field => {
        field.dispatchEvent(new KeyboardEvent("keydown", {key: "Enter", bubbles: true, cancelable: true}));
        return document.querySelector("dialog") === null;
    }"""
    assert page.locator("dialog input").evaluate(enter)
    expect(page.locator(".in-force")).to_contain_text("thing 0942")


def test_a_key_is_pinned_in_the_palette_and_chooses_from_then_on(visitor: Visitor, server: Server) -> None:
    visitor.open_image(15)
    page = visitor.page
    visitor.press("/")
    field = page.get_by_role("combobox", name="Category")
    field.fill("thing 0942")
    expect(page.locator("#palette-list li")).to_have_count(1)
    field.press("Alt+Digit4")
    expect(page.locator("#palette-list li kbd")).to_have_text("4")
    visitor.press("Escape", "2")
    expect(page.locator(".in-force")).to_contain_text("thing 0002")
    visitor.press("4")
    expect(page.locator(".in-force")).to_contain_text("thing 0942")
    page.reload()
    visitor.wait_for_picture()
    page.locator(".objects .name").first.click()
    visitor.press("4")
    until(lambda: records(server, 15)[0]["category_id"] == 942, "the key is pinned over a reload, and relabels")


# Many images


def test_a_deep_link_asks_for_one_image_and_not_for_the_lists_before_it(visitor: Visitor) -> None:
    asked: list[str] = []
    visitor.page.on("request", lambda request: asked.append(request.url.partition("/api/")[2]))
    visitor.open_image(IMAGES - 1)
    expect(visitor.page.locator(".editor .bar")).to_contain_text("2,999 / 3,000")
    visitor.press("f")
    expect(visitor.page.locator(".editor .bar")).to_contain_text("3,000 / 3,000")
    assert [each for each in asked if each.startswith("images?")] == []
    assert len([each for each in asked if "neighbours" in each]) <= 2


def test_filters_of_the_statistics_are_shown_and_stay(visitor: Visitor, server: Server) -> None:
    page = visitor.page
    visitor.open("#/statistics")
    page.get_by_label("Find in: Annotations of each category").fill("thing 0700")
    page.get_by_role("link", name="thing 0700").click()
    chips = page.locator(".chip")
    expect(chips).to_have_count(1)
    expect(chips).to_contain_text("thing 0700")
    expect(page.locator(".found")).to_have_text(re.compile("^[23] images"))
    visitor.open("#/statistics")
    page.get_by_role("link", name="16 to 32").click()
    expect(chips).to_contain_text("16 to 32")
    expect(page.locator(".found")).to_have_text("1 image")
    # Another filter, an image and the way back leave it in force.
    page.get_by_label("Annotated", exact=True).select_option("true")
    expect(chips.first).to_be_visible()
    page.locator(".tile").first.click()
    expect(page.locator(".editor .bar")).to_contain_text("1 / 1")
    visitor.press("Escape")
    expect(page.locator(".found")).to_have_text("1 image")
    expect(chips.filter(has_text="16 to 32")).to_have_count(1)
    page.locator("#to-statistics").click()
    page.locator("#to-images").click()
    expect(page.locator(".found")).to_have_text("1 image")
    page.get_by_role("button", name="Clear").click()
    expect(page.locator(".found")).to_have_text("3,000 images")


# Hidden shapes


def test_it_is_said_that_shapes_are_hidden_and_a_new_one_is_not(visitor: Visitor) -> None:
    visitor.open_image(10)
    notices = visitor.page.locator(".notice")
    visitor.press("h")
    expect(notices).to_contain_text("All shapes are hidden")
    visitor.press("b")
    visitor.drag((500, 300), (620, 390))
    expect(visitor.objects).to_have_count(2)
    expect(notices).to_have_count(0)
    visitor.press("v")
    visitor.objects.first.hover()
    visitor.objects.first.get_by_role("button", name="Hide").click()
    expect(notices).to_contain_text("1 annotation hidden")
    visitor.page.get_by_role("button", name="Show all", exact=True).click()
    expect(notices).to_have_count(0)


def test_a_shape_that_is_drawn_in_a_hidden_category_is_seen(visitor: Visitor) -> None:
    visitor.open_image(11)
    row = visitor.page.locator(".categories li").first
    row.hover()
    row.get_by_label("Hide all of").click()
    expect(visitor.page.locator(".notice")).to_contain_text("hidden")
    visitor.open_image(12)
    expect(visitor.page.locator(".notice")).to_contain_text("1 annotation hidden")
    visitor.press("b")
    visitor.drag((500, 300), (620, 390))
    expect(visitor.objects).to_have_count(2)
    expect(visitor.page.locator(".objects .unseen")).to_have_count(0)


# Names


def test_a_name_that_is_refused_stays_in_the_field_of_a_new_category(visitor: Visitor) -> None:
    visitor.open_image(13)
    page = visitor.page
    page.get_by_role("button", name="Add a category").click()
    name = page.get_by_role("textbox", name="Name", exact=True)
    name.fill("thing 0001")
    name.press("Enter")
    expect(page.get_by_role("alert").filter(has_text="thing 0001")).to_be_visible()
    expect(name).to_have_value("thing 0001")
    name.fill("thing of its own")
    name.press("Enter")
    expect(page.get_by_role("dialog")).to_have_count(0)
    expect(page.locator(".in-force")).to_contain_text("thing of its own")
    visitor.problems[:] = [each for each in visitor.problems if "409" not in each]


def test_a_rename_while_the_server_is_away_is_not_lost(visitor: Visitor, server: Server) -> None:
    visitor.open_image(14)
    page = visitor.page
    row = page.locator(".categories li", has_text="thing 0002")
    row.hover()
    row.get_by_label("Edit").click()
    page.route(API, lambda route: route.abort("connectionrefused"))
    name = page.get_by_role("textbox", name="Name", exact=True)
    name.fill("renamed in the dark")
    name.press("Enter")
    visitor.state.to_contain_text("1 change kept here")
    page.unroute(API)
    expect(page.get_by_role("dialog")).to_have_count(0)
    expect(page.locator(".categories")).to_contain_text("renamed in the dark")
    visitor.press("Control+z")
    expect(page.locator(".categories")).to_contain_text("thing 0002")
    assert server.request("GET", "/api/categories/2").body["name"] == "thing 0002"
    visitor.problems[:] = [each for each in visitor.problems if "ERR_" not in each]


@pytest.mark.parametrize("window", WINDOWS, ids=["desk", "phone"])
def test_long_names_and_captions_leave_everything_in_its_place(
    visit: Visit, tmp_path: Path, window: dict[str, Any]
) -> None:
    made = images(2)
    for image, name in zip(made, (LONG, WORD), strict=True):
        image["file_name"] = f"{name[:200]}.png"
    captions = [{"id": 10 + i, "image_id": 1 + i, "caption": text * 5} for i, text in enumerate((LONG, WORD))]
    texts = [box(1, 1), box(2, 2, 2), *map(json.dumps, captions)]
    categories = [{"id": 1, "name": LONG, "supercategory": WORD}, {"id": 2, "name": WORD}]
    with serve_again(write_dataset(tmp_path, texts, made, categories)) as server:
        visitor = visit(server.url, expected=["404"], **window)
        page = visitor.page
        for address, there in [
            ("#/images/1", ".objects li"),
            ("#/images/2", ".objects li"),
            ("#/images?category_id=2&file_name=Donau", ".tile"),
            ("#/statistics", "#statistics h2"),
        ]:
            visitor.open(address)
            expect(page.locator(there).first).to_be_attached()
            expect(page.locator("#save-state")).to_be_in_viewport()
            width, height = (
                page.evaluate(f"document.documentElement.{side}") for side in ("scrollWidth", "scrollHeight")
            )
            assert (width, height) == tuple(window["viewport"].values()), address
            # On a phone the tools are a row that is pushed sideways.
            rail = "" if window.get("is_mobile") else ", .rail *"
            outside = page.evaluate(
                f"[...document.querySelectorAll('header *, .editor .bar *, .rail{rail}')]"
                ".filter(e => e.checkVisibility())"
                ".filter(e => e.getBoundingClientRect().right > innerWidth + 1).map(e => e.outerHTML.slice(0, 80))"
            )
            assert outside == [], address
        if not window.get("is_mobile"):
            visitor.open("#/images/2")
            page.locator(".objects .name").nth(1).click()
            box_ = page.locator(".canvas").bounding_box()
            assert box_ is not None
            assert box_["width"] > 800
