"""Windows of one browser that are used again, and servers at the address of the one before.

A new browser context has loaded nothing: each page asks for 200 modules and compiles them, which is half of what a test
of the page takes. So a context and its page are emptied, and go to the next test that wants the same kind. The browser
keeps what it keeps for a person who comes back: the page's files, by an address that changes with their content. A page
to which a test did what can't be taken back is closed.
"""

from __future__ import annotations

import socket
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import wraps
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

from playwright.sync_api import Browser, CDPSession, Frame, Page
from playwright.sync_api import Error as PlaywrightError
from servers import Server, serve, until

DESK: dict[str, Any] = {"viewport": {"width": 1280, "height": 720}}

_FOR_GOOD = (
    "add_init_script",
    "add_locator_handler",
    "expose_binding",
    "expose_function",
    "set_extra_http_headers",
)
"""What a page, or a context, keeps as long as it lasts."""

_MEDIA: dict[str, Any] = {"color_scheme": "light", "reduced_motion": "no-preference", "forced_colors": "none"}

_FORGET = "() => { localStorage.clear(); sessionStorage.clear(); window.name = ''; }"
_BUTTONS: tuple[Literal["left", "middle", "right"], ...] = ("left", "middle", "right")
_MODIFIERS = ("Shift", "Control", "Alt", "Meta")


class Windows:
    """The windows of `chromium`: those that somebody has, and those that are free."""

    def __init__(self, chromium: Browser) -> None:
        self._chromium = chromium
        self._free: defaultdict[str, list[_Window]] = defaultdict(list)

    @contextmanager
    def opened(self, **options: Any) -> Iterator[Page]:
        """An empty page in a context that has it alone, with the `options` of Playwright's `new_context`.

        What it prefers of `_MEDIA`, and its size if it is no phone's, are set for this page alone: windows that differ
        in nothing else are of one kind.
        """
        media = {name: options.pop(name, default) for name, default in _MEDIA.items()}
        options = {**DESK, **options}
        size = options["viewport"]
        if not options.get("is_mobile"):
            options["viewport"] = DESK["viewport"]
        free = self._free[repr(sorted(options.items()))]
        window = free.pop() if free else _Window(self._chromium, options)
        window.page.emulate_media(**media)
        if window.page.viewport_size != size:
            window.page.set_viewport_size(size)
        try:
            yield window.page
        finally:
            if window.is_emptied():
                free.append(window)


class _Window:
    def __init__(self, chromium: Browser, options: Mapping[str, Any]) -> None:
        self._browser = chromium.new_browser_cdp_session()
        self._context = chromium.new_context(**options)
        self._context_is_changed = False
        self._sessions: list[CDPSession] = []
        self._origins: set[str] = set()
        self._watch_context()
        self.page = self._new_page()

    def is_emptied(self) -> bool:
        """Whether all that was done here could be taken back. If not, it is closed."""
        if not self._context_is_changed:
            try:
                self._empty()
                return True
            except (AssertionError, PlaywrightError) as error:
                print(f"a window is closed: {error}")
        self._context.close()
        return False

    def _empty(self) -> None:
        for session in self._sessions:
            # Of a page that is closed nothing is attached.
            with suppress(PlaywrightError):
                session.detach()
        self._sessions.clear()
        for page in self._context.pages:
            if page is not self.page:
                page.close()
        if self._page_is_changed or self.page.is_closed():
            self.page.close()
            self.page = self._new_page()
        else:
            self._leave()
        self._forget()

    def _new_page(self) -> Page:
        page = self._context.new_page()
        self._page_is_changed = False
        self._is_held = False
        self._listeners: list[tuple[Any, Any]] = []
        self._cdp = self._attach(page)
        self._context_id: str = self._cdp.send("Target.getTargetInfo")["targetInfo"]["browserContextId"]
        self._watch_page(page)
        page.goto("about:blank")
        return page

    def _watch_context(self) -> None:
        self._attach = self._context.new_cdp_session
        self._context.on("page", lambda page: page.on("framenavigated", self._note))

        def attach(page: Page) -> CDPSession:
            self._sessions.append(self._attach(page))
            return self._sessions[-1]

        def change() -> None:
            self._context_is_changed = True

        _instead(self._context, new_cdp_session=attach)
        _watch(self._context, change, _FOR_GOOD)

    def _watch_page(self, page: Page) -> None:
        on, remove = page.on, page.remove_listener

        def noted(event: Any, listener: Any) -> None:
            self._listeners.append((event, listener))
            on(event, listener)

        def removed(event: Any, listener: Any) -> None:
            self._listeners.remove((event, listener))
            remove(event, listener)

        def change() -> None:
            self._page_is_changed = True

        def hold() -> None:
            self._is_held = True

        _instead(page, on=noted, remove_listener=removed)
        _watch(page, change, _FOR_GOOD)
        for device in (page.mouse, page.keyboard):
            _watch(device, hold, ["down"])

    def _leave(self) -> None:
        """Let go of the page that was open, and of all that was set for it."""
        page = self.page
        for event, listener in [*self._listeners]:
            page.remove_listener(event, listener)
        page.unroute_all(behavior="ignoreErrors")
        if _origin(page.url):
            # The process of the page remembers them too.
            page.evaluate(_FORGET)
        page.goto("about:blank")
        if self._is_held:
            for button in _BUTTONS:
                page.mouse.up(button=button)
            for key in _MODIFIERS:
                page.keyboard.up(key)
            self._is_held = False
        self._cdp.send("Page.resetNavigationHistory")

    def _forget(self) -> None:
        """What the context keeps, whatever the page."""
        context = self._context
        context.unroute_all(behavior="ignoreErrors")
        context.set_offline(False)
        context.clear_permissions()
        context.clear_cookies()
        until(lambda: not self._workers(), "the workers of the page have ended")
        while self._origins:
            origin = self._origins.pop()
            self._cdp.send("Storage.clearDataForOrigin", {"origin": origin, "storageTypes": "all"})

    def _note(self, frame: Frame) -> None:
        if origin := _origin(frame.url):
            self._origins.add(origin)

    def _workers(self) -> list[Any]:
        found = self._browser.send(
            "Target.getTargets", {"filter": [{"type": "shared_worker"}, {"type": "service_worker"}]}
        )
        return [each for each in found["targetInfos"] if each["browserContextId"] == self._context_id]


def _watch(target: object, change: Callable[[], None], names: Sequence[str]) -> None:
    """Call `change` where a method of `target` with one of the `names` is called."""

    def watched(do: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(do)
        def call(*args: Any, **kwargs: Any) -> Any:
            change()
            return do(*args, **kwargs)

        return call

    for name in names:
        if hasattr(target, name):
            _instead(target, **{name: watched(getattr(target, name))})


def _instead(target: object, **methods: Callable[..., Any]) -> None:
    for name, method in methods.items():
        setattr(target, name, method)


def _origin(url: str) -> str:
    """`""` for a page that no server gave."""
    scheme, address, *_ = urlsplit(url)
    return f"{scheme}://{address}" if scheme in ("http", "https") else ""


_ports: list[socket.socket] = []
"""Of this process, that no server has now. A socket that does not listen keeps each from everybody else."""


@contextmanager
def serve_again(dataset: Path, *, env: Mapping[str, str] | None = None) -> Iterator[Server]:
    """As `serve`, at the address that the last such server had: a browser has the page's files from there."""
    if not _ports:
        _ports.append(_bound(0))
    held = _ports.pop()
    port: int = held.getsockname()[1]
    try:
        with serve(dataset, env=env, port=port) as server:
            yield server
    finally:
        until(lambda: _is_free(port), f"nobody listens at {port}")
        _ports.append(held)


def _is_free(port: int) -> bool:
    with suppress(OSError), _bound(port):
        return True
    return False


def _bound(port: int) -> socket.socket:
    made = socket.socket()
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        made.bind(("127.0.0.1", port))
    except OSError:
        made.close()
        raise
    return made
