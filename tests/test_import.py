"""Import: another dataset comes in by fixed rules, as one change, which an undo takes back byte for byte."""

from __future__ import annotations

import contextlib
import copy
import io
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from api_client import Serve
from conftest import OpenDataset
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pycocotools.coco import COCO
from test_round_trips import FLAVOURS, LAYOUTS

from cocoannot.changes.operations import Delete, GoBack, Import, Match, Undo
from cocoannot.coco.incoming import read_incoming
from cocoannot.errors import BadOperation, Conflict
from cocoannot.manager import DatasetManager
from cocoannot.store.base import Committed
from cocoannot.store.memory.store import MemoryStore

EVERY_STORE = "torture"

Dataset = dict[str, Any]
SECTIONS = ("images", "annotations", "categories")
BOX = {"id": 1, "image_id": 1, "category_id": 1, "bbox": [5, 6, 7, 8], "area": 56, "iscrowd": 0, "segmentation": []}


def text_of(manager: DatasetManager) -> bytes:
    return b"".join(map(bytes, manager.store.export().blocks))


def bring(
    manager: DatasetManager, theirs: Dataset | bytes, match: Match = "file_name", *, dry: bool = False
) -> Committed:
    data = theirs if isinstance(theirs, bytes) else json.dumps(theirs).encode()
    return manager.store.commit([Import(read_incoming(data, "theirs"), match, dry)], actor="anna")


def report_of(committed: Committed) -> Any:
    (report,) = committed.results
    return json.loads(report.text)  # type: ignore[union-attr]


def imported(manager: DatasetManager, theirs: Dataset | bytes, match: Match = "file_name") -> Any:
    return report_of(bring(manager, theirs, match))


def counted(report: Any) -> dict[str, tuple[int, int, int]]:
    """Of each section: added, matched, refused."""
    return {name: tuple(report["counts"][name].values()) for name in report["counts"]}


def content(manager: DatasetManager) -> Dataset:
    found: Dataset = {name: [] for name in SECTIONS} | json.loads(text_of(manager))
    return found


def by_id(records: list[Dataset]) -> list[Dataset]:
    return sorted(records, key=lambda record: int(record["id"]))


@contextmanager
def opened(folder: Path, dataset: Dataset) -> Iterator[DatasetManager]:
    """A dataset in a new file in `folder`."""
    path = folder / f"{len(list(folder.glob('*.json')))}.json"
    path.write_text(json.dumps(dataset))
    manager = DatasetManager(MemoryStore(on_append=lambda: None))
    manager.load(path)
    try:
        yield manager
    finally:
        manager.close()


def only(whole: Dataset, image_ids: set[int]) -> Dataset:
    """The part of a dataset that is on these images."""
    return {
        **whole,
        "images": [each for each in whole["images"] if each["id"] in image_ids],
        "annotations": [each for each in whole["annotations"] if each["image_id"] in image_ids],
    }


# Halves, twice, undo


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("flavour", ["instances", "stuff", "keypoints", "captions"])
def test_two_parts_of_a_dataset_are_the_whole_again(open_dataset: OpenDataset, flavour: str, layout: str) -> None:
    whole, write = FLAVOURS[flavour], LAYOUTS[layout]
    ids = {each["id"] for each in whole["images"]}
    first = {min(ids)}
    manager = open_dataset(write(only(whole, first)))
    before = text_of(manager)
    theirs = write(only(whole, ids - first))
    committed = bring(manager, theirs)
    found = content(manager)
    for name in SECTIONS:
        assert by_id(found[name]) == by_id(whole.get(name, []))
    # What came has the bytes that it had.
    for each in report_of(committed)["ids"]["annotations"]:
        text = manager.store.get("annotations", int(each)).record
        assert text is not None
        assert text.text in theirs
    assert bring(manager, theirs).change is None
    manager.store.commit([Undo(committed.revision)])
    assert text_of(manager) == before


@st.composite
def wholes(draw: st.DrawFn) -> Dataset:
    """Datasets whose annotations differ, with sparse ids."""
    image_ids = draw(st.lists(st.integers(0, 50), min_size=1, max_size=5, unique=True))
    category_ids = draw(st.lists(st.integers(0, 9), min_size=1, max_size=3, unique=True))
    ids = draw(st.lists(st.integers(0, 2**53 - 2), max_size=8, unique=True))
    annotations = [
        {
            "id": record_id,
            "image_id": draw(st.sampled_from(image_ids)),
            "category_id": draw(st.sampled_from(category_ids)),
            "bbox": [number, draw(st.integers(0, 2)), 3.5, 4],
            "note": draw(st.text(max_size=3)),
        }
        for number, record_id in enumerate(ids)
    ]
    return {
        "images": [{"file_name": f"{each}.jpg", "id": each, "height": 9, "width": 9} for each in image_ids],
        "annotations": annotations,
        "categories": [{"name": f"c{each}", "id": each} for each in category_ids],
    }


@given(wholes(), st.data())
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_is_shared_out_comes_together_again(tmp_path: Path, whole: Dataset, data: st.DataObject) -> None:
    mine = {each["id"] for each in whole["images"] if data.draw(st.booleans())}
    theirs = only(whole, {each["id"] for each in whole["images"]} - mine)
    # Their numbers are others, as of somebody who counted for himself.
    moved = copy.deepcopy(theirs)
    shift = data.draw(st.integers(0, 3))
    for name in SECTIONS:
        for number, record in enumerate(moved[name]):
            record["id"] = number + shift
    places = {name: [each["id"] for each in theirs[name]] for name in ("images", "categories")}
    for record in moved["annotations"]:
        for name, field in (("images", "image_id"), ("categories", "category_id")):
            record[field] = places[name].index(record[field]) + shift
    with opened(tmp_path, only(whole, mine)) as manager:
        before = text_of(manager)
        committed = bring(manager, moved)
        assert report_of(committed)["refused_count"] == 0
        assert named(content(manager)) == named(whole)
        assert bring(manager, moved).change is None
        if committed.change is not None:
            manager.store.commit([Undo(committed.revision)])
        assert text_of(manager) == before


def named(dataset: Dataset) -> list[str]:
    """The annotations with names instead of ids, in one order."""
    images = {each["id"]: each["file_name"] for each in dataset["images"]}
    categories = {each["id"]: each["name"] for each in dataset["categories"]}
    return sorted(
        json.dumps([images[each["image_id"]], categories[each["category_id"]], each["bbox"], each["note"]])
        for each in dataset["annotations"]
    ) + sorted([*images.values(), *categories.values()])


# Categories


def test_categories_are_found_by_their_names_and_new_ones_get_free_ids(manager: DatasetManager) -> None:
    theirs = {
        "images": [{"id": 1, "file_name": "one.jpg", "width": 640, "height": 480}],
        "categories": [{"id": 1, "name": "dog"}, {"id": 2, "name": "fish", "color": "red"}],
        "annotations": [BOX, {**BOX, "id": 9, "category_id": 2}],
    }
    report = imported(manager, theirs)
    assert report["ids"] == {"images": {"1": 1}, "annotations": {"1": 8, "9": 9}, "categories": {"1": 2, "2": 6}}
    found = content(manager)
    assert found["categories"][-1] == {"id": 6, "name": "fish", "color": "red"}
    assert [each["category_id"] for each in found["annotations"][-2:]] == [2, 6]


def test_another_skeleton_is_a_conflict_and_nothing_is_imported(manager: DatasetManager) -> None:
    before = text_of(manager)
    person = {"id": 7, "name": "person", "keypoints": ["head", "foot"], "skeleton": [[1, 2]]}
    theirs = {"categories": [person], "images": [{"id": 99, "file_name": "new.jpg", "width": 9, "height": 9}]}
    with pytest.raises(BadOperation, match="'person' \\(keypoints\\)") as caught:
        bring(manager, theirs)
    assert isinstance(caught.value.cause, Conflict)
    assert caught.value.cause.details["clashes"] == [
        {"name": "person", "id": 5, "their_id": 7, "fields": ["keypoints"]},
    ]
    assert text_of(manager) == before
    for other in ({"skeleton": [[2, 1]], "keypoints": ["head", "hand"]}, {"keypoints": ["a"]}):
        with pytest.raises(BadOperation):
            bring(manager, {"categories": [{"id": 1, "name": "person", **other}]})
    # One that has none knows less than we; one that has some where we have none does not fit.
    assert counted(imported(manager, {"categories": [{"id": 1, "name": "person"}]}))["categories"] == (0, 1, 0)
    with pytest.raises(BadOperation, match="'cat' \\(keypoints\\)"):
        bring(manager, {"categories": [{"id": 1, "name": "cat", "keypoints": ["nose"]}]})


def test_another_supercategory_is_noted_and_ours_stays(manager: DatasetManager) -> None:
    before = text_of(manager)
    report = imported(manager, {"categories": [{"id": 1, "name": "cat", "supercategory": "pet"}]})
    assert report["notes"] == ["category 'cat' has another supercategory in the file; ours stays as it is"]
    assert text_of(manager) == before


def test_categories_of_one_name_stay_apart(open_dataset: OpenDataset) -> None:
    twice = [{"id": 0, "name": "fish", "supercategory": "none"}, {"id": 1, "name": "fish", "supercategory": "fish"}]
    images = [{"id": 1, "file_name": "a.jpg"}]
    manager = open_dataset({"images": images, "annotations": [], "categories": []})
    theirs = {"images": images, "categories": twice, "annotations": [BOX, {**BOX, "id": 2, "category_id": 0}]}
    assert imported(manager, theirs)["ids"]["categories"] == {"0": 0, "1": 1}
    assert bring(manager, theirs).change is None
    turned = {**theirs, "categories": [{**twice[0], "id": 8}, {**twice[1], "id": 7}], "annotations": []}
    assert imported(manager, turned)["ids"]["categories"] == {"8": 0, "7": 1}


def test_captions_and_categories_do_not_come_together(tmp_path: Path, manager: DatasetManager, small: Dataset) -> None:
    captions = FLAVOURS["captions"]
    report = imported(manager, captions)
    assert report["counts"]["annotations"]["refused"] == len(captions["annotations"])
    assert list(report["refused_reasons"]) == ["annotations: no category_id"]
    with opened(tmp_path, captions) as others:
        with pytest.raises(BadOperation, match="have no category"):
            bring(others, small)
        assert bring(others, captions).change is None


# Images


def test_an_image_of_another_size_is_another_picture(manager: DatasetManager) -> None:
    theirs = {
        "images": [{"id": 3, "file_name": "one.jpg", "width": 1280, "height": 960}],
        "categories": [{"id": 1, "name": "cat"}],
        "annotations": [{**BOX, "image_id": 3}],
    }
    report = imported(manager, theirs)
    assert counted(report) == {"images": (0, 0, 1), "annotations": (0, 0, 1), "categories": (0, 1, 0)}
    assert report["refused"][0] == {
        "section": "images",
        "id": 3,
        "index": 0,
        "reason": "is 1280 x 960 in the file, and 640 x 480 here (image 1): another picture",
    }
    assert report["refused"][1]["reason"].startswith("its image was refused: is 1280 x 960")


def test_images_are_found_by_their_ids_where_that_is_asked_for(manager: DatasetManager) -> None:
    renamed = {"id": 1, "file_name": "photos/one.jpg", "width": 640, "height": 480}
    theirs = {
        "images": [renamed],
        "categories": [{"id": 1, "name": "cat"}],
        "annotations": [BOX, {**BOX, "image_id": 2}],
    }
    report = imported(manager, theirs, "id")
    assert counted(report)["images"] == (0, 1, 0)
    assert report["notes"] == ["image 1 is 'photos/one.jpg' in the file, and 'one.jpg' here"]
    # Image 2 is not in the file, but its id says which it is.
    assert counted(report)["annotations"] == (2, 0, 0)
    assert bring(manager, theirs, "id").change is None
    other = {"images": [{"id": 77, "file_name": "one.jpg"}]}
    assert "is that of image 1" in imported(manager, other, "id")["refused"][0]["reason"]


def test_a_name_that_is_there_twice_is_refused_unless_the_id_tells(open_dataset: OpenDataset) -> None:
    images = [{"id": 1, "file_name": "a.jpg"}, {"id": 2, "file_name": "a.jpg"}]
    manager = open_dataset({"images": images, "annotations": [], "categories": []})
    report = imported(manager, {"images": [{"id": 9, "file_name": "a.jpg"}, {"id": 2, "file_name": "a.jpg"}]})
    assert counted(report)["images"] == (0, 1, 1)
    assert report["refused_reasons"] == {"images: their file_name is there more than once here": 1}
    assert report["ids"]["images"] == {"2": 2}


def test_an_image_that_the_file_has_twice_is_one(manager: DatasetManager) -> None:
    twice = [{"id": 50, "file_name": "new.jpg"}, {"id": 51, "file_name": "new.jpg"}]
    theirs = {
        "images": twice,
        "categories": [{"id": 1, "name": "cat"}],
        "annotations": [{**BOX, "image_id": 50}, {**BOX, "id": 2, "image_id": 51, "bbox": [1, 1, 1, 1]}],
    }
    report = imported(manager, theirs)
    assert report["ids"]["images"] == {"50": 50, "51": 50}
    assert [each["image_id"] for each in content(manager)["annotations"][-2:]] == [50, 50]
    assert bring(manager, theirs).change is None


# Annotations


@pytest.mark.parametrize(
    ("theirs", "is_there"),
    [
        ({"segmentation": [[10, 10.0, 20, 10, 20, 20, 10, 20]], "score": 0.5}, True),
        ({"segmentation": [[10, 10, 20, 10, 20, 20, 10, 20.5]]}, False),
        ({"segmentation": [[10, 10, 20, 10, 20, 20, 10, 20]], "category_id": 2}, False),
        ({"category_id": 2, "bbox": [1.0, 2, 3, 4], "segmentation": []}, True),
        ({"category_id": 2, "bbox": [1.0, 2, 3, 4]}, True),
        ({"category_id": 2, "bbox": [1, 2, 3, 4], "segmentation": [[1, 2, 3, 4, 5, 6]]}, False),
        ({"category_id": 2, "bbox": [1, 2, 3, 4], "keypoints": [1, 2, 2]}, False),
        ({"category_id": 2, "bbox": ["1", 2, 3, 4]}, False),
    ],
)
def test_an_annotation_is_there_if_image_category_and_geometry_are(
    manager: DatasetManager, theirs: Dataset, is_there: bool
) -> None:
    annotation = {"id": 99, "image_id": 30, "category_id": 1, **theirs}
    dataset = {
        "images": [{"id": 30, "file_name": "one.jpg"}],
        "categories": [{"id": 1, "name": "cat"}, {"id": 2, "name": "dog"}],
        "annotations": [annotation],
    }
    assert counted(imported(manager, dataset))["annotations"] == ((0, 1, 0) if is_there else (1, 0, 0))
    assert bring(manager, dataset).change is None


def test_a_mask_is_the_same_compressed_or_not(open_dataset: OpenDataset) -> None:
    images, categories = [{"id": 1, "file_name": "a.jpg", "width": 3, "height": 2}], [{"id": 1, "name": "x"}]

    def with_counts(counts: object) -> Dataset:
        mask = {
            "id": 1,
            "image_id": 1,
            "category_id": 1,
            "segmentation": {"size": [2, 3], "counts": counts},
            "iscrowd": 1,
        }
        return {"images": images, "categories": categories, "annotations": [mask]}

    manager = open_dataset(with_counts([1, 2, 3]))
    assert bring(manager, with_counts("123")).change is None
    assert bring(manager, with_counts([1, 3, 2])).change is not None


def test_an_annotation_that_the_file_has_twice_comes_twice_and_then_no_more(manager: DatasetManager) -> None:
    theirs = {
        "images": [{"id": 4, "file_name": "empty.jpg"}],
        "categories": [{"id": 1, "name": "cat"}],
        "annotations": [{**BOX, "image_id": 4}, {**BOX, "image_id": 4}],
    }
    report = imported(manager, theirs)
    assert counted(report)["annotations"] == (2, 0, 0)
    assert report["ids"]["annotations"] == {"1": 8}
    assert [each["id"] for each in content(manager)["annotations"][-2:]] == [8, 9]
    assert bring(manager, theirs).change is None


def test_what_points_nowhere_is_refused_by_name(manager: DatasetManager) -> None:
    theirs = {
        "images": [
            {"id": 1, "file_name": "one.jpg"},
            {"id": 5},
            {"id": 6, "file_name": "x"},
            {"id": 6, "file_name": "y"},
        ],
        "categories": [{"id": 1, "name": "cat"}, {"id": 2}],
        "annotations": [
            {**BOX, "image_id": 99},
            {**BOX, "category_id": 99},
            {"id": 3, "category_id": 1, "bbox": [1, 2, 3, 4]},
            {**BOX, "image_id": 5},
            {**BOX, "category_id": 2},
            {**BOX, "image_id": 6},
            {**BOX, "id": 7},
        ],
    }
    report = imported(manager, theirs)
    assert counted(report) == {"images": (2, 1, 1), "annotations": (1, 0, 6), "categories": (0, 1, 1)}
    assert report["refused_reasons"] == {
        "categories: no name": 1,
        "images: no file_name": 1,
        "annotations: their image is not in the file": 1,
        "annotations: their category is not in the file": 1,
        "annotations: no image_id": 1,
        "annotations: their image was refused": 1,
        "annotations: their category was refused": 1,
        "annotations: their image id is there more than once in the file": 1,
    }
    assert report["refused_count"] == len(report["refused"]) == 8


def test_keypoints_that_are_not_as_many_as_here_are_refused(manager: DatasetManager) -> None:
    theirs = {
        "images": [{"id": 1, "file_name": "one.jpg"}],
        "categories": [{"id": 3, "name": "person"}],
        "annotations": [
            {**BOX, "category_id": 3, "keypoints": [1, 2, 2, 3, 4, 2]},
            {**BOX, "category_id": 3, "keypoints": [1, 2, 2]},
        ],
    }
    report = imported(manager, theirs)
    assert counted(report)["annotations"] == (1, 0, 1)
    assert report["refused"][0]["reason"] == "has another number of keypoints than 2, as its category 5 has here"


def test_unknown_fields_and_digits_stay_and_layout_becomes_ours(open_dataset: OpenDataset, small: Dataset) -> None:
    manager = open_dataset(json.dumps(small, separators=(",", ":")))
    theirs = (
        b'{"images": [{"id": 1, "file_name": "one.jpg"}], "categories": [{"id": 1, "name": "cat"}], "annotations": ['
        b'{"id": 1, "image_id": 1, "category_id": 1, "bbox": [1.50, 2, 3e1, 4], "mine": {"a": [1.0, null]}}]}'
    )
    bring(manager, theirs)
    record = manager.store.get("annotations", 8).record
    assert record is not None
    assert record.text == b'{"id":8,"image_id":1,"category_id":1,"bbox":[1.50,2,3e1,4],"mine":{"a":[1.0,null]}}'


def test_numbers_that_no_double_holds_are_kept(open_dataset: OpenDataset) -> None:
    digits = b"123456789012345678901234567890"
    odd = (
        b'{"licenses": [{"id": 1, "x": %b}], "images": [{"id": 1, "file_name": "a", "license": 1, "z": 1e999}], '
        b'"categories": [{"id": 1, "name": "c", "keypoints": 1e999}], '
        b'"annotations": [{"id": 1, "image_id": 1, "category_id": 1, "bbox": [1, %b]}]}'
    ) % (digits, digits)
    manager = open_dataset(odd)
    assert bring(manager, odd).change is None
    theirs = odd.replace(b'"file_name": "a"', b'"file_name": "b"').replace(b'"x": 1', b'"x": 2')
    report = imported(manager, theirs)
    assert (counted(report)["annotations"], report["licenses_added"]) == ((1, 0, 0), 1)
    image = manager.store.get("images", 2).record
    assert image is not None
    assert image.text == b'{"id": 2, "file_name": "b", "license": 2, "z": 1e999}'
    assert b'{"id": 2, "x": 2' + digits[1:] + b"}" in text_of(manager)


def test_ids_that_were_given_once_are_not_given_again(manager: DatasetManager) -> None:
    manager.store.commit([Delete("annotations", 7)])
    theirs = {
        "images": [{"id": 1, "file_name": "one.jpg"}],
        "categories": [{"id": 1, "name": "cat"}],
        # The first one wants the id that the second one has, and gets neither that nor the next of ours.
        "annotations": [{**BOX, "id": 1}, {**BOX, "id": 8}],
    }
    assert imported(manager, theirs)["ids"]["annotations"] == {"1": 9, "8": 8}


# Licences


@pytest.fixture
def licensed() -> Dataset:
    return {
        "licenses": [
            {"id": 1, "name": "CC BY-NC 4.0", "url": "u"},
            {"id": 2, "name": "CC BY 4.0"},
            {"id": 3, "name": "not used"},
        ],
        "images": [
            {"id": 10, "file_name": "a.jpg", "license": 1},
            {"id": 11, "file_name": "b.jpg", "license": 2},
            {"id": 12, "file_name": "c.jpg", "license": 77},
        ],
        "annotations": [],
        "categories": [],
    }


def test_licences_are_found_by_what_they_are_and_added_where_they_are_not_here(
    manager: DatasetManager, licensed: Dataset, dataset_path: Path, open_dataset: OpenDataset
) -> None:
    before = text_of(manager)
    report = imported(manager, licensed)
    assert report["licenses_added"] == 1
    found = content(manager)
    assert found["licenses"] == [{"id": 1, "name": "CC BY 4.0"}, {"id": 2, "name": "CC BY-NC 4.0", "url": "u"}]
    assert [each.get("license") for each in found["images"][-3:]] == [2, 1, 77]
    assert bring(manager, licensed).change is None
    # From the journal alone, and from the saved file.
    after = text_of(manager)
    manager.close()
    again = open_dataset()
    assert text_of(again) == after
    assert b"".join(map(bytes, again.store.export_at(0).blocks)) == before  # type: ignore[attr-defined]
    again.save()
    assert dataset_path.read_bytes() == after
    again.store.commit([Undo(1)])
    assert text_of(again) == before
    again.store.commit([Undo(2)])
    assert text_of(again) == after


@pytest.mark.parametrize("licenses", ["", '"licenses": [], ', '"licenses": null, ', '"licenses": [\n {"id": 4}\n], '])
def test_licences_of_a_dataset_without_any_come_and_go_byte_for_byte(
    open_dataset: OpenDataset, licensed: Dataset, licenses: str
) -> None:
    manager = open_dataset("{" + licenses + '"images": [], "annotations": [], "categories": []}')
    before = text_of(manager)
    assert imported(manager, licensed)["licenses_added"] == 2
    assert {each["id"] for each in content(manager)["licenses"]} == {1, 2, *([4] if "4" in licenses else [])}
    manager.store.commit([Undo(1)])
    assert text_of(manager) == before


def test_an_undo_waits_for_what_came_on_top_of_its_licences(manager: DatasetManager, licensed: Dataset) -> None:
    bring(manager, licensed)
    bring(manager, {"images": [{"id": 20, "file_name": "d.jpg", "license": 1}], "licenses": [{"id": 1, "name": "MIT"}]})
    before = text_of(manager)
    with pytest.raises(BadOperation, match="something later changed licenses"):
        manager.store.commit([Undo(1)])
    assert text_of(manager) == before
    manager.store.commit([Undo(2)])
    manager.store.commit([Undo(1)])
    assert len(content(manager)["licenses"]) == 1


# Many


@pytest.fixture(scope="module")
def many() -> Dataset:
    """More than are made one by one."""
    images = [{"id": each, "file_name": f"{each}.jpg", "width": 99, "height": 99} for each in range(1, 2501)]
    annotations = [
        {
            "id": each,
            "image_id": each % 2500 + 1,
            "category_id": each % 3 + 1,
            "bbox": [each % 7, 1, 2, each],
            "area": 2 * each,
        }
        for each in range(1, 5001)
    ]
    return {
        "images": images,
        "annotations": annotations,
        "categories": [{"id": each, "name": f"c{each}"} for each in (1, 2, 3)],
    }


def test_thousands_of_records_are_found_as_if_they_had_been_in_the_file(
    tmp_path: Path, manager: DatasetManager, many: Dataset
) -> None:
    before = text_of(manager)
    report = imported(manager, many)
    assert counted(report)["annotations"] == (5000, 0, 0)
    after = text_of(manager)
    with opened(tmp_path, json.loads(after)) as loaded:
        assert loaded.store.counts() == manager.store.counts()
        assert loaded.store.statistics() == manager.store.statistics()._replace(revision=0)
        for image in (1, 4, 5, 1200, 2503):
            ours, theirs = manager.store.annotations_of(image), loaded.store.annotations_of(image)
            assert (ours and ours.texts) == (theirs and theirs.texts)
    assert bring(manager, many).change is None
    # Somebody works with what came.
    manager.store.commit([Delete("annotations", 5001)])
    manager.store.commit([Undo(2)])
    manager.store.commit([Undo(1)])
    assert text_of(manager) == before
    page = manager.store.annotations_of(1)
    assert page is not None
    assert [json.loads(each)["id"] for each in page.texts] == [1, 2]
    assert manager.store.annotations_of(1200) is None
    manager.store.commit([Undo(4)])
    assert text_of(manager) == after


def test_thousands_of_records_are_made_again_from_the_journal(
    open_dataset: OpenDataset, many: Dataset, small: Dataset
) -> None:
    manager = open_dataset(small)
    bring(manager, many)
    after = text_of(manager)
    manager.close()
    assert text_of(open_dataset()) == after


# Over HTTP


def test_an_import_over_http_is_one_change_that_can_be_undone(serve: Serve, small: Dataset) -> None:
    server = serve(small)
    before = server.get("/api/dataset/export").data
    theirs = {
        "images": [{"id": 1, "file_name": "new.jpg"}],
        "annotations": [BOX],
        "categories": [{"id": 1, "name": "cat"}],
    }
    dry = server.post("/api/import?dry_run=1", theirs).json
    assert (dry["changed"], dry["revision"], dry["dry_run"]) == (False, 0, True)
    assert server.get("/api/dataset/export").data == before
    answer = server.post("/api/import", theirs)
    assert answer.json == {**dry, "changed": True, "revision": 1, "dry_run": False}
    assert answer.headers["X-Change-Revision"] == "1"
    (change,) = server.get("/api/changes").json
    assert change["summary"] == "1 annotation(s) added, 1 image(s) added"
    assert server.post("/api/changes/1/undo").status_code == 200
    assert server.get("/api/dataset/export").data == before


def test_an_import_that_is_sent_again_is_done_once_over_restarts_too(serve: Serve, small: Dataset) -> None:
    server = serve(small)
    theirs = {"images": [{"id": 1, "file_name": "new.jpg"}]}
    key = {"Idempotency-Key": "k"}
    first = server.post("/api/import", theirs, headers=key)
    for each in (server, server.again()):
        again = each.post("/api/import", theirs, headers=key)
        assert again.headers["Idempotency-Replayed"] == "true"
        assert again.data == first.data
    assert server.post("/api/import?match=id", theirs, headers=key).status_code == 422


@pytest.mark.parametrize(
    ("body", "status", "message"),
    [
        (b"", 400, "empty"),
        (b"{", 400, "not JSON"),
        (b'{"images": [{"id": NaN}]}', 400, "not JSON"),
        (b'{"images": "' + b"[" * 200 + b'"}', 422, "must be a list"),
        (b'{"images": ' + b"[" * 200 + b"]" * 200 + b"}", 422, "images[0]: not a COCO file"),
        (b'{"images": [], "info": ' + b"[" * 200 + b"]" * 200 + b"}", 422, "'info' is nested more than 100 levels"),
        (b'{"images": [{"id": 1, "a": ' + b"[" * 99 + b'"]"' + b"]" * 99 + b"}]}", 200, "no file_name"),
        (b'{"images": [{"id": 1, "a": ' + b"[" * 100 + b"]" * 100 + b"}]}", 422, "images[0] is nested"),
        (b'\xef\xbb\xbf{"images": [{"id": 1}]}', 200, "no file_name"),
        (b"[]", 422, "no COCO dataset"),
        (b"{}", 422, "no images, annotations or categories"),
        (b'{"images": [{"id": "x", "file_name": "a"}]}', 422, "images[0]"),
        (b'{"images": [], "images": []}', 422, "twice"),
        (b'{"annotations": [{"id": 1e400}]}', 422, "annotations[0]"),
        (b'{"annotations": [{"image_id": 1, "segments_info": []}]}', 422, "panoptic"),
        (b'{"images": [{"id": 1, "file_name": "\xff"}]}', 400, "UTF-8"),
    ],
)
def test_bodies_that_are_no_dataset_are_refused(
    serve: Serve, small: Dataset, body: bytes, status: int, message: str
) -> None:
    server = serve(small)
    answer = server.ask("POST", "/api/import", data=body, content_type="application/json")
    assert answer.status_code == status, answer.data
    assert message in answer.json.get("message", "") + str(answer.json.get("errors") or answer.json.get("refused"))
    assert server.revision == 0


def test_imports_have_the_size_limit_of_datasets(serve: Serve, small: Dataset) -> None:
    server = serve(small, COCOANNOT_MAX_BODY_BYTES=1024, COCOANNOT_MAX_DATASET_BYTES=4096)
    assert server.post("/api/import", {"images": [], "info": "x" * 2000}).status_code == 200
    assert server.post("/api/import", {"images": [], "info": "x" * 5000}).status_code == 413
    assert server.post("/api/import?match=name", {"images": []}).status_code == 422
    assert server.ask("POST", "/api/import", data=b"{}", content_type="text/plain").status_code == 415


def test_panoptic_datasets_take_no_import(serve: Serve, small: Dataset) -> None:
    answer = serve(FLAVOURS["panoptic"]).post("/api/import", small)
    assert answer.status_code == 409
    assert "panoptic" in answer.json["message"]


def test_what_was_imported_opens_in_pycocotools(serve: Serve, small: Dataset) -> None:
    server = serve(small)
    assert server.post("/api/import", FLAVOURS["instances"]).json["refused_count"] == 0
    server.stop()
    with contextlib.redirect_stdout(io.StringIO()):
        coco = COCO(str(server.path))
    assert len(coco.getImgIds()) == 6
    assert len(coco.getAnnIds(catIds=coco.getCatIds(catNms=["dog"]))) == 2


def test_going_back_to_before_an_import_takes_its_licences_back_too(manager: DatasetManager) -> None:
    before = text_of(manager)
    theirs = {
        "licenses": [{"id": 7, "name": "ours alone"}],
        "images": [{"id": 1, "file_name": "other.jpg", "width": 9, "height": 9, "license": 7}],
        "annotations": [],
        "categories": [],
    }
    assert imported(manager, theirs)["licenses_added"] == 1
    after = text_of(manager)
    manager.store.commit([Delete("images", 1)])
    manager.store.commit([GoBack(0)])
    assert text_of(manager) == before
    manager.store.commit([GoBack(1)])
    assert text_of(manager) == after
