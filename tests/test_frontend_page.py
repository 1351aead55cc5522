"""Every snippet of docs/frontend.md, run in order against a real server of a fresh demo dataset."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from servers import ROOT, serve

from cocoannot.demo import make_demo

pytestmark = pytest.mark.slow

PAGE = ROOT / "docs" / "frontend.md"
ADDRESS = "http://127.0.0.1:8000"
ARROW = "# ->"


class Step(NamedTuple):
    """One statement of a snippet, its line in the page, and the value that it is said to have."""

    line: int
    statement: ast.stmt
    claim: str | None

    def run(self, names: dict[str, Any]) -> None:
        """Run it among `names`; the value must be the one that the page claims."""
        if self.claim is None:
            exec(compile(ast.Module([self.statement], []), str(PAGE), "exec"), names)
            return
        assert isinstance(self.statement, ast.Expr), f"line {self.line}: only an expression has a value"
        value = eval(compile(ast.Expression(self.statement.value), str(PAGE), "eval"), names)
        assert value == ast.literal_eval(self.claim), f"line {self.line}"


def steps(text: str) -> list[Step]:
    """The statements of every Python block of `text`, in order."""
    found = []
    for block in re.finditer(r"^```python\n(.*?)^```$", text, re.DOTALL | re.MULTILINE):
        # Empty lines in front, so that tracebacks name the page's own lines.
        source = "\n" * text.count("\n", 0, block.start(1)) + block[1]
        lines = source.splitlines()
        for statement in ast.parse(source).body:
            assert statement.end_lineno is not None
            found.append(Step(statement.lineno, statement, claim_after(lines, statement.end_lineno)))
    return found


def claim_after(lines: list[str], end: int) -> str | None:
    """What follows the arrow in line `end`, or in the comment right below it; lines count from 1."""
    _, arrow, claim = lines[end - 1].partition(ARROW)
    if arrow:
        return claim.strip()
    below: list[str] = []
    for line in lines[end:]:
        if not line.startswith("#" if below else ARROW):
            break
        below.append(line.removeprefix(ARROW if not below else "#").strip())
    return " ".join(below) or None


def test_every_snippet_does_what_the_page_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # The snippets' requests stay on this machine, whatever proxy the environment names.
    monkeypatch.setenv("no_proxy", "*")
    make_demo(tmp_path)
    text = PAGE.read_text()
    assert text.count(ADDRESS) == 1
    with serve(tmp_path / "annotations.json") as server:
        snippets = steps(text.replace(ADDRESS, server.url))
        assert sum(step.claim is not None for step in snippets) == text.count(f"{ARROW} ") > 20
        names: dict[str, Any] = {}
        for step in snippets:
            step.run(names)
