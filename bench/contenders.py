"""What each contender does with a dataset outside any server. How often, and how that is timed, is `bench.worker`'s.

Each function imports what its contender needs and returns a way to load a dataset, which returns operations by name:
the same name is the same work. A page is made as far as an answer needs it: JSON.
"""

from __future__ import annotations

import itertools
import json
import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

from bench.synthetic import CATEGORIES, image_ids, new_annotations

Operations = dict[str, Callable[[], object]]
Load = Callable[[Path], Operations]

LARGEST = max(CATEGORIES, key=lambda category_id: CATEGORIES[category_id][1])
PAGE = 100
PART_OF_A_NAME = "0123"


def cocoannot(scale: float, *, journal: bool = True) -> Load:
    """The manager; a change returns when it is in the journal, and somebody else makes that durable."""
    from bench.unwritten import UnwrittenStore
    from cocoannot.manager import DatasetManager
    from cocoannot.store.memory.store import MemoryStore
    from cocoannot.store.queries import ImageQuery

    def load(path: Path) -> Operations:
        manager = DatasetManager((MemoryStore if journal else UnwrittenStore)(on_append=lambda: None))
        manager.load(path)
        images, boxes, polygons = _images(scale), _additions(scale, "box"), _additions(scale, "polygon")
        last = manager.get_next_annotation_id() - 1
        return {
            "add a box": lambda: manager.add_annotation(next(boxes)),
            "add a polygon": lambda: manager.add_annotation(next(polygons)),
            "change an annotation": lambda: manager.update_annotation(last, {"iscrowd": 0}),
            "annotations of an image": lambda: manager.get_annotations_by_image(next(images)),
            "first page of images": lambda: manager.store.find(ImageQuery(), 0, PAGE),
            "first page of the largest category": lambda: manager.store.find(
                ImageQuery(category_ids=[LARGEST]), 0, PAGE
            ),
            "first page by file name": lambda: manager.store.find(ImageQuery(file_name=PART_OF_A_NAME), 0, PAGE),
            "save": manager.save,
        }

    return load


def without_journal(scale: float) -> Load:
    """The manager, with a journal that writes nothing."""
    return cocoannot(scale, journal=False)


def dicts(scale: float) -> Load:
    """The obvious way: the whole file as dicts, searched from end to end, written by `json.dump`."""

    def load(path: Path) -> Operations:
        with path.open() as file:
            data = json.load(file)
        images, boxes, polygons = _images(scale), _additions(scale, "box"), _additions(scale, "polygon")

        def of_image() -> list[Any]:
            image_id = next(images)
            return [each for each in data["annotations"] if each["image_id"] == image_id]

        def of_category() -> str:
            chosen = {each["image_id"] for each in data["annotations"] if each["category_id"] == LARGEST}
            return json.dumps([each for each in data["images"] if each["id"] in chosen][:PAGE])

        return {
            "add a box": lambda: add(data, next(boxes)),
            "add a polygon": lambda: add(data, next(polygons)),
            "annotations of an image": of_image,
            "first page of images": lambda: json.dumps(data["images"][:PAGE]),
            "first page of the largest category": of_category,
            "first page by file name": lambda: json.dumps(
                [each for each in data["images"] if PART_OF_A_NAME in each["file_name"]][:PAGE]
            ),
            "save": lambda: dump(data, path),
        }

    return load


def pycocotools(scale: float) -> Load:
    """What everybody reads COCO with; it does not write."""
    from pycocotools.coco import COCO

    def load(path: Path) -> Operations:
        with Path(os.devnull).open("w") as nowhere, redirect_stdout(nowhere):
            coco = COCO(str(path))
        images = _images(scale)
        return {
            "annotations of an image": lambda: coco.loadAnns(coco.getAnnIds(imgIds=[next(images)])),
            "first page of images": lambda: json.dumps(coco.loadImgs(coco.getImgIds()[:PAGE])),
            "first page of the largest category": lambda: json.dumps(
                coco.loadImgs(coco.getImgIds(catIds=[LARGEST])[:PAGE])
            ),
        }

    return load


def file(_: float) -> Load:
    """The limits: reading the file and no more, copying it and no more."""

    def load(path: Path) -> Operations:
        path.read_bytes()
        return {"save": lambda: copy_durably(path, path.with_name("copy"))}

    return load


CONTENDERS: dict[str, Callable[[float], Load]] = {
    "cocoannot": cocoannot,
    "without journal": without_journal,
    "dicts": dicts,
    "pycocotools": pycocotools,
    "file": file,
}


def add(data: dict[str, Any], annotation: dict[str, Any]) -> dict[str, Any]:
    """Add an annotation the obvious way: the next id is one more than the largest."""
    added = {"id": max((each["id"] for each in data["annotations"]), default=0) + 1, **annotation}
    data["annotations"].append(added)
    return added


def dump(data: dict[str, Any], path: Path) -> None:
    """Write `data` over the file at `path`."""
    with path.open("w") as file:
        json.dump(data, file)


def copy_durably(path: Path, target: Path) -> None:
    """`cp` and an fsync, to a new file that then takes the place of the one before, as a save does.

    To overwrite blocks and pages that are there already is less work, and loses both files in a crash.
    """
    new = target.with_name(f"{target.name}.new")
    subprocess.run(["cp", str(path), str(new)], check=True)
    fd = os.open(new, os.O_RDONLY)
    os.fsync(fd)
    os.close(fd)
    new.replace(target)


# Nothing is made before the first one is asked for: it would count as a part of the load.
def _images(scale: float) -> Iterator[int]:
    yield from itertools.cycle(image_ids(scale, 1000))


def _additions(scale: float, shape: str) -> Iterator[dict[str, Any]]:
    yield from itertools.cycle(new_annotations(scale)[shape])
