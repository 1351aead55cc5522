"""`flask check` says what is wrong with a file, whatever it holds, and nothing of a file that is right."""

from __future__ import annotations

import codecs
import copy
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import Result
from flask import Flask
from PIL import Image
from pycocotools import mask as masks
from pycocotools.coco import COCO

from cocoannot.check.dataset_check import check_dataset
from cocoannot.check.findings import Findings, Problem
from cocoannot.check.kinds import KINDS
from cocoannot.cli.check import check
from cocoannot.extension import Cocoannot

MASK = {"size": [480, 640], "counts": [0, 480 * 320, 480 * 320]}


def run(*arguments: object, **settings: object) -> Result:
    """What `flask check` answers, by way of Flask's own runner."""
    app = Flask("tests")
    app.config.update(settings)
    Cocoannot().init_app(app)
    return app.test_cli_runner().invoke(check, list(map(str, arguments)))


def found(content: Any) -> dict[str, Problem]:
    """Every problem of a dataset (or of a text), by kind; pictures are not looked for."""
    findings = Findings()
    data = content if isinstance(content, bytes) else json.dumps(content).encode()
    check_dataset(data, findings)
    return {problem.kind: problem for problem in findings.problems}


def numbers(content: Any) -> dict[str, tuple[int, list[int | str]]]:
    return {kind: (problem.count, problem.examples) for kind, problem in found(content).items()}


def with_annotation(dataset: dict[str, Any], **fields: object) -> dict[str, Any]:
    """`dataset` with its first annotation changed; a value of None takes a field away."""
    changed = {**dataset["annotations"][0], **fields}
    dataset["annotations"][0] = {key: value for key, value in changed.items() if value is not None}
    return dataset


def test_small_dataset_is_right(small: dict[str, Any]) -> None:
    assert numbers(small) == {}


FLAVOURS = {
    "keypoints": {
        "images": [{"id": 1, "file_name": "a.jpg", "width": 640, "height": 480}],
        "annotations": [
            {
                "id": 2**33,
                "image_id": 1,
                "category_id": 1,
                "num_keypoints": 1,
                "keypoints": [0, 0, 0, 5, 6, 2],
                "bbox": [1, 2, 3, 4],
                "area": 5.5,
                "iscrowd": 0,
            },
            {
                "id": 0,
                "image_id": 1,
                "category_id": 1,
                "num_keypoints": 0,
                "keypoints": [],
                "bbox": [1, 2, 3, 4],
                "area": 12,
                "iscrowd": 0,
            },
        ],
        "categories": [{"id": 1, "name": "person", "keypoints": ["nose", "eye"], "skeleton": [[1, 2]]}],
    },
    "captions": {
        "images": [{"id": 1, "file_name": "a.jpg", "width": 640, "height": 480}],
        "annotations": [{"id": 1, "image_id": 1, "caption": "two cats \ud83d\ude00"}],
    },
    "LVIS": {
        "images": [
            {"id": 1, "coco_url": "u", "file_name": "a.jpg", "width": 640, "height": 480, "neg_category_ids": []}
        ],
        "annotations": [
            {
                "id": 1,
                "image_id": 1,
                "category_id": 3,
                "segmentation": [[0, 0, 9, 0, 9, 9]],
                "area": 40.5,
                "bbox": [0, 0, 9, 9],
            }
        ],
        "categories": [{"id": 3, "name": "aardvark", "synset": "aardvark.n.01", "frequency": "r"}],
    },
    "stuff": {
        "images": [{"id": 1, "file_name": "a.jpg", "width": 640, "height": 480}],
        "annotations": [
            {
                "id": 1,
                "image_id": 1,
                "category_id": 92,
                "segmentation": MASK,
                "area": 480 * 320,
                "bbox": [0, 0, 320, 480],
                "iscrowd": 0,
            }
        ],
        "categories": [{"id": 92, "name": "banner", "supercategory": "textile"}],
    },
    "crowds with boxes a pixel short": {
        "images": [{"id": 1, "file_name": "a.jpg", "width": 640, "height": 480}],
        "annotations": [
            {
                "id": 1,
                "image_id": 1,
                "category_id": 1,
                "segmentation": MASK,
                "area": 480 * 320 * 0.7,
                "bbox": [0, 0, 319, 479],
                "iscrowd": 1,
            }
        ],
        "categories": [{"id": 1, "name": "person"}],
    },
    "classification": {
        "images": [{"id": 1.0, "file_name": "a.jpg", "width": 640, "height": 480.0}],
        "annotations": [{"id": 7.0, "image_id": 1, "category_id": 1.0, "iscrowd": 0}],
        "categories": [{"id": 1, "name": "person"}],
    },
    "nothing": {},
    "images only": {"images": [{"id": 1, "file_name": "a.jpg", "width": 640, "height": 480}], "info": {"x": 1e300}},
    "rounded": {
        "images": [{"id": 1, "file_name": "a.jpg", "width": 640, "height": 480}],
        "annotations": [
            {
                "id": 1,
                "image_id": 1,
                "category_id": 1,
                "segmentation": [[0.4, 0.4, 99.6, 0.4, 99.6, 99.6, 0.4, 99.6]],
                "area": 9841,
                "bbox": [0, 0, 100, 100],
                "iscrowd": 0,
            }
        ],
        "categories": [{"id": 1, "name": "person"}],
    },
}


@pytest.mark.parametrize("flavour", FLAVOURS)
def test_every_flavour_of_coco_is_right(flavour: str) -> None:
    assert {
        kind: problem.count for kind, problem in found(FLAVOURS[flavour]).items() if problem.level() != "note"
    } == {}


def test_captions_alone_are_found_beside_other_annotations(small: dict[str, Any]) -> None:
    captions = [{"id": i, "image_id": 1, "category_id": 1, "caption": "a cat", "iscrowd": 0} for i in (11, 12)]
    assert numbers({**small, "annotations": captions}) == {}
    small["annotations"] += captions
    assert numbers(small) == {"no_geometry": (2, [11, 12])}
    assert found(small)["no_geometry"].repaired == 0


@pytest.mark.parametrize("indent", [None, 2])
def test_layout_is_no_problem(small: dict[str, Any], indent: int | None) -> None:
    text = json.dumps(small, indent=indent).replace("\n", "\r\n")
    assert numbers(text.encode()) == {}


def test_byte_order_mark_is_found_since_pycocotools_refuses_it(tmp_path: Path, small: dict[str, Any]) -> None:
    path, out = tmp_path / "dataset.json", tmp_path / "fixed.json"
    path.write_bytes(json.dumps(small, indent=1).encode("utf-8-sig"))
    with pytest.raises(json.JSONDecodeError):
        COCO(str(path))
    assert numbers(path.read_bytes()) == {"byte_order_mark": (1, [])}
    assert run(path, "--fix", out).exit_code == 0
    assert out.read_bytes() == path.read_bytes().removeprefix(codecs.BOM_UTF8)
    assert len(COCO(str(out)).imgs) == 3


def test_byte_order_mark_goes_also_where_other_bytes_are_replaced(tmp_path: Path) -> None:
    path, out = tmp_path / "dataset.json", tmp_path / "fixed.json"
    path.write_bytes(codecs.BOM_UTF8 + '{"images": [], "info": "ä'.encode() + b'\xff"}')
    run(path, "--fix", out)
    assert json.loads(out.read_text()) == {"images": [], "info": "ä\ufffd"}


def test_mask_in_compressed_form_is_right(small: dict[str, Any]) -> None:
    painted = np.asfortranarray(np.pad(np.ones((20, 30), np.uint8), ((5, 455), (7, 603))))
    mask = masks.encode(painted)
    mask["counts"] = mask["counts"].decode()
    assert numbers(with_annotation(small, segmentation=mask, area=600, bbox=[7, 5, 30, 20])) == {}


SQUARE, HOLE = [10, 10, 20, 10, 20, 20, 10, 20], [13, 13, 17, 13, 17, 17, 13, 17]


@pytest.mark.parametrize("segmentation", [[SQUARE, HOLE], [HOLE, SQUARE], [SQUARE * 2], [SQUARE, SQUARE]])
def test_area_of_the_union_is_right(small: dict[str, Any], segmentation: list[list[int]]) -> None:
    found = numbers(with_annotation(small, segmentation=segmentation, area=100, bbox=[10, 10, 10, 10]))
    assert "stale_area" not in found
    assert ("hole" in found) == (HOLE in segmentation)


# Each breaks the first annotation of the small dataset, which is a square of 10 pixels.
BROKEN_ANNOTATIONS: dict[str, tuple[dict[str, Any], set[str]]] = {
    "odd number of coordinates": ({"segmentation": [[10, 10, 20, 10, 20, 20, 10]]}, {"bad_polygons"}),
    "two points": ({"segmentation": [[10, 10, 20, 10]]}, {"bad_polygons"}),
    "number as text": ({"segmentation": [[10, 10, 20, 10, 20, "20"]], "area": 50}, {"bad_polygons"}),
    "no number": ({"segmentation": [[10, 10, 20, 10, 20, "x"]]}, {"bad_polygons"}),
    "true": ({"segmentation": [[10, 10, 20, 10, 20, True]]}, {"bad_polygons"}),
    "far out": ({"segmentation": [[10, 10, 20, 10, 1e9, 20]]}, {"bad_polygons"}),
    "flat polygon": ({"segmentation": [10, 10, 20, 10, 20, 20, 10, 20]}, {"bad_polygons"}),
    "text": ({"segmentation": "mask.png"}, {"bad_polygons"}),
    "mask of another size": ({"segmentation": {"size": [640, 480], "counts": [0, 640 * 480]}}, {"bad_rle"}),
    "mask that does not add up": ({"segmentation": {"size": [480, 640], "counts": [5]}}, {"bad_rle"}),
    "hostile mask": ({"segmentation": {"size": [2**33, 2**33], "counts": [2**66]}}, {"bad_rle"}),
    "hostile counts": ({"segmentation": {"size": [480, 640], "counts": "~~~~"}}, {"bad_rle"}),
    "mask without counts": ({"segmentation": {"size": [480, 640]}}, {"bad_rle"}),
    "three numbers": ({"bbox": [10, 10, 10]}, {"bad_bbox"}),
    "box of text": ({"bbox": "10,10,10,10"}, {"bad_bbox"}),
    "width below 0": ({"bbox": [10, 10, -10, 10]}, {"bad_bbox"}),
    "no width": ({"bbox": [10, 10, 0, 10]}, {"bad_bbox"}),
    "no width without segmentation": ({"segmentation": [], "bbox": [1, 1, 0, 5]}, {"bad_bbox"}),
    "far box without segmentation": ({"segmentation": [], "bbox": [1e9, 1, 4, 5]}, {"bad_bbox"}),
    "stale box": ({"bbox": [10, 10, 10, 12]}, {"stale_bbox"}),
    "stale area": ({"area": 110}, {"stale_area"}),
    "area that counts a hole": ({"segmentation": [SQUARE, HOLE], "area": 116}, {"hole", "stale_area"}),
    "area without a hole": ({"segmentation": [SQUARE, HOLE], "area": 84}, {"hole"}),
    "area of a polygon that goes round twice": ({"segmentation": [SQUARE * 2], "area": 200}, {"stale_area"}),
    "area below 0": ({"area": -1}, {"bad_area"}),
    "area of text": ({"area": "100"}, {"bad_area"}),
    "stale area of a mask": ({"segmentation": MASK, "area": 9, "bbox": [0, 0, 320, 480]}, {"stale_area"}),
    "stale box of a mask": ({"segmentation": MASK, "area": 480 * 320, "bbox": [0, 0, 320, 470]}, {"stale_bbox"}),
    "keypoints of another category": ({"category_id": 5, "keypoints": [1, 2, 2]}, {"bad_keypoints"}),
    "half a keypoint": ({"keypoints": [1, 2]}, {"bad_keypoints"}),
    "keypoint of text": ({"keypoints": [1, 2, "x"]}, {"bad_keypoints"}),
    "keypoint with a number as text": ({"keypoints": [1, 2, "2"], "num_keypoints": 1}, {"bad_keypoints"}),
    "no num_keypoints": ({"keypoints": [1, 2, 2]}, {"no_num_keypoints"}),
    "no bbox": ({"bbox": None}, {"no_bbox"}),
    "no area": ({"area": None}, {"no_area"}),
    "no iscrowd": ({"iscrowd": None}, {"no_iscrowd"}),
    "iscrowd of text": ({"iscrowd": "0"}, {"bad_iscrowd"}),
    "iscrowd 2": ({"iscrowd": 2}, {"bad_iscrowd"}),
    "no geometry": ({"segmentation": [], "bbox": []}, {"no_geometry"}),
    "polygon of no area": ({"segmentation": [[10, 10, 20, 20, 15, 15]], "area": 0}, {"flat_polygons"}),
    "hole": (
        {
            "segmentation": [[0, 0, 40, 0, 40, 40, 0, 40], [10, 10, 12, 10, 12, 11]],
            "area": 1600,
            "bbox": [0, 0, 40, 40],
        },
        {"hole"},
    ),
    "out of the image": ({"segmentation": [], "bbox": [600, 400, 50, 10]}, {"outside_image"}),
    "stale num_keypoints": ({"keypoints": [1, 2, 2, 0, 0, 0], "num_keypoints": 2}, {"stale_num_keypoints"}),
    "image that is not there": ({"image_id": 3}, {"missing_image"}),
    "category that is not there": ({"category_id": 3}, {"missing_category"}),
    "no image": ({"image_id": None}, {"missing_image"}),
    "no category": ({"category_id": None}, {"missing_category"}),
    "image as text": ({"image_id": "1"}, {"bad_reference"}),
    "category with a half": ({"category_id": 1.5}, {"bad_reference", "missing_category"}),
    "id with a half": ({"id": 1.5}, {"bad_id"}),
    "id as text": ({"id": "1"}, {"bad_id"}),
    "id true": ({"id": True}, {"bad_id"}),
    "id beyond 2^53": ({"id": 2**53}, {"bad_id"}),
    "no id": ({"id": None}, {"bad_id"}),
    "repeated id": ({"id": 7}, {"repeated_id"}),
    "not a number": ({"score": float("nan")}, {"not_finite"}),
    "not a number, deep inside": ({"attributes": [{"score": float("-inf")}]}, {"not_finite"}),
    "area beyond a double": ({"area": "1e400"}, {"not_finite"}),
    "integer of 5000 digits": ({"score": "9" * 5000}, {"not_finite"}),
}


def unquoted(text: str) -> bytes:
    """Numbers that Python can't write as JSON are written as texts above."""
    return text.replace('"1e400"', "1e400").replace(f'"{"9" * 5000}"', "9" * 5000).encode()


@pytest.mark.parametrize("case", BROKEN_ANNOTATIONS)
def test_broken_annotation_is_found(small: dict[str, Any], case: str) -> None:
    fields, kinds = BROKEN_ANNOTATIONS[case]
    assert set(found(unquoted(json.dumps(with_annotation(small, **fields))))) == kinds


@pytest.mark.parametrize("case", BROKEN_ANNOTATIONS)
def test_right_annotations_beside_a_broken_one_are_not_named(small: dict[str, Any], case: str) -> None:
    fields, _ = BROKEN_ANNOTATIONS[case]
    problems = found(unquoted(json.dumps(with_annotation(small, **fields))))
    assert [problem.count for problem in problems.values()] == [1] * len(problems)


BROKEN_RECORDS = {
    "bad_id": ("images", {"id": "one", "file_name": "a", "width": 1, "height": 1}),
    "repeated_id": ("images", {"id": 1, "file_name": "a", "width": 1, "height": 1}),
    "bad_size": ("images", {"id": 9, "file_name": "a", "width": 0, "height": 1}),
    "bad_file_name": ("images", {"id": 9, "file_name": " ", "width": 1, "height": 1}),
    "not_finite": ("images", {"id": 9, "file_name": "a", "width": 1, "height": 1, "x": float("inf")}),
    "not_object": ("images", None),
    "repeated_name": ("categories", {"id": 9, "name": "cat"}),
    "bad_name": ("categories", {"id": 9, "name": 5}),
}


@pytest.mark.parametrize("kind", BROKEN_RECORDS)
def test_broken_image_or_category_is_found(small: dict[str, Any], kind: str) -> None:
    section, record = BROKEN_RECORDS[kind]
    small[section].append(record)
    assert {name: problem.count for name, problem in found(small).items()} == {kind: 1}


def test_first_five_ids_are_named_and_all_are_counted(small: dict[str, Any]) -> None:
    first = small["annotations"][0]
    small["annotations"] = [{**first, "id": i, "area": 1} for i in range(10, 5010)]
    assert numbers(small) == {"stale_area": (5000, [10, 11, 12, 13, 14])}


def test_repeated_id_is_named_once_and_counted_per_copy(small: dict[str, Any]) -> None:
    small["annotations"] += [{**small["annotations"][0], "area": 100.5}] * 2
    assert numbers(small) == {"repeated_id": (2, [1])}


TEXTS = {
    "not_utf8": (b'{"info": "caf\xe9 \xff\xfe", "images": []}', 2, ["byte 13", "byte 15"]),
    "lone_surrogate": (rb'{"info": "\\ud800 \ud83d\ude00 \ud800 \udc00", "images": []}', 2, ["byte 31", "byte 38"]),
    "repeated_key": (b'{"info": 1, "images": [], "info": 2}', 1, ["info"]),
    "section_not_list": (b'{"images": {}, "annotations": null}', 2, ["images", "annotations"]),
    "not_finite": (b'{"info": ["NaN, ", NaN, -Infinity], "images": []}', 1, ["info"]),
}


@pytest.mark.parametrize("kind", TEXTS)
def test_broken_text_is_found(kind: str) -> None:
    text, count, examples = TEXTS[kind]
    assert numbers(text) == {kind: (count, examples)}


def test_words_in_texts_are_not_taken_for_numbers() -> None:
    assert (
        numbers({"images": [], "info": 'a "quoted\\", NaN, -Infinity] and \\" Infinity,', "x": ["NaN", "NaN,"]}) == {}
    )


def test_utf_16_is_read(small: dict[str, Any]) -> None:
    problems = found(json.dumps(small).encode("utf-16"))
    assert (list(problems), problems["not_utf8"].message) == (
        ["not_utf8"],
        "1 place not in UTF-8: the file is in UTF-16",
    )


UNREADABLE = {
    "empty": (b" \n", "empty_file", ""),
    "cut off": (b'{"images": [{"id": 1}', "not_json", "truncated"),
    "comma": (
        b'{"x": NaN, "images": [1,]}',
        "not_json",
        "not JSON: trailing comma in array (byte 24), line 1, column 25: `{",
    ),
    "NaN after digits": (b'{"images": [24NaN]}', "not_json", "line 1, column "),
    "words": (b"hello", "not_json", "(byte 0)"),
    "two values": (b"{} {}", "not_json", "trailing characters"),
    "a list": (b"[]", "not_a_dataset", "array"),
    "too deep": (b'{"x": ' + b"[" * 10**5 + b"]" * 10**5 + b"}", "not_json", "nested too deep"),
}


@pytest.mark.parametrize("case", UNREADABLE)
def test_what_is_no_json_object_is_said_with_the_place(tmp_path: Path, case: str) -> None:
    text, kind, words = UNREADABLE[case]
    path = tmp_path / "broken.json"
    path.write_bytes(text)
    result = run(path, "--json")
    [problem] = json.loads(result.stdout)["problems"]
    assert (result.exit_code, problem["kind"], words in problem["message"]) == (1, kind, True)


def test_every_kind_has_a_message_that_counts(small: dict[str, Any]) -> None:
    findings = Findings()
    for kind in KINDS:
        findings.add(kind, "" if KINDS[kind].noun else "annotations")
    assert all(problem.message.startswith("1 ") for problem in findings.problems)


@pytest.fixture
def pictured(tmp_path: Path, small: dict[str, Any]) -> Path:
    """The small dataset with all of its pictures."""
    folder = tmp_path / "images"
    folder.mkdir()
    for image in small["images"]:
        Image.new("RGB", (image["width"], image["height"])).save(folder / image["file_name"])
    path = tmp_path / "dataset.json"
    path.write_text(json.dumps(small))
    return path


def test_pictures_that_are_there_are_no_problem(pictured: Path) -> None:
    result = run(pictured)
    assert (result.exit_code, result.stdout) == (
        0,
        f"{pictured}: 3 images, 3 annotations, 3 categories; nothing is wrong\n",
    )


def test_missing_picture_is_found(pictured: Path) -> None:
    (pictured.parent / "images" / "two.jpg").unlink()
    result = run(pictured)
    assert result.exit_code == 1
    assert "missing_picture: 1 image whose picture is not there: 2\n" in result.stdout


def test_no_picture_at_all_is_a_note(tmp_path: Path, small: dict[str, Any]) -> None:
    path = tmp_path / "dataset.json"
    path.write_text(json.dumps(small))
    result = run(path)
    assert (result.exit_code, "note: pictures were not looked for" in result.stdout) == (0, True)


def test_no_picture_at_all_in_the_folder_of_the_settings_is_a_problem(tmp_path: Path, small: dict[str, Any]) -> None:
    path = tmp_path / "dataset.json"
    path.write_text(json.dumps(small))
    (tmp_path / "elsewhere").mkdir()
    result = run(path, "--json", COCOANNOT_IMAGES=str(tmp_path / "elsewhere"))
    [problem] = json.loads(result.stdout)["problems"]
    assert (problem["kind"], problem["count"], problem["ids"]) == ("missing_picture", 3, [1, 2, 4])


def test_folder_of_the_settings_that_is_none_is_named(tmp_path: Path, small: dict[str, Any]) -> None:
    path = tmp_path / "dataset.json"
    path.write_text(json.dumps(small))
    for images in (tmp_path / "nowhere", path):
        result = run(path, COCOANNOT_IMAGES=str(images))
        assert (result.exit_code, result.output) == (2, f"Error: COCOANNOT_IMAGES='{images}' is not a folder\n")


def test_records_that_share_an_id_are_named_by_it_once(pictured: Path, small: dict[str, Any]) -> None:
    small["images"] = [{"id": 3, "file_name": f"{i}.jpg", "width": 5, "height": 5} for i in range(3)]
    small["images"].append({"id": 9, "file_name": "two.jpg", "width": 320, "height": 240})
    pictured.write_text(json.dumps(small))
    assert "missing_picture: 3 images whose picture is not there: 3, ...\n" in run(pictured).stdout


def test_one_of_each_is_counted_in_the_singular(tmp_path: Path) -> None:
    path = tmp_path / "dataset.json"
    path.write_text(json.dumps(FLAVOURS["stuff"]))
    assert f"{path}: 1 image, 1 annotation, 1 category; nothing is wrong\n" in run(path).stdout


def test_json_has_everything(tmp_path: Path, small: dict[str, Any]) -> None:
    path = tmp_path / "dataset.json"
    path.write_text(json.dumps(with_annotation(small, area=5, id="x")))
    result = run(path, "--json")
    answer = json.loads(result.stdout)
    assert result.exit_code == 1
    assert answer["file"] == str(path)
    assert answer["counts"] == {"images": 3, "annotations": 3, "categories": 3}
    assert answer["problems"] == [
        {
            "kind": "bad_id",
            "level": "error",
            "section": "annotations",
            "count": 1,
            "places": ['annotations[0] has "x"'],
            "message": "1 annotation without an integer id of at most 2^53 - 1",
            "tools": ["datumaro", "detr", "lvis", "pycocotools", "yolo"],
        },
        {
            "kind": "stale_area",
            "level": "note",
            "section": "annotations",
            "count": 1,
            "places": ["annotations[0]"],
            "message": "1 annotation whose area is not that of the segmentation",
            "tools": [],
        },
    ]


def test_dataset_of_the_settings_is_the_default(pictured: Path) -> None:
    assert run(COCOANNOT_DATASET=str(pictured)).exit_code == 0


def test_without_file_and_setting_one_line_says_so() -> None:
    result = run(COCOANNOT_DATASET="")
    assert (result.exit_code, result.stderr.startswith("Error: COCOANNOT_DATASET is not set")) == (1, True)


def test_file_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    result = run(tmp_path / "none.json")
    assert (result.exit_code, result.stderr) == (
        2,
        f"Error: can't read {tmp_path}/none.json: No such file or directory\n",
    )


def test_check_changes_nothing_and_leaves_nothing_behind(pictured: Path) -> None:
    before = {path: path.read_bytes() for path in pictured.parent.rglob("*") if path.is_file()}
    run(pictured)
    assert {path: path.read_bytes() for path in pictured.parent.rglob("*") if path.is_file()} == before


def test_time_grows_with_the_file_and_not_faster(small: dict[str, Any]) -> None:
    """Ten times the records of every kind, all repeated and broken: anything quadratic would take minutes."""
    first = small["annotations"][0]
    many = copy.deepcopy(small)
    many["annotations"] = [{**first, "image_id": 10**6 + i, "category_id": i, "id": "x"} for i in range(20_000)]
    many["categories"] = [{"id": 1, "name": "cat"} for _ in range(2_000)]
    problems = found(many)
    assert problems["bad_id"].count == problems["missing_image"].count == 20_000


def test_runs_as_a_process_of_its_own(pictured: Path) -> None:
    code = (
        "import sys; from flask import Flask; from cocoannot.extension import Cocoannot; "
        "from cocoannot.cli.check import check; app = Flask('x'); Cocoannot().init_app(app); "
        "app.app_context().push(); check.main(sys.argv[1:])"
    )
    command = [sys.executable, "-W", "error", "-c", code, str(pictured)]
    result = subprocess.run(command, cwd=Path(__file__).parents[1], capture_output=True, text=True, timeout=60)
    assert (result.returncode, result.stderr) == (0, "")
