"""Files of the kinds that people really have: what `flask check --fix` makes of each, and what it keeps beside."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from pycocotools import mask as masks
from test_repair import checked, fixed, kinds_of, loads_without_warnings, run

from cocoannot.check.repair import Repaired

SQUARE = [[10, 10, 50, 10, 50, 30, 10, 30]]
IMAGE = {"id": 3, "file_name": "rook.jpg", "width": 64, "height": 48}


def birds(**fields: Any) -> dict[str, Any]:
    """A dataset of one image with one annotation: a rectangle from (10, 10) to (50, 30), changed by `fields`."""
    annotation = {
        "id": 5,
        "image_id": 3,
        "category_id": 8,
        "segmentation": SQUARE,
        "bbox": [10, 10, 40, 20],
        "area": 800,
        "iscrowd": 0,
        **fields,
    }
    return {
        "images": [dict(IMAGE)],
        "annotations": [{key: value for key, value in annotation.items() if value is not ...}],
        "categories": [{"id": 8, "name": "rook", "supercategory": "bird"}],
    }


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "dataset.json"


def write(path: Path, content: Any) -> Path:
    path.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
    return path


def originals(path: Path) -> Any:
    return json.loads(Repaired(path.with_name("fixed.json")).originals_path.read_text())


BOXES = {
    "JSON as text": "[10, 10, 40, 20]",
    "numbers as text": "10 10 40 20",
    "with commas": "10,10,40,20",
    "each a text": ["10", "10", "40", "20"],
    "in a list": [[10, 10, 40, 20]],
    "x, y, width, height": {"x": 10, "y": 10, "width": 40, "height": 20},
    "x, y, w, h": {"h": 20, "w": 40, "y": 10, "x": 10},
    "left, top, width, height": {"left": 10, "top": 10, "width": 40, "height": 20},
    "xmin to ymax": {"xmin": 10, "ymin": 10, "xmax": 50, "ymax": 30},
    "x_min to y_max": {"x_min": "10", "y_min": "10", "x_max": "50", "y_max": "30"},
    "x1 to y2": {"x1": 10, "y1": 10, "x2": 50, "y2": 30},
    "left to bottom": {"left": 10, "top": 10, "right": 50, "bottom": 30},
    "centre": {"cx": 30, "cy": 20, "w": 40, "h": 20},
    "a negative width": [50, 10, -40, 20],
    "both sides negative": [50, 30, -40, -20],
    "an angle": [10, 10, 40, 20, 0.25],
}


@pytest.mark.parametrize("alone", [True, False])
@pytest.mark.parametrize("form", BOXES)
def test_box_in_another_form_is_converted_and_kept(path: Path, form: str, alone: bool) -> None:
    copy, lost = fixed(path, birds(bbox=BOXES[form], segmentation=[] if alone else SQUARE))
    assert copy["annotations"] == birds(segmentation=[] if alone else SQUARE)["annotations"]
    assert lost == []
    assert originals(path)["replaced"] == [{"section": "annotations", "index": 0, "field": "bbox", "was": BOXES[form]}]


@pytest.mark.parametrize("box", [[10, 10, 40], {"x": 10, "y": 10}, "rook", [[10, 10], [50, 30]], [1, 2, 3, 4, 5, 6]])
def test_box_that_can_mean_several_things_is_not_guessed(path: Path, box: Any) -> None:
    dataset = birds(segmentation=[], bbox=box)
    dataset["annotations"].append(birds(id=6)["annotations"][0])
    copy, lost = fixed(path, dataset)
    assert [each["id"] for each in copy["annotations"]] == [6]
    assert lost == [(("bad_bbox",), "", dataset["annotations"][0])]


POLYGONS = {
    "flat": SQUARE[0],
    "pairs": [[10, 10], [50, 10], [50, 30], [10, 30]],
    "pairs in a list": [[[10, 10], [50, 10], [50, 30], [10, 30]]],
    "one list too many": [SQUARE],
    "JSON as text": json.dumps(SQUARE),
    "texts": [json.dumps(SQUARE[0])],
    "numbers as text": [list(map(str, SQUARE[0]))],
    "exterior": {"exterior": [[10, 10], [50, 10], [50, 30], [10, 30]], "interiors": []},
    "exterior in a list": [{"exterior": [[10, 10], [50, 10], [50, 30], [10, 30]], "interiors": []}],
    "exterior under points": {"points": {"exterior": [[10, 10], [50, 10], [50, 30], [10, 30]], "interior": []}},
    "objects": [{"x": 10, "y": 10}, {"x": 50, "y": 10}, {"x": 50, "y": 30}, {"x": 10, "y": 30}],
    "all_points": {"all_points_x": [10, 50, 50, 10], "all_points_y": [10, 10, 30, 30]},
    "GeoJSON of several": {
        "type": "MultiPolygon",
        "coordinates": [[[[10, 10], [50, 10], [50, 30], [10, 30], [10, 10]]]],
    },
    "GeoJSON": {"type": "Polygon", "coordinates": [[[10, 10], [50, 10], [50, 30], [10, 30], [10, 10]]]},
}


@pytest.mark.parametrize("form", POLYGONS)
def test_polygons_in_another_form_are_converted_and_kept(path: Path, form: str) -> None:
    copy, lost = fixed(path, birds(segmentation=POLYGONS[form]))
    assert (copy["annotations"], lost) == (birds()["annotations"], [])
    assert originals(path)["replaced"][0]["was"] == POLYGONS[form]


@pytest.mark.filterwarnings("ignore:__array__ implementation")
def test_hole_of_an_exterior_is_cut_out(path: Path) -> None:
    exterior = [[10, 10], [50, 10], [50, 40], [10, 40]]
    hole = [[20, 20], [30, 20], [30, 30], [20, 30]]
    dataset = birds(segmentation={"exterior": exterior, "interiors": [hole]}, area=1100, bbox=[10, 10, 40, 30])
    copy, lost = fixed(path, dataset)
    [polygon] = copy["annotations"][0]["segmentation"]
    painted = masks.decode(masks.frPyObjects([polygon], 48, 64))[:, :, 0]
    assert (copy["annotations"][0]["area"], int(painted.sum()), lost) == (1100, 1100, [])
    assert (painted[25, 25], painted[15, 15], painted[35, 45]) == (0, 1, 1)


MASKS = {
    "bytes of Python": {"size": [3, 4], "counts": "b'066'"},
    "bytes in double quotes": {"size": [3, 4], "counts": 'b"066"'},
    "codes of bytes": {"size": [3, 4], "counts": [48, 54, 54]},
    "numbers as text": {"size": ["3", "4"], "counts": ["0", "6", "6"]},
    "a list as text": {"size": [3, 4], "counts": "[0, 6, 6]"},
    "all as text": '{"size": [3, 4], "counts": "066"}',
    "in a list": [{"size": [3, 4], "counts": "066"}],
    "size as width and height": {"size": [4, 3], "counts": "066"},
    "no size": {"counts": "066"},
}


@pytest.mark.parametrize("form", MASKS)
def test_mask_in_another_form_is_converted_and_kept(path: Path, form: str) -> None:
    dataset = birds(segmentation=MASKS[form], bbox=[0, 0, 2, 3], area=6)
    dataset["images"][0] |= {"height": 3, "width": 4}
    copy, lost = fixed(path, dataset)
    segmentation = copy["annotations"][0]["segmentation"]
    assert (segmentation["size"], segmentation["counts"] in ("066", [0, 6, 6]), lost) == ([3, 4], True, [])
    assert originals(path)["replaced"][0]["was"] == MASKS[form]


def test_backslash_of_a_mask_is_one(path: Path) -> None:
    counts = "\\16b1"
    dataset = birds(segmentation={"size": [10, 10], "counts": repr(counts.encode())}, bbox=[4, 4, 1, 6], area=6)
    dataset["images"][0] |= {"height": 10, "width": 10}
    copy, lost = fixed(path, dataset)
    assert (copy["annotations"][0]["segmentation"]["counts"], lost) == (counts, [])


def test_swapped_size_is_not_guessed_where_the_box_does_not_tell(path: Path) -> None:
    dataset = birds(segmentation={"size": [64, 48], "counts": [0, 480, 2592]}, bbox=[20, 0, 10, 48], area=480)
    _, lost = fixed(path, dataset)
    assert [(kinds[0], field) for kinds, field, _ in lost] == [("bad_rle", "segmentation")]


KEYPOINTS = {
    "triples": [[12, 11, 2], [40, 25, 1], [0, 0, 0]],
    "texts": ["12", "11", "2", "40", "25", "1", "0", "0", "0"],
    "JSON as text": "[12, 11, 2, 40, 25, 1, 0, 0, 0]",
    "objects": [{"x": 12, "y": 11, "v": 2}, {"x": 40, "y": 25, "v": 1}, {"x": 0, "y": 0, "v": 0}],
    "no numbers for one that is not labelled": [[12, 11, 2], [40, 25, 1], [None, None, 0]],
    "NaN for one that is not labelled": [12, 11, 2, 40, 25, 1, float("nan"), float("nan"), 0],
}


def with_keypoints(**fields: Any) -> dict[str, Any]:
    dataset = birds(keypoints=[12, 11, 2, 40, 25, 1, 0, 0, 0], num_keypoints=2, **fields)
    dataset["categories"][0] |= {"keypoints": ["beak", "tail", "wing"], "skeleton": [[1, 2], [2, 3]]}
    return dataset


@pytest.mark.parametrize("form", KEYPOINTS)
def test_keypoints_in_another_form_are_converted_and_kept(path: Path, form: str) -> None:
    dataset = with_keypoints()
    dataset["annotations"][0]["keypoints"] = KEYPOINTS[form]
    copy, lost = fixed(path, dataset)
    assert (copy, lost) == (with_keypoints(), [])


@pytest.mark.parametrize("keypoints", [[12, 11, 2], [[12, 11, 2], None, None], [12, None, 2, 40, 25, 1, 0, 0, 0]])
def test_keypoints_that_can_not_be_read_leave_unlabelled_ones(path: Path, keypoints: Any) -> None:
    dataset = with_keypoints()
    dataset["annotations"][0]["keypoints"] = keypoints
    copy, lost = fixed(path, dataset)
    assert (copy["annotations"][0]["keypoints"], copy["annotations"][0]["num_keypoints"]) == ([0] * 9, 0)
    assert [(field, was["keypoints"]) for _, field, was in lost] == [("keypoints", keypoints)]


@pytest.mark.parametrize("keypoints", [[[12, 11], [40, 25], [0, 0]], [12, 11, 40, 25, 0, 0]])
def test_pairs_are_keypoints_that_are_seen(path: Path, keypoints: Any) -> None:
    dataset = with_keypoints()
    dataset["annotations"][0]["keypoints"] = keypoints
    copy, _ = fixed(path, dataset)
    assert copy["annotations"][0]["keypoints"] == [12, 11, 2, 40, 25, 2, 0, 0, 0]


ODD_SKELETONS: dict[str, dict[str, Any]] = {
    "keypoints of text": {"keypoints": "beak, tail"},
    "keypoints of numbers": {"keypoints": [1, 2]},
    "keypoints in an object": {"keypoints": {"beak": 1}},
    "a keypoint beyond the last": {"keypoints": ["beak", "tail"], "skeleton": [[1, 3]]},
    "a keypoint 0 beside the last": {"keypoints": ["beak", "tail"], "skeleton": [[0, 2]]},
    "a bone of three": {"keypoints": ["beak", "tail", "wing"], "skeleton": [[1, 2, 3]]},
    "names instead of numbers": {"keypoints": ["beak", "tail"], "skeleton": [["beak", "tail"]]},
    "a flat skeleton": {"keypoints": ["beak", "tail"], "skeleton": [1, 2]},
    "a skeleton without keypoints": {"skeleton": [[1, 2]]},
}


@pytest.mark.parametrize("case", ODD_SKELETONS)
def test_odd_skeletons_are_found(path: Path, case: str) -> None:
    dataset = birds()
    dataset["categories"][0] |= ODD_SKELETONS[case]
    _, findings = checked(write(path, dataset))
    assert {problem.kind: (problem.count, problem.repaired) for problem in findings.problems} == {
        "bad_skeleton": (1, 0)
    }


@pytest.mark.parametrize("fields", [{"keypoints": [], "skeleton": []}, {"keypoints": None, "skeleton": None}])
def test_empty_skeletons_are_right(path: Path, fields: dict[str, Any]) -> None:
    dataset = birds()
    dataset["categories"][0] |= fields
    assert checked(write(path, dataset))[1].problems == []


def test_skeleton_from_0_is_counted_from_1(path: Path) -> None:
    dataset = with_keypoints()
    dataset["categories"][0]["skeleton"] = [[0, 1], [1, 2]]
    assert fixed(path, dataset) == (with_keypoints(), [])


def test_box_around_one_keypoint_stays(path: Path) -> None:
    dataset = with_keypoints(segmentation=[], bbox=[12, 11, 0, 0], area=0)
    dataset["annotations"][0] |= {"keypoints": [12, 11, 2, 0, 0, 0, 0, 0, 0], "num_keypoints": 1}
    result = run(write(path, dataset), "--fix", path.with_name("fixed.json"))
    assert (result.exit_code, "warning flat_bbox" in result.stdout) == (1, True)
    assert json.loads(path.with_name("fixed.json").read_text()) == dataset


def test_box_of_no_extent_is_computed_from_several_keypoints(path: Path) -> None:
    copy, _ = fixed(path, with_keypoints(segmentation=[], bbox=[12, 11, 0, 0], area=0))
    assert copy["annotations"][0]["bbox"] == [12, 11, 28, 14]


MISSING = {"area": 800, "bbox": [10, 10, 40, 20], "iscrowd": 0}


@pytest.mark.parametrize("value", [None, ...])
@pytest.mark.parametrize("field", MISSING)
def test_what_tools_need_is_computed(path: Path, field: str, value: Any) -> None:
    copy, lost = fixed(path, birds(**{field: value}))
    assert ({**copy["annotations"][0]}, lost) == (birds()["annotations"][0], [])


@pytest.mark.parametrize(("value", "number"), [("800", 800), ("800.5", 800.5)])
def test_area_as_text_is_a_number(path: Path, value: Any, number: float) -> None:
    copy, _ = fixed(path, birds(area=value))
    assert copy["annotations"][0]["area"] == number


def test_record_without_geometry_is_reported_as_what_it_is(path: Path) -> None:
    dataset = birds(segmentation=[], bbox=[], area=0)
    result = run(write(path, dataset), "--fix", path.with_name("fixed.json"), "--json")
    [problem] = json.loads(result.stdout)["problems"]
    assert (result.exit_code, problem["kind"], problem["level"], problem["repaired"]) == (1, "no_geometry", "error", 0)
    assert json.loads(path.with_name("fixed.json").read_text()) == dataset


# Ids and references


def test_stems_for_ids_are_kept_beside_the_new_ones(path: Path) -> None:
    dataset = birds(image_id="rook_0007")
    dataset["images"][0]["id"] = "rook_0007"
    copy, lost = fixed(path, dataset)
    assert (copy["images"][0]["id"], copy["annotations"][0]["image_id"], lost) == (1, 1, [])
    assert json.loads(Repaired(path.with_name("fixed.json")).ids_path.read_text()) == {
        "new_ids_in": str(path.with_name("fixed.json")),
        "ids": [{"section": "images", "index": 0, "was": "rook_0007", "now": 1}],
    }
    assert originals(path)["replaced"] == [
        {"section": "annotations", "index": 0, "field": "image_id", "was": "rook_0007"}
    ]


@pytest.mark.parametrize("reference", ["3", "0000003", "3.0", "rook", "rook.jpg"])
def test_references_as_text_find_the_image(path: Path, reference: str) -> None:
    copy, lost = fixed(path, birds(image_id=reference))
    assert (copy["annotations"][0]["image_id"], lost) == (3, [])


def test_category_is_found_by_its_name(path: Path) -> None:
    copy, lost = fixed(path, birds(category_id="rook"))
    assert (copy, lost) == (birds(), [])


def test_key_of_an_object_is_the_id(path: Path) -> None:
    """In another order than the numbers, so that a count would take one for another."""
    dataset = {
        "images": {"9": {"file_name": "jay.jpg", "width": 64, "height": 48}, "3": {**IMAGE, "id": None}},
        "annotations": {"7": {key: value for key, value in birds()["annotations"][0].items() if key != "id"}},
        "categories": {"9": "jay", "8": "rook"},
    }
    copy, lost = fixed(path, dataset)
    assert [(each["id"], each["file_name"]) for each in copy["images"]] == [(9, "jay.jpg"), (3, "rook.jpg")]
    assert [(each["id"], each["image_id"], each["category_id"]) for each in copy["annotations"]] == [(7, 3, 8)]
    assert [(each["id"], each["name"]) for each in copy["categories"]] == [(9, "jay"), (8, "rook")]
    assert lost == []


def test_images_as_names_by_id(path: Path) -> None:
    dataset = {**birds(), "images": {"3": "rook.jpg", "4": "jay.jpg"}}
    run(write(path, dataset), "--fix", path.with_name("fixed.json"))
    assert json.loads(path.with_name("fixed.json").read_text())["images"] == [
        {"id": 3, "file_name": "rook.jpg"},
        {"id": 4, "file_name": "jay.jpg"},
    ]


def test_categories_as_ids_by_name_and_annotations_by_image(path: Path) -> None:
    annotation = birds(image_id=...)["annotations"][0]
    copy, lost = fixed(path, {**birds(), "categories": {"rook": 8}, "annotations": {"3": [annotation]}})
    assert copy["categories"] == [{"id": 8, "name": "rook"}]
    assert (copy["annotations"][0]["image_id"], lost) == (3, [])


def test_keys_that_are_names_become_the_names(path: Path) -> None:
    dataset = {
        **birds(),
        "categories": {"rook": {"id": 8}},
        "images": {"rook.jpg": {"id": 3, "width": 64, "height": 48}},
    }
    copy, lost = fixed(path, dataset)
    assert (copy["categories"], lost) == ([{"id": 8, "name": "rook"}], [])
    assert copy["images"] == [{"id": 3, "width": 64, "height": 48, "file_name": "rook.jpg"}]


def test_keys_beside_ids_are_kept_beside_the_copy(path: Path) -> None:
    dataset = {**birds(), "images": {"first": IMAGE}}
    copy, _ = fixed(path, dataset)
    assert copy["images"] == [IMAGE]
    assert originals(path)["replaced"] == [{"section": "images", "was": {"first": IMAGE}}]


def test_what_is_no_record_in_an_object_is_kept_beside_the_copy(path: Path) -> None:
    dataset = {**birds(), "images": {"3": IMAGE, "count": 1}}
    result = run(write(path, dataset), "--fix", path.with_name("fixed.json"))
    assert (result.exit_code, originals(path)["removed"]) == (
        1,
        [{"section": "images", "kinds": ["section_not_list"], "field": "count", "was": 1}],
    )


def test_category_that_is_there_once_an_image_is_there_once(path: Path) -> None:
    dataset = birds()
    dataset["categories"] = [{**dataset["categories"][0], "color": i} for i in range(3)]
    copy, lost = fixed(path, dataset)
    assert copy["categories"] == [{**birds()["categories"][0], "color": 0}]
    assert [kinds for kinds, _, _ in lost] == [("repeated_id",)] * 2


# Never worse, never silent


def two_files() -> tuple[dict[str, Any], dict[str, Any]]:
    """Two datasets with the same ids, one after the other."""
    one, two = birds(), birds()
    two["images"][0]["file_name"] = "crow.jpg"
    two["categories"][0]["name"] = "crow"
    return one, two


def test_two_files_pasted_together_are_left_and_each_id_is_listed(path: Path) -> None:
    one, two = two_files()
    pasted = {section: one[section] + [{**each, "x": 1} for each in two[section]] for section in one}
    out = path.with_name("fixed.json")
    result = run(write(path, pasted), "--fix", out)
    assert result.exit_code == 1
    assert 'image id 3: 2 records ("rook.jpg", "crow.jpg"), and 2 annotations refer to it (5, 5)' in result.stdout
    assert 'category id 8: 2 records ("rook", "crow"), and 2 annotations refer to it (5, 5)' in result.stdout
    assert f"repaired copy: {out}; in it are left: repeated_id" in result.stdout
    copy = json.loads(out.read_text())
    assert [each["id"] for section in copy.values() for each in section] == [3, 3, 5, 6, 8, 8]


def test_two_files_in_one_object_are_left_too(path: Path) -> None:
    one, two = two_files()
    text = json.dumps(one)[:-1] + ", " + json.dumps(two)[1:]
    result = run(write(path, text.encode()), "--fix", path.with_name("fixed.json"), "--json")
    problems = {(each["kind"], each["section"]): each for each in json.loads(result.stdout)["problems"]}
    assert (result.exit_code, problems["repeated_id", "images"]["cases"][0]["annotations"]) == (1, [5, 5])
    assert problems["repeated_id", "images"]["repaired"] == 0


def test_mask_of_an_image_whose_id_is_shared_is_not_measured_by_the_other(path: Path) -> None:
    one, two = two_files()
    two["images"][0] |= {"height": 3, "width": 4}
    two["annotations"][0] |= {"segmentation": {"size": [3, 4], "counts": "066"}, "bbox": [0, 0, 2, 3], "area": 6}
    pasted = {section: one[section] + two[section] for section in one}
    run(write(path, pasted), "--fix", path.with_name("fixed.json"))
    copy = json.loads(path.with_name("fixed.json").read_text())
    assert copy["annotations"][1]["segmentation"] == {"size": [3, 4], "counts": "066"}


def test_same_annotation_of_two_files_pasted_together_is_kept_twice(path: Path) -> None:
    one, two = two_files()
    two["annotations"] = one["annotations"]
    copy_path = path.with_name("fixed.json")
    pasted = {section: one[section] + two[section] for section in one}
    assert run(write(path, pasted), "--fix", copy_path).exit_code == 1
    first, second = json.loads(copy_path.read_text())["annotations"]
    assert {**first, "id": 0} == {**second, "id": 0}
    assert first["id"] != second["id"]


@pytest.mark.parametrize("names", [["rook", "crow"], [["rook", 1], ["crow", 2]]])
def test_names_for_records_are_not_thrown_away(path: Path, names: list[object]) -> None:
    result = run(write(path, {**birds(), "categories": names}), "--fix", path.with_name("fixed.json"))
    assert (result.exit_code, "the 2 categories are no records" in result.stdout) == (1, True)
    assert not path.with_name("fixed.json").exists()


def test_no_copy_is_written_that_lacks_all_annotations(path: Path) -> None:
    dataset = birds(segmentation=[], bbox=[10, 10, 40, 20, 1, 1])
    dataset["annotations"].append({**dataset["annotations"][0], "id": 9})
    result = run(write(path, dataset), "--fix", path.with_name("fixed.json"))
    assert (result.exit_code, "all 2 annotations would have to go" in result.stdout) == (1, True)
    assert not path.with_name("fixed.json").exists()


@pytest.mark.parametrize("section", ["images", "annotations", "categories"])
def test_one_record_without_a_list_is_that_record(path: Path, section: str) -> None:
    dataset = birds()
    copy, lost = fixed(path, {**dataset, section: dataset[section][0]})
    assert (copy, lost) == ({**dataset, section: dataset[section][:1]}, [])


def test_what_is_left_of_a_section_is_counted_once(path: Path) -> None:
    result = run(write(path, {**birds(), "annotations": "none"}), "--fix", path.with_name("fixed.json"))
    assert result.exit_code == 1
    assert "a list of records: annotations\n    not repaired\n" in result.stdout


@pytest.mark.parametrize("value", [None, ""])
def test_segmentation_of_nothing_is_an_empty_list(path: Path, value: Any) -> None:
    copy, lost = fixed(path, birds(segmentation=value))
    assert (copy["annotations"][0]["segmentation"], lost) == ([], [])


OTHER_REFERENCES = {
    "videos": ({"videos": [{"id": 1}], "annotations": [{"id": 1, "video_id": 1, "category_id": 8}]}, "YouTube-VIS"),
    "items": ({**birds(), "annotations": [{"id": i, "item_id": 3, "category_id": 8} for i in (1, 2)]}, "item_id"),
    "some of another kind": (
        {**birds(), "annotations": birds()["annotations"] * 9 + [{"id": 1, "video_id": 1, "category_id": 8}]},
        "video_id",
    ),
    "one picture": (
        {"image": {"image_id": 1, "file_name": "a.jpg"}, "annotations": [{"id": 1, "bbox": [1, 2, 3, 4], "area": 12}]},
        "a file of one picture",
    ),
}


@pytest.mark.parametrize("case", OTHER_REFERENCES)
def test_no_copy_is_written_where_a_kind_of_records_would_go(path: Path, case: str) -> None:
    dataset, words = OTHER_REFERENCES[case]
    result = run(write(path, dataset), "--fix", path.with_name("fixed.json"))
    assert (result.exit_code, words in result.stdout, "no copy was written" in result.stdout) == (1, True, True)
    assert [each.name for each in path.parent.iterdir()] == [path.name]


def test_annotations_stay_where_most_of_their_images_are_not_there(path: Path) -> None:
    dataset = birds(image_id=99)
    result = run(write(path, dataset), "--fix", path.with_name("fixed.json"))
    assert (result.exit_code, "not repaired" in result.stdout) == (1, True)
    assert json.loads(path.with_name("fixed.json").read_text()) == dataset


def test_removed_is_said_only_of_what_was_removed(path: Path) -> None:
    dataset = birds(bbox="10 10 40 20")
    dataset["annotations"].append({**birds()["annotations"][0], "id": 6, "segmentation": [], "bbox": "?"})
    result = run(write(path, dataset), "--fix", path.with_name("fixed.json"))
    assert "    1 repaired: in COCO's form, or computed from the segmentation; 1 removed\n" in result.stdout
    assert "(1 removed, 1 replaced)" in result.stdout


def test_numbers_in_other_values_are_kept_as_they_were(path: Path) -> None:
    text = json.dumps({**birds(), "info": {"mean": "NAN", "x": 1}}).replace('"NAN"', "NaN")
    copy, lost = fixed(path, text.encode())
    assert (copy["info"], lost) == ({"x": 1}, [])
    assert (
        '{"section": "info", "was": {"mean": NaN, "x": 1}}'
        in Repaired(path.with_name("fixed.json")).originals_path.read_text()
    )


def test_numbers_that_are_not_finite_are_kept_as_they_were(path: Path) -> None:
    text = (
        json.dumps(birds(area="NAN", score="INF", digits="LONG")).replace('"NAN"', "NaN").replace('"INF"', "-Infinity")
    )
    fixed(path, text.replace('"LONG"', "9" * 5000).encode())
    kept = Repaired(path.with_name("fixed.json")).originals_path.read_text()
    assert '"field": "area", "was": NaN}' in kept
    assert '"field": "score", "was": -Infinity}' in kept
    assert f'"field": "digits", "was": {"9" * 5000}}}' in kept


# Encodings


ENCODINGS = {
    "cp1252": "straße_grün.jpg",
    "latin-1": "naïve café.jpg",
    "gbk": "测试图片 鹦鹉.jpg",
    "utf-16": "straße.jpg",
}


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_file_in_another_encoding_finds_its_pictures(path: Path, encoding: str) -> None:
    name = ENCODINGS[encoding]
    dataset = birds()
    dataset["images"][0]["file_name"] = name
    Image.new("RGB", (64, 48)).save(path.with_name(name))
    content = json.dumps(dataset, ensure_ascii=False).encode(encoding)
    result = run(write(path, content), "--fix", path.with_name("fixed.json"))
    assert (result.exit_code, "missing_picture" in result.stdout) == (0, False)
    assert json.loads(path.with_name("fixed.json").read_text()) == dataset
    if encoding != "utf-16":
        [kept] = originals(path)["replaced"]
        start = content.index(b'{"id": 3')
        assert bytes.fromhex(kept["was_bytes"]) == content[start : content.index(b"}", start) + 1]


@pytest.mark.parametrize(
    ("encoding", "name"),
    [("shift_jis", "写真一.jpg"), ("shift_jis", "カラス.jpg"), ("cp1251", "Ворона.jpg"), ("cp1253", "κόρακας.jpg")],
)
def test_file_in_an_encoding_that_is_not_known_is_not_read_in_another(path: Path, encoding: str, name: str) -> None:
    dataset = birds()
    dataset["images"][0]["file_name"] = name
    content = json.dumps(dataset, ensure_ascii=False).encode(encoding)
    result = run(write(path, content), "--fix", path.with_name("fixed.json"))
    assert "no encoding fits all of them" in result.stdout
    assert name.encode(encoding) in bytes.fromhex(originals(path)["replaced"][0]["was_bytes"])


def test_bytes_of_no_encoding_are_kept(path: Path) -> None:
    dataset = birds()
    dataset["categories"][0]["name"] = "NAME"
    dataset["info"] = "é, ü, NAME"
    raw = b"caf\x81\xff"
    copy, _ = fixed(path, json.dumps(dataset, ensure_ascii=False).encode().replace(b"NAME", raw))
    assert (copy["categories"][0]["name"], copy["info"]) == ("caf\ufffd\ufffd", "é, ü, caf\ufffd\ufffd")
    assert all(raw in bytes.fromhex(each["was_bytes"]) for each in originals(path)["replaced"])
    assert [each["section"] for each in originals(path)["replaced"]] == ["categories", "info"]


def test_one_wrong_byte_in_a_file_of_utf_8_changes_no_other_character(path: Path) -> None:
    dataset = birds()
    dataset["categories"][0]["name"] = "grün NAME"
    copy, _ = fixed(path, json.dumps(dataset, ensure_ascii=False).encode().replace(b"NAME", b"\xe9"))
    assert copy["categories"][0]["name"] == "grün \ufffd"


# What all boxes tell


def with_boxes(*boxes: list[float]) -> dict[str, Any]:
    dataset = birds()
    dataset["annotations"] = [
        birds(id=i, segmentation=[], bbox=box, area=box[2] * box[3])["annotations"][0] for i, box in enumerate(boxes, 1)
    ]
    return dataset


BOXES_OF_FILES = {
    "corners": (with_boxes([5, 5, 30, 40], [40, 20, 60, 45]), {"corner_boxes": 1}),
    "one out of the image": (with_boxes([5, 5, 10, 10], [40, 20, 60, 10]), {"outside_image": 1}),
    "from 0 to 1": (with_boxes([0.5, 0.5, 0.25, 0.1], [0.1, 0.2, 0.3, 0.4]), {"relative_boxes": 2}),
    "a pixel off by rounding": (with_boxes([-0.5, 0, 65, 48.5]), {}),
    "one pixel": (with_boxes([0, 0, 1, 1]), {}),
    "left of the image": (with_boxes([-9, 5, 30, 40]), {"outside_image": 1}),
}


@pytest.mark.parametrize("case", BOXES_OF_FILES)
def test_boxes_of_another_convention_are_found(path: Path, case: str) -> None:
    dataset, kinds = BOXES_OF_FILES[case]
    _, findings = checked(write(path, dataset))
    assert {problem.kind: problem.count for problem in findings.problems} == kinds


def test_area_is_left_where_it_is_not_certain_that_a_hole_counts(path: Path) -> None:
    ring = [SQUARE[0], [20, 15, 30, 15, 30, 25, 20, 25]]
    for area in (700, 800):
        _, findings = checked(write(path, birds(segmentation=ring, area=area)))
        assert [problem.kind for problem in findings.problems] == ["hole"]


# Pictures


def test_sizes_that_are_not_the_pictures_are_found(path: Path) -> None:
    turned = Image.Exif()
    turned[274] = 6
    Image.new("RGB", (48, 64)).save(path.with_name("rook.jpg"), exif=turned)
    result = run(write(path, birds()), "--json")
    [problem] = json.loads(result.stdout)["problems"]
    assert (result.exit_code, problem["kind"]) == (1, "wrong_size")
    assert problem["places"] == ["3 is 64x48, its picture 48x64, which its EXIF turns to 64x48"]


@pytest.mark.parametrize("name", ["birds\\rook.jpg", ".\\birds\\rook.jpg"])
def test_backslashes_become_the_path_of_the_picture(path: Path, name: str) -> None:
    path.with_name("birds").mkdir()
    Image.new("RGB", (64, 48)).save(path.parent / "birds" / "rook.jpg")
    dataset = birds()
    dataset["images"][0]["file_name"] = name
    run(write(path, dataset), "--fix", path.with_name("fixed.json"))
    copy = json.loads(path.with_name("fixed.json").read_text())
    assert copy["images"][0]["file_name"] == "birds/rook.jpg"
    assert originals(path)["replaced"][0]["was"] == name


def test_absolute_path_inside_of_the_folder_is_found(path: Path) -> None:
    Image.new("RGB", (64, 48)).save(path.with_name("rook.jpg"))
    dataset = birds()
    dataset["images"][0]["file_name"] = str(path.with_name("rook.jpg"))
    result = run(write(path, dataset), "--fix", path.with_name("fixed.json"))
    assert (result.exit_code, "odd_file_name" in result.stdout) == (0, True)
    assert json.loads(path.with_name("fixed.json").read_text())["images"][0]["file_name"] == "rook.jpg"


@pytest.mark.parametrize(
    ("name", "picture"),
    [("two%20rooks.jpg", "two rooks.jpg"), ("caf\u00e9.jpg", "cafe\u0301.jpg"), ("cafe\u0301.jpg", "caf\u00e9.jpg")],
)
def test_other_forms_of_a_name_become_that_of_the_picture(path: Path, name: str, picture: str) -> None:
    path.with_name("images").mkdir()
    Image.new("RGB", (64, 48)).save(path.parent / "images" / picture)
    dataset = birds()
    dataset["images"][0]["file_name"] = name
    result = run(write(path, dataset), "--fix", path.with_name("fixed.json"))
    assert (result.exit_code, "odd_file_name" in result.stdout) == (0, True)
    assert json.loads(path.with_name("fixed.json").read_text())["images"][0]["file_name"] == picture


def test_pictures_that_only_the_server_finds_are_missing(path: Path) -> None:
    path.with_name("images").mkdir()
    Image.new("RGB", (64, 48)).save(path.parent / "images" / "rook.jpg")
    dataset = birds()
    dataset["images"][0]["file_name"] = "C:\\data\\images\\rook.jpg"
    result = run(write(path, dataset))
    assert (result.exit_code, "is not there: 1 with backslashes" in result.stdout) == (1, True)


def test_web_address_that_is_none_is_no_picture(path: Path) -> None:
    Image.new("RGB", (64, 48)).save(path.with_name("rook.jpg"))
    dataset = birds()
    dataset["images"].append({**dataset["images"][0], "id": 9, "file_name": "http://[rook.jpg"})
    dataset["images"].append({"id": 10, "width": 64, "height": 48, "coco_url": "http://[rook.jpg"})
    result = run(write(path, dataset))
    assert (result.exit_code, "1 with a web address for a file_name" in result.stdout) == (1, True)


REASONS = {
    "ROOK.JPG": "with capital letters that differ ('ROOK.JPG' is there as 'rook.jpg')",
    "far/away/rook.jpg": "in another folder",
    "rook.jpg ": "with white space around it",
    "rook": "without its suffix",
    "http://example.org/crow.jpg": "with a web address for a file_name",
    "C:\\crow.jpg": "with backslashes",
}


@pytest.mark.parametrize("name", REASONS)
def test_why_a_picture_is_not_found_is_said(path: Path, name: str) -> None:
    Image.new("RGB", (64, 48)).save(path.with_name("rook.jpg"))
    dataset = birds()
    dataset["images"].append({**IMAGE, "id": 4, "file_name": name})
    result = run(write(path, dataset))
    assert (result.exit_code, REASONS[name] in result.stdout) == (1, True)


def test_one_file_name_twice_is_found(path: Path) -> None:
    dataset = birds()
    dataset["images"].append({**IMAGE, "id": 4})
    assert kinds_of(write(path, dataset)) == {"repeated_file_name"}


def test_used_category_keeps_its_name(path: Path) -> None:
    dataset = birds()
    dataset["categories"].insert(0, {"id": 0, "name": "rook", "supercategory": "none"})
    result = run(write(path, dataset), "--fix", path.with_name("fixed.json"))
    assert (result.exit_code, "note repeated_name" in result.stdout) == (0, True)
    copy = json.loads(path.with_name("fixed.json").read_text())
    assert [each["name"] for each in copy["categories"]] == ["rook (0)", "rook"]
    assert loads_without_warnings(path.with_name("fixed.json"))
