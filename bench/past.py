"""What keeping a million edits costs, and how long it takes to find something in them. Fewer at a smaller scale."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable, Iterator
from typing import Any

from bench.suite import Suite, amount
from bench.synthetic import new_annotations
from cocoannot.changes.change import Change, Edit
from cocoannot.history.kept import KeptHistory
from cocoannot.history.reader import Reader
from cocoannot.store.queries import ChangeQuery

_EDITS = 1_000_000
_OF_EACH_RECORD = 10
_ON_EACH_IMAGE = 5
_USERS = 20
_NUMBERS = 36
_AT_ONCE = 100
"""What half a second brings at 200 changes a second."""
_QUESTIONS = 200


def edits(suite: Suite) -> None:
    """Edits of polygons, one by one, each of some record of many users; then questions about them."""
    count = max(1000, round(_EDITS * suite.scale))
    suite.tell(f"{count:,} edits")
    folder = suite.folder("history")
    history = KeptHistory()
    history.start(folder / "history.sqlite", 0, [], known=True)
    seconds = _write(history, count)
    history.seal()
    suite.note("CPU to keep an edit", "cocoannot", [seconds / count])
    figure = f"history of {count:,} edits"
    records = count // _OF_EACH_RECORD
    images = records // _ON_EACH_IMAGE
    questions: dict[str, tuple[Callable[[Reader, int], Any], float]] = {
        "a record's versions": (lambda reader, n: reader.versions("annotations", n % records, ChangeQuery()), 20e-3),
        "an image's changes": (lambda reader, n: reader.changes(ChangeQuery(image_id=n % images)), 5e-3),
        "a user's changes": (lambda reader, n: reader.changes(ChangeQuery(actor=f"user {n % _USERS}")), 5e-3),
    }
    for what, (ask, most) in questions.items():
        _judge(suite, f"{figure}, {what}", _ask(history, ask), most)
    # The log goes with the end: while a server runs it has 4 MB.
    history.close()
    size = sum(path.stat().st_size for path in folder.iterdir()) / count
    suite.note("history, an edit", "cocoannot", [size], "bytes")
    on_disk, of_each = f"{size * count / 1e6:.3g} MB", f"{size:.0f} bytes an edit"
    suite.judge(f"{figure}, on disk", on_disk, of_each, size / 250, "≤ 250 bytes an edit", size <= 250)


def _write(history: KeptHistory, count: int) -> float:
    """Let the history keep so many changes; returns seconds of the CPU."""
    spent, changes = 0.0, _changes(count)
    while batch := [change for _, change in zip(range(_AT_ONCE), changes, strict=False)]:
        started = time.process_time()
        for change in batch:
            history.note(change)
        history.level()
        spent += time.process_time() - started
    return spent


def _changes(count: int) -> Iterator[Change]:
    chance = random.Random(1)
    # As long as a record of COCO is on average: about 346 bytes.
    shapes = [shape["segmentation"][0][:_NUMBERS] for shape in new_annotations(1.0)["polygon"]]
    records = count // _OF_EACH_RECORD
    texts: dict[int, bytes] = {}
    for revision in range(1, count + 1):
        # Each is added first, and then changed again and again.
        number = revision - 1 if revision <= records else chance.randrange(records)
        before = texts.get(number)
        record = json.loads(before) if before else _record(number, shapes[number % len(shapes)])
        if before:
            record["segmentation"][0][chance.randrange(_NUMBERS)] = chance.randrange(40_000) / 100
        texts[number] = json.dumps(record, separators=(",", ":")).encode()
        edit = Edit("annotations", number, number, before, texts[number])
        yield Change(revision, 1.8e9 + revision / 2, f"user {chance.randrange(_USERS)}", None, (edit,))


def _record(number: int, shape: list[float]) -> dict[str, Any]:
    return {
        "id": number,
        "image_id": number // _ON_EACH_IMAGE,
        "category_id": 1,
        "segmentation": [shape],
        "area": 1234.5,
        "bbox": [1.5, 2.5, 3.5, 4.5],
        "iscrowd": 0,
    }


def _ask(history: KeptHistory, ask: Callable[[Reader, int], Any]) -> list[float]:
    chance = random.Random(2)
    seconds = []
    for _ in range(_QUESTIONS):
        number = chance.randrange(_EDITS)
        started = time.perf_counter()
        with history.reading() as reader:
            ask(reader, number)
        seconds.append(time.perf_counter() - started)
    return seconds


def _judge(suite: Suite, figure: str, seconds: list[float], most: float) -> None:
    middle = suite.note(figure, "cocoannot", seconds)
    longest = f"p99 {amount(sorted(seconds)[int(len(seconds) * 0.99)], 's')}"
    suite.judge(figure, amount(middle, "s"), longest, middle / most, f"≤ {amount(most, 's')}", middle <= most)
