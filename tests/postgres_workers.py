"""Gunicorns with several workers that serve a dataset in PostgreSQL."""

from __future__ import annotations

import http.client
import os
import random
import signal
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from servers import LONG, Answer, Server, send, start, until
from terminals import free_port

from cocoannot.database_uri import DatabaseUri

_LIMIT = 60.0


class Workers:
    """A gunicorn at `url` that serves a dataset of `database`."""

    def __init__(self, server: Server, url: str) -> None:
        self.server = server
        self.url = url

    def ask(self, method: str, path: str, body: object = None) -> Answer:
        return send(self.url, method, path, body)

    def ask_text(self, path: str) -> str:
        with urllib.request.urlopen(self.url + path, timeout=60) as answer:
            return str(answer.read().decode())

    def is_ready(self) -> bool:
        return self.readiness() == 200

    def readiness(self) -> int:
        """What `/readyz` answers, 0 for no answer."""
        try:
            return self.ask("GET", "/readyz").status
        except (OSError, http.client.HTTPException):
            return 0

    def live_workers(self) -> list[int]:
        """The process ids of the workers that there are now."""
        pid = self.server.pid
        return [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]

    def kill_worker(self, chance: random.Random) -> None:
        """Kill one, and wait until another one serves in its place."""
        loaded = self.server.log.count("Dataset found in")
        os.kill(chance.choice(self.live_workers()), signal.SIGKILL)
        until(lambda: self.server.log.count("Dataset found in") > loaded, "another worker has the dataset", _LIMIT)


@contextmanager
def serving(
    uri: DatabaseUri, export: Path, workers: int = 2, *, interval: float = LONG, ready: bool = True
) -> Iterator[Workers]:
    port = free_port()
    env = {"COCOANNOT_DATASET": uri.text, "COCOANNOT_EXPORT": str(export), "DATASET_AUTO_SAVE_INTERVAL": str(interval)}
    gunicorn = str(Path(sys.executable).with_name("gunicorn"))
    command = [gunicorn, "--bind", f"127.0.0.1:{port}", "--workers", str(workers), "wsgi:app"]
    with start(export, command, env=env) as server:
        found = Workers(server, f"http://127.0.0.1:{port}")
        if ready:
            until(found.is_ready, "a worker is ready", 60)
            until(lambda: server.log.count("Dataset found in") >= workers, "all workers have the dataset", 60)
        yield found
