"""What was, over HTTP: changes, versions, a revision's annotations and dataset, what users did."""

from __future__ import annotations

import json
from typing import Any

import pytest
from api_client import Response, Serve, Server

from cocoannot.api.changes import MOST_EDITS
from cocoannot.extension import runtime
from cocoannot.store.memory.store import MemoryStore

EVERY_STORE = True

BOX = {"image_id": 1, "category_id": 1, "bbox": [1, 2, 3, 4]}


def revisions(answer: Response) -> list[int]:
    return [each["revision"] for each in answer.json]


def restart_level(api: Server) -> Server:
    """Started again, so that neither memory nor journal has any change of before."""
    api = api.again()
    api.get("/readyz")
    store = runtime(api.app).store
    # A database has its history in one place.
    assert not isinstance(store, MemoryStore) or store.changes(0) is None
    return api


@pytest.fixture(params=["in memory", "in the history"])
def changed(request: pytest.FixtureRequest, api: Server) -> Server:
    """Three changes: an annotation added, annotation 7 updated, image 1 deleted with three annotations."""
    api.post("/api/annotations", BOX)
    api.patch("/api/annotations/7", {"score": 0.50})
    api.delete("/api/images/1")
    return restart_level(api) if request.param == "in the history" else api


def test_changes_are_listed_newest_last(changed: Server) -> None:
    answer = changed.get("/api/changes")
    assert revisions(answer) == [1, 2, 3]
    assert answer.headers["X-Dataset-Revision"] == "3"
    added, updated, deleted = answer.json
    assert (added["kind"], added["summary"], added["user"]) == ("edit", "1 annotation(s) added", None)
    assert added["edits"] == [{"section": "annotations", "id": 8, "image_id": 1, "op": "add"}]
    assert updated["edits"] == [{"section": "annotations", "id": 7, "image_id": 2, "op": "update"}]
    assert deleted["summary"] == "3 annotation(s) deleted, 1 image(s) deleted"
    assert added["time"].endswith("Z")


def test_changes_are_chosen_by_revision_image_and_annotation(changed: Server) -> None:
    assert revisions(changed.get("/api/changes?since=1")) == [2, 3]
    assert revisions(changed.get("/api/changes?since=0&limit=2")) == [1, 2]
    assert revisions(changed.get("/api/changes?limit=2")) == [2, 3]
    assert revisions(changed.get("/api/changes?until=2&limit=1")) == [2]
    assert revisions(changed.get("/api/changes?image_id=1")) == [1, 3]
    assert revisions(changed.get("/api/changes?annotation_id=7")) == [2]
    assert revisions(changed.get("/api/changes?user=nobody")) == []
    assert revisions(changed.get("/api/changes?since=99")) == []


def test_images_of_a_user_are_none_where_nobody_of_that_name_changed_anything(changed: Server) -> None:
    assert changed.get("/api/images?user=nobody").json == []
    assert "user" in changed.get("/api/images?user=").json["errors"]["query"]


@pytest.mark.parametrize("query", ["limit=0", "limit=1001", "since=-1", "until=x", "with=texts", "image=1"])
def test_what_can_not_be_asked_of_changes_is_refused(api: Server, query: str) -> None:
    assert api.get(f"/api/changes?{query}").status_code == 422


def test_texts_come_with_changes_where_they_are_asked_for(changed: Server, small: dict[str, Any]) -> None:
    answer = changed.get("/api/changes?since=1&limit=1&with=records")
    (edit,) = answer.json[0]["edits"]
    assert edit["before"] == small["annotations"][2]
    assert edit["after"] == {**small["annotations"][2], "score": 0.5}
    # As the client wrote it.
    assert b'"before":' + json.dumps(small["annotations"][2]).encode() in answer.data
    assert [each["after"] for each in changed.get("/api/changes?since=2&with=records").json[0]["edits"]] == [None] * 4


def test_a_change_with_very_many_edits_is_cut_off_and_says_so(api: Server) -> None:
    operations = [{"op": "add", "annotation": BOX}] * (MOST_EDITS + 5)
    api.post("/api/annotations/batch", {"operations": operations})
    for query in ("", "?with=records"):
        (change,) = api.get(f"/api/changes{query}").json
        assert (len(change["edits"]), change["more"]) == (MOST_EDITS, 5)
        assert change["summary"] == f"{MOST_EDITS + 5} annotation(s) added"


def test_texts_of_many_large_records_come_in_parts(api: Server) -> None:
    text = "x" * (3 << 20)
    for _ in range(4):
        api.patch("/api/annotations/7", {"note": text})
    newest = revisions(api.get("/api/changes?with=records"))
    assert newest == [3, 4]
    oldest = revisions(api.get("/api/changes?since=0&with=records"))
    assert oldest == [1, 2, 3]
    assert [each["revision"] for each in restart_level(api).get("/api/annotations/7/history").json] == [None, 2, 3, 4]


def test_a_replacement_is_one_reset(api: Server, small: dict[str, Any]) -> None:
    assert api.put({"images": small["images"], "annotations": []}).status_code == 200
    (change,) = api.get("/api/changes").json
    assert (change["kind"], change["summary"], change["edits"]) == ("reset", "images, annotations replaced", [])


def test_versions_of_a_record_begin_with_what_was_there(changed: Server, small: dict[str, Any]) -> None:
    original, version = changed.get("/api/annotations/7/history").json
    assert original == {"revision": None, "time": None, "user": None, "record": small["annotations"][2]}
    assert (version["revision"], version["record"]["score"]) == (2, 0.5)


def test_versions_of_a_deleted_record_end_with_none(changed: Server, small: dict[str, Any]) -> None:
    versions = changed.get("/api/images/1/history").json
    assert [(each["revision"], each["record"]) for each in versions] == [(None, small["images"][0]), (3, None)]
    added = changed.get("/api/annotations/8/history").json
    assert [(each["revision"], each["record"] and each["record"]["id"]) for each in added] == [(1, 8), (3, None)]


def test_a_record_that_nobody_changed_has_one_version(changed: Server, small: dict[str, Any]) -> None:
    (version,) = changed.get("/api/categories/1/history").json
    assert (version["revision"], version["record"]) == (None, small["categories"][0])


def test_ids_that_no_record_can_have_find_nothing(changed: Server) -> None:
    largest = "9" * 19
    assert revisions(changed.get(f"/api/changes?image_id={largest}&annotation_id=-{largest}")) == []
    assert changed.get(f"/api/images/{largest}/annotations?at=1").status_code == 404
    assert revisions(changed.get(f"/api/changes?since={2**53 - 1}&until=0")) == []


@pytest.mark.parametrize("path", ["annotations/99", "images/99", "categories/99", f"images/{'9' * 19}"])
def test_a_record_that_never_was_has_no_history(changed: Server, path: str) -> None:
    assert changed.get(f"/api/{path}/history").status_code == 404


def test_the_annotations_of_an_image_as_they_were(changed: Server) -> None:
    answer = changed.get("/api/images/1/annotations?at=2&with=etag")
    assert [each["id"] for each in answer.json] == [1, 2, 8]
    assert answer.headers["X-Dataset-Revision"] == "2"
    assert all(each["_etag"] for each in answer.json)
    unchanged = changed.get(
        "/api/images/1/annotations?at=2&with=etag", headers={"If-None-Match": answer.headers["ETag"]}
    )
    assert unchanged.status_code == 304
    assert changed.get("/api/images/1/annotations?at=3").status_code == 404


def test_the_dataset_as_it_was(changed: Server, small: dict[str, Any]) -> None:
    answer = changed.get("/api/dataset/export?at=0")
    assert answer.json == small
    assert answer.headers["X-Dataset-Revision"] == "0"
    assert "dataset.json" in answer.headers["Content-Disposition"]


@pytest.mark.parametrize("path", ["/api/images/1/annotations", "/api/dataset/export"])
def test_a_revision_that_is_yet_to_come_is_not_found(changed: Server, path: str) -> None:
    answer = changed.get(f"{path}?at=4")
    assert answer.status_code == 404
    assert answer.json["message"] == "there is no revision 4 yet; the dataset is at 3"


def test_work_is_told_by_user_and_day(changed: Server) -> None:
    (work,) = changed.get("/api/stats/users").json
    assert {key: work[key] for key in ("user", "changes", "annotations", "images")} == {
        "user": None,
        "changes": 3,
        "annotations": 5,
        "images": 0,
    }


@pytest.mark.memory_store
def test_without_a_history_the_latest_changes_are_told(serve: Serve, small: dict[str, Any]) -> None:
    api = serve(small, COCOANNOT_HISTORY_DAYS=0)
    api.post("/api/annotations", BOX)
    assert revisions(api.get("/api/changes")) == [1]
    assert [each["id"] for each in api.get("/api/images/1/annotations?at=0").json] == [1, 2]
    api = api.again()
    assert revisions(api.get("/api/changes")) == []
    answer = api.get("/api/images/1/annotations?at=0")
    assert answer.status_code == 404
    assert "not kept any more" in answer.json["message"]
    assert not (api.path.with_name("dataset.json.cocoannot") / "history.sqlite").exists()


@pytest.mark.memory_store
def test_what_goes_wrong_with_the_history_is_in_the_status(serve: Serve, small: dict[str, Any]) -> None:
    api = serve(small)
    path = api.path.with_name("dataset.json.cocoannot") / "history.sqlite"
    path.parent.mkdir()
    path.write_bytes(b"no database at all" * 1000)
    assert api.get("/readyz").status_code == 200
    (warning,) = api.get("/api/status").json["dataset"]["warnings"]
    assert "put aside as" in warning
    assert api.post("/api/annotations", BOX).status_code == 201
    assert revisions(api.get("/api/changes")) == [1]
