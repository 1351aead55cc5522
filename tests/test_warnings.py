"""What the start says of a dataset that would surprise whoever annotates it, by counts."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import pytest
from conftest import OpenDataset

Fields = dict[str, Any]

_ANNOTATION: Fields = {"image_id": 1, "category_id": 1, "bbox": [1, 2, 3, 4], "area": 12, "iscrowd": 0}
_CASES: dict[str, tuple[str, Fields, str]] = {
    "no width": ("images", {"id": 9, "file_name": "9.jpg", "height": 10}, "1 image without a width and a height: 9"),
    "a width as text": (
        "images",
        {"id": 9, "file_name": "9.jpg", "width": "10", "height": 10},
        "1 image without a width and a height: 9",
    ),
    "a height of 0": ("images", {"id": 9, "width": 10, "height": 0}, "1 image without a width and a height: 9"),
    "null for a category": (
        "annotations",
        {**_ANNOTATION, "id": 9, "category_id": None},
        "1 annotation without a category: 9",
    ),
    "no area": (
        "annotations",
        {"id": 9, "image_id": 1, "category_id": 1, "bbox": [1, 2, 3, 4]},
        "1 annotation without an area, as others have it: 9",
    ),
    "an area as text": (
        "annotations",
        {**_ANNOTATION, "id": 9, "area": "large"},
        "1 annotation without an area, as others have it: 9",
    ),
}


@pytest.mark.parametrize("case", _CASES)
def test_the_start_says_what_would_surprise(
    case: str, open_dataset: OpenDataset, small: Fields, dataset_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    section, record, warning = _CASES[case]
    small[section].append(record)
    with caplog.at_level(logging.WARNING):
        manager = open_dataset(small)
    assert manager.store.status().warnings == [warning]
    assert caplog.messages == [f"{dataset_path}: {warning}; kept as it is"]


def test_each_kind_is_one_line_with_its_count(open_dataset: OpenDataset, small: Fields) -> None:
    small["images"] += [{"id": number, "file_name": f"{number}.jpg"} for number in range(10, 30)]
    small["annotations"] += [{"id": number, "image_id": 1} for number in range(10, 16)]
    assert open_dataset(small).store.status().warnings == [
        "6 annotations without a category: 10, 11, 12, 13, 14, ...",
        "20 images without a width and a height: 10, 11, 12, 13, 14, ...",
    ]


def test_boxes_in_a_dataset_without_categories_lack_them(open_dataset: OpenDataset, small: Fields) -> None:
    small["categories"], small["annotations"] = [], [{**_ANNOTATION, "id": 3}]
    del small["annotations"][0]["category_id"]
    assert open_dataset(small).store.status().warnings == ["1 annotation without a category: 3"]


def test_nothing_is_said_of_captions_and_of_panoptic_annotations(open_dataset: OpenDataset, small: Fields) -> None:
    small["annotations"] = [{"image_id": 1, "file_name": "1.png", "segments_info": []}]
    assert open_dataset(small).store.status().warnings == []
    small["annotations"] = [{"id": 1, "image_id": 1, "category_id": 1, "caption": "a cat"}]
    assert open_dataset(small).store.status().warnings == []
    small["annotations"], small["categories"] = [{"id": 1, "image_id": 1, "caption": "a cat"}], []
    assert open_dataset(small).store.status().warnings == []


def test_a_size_that_was_given_meanwhile_counts(open_dataset: OpenDataset, small: Fields, dataset_path: Path) -> None:
    small["images"] += [{"id": 8, "file_name": "8.jpg"}, {"id": 9, "file_name": "9.jpg"}]
    manager = open_dataset(small)
    manager.update_image(8, {"width": 10, "height": 10})
    manager.delete_image(1)
    manager.close()
    # From the journal alone, on top of a file that has no size yet.
    assert len(json.loads(dataset_path.read_bytes())["images"]) == 5
    assert open_dataset().store.status().warnings == ["1 image without a width and a height: 9"]


def test_images_of_the_journal_alone_count_too(open_dataset: OpenDataset) -> None:
    manager = open_dataset({})
    manager.add_image({"file_name": "1.jpg", "width": 10, "height": 10})
    manager.close()
    assert open_dataset().store.status().warnings == []
