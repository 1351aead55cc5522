"""The object in a box, without a model: OpenCV's GrabCut (Rother, Kolmogorov and Blake, 2004), around the box."""

from __future__ import annotations

import numpy as np
from PIL import Image

from cocoannot.assist.masks import Mask, resized, tidied

_LONGEST = 640
"""A larger part is worked on at this size, in pixels: the time grows with the pixels."""

_AROUND = 0.25
"""How much of the box's size is looked at around it, to learn what the ground looks like."""

_LEAST_AROUND = 8
_ROUNDS = 6
_UNUSED = (0, 0, 1, 1)
"""The rectangle that OpenCV asks for also where there is a mask."""


def object_in_box(picture: Image.Image, box: tuple[float, float, float, float]) -> Mask | None:
    """A mask of the whole picture, which is in RGB; `None` where nothing stands out from the ground.

    `box` is `[x, y, width, height]` in pixels; only what of it is in the picture counts.
    """
    import cv2

    width, height = picture.size
    left, top, right, bottom = _whole(box, width, height)
    if right - left < 2 or bottom - top < 2:
        return None
    around = max(_LEAST_AROUND, round(_AROUND * max(right - left, bottom - top)))
    part_left, part_top = max(0, left - around), max(0, top - around)
    around_box = (part_left, part_top, min(width, right + around), min(height, bottom + around))
    part = np.asarray(picture.crop(around_box))
    scale = min(1.0, _LONGEST / max(part.shape[:2]))
    small = cv2.resize(part, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA) if scale < 1 else part
    labels = np.full(small.shape[:2], cv2.GC_BGD, np.uint8)
    inner = [round((side - start) * scale) for side, start in
             ((left, part_left), (top, part_top), (right, part_left), (bottom, part_top))]  # fmt: skip
    labels[inner[1] : inner[3], inner[0] : inner[2]] = cv2.GC_PR_FGD
    # Where the box reaches to the picture's edges on all sides, its own rim is all that can be known of the ground.
    if not (labels == cv2.GC_BGD).any():
        labels[[0, -1], :] = labels[:, [0, -1]] = cv2.GC_BGD
    # The same box is to give the same object each time.
    cv2.setRNGSeed(1)
    ground, model = np.zeros((1, 65)), np.zeros((1, 65))
    cv2.grabCut(small[:, :, ::-1].copy(), labels, _UNUSED, ground, model, _ROUNDS, cv2.GC_INIT_WITH_MASK)
    mask = tidied((labels == cv2.GC_FGD) | (labels == cv2.GC_PR_FGD))
    if not mask.any():
        return None
    whole = np.zeros((height, width), np.bool_)
    whole[part_top : part_top + part.shape[0], part_left : part_left + part.shape[1]] = resized(
        mask, part.shape[1], part.shape[0]
    )
    return whole


def _whole(box: tuple[float, float, float, float], width: int, height: int) -> tuple[int, int, int, int]:
    """The pixels that a box touches, in the picture: left, top, right and bottom, the last two not included."""
    x, y, wide, high = box
    left, right = (int(np.clip(side, 0, width)) for side in (np.floor(x), np.ceil(x + wide)))
    top, bottom = (int(np.clip(side, 0, height)) for side in (np.floor(y), np.ceil(y + high)))
    return left, top, right, bottom
