"""How much a model and the annotators differ on each image, as one number.

    the scores of predictions that belong to no annotation
    + 1 - score for each annotation, of the prediction that belongs to it, 1 where there is none

Who belongs to whom is greedy, as in COCO's evaluation (see `matching.match`); scores count from 0 to 1. Crowds are no
objects: they are left out, and so is a prediction that lies in one by half. So it is 0 where both say the same.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from cocoannot.coco.parser import Ints
from cocoannot.predictions.index import Rows
from cocoannot.predictions.matching import Boxes, match, within


def disagreement(
    predictions: Boxes, scores: npt.NDArray[np.float64], annotations: Rows, image_ids: Ints
) -> npt.NDArray[np.float64]:
    """The number for each of `image_ids`, which are ascending and hold all images of the others."""
    scores = scores.clip(0, 1)
    objects, crowds = (annotations.take(annotations.crowds == flag) for flag in (False, True))
    matches = match(predictions, scores, _boxes(objects))
    found = matches >= 0
    of_annotations = np.ones(len(objects.ids))
    of_annotations[matches[found]] = 1 - scores[found]
    alone = np.flatnonzero(~found)
    alone = alone[~within(predictions.take(alone), _boxes(crowds))]
    total = _sums(predictions.image_ids[alone], scores[alone], image_ids)
    return total + _sums(objects.image_ids, of_annotations, image_ids)


def _boxes(rows: Rows) -> Boxes:
    return Boxes(rows.image_ids, rows.category_ids, rows.boxes)


def _sums(of: Ints, values: npt.NDArray[np.float64], image_ids: Ints) -> npt.NDArray[np.float64]:
    places = np.searchsorted(image_ids, of)
    return np.bincount(places, weights=values, minlength=len(image_ids)).astype(np.float64)
