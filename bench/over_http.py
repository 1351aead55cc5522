"""What is measured through a server: its start, throughput, waiting times. Each part adds rows to a suite."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from typing import Any

from bench.servers import Round, Server, median_throughput, request_text
from bench.suite import Suite, amount
from bench.synthetic import IMAGES, image_ids, new_annotations

_BATCH = 1000
_PERCENTILES = {"p50": 0.5, "p99": 0.99, "p99.9": 0.999, "longest": 1.0}


def start(suite: Suite) -> None:
    """From the start of the process to the first answer."""
    suite.tell("start")
    seconds: dict[str, list[float]] = {"cocoannot": [], "dicts": []}
    path = suite.copy(suite.scale)
    for _ in range(suite.repeats):
        for kind, samples in seconds.items():
            server = Server(kind, path, {})
            server.close()
            samples.append(server.seconds)
    ours, other = (suite.note("process start to ready", kind, samples) for kind, samples in seconds.items())
    ratio = suite.ratio(seconds["dicts"], seconds["cocoannot"])
    beside = f"dicts in the same gunicorn {amount(other, 's')}"
    suite.judge("process start to ready", amount(ours, "s"), beside, ratio, "≥ 6", ratio >= 6)


def get(suite: Suite) -> None:
    """`GET` of an image's annotations, beside a bare route that answers as many bytes."""
    _beside_bare(suite, "`GET` of an image's annotations", _gets(suite), 0.65)


def post(suite: Suite) -> None:
    """`POST /api/annotations` of a polygon, beside a bare route that reads and answers as many bytes."""
    _beside_bare(suite, "`POST /api/annotations`", _posts(suite), 0.5)


def batch(suite: Suite) -> None:
    """Annotations a second by a thousand in a request, and one by one."""
    suite.tell("batch")
    server = suite.server("cocoannot")
    operations = [{"op": "add", "annotation": each} for each in _polygons(suite, 20 * _BATCH)]
    many = [
        request_text("POST", "/api/annotations/batch", {"operations": operations[first : first + _BATCH]})
        for first in range(0, len(operations), _BATCH)
    ]
    single, batches = [], []
    for _ in range(suite.repeats):
        single.append(server.load(_posts(suite), suite.seconds).throughput)
        batches.append(server.load(many, suite.seconds, warm_up=0).throughput * _BATCH)
        # A large journal would bring a save into the next round.
        server.request("POST", "/api/flush")
    one = suite.note("annotations added over HTTP", "cocoannot, one by one", single, "/s")
    by_batch = suite.note("annotations added over HTTP", f"cocoannot, batches of {_BATCH:,}", batches, "/s")
    ratio = suite.ratio(batches, single)
    suite.judge(
        f"batch of {_BATCH:,} adds, an annotation each",
        amount(by_batch, "/s"),
        f"single ones {amount(one, '/s')}",
        ratio,
        "≥ 12",
        ratio >= 12,
    )


def journal(suite: Suite) -> None:
    """What the journal costs of the throughput of changes."""
    kinds = ("cocoannot", "cocoannot without journal", "cocoannot, fsync always")
    rounds = _by_turns(suite, "journal", [suite.server(kind) for kind in kinds], _posts(suite))
    on, off, _ = (
        suite.note("`POST /api/annotations`, journal", kind, [each.throughput for each in seen], "/s")
        for kind, seen in zip(("everysec", "none", "always"), rounds, strict=True)
    )
    for kind, seen in zip(("everysec", "none", "always"), rounds, strict=True):
        _note_latencies(suite, "`POST /api/annotations`, journal", kind, seen)
    ratio = suite.ratio(*([each.throughput for each in seen] for seen in rounds[:2]))
    beside = f"without {amount(off, '/s')}"
    suite.judge("throughput with the journal on", amount(on, "/s"), beside, ratio, "≥ 0.8", ratio >= 0.8)


def history(suite: Suite) -> None:
    """What the history costs of the throughput of changes."""
    kinds = ("cocoannot", "cocoannot without history")
    rounds = _by_turns(suite, "history", [suite.server(kind) for kind in kinds], _posts(suite))
    on, off = (
        suite.note("`POST /api/annotations`, history", kind, [each.throughput for each in seen], "/s")
        for kind, seen in zip(("kept", "none"), rounds, strict=True)
    )
    for kind, seen in zip(("kept", "none"), rounds, strict=True):
        _note_latencies(suite, "`POST /api/annotations`, history", kind, seen)
    ratio = suite.ratio(*([each.throughput for each in seen] for seen in rounds))
    beside = f"without {amount(off, '/s')}"
    suite.judge("throughput with the history kept", amount(on, "/s"), beside, ratio, "≥ 0.9", ratio >= 0.9)


def saves(suite: Suite) -> None:
    """Waiting times of 8 clients, three quarters reading, without saves and while they run back to back."""
    suite.tell("saves")
    server = suite.server("cocoannot")
    gets, posts = _gets(suite), _posts(suite)
    mixed = [text for i in range(len(posts)) for text in (*(gets[(3 * i + j) % len(gets)] for j in range(3)), posts[i])]
    calm: list[Round] = []
    busy: list[Round] = []
    durations: list[float] = []
    for _ in range(suite.repeats):
        calm.append(server.load(mixed, 3 * suite.seconds))
        with _Saving(server) as saving:
            busy.append(server.load(mixed, 3 * suite.seconds))
        durations += saving.durations
    without = _note_latencies(suite, "3 `GET` to 1 `POST`, 8 clients", "without saves", calm)
    during = _note_latencies(suite, "3 `GET` to 1 `POST`, 8 clients", "saves back to back", busy)
    suite.note("save under that load", "cocoannot", durations)
    suite.note("memory of the server's process", "cocoannot", [server.memory()["resident"]], "B")
    suite.note(
        "peak memory of the server's process, saves under load included", "cocoannot", [server.memory()["peak"]], "B"
    )
    figure = "p99.9 of requests, saves back to back, 8 clients"
    suite.judge(figure, amount(during, "s"), "100 ms", during / 0.1, "≤ 1", during <= 0.1)
    beside = f"without saves {amount(without, 's')}"
    suite.judge(f"{figure}, beside none", amount(during, "s"), beside, during / without, "≤ 3", during <= 3 * without)


def rivals(suite: Suite) -> None:
    """The servers that cocoannot replaces: one request at a time, and the longest wait while one saves."""
    polygon = new_annotations(suite.scale, 1)["polygon"][0]
    for size in suite.sizes:
        suite.tell(f"load-modify-save at {size:g}")
        server = Server("load-modify-save", suite.copy(size), {})
        body = new_annotations(size, 1)["polygon"][0]
        times = 1 if size > 0.3 else 3
        suite.note("add a polygon", "load-modify-save", [_add(server, body) for _ in range(times)], size=size)
        server.close()
    suite.tell("dicts, over HTTP")
    server = suite.server("dicts")
    suite.note("one `POST /api/annotations`", "dicts", [_add(server, polygon) for _ in range(suite.repeats)])
    with _Saving(server, once=True):
        seen = server.load(_gets(suite), 1.0)
    suite.note("longest wait for a `GET` during a save", "dicts, json.dump under the lock", [max(seen.latencies)])
    suite.note("memory of the server's process", "dicts", [server.memory()["resident"]], "B")
    ours = suite.server("cocoannot")
    suite.note("one `POST /api/annotations`", "cocoannot", [_add(ours, polygon) for _ in range(suite.repeats)])
    waits = []
    for _ in range(suite.repeats):
        _add(ours, polygon)
        with _Saving(ours, once=True):
            waits.append(max(ours.load(_gets(suite), 1.0).latencies))
    suite.note("longest wait for a `GET` during a save", "cocoannot", waits)


class _Saving:
    """Saves, by one client of its own, for as long as the `with` block lasts; `durations` are seconds of each."""

    def __init__(self, server: Server, *, once: bool = False) -> None:
        self.durations: list[float] = []
        self._server = server
        self._ended = threading.Event()
        if once:
            self._ended.set()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> _Saving:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _run(self) -> None:
        while True:
            started = time.perf_counter()
            self._server.request("POST", "/api/flush")
            self.durations.append(time.perf_counter() - started)
            if self._ended.is_set():
                return


def _add(server: Server, annotation: object) -> float:
    started = time.perf_counter()
    server.request("POST", "/api/annotations", annotation)
    return time.perf_counter() - started


def _gets(suite: Suite) -> list[str]:
    return [request_text("GET", f"/api/images/{image_id}/annotations") for image_id in image_ids(suite.scale, 1000)]


def _posts(suite: Suite) -> list[str]:
    return [request_text("POST", "/api/annotations", each) for each in _polygons(suite, 5_000)]


def _polygons(suite: Suite, count: int) -> list[dict[str, Any]]:
    """Polygons on images all over the dataset, as a team draws them: what is read stays about as long as it is."""
    return new_annotations(suite.scale, count, IMAGES)["polygon"]


def _bare(suite: Suite) -> Server:
    """A server that does nothing, whose answers are as long as cocoannot's are on average."""
    ours = suite.server("cocoannot")
    ids = image_ids(suite.scale, 100)
    listed = sum(len(ours.request("GET", f"/api/images/{image_id}/annotations")) for image_id in ids) // len(ids)
    added = len(ours.request("POST", "/api/annotations", new_annotations(suite.scale, 1)["polygon"][0]))
    return suite.server("bare route", {"BENCH_LISTED": str(listed), "BENCH_ADDED": str(added)})


def _beside_bare(suite: Suite, what: str, requests: Sequence[str], least: float) -> None:
    kinds = ("cocoannot", "bare route")
    rounds = _by_turns(suite, what, [suite.server("cocoannot"), _bare(suite)], requests)
    for kind, seen in zip(kinds, rounds, strict=True):
        suite.note(f"{what}, 8 clients", kind, [each.throughput for each in seen], "/s")
        _note_latencies(suite, f"{what}, 8 clients", kind, seen)
    ours, bare = map(median_throughput, rounds)
    ratio = suite.ratio(*([each.throughput for each in seen] for seen in rounds))
    beside = f"bare route {amount(bare, '/s')}"
    suite.judge(f"{what}, throughput", amount(ours, "/s"), beside, ratio, f"≥ {least}", ratio >= least)


def _by_turns(suite: Suite, what: str, servers: Sequence[Server], requests: Sequence[str]) -> list[list[Round]]:
    suite.tell(what)
    rounds: list[list[Round]] = [[] for _ in servers]
    # Many short rounds: what else the machine does comes and goes.
    for _ in range(3 * suite.repeats):
        for server, seen in zip(servers, rounds, strict=True):
            seen.append(server.load(requests, suite.seconds / 3))
    return rounds


def _note_latencies(suite: Suite, what: str, who: str, rounds: Sequence[Round]) -> float:
    """Write percentiles down; returns the median of the rounds' p99.9."""
    found = {
        name: suite.note(f"{what}, {name}", who, [each.percentile(part) for each in rounds])
        for name, part in _PERCENTILES.items()
    }
    return found["p99.9"]
