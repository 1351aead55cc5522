"""Whatever a file has: after `flask check --fix` each value is in the copy, or beside it; and what is clean opens."""

from __future__ import annotations

import contextlib
import copy
import io
import json
import random
import shutil
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from cocoannot.check.dataset_check import check_dataset
from cocoannot.check.findings import Findings
from cocoannot.check.repair import write_repaired
from cocoannot.errors import DatasetError
from cocoannot.manager import DatasetManager

pytestmark = [pytest.mark.torture, pytest.mark.filterwarnings("ignore:__array__ implementation")]

COUNTS = (250, 5_000)
"""How many files, in the usual form and in the long one."""

SECTIONS = ("images", "annotations", "categories")
JUNK: list[Any] = [
    None, True, False, 0, 1, -1, 2, 7.0, 0.5, 2**53, 2**70, 10**400, float("nan"), float("inf"), float("-inf"),
    "", " ", "7", "x", "0", "é", "NaN", "b'066'", "10 10 5 5", "[1, 2, 3, 4]", "[[1, 1, 9, 1, 9, 9]]",
    [], {}, [[]], [None], [1], [1, 2, 3, 4], [1, 2, 3, 4, 0.5], [9, 9, -4, -4], [[1, 1], [9, 1], [9, 9]],
    [[1, 1, 9, 1, 9, 9]], [[[1, 1, 9, 1, 9, 9]]], [1, 1, 9, 1, 9, 9], {"x": 1, "y": 1, "width": 4, "height": 5},
    {"exterior": [[1, 1], [9, 1], [9, 9]], "interiors": []}, {"size": [48, 64], "counts": [0, 3072]},
    {"size": [64, 48], "counts": [0, 48, 3024]}, [{"size": [48, 64], "counts": [0, 3072]}], [[5, 5, 2], [6, 6, 1]],
]  # fmt: skip


ENCODINGS: list[Callable[[str], bytes]] = [
    *[str.encode] * 5,
    lambda text: text.encode("utf-8-sig"),
    lambda text: text.encode("utf-16"),
    lambda text: text.replace(", ", ",\r\n").encode(),
]


def a_dataset(rng: random.Random) -> dict[str, Any]:
    """A small dataset, nearly right; each record has a tag of its own, by which it is found again."""
    images = [
        {"id": i, "file_name": f"{i:04}.jpg", "width": 64, "height": 48, "tag": f"image {i}"}
        for i in range(1, rng.randint(2, 5))
    ]
    categories: list[dict[str, Any]] = [
        {"id": i, "name": f"bird {i}", "supercategory": "bird", "tag": f"category {i}"} for i in range(1, 4)
    ]
    categories[2] |= {"keypoints": ["beak", "tail"], "skeleton": [[1, 2]]}
    shapes: list[dict[str, Any]] = [
        {"segmentation": [[1, 1, 11, 1, 11, 11]], "bbox": [1, 1, 10, 10], "area": 50},
        {"segmentation": [], "bbox": [3, 4, 5, 6], "area": 30},
        {"segmentation": {"size": [48, 64], "counts": [0, 3072]}, "bbox": [0, 0, 64, 48], "area": 3072},
        {"keypoints": [5, 5, 2, 9, 9, 1], "num_keypoints": 2, "bbox": [5, 5, 4, 4], "area": 16},
    ]
    annotations = []
    for i in range(1, rng.randint(2, 9)):
        shape = rng.choice(shapes)
        category = 3 if "keypoints" in shape else rng.randint(1, 2)
        fields = {"id": i, "image_id": rng.choice(images)["id"], "category_id": category, "iscrowd": 0}
        annotations.append({**fields, **copy.deepcopy(shape), "tag": f"annotation {i}"})
    return {"info": {"tag": "info"}, "images": images, "annotations": annotations, "categories": categories}


def break_something(dataset: dict[str, Any], rng: random.Random) -> None:
    section = rng.choice(SECTIONS)
    records = dataset.get(section)
    if not isinstance(records, list) or not records:
        return
    record = rng.choice(records)
    how = rng.randrange(9)
    if how == 0:
        records.append(copy.deepcopy(record))
    elif how == 1:
        records.append({**record, "id": record.get("id"), "tag": f"{record.get('tag')}, again"})
    elif how == 2:
        records.insert(rng.randrange(len(records)), rng.choice(JUNK))
    elif how == 3:
        for each in records:
            if isinstance(each, dict) and isinstance(each.get("id"), int):
                each["id"] = rng.choice([str(each["id"]), f"{each['id']:06}", f"bird_{each['id']}"])
    elif how == 4 and all(isinstance(each, dict) for each in records):
        dataset[section] = {str(each.pop("id", i)): each for i, each in enumerate(records)}
    elif how == 5:
        record.pop(rng.choice(list(record)), None)
    else:
        record[rng.choice([key for key in record if key != "tag"] or ["x"])] = copy.deepcopy(rng.choice(JUNK))


def text_of(value: Any) -> str:
    return json.dumps(value, sort_keys=True)


def check_one(seed: int, folder: Path) -> str:
    """Make, break and repair one file; returns what became of it."""
    rng = random.Random(seed)
    dataset = a_dataset(rng)
    for _ in range(rng.randint(0, 5)):
        with contextlib.suppress(AttributeError, IndexError, TypeError):
            break_something(dataset, rng)
    path, out = folder / "in.json", folder / "out.json"
    path.write_bytes(rng.choice(ENCODINGS)(json.dumps(dataset)))
    findings = Findings()
    checked = check_dataset(path.read_bytes(), findings)
    if checked is None or findings.no_copy:
        assert findings.problems
        return "no copy"
    beside = write_repaired(checked, path, out)
    find_all(dataset, out, beside.originals_path, beside.ids_path)
    left = Findings()
    check_dataset(out.read_bytes(), left)
    assert not (findings.repairable and left.problems), [problem.kind for problem in left.problems]
    if left.problems:
        return "in part"
    DatasetManager().load(out)
    with contextlib.redirect_stdout(io.StringIO()):
        evaluate(COCO(str(out)))
    return "clean"


def evaluate(coco: COCO) -> None:
    """Assert that each object is found by its own box, and that masks can be painted."""
    for annotation in coco.anns.values():
        if annotation.get("segmentation"):
            coco.annToMask(annotation)
    found = [{**each, "score": 1.0} for each in coco.anns.values() if each.get("bbox") and not each["iscrowd"]]
    if found:
        evaluation = COCOeval(coco, coco.loadRes(copy.deepcopy(found)), "bbox")
        evaluation.evaluate()
        matches = [each["gtMatches"][0] for each in evaluation.evalImgs if each]
        ignored = [each["gtIgnore"] for each in evaluation.evalImgs if each]
        for numbers, unseen in zip(matches, ignored, strict=True):
            assert all(numbers[unseen == 0])


def find_all(dataset: dict[str, Any], out: Path, originals: Path, ids: Path) -> None:
    """Assert that every value of each record is in the copy, or in the files beside it."""
    repaired = json.loads(out.read_text())
    kept = json.loads(originals.read_text()) if originals.exists() else {"removed": [], "replaced": []}
    new_ids = json.loads(ids.read_text())["ids"] if ids.exists() else []
    copies, removed = defaultdict(list), defaultdict(list)
    for section in SECTIONS:
        for record in repaired.get(section, []):
            copies[section, record.get("tag")].append(record)
    for each in kept["removed"]:
        for record in every_record(each["was"]):
            removed[each["section"], record.get("tag")].append(record)
    for section in SECTIONS:
        value = dataset.get(section)
        for index, record in enumerate(value if isinstance(value, list) else list(every_record(value))):
            if any(text_of(each["was"]) == text_of(record) for each in kept["removed"]):
                continue
            assert isinstance(record, dict), (section, record)
            key = section, record.get("tag")
            assert copies[key] or removed[key], (section, record)
            # Of a section that is an object, the key has become the id.
            if any(text_of({**was, **record}) == text_of(was) for was in removed[key]):
                continue
            for field, was in record.items():
                if any(field in each and text_of(each[field]) == text_of(was) for each in copies[key]):
                    continue
                places = [each for each in kept["replaced"] + new_ids if each["section"] == section]
                assert any(
                    each["index"] == index and each.get("field", "id") == field and text_of(each["was"]) == text_of(was)
                    for each in places
                ), (section, index, field, was)


def every_record(value: Any) -> list[dict[str, Any]]:
    if isinstance(value, dict):
        return [value] if "tag" in value else [each for item in value.values() for each in every_record(item)]
    return [each for item in value for each in every_record(item)] if isinstance(value, list) else []


def test_nothing_is_lost_and_what_is_clean_opens(torture: bool, tmp_path: Path) -> None:
    outcomes: defaultdict[str, int] = defaultdict(int)
    for seed in range(COUNTS[torture]):
        folder = tmp_path / str(seed)
        folder.mkdir()
        try:
            outcomes[check_one(seed, folder)] += 1
        except (AssertionError, DatasetError, KeyError, TypeError, ValueError) as exc:
            raise AssertionError(f"seed {seed}: {(folder / 'in.json').read_text()}") from exc
        shutil.rmtree(folder)
    print(dict(outcomes))
    assert min(outcomes["clean"], outcomes["in part"]) > COUNTS[torture] // 10
