"""What images tell of their annotations, so that filters need not look for these: right after an import, and after
each change. Both stores are asked the same."""

from __future__ import annotations

import itertools
import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from postgres_servers import Postgres
from postgres_stores import FilePostgresStore

from cocoannot.changes.operations import Add, Delete, Operation, Undo, Update
from cocoannot.database_uri import DatabaseUri
from cocoannot.store.memory.store import MemoryStore
from cocoannot.store.postgres.maintenance import check_dataset
from cocoannot.store.queries import SIZE_EDGES, AnnotationQuery, ImageQuery

IMAGES, CATEGORIES = range(1, 9), range(1, 5)
SIDES = [0, 3, 8, 20, 31, 32, 33, 95, 96, 97, 1024, 1500]
BOUNDS = [None, 0, 5, *SIZE_EDGES[1:6], 50, 1024, 3000]


@pytest.fixture
def stores(postgres: Postgres, dataset_path: Path, tmp_path: Path) -> Iterator[tuple[MemoryStore, FilePostgresStore]]:
    """Of the same images, some without annotations; some annotations without an image, a category or an area."""
    chance = random.Random(1)
    annotations: list[dict[str, Any]] = [
        {"id": number, "image_id": chance.randint(1, 10), "category_id": chance.choice(CATEGORIES), **box(chance)}
        for number in range(1, 25)
    ]
    for number, key in ((3, "category_id"), (4, "area")):
        del annotations[number][key]
    annotations[5]["area"] = -1
    annotations[6]["area"] = 1e30
    images = [{"id": number, "file_name": f"{number}.jpg", "width": 9, "height": 9} for number in IMAGES]
    categories = [{"id": number, "name": f"c{number}"} for number in CATEGORIES]
    dataset_path.write_text(json.dumps({"images": images, "annotations": annotations, "categories": categories}))
    copy = tmp_path / "memory.json"
    copy.write_bytes(dataset_path.read_bytes())
    memory, database = MemoryStore(on_append=lambda: None), FilePostgresStore(postgres)
    memory.load(str(copy))
    database.load(str(dataset_path))
    yield memory, database
    memory.close()
    database.close()


def box(chance: random.Random) -> dict[str, Any]:
    width, height = chance.choice(SIDES), chance.choice(SIDES)
    return {"bbox": [0, 0, width, height], "area": width * height, "iscrowd": 0, "segmentation": []}


def test_filters_find_the_same_in_both_stores_whatever_was_changed(
    stores: tuple[MemoryStore, FilePostgresStore], postgres: Postgres, dataset_path: Path
) -> None:
    check(stores)
    first = max(CATEGORIES) + 1
    changes: list[list[Operation]] = [
        [Add("annotations", {"image_id": 2, "category_id": 1, "bbox": [0, 0, 500, 500]})],
        [Update("annotations", 1, {"category_id": 3})],
        [Update("annotations", 2, {"bbox": [0, 0, 40, 40]})],
        [Update("annotations", 8, {"image_id": 8})],
        [Add("categories", {"name": "new"}), Update("annotations", 9, {"category_id": first})],
        [Add("images", {"id": 9, "file_name": "9.jpg", "width": 9, "height": 9})],
        [Delete("annotations", 10), Delete("annotations", 11)],
        [Undo(1)],
        [Undo(7)],
        [Delete("images", 3)],
    ]
    for change in changes:
        for store in stores:
            store.commit(change)
        check(stores)
    assert check_dataset(DatabaseUri(postgres.uri(), str(dataset_path))) == []


def check(stores: tuple[MemoryStore, FilePostgresStore]) -> None:
    queries = [ImageQuery(category_ids=chosen) for chosen in ([1], [2, 3], [4, 99], [5])]
    queries += [ImageQuery(min_size=low, below_size=high) for low, high in itertools.product(BOUNDS, BOUNDS)]
    queries.append(ImageQuery(category_ids=[1], min_size=32, below_size=96))
    for query in queries:
        memory, database = (store.find(query) for store in stores)
        assert (database.total, list(database.texts)) == (memory.total, list(memory.texts)), query
    for offset in (0, 3, 20, 99):
        memory, database = (store.find(AnnotationQuery(), offset, 5) for store in stores)
        assert list(database.texts) == list(memory.texts)
