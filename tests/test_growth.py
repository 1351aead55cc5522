"""A change and a query cost the same however large the dataset is: a guard against work that grows with it.

What is counted, calls and the most memory that they hold, is the same on any machine. Work that is a single call and
needs no memory of its own, such as looking through an array, is seen by its time alone, and only where it is long. How
fast anything is, is the bench's business.
"""

from __future__ import annotations

import itertools
import sys
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import NamedTuple

import pytest

from cocoannot.manager import DatasetManager
from cocoannot.store.memory.store import MemoryStore
from cocoannot.store.queries import AnnotationQuery, CategoryQuery

SMALL, LARGE = 10_000, 200_000
PER_IMAGE = 5
BOX = {"bbox": [10, 10, 20, 20], "image_id": 1, "category_id": 1}
POLYGON = {"segmentation": [[10, 10, 30, 10, 30, 30]], "image_id": 1, "category_id": 1}

Operation = Callable[[DatasetManager, int], object]

# Each is given a number of its own, from 1 on.
OPERATIONS: dict[str, Operation] = {
    "add a box": lambda manager, _: manager.add_annotation(BOX),
    "add a polygon": lambda manager, _: manager.add_annotation(POLYGON),
    "add one with an id": lambda manager, number: manager.add_annotation({**BOX, "id": 10**6 + number}),
    "change one": lambda manager, number: manager.update_annotation(1, {"bbox": [10, 10, 20, 20 + number % 9]}),
    "delete one": lambda manager, number: manager.delete_annotation(10 * PER_IMAGE + number),
    "change a batch": lambda manager, _: manager.change_annotations([{"op": "add", "annotation": BOX}] * 10),
    "change an image": lambda manager, number: manager.update_image(2, {"width": 600 + number % 9}),
    "get an annotation": lambda manager, number: manager.get_annotation(10 * PER_IMAGE - number % 9),
    "get an image": lambda manager, _: manager.get_image(3),
    "annotations of an image": lambda manager, _: manager.store.find(AnnotationQuery(image_id=3)),
    "categories with counts": lambda manager, _: manager.store.find(CategoryQuery(derived=["annotation_count"])),
    "status": lambda manager, _: manager.store.status(),
}


class Cost(NamedTuple):
    """What one operation takes: calls of functions, bytes at most, and seconds of the processor at best."""

    calls: int
    bytes: int
    seconds: float


class Sized:
    """A manager with a dataset of a size, and the costs of operations on it."""

    def __init__(self, folder: Path, annotations: int) -> None:
        self._manager = DatasetManager(MemoryStore(on_append=lambda: None))
        self._manager.load(_dataset(folder / "dataset.json", annotations))
        self._numbers = itertools.count(1)
        # The first one makes room for those that follow, once in a while.
        self._manager.add_annotation(BOX)

    def cost(self, operation: Operation) -> Cost:
        self._seconds(operation)
        tracemalloc.start()
        try:
            self._run(operation)
            most = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        return Cost(self._calls(operation), most, min(self._seconds(operation) for _ in range(50)))

    def _run(self, operation: Operation) -> None:
        assert operation(self._manager, next(self._numbers))

    def _calls(self, operation: Operation) -> int:
        calls = 0

        def count(frame: FrameType, event: str, argument: object) -> None:
            nonlocal calls
            calls += event in ("call", "c_call")

        before = sys.getprofile()
        sys.setprofile(count)
        try:
            self._run(operation)
        finally:
            sys.setprofile(before)
        return calls

    def _seconds(self, operation: Operation) -> float:
        started = time.thread_time()
        self._run(operation)
        return time.thread_time() - started


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Sized:
    return Sized(tmp_path_factory.mktemp("small"), SMALL)


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Sized:
    return Sized(tmp_path_factory.mktemp("large"), LARGE)


@pytest.mark.parametrize("name", OPERATIONS)
def test_cost_does_not_grow_with_the_dataset(small: Sized, large: Sized, name: str) -> None:
    few, many = small.cost(OPERATIONS[name]), large.cost(OPERATIONS[name])
    assert many.calls <= 1.5 * few.calls
    # A mask of all annotations is ten times that.
    assert many.bytes <= 2 * few.bytes + 16_384
    assert many.seconds <= 5 * few.seconds


def _dataset(path: Path, annotations: int) -> Path:
    images = ",\n".join(
        f'{{"id": {number}, "file_name": "{number}.jpg", "width": 640, "height": 480}}'
        for number in range(1, annotations // PER_IMAGE + 1)
    )
    boxes = ",\n".join(
        f'{{"id": {number}, "image_id": {(number - 1) // PER_IMAGE + 1}, "category_id": 1, '
        '"bbox": [1, 1, 9, 9], "area": 81, "iscrowd": 0}'
        for number in range(1, annotations + 1)
    )
    category = '{"id": 1, "name": "bird", "supercategory": "none"}'
    path.write_text(f'{{"images": [{images}], "annotations": [{boxes}], "categories": [{category}]}}')
    return path
