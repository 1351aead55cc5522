"""The predictions of one dataset: its layers, compared with what annotators made. What a request looks like is not
known here, nor when the dataset is loaded."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from cocoannot.changes.change import Change
from cocoannot.coco.fields import SIDE
from cocoannot.coco.rules import count_of_keypoints
from cocoannot.errors import AmbiguousId, CocoannotError, ForeignPredictions, UnknownId
from cocoannot.predictions.checks import Checked
from cocoannot.predictions.comparison import Comparison, among
from cocoannot.predictions.deciding import Decisions
from cocoannot.predictions.description import layer_told, predictions_told
from cocoannot.predictions.index import DatasetIndex, see
from cocoannot.predictions.layer import Layer, Read
from cocoannot.predictions.layers import Layers
from cocoannot.predictions.processes import CatchUp, alone
from cocoannot.store.base import Page, Store
from cocoannot.store.queries import Ranking


class Put(NamedTuple):
    """A layer that was uploaded, as it is told, and whether there was none of its name before."""

    told: dict[str, Any]
    is_new: bool


class Predictions:
    """The layers of the dataset in `store()`. As a follower of the store it keeps up with changes.

    `catch_up` is for a store that other processes change too.
    """

    def __init__(self, store: Callable[[], Store], catch_up: CatchUp = alone) -> None:
        self._store = store
        self._index = DatasetIndex(store, catch_up)
        self._comparison = Comparison(self._index)
        self._preparing: list[threading.Thread] = []
        self._ending = threading.Event()
        self.layers = Layers()
        self.decisions = Decisions(self.layers, self._comparison, catch_up)

    def start(self, folder: Path) -> None:
        """Find the layers in `folder`. Raises `DatasetError`."""
        self.layers.start(folder)
        self.decisions.turn.start(folder.with_name("decisions.lock"))

    def prepare(self) -> None:
        """Where there are layers, let a thread read what they are compared with, so that nobody has to wait for it."""
        if self.layers.names():
            thread = threading.Thread(target=self._compare, name="predictions", daemon=True)
            self._preparing = [each for each in self._preparing if each.is_alive()] + [thread]
            thread.start()

    def end(self) -> None:
        """Wait until nothing is read any more, and let nothing begin."""
        self._ending.set()
        for thread in self._preparing:
            thread.join()

    def changed(self, change: Change) -> None:
        """See `cocoannot.store.base.Follower`, here and below."""
        self._index.changed(change)

    def promised(self, revision: int) -> None:
        pass

    def saved(self, revision: int) -> None:
        pass

    def put(self, name: str, blocks: Iterable[bytes]) -> Put:
        """Make what `blocks` bring, a results list or a dataset with scores, the layer `name`.

        Raises `InvalidRecord` for a bad name; `DatasetError`, `BadPredictions` and `ForeignPredictions` for what is
        wrong with it; `Conflict` where there are too many layers; `SaveError`, `Unavailable`. Then nothing is imported.
        """
        sizes = _Sizes(self._store())
        layer, is_new = self.layers.put(name, blocks, sizes.look, self._check)
        return Put(self.told(layer), is_new)

    def delete(self, name: str) -> None:
        """Take a layer away; what was accepted of it stays. Raises `UnknownId`, `SaveError`, `Unavailable`."""
        self.layers.stamp(name)
        with self.decisions.turn.taken():
            self.layers.delete(name)

    def told(self, layer: Layer) -> dict[str, Any]:
        """How much there is of a layer, and what became of it."""
        return layer_told(layer, self._comparison.states(layer))

    def all_told(self) -> list[dict[str, Any]]:
        """The same of all layers, by name; of one that can't be read why that is, as `problem`."""
        told = []
        for name in self.layers.names():
            try:
                told.append(self.told(self.layers.get(name)))
            except UnknownId:
                continue
            except CocoannotError as exc:
                told.append({"name": name, "problem": str(exc)})
        return told

    def of_image(self, image_id: int, names: Iterable[str], min_score: float) -> Page | None:
        """The predictions on an image that have at least `min_score`, with what annotations make of them.

        `None` where there is no such image. Raises `UnknownId` for a name, `AmbiguousId`, `SaveError`.
        """
        layers = [self.layers.get(name) for name in names]
        page = self._store().annotations_of(image_id)
        if page is None:
            return None
        seen, categories = see(page.texts), self._index.categories()
        texts: list[bytes] = []
        for layer in layers:
            rows = layer.of_image(image_id)
            rows = rows[layer.columns.scores[rows] >= min_score]
            texts += predictions_told(layer, rows, seen, among(layer.columns.category_ids[rows], categories))
        return Page(len(texts), texts, page.revision)

    def ranking(self, name: str) -> Ranking:
        """How much each image differs from a layer. Raises `UnknownId`, `SaveError`."""
        return self._comparison.ranking(self.layers.get(name))

    def _compare(self) -> None:
        try:
            for name in self.layers.names():
                if not self._ending.is_set():
                    self._comparison.ranking(self.layers.get(name))
        except CocoannotError:
            pass  # Who asks for it is told.

    def _check(self, read: Read) -> None:
        """Raise `ForeignPredictions` where images or categories are not of this dataset."""
        with self._index.lock:
            images = self._index.current().images
        counts = {}
        for field, values, known in (
            ("image_id", read.columns.image_ids, images),
            ("category_id", read.columns.category_ids, self._index.categories()),
        ):
            wrong = values[~among(values, known)]
            if len(wrong):
                ids = np.unique(wrong)
                counts[field] = {"predictions": len(wrong), "ids": len(ids), "examples": ids[:10].tolist()}
        if counts:
            raise ForeignPredictions(counts, read.columns.rows)


class _Sizes:
    """What masks and keypoints are held to: the sizes of images, and how many keypoints categories define."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._sizes: dict[int, list[Any] | None] = {}
        self._keypoints: dict[int, int | None] = {}

    def look(self, index: int, checked: Checked) -> dict[str, list[str]]:
        """See `cocoannot.predictions.reading.Look`. That there is no such image or category is told later."""
        if checked.size is not None:
            size = self._size(checked.image_id)
            if size is not None and list(checked.size) != size:
                return {"segmentation": [f"size must be {size}, the height and width of image {checked.image_id}"]}
        if checked.points:
            defined = self._defined(checked.category_id)
            if defined and defined != checked.points:
                return {"keypoints": [f"has {checked.points} keypoints, and the category defines {defined}"]}
        return {}

    def _size(self, image_id: int) -> list[Any] | None:
        if image_id not in self._sizes:
            record = self._get("images", image_id)
            size = None if record is None else [record.get("height"), record.get("width")]
            self._sizes[image_id] = None if size is None or any(map(SIDE.problem, size)) else size
        return self._sizes[image_id]

    def _defined(self, category_id: int) -> int | None:
        if category_id not in self._keypoints:
            record = self._get("categories", category_id)
            self._keypoints[category_id] = None if record is None else count_of_keypoints(record)
        return self._keypoints[category_id]

    def _get(self, section: Any, record_id: int) -> Any:
        try:
            return self._store.get(section, record_id).record
        except AmbiguousId:
            return None
