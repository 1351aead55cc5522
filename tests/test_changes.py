"""Changes in memory: what each does to the records, the counts and the next save, and what is refused."""

from __future__ import annotations

import copy
import json
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from conftest import FakeClock, OpenDataset

from cocoannot.changes.operations import Add, Restore, Update
from cocoannot.changes.tracker import ChangeTracker
from cocoannot.coco.records import Record
from cocoannot.errors import (
    AmbiguousId,
    BadOperation,
    CocoannotError,
    Conflict,
    InvalidRecord,
    UnknownId,
    VersionMismatch,
)
from cocoannot.manager import DatasetManager

EVERY_STORE = "torture"

Fields = dict[str, Any]

POLYGON = [[1, 1, 5, 1, 5, 4, 1, 4]]
NEW: Fields = {"image_id": 2, "category_id": 2, "segmentation": POLYGON}
BOX: Fields = {"image_id": 2, "category_id": 2, "bbox": [1, 2, 3, 4]}
TINY_MASK = {"size": [50, 100], "counts": [10, 5, 4985]}  # of image 4


def ids(records: Any) -> list[int]:
    return [record["id"] for record in records]


def contents(manager: DatasetManager) -> bytes:
    return b"".join(manager.store.export().blocks)


def refused(manager: DatasetManager, change: Callable[[], object]) -> dict[str, list[str]]:
    """The errors of a change that must be refused, and must change nothing."""
    before = (contents(manager), manager.revision, manager.changes, manager.store.status())
    with pytest.raises(InvalidRecord) as caught:
        change()
    assert (contents(manager), manager.revision, manager.changes, manager.store.status()) == before
    return caught.value.errors


# Each change: memory, counts, schedule

CHANGES: dict[str, tuple[Callable[[DatasetManager], object], ChangeTracker]] = {
    "add_annotation": (lambda manager: manager.add_annotation(NEW), ChangeTracker(annotations_added=1)),
    "update_annotation": (
        lambda manager: manager.update_annotation(1, {"iscrowd": 1}),
        ChangeTracker(annotations_updated=1),
    ),
    "delete_annotation": (lambda manager: manager.delete_annotation(1), ChangeTracker(annotations_deleted=1)),
    "add_category": (lambda manager: manager.add_category({"name": "bird"}), ChangeTracker(categories_added=1)),
    "update_category": (
        lambda manager: manager.update_category(1, {"name": "lion"}),
        ChangeTracker(categories_updated=1),
    ),
    "delete_category": (lambda manager: manager.delete_category(5), ChangeTracker(categories_deleted=1)),
    "reassign_category": (
        lambda manager: manager.delete_category(1, reassign_to=2),
        ChangeTracker(annotations_updated=2, categories_deleted=1),
    ),
    "add_image": (
        lambda manager: manager.add_image({"file_name": "x.jpg", "width": 2, "height": 2}),
        ChangeTracker(images_added=1),
    ),
    "update_image": (lambda manager: manager.update_image(1, {"width": 641}), ChangeTracker(images_updated=1)),
    "delete_image": (
        lambda manager: manager.delete_image(1),
        ChangeTracker(images_deleted=1, annotations_deleted=2),
    ),
    "batch": (
        lambda manager: manager.change_annotations(
            [
                {"op": "add", "annotation": NEW},
                {"op": "update", "id": 1, "changes": {"iscrowd": 1}},
                {"op": "delete", "id": 2},
                {"op": "restore", "annotation": {**BOX, "id": 3}},
            ]
        ),
        ChangeTracker(annotations_added=2, annotations_updated=1, annotations_deleted=1),
    ),
}


@pytest.mark.parametrize(("change", "counted"), CHANGES.values(), ids=CHANGES)
def test_each_change_is_counted_once_and_schedules_one_save(
    open_dataset: OpenDataset,
    small: Fields,
    clock: FakeClock,
    change: Callable[[DatasetManager], object],
    counted: ChangeTracker,
    store_kind: str,
) -> None:
    calls: list[None] = []
    manager = open_dataset(small, on_dirty=lambda: calls.append(None))
    clock.advance(4)
    assert change(manager)
    assert manager.changes == counted
    assert (manager.revision, len(calls)) == (1, 1)
    # A database has a clock of its own, which is not the test's.
    assert manager.store.unsaved_since() == pytest.approx(4.0, abs=0 if store_kind == "memory" else 60)
    assert manager.save() is True
    assert not manager.changes.has_changes()
    change_again = {"name": "another"} if counted.categories_added else {"again": True}
    manager.update_category(2, change_again)
    assert len(calls) == 2


@pytest.mark.parametrize("change", [change for change, _ in CHANGES.values()], ids=CHANGES)
def test_each_change_is_there_after_a_restart(
    manager: DatasetManager, open_dataset: OpenDataset, change: Callable[[DatasetManager], object]
) -> None:
    before = contents(manager)
    change(manager)
    assert contents(manager) != before
    manager.save()
    again = open_dataset()
    assert contents(again) == contents(manager)
    assert again.get_annotations() == manager.get_annotations()
    assert [again.get_annotations_by_image(i) for i in (1, 2, 4)] == [
        manager.get_annotations_by_image(i) for i in (1, 2, 4)
    ]


NOT_FOUND: dict[str, tuple[Callable[[DatasetManager], object], object]] = {
    "update_annotation": (lambda manager: manager.update_annotation(3, {"iscrowd": 1}), None),
    "delete_annotation": (lambda manager: manager.delete_annotation(3), False),
    "update_category": (lambda manager: manager.update_category(3, {"name": "x"}), None),
    "delete_category": (lambda manager: manager.delete_category(3), False),
    "update_image": (lambda manager: manager.update_image(3, {"width": 3}), None),
    "delete_image": (lambda manager: manager.delete_image(3), None),
    "get_annotation": (lambda manager: manager.get_annotation(3), None),
    "get_category": (lambda manager: manager.get_category(3), None),
    "get_image": (lambda manager: manager.get_image(3), None),
    "get_annotations_by_image": (lambda manager: manager.get_annotations_by_image(3), []),
    "an id that is too large": (lambda manager: manager.delete_annotation(10**30), False),
    "an image id that is too large": (lambda manager: manager.get_annotations_by_image(2**63 - 1), []),
}


@pytest.mark.parametrize(("call", "answer"), NOT_FOUND.values(), ids=NOT_FOUND)
def test_id_that_is_not_there_changes_nothing(
    open_dataset: OpenDataset, small: Fields, call: Callable[[DatasetManager], object], answer: object
) -> None:
    calls: list[None] = []
    manager = open_dataset(small, on_dirty=lambda: calls.append(None))
    assert call(manager) == answer
    assert (manager.revision, manager.changes, calls) == (0, ChangeTracker(), [])


def test_a_record_that_was_deleted_is_not_found_any_more(manager: DatasetManager) -> None:
    assert manager.delete_annotation(2) is True
    assert manager.delete_annotation(2) is False
    assert manager.update_annotation(2, {"iscrowd": 1}) is None
    assert (manager.get_annotation(2), ids(manager.get_annotations_by_image(1))) == (None, [1])


# Annotations: adding


def test_new_annotation_stands_at_the_end_of_its_image_and_of_the_file(manager: DatasetManager) -> None:
    record = manager.add_annotation({**NEW, "image_id": 1})
    assert ids(manager.get_annotations()) == [1, 2, 7, record["id"]]
    assert ids(manager.get_annotations_by_image(1)) == [1, 2, record["id"]]
    stored = manager.get_annotation(record["id"])
    assert stored is not None
    assert (stored.text, stored.etag) == (record.text, record.etag)


def test_area_and_box_are_computed_from_the_polygon_and_the_clients_are_ignored(manager: DatasetManager) -> None:
    record = manager.add_annotation({**NEW, "area": 99, "bbox": "nonsense", "score": 0.5})
    assert dict(record) == {
        "id": 8,
        "iscrowd": 0,
        "image_id": 2,
        "category_id": 2,
        "segmentation": POLYGON,
        "area": 12.0,
        "bbox": [1, 1, 4, 3],
        "score": 0.5,
    }


def test_box_alone_gives_its_area_and_an_empty_segmentation(manager: DatasetManager) -> None:
    record = manager.add_annotation({**BOX, "area": 99})
    assert (record["area"], record["segmentation"], record["bbox"]) == (12, [], [1, 2, 3, 4])


def test_mask_gives_its_pixel_count_and_box(manager: DatasetManager) -> None:
    record = manager.add_annotation({"image_id": 4, "category_id": 1, "segmentation": TINY_MASK, "iscrowd": 1})
    assert (record["area"], record["bbox"], record["iscrowd"]) == (5, [0, 10, 1, 5], 1)


def test_labelled_keypoints_are_counted(manager: DatasetManager) -> None:
    record = manager.add_annotation(
        {"image_id": 1, "category_id": 5, "keypoints": [1, 1, 2, 0, 0, 0], "num_keypoints": 17}
    )
    assert (record["num_keypoints"], record["segmentation"]) == (1, [])


@pytest.mark.parametrize(
    ("keypoints", "area", "bbox"),
    [
        ([1, 1, 2, 0, 0, 0], 0, [1, 1, 0, 0]),
        ([1, 1, 2, 5, 9, 1], 32, [1, 1, 4, 8]),
        ([7, 7, 0, 5, 9, 0], 0, [0, 0, 0, 0]),
    ],
)
def test_keypoints_alone_have_the_box_and_the_area_of_the_labelled_ones(
    manager: DatasetManager, keypoints: list[int], area: int, bbox: list[int]
) -> None:
    record = manager.add_annotation({"image_id": 1, "category_id": 5, "keypoints": keypoints, "area": 77})
    assert (record["area"], record["bbox"]) == (area, bbox)


def test_the_box_of_keypoints_alone_follows_them(manager: DatasetManager) -> None:
    record = manager.add_annotation({"image_id": 1, "category_id": 5, "keypoints": [1, 1, 2, 5, 9, 1]})
    moved = manager.update_annotation(record["id"], {"keypoints": [2, 2, 2, 6, 10, 1]})
    assert moved is not None
    assert (moved["bbox"], moved["area"]) == ([2, 2, 4, 8], 32)
    boxed = manager.update_annotation(record["id"], {"bbox": [0, 0, 50, 50]})
    assert boxed is not None
    kept = manager.update_annotation(record["id"], {"keypoints": [3, 3, 2, 6, 10, 1]})
    assert kept is not None
    assert kept["bbox"] == [0, 0, 50, 50]


def test_caption_needs_a_category_where_there_are_any(manager: DatasetManager) -> None:
    errors = refused(manager, lambda: manager.add_annotation({"image_id": 1, "caption": "a cat"}))
    assert errors == {"category_id": ["is required"]}
    assert manager.add_annotation({"image_id": 1, "category_id": 1, "caption": "a cat"})["caption"] == "a cat"


def test_caption_alone_is_changed_wherever_it_is(open_dataset: OpenDataset, small: Fields) -> None:
    small["annotations"].append({"id": 8, "image_id": 1, "category_id": 1, "caption": "a cat"})
    manager = open_dataset(small)
    changed = manager.update_annotation(8, {"caption": "a black cat"})
    assert changed is not None
    assert changed["caption"] == "a black cat"


@pytest.mark.parametrize("categories", ["[]", "[ ]"])
def test_no_empty_categories_are_saved_beside_captions_without_one(
    open_dataset: OpenDataset, dataset_path: Path, categories: str
) -> None:
    image = '{"id": 1, "file_name": "a.jpg", "width": 5, "height": 5}'
    manager = open_dataset(f'{{"images": [{image}], "annotations": [], "categories": {categories}, "info": {{}}}}')
    manager.add_annotation({"image_id": 1, "caption": "a cat"})
    manager.save()
    assert json.loads(dataset_path.read_bytes()).keys() == {"images", "annotations", "info"}
    manager.add_category({"name": "cat"})
    manager.save()
    assert json.loads(dataset_path.read_bytes()).keys() == {"images", "annotations", "categories", "info"}


def test_count_of_keypoints_without_keypoints_is_ignored(manager: DatasetManager) -> None:
    assert "num_keypoints" not in manager.add_annotation({**BOX, "num_keypoints": 17})


def test_caption_needs_neither_category_nor_geometry(open_dataset: OpenDataset, small: Fields) -> None:
    captions = [{"id": 7, "image_id": 1, "caption": "a dog"}]
    manager = open_dataset({"images": small["images"], "annotations": captions, "categories": []})
    record = manager.add_annotation({"image_id": 1, "caption": "a cat"})
    assert dict(record) == {"id": 8, "iscrowd": 0, "image_id": 1, "caption": "a cat"}


def test_ids_that_come_as_whole_floats_are_stored_as_integers(manager: DatasetManager) -> None:
    text = manager.add_annotation({**BOX, "id": 9.0, "image_id": 2.0, "category_id": 2.0, "iscrowd": 1.0}).text
    assert b'"id": 9,' in text
    assert b'"image_id": 2,' in text
    assert b'"category_id": 2,' in text
    assert b'"iscrowd": 1,' in text


def test_null_fields_of_a_new_annotation_are_as_if_not_given(manager: DatasetManager) -> None:
    record = manager.add_annotation({**BOX, "id": None, "iscrowd": None, "note": None})
    assert ("note" in record, record["iscrowd"], record["id"]) == (False, 0, 8)


def test_id_that_the_client_brings_is_taken_and_counts_on(manager: DatasetManager) -> None:
    assert manager.add_annotation({**BOX, "id": 40})["id"] == 40
    assert manager.get_next_annotation_id() == 41
    assert manager.add_annotation({**BOX, "id": 3})["id"] == 3
    assert manager.add_annotation(BOX)["id"] == 41


def test_id_zero_of_a_file_is_an_id(open_dataset: OpenDataset, small: Fields) -> None:
    for section in ("images", "annotations", "categories"):
        small[section][0]["id"] = 0
    manager = open_dataset(small)
    assert manager.update_annotation(0, {"image_id": 0, "category_id": 0}) is not None
    assert manager.delete_annotation(0) is True
    manager.store.commit([Restore(json.dumps(small["annotations"][0]).encode())])
    assert manager.get_annotation(0) is not None


def test_new_annotation_can_not_have_the_id_zero(manager: DatasetManager) -> None:
    errors = refused(manager, lambda: manager.add_annotation({**BOX, "id": 0}))
    assert errors == {
        "id": ["must be an integer from 1 to 2^53 - 1: pycocotools counts an annotation with id 0 as not found"]
    }
    assert manager.add_image({"id": 0, "file_name": "0.jpg", "width": 5, "height": 5})["id"] == 0
    assert manager.add_category({"id": 0, "name": "root"})["id"] == 0


def test_ids_that_are_taken_are_refused(manager: DatasetManager) -> None:
    with pytest.raises(Conflict, match="annotation id 7 is taken"):
        manager.add_annotation({**BOX, "id": 7})
    with pytest.raises(Conflict, match="category id 5 is taken"):
        manager.add_category({"name": "x", "id": 5})
    with pytest.raises(Conflict, match="image id 4 is taken"):
        manager.add_image({"file_name": "x", "width": 1, "height": 1, "id": 4})
    assert manager.revision == 0


def test_largest_id_can_be_brought_and_then_none_is_left_to_give(manager: DatasetManager) -> None:
    assert manager.add_annotation({**BOX, "id": 2**53 - 1})["id"] == 2**53 - 1
    with pytest.raises(Conflict, match="largest id"):
        manager.add_annotation(BOX)
    assert manager.add_annotation({**BOX, "id": 30})["id"] == 30


BAD_ANNOTATIONS: dict[str, tuple[Fields, str]] = {
    "no image": ({"category_id": 2, "bbox": [1, 2, 3, 4]}, "image_id"),
    "unknown image": ({**BOX, "image_id": 3}, "image_id"),
    "image that is no integer": ({**BOX, "image_id": "2"}, "image_id"),
    "image that is true": ({**BOX, "image_id": True}, "image_id"),
    "image that is a fraction": ({**BOX, "image_id": 2.5}, "image_id"),
    "huge image": ({**BOX, "image_id": 10**400}, "image_id"),
    "no category": ({"image_id": 2, "bbox": [1, 2, 3, 4]}, "category_id"),
    "unknown category": ({**BOX, "category_id": 3}, "category_id"),
    "unknown category of a caption": ({"image_id": 1, "category_id": 3, "caption": "x"}, "category_id"),
    "no geometry": ({"image_id": 2, "category_id": 2}, "segmentation"),
    "empty segmentation": ({"image_id": 2, "category_id": 2, "segmentation": []}, "segmentation"),
    "two points": ({**NEW, "segmentation": [[1, 1, 2, 2]]}, "segmentation.0"),
    "second polygon": ({**NEW, "segmentation": [*POLYGON, [1, 2, 3]]}, "segmentation.1"),
    "text for a segmentation": ({**NEW, "segmentation": "x"}, "segmentation"),
    "not finite": ({**NEW, "segmentation": [[1, 1, 5, 1, 5, math.nan]]}, "segmentation.0"),
    "mask of another size": ({**NEW, "segmentation": TINY_MASK}, "segmentation.size"),
    "mask that does not add up": (
        {"image_id": 4, "category_id": 1, "segmentation": {"size": [50, 100], "counts": [1, 2]}},
        "segmentation.counts",
    ),
    "mask without pixels": (
        {"image_id": 4, "category_id": 1, "segmentation": {"size": [50, 100], "counts": [5000, 0]}},
        "segmentation",
    ),
    "polygon without a width": ({**NEW, "segmentation": [[1, 1, 1, 5, 1, 9]]}, "segmentation"),
    "polygon of one point": ({**NEW, "segmentation": [[1, 1, 1, 1, 1, 1]]}, "segmentation"),
    "box of three": ({**BOX, "bbox": [1, 2, 3]}, "bbox"),
    "box without extent": ({**BOX, "bbox": [1, 2, 0, 3]}, "bbox"),
    "box not finite": ({**BOX, "bbox": [1, 2, math.inf, 3]}, "bbox"),
    "too few keypoints": ({"image_id": 1, "category_id": 5, "keypoints": [1, 1, 2]}, "keypoints"),
    "caption that is no text": ({"image_id": 1, "category_id": 1, "caption": 5}, "caption"),
    "crowd": ({**BOX, "iscrowd": 2}, "iscrowd"),
    "crowd that is true": ({**BOX, "iscrowd": True}, "iscrowd"),
    "underscore": ({**BOX, "_etag": "x"}, "_etag"),
    "other field not finite": ({**BOX, "score": [{"deep": -math.inf}]}, "score"),
    "other field too large": ({**BOX, "score": {"deep": 2**64}}, "score"),
    "negative id": ({**BOX, "id": -1}, "id"),
    "id too large": ({**BOX, "id": 2**53}, "id"),
    "id that is no integer": ({**BOX, "id": "9"}, "id"),
    "id that is true": ({**BOX, "id": True}, "id"),
    "area of a caption": ({"image_id": 1, "category_id": 5, "caption": "a", "area": -1}, "area"),
}


@pytest.mark.parametrize(("fields", "field"), BAD_ANNOTATIONS.values(), ids=BAD_ANNOTATIONS)
def test_bad_new_annotation_is_refused_and_the_field_named(manager: DatasetManager, fields: Fields, field: str) -> None:
    assert list(refused(manager, lambda: manager.add_annotation(fields))) == [field]


def test_every_bad_field_is_named_at_once(manager: DatasetManager) -> None:
    fields = {"image_id": 3, "category_id": 3, "bbox": [], "_x": 1, "iscrowd": 7}
    errors = refused(manager, lambda: manager.add_annotation(fields))
    assert set(errors) == set(fields)
    assert errors["image_id"] == ["there is no image with id 3"]


def test_mask_on_an_image_without_usable_size_is_refused(open_dataset: OpenDataset) -> None:
    manager = open_dataset({"images": [{"id": 1, "width": "5", "height": 5}], "categories": [{"id": 1}]})
    mask = {"image_id": 1, "category_id": 1, "segmentation": {"size": [5, 5], "counts": [25]}}
    assert list(refused(manager, lambda: manager.add_annotation(mask))) == ["segmentation"]
    assert manager.add_annotation({**mask, "segmentation": POLYGON})["area"] == 12.0


# Annotations: changing


def test_update_replaces_what_is_given_and_leaves_the_rest_in_place(manager: DatasetManager, small: Fields) -> None:
    record = manager.update_annotation(7, {"category_id": 2, "note": "x"})
    assert record is not None
    assert list(record.items()) == list((small["annotations"][2] | {"category_id": 2, "note": "x"}).items())
    assert manager.get_annotation(7) == record
    assert ids(manager.get_annotations()) == [1, 2, 7]


def test_update_leaves_the_text_of_untouched_values_alone(open_dataset: OpenDataset) -> None:
    odd = '{"caption": "", "id" : 1, "score": 0.10000000000000000001, "big": 1e5, "name": "\\u00e4\\/", "n": 1.50}'
    manager = open_dataset(f'{{"annotations": [{odd}]}}')
    record = manager.update_annotation(1, {"n": 2, "new": [1]})
    assert record is not None
    assert record.text == (
        b'{"caption": "", "id" : 1, "score": 0.10000000000000000001, "big": 1e5, "name": "\\u00e4\\/", '
        b'"n": 2, "new": [1]}'
    )


def test_update_leaves_an_indented_record_on_its_lines(open_dataset: OpenDataset) -> None:
    indented = (
        '{\r\n  "id": 1,\r\n  "bbox": [\r\n    1,\r\n    2.50,\r\n    3,\r\n    4\r\n  ],\r\n  "name": "a  b"\r\n}'
    )
    manager = open_dataset(f'{{"annotations": [{indented}]}}')
    record = manager.update_annotation(1, {"note": 1})
    assert record is not None
    assert record.text == indented.replace('"a  b"', '"a  b",\r\n  "note": 1').encode()


def test_update_with_nothing_changes_nothing(manager: DatasetManager) -> None:
    before = manager.get_annotation(1)
    assert manager.update_annotation(1, {}) == before
    assert manager.update_annotation(1, {"num_keypoints": 5}) == before
    assert (manager.revision, manager.changes) == (0, ChangeTracker())


def test_null_removes_a_field(manager: DatasetManager) -> None:
    manager.update_annotation(1, {"note": "x"})
    record = manager.update_annotation(1, {"note": None, "never there": None})
    assert record is not None
    assert set(record) == {"id", "image_id", "category_id", "segmentation", "area", "bbox", "iscrowd"}


def test_new_segmentation_recomputes_area_and_box_and_ignores_the_clients(manager: DatasetManager) -> None:
    record = manager.update_annotation(1, {"segmentation": POLYGON, "area": 99, "bbox": [9, 9, 9, 9]})
    assert record is not None
    assert (record["segmentation"], record["area"], record["bbox"]) == (POLYGON, 12.0, [1, 1, 4, 3])


def test_new_box_of_a_record_without_segmentation_recomputes_its_area(manager: DatasetManager) -> None:
    record = manager.update_annotation(2, {"bbox": [0, 0, 5, 6], "area": 99})
    assert record is not None
    assert (record["bbox"], record["area"], record["segmentation"]) == ([0, 0, 5, 6], 30, [])


def test_box_instead_of_the_segmentation(manager: DatasetManager) -> None:
    record = manager.update_annotation(1, {"segmentation": None, "bbox": [0, 0, 2, 2]})
    assert record is not None
    assert (record["segmentation"], record["area"], record["bbox"]) == ([], 4, [0, 0, 2, 2])


def test_keypoints_are_counted_again_and_go_with_their_count(manager: DatasetManager) -> None:
    manager.update_annotation(1, {"category_id": 5, "keypoints": [1, 1, 2, 3, 3, 1], "num_keypoints": 0})
    record = manager.get_annotation(1)
    assert record is not None
    assert record["num_keypoints"] == 2
    without = manager.update_annotation(1, {"keypoints": None})
    assert without is not None
    assert not {"keypoints", "num_keypoints"} & set(without)


def test_annotation_moves_to_another_image_and_back_to_its_place(manager: DatasetManager) -> None:
    moved = manager.update_annotation(1, {"image_id": 4.0})
    assert moved is not None
    assert b'"image_id": 4,' in moved.text
    assert [ids(manager.get_annotations_by_image(i)) for i in (1, 2, 4)] == [[2], [7], [1]]
    manager.update_annotation(1, {"image_id": 1})
    assert [ids(manager.get_annotations_by_image(i)) for i in (1, 2, 4)] == [[1, 2], [7], []]


BAD_UPDATES: dict[str, tuple[int, Fields, str]] = {
    "id": (1, {"id": 1}, "id"),
    "null id": (1, {"id": None}, "id"),
    "underscore": (1, {"_x": None}, "_x"),
    "box beside a segmentation": (1, {"bbox": [0, 0, 1, 1]}, "bbox"),
    "area beside a segmentation": (1, {"area": 3}, "area"),
    "null box beside a segmentation": (1, {"bbox": None}, "bbox"),
    "unknown image": (1, {"image_id": 3}, "image_id"),
    "no image": (1, {"image_id": None}, "image_id"),
    "unknown category": (1, {"category_id": 3}, "category_id"),
    "no category": (1, {"category_id": None}, "category_id"),
    "bad polygon": (1, {"segmentation": [[0, 0]]}, "segmentation.0"),
    "polygon without a height": (1, {"segmentation": [[0, 0, 5, 0, 9, 0]]}, "segmentation"),
    "bad box": (2, {"bbox": [0, 0, -1, 1]}, "bbox"),
    "bad area": (2, {"area": "x"}, "area"),
    "area not finite": (2, {"area": math.nan}, "area"),
    "null box": (2, {"bbox": None}, "bbox"),
    "null area": (2, {"area": None}, "area"),
    "null crowd": (2, {"iscrowd": None}, "iscrowd"),
    "null segmentation": (1, {"segmentation": None}, "segmentation"),
    "crowd": (2, {"iscrowd": 0.5}, "iscrowd"),
    "caption": (2, {"caption": ["x"]}, "caption"),
    "keypoints": (2, {"category_id": 5, "keypoints": [0] * 9}, "keypoints"),
}


@pytest.mark.parametrize(("annotation_id", "changes", "field"), BAD_UPDATES.values(), ids=BAD_UPDATES)
def test_bad_update_is_refused_and_the_field_named(
    manager: DatasetManager, annotation_id: int, changes: Fields, field: str
) -> None:
    assert list(refused(manager, lambda: manager.update_annotation(annotation_id, changes))) == [field]


def test_image_with_a_mask_keeps_its_size(manager: DatasetManager) -> None:
    manager.add_annotation({"image_id": 4, "category_id": 1, "segmentation": TINY_MASK})
    with pytest.raises(Conflict, match="image 4 are masks"):
        manager.update_image(4, {"width": 99})
    assert manager.update_image(4, {"width": 100, "height": 50.0, "license": 2}) is not None
    assert manager.update_image(1, {"width": 99}) is not None


def test_mask_does_not_move_to_an_image_of_another_size(manager: DatasetManager) -> None:
    mask = manager.add_annotation({"image_id": 4, "category_id": 1, "segmentation": TINY_MASK})
    errors = refused(manager, lambda: manager.update_annotation(mask["id"], {"image_id": 1}))
    assert list(errors) == ["segmentation.size"]


# Annotations: many at once


def test_batch_gives_its_results_in_order_as_one_revision(manager: DatasetManager) -> None:
    results = manager.change_annotations(
        [
            {"op": "add", "annotation": BOX},
            {"op": "update", "id": 2, "changes": {"note": "x"}},
            {"op": "delete", "id": 1},
            {"op": "add", "annotation": NEW},
        ]
    )
    assert [None if result is None else result["id"] for result in results] == [8, 2, None, 9]
    assert results[1] == manager.get_annotation(2)
    assert ids(manager.get_annotations()) == [2, 7, 8, 9]
    assert manager.revision == 1


def test_each_operation_sees_what_the_ones_before_it_did(manager: DatasetManager) -> None:
    manager.change_annotations(
        [
            {"op": "add", "annotation": {**BOX, "id": 50}},
            {"op": "update", "id": 50, "changes": {"note": 1}},
            {"op": "update", "id": 50, "changes": {"more": 2}},
            {"op": "add", "annotation": BOX},
            {"op": "delete", "id": 51},
            {"op": "delete", "id": 7},
            {"op": "restore", "annotation": {**BOX, "id": 7}},
        ]
    )
    assert ids(manager.get_annotations()) == [1, 2, 50, 7]
    record = manager.get_annotation(50)
    assert record is not None
    assert (record["note"], record["more"]) == (1, 2)
    assert manager.get_next_annotation_id() == 52


def test_deleted_annotation_is_restored_as_it_was(manager: DatasetManager, small: Fields) -> None:
    wrong = small["annotations"][0] | {"area": 12345, "bbox": [0, 0, 0, 0], "num_keypoints": 3, "note": None}
    manager.delete_annotation(1)
    (record,) = manager.change_annotations([{"op": "restore", "annotation": wrong}])
    assert record is not None
    assert list(record.items()) == list(wrong.items())
    assert manager.changes == ChangeTracker(annotations_added=1, annotations_deleted=1)
    assert manager.get_next_annotation_id() == 8


Operation = Mapping[str, Any]
BAD_OPERATIONS: dict[str, tuple[Operation, type[CocoannotError]]] = {
    "bad annotation": ({"op": "add", "annotation": {"image_id": 1}}, InvalidRecord),
    "taken id": ({"op": "add", "annotation": {**BOX, "id": 100}}, Conflict),
    "unknown id": ({"op": "update", "id": 3, "changes": {}}, UnknownId),
    "id that is gone": ({"op": "delete", "id": 7}, UnknownId),
    "old version": ({"op": "delete", "id": 1, "if_match": ["old"]}, VersionMismatch),
    "restore of a taken id": ({"op": "restore", "annotation": {**BOX, "id": 1}}, Conflict),
    "restore without an id": ({"op": "restore", "annotation": BOX}, InvalidRecord),
    "restore of an id that is no integer": ({"op": "restore", "annotation": {**BOX, "id": "7"}}, InvalidRecord),
    "restore to an image that is no integer": (
        {"op": "restore", "annotation": {**BOX, "id": 7, "image_id": "x"}},
        InvalidRecord,
    ),
    "restore of what is not finite": (
        {"op": "restore", "annotation": {**BOX, "id": 7, "area": math.inf}},
        InvalidRecord,
    ),
    "restore of a derived field": ({"op": "restore", "annotation": {**BOX, "id": 7, "_etag": "x"}}, InvalidRecord),
    "unknown operation": ({"op": "move", "id": 1}, InvalidRecord),
}


@pytest.mark.parametrize(("operation", "kind"), BAD_OPERATIONS.values(), ids=BAD_OPERATIONS)
def test_batch_with_one_bad_operation_changes_nothing_and_names_its_index(
    open_dataset: OpenDataset, small: Fields, operation: Operation, kind: type[CocoannotError]
) -> None:
    calls: list[None] = []
    manager = open_dataset(small, on_dirty=lambda: calls.append(None))
    before = contents(manager)
    good: list[Operation] = [
        {"op": "add", "annotation": {**BOX, "id": 100}},
        {"op": "delete", "id": 7},
        {"op": "update", "id": 2, "changes": {"note": "x"}},
    ]
    with pytest.raises(BadOperation, match="operation 3: ") as caught:
        manager.change_annotations([*good, operation, *good])
    assert (caught.value.index, type(caught.value.cause)) == (3, kind)
    assert (contents(manager), manager.revision, manager.changes, calls) == (before, 0, ChangeTracker(), [])
    assert manager.get_next_annotation_id() == 8
    assert ids(manager.get_annotations_by_image(2)) == [7]


def test_empty_batch_changes_nothing(manager: DatasetManager) -> None:
    assert manager.change_annotations([]) == []
    assert manager.revision == 0


# Versions


def etag_of(record: Record | None) -> str:
    assert record is not None
    return record.etag


VERSIONED: dict[str, tuple[Callable[[DatasetManager], Record | None], Callable[..., object]]] = {
    "update_annotation": (
        lambda manager: manager.get_annotation(1),
        lambda manager, **given: manager.update_annotation(1, {"x": 1}, **given),
    ),
    "delete_annotation": (
        lambda manager: manager.get_annotation(1),
        lambda manager, **given: manager.delete_annotation(1, **given),
    ),
    "batch": (
        lambda manager: manager.get_annotation(1),
        lambda manager, **given: manager.change_annotations([{"op": "delete", "id": 1, **given}]),
    ),
    "update_image": (
        lambda manager: manager.get_image(1),
        lambda manager, **given: manager.update_image(1, {"x": 1}, **given),
    ),
    "delete_image": (lambda manager: manager.get_image(1), lambda manager, **given: manager.delete_image(1, **given)),
    "update_category": (
        lambda manager: manager.get_category(5),
        lambda manager, **given: manager.update_category(5, {"x": 1}, **given),
    ),
    "delete_category": (
        lambda manager: manager.get_category(5),
        lambda manager, **given: manager.delete_category(5, **given),
    ),
}


@pytest.mark.parametrize(("read", "change"), VERSIONED.values(), ids=VERSIONED)
def test_change_with_another_version_is_refused_and_told_the_current_one(
    manager: DatasetManager, read: Callable[[DatasetManager], Record | None], change: Callable[..., object]
) -> None:
    before, current = contents(manager), etag_of(read(manager))
    with pytest.raises((VersionMismatch, BadOperation)) as caught:
        change(manager, if_match=frozenset({"another", "and another"}))
    error = caught.value.cause if isinstance(caught.value, BadOperation) else caught.value
    assert isinstance(error, VersionMismatch)
    assert error.current == current
    assert (contents(manager), manager.revision) == (before, 0)


@pytest.mark.parametrize("versions", ["current", "any"])
@pytest.mark.parametrize(("read", "change"), VERSIONED.values(), ids=VERSIONED)
def test_change_with_the_current_version_is_made(
    manager: DatasetManager,
    read: Callable[[DatasetManager], Record | None],
    change: Callable[..., object],
    versions: str,
) -> None:
    current = etag_of(read(manager))
    assert change(manager, if_match=frozenset({"another", current} if versions == "current" else {"*"}))
    assert manager.revision == 1


def test_version_changes_with_the_text_and_comes_back_with_it(manager: DatasetManager) -> None:
    first = etag_of(manager.update_annotation(2, {"note": 1}))
    second = etag_of(manager.update_annotation(2, {"note": 2}))
    assert first != second
    assert etag_of(manager.update_annotation(2, {"note": 1})) == first == etag_of(manager.get_annotation(2))


# Images


def test_new_image_is_stored_with_all_its_fields(manager: DatasetManager) -> None:
    fields = {"file_name": "ä.jpg", "width": 65_535, "height": 1, "license": 3, "nothing": None}
    record = manager.add_image(fields)
    assert dict(record) == {"id": 5, "file_name": "ä.jpg", "width": 65_535, "height": 1, "license": 3}
    assert ids(manager.get_images()) == [1, 2, 4, 5]
    assert manager.add_image({**fields, "id": 3, "file_name": "b.jpg"})["id"] == 3
    assert manager.get_next_image_id() == 6
    assert manager.add_annotation({**BOX, "image_id": 3})["id"] == 8


def test_image_is_updated_in_place(manager: DatasetManager, small: Fields) -> None:
    record = manager.update_image(2, {"file_name": "renamed.jpg", "note": {"a": [1]}})
    assert record is not None
    assert dict(record) == small["images"][1] | {"file_name": "renamed.jpg", "note": {"a": [1]}}
    assert ids(manager.get_images()) == [1, 2, 4]
    assert manager.update_image(2, {"note": None}) == small["images"][1] | {"file_name": "renamed.jpg"}


def test_file_name_of_another_image_is_refused(manager: DatasetManager) -> None:
    fields = {"width": 3, "height": 3}
    changes: list[Callable[[], object]] = [
        lambda: manager.add_image({**fields, "file_name": "two.jpg"}),
        lambda: manager.update_image(1, {"file_name": "two.jpg"}),
    ]
    for take in changes:
        with pytest.raises(Conflict, match=r"file_name 'two\.jpg' already: id 2"):
            take()
    assert manager.revision == 0
    assert manager.update_image(2, {"file_name": "two.jpg", "note": 1}) is not None
    manager.update_image(2, {"file_name": "three.jpg"})
    manager.add_image({**fields, "file_name": "two.jpg"})
    manager.delete_image(2)
    assert manager.add_image({**fields, "file_name": "three.jpg"})["id"] == 6


def test_file_names_follow_all_changes_of_many_images(manager: DatasetManager) -> None:
    for number in range(1500):
        manager.add_image({"file_name": f"{number}.jpg", "width": 3, "height": 3})
    for image in manager.get_images()[3:1503]:
        manager.delete_image(image["id"])
    assert manager.add_image({"file_name": "7.jpg", "width": 3, "height": 3})["id"] == 1505
    with pytest.raises(Conflict, match=r"'7\.jpg' already: id 1505"):
        manager.add_image({"file_name": "7.jpg", "width": 3, "height": 3})


def test_each_image_of_a_change_sees_the_file_names_of_the_others(manager: DatasetManager) -> None:
    image = {"file_name": "new.jpg", "width": 3, "height": 3}
    with pytest.raises(BadOperation, match=r"file_name 'new\.jpg' already: id 5"):
        manager.store.commit([Add("images", image), Add("images", image)])
    swap = [Update("images", 1, {"file_name": "x"}), Update("images", 2, {"file_name": "one.jpg"})]
    manager.store.commit([*swap, Update("images", 1, {"file_name": "two.jpg"})])
    assert [image["file_name"] for image in manager.get_images()] == ["two.jpg", "one.jpg", "empty.jpg"]


def test_file_name_that_a_file_has_twice_stays(open_dataset: OpenDataset, small: Fields) -> None:
    small["images"][1]["file_name"] = "one.jpg"
    manager = open_dataset(small)
    assert manager.update_image(2, {"file_name": "one.jpg", "width": 9}) is not None
    with pytest.raises(Conflict):
        manager.update_image(4, {"file_name": "one.jpg"})


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"file_name": ""}, "file_name"),
        ({"file_name": " "}, "file_name"),
        ({"file_name": None}, "file_name"),
        ({"file_name": 5}, "file_name"),
        ({"width": 0}, "width"),
        ({"width": 65_536}, "width"),
        ({"width": True}, "width"),
        ({"height": 2.5}, "height"),
        ({"height": "3"}, "height"),
        ({"height": math.nan}, "height"),
        ({"_annotation_count": 3}, "_annotation_count"),
        ({"license": math.inf}, "license"),
    ],
)
def test_bad_field_of_an_image_is_refused(manager: DatasetManager, changes: Fields, field: str) -> None:
    fields = {"file_name": "x.jpg", "width": 3, "height": 3, **changes}
    assert list(refused(manager, lambda: manager.add_image(fields))) == [field]
    assert list(refused(manager, lambda: manager.update_image(1, changes))) == [field]


ODD_KEYPOINTS: dict[str, tuple[Fields, str]] = {
    "text": ({"keypoints": "head"}, "keypoints"),
    "a number among names": ({"keypoints": ["head", 2]}, "keypoints"),
    "an empty name": ({"keypoints": ["head", " "]}, "keypoints"),
    "an object": ({"keypoints": {"head": 1}}, "keypoints"),
    "a skeleton of text": ({"keypoints": ["head", "hand"], "skeleton": "head-hand"}, "skeleton"),
    "from 0": ({"keypoints": ["head", "hand"], "skeleton": [[0, 1]]}, "skeleton"),
    "beyond the last": ({"keypoints": ["head", "hand"], "skeleton": [[1, 3]]}, "skeleton"),
    "three ends": ({"keypoints": ["head", "hand"], "skeleton": [[1, 2, 2]]}, "skeleton"),
    "a fraction": ({"keypoints": ["head", "hand"], "skeleton": [[1.5, 2]]}, "skeleton"),
    "true": ({"keypoints": ["head", "hand"], "skeleton": [[True, 2]]}, "skeleton"),
    "no keypoints": ({"keypoints": None, "skeleton": [[1, 2]]}, "skeleton"),
}


@pytest.mark.parametrize("case", ODD_KEYPOINTS)
def test_odd_keypoints_of_a_category_are_refused(manager: DatasetManager, case: str) -> None:
    fields, field = ODD_KEYPOINTS[case]
    assert list(refused(manager, lambda: manager.add_category({"name": "x", **fields}))) == [field]
    assert list(refused(manager, lambda: manager.update_category(5, fields))) == [field]


def test_keypoints_of_a_skeleton_are_stored_as_integers(manager: DatasetManager) -> None:
    hand = manager.add_category({"name": "hand", "keypoints": ["wrist", "thumb"], "skeleton": [[1.0, 2]]})
    assert b'"skeleton": [[1, 2]]' in hand.text


def test_odd_keypoints_that_a_file_has_are_no_hindrance(open_dataset: OpenDataset, small: Fields) -> None:
    small["categories"][2]["skeleton"] = [[0, 1]]
    manager = open_dataset(small)
    assert manager.update_category(5, {"name": "man"}) is not None
    assert list(refused(manager, lambda: manager.update_category(5, {"keypoints": ["hand", "head"]}))) == ["skeleton"]
    assert manager.update_category(5, {"skeleton": None, "keypoints": ["hand", "head"]}) is not None


def test_number_of_keypoints_stays_while_annotations_have_as_many(manager: DatasetManager) -> None:
    pose = manager.add_annotation({"image_id": 1, "category_id": 5, "keypoints": [1, 1, 2, 5, 5, 2]})["id"]
    manager.add_category({"id": 9, "name": "bird", "keypoints": ["beak"]})
    for change in (
        lambda: manager.update_category(5, {"keypoints": ["head", "hand", "foot"]}),
        lambda: manager.delete_category(5, reassign_to=9),
    ):
        with pytest.raises(Conflict, match=r"1 annotation\(s\) of category 5 have another number of keypoints"):
            change()
    assert list(refused(manager, lambda: manager.update_annotation(pose, {"category_id": 9}))) == ["category_id"]
    assert manager.update_category(5, {"keypoints": ["top", "hand"]}) is not None
    assert manager.update_annotation(pose, {"category_id": 9, "keypoints": [1, 1, 2]}) is not None
    assert manager.update_category(5, {"keypoints": ["head", "hand", "foot"]}) is not None
    assert manager.update_annotation(pose, {"category_id": 1}) is not None


@pytest.mark.parametrize("field", ["file_name", "width", "height"])
def test_new_image_needs_name_and_size(manager: DatasetManager, field: str) -> None:
    fields = {"file_name": "x.jpg", "width": 3, "height": 3}
    del fields[field]
    assert list(refused(manager, lambda: manager.add_image(fields))) == [field]


def test_id_of_an_image_or_a_category_can_not_be_changed(manager: DatasetManager) -> None:
    assert list(refused(manager, lambda: manager.update_image(1, {"id": 1}))) == ["id"]
    assert list(refused(manager, lambda: manager.update_category(1, {"id": 9}))) == ["id"]


def test_deleting_an_image_takes_its_annotations_along_as_one_change(manager: DatasetManager) -> None:
    manager.add_annotation({**BOX, "image_id": 1})
    manager.update_annotation(7, {"image_id": 1})
    manager.update_annotation(2, {"image_id": 2})
    manager.save()
    revision = manager.revision
    deleted = manager.delete_image(1)
    assert deleted is not None
    assert deleted.annotations == 3
    assert (ids(manager.get_images()), ids(manager.get_annotations())) == ([2, 4], [2])
    assert (manager.get_annotations_by_image(1), ids(manager.get_annotations_by_image(2))) == ([], [2])
    assert [manager.get_annotation(i) for i in (1, 7, 8)] == [None, None, None]
    assert manager.revision == revision + 1
    assert manager.changes == ChangeTracker(images_deleted=1, annotations_deleted=3)


def test_image_without_annotations_takes_none_along(manager: DatasetManager) -> None:
    deleted = manager.delete_image(4)
    assert deleted is not None
    assert deleted.annotations == 0
    assert manager.changes == ChangeTracker(images_deleted=1)


def test_everything_can_be_deleted_and_the_file_is_still_one(
    manager: DatasetManager, open_dataset: OpenDataset
) -> None:
    for image_id in (1, 2, 4):
        manager.delete_image(image_id)
    for category_id in (1, 2, 5):
        manager.delete_category(category_id)
    manager.save()
    again = open_dataset()
    assert again.counts() == {"images": 0, "annotations": 0, "categories": 0}
    assert again.add_image({"file_name": "x", "width": 1, "height": 1})["id"] == 5


# Categories


def test_new_category_gets_a_supercategory_unless_it_brings_one(manager: DatasetManager) -> None:
    assert dict(manager.add_category({"name": "bird"})) == {"id": 6, "supercategory": "none", "name": "bird"}
    brought = manager.add_category({"name": "car", "supercategory": "vehicle", "color": "#f00", "id": 3})
    assert dict(brought) == {"supercategory": "vehicle", "name": "car", "color": "#f00", "id": 3}
    assert ids(manager.get_categories()) == [1, 2, 5, 6, 3]
    assert manager.get_next_category_id() == 7


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"name": ""}, "name"),
        ({"name": None}, "name"),
        ({"name": 5}, "name"),
        ({"supercategory": 5}, "supercategory"),
        ({"_x": 5}, "_x"),
        ({"color": math.nan}, "color"),
    ],
)
def test_bad_field_of_a_category_is_refused(manager: DatasetManager, changes: Fields, field: str) -> None:
    assert list(refused(manager, lambda: manager.add_category({"name": "bird", **changes}))) == [field]
    assert list(refused(manager, lambda: manager.update_category(1, changes))) == [field]


def test_category_needs_a_name(manager: DatasetManager) -> None:
    assert list(refused(manager, lambda: manager.add_category({"supercategory": "x"}))) == ["name"]


def test_name_that_is_taken_is_refused(manager: DatasetManager) -> None:
    with pytest.raises(Conflict, match="'dog' already: id 2"):
        manager.add_category({"name": "dog"})
    with pytest.raises(Conflict, match="'dog' already: id 2"):
        manager.update_category(1, {"name": "dog"})
    assert manager.revision == 0
    assert manager.update_category(2, {"name": "dog", "x": 1}) is not None


def test_name_of_a_renamed_or_deleted_category_is_free(manager: DatasetManager) -> None:
    manager.update_category(1, {"name": "lion"})
    manager.delete_category(5)
    assert manager.add_category({"name": "cat"})["id"] == 6
    assert manager.add_category({"name": "person"})["id"] == 7


def test_supercategory_can_be_removed(manager: DatasetManager) -> None:
    assert manager.update_category(1, {"supercategory": None}) == {"id": 1, "name": "cat"}


def test_category_in_use_is_not_deleted_and_the_count_is_told(manager: DatasetManager) -> None:
    with pytest.raises(Conflict, match=r"2 annotation\(s\) use category 1") as caught:
        manager.delete_category(1)
    assert caught.value.details == {"annotation_count": 2}
    assert (ids(manager.get_categories()), manager.revision) == ([1, 2, 5], 0)


def test_category_is_free_to_delete_once_nothing_uses_it(manager: DatasetManager) -> None:
    manager.update_annotation(1, {"category_id": 2})
    manager.delete_annotation(7)
    assert manager.delete_category(1) is True
    manager.add_annotation({**BOX, "category_id": 5})
    with pytest.raises(Conflict):
        manager.delete_category(5)


def test_reassigning_moves_the_annotations_and_leaves_the_rest_of_them_alone(
    manager: DatasetManager, small: Fields
) -> None:
    assert manager.delete_category(1, reassign_to=5) is True
    expected = copy.deepcopy(small["annotations"])
    expected[0]["category_id"] = expected[2]["category_id"] = 5
    assert [dict(annotation) for annotation in manager.get_annotations()] == expected
    assert (ids(manager.get_categories()), manager.revision) == ([2, 5], 1)
    with pytest.raises(Conflict, match="2 annotation"):
        manager.delete_category(5)


@pytest.mark.parametrize("target", [1, 3])
def test_reassigning_to_itself_or_to_nothing_is_refused(manager: DatasetManager, target: int) -> None:
    errors = refused(manager, lambda: manager.delete_category(1, reassign_to=target))
    assert list(errors) == ["reassign_to"]


# Files that are not clean


def test_repeated_ids_are_ambiguous_and_all_copies_are_kept(
    open_dataset: OpenDataset, small: Fields, dataset_path: Path
) -> None:
    small["annotations"].append({"id": 7, "image_id": 4, "category_id": 2, "bbox": [0, 0, 1, 1]})
    small["images"].append({"id": 4, "file_name": "again.jpg", "width": 1, "height": 1})
    small["categories"].append({"id": 5, "name": "again"})
    manager = open_dataset(small)
    calls: list[Callable[[], object]] = [
        lambda: manager.get_annotation(7),
        lambda: manager.update_annotation(7, {"x": 1}),
        lambda: manager.delete_annotation(7),
        lambda: manager.get_image(4),
        lambda: manager.update_image(4, {"x": 1}),
        lambda: manager.delete_image(4),
        lambda: manager.add_annotation({**BOX, "image_id": 4}),
        lambda: manager.get_category(5),
        lambda: manager.update_category(5, {"x": 1}),
        lambda: manager.delete_category(5),
        lambda: manager.add_annotation({**BOX, "category_id": 5}),
        lambda: manager.delete_category(1, reassign_to=2),
    ]
    for call in calls:
        with pytest.raises(AmbiguousId, match="2 times"):
            call()
    with pytest.raises(BadOperation, match="operation 1: annotation id 7 is there 2 times"):
        manager.change_annotations([{"op": "delete", "id": 1}, {"op": "delete", "id": 7}])
    with pytest.raises(Conflict):
        manager.add_annotation({**BOX, "id": 7})
    assert (manager.revision, contents(manager)) == (0, dataset_path.read_bytes())
    assert ids(manager.get_annotations()) == [1, 2, 7, 7]
    assert ids(manager.get_annotations_by_image(4)) == [7]
    assert manager.store.status().warnings == [
        "1 image id there more than once: 4",
        "1 annotation id there more than once: 7",
        "1 category id there more than once: 5",
        "1 annotation without an area, as others have it: 7",
    ]


def test_deleting_an_image_takes_even_an_annotation_with_an_ambiguous_id_along(
    open_dataset: OpenDataset, small: Fields
) -> None:
    small["annotations"].append({"id": 7, "image_id": 4, "category_id": 2, "bbox": [0, 0, 1, 1]})
    manager = open_dataset(small)
    manager.delete_image(4)
    assert ids(manager.get_annotations()) == [1, 2, 7]
    kept = manager.get_annotation(7)
    assert kept is not None
    assert kept["image_id"] == 2


def test_orphans_are_kept_reported_and_can_be_repaired(open_dataset: OpenDataset, small: Fields) -> None:
    small["annotations"] += [
        {"id": 8, "image_id": 99, "category_id": 1, "bbox": [0, 0, 1, 1]},
        {"id": 9, "image_id": 1, "category_id": 98, "bbox": [0, 0, 1, 1]},
        {"id": 10, "category_id": 1, "bbox": [0, 0, 1, 1]},
        {"id": 11, "image_id": 1, "bbox": [0, 0, 1, 1]},
    ]
    manager = open_dataset(small)
    assert manager.store.status().warnings == [
        "2 annotations of no image that is there: 8, 10",
        "1 annotation of no category that is there: 9",
        "1 annotation without a category: 11",
        "3 annotations without an area, as others have it: 8, 9, 10",
    ]
    assert ids(manager.get_annotations_by_image(99)) == [8]
    assert manager.update_annotation(8, {"note": "an orphan still"}) is not None
    assert manager.update_annotation(9, {"note": "an orphan still"}) is not None
    assert manager.update_annotation(9, {"category_id": 1}) is not None
    assert manager.update_annotation(10, {"note": "an orphan still"}) is not None
    assert manager.update_annotation(10, {"image_id": 2}) is not None
    assert manager.delete_annotation(8) is True
    assert manager.delete_annotation(11) is True
    assert ids(manager.get_annotations()) == [1, 2, 7, 9, 10]
    assert ids(manager.get_annotations_by_image(2)) == [7, 10]


def test_id_that_only_an_orphan_points_to_is_not_given_to_a_new_record(
    open_dataset: OpenDataset, small: Fields
) -> None:
    small["annotations"].append({"id": 8, "image_id": 99, "category_id": 98, "bbox": [0, 0, 1, 1]})
    manager = open_dataset(small)
    assert manager.add_image({"file_name": "new.jpg", "width": 5, "height": 5})["id"] == 100
    assert manager.add_category({"name": "new"})["id"] == 99


def test_panoptic_annotations_are_read_only(open_dataset: OpenDataset, dataset_path: Path) -> None:
    manager = open_dataset(
        {
            "images": [{"id": 1, "file_name": "a.jpg", "width": 5, "height": 5}],
            "annotations": [{"image_id": 1, "file_name": "a.png", "segments_info": [{"id": 3, "category_id": 1}]}],
            "categories": [{"id": 1, "name": "cat"}],
        }
    )
    with pytest.raises(Conflict, match="panoptic"):
        manager.add_annotation({"image_id": 1, "category_id": 1, "bbox": [1, 1, 1, 1]})
    with pytest.raises(Conflict, match="panoptic"):
        manager.delete_category(1)
    with pytest.raises(Conflict, match="panoptic"):
        manager.delete_image(1)
    assert manager.delete_annotation(-(2**63)) is False
    assert contents(manager) == dataset_path.read_bytes()
    assert [annotation["file_name"] for annotation in manager.get_annotations_by_image(1)] == ["a.png"]
    assert manager.update_image(1, {"license": 1}) is not None
    assert manager.update_category(1, {"name": "lion"}) is not None
    manager.save()
    saved = json.loads(dataset_path.read_bytes())
    assert saved["annotations"][0]["segments_info"] == [{"id": 3, "category_id": 1}]


def test_fields_that_a_change_leaves_alone_may_be_odd(open_dataset: OpenDataset, small: Fields) -> None:
    small["images"].append({"id": 4, "file_name": "again.jpg", "width": 1, "height": 1})
    small["annotations"].append({"id": 8, "image_id": 4, "category_id": 99})
    manager = open_dataset(small)
    record = manager.update_annotation(8, {"checked": True})
    assert record == {"id": 8, "image_id": 4, "category_id": 99, "checked": True}


ODD_RECORDS = [
    '{"id": 8, "image_id": 1, "category_id": 1, "iscrowd": false, "area": "12.0"}',
    '{"id": 8, "image_id": 99, "category_id": 98, "bbox": [1, 2, 3, 4, 0.5]}',
    '{"id": 8}',
    '{"id": 8.0, "image_id": null, "category_id": null, "caption": null}',
    '{"id": 8, "image_id": 1.0, "segmentation": [[1]], "keypoints": ["hand"], "_note": "\\u00e4"}',
    '{"id": 8, "image_id": 1, "segmentation": {"size": [1], "counts": "?"}, "bbox": "1 2 3 4"}',
    '{"id": 8, "image_id": 1, "score": 1.50, "big": 123456789012345678901234567890, "tiny": 1e-7}',
    '{\n  "id": 8,\n  "image_id": 1,\n  "note": "\u00fc"\n}',
]


@pytest.mark.parametrize("text", ODD_RECORDS)
def test_whatever_a_file_holds_is_put_back_byte_for_byte(open_dataset: OpenDataset, small: Fields, text: str) -> None:
    before = json.dumps(small).replace('"categories"', '"more": 1, "categories"')
    dataset = before.replace('}], "more"', f'}}, {text}], "more"')
    manager = open_dataset(dataset)
    manager.delete_annotation(8)
    manager.store.commit([Restore(text.encode())])
    assert contents(manager) == dataset.encode()
    assert contents(open_dataset()) == dataset.encode()


def test_an_annotation_with_a_negative_id_can_be_put_back(open_dataset: OpenDataset, small: Fields) -> None:
    small["annotations"].append({**BOX, "id": -3, "area": 1})
    manager = open_dataset(small)
    record = dict(manager.get_annotation(-3) or {})
    manager.delete_annotation(-3)
    restore = [{"op": "restore", "annotation": record}]
    manager.change_annotations(restore)
    assert manager.get_annotation(-3) == record
    with pytest.raises(BadOperation, match="id -3 is taken; there is nothing to restore"):
        manager.change_annotations(restore)


def test_a_caption_that_is_null_is_put_back_as_it_was(open_dataset: OpenDataset, small: Fields) -> None:
    small["annotations"].append({**BOX, "id": 8, "area": 1, "caption": None})
    manager = open_dataset(small)
    record = dict(manager.get_annotation(8) or {})
    manager.delete_annotation(8)
    manager.change_annotations([{"op": "restore", "annotation": record}])
    assert manager.get_annotation(8) == record
