"""Predictions over HTTP: layers come and go, what they say of an image, and what becomes of them."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
from api_client import Response, Serve, Server, as_json

EVERY_STORE = "torture"

Prediction = dict[str, Any]

BOX: Prediction = {"image_id": 1, "category_id": 1, "bbox": [10, 10, 10, 10], "score": 0.9}
"""Where annotation 1 of the small dataset is."""

ELSEWHERE: Prediction = {"image_id": 1, "category_id": 1, "bbox": [300, 200, 40, 30], "score": 0.6}
OTHER_CATEGORY: Prediction = {**BOX, "category_id": 2, "score": 0.7}
UNSURE: Prediction = {"image_id": 2, "category_id": 2, "bbox": [50, 50, 20, 20], "score": 0.2}
LIST = [BOX, ELSEWHERE, OTHER_CATEGORY, UNSURE]


def put(server: Server, body: object, name: str = "yolo", **options: Any) -> Response:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return server.ask("PUT", f"/api/predictions/{name}", **as_json(data), **options)


def folder(server: Server) -> Path:
    return server.path.with_name(server.path.name + ".cocoannot") / "predictions"


def statuses(server: Server, image_id: int = 1, name: str = "yolo") -> list[str]:
    return [each["_status"] for each in server.get(f"/api/images/{image_id}/predictions?name={name}").json]


def counts(server: Server, name: str = "yolo") -> dict[str, int]:
    told = server.get(f"/api/predictions/{name}").json
    return {key: told[key] for key in ("open", "accepted", "rejected", "missing") if told[key]}


@pytest.fixture
def yolo(api: Server) -> Server:
    """The small dataset, with a layer of four predictions."""
    assert put(api, LIST).status_code == 201
    return api


# Layers


def test_results_list_becomes_a_layer_that_is_told_with_its_counts(api: Server) -> None:
    answer = put(api, LIST)
    assert answer.status_code == 201
    told = answer.json
    assert (told["name"], told["predictions"], told["images"], told["kinds"]) == ("yolo", 4, 2, ["bbox"])
    assert (told["min_score"], told["max_score"], told["open"]) == (0.2, 0.9, 4)
    assert api.get("/api/predictions/yolo").json == told
    assert api.get("/api/predictions").json == [told]


def test_layer_is_never_in_the_dataset_s_file(yolo: Server) -> None:
    revision = yolo.revision
    before = json.loads(yolo.path.read_bytes())
    put(yolo, LIST, "second")
    assert yolo.revision == revision
    assert yolo.saved() == before


def test_layer_s_file_is_what_was_uploaded_byte_for_byte(api: Server) -> None:
    text = json.dumps(LIST, indent=3).encode() + b"\n"
    put(api, text)
    assert (folder(api) / "yolo.json").read_bytes() == text


def test_second_upload_replaces_the_first(yolo: Server) -> None:
    answer = put(yolo, [UNSURE])
    assert answer.status_code == 200
    assert answer.json["predictions"] == 1
    assert yolo.get("/api/images/1/predictions").json == []


def test_dataset_whose_annotations_have_scores_becomes_a_layer_with_its_own_ids(api: Server) -> None:
    scored = [{**BOX, "id": 70, "area": 100, "iscrowd": 0, "segmentation": []}, {**UNSURE, "id": 9}]
    assert put(api, {"info": {}, "images": [{"id": 1}], "annotations": scored, "categories": []}).status_code == 201
    (found,) = api.get("/api/images/1/predictions").json
    assert found["id"] == 70
    assert [each["id"] for each in api.get("/api/images/2/predictions").json] == [9]


def test_layers_are_there_after_a_restart(yolo: Server) -> None:
    yolo.post("/api/predictions/yolo/reject", {"ids": [4]})
    before = yolo.get("/api/predictions/yolo").json
    of_image = yolo.get("/api/images/1/predictions").json
    again = yolo.again()
    assert again.get("/api/predictions").json == [before]
    assert again.get("/api/images/1/predictions").json == of_image
    assert statuses(again, 2) == ["rejected"]


@pytest.mark.parametrize("damage", [b"", b"nothing of the kind", None])
def test_layer_whose_columns_are_gone_or_damaged_is_read_again(yolo: Server, damage: bytes | None) -> None:
    before = yolo.get("/api/images/1/predictions").json
    yolo.stop()
    columns = folder(yolo) / "yolo.columns"
    columns.unlink() if damage is None else columns.write_bytes(damage)
    assert yolo.again().get("/api/images/1/predictions").json == before


def test_layer_s_file_that_was_changed_by_hand_is_read_anew(yolo: Server) -> None:
    yolo.stop()
    (folder(yolo) / "yolo.json").write_text(json.dumps([{**UNSURE, "score": 0.25}]))
    assert yolo.again().get("/api/predictions/yolo").json["max_score"] == 0.25


def test_damaged_layer_is_told_and_does_not_keep_the_others_from_being_used(yolo: Server) -> None:
    put(yolo, [UNSURE], "broken")
    yolo.stop()
    (folder(yolo) / "broken.json").write_text("[{")
    again = yolo.again()
    broken, good = again.get("/api/predictions").json
    assert "broken.json is damaged" in broken["problem"]
    assert good["predictions"] == 4
    assert again.get("/api/predictions/broken").status_code == 503
    assert put(again, [UNSURE], "broken").status_code == 200


def test_deleted_layer_is_gone_for_good_and_what_was_accepted_of_it_stays(yolo: Server) -> None:
    yolo.post("/api/predictions/yolo/accept", {"ids": [2]})
    assert yolo.delete("/api/predictions/yolo").status_code == 204
    assert yolo.get("/api/predictions").json == []
    assert yolo.get("/api/predictions/yolo").status_code == 404
    assert yolo.delete("/api/predictions/yolo").status_code == 404
    assert list(folder(yolo).iterdir()) == []
    assert len(yolo.get("/api/images/1/annotations").json) == 3
    assert yolo.again().get("/api/predictions").json == []


@pytest.mark.parametrize("name", [".hidden", "-", "a b", "..", "..%5Cetc", "ä", "x" * 101, "a%00b", "a%0Ab"])
def test_name_that_is_not_safe_is_refused(api: Server, name: str) -> None:
    answer = put(api, LIST, name)
    assert answer.status_code == 422
    assert api.get("/api/predictions").json == []
    assert not folder(api).exists()


def test_what_a_killed_upload_left_is_cleared_away_at_the_start(yolo: Server) -> None:
    yolo.stop()
    left = folder(yolo) / ".0123.upload.unfinished"
    left.write_text("[{")
    assert [each["name"] for each in yolo.again().get("/api/predictions").json] == ["yolo"]
    assert not left.exists()


def test_upload_beyond_the_limit_is_refused_and_leaves_nothing(serve: Serve, small: dict[str, Any]) -> None:
    server = serve(small, COCOANNOT_MAX_DATASET_BYTES=2000)
    assert put(server, LIST * 10).status_code == 413
    assert server.get("/api/predictions").json == []
    assert [*folder(server).glob("*"), *folder(server).glob(".*")] == []
    assert put(server, LIST).status_code == 201


# What is wrong with an upload


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"score": None}, "score"),
        ({"score": "0.5"}, "score"),
        ({"score": True}, "score"),
        ({"score": [0.5]}, "score"),
        ({"score": math.nan}, "score"),
        ({"score": -math.inf}, "score"),
        ({"bbox": [1, 2, 3]}, "bbox"),
        ({"bbox": [1, 2, 0, 4]}, "bbox"),
        ({"bbox": [1, 2, 3, -4]}, "bbox"),
        ({"bbox": [1, 2, "3", 4]}, "bbox"),
        ({"bbox": None}, "bbox"),
        ({"bbox": [1, 2, 1e9, 4]}, "bbox"),
        ({"segmentation": [[1, 2, 3, 4]]}, "segmentation.0"),
        ({"segmentation": {"size": [480, 640], "counts": [1, 2]}}, "segmentation.counts"),
        ({"segmentation": {"size": [4, 4], "counts": [4, 4, 8]}}, "segmentation"),
        ({"segmentation": {"size": [480, 640], "counts": [307200]}}, "segmentation"),
        ({"keypoints": [1, 2]}, "keypoints"),
        ({"keypoints": [1, 2, 2], "category_id": 5}, "keypoints"),
        ({"image_id": None}, "image_id"),
        ({"image_id": 1.5}, "image_id"),
        ({"image_id": 2**60}, "image_id"),
        ({"category_id": "cat"}, "category_id"),
    ],
)
def test_wrong_prediction_is_told_by_its_index_and_nothing_is_imported(
    api: Server, change: Prediction, field: str
) -> None:
    good = [{**BOX, "more": "text with ] and } and \\"}] * 700
    wrong = {key: value for key, value in {**ELSEWHERE, **change}.items() if value is not None}
    answer = put(api, [*good, wrong, *good])
    assert answer.status_code == 422
    assert list(answer.json["errors"]["json"]["predictions"]) == ["700"]
    assert list(answer.json["errors"]["json"]["predictions"]["700"]) == [field]
    assert "prediction 700" in answer.json["message"]
    assert api.get("/api/predictions").json == []


def test_only_the_first_of_many_wrong_predictions_are_named_and_all_are_counted(api: Server) -> None:
    answer = put(api, [{**BOX, "score": "x"}] * 50)
    assert "50 are wrong in all" in answer.json["message"]
    assert len(answer.json["errors"]["json"]["predictions"]) == 20


def test_predictions_of_another_dataset_are_told_with_counts_and_nothing_is_imported(yolo: Server) -> None:
    foreign = [{**BOX, "image_id": 3}, {**BOX, "image_id": 3}, {**BOX, "image_id": 900}, {**BOX, "category_id": 77}]
    answer = put(yolo, [*LIST, *foreign])
    assert answer.status_code == 422
    assert "3 of 8 predictions are of 2 image(s) that do not exist" in answer.json["message"]
    assert answer.json["errors"]["json"] == {
        "image_id": {"predictions": 3, "ids": 2, "examples": [3, 900]},
        "category_id": {"predictions": 1, "ids": 1, "examples": [77]},
    }
    assert yolo.get("/api/predictions/yolo").json["predictions"] == 4


@pytest.mark.parametrize(
    "text",
    [
        *(
            b"",
            b"   ",
            b"[",
            b"{}",
            b"3",
            b'"text"',
            b"null",
            b'{"annotations": {}}',
            b"[{]",
            b"[1]",
            b"[[]]",
            b"[null]",
        ),
        *(b"[" * 100_000, b'{"a":' * 100_000, b"\xff\xfe[]", b'[{"image_id": 1e999}]', b"[{}] more", b"[{},]"),
        b'[{"image_id": 1, "category_id": 1, "bbox": [1, 2, 3, 4], "score": 1, "note": "\xff"}]',
        b'[{"image_id": 1, "category_id": 1, "bbox": [1, 2, 3, 4], "score": ' + b"9" * 5000 + b"}]",
    ],
)
def test_body_that_is_no_list_of_predictions_is_refused_with_a_clear_message(api: Server, text: bytes) -> None:
    answer = put(api, text)
    assert answer.status_code == 422, answer.json
    assert api.get("/api/predictions").json == []


def test_body_of_another_type_is_refused(api: Server) -> None:
    answer = api.ask("PUT", "/api/predictions/yolo", data=b"[]", content_type="text/plain")
    assert answer.status_code == 415


def test_empty_list_is_an_empty_layer(api: Server) -> None:
    told = put(api, []).json
    assert (told["predictions"], told["min_score"]) == (0, None)
    assert api.get("/api/images/1/predictions").json == []
    assert api.post("/api/predictions/yolo/accept", {"min_score": 0}).json["accepted"] == 0
    assert api.again().get("/api/predictions").json == [told]


def test_ids_that_some_have_or_two_share_are_refused(api: Server) -> None:
    assert put(api, [{**BOX, "id": 1}, UNSURE]).status_code == 422
    assert put(api, [{**BOX, "id": 1, "x": 0}, UNSURE]).status_code == 422
    answer = put(api, [{**BOX, "id": 3}, {**UNSURE, "id": 3}])
    assert list(answer.json["errors"]["json"]["predictions"]) == ["1"]


def test_more_predictions_on_one_image_than_can_be_compared_are_refused(api: Server) -> None:
    answer = put(api, [BOX] * 10_001)
    assert answer.status_code == 422
    assert "image 1 has 10001 predictions" in answer.json["message"]


# What layers say of an image


def test_prediction_is_told_as_it_was_uploaded_with_what_annotations_make_of_it(yolo: Server) -> None:
    first, second, third = yolo.get("/api/images/1/predictions?name=yolo").json
    assert {key: first[key] for key in BOX} == BOX
    assert (first["id"], first["_layer"], first["_status"]) == (1, "yolo", "open")
    assert (first["_covered"], first["_covered_by"], first["_iou"]) == (True, 1, 1.0)
    assert (second["id"], second["_covered"], second["_covered_by"], second["_iou"]) == (2, False, None, 0.0)
    assert third["_covered"] is False, "an annotation of another category covers nothing"


@pytest.mark.parametrize(("width", "covered"), [(11.1, True), (11.2, False)])
def test_prediction_is_covered_from_an_iou_of_nine_tenths_on(api: Server, width: float, covered: bool) -> None:
    put(api, [{**BOX, "bbox": [10, 10, width, 10]}])
    (found,) = api.get("/api/images/1/predictions").json
    assert found["_covered"] is covered
    assert found["_iou"] == pytest.approx(10 / width, abs=1e-4)


def test_digits_of_a_prediction_are_told_as_they_were_uploaded(api: Server) -> None:
    put(api, b'[{"image_id":1,"category_id":1,"bbox":[1.0,2.50,3,4],"score":0.30000000000000004,"\\u00e4":"\\/"}]')
    text = api.get("/api/images/1/predictions").data
    assert b'{"image_id":1,"category_id":1,"bbox":[1.0,2.50,3,4],"score":0.30000000000000004,"\\u00e4":"\\/",' in text


@pytest.mark.parametrize(("score", "ids"), [(0.6, [1, 2, 3]), (0.61, [1, 3]), (0.9, [1]), (1, []), (-5, [1, 2, 3])])
def test_threshold_takes_those_with_at_least_that_score(yolo: Server, score: float, ids: list[int]) -> None:
    assert yolo.ids(f"/api/images/1/predictions?min_score={score}") == ids


def test_layers_are_asked_for_by_name_and_all_come_without_one(yolo: Server) -> None:
    put(yolo, [ELSEWHERE], "second")
    assert len(yolo.get("/api/images/1/predictions").json) == 4
    assert len(yolo.get("/api/images/1/predictions?name=second").json) == 1
    assert len(yolo.get("/api/images/1/predictions?name=second&name=yolo").json) == 4
    answer = yolo.get("/api/images/1/predictions?name=third")
    assert answer.status_code == 422
    assert "name" in answer.json["errors"]["query"]


def test_predictions_of_an_image_that_is_not_there_are_a_404(yolo: Server) -> None:
    assert yolo.get("/api/images/3/predictions").status_code == 404
    assert yolo.get("/api/images/4/predictions").json == []


def test_predictions_of_an_image_are_a_304_until_something_changes(yolo: Server) -> None:
    answer = yolo.get("/api/images/1/predictions")
    known = {"headers": {"If-None-Match": answer.headers["ETag"]}}
    assert yolo.get("/api/images/1/predictions", **known).status_code == 304
    yolo.post("/api/predictions/yolo/reject", {"ids": [2]})
    assert yolo.get("/api/images/1/predictions", **known).status_code == 200


def test_malformed_annotations_beside_do_not_hide_predictions(serve: Serve, small: dict[str, Any]) -> None:
    small["annotations"] += [
        {"id": 20, "image_id": 1, "category_id": 1, "bbox": "nothing", "prediction": 7},
        {"id": 21, "image_id": 1, "caption": "no category"},
        {"id": 23, "image_id": 1, "category_id": 1, "bbox": [0, 0, 1e300, 1e300]},
        {"id": 24, "image_id": 1, "category_id": 1, "bbox": [0, 0, -5, 0]},
        {
            "id": 22,
            "image_id": 1,
            "category_id": 1,
            "bbox": [300, 200, 40, 30.0],
            "iscrowd": 0.0,
            "prediction": {"id": 1},
        },
    ]
    server = serve(small)
    put(server, LIST)
    assert [each["_covered_by"] for each in server.get("/api/images/1/predictions").json] == [1, 22, None]
    assert server.get("/api/images?sort=-disagreement&predictions=yolo").status_code == 200


# Accepting and rejecting


def test_accepted_prediction_becomes_an_annotation_that_knows_where_it_came_from(yolo: Server) -> None:
    answer = yolo.post("/api/predictions/yolo/accept", {"ids": [2]})
    assert answer.status_code == 200
    assert (answer.json["accepted"], answer.json["left_out"]) == (1, 0)
    (made,) = answer.json["annotations"]
    annotation = yolo.get(f"/api/annotations/{made['id']}")
    assert annotation.headers["ETag"] == f'"{made["etag"]}"'
    version = yolo.get("/api/predictions/yolo").json["version"]
    origin = {"layer": "yolo", "version": version, "id": 2, "score": 0.6, "user": None}
    box = {"bbox": [300, 200, 40, 30], "segmentation": [], "area": 1200, "iscrowd": 0}
    assert annotation.json == {"id": made["id"], "image_id": 1, "category_id": 1, **box, "prediction": origin}
    assert statuses(yolo) == ["open", "accepted", "open"]
    assert counts(yolo) == {"open": 3, "accepted": 1}


def test_undone_accept_makes_the_predictions_open_again_and_redone_accepted(yolo: Server) -> None:
    before = yolo.get("/api/images/1/annotations").data
    revision = yolo.post("/api/predictions/yolo/accept", {"image_id": 1, "min_score": 0.5}).headers["X-Change-Revision"]
    assert statuses(yolo) == ["open", "accepted", "accepted"]
    undone = yolo.post(f"/api/changes/{revision}/undo").headers["X-Change-Revision"]
    assert yolo.get("/api/images/1/annotations").data == before
    assert statuses(yolo) == ["open", "open", "open"]
    assert counts(yolo) == {"open": 4}
    yolo.post(f"/api/changes/{undone}/undo")
    assert statuses(yolo.again()) == ["open", "accepted", "accepted"]
    assert counts(yolo) == {"open": 2, "accepted": 2}


def test_many_are_accepted_as_one_change_which_leaves_out_what_is_covered_rejected_or_accepted(yolo: Server) -> None:
    revision = yolo.revision
    yolo.post("/api/predictions/yolo/reject", {"ids": [3]})
    answer = yolo.post("/api/predictions/yolo/accept", {"min_score": 0.1})
    assert [each["prediction_id"] for each in answer.json["annotations"]] == [2, 4]
    assert answer.json["left_out"] == 2
    assert yolo.revision == revision + 1
    (change,) = yolo.get(f"/api/changes?since={revision}").json
    assert change["summary"] == "2 annotation(s) added"
    again = yolo.post("/api/predictions/yolo/accept", {"min_score": 0.1})
    assert (again.json["accepted"], again.json["left_out"]) == (0, 4)
    assert yolo.revision == revision + 1


@pytest.mark.parametrize(("max_iou", "accepted"), [({}, 1), ({"max_iou": 0.6}, 1), ({"max_iou": 0.5}, 0)])
def test_what_is_nearly_there_is_accepted_or_left_out_as_one_says(
    api: Server, max_iou: dict[str, float], accepted: int
) -> None:
    put(api, [{**BOX, "bbox": [10, 10, 18, 10]}])
    answer = api.post("/api/predictions/yolo/accept", {"min_score": 0, **max_iou})
    assert answer.json["accepted"] == accepted


@pytest.mark.parametrize("max_iou", [0, -1, 1.1, "0.5", None, True])
def test_max_iou_is_a_share(yolo: Server, max_iou: object) -> None:
    assert yolo.post("/api/predictions/yolo/accept", {"min_score": 0, "max_iou": max_iou}).status_code == 422
    assert yolo.post("/api/predictions/yolo/accept", {"ids": [1], "max_iou": 0.5}).status_code == 422


def test_covered_and_rejected_predictions_are_accepted_by_their_ids(yolo: Server) -> None:
    yolo.post("/api/predictions/yolo/reject", {"ids": [3]})
    answer = yolo.post("/api/predictions/yolo/accept", {"ids": [1, 3, 1]})
    assert (answer.json["accepted"], answer.json["left_out"]) == (2, 0)
    assert statuses(yolo) == ["accepted", "open", "accepted"]
    yolo.post(f"/api/changes/{answer.headers['X-Change-Revision']}/undo")
    assert statuses(yolo) == ["open", "open", "open"]


def test_accepting_again_with_the_same_key_gives_the_first_answer(yolo: Server) -> None:
    with_key = {"headers": {"Idempotency-Key": "k1"}}
    first = yolo.post("/api/predictions/yolo/accept", {"min_score": 0.1}, **with_key)
    again = yolo.post("/api/predictions/yolo/accept", {"min_score": 0.1}, **with_key)
    assert again.json == first.json
    assert again.headers["Idempotency-Replayed"] == "true"
    other = yolo.post("/api/predictions/yolo/accept", {"min_score": 0.2}, **with_key)
    assert other.status_code == 422


def test_accepted_annotation_that_is_deleted_or_moved_away_leaves_the_prediction_open(yolo: Server) -> None:
    one, other = yolo.post("/api/predictions/yolo/accept", {"ids": [2, 3]}).json["annotations"]
    yolo.delete(f"/api/annotations/{one['id']}")
    yolo.patch(f"/api/annotations/{other['id']}", {"image_id": 2})
    assert statuses(yolo) == ["open", "open", "open"]
    assert counts(yolo) == {"open": 4}


def test_copy_of_an_accepted_annotation_on_another_image_does_not_count(yolo: Server) -> None:
    (made,) = yolo.post("/api/predictions/yolo/accept", {"ids": [2]}).json["annotations"]
    copy = yolo.get(f"/api/annotations/{made['id']}").json
    del copy["id"]
    yolo.post("/api/annotations", {**copy, "image_id": 2})
    yolo.delete(f"/api/annotations/{made['id']}")
    assert counts(yolo) == {"open": 4}


def test_same_file_uploaded_again_keeps_what_was_decided_and_another_one_does_not(yolo: Server) -> None:
    yolo.post("/api/predictions/yolo/accept", {"ids": [2]})
    yolo.post("/api/predictions/yolo/reject", {"ids": [3]})
    put(yolo, LIST)
    assert statuses(yolo) == ["open", "accepted", "rejected"]
    put(yolo, [*LIST, UNSURE])
    assert statuses(yolo) == ["open", "open", "open"]


@pytest.mark.parametrize("kind", ["segmentation", "mask", "keypoints"])
def test_other_shapes_than_boxes_are_accepted_by_the_ordinary_rules(api: Server, kind: str) -> None:
    shapes: dict[str, Prediction] = {
        "segmentation": {"segmentation": [[0, 0, 30, 0, 30, 20]], "bbox": [1, 1, 1, 1]},
        "mask": {"segmentation": {"size": [480, 640], "counts": [480, 10, 306710]}},
        "keypoints": {"category_id": 5, "keypoints": [10, 20, 0.8, 30, 60, 0.9]},
    }
    put(api, [{**{key: BOX[key] for key in ("image_id", "category_id", "score")}, **shapes[kind], "extra": [1.50]}])
    (made,) = api.post("/api/predictions/yolo/accept", {"min_score": 0}).json["annotations"]
    annotation = api.get(f"/api/annotations/{made['id']}").json
    expected = {
        "segmentation": {"bbox": [0, 0, 30, 20], "area": 300},
        "mask": {"bbox": [1, 0, 1, 10], "area": 10},
        "keypoints": {"keypoints": [10, 20, 2, 30, 60, 2], "bbox": [10, 20, 20, 40], "num_keypoints": 2},
    }[kind]
    assert {key: annotation[key] for key in expected} == expected
    assert annotation["extra"] == [1.5]
    assert "score" not in annotation


def test_rejected_predictions_are_remembered_and_can_be_open_again(yolo: Server) -> None:
    revision = yolo.revision
    assert yolo.post("/api/predictions/yolo/reject", {"ids": [2, 3]}).json == {"rejected": 2, "left_out": 0}
    assert yolo.post("/api/predictions/yolo/reject", {"ids": [2]}).json == {"rejected": 0, "left_out": 1}
    assert counts(yolo.again()) == {"open": 2, "rejected": 2}
    assert yolo.post("/api/predictions/yolo/reject", {"ids": [2], "rejected": False}).json["rejected"] == 1
    assert statuses(yolo) == ["open", "open", "rejected"]
    assert yolo.revision == revision


def test_accepted_prediction_is_not_rejected(yolo: Server) -> None:
    yolo.post("/api/predictions/yolo/accept", {"ids": [2]})
    assert yolo.post("/api/predictions/yolo/reject", {"image_id": 1, "min_score": 0}).json == {
        "rejected": 2,
        "left_out": 1,
    }
    assert statuses(yolo) == ["rejected", "accepted", "rejected"]


@pytest.mark.parametrize("verb", ["accept", "reject"])
@pytest.mark.parametrize(
    "body",
    [
        *(
            {},
            {"image_id": 1},
            {"ids": []},
            {"ids": [99]},
            {"ids": [0]},
            {"ids": [1.5]},
            {"ids": ["1"]},
            {"ids": [True]},
        ),
        *({"ids": 1}, {"ids": None}, {"ids": [2**70]}, {"ids": [1], "min_score": 0}, {"ids": [1], "image_id": 1}, []),
        *({"min_score": "0.5"}, {"min_score": None}, {"min_score": True}, {"min_score": 0, "x": 1}, 5, "text", None),
    ],
)
def test_decision_that_is_unclear_is_refused_and_nothing_is_done(yolo: Server, verb: str, body: object) -> None:
    answer = yolo.ask("POST", f"/api/predictions/yolo/{verb}", **as_json(json.dumps(body).encode()))
    assert answer.status_code == 422, answer.json
    assert counts(yolo) == {"open": 4}


@pytest.mark.parametrize("verb", ["accept", "reject"])
def test_decision_about_a_layer_that_is_not_there_is_a_404(yolo: Server, verb: str) -> None:
    assert yolo.post(f"/api/predictions/other/{verb}", {"min_score": 0}).status_code == 404


# A dataset that changes


def test_prediction_whose_image_or_category_is_gone_is_missing_until_it_comes_back(yolo: Server) -> None:
    yolo.ids("/api/images?sort=-disagreement&predictions=yolo")
    gone = yolo.delete("/api/images/1").headers["X-Change-Revision"]
    assert counts(yolo) == {"open": 1, "missing": 3}
    assert yolo.post("/api/predictions/yolo/accept", {"ids": [1, 2]}).json["left_out"] == 2
    assert yolo.post("/api/predictions/yolo/accept", {"image_id": 1, "min_score": 0}).status_code == 422
    assert yolo.ids("/api/images?sort=-disagreement&predictions=yolo") == [2, 4]
    yolo.post(f"/api/changes/{gone}/undo")
    assert counts(yolo) == {"open": 4}
    yolo.delete("/api/categories/1?reassign_to=2")
    assert counts(yolo) == {"open": 2, "missing": 2}
    assert statuses(yolo) == ["missing", "missing", "open"]


def test_replaced_dataset_is_compared_anew(yolo: Server, small: dict[str, Any]) -> None:
    yolo.ids("/api/images?sort=-disagreement&predictions=yolo")
    yolo.post("/api/predictions/yolo/accept", {"ids": [2]})
    images = [image for image in small["images"] if image["id"] != 2]
    assert yolo.put({"images": images, "annotations": []}).status_code == 200
    assert counts(yolo) == {"open": 3, "missing": 1}
    assert [each["_covered"] for each in yolo.get("/api/images/1/predictions").json] == [False] * 3
    assert yolo.ids("/api/images?sort=-disagreement&predictions=yolo") == [1, 4]


# Where model and annotators differ most


def disagreement_order(server: Server) -> list[int]:
    return server.ids("/api/images?sort=-disagreement&predictions=yolo")


def test_images_are_sorted_by_how_much_model_and_annotators_differ(api: Server) -> None:
    # Image 1 lacks the dog (1) and is sure of the cat (0.05); image 2 lacks its cat (1) and has 0.9 for nothing.
    nothing = {"image_id": 2, "category_id": 2, "bbox": [50, 50, 20, 20], "score": 0.9}
    put(api, [{**BOX, "score": 0.95}, nothing])
    assert disagreement_order(api) == [2, 1, 4]
    assert api.ids("/api/images?sort=disagreement&predictions=yolo") == [4, 1, 2]
    neighbours = api.get("/api/images/1/neighbours?sort=-disagreement&predictions=yolo").json
    assert (neighbours["previous"], neighbours["next"], neighbours["position"]) == (2, 4, 1)
    assert api.post("/api/images/next?sort=-disagreement&predictions=yolo").json["id"] == 2


def test_order_follows_changes_and_decisions(api: Server) -> None:
    nothing = {"image_id": 4, "category_id": 2, "bbox": [5, 5, 20, 20], "score": 0.9}
    put(api, [BOX, {**nothing, "bbox": [50, 5, 20, 20]}, nothing, nothing])
    assert disagreement_order(api) == [4, 1, 2]
    api.post("/api/predictions/yolo/reject", {"image_id": 4, "min_score": 0})
    assert disagreement_order(api) == [1, 2, 4]
    api.delete("/api/annotations/2")
    assert disagreement_order(api) == [2, 1, 4]
    api.delete("/api/annotations/7")
    assert disagreement_order(api) == [1, 2, 4]
    api.post("/api/predictions/yolo/reject", {"min_score": 0, "rejected": False})
    assert disagreement_order(api) == [4, 1, 2]


@pytest.mark.parametrize(
    "query",
    ["sort=disagreement", "predictions=yolo", "sort=-disagreement&predictions=other", "sort=id&predictions=yolo"],
)
@pytest.mark.parametrize("address", ["/api/images", "/api/images/1/neighbours"])
def test_order_without_its_layer_is_refused(yolo: Server, address: str, query: str) -> None:
    answer = yolo.get(f"{address}?{query}")
    assert answer.status_code == 422
    assert "predictions" in answer.json["errors"]["query"]
