"""`flask check --fix OUT` writes a copy that is right, loads everywhere, and says what it did; the input stays."""

from __future__ import annotations

import contextlib
import io
import json
import logging
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from flask import Flask
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image
from pycocotools.coco import COCO

from cocoannot.check.checked import Checked
from cocoannot.check.dataset_check import check_dataset
from cocoannot.check.findings import Findings
from cocoannot.check.repair import Repaired, write_repaired
from cocoannot.cli.check import check
from cocoannot.errors import SaveError
from cocoannot.extension import Cocoannot
from cocoannot.manager import DatasetManager

Step = tuple[str, int, object]

UNREPAIRABLE = {
    "bad_size",
    "bad_file_name",
    "repeated_file_name",
    "missing_image",
    "repeated_id",
    "no_geometry",
    "flat_polygons",
    "flat_bbox",
    "bad_skeleton",
    "hole",
    "bad_iscrowd",
    "outside_image",
    "corner_boxes",
    "relative_boxes",
}


def run(*arguments: object) -> Result:
    app = Flask("tests")
    Cocoannot().init_app(app)
    return app.test_cli_runner().invoke(check, list(map(str, arguments)))


def checked(path: Path) -> tuple[Checked | None, Findings]:
    findings = Findings()
    return check_dataset(path.read_bytes(), findings), findings


def kinds_of(path: Path) -> set[str]:
    return {problem.kind for problem in checked(path)[1].problems}


def fixed(path: Path, content: object) -> tuple[Any, list[tuple[Any, str, Any]]]:
    """Write `content` to `path`, repair it; returns the copy as JSON and what it lost (kinds, field, record)."""
    path.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
    out = path.with_name("fixed.json")
    outcome, findings = checked(path)
    assert outcome is not None
    assert findings.problems
    lost = write_repaired(outcome, path, out).removed
    assert loads_without_warnings(out)
    assert kinds_of(out) == set()
    return json.loads(out.read_bytes()), [(each.kinds, each.part, json.loads(each.text)) for each in lost]


def loads_without_warnings(path: Path) -> bool:
    manager = DatasetManager()
    manager.load(path)
    assert manager.store.status().warnings == []
    with contextlib.redirect_stdout(io.StringIO()):
        COCO(str(path))
    return True


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "dataset.json"


def first_of(dataset: dict[str, Any]) -> dict[str, Any]:
    annotation: dict[str, Any] = dataset["annotations"][0]
    return annotation


def test_right_file_is_copied_byte_for_byte(path: Path, small: dict[str, Any]) -> None:
    small["info"]["more than one block"] = "x" * 3_000_000
    path.write_bytes(json.dumps(small, indent=1).replace("\n", "\r\n").encode())
    result = run(path, "--fix", path.with_name("out.json"))
    assert (result.exit_code, path.with_name("out.json").read_bytes()) == (0, path.read_bytes())
    assert not Repaired(path.with_name("out.json")).originals_path.exists()


def test_records_that_need_no_repair_keep_their_text(path: Path, small: dict[str, Any]) -> None:
    first_of(small)["area"] = 5
    text = json.dumps(small, indent=3)
    path.write_text(text)
    outcome, _ = checked(path)
    assert outcome is not None
    write_repaired(outcome, path, path.with_name("out.json"))
    start = text.index("{", text.index('"annotations"'))
    end = text.index("}", start) + 1
    copy = path.with_name("out.json").read_text()
    assert (copy[:start], copy[-len(text[end:]) :]) == (text[:start], text[end:])
    assert json.loads(copy[start : -len(text[end:])]) == {**first_of(small), "area": 100.0}


def test_stale_and_missing_numbers_are_computed(path: Path, small: dict[str, Any]) -> None:
    first_of(small).update(area=float("nan"), bbox=[0, 0, float("inf"), 1], keypoints=[1, 2, 2], num_keypoints=3)
    copy, lost = fixed(path, small)
    assert first_of(copy) == {**first_of(small), "area": 100.0, "bbox": [10, 10, 10, 10], "num_keypoints": 1}
    assert lost == []


def test_numbers_that_are_not_finite_leave_and_their_neighbours_stay(path: Path, small: dict[str, Any]) -> None:
    first_of(small).update(score=float("nan"), attributes={"a": float("inf"), "b": [1, float("-inf")], "n": 10**30})
    copy, _ = fixed(path, small)
    assert "score" not in first_of(copy)
    assert first_of(copy)["attributes"] == {"b": [1, None], "n": 10**30}


def test_repeated_id_of_an_annotation_becomes_a_new_one(path: Path, small: dict[str, Any]) -> None:
    small["annotations"].append({**first_of(small), "category_id": 2})
    copy, _ = fixed(path, small)
    assert [(each["id"], each["category_id"]) for each in copy["annotations"]] == [(1, 1), (2, 2), (7, 1), (8, 2)]


def test_exact_copy_of_a_record_is_removed(path: Path, small: dict[str, Any]) -> None:
    small["annotations"].append(first_of(small))
    copy, lost = fixed(path, small)
    assert [each["id"] for each in copy["annotations"]] == [1, 2, 7]
    assert lost == [(("repeated_id",), "", first_of(small))]


def test_repeated_image_id_that_annotations_refer_to_stays_and_each_is_listed(
    path: Path, small: dict[str, Any]
) -> None:
    small["images"].append({**small["images"][0], "file_name": "other.jpg"})
    path.write_text(json.dumps(small))
    out = path.with_name("out.json")
    result = run(path, "--fix", out, "--json")
    [problem] = json.loads(result.stdout)["problems"]
    assert (result.exit_code, problem["kind"], problem["repaired"]) == (1, "repeated_id", 0)
    assert problem["cases"] == [
        {"section": "images", "id": 1, "records": [0, 3], "names": ['"one.jpg"', '"other.jpg"'], "annotations": [1, 2]}
    ]
    assert json.loads(out.read_text()) == small
    assert not Repaired(out).ids_path.exists()


def test_repeated_image_id_that_nothing_refers_to_becomes_a_new_one(path: Path, small: dict[str, Any]) -> None:
    small["images"].append({**small["images"][2], "file_name": "other.jpg"})
    copy, _ = fixed(path, small)
    assert [(each["id"], each["file_name"]) for each in copy["images"][2:]] == [(4, "empty.jpg"), (5, "other.jpg")]
    assert json.loads(Repaired(path.with_name("fixed.json")).ids_path.read_text())["ids"] == [
        {"section": "images", "index": 3, "was": 4, "now": 5}
    ]


def test_ids_written_as_texts_become_integers_and_references_follow(path: Path, small: dict[str, Any]) -> None:
    small["images"][0]["id"] = "1"
    small["images"][1]["id"] = "street/two"
    for annotation in small["annotations"]:
        annotation["image_id"] = {1: "1", 2: "street/two"}[annotation["image_id"]]
        annotation["id"] = str(annotation["id"])
    copy, lost = fixed(path, small)
    assert [each["id"] for each in copy["images"]] == [1, 5, 4]
    assert [(each["id"], each["image_id"]) for each in copy["annotations"]] == [(1, 1), (2, 1), (7, 5)]
    assert lost == []


def test_new_ids_are_found_where_the_largest_is_taken(path: Path, small: dict[str, Any]) -> None:
    small["annotations"] += [{**first_of(small), "id": 2**53 - 1}, {**first_of(small), "id": 2**60}]
    copy, _ = fixed(path, small)
    assert [each["id"] for each in copy["annotations"]] == [1, 2, 7, 2**53 - 1, 3]


def test_annotation_of_no_image_is_kept_beside_the_copy(path: Path, small: dict[str, Any]) -> None:
    first_of(small)["image_id"] = 99
    copy, lost = fixed(path, small)
    assert [each["id"] for each in copy["annotations"]] == [2, 7]
    assert lost == [(("missing_image",), "", first_of(small))]


def test_missing_categories_are_added(path: Path, small: dict[str, Any]) -> None:
    for annotation, category in zip(small["annotations"], [9, "crow", None], strict=True):
        annotation["category_id"] = category
    copy, lost = fixed(path, small)
    added = {each["id"]: each["name"] for each in copy["categories"][3:]}
    assert added == {9: "category 9", 6: "category crow", 7: "category missing"}
    assert [each["category_id"] for each in copy["annotations"]] == [9, 6, 7]
    assert lost == []


def test_categories_are_added_where_the_file_has_none(path: Path, small: dict[str, Any]) -> None:
    del small["categories"]
    copy, _ = fixed(path, small)
    assert [each["id"] for each in copy["categories"]] == [1, 2]


@pytest.mark.parametrize("category", [3, "crow"])
def test_once_a_category_is_added_to_a_file_that_has_none_every_annotation_has_one(
    path: Path, small: dict[str, Any], category: object
) -> None:
    del small["categories"]
    for annotation, value in zip(small["annotations"], [category, None, None], strict=True):
        annotation["category_id"] = value
    copy, lost = fixed(path, small)
    names = {each["id"]: each["name"] for each in copy["categories"]}
    assert [names[each["category_id"]] for each in copy["annotations"]] == [
        f"category {category}",
        "category missing",
        "category missing",
    ]
    assert lost == []


def test_captions_get_a_category_where_there_is_a_section_of_them(path: Path, small: dict[str, Any]) -> None:
    captions = [{"id": i, "image_id": 1, "caption": "A crow."} for i in (1, 2)]
    path.write_text(json.dumps({**small, "annotations": captions, "categories": []}))
    with pytest.raises(KeyError, match="category_id"):
        COCO(str(path))
    copy, lost = fixed(path, path.read_bytes())
    assert copy["categories"] == [{"id": 1, "name": "category missing", "supercategory": "none"}]
    assert copy["annotations"] == [{**each, "category_id": 1} for each in captions]
    assert lost == []


def test_a_file_without_categories_needs_none_where_no_annotation_names_one(path: Path, small: dict[str, Any]) -> None:
    del small["categories"]
    for annotation in small["annotations"]:
        del annotation["category_id"]
    small["annotations"].append({"id": 8, "image_id": 1, "caption": "A crow."})
    path.write_text(json.dumps(small))
    _, findings = checked(path)
    assert findings.problems == []


def test_annotation_with_id_0_gets_another_one(path: Path, small: dict[str, Any]) -> None:
    for section in (small["images"], small["annotations"], small["categories"]):
        section[0]["id"] = 0
    small["annotations"][0] |= {"image_id": 0, "category_id": 0}
    small["annotations"][2]["category_id"] = 0
    small["annotations"][1]["image_id"] = 0
    copy, lost = fixed(path, small)
    assert [each["id"] for each in copy["annotations"]] == [8, 2, 7]
    assert (copy["images"], copy["categories"], lost) == (small["images"], small["categories"], [])
    assert json.loads(path.with_name("fixed.json.ids.json").read_bytes())["ids"] == [
        {"section": "annotations", "index": 0, "was": 0, "now": 8}
    ]


def test_repeated_names_get_their_id(path: Path, small: dict[str, Any]) -> None:
    small["categories"] += [{"id": 8, "name": "cat"}, {"id": 9, "name": "cat (8)"}, {"id": 10}]
    copy, _ = fixed(path, small)
    assert [each["name"] for each in copy["categories"][3:]] == ["cat (8)'", "cat (8)", "category 10"]


def test_bad_polygon_leaves_and_the_rest_is_measured(path: Path, small: dict[str, Any]) -> None:
    first_of(small)["segmentation"].append([1, 2, 3])
    first_of(small)["area"] = 5000
    copy, lost = fixed(path, small)
    assert (first_of(copy)["segmentation"], first_of(copy)["area"]) == ([[10, 10, 20, 10, 20, 20, 10, 20]], 100)
    assert lost == [(("bad_polygons",), "segmentation", first_of(small))]


def test_flat_polygon_is_put_into_a_list(path: Path, small: dict[str, Any]) -> None:
    first_of(small)["segmentation"] = first_of(small)["segmentation"][0]
    copy, lost = fixed(path, small)
    assert (first_of(copy)["segmentation"], lost) == ([[10, 10, 20, 10, 20, 20, 10, 20]], [])


def test_without_a_good_polygon_the_box_stays(path: Path, small: dict[str, Any]) -> None:
    first_of(small)["segmentation"] = {"size": [480, 640], "counts": [3]}
    copy, lost = fixed(path, small)
    assert (first_of(copy)["segmentation"], first_of(copy)["bbox"]) == ([], [10, 10, 10, 10])
    assert lost[0][1] == "segmentation"


def test_annotation_without_anything_left_is_removed(path: Path, small: dict[str, Any]) -> None:
    first_of(small).update(segmentation=[[1]], bbox=[1, 1, 0, 0])
    copy, lost = fixed(path, small)
    assert [each["id"] for each in copy["annotations"]] == [2, 7]
    assert lost == [(("bad_polygons", "bad_bbox"), "", first_of(small))]


def test_what_is_nested_too_deep_is_kept_beside_the_copy(path: Path, small: dict[str, Any]) -> None:
    for record in (small["images"][2], small["categories"][2], small["annotations"][2], small["info"]):
        record["x"] = "DEEP"
    text = json.dumps(small).replace('"DEEP"', "[" * 600 + "NaN" + "]" * 600)
    path.write_text(text)
    outcome, findings = checked(path)
    assert outcome is not None
    assert {(problem.kind, problem.section) for problem in findings.problems} == {
        ("too_deep", "images"),
        ("too_deep", "annotations"),
        ("too_deep", "categories"),
        ("not_finite", ""),
    }
    lost = write_repaired(outcome, path, path.with_name("out.json")).removed
    assert [each.section for each in lost] == ["info", "images", "annotations", "categories"]
    assert loads_without_warnings(path.with_name("out.json"))


def test_all_records_may_have_to_go(path: Path, small: dict[str, Any]) -> None:
    for section in small:
        small[section] = [None, 5]
    copy, lost = fixed(path, small)
    assert (copy["images"], copy["annotations"], copy["categories"]) == ([], [], [])
    assert len(lost) == 6


def test_repeated_lists_are_joined_and_of_other_values_the_last_one_stays(path: Path, small: dict[str, Any]) -> None:
    annotations = json.dumps(small["annotations"] + [{**first_of(small), "id": 50}])
    text = json.dumps(small)[:-1] + f', "annotations": {annotations}, "info": {{"year": 1}}}}'
    copy, lost = fixed(path, text.encode())
    assert list(copy) == list(small)
    assert copy["info"] == {"year": 1}
    assert [each["id"] for each in copy["annotations"]] == [1, 2, 7, 50]
    assert [kinds for kinds, _, _ in lost] == [("repeated_key",)] + [("repeated_id",)] * 3


def test_section_that_is_an_object_becomes_the_list_of_its_records(path: Path, small: dict[str, Any]) -> None:
    images = small["images"]
    copy, lost = fixed(path, {**small, "images": {str(image["id"]): image for image in images}})
    assert (copy["images"], lost) == (images, [])


def test_section_of_anything_else_is_kept_beside_the_copy(path: Path, small: dict[str, Any]) -> None:
    copy, lost = fixed(path, {**small, "categories": "cats.txt"})
    assert lost == [(("section_not_list",), "", "cats.txt")]
    assert [each["name"] for each in copy["categories"]] == ["category 1", "category 2"]


def test_characters_that_are_none_become_the_replacement_character(path: Path, small: dict[str, Any]) -> None:
    small["categories"][0]["name"] = "NAME"
    # No encoding has all of these: 0x81 is none in Windows-1252, and GBK has no 0xff.
    text = json.dumps(small).encode().replace(b"NAME", b'caf\x81 \xff \\ud800 \\"')
    copy, _ = fixed(path, text)
    assert copy["categories"][0]["name"] == 'caf\ufffd \ufffd \ufffd "'


def test_size_is_taken_from_the_picture(path: Path, small: dict[str, Any]) -> None:
    del small["images"][0]["width"]
    small["images"][1]["width"] = "320"
    Image.new("RGB", (640, 480)).save(path.parent / "one.jpg")
    path.write_text(json.dumps({**small, "images": small["images"][:2], "annotations": []}))
    out = path.with_name("out.json")
    result = run(path, "--fix", out, "--json")
    assert [each["width"] for each in json.loads(out.read_text())["images"]] == [640, 320]
    problems = {each["kind"]: each.get("repaired") for each in json.loads(result.stdout)["problems"]}
    assert problems == {"bad_size": 2, "missing_picture": 0}
    assert result.exit_code == 1


def test_orphans_stay_where_the_file_has_no_images(path: Path, small: dict[str, Any]) -> None:
    small["images"] = []
    path.write_text(json.dumps(small))
    result = run(path, "--fix", path.with_name("out.json"))
    assert (result.exit_code, "not repaired" in result.stdout) == (1, True)
    assert json.loads(path.with_name("out.json").read_text())["annotations"] == small["annotations"]


def break_in_many_ways(small: dict[str, Any]) -> bytes:
    """A text with more than ten kinds of problems."""
    square = first_of(small)
    small["annotations"] += [
        None,
        {**square, "id": 1, "category_id": 2},
        {**square, "id": "21"},
        {**square, "id": 22, "image_id": 99},
        {**square, "id": 23, "category_id": 99},
        {**square, "id": 24, "segmentation": [[1, 2, 3]]},
        {**square, "id": 25, "area": float("nan")},
        {**square, "id": 26, "area": 1000},
        {**square, "id": 27, "bbox": [0, 0, 10, 10]},
        {**square, "id": 28, "bbox": [10, 10, -10, 10]},
        {**square, "id": 29, "segmentation": {"size": [1, 1], "counts": [0, 1]}},
        {**square, "id": 30, "image_id": "2"},
        {**square, "id": 31, "category_id": 5, "keypoints": [1, 2, 2]},
    ]
    small["categories"].append({"id": 6, "name": "cat"})
    text = json.dumps(small)[:-1] + ', "info": {"description": "CAFE"}}'
    return text.encode().replace(b"CAFE", b"caf\xe9 \\ud83d")


def test_file_broken_in_many_ways_is_repaired_in_one_go(path: Path, small: dict[str, Any]) -> None:
    path.write_bytes(break_in_many_ways(small))
    before = path.read_bytes()
    out = path.with_name("out.json")
    result = run(path, "--fix", out, "--json")
    answer = json.loads(result.stdout)
    assert {each["kind"] for each in answer["problems"]} == {
        "not_utf8", "lone_surrogate", "repeated_key", "not_object", "bad_id", "repeated_id", "bad_reference",
        "missing_image", "missing_category", "repeated_name", "bad_polygons", "bad_rle", "bad_bbox", "bad_keypoints",
        "not_finite", "stale_area", "stale_bbox",
    }  # fmt: skip
    assert all(each["repaired"] == each["count"] for each in answer["problems"])
    assert (result.exit_code, answer["repaired_copy"], path.read_bytes()) == (0, str(out), before)
    assert loads_without_warnings(out)
    assert kinds_of(out) == set()


def test_what_was_removed_is_in_a_file_of_its_own(path: Path, small: dict[str, Any]) -> None:
    path.write_bytes(break_in_many_ways(small))
    out = path.with_name("out.json")
    result = run(path, "--fix", out)
    removed = json.loads(Repaired(out).originals_path.read_text())
    assert removed["removed_from"] == str(path)
    assert [(each["section"], each.get("index"), each.get("field")) for each in removed["removed"]] == [
        ("info", None, None),
        ("annotations", 3, None),
        ("annotations", 6, None),
        ("annotations", 8, "segmentation"),
        ("annotations", 13, "segmentation"),
        ("annotations", 15, "keypoints"),
    ]
    assert removed["removed"][0]["was"] == small["info"]
    assert str(Repaired(out).originals_path) in result.stdout


def test_each_repair_is_listed(path: Path, small: dict[str, Any]) -> None:
    first_of(small)["area"] = 1
    path.write_text(json.dumps(small))
    out = path.with_name("out.json")
    assert run(path, "--fix", out).stdout.splitlines()[1:] == [
        "  note stale_area: 1 annotation whose area is not that of the segmentation: 1",
        "    1 repaired: computed",
        f"  note: pictures were not looked for: none of the 3 is near {path.parent}; "
        "COCOANNOT_IMAGES can say where they are",
        f"repaired copy: {out}",
        f"what it does not have as it was (1 replaced): {out}.removed.json",
    ]


@pytest.mark.parametrize("taken", ["out.json", "out.json.removed.json", "dataset.json"])
def test_nothing_is_ever_written_over(path: Path, small: dict[str, Any], taken: str) -> None:
    path.write_text(json.dumps(small))
    before = path.read_bytes()
    path.with_name(taken).touch()
    out = path if taken == "dataset.json" else path.with_name("out.json")
    result = run(path, "--fix", out)
    assert (result.exit_code, f"{taken} exists" in result.stderr, path.read_bytes()) == (1, True, before)


def test_a_link_that_leads_nowhere_is_not_written_through(path: Path, small: dict[str, Any]) -> None:
    path.write_text(json.dumps(small))
    path.with_name("out.json").symlink_to("elsewhere.json")
    assert run(path, "--fix", path.with_name("out.json")).exit_code == 1
    assert not path.with_name("elsewhere.json").exists()


def test_no_copy_of_what_is_no_json(path: Path) -> None:
    path.write_text("{")
    result = run(path, "--fix", path.with_name("out.json"))
    assert (result.exit_code, os.listdir(path.parent)) == (1, ["dataset.json"])


def test_folder_that_is_not_there_is_one_line(path: Path, small: dict[str, Any]) -> None:
    path.write_text(json.dumps(small))
    result = run(path, "--fix", path.parent / "none" / "out.json")
    assert (result.exit_code, "there is no folder" in result.stderr) == (1, True)


def test_write_that_fails_leaves_nothing(path: Path, small: dict[str, Any], tmp_path: Path) -> None:
    path.write_text(json.dumps(small))
    outcome, _ = checked(path)
    assert outcome is not None
    folder = tmp_path / ("x" * 250)
    folder.mkdir()
    with pytest.raises(SaveError, match="File name too long"):
        write_repaired(outcome, path, folder / ("y" * 248))
    assert os.listdir(folder) == []


def test_copy_keeps_the_mode_of_the_file(path: Path, small: dict[str, Any]) -> None:
    path.write_text(json.dumps(small))
    path.chmod(0o640)
    run(path, "--fix", path.with_name("out.json"))
    assert path.with_name("out.json").stat().st_mode & 0o777 == 0o640


# What to put in the place of any value of a dataset.
_JUNK = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-3, 12),
    st.sampled_from([2**53, 2**63, -(2**70), 10**400, 0.5, 7.0, 1e308]),
    st.sampled_from([float("nan"), float("inf"), float("-inf")]),
    st.sampled_from(["7", "x", "", " ", "1.0", "é", "\ud800", "NaN", '",Infinity']),
    st.sampled_from([[], {}, [[]], [1], [1, 2, 3, 4], [[0, 0, 5, 0, 5, 5]], {"size": [480, 640], "counts": [307200]}]),
    st.sampled_from([{"size": [2**40, 2], "counts": "x"}, {"id": 1}, [{"id": 1}], [None, float("nan")]]),
)
_STEPS = st.lists(st.tuples(st.sampled_from(["set", "drop", "copy"]), st.integers(0, 10**6), _JUNK), max_size=6)


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Everything in a dataset that can be taken or replaced: (container, key)."""
    for key, item in list(value.items() if isinstance(value, dict) else enumerate(value)):
        yield value, key
        if isinstance(item, dict | list):
            yield from _places(item)


def _broken(dataset: dict[str, Any], steps: list[Step]) -> bytes:
    for how, number, junk in steps:
        places = list(_places(dataset))
        if not places:
            break
        container, key = places[number % len(places)]
        if how == "set":
            container[key] = json.loads(json.dumps(junk))
        elif how == "drop":
            del container[key]
        elif isinstance(container, list):
            container.append(json.loads(json.dumps(container[key])))
    return json.dumps(dataset).encode("utf-8", "surrogatepass")


@settings(
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(steps=_STEPS, mask=st.booleans())
def test_whatever_is_broken_is_found_and_the_copy_is_right(
    steps: list[Step], mask: bool, small: dict[str, Any], tmp_path_factory: pytest.TempPathFactory
) -> None:
    logging.getLogger("cocoannot").setLevel(logging.ERROR)
    dataset = json.loads(json.dumps(small))
    if mask:
        first_of(dataset).update(segmentation={"size": [480, 640], "counts": [0, 307200]}, area=307200)
    folder = tmp_path_factory.mktemp("broken")
    path, out = folder / "dataset.json", folder / "out.json"
    path.write_bytes(_broken(dataset, steps))
    outcome, findings = checked(path)
    if outcome is None or findings.no_copy:
        assert findings.problems
        return
    write_repaired(outcome, path, out)
    _, left = checked(out)
    assert {problem.kind for problem in left.problems} <= UNREPAIRABLE
    assert not left.problems or not findings.repairable
    manager = DatasetManager()
    manager.load(out)
    if not left.problems:
        assert manager.store.status().warnings == []
    with contextlib.redirect_stdout(io.StringIO()):
        COCO(str(out))


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_bytes_are_read_and_a_copy_loads(
    data: st.DataObject, small: dict[str, Any], tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Bytes of a file taken away, put in and changed: mostly no JSON any more, sometimes something odd."""
    text = bytearray(json.dumps(small).encode())
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(text) - 1))
        length = data.draw(st.integers(0, 3))
        put = data.draw(st.sampled_from([b"", b"NaN", b"9", b"\xff", b'"', b"\\", b"\\ud800", b"]", b"}", b",", b"-"]))
        text[at : at + length] = put
    path = tmp_path_factory.mktemp("bytes") / "dataset.json"
    path.write_bytes(text)
    outcome, findings = checked(path)
    if outcome is None or findings.no_copy:
        assert findings.problems
    else:
        out = path.with_name("out.json")
        write_repaired(outcome, path, out)
        DatasetManager().load(out)
