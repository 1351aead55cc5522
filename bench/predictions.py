"""Layers of predictions at the size of train2017: `python -m bench.predictions [SCALE]` prints the table of
docs/predictions.md. Everything runs in this process; over HTTP an answer takes a few milliseconds more."""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import closing
from pathlib import Path

import numpy as np

from bench.synthetic import write_dataset
from cocoannot.changes.operations import Add
from cocoannot.coco.records import Record
from cocoannot.predictions.deciding import Chosen
from cocoannot.predictions.predictions import Predictions
from cocoannot.store.memory.store import MemoryStore
from cocoannot.store.queries import AnnotationQuery, ImageQuery

PREDICTIONS = 1_000_000
ON_ONE_IMAGE = 300


def main(scale: float) -> None:
    """Measure at `scale`, and print the table."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        # What that takes would be counted as free, and hide what a layer takes.
        with ProcessPoolExecutor(1) as other:
            crowded = other.submit(_prepare, folder, scale).result()
        predictions = Predictions(lambda: store)
        with closing(MemoryStore(follower=predictions)) as store:
            store.load(str(folder / "dataset.json"))
            predictions.start(folder / "predictions")
            rows = [*_measure(store, predictions, folder / "results.json", crowded)]
    print("| | |\n| --- | --- |")
    for name, figure in rows:
        print(f"| {name} | {figure} |")


def _prepare(folder: Path, scale: float) -> int:
    """Write the dataset and what a model says of it; returns the image that has many of both."""
    write_dataset(folder / "dataset.json", scale)
    with closing(MemoryStore()) as store:
        store.load(str(folder / "dataset.json"))
        crowded = _crowd_one_image(store)
        store.save()
        text = ",".join(_predictions(store, crowded, round(PREDICTIONS * scale)))
        (folder / "results.json").write_text(text)
    return crowded


def _measure(store: MemoryStore, predictions: Predictions, results: Path, crowded: int) -> Iterator[tuple[str, str]]:
    counts = store.counts()
    yield "images, annotations", f"{counts['images']:,}, {counts['annotations']:,}"
    before = _anonymous()
    size = results.stat().st_size
    seconds = _seconds(lambda: predictions.put("first", [b"[]"]))
    yield "reading what they are compared with, once", f"{seconds:.1f} s, {(_anonymous() - before) / 1e6:.0f} MB"
    before = _anonymous()
    seconds = _seconds(lambda: predictions.put("model", _blocks(results)))
    layer = predictions.layers.get("model")
    yield f"adding {layer.rows:,} boxes, a file of {size / 1e6:.0f} MB", f"{seconds:.1f} s"
    yield "memory that they take, to the size of their file", f"{(_anonymous() - before) / size:.2f}"

    def order() -> None:
        query = ImageQuery(sort="-disagreement", ranking=predictions.ranking("model"))
        store.find(query, 0, 100)

    yield "images by disagreement, for the first time", f"{_seconds(order):.2f} s"
    yield "the same again", f"{1000 * _seconds(order):.0f} ms"
    other = int(Record(store.find(ImageQuery(), 0, 1).texts[0])["id"])
    store.commit([Add("annotations", {"image_id": other, "category_id": 1, "bbox": [1, 2, 3, 4]})])
    yield "the same after a change", f"{1000 * _seconds(order):.0f} ms"
    one = min(_seconds(lambda: predictions.of_image(crowded, ["model"], 0)) for _ in range(20))
    name = f"predictions of an image with {ON_ONE_IMAGE} of them and {ON_ONE_IMAGE} annotations"
    yield name, f"{1000 * one:.1f} ms"
    accepted = 0

    def accept() -> None:
        nonlocal accepted
        chosen = Chosen(min_score=0.9)
        accepted = len(predictions.decisions.accept("model", chosen, None, store.commit).committed.results)

    seconds = _seconds(accept)
    yield f"accepting {accepted:,} as one change", f"{seconds:.1f} s"


def _crowd_one_image(store: MemoryStore) -> int:
    """Give an image `ON_ONE_IMAGE` annotations; returns its id."""
    image_id = int(Record(store.find(ImageQuery(sort="-annotation_count"), 0, 1).texts[0])["id"])
    page = store.annotations_of(image_id)
    missing = ON_ONE_IMAGE - (page.total if page else 0)
    rng = np.random.default_rng(5)
    boxes = (rng.integers(1, 20_000, (missing, 4)) / 100).tolist()
    store.commit([Add("annotations", {"image_id": image_id, "category_id": 1, "bbox": box}) for box in boxes])
    return image_id


def _predictions(store: MemoryStore, crowded: int, count: int) -> Iterator[str]:
    """The text of a results list: boxes near those of annotations, some of them twice, and all of one image."""
    rng = np.random.default_rng(6)
    of_one = store.annotations_of(crowded)
    assert of_one is not None
    texts = store.find(AnnotationQuery()).texts
    chosen = np.sort(rng.integers(0, len(texts), count - ON_ONE_IMAGE)).tolist()
    yield "[" + ",".join(_near(text, rng) for text in of_one.texts[:ON_ONE_IMAGE])
    own = set(of_one.texts)
    for at in chosen:
        if texts[at] in own:
            continue
        yield _near(texts[at], rng)
    # The last one closes the list.
    yield next(_near(text, rng) for text in texts if text not in own) + "]"


def _near(text: bytes, rng: np.random.Generator) -> str:
    annotation = json.loads(text)
    left, top, width, height = (np.array(annotation["bbox"]) + rng.normal(0, 3, 4)).tolist()
    box = f"[{left:.2f},{top:.2f},{max(width, 1):.2f},{max(height, 1):.2f}]"
    ids = f'"image_id":{annotation["image_id"]},"category_id":{annotation["category_id"]}'
    return f'{{{ids},"bbox":{box},"score":{rng.random():.3f}}}'


def _blocks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            yield block


def _seconds(run: Callable[[], object]) -> float:
    begun = time.perf_counter()
    run()
    return time.perf_counter() - begun


def _anonymous() -> int:
    """Bytes of memory that are this process' own, as Linux tells."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("RssAnon")).split()[1]) * 1024


if __name__ == "__main__":
    main(float(sys.argv[1]) if len(sys.argv) > 1 else 1.0)
