"""schemathesis against a real server: what the OpenAPI document says, and nothing that is sent gives a 5xx.

Exceptions are in schemathesis.toml and schemathesis_hooks.py, each with its reason. Stateful runs are many short ones,
each on a fresh dataset: schemathesis ends one when a replay finds the dataset changed. The coverage phase tries each
kind of value once at each place; every value is tried in `make torture` and `make fuzz`. Run as a program, this fuzzes
for longer, with the number of cases for each operation as the one argument, and seeds that are printed.
"""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from api_client import openapi
from PIL import Image
from servers import serve

pytestmark = pytest.mark.slow

TESTS = Path(__file__).parent
SINGLE = ["examples", "coverage", "fuzzing"]
STATEFUL = ["stateful"]
CASES = 6
"""For each operation."""
SCENARIOS = 15

DATASET = {
    "info": {"description": "to be fuzzed"},
    "images": [
        {"id": 1, "file_name": "one.jpg", "width": 640, "height": 480},
        {"id": 2, "file_name": "missing.png", "width": 32, "height": 24},
    ],
    "annotations": [
        {"id": 1, "image_id": 1, "category_id": 1, "segmentation": [], "area": 12, "bbox": [1, 2, 3, 4], "iscrowd": 0},
        {"id": 2, "image_id": 2, "category_id": 2, "segmentation": [], "area": 12, "bbox": [1, 2, 3, 4], "iscrowd": 0},
    ],
    "categories": [
        {"id": 1, "name": "cat", "supercategory": "none"},
        {"id": 2, "name": "owl", "supercategory": "none"},
    ],
}
"""What the examples of the OpenAPI document ask for, and a picture that is missing."""


class Run(NamedTuple):
    """What schemathesis found: its exit status, what it printed, its report, and the log of the server."""

    status: int
    output: str
    report: dict[str, Any]
    log: str


def fuzz(
    folder: Path,
    phases: Sequence[str],
    cases: int,
    seed: int,
    settings: Mapping[str, str] | None = None,
    *,
    all_values: bool = True,
) -> Run:
    """Run phases of schemathesis against a server with a dataset in `folder`, which gets `settings`.

    Without `all_values` the coverage phase tries one of each kind at each place.
    """
    settings = settings or {}
    once = {} if all_values else {"COVERAGE_ONCE": "1"}
    folder.mkdir(exist_ok=True)
    dataset = folder / "annotations.json"
    dataset.write_text(json.dumps(DATASET))
    Image.new("RGB", (640, 480), "teal").save(folder / "one.jpg")
    report = folder / "report.json"
    token = settings.get("COCOANNOT_TOKEN")
    with serve(dataset, env={"COCOANNOT_CACHE": str(folder / "cache"), **settings}) as server:
        done = subprocess.run(
            [
                *(Path(sys.executable).with_name("schemathesis"), "--config-file", TESTS / "schemathesis.toml", "run"),
                *(f"{server.url}/api/openapi.json", "--phases", ",".join(phases), "--max-examples", str(cases)),
                *("--seed", str(seed), "--no-color", "--report", "json", "--report-json-path", report),
                *(["--header", f"Authorization: Bearer {token}"] if token else []),
            ],
            cwd=folder,
            env={**os.environ, "PYTHONPATH": str(TESTS), "PYTHONWARNINGS": "default", **once},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert server.request("GET", "/readyz").status == 200
        return Run(done.returncode, done.stdout, json.loads(report.read_text()), server.log)


# What is wrong with a request is found whoever sent it: one run looks at all that can be wrong.
@pytest.mark.torture
@pytest.mark.parametrize(
    ("settings", "phases", "cases", "least"),
    [({}, SINGLE, CASES, 2000), ({"COCOANNOT_TOKEN": "token-of-this-test"}, ["examples", "fuzzing"], CASES // 2, 200)],
    ids=["open", "with a token"],
)
def test_no_request_has_an_answer_that_the_document_does_not_describe(
    tmp_path: Path, settings: dict[str, str], phases: list[str], cases: int, least: int, torture: bool
) -> None:
    run = fuzz(tmp_path, phases, cases * 3 if torture else cases, 1, settings, all_values=torture)
    check(run, phases)
    assert run.report["operations"]["total"] == operations()
    # A stream of events has no end.
    assert run.report["operations"]["tested"] == operations() - 1
    assert run.report["test_cases"]["generated"] > least
    assert accepted(run.report) > 100, "most of what was sent was refused, so it tells little"


@pytest.mark.torture
def test_no_sequence_of_requests_has_one_either(tmp_path: Path, torture: bool) -> None:
    for seed in (1, 2) if torture else (1,):
        run = fuzz(tmp_path / str(seed), STATEFUL, SCENARIOS, seed)
        check(run, STATEFUL)
        assert run.report["test_cases"]["generated"] > 50


def check(run: Run, phases: Sequence[str]) -> None:
    """It found nothing, and it did what it was told to, all of it."""
    assert run.status == 0, run.output
    assert "Traceback" not in run.log
    assert {name: run.report["phases"][name]["status"] for name in phases} == dict.fromkeys(phases, "success")


def operations() -> int:
    """How many there are in the document."""
    return sum(len(path.keys() - {"parameters"}) for path in openapi()["paths"].values())


def accepted(report: dict[str, Any]) -> int:
    """How many requests were meant to be accepted, and were."""
    rates = [phase for phases in report["valid_rates"].values() for phase in phases.values()]
    return sum(rate["accepted"] for rate in rates)


def main() -> int:
    """Fuzz for longer; returns 1 where something was found."""
    cases, found = int(sys.argv[1]), 0
    with tempfile.TemporaryDirectory() as folder:
        for number, phases in enumerate([SINGLE, *[STATEFUL] * 20]):
            run = fuzz(Path(folder, str(number)), phases, cases, secrets.randbelow(2**32))
            figures = run.report["test_cases"]
            print(
                f"{'+'.join(phases)}: seed {run.report['seed']}, {figures['generated']} cases, "
                f"{figures['unique_failures']} failures",
                flush=True,
            )
            if run.status or "Traceback" in run.log:
                print(run.output, run.log)
                found = 1
    return found


if __name__ == "__main__":
    sys.exit(main())
