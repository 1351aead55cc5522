"""A layer beside the dataset as it is now: what an annotation covers, what became an annotation, what lacks its image
or category, and how much each image differs. Nothing is changed here."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from typing import NamedTuple
from weakref import WeakKeyDictionary

import numpy as np
import numpy.typing as npt

from cocoannot.coco.parser import Ints
from cocoannot.predictions.disagreement import disagreement
from cocoannot.predictions.index import DatasetIndex, Origin
from cocoannot.predictions.layer import Bits, Layer
from cocoannot.predictions.matching import COVERS, Boxes, best_cover
from cocoannot.store.queries import Ranking

_AT_ONCE = 4096
"""Images that are compared at a time."""


class States(NamedTuple):
    """By row: what became of a layer's predictions. Of one, `accepted` goes before `rejected`, and that before
    `missing`, which is for those whose image or category is not there."""

    accepted: Bits
    rejected: Bits
    missing: Bits

    @property
    def open(self) -> Bits:
        """Those of which nobody has decided, and that can be accepted."""
        return ~(self.accepted | self.rejected | self.missing)


class _Kept(NamedTuple):
    """States of a layer, and what they were found of."""

    rejected: Bits
    version: int
    categories: Ints
    states: States

    def is_of(self, rejected: Bits, version: int, categories: Ints) -> bool:
        """Whether nothing is other now."""
        same = self.rejected is rejected and self.version == version
        return same and np.array_equal(self.categories, categories)


class _Ranked(NamedTuple):
    """The disagreement of each image with a layer, and what it was computed of."""

    rejected: Bits
    version: int
    categories: Ints
    images: Ints
    values: npt.NDArray[np.float64]
    ranking: Ranking


class Comparison:
    """What layers and the dataset in `index` have to do with each other."""

    def __init__(self, index: DatasetIndex) -> None:
        self._index = index
        # Guards the two below, of the layers that were asked for, as long as anybody has them.
        self._lock = threading.Lock()
        self._states: WeakKeyDictionary[Layer, _Kept] = WeakKeyDictionary()
        self._ranked: WeakKeyDictionary[Layer, _Ranked] = WeakKeyDictionary()
        self._rankings = 0

    def has_image(self, image_id: int) -> bool:
        """Whether there is such an image."""
        with self._index.lock:
            images = self._index.current().images
        return bool(among(np.array([image_id], np.int64), images)[0])

    def states(self, layer: Layer) -> States:
        """What became of each prediction. Kept until something changes."""
        with self._lock, self._index.lock:
            index = self._index.current()
            categories, rejected = index.categories(), layer.rejected
            kept = self._states.get(layer)
            if kept is not None and kept.is_of(rejected, index.version, categories):
                return kept.states
            accepted = _accepted(layer, index.origins())
            columns = layer.columns
            missing = ~(among(columns.image_ids, index.images) & among(columns.category_ids, categories))
            states = States(accepted, rejected & ~accepted, missing & ~accepted & ~rejected)
            self._states[layer] = _Kept(rejected, index.version, categories, states)
            return states

    def covered(self, layer: Layer, rows: Ints, least: float = COVERS) -> Bits:
        """Whether an annotation of the same category covers each prediction: by an IoU of at least `least`."""
        columns = layer.columns
        of_rows = columns.image_ids[rows]
        covered = np.zeros(len(rows), np.bool_)
        with self._index.lock:
            index = self._index.current()
            for image_ids in _parts(np.unique(of_rows)):
                some = np.flatnonzero(among(of_rows, image_ids))
                annotations = index.rows(image_ids)
                known = Boxes(annotations.image_ids, annotations.category_ids, annotations.boxes)
                covered[some] = best_cover(_boxes(layer, rows[some]), known)[1] >= least
        return covered

    def ranking(self, layer: Layer) -> Ranking:
        """How much each image differs. Only images where something changed are compared anew."""
        with self._lock, self._index.lock:
            index = self._index.current()
            categories, rejected = index.categories(), layer.rejected
            old = self._ranked.get(layer)
            again = None
            if old is not None and np.array_equal(old.categories, categories):
                if old.version == index.version and old.rejected is rejected:
                    return old.ranking
                again = index.changed_since(old.version)
            images = index.images
            if old is None or again is None:
                values = _differing(layer, rejected, index, categories, images)
            else:
                again = np.union1d(again, layer.columns.image_ids[old.rejected != rejected])
                again = np.intersect1d(again, images)
                values = _values_of(images, old.images, old.values)
                values[np.searchsorted(images, again)] = _differing(layer, rejected, index, categories, again)
            self._rankings += 1
            ranking = Ranking(self._rankings, lambda ids: _values_of(np.array(ids, np.int64), images, values).tolist())
            self._ranked[layer] = _Ranked(rejected, index.version, categories, images, values, ranking)
            return ranking


def _accepted(layer: Layer, origins: Mapping[int, list[Origin]]) -> Bits:
    """The predictions that an annotation of their image came of."""
    accepted = np.zeros(layer.rows, np.bool_)
    found = [
        (origin.id, image_id)
        for image_id, some in origins.items()
        for origin in some
        if origin.version == layer.version and origin.layer == layer.name
    ]
    rows, unknown = layer.rows_of(id_ for id_, _ in found)
    del unknown
    by_image = dict(found)
    at_home = [by_image[id_] for id_ in layer.ids(rows)]
    accepted[rows[layer.columns.image_ids[rows] == np.array(at_home, np.int64)]] = True
    return accepted


def _differing(
    layer: Layer, rejected: Bits, index: DatasetIndex, categories: Ints, image_ids: Ints
) -> npt.NDArray[np.float64]:
    """The disagreement of these images, which are ascending and all there."""
    values = np.zeros(len(image_ids))
    done = 0
    for images in _parts(image_ids):
        rows = layer.of_images(images)
        rows = rows[~rejected[rows] & among(layer.columns.category_ids[rows], categories)]
        scores = layer.columns.scores[rows]
        values[done : done + len(images)] = disagreement(_boxes(layer, rows), scores, index.rows(images), images)
        done += len(images)
    return values


def _boxes(layer: Layer, rows: Ints) -> Boxes:
    columns = layer.columns
    return Boxes(columns.image_ids[rows], columns.category_ids[rows], columns.boxes[rows])


def _parts(image_ids: Ints) -> Iterator[Ints]:
    """So many images at a time that what is compared takes little memory."""
    for at in range(0, len(image_ids), _AT_ONCE):
        yield image_ids[at : at + _AT_ONCE]


def among(values: Ints, known: Ints) -> Bits:
    """Whether each of `values` is one of the ascending `known`."""
    if not len(known):
        return np.zeros(len(values), np.bool_)
    found: Bits = known[np.searchsorted(known, values).clip(max=len(known) - 1)] == values
    return found


def _values_of(ids: Ints, known: Ints, values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """The value of each of `ids`, 0 for one that is not among the ascending `known`."""
    if not len(known):
        return np.zeros(len(ids))
    places = np.searchsorted(known, ids).clip(max=len(known) - 1)
    return np.where(known[places] == ids, values[places], 0.0)
