"""One annotation: what is wrong with its fields, and what they should be. What it refers to is looked at elsewhere."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from cocoannot.check.box_repairs import has, is_mask, repair_bbox
from cocoannot.check.conversions import flag_of, keypoints_of, number_of
from cocoannot.check.record_repairs import RecordRepair, Size, count_labelled, finite_fields
from cocoannot.check.segmentation_repairs import repair_segmentation
from cocoannot.check.tolerances import area_is_stale
from cocoannot.coco.geometry import Measured, Number
from cocoannot.coco.rules import Fields

_GEOMETRY = ("segmentation", "bbox", "keypoints", "caption", "segments_info")


def repair_annotation(
    record: Mapping[str, Any], size: Size | None, keypoints: int | None, *, finite: bool, crowds: bool = True
) -> RecordRepair:
    """What an annotation should be; `size` is its image's, `keypoints` how many its category defines, if known.

    `finite` tells, here and below, that there are no infinite numbers to be looked for, `crowds` that annotations need
    `iscrowd`.
    """
    repair = RecordRepair()
    fields = dict(record) if finite else finite_fields(record, repair)
    had_bbox, had_area = has(record, "bbox"), has(record, "area")
    plain = "caption" in record or "segments_info" in record
    _repair_keypoints(fields, keypoints, repair)
    measured = repair_segmentation(fields, size, repair)
    if measured and "segmentation" in repair.lost:
        repair.box = measured.bbox
        box_and_area = msgspec.structs.asdict(measured)
        repair.changes |= {field: value for field, value in box_and_area.items() if has(record, field)}
    else:
        repair.box = repair_bbox(fields, measured, repair)
        _repair_area(fields, measured, repair.box, repair)
    if "keypoints" in repair.lost and keypoints and repair.box:
        # An evaluation of keypoints needs some of each annotation of such a category, and passes over unlabelled ones.
        repair.changes |= {"keypoints": [0] * (3 * keypoints), "num_keypoints": 0}
    left = {**fields, **repair.changes}
    useful = any(left.get(field) for field in _GEOMETRY)
    repair.useless = any(record.get(field) for field in _GEOMETRY) and not useful
    if useful and not plain:
        if not had_bbox and not has(left, "bbox") and repair.box:
            repair.set("no_bbox", "bbox", repair.box)
        area = measured.area if measured else repair.box[2] * repair.box[3] if repair.box else None
        if not had_area and not has(left, "area") and area is not None:
            repair.set("no_area", "area", area)
    elif not useful and not plain and not repair.useless:
        repair.leave("no_geometry")
    if not plain:
        _repair_iscrowd(fields, repair, needed=crowds)
    return repair


def _repair_area(fields: Fields, measured: Measured | None, box: list[Number] | None, repair: RecordRepair) -> None:
    area = fields.get("area")
    right = measured.area if measured else box[2] * box[3] if box else None
    if area is None:
        if "area" in repair.changes:
            repair.changes["area"] = right
        return
    number = number_of(area)
    if number is None or not 0 <= number <= 2**53:
        repair.set("bad_area", "area", right, lost=right is None)
    elif "hole" in repair.kinds and number <= _area_of_box(measured):
        # Whether the hole counts is not certain, so the area is not either.
        pass
    elif measured and area_is_stale(number, measured.area, mask=is_mask(fields, repair)):
        repair.set("stale_area" if number is area else "bad_area", "area", measured.area)
    elif number is not area:
        repair.set("bad_area", "area", number)


def _area_of_box(measured: Measured | None) -> Number:
    return measured.bbox[2] * measured.bbox[3] if measured else 0


def _repair_keypoints(fields: Fields, expected: int | None, repair: RecordRepair) -> None:
    keypoints = fields.get("keypoints")
    if keypoints is None:
        return
    labelled = count_labelled(keypoints, expected)
    if labelled is None:
        converted = keypoints_of(keypoints, expected)
        labelled = count_labelled(converted, expected)
        repair.set("bad_keypoints", "keypoints", converted if labelled is not None else None, lost=labelled is None)
    number = fields.get("num_keypoints")
    if labelled is None:
        if number is not None or "num_keypoints" in repair.changes:
            repair.changes["num_keypoints"] = None
    elif "num_keypoints" in repair.changes:
        repair.changes["num_keypoints"] = labelled
    elif number is None and keypoints:
        repair.set("no_num_keypoints", "num_keypoints", labelled)
    elif number is not None and number != labelled:
        repair.set("stale_num_keypoints", "num_keypoints", labelled)


def _repair_iscrowd(fields: Fields, repair: RecordRepair, *, needed: bool) -> None:
    crowd = fields.get("iscrowd")
    if crowd is None:
        if needed:
            repair.set("no_iscrowd", "iscrowd", 0)
    elif not isinstance(crowd, (int, float)) or crowd not in (0, 1):
        flag = flag_of(crowd)
        if flag is None:
            repair.leave("bad_iscrowd")
        else:
            repair.set("bad_iscrowd", "iscrowd", flag)
