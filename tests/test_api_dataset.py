"""The Dataset section of api.md, row by row, with /healthz and /readyz."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from api_client import Serve, Server, as_json

EMPTY: dict[str, Any] = {"images": [], "annotations": []}
BOX = {"image_id": 1, "category_id": 1, "bbox": [1, 2, 3, 4]}
ACTIONS = ("added", "updated", "deleted")


# Reading


def test_head_has_everything_but_images_and_annotations(api: Server, small: dict[str, Any]) -> None:
    assert api.get("/api/dataset").json == {
        "info": small["info"],
        "licenses": small["licenses"],
        "categories": small["categories"],
        "counts": {"images": 3, "annotations": 3, "categories": 3},
        "revision": 0,
    }


def test_head_goes_out_as_stored(serve: Serve) -> None:
    text = serve('{"info": {"year":2.0e3}, "categories": [{"id":1.0,"name":"\\u00e9"}]}').get("/api/dataset").text
    assert '{"year":2.0e3}' in text
    assert '[{"id":1.0,"name":"\\u00e9"}]' in text
    assert '"licenses":null' in text


@pytest.mark.parametrize("change", [False, True])
def test_export_is_the_file_byte_for_byte(serve: Serve, small: dict[str, Any], change: bool) -> None:
    text = b"\xef\xbb\xbf" + json.dumps({"type": "x", **small}, indent=2).replace("\n", "\r\n").encode() + b"\r\n\r\n"
    api = serve(text)
    if change:
        api.post("/api/annotations", BOX)
        api.delete("/api/images/2")
    answer = api.get("/api/dataset/export")
    assert answer.data == text or change
    assert answer.content_length == len(answer.data)
    api.stop()
    assert api.path.read_bytes() == answer.data


def test_export_is_a_download_under_the_file_s_name(api: Server) -> None:
    answer = api.get("/api/dataset/export")
    assert answer.headers["Content-Disposition"] == "attachment; filename=dataset.json"
    assert answer.mimetype == "application/json"


# Replacing


def test_replaced_dataset_is_in_the_file_at_once(api: Server) -> None:
    body = {
        "images": [{"id": 9, "file_name": "new.jpg", "width": 5, "height": 5}],
        "annotations": [{"id": 3, "image_id": 9, "category_id": 8}],
        "categories": [{"id": 8, "name": "new"}],
        "info": {"year": 2030},
        "licenses": [],
    }
    answer = api.put(body)
    assert answer.status_code == 200
    assert answer.json == api.get("/api/dataset").json
    assert answer.json["revision"] == 1
    assert json.loads(api.path.read_bytes()) == body
    assert api.get("/api/annotations").json == body["annotations"]


def test_replacing_keeps_what_it_does_not_name(serve: Serve, small: dict[str, Any]) -> None:
    api = serve({"videos": [1], **small, "type": "instances"})
    api.put(EMPTY)
    assert api.saved() == {"videos": [1], **small, **EMPTY, "type": "instances"}


def test_replacing_takes_pending_changes_of_the_rest_along(api: Server) -> None:
    api.post("/api/categories", {"name": "bird"})
    api.put(EMPTY)
    assert json.loads(api.path.read_bytes())["categories"][-1]["name"] == "bird"
    assert api.get("/api/status").json["pending"]["summary"] == "no changes"


def test_replacing_keeps_records_byte_for_byte(api: Server) -> None:
    body = b'{"images": [ {"id":1.0, "file_name":"\\u00e9"} ],\n"annotations": []}'
    api.put(body)
    assert api.get("/api/images/1").data == b'{"id":1.0, "file_name":"\\u00e9"}'


def test_replacing_without_if_match_is_a_428(api: Server) -> None:
    answer = api.ask("PUT", "/api/dataset", json=EMPTY)
    assert answer.status_code == 428
    assert "If-Match" in answer.json["message"]


@pytest.mark.parametrize("tag", ['"0"', '"99"', "*", '"x"', "", '"1", "2"', '"' + "9" * 5000 + '"'])
def test_replacing_at_another_revision_is_a_412_with_the_current_one(api: Server, tag: str) -> None:
    api.delete("/api/annotations/1")
    answer = api.ask("PUT", "/api/dataset", json=EMPTY, headers={"If-Match": tag})
    assert (answer.status_code, answer.headers["ETag"]) == (412, '"1"')
    assert answer.json["errors"]["current"] == "1"
    assert api.ids("/api/images") == [1, 2, 4]


def test_weak_revision_is_taken(api: Server) -> None:
    assert api.ask("PUT", "/api/dataset", json=EMPTY, headers={"If-Match": 'W/"0"'}).status_code == 200


@pytest.mark.parametrize("body", [b"", b"{", b'{"images": [], "annotations": [NaN]}', b"\xff", b'{"images": "\xff"}'])
def test_replacement_that_is_not_json_is_a_400(api: Server, body: bytes) -> None:
    assert api.put(body).status_code == 400


@pytest.mark.parametrize(
    "value", ['{"x": NaN}', '{"x": "\\ud800"}', '"\\ud800"', '{"x": "\xff"}', "[" * 101 + "]" * 101, "[" * 5000]
)
@pytest.mark.parametrize("key", ["images", "info"])
def test_replacement_with_a_value_that_is_not_json_is_a_400(api: Server, key: str, value: str) -> None:
    body = {"images": "[]", "annotations": "[]", key: f"[{value}]"}
    text = "{" + ", ".join(f'"{name}": {text}' for name, text in body.items()) + "}"
    assert api.put(text.encode("latin-1")).status_code == 400
    assert api.revision == 0


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"images": []},
        {**EMPTY, "videos": []},
        {**EMPTY, "images": {}},
        {**EMPTY, "images": [1]},
        {**EMPTY, "images": [{}]},
        {**EMPTY, "images": [{"id": "1"}]},
        {**EMPTY, "images": [{"id": 1.5}]},
        {**EMPTY, "annotations": [{"id": 2**53, "image_id": 1}]},
        {**EMPTY, "categories": [{"id": None}]},
    ],
)
def test_replacement_that_no_file_could_hold_is_a_422(api: Server, body: dict[str, Any]) -> None:
    answer = api.put(body)
    assert answer.status_code == 422
    assert answer.json["errors"]["json"]
    assert api.revision == 0


def test_replacing_has_a_limit_of_its_own(serve: Serve, small: dict[str, Any]) -> None:
    api = serve(small, COCOANNOT_MAX_BODY_BYTES=1024, COCOANNOT_MAX_DATASET_BYTES=4096)
    assert api.put({**EMPTY, "info": {"x": "x" * 2000}}).status_code == 200
    answer = api.put({**EMPTY, "info": {"x": "x" * 5000}})
    assert answer.status_code == 413
    assert "COCOANNOT_MAX_DATASET_BYTES" in answer.json["message"]
    assert api.post("/api/annotations", {**BOX, "x": "x" * 2000}).status_code == 413


def test_limit_of_replacing_may_be_below_that_of_other_bodies(serve: Serve, small: dict[str, Any]) -> None:
    api = serve(small, COCOANNOT_MAX_DATASET_BYTES=1024)
    assert api.put({**EMPTY, "info": {"x": "x" * 2000}}).status_code == 413


def test_replacing_a_file_that_something_else_changed_is_a_409_and_changes_nothing(api: Server) -> None:
    theirs = b'{"images": [], "theirs": true}'
    api.path.write_bytes(theirs)
    assert api.put(EMPTY).status_code == 409
    assert api.path.read_bytes() == theirs
    assert api.ids("/api/images") == [1, 2, 4]
    assert api.revision == 0


# Saving


def test_flush_saves_and_tells_what(api: Server) -> None:
    api.post("/api/annotations", BOX)
    api.delete("/api/categories/5")
    assert api.post("/api/flush").json == {
        "saved": True,
        "summary": "1 annotation(s) added, 1 category(ies) deleted",
        "revision": 2,
    }
    assert len(json.loads(api.path.read_bytes())["annotations"]) == 4


@pytest.mark.parametrize("options", [{}, as_json(b""), as_json(b"{}"), as_json(b'{"on_conflict": "overwrite"}')])
def test_flush_without_changes_saves_nothing(api: Server, options: dict[str, Any]) -> None:
    before = api.path.stat()
    assert api.post("/api/flush", **options).json == {"saved": False, "summary": "no changes", "revision": 0}
    assert api.path.stat() == before


def test_flush_of_a_file_that_something_else_changed_is_a_409(api: Server) -> None:
    api.delete("/api/annotations/1")
    api.path.write_bytes(b"{}")
    answer = api.post("/api/flush")
    assert answer.status_code == 409
    assert "overwrite" in answer.json["message"]
    assert api.path.read_bytes() == b"{}"
    assert api.get("/api/status").json["saver"]["last_error"] == answer.json["message"]
    assert api.get("/readyz").status_code == 200


def test_flush_with_overwrite_saves_and_keeps_theirs(api: Server) -> None:
    api.delete("/api/annotations/1")
    api.path.write_bytes(b'{"theirs": true}')
    api.post("/api/flush")
    assert api.post("/api/flush", {"on_conflict": "overwrite"}).json["saved"]
    assert [path.read_bytes() for path in api.path.parent.glob("dataset.json.theirs-*")] == [b'{"theirs": true}']
    assert api.again().ids("/api/annotations") == [2, 7]


@pytest.mark.parametrize("body", [{"on_conflict": "theirs"}, {"on_conflict": None}, {"force": True}])
def test_flush_refuses_other_options(api: Server, body: dict[str, Any]) -> None:
    assert api.post("/api/flush", body).json["errors"]["json"].keys() == body.keys()


# Status


def test_status_has_exactly_what_the_contract_says(api: Server) -> None:
    status = api.get("/api/status").json
    assert {key: set(value) if isinstance(value, dict) else value for key, value in status.items()} == {
        "version": api.get("/api/openapi.json").json["info"]["version"],
        "dataset": {"uri", "path", "loaded_at", "bytes", "counts", "warnings", "backups"},
        "revision": {"memory", "journal", "file", "s3"},
        "pending": {
            *(f"{section}_{action}" for section in ("annotations", "categories", "images") for action in ACTIONS),
            *("summary", "since"),
        },
        "saver": {"interval", "next_save_in", "last_saved_at", "last_save_seconds", "last_error"},
        "s3": None,
    }


def test_status_of_a_dataset_without_changes(api: Server) -> None:
    status = api.get("/api/status").json
    assert status["dataset"]["uri"] == status["dataset"]["path"] == str(api.path)
    assert status["dataset"]["bytes"] == api.path.stat().st_size
    assert status["dataset"]["counts"] == {"images": 3, "annotations": 3, "categories": 3}
    assert status["dataset"]["warnings"] == []
    assert datetime.fromisoformat(status["dataset"]["loaded_at"]).tzinfo
    assert status["revision"] == {"memory": 0, "journal": 0, "file": 0, "s3": None}
    assert status["pending"]["since"] is None
    assert status["pending"]["summary"] == "no changes"
    assert status["saver"] == {
        "interval": 86400,
        "next_save_in": None,
        "last_saved_at": None,
        "last_save_seconds": None,
        "last_error": None,
    }


def test_status_of_a_dataset_with_changes(serve: Serve, small: dict[str, Any]) -> None:
    api = serve(small, COCOANNOT_JOURNAL_FSYNC="always")
    api.post("/api/annotations", BOX)
    api.patch("/api/images/1", {"note": "x"})
    status = api.get("/api/status").json
    assert status["revision"] == {"memory": 2, "journal": 2, "file": 0, "s3": None}
    counts = {key: value for key, value in status["pending"].items() if isinstance(value, int) and value}
    assert counts == {"annotations_added": 1, "images_updated": 1}
    assert status["pending"]["summary"] == "1 annotation(s) added, 1 image(s) updated"
    assert datetime.fromisoformat(status["pending"]["since"]) >= datetime.fromisoformat(status["dataset"]["loaded_at"])
    assert 86000 < status["saver"]["next_save_in"] <= 86400


def test_status_after_a_save(api: Server) -> None:
    api.post("/api/annotations", BOX)
    api.post("/api/flush")
    status = api.get("/api/status").json
    assert status["revision"] == {"memory": 1, "journal": 1, "file": 1, "s3": None}
    assert status["pending"]["since"] is None
    assert datetime.fromisoformat(status["saver"]["last_saved_at"]).tzinfo
    assert status["saver"]["last_save_seconds"] > 0
    assert status["dataset"]["bytes"] == api.path.stat().st_size


def test_status_lists_the_backups(api: Server) -> None:
    before = api.path.read_bytes()
    assert api.get("/api/status").json["dataset"]["backups"] == []
    api.post("/api/annotations", BOX)
    api.post("/api/flush")
    (backup,) = api.get("/api/status").json["dataset"]["backups"]
    assert (Path(backup["path"]).read_bytes(), backup["bytes"]) == (before, len(before))


def test_status_tells_what_is_wrong_with_the_dataset(serve: Serve, small: dict[str, Any]) -> None:
    small["annotations"][0]["image_id"] = 99
    warnings = serve(small).get("/api/status").json["dataset"]["warnings"]
    assert len(warnings) == 1
    assert "no image" in warnings[0]


def test_revision_goes_on_over_restarts(api: Server) -> None:
    api.post("/api/annotations", BOX)
    api.again().post("/api/annotations", BOX)
    assert api.get("/api/status").json["revision"]["memory"] == 2


# Health


def test_healthz_needs_no_dataset(serve: Serve, dataset_path: Path) -> None:
    assert serve().get("/healthz").status_code == 200
    assert not dataset_path.exists()


def test_readyz_is_200_once_the_dataset_is_loaded(api: Server) -> None:
    assert api.get("/readyz").json == {"status": "ready"}


def test_readyz_is_a_503_with_the_reason_where_there_is_no_dataset(serve: Serve) -> None:
    answer = serve().get("/readyz")
    assert answer.status_code == 503
    assert "does not exist" in answer.json["message"]


def test_missing_dataset_is_made_where_that_is_wanted(serve: Serve, dataset_path: Path) -> None:
    api = serve(COCOANNOT_CREATE=True)
    assert api.post("/api/images", {"file_name": "a.jpg", "width": 1, "height": 1}).json["id"] == 1
    assert api.saved()["images"][0]["file_name"] == "a.jpg"
