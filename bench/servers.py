"""Servers under gunicorn, each a process of its own, and what clients measure of them."""

from __future__ import annotations

import http.client
import json
import os
import re
import signal
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, suppress
from pathlib import Path
from typing import Any, NamedTuple

from bench.memory import memory_of

_ROOT = Path(__file__).parent.parent
_SETTINGS = re.compile(r"COCOANNOT_|DATASET_|GUNICORN_|FLASK_|WEB_CONCURRENCY|.*_proxy$", re.IGNORECASE)
_THREADS = 16
_OURS = ["-c", "python:cocoannot.gunicorn_conf"]
_PLAIN = ["--worker-class", "gthread", "--threads", str(_THREADS), "--timeout", "600", "--no-control-socket"]
_LONG = 600.0

KINDS: dict[str, tuple[list[str], str]] = {
    "cocoannot": (_OURS, "cocoannot.wsgi:app"),
    "cocoannot, fsync always": (_OURS, "cocoannot.wsgi:app"),
    "cocoannot without journal": (_OURS, "bench.unwritten:serve()"),
    "cocoannot without history": (_OURS, "cocoannot.wsgi:app"),
    "bare route": (_PLAIN, "bench.rivals:bare()"),
    "dicts": (_PLAIN, "bench.rivals:dicts()"),
    "load-modify-save": (_PLAIN, "bench.rivals:whole_file()"),
}
"""How each server is started: gunicorn's options, and the application."""

_SETTINGS_OF = {
    "cocoannot, fsync always": {"COCOANNOT_JOURNAL_FSYNC": "always"},
    "cocoannot without history": {"COCOANNOT_HISTORY_DAYS": "0"},
}


class Round(NamedTuple):
    """What clients saw of a server for a while: requests a second, and seconds that they took."""

    throughput: float
    latencies: list[float]

    def percentile(self, part: float) -> float:
        """Seconds that `part` (from 0 to 1) of the requests took at most."""
        ordered = sorted(self.latencies)
        return ordered[min(len(ordered) - 1, int(part * len(ordered)))]


class Server:
    """A server that is ready; `seconds` is what that took, from the start of its process."""

    def __init__(self, kind: str, dataset: Path, env: Mapping[str, str]) -> None:
        with closing(socket.socket()) as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        options, app = KINDS[kind]
        self._log = dataset.with_name("server.log").open("wb")
        started = time.perf_counter()
        self._process = subprocess.Popen(
            # On a busy machine a client may not come to its next request within gunicorn's 2 seconds.
            [sys.executable, "-m", "gunicorn", *options, "--keep-alive", "60", "--bind", f"127.0.0.1:{self.port}", app],
            # Not the checkout, where gunicorn finds a configuration.
            cwd=dataset.parent,
            env=_environment(dataset) | _SETTINGS_OF.get(kind, {}) | dict(env),
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        self._wait()
        self.seconds = time.perf_counter() - started

    @property
    def pid(self) -> int:
        """The process that the others of this server are children of."""
        return self._process.pid

    def request(self, method: str, path: str, body: object = None) -> bytes:
        """One request; returns the answer's body."""
        with closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=_LONG)) as connection:
            headers = {"Content-Type": "application/json"} if body is not None else {}
            connection.request(method, path, None if body is None else json.dumps(body), headers)
            answer = connection.getresponse()
            data = answer.read()
        if answer.status >= 400:
            raise RuntimeError(f"{method} {path}: {answer.status} {data[:500]!r}")
        return data

    def load(
        self, requests: Sequence[str], seconds: float, *, clients: int = 8, warm_up: float = 0.5, count: int = 0
    ) -> Round:
        """Let clients send `requests` again and again (see `bench.load`)."""
        done = subprocess.run(
            [sys.executable, "-m", "bench.load", *map(str, (self.port, clients, warm_up, seconds, count))],
            cwd=_ROOT,
            input=json.dumps(requests),
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
        seen = json.loads(done.stdout)
        if any(status >= "400" for status in seen["statuses"]):
            raise RuntimeError(f"the server answered {seen['statuses']}")
        return Round(len(seen["latencies"]) / seen["seconds"], seen["latencies"])

    def memory(self) -> dict[str, int]:
        """The memory of the process that serves."""
        children = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children").read_text().split()
        return memory_of(int(children[0]))

    def close(self) -> None:
        """End it at once; nothing that it holds is of worth."""
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self._log.close()

    def _wait(self) -> None:
        while self._process.poll() is None:
            try:
                # Accepted by the kernel as soon as gunicorn listens, answered when its worker serves.
                self.request("GET", "/readyz")
                return
            except (OSError, http.client.HTTPException):
                time.sleep(0.005)
        raise RuntimeError(f"the server ended: {Path(self._log.name).read_text()[-2000:]}")


def request_text(method: str, path: str, body: object = None) -> str:
    """A request as clients send it."""
    data = "" if body is None else json.dumps(body)
    kind = "Content-Type: application/json\r\n" if data else ""
    return f"{method} {path} HTTP/1.1\r\nHost: localhost\r\n{kind}Content-Length: {len(data)}\r\n\r\n{data}"


def median_throughput(rounds: Sequence[Round]) -> float:
    """Requests a second."""
    return statistics.median(each.throughput for each in rounds)


def _environment(dataset: Path) -> dict[str, str]:
    kept: Iterator[tuple[str, Any]] = ((name, value) for name, value in os.environ.items() if not _SETTINGS.match(name))
    return {
        **dict(kept),
        "PYTHONPATH": str(_ROOT),
        "COCOANNOT_DATASET": str(dataset),
        "COCOANNOT_CACHE": str(dataset.with_name("cache")),
        "COCOANNOT_THREADS": str(_THREADS),
        # Saves come when they are asked for, not in the midst of something else that is measured.
        "DATASET_AUTO_SAVE_INTERVAL": "86400",
        "BENCH_DATASET": str(dataset),
    }
