"""What an annotation's box should be: [x, y, width, height], that of the segmentation where there is one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cocoannot.check.conversions import box_of
from cocoannot.check.record_repairs import RecordRepair, count_labelled, is_coordinate
from cocoannot.check.tolerances import EDGE_OFF, MASK_EDGE_OFF, ROUNDING, edges_off
from cocoannot.coco.geometry import Measured, Number, measure_bbox
from cocoannot.coco.rules import Fields
from cocoannot.errors import InvalidRecord


def has(record: Mapping[str, Any], field: str) -> bool:
    """Whether there is anything in a field."""
    return record.get(field) not in (None, [], "")


def repair_bbox(fields: Fields, measured: Measured | None, repair: RecordRepair) -> list[Number] | None:
    """Returns the box as it should be, `None` for none."""
    given = fields.get("bbox")
    around = measured.bbox if measured else _around(repair.changes.get("keypoints", fields.get("keypoints")))
    if not has(fields, "bbox"):
        if "bbox" in repair.changes and around:
            # It had numbers that are not finite.
            repair.changes["bbox"] = around
        return around
    box = box_of(given)
    right = box is not None and box == given
    if box is None or not all(map(is_coordinate, box)):
        box, right = None, False
    if measured and (box is None or (not right and edges_off(box, measured.bbox) > EDGE_OFF)):
        repair.set("not_finite" if "bbox" in repair.changes else "bad_bbox", "bbox", measured.bbox)
        return measured.bbox
    if measured and box:
        return _checked_box(box, measured, fields, repair, right=right)
    if box and _is_box(box):
        if not right:
            repair.set("bad_bbox", "bbox", box)
        return box
    if around and min(around[2:]) > 0:
        repair.set("bad_bbox", "bbox", around)
        return around
    if around and box and right:
        # Evaluation of keypoints needs some box.
        repair.leave("flat_bbox")
        return box
    repair.set("bad_bbox", "bbox", None, lost=True)
    return None


def _checked_box(
    box: list[Number], measured: Measured, fields: Fields, repair: RecordRepair, *, right: bool
) -> list[Number]:
    """The box of an annotation whose segmentation was measured: as it is, or that of the segmentation."""
    if any(side <= 0 < true for side, true in zip(box[2:], measured.bbox[2:], strict=True)):
        repair.set("bad_bbox", "bbox", measured.bbox)
    elif edges_off(box, measured.bbox) > (MASK_EDGE_OFF if is_mask(fields, repair) else EDGE_OFF) + ROUNDING:
        repair.set("stale_bbox", "bbox", measured.bbox)
    elif not right:
        repair.set("bad_bbox", "bbox", box)
        return box
    else:
        return box
    return measured.bbox


def _is_box(box: list[Number]) -> bool:
    try:
        measure_bbox(box)
    except InvalidRecord:
        return False
    return True


def _around(keypoints: object) -> list[Number] | None:
    """The box of the labelled keypoints."""
    if count_labelled(keypoints, None) is None or not isinstance(keypoints, list):
        return None
    points = [(x, y) for x, y, label in zip(*[iter(keypoints)] * 3, strict=True) if label > 0]
    if not points:
        return None
    xs, ys = zip(*points, strict=True)
    return [min(xs), min(ys), max(xs) - min(xs), max(ys) - min(ys)]


def is_mask(fields: Fields, repair: RecordRepair) -> bool:
    return isinstance(repair.changes.get("segmentation", fields.get("segmentation")), dict)
