"""What an import of very many annotations costs, and what others wait meanwhile; then its undo."""

from __future__ import annotations

import http.client
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

from bench.servers import Round, Server, request_text
from bench.suite import Suite, amount
from bench.synthetic import ANNOTATIONS, image_ids

_ANNOTATIONS = 100_000
_READERS = 8
_AT_MOST, _WAIT = 5.0, 0.2
"""Seconds for the import, and for 99 of 100 reads meanwhile."""


def imports(suite: Suite) -> None:
    """Annotations imported onto images that are there, while others read; all are compared with those there."""
    count = max(100, round(_ANNOTATIONS * suite.scale))
    suite.tell(f"import of {count:,} annotations")
    body = suite.dataset(count / ANNOTATIONS).read_bytes()
    reads = [request_text("GET", f"/api/images/{each}/annotations") for each in image_ids(suite.scale, 1000)]
    seconds: dict[str, list[float]] = {"import": [], "undo": []}
    rounds: list[Round] = []
    for _ in range(suite.repeats):
        suite.take_pace()
        # A new server each time: the one before is still writing its history.
        with closing(Server("cocoannot", suite.copy(suite.scale), {})) as server, ThreadPoolExecutor(1) as pool:
            reading = pool.submit(server.load, reads, max(1.0, 2 * suite.seconds), clients=_READERS)
            time.sleep(0.5)
            spent, revision = _send(server, "/api/import", body)
            rounds.append(reading.result())
            seconds["import"].append(spent)
            seconds["undo"].append(_send(server, f"/api/changes/{revision}/undo", b"")[0])
    _judge(suite, count, seconds, rounds)


def _judge(suite: Suite, count: int, seconds: dict[str, list[float]], rounds: Sequence[Round]) -> None:
    what = f"import of {count:,} annotations, {_READERS} readers"
    took = suite.note(what, "cocoannot", seconds["import"])
    suite.note(f"undo of an import of {count:,} annotations", "cocoannot", seconds["undo"])
    waited = suite.note("`GET` during an import, p99", "cocoannot", [each.percentile(0.99) for each in rounds])
    suite.note("`GET` during an import, longest", "cocoannot", [max(each.latencies) for each in rounds])
    suite.judge(what, amount(took, "s"), amount(_AT_MOST, "s"), took / _AT_MOST, "≤ 1", took <= _AT_MOST)
    suite.judge(
        "p99 of a `GET` during an import",
        amount(waited, "s"),
        amount(_WAIT, "s"),
        waited / _WAIT,
        "≤ 1",
        waited <= _WAIT,
    )


def _send(server: Server, path: str, body: bytes) -> tuple[float, str]:
    """Seconds of a change, and its revision."""
    with closing(http.client.HTTPConnection("127.0.0.1", server.port, timeout=600)) as connection:
        started = time.perf_counter()
        connection.request("POST", path, body, {"Content-Type": "application/json"} if body else {})
        answer = connection.getresponse()
        text = answer.read()
    if answer.status != 200:
        raise RuntimeError(f"POST {path}: {answer.status} {text[:500]!r}")
    return time.perf_counter() - started, answer.headers["X-Change-Revision"]
