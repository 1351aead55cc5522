"""Statuses of images, and whose turn it is, over HTTP: with users as they are, and without any."""

from __future__ import annotations

import json
import random
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from api_client import Response, Serve, Server, if_match

EVERY_STORE = "torture"

BOX = {"image_id": 1, "category_id": 1, "bbox": [1, 2, 3, 4]}
STATUSES = ["open", "done", "empty", "skipped", "approved", "returned"]


SECRET = "secret-of-the-proxy"
BEHIND_A_PROXY = {
    "COCOANNOT_PROXIES": 1,
    "COCOANNOT_USER_HEADER": "X-Forwarded-User",
    "COCOANNOT_PROXY_SECRET": SECRET,
    "COCOANNOT_USER_ROLE": "admin",
}


@pytest.fixture
def team(serve: Serve, small: dict[str, Any]) -> Server:
    """The small dataset (images 1, 2 and 4), for users whom a proxy names."""
    return serve(small, **BEHIND_A_PROXY)


def by(user: str | None) -> dict[str, Any]:
    return {} if user is None else {"headers": {"X-Forwarded-User": user, "X-Proxy-Secret": SECRET}}


def next_image(server: Server, user: str | None, query: str = "") -> int | None:
    answer = server.post(f"/api/images/next{query}", **by(user))
    if answer.status_code == 204:
        return None
    assert answer.status_code == 200
    return int(answer.json["id"])


def set_status(server: Server, user: str | None, image_id: int, status: str, **more: Any) -> Response:
    return server.ask("PUT", f"/api/images/{image_id}/status", json={"status": status, **more}, **by(user))


def stored(server: Server, image_id: int) -> dict[str, Any]:
    record: dict[str, Any] = server.get(f"/api/images/{image_id}", **by("rita")).json
    return record


# Statuses


def test_a_status_is_kept_in_the_record_and_travels_with_the_file(api: Server, small: dict[str, Any]) -> None:
    answer = set_status(api, None, 2, "returned", comment="one cat is missing")
    assert answer.status_code == 200
    assert answer.headers["X-Dataset-Revision"] == "1"
    expected = {**small["images"][1], "annotation_status": "returned", "annotation_comment": "one cat is missing"}
    assert answer.json == stored(api, 2) == expected
    assert api.saved()["images"][1] == expected


def test_open_removes_the_status_and_its_comment(api: Server, small: dict[str, Any]) -> None:
    set_status(api, None, 2, "returned", comment="no")
    assert set_status(api, None, 2, "open").json == small["images"][1]
    assert set_status(api, None, 2, "open").json == small["images"][1]


def test_another_status_has_no_comment_of_the_one_before(api: Server) -> None:
    set_status(api, None, 2, "returned", comment="no")
    assert "annotation_comment" not in set_status(api, None, 2, "done").json


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"status": "finished"},
        {"status": None},
        {"status": ["done"]},
        {"status": "open", "comment": "why"},
        {"status": "returned", "comment": ""},
        {"status": "returned", "comment": "x" * 2001},
        {"status": "returned", "comment": 7},
        {"status": "done", "by": "anna"},
    ],
)
def test_a_status_that_does_not_fit_is_refused(api: Server, body: dict[str, Any]) -> None:
    answer = api.ask("PUT", "/api/images/2/status", json=body)
    assert answer.status_code == 422
    assert answer.json["errors"]["json"]
    assert api.revision == 0


def test_a_status_of_an_image_that_is_not_there_or_has_changed_is_refused(api: Server) -> None:
    assert set_status(api, None, 99, "done").status_code == 404
    answer = api.ask("PUT", "/api/images/2/status", json={"status": "done"}, **if_match("0123"))
    assert answer.status_code == 412


def test_images_are_listed_by_status(api: Server) -> None:
    set_status(api, None, 2, "done")
    set_status(api, None, 4, "skipped")
    assert api.ids("/api/images?status=open") == [1]
    assert api.ids("/api/images?status=done") == [2]
    assert api.ids("/api/images?status=done&status=skipped&sort=-id") == [4, 2]
    assert api.ids("/api/images?status=approved") == []
    assert api.get("/api/images?status=finished").status_code == 422
    # After a start the file says it.
    assert api.again().ids("/api/images?status=skipped") == [4]


def test_a_status_that_is_none_counts_as_open_and_stays_as_it_is(serve: Serve, small: dict[str, Any]) -> None:
    for image, value in zip(small["images"], ["finished", 7, ["done"]], strict=True):
        image["annotation_status"] = value
    api = serve(small)
    assert api.ids("/api/images?status=open") == [1, 2, 4]
    assert stored(api, 2)["annotation_status"] == 7
    assert next_image(api, None) == 1


# Whose turn it is


def test_two_users_are_never_given_the_same_image(team: Server) -> None:
    assert [next_image(team, user) for user in ("anna", "ben", "anna")] == [1, 2, 1]
    assert next_image(team, "cleo") == 4
    assert next_image(team, "dan") is None


def test_clients_of_one_user_have_images_of_their_own(team: Server) -> None:
    assert next_image(team, "anna", "?client=tab-1") == 1
    assert next_image(team, "anna", "?client=tab-2") == 2
    assert next_image(team, "anna", "?client=tab-1") == 1


def test_without_users_a_client_is_told_by_its_name(api: Server) -> None:
    assert [next_image(api, None, f"?client={name}") for name in ("a", "b", "a")] == [1, 2, 1]
    assert next_image(api, None) == 4


def test_the_answer_is_the_record_with_its_etag_and_how_long_the_claim_lasts(team: Server) -> None:
    answer = team.post("/api/images/next", **by("anna"))
    plain = team.get("/api/images/1", **by("anna"))
    assert (answer.data, answer.headers["ETag"]) == (plain.data, plain.headers["ETag"])
    assert 590 < int(answer.headers["X-Claim-Seconds"]) <= 600


def test_after_a_status_comes_the_next_one(team: Server) -> None:
    for image_id, status in ((1, "done"), (2, "skipped"), (4, "empty")):
        assert next_image(team, "anna") == image_id
        set_status(team, "anna", image_id, status)
    assert next_image(team, "anna") is None
    set_status(team, "ben", 2, "open")
    assert next_image(team, "anna") == 2


def test_an_image_that_is_given_back_is_anybody_s(team: Server) -> None:
    next_image(team, "anna")
    answer = team.delete("/api/images/1/claim", **by("ben"))
    assert (answer.status_code, "anna" in answer.json["message"]) == (409, True)
    assert team.delete("/api/images/1/claim?client=other", **by("anna")).status_code == 409
    assert team.delete("/api/images/1/claim", **by("anna")).status_code == 204
    assert team.delete("/api/images/1/claim", **by("anna")).status_code == 204
    assert next_image(team, "ben") == 1
    assert team.delete("/api/images/99/claim", **by("ben")).status_code == 404


def test_a_deleted_image_is_not_given_and_a_new_one_is(team: Server) -> None:
    next_image(team, "anna")
    team.delete("/api/images/1", **by("rita"))
    assert next_image(team, "anna") == 2
    team.post("/api/images", {"file_name": "new.jpg", "width": 10, "height": 10}, **by("rita"))
    assert [next_image(team, user) for user in ("ben", "cleo")] == [4, 5]


def test_filters_and_order_are_those_of_the_list(team: Server) -> None:
    assert next_image(team, "anna", "?annotated=false") == 4
    assert next_image(team, "ben", "?sort=-id") == 2
    assert next_image(team, "cleo", "?file_name=one&category_id=1") == 1
    assert next_image(team, "dan", "?file_name=nothing") is None
    # What somebody has is given again where it fits.
    assert next_image(team, "anna", "?annotated=false") == 4
    assert next_image(team, "anna", "?annotated=true") is None
    for query in ("?status=done", "?with=etag", "?page=2", "?task=sleep", "?client=a%20b"):
        assert team.post(f"/api/images/next{query}", **by("dan")).status_code == 422


def test_an_image_whose_id_is_there_twice_is_given_to_nobody(serve: Serve, small: dict[str, Any]) -> None:
    small["images"].insert(1, {**small["images"][0], "file_name": "copy.jpg"})
    api = serve(small)
    assert next_image(api, None) == 2


def test_what_was_returned_goes_to_whoever_did_it_and_before_what_is_open(team: Server) -> None:
    set_status(team, "anna", 2, "done")
    set_status(team, "ben", 4, "done")
    set_status(team, "rita", 2, "returned", comment="one cat is missing")
    set_status(team, "rita", 4, "returned")
    assert [next_image(team, user) for user in ("cleo", "anna", "ben")] == [1, 2, 4]
    # The comment comes with it, and it stays theirs while they work on it.
    assert stored(team, 2)["annotation_comment"] == "one cat is missing"
    team.patch("/api/images/2", {"license": 1}, **by("rita"))
    assert next_image(team, "anna") == 2


def test_a_review_gives_what_is_done_and_never_one_s_own_work(team: Server) -> None:
    assert next_image(team, "rita", "?task=review") is None
    set_status(team, "anna", 1, "done")
    set_status(team, "rita", 2, "empty")
    set_status(team, "anna", 4, "skipped")
    assert next_image(team, "anna", "?task=review") == 2
    assert next_image(team, "rita", "?task=review") == 1
    assert next_image(team, "cleo", "?task=review") is None
    set_status(team, "rita", 1, "approved")
    assert next_image(team, "rita", "?task=review") is None


def test_nobody_approves_what_they_did_themselves(team: Server) -> None:
    set_status(team, "anna", 1, "done")
    answer = set_status(team, "anna", 1, "approved")
    assert (answer.status_code, "somebody else" in answer.json["message"]) == (409, True)
    assert stored(team, 1)["annotation_status"] == "done"
    # A change of another field makes nobody the author.
    team.patch("/api/images/1", {"license": 1}, **by("ben"))
    assert set_status(team, "anna", 1, "approved").status_code == 409
    assert set_status(team, "anna", 1, "returned").status_code == 200
    set_status(team, "ben", 1, "done")
    assert set_status(team, "anna", 1, "approved").status_code == 200


def test_those_who_share_the_one_token_are_told_apart_by_their_clients(serve: Serve, small: dict[str, Any]) -> None:
    token = {"headers": {"Authorization": "Bearer token-of-the-operator"}}
    team = serve(small, COCOANNOT_TOKEN="token-of-the-operator")
    assert [team.post(f"/api/images/next?client={name}", **token).json["id"] for name in ("a", "b")] == [1, 2]
    assert team.ask("PUT", "/api/images/1/status", json={"status": "done"}, **token).status_code == 200
    assert team.post("/api/images/next?client=b&task=review", **token).json["id"] == 1
    assert team.ask("PUT", "/api/images/1/status", json={"status": "approved"}, **token).status_code == 200


# It copies the journal.
@pytest.mark.memory_store
def test_who_did_what_is_known_from_changes_before_anybody_asked(team: Server, tmp_path: Path) -> None:
    set_status(team, "anna", 1, "done")
    # As after a crash: the journal has it, and memory nothing.
    shutil.copytree(team.path.parent, tmp_path / "copy", ignore=shutil.ignore_patterns("copy"))
    again = Server(tmp_path / "copy" / team.path.name, BEHIND_A_PROXY)
    try:
        assert next_image(again, "anna", "?task=review") is None
        assert next_image(again, "rita", "?task=review") == 1
    finally:
        again.stop()


def test_a_change_of_the_image_renews_its_claim(team: Server) -> None:
    next_image(team, "anna")
    before = team.post("/api/images/next", **by("anna")).headers["X-Claim-Seconds"]
    team.post("/api/annotations", BOX, **by("anna"))
    assert int(team.post("/api/images/next", **by("anna")).headers["X-Claim-Seconds"]) >= int(before)


def test_many_who_ask_at_once_get_each_image_once(serve: Serve, small: dict[str, Any]) -> None:
    images = [{"id": number, "file_name": f"{number}.jpg", "width": 10, "height": 10} for number in range(1, 301)]
    team = serve({**small, "images": images, "annotations": []}, **BEHIND_A_PROXY)
    assert team.get("/readyz").status_code == 200
    rules = random.Random(3)

    def work(user: str) -> list[int]:
        client = team.app.test_client()
        done: list[int] = []
        while True:
            answer = client.post("/api/images/next", **by(user))
            if answer.status_code == 204:
                return done
            image_id = json.loads(answer.data)["id"]
            if rules.random() < 0.1:
                client.delete(f"/api/images/{image_id}/claim", **by(user))
                continue
            done.append(image_id)
            client.put(f"/api/images/{image_id}/status", json={"status": "done"}, **by(user))

    with ThreadPoolExecutor(8) as pool:
        done = [image_id for images in pool.map(work, map(str, range(8))) for image_id in images]
    assert sorted(done) == list(range(1, 301))


# Presence over HTTP


def test_presence_is_said_and_listed(team: Server) -> None:
    for client, body in (("tab-1", {"image_id": 2, "editing": True}), ("tab-2", {"image_id": None})):
        assert team.ask("PUT", f"/api/presence/{client}", json=body, **by("anna")).status_code == 204
    listed = team.get("/api/presence", **by("ben")).json
    assert [(each["client"], each["user"], each["image_id"], each["editing"]) for each in listed] == [
        ("tab-1", "anna", 2, True),
        ("tab-2", "anna", None, False),
    ]
    assert team.delete("/api/presence/tab-1", **by("ben")).status_code == 204
    assert team.delete("/api/presence/tab-2", **by("anna")).status_code == 204
    assert [each["client"] for each in team.get("/api/presence", **by("ben")).json] == ["tab-1"]


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"image_id": 99},
        {"image_id": "1"},
        {"image_id": True},
        {"image_id": 2**60},
        {"image_id": 1, "editing": "yes"},
        {"image_id": 1, "editing": 1},
        {"image_id": 1, "colour": "red"},
        [],
    ],
)
def test_presence_that_does_not_fit_is_refused(api: Server, body: Any) -> None:
    answer = api.ask("PUT", "/api/presence/tab-1", json=body)
    assert answer.status_code == 422
    assert answer.json["errors"]["json"]
    assert api.get("/api/presence").json == []


@pytest.mark.parametrize("client", ["a b", "x" * 65, "ä", "a%0Ab", "%00"])
def test_a_client_s_name_is_short_and_plain(api: Server, client: str) -> None:
    for answer in (
        api.ask("PUT", f"/api/presence/{client}", json={"image_id": 1}),
        api.delete(f"/api/presence/{client}"),
        api.post(f"/api/images/next?client={client}"),
    ):
        assert (answer.status_code, answer.json["errors"].keys() <= {"path", "query"}) == (422, True)
    assert api.delete("/api/presence/a/b").status_code == 404


def test_clients_are_bounded(api: Server) -> None:
    statuses = [api.ask("PUT", f"/api/presence/{n}", json={"image_id": 1}).status_code for n in range(51)]
    assert statuses == [204] * 50 + [429]
