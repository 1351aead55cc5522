"""Boxes compared with boxes: intersection over union, who covers whom, and who belongs to whom. NumPy alone.

Boxes are arrays of shape (n, 4): left, top, width, height in pixels, with sides above 0 or without a meaning.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from cocoannot.coco.parser import Ints
from cocoannot.predictions.columns import Floats

COVERS = 0.9
"""From this IoU on an annotation covers a prediction."""

MATCHES = 0.5
"""From this IoU on a prediction and an annotation may be the same object."""

_PAIRS = 1 << 20
_ROUNDS = 6


class Boxes(NamedTuple):
    """Boxes of images and categories, as arrays of the same length."""

    image_ids: Ints
    category_ids: Ints
    boxes: Floats

    def take(self, places: Ints) -> Boxes:
        """Those at `places`."""
        return Boxes(self.image_ids[places], self.category_ids[places], self.boxes[places])


class _Pairs(NamedTuple):
    """Places in two lists of boxes that share image and category, `overlaps` in square pixels."""

    ones: Ints
    others: Ints
    overlaps: npt.NDArray[np.float64]
    iou: npt.NDArray[np.float64]


def best_cover(predictions: Boxes, annotations: Boxes) -> tuple[Ints, npt.NDArray[np.float64]]:
    """For each prediction the place of the annotation of its image and category with the largest IoU, and that.

    The place is -1, and the IoU 0, where none overlaps.
    """
    places = np.full(len(predictions.boxes), -1, np.int64)
    best = np.zeros(len(predictions.boxes))
    order, _, pairs = _paired(predictions, annotations, np.zeros(len(predictions.boxes)))
    for found in pairs:
        better = np.flatnonzero(found.iou > 0)
        # The last of those with the same number is the one that is kept: the largest.
        better = better[np.argsort(found.iou[better], kind="stable")]
        ones = order[found.ones[better]]
        places[ones], best[ones] = found.others[better], found.iou[better]
    return places, best


def best_cover_on_image(predictions: Boxes, annotations: Boxes) -> tuple[Ints, npt.NDArray[np.float64]]:
    """What `best_cover` gives, for boxes that are all of one image: each with each, which is quicker for a few."""
    count, others = len(predictions.boxes), len(annotations.boxes)
    places, best = np.full(count, -1, np.int64), np.zeros(count)
    if not others:
        return places, best
    theirs = annotations.boxes.T.astype(np.float64)
    rows = max(_PAIRS // others, 1)
    for at in range(0, count, rows):
        some = slice(at, at + rows)
        _, iou = _overlap(predictions.boxes[some].T[:, :, np.newaxis].astype(np.float64), theirs[:, np.newaxis, :])
        iou[predictions.category_ids[some, np.newaxis] != annotations.category_ids] = 0
        places[some] = iou.argmax(axis=1)
        best[some] = np.take_along_axis(iou, places[some, np.newaxis], axis=1)[:, 0]
    places[best <= 0] = -1
    return places, best


def match(predictions: Boxes, scores: npt.NDArray[np.float64], annotations: Boxes) -> Ints:
    """For each prediction the place of the annotation that it belongs to, -1 for none.

    The one with the highest score chooses first, as in COCO's evaluation: of the annotations of its image and category
    that nobody has yet, the one with the largest IoU, at least `MATCHES`.
    """
    result = np.full(len(predictions.boxes), -1, np.int64)
    taken = np.zeros(len(annotations.boxes), np.bool_)
    order, _, pairs = _paired(predictions, annotations, -scores)
    for found in pairs:
        good = np.flatnonzero((found.iou >= MATCHES) & ~taken[found.others])
        good = good[np.lexsort((-found.iou[good], found.ones[good]))]
        _choose(order[found.ones[good]], found.others[good], result, taken)
    return result


def within(predictions: Boxes, regions: Boxes) -> npt.NDArray[np.bool_]:
    """Whether at least half of each prediction lies within one of the regions of its image and category."""
    result = np.zeros(len(predictions.boxes), np.bool_)
    order, _, pairs = _paired(predictions, regions, np.zeros(len(predictions.boxes)))
    for found in pairs:
        ones = order[found.ones]
        areas = predictions.boxes[ones, 2].astype(np.float64) * predictions.boxes[ones, 3]
        result[ones[found.overlaps >= 0.5 * areas]] = True
    return result


def _choose(ones: Ints, others: Ints, result: Ints, taken: npt.NDArray[np.bool_]) -> None:
    """Give pairs, in the order in which they choose, to each other, each place once.

    A pair that is the first for both of its places is certain whatever the others do; few rounds leave few pairs.
    """
    for _ in range(_ROUNDS):
        if not len(ones):
            return
        first_of_one = np.ones(len(ones), np.bool_)
        first_of_one[1:] = ones[1:] != ones[:-1]
        first_of_other = np.zeros(len(ones), np.bool_)
        first_of_other[np.unique(others, return_index=True)[1]] = True
        certain = first_of_one & first_of_other
        result[ones[certain]] = others[certain]
        taken[others[certain]] = True
        left = (result[ones] < 0) & ~taken[others]
        ones, others = ones[left], others[left]
    for one, other in zip(ones.tolist(), others.tolist(), strict=True):
        if result[one] < 0 and not taken[other]:
            result[one], taken[other] = other, True


def _paired(ones: Boxes, others: Boxes, rank: npt.NDArray[np.float64]) -> tuple[Ints, Ints, Iterator[_Pairs]]:
    """Every pair of the same image and category, in blocks.

    Returns the order of `ones`, by image, category and `rank`; that of `others`; and the pairs, whose `ones` are places
    in that order, ascending, and whose `others` are places in `others`.
    """
    of_ones, of_others = _codes(ones, others)
    order = np.lexsort((rank, of_ones))
    by_code = np.argsort(of_others, kind="stable")
    sorted_codes = of_others[by_code]
    codes = of_ones[order]
    firsts = np.searchsorted(sorted_codes, codes, side="left")
    counts = np.searchsorted(sorted_codes, codes, side="right") - firsts
    return order, by_code, _blocks(ones.boxes[order], others.boxes, firsts, counts, by_code)


def _codes(ones: Boxes, others: Boxes) -> tuple[Ints, Ints]:
    """One number for each image and category."""
    _, image_places = np.unique(np.concatenate([ones.image_ids, others.image_ids]), return_inverse=True)
    categories, places = np.unique(np.concatenate([ones.category_ids, others.category_ids]), return_inverse=True)
    codes: Any = image_places.astype(np.int64) * max(len(categories), 1) + places
    return codes[: len(ones.boxes)], codes[len(ones.boxes) :]


def _blocks(ones: Floats, others: Floats, firsts: Ints, counts: Ints, by_code: Ints) -> Iterator[_Pairs]:
    some = np.flatnonzero(counts)
    ends = np.cumsum(counts[some])
    start = 0
    while start < len(some):
        before = int(ends[start - 1]) if start else 0
        stop = max(int(np.searchsorted(ends, before + _PAIRS, side="right")), start + 1)
        rows, number = some[start:stop], counts[some[start:stop]]
        left = np.repeat(rows, number)
        offsets = np.arange(len(left)) - np.repeat(np.cumsum(number) - number, number)
        right = by_code[np.repeat(firsts[rows], number) + offsets]
        overlaps, iou = _overlap(ones[left].T.astype(np.float64), others[right].T.astype(np.float64))
        yield _Pairs(left, right, overlaps, iou)
        start = stop


def _overlap(
    one: npt.NDArray[np.float64], other: npt.NDArray[np.float64]
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """The overlap of each pair in square pixels, and its share of what both cover together; the sides come first."""
    width = np.minimum(one[0] + one[2], other[0] + other[2]) - np.maximum(one[0], other[0])
    height = np.minimum(one[1] + one[3], other[1] + other[3]) - np.maximum(one[1], other[1])
    overlap = width.clip(min=0) * height.clip(min=0)
    union = one[2] * one[3] + other[2] * other[3] - overlap
    return overlap, np.divide(overlap, union, out=np.zeros_like(overlap), where=union > 0)
