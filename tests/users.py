"""Users of a real server, and browsers in which they are logged in."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from browser import Visitor
from playwright.sync_api import Browser
from servers import Server, run_flask, serve

DESK: dict[str, Any] = {"viewport": {"width": 1280, "height": 720}}


def password_of(name: str) -> str:
    """Long enough, and another one for each."""
    return f"the password of {name}"


@contextmanager
def serve_team(dataset: Path, roles: Mapping[str, str]) -> Iterator[Server]:
    """A server of `dataset` with users, by their names and roles; they have set their passwords by links."""
    links = {}
    for name, role in roles.items():
        status, printed = run_flask(dataset, "user", "add", name, "--role", role, "--link")
        assert status == 0, printed
        found = re.search(r"#password=(\S+)", printed)
        assert found, printed
        links[name] = found[1]
    with serve(dataset) as server:
        for name, link in links.items():
            body = {"link": link, "password": password_of(name)}
            assert server.request("POST", "/api/password", body).status == 204
        yield server


@contextmanager
def logged_in(chromium: Browser, server: Server, name: str, **window: Any) -> Iterator[Visitor]:
    """Somebody with a browser of their own, in which they have logged in before."""
    context = chromium.new_context(**{**DESK, **window})
    try:
        visitor = Visitor(context.new_page(), server.url)
        body = {"user": name, "password": password_of(name)}
        answer = visitor.page.request.post(f"{server.url}/api/login", data=body, headers={"Origin": server.url})
        assert answer.status == 204, answer.text()
        yield visitor
    finally:
        context.close()
