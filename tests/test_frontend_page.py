"""Every snippet of docs/frontend.md, run in order against a real server of a fresh demo dataset."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from doc_pages import ARROW, steps
from servers import ROOT, serve

from cocoannot.demo import make_demo

pytestmark = pytest.mark.slow

PAGE = ROOT / "docs" / "frontend.md"
ADDRESS = "http://127.0.0.1:8000"


def test_every_snippet_does_what_the_page_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # The snippets' requests stay on this machine, whatever proxy the environment names.
    monkeypatch.setenv("no_proxy", "*")
    make_demo(tmp_path)
    text = PAGE.read_text()
    assert text.count(ADDRESS) == 1
    with serve(tmp_path / "annotations.json") as server:
        snippets = steps(PAGE, text.replace(ADDRESS, server.url))
        assert sum(step.claim is not None for step in snippets) == text.count(f"{ARROW} ") > 20
        names: dict[str, Any] = {}
        for step in snippets:
            step.run(names)
