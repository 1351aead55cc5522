"""What all boxes of a file tell together: are they in pixels, [x, y, width, height], and in their images?"""

from __future__ import annotations

import numpy as np

from cocoannot.check.checked import Checked
from cocoannot.check.scan import Bools

_OFF = 1.0
"""Pixels that a box may reach out of its image, for rounding."""


def look_at_boxes(checked: Checked) -> None:
    """Find boxes out of their images, boxes of corners, and boxes from 0 to 1."""
    annotations = checked.annotations
    boxes = checked.boxes
    has_box = ~np.isnan(boxes[:, 0])
    has_box[list(annotations.dropped)] = False
    if not has_box.any():
        return
    if _relative(boxes[has_box]):
        annotations.problems["relative_boxes"] += np.flatnonzero(has_box).tolist()
        return
    heights, widths = _sizes(checked)
    known = has_box & (widths > 0)
    x, y, width, height = boxes.T
    outside: Bools = known & (np.minimum(x, y) < -_OFF)
    outside |= known & ((x + width > widths + _OFF) | (y + height > heights + _OFF))
    if not outside.any():
        return
    corners = (
        (np.minimum(x, y) >= -_OFF) & (width > x) & (height > y) & (width <= widths + _OFF) & (height <= heights + _OFF)
    )
    kind = "corner_boxes" if corners[known].all() else "outside_image"
    annotations.problems[kind] += np.flatnonzero(outside).tolist()


def _relative(boxes: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> bool:
    within = bool(((boxes >= 0) & (boxes <= 1)).all())
    return within and bool((boxes != np.floor(boxes)).any())


def _sizes(checked: Checked) -> tuple[np.ndarray[tuple[int, ...], np.dtype[np.float64]], ...]:
    """The height and width of each annotation's image, 0 where that is not known."""
    known = sorted(checked.known.sizes.items())
    ids = np.array([record_id for record_id, _ in known] or [0], np.int64)
    sizes = np.array([size for _, size in known] or [(0, 0)], np.float64)
    at = np.minimum(ids.searchsorted(checked.image_ids), len(ids) - 1)
    found = np.where((ids[at] == checked.image_ids)[:, None], sizes[at], 0)
    return found[:, 0], found[:, 1]
