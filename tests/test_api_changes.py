"""The API of past changes: the list, and undo, through the client; then opened again on the same file."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from api_client import Response, Serve, Server

from cocoannot.changes.operations import Delete, Update
from cocoannot.extension import runtime

EVERY_STORE = True

BOX = {"image_id": 1, "category_id": 1, "bbox": [1, 2, 3, 4]}


def export(server: Server) -> bytes:
    text: bytes = server.get("/api/dataset/export").data
    return text


def undo(server: Server, revision: object, **options: Any) -> Response:
    return server.post(f"/api/changes/{revision}/undo", **options)


def edit(section: str, number: int, image_id: int | None, op: str) -> dict[str, Any]:
    return {"section": section, "id": number, "image_id": image_id, "op": op}


def test_an_image_comes_back_whole_and_in_its_place(api: Server) -> None:
    before = export(api)
    gone = api.delete("/api/images/1")
    assert gone.headers["X-Change-Revision"] == "1"
    answer = undo(api, 1)
    assert answer.status_code == 200
    assert datetime.fromisoformat(answer.json["time"]).tzinfo == UTC
    body = {name: value for name, value in answer.json.items() if name != "time"}
    assert body == {
        "revision": 2,
        "user": None,
        "kind": "undo",
        "summary": "2 annotation(s) added, 1 image(s) added",
        "edits": [
            edit("images", 1, 1, "add"),
            edit("annotations", 1, 1, "add"),
            edit("annotations", 2, 1, "add"),
        ],
        "undoes": 1,
    }
    assert (answer.headers["X-Dataset-Revision"], answer.headers["X-Change-Revision"]) == ("2", "2")
    assert export(api) == before
    assert export(api.again()) == before
    assert api.path.read_bytes() == before


def test_undo_of_an_undo_is_a_redo(api: Server) -> None:
    texts = [export(api)]
    api.patch("/api/annotations/7", {"score": 0.5})
    texts.append(export(api))
    for revision in range(1, 6):
        assert undo(api, revision).json["edits"] == [edit("annotations", 7, 2, "update")]
        assert export(api) == texts[(revision + 1) % 2]
    api.stop()
    assert api.path.read_bytes() == texts[0]


def test_what_something_later_changed_is_told_and_nothing_is_done(api: Server) -> None:
    api.post(
        "/api/annotations/batch",
        {
            "operations": [
                {"op": "update", "id": 7, "changes": {"score": 1}},
                {"op": "delete", "id": 1},
                {"op": "add", "annotation": BOX},
            ]
        },
    )
    api.patch("/api/annotations/7", {"score": 2})
    api.patch("/api/annotations/8", {"score": 2})
    before = export(api)
    answer = undo(api, 1)
    assert answer.status_code == 409
    assert answer.json["errors"] == {"edits": [edit("annotations", 8, 1, "add"), edit("annotations", 7, 2, "update")]}
    assert "annotations 8, annotations 7" in answer.json["message"]
    assert (export(api), api.revision) == (before, 3)
    assert [undo(api, revision).status_code for revision in (3, 2, 1)] == [200, 200, 200]


def test_a_category_that_is_used_by_now_stays(api: Server) -> None:
    api.post("/api/categories", {"name": "fish"})
    api.post("/api/annotations", {**BOX, "category_id": 6})
    answer = undo(api, 1)
    assert answer.status_code == 409
    assert answer.json["errors"] == {"edits": [edit("categories", 6, None, "add")]}


@pytest.mark.parametrize("revision", [0, -3, 2, 2**62])
def test_a_change_that_is_not_there_is_a_404(api: Server, revision: int) -> None:
    api.post("/api/annotations", BOX)
    answer = undo(api, revision)
    assert answer.status_code == 404
    assert "those after revision 0 are kept" in answer.json["message"]


@pytest.mark.memory_store
def test_a_change_that_is_not_kept_any_more_is_a_404(serve: Serve, small: dict[str, Any]) -> None:
    api = serve(small, COCOANNOT_HISTORY_DAYS=0)
    api.post("/api/annotations", BOX)
    # A start has what the journal has, which is what is not in the file.
    answer = undo(api.again(), 1)
    assert answer.status_code == 404
    assert "those after revision 1 are kept" in answer.json["message"]


def test_a_bulk_replacement_can_not_be_undone_yet(api: Server) -> None:
    api.put({"images": [], "annotations": []})
    answer = undo(api, 1)
    assert answer.status_code == 409
    assert "in bulk, which can't be undone yet" in answer.json["message"]


def test_an_undo_with_a_key_is_done_once(api: Server) -> None:
    api.delete("/api/images/1")
    key = {"headers": {"Idempotency-Key": "u"}}
    first = undo(api, 1, **key)
    api.patch("/api/annotations/1", {"score": 1})
    for server in (api, api.again()):
        again = undo(server, 1, **key)
        assert (again.status_code, again.data) == (200, first.data)
        assert again.headers["X-Change-Revision"] == "2"
        assert again.headers["Idempotency-Replayed"] == "true"
    assert api.revision == 3


def test_changes_are_listed_with_the_newest_last(api: Server) -> None:
    api.post("/api/annotations", BOX)
    api.patch("/api/categories/1", {"name": "lion"})
    api.delete("/api/images/2")
    undo(api, 3)
    api.put({"images": [], "annotations": []})
    listed = api.get("/api/changes").json
    assert [(each["revision"], each["kind"], each["summary"]) for each in listed] == [
        (1, "edit", "1 annotation(s) added"),
        (2, "edit", "1 category(ies) updated"),
        (3, "edit", "1 annotation(s) deleted, 1 image(s) deleted"),
        (4, "undo", "1 annotation(s) added, 1 image(s) added"),
        (5, "reset", "images, annotations replaced"),
    ]
    assert listed[1]["edits"] == [edit("categories", 1, None, "update")]
    assert [each["revision"] for each in api.get("/api/changes?limit=2").json] == [4, 5]
    assert [each["revision"] for each in api.get("/api/changes?since=1&limit=2").json] == [2, 3]
    assert api.get("/api/changes?since=5").json == []


@pytest.mark.memory_store
def test_changes_that_are_not_kept_are_told_of(serve: Serve, small: dict[str, Any]) -> None:
    api = serve(small, COCOANNOT_HISTORY_DAYS=0)
    api.post("/api/annotations", BOX)
    api.again()
    assert api.get("/api/changes").json == []
    answer = api.get("/api/changes?since=0")
    assert answer.status_code == 404
    assert "those after 1" in answer.json["message"]
    for query in ("since=-1", "limit=0", "limit=1001", "since=x"):
        assert api.get(f"/api/changes?{query}").status_code == 422


def test_restore_puts_an_annotation_back_into_its_place(serve: Serve) -> None:
    records = [f'{{"id":{number},  "image_id": 1, "category_id": 1, "bbox": [1, 1, 2, 2]}}' for number in range(1, 6)]
    head = (
        '{"images": [{"id": 1, "file_name": "a.jpg", "width": 9, "height": 9}], "categories": [{"id": 1, "name": "a"}]'
    )
    text = f'{head}, "annotations": [{" ,".join(records[:2])},\n{", ".join(records[2:])}]}}'
    server = serve(text)
    gone = [{"op": "delete", "id": number} for number in (2, 4, 5)]
    assert server.post("/api/annotations/batch", {"operations": gone}).status_code == 200
    back = ", ".join(
        f'{{"op": "restore", "position": {position}, "annotation": {records[position]}}}' for position in (4, 1, 3)
    )
    answer = server.post(
        "/api/annotations/batch", data=f'{{"operations": [{back}]}}', headers={"Content-Type": "application/json"}
    )
    assert [result["annotation"]["id"] for result in answer.json["results"]] == [5, 2, 4]
    assert export(server) == text.encode()
    server.again()
    assert server.path.read_text() == text


def test_a_position_beyond_the_end_is_the_end(api: Server) -> None:
    record = {"id": 50, "image_id": 1}
    operations = [{"op": "restore", "annotation": record, "position": 2**53 - 1}]
    assert api.post("/api/annotations/batch", {"operations": operations}).status_code == 200
    assert api.ids("/api/annotations") == [1, 2, 7, 50]
    assert [record["id"] for record in api.saved()["annotations"]] == [1, 2, 7, 50]


@pytest.mark.parametrize("position", [-1, 1.5, "1", True, [], 2**53, -(2**63)])
def test_a_position_that_is_none_is_refused(api: Server, position: object) -> None:
    operations = [{"op": "restore", "annotation": {"id": 50}, "position": position}]
    answer = api.post("/api/annotations/batch", {"operations": operations})
    assert answer.status_code == 422
    assert answer.json["errors"] == {
        "json": {"operations": {"0": {"position": [f"must be an integer from 0 to {2**53 - 1}"]}}}
    }
    assert json.loads(export(api)) == json.loads(api.path.read_bytes())


# Reverting what a user did


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"user": "anna"},
        {"user": "", "since": 0},
        {"user": "anna", "since": -1},
        {"user": "anna", "since": "0"},
        {"user": "anna", "since": 0, "dry_run": 0},
        {"user": "anna", "since": 0, "dry_run": "true"},
        {"user": "anna", "since": 0, "dry_run": None},
        {"user": "anna", "since": 0, "force": True},
        {"user": None, "since": 0},
    ],
)
def test_what_can_not_be_meant_is_not_taken_back(api: Server, body: Any) -> None:
    assert api.post("/api/changes/revert", body).status_code == 422


def test_of_a_user_who_did_nothing_nothing_is_taken_back(api: Server) -> None:
    api.post("/api/annotations", BOX)
    answer = api.post("/api/changes/revert", {"user": "nobody", "since": 0})
    assert answer.json == {"revision": None, "dry_run": False, "summary": "no changes", "edits": []}
    assert api.revision == 1


def test_a_user_s_changes_are_taken_back_over_http(serve: Serve, small: dict[str, Any]) -> None:
    api = serve(small)
    before = export(api)
    store = runtime(api.app).store
    store.commit([Delete("images", 1)], actor="anna")
    store.commit([Update("annotations", 7, {"score": 1})], actor="ben")
    api = api.again()
    edits = [edit("images", 1, 1, "add"), edit("annotations", 1, 1, "add"), edit("annotations", 2, 1, "add")]
    body = {"user": "anna", "since": 0}
    answer = api.post("/api/changes/revert", {**body, "dry_run": True})
    assert answer.json == {
        "revision": None,
        "dry_run": True,
        "summary": "2 annotation(s) added, 1 image(s) added",
        "edits": edits,
    }
    assert "X-Change-Revision" not in answer.headers
    answer = api.post("/api/changes/revert", body)
    assert (answer.json["revision"], answer.json["edits"]) == (3, edits)
    assert answer.headers["X-Change-Revision"] == "3"
    assert api.post("/api/changes/2/undo").status_code == 200
    assert export(api) == before
    refused = api.post("/api/changes/revert", {"user": "ben", "since": 99})
    assert refused.json["edits"] == []


def test_what_somebody_built_upon_is_listed(api: Server) -> None:
    store = runtime(api.app).store
    store.commit([Update("annotations", 7, {"score": 1})], actor="anna")
    store.commit([Update("annotations", 7, {"score": 2})], actor="ben")
    answer = api.post("/api/changes/revert", {"user": "anna", "since": 0})
    assert answer.status_code == 409
    assert answer.json["errors"] == {"edits": [edit("annotations", 7, 2, "update")]}
    assert "somebody else changed annotations 7" in answer.json["message"]


# Restoring a revision


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"revision": -1},
        {"revision": "0"},
        {"revision": None},
        {"revision": 0, "dry_run": 1},
        {"revision": 0, "user": "anna"},
        {"revision": 10**30},
    ],
)
def test_what_is_no_revision_is_not_restored(api: Server, body: Any) -> None:
    assert api.post("/api/changes/restore", body).status_code == 422


def test_a_revision_is_restored_over_http_once_and_that_can_be_undone(api: Server) -> None:
    texts = [export(api)]
    api.delete("/api/images/1")
    texts.append(export(api))
    api = api.again()
    edits = [edit("images", 1, 1, "add"), edit("annotations", 1, 1, "add"), edit("annotations", 2, 1, "add")]
    told = {"revision": None, "dry_run": True, "summary": "2 annotation(s) added, 1 image(s) added", "edits": edits}
    assert api.post("/api/changes/restore", {"revision": 0, "dry_run": True}).json == told
    assert export(api) == texts[1]
    for repeated in (False, True):
        answer = api.post("/api/changes/restore", {"revision": 0}, headers={"Idempotency-Key": "again"})
        assert answer.json == {**told, "revision": 2, "dry_run": False}
        assert ("Idempotency-Replayed" in answer.headers) is repeated
    assert export(api) == texts[0]
    assert api.post("/api/changes/2/undo").status_code == 200
    assert export(api) == texts[1]
    assert api.post("/api/changes/restore", {"revision": 2}).json["revision"] == 4
    assert export(api.again()) == texts[0]


def test_what_can_not_be_told_any_more_is_not_restored(api: Server) -> None:
    assert api.post("/api/changes/restore", {"revision": 1}).status_code == 404
    api.put({"images": [], "annotations": []})
    before = export(api)
    answer = api.post("/api/changes/restore", {"revision": 0})
    assert answer.status_code == 404
    assert "replaced" in answer.json["message"]
    assert export(api) == before
