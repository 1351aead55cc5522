"""Measure the store in PostgreSQL beside the one in memory, in one process and one run, and print a table.

python -m bench.database postgresql://USER@HOST/DATABASE [--scale 0.1]

The database has to have its tables (`cocoannot db upgrade`); a dataset `bench` is made in it, and removed. Nothing of
HTTP is measured.
"""

from __future__ import annotations

import argparse
import hashlib
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
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
    """One figure of both stores, in milliseconds."""

    what: str
    memory: float
    database: float


def main(arguments: Sequence[str] | None = None) -> None:
    """Parse the arguments, measure, print."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.database", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("database", help="postgresql://USER@HOST/DATABASE")
    parser.add_argument("--scale", type=float, default=1.0, help="part of train2017's size (default: 1)")
    options = parser.parse_args(arguments)
    uri = DatabaseUri(split_database_uri(options.database)[0], "bench")
    with tempfile.TemporaryDirectory(prefix="cocoannot-bench-") as folder:
        path = Path(folder) / "dataset.json"
        write_dataset(path, options.scale)
        try:
            rows = measure(path, uri)
        finally:
            remove(uri)
    print(f"| {options.scale:g} times train2017 | in memory, ms | in PostgreSQL, ms | ratio |")
    print("| --- | --- | --- | --- |")
    for row in rows:
        print(f"| {row.what} | {row.memory:.1f} | {row.database:.1f} | {row.database / row.memory:.1f} |")


def measure(path: Path, uri: DatabaseUri) -> list[Row]:
    """Every figure, one after the other."""
    memory, database = MemoryStore(on_append=lambda: None), PostgresStore()
    rows = [Row("load; import", _took(lambda: memory.load(str(path))), _took(lambda: import_file(uri, path)))]
    database.load_dataset(uri, None)
    stores = (memory, database)
    expected = hashlib.sha256(path.read_bytes()).digest()
    rows.append(Row("export", *(_took(partial(_export, store, expected)) for store in stores)))
    for what, query in _QUERIES.items():
        rows.append(Row(what, *(_of_second(partial(store.find, query, 0, 50)) for store in stores)))
    rows.append(Row("50 annotations behind most others", *(_of_second(partial(_last_page, store)) for store in stores)))
    rows.append(Row("statistics", *(_of_second(store.statistics) for store in stores)))
    image_id = _first_id(memory.find(ImageQuery(), 0, 1).texts)
    reads = [partial(_repeat, partial(store.annotations_of, image_id), _READS) for store in stores]
    rows.append(Row("annotations of an image", *(_took(read) / _READS for read in reads)))
    adds = [_adding(store) for store in stores]
    rows.append(Row("a change", *(_took(partial(_repeat, add, _CHANGES)) / _CHANGES for add in adds)))
    threads = [_took(partial(_in_threads, add)) / (_CHANGES * _THREADS) for add in adds]
    rows.append(Row(f"a change, {_THREADS} threads", *threads))
    rows.append(Row(f"{_BATCH:,} additions in one change", *(_took(partial(_batch, store)) for store in stores)))
    for store in stores:
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
