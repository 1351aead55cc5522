"""What is told of layers and of predictions, in answers and by the commands."""

from __future__ import annotations

from typing import Any

import numpy as np

from cocoannot.clock import moment
from cocoannot.coco.parser import Ints
from cocoannot.coco.records import with_derived
from cocoannot.predictions.columns import KINDS
from cocoannot.predictions.comparison import States
from cocoannot.predictions.index import Seen
from cocoannot.predictions.layer import Bits, Layer
from cocoannot.predictions.matching import COVERS, Boxes, best_cover_on_image


def layer_told(layer: Layer, states: States) -> dict[str, Any]:
    """How much there is of a layer, and what became of it; scores are null where it is empty."""
    columns, scores = layer.columns, layer.columns.scores
    numbers = {name: int(np.count_nonzero(bits)) for name, bits in states._asdict().items()}
    return {
        "name": layer.name,
        "version": layer.version,
        "created": moment(layer.created),
        "bytes": layer.bytes,
        "kinds": [kind for place, kind in enumerate(KINDS) if (columns.kinds == place).any()],
        "images": len(np.unique(columns.image_ids)),
        "predictions": layer.rows,
        "min_score": float(scores.min()) if layer.rows else None,
        "max_score": float(scores.max()) if layer.rows else None,
        "open": layer.rows - sum(numbers.values()),
        **numbers,
    }


def predictions_told(layer: Layer, rows: Ints, seen: Seen, known_category: Bits) -> list[bytes]:
    """The texts of predictions of one image, with what its annotations, which were `seen`, make of each.

    `known_category` tells by row whether the category is there.
    """
    columns, annotations = layer.columns, seen.rows
    boxes = Boxes(columns.image_ids[rows], columns.category_ids[rows], columns.boxes[rows])
    places, iou = best_cover_on_image(boxes, Boxes(annotations.image_ids, annotations.category_ids, annotations.boxes))
    accepted = {
        each.id for some in seen.origins.values() for each in some if (each.layer, each.version) == layer.identity
    }
    covering = annotations.ids[places].tolist() if len(annotations.ids) else [None] * len(rows)
    columns_told = (layer.texts(rows), layer.ids(rows), covering, iou.tolist(), layer.rejected[rows], known_category)
    texts = []
    for text, id_, by, share, rejected, known in zip(*columns_told, strict=True):
        status = "accepted" if id_ in accepted else "rejected" if rejected else "open" if known else "missing"
        told: dict[str, Any] = {} if len(columns.ids) else {"id": id_}
        covered = share >= COVERS
        told |= {"_layer": layer.name, "_version": layer.version, "_status": status, "_iou": round(share, 4)}
        texts.append(with_derived(text, {**told, "_covered": covered, "_covered_by": by if covered else None}))
    return texts
