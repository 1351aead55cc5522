"""The documentation as data: its pages, their blocks of code and of commands, their links and anchors."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from servers import ROOT

PAGES = [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md")] + sorted(
    (ROOT / "docs").glob("*.md")
)
ARROW = "# ->"
STOPPED = "the server is stopped"
"""A comment in a page: from there on, its server does not run."""

_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$|^<!-- (.+) -->$", re.DOTALL | re.MULTILINE)
_FILE = re.compile(r"Write this to `([\w.]+)`:\n\n$")
_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
_HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)


class Command(NamedTuple):
    """A command of a page: as whom (`$` or `#`, for root), and what it is said to print, "" where nothing is said."""

    prompt: str
    text: str
    output: str


class Block(NamedTuple):
    """A block of a page: its language or `comment`, its text, and the file that the reader is told to write it to."""

    kind: str
    text: str
    file: str | None


class Step(NamedTuple):
    """One statement of a snippet, its line in the page, and the value that it is said to have."""

    page: Path
    line: int
    statement: ast.stmt
    claim: str | None

    def run(self, names: dict[str, Any]) -> None:
        """Run it among `names`; the value must be the one that the page claims."""
        if self.claim is None:
            exec(compile(ast.Module([self.statement], []), str(self.page), "exec"), names)
            return
        assert isinstance(self.statement, ast.Expr), f"line {self.line}: only an expression has a value"
        value = eval(compile(ast.Expression(self.statement.value), str(self.page), "eval"), names)
        assert value == ast.literal_eval(self.claim), f"line {self.line}"


def blocks(text: str) -> Iterator[Block]:
    """The blocks of code and the comments of a page, in order."""
    for found in _BLOCK.finditer(text):
        if found[3]:
            yield Block("comment", found[3], None)
        else:
            file = _FILE.search(text, 0, found.start())
            yield Block(found[1], found[2], file[1] if file else None)


def commands(console: str) -> list[Command]:
    """The commands of a block, each with the lines that follow it."""
    found: list[Command] = []
    for part in re.split(r"^(?=[$#] )", console, flags=re.MULTILINE)[1:]:
        lines = part.splitlines()
        count = next(i for i, line in enumerate(lines, 1) if not line.endswith("\\"))
        found.append(Command(part[0], "\n".join(lines[:count])[2:], "\n".join(lines[count:])))
    return found


def steps(page: Path, text: str) -> list[Step]:
    """The statements of every Python block of `text`, in order."""
    found = []
    for block in re.finditer(r"^```python\n(.*?)^```$", text, re.DOTALL | re.MULTILINE):
        # Empty lines in front, so that tracebacks name the page's own lines.
        source = "\n" * text.count("\n", 0, block.start(1)) + block[1]
        lines = source.splitlines()
        for statement in ast.parse(source).body:
            assert statement.end_lineno is not None
            found.append(Step(page, statement.lineno, statement, _claim_after(lines, statement.end_lineno)))
    return found


def links(text: str) -> list[str]:
    """What a page links to, outside its blocks of code."""
    return _LINK.findall(_without_blocks(text))


def anchors(text: str) -> set[str]:
    """The anchors that the headings of a page have, as GitHub makes them."""
    headings = _HEADING.findall(_without_blocks(text))
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def section(text: str, title: str) -> str:
    """The text below a heading of the second level, up to the next one of that level."""
    found = re.search(rf"^## {re.escape(title)}\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL)
    assert found, title
    return found[1]


def rows(text: str) -> list[list[str]]:
    """The cells of every row of the tables in `text`, without their heads."""
    lines = re.findall(r"^\| (.+) \|$", text, re.MULTILINE)
    heads = {i - 1 for i, line in enumerate(lines) if line.startswith("---")}
    return [
        [cell.strip() for cell in line.split(" | ")]
        for i, line in enumerate(lines)
        if i not in heads and not line.startswith("---")
    ]


def _without_blocks(text: str) -> str:
    return re.sub(r"^```.*?^```$", "", text, flags=re.DOTALL | re.MULTILINE)


def _claim_after(lines: list[str], end: int) -> str | None:
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
