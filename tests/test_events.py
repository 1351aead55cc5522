"""Streams of events from a real gunicorn: what they tell, where they go on, who may have one, and how they end."""

from __future__ import annotations

import http.client
import json
import re
import shutil
import signal
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import pytest
from event_streams import Event, reading
from servers import ANNOTATION, FLASK, GUNICORN, Server, connect, exchange, half_sent, send, serve, start, until

from cocoannot.events.texts import MOST_EDITS

pytestmark = pytest.mark.slow


@pytest.fixture
def dataset(dataset_path: Path, small: dict[str, Any]) -> Path:
    dataset_path.write_text(json.dumps(small))
    return dataset_path


@pytest.fixture
def server(dataset: Path) -> Iterator[Server]:
    """Serves the small dataset with two threads, which is fewer than there are streams in some tests."""
    with serve(dataset, env={"COCOANNOT_THREADS": "4"}) as server:
        yield server


def change(server: Server, method: str, path: str, body: object = None) -> Any:
    answer = server.request(method, path, body)
    assert answer.status < 300, answer
    return answer.body


def boxes(server: Server, number: int, image_id: int = 1) -> None:
    """Add boxes, as one change."""
    box = {**ANNOTATION, "image_id": image_id}
    change(server, "POST", "/api/annotations/batch", {"operations": [{"op": "add", "annotation": box}] * number})


def metric(server: Server, name: str) -> float:
    target = server.url.removeprefix("http://")
    connection = http.client.HTTPConnection(target, timeout=20)
    connection.request("GET", "/metrics")
    text = connection.getresponse().read().decode()
    connection.close()
    found = re.search(rf"^{name} (\S+)$", text, re.MULTILINE)
    assert found, name
    return float(found[1])


def streams(server: Server) -> float:
    return metric(server, "cocoannot_event_streams")


# What is told


def test_a_stream_begins_with_where_the_dataset_is_and_then_tells_each_change(server: Server) -> None:
    with reading(server.url, "?client=tab-1") as reader:
        assert reader.status == 200
        assert reader.headers["Content-Type"] == "text/event-stream; charset=utf-8"
        assert (reader.headers["X-Accel-Buffering"], reader.headers["Content-Length"]) == ("no", None)
        hello = reader.next()
        assert hello.name == "hello"
        assert (hello.data["revision"], hello.data["present"], hello.data["saved"]) == (0, [], {"file": 0, "s3": None})
        lineage = hello.data["lineage"]
        assert hello.id == f"{lineage}:0"
        server.add()
        change(server, "PATCH", "/api/annotations/1", {"image_id": 2})
        change(server, "DELETE", "/api/images/2")
        change(server, "PATCH", "/api/categories/5", {"name": "people"})
        told = [reader.next() for _ in range(4)]
    assert [event.name for event in told] == ["change"] * 4
    assert [event.id for event in told] == [f"{lineage}:{revision}" for revision in (1, 2, 3, 4)]
    assert all(event.data["user"] is None and event.data["time"] > "2020-01-01T" for event in told)
    added, moved, deleted, renamed = ([{**edit, "etag": "..."} for edit in event.data["edits"]] for event in told)
    assert added == [{"section": "annotations", "id": 8, "image_id": 1, "op": "add", "etag": "..."}]
    assert moved == [
        {"section": "annotations", "id": 1, "image_id": 2, "from_image_id": 1, "op": "update", "etag": "..."}
    ]
    assert [(edit["section"], edit["id"], edit["op"], edit["image_id"]) for edit in deleted] == [
        ("annotations", 1, "delete", 2),
        ("annotations", 7, "delete", 2),
        ("images", 2, "delete", 2),
    ]
    assert renamed == [{"section": "categories", "id": 5, "image_id": None, "op": "update", "etag": "..."}]


def test_an_event_tells_what_the_list_of_changes_tells_and_etags(server: Server) -> None:
    with reading(server.url) as reader:
        server.add()
        change(server, "PATCH", "/api/annotations/1", {"image_id": 2})
        change(server, "POST", "/api/changes/2/undo")
        told = [reader.until("change").data for _ in range(3)]
    for event in told:
        for edit in event["edits"]:
            assert len(edit.pop("etag")) == 24
    assert told == server.request("GET", "/api/changes").body
    assert [(each["kind"], each.get("undoes")) for each in told] == [("edit", None), ("edit", None), ("undo", 2)]


def test_an_event_has_the_etag_that_the_record_has(server: Server) -> None:
    with reading(server.url) as reader:
        server.add()
        (edit,) = reader.until("change").data["edits"]
    reply = exchange(server.url, "GET /api/annotations/8 HTTP/1.1\nHost: HOST\nConnection: close")
    assert reply.headers["ETag"] == f'"{edit["etag"]}"'


def test_a_large_change_tells_its_first_edits_and_how_many_there_are_more(server: Server) -> None:
    with reading(server.url) as reader, reading(server.url, "?image_id=2") as other:
        boxes(server, MOST_EDITS)
        boxes(server, MOST_EDITS + 7)
        first, second = reader.until("change"), reader.next()
        boxes(server, 1, image_id=2)
        assert other.until("change").revision == 3
    assert len(first.data["edits"]) == len(second.data["edits"]) == MOST_EDITS
    assert ("more" in first.data, second.data["more"]) == (False, 7)


def test_a_bulk_replacement_is_one_reset_for_everybody(server: Server) -> None:
    with reading(server.url) as reader, reading(server.url, "?image_id=4") as other:
        records = json.dumps({"images": [], "annotations": []}).encode()
        head = 'PUT /api/dataset HTTP/1.1\nHost: HOST\nContent-Type: application/json\nIf-Match: "0"\nConnection: close'
        assert exchange(server.url, f"{head}\nContent-Length: {len(records)}", records).status == 200
        for each in (reader, other):
            reset = each.until("reset")
            assert (reset.revision, reset.data) == (1, {"revision": 1})


def test_a_save_is_told(server: Server) -> None:
    with reading(server.url) as reader:
        server.add()
        change(server, "POST", "/api/flush")
        saved = reader.until("saved")
    assert saved == Event("saved", "", {"file": 1, "s3": None})


def test_whoever_follows_an_image_hears_of_that_one_and_of_categories(server: Server) -> None:
    with reading(server.url, "?image_id=2&image_id=4") as reader:
        server.add()
        change(server, "PATCH", "/api/annotations/1", {"image_id": 2})
        server.add()
        change(server, "PATCH", "/api/images/4", {"license": 1})
        change(server, "POST", "/api/categories", {"name": "bird"})
        assert reader.next().name == "hello"
        assert [reader.next().revision for _ in range(3)] == [2, 4, 5]


def test_an_idle_stream_gets_an_id_alone_so_that_it_goes_on_from_there(server: Server) -> None:
    with reading(server.url, "?image_id=4") as reader:
        lineage = reader.next().data["lineage"]
        # Not for those who follow another image; what comes within 15 seconds is the place where the stream is.
        server.add()
        assert reader.next() == Event("", f"{lineage}:1", None)


# Who is here


def test_who_is_here_is_told_at_the_beginning_and_as_they_come_and_go(server: Server) -> None:
    with reading(server.url) as reader, reading(server.url, "?image_id=2") as other:
        assert reader.next().data["present"] == []
        with reading(server.url, "?client=tab-1"):
            change(server, "PUT", "/api/presence/tab-1", {"image_id": 1, "editing": True})
            come = reader.until("presence").data
            assert (come["client"], come["image_id"], come["editing"]) == ("tab-1", 1, True)
            with reading(server.url) as third:
                assert third.next().data["present"] == [come]
        # With its last stream, long before it would fade.
        gone = reader.until("presence").data
        assert (gone["client"], gone["image_id"], gone["gone"]) == ("tab-1", None, True)
        assert server.request("GET", "/api/presence").body == []
        change(server, "PUT", "/api/presence/tab-2", {"image_id": 2})
        assert other.until("presence").data["client"] == "tab-2"


def test_a_claim_lasts_as_long_as_a_stream_of_its_client(server: Server) -> None:
    def left() -> str | None:
        reply = exchange(server.url, "POST /api/images/next?client=tab-1 HTTP/1.1\nHost: HOST\nConnection: close")
        assert reply.json["id"] == 1
        return reply.headers["X-Claim-Seconds"]

    assert int(left() or 0) > 500
    with reading(server.url, "?client=tab-1"):
        assert left() is None
    until(lambda: streams(server) == 0, "the server has seen that it is closed")
    reply = exchange(server.url, "POST /api/images/next?client=tab-2 HTTP/1.1\nHost: HOST\nConnection: close")
    assert reply.json["id"] == 2, "for thirty seconds"


# Going on


def test_a_stream_goes_on_after_the_last_event_without_a_gap(server: Server) -> None:
    with reading(server.url) as reader:
        lineage = reader.next().data["lineage"]
        for _ in range(3):
            server.add()
        last = [reader.next() for _ in range(2)][-1].id
    for _ in range(3):
        server.add()
    for query, given in (("", last), (f"?since={last}", ""), ("?since=2", ""), ("?since=0", last)):
        with reading(server.url, query, last=given) as reader:
            assert reader.next().id == f"{lineage}:2"
            assert [reader.next().revision for _ in range(4)] == [3, 4, 5, 6]


def test_a_stream_goes_on_over_a_crash_of_the_server(dataset: Path) -> None:
    with serve(dataset) as server, reading(server.url) as reader:
        for _ in range(4):
            server.add()
        last = [reader.next() for _ in range(3)][-1].id
        server.kill()
    with serve(dataset) as server, reading(server.url, last=last) as reader:
        assert reader.next().id == last
        assert [reader.next().revision for _ in range(2)] == [3, 4]
        server.add()
        assert reader.next().revision == 5


def test_a_stream_goes_on_over_an_orderly_restart_that_has_lost_nothing(dataset: Path) -> None:
    with serve(dataset) as server, reading(server.url) as reader:
        server.add()
        last = reader.until("change").id
        server.signal(signal.SIGTERM)
        server.wait()
    with serve(dataset) as server, reading(server.url, last=last) as reader:
        assert reader.next().id == last
        server.add()
        assert reader.next().revision == 2


@pytest.mark.parametrize(
    "place",
    ["00000000:1", "5", "99999999999999", "nonsense", "-1", "LINEAGE:3", "LINEAGE:"],
    ids=["another-dataset", "future", "far-future", "nonsense", "negative", "own-future", "no-revision"],
)
def test_an_id_that_is_not_ours_is_a_reset(server: Server, place: str) -> None:
    server.add()
    with reading(server.url) as reader:
        lineage = reader.next().data["lineage"]
    with reading(server.url, last=place.replace("LINEAGE", lineage)) as reader:
        hello, reset = reader.next(), reader.next()
        assert (hello.name, hello.id) == ("hello", "")
        assert (reset.name, reset.id, reset.data) == ("reset", f"{lineage}:1", {"revision": 1})
        server.add()
        assert reader.next().revision == 2


def test_what_is_not_kept_any_more_is_a_reset(dataset: Path) -> None:
    without = {"COCOANNOT_HISTORY_DAYS": "0"}
    with serve(dataset, env=without) as server:
        server.add()
        # Without a history, what the file has is not kept after a restart.
        change(server, "POST", "/api/flush")
        server.signal(signal.SIGTERM)
        server.wait()
    with serve(dataset, env=without) as server, reading(server.url, "?since=0") as reader:
        assert [reader.next().name for _ in range(2)] == ["hello", "reset"]


def test_a_stream_goes_on_from_what_only_the_history_has(dataset: Path) -> None:
    with serve(dataset) as server:
        for _ in range(300):
            server.add()
        with reading(server.url) as reader:
            lineage = reader.next().data["lineage"]
        server.signal(signal.SIGTERM)
        server.wait()
    with serve(dataset) as server, reading(server.url, last=f"{lineage}:3") as reader:
        assert reader.next().id == f"{lineage}:3"
        assert [reader.next().revision for _ in range(297)] == list(range(4, 301))
        server.add()
        assert reader.next().revision == 301


def test_a_place_in_the_query_that_is_none_is_refused(server: Server) -> None:
    answer = server.request("GET", "/api/events?since=yesterday")
    assert answer.status == 422
    assert "since" in answer.body["errors"]["query"]
    assert server.request("GET", "/api/events?client=a%20b").status == 422
    assert server.request("GET", "/api/events?image_id=x").status == 422
    assert streams(server) == 0


# How many


def test_streams_keep_no_thread_and_no_connection_of_gunicorn_s(server: Server) -> None:
    with ExitStack() as stack:
        readers = [stack.enter_context(reading(server.url)) for _ in range(20)]
        assert streams(server) == 20
        server.add()
        assert [reader.until("change").revision for reader in readers] == [1] * 20
        threads = len(list(Path(f"/proc/{server.worker}/task").iterdir()))
        # Those of the requests, and a few.
        assert threads < 16
    until(lambda: streams(server) == 0, "the server has seen that all are closed")
    # gunicorn's own count of connections is right: it waits for this one, and for no other.
    with half_sent(server) as request:
        server.signal(signal.SIGTERM)
        with pytest.raises(AssertionError, match="not within"):
            until(lambda: "unanswered" in server.log, "the request is cut off", 2.5)
        assert request.finish().status == 201
    assert server.wait() == 0
    assert "Traceback" not in server.log


def test_the_twenty_first_stream_of_an_address_is_refused(server: Server) -> None:
    with ExitStack() as stack:
        readers = [stack.enter_context(reading(server.url)) for _ in range(20)]
        reply = exchange(server.url, "GET /api/events HTTP/1.1\nHost: HOST\nConnection: close")
        assert reply.status == 429
        assert int(reply.headers["Retry-After"]) > 0
        assert "20 event streams" in reply.json["message"]
        with reading(server.url, source="127.0.0.2") as other:
            assert other.next().name == "hello"
        readers[0].close()
        until(lambda: streams(server) == 19, "the server has seen that one is closed")
        with reading(server.url) as again:
            assert again.next().name == "hello"


def test_more_streams_than_the_setting_allows_are_refused(dataset: Path) -> None:
    with serve(dataset, env={"COCOANNOT_EVENT_STREAMS": "2"}) as server, reading(server.url), reading(server.url):
        answer = server.request("GET", "/api/events")
        assert (answer.status, "COCOANNOT_EVENT_STREAMS" in answer.body["message"]) == (429, True)
        assert server.request("GET", "/api/images").status == 200


def test_head_takes_no_connection(server: Server) -> None:
    with connect(server.url) as connection:
        for _ in range(2):
            connection.sendall(b"HEAD /api/events HTTP/1.1\r\nHost: localhost\r\n\r\n")
            response = http.client.HTTPResponse(connection, method="HEAD")
            response.begin()
            assert (response.status, response.headers["Content-Type"][:17]) == (200, "text/event-stream")
    assert streams(server) == 0


# Readers who don't keep up


def test_a_reader_who_does_not_keep_up_is_cut_off_and_goes_on_where_it_was(dataset: Path) -> None:
    env = {"COCOANNOT_CLIENT_TIMEOUT": "3600"}
    with serve(dataset, env=env) as server, reading(server.url) as quick, ExitStack() as stack:
        slow = stack.enter_context(reading(server.url, receive=4096))
        for _ in range(150):
            boxes(server, MOST_EDITS)
            quick.until("change")
        until(lambda: metric(server, "cocoannot_event_streams_cut_off_total") == 1, "the slow one is cut off")
        assert streams(server) == 1
        seen = slow.rest()
        assert 0 < len(seen) < 150
        with reading(server.url, last=seen[-1].id) as reader:
            rest = [reader.until("change").revision for _ in range(150 - seen[-1].revision)]
    revisions = [event.revision for event in seen if event.name == "change"] + rest
    assert revisions == list(range(1, 151))


def test_a_reader_who_takes_nothing_is_cut_off_though_there_is_little_to_say(dataset: Path) -> None:
    env = {"COCOANNOT_CLIENT_TIMEOUT": "1"}
    with serve(dataset, env=env) as server, reading(server.url, receive=4096):
        # Less than a reader may be behind, and more than the system takes for it.
        for _ in range(40):
            boxes(server, MOST_EDITS)
        until(lambda: metric(server, "cocoannot_event_streams_cut_off_total") == 1, "the slow one is cut off")


def test_a_client_that_goes_on_sending_is_closed(server: Server) -> None:
    with reading(server.url) as reader:
        reader.next()
        # It is not read away for ever.
        with suppress(ConnectionError):
            for _ in range(10_000):
                reader.socket.sendall(b"x" * 4096)
    until(lambda: streams(server) == 0, "the stream is closed")


# The end of a server


def all_acknowledged(server: Server, ended: threading.Event) -> list[int]:
    """Add annotations until that fails; returns the revisions that were acknowledged."""
    revisions: list[int] = []
    body = json.dumps(ANNOTATION).encode()
    head = "POST /api/annotations HTTP/1.1\nHost: HOST\nContent-Type: application/json\nConnection: close\n"
    while not ended.is_set():
        try:
            reply = exchange(server.url, f"{head}Content-Length: {len(body)}", body)
        except (OSError, http.client.HTTPException, AssertionError):
            break
        if reply.status != 201:
            break
        revisions.append(int(reply.headers["X-Dataset-Revision"]))
    return revisions


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_streams_end_at_once_with_a_restart_though_requests_still_run(dataset: Path, number: signal.Signals) -> None:
    with serve(dataset) as server, reading(server.url) as reader, half_sent(server) as request:
        server.add()
        server.signal(number)
        events = reader.rest()
        assert [event.name for event in events][:2] == ["hello", "change"]
        assert events[-1] == Event("restart", "", {})
        if number == signal.SIGTERM:
            assert request.finish().status == 201
            assert server.wait() == 0


def test_after_a_reload_a_stream_goes_on_without_a_gap(dataset: Path) -> None:
    with serve(dataset) as server:
        first = server.worker
        with reading(server.url) as reader:
            server.add()
            server.signal(signal.SIGHUP)
            last = next(event.id for event in reversed(reader.rest()) if event.id)
        server.wait_until_ready(but=first)
        server.add()
        with reading(server.url, last=last) as reader:
            assert reader.until("change").revision == 2


def test_a_worker_that_is_replaced_after_max_requests_ends_its_streams(dataset: Path) -> None:
    with serve(dataset, args=["--max-requests", "5"]) as server, reading(server.url) as reader:
        first = server.worker
        added = [server.add_stubbornly() for _ in range(5)]
        events = reader.rest()
        assert events[-1].name == "restart"
        server.wait_until_ready(but=first)
        last = next(event.id for event in reversed(events) if event.id)
        with reading(server.url, last=last) as again:
            server.add_stubbornly()
            told = [event.revision for event in events if event.name == "change"]
            while told[-1] < len(added) + 1:
                told.append(again.until("change").revision)
    assert told == list(range(1, len(added) + 2))


def test_at_the_end_whoever_follows_has_heard_of_all_that_was_acknowledged_before(dataset: Path) -> None:
    acknowledged: list[int] = []
    ended = threading.Event()
    with serve(dataset) as server, reading(server.url) as reader:
        thread = threading.Thread(target=lambda: acknowledged.extend(all_acknowledged(server, ended)))
        thread.start()
        while reader.until("change").revision < 50:
            pass
        server.signal(signal.SIGTERM)
        events = reader.rest()
        assert server.wait() == 0
        ended.set()
        thread.join()
    told = {event.revision for event in events if event.name == "change"}
    assert events[-1].name == "restart"
    with serve(dataset) as server:
        # What was acknowledged while requests drained comes from the next server, or is a reset.
        assert server.status()["revision"]["memory"] >= max(acknowledged)
    assert told == set(range(51, 51 + len(told)))


# Other servers, and TLS


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A key and a certificate of a server called localhost, in one file."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not there")
    path = tmp_path_factory.mktemp("tls") / "both.pem"
    key = path.with_name("key.pem")
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"]
    subprocess.run([*command, "-keyout", str(key), "-out", str(path)], check=True, capture_output=True)
    path.write_bytes(path.read_bytes() + key.read_bytes())
    return path


def test_a_stream_over_tls_goes_along_with_its_connection(dataset: Path, certificate: Path) -> None:
    args = ["--certfile", str(certificate), "--keyfile", str(certificate)]
    with start(dataset, [*GUNICORN, *args, "wsgi:app"]) as server:
        until(lambda: "pictures found" in server.log, "the server is ready")
        url = re.findall(r"Listening at: (https://\S+)", server.log)[0]

        def add() -> None:
            body = json.dumps(ANNOTATION)
            subprocess.run(
                ["curl", "-skf", f"{url}/api/annotations", "-H", "Content-Type: application/json", "-d", body],
                check=True,
                capture_output=True,
            )

        with reading(url, tls=True) as reader, reading(url, tls=True, receive=4096) as other:
            assert reader.next().name == "hello"
            for _ in range(3):
                add()
            assert [reader.next().revision for _ in range(3)] == [1, 2, 3]
            server.signal(signal.SIGTERM)
            # The save that follows TERM may be told of before the streams end.
            left, whole = ([event.name for event in each.rest() if event.name != "saved"] for each in (reader, other))
            assert left == ["restart"]
            assert whole == ["hello", *["change"] * 3, "restart"]
        assert server.wait() == 0
        assert "Traceback" not in server.log


def test_under_flask_run_a_few_streams_keep_a_thread_each_and_the_next_one_is_told_to_poll(dataset: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    with start(dataset, [*FLASK, "run", "--port", str(port)], env={"COCOANNOT_THREADS": "8"}) as server:
        until(lambda: "Running on" in server.log, "the server listens")
        with reading(url) as first, reading(url) as second:
            assert [first.next().name, second.next().name] == ["hello", "hello"]
            reply = exchange(url, "GET /api/events HTTP/1.1\nHost: HOST\nConnection: close")
            assert (reply.status, "/api/changes" in reply.json["message"]) == (503, True)
            assert int(reply.headers["Retry-After"]) > 0
            assert send(url, "POST", "/api/annotations", ANNOTATION).status == 201
            assert [first.next().revision, second.next().revision] == [1, 1]

        # It sees that a client is gone when it next writes to it.
        def opens() -> bool:
            send(url, "POST", "/api/annotations", ANNOTATION)
            with reading(url) as again:
                return again.status == 200

        until(opens, "the place of one that is gone is free")


# Waiting for changes


def test_a_request_that_waits_is_answered_by_the_next_change(server: Server) -> None:
    answers: list[Any] = []
    thread = threading.Thread(target=lambda: answers.append(server.request("GET", "/api/changes?since=0&wait=20")))
    thread.start()
    server.add()
    thread.join(15)
    assert not thread.is_alive()
    (answer,) = answers
    assert answer.status == 200
    assert [(each["revision"], each["kind"], each["summary"]) for each in answer.body] == [
        (1, "edit", "1 annotation(s) added")
    ]
    assert server.request("GET", "/api/changes?since=1&wait=0.1") == (200, [])
    assert server.request("GET", "/api/changes?since=7").body == []


def test_requests_that_wait_leave_threads_to_others(server: Server) -> None:
    # Four threads: one may wait.
    waiting = [threading.Thread(target=server.request, args=("GET", "/api/changes?since=0&wait=25")) for _ in range(8)]
    for thread in waiting:
        thread.start()
    until(lambda: sum(thread.is_alive() for thread in waiting) <= 1, "those beyond are answered at once", 15)
    assert server.request("GET", "/api/images").status == 200
    server.add()
    for thread in waiting:
        thread.join(15)
        assert not thread.is_alive()


def test_requests_that_wait_end_with_the_server(server: Server) -> None:
    answers: list[Any] = []
    thread = threading.Thread(target=lambda: answers.append(server.request("GET", "/api/changes?since=0&wait=25")))
    thread.start()
    until(lambda: metric(server, "cocoannot_http_requests_in_progress") >= 2, "it waits")
    server.signal(signal.SIGTERM)
    assert server.wait() == 0
    thread.join()
    assert answers == [(200, [])]


@pytest.mark.parametrize("query", ["?since=-1", "?since=x", "?since=1&wait=26", "?since=1&wait=nan"])
def test_a_question_for_changes_that_does_not_fit_is_refused(server: Server, query: str) -> None:
    assert server.request("GET", f"/api/changes{query}").status == 422
