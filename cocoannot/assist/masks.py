"""What a program has found, made into a mask that a person would draw, and written as COCO does."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Mask = npt.NDArray[np.bool_]
"""Of shape (height, width)."""

_SPECK = 0.02
"""Parts and holes that are smaller than this share of the largest part are noise."""


class Found(NamedTuple):
    """An object: its mask as COCO's compressed RLE, its box `[x, y, width, height]`, and how sure a model is of it."""

    segmentation: dict[str, object]
    bbox: list[int]
    score: float | None


def tidied(mask: Mask) -> Mask:
    """Without specks, and without holes of that size."""
    import cv2

    count, labels, numbers, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=4)
    if count < 2:
        return mask
    areas = numbers[:, cv2.CC_STAT_AREA]
    least = _SPECK * areas[1:].max()
    whole = (areas >= least)[labels] & mask
    _, labels, numbers, _ = cv2.connectedComponentsWithStats((~whole).astype(np.uint8), connectivity=4)
    small = numbers[:, cv2.CC_STAT_AREA] < least
    # The first one is the mask itself.
    small[0] = False
    filled: Mask = whole | small[labels]
    return filled


def resized(mask: Mask, width: int, height: int) -> Mask:
    """At another size, with edges as smooth as that size allows."""
    import cv2

    if mask.shape == (height, width):
        return mask
    smooth: Mask = cv2.resize(mask.astype(np.float32), (width, height), interpolation=cv2.INTER_LINEAR) > 0.5
    return smooth


def found(mask: Mask, score: float | None) -> Found | None:
    """A mask of the whole picture, `None` where it is empty."""
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    if not len(rows):
        return None
    left, right, top, bottom = int(columns[0]), int(columns[-1]), int(rows[0]), int(rows[-1])
    segmentation: dict[str, object] = {"size": list(mask.shape), "counts": compressed(mask)}
    return Found(segmentation, [left, top, right - left + 1, bottom - top + 1], score)


def compressed(mask: Mask) -> str:
    """The counts of COCO's compressed RLE, as `rleToString` of pycocotools' `maskApi.c` writes them."""
    pixels = mask.ravel(order="F")
    changes = np.flatnonzero(pixels[1:] != pixels[:-1]) + 1
    ends = np.concatenate([[0], changes, [pixels.size]])
    counts = np.diff(ends).tolist()
    if pixels[0]:
        counts.insert(0, 0)
    chars = bytearray()
    for place, count in enumerate(counts):
        value = count - counts[place - 2] if place > 2 else count
        more = True
        while more:
            digit = value & 31
            value >>= 5
            more = value != (-1 if digit & 16 else 0)
            chars.append(digit + (32 if more else 0) + 48)
    return chars.decode("ascii")
