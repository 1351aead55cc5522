"""The Images section of api.md, row by row; the pictures are in test_api_pictures.py."""

from __future__ import annotations

import json
from typing import Any

import pytest
from api_client import Serve, Server, if_match

EVERY_STORE = "torture"

URL = "/api/images"
NEW = {"file_name": "new.jpg", "width": 30, "height": 20}


@pytest.fixture
def shelf(serve: Serve, small: dict[str, Any]) -> Server:
    """Images 30, 10, 20 in this order, with 1, 0 and 2 annotations."""
    names = {30: "b/night.jpg", 10: "a/Day.jpg", 20: "c/night.png"}
    small["images"] = [{"id": i, "file_name": name, "width": 9, "height": 9} for i, name in names.items()]
    pairs = [(30, 1), (20, 2), (20, 5)]
    small["annotations"] = [
        {"id": n, "image_id": i, "category_id": c, "bbox": [1, 1, 2, 2]} for n, (i, c) in enumerate(pairs, 1)
    ]
    return serve(small)


@pytest.mark.parametrize(
    ("query", "ids"),
    [
        ("", [30, 10, 20]),
        ("sort=position", [30, 10, 20]),
        ("sort=-position", [20, 10, 30]),
        ("sort=id", [10, 20, 30]),
        ("sort=-id", [30, 20, 10]),
        ("sort=file_name", [10, 30, 20]),
        ("sort=-file_name", [20, 30, 10]),
        ("sort=annotation_count", [10, 30, 20]),
        ("sort=-annotation_count", [20, 30, 10]),
    ],
)
def test_list_is_sorted_as_asked(shelf: Server, query: str, ids: list[int]) -> None:
    assert shelf.ids(f"{URL}?{query}") == ids


@pytest.mark.parametrize(
    ("query", "ids"),
    [
        ("file_name=night", [30, 20]),
        ("file_name=b/", [30]),
        ("file_name=NIGHT", []),
        ("category_id=1", [30]),
        ("category_id=1&category_id=5", [30, 20]),
        ("category_id=99", []),
        ("annotated=true", [30, 20]),
        ("annotated=false", [10]),
        ("annotated=true&file_name=png&category_id=2", [20]),
        ("annotated=false&category_id=1", []),
    ],
)
def test_list_holds_what_meets_every_filter(shelf: Server, query: str, ids: list[int]) -> None:
    assert shelf.ids(f"{URL}?{query}") == ids


def test_list_follows_changes(shelf: Server) -> None:
    shelf.patch("/api/annotations/1", {"image_id": 10})
    assert shelf.ids(f"{URL}?annotated=false") == [30]
    assert shelf.ids(f"{URL}?category_id=1") == [10]


@pytest.mark.parametrize("query", ["sort=size", "sort=--id", "annotated=1", "annotated=", "category_id=x", "with=x"])
def test_list_refuses_what_it_does_not_know(shelf: Server, query: str) -> None:
    assert shelf.get(f"{URL}?{query}").json["errors"]["query"].keys() == {query.partition("=")[0]}


def test_list_has_nothing_derived_unless_asked(shelf: Server) -> None:
    assert all(record.keys() == {"id", "file_name", "width", "height"} for record in shelf.get(URL).json)


def test_list_adds_derived_fields_when_asked(shelf: Server) -> None:
    record = shelf.get(f"{URL}?with=annotation_count&with=annotations&with=etag").json[2]
    assert record["_annotation_count"] == 2
    assert record["_annotations"] == shelf.get(f"{URL}/20/annotations").json
    assert record["_etag"] == shelf.get(f"{URL}/20").get_etag()[0]


def test_list_adds_only_the_derived_field_that_is_asked_for(shelf: Server) -> None:
    record = shelf.get(f"{URL}?with=annotation_count").json[1]
    assert {key for key in record if key.startswith("_")} == {"_annotation_count"}
    assert record["_annotation_count"] == 0


def test_list_is_paged_after_filtering_and_sorting(shelf: Server) -> None:
    answer = shelf.get(f"{URL}?annotated=true&sort=id&page=2&page_size=1")
    assert [record["id"] for record in answer.json] == [30]
    assert json.loads(answer.headers["X-Pagination"])["total"] == 2


@pytest.mark.parametrize("query", ["", "sort=-id", "annotated=true&sort=file_name", "category_id=1&min_annotations=1"])
def test_neighbours_go_through_the_list(shelf: Server, query: str) -> None:
    listed = shelf.ids(f"{URL}?{query}")
    for position, image_id in enumerate(listed):
        answer = shelf.get(f"{URL}/{image_id}/neighbours?{query}")
        assert answer.json == {
            "previous": listed[position - 1] if position else None,
            "next": listed[position + 1] if position + 1 < len(listed) else None,
            "position": position,
            "total": len(listed),
        }
        assert answer.headers["X-Dataset-Revision"] == "0"


def test_neighbours_of_an_image_that_is_not_in_the_list_are_those_around_it(shelf: Server) -> None:
    order = shelf.ids(URL)
    with_annotations = shelf.ids(f"{URL}?annotated=true")
    (left_out,) = shelf.ids(f"{URL}?annotated=false")
    found = shelf.get(f"{URL}/{left_out}/neighbours?annotated=true").json
    before = [number for number in order[: order.index(left_out)] if number in with_annotations]
    behind = [number for number in order[order.index(left_out) :] if number in with_annotations]
    assert found == {
        "previous": before[-1] if before else None,
        "next": behind[0] if behind else None,
        "position": None,
        "total": len(with_annotations),
    }
    # It was done meanwhile: on from there.
    shelf.post("/api/annotations", {"image_id": left_out, "category_id": 1, "bbox": [1, 1, 2, 2]})
    assert shelf.get(f"{URL}/{left_out}/neighbours?annotated=true").json["position"] == len(before)


def test_neighbours_take_the_filters_of_the_list_and_no_others(shelf: Server) -> None:
    assert shelf.get(f"{URL}/99/neighbours").status_code == 404
    for query in ("page=1", "with=etag", "sort=x", "annotated=1"):
        assert shelf.get(f"{URL}/10/neighbours?{query}").status_code == 422


def test_list_of_an_empty_dataset_is_empty(serve: Serve) -> None:
    answer = serve("{}").get(URL)
    assert answer.json == []
    assert json.loads(answer.headers["X-Pagination"]) == {"total": 0, "total_pages": 0}


def test_page_has_100_records_by_default_and_1000_at_most(serve: Serve) -> None:
    api = serve({"images": [{"id": i, "file_name": f"{i}.jpg"} for i in range(1, 1202)]})
    assert api.ids(URL) == list(range(1, 101))
    assert api.ids(f"{URL}?page=2&page_size=1000") == list(range(1001, 1202))
    assert api.get(f"{URL}?page_size=1001").status_code == 422


def test_record_goes_out_byte_for_byte(serve: Serve) -> None:
    record = '{"id": 7.0 ,"file_name":"\\u00e9.jpg",\n  "width":640.0, "x": [1.10, 1e2]}'
    assert serve(f'{{"images": [ {record} ]}}').get(f"{URL}/7").data == record.encode()


def test_add_answers_201_with_the_record_and_where_it_is(api: Server) -> None:
    answer = api.post(URL, {**NEW, "license": 1, "tags": ["night"]})
    assert answer.status_code == 201
    assert answer.headers["Location"] == "/api/images/5"
    assert answer.json == {"id": 5, **NEW, "license": 1, "tags": ["night"]}
    assert api.again().get("/api/images/5").json == answer.json


@pytest.mark.parametrize(
    "fields",
    [
        *({"width": value} for value in (0, -1, 65_536, 1.5, "9", None, True)),
        *({"height": value} for value in (0, 65_536, None)),
        *({"file_name": value} for value in ("", "  ", None, 7)),
        {"_etag": "x"},
        {"id": -1},
        {"id": 2**53},
    ],
)
def test_add_refuses_fields_that_do_not_fit(api: Server, fields: dict[str, Any]) -> None:
    assert api.post(URL, {**NEW, **fields}).json["errors"]["json"].keys() == fields.keys()


@pytest.mark.parametrize("side", [1, 65_535, 7.0])
def test_add_takes_sides_from_1_to_65535(api: Server, side: float) -> None:
    assert f'"width": {int(side)},' in api.post(URL, {**NEW, "width": side}).text


@pytest.mark.parametrize("field", ["file_name", "width", "height"])
def test_add_needs_name_and_size(api: Server, field: str) -> None:
    answer = api.post(URL, {key: value for key, value in NEW.items() if key != field})
    assert answer.json["errors"]["json"].keys() == {field}


def test_add_with_an_id_that_is_taken_is_a_409(api: Server) -> None:
    assert api.post(URL, {**NEW, "id": 4}).status_code == 409


def test_patch_replaces_what_it_names_and_nothing_else(api: Server) -> None:
    record = {"id": 1, "file_name": "moved.jpg", "width": 640, "height": 480, "note": "x"}
    assert api.patch(f"{URL}/1", {"file_name": "moved.jpg", "note": "x"}).json == record
    assert api.again().get(f"{URL}/1").json == record


def test_patch_with_null_removes_only_what_is_optional(api: Server) -> None:
    api.patch(f"{URL}/1", {"note": "x"})
    assert "note" not in api.patch(f"{URL}/1", {"note": None}).json
    assert api.patch(f"{URL}/1", {"width": None}).status_code == 422


@pytest.mark.parametrize("changes", [{"id": 9}, {"_etag": "x"}, {"width": 0}])
def test_patch_refuses_fields_that_do_not_fit(api: Server, changes: dict[str, Any]) -> None:
    assert api.patch(f"{URL}/1", changes).json["errors"]["json"].keys() == changes.keys()


def test_change_of_another_version_is_a_412_with_the_current_etag(api: Server) -> None:
    current = api.get(f"{URL}/1").headers["ETag"]
    for answer in (api.patch(f"{URL}/1", {}, **if_match("x")), api.delete(f"{URL}/1", **if_match("x"))):
        assert (answer.status_code, answer.headers["ETag"]) == (412, current)
    assert api.delete(f"{URL}/1", headers={"If-Match": current}).status_code == 200


def test_get_of_a_version_that_the_client_has_is_a_304(api: Server) -> None:
    answer = api.get(f"{URL}/1", headers={"If-None-Match": api.get(f"{URL}/1").headers["ETag"]})
    assert (answer.status_code, answer.data) == (304, b"")


def test_deleted_image_takes_its_annotations_along_as_one_change(api: Server) -> None:
    answer = api.delete(f"{URL}/1")
    assert (answer.status_code, answer.json) == (200, {"annotations_deleted": 2})
    assert api.revision == 1
    api.again()
    assert (api.ids(URL), api.ids("/api/annotations")) == ([2, 4], [7])


def test_deleted_image_s_picture_is_left_alone(api: Server) -> None:
    picture = api.path.with_name("one.jpg")
    picture.write_bytes(b"a picture")
    api.delete(f"{URL}/1")
    assert picture.read_bytes() == b"a picture"


def test_annotations_of_an_image_come_as_stored_in_file_order_not_paged(serve: Serve) -> None:
    records = [{"id": 300 - i, "image_id": 1, "category_id": 1} for i in range(250)]
    api = serve({"images": [{"id": 1}], "annotations": records})
    answer = api.get(f"{URL}/1/annotations")
    assert answer.json == records
    assert api.get(f"{URL}/1/annotations?page_size=1").status_code == 422
    assert "X-Pagination" not in answer.headers


def test_annotations_of_an_image_have_an_etag_that_follows_every_one_of_them(api: Server) -> None:
    before = api.get(f"{URL}/1/annotations").headers["ETag"]
    assert api.get(f"{URL}/1/annotations", headers={"If-None-Match": before}).status_code == 304
    api.patch("/api/annotations/2", {"note": "x"})
    assert api.get(f"{URL}/1/annotations", headers={"If-None-Match": before}).status_code == 200
    other = api.get(f"{URL}/2/annotations")
    assert api.get(f"{URL}/2/annotations", headers={"If-None-Match": other.headers["ETag"]}).status_code == 304


def test_annotations_of_an_image_have_their_etags_when_asked(api: Server) -> None:
    records = api.get(f"{URL}/1/annotations?with=etag").json
    assert [record["_etag"] for record in records] == [
        api.get(f"/api/annotations/{record['id']}").get_etag()[0] for record in records
    ]


def test_annotations_of_an_image_without_any_are_an_empty_list(api: Server) -> None:
    assert api.get(f"{URL}/4/annotations").json == []
