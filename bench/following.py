"""What it costs that many follow changes: changes that are made, waiting times, and how late events are."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from bench.servers import Round, Server, request_text
from bench.suite import Suite, amount
from bench.synthetic import image_ids, new_annotations

_ROOT = Path(__file__).parent.parent
_CHANGES, _READS = 200, 100
"""Requests a second that are offered."""
_IMAGES = 50


class _Seen(NamedTuple):
    """What clients saw while some followed; `events` and `delays` are of those, `None` where nobody did."""

    changes: float
    reads: Round
    writes: Round
    acknowledged: int
    events: int
    closed: int
    delays: list[float]

    def delay(self, part: float) -> float:
        """Seconds after which `part` of the events had come."""
        ordered = sorted(self.delays)
        return ordered[min(len(ordered) - 1, int(part * len(ordered)))]


def events(suite: Suite) -> None:
    """Streams of events: a thousand who follow an image each, and five hundred who follow everything."""
    quick = suite.seconds < 1
    many, some = (40, 20) if quick else (1_000, 500)
    server = suite.server("cocoannot")
    images = image_ids(suite.scale, _IMAGES)
    seen: dict[str, list[_Seen]] = {"nobody": [], "each an image": [], "everything": []}
    for _ in range(suite.repeats):
        for who, number, followed in (("nobody", 0, []), ("each an image", many, images), ("everything", some, [])):
            suite.tell(f"{number} follow {who}")
            suite.take_pace()
            seen[who].append(_follow(suite, server, number, followed, images))
    for who, rounds in seen.items():
        suite.note(f"changes of {_CHANGES} offered a second, by who follows", who, [r.changes for r in rounds], "/s")
        suite.note("`GET` meanwhile, p99", who, [each.reads.percentile(0.99) for each in rounds])
        suite.note("`POST` meanwhile, p99", who, [each.writes.percentile(0.99) for each in rounds])
        if who != "nobody":
            suite.note("from a change to its event, p50", who, [each.delay(0.5) for each in rounds])
            suite.note("from a change to its event, p99", who, [each.delay(0.99) for each in rounds])
    _judge(suite, seen, many, some)


def _judge(suite: Suite, seen: dict[str, list[_Seen]], many: int, some: int) -> None:
    alone, each, everything = seen["nobody"], seen["each an image"], seen["everything"]
    made = statistics.median(round.changes for round in each)
    suite.judge(
        f"changes made while {many:,} follow an image each",
        amount(made, "/s"),
        f"{_CHANGES} offered",
        made / _CHANGES,
        "≥ 0.95",
        made / _CHANGES >= 0.95,
    )
    with_readers, without = (
        statistics.median(round.reads.percentile(0.99) for round in rounds) for rounds in (each, alone)
    )
    ratio = statistics.median(
        a.reads.percentile(0.99) / b.reads.percentile(0.99) for a, b in zip(each, alone, strict=True)
    )
    suite.judge(
        f"p99 of a `GET` while {many:,} follow an image each",
        amount(with_readers, "s"),
        f"nobody follows {amount(without, 's')}",
        ratio,
        "≤ 2",
        ratio <= 2,
    )
    late = statistics.median(round.delay(0.99) for round in each)
    suite.judge(
        f"from a change to its event, p99, {many:,} follow an image each",
        amount(late, "s"),
        "1 s",
        late,
        "< 1",
        late < 1,
    )
    due = sum(round.acknowledged * some for round in everything)
    came = sum(round.events for round in everything)
    suite.judge(
        f"events that {some} who follow everything get",
        f"{came:,}",
        f"{due:,} due",
        came / due,
        "1",
        came == due and not any(round.closed for round in everything),
    )


def _follow(suite: Suite, server: Server, number: int, followed: Sequence[int], images: Sequence[int]) -> _Seen:
    shapes = new_annotations(suite.scale)["box"]
    boxes = [{**each, "image_id": images[index % len(images)]} for index, each in enumerate(shapes)]
    plan = [
        ("changes", [request_text("POST", "/api/annotations", box) for box in boxes], _CHANGES, 8),
        ("reads", [request_text("GET", f"/api/images/{image}") for image in images], _READS, 4),
    ]
    with _readers(server, number, followed) as result:
        done = subprocess.run(
            [sys.executable, "-m", "bench.paced", str(server.port), str(3 * suite.seconds)],
            cwd=_ROOT,
            input=json.dumps(plan),
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
    paced = json.loads(done.stdout)
    changes, reads = paced["changes"], paced["reads"]
    if changes["refused"] or reads["refused"]:
        raise RuntimeError(f"the server refused {changes['refused']} changes and {reads['refused']} reads")
    seconds = 3 * suite.seconds
    return _Seen(
        changes["done"] / seconds,
        Round(reads["done"] / seconds, reads["latencies"]),
        Round(changes["done"] / seconds, changes["latencies"]),
        len(changes["latencies"]),
        result.get("events", 0),
        result.get("closed", 0),
        result.get("delays", []),
    )


@contextmanager
def _readers(server: Server, number: int, images: Sequence[int]) -> Iterator[dict[str, Any]]:
    """So many follow `images`, or everything; what they saw is in the dictionary afterwards."""
    result: dict[str, Any] = {}
    if not number:
        yield result
        return
    command = [sys.executable, "-m", "bench.readers", *map(str, (server.port, number, *images))]
    with subprocess.Popen(command, cwd=_ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        if process.stdout.readline() != "ready\n":
            raise RuntimeError("the readers could not connect")
        yield result
        process.stdin.close()
        result.update(json.loads(process.stdout.read()))
