"""The README is short, and says what the code does."""

from __future__ import annotations

import re

from doc_pages import links
from servers import ROOT

README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_it_is_read_in_some_minutes() -> None:
    assert len(README.splitlines()) <= 150
    assert max(map(len, README.splitlines())) < 200


def test_it_has_one_picture_and_no_badges() -> None:
    assert re.findall(r"!\[[^\]]*\]\(([^)]+)\)", README) == ["docs/images/editor.png"]


def test_it_leads_to_every_page_of_the_documentation() -> None:
    pages = {f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md")}
    assert pages | {"CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md", "LICENSE"} <= set(links(README))
