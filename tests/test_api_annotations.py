"""The Annotations section of api.md, row by row."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote

import pytest
from api_client import Serve, Server, if_match

EVERY_STORE = "torture"

URL = "/api/annotations"
SQUARE = [[10, 10, 20, 10, 20, 20, 10, 20]]
TRIANGLE = [[0, 0, 8, 0, 0, 8]]


def new(**fields: Any) -> dict[str, Any]:
    return {"image_id": 1, "category_id": 1, **fields}


def batch(api: Server, *operations: dict[str, Any]) -> Any:
    return api.post(f"{URL}/batch", {"operations": list(operations)})


# Lists


def test_list_has_all_annotations_in_file_order(api: Server) -> None:
    assert api.ids(URL) == [1, 2, 7]


@pytest.mark.parametrize(
    ("query", "ids"),
    [
        ("image_id=1", [1, 2]),
        ("image_id=99", []),
        ("category_id=1", [1, 7]),
        ("image_id=1&category_id=1", [1]),
        ("iscrowd=0", [1, 2, 7]),
        ("iscrowd=1", []),
    ],
)
def test_list_holds_what_meets_every_filter(api: Server, query: str, ids: list[int]) -> None:
    assert api.ids(f"{URL}?{query}") == ids


def test_list_finds_crowds(api: Server) -> None:
    api.patch(f"{URL}/7", {"iscrowd": 1})
    assert api.ids(f"{URL}?iscrowd=1") == [7]


def test_list_gives_records_byte_for_byte(serve: Serve) -> None:
    record = '{"id":1.0,  "image_id": 1,\r\n\t"score": 1.50e+0, "note": "\\u00e9\\/é", "big": 123456789012345678901234}'
    api = serve(f'{{"images": [{{"id": 1}}], "annotations": [{record}]}}')
    assert api.get(URL).data == f"[{record}]".encode()
    assert api.get(f"{URL}/1").data == record.encode()
    assert api.get("/api/images/1/annotations").data == f"[{record}]".encode()


def test_list_adds_the_etag_when_asked(api: Server) -> None:
    record = api.get(f"{URL}?with=etag&image_id=2").json[0]
    assert record.pop("_etag") == api.get(f"{URL}/7").get_etag()[0]
    assert record == api.get(f"{URL}/7").json


def test_list_is_paged_and_says_where_it_stands(api: Server) -> None:
    answer = api.get(f"{URL}?page=2&page_size=1")
    assert [record["id"] for record in answer.json] == [2]
    assert json.loads(answer.headers["X-Pagination"]) == {
        "total": 3,
        "total_pages": 3,
        "first_page": 1,
        "last_page": 3,
        "page": 2,
        "previous_page": 1,
        "next_page": 3,
    }


def test_page_beyond_the_last_is_empty(api: Server) -> None:
    answer = api.get(f"{URL}?page=9")
    assert answer.json == []
    assert json.loads(answer.headers["X-Pagination"])["last_page"] == 1


def test_page_has_100_records_by_default_and_1000_at_most(serve: Serve, small: dict[str, Any]) -> None:
    small["annotations"] = [{"id": i, "image_id": 1, "category_id": 1} for i in range(1, 1202)]
    api = serve(small)
    assert api.ids(URL) == list(range(1, 101))
    assert api.ids(f"{URL}?page=2&page_size=1000") == list(range(1001, 1202))
    assert api.get(f"{URL}?page_size=1001").status_code == 422


def test_query_that_comes_again_gives_the_same(api: Server) -> None:
    for _ in range(2):
        assert api.ids(f"{URL}?image_id=1") == [1, 2]
        assert [set(record) >= {"_etag"} for record in api.get(f"{URL}?image_id=1&with=etag").json] == [True, True]
        assert api.get(f"{URL}?image_id=x").status_code == 422


def test_the_same_query_is_read_as_each_address_wants_it(api: Server) -> None:
    assert api.get("/api/categories?with=annotation_count").status_code == 200
    assert api.get(f"{URL}?with=annotation_count").status_code == 422
    assert api.get("/api/images?with=annotation_count").status_code == 200


# Adding


def test_add_answers_201_with_the_record_and_where_it_is(api: Server) -> None:
    answer = api.post(URL, new(segmentation=SQUARE))
    assert answer.status_code == 201
    assert answer.headers["Location"] == "/api/annotations/8"
    assert answer.data == api.get(answer.headers["Location"]).data
    assert answer.get_etag() == api.get(answer.headers["Location"]).get_etag()


@pytest.mark.parametrize("prefix", ["/coco", "/a b/ü"])
def test_address_of_what_was_added_has_the_prefix_under_which_the_server_is_mounted(api: Server, prefix: str) -> None:
    answer = api.app.test_client().post(URL, json=new(bbox=[1, 1, 2, 2]), base_url=f"http://localhost{prefix}")
    assert answer.headers["Location"] == quote(f"{prefix}{URL}/8")


def test_added_annotation_is_there_when_opened_again(api: Server) -> None:
    record = api.post(URL, new(segmentation=SQUARE, note="ours")).json
    assert api.again().get(f"{URL}/8").json == record


def test_segmentation_decides_area_and_box_whatever_was_sent(api: Server) -> None:
    record = api.post(URL, new(segmentation=SQUARE, area=7, bbox=[0, 0, 1, 1])).json
    assert (record["area"], record["bbox"]) == (100, [10, 10, 10, 10])


def test_rle_of_the_image_s_size_is_measured_in_pixels(api: Server) -> None:
    rle = {"size": [480, 640], "counts": [480, 3, 480 * 639 - 3]}
    record = api.post(URL, new(segmentation=rle, iscrowd=1)).json
    assert (record["area"], record["bbox"], record["segmentation"]) == (3, [1, 0, 1, 3], rle)


def test_box_alone_gives_its_area_and_an_empty_segmentation(api: Server) -> None:
    record = api.post(URL, new(bbox=[1, 2, 3, 4.5])).json
    assert (record["area"], record["segmentation"], record["bbox"]) == (13.5, [], [1, 2, 3, 4.5])


def test_keypoints_are_counted_whatever_was_sent(api: Server) -> None:
    record = api.post(URL, new(category_id=5, keypoints=[1, 1, 2, 0, 0, 0], num_keypoints=9)).json
    assert record["num_keypoints"] == 1


def test_caption_needs_no_category_where_there_are_none(serve: Serve, small: dict[str, Any]) -> None:
    api = serve({"images": small["images"], "annotations": [], "categories": []})
    assert api.post(URL, {"image_id": 1, "caption": "a cat"}).status_code == 201


def test_what_is_no_caption_needs_a_category(api: Server) -> None:
    assert "category_id" in api.post(URL, {"image_id": 1, "bbox": [1, 1, 1, 1]}).json["errors"]["json"]


def test_annotation_without_geometry_is_refused(api: Server) -> None:
    assert api.post(URL, new()).status_code == 422


def test_iscrowd_is_0_if_not_given(api: Server) -> None:
    assert api.post(URL, new(bbox=[1, 1, 1, 1])).json["iscrowd"] == 0


def test_other_fields_are_kept(api: Server) -> None:
    extra = {"score": 0.5, "attributes": {"occluded": True, "tags": [1, "é"]}}
    assert api.post(URL, new(bbox=[1, 1, 1, 1], **extra)).json.items() >= extra.items()


def test_id_that_is_free_is_taken(api: Server) -> None:
    assert api.post(URL, new(id=100, bbox=[1, 1, 1, 1])).headers["Location"] == f"{URL}/100"
    assert api.post(URL, new(bbox=[1, 1, 1, 1])).json["id"] == 101


def test_id_that_is_taken_is_a_409(api: Server) -> None:
    assert api.post(URL, new(id=7, bbox=[1, 1, 1, 1])).status_code == 409
    assert api.ids(URL) == [1, 2, 7]


def test_id_is_never_given_twice_over_a_restart(api: Server) -> None:
    api.post(URL, new(bbox=[1, 1, 1, 1]))
    api.delete(f"{URL}/8")
    assert api.again().post(URL, new(bbox=[1, 1, 1, 1])).json["id"] == 9


# One record


def test_answer_s_revision_counts_the_changes(api: Server) -> None:
    first = api.post(URL, new(bbox=[1, 1, 1, 1])).headers["X-Dataset-Revision"]
    assert api.delete(f"{URL}/1").headers["X-Dataset-Revision"] == str(int(first) + 1)
    assert api.get(f"{URL}/1").headers["X-Dataset-Revision"] == str(int(first) + 1)


def test_etag_of_a_record_follows_its_text(api: Server) -> None:
    before = api.get(f"{URL}/1").headers["ETag"]
    assert api.patch(f"{URL}/1", {"note": "x"}).headers["ETag"] != before
    api.patch(f"{URL}/1", {"note": None})
    assert api.get(f"{URL}/2").headers["ETag"] == api.again().get(f"{URL}/2").headers["ETag"]


@pytest.mark.parametrize("form", ['"{}"', 'W/"{}"', '"other", "{}"', "*"])
def test_get_of_a_version_that_the_client_has_is_an_empty_304(api: Server, form: str) -> None:
    etag = api.get(f"{URL}/1").get_etag()[0]
    answer = api.get(f"{URL}/1", headers={"If-None-Match": form.format(etag)})
    assert (answer.status_code, answer.data, answer.get_etag()[0]) == (304, b"", etag)
    assert "X-Dataset-Revision" in answer.headers


def test_get_of_another_version_is_the_record(api: Server) -> None:
    assert api.get(f"{URL}/1", headers={"If-None-Match": '"other"'}).json["id"] == 1


def test_get_takes_no_notice_of_if_match(api: Server) -> None:
    assert api.get(f"{URL}/1", **if_match("other")).json["id"] == 1


@pytest.mark.parametrize("form", ['"{}"', 'W/"{}"', '"other", "{}"', "*"])
@pytest.mark.parametrize("method", ["PATCH", "DELETE"])
def test_change_of_the_version_that_the_client_read_is_made(api: Server, method: str, form: str) -> None:
    headers = {"If-Match": form.format(api.get(f"{URL}/1").get_etag()[0])}
    assert api.ask(method, f"{URL}/1", json={}, headers=headers).status_code in (200, 204)


@pytest.mark.parametrize("form", ['"other"', 'W/"other"', '"*"', "W/*", ""])
@pytest.mark.parametrize("method", ["PATCH", "DELETE"])
def test_change_of_another_version_is_a_412_with_the_current_etag(api: Server, method: str, form: str) -> None:
    current = api.get(f"{URL}/1").headers["ETag"]
    answer = api.ask(method, f"{URL}/1", json={"note": "x"}, headers={"If-Match": form})
    assert (answer.status_code, answer.headers["ETag"]) == (412, current)
    assert answer.json["errors"]["current"] == current.strip('"')
    assert api.get(f"{URL}/1").headers["ETag"] == current


def test_patch_replaces_what_it_names_and_nothing_else(api: Server) -> None:
    before = api.get(f"{URL}/1").json
    assert api.patch(f"{URL}/1", {"category_id": 2, "note": [1]}).json == {**before, "category_id": 2, "note": [1]}
    assert api.again().get(f"{URL}/1").json == {**before, "category_id": 2, "note": [1]}


def test_patch_merges_at_the_top_level_only(api: Server) -> None:
    api.patch(f"{URL}/1", {"attributes": {"a": 1, "b": 2}})
    assert api.patch(f"{URL}/1", {"attributes": {"b": 3}}).json["attributes"] == {"b": 3}


def test_patch_with_null_removes_an_optional_field(api: Server) -> None:
    api.patch(f"{URL}/1", {"note": "x"})
    assert "note" not in api.patch(f"{URL}/1", {"note": None}).json


@pytest.mark.parametrize("field", ["image_id", "category_id"])
def test_patch_with_null_does_not_remove_a_required_field(api: Server, field: str) -> None:
    assert field in api.patch(f"{URL}/1", {field: None}).json["errors"]["json"]


def test_patch_of_nothing_changes_nothing(api: Server) -> None:
    before = api.get(f"{URL}/1")
    after = api.patch(f"{URL}/1", {})
    assert (after.data, after.headers["X-Dataset-Revision"]) == (before.data, before.headers["X-Dataset-Revision"])


@pytest.mark.parametrize("changes", [{"id": 1}, {"id": 9}, {"id": None}, {"_etag": "x"}, {"_etag": None}])
def test_patch_of_an_id_or_a_derived_field_is_a_422(api: Server, changes: dict[str, Any]) -> None:
    assert api.patch(f"{URL}/1", changes).json["errors"]["json"].keys() == changes.keys()


def test_patch_of_the_segmentation_computes_area_and_box(api: Server) -> None:
    record = api.patch(f"{URL}/1", {"segmentation": TRIANGLE, "area": 1, "bbox": [9, 9, 9, 9]}).json
    assert (record["area"], record["bbox"]) == (32, [0, 0, 8, 8])


@pytest.mark.parametrize("changes", [{"bbox": [1, 1, 2, 2]}, {"area": 5}, {"bbox": None}, {"area": None}])
def test_patch_of_box_or_area_beside_a_segmentation_is_a_422(api: Server, changes: dict[str, Any]) -> None:
    assert api.patch(f"{URL}/1", changes).json["errors"]["json"].keys() == changes.keys()


def test_annotation_whose_image_is_null_is_as_the_document_tells(serve: Serve, small: dict[str, Any]) -> None:
    small["annotations"][0] |= {"image_id": None, "category_id": None}
    record = serve(small).get(f"{URL}/1").json
    assert (record["image_id"], record["category_id"]) == (None, None)


@pytest.mark.parametrize("field", ["area", "bbox"])
def test_null_for_box_or_area_is_refused_for_the_same_reason_everywhere(api: Server, field: str) -> None:
    drawn, boxed = (api.patch(f"{URL}/{number}", {field: None}).json for number in (1, 2))
    assert drawn == boxed
    assert "can't be removed" in drawn["message"]


def test_patch_of_a_box_alone_computes_the_area(api: Server) -> None:
    record = api.patch(f"{URL}/2", {"bbox": [1, 2, 5, 6]}).json
    assert (record["area"], record["bbox"]) == (30, [1, 2, 5, 6])


def test_patch_leaves_the_text_of_other_values_alone(serve: Serve) -> None:
    record = '{"id": 1, "image_id": 1, "category_id": 1, "bbox": [1.50, 2e0, 3, 4], "area": 12.000}'
    api = serve(f'{{"images": [{{"id": 1}}], "categories": [{{"id": 1, "name": "a"}}], "annotations": [{record}]}}')
    text = api.patch(f"{URL}/1", {"note": "x"}).text
    assert "[1.50, 2e0, 3, 4]" in text
    assert "12.000" in text


def test_deleted_annotation_is_gone_after_a_restart_too(api: Server) -> None:
    answer = api.delete(f"{URL}/1")
    assert (answer.status_code, answer.data) == (204, b"")
    assert api.get(f"{URL}/1").status_code == 404
    assert api.again().ids(URL) == [2, 7]


def test_id_that_is_there_twice_is_a_409_that_says_how_to_repair(serve: Serve, small: dict[str, Any]) -> None:
    small["annotations"][1]["id"] = 1
    api = serve(small)
    for answer in (api.get(f"{URL}/1"), api.patch(f"{URL}/1", {"note": "x"}), api.delete(f"{URL}/1")):
        assert answer.status_code == 409
        assert "2 times" in answer.json["message"]


def test_panoptic_annotations_are_listed_and_read_only(serve: Serve, small: dict[str, Any]) -> None:
    small["annotations"] = [{"image_id": 1, "file_name": "1.png", "segments_info": [{"id": 5, "category_id": 1}]}]
    api = serve(small)
    assert api.get(URL).json == small["annotations"]
    assert api.post(URL, new(bbox=[1, 1, 1, 1])).status_code == 409


# Batch


def test_batch_answers_the_results_in_order_with_their_etags(api: Server) -> None:
    answer = batch(
        api,
        {"op": "add", "annotation": new(bbox=[1, 1, 2, 2])},
        {"op": "update", "id": 2, "changes": {"note": "x"}},
        {"op": "delete", "id": 1},
    )
    added, updated, deleted = answer.json["results"]
    assert added == {"annotation": api.get(f"{URL}/8").json, "etag": api.get(f"{URL}/8").get_etag()[0]}
    assert updated == {"annotation": api.get(f"{URL}/2").json, "etag": api.get(f"{URL}/2").get_etag()[0]}
    assert deleted == {"annotation": None, "etag": None}
    assert api.again().ids(URL) == [2, 7, 8]


def test_batch_is_one_change(api: Server) -> None:
    batch(api, {"op": "delete", "id": 1}, {"op": "delete", "id": 2})
    assert api.revision == 1


def test_batch_of_nothing_changes_nothing(api: Server) -> None:
    assert batch(api).json == {"results": []}
    assert api.revision == 0


@pytest.mark.parametrize(
    ("last", "status"),
    [
        ({"op": "delete", "id": 99}, 404),
        ({"op": "update", "id": 1, "changes": {"note": "x"}}, 404),
        ({"op": "add", "annotation": new(id=7, bbox=[1, 1, 1, 1])}, 409),
        ({"op": "delete", "id": 2, "if_match": "other"}, 412),
        ({"op": "add", "annotation": new(bbox=[1, 1, -1, 1])}, 422),
        ({"op": "update", "id": 2, "changes": {"image_id": 99}}, 422),
    ],
)
def test_batch_with_an_error_names_the_operation_and_changes_nothing(
    api: Server, last: dict[str, Any], status: int
) -> None:
    before = api.get("/api/dataset/export").data
    answer = batch(api, {"op": "delete", "id": 1}, {"op": "add", "annotation": new(bbox=[1, 1, 1, 1])}, last)
    assert answer.status_code == status
    assert "operation 2" in answer.json["message"]
    assert api.get("/api/dataset/export").data == before
    assert api.revision == 0


def test_operation_sees_what_those_before_it_did(api: Server) -> None:
    results = batch(
        api,
        {"op": "add", "annotation": new(id=50, bbox=[1, 1, 2, 2])},
        {"op": "update", "id": 50, "changes": {"note": "x"}},
        {"op": "delete", "id": 50},
        {"op": "add", "annotation": new(id=50, bbox=[3, 3, 4, 4])},
        {"op": "add", "annotation": new(bbox=[1, 1, 2, 2])},
    ).json["results"]
    assert [result["annotation"] and result["annotation"]["id"] for result in results] == [50, 50, None, 50, 51]
    assert api.get(f"{URL}/50").json["bbox"] == [3, 3, 4, 4]


@pytest.mark.parametrize("form", ["{}", '"{}"', 'W/"{}"', "*"])
def test_operation_on_the_version_that_the_client_read_is_done(api: Server, form: str) -> None:
    etag = form.format(api.get(f"{URL}/1").get_etag()[0])
    assert batch(api, {"op": "update", "id": 1, "changes": {"note": "x"}, "if_match": etag}).status_code == 200


def test_etag_of_a_batch_s_result_is_good_for_the_next(api: Server) -> None:
    etag = batch(api, {"op": "update", "id": 1, "changes": {"note": "x"}}).json["results"][0]["etag"]
    assert batch(api, {"op": "delete", "id": 1, "if_match": etag}).status_code == 200


def test_operation_on_another_version_tells_the_current_one(api: Server) -> None:
    answer = batch(api, {"op": "delete", "id": 1, "if_match": "other"})
    assert answer.json["errors"] == {"operation": 0, "current": api.get(f"{URL}/1").get_etag()[0]}


def test_restore_puts_a_deleted_record_back_as_it_was(serve: Serve, small: dict[str, Any]) -> None:
    odd = {**small["annotations"][0], "area": 99.5, "bbox": [0, 0, 1, 1]}
    small["annotations"][0] = odd
    api = serve(small)
    api.delete(f"{URL}/1")
    assert batch(api, {"op": "restore", "annotation": odd}).json["results"][0]["annotation"] == odd
    assert api.again().get(f"{URL}/1").json == odd


def test_restore_takes_the_bytes_that_it_is_sent(api: Server) -> None:
    text = '{"id": 9, "image_id": 77, "area": 1.50, "iscrowd": false,  "big": 123456789012345678901234567890}'
    body = f'{{"operations": [{{"op": "restore", "annotation": {text}}}]}}'
    answer = api.ask("POST", f"{URL}/batch", data=body, content_type="application/json")
    assert answer.status_code == 200
    assert text in answer.text
    assert api.get(f"{URL}/9").text == text


@pytest.mark.parametrize("body", ["[]", '{"operations": 5}', '{"operations": [5]}', '{"operations": [{"op": 5}]}', "5"])
def test_batch_of_another_shape_is_a_422(api: Server, body: str) -> None:
    assert api.ask("POST", f"{URL}/batch", data=body, content_type="application/json").status_code == 422


def test_restore_of_an_id_that_is_taken_is_a_409(api: Server) -> None:
    assert batch(api, {"op": "restore", "annotation": api.get(f"{URL}/1").json}).status_code == 409


def test_restore_needs_the_id(api: Server) -> None:
    answer = batch(api, {"op": "restore", "annotation": new(bbox=[1, 1, 1, 1])})
    assert "id" in answer.json["errors"]["json"]["operations"]["0"]["annotation"]


@pytest.mark.parametrize(
    ("operation", "field"),
    [
        ({"op": "move", "id": 1}, "op"),
        ({"id": 1}, "op"),
        ({"op": "delete"}, "id"),
        ({"op": "update", "id": 1}, "changes"),
        ({"op": "add"}, "annotation"),
        ({"op": "add", "annotation": [1]}, "annotation"),
        ({"op": "delete", "id": 1, "changes": {}}, "changes"),
        ({"op": "add", "annotation": new(bbox=[1, 1, 1, 1]), "if_match": "x"}, "if_match"),
        ({"op": "delete", "id": 1, "x": 1}, "x"),
    ],
)
def test_operation_that_is_not_complete_is_a_422(api: Server, operation: dict[str, Any], field: str) -> None:
    assert field in batch(api, operation).json["errors"]["json"]["operations"]["0"]


def test_batch_takes_10_000_operations_and_no_more(api: Server) -> None:
    operations = [{"op": "update", "id": 1, "changes": {"n": n}} for n in range(10_001)]
    assert batch(api, *operations[:-1]).status_code == 200
    assert batch(api, *operations).json["errors"]["json"].keys() == {"operations"}
    added = {"op": "add", "annotation": new(bbox=[1, 1, 1, 1])}
    assert batch(api, *[added] * 10_001).json["errors"]["json"].keys() == {"operations"}
