"""A request with an `Idempotency-Key`, sent again: the first answer, and nothing is changed."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from api_client import Response, Serve, Server, openapi
from conftest import OpenDataset
from faulted import in_a_child
from flask import g

from cocoannot.api.access import EXPOSED
from cocoannot.changes.operations import Add, Delete, Operation, Update
from cocoannot.coco.records import Record
from cocoannot.errors import JournalError, KeyReused
from cocoannot.extension import runtime
from cocoannot.files.answers import KeptAnswers
from cocoannot.manager import DatasetManager
from cocoannot.store.base import Committed
from cocoannot.store.memory.store import MemoryStore

BOX = {"image_id": 1, "category_id": 1, "bbox": [1, 2, 3, 4]}
HEADERS = ("ETag", "Location", "X-Dataset-Revision", "X-Change-Revision", "Content-Type")
BATCH = {
    "operations": [
        {"op": "add", "annotation": BOX},
        {"op": "update", "id": 8, "changes": {"score": 0.5}},
        {"op": "update", "id": 7, "changes": {}},
        {"op": "delete", "id": 1},
        {"op": "restore", "annotation": {"id": 1, "image_id": 1, "odd": "\u00e4"}},
    ]
}
CHANGES: list[tuple[str, str, Any]] = [
    ("POST", "/api/annotations", BOX),
    ("PATCH", "/api/annotations/7", {"score": 0.25}),
    ("DELETE", "/api/annotations/7", None),
    ("POST", "/api/annotations/batch", BATCH),
    ("POST", "/api/images", {"file_name": "new.jpg", "width": 10, "height": 20}),
    ("PATCH", "/api/images/1", {"license": 1}),
    ("DELETE", "/api/images/1", None),
    ("POST", "/api/categories", {"name": "fish"}),
    ("PATCH", "/api/categories/1", {"name": "lion"}),
    ("DELETE", "/api/categories/1?reassign_to=2", None),
    ("DELETE", "/api/categories/5", None),
]


def send(server: Server, change: tuple[str, str, Any], key: str = "k1") -> Response:
    method, url, body = change
    options = {} if body is None else {"json": body}
    return server.ask(method, url, headers={"Idempotency-Key": key}, **options)


def seen(answer: Response) -> tuple[int, bytes, dict[str, str | None]]:
    return answer.status_code, answer.data, {name: answer.headers.get(name) for name in HEADERS}


def export(server: Server) -> bytes:
    text: bytes = server.get("/api/dataset/export").data
    return text


def crashed(server: Server) -> Server:
    """Another application on a copy of the files as they are now, which nobody saved or closed."""
    copy = server.path.parent / "copy" / server.path.name
    shutil.copytree(server.path.parent, copy.parent, ignore=shutil.ignore_patterns("copy", "cache", "lock"))
    return Server(copy, {})


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: f"{change[0]} {change[1]}")
def test_the_same_request_gets_the_first_answer_and_changes_nothing(api: Server, change: tuple[str, str, Any]) -> None:
    first = send(api, change)
    assert first.status_code < 300
    assert "Idempotency-Replayed" not in first.headers
    assert first.headers["X-Change-Revision"] == first.headers["X-Dataset-Revision"] == "1"
    after = export(api)
    api.post("/api/annotations", {**BOX, "image_id": 2, "category_id": 2}).json["id"]
    later = export(api)
    for server in (api, crashed(api), api.again(), api.again()):
        again = send(server, change)
        assert seen(again) == seen(first)
        assert again.headers["Idempotency-Replayed"] == "true"
        assert export(server) == later != after
        if server is not api:
            server.stop()
    assert api.path.read_bytes() == later


def test_another_request_with_the_same_key_is_refused(api: Server) -> None:
    first = send(api, CHANGES[0])
    others: list[tuple[str, str, Any]] = [
        ("POST", "/api/annotations", {**BOX, "score": 1}),
        ("POST", "/api/images", CHANGES[4][2]),
        ("DELETE", "/api/categories/1?reassign_to=2", None),
        ("DELETE", "/api/annotations/7", None),
    ]
    for server in (api, api.again()):
        for other in others:
            answer = send(server, other)
            assert answer.status_code == 422
            assert "was given to another request before (revision 1)" in answer.json["message"]
            assert answer.json["errors"]["headers"].keys() == {"Idempotency-Key"}
    assert (api.revision, seen(send(api, CHANGES[0]))) == (1, seen(first))


def test_the_query_belongs_to_the_request(api: Server) -> None:
    assert send(api, ("DELETE", "/api/categories/1?reassign_to=2", None)).status_code == 204
    assert send(api, ("DELETE", "/api/categories/1?reassign_to=5", None)).status_code == 422


@pytest.mark.parametrize("key", ["", " ", "k" * 256, "caf\u00e9", "a\tb"])
def test_a_key_that_can_not_be_one_is_refused(api: Server, key: str) -> None:
    answer = send(api, CHANGES[0], key)
    assert answer.status_code == 422
    assert answer.json["errors"]["headers"]["Idempotency-Key"] == [
        "must be 1 to 255 printable ASCII characters; send a random one, such as a UUID"
    ]
    assert api.revision == 0


@pytest.mark.parametrize("key", ["k", "k" * 255, '"8e03978e-40d5-43dd-bc93-6894a57f9324"', "a b"])
def test_a_key_has_1_to_255_characters(api: Server, key: str) -> None:
    assert [send(api, CHANGES[0], key).status_code for _ in range(2)] == [201, 201]
    assert api.revision == 1


def test_a_refused_request_is_done_when_it_is_sent_again(api: Server) -> None:
    change = ("POST", "/api/annotations", {**BOX, "image_id": 5})
    assert send(api, change).status_code == 422
    api.post("/api/images", {"file_name": "new.jpg", "width": 10, "height": 20})
    done = send(api, change)
    assert (done.status_code, "Idempotency-Replayed" in done.headers) == (201, False)


def test_a_change_of_nothing_is_looked_at_again(api: Server) -> None:
    nothing: tuple[str, str, Any] = ("PATCH", "/api/annotations/7", {})
    first = send(api, nothing)
    assert (first.status_code, first.headers.get("X-Change-Revision")) == (200, None)
    api.patch("/api/annotations/7", {"score": 1})
    second = send(api, nothing)
    assert second.json["score"] == 1
    assert "Idempotency-Replayed" not in second.headers


def test_a_request_without_a_key_tells_its_revision_too(api: Server) -> None:
    for number, (method, url, body) in enumerate([CHANGES[0], CHANGES[1], CHANGES[2], CHANGES[8]], 1):
        answer = api.ask(method, url, **({} if body is None else {"json": body}))
        assert answer.headers["X-Change-Revision"] == answer.headers["X-Dataset-Revision"] == str(number)
    replaced = api.put({"images": [], "annotations": []})
    assert replaced.headers["X-Change-Revision"] == replaced.headers["X-Dataset-Revision"] == "5"


def test_keys_belong_to_who_asks(serve: Serve, small: dict[str, Any]) -> None:
    who = ["anna"]
    api = serve(small)
    api.app.before_request(lambda: setattr(g, "actor", who[0]))
    first = send(api, CHANGES[0])
    who[0] = "ben"
    other = send(api, ("POST", "/api/annotations", {**BOX, "score": 1}))
    assert (first.json["id"], other.json["id"]) == (8, 9)
    history = runtime(api.app).store.changes(0)
    assert history is not None
    assert [(change.actor, change.key) for change in history] == [("anna", "k1"), ("ben", "k1")]
    assert send(api, CHANGES[0]).status_code == 422


def test_of_the_same_requests_at_once_one_is_done_and_the_others_wait(api: Server) -> None:
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: send(api, CHANGES[0]), range(16)))
    assert {seen(answer)[:2] for answer in answers} == {(201, answers[0].data)}
    assert sum("Idempotency-Replayed" in answer.headers for answer in answers) == 15
    assert api.revision == 1


def test_the_answer_is_there_after_the_dataset_was_replaced(api: Server) -> None:
    first = send(api, CHANGES[0])
    api.put({"images": [], "annotations": []})
    assert seen(send(api, CHANGES[0])) == seen(first)
    assert seen(send(api.again(), CHANGES[0])) == seen(first)


def test_a_key_is_told_in_openapi_and_may_come_from_other_origins(serve: Serve, small: dict[str, Any]) -> None:
    for path, method in (("/api/annotations", "post"), ("/api/images/{image_id}", "delete")):
        operation = openapi()["paths"][path][method]
        (header,) = [each for each in operation["parameters"] if each["name"] == "Idempotency-Key"]
        assert header["schema"]["maxLength"] == 255
        (status,) = [status for status in operation["responses"] if status < "300"]
        assert {"X-Change-Revision", "Idempotency-Replayed"} <= operation["responses"][status]["headers"].keys()
    assert {"X-Change-Revision", "Idempotency-Replayed"} <= set(EXPOSED)
    server = serve(small, COCOANNOT_CORS_ORIGINS="https://other.example")
    asked = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "Idempotency-Key"}
    allowed = server.ask("OPTIONS", "/api/annotations", headers={"Origin": "https://other.example", **asked})
    assert "idempotency-key" in allowed.headers["Access-Control-Allow-Headers"].lower()


# What is kept, and for how long


def commit(manager: DatasetManager, operation: Operation, key: str, request: str = "r") -> Committed:
    return manager.store.commit([operation], key=key, request=request)


def test_every_key_is_there_after_many_saves_and_starts(open_dataset: OpenDataset, small: dict[str, Any]) -> None:
    manager = open_dataset(small)
    made = {}
    for number in range(40):
        made[f"k{number}"] = commit(manager, Add("annotations", {**BOX, "number": number}), f"k{number}")
        if number % 3 == 0:
            manager.save()
        if number % 10 == 5:
            manager.close()
            manager = open_dataset()
    for key, before in made.items():
        again = commit(manager, Add("annotations", BOX), key)
        assert again.is_repeated
        assert texts(again) == texts(before)
        assert again.revision == before.revision
    assert manager.revision == 40


def texts(committed: Committed) -> list[bytes]:
    return [result.text for result in committed.results if isinstance(result, Record)]


def test_keys_survive_kill_9_at_any_moment(dataset_path: Path, small: dict[str, Any]) -> None:
    """A child is ended without a word after each of its steps; the parent asks the next start what it knows."""
    dataset_path.write_text(json.dumps(small))
    steps: list[Callable[[DatasetManager], object]] = [
        lambda manager: commit(manager, Add("annotations", BOX), "a"),
        lambda manager: manager.save(),
        lambda manager: commit(manager, Update("annotations", 7, {"score": 1}), "b"),
        lambda manager: commit(manager, Delete("images", 2), "c"),
        lambda manager: manager.save(),
    ]
    for count in range(1, len(steps) + 1):
        folder = dataset_path.parent / str(count)
        folder.mkdir()
        path = folder / dataset_path.name
        path.write_bytes(dataset_path.read_bytes())

        def child(path: Path = path, count: int = count) -> int:
            manager = DatasetManager(MemoryStore(on_append=lambda: None))
            manager.load(path)
            for step in steps[:count]:
                step(manager)
            os._exit(0)

        assert in_a_child(child) == 0
        manager = DatasetManager(MemoryStore(on_append=lambda: None))
        manager.load(path)
        before = manager.revision
        for key in "abc"[: (count + 1) // 2 if count < 4 else 3]:
            assert commit(manager, Add("annotations", BOX), key).is_repeated
        assert manager.revision == before
        manager.close()


def test_an_answer_whose_change_was_lost_is_not_given(dataset_path: Path, small: dict[str, Any]) -> None:
    """As after a power cut that took the last lines of the journal, and left those of the answers."""
    dataset_path.write_text(json.dumps(small))
    manager = DatasetManager(MemoryStore(on_append=lambda: None))
    manager.load(dataset_path)
    commit(manager, Add("annotations", BOX), "kept")
    commit(manager, Add("annotations", BOX), "lost")
    (segment,) = (dataset_path.parent / "dataset.json.cocoannot" / "journal").glob("*.jsonl")
    lines = segment.read_bytes().splitlines(keepends=True)
    segment.write_bytes(b"".join(lines[:-1]))
    again = DatasetManager(MemoryStore(on_append=lambda: None))
    again.load(dataset_path)
    assert commit(again, Add("annotations", BOX), "kept").is_repeated
    assert not commit(again, Add("annotations", BOX), "lost").is_repeated
    assert again.revision == 2
    again.close()


def test_a_line_that_was_cut_off_is_taken_from_the_journal(dataset_path: Path, small: dict[str, Any]) -> None:
    dataset_path.write_text(json.dumps(small))
    manager = DatasetManager(MemoryStore(on_append=lambda: None))
    manager.load(dataset_path)
    for key in "ab":
        commit(manager, Add("annotations", BOX), key)
    (answers,) = (dataset_path.parent / "dataset.json.cocoannot" / "answers").glob("*.jsonl")
    answers.write_bytes(answers.read_bytes()[:-10])
    again = DatasetManager(MemoryStore(on_append=lambda: None))
    again.load(dataset_path)
    assert [commit(again, Add("annotations", BOX), key).is_repeated for key in "ab"] == [True, True]
    again.close()


def test_a_damaged_answer_is_told_of_and_left_out(
    dataset_path: Path, small: dict[str, Any], open_dataset: OpenDataset, caplog: pytest.LogCaptureFixture
) -> None:
    manager = open_dataset(small)
    for key in "ab":
        commit(manager, Add("annotations", BOX), key)
    manager.save()
    manager.close()
    (answers,) = (dataset_path.parent / "dataset.json.cocoannot" / "answers").glob("*.jsonl")
    answers.write_bytes(answers.read_bytes().replace(b'"key":"a"', b'"key":"x"'))
    again = open_dataset()
    assert any("1 line(s) are damaged" in message for message in caplog.messages)
    assert [commit(again, Add("annotations", BOX), key).is_repeated for key in "ab"] == [False, True]


def test_no_change_is_made_whose_answer_could_not_be_kept(
    dataset_path: Path, open_dataset: OpenDataset, small: dict[str, Any]
) -> None:
    manager = open_dataset(small)
    place = dataset_path.parent / "dataset.json.cocoannot" / "answers"
    place.write_text("not a folder")
    # The journal has it, and so has memory.
    assert not commit(manager, Add("annotations", BOX), "a").is_repeated
    with pytest.raises(JournalError, match="the change was not made"):
        commit(manager, Add("annotations", BOX), "b")
    manager.add_annotation(BOX)
    assert manager.save()
    manager.close()
    place.unlink()
    again = open_dataset()
    assert commit(again, Add("annotations", BOX), "a").is_repeated
    assert again.revision == 2


def test_the_newest_keys_are_kept_and_older_ones_go(tmp_path: Path) -> None:
    kept = KeptAnswers(tmp_path / "answers", most=40, most_bytes=1 << 20)
    for number in range(200):
        kept.add(None, f"k{number}", json.dumps({"revision": number, "key": f"k{number}", "actor": None}).encode())
        if number % 7 == 0:
            assert kept.sync()
    assert kept.sync()
    kept.close()
    again = KeptAnswers(tmp_path / "answers", most=40, most_bytes=1 << 20)
    assert again.open(200) == 0
    there = [number for number in range(200) if again.find(None, f"k{number}")]
    assert there[-40:] == list(range(160, 200))
    assert len(there) <= 60
    assert again.find("anna", "k199") is None


def test_answers_are_kept_within_a_bound_of_bytes(tmp_path: Path) -> None:
    kept = KeptAnswers(tmp_path / "answers", most=1000, most_bytes=40_000)
    for number in range(100):
        entry = {"revision": number, "key": f"k{number}", "actor": None, "text": "x" * 1000}
        kept.add(None, f"k{number}", json.dumps(entry).encode())
    assert kept.sync()
    assert sum(path.stat().st_size for path in (tmp_path / "answers").iterdir()) <= 40_000
    assert kept.find(None, "k99")
    assert kept.find(None, "k0") is None
    kept.close()


def test_a_key_given_to_another_request_is_an_error_of_its_own(
    open_dataset: OpenDataset, small: dict[str, Any]
) -> None:
    manager = open_dataset(small)
    commit(manager, Add("annotations", BOX), "a", "one")
    with pytest.raises(KeyReused):
        commit(manager, Add("annotations", BOX), "a", "two")
