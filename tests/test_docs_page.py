"""The page `/api/docs`: from files of this package only, which are those that were published, and nothing inline."""

from __future__ import annotations

import hashlib
import json
import re
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import urljoin

import pytest
from api_client import Serve, Server
from servers import ROOT

VENDORED = ROOT / "cocoannot" / "api" / "static" / "swagger-ui"
TOKEN = "token-of-this-test"


class Page(HTMLParser):
    """What a page loads, and what it has of scripts and styles in itself."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.loads: list[str] = []
        self.inline: list[str] = []
        self._tag = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._tag = tag
        for name, value in attrs:
            if name.startswith("on") or name == "style":
                self.inline.append(name)
            elif name in ("src", "href"):
                self.loads.append(urljoin("/api/docs", value or ""))

    def handle_data(self, data: str) -> None:
        if self._tag in ("script", "style") and data.strip():
            self.inline.append(data)


def test_vendored_files_are_those_that_were_published() -> None:
    told = dict(re.findall(r"^([0-9a-f]{64})  (\S+)$", (VENDORED / "VENDORED.md").read_text(), re.MULTILINE))
    sums = {name: digest for digest, name in told.items()}
    assert sums.keys() == {path.name for path in VENDORED.iterdir()} - {"VENDORED.md"}
    for name, digest in sums.items():
        assert hashlib.sha256((VENDORED / name).read_bytes()).hexdigest() == digest, name


def test_version_and_licence_of_vendored_files_are_told() -> None:
    text = (VENDORED / "VENDORED.md").read_text()
    (version,) = set(re.findall(r"swagger-ui-dist[@-](\d+\.\d+\.\d+)", text))
    assert version.startswith("5.")
    assert f'"{version}"' in (VENDORED / "swagger-ui-bundle.js").read_text()
    assert "Apache-2.0" in text
    assert "Apache License" in (VENDORED / "LICENSE").read_text()


def test_page_loads_files_of_this_server_only(api: Server) -> None:
    page = Page(api.get("/api/docs").text)
    assert page.inline == []
    assert "/api/openapi.json" in page.loads
    assert len(page.loads) >= 6
    for url in page.loads:
        assert api.get(url).status_code == 200, url


@pytest.mark.parametrize(
    ("name", "media_type"),
    [
        ("", "text/html"),
        ("/docs.js", "text/javascript"),
        ("/docs.css", "text/css"),
        ("/swagger-ui-bundle.js", "text/javascript"),
        ("/swagger-ui.css", "text/css"),
        ("/favicon-32x32.png", "image/png"),
    ],
)
def test_files_have_their_types_and_a_strict_policy(api: Server, name: str, media_type: str) -> None:
    answer = api.get(f"/api/docs{name}")
    assert answer.mimetype == media_type
    policy = dict(part.strip().split(" ", 1) for part in answer.headers["Content-Security-Policy"].split(";"))
    assert policy["default-src"] == policy["frame-ancestors"] == policy["base-uri"] == "'none'"
    assert policy["script-src"] == policy["style-src"] == policy["connect-src"] == "'self'"
    assert "unsafe" not in str(policy)
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


def test_files_are_asked_for_again_only_when_they_changed(api: Server) -> None:
    etag = api.get("/api/docs/docs.js").headers["ETag"]
    assert api.get("/api/docs/docs.js", headers={"If-None-Match": etag}).status_code == 304


@pytest.mark.parametrize("name", ["nothing.js", "docs.html", "VENDORED.md", "..%2fdocs.py", "../docs.py", ".."])
def test_no_other_file_is_given(api: Server, name: str) -> None:
    assert api.get(f"/api/docs/{name}").status_code == 404


def test_page_is_open_where_a_token_is_set_and_the_document_is_not(
    serve: Serve, small: dict[str, object], tmp_path: Path
) -> None:
    server = serve(small, COCOANNOT_TOKEN=TOKEN)
    for name in ("", "/docs.js", "/swagger-ui-bundle.js"):
        assert server.get(f"/api/docs{name}").status_code == 200
    assert server.get("/api/openapi.json").status_code == 401
    # What the page does then.
    assert server.post("/api/login", {"token": TOKEN}).status_code == 204
    assert json.loads(server.get("/api/openapi.json").data)["openapi"] == "3.1.0"
