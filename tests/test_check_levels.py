"""`flask check` as a gate: which level of problems makes it exit with 1, for which tools, and what is passed over."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from test_repair import run

from cocoannot.check.kinds import KINDS, LEVELS, TOOLS

AREA_STALE = {"area": 5}
NO_ISCROWD = {"iscrowd": None}
BOX_STALE = {"bbox": [10, 10, 10, 13]}

GATES: dict[str, tuple[dict[str, Any], list[str], int]] = {
    "a note alone is fine": (AREA_STALE, [], 0),
    "a note can be made to count": (AREA_STALE, ["--fail-on", "note"], 1),
    "a warning counts": (BOX_STALE, [], 1),
    "a warning can be let pass": (BOX_STALE, ["--fail-on", "error"], 0),
    "an error counts": (NO_ISCROWD, [], 1),
    "an error counts where only errors do": (NO_ISCROWD, ["--fail-on", "error"], 1),
    "nothing may count": (NO_ISCROWD, ["--fail-on", "never"], 0),
    "an error for another tool": (NO_ISCROWD, ["--for", "yolo"], 0),
    "an error for this tool": (NO_ISCROWD, ["--for", "pycocotools"], 1),
    "an error for one of two tools": (NO_ISCROWD, ["--for", "yolo", "--for", "pycocotools"], 1),
    "a kind that is ignored": (NO_ISCROWD, ["--ignore", "no_iscrowd"], 0),
    "another kind that is ignored": (NO_ISCROWD, ["--ignore", "no_area"], 1),
    "two kinds that are ignored": (NO_ISCROWD | BOX_STALE, ["--ignore", "no_iscrowd", "--ignore", "stale_bbox"], 0),
}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "dataset.json"


def write(path: Path, small: dict[str, Any], fields: dict[str, Any]) -> Path:
    changed = {**small["annotations"][0], **fields}
    small["annotations"][0] = {key: value for key, value in changed.items() if value is not None}
    path.write_text(json.dumps(small))
    return path


@pytest.mark.parametrize("case", GATES)
def test_gate(path: Path, small: dict[str, Any], case: str) -> None:
    fields, options, code = GATES[case]
    assert run(write(path, small, fields), *options).exit_code == code


def test_levels_are_in_the_answer(path: Path, small: dict[str, Any]) -> None:
    write(path, small, AREA_STALE | NO_ISCROWD)
    answer = json.loads(run(path, "--json", "--for", "yolo").stdout)
    assert [(each["kind"], each["level"], each["tools"]) for each in answer["problems"]] == [
        ("no_iscrowd", "note", ["datumaro", "pycocotools"]),
        ("stale_area", "note", []),
    ]
    assert run(path).stdout.splitlines()[0].endswith("; 1 kind of problem, 1 kind of notes")
    assert "  error no_iscrowd: 1 annotation without iscrowd: 1\n" in run(path).stdout


def test_what_is_ignored_is_not_listed(path: Path, small: dict[str, Any]) -> None:
    write(path, small, NO_ISCROWD)
    assert "no_iscrowd" not in run(path, "--ignore", "no_iscrowd").stdout


def test_what_was_changed_is_listed_though_it_is_ignored(path: Path, small: dict[str, Any]) -> None:
    write(path, small, NO_ISCROWD)
    result = run(path, "--ignore", "no_iscrowd", "--fix", path.with_name("out.json"))
    assert (result.exit_code, "no_iscrowd" in result.stdout) == (0, True)


def test_kind_that_does_not_exist_is_refused(path: Path, small: dict[str, Any]) -> None:
    result = run(write(path, small, {}), "--ignore", "no_such_kind")
    assert (result.exit_code, "no_iscrowd" in result.stderr) == (2, True)


def test_help_names_every_kind_and_level() -> None:
    text = run("--help").stdout
    assert all(f"{kind.level:9}{name}" in text for name, kind in KINDS.items())


def test_every_kind_has_a_level_and_names_tools_that_can_be_asked_for() -> None:
    assert {kind.level for kind in KINDS.values()} <= set(LEVELS)
    assert all(kind.tools <= set(TOOLS) for kind in KINDS.values())


@pytest.mark.parametrize("what", ["a folder", "nothing"])
def test_what_can_not_be_read_exits_with_2(path: Path, what: str) -> None:
    if what == "a folder":
        path.mkdir()
    result = run(path)
    assert (result.exit_code, result.stderr.startswith(f"Error: can't read {path}: ")) == (2, True)


def test_lvis_has_no_iscrowd_and_no_file_names(path: Path, small: dict[str, Any]) -> None:
    for image in small["images"]:
        image |= {"coco_url": f"http://example.org/val/{image.pop('file_name')}", "neg_category_ids": []}
    for annotation in small["annotations"]:
        del annotation["iscrowd"]
    path.write_text(json.dumps(small))
    answer = json.loads(run(path, "--json").stdout)
    assert [(each["kind"], each["message"]) for each in answer["problems"]] == [
        ("bad_file_name", "3 images without a file_name: 3 have an address")
    ]
    assert run(path, "--for", "lvis").exit_code == 0


@pytest.mark.parametrize("key", ["coco_url", "flickr_url"])
def test_picture_of_an_address_gives_the_file_name(path: Path, small: dict[str, Any], tmp_path: Path, key: str) -> None:
    for image in small["images"]:
        Image.new("RGB", (image["width"], image["height"])).save(tmp_path / image["file_name"])
        image[key] = f"http://example.org/val/{image.pop('file_name')}"
    path.write_text(json.dumps(small))
    assert run(path, "--fix", path.with_name("out.json")).exit_code == 0
    names = [each["file_name"] for each in json.loads(path.with_name("out.json").read_text())["images"]]
    assert names == ["one.jpg", "two.jpg", "empty.jpg"]


@pytest.mark.parametrize(
    "text", [b"", b"\x1f\x8b\x08", b'[{"image_id": 1, "score": 0.5}]', b'{"shapes": [], "imagePath": "x"}']
)
def test_fix_of_what_is_no_dataset_is_never_a_success(path: Path, text: bytes) -> None:
    path.write_bytes(text)
    result = run(path, "--fix", path.with_name("out.json"), "--fail-on", "never")
    assert (result.exit_code, "no copy was written" in result.stdout, path.with_name("out.json").exists()) == (
        1,
        True,
        False,
    )
