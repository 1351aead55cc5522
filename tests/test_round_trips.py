"""Files as they are published: read and written byte for byte, each change a change of one record, errors with a place.

What a file must be after a change is worked out here from its text, with Python's own JSON scanner.
"""

from __future__ import annotations

import contextlib
import io
import json
import re
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from conftest import OpenDataset
from pycocotools.coco import COCO

from cocoannot.coco.records import Record, merge
from cocoannot.coco.style import Style
from cocoannot.errors import DatasetError, NotADataset
from cocoannot.manager import DatasetManager
from cocoannot.store.queries import AnnotationQuery, ImageQuery

EVERY_STORE = "torture"

Fields = dict[str, Any]

IMAGES: list[Fields] = [
    {"license": 4, "file_name": "000000397133.jpg", "height": 427, "width": 640, "id": 397133},
    {"license": 1, "file_name": "zoë 東京 😀.jpg", "height": 50, "width": 100, "id": 37777},
    {"license": 4, "file_name": 'a\\b"c/d.jpg', "height": 426, "width": 640, "id": 252219},
]
INFO = {"description": "COCO 2017 «Dataset»", "url": "http://cocodataset.org", "version": "1.0", "year": 2017}
LICENSES = [{"url": "http://creativecommons.org/licenses/by/2.0/", "id": 4, "name": "Attribution License"}]
CATEGORIES: list[Fields] = [
    {"supercategory": "person", "id": 1, "name": "person"},
    {"supercategory": "animal", "id": 18, "name": "dog"},
    {"supercategory": "indoor", "id": 90, "name": "brosse à dents"},
]
BOXED = {"segmentation": [[510.66, 423.01, 511.72, 420.03, 510.45, 416.0]], "bbox": [510.45, 416.0, 1.27, 7.01]}

FLAVOURS: dict[str, Fields] = {
    "instances": {
        "info": INFO,
        "licenses": LICENSES,
        "images": IMAGES,
        "annotations": [
            {**BOXED, "area": 2.9, "iscrowd": 0, "image_id": 397133, "category_id": 18, "id": 1768},
            {
                "segmentation": {"counts": [10, 5, 4985], "size": [50, 100]},
                "area": 5,
                "iscrowd": 1,
                "image_id": 37777,
                "bbox": [0, 10, 1, 5],
                "category_id": 1,
                "id": 900100397133,
            },
            {**BOXED, "area": 2.9, "iscrowd": 0, "image_id": 397133, "category_id": 90, "id": 0},
        ],
        "categories": CATEGORIES,
    },
    "stuff": {
        "images": IMAGES,
        "annotations": [
            {
                "segmentation": {"counts": "o^`15i>3O1N", "size": [427, 640]},
                "area": 15.0,
                "iscrowd": 0,
                "image_id": 397133,
                "bbox": [5.0, 6.0, 7.0, 8.0],
                "category_id": 90,
                "id": number,
            }
            for number in (20000000, 20000001, 20000002)
        ],
        "categories": CATEGORIES,
    },
    "keypoints": {
        "images": IMAGES,
        "categories": [{**CATEGORIES[0], "keypoints": ["nose", "left_eye"], "skeleton": [[1, 2]]}],
        "annotations": [
            {
                **BOXED,
                "num_keypoints": 1,
                "keypoints": [1, 2, 2, 0, 0, 0],
                "image_id": 397133,
                "category_id": 1,
                "id": i,
            }
            for i in (5, 3, 9)
        ],
    },
    "captions": {
        "info": INFO,
        "images": IMAGES,
        "annotations": [
            {"image_id": 397133, "id": 37, "caption": 'A man — "so" he says — is in a kitchen.'},
            {"image_id": 37777, "id": 38, "caption": "Une cuisine…\n\t avec \u007f des oranges"},
            {"image_id": 37777, "id": 49, "caption": ""},
        ],
    },
    "lvis": {
        "images": [{"id": 1, "neg_category_ids": [3, 2], "not_exhaustive_category_ids": [], **IMAGES[0]}],
        "annotations": [{**BOXED, "area": 2.9, "image_id": 1, "category_id": 1, "id": i} for i in (1, 2, 3)],
        "categories": [{"id": 1, "synset": "bed.n.01", "frequency": "f", "name": "bed", "def": "—", "image_count": 1}],
    },
    "panoptic": {
        "images": IMAGES,
        "annotations": [
            {
                "segments_info": [{"id": 3226956, "category_id": 1, "iscrowd": 0, "bbox": [1, 2, 3, 4], "area": 5}],
                "file_name": "000000397133.png",
                "image_id": 397133,
            },
            {"segments_info": [], "file_name": "000000037777.png", "image_id": 37777},
        ],
        "categories": CATEGORIES,
    },
}


def one_record_a_line(dataset: Fields) -> str:
    values = []
    for key, value in dataset.items():
        records = ",\n".join(map(json.dumps, value)) if isinstance(value, list) else ""
        values.append(f'"{key}": ' + (f"[\n{records}\n]" if isinstance(value, list) else json.dumps(value)))
    return "{\n" + ",\n".join(values) + "\n}\n"


def irregular(dataset: Fields) -> str:
    """Another gap before, between and after each two records, within records too."""
    gaps = iter([" , ", ",", ",\n\n", "\t,\r\n  ", ",   "] * 100)
    values = []
    for key, value in dataset.items():
        if isinstance(value, list):
            text = "".join(
                (next(gaps) if i else "") + json.dumps(record, indent=i % 3 or None) for i, record in enumerate(value)
            )
            values.append(f'  "{key}"\n:\t[ {text}\n ]')
        else:
            values.append(f'"{key}":{json.dumps(value)}')
    return " \n{ " + " ,\n".join(values) + "\t} \n \n"


LAYOUTS: dict[str, Callable[[Fields], bytes]] = {
    "compact": lambda dataset: json.dumps(dataset, separators=(",", ":")).encode(),
    "spaced": lambda dataset: json.dumps(dataset).encode(),
    "not ASCII": lambda dataset: json.dumps(dataset, ensure_ascii=False).encode(),
    "indented": lambda dataset: json.dumps(dataset, indent=4, ensure_ascii=False).encode() + b"\n",
    "indented by tabs": lambda dataset: json.dumps(dataset, indent="\t").encode(),
    "CRLF": lambda dataset: json.dumps(dataset, indent=2).replace("\n", "\r\n").encode() + b"\r\n",
    "BOM": lambda dataset: b"\xef\xbb\xbf" + json.dumps(dataset, indent=2, ensure_ascii=False).encode(),
    "one record a line": lambda dataset: one_record_a_line(dataset).encode(),
    "irregular": lambda dataset: irregular(dataset).encode(),
    "more keys": lambda dataset: json.dumps(
        {"type": "instances", "scene": {"images": [{"id": 1}]}}
        | {key: value for pair in dataset.items() for key, value in ((f"before_{pair[0]}", None), pair)}
        | {"videos": [], "annotations_": [1, [2]], "": {}}
    ).encode(),
}

ODD_FILES = {
    "an empty object": b"{}",
    "an empty object with spaces": b"\n { \n } \n",
    "an empty object after a BOM": b"\xef\xbb\xbf{}\n",
    "empty sections": b'{"images":[], "annotations": [ ],"categories": [\n]}',
    "null sections": b'{"images": null, "annotations":null,"categories": null}',
    "no annotations": b'{"images": [{"id": 1}]}',
    "sections among others": b'{"x": [{"id": 1}], "categories": [ {"id": 1} ] ,"y": "]", "annotations": [\n'
    b'{"id": 1},\n{"id": 2}], "images": [], "z": {"images": [{"id": 2}]}}',
    "no images": b'{"annotations": [{"id": 1, "image_id": 1}] }',
    "only others": b'{"info": {"a": [1, 2, {"b": null}]}, "images": null, "x": -1.5e-7}',
    "repeated ids": b'{"annotations": [{"id": 1, "n": 1}, {"id": 1, "n": 2},{"id":1}]}',
    "floats for ids": b'{"images": [{"id": 7.0}], "annotations": [{"id": 1.0, "image_id": 7.0, "category_id": 1e0}]}',
    "other types": b'{"annotations": [{"id": 1, "iscrowd": null}, {"id": 2, "iscrowd": true}], "images": '
    b'[{"id": 1, "file_name": null}, {"id": 2, "file_name": 5}], "categories": [{"id": 3, "name": [1]}]}',
    "an escaped key": b'{"im\\u0061ges": [{"\\u0069d": 1}]}',
    "a negative id": b'{"images": [{"id": -5}]}',
    "the largest id but one": b'{"images": [{"id": 9007199254740990}, {"id": 0}]}',
}


@pytest.fixture(params=LAYOUTS)
def layout(request: pytest.FixtureRequest) -> Callable[[Fields], bytes]:
    return LAYOUTS[request.param]


@pytest.fixture(params=FLAVOURS)
def flavour(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


def text_of(manager: DatasetManager) -> bytes:
    return b"".join(manager.store.export().blocks)


def record_spans(data: bytes, section: str) -> list[tuple[int, int]]:
    """Where the records of a section stand in a file, in bytes, found by Python's JSON scanner."""
    text = data.decode()
    scan = json.JSONDecoder().raw_decode
    skip = "\ufeff \t\r\n"

    def after(position: int, more: str = "") -> int:
        while text[position] in skip + more:
            position += 1
        return position

    position = after(0) + 1
    while True:
        key, position = scan(text, after(position, ","))
        position = after(position, ":")
        if key == section:
            break
        _, position = scan(text, position)
    spans = []
    position += 1
    while text[after(position, ",")] != "]":
        start = after(position, ",")
        _, position = scan(text, start)
        spans.append((len(text[:start].encode()), len(text[:position].encode())))
    return spans


def without(data: bytes, section: str, index: int) -> bytes:
    """The file without one record, and without the gap before it (after it for the first)."""
    spans = record_spans(data, section)
    start = spans[index - 1][1] if index else spans[0][0]
    end = spans[index][1] if index or len(spans) == 1 else spans[1][0]
    return data[:start] + data[end:]


def with_record(dataset: Fields, index: int, record: Fields) -> Fields:
    """The dataset with another annotation at `index`, a new one where that is behind the last."""
    annotations = dataset["annotations"]
    return dataset | {"annotations": [*annotations[:index], record, *annotations[index + 1 :]]}


def test_scanner_of_these_tests_finds_the_records(layout: Callable[[Fields], bytes]) -> None:
    data = layout(FLAVOURS["instances"])
    for section in ("images", "annotations", "categories"):
        records = [json.loads(data[start:end]) for start, end in record_spans(data, section)]
        assert records == FLAVOURS["instances"][section]
    assert json.loads(without(data, "images", 1).decode("utf-8-sig"))["images"] == [IMAGES[0], IMAGES[2]]


# Nothing changed


def test_file_comes_back_byte_for_byte(
    open_dataset: OpenDataset, flavour: str, layout: Callable[[Fields], bytes]
) -> None:
    data = layout(FLAVOURS[flavour])
    manager = open_dataset(data)
    assert text_of(manager) == data
    for section in ("images", "annotations", "categories"):
        records = FLAVOURS[flavour].get(section, [])
        assert manager.counts()[section] == len(records)
    assert [dict(record) for record in manager.get_images()] == FLAVOURS[flavour]["images"]
    assert [dict(record) for record in manager.get_annotations()] == FLAVOURS[flavour]["annotations"]


@pytest.mark.parametrize("data", ODD_FILES.values(), ids=ODD_FILES)
def test_odd_file_comes_back_byte_for_byte(open_dataset: OpenDataset, data: bytes) -> None:
    manager = open_dataset(data)
    assert text_of(manager) == data
    assert manager.store.status().size == len(data)


@pytest.mark.parametrize("data", ODD_FILES.values(), ids=ODD_FILES)
def test_odd_file_can_be_added_to(open_dataset: OpenDataset, dataset_path: Path, data: bytes) -> None:
    manager = open_dataset(data)
    counts = manager.counts()
    image = manager.add_image({"file_name": "new.jpg", "width": 3, "height": 3})
    category = manager.add_category({"name": "new"})
    manager.add_annotation({"image_id": image["id"], "category_id": category["id"], "bbox": [0, 0, 1, 1]})
    manager.save()
    before, after = (json.loads(text.decode("utf-8-sig")) for text in (data, dataset_path.read_bytes()))
    for section, count in counts.items():
        assert after[section][:-1] == (before.get(section) or [])
        assert len(after[section]) == count + 1
    others = set(before) - {"images", "annotations", "categories"}
    assert {key: after[key] for key in others} == {key: before[key] for key in others}
    assert text_of(open_dataset()) == dataset_path.read_bytes()


@pytest.mark.parametrize("data", ODD_FILES.values(), ids=ODD_FILES)
def test_records_that_come_and_go_leave_no_trace(open_dataset: OpenDataset, data: bytes) -> None:
    manager = open_dataset(data)
    image = manager.add_image({"file_name": "new.jpg", "width": 3, "height": 3})
    category = manager.add_category({"name": "new"})
    manager.add_annotation({"image_id": image["id"], "category_id": category["id"], "bbox": [0, 0, 1, 1]})
    manager.delete_image(image["id"])
    manager.delete_category(category["id"])
    assert text_of(manager) == data


# One record changed

# Each layout with one flavour, and each flavour with one layout.
EDITED = [("instances", layout) for layout in LAYOUTS]
EDITED += [(flavour, "indented") for flavour in ("stuff", "keypoints", "captions", "lvis")]


@pytest.mark.parametrize("index", [0, 1, 2], ids=["first", "middle", "last"])
@pytest.mark.parametrize(("name", "layout"), EDITED, indirect=["layout"])
def test_edit_changes_one_record_and_no_other_byte(
    open_dataset: OpenDataset, dataset_path: Path, name: str, layout: Callable[[Fields], bytes], index: int
) -> None:
    data = layout(FLAVOURS[name])
    original = FLAVOURS[name]["annotations"][index]
    manager = open_dataset(data)
    record = manager.update_annotation(original["id"], {"note": "ñ"})
    assert record is not None
    assert json.loads(record.text) == original | {"note": "ñ"}
    start, end = record_spans(data, "annotations")[index]
    manager.save()
    assert dataset_path.read_bytes() == data[:start] + record.text + data[end:]
    assert dataset_path.read_bytes() == layout(with_record(FLAVOURS[name], index, original | {"note": "ñ"}))


@pytest.mark.parametrize("index", [0, 1, 2], ids=["first", "middle", "last"])
@pytest.mark.parametrize(("name", "layout"), EDITED, indirect=["layout"])
def test_deletion_takes_one_record_and_its_gap_and_no_other_byte(
    open_dataset: OpenDataset, dataset_path: Path, name: str, layout: Callable[[Fields], bytes], index: int
) -> None:
    data = layout(FLAVOURS[name])
    manager = open_dataset(data)
    assert manager.delete_annotation(FLAVOURS[name]["annotations"][index]["id"]) is True
    manager.save()
    assert dataset_path.read_bytes() == without(data, "annotations", index)


@pytest.mark.parametrize(("name", "layout"), EDITED, indirect=["layout"])
def test_addition_stands_behind_the_last_record_and_changes_no_other_byte(
    open_dataset: OpenDataset, dataset_path: Path, name: str, layout: Callable[[Fields], bytes]
) -> None:
    data = layout(FLAVOURS[name])
    manager = open_dataset(data)
    image_id = FLAVOURS[name]["images"][0]["id"]
    categories = [{"category_id": each["id"], "bbox": [1, 2, 3, 4]} for each in FLAVOURS[name].get("categories", [])]
    fields = {"image_id": image_id, **(categories[0] if categories else {})}
    records = [manager.add_annotation({**fields, "caption": text}) for text in ("one", "two")]
    (_, first), (second, _), (_, end) = record_spans(data, "annotations")
    gap = data[first:second]
    manager.save()
    added = b"".join(gap + record.text for record in records)
    assert dataset_path.read_bytes() == data[:end] + added + data[end:]


# How a record is written


@pytest.mark.parametrize("index", [0, 1, 2], ids=["first", "middle", "last"])
def test_other_category_is_the_only_difference_to_the_file(
    open_dataset: OpenDataset, layout: Callable[[Fields], bytes], index: int
) -> None:
    data = layout(FLAVOURS["instances"])
    original = FLAVOURS["instances"]["annotations"][index]
    manager = open_dataset(data)
    # 90 is found in each record nowhere else; 18 and 1 are.
    other = 90 if original["category_id"] != 90 else 18
    manager.update_annotation(original["id"], {"category_id": other})
    start, end = record_spans(data, "annotations")[index]
    changed = re.sub(rb'("category_id":\s*)\d+', rb"\g<1>%d" % other, data[start:end])
    assert text_of(manager) == data[:start] + changed + data[end:]


@pytest.mark.parametrize("index", [0, 1, 2], ids=["first", "middle", "last"])
def test_changed_record_is_as_the_writer_of_the_file_would_write_it(
    open_dataset: OpenDataset, layout: Callable[[Fields], bytes], index: int
) -> None:
    original = FLAVOURS["instances"]["annotations"][index]
    manager = open_dataset(layout(FLAVOURS["instances"]))
    polygon = {"segmentation": [[1.5, 1, 5, 1, 5, 5.25]], "note": {"a, b": [], "c: d": [1, [2]], "ñ": "😀"}}
    record = manager.update_annotation(original["id"], polygon)
    assert record is not None
    saved = text_of(manager)
    assert json.loads(saved.decode("utf-8-sig"))["annotations"][index] == dict(record)
    if layout is not LAYOUTS["irregular"]:
        assert saved == layout(with_record(FLAVOURS["instances"], index, dict(record)))


@pytest.mark.parametrize("layout", [name for name in LAYOUTS if name != "irregular"], indirect=True)
def test_new_records_are_as_the_writer_of_the_file_would_write_them(
    open_dataset: OpenDataset, layout: Callable[[Fields], bytes]
) -> None:
    dataset = FLAVOURS["instances"]
    manager = open_dataset(layout(dataset))
    fields = {
        "image_id": 37777,
        "category_id": 18,
        "segmentation": [[1.5, 1, 5, 1, 5, 5.25]],
        "note": 'ñ 😀 "a": [], 1',
    }
    annotation = manager.add_annotation(fields)
    image = manager.add_image({"file_name": "東京.jpg", "width": 5, "height": 5})
    category = manager.add_category({"name": "brosse à dents 2", "keypoints": [], "x": {}})
    added = {"images": image, "annotations": annotation, "categories": category}
    assert text_of(manager) == layout({**dataset, **{key: [*dataset[key], dict(new)] for key, new in added.items()}})


# The layouts whose record separators and empty lists tell nothing else.
REGULAR = ["compact", "spaced", "not ASCII", "indented", "indented by tabs", "CRLF", "BOM"]


@pytest.mark.parametrize("layout", REGULAR, indirect=True)
@pytest.mark.parametrize("images", [IMAGES, IMAGES[:1], []], ids=["images", "one image", "no records"])
def test_first_records_of_a_section_are_as_the_writer_of_the_file_would_write_them(
    open_dataset: OpenDataset, layout: Callable[[Fields], bytes], images: list[Fields]
) -> None:
    dataset: Fields = {"info": INFO, "licenses": [], "images": images, "annotations": [], "categories": []}
    manager = open_dataset(layout(dataset))
    categories = [dict(manager.add_category({"name": name})) for name in ("one", "tö")]
    image = dict(manager.add_image({"file_name": "a.jpg", "width": 5, "height": 5}))
    expected = layout({**dataset, "images": [*images, image], "categories": categories})
    assert text_of(manager) == expected


@pytest.mark.parametrize(
    ("data", "changed", "added"),
    [
        (b'[{"id":1,"a": "b"}]', b'{"id":1,"a": "x, y: z"}', b',{"id":2,"file_name":"n","width":1,"height":1}'),
        (
            b'[{ "id" : 1 }]',
            b'{ "id" : 1, "a" : "x, y: z" }',
            b', {"id": 2, "file_name": "n", "width": 1, "height": 1}',
        ),
        (b'[{"id": 1,"a": []}]', b'{"id": 1,"a": "x, y: z"}', b',{"id": 2,"file_name": "n","width": 1,"height": 1}'),
        (b'[{"id":1, "a":1}]', b'{"id":1, "a":"x, y: z"}', b', {"id":2, "file_name":"n", "width":1, "height":1}'),
        (b'[{"id": 1, "\\u0061":  3}]', b'{"id": 1, "\\u0061":  "x, y: z"}', None),
        (b'[{"\\"":[1,2], "id": 1, "a": 1}]', b'{"\\"":[1,2], "id": 1, "a": "x, y: z"}', None),
        (b'[{"a": 1, "id": 1, "a": 2}]', b'{"a": "x, y: z", "id": 1}', None),
        (b'[{"a": 55, "id": 1, "a": 5}]', b'{"a": "x, y: z", "id": 1}', None),
        (
            b'[\n  {\n    "id": 1,\n    "bbox": [1, 2]\n  }]',
            b'{\n    "id": 1,\n    "bbox": [1, 2],\n    "a": "x, y: z"\n  }',
            b',\n  {"id": 2, "file_name": "n", "width": 1, "height": 1}',
        ),
    ],
    ids=[
        "uneven",
        "padded",
        "colons",
        "commas",
        "escaped key",
        "quoted key",
        "repeated key",
        "key repeated with a part of its value",
        "lists on one line",
    ],
)
def test_record_in_an_uncommon_style_keeps_it(
    open_dataset: OpenDataset, data: bytes, changed: bytes, added: bytes | None
) -> None:
    manager = open_dataset(b'{"images": %b}' % data)
    record = manager.update_image(1, {"a": "x, y: z"})
    assert record is not None
    assert record.text == changed
    if added is not None:
        manager.add_image({"file_name": "n", "width": 1, "height": 1})
        assert text_of(manager) == b'{"images": %b}' % data.replace(data.strip(b"[] \n"), changed + added)


@pytest.mark.parametrize(
    ("data", "changes", "expected"),
    [
        (b'{ "a":1,  "id": 1,"b" :2 }', {"a": None}, b'{ "id": 1,"b" :2 }'),
        (b'{ "a":1,  "id": 1,"b" :2 }', {"b": None}, b'{ "a":1,  "id": 1 }'),
        (b'{ "a":1,  "id": 1,"b" :2 }', {"a": None, "b": None, "c": [1, 2]}, b'{ "id": 1,"c" :[1, 2] }'),
        (b'{"a":\n1, "id": 1}', {"a": [1, 2], "c": 0}, b'{"a":\n[1, 2], "id": 1, "c": 0}'),
    ],
)
def test_fields_come_and_go_in_an_uneven_record(
    open_dataset: OpenDataset, data: bytes, changes: Fields, expected: bytes
) -> None:
    manager = open_dataset(b'{"images": [{"id": 7, "x": 1}, %b]}' % data)
    record = manager.update_image(1, changes)
    assert record is not None
    assert record.text == expected


def test_record_on_one_line_stays_there_in_a_file_with_indented_ones(open_dataset: OpenDataset) -> None:
    manager = open_dataset(b'{"images": [\n{\n  "id": 7,\n  "x": 1\n},\n{"id": 1, "a": 1}]}')
    record = manager.update_image(1, {"a": [1, 2], "b": {"c": 1}})
    assert record is not None
    assert record.text == b'{"id": 1, "a": [1, 2], "b": {"c": 1}}'
    other = manager.update_image(7, {"x": [1, 2]})
    assert other is not None
    assert other.text == b'{\n  "id": 7,\n  "x": [\n    1,\n    2\n  ]\n}'


@pytest.mark.parametrize(
    "odd", ["", ":", ":x", "x:", ",", ",:", "[", "{", "{:", '"', '":', "\\", "\\:", " ", "x y", ": "]
)
@pytest.mark.parametrize("separators", [(",", ": "), (", ", ":"), (", ", ": "), (",", ":")])
def test_texts_that_look_like_separators_stay_as_they_are(odd: str, separators: tuple[str, str]) -> None:
    style = Style(separators[0].encode(), separators[1].encode())
    for value in (odd, [odd, odd], {odd: odd}, {"a": odd, odd: [odd, {odd: 1, "b": [1, odd]}]}):
        assert style.encode(value) == json.dumps(value, separators=separators).encode()


def test_record_may_lose_all_of_its_fields() -> None:
    assert merge(b'{ "a":1,  "b": 2}', {"a": None, "b": None}) == b"{}"
    assert merge(b'{"a":1}', {"a": None}) == b"{}"


def test_text_is_escaped_where_the_file_is_ascii_and_only_there(open_dataset: OpenDataset) -> None:
    name = 'zoë "東京" 😀\x7f'
    for data, written in (
        (b'{"images": [{"id": 1, "file_name": "a"}]}', rb'"zo\u00eb \"\u6771\u4eac\" \ud83d\ude00' + b'\x7f"'),
        (
            b'\xef\xbb\xbf{"images": [{"id": 1, "file_name": "a"}]}',
            rb'"zo\u00eb \"\u6771\u4eac\" \ud83d\ude00' + b'\x7f"',
        ),
        ('{"images": [{"id": 1, "file_name": "ä"}]}'.encode(), '"zoë \\"東京\\" 😀\x7f"'.encode()),
    ):
        manager = open_dataset(data)
        changed = manager.update_image(1, {"file_name": name})
        added = manager.add_image({"file_name": f"2 {name}", "width": 1, "height": 1, "ñ": 1})
        assert changed is not None
        assert changed.text == b'{"id": 1, "file_name": %b}' % written
        assert b'"file_name": "2 %b' % written[1:] in added.text
        assert (changed["file_name"], added["file_name"], added["ñ"]) == (name, f"2 {name}", 1)
        assert text_of(manager).isascii() == data.isascii()
        assert manager.store.find(ImageQuery(file_name="東京")).total == 2
        manager.save()
        assert [dict(record) for record in open_dataset().get_images()] == [dict(changed), dict(added)]


@pytest.mark.parametrize("section", ["images", "annotations", "categories"])
def test_every_section_can_be_edited_emptied_and_filled_again(
    open_dataset: OpenDataset, dataset_path: Path, section: str, layout: Callable[[Fields], bytes]
) -> None:
    dataset: Fields = {"images": IMAGES, "annotations": [], "categories": CATEGORIES, "end": 1}
    dataset |= {"annotations": FLAVOURS["captions"]["annotations"]} if section == "annotations" else {}
    data = layout(dataset)
    manager = open_dataset(data)
    methods: dict[str, tuple[Callable[[int, Fields], Record | None], Callable[[int], object]]] = {
        "images": (manager.update_image, manager.delete_image),
        "annotations": (manager.update_annotation, manager.delete_annotation),
        "categories": (manager.update_category, manager.delete_category),
    }
    update, delete = methods[section]
    first, middle, last = (record["id"] for record in dataset[section])
    edited = update(middle, {"note": 1})
    assert edited is not None
    delete(first)
    delete(last)
    spans = record_spans(data, section)
    assert text_of(manager) == data[: spans[0][0]] + edited.text + data[spans[-1][1] :]
    delete(middle)
    assert text_of(manager) == data[: spans[0][0]] + data[spans[-1][1] :]
    manager.save()
    again = open_dataset()
    assert again.counts()[section] == 0
    if section == "images":
        added = again.add_image({"file_name": "x", "width": 1, "height": 1})
    elif section == "categories":
        added = again.add_category({"name": "x"})
    else:
        added = again.add_annotation({"image_id": 37777, "category_id": 18, "caption": "x"})
    again.save()
    saved = json.loads(dataset_path.read_bytes().decode("utf-8-sig"))
    assert saved == json.loads(data.decode("utf-8-sig")) | {section: [dict(added)]}


def test_single_record_of_a_compact_and_of_an_indented_file_gets_a_neighbour(open_dataset: OpenDataset) -> None:
    manager = open_dataset(b'{"images":[{"id":1}],"categories":[\r\n  {"id":1}\r\n]}')
    image = manager.add_image({"file_name": "x", "width": 1, "height": 1})
    category = manager.add_category({"name": "x"})
    assert text_of(manager) == (
        b'{"images":[{"id":1},%b],"categories":[\r\n  {"id":1},\r\n  %b\r\n]}' % (image.text, category.text)
    )


def test_section_that_is_missing_goes_to_the_end_of_the_object(open_dataset: OpenDataset) -> None:
    manager = open_dataset(b'\xef\xbb\xbf{\n  "annotations": [], "info": {"a": "}"}\n}\n')
    image = manager.add_image({"file_name": "}", "width": 1, "height": 1})
    category = manager.add_category({"name": "}"})
    assert text_of(manager) == (
        b'\xef\xbb\xbf{\n  "annotations": [], "info": {"a": "}"}, "images": [%b], "categories": [%b]\n}\n'
        % (image.text, category.text)
    )


@pytest.mark.parametrize(("name", "layout"), [*EDITED, ("panoptic", "indented")], indirect=["layout"])
def test_saved_file_loads_in_pycocotools(
    open_dataset: OpenDataset, dataset_path: Path, name: str, layout: Callable[[Fields], bytes]
) -> None:
    manager = open_dataset(layout(FLAVOURS[name]))
    image = manager.add_image({"file_name": "new.jpg", "width": 20, "height": 10})
    if name != "panoptic":
        polygon = {"image_id": image["id"], "caption": "new", "segmentation": [[1, 1, 5, 1, 5, 5]], "iscrowd": 0}
        category_id = FLAVOURS[name].get("categories", [{"id": None}])[0]["id"]
        manager.add_annotation({**polygon, "category_id": category_id})
        manager.delete_annotation(FLAVOURS[name]["annotations"][0]["id"])
    manager.save()
    text = dataset_path.read_bytes().decode("utf-8-sig")  # pycocotools itself does not take a byte order mark
    dataset_path.write_text(text, encoding="utf-8")
    with contextlib.redirect_stdout(io.StringIO()):
        coco = COCO() if name == "panoptic" else COCO(str(dataset_path))
        coco.dataset = json.loads(text)
        if name != "panoptic":
            coco.createIndex()
            (annotation,) = coco.loadAnns(coco.getAnnIds(imgIds=[image["id"]]))
            assert coco.annToRLE(annotation)["size"] == [10, 20]
            assert annotation["bbox"] == [1, 1, 4, 4]
    assert [record["id"] for record in coco.dataset["images"]][-1] == image["id"]
    assert len(coco.dataset["annotations"]) == manager.counts()["annotations"]


# Large files: read in pieces of some thousand records


@pytest.mark.parametrize("odd", [0, 4095, 4096, 5000, 8999], ids=lambda odd: f"odd gap at {odd}")
def test_large_file_with_one_odd_gap_comes_back_byte_for_byte(open_dataset: OpenDataset, odd: int) -> None:
    records = [b'{"id": %d, "image_id": %d, "caption": "%b"}' % (i, i % 7, b"x" * (i % 5)) for i in range(1, 9001)]
    gaps = [b", "] * 9000
    gaps[odd] = b" ,\n "
    listed = b"".join(record + gap for record, gap in zip(records, gaps, strict=True)).rstrip(b", \n")
    data = b'{"annotations": [' + listed + b"]}"
    manager = open_dataset(data)
    assert text_of(manager) == data
    assert [record.text for record in manager.get_annotations()] == records
    for i in (1, odd, odd + 1, min(odd + 2, 9000), 9000):
        record = manager.get_annotation(i)
        assert record is None if i == 0 else record is not None and record.text == records[i - 1]
    assert manager.store.find(AnnotationQuery(image_id=3)).texts == records[2::7]


@pytest.mark.parametrize("odd", [4095, 4096, 5000])
def test_large_file_with_an_odd_gap_is_changed_record_by_record(open_dataset: OpenDataset, odd: int) -> None:
    records = [b'{"id": %d}' % i for i in range(9000)]
    data = b'{"images": [' + b", ".join(records[:odd]) + b" ,\n" + b", ".join(records[odd:]) + b"]}"
    manager = open_dataset(data)
    manager.delete_image(odd - 1)
    assert text_of(manager) == data.replace(b', {"id": %d}' % (odd - 1), b"")
    manager.delete_image(odd)
    assert text_of(manager) == data.replace(b', {"id": %d} ,\n{"id": %d}' % (odd - 1, odd), b"")


def test_large_record_that_is_odd_is_read_and_a_bad_one_is_named(open_dataset: OpenDataset) -> None:
    records = [{"id": i, "file_name": f"{i}.jpg"} for i in range(10_000)]
    records[9000]["id"] = 9000.0
    manager = open_dataset({"images": records})
    assert manager.store.find(ImageQuery(file_name="9000")).total == 1
    assert manager.get_image(9000) is not None
    records[9000]["id"] = "9000"
    with pytest.raises(DatasetError, match=r"images\[9000\]: 'id' is '9000', which is no integer"):
        open_dataset({"images": records})


# What can't be kept


ANNOTATION = '{"annotations": [{"id": 1}, %s]}'
DEEP = "[" * 100_000 + "]" * 100_000

ERRORS: dict[str, tuple[str | bytes, str]] = {
    "an empty file": (b"", "the file is empty"),
    "white space": (b" \n", "the file is empty"),
    "a BOM": (b"\xef\xbb\xbf", "the file is empty"),
    "no JSON": (b'{"images": [x]}', "not JSON: .*byte 12"),
    "no JSON after a BOM": (b'\xef\xbb\xbf{"images": [x]}', "not JSON: .*byte 15"),
    "cut off": (b'{"images": [{"id": 1}, {"i', "not JSON: .*truncated"),
    "two values": (b"{} {}", "not JSON: .*trailing characters"),
    "a list": (b"[]", "not a COCO file: expected `object`, got `array`"),
    "a number": (b"5", "not a COCO file: expected `object`, got `int`"),
    "NaN": (ANNOTATION % '{"id": 2, "area": NaN}', "byte 46.*: NaN and Infinity are not JSON"),
    "Infinity": (ANNOTATION % '{"id": 2, "area": Infinity}', "byte 46.*: NaN and Infinity are not JSON"),
    "-Infinity": (ANNOTATION % '{"id": 2, "area": -Infinity}', "byte 47.*: NaN and Infinity are not JSON"),
    "NaN after a BOM": (b'\xef\xbb\xbf{"x": NaN}', "byte 9.*: NaN and Infinity are not JSON"),
    "not UTF-8": (b'{"info": "\xe4"}', r"not UTF-8 at byte 10 \(.*\); convert"),
    "not UTF-8 in a record": (b'{"images": [{"id": 1, "x": "\xff"}]}', "not UTF-8 at byte 28"),
    "not UTF-8 after a megabyte": (b'{"x": "' + "ä".encode() * 700_000 + b'\xc3"}', "not UTF-8 at byte 1400007"),
    "not UTF-8 across a megabyte": (b'{"' + b"a" * ((1 << 20) - 3) + b'\xc3"}', "not UTF-8 at byte 1048575"),
    "UTF-16": ('{"info": "ä"}'.encode("utf-16"), "not UTF-8 at byte 0"),
    "cut off in a character": (b'{"info": "\xc3', "not UTF-8 at byte 10"),
    "a repeated key": (b'{"images": [], "x": 1, "images": []}', "the top-level key 'images' is there twice"),
    "a repeated key, escaped": (b'{"images": [], "im\\u0061ges": []}', "the top-level key 'images' is there twice"),
    "a repeated key with records": (b'{"images": [{"id": 1}], "images": [{"id": 2}]}', "'images' is there twice"),
    "a repeated key after others": (b'{"images": [{"id": 1}], "x": 1, "images": null, "x": 2}', "'images' is there"),
    "a repeated key before an object": (b'{"x": 1, "x": 2, "images": {}}', "'x' is there twice"),
    "a repeated other key": (b'{"x": 1, "x": 1}', "the top-level key 'x' is there twice"),
    "a section that is an object": (b'{"images": {}}', "'images' must be a list of records"),
    "a section that is a text": (b'{"categories": "[]"}', "'categories' must be a list of records"),
    "an object after a bad record": (b'{"categories": {}, "images": [{}]}', r"images\[0\]: has no 'id'"),
    "an object before a bad value": (b'{"images": {}, "annotations": [{"id": 1}], "x": tru}', "not JSON: .*byte 49"),
    "a number for a record": (ANNOTATION % "5", r"annotations\[1\]: .*expected `object`, got `int`"),
    "a list for a record": (ANNOTATION % "[]", r"annotations\[1\]: .*expected `object`, got `array`"),
    "null for a record": (ANNOTATION % "null", r"annotations\[1\]: .*expected `object`, got `null`"),
    "no id": (ANNOTATION % '{"image_id": 1}', r"annotations\[1\]: has no 'id'"),
    "null for an id": (ANNOTATION % '{"id": null}', r"annotations\[1\]: has no 'id'"),
    "no id of an image": ('{"images": [{}]}', r"images\[0\]: has no 'id'"),
    "no id of a category": ('{"categories": [{"name": "x"}]}', r"categories\[0\]: has no 'id'"),
    "a text for an id": (ANNOTATION % '{"id": "2"}', r"annotations\[1\]: 'id' is '2', which is no integer"),
    "true for an id": (ANNOTATION % '{"id": true}', r"annotations\[1\]: 'id' is True, which is no integer"),
    "a fraction for an id": (ANNOTATION % '{"id": 2.5}', r"annotations\[1\]: 'id' is 2.5, which is no integer"),
    "a list for an id": (ANNOTATION % '{"id": [2]}', r"annotations\[1\]: 'id' is \[2\], which is no integer"),
    "too large an id": (ANNOTATION % '{"id": 9007199254740992}', r"annotations\[1\]: 'id' is 9007199254740992; ids go"),
    "too small an id": (ANNOTATION % f'{{"id": -{2**63}}}', rf"annotations\[1\]: 'id' is -{2**63}; ids go up to"),
    "an id beyond 64 bits": (ANNOTATION % f'{{"id": {2**64}}}', rf"annotations\[1\]: 'id' is {2**64}; ids go up to"),
    "an id of 400 digits": (ANNOTATION % f'{{"id": {"9" * 400}}}', r"annotations\[1\]: 'id' is 9{60}; ids go up to"),
    "an id of 9000 digits": (ANNOTATION % f'{{"id": {"9" * 9000}}}', r"annotations\[1\]: .*out of range"),
    "a huge float for an id": (ANNOTATION % '{"id": 1e300}', r"annotations\[1\]: 'id' is 1e\+300; ids go up to"),
    "a text for an image_id": (ANNOTATION % '{"id": 2, "image_id": "1"}', r"annotations\[1\]: 'image_id' is '1'"),
    "too large an image_id": (ANNOTATION % '{"id": 2, "image_id": 9007199254740992}', r"\[1\]: 'image_id' is 90071"),
    "a fraction for a category_id": (ANNOTATION % '{"id": 2, "category_id": 0.5}', r"\[1\]: 'category_id' is 0.5"),
    "half a surrogate pair": (ANNOTATION % r'{"id": 2, "x": "a\ud83d b"}', "surrogate pair .* stands alone at byte 45"),
    "the other half": (ANNOTATION % r'{"id": 2, "x": "\\\ude00"}', "surrogate pair .* stands alone at byte 46"),
    "half a pair in a name": (r'{"images": [{"id": 1, "file_name": "\ud83d\ud83d"}]}', "stands alone at byte 36"),
    "half a pair in a key": (r'{"\ud83d": 1}', "stands alone at byte 2"),
    "half a pair after a BOM": (b'\xef\xbb\xbf{"x": "\\uDFFF"}', "stands alone at byte 10"),
    "nested too deep": (f'{{"info": {DEEP}}}', "nested too deep"),
    "a record nested too deep": (ANNOTATION % f'{{"id": 2, "x": {DEEP}}}', "nested too deep"),
}


@pytest.mark.parametrize(("data", "message"), ERRORS.values(), ids=ERRORS)
def test_file_that_can_not_be_kept_is_refused_in_one_line_with_file_and_place(
    open_dataset: OpenDataset, dataset_path: Path, data: str | bytes, message: str
) -> None:
    with pytest.raises(DatasetError, match=message) as caught:
        open_dataset(data)
    line = str(caught.value)
    assert line.startswith(f"{dataset_path}: ")
    assert "\n" not in line
    # A copy is offered only where one can be made.
    assert (f"`flask check {dataset_path} --fix OUT`" in line) != isinstance(caught.value, NotADataset)
    assert len(line) < 2 * len(str(dataset_path)) + 260


def test_pair_of_surrogates_and_an_escaped_backslash_are_fine(open_dataset: OpenDataset) -> None:
    data = rb'{"images": [{"id": 1, "file_name": "\ud83d\ude00 \\ud83d"}]}'
    manager = open_dataset(data)
    assert manager.store.find(ImageQuery(file_name="😀 \\ud83d")).total == 1
    assert text_of(manager) == data


# Ids


def test_whole_floats_count_as_the_integers_that_they_are(open_dataset: OpenDataset) -> None:
    manager = open_dataset(ODD_FILES["floats for ids"])
    record = manager.get_annotation(1)
    assert record is not None
    assert record.text == b'{"id": 1.0, "image_id": 7.0, "category_id": 1e0}'
    assert manager.get_annotations_by_image(7) == [record]
    assert manager.get_next_image_id() == 8


def test_ids_above_32_bits_and_zero_are_found_and_counted_on(open_dataset: OpenDataset) -> None:
    manager = open_dataset(FLAVOURS["instances"])
    for annotation_id in (900100397133, 0):
        record = manager.get_annotation(annotation_id)
        assert record is not None
        assert record["id"] == annotation_id
    assert manager.get_next_annotation_id() == 900100397134


def test_repeated_ids_are_kept_in_order_and_told(
    open_dataset: OpenDataset, caplog: pytest.LogCaptureFixture, dataset_path: Path
) -> None:
    manager = open_dataset({"annotations": [{"id": i, "n": n} for n, i in enumerate([5, 3, 5, 3, 5, 9])]})
    assert [record["n"] for record in manager.get_annotations()] == list(range(6))
    warnings = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert warnings[0] == f"{dataset_path}: 2 annotation ids there more than once: 3, 5; kept as it is"
    manager.delete_annotation(9)
    manager.save()
    assert [record["n"] for record in json.loads(dataset_path.read_bytes())["annotations"]] == list(range(5))


def test_blocks_are_of_a_size_that_neither_wastes_calls_nor_holds_up_others(open_dataset: OpenDataset) -> None:
    manager = open_dataset({"images": [{"id": i, "file_name": "x" * 200} for i in range(20_000)]})
    untouched = manager.store.export()
    sizes = [len(block) for block in untouched.blocks]
    assert (max(sizes), sum(sizes)) == (1 << 20, untouched.size)
    for image_id in range(0, 20_000, 2):
        manager.update_image(image_id, {"file_name": f"{image_id}.jpg"})
    snapshot = manager.store.export()
    sizes = [len(block) for block in snapshot.blocks]
    assert sum(sizes) == snapshot.size
    assert max(sizes) <= 1 << 21
    assert all(one + other >= 1 << 20 for one, other in pairwise(sizes))
