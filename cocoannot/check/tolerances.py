"""How far `area` and `bbox` may be from those of the segmentation: programs round, and so did those who made COCO.

A polygon's area may be 1 square pixel and a thousandth off, an edge of its box 1 pixel. A mask's area may be off by
half and an edge by 2 pixels, because COCO's own crowds are: they were measured before they became RLE.
"""

from __future__ import annotations

from cocoannot.coco.geometry import Number

AREA_OFF, AREA_RATIO, EDGE_OFF = 1.0, 1e-3, 1.0
MASK_AREA_RATIO, MASK_EDGE_OFF = 0.5, 2.0
"""Square pixels, share of the larger one, pixels."""

ROUNDING = 1e-6
"""Pixels that adding up may be off."""


def area_is_stale(area: Number, right: Number, *, mask: bool) -> bool:
    return abs(area - right) > AREA_OFF + (MASK_AREA_RATIO if mask else AREA_RATIO) * max(area, right)


def edges_off(box: list[Number], right: list[Number]) -> Number:
    """How many pixels the edge is off that is off most."""
    return max(
        abs(box[0] - right[0]),
        abs(box[1] - right[1]),
        abs(box[0] + box[2] - right[0] - right[2]),
        abs(box[1] + box[3] - right[1] - right[3]),
    )
