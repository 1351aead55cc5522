"""Many clients of a real server that ask for the next image at the same moment, also over a restart and a crash."""

from __future__ import annotations

import json
import signal
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from event_streams import reading
from servers import Server, serve

pytestmark = pytest.mark.slow

CLIENTS = 20


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    images = [{"id": i, "file_name": f"{i}.png", "width": 10, "height": 10} for i in range(1, 101)]
    path = tmp_path / "dataset.json"
    path.write_text(json.dumps({"images": images, "annotations": [], "categories": []}))
    return path


def ask_at_once(server: Server, name: str) -> dict[str, int]:
    """The image that each of 20 clients is given, by the client's name; all ask when all are ready."""
    barrier = threading.Barrier(CLIENTS)

    def ask(client: str) -> int:
        barrier.wait()
        status, body = server.request("POST", f"/api/images/next?client={client}")
        assert status == 200, body
        return int(body["id"])

    clients = [f"{name}-{number}" for number in range(CLIENTS)]
    with ThreadPoolExecutor(CLIENTS) as pool:
        return dict(zip(clients, pool.map(ask, clients), strict=True))


def test_20_who_ask_at_once_have_20_images_also_over_a_restart_and_a_crash(dataset: Path) -> None:
    with serve(dataset) as server:
        first = ask_at_once(server, "first")
        assert len(set(first.values())) == CLIENTS
        worker = server.worker
        server.signal(signal.SIGHUP)
        server.wait_until_ready(but=worker)
        second = ask_at_once(server, "second")
        # Each is given what it had, and those who come later something else.
        assert ask_at_once(server, "first") == first
        server.kill()
    with serve(dataset) as server:
        third = ask_at_once(server, "third")
        assert ask_at_once(server, "second") == second
        assert ask_at_once(server, "first") == first
    assert len({*first.values(), *second.values(), *third.values()}) == 3 * CLIENTS


def test_what_was_finished_or_given_back_before_a_restart_is_not_claimed_after_it(dataset: Path) -> None:
    with serve(dataset) as server:
        for client in ("anna", "ben"):
            server.request("POST", f"/api/images/next?client={client}")
        assert server.request("PUT", "/api/images/1/status", {"status": "done"}).status == 200
        assert server.request("DELETE", "/api/images/2/claim?client=ben").status == 204
        worker = server.worker
        server.signal(signal.SIGHUP)
        server.wait_until_ready(but=worker)
        assert server.request("POST", "/api/images/next?client=cem").body["id"] == 2
        assert server.request("POST", "/api/images/next?client=anna").body["id"] == 3


def test_after_a_restart_a_claim_lasts_as_long_as_its_client_s_new_stream(dataset: Path) -> None:
    with serve(dataset) as server:
        server.request("POST", "/api/images/next?client=anna")
        worker = server.worker
        server.signal(signal.SIGHUP)
        server.wait_until_ready(but=worker)
        with reading(server.url, "?client=anna") as stream:
            stream.until("hello")
            assert server.request("POST", "/api/images/next?client=ben").body["id"] == 2
            assert server.request("POST", "/api/images/next?client=anna").body["id"] == 1
