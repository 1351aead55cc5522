"""`cocoannot.client` against real servers, and against scripted ones that break off, are busy and repeat themselves."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from servers import FLASK, Server, environment, run, serve

from cocoannot import client as package
from cocoannot.client import (
    Client,
    ClientError,
    Conflict,
    Invalid,
    NoAnswer,
    NotAllowed,
    NotFound,
    NotLoggedIn,
    Record,
    Refused,
    Unavailable,
    VersionMismatch,
)

pytestmark = pytest.mark.slow

BOX = {"image_id": 1, "category_id": 1, "bbox": [1, 2, 3, 4]}


@pytest.fixture
def dataset(tmp_path: Path, small: dict[str, Any]) -> Path:
    path = tmp_path / "dataset.json"
    path.write_text(json.dumps(small))
    return path


@pytest.fixture
def server(dataset: Path) -> Iterator[Server]:
    with serve(dataset) as server:
        yield server


@pytest.fixture
def client(server: Server) -> Iterator[Client]:
    with Client(server.url) as client:
        yield client


# Nothing but the standard library


def test_importing_the_client_imports_no_server() -> None:
    code = "import sys, cocoannot.client; print('\\n'.join(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = {name.partition(".")[0] for name in done.stdout.split()}
    ours = {name for name in done.stdout.split() if name.startswith("cocoannot")}
    assert not loaded & {"flask", "werkzeug", "numpy", "msgspec", "PIL", "boto3", "marshmallow", "click"}
    assert {name for name in ours if not name.startswith("cocoannot.client")} == {"cocoannot", "cocoannot.version"}


def test_what_is_public_is_what_is_listed() -> None:
    assert sorted(package.__all__) == package.__all__
    assert {name for name in dir(package) if name[0].isupper()} == set(package.__all__)


# Records


def test_records_are_read_added_changed_and_deleted(client: Client) -> None:
    added = client.add("annotations", BOX)
    assert (added["id"], added["area"]) == (8, 12)
    assert client.get("annotations", 8) == added
    changed = client.update("annotations", added, {"score": 0.5})
    assert changed == {**added, "score": 0.5}
    assert changed.etag != added.etag
    assert client.update("annotations", 8, {"score": None}) == added
    client.delete("annotations", 8)
    with pytest.raises(NotFound) as raised:
        client.get("annotations", 8)
    assert "there is no annotation with id 8" in str(raised.value)
    assert client.revision == 4


def test_an_old_version_changes_nothing(client: Client) -> None:
    old = client.get("annotations", 1)
    new = client.update("annotations", 1, {"score": 1})
    with pytest.raises(VersionMismatch) as raised:
        client.update("annotations", old, {"score": 2})
    assert raised.value.current == new.etag
    with pytest.raises(VersionMismatch):
        client.delete("annotations", old)
    with pytest.raises(VersionMismatch):
        client.delete("annotations", 1, if_match=old.etag)
    assert client.update("annotations", old, {"note": "mine"}, merge=True)["score"] == 1
    assert client.update("annotations", old, {"score": 2}, if_match="*")["score"] == 2


def test_lists_come_page_by_page_with_versions(server: Server, client: Client) -> None:
    client.batch([{"op": "add", "annotation": BOX} for _ in range(2_100)])
    found = list(client.annotations(category_id=1))
    assert [each["id"] for each in found] == [1, 7, *range(8, 2_108)]
    assert found[5].etag == client.get("annotations", found[5]["id"]).etag
    assert "_etag" not in found[5]
    assert [each["id"] for each in client.images(annotated=False)] == [4]
    assert [each["id"] for each in client.images(category_id=[1, 2], sort="-id")] == [2, 1]
    assert [each["name"] for each in client.categories()] == ["cat", "dog", "person"]
    assert [each["id"] for each in client.annotations_of(2)] == [7]
    assert list(client.images(file_name="nowhere")) == []


def test_a_batch_is_one_change(client: Client) -> None:
    added, deleted = client.batch([{"op": "add", "annotation": BOX}, {"op": "delete", "id": 7}])
    assert added is not None
    assert deleted is None
    assert client.update("annotations", added, {"score": 1})["id"] == 8
    assert client.revision == 2
    with pytest.raises(Invalid) as raised:
        client.batch([{"op": "delete", "id": 1}, {"op": "add", "annotation": {"image_id": 1}}])
    assert raised.value.errors
    assert client.get("annotations", 1)["id"] == 1


def test_categories_give_their_annotations_away(client: Client) -> None:
    with pytest.raises(Conflict) as raised:
        client.delete("categories", 2)
    assert raised.value.errors == {"annotation_count": 1}
    client.delete("categories", 2, reassign_to=1)
    assert client.get("annotations", 2)["category_id"] == 1


def test_status_and_flush(client: Client, dataset: Path) -> None:
    assert client.set_status(1, "done")["annotation_status"] == "done"
    revision = client.status()["revision"]
    assert (revision["memory"], revision["file"]) == (1, 0)
    assert client.flush()["saved"] is True
    assert json.loads(dataset.read_bytes())["images"][0]["annotation_status"] == "done"


# Who calls


def test_tokens_and_passwords_let_in(dataset: Path) -> None:
    def user(*args: str, password: str = "") -> str:
        status, printed = run([*FLASK, "user", *args], env=environment(dataset), given=password)
        assert status == 0, printed
        return printed

    user("add", "ben", "--role", "annotator", password="correct horse battery\n")
    token = user("token", "ben").splitlines()[-1]
    with serve(dataset, env={}) as server:
        with pytest.raises(NotLoggedIn):
            Client(server.url).status()
        with pytest.raises(NotLoggedIn):
            Client(server.url, "wrong").status()
        with pytest.raises(NotLoggedIn):
            Client(server.url).login("ben", "wrong")
        by_token, by_password = Client(server.url, token), Client(server.url)
        assert by_password.login("ben", "correct horse battery")["user"] == "ben"
        for client in (by_token, by_password):
            assert client.add("annotations", BOX)["image_id"] == 1
            with pytest.raises(NotAllowed, match="admin"):
                client.add("images", {"file_name": "x.jpg", "width": 1, "height": 1})


# Snapshots


def test_a_snapshot_is_a_whole_file_of_one_revision(client: Client, dataset: Path, tmp_path: Path) -> None:
    client.add("annotations", BOX)
    target = tmp_path / "out" / "now.json"
    target.parent.mkdir()
    assert client.snapshot(target) == 1
    assert [each["id"] for each in json.loads(target.read_bytes())["annotations"]] == [1, 2, 7, 8]
    assert client.snapshot(target, at=0) == 0
    assert target.read_bytes() == dataset.read_bytes()
    assert client.snapshot(target, category_id=[2], ids="contiguous") == 1
    assert [each["name"] for each in json.loads(target.read_bytes())["categories"]] == ["dog"]
    with pytest.raises(Invalid):
        client.snapshot(target, category_id=99)
    with pytest.raises(OSError, match="No such file"):
        client.snapshot(tmp_path / "nowhere" / "a.json")
    assert [path.name for path in target.parent.iterdir()] == ["now.json"]
    assert target.stat().st_mode & 0o777 == dataset.stat().st_mode & 0o777


# Events


def test_events_go_on_over_a_restart_of_the_server(dataset: Path) -> None:
    port = free_port()
    args = ["--bind", f"127.0.0.1:{port}"]
    client = Client(f"http://127.0.0.1:{port}", wait=pause)
    with serve(dataset, args=args) as server:
        events = client.events()
        assert next(events).kind == "hello"
        server.add()
        first = changes(events)
        assert (first.data["revision"], first.data["edits"][0]["id"]) == (1, 8)
        server.kill()
    with serve(dataset, args=args) as server:
        server.add()
        second = changes(events)
        assert second.data["revision"] == 2
        server.add()
        assert changes(events).data["revision"] == 3
        again = client.events(first.id)
        assert [changes(again).data["revision"] for _ in range(2)] == [2, 3]


def changes(events: Iterator[package.Event]) -> package.Event:
    return next(event for event in events if event.kind == "change")


def free_port() -> int:
    with ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler) as http:
        return int(http.server_address[1])


def pause(_: float) -> None:
    threading.Event().wait(0.05)


# Servers that are busy, and connections that break


class Asked(NamedTuple):
    """A request as a scripted server got it."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


Reply = tuple[int, dict[str, str], bytes] | None
"""Status, headers and body; `None` closes the connection without an answer."""


class Scripted(NamedTuple):
    url: str
    asked: list[Asked]


@contextmanager
def scripted(*replies: Reply) -> Iterator[Scripted]:
    """A server that answers by `replies`, one after the other. A length that is announced need not be true."""
    asked: list[Asked] = []
    left = list(replies)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            headers = {name.lower(): value for name, value in self.headers.items()}
            asked.append(Asked(self.command, self.path, headers, body))
            reply = left.pop(0)
            self.close_connection = True
            if reply is None:
                return
            status, own, data = reply
            self.send_response(status)
            for name, value in {"Content-Length": str(len(data)), **own}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(data)

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = answer

        def log_message(self, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        thread = threading.Thread(target=http.serve_forever)
        thread.start()
        try:
            yield Scripted(f"http://127.0.0.1:{http.server_address[1]}", asked)
        finally:
            http.shutdown()
            thread.join()


BUSY = (503, {"Retry-After": "7"}, b'{"code": 503, "status": "Service Unavailable", "message": "not loaded yet"}')
ADDED = (201, {"ETag": '"abc"', "X-Dataset-Revision": "5"}, b'{"id": 9}')


def test_a_change_is_sent_again_with_its_key_until_it_is_answered() -> None:
    pauses: list[float] = []
    with scripted(None, BUSY, (429, {"Retry-After": "3"}, b""), (502, {}, b"<html>"), ADDED) as http:
        client = Client(http.url, "secret", wait=pauses.append)
        record = client.add("annotations", BOX)
    assert (record, record.etag, client.revision) == ({"id": 9}, "abc", 5)
    assert isinstance(record, Record)
    assert pauses[1:3] == [7, 3]
    assert all(0 < each < 2 for each in (pauses[0], pauses[3]))
    keys = {asked.headers["idempotency-key"] for asked in http.asked}
    assert len(http.asked) == 5
    assert len(keys) == 1
    assert {asked.headers["authorization"] for asked in http.asked} == {"Bearer secret"}


def test_two_changes_have_two_keys() -> None:
    with scripted(ADDED, ADDED) as http:
        client = Client(http.url)
        client.add("annotations", BOX)
        client.add("annotations", BOX)
    assert len({asked.headers["idempotency-key"] for asked in http.asked}) == 2


def test_a_client_without_patience_gives_up_and_says_why() -> None:
    with scripted(BUSY) as http, pytest.raises(Unavailable, match="not loaded yet") as raised:
        Client(http.url, patience=5).status()
    assert raised.value.status == 503
    with scripted(None) as http, pytest.raises(NoAnswer, match=r"127\.0\.0\.1"):
        Client(http.url, patience=0).status()
    with pytest.raises(NoAnswer):
        Client(f"http://127.0.0.1:{free_port()}", patience=0).status()


@pytest.mark.parametrize("body", [b"<html>", b"[]", b'"x"', b'{"message": 3, "errors": []}', b"\xff", b""])
def test_an_error_of_something_else_is_an_error_all_the_same(body: bytes) -> None:
    with scripted((404, {}, body)) as http, pytest.raises(NotFound) as raised:
        Client(http.url).status()
    assert raised.value.errors == {}


@pytest.mark.parametrize("body", [b"", b"<html>", b"\xff"])
def test_an_answer_of_something_else_is_told(tmp_path: Path, body: bytes) -> None:
    with scripted((200, {}, body)) as http, pytest.raises(NoAnswer, match="no server of cocoannot"):
        Client(http.url).status()
    with scripted((200, {}, body)) as http, pytest.raises(NoAnswer, match="no server of cocoannot"):
        Client(http.url).snapshot(tmp_path / "a.json")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("status", "kind"), [(400, Invalid), (409, Conflict), (412, VersionMismatch), (418, Refused), (500, Unavailable)]
)
def test_each_status_has_its_error(status: int, kind: type[ClientError]) -> None:
    body = b'{"message": "so it is", "errors": {"a": ["b"]}}'
    with scripted((status, {}, body)) as http, pytest.raises(kind, match="so it is") as raised:
        Client(http.url, patience=0).status()
    assert type(raised.value) is kind


@pytest.mark.parametrize("cut", ["length", "gzip"])
def test_a_snapshot_that_is_cut_off_is_read_again(tmp_path: Path, cut: str) -> None:
    text = b'{"images": []}' * 100
    packed = gzip.compress(text)
    revision = {"X-Dataset-Revision": "3"}
    replies: dict[str, tuple[Reply, Reply]] = {
        "length": ((200, {**revision, "Content-Length": "1400"}, text[:700]), (200, revision, text)),
        "gzip": (
            (200, {**revision, "Content-Encoding": "gzip"}, packed[:-9]),
            (200, {**revision, "Content-Encoding": "gzip"}, packed),
        ),
    }
    target = tmp_path / "now.json"
    target.write_text("before")
    with scripted(*replies[cut]) as http:
        client = Client(http.url, wait=lambda _: None)
        assert client.snapshot(target) == 3
    assert target.read_bytes() == text
    with scripted(replies[cut][0]) as http, pytest.raises(NoAnswer, match="broke off"):
        Client(http.url, patience=0).snapshot(target)
    assert target.read_bytes() == text
    assert [path.name for path in tmp_path.iterdir()] == ["now.json"]


def test_a_stream_that_breaks_off_goes_on_after_the_last_event() -> None:
    first = b'retry: 2000\nid: a:1\nevent: hello\ndata: {"revision": 1}\n\nid: a:2\n\nid: a:3\nevent: change\nda'
    second = b'id: a:3\r\nevent: change\r\ndata: {"revision":\r\ndata: 3}\r\n\r\n: a comment\n\n'
    stream = {"Content-Type": "text/event-stream", "Content-Length": "100000"}
    with scripted((200, stream, first), None, BUSY, (200, stream, second)) as http:
        events = Client(http.url, wait=lambda _: None).events(image_id=4)
        assert next(events) == ("hello", {"revision": 1}, "a:1")
        assert next(events) == ("change", {"revision": 3}, "a:3")
    assert [asked.headers.get("last-event-id") for asked in http.asked] == [None, "a:2", "a:2", "a:2"]
    assert {asked.path for asked in http.asked} == {"/api/events?image_id=4"}


def test_predictions_are_sent_as_a_results_list(tmp_path: Path) -> None:
    results = [
        {"image_id": np.int64(1), "category_id": 2, "bbox": np.array([1.5, 2, 3, 4]), "score": np.float32(0.5)},
    ]
    path = tmp_path / "results.json"
    path.write_text('[{"image_id": 1}]')
    told: Reply = (200, {}, b'{"name": "my model", "predictions": 1}')
    with scripted(told, told) as http:
        client = Client(http.url)
        assert client.upload_predictions("my model/2", iter(results)) == {"name": "my model", "predictions": 1}
        client.upload_predictions("v1", path)
    first, second = http.asked
    assert (first.method, first.path) == ("PUT", "/api/predictions/my%20model%2F2")
    assert json.loads(first.body) == [{"image_id": 1, "category_id": 2, "bbox": [1.5, 2, 3, 4], "score": 0.5}]
    assert (second.path, second.body) == ("/api/predictions/v1", path.read_bytes())


@pytest.mark.parametrize("url", ["ftp://x", "http://", "http://x?y=1", ""])
def test_what_is_no_address_is_told_at_once(url: str) -> None:
    with pytest.raises(ValueError, match="no address"):
        Client(url)


def test_a_server_below_a_path_is_called_there() -> None:
    with scripted((200, {}, b"{}")) as http:
        Client(f"{http.url}/annotate/").status()
    assert http.asked[0].path == "/annotate/api/status"
