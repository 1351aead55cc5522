"""Accepting and rejecting. What is accepted becomes annotations by the ordinary rules, as one change; that a prediction
was accepted is told by its annotation alone, so that an undo makes it open again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, NamedTuple

import numpy as np

from cocoannot.changes.operations import Add
from cocoannot.coco.parser import Ints
from cocoannot.coco.records import Record
from cocoannot.errors import BadOperation, Conflict, InvalidRecord, SaveError, Unavailable, UnknownId
from cocoannot.predictions.checks import annotation_of
from cocoannot.predictions.comparison import Comparison
from cocoannot.predictions.layer import Layer
from cocoannot.predictions.layers import Layers
from cocoannot.predictions.matching import COVERS
from cocoannot.predictions.processes import CatchUp, Turn
from cocoannot.store.base import Committed

MOST_AT_ONCE = 100_000
"""Predictions that become annotations by one change."""


class Chosen(NamedTuple):
    """Which predictions of a layer: those with these `ids`, or those of an image, of all without one, that have at
    least `min_score`; of these, for who accepts, those that have less than `max_iou` with each annotation."""

    ids: Sequence[int] | None = None
    image_id: int | None = None
    min_score: float = 0.0
    max_iou: float = COVERS


class Decided(NamedTuple):
    """How many were accepted or rejected, and how many of the chosen ones were left as they are."""

    done: int
    left_out: int


class Accepted(NamedTuple):
    """What was committed: the annotations are its results. `left_out` as in `Decided`."""

    committed: Committed
    left_out: int


Commit = Callable[[Sequence[Add]], Committed]


class Decisions:
    """Decides about the predictions of `layers`; see `Comparison` for what is known of them."""

    def __init__(self, layers: Layers, comparison: Comparison, catch_up: CatchUp) -> None:
        self._layers = layers
        self._comparison = comparison
        self._catch_up = catch_up
        # One decision at a time, so that no prediction is accepted twice. Taken before the store's locks.
        self.turn = Turn()

    def accept(self, name: str, chosen: Chosen, user: str | None, commit: Commit) -> Accepted:
        """Make annotations of predictions that are open, and by their ids of rejected ones too.

        Those that an annotation of the same category covers already, by `max_iou`, are left out, unless they are asked
        for by id.
        `commit` makes the change. Raises `UnknownId`, `InvalidRecord`, `Conflict`, `SaveError`, `Unavailable`, and what
        `commit` does.
        """
        self._layers.stamp(name)
        with self.turn.taken():
            # A process that died may have had the turn, and its change may be under way yet.
            self._catch_up(settled=True)
            layer = self._layers.get(name)
            rows = self._rows(layer, chosen)
            states = self._comparison.states(layer)
            if chosen.ids is None:
                some = rows[states.open[rows]]
                some = some[~self._comparison.covered(layer, some, chosen.max_iou)]
            else:
                some = rows[~(states.accepted | states.missing)[rows]]
            if len(some) > MOST_AT_ONCE:
                raise InvalidRecord(
                    {
                        "min_score": [
                            f"chooses {len(some)} predictions; at most {MOST_AT_ONCE} can be accepted at a time"
                        ]
                    }
                )
            ids = layer.ids(some)
            operations = _operations(layer, some, ids, user)
            try:
                committed = commit(operations)
            except BadOperation as exc:
                raise Conflict(
                    f"prediction {ids[exc.index]} can't become an annotation: {exc.cause}; nothing was accepted"
                ) from exc
            if committed.change is not None and not committed.is_repeated:
                # What is accepted counts as that whether this is written or not.
                with suppress(Conflict, SaveError, Unavailable, UnknownId):
                    self._layers.reject(layer, some[states.rejected[some]], rejected=False)
            return Accepted(committed, len(rows) - len(committed.results))

    def reject(self, name: str, chosen: Chosen, *, rejected: bool = True) -> Decided:
        """Remember that open predictions were rejected; or, without `rejected`, that rejected ones are open again.

        Raises `UnknownId`, `InvalidRecord`, `Conflict`, `SaveError`, `Unavailable`.
        """
        self._layers.stamp(name)
        with self.turn.taken():
            layer = self._layers.get(name)
            rows = self._rows(layer, chosen)
            states = self._comparison.states(layer)
            some = rows[(states.open if rejected else states.rejected)[rows]]
            self._layers.reject(layer, some, rejected=rejected)
            return Decided(len(some), len(rows) - len(some))

    def _rows(self, layer: Layer, chosen: Chosen) -> Ints:
        """The rows that are chosen. Raises `InvalidRecord` where there is no such id, of predictions or of an image."""
        if chosen.ids is not None:
            rows, unknown = layer.rows_of(chosen.ids)
            if unknown:
                few = ", ".join(map(str, unknown[:5])) + (", ..." if len(unknown) > 5 else "")
                raise InvalidRecord({"ids": [f"layer {layer.name} has no prediction with id {few}"]})
            return rows
        if chosen.image_id is not None and not self._comparison.has_image(chosen.image_id):
            raise InvalidRecord({"image_id": [f"there is no image with id {chosen.image_id}"]})
        rows = np.arange(layer.rows) if chosen.image_id is None else layer.of_image(chosen.image_id)
        return rows[layer.columns.scores[rows] >= chosen.min_score]


def _operations(layer: Layer, rows: Ints, ids: Sequence[int], user: str | None) -> list[Add]:
    operations = []
    for id_, text in zip(ids, layer.texts(rows), strict=True):
        try:
            prediction: Any = Record(text)
            fields = annotation_of(prediction)
            origin = {"layer": layer.name, "version": layer.version, "id": id_, "score": prediction["score"]}
        except (ValueError, KeyError, TypeError) as exc:
            raise SaveError(f"{layer.name}.json was changed by something else; upload the layer again") from exc
        operations.append(Add("annotations", {**fields, "prediction": {**origin, "user": user}}))
    return operations
