"""GET /api/dataset/export: parts of the dataset, other ids, boxes as polygons, ASCII, gzip; now and at a revision."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from api_client import Serve, Server
from hypothesis import given
from hypothesis import strategies as st
from pycocotools.coco import COCO

from cocoannot.changes.operations import Delete
from cocoannot.exchange.export import Options, export
from cocoannot.store.memory.store import MemoryStore

BOX = {"image_id": 4, "category_id": 2, "bbox": [1, 2, 3, 4]}

SPARSE: dict[str, Any] = {
    "info": {"description": "für 日本 🐈"},
    "images": [
        {"id": 30, "file_name": "süd/a.jpg", "width": 64, "height": 48, "neg_category_ids": [9, 77, 500]},
        {"id": 7, "file_name": "b.jpg", "width": 64, "height": 48, "annotation_status": "done"},
        {"id": 12, "file_name": "c.jpg", "width": 64, "height": 48},
    ],
    "annotations": [
        {"id": 900, "image_id": 7, "category_id": 9, "bbox": [0.1, 0.2, 10.2, 5], "area": 51, "iscrowd": 0},
        {"id": 5, "image_id": 30, "category_id": 77, "bbox": [1, 1, 2, 2], "area": 4, "iscrowd": 0, "segmentation": []},
        {
            "id": 6,
            "image_id": 30,
            "category_id": 9,
            "bbox": [0, 0, 4, 4],
            "area": 8,
            "iscrowd": 0,
            "segmentation": [[0, 0, 4, 0, 0, 4]],
        },
        {"id": 8, "image_id": 99, "category_id": 9, "bbox": [1, 1, 2, 2], "area": 4, "iscrowd": 0},
        {"id": 9, "image_id": 7, "category_id": 88, "bbox": [1, 1, 2, 2], "area": 4, "iscrowd": 0},
    ],
    "categories": [{"id": 77, "name": "hund"}, {"id": 9, "name": "katze"}, {"id": 3, "name": "maus"}],
}
"""Ids with gaps, out of order; one annotation of an image that is not there, one of such a category."""


def ids(dataset: dict[str, Any]) -> dict[str, list[int]]:
    return {name: [each["id"] for each in dataset[name]] for name in ("images", "annotations", "categories")}


def got(server: Server, query: str = "") -> dict[str, Any]:
    answer = server.get(f"/api/dataset/export{query}")
    assert answer.status_code == 200, answer.data
    content: dict[str, Any] = json.loads(answer.data)
    return content


@pytest.mark.parametrize(
    ("query", "images", "annotations", "categories"),
    [
        ("category_id=9", [30, 7], [900, 6], [9]),
        ("category_id=9&category_id=77", [30, 7], [900, 5, 6], [77, 9]),
        ("category_id=3", [], [], [3]),
        ("status=done", [7], [900, 9], [77, 9, 3]),
        ("status=open&status=done", [30, 7, 12], [900, 5, 6, 9], [77, 9, 3]),
        ("file_name=.jpg", [30, 7, 12], [900, 5, 6, 9], [77, 9, 3]),
        ("file_name=s%C3%BCd/", [30], [5, 6], [77, 9, 3]),
        ("annotated=true", [30, 7], [900, 5, 6, 9], [77, 9, 3]),
        ("annotated=false", [12], [], [77, 9, 3]),
        ("annotated=false&status=done", [], [], [77, 9, 3]),
        ("category_id=9&status=open&file_name=a", [30], [6], [9]),
    ],
)
def test_filters_choose_images_and_what_belongs_to_them(
    serve: Serve, query: str, images: list[int], annotations: list[int], categories: list[int]
) -> None:
    found = got(serve(SPARSE), f"?{query}")
    assert ids(found) == {"images": images, "annotations": annotations, "categories": categories}
    assert found["info"] == SPARSE["info"]


@pytest.mark.parametrize("indent", [None, 2])
def test_filtered_records_are_those_of_the_file_byte_for_byte(serve: Serve, indent: int | None) -> None:
    text = json.dumps(SPARSE, indent=indent)
    part = {name: [each for each in SPARSE[name] if each["id"] in (30, 6, 9)] for name in ids(SPARSE)}
    part["annotations"] = part["annotations"][:1]
    answer = serve(text).get("/api/dataset/export?category_id=9&file_name=a.jpg")
    assert answer.text == json.dumps({"info": SPARSE["info"], **part}, indent=indent)


def test_filters_see_changes_and_the_past(api: Server) -> None:
    api.post("/api/annotations", BOX)
    api.delete("/api/images/1")
    api.ask("PUT", "/api/images/4/status", json={"status": "done"})
    assert ids(got(api, "?category_id=2")) == {"images": [4], "annotations": [8], "categories": [2]}
    assert ids(got(api, "?category_id=2&at=0")) == {"images": [1], "annotations": [2], "categories": [2]}
    assert ids(got(api, "?status=done"))["images"] == [4]
    assert ids(got(api, "?status=done&at=2"))["images"] == []
    assert ids(got(api, "?annotated=true&at=1"))["images"] == [1, 2, 4]


def test_filters_at_a_revision_find_what_a_plain_export_of_it_has(serve: Serve, small: dict[str, Any]) -> None:
    server = serve({**small, "categories": [*small["categories"], {"id": 6, "name": "bird"}]})
    server.delete("/api/categories/6")
    server.post("/api/annotations/batch", {"operations": [{"op": "delete", "id": 2}, {"op": "add", "annotation": BOX}]})
    server.patch("/api/annotations/7", {"category_id": 2})
    for revision in range(4):
        whole = got(server, f"?at={revision}")
        chosen = [each for each in whole["annotations"] if each["category_id"] == 1]
        found = got(server, f"?at={revision}&category_id=1")
        assert found["annotations"] == chosen
        assert [each["id"] for each in found["images"]] == sorted({each["image_id"] for each in chosen})


def test_contiguous_ids_count_from_one_in_file_order(serve: Serve) -> None:
    found = got(serve(SPARSE), "?ids=contiguous")
    assert ids(found) == {"images": [1, 2, 3], "annotations": [1, 2, 3], "categories": [1, 2, 3]}
    told = [
        (found["images"][each["image_id"] - 1]["file_name"], found["categories"][each["category_id"] - 1]["name"])
        for each in found["annotations"]
    ]
    assert told == [("b.jpg", "katze"), ("süd/a.jpg", "hund"), ("süd/a.jpg", "katze")]
    assert found["images"][0]["neg_category_ids"] == [2, 1]


def test_contiguous_ids_of_a_part(serve: Serve) -> None:
    found = got(serve(SPARSE), "?ids=contiguous&category_id=9")
    assert ids(found) == {"images": [1, 2], "annotations": [1, 2], "categories": [1]}
    assert [(each["image_id"], each["category_id"]) for each in found["annotations"]] == [(2, 1), (1, 1)]
    assert found["images"][0]["neg_category_ids"] == [1]


def test_captions_are_numbered_without_categories(serve: Serve) -> None:
    captions = {"images": SPARSE["images"], "annotations": [{"id": 70, "image_id": 12, "caption": "Eine Katze."}]}
    found = got(serve(captions), "?ids=contiguous")
    assert found["annotations"] == [{"id": 1, "image_id": 3, "caption": "Eine Katze."}]
    assert "categories" not in found


def test_boxes_become_polygons_and_segmentations_stay(serve: Serve) -> None:
    found = {each["id"]: each["segmentation"] for each in got(serve(SPARSE), "?boxes=polygons")["annotations"]}
    assert found[900] == [[0.1, 0.2, 10.3, 0.2, 10.3, 5.2, 0.1, 5.2]]
    assert found[5] == [[1, 1, 3, 1, 3, 3, 1, 3]]
    assert found[6] == [[0, 0, 4, 0, 0, 4]]


@pytest.mark.parametrize("box", [[1, 2, 0, 4], [1, 2, 3], None, [1, 2, None, 4], [1, 2, 1e400, 4], "1234", [True] * 4])
def test_what_is_no_box_stays_as_it_is(serve: Serve, small: dict[str, Any], box: Any) -> None:
    record = {"id": 1, "image_id": 1, "category_id": 1, "bbox": box, "segmentation": []}
    text = json.dumps({**small, "annotations": [record]}).replace("Infinity", "1e400")
    answer = serve(text).get("/api/dataset/export?boxes=polygons")
    assert answer.text == text


def test_ascii_says_the_same(serve: Serve) -> None:
    text = b"\xef\xbb\xbf" + json.dumps(SPARSE, ensure_ascii=False).encode()
    answer = serve(text).get("/api/dataset/export?ascii=1")
    assert answer.data.isascii()
    assert json.loads(answer.data) == SPARSE


@given(st.lists(st.text(max_size=8), max_size=8), st.integers(1, 9))
def test_ascii_keeps_characters_that_blocks_cut(names: list[str], size: int) -> None:
    text = json.dumps(names, ensure_ascii=False).encode("utf-8", "surrogatepass").replace(b"\\u", b"u")
    try:
        expected = json.loads(text)
    except UnicodeDecodeError:
        return

    class Cut:
        name, revision = "x", 0

        def records(self, section: str) -> Any:
            return iter(())

        def text(self, records: Any) -> Any:
            return (text[at : at + size] for at in range(0, len(text), size))

        def close(self) -> None:
            pass

    made = b"".join(map(bytes, export(Cut(), Options(ascii=True))))
    assert made.isascii()
    assert json.loads(made) == expected


@pytest.mark.parametrize("query", ["", "?category_id=9", "?at=0&ids=contiguous"])
def test_gzip_holds_the_same(serve: Serve, query: str) -> None:
    server = serve(SPARSE)
    plain = server.get(f"/api/dataset/export{query}")
    packed = server.get(f"/api/dataset/export{query}", headers={"Accept-Encoding": "gzip, deflate, br"})
    assert packed.headers["Content-Encoding"] == "gzip"
    assert "Content-Length" not in packed.headers
    assert gzip.decompress(packed.data) == plain.data
    assert plain.headers["Vary"] == packed.headers["Vary"] == "Accept-Encoding"
    assert plain.headers["ETag"] != packed.headers["ETag"]


@pytest.mark.parametrize("accept", ["identity", "gzip;q=0", "br", "gzip;q=0.5, identity"])
def test_who_does_not_take_gzip_gets_none(serve: Serve, accept: str) -> None:
    answer = serve(SPARSE).get("/api/dataset/export", headers={"Accept-Encoding": accept})
    assert "Content-Encoding" not in answer.headers
    assert json.loads(answer.data) == SPARSE


@pytest.mark.parametrize(
    ("query", "parameter"),
    [
        ("category_id=1000", "category_id"),
        ("category_id=x", "category_id"),
        ("category_id=99999999999999999999999", "category_id"),
        ("category_id=9&annotated=false", "annotated"),
        ("status=finished", "status"),
        ("annotated=1", "annotated"),
        ("ids=sparse", "ids"),
        ("boxes=1", "boxes"),
        ("ascii=0", "ascii"),
        ("at=-1", "at"),
        ("catgory_id=9", "catgory_id"),
    ],
)
def test_what_makes_no_sense_is_named(serve: Serve, query: str, parameter: str) -> None:
    answer = serve(SPARSE).get(f"/api/dataset/export?{query}")
    assert answer.status_code == 422
    assert list(answer.json["errors"]["query"]) == [parameter]


@pytest.mark.parametrize("query", ["category_id=1", "ids=contiguous"])
def test_panoptic_annotations_have_no_ids_to_choose_or_number(serve: Serve, query: str) -> None:
    segments = [{"id": 3, "category_id": 1}]
    panoptic: dict[str, Any] = {
        "images": [{"id": 1, "file_name": "a.jpg", "width": 2, "height": 2}, {"id": 2, "file_name": "b.jpg"}],
        "annotations": [{"image_id": number, "segments_info": segments} for number in (1, 2)],
        "categories": [{"id": 1, "name": "sky"}],
    }
    server = serve(panoptic)
    assert server.get(f"/api/dataset/export?{query}").status_code == 422
    found = got(server, "?file_name=b")
    assert found == {**panoptic, "images": panoptic["images"][1:], "annotations": panoptic["annotations"][1:]}


def test_a_revision_that_is_yet_to_come_is_not_found(api: Server) -> None:
    assert api.get("/api/dataset/export?at=7&category_id=1").status_code == 404


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
@pytest.mark.parametrize("query", ["category_id=9", "ids=contiguous", "boxes=polygons&category_id=9&ids=contiguous"])
def test_pycocotools_reads_what_comes_out(serve: Serve, tmp_path: Path, query: str) -> None:
    path = tmp_path / "part.json"
    path.write_bytes(serve(SPARSE).get(f"/api/dataset/export?{query}").data)
    coco = COCO(str(path))
    assert sorted(coco.getAnnIds()) == sorted(each["id"] for each in coco.dataset["annotations"])
    assert all(each["image_id"] in coco.imgs and each["category_id"] in coco.cats for each in coco.anns.values())
    if "polygons" in query:
        assert {coco.annToMask(each).sum() > 0 for each in coco.anns.values()} == {True}


def test_changes_go_on_while_a_part_is_read(dataset_path: Path) -> None:
    dataset_path.write_text(json.dumps(SPARSE))
    store = MemoryStore()
    store.load(str(dataset_path))
    snapshot = store.snapshot()
    blocks = export(snapshot, Options(contiguous=True))
    store.commit([Delete("images", 30)])
    assert len(json.loads(b"".join(map(bytes, blocks)))["images"]) == 3
    assert len(json.loads(b"".join(map(bytes, store.snapshot().text({}))))["images"]) == 2
    store.close()
