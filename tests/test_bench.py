"""The measurements run from end to end, at a size where they take no time. What they measure is not looked at."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from postgres_servers import Postgres
from servers import ROOT, environment

from bench.synthetic import annotations_at, images_at, write_dataset
from cocoannot.store.postgres.maintenance import list_datasets

pytestmark = pytest.mark.slow

SCALE = 0.0005


def measure(output: Path, *args: str) -> str:
    """Run the suite; returns the page that it wrote."""
    done = subprocess.run(
        [sys.executable, "-m", "bench", "--quick", "--scale", str(SCALE), "--output", str(output), *args],
        cwd=ROOT,
        env=environment(None),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stdout
    return (output / "RESULTS.md").read_text()


@pytest.mark.torture
@pytest.mark.timeout(900)
def test_every_part_of_a_run_adds_its_rows_and_everything_is_written_to_the_folder_that_is_given(
    tmp_path: Path, torture: bool
) -> None:
    only, rows = ([], 31) if torture else (["--only", "load", "save", "history", "rivals"], 6)
    page = measure(tmp_path, "--repeats", "1", *only)
    figures = re.findall(r"^\| (.+?) \| .+ \| (?:yes|\*\*no\*\*) \|$", page, re.MULTILINE)
    assert len(figures) == len(set(figures)) == rows
    assert "load-modify-save" in page
    assert not torture or re.search(
        r"^\| one loop of Python, .+ \| \S+ ms at best, \S+ ms in the middle, \S+ ms at worst \|$", page, re.M
    )
    assert {path.name for path in tmp_path.iterdir()} == {"RESULTS.md", "growth.svg"}
    plot = (tmp_path / "growth.svg").read_text()
    assert plot.count("<svg") == 1
    assert all(name in plot for name in ("cocoannot", "pycocotools", "load-modify-save"))


def test_both_stores_are_measured_and_nothing_is_left_in_the_database(postgres: Postgres) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "bench.database", postgres.uri(), "--scale", "0.002"],
        cwd=ROOT,
        env=environment(None),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stdout
    assert len(re.findall(r"^\| .+ \| [\d.]+ \| [\d.]+ \| [\d.]+ \|$", done.stdout, re.MULTILINE)) == 14
    assert "bench" not in [each.name for each in list_datasets(postgres.uri())]


def test_a_part_can_be_measured_alone(tmp_path: Path) -> None:
    page = measure(tmp_path, "--repeats", "1", "--only", "pages")
    assert "first page of images" in page
    assert "save" not in page.split("## Targets")[1]
    assert not (tmp_path / "growth.svg").exists()


@pytest.mark.parametrize("scale", [0.00001, SCALE])
def test_dataset_has_as_much_as_its_scale_says_and_no_record_points_nowhere(tmp_path: Path, scale: float) -> None:
    write_dataset(tmp_path / "dataset.json", scale)
    data = json.loads((tmp_path / "dataset.json").read_bytes())
    assert (len(data["images"]), len(data["annotations"])) == (images_at(scale), annotations_at(scale))
    assert {each["image_id"] for each in data["annotations"]} <= {each["id"] for each in data["images"]}
    assert {each["category_id"] for each in data["annotations"]} <= {each["id"] for each in data["categories"]}


def test_dataset_is_the_same_each_time(tmp_path: Path) -> None:
    for name in ("one", "two"):
        write_dataset(tmp_path / name, SCALE)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()
