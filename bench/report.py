"""What was measured as files to read: a Markdown page of tables, and plots of growth with size as SVG."""

from __future__ import annotations

import hashlib
import os
import platform
import statistics
import subprocess
import time
from collections.abc import Iterable, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import matplotlib as mpl

from bench.suite import Suite, amount
from bench.synthetic import annotations_at, images_at

mpl.use("svg")
from matplotlib import pyplot as plt

PAGE, PLOT = "RESULTS.md", "growth.svg"

_PACKAGES = ("Flask", "gunicorn", "msgspec", "numpy", "marshmallow", "flask-smorest", "pycocotools")
_PANELS = {
    "load": "Load",
    "save": "Save",
    "add a polygon": "Add an annotation",
    "annotations of an image": "Annotations of an image",
}
_COLOURS = {
    "cocoannot": "C0",
    "without journal": "C9",
    "dicts": "C1",
    "dicts, json.dump": "C1",
    "pycocotools": "C2",
    "load-modify-save": "C3",
    "file": "C7",
    "cp + fsync": "C7",
}


def write_page(folder: Path, suite: Suite, command: str, load_before: float) -> None:
    """Write the tables to `folder`."""
    whole = suite.scale == 1
    text = [
        "# Measurements",
        "",
        f"By `{command}`, on {time.strftime('%Y-%m-%d', time.gmtime())}. Medians of one run; both sides of a ratio "
        "were measured turn by turn, and it is the median of the ratios of these turns. What takes half a minute "
        "at full size, and is no side of a target, has fewer repeats there; the last table says how many.",
        "",
        *_table(("what", "is"), _circumstances(suite, load_before)),
        "",
        "## Targets",
        "",
        *(
            []
            if whole
            else ["The targets are for train2017's size: at this one some say nothing, memory above all.", ""]
        ),
        *_table(
            ("figure", "measured", "beside", "ratio", "target", "reached"),
            [(*row[:5], "yes" if row.reached else "**no**") for row in suite.rows],
        ),
        "",
    ]
    if any(panel in suite.growth for panel in _PANELS):
        text += ["## Growth with size", "", f"![Time by number of annotations, both logarithmic]({PLOT})", ""]
    text += [
        "## Everything",
        "",
        *_table(
            ("what", "who", "size", "median", "from, to", "repeats"),
            [(each.what, each.contender, f"{each.size:g}", *each[3:]) for each in suite.details],
        ),
        "",
    ]
    (folder / PAGE).write_text("\n".join(text))


def write_plot(folder: Path, suite: Suite) -> None:
    """Draw how long operations take at each size, and write that to `folder`; nothing where nothing was measured."""
    panels = {name: title for name, title in _PANELS.items() if name in suite.growth}
    if not panels:
        return
    # Text stays text and ids are the same in every run, so that a new run is a small difference.
    style: dict[Any, Any] = {
        "svg.fonttype": "none",
        "svg.hashsalt": "cocoannot",
        "font.size": 8,
        "font.family": "sans-serif",
    }
    with mpl.rc_context(style):
        figure, axes = plt.subplots(1, len(panels), figsize=(3 * len(panels), 2.8), squeeze=False, layout="constrained")
        for (name, title), axis in zip(panels.items(), axes[0], strict=True):
            for contender, seconds in suite.growth[name].items():
                sizes = sorted(seconds)
                axis.plot(
                    [annotations_at(size) for size in sizes],
                    [seconds[size] for size in sizes],
                    marker=".",
                    label=contender,
                    color=_COLOURS[contender],
                )
            axis.set(title=title, xscale="log", yscale="log", xlabel="annotations")
            axis.minorticks_off()
            axis.grid(alpha=0.3)
            axis.legend(fontsize=6)
        axes[0][0].set_ylabel("seconds")
        figure.savefig(folder / PLOT, metadata={"Date": None, "Creator": None})
        plt.close(figure)


def _circumstances(suite: Suite, load_before: float) -> list[tuple[str, str]]:
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    path = suite.dataset(suite.scale)
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return [
        (
            "dataset",
            f"{images_at(suite.scale):,} images, {annotations_at(suite.scale):,} annotations, "
            f"{path.stat().st_size / 1e6:,.1f} MB, sha256 {digest[:16]}",
        ),
        ("machine", f"{_cpu()}, {os.cpu_count()} cores, {memory / 2**30:.0f} GiB, {_file_system(path)}"),
        ("system", f"{platform.system()} {platform.release()}, CPython {platform.python_version()}"),
        ("versions", ", ".join(f"{name} {version(name)}" for name in _PACKAGES)),
        ("cocoannot", _commit()),
        ("load average before", f"{load_before:.1f}"),
        ("one loop of Python, while calls were measured", _pace(suite.pace)),
    ]


def _pace(seconds: list[float]) -> str:
    if not seconds:
        return "not measured"
    best, middle, worst = (amount(each, "s") for each in (min(seconds), statistics.median(seconds), max(seconds)))
    return f"{best} at best, {middle} in the middle, {worst} at worst"


def _table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> list[str]:
    lines = [head, ["---"] * len(head), *rows]
    return [f"| {' | '.join(str(cell) for cell in line)} |" for line in lines]


def _cpu() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    return next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), platform.machine())


def _file_system(path: Path) -> str:
    done = subprocess.run(["stat", "-f", "-c", "%T", str(path)], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def _commit() -> str:
    done = subprocess.run(
        ["git", "describe", "--always", "--dirty"], cwd=Path(__file__).parent, capture_output=True, text=True
    )
    return f"commit {done.stdout.strip()}" if done.returncode == 0 else "no checkout"
