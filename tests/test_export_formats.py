"""Exports as YOLO and VOC, read by supervision and globox: the same images, boxes, outlines and classes come out."""

from __future__ import annotations

import json
import os
import warnings
from collections import Counter
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
import yaml
from globox import AnnotationSet
from PIL import Image

from cocoannot.coco.parser import read_document
from cocoannot.errors import DatasetError
from cocoannot.exchange.objects import ImageObjects, Reading
from cocoannot.exchange.voc import write_voc
from cocoannot.exchange.yolo import write_yolo

RLE = {"size": [48, 64], "counts": [10 * 48 + 5, 20, 28, 20, 3072 - 10 * 48 - 5 - 68]}
NAMES = ["person", "fire & <smoke>", '日本 "x"', "no: yes\ttab", "null"]
DATASET: dict[str, Any] = {
    "images": [
        {"id": 30, "file_name": "a.jpg", "width": 64, "height": 48},
        {"id": 7, "file_name": "a.png", "width": 64, "height": 48},
        {"id": 12, "file_name": "nothing.jpg", "width": 32, "height": 20},
        {"id": 13, "file_name": "tü & co.jpg", "width": 100, "height": 50},
    ],
    "annotations": [
        {"id": 1, "image_id": 30, "category_id": 90, "bbox": [4, 5, 20, 10], "area": 200, "iscrowd": 0},
        {"id": 2, "image_id": 30, "category_id": 3, "bbox": [10, 5, 2, 20], "segmentation": RLE, "iscrowd": 0},
        {"id": 3, "image_id": 7, "category_id": 17, "bbox": [-10, 30, 30, 40], "area": 1, "iscrowd": 0},
        {
            "id": 4,
            "image_id": 13,
            "category_id": 90,
            "segmentation": [[10, 10, 40, 10, 40, 30], [60, 5, 90, 5, 90, 40]],
        },
        {"id": 5, "image_id": 13, "category_id": 17, "bbox": [1, 1, 90, 45], "segmentation": RLE, "iscrowd": 1},
        {"id": 6, "image_id": 13, "category_id": 17, "bbox": [500, 1, 5, 5], "iscrowd": 0},
        {"id": 7, "image_id": 99, "category_id": 17, "bbox": [5, 1, 5, 5], "iscrowd": 0},
        {"id": 8, "image_id": 13, "category_id": 1000, "bbox": [5, 1, 5, 5], "iscrowd": 0},
        {"id": 9, "image_id": 13, "category_id": 17, "bbox": [5, 1, 0, 5], "iscrowd": 0},
        {"id": 10, "image_id": 13, "category_id": 1, "bbox": [2.25, 3.5, 10.5, 8.25], "iscrowd": 0},
    ],
    "categories": [{"id": number, "name": name} for number, name in zip([90, 3, 17, 1, 44], NAMES, strict=True)],
}
"""Sparse ids out of order, one stem twice, crowds, masks, boxes beyond the image and without extent, orphans."""

Boxes = dict[str, list[tuple[Any, ...]]]

BOXES: Boxes = {
    "a.jpg": [("person", 4, 5, 24, 15), (NAMES[1], 10, 5, 12, 25)],
    "a_2.png": [(NAMES[2], 0, 30, 20, 48)],
    "nothing.jpg": [],
    "tü & co.jpg": [("person", 10, 5, 90, 40), (NAMES[3], 2.25, 3.5, 12.75, 11.75)],
}
"""What is to be there of it as boxes, in pixels: left, top, right, bottom."""

CROWD = (NAMES[2], 1, 1, 91, 46)
LEFT_OUT = {
    "the image is not there": 1,
    "the category is not there": 1,
    "outside the image": 1,
    "no box and no segmentation": 1,
}


def exported(folder: Path, kind: str, dataset: dict[str, Any] = DATASET) -> Reading:
    """Export, with pictures that are as large as they are said to be."""
    reading = Reading(read_document(json.dumps(dataset).encode(), "dataset"))
    pictures = folder / ("JPEGImages" if kind == "voc" else "images")

    def draw(image: ImageObjects) -> None:
        path = pictures / image.name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (int(image.width), int(image.height))).save(path)

    folder.mkdir()
    if kind == "voc":
        write_voc(reading, folder, draw)
    else:
        write_yolo(reading, folder, draw, segments=kind == "yolo-seg")
    return reading


@cache
def supervision() -> Any:
    """The package, imported by who runs these tests alone: that takes a second."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return import_module("supervision")


def read_by_supervision(folder: Path, kind: str) -> Boxes:
    if kind == "voc":
        found = supervision().DetectionDataset.from_pascal_voc(str(folder / "JPEGImages"), str(folder / "Annotations"))
    else:
        data = str(folder / "data.yaml")
        found = supervision().DetectionDataset.from_yolo(str(folder / "images"), str(folder / "labels"), data)
    boxes: Boxes = {}
    for path, _, detections in found:
        ids = [] if detections.class_id is None else detections.class_id.tolist()
        rows = zip(ids, detections.xyxy.tolist(), strict=True)
        boxes[os.path.basename(path)] = [(found.classes[number], *box) for number, box in rows]
    return boxes


def read_by_globox(folder: Path, kind: str) -> Boxes:
    if kind == "voc":
        found = AnnotationSet.from_pascal_voc(folder / "Annotations")
        names = {name: name for name in NAMES}
    else:
        found = AnnotationSet()
        for extension in (".jpg", ".png"):
            labels, pictures = folder / f"labels{extension}", folder / "images"
            labels.mkdir()
            for picture in pictures.glob(f"*{extension}"):
                label = folder / "labels" / f"{picture.stem}.txt"
                (labels / label.name).write_bytes(label.read_bytes())
            found |= AnnotationSet.from_yolo_v5(labels, image_folder=pictures, image_extension=extension)
        names = {str(number): name for number, name in enumerate(NAMES)}
    one = 1 if kind == "voc" else 0
    return {
        image.image_id: [(names[box.label], box.xmin - one, box.ymin - one, box.xmax, box.ymax) for box in image.boxes]
        for image in found
    }


READERS = {"supervision": read_by_supervision, "globox": read_by_globox}


def rounded_out(boxes: Boxes) -> Boxes:
    """In whole pixels, as VOC has them."""
    return {
        name: [(each[0], *np.floor(each[1:3]).tolist(), *np.ceil(each[3:]).tolist()) for each in found]
        for name, found in boxes.items()
    }


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("kind", ["yolo", "voc"])
def test_two_programs_read_the_same_boxes_and_classes(tmp_path: Path, kind: str, reader: str) -> None:
    reading = exported(tmp_path / "out", kind)
    found = READERS[reader](tmp_path / "out", kind)
    expected: Boxes = BOXES
    if kind == "voc":
        expected = rounded_out({**BOXES, "tü & co.jpg": [BOXES["tü & co.jpg"][0], CROWD, BOXES["tü & co.jpg"][1]]})
    assert found.keys() == expected.keys()
    for name, boxes in expected.items():
        assert [box[0] for box in found[name]] == [box[0] for box in boxes]
        assert [box[1:] for box in found[name]] == [pytest.approx(box[1:], abs=1e-3) for box in boxes]
    assert reading.skipped == Counter({**LEFT_OUT, **({} if kind == "voc" else {"crowd": 1})})


def test_outlines_are_one_for_each_object_and_cover_its_mask(tmp_path: Path) -> None:
    folder = tmp_path / "out"
    exported(folder, "yolo-seg")
    found = supervision().DetectionDataset.from_yolo(
        str(folder / "images"), str(folder / "labels"), str(folder / "data.yaml")
    )
    masks: dict[str, Any] = {os.path.basename(path): each.mask for path, _, each in found if len(each)}
    assert {name: len(each) for name, each in masks.items()} == {"a.jpg": 2, "a_2.png": 1, "tü & co.jpg": 2}
    # What is drawn with its border has a pixel more at some sides.
    assert masks["a.jpg"][1].sum() == pytest.approx(40, abs=25)
    parts = masks["tü & co.jpg"][0]
    assert parts[15, 30]
    assert parts[15, 80]
    assert not parts[35, 20]


def test_each_line_of_outlines_is_longer_than_a_box(tmp_path: Path) -> None:
    exported(tmp_path / "out", "yolo-seg")
    lines = [line for path in (tmp_path / "out" / "labels").iterdir() for line in path.read_text().splitlines()]
    assert len(lines) == 5
    assert all(len(line.split()) >= 7 and len(line.split()) % 2 for line in lines)
    assert all(0 <= float(number) <= 1 for line in lines for number in line.split()[1:])


def test_data_yaml_gives_each_class_its_name(tmp_path: Path) -> None:
    exported(tmp_path / "out", "yolo")
    data = yaml.safe_load((tmp_path / "out" / "data.yaml").read_text())
    assert data == {"train": "images.txt", "val": "images.txt", "names": dict(enumerate(NAMES))}
    listed = (tmp_path / "out" / "images.txt").read_text().splitlines()
    assert listed == [f"./images/{name}" for name in BOXES]
    assert all((tmp_path / "out" / path).is_file() for path in listed)


@pytest.mark.parametrize("name", ["\x00\x1f\x85\u2028\ufeff", "\ud83d\ude00", "#", "- a", "", " ", "'", "\\n", "🐈"])
def test_names_of_classes_are_what_yaml_reads(tmp_path: Path, name: str) -> None:
    text = json.dumps({"categories": [{"id": 5, "name": name}]})
    folder = tmp_path / "out"
    folder.mkdir()
    write_yolo(Reading(read_document(text.encode(), "dataset")), folder, lambda _: None, segments=False)
    data = yaml.safe_load((folder / "data.yaml").read_text(encoding="utf-8"))
    assert data["names"] == {0: json.loads(json.dumps(name)).encode("utf-16", "surrogatepass").decode("utf-16") or "5"}


def test_xml_has_no_character_that_xml_has_not(tmp_path: Path) -> None:
    dataset = {
        "images": [{"id": 1, "file_name": "a\x01]]>&lt;.jpg", "width": 9, "height": 9}],
        "categories": [{"id": 1, "name": "\x00\x0b\ufffe<a>&\r\n"}],
        "annotations": [{"id": 1, "image_id": 1, "category_id": 1, "bbox": [0, 0, 9, 9]}],
    }
    exported(tmp_path / "out", "voc", dataset)
    (path,) = (tmp_path / "out" / "Annotations").iterdir()
    root = ElementTree.parse(path).getroot()
    assert root.findtext("object/name") == "\ufffd\ufffd\ufffd<a>&\r\n"
    assert root.findtext("filename") == "a_]]>&lt;.jpg"
    assert [each.text for each in root.find("object/bndbox") or []] == ["1", "1", "9", "9"]


def test_a_crowd_is_difficult_and_what_is_cut_is_truncated(tmp_path: Path) -> None:
    exported(tmp_path / "out", "voc")
    roots = {path.stem: ElementTree.parse(path).getroot() for path in (tmp_path / "out" / "Annotations").iterdir()}
    assert [each.text for each in roots["tü & co"].iter("difficult")] == ["0", "1", "0"]
    assert [each.text for each in roots["a_2"].iter("truncated")] == ["1"]


@pytest.mark.parametrize("kind", ["yolo", "yolo-seg", "voc"])
def test_images_without_a_size_lose_their_boxes_and_it_is_told(tmp_path: Path, kind: str) -> None:
    dataset = {
        **DATASET,
        "images": [{"id": 30, "file_name": "a.jpg", "width": None}],
        "annotations": DATASET["annotations"][:2],
    }
    reading = Reading(read_document(json.dumps(dataset).encode(), "dataset"))
    folder = tmp_path / "out"
    folder.mkdir()
    if kind == "voc":
        assert write_voc(reading, folder, lambda _: None) == {"images": 1, "objects": 0}
    else:
        assert write_yolo(reading, folder, lambda _: None, segments=kind != "yolo") == {"images": 1, "objects": 0}
    assert reading.skipped == {"the image has no width and height": 2}


def test_panoptic_annotations_are_refused(tmp_path: Path) -> None:
    dataset = {"images": [], "annotations": [{"image_id": 1, "segments_info": [{"id": 1}]}], "categories": []}
    with pytest.raises(DatasetError, match="panoptic"):
        exported(tmp_path / "out", "yolo", dataset)
