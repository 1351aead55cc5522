"""Measure the page beside that of 0.1.0, in a real browser, both on today's server, and print a table of ratios.

python -m bench.page [--repeats 5] [--only images categories gallery masks]

It needs Chromium, and git with the history: the files of the old page are taken from there.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import subprocess
import sys
import tarfile
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from io import BytesIO
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

from bench import page_data, page_figures, page_masks
from bench.page_figures import Figures, Tab
from bench.servers import Server

_ROOT = Path(__file__).parent.parent
_STATIC = "cocoannot/web/static"
_OLD = "ebef7785a972052e753b28b92dbb12455542f672"
"""The last commit with the page of 0.1.0."""

PARTS: dict[str, tuple[Callable[[Path], Path], Callable[[Tab], Figures]]] = {
    "images": (page_data.images, page_figures.images),
    "categories": (page_data.categories, page_figures.categories),
    "gallery": (page_data.gallery, page_figures.gallery),
    "masks": (page_masks.dataset, page_masks.figures),
}
"""What makes the dataset of each part, and what measures it."""

Found = dict[str, dict[str, list[float]]]


def measure(only: list[str], repeats: int) -> Found:
    """All figures by name and page; the pages take turns."""
    found: Found = defaultdict(lambda: {"now": [], "0.1.0": []})
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="cocoannot-bench-page-")))
        packages = {"now": _ROOT, "0.1.0": _with_old_page(folder / "old")}
        chromium = stack.enter_context(_browser())
        for name in only:
            make, part = PARTS[name]
            with ExitStack() as parts:
                servers = {}
                for page, package in packages.items():
                    place = folder / f"{name} {page}"
                    place.mkdir()
                    server = Server("cocoannot", make(place), {"PYTHONPATH": str(package)})
                    servers[page] = parts.enter_context(closing(server))
                for _ in range(repeats):
                    for page, server in servers.items():
                        with closing(Tab(chromium, server.port)) as tab:
                            for figure, number in part(tab).items():
                                found[figure][page].append(number)
                                print(f"{page}: {figure}: {number:.1f}", file=sys.stderr)
    return found


def table(found: Found) -> str:
    """Markdown: the middle of each figure, and the ratio."""
    lines = ["| figure | now | 0.1.0 | ratio |", "| --- | --- | --- | --- |"]
    for figure, pages in found.items():
        now, old = statistics.median(pages["now"]), statistics.median(pages["0.1.0"] or [0.0])
        beside = (f"{old:,.3g}", f"{now / old:.2g}") if old else ("-", "-")
        lines.append(f"| {figure} | {now:,.3g} | {beside[0]} | {beside[1]} |")
    return "\n".join(lines)


def _with_old_page(folder: Path) -> Path:
    """A folder with today's package, and the old page in it."""
    shutil.copytree(_ROOT / "cocoannot", folder / "cocoannot", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.rmtree(folder / _STATIC)
    archive = subprocess.run(["git", "archive", _OLD, _STATIC], cwd=_ROOT, stdout=subprocess.PIPE, check=True).stdout
    with tarfile.open(fileobj=BytesIO(archive)) as tar:
        tar.extractall(folder, filter="data")
    # Today's server looks for it, to name its modules to the browser.
    editor = folder / _STATIC / "views" / "editor.js"
    editor.parent.mkdir(exist_ok=True)
    editor.touch()
    return folder


@contextmanager
def _browser() -> Iterator[Browser]:
    path = next(filter(None, map(shutil.which, ("chromium-headless-shell", "chromium", "chromium-browser"))), None)
    if path is None:
        raise SystemExit("there is no Chromium: apt-get install chromium-headless-shell")
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=path, headless=True, args=["--no-sandbox"])
        try:
            yield chromium
        finally:
            chromium.close()


def main() -> None:
    """Parse the arguments, measure, print."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.page", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--repeats", type=int, default=5, help="measurements of each figure (default: 5)")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=[*PARTS], metavar="PART", help=", ".join(PARTS))
    options = parser.parse_args()
    print(table(measure(options.only, options.repeats)))


if __name__ == "__main__":
    main()
