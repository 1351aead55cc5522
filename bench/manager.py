"""What the manager costs at train2017's size: load, memory, save, and single changes, beside `cp` and an fsync.

    python -m bench.manager [--scale 0.1]

Runs in a temporary folder and prints a Markdown table. Figures of one run, on whatever else the machine does.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from bench.synthetic import write_dataset
from cocoannot.dataset.manager import DatasetManager

REPEATS = 5


def main() -> None:
    """Parse the arguments, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scale", type=float, default=1.0, help="part of train2017's size (default: 1)")
    parser.add_argument("--dataset", type=Path, help="measure a copy of this file instead of a synthetic one")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "dataset.json"
        if options.dataset:
            shutil.copyfile(options.dataset, path)
        else:
            write_dataset(path, options.scale)
        report(path)


def report(path: Path) -> None:
    """Print the figures for the dataset at `path`, which is changed."""
    size = path.stat().st_size
    print(f"{size / 1e6:.0f} MB, Python {sys.version.split()[0]}, {os.cpu_count()} cores\n")
    print("| what | figure |\n| --- | --- |")
    before = _resident()
    manager = DatasetManager()
    load, _ = _timed(lambda: manager.load(path))
    print(f"| load, checks and hash included | {load:.2f} s |")
    after = _resident()
    print(f"| memory after load, process included | {after / 1e6:.0f} MB, {after / size:.2f} of the file |")
    print(f"| of which the dataset | {(after - before) / 1e6:.0f} MB |")
    print(f"| peak memory while loading | {_peak() / 1e6:.0f} MB, {_peak() / size:.2f} of the file |")
    image_id, category_id = manager.get_images_range(0, 1)[0]["id"], manager.get_categories()[0]["id"]
    annotation = {"image_id": image_id, "category_id": category_id, "bbox": [10, 10, 50.5, 20]}
    saves = []
    for _ in range(REPEATS):
        manager.add_annotation(annotation)
        saves.append(_timed(manager.save)[0])
    copy = statistics.median(_timed(lambda: _copy(path))[0] for _ in range(REPEATS))
    save = statistics.median(saves)
    print(f"| save, hash and fsyncs included, median of {REPEATS} | {save:.2f} s |")
    print(f"| cp and fsync, median of {REPEATS} | {copy:.2f} s; the save takes {save / copy:.2f} of it |")
    print(f"| peak memory, saves included | {_peak() / 1e6:.0f} MB, {_peak() / size:.2f} of the file |")
    print(f"| add an annotation | {_each(lambda: manager.add_annotation(annotation)):.1f} us |")
    last = manager.get_next_annotation_id() - 1
    print(f"| change an annotation | {_each(lambda: manager.update_annotation(last, {'iscrowd': 1})):.1f} us |")
    print(f"| annotations of an image | {_each(lambda: manager.get_annotations_by_image(image_id + 1)):.1f} us |")
    print(f"| one record by id | {_each(lambda: manager.get_annotation(last)):.1f} us |")


def _timed(call: Callable[[], object]) -> tuple[float, object]:
    start = time.perf_counter()
    result = call()
    return time.perf_counter() - start, result


def _each(call: Callable[[], object], calls: int = 2000) -> float:
    """Microseconds of one call, the median of five rounds."""
    rounds = [_timed(lambda: [call() for _ in range(calls)])[0] for _ in range(5)]
    return statistics.median(rounds) / calls * 1e6


def _copy(path: Path) -> None:
    target = path.with_name("copy")
    subprocess.run(["cp", str(path), str(target)], check=True)
    fd = os.open(target, os.O_RDONLY)
    os.fsync(fd)
    os.close(fd)
    target.unlink()


def _resident() -> int:
    """Bytes of memory that this process has in use."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def _peak() -> int:
    """The most bytes of memory that this process had in use."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))


if __name__ == "__main__":
    main()
