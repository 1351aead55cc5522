"""Masks as arrays of pixels (NumPy, height by width): read and written by pycocotools, and painted by the rule that a
pixel belongs to what its middle belongs to."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
from pycocotools import mask as coco

Pixels = np.ndarray[Any, np.dtype[np.uint8]]
Point = Sequence[float]


def encoded(pixels: Pixels) -> dict[str, Any]:
    """Compressed run lengths, as a dataset has them."""
    found = coco.encode(np.asfortranarray(pixels))
    return {"size": found["size"], "counts": found["counts"].decode()}


def decoded(segmentation: dict[str, Any]) -> Pixels:
    """The pixels of compressed run lengths."""
    with warnings.catch_warnings():
        # pycocotools asks NumPy for arrays as it was done before version 2.
        warnings.simplefilter("ignore", DeprecationWarning)
        pixels: Pixels = coco.decode({**segmentation, "counts": segmentation["counts"].encode()})
    return pixels


def painted(shape: tuple[int, ...], points: Sequence[Point], radius: float) -> Pixels:
    """The pixels whose middle is at most `radius` away from the line through the points."""
    rows, columns = np.mgrid[: shape[0], : shape[1]] + 0.5
    result = np.zeros(shape, bool)
    for (x1, y1), (x2, y2) in zip(points, points[1:] or points, strict=False):
        length = (x2 - x1) ** 2 + (y2 - y1) ** 2
        along = np.clip(((columns - x1) * (x2 - x1) + (rows - y1) * (y2 - y1)) / (length or 1), 0, 1)
        result |= np.hypot(columns - x1 - along * (x2 - x1), rows - y1 - along * (y2 - y1)) <= radius
    return result.astype(np.uint8)


def enclosed(shape: tuple[int, ...], corners: Sequence[Point]) -> Pixels:
    """The pixels whose middle is inside the ring, by the even-odd rule."""
    rows, columns = np.mgrid[: shape[0], : shape[1]] + 0.5
    inside = np.zeros(shape, bool)
    for (x1, y1), (x2, y2) in zip(corners, [*corners[1:], corners[0]], strict=True):
        if x1 != x2:
            crosses = (columns < x1) != (columns < x2)
            inside ^= crosses & (rows < y1 + (columns - x1) / (x2 - x1) * (y2 - y1))
    return inside.astype(np.uint8)
