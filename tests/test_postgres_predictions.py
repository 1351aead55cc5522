"""Layers of predictions that several processes have: servers of one dataset in PostgreSQL, with one folder beside it.
None of them looks by itself for what others do, so that what it knows at once is what a request made it look for."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from api_client import Response, Server, as_json
from postgres_servers import Postgres
from servers import until

from cocoannot.changes.operations import Add
from cocoannot.extension import runtime
from cocoannot.files.dataset_file import DatasetFile
from cocoannot.files.lock import locked
from cocoannot.people.people import People
from cocoannot.predictions.deciding import Chosen
from cocoannot.predictions.predictions import Predictions
from cocoannot.predictions.processes import Turn
from cocoannot.store.base import Committed

CAT: dict[str, Any] = {"image_id": 1, "category_id": 1, "bbox": [300, 200, 40, 30], "score": 0.6}
DOG: dict[str, Any] = {"image_id": 2, "category_id": 2, "bbox": [50, 50, 20, 20], "score": 0.9}
LIST = [CAT, DOG, {**CAT, "bbox": [500, 300, 20, 20], "score": 0.3}]

Pair = tuple[Server, Server]


@pytest.fixture
def pair(postgres: Postgres, dataset_path: Path, small: dict[str, Any]) -> Iterator[Pair]:
    """Two servers of the small dataset."""
    dataset_path.write_text(json.dumps(small))
    servers = Server(dataset_path, {}, postgres), Server(dataset_path, {}, postgres)
    for server in servers:
        assert server.get("/readyz").status_code == 200
        for looker in runtime(server.app).lookers:
            looker.end()
    yield servers
    for server in servers:
        server.stop()


@pytest.fixture
def folder(dataset_path: Path) -> Path:
    return DatasetFile(dataset_path).folder


def put(server: Server, body: object = LIST, name: str = "yolo") -> Response:
    return server.ask("PUT", f"/api/predictions/{name}", **as_json(json.dumps(body).encode()))


def told(server: Server) -> dict[str, tuple[int, int, int, int]]:
    """Of each layer how many predictions are open, accepted, rejected and missing."""
    layers = server.get("/api/predictions").json
    return {each["name"]: tuple(each[key] for key in ("open", "accepted", "rejected", "missing")) for each in layers}


def statuses(server: Server, image_id: int = 1) -> list[str]:
    return [each["_status"] for each in server.get(f"/api/images/{image_id}/predictions?name=yolo").json]


def order(server: Server) -> list[int]:
    return server.ids("/api/images?sort=-disagreement&predictions=yolo")


def predictions_of(server: Server) -> Predictions:
    return runtime(server.app).predictions


# What one did, the other knows


def test_a_layer_that_one_server_adds_replaces_or_deletes_is_the_other_s_at_once(pair: Pair) -> None:
    for one, other in (pair, pair[::-1]):
        assert put(one).status_code == 201
        assert told(other) == {"yolo": (3, 0, 0, 0)}
        assert statuses(other) == ["open", "open"]
        assert put(one, [DOG]).status_code == 200
        assert other.get("/api/predictions/yolo").json == one.get("/api/predictions/yolo").json
        assert statuses(other) == []
        assert put(other, [CAT], "second").status_code == 201
        assert told(one) == {"second": (1, 0, 0, 0), "yolo": (1, 0, 0, 0)}
        assert one.delete("/api/predictions/second").status_code == 204
        assert other.delete("/api/predictions/second").status_code == 404
        assert one.delete("/api/predictions/yolo").status_code == 204
        assert other.get("/api/predictions/yolo").status_code == 404
        assert other.get("/api/images/1/predictions").json == []
        assert other.get("/api/images?sort=-disagreement&predictions=yolo").status_code == 422
        assert told(other) == {}


def test_what_one_server_rejects_or_accepts_the_other_tells_ranks_and_decides_upon(pair: Pair) -> None:
    one, other = pair
    nothing = {**DOG, "image_id": 4, "category_id": 1}
    put(one, [{**CAT, "bbox": [10, 10, 10, 10]}, nothing, nothing, nothing])
    assert order(one) == order(other) == [4, 1, 2]
    known = other.get("/api/images/4/predictions").headers["ETag"]
    assert one.post("/api/predictions/yolo/reject", {"ids": [2, 3]}).json["rejected"] == 2
    assert other.get("/api/images/4/predictions", headers={"If-None-Match": known}).status_code == 200
    assert told(other) == {"yolo": (2, 0, 2, 0)}
    assert order(other) == [1, 2, 4]
    assert other.post("/api/predictions/yolo/reject", {"image_id": 4, "min_score": 0}).json["rejected"] == 1
    assert statuses(one, 4) == ["rejected"] * 3
    assert one.post("/api/predictions/yolo/accept", {"ids": [2]}).json["accepted"] == 1
    assert told(other) == {"yolo": (1, 1, 2, 0)}
    assert other.post("/api/predictions/yolo/accept", {"ids": [2]}).json == {
        "accepted": 0,
        "left_out": 1,
        "annotations": [],
    }
    one.delete("/api/images/1")
    assert told(other) == {"yolo": (0, 1, 2, 1)}
    assert order(other) == order(one)


def test_predictions_are_held_to_the_images_that_another_server_has_added(pair: Pair) -> None:
    one, other = pair
    put(other)
    added = one.post("/api/images", {"file_name": "new.jpg", "width": 640, "height": 480}).json["id"]
    assert put(other, [{**CAT, "image_id": added}]).status_code == 200
    assert added in order(other)
    one.delete(f"/api/images/{added}")
    assert put(other, [{**CAT, "image_id": added}]).status_code == 422


# Both at once


def test_two_servers_that_accept_the_same_predictions_at_once_make_one_annotation_of_each(pair: Pair) -> None:
    one, other = pair
    put(one)
    told(other)
    got: list[int] = []

    def accept() -> None:
        got.append(other.post("/api/predictions/yolo/accept", {"min_score": 0}).json["accepted"])

    second = threading.Thread(target=accept)

    def commit(operations: Any) -> Committed:
        # The other one decides now if nothing keeps it from that.
        second.start()
        second.join(0.3)
        return runtime(one.app).store.commit(operations)

    accepted = predictions_of(one).decisions.accept("yolo", Chosen(min_score=0), None, commit)
    second.join(30)
    assert (len(accepted.committed.results), got) == (3, [0])


def test_a_change_under_way_counts_though_whoever_makes_it_has_died(pair: Pair, postgres: Postgres) -> None:
    one, other = pair
    put(one)
    told(other)
    version = one.get("/api/predictions/yolo").json["version"]
    box = {key: value for key, value in CAT.items() if key != "score"}
    origin = {"layer": "yolo", "version": version, "id": 1, "score": 0.6, "user": None}

    def waiting() -> int:
        (count,) = postgres_now.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%head%'"
        ).fetchone() or (0,)
        return int(count)

    with postgres.connect() as holder, postgres.connect() as postgres_now, ThreadPoolExecutor(2) as pool:
        holder.execute("BEGIN")
        holder.execute("SELECT FROM head FOR UPDATE")
        # What is left of an accept when its process is killed: no lock on a file, and a transaction.
        pool.submit(runtime(one.app).store.commit, [Add("annotations", {**box, "prediction": origin})])
        until(lambda: waiting() == 1, "the change waits for the head")
        accepting = pool.submit(other.post, "/api/predictions/yolo/accept", {"min_score": 0})
        until(lambda: waiting() == 2, "the other server waits too")
        holder.execute("ROLLBACK")
        assert accepting.result(30).json["accepted"] == 2
    assert told(one) == told(other) == {"yolo": (0, 3, 0, 0)}


def test_who_does_not_get_the_turn_in_time_is_told_to_come_again_and_nothing_is_done(pair: Pair, folder: Path) -> None:
    one, other = pair
    put(one)
    predictions_of(other).decisions.turn = turn = Turn(0)
    turn.start(folder / "decisions.lock")
    with locked(folder / "decisions.lock", 0):
        answers = [other.post(f"/api/predictions/yolo/{verb}", {"min_score": 0}) for verb in ("accept", "reject")]
        for answer in [*answers, other.delete("/api/predictions/yolo")]:
            assert answer.status_code == 503
            assert int(answer.headers["Retry-After"]) > 0
            assert "somebody else is changing or accepting predictions" in answer.json["message"]
        # Who has the turn does not keep others from uploading.
        assert put(other, [CAT], "second").status_code == 201
    assert told(other) == {"second": (1, 0, 0, 0), "yolo": (3, 0, 0, 0)}
    assert other.post("/api/predictions/yolo/accept", {"min_score": 0}).json["accepted"] == 3


@pytest.mark.parametrize("lock", ["decisions.lock", "predictions.lock"])
def test_a_folder_in_which_nothing_can_be_locked_is_told_and_can_be_read(pair: Pair, folder: Path, lock: str) -> None:
    one, other = pair
    put(one)
    (folder / "predictions" / "yolo.columns").unlink()
    (folder / lock).unlink(missing_ok=True)
    (folder / lock).mkdir()
    assert told(other) == {"yolo": (3, 0, 0, 0)}
    answer = other.post("/api/predictions/yolo/reject", {"ids": [1]})
    assert (answer.status_code, lock in answer.json["message"]) == (503, True)
    assert other.delete("/api/predictions/yolo").status_code == 503
    if lock == "predictions.lock":
        assert put(other).status_code == 503
    else:
        assert other.post("/api/predictions/yolo/accept", {"ids": [1]}).status_code == 503
    assert other.post("/api/predictions/none/accept", {"ids": [1]}).status_code == 404
    assert told(other) == {"yolo": (3, 0, 0, 0)}


# Who may come in


def test_a_user_whom_one_server_adds_logs_in_at_the_other_at_once(pair: Pair, dataset_path: Path) -> None:
    one, other = pair
    # Nobody has to log in yet, and both have noticed.
    assert [server.get("/api/predictions").status_code for server in pair] == [200, 200]
    People(DatasetFile(dataset_path).users).accounts.add("anna", "admin", "anna's password", first=True)
    assert other.get("/api/predictions").status_code == 401
    credentials = {"user": "anna", "password": "anna's password"}
    assert one.post("/api/login", credentials).status_code == 204
    assert one.post("/api/users", {"name": "ben", "role": "viewer", "password": "ben's password"}).status_code == 201
    assert other.post("/api/login", {"user": "ben", "password": "ben's password"}).status_code == 204
    assert other.get("/api/predictions").status_code == 200
    assert one.delete("/api/users/ben").status_code == 204
    assert other.get("/api/predictions").status_code == 401
