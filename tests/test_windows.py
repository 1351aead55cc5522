"""What the tests of the page promise of themselves: in a window that is used again nothing is left of the test
before, but for the page's files; and those are never of another version."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from browser import Visitor, images, needs_browser, write_dataset
from playwright.sync_api import Browser, Page, Request
from servers import Server, serve
from windows import Windows, serve_again

pytestmark = [pytest.mark.slow, needs_browser]

FILES = re.compile(r"/page/[0-9a-f]{16}/")

LOOK = """async () => ({
    window: window.name,
    local: {...localStorage, "cocoannot.client": ""},
    session: {...sessionStorage},
    cookies: document.cookie,
    databases: await indexedDB.databases(),
    caches: await caches.keys(),
    workers: (await navigator.serviceWorker.getRegistrations()).length,
    place: (await navigator.permissions.query({name: "geolocation"})).state,
    hovered: document.querySelectorAll(":hover").length,
    history: history.length,
    state: history.state,
    zone: Intl.DateTimeFormat().resolvedOptions().timeZone,
    media: ["(prefers-color-scheme: dark)", "(prefers-reduced-motion: reduce)", "(forced-colors: active)", "print"]
        .filter(query => matchMedia(query).matches),
    size: [innerWidth, innerHeight, devicePixelRatio],
    exposed: typeof window.exposed,
    noticed: [...document.querySelectorAll(".toast")].length,
    online: navigator.onLine,
})"""
"""What a page can see of the window that it is in. Its name at the server is made anew each time."""

LEAVE = """async () => {
    window.name = "left";
    addEventListener("beforeunload", event => event.preventDefault());
    localStorage.left = sessionStorage.left = "left";
    document.cookie = "left=1";
    history.pushState({}, "", "#/left");
    await caches.open("left");
    await new Promise(done => { indexedDB.open("left").onsuccess = ({target}) => done(target.result.close()); });
}"""


@pytest.fixture(scope="module")
def windows(chromium: Browser) -> Windows:
    """Some that no other module has used, to compare with."""
    return Windows(chromium)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serve(write_dataset(tmp_path_factory.mktemp("windows"), [], images(1))) as server:
        yield server


LEFT = {
    "window",
    "local",
    "session",
    "cookies",
    "databases",
    "caches",
    "place",
    "hovered",
    "history",
    "media",
    "online",
    "size",
    "zone",
}


def look(page: Page, server: Server) -> dict[str, Any]:
    """Open the page, and see what its window is like."""
    Visitor(page, server.url).open_image(1)
    seen: dict[str, Any] = page.evaluate(LOOK)
    return {**seen, "all cookies": page.context.cookies(), "pages": len(page.context.pages)}


def leave_traces(page: Page, server: Server) -> None:
    """What can be taken back."""
    page.evaluate(LEAVE)
    page.context.add_cookies([{"name": "hidden", "value": "2", "url": server.url, "httpOnly": True}])
    page.context.grant_permissions(["geolocation"])
    page.context.new_page().goto(server.url)
    page.route("**/api/**", lambda route: route.abort())
    page.context.route("**/page/**", lambda route: route.abort())
    page.emulate_media(color_scheme="dark", reduced_motion="reduce", forced_colors="active", media="print")
    page.context.new_cdp_session(page).send("Emulation.setTimezoneOverride", {"timezoneId": "Asia/Tokyo"})
    page.set_viewport_size({"width": 1000, "height": 500})
    page.mouse.move(100, 200)
    page.mouse.down()
    page.keyboard.down("Shift")
    page.context.set_offline(True)


def test_whoever_uses_a_window_again_can_not_tell(windows: Windows, server: Server) -> None:
    with windows.opened() as page:
        first = look(page, server)
        leave_traces(page, server)
        now = page.evaluate(LOOK)
        assert {name for name, value in now.items() if value != first[name]} >= LEFT
        heard: list[Request] = []
        page.on("request", lambda request: heard.append(request))
    heard.clear()
    with windows.opened() as again:
        assert again is page
        assert look(again, server) == first
        again.evaluate("addEventListener('mousemove', event => window.moved = [event.shiftKey, event.buttons])")
        again.mouse.move(300, 300)
        assert again.evaluate("window.moved") == [False, 0]
        assert heard == []


def test_a_page_that_was_changed_for_good_is_used_no_more(windows: Windows, server: Server) -> None:
    with windows.opened() as page:
        page.add_init_script("window.exposed = 1")
        assert look(page, server)["exposed"] == "number"
    with windows.opened() as other:
        assert page.is_closed()
        assert look(other, server)["exposed"] == "undefined"
        other.context.expose_function("exposed", lambda: None)
        assert other.evaluate("typeof window.exposed") == "function"
    with windows.opened() as third:
        assert look(third, server)["exposed"] == "undefined"


def test_a_window_is_used_again_for_another_size_and_other_colours(windows: Windows, server: Server) -> None:
    with windows.opened() as page:
        first = look(page, server)
    with windows.opened(viewport={"width": 640, "height": 360}, color_scheme="dark", forced_colors="active") as other:
        assert other is page
        Visitor(other, server.url).open()
        seen = other.evaluate(LOOK)
        assert seen["size"] == [640, 360, 1]
        assert seen["media"] == ["(prefers-color-scheme: dark)", "(forced-colors: active)"]
    with windows.opened() as again:
        assert again is page
        assert look(again, server) == first


def test_windows_that_are_open_at_once_share_nothing(windows: Windows, server: Server) -> None:
    with windows.opened() as one, windows.opened() as other:
        one.goto(server.url)
        one.evaluate(LEAVE)
        assert look(other, server)["local"] == {"cocoannot.client": ""}
        assert other.context.cookies() == []


def test_only_files_that_never_change_are_taken_without_a_question(windows: Windows, server: Server) -> None:
    for _ in range(2):
        with windows.opened() as page:
            look(page, server)
            # Nothing of these came over the network.
            kept = page.evaluate(
                "performance.getEntriesByType('resource').filter(each => !each.transferSize).map(each => each.name)"
            )
    assert len(kept) > 50
    assert [each for each in kept if not FILES.match(urlsplit(each).path)] == []


def test_a_server_has_the_address_of_the_one_before_and_two_at_once_have_two(tmp_path: Path) -> None:
    folders = [tmp_path / str(count) for count in (1, 2)]
    for folder in folders:
        folder.mkdir()
    datasets = {count: write_dataset(folder, [], images(count)) for count, folder in enumerate(folders, 1)}
    with serve_again(datasets[1]) as first, serve_again(datasets[2]) as other:
        addresses = {first.url, other.url}
    assert len(addresses) == 2
    for count, dataset in datasets.items():
        with serve_again(dataset) as again:
            assert again.url in addresses
            assert again.status()["dataset"]["counts"]["images"] == count
