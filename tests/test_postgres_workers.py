"""Gunicorns with several workers on one dataset in PostgreSQL: killed, started again, without their database."""

from __future__ import annotations

import http.client
import json
import os
import signal
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from event_streams import reading
from postgres_servers import running_postgres
from postgres_workers import Workers, serving
from servers import start, until

from cocoannot.database_uri import DatabaseUri
from cocoannot.store.postgres.importing import import_file
from cocoannot.store.postgres.maintenance import check_dataset

pytestmark = pytest.mark.slow

BOX = {"image_id": 1, "category_id": 1, "bbox": [1, 2, 3, 4]}


class Client:
    """Somebody who adds annotations, each again and again with its key until it is acknowledged."""

    def __init__(self, url: str, name: str) -> None:
        self.acknowledged: list[int] = []
        """The ids of what was acknowledged."""
        self.longest = 0.0
        """Seconds between two acknowledgements at most."""
        self._url = url
        self._name = name
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def end(self) -> None:
        self._ended.set()
        self._thread.join(120)
        assert not self._thread.is_alive()

    def _run(self) -> None:
        at = time.monotonic()
        for number in range(1_000_000):
            key = f"{self._name}-{number}"
            while not self._add(key):
                if self._ended.wait(0.05):
                    return
            now = time.monotonic()
            self.longest, at = max(self.longest, now - at), now
            if self._ended.is_set():
                return

    def _add(self, key: str) -> bool:
        host = self._url.removeprefix("http://")
        connection = http.client.HTTPConnection(host, timeout=60)
        try:
            headers = {"Content-Type": "application/json", "Idempotency-Key": key}
            connection.request("POST", "/api/annotations", json.dumps({**BOX, "key": key}), headers)
            answer = connection.getresponse()
            body = answer.read()
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()
        if answer.status != 201:
            assert answer.status == 503, body
            assert int(answer.headers["Retry-After"]) > 0
            return False
        self.acknowledged.append(json.loads(body)["id"])
        return True


def wait_for_more(clients: list[Client]) -> None:
    """Wait until twenty more changes are acknowledged."""
    reached = sum(len(client.acknowledged) for client in clients) + 20
    until(lambda: sum(len(client.acknowledged) for client in clients) >= reached, "more is acknowledged", 60)


def check(uri: DatabaseUri, workers: Workers, clients: list[Client]) -> None:
    """Everything that was acknowledged is there, once; nothing is there twice."""
    for client in clients:
        client.end()
    records = workers.ask("GET", "/api/images/1/annotations").body
    added = [record for record in records if "key" in record]
    assert len({record["key"] for record in added}) == len(added), "made twice"
    assert len({record["id"] for record in records}) == len(records)
    acknowledged = {record_id for client in clients for record_id in client.acknowledged}
    assert acknowledged <= {record["id"] for record in added}, "lost"
    assert len(added) - len(acknowledged) <= len(clients), "only what nobody heard of may be there besides"
    assert workers.ask("GET", "/api/status").body["revision"]["memory"] == len(added)
    assert check_dataset(uri) == []


def test_workers_that_are_killed_lose_nothing(uri: DatabaseUri, dataset_path: Path, torture: bool) -> None:
    with serving(uri, dataset_path) as workers:
        clients = [Client(workers.url, name) for name in "abcd"]
        for killed in range(30 if torture else 3):
            wait_for_more(clients)
            os.kill(workers.server.workers[-1], signal.SIGKILL)
            workers.server.wait_for_log("Dataset found in", 3 + killed)
        check(uri, workers, clients)


def test_a_database_that_is_killed_under_load_loses_nothing_and_is_waited_for(
    dataset_path: Path, small: dict[str, Any], torture: bool
) -> None:
    dataset_path.write_text(json.dumps(small))
    with running_postgres(fsync="on") as database:
        uri = DatabaseUri(database.uri(), "street")
        import_file(uri, dataset_path)
        with serving(uri, dataset_path) as workers:
            clients = [Client(workers.url, name) for name in "abcd"]
            for _ in range(20 if torture else 2):
                wait_for_more(clients)
                database.kill()
                database.start()
            check(uri, workers, clients)
            assert max(client.longest for client in clients) < 30


def test_without_a_database_every_request_is_told_to_come_again_and_then_served_without_a_restart(
    dataset_path: Path, small: dict[str, Any]
) -> None:
    dataset_path.write_text(json.dumps(small))
    with running_postgres() as database:
        uri = DatabaseUri(database.uri(), "street")
        import_file(uri, dataset_path)
        database.stop()
        with serving(uri, dataset_path, ready=False) as workers:
            until(lambda: "every request is answered 503" in workers.server.log, "the workers wait", 60)

            def refused() -> bool:
                try:
                    return workers.ask("GET", "/readyz").status == 503
                except OSError:
                    return False

            until(refused, "it answers 503", 60)
            assert workers.ask("GET", "/api/images").status == 503
            assert workers.ask("GET", "/healthz").status == 200
            database.start()
            until(workers.is_ready, "a worker is ready", 60)
            assert workers.ask("POST", "/api/annotations", BOX).status == 201
            database.stop()
            until(refused, "it answers 503", 60)
            database.start()
            until(workers.is_ready, "a worker is ready", 60)


def test_one_worker_saves_what_all_of_them_changed(uri: DatabaseUri, dataset_path: Path) -> None:
    with serving(uri, dataset_path, interval=0.5) as workers:
        for _ in range(10):
            assert workers.ask("POST", "/api/annotations", BOX).status == 201
        until(lambda: len(json.loads(dataset_path.read_bytes())["annotations"]) == 13, "the file has them", 60)
        for name in ("commit_groups_total", "commit_changes_total", "database_retries_total", "database_lost"):
            assert f"\ncocoannot_{name} " in workers.ask_text("/metrics")
        status = workers.ask("GET", "/api/status").body
        assert status["revision"] == {"memory": 10, "journal": 10, "file": 10, "s3": None}


def test_who_follows_one_worker_hears_of_changes_that_another_made(uri: DatabaseUri, dataset_path: Path) -> None:
    with serving(uri, dataset_path) as first, serving(uri, dataset_path) as second:
        with reading(first.url) as stream:
            stream.until("hello")
            for number in range(5):
                assert second.ask("POST", "/api/annotations", {**BOX, "note": number}).status == 201
            revisions = [stream.until("change").data["revision"] for _ in range(5)]
        assert revisions == [1, 2, 3, 4, 5]


def test_a_dataset_that_is_a_file_still_has_one_worker(dataset_path: Path, small: dict[str, Any]) -> None:
    dataset_path.write_text(json.dumps(small))
    gunicorn = str(Path(sys.executable).with_name("gunicorn"))
    with start(dataset_path, [gunicorn, "--bind", "127.0.0.1:0", "--workers", "2", "wsgi:app"]) as server:
        assert server.wait() == 1
        assert "workers=2 is not allowed; one worker owns the dataset" in server.log
