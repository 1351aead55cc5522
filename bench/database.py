"""Measure the store in PostgreSQL beside the one in memory, in one process and one run, and print a table.

python -m bench.database postgresql://USER@HOST/DATABASE [--scale 0.1] [--alone]

The database has to have its tables (`cocoannot db upgrade`); a dataset `bench` is made in it, and removed. Nothing of
HTTP is measured. With `--alone` there is no store in memory: the data may be larger than it could hold.
"""

from __future__ import annotations

import argparse
import hashlib
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from math import isnan, nan
from pathlib import Path
from typing import NamedTuple

import msgspec

from bench.synthetic import write_dataset
from cocoannot.changes.operations import Add
from cocoannot.database_uri import DatabaseUri, split_database_uri
from cocoannot.store.base import SavingStore
from cocoannot.store.memory.store import MemoryStore
from cocoannot.store.postgres.maintenance import import_file, remove
from cocoannot.store.postgres.store import PostgresStore
from cocoannot.store.queries import AnnotationQuery, CategoryQuery, ImageQuery

_CHANGES, _READS, _THREADS, _BATCH = 200, 500, 8, 1000
_QUERIES: dict[str, ImageQuery] = {
    "the first 50 images": ImageQuery(),
    "images with one category": ImageQuery(category_ids=[1]),
    "images with one of ten categories": ImageQuery(category_ids=range(1, 11)),
    "images with an annotation of 96 pixels and more": ImageQuery(min_size=96),
    "images by how many annotations they have": ImageQuery(sort="-annotation_count"),
    "images with 77 in their name": ImageQuery(file_name="77"),
}


class Row(NamedTuple):
    """One figure of both stores, in milliseconds; `memory` is NaN where there is none."""

    what: str
    memory: float
    database: float

    def __str__(self) -> str:
        if isnan(self.memory):
            return f"| {self.what} | | {self.database:.1f} | |"
        return f"| {self.what} | {self.memory:.1f} | {self.database:.1f} | {self.database / self.memory:.1f} |"


def main(arguments: Sequence[str] | None = None) -> None:
    """Parse the arguments, measure, print."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.database", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("database", help="postgresql://USER@HOST/DATABASE")
    parser.add_argument("--scale", type=float, default=1.0, help="part of train2017's size (default: 1)")
    parser.add_argument("--alone", action="store_true", help="without the store in memory")
    options = parser.parse_args(arguments)
    uri = DatabaseUri(split_database_uri(options.database)[0], "bench")
    with tempfile.TemporaryDirectory(prefix="cocoannot-bench-") as folder:
        path = Path(folder) / "dataset.json"
        write_dataset(path, options.scale)
        try:
            rows = measure(path, uri, None if options.alone else MemoryStore(on_append=lambda: None))
        finally:
            remove(uri)
    print(f"| {options.scale:g} times train2017 | in memory, ms | in PostgreSQL, ms | ratio |")
    print("| --- | --- | --- | --- |")
    for row in rows:
        print(row)


def measure(path: Path, uri: DatabaseUri, memory: MemoryStore | None) -> list[Row]:
    """Every figure, one after the other."""
    database = PostgresStore()
    loading = nan if memory is None else _took(partial(memory.load, str(path)))
    rows = [Row("load; import", loading, _took(lambda: import_file(uri, path)))]
    database.load_dataset(uri, None)
    expected = _hash(path)

    def note(what: str, measured: Callable[[SavingStore], float]) -> None:
        rows.append(Row(what, nan if memory is None else measured(memory), measured(database)))

    note("export", lambda store: _took(partial(_export, store, expected)))
    for what, query in _QUERIES.items():
        note(what, partial(_first_page, query))
    note("50 annotations behind most others", lambda store: _of_second(partial(_last_page, store)))
    note("statistics", lambda store: _of_second(store.statistics))
    image_id = _first_id(database.find(ImageQuery(), 0, 1).texts)
    note(
        "annotations of an image",
        lambda store: _took(partial(_repeat, partial(store.annotations_of, image_id), _READS)) / _READS,
    )
    note("a change", lambda store: _took(partial(_repeat, _adding(store), _CHANGES)) / _CHANGES)
    note(
        f"a change, {_THREADS} threads",
        lambda store: _took(partial(_in_threads, _adding(store))) / (_CHANGES * _THREADS),
    )
    note(f"{_BATCH:,} additions in one change", lambda store: _took(partial(_batch, store)))
    for store in (memory, database):
        if store is not None:
            store.close()
    return rows


def _took(do: Callable[[], object]) -> float:
    """Milliseconds."""
    started = time.perf_counter()
    do()
    return (time.perf_counter() - started) * 1000


def _of_second(do: Callable[[], object]) -> float:
    """The same, once it was done before."""
    do()
    return _took(do)


def _repeat(do: Callable[[], object], times: int) -> None:
    for _ in range(times):
        do()


def _in_threads(do: Callable[[], object]) -> None:
    with ThreadPoolExecutor(_THREADS) as pool:
        list(pool.map(lambda _: _repeat(do, _CHANGES), range(_THREADS)))


def _export(store: SavingStore, expected: bytes) -> None:
    """Read all of an export, which must be the file byte for byte."""
    found = hashlib.sha256()
    for block in store.export().blocks:
        found.update(block)
    if found.digest() != expected:
        raise RuntimeError("the export is not the file")


def _hash(path: Path) -> bytes:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").digest()


def _first_page(query: ImageQuery, store: SavingStore) -> float:
    return _of_second(lambda: store.find(query, 0, 50))


def _last_page(store: SavingStore) -> None:
    store.find(AnnotationQuery(), store.counts()["annotations"] * 9 // 10, 50)


def _first_id(texts: Sequence[bytes]) -> int:
    return int(msgspec.json.decode(texts[0])["id"])


def _adding(store: SavingStore) -> Callable[[], object]:
    fields = _fields(store)
    return lambda: store.commit([Add("annotations", fields)])


def _batch(store: SavingStore) -> None:
    fields = _fields(store)
    store.commit([Add("annotations", fields)] * _BATCH)


def _fields(store: SavingStore) -> dict[str, object]:
    """Those of a new annotation, of the last image: the first one is read all the time."""
    images = store.counts()["images"]
    image_id = _first_id(store.find(ImageQuery(), images - 1, 1).texts)
    return {"image_id": image_id, "category_id": _first_id(store.find(CategoryQuery()).texts), "bbox": [1, 2, 3, 4]}


if __name__ == "__main__":
    main()
