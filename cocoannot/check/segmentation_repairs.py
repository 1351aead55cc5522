"""What an annotation's segmentation should be: polygons or an RLE, in COCO's form. Other fields are not known here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cocoannot.check.conversions import box_of, masks_of, number_of, polygons_of
from cocoannot.check.holes import has_hole
from cocoannot.check.record_repairs import RecordRepair, Size, size_of
from cocoannot.check.tolerances import MASK_EDGE_OFF, edges_off
from cocoannot.coco.geometry import Measured, measure_segmentation
from cocoannot.coco.rules import Fields
from cocoannot.errors import InvalidRecord


def repair_segmentation(fields: Fields, size: Size | None, repair: RecordRepair) -> Measured | None:
    segmentation = fields.get("segmentation")
    if segmentation == [] or "segmentation" not in fields:
        return None
    if segmentation is None or segmentation == "":
        repair.set("bad_polygons", "segmentation", [])
        return None
    if _looks_like_mask(segmentation):
        return _repair_mask(fields, size, repair)
    if isinstance(segmentation, list) and (measured := _measured(segmentation)):
        if len(segmentation) > 1 and has_hole(segmentation):
            repair.leave("hole")
        if _flat(segmentation):
            repair.leave("flat_polygons")
        return measured
    polygons = polygons_of(segmentation)
    good = [polygon for polygon in polygons if _measured([polygon])]
    repair.set("bad_polygons", "segmentation", good, lost=len(good) < len(polygons))
    return _measured(good)


def _looks_like_mask(segmentation: object) -> bool:
    if isinstance(segmentation, list) and len(segmentation) == 1:
        segmentation = segmentation[0]
    if isinstance(segmentation, str):
        return segmentation.lstrip().startswith("{") and '"counts"' in segmentation
    return isinstance(segmentation, dict) and (
        not segmentation or not {"size", "counts"}.isdisjoint(segmentation) or not _has_polygons(segmentation)
    )


def _has_polygons(value: object) -> bool:
    """Whether an object has polygons in it."""
    return polygons_of(value) != [value]


def _repair_mask(fields: Fields, size: Size | None, repair: RecordRepair) -> Measured | None:
    segmentation, box = fields["segmentation"], box_of(fields.get("bbox"))
    for mask in masks_of(segmentation, size):
        height, width = size or size_of(dict(zip(("height", "width"), mask["size"], strict=True))) or (None, None)
        try:
            measured = measure_segmentation(mask, height, width)
        except InvalidRecord:
            continue
        # The size alone can't tell whether the runs go down the columns of this size or of the other.
        fits = box is not None and edges_off(box, measured.bbox) <= MASK_EDGE_OFF
        if _is_turned(segmentation, mask) and not fits:
            continue
        if mask != segmentation:
            repair.set("bad_rle", "segmentation", mask)
        if measured.area == 0:
            repair.leave("flat_polygons")
        return measured
    repair.set("bad_rle", "segmentation", [], lost=True)
    return None


def _is_turned(segmentation: object, mask: Mapping[str, Any]) -> bool:
    """Whether the mask is read with another size than was written for it."""
    if isinstance(segmentation, list):
        segmentation = segmentation[0]
    size = segmentation.get("size") if isinstance(segmentation, dict) else None
    return isinstance(size, list) and [number_of(side) for side in size] != mask["size"]


def _measured(polygons: list[Any]) -> Measured | None:
    try:
        return measure_segmentation(polygons, None, None)
    except InvalidRecord:
        return None


def _flat(polygons: list[Any]) -> bool:
    return any(measure_segmentation([polygon], None, None).area == 0 for polygon in polygons)
