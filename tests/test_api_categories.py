"""The Categories section of api.md, row by row."""

from __future__ import annotations

from typing import Any

import pytest
from api_client import Serve, Server, if_match

EVERY_STORE = True

URL = "/api/categories"


def test_list_has_all_categories_in_file_order_not_paged(serve: Serve) -> None:
    records = [{"id": 200 - i, "name": f"c{i}"} for i in range(150)]
    api = serve({"categories": records})
    answer = api.get(URL)
    assert answer.json == records
    assert "X-Pagination" not in answer.headers
    assert api.get(f"{URL}?page=2").status_code == 422


def test_list_adds_annotation_counts_when_asked(api: Server) -> None:
    assert [record["_annotation_count"] for record in api.get(f"{URL}?with=annotation_count").json] == [2, 1, 0]
    assert not any("_annotation_count" in record for record in api.get(URL).json)


def test_annotation_counts_follow_changes(api: Server) -> None:
    api.patch("/api/annotations/1", {"category_id": 5})
    api.delete("/api/images/2")
    assert [record["_annotation_count"] for record in api.get(f"{URL}?with=annotation_count").json] == [0, 1, 1]


def test_record_goes_out_byte_for_byte(serve: Serve) -> None:
    record = '{"id": 3,\t"name":"\\u00e9", "color": [1.0, 2e0],  "supercategory" : null}'
    assert serve(f'{{"categories":[{record}]}}').get(f"{URL}/3").data == record.encode()


def test_add_answers_201_with_the_record_and_where_it_is(api: Server) -> None:
    answer = api.post(URL, {"name": "bird", "supercategory": "animal", "color": "#fff"})
    assert answer.status_code == 201
    assert answer.headers["Location"] == "/api/categories/6"
    assert answer.json == {"id": 6, "name": "bird", "supercategory": "animal", "color": "#fff"}
    assert api.again().get(f"{URL}/6").json == answer.json


@pytest.mark.parametrize("given", [{}, {"supercategory": None}])
def test_supercategory_is_none_if_not_given(api: Server, given: dict[str, Any]) -> None:
    assert api.post(URL, {"name": "bird", **given}).json["supercategory"] == "none"


def test_name_that_is_taken_is_a_409(api: Server) -> None:
    assert api.post(URL, {"name": "cat"}).status_code == 409
    assert api.patch(f"{URL}/2", {"name": "cat"}).status_code == 409
    assert api.revision == 0


def test_category_may_keep_its_own_name(api: Server) -> None:
    assert api.patch(f"{URL}/1", {"name": "cat", "supercategory": "pet"}).json["supercategory"] == "pet"


def test_name_of_a_deleted_category_is_free(api: Server) -> None:
    api.delete(f"{URL}/5")
    assert api.post(URL, {"name": "person"}).status_code == 201


def test_id_that_is_taken_is_a_409(api: Server) -> None:
    assert api.post(URL, {"id": 5, "name": "bird"}).status_code == 409


@pytest.mark.parametrize("fields", [{"name": ""}, {"name": " "}, {"name": 7}, {"name": None}, {"_x": 1}, {"id": -1}])
def test_add_refuses_fields_that_do_not_fit(api: Server, fields: dict[str, Any]) -> None:
    assert api.post(URL, {"name": "bird", **fields}).json["errors"]["json"].keys() == fields.keys()


def test_patch_replaces_what_it_names_and_nothing_else(api: Server) -> None:
    assert api.patch(f"{URL}/1", {"name": "lion"}).json == {"id": 1, "name": "lion", "supercategory": "animal"}
    assert api.again().get(f"{URL}/1").json["name"] == "lion"


def test_patch_with_null_removes_only_what_is_optional(api: Server) -> None:
    assert "supercategory" not in api.patch(f"{URL}/1", {"supercategory": None}).json
    assert api.patch(f"{URL}/1", {"name": None}).status_code == 422


@pytest.mark.parametrize("changes", [{"id": 1}, {"_annotation_count": 3}])
def test_patch_of_an_id_or_a_derived_field_is_a_422(api: Server, changes: dict[str, Any]) -> None:
    assert api.patch(f"{URL}/1", changes).json["errors"]["json"].keys() == changes.keys()


def test_versions_are_honoured(api: Server) -> None:
    etag = api.get(f"{URL}/5").headers["ETag"]
    assert api.get(f"{URL}/5", headers={"If-None-Match": etag}).status_code == 304
    for answer in (api.patch(f"{URL}/5", {}, **if_match("x")), api.delete(f"{URL}/5", **if_match("x"))):
        assert (answer.status_code, answer.headers["ETag"]) == (412, etag)
    assert api.delete(f"{URL}/5", headers={"If-Match": etag}).status_code == 204


def test_unused_category_is_deleted(api: Server) -> None:
    assert api.delete(f"{URL}/5").status_code == 204
    assert api.again().ids(URL) == [1, 2]


def test_category_in_use_is_a_409_with_the_count(api: Server) -> None:
    answer = api.delete(f"{URL}/1")
    assert answer.status_code == 409
    assert answer.json["errors"] == {"annotation_count": 2}
    assert "2 annotation(s)" in answer.json["message"]
    assert api.ids(URL) == [1, 2, 5]


def test_annotations_are_reassigned_first_as_one_change(api: Server) -> None:
    assert api.delete(f"{URL}/1?reassign_to=2").status_code == 204
    assert api.revision == 1
    api.again()
    assert api.ids(URL) == [2, 5]
    assert api.ids("/api/annotations?category_id=2") == [1, 2, 7]


@pytest.mark.parametrize("target", ["1", "99", "x", "9" * 30])
def test_reassigning_to_what_can_t_be_is_a_422_of_the_query(api: Server, target: str) -> None:
    answer = api.delete(f"{URL}/1?reassign_to={target}")
    assert answer.status_code == 422
    assert answer.json["errors"]["query"].keys() == {"reassign_to"}
    assert api.revision == 0
