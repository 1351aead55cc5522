"""One record: what is wrong with its fields, and what they should be. Ids, references and the file are not known here.

Boxes and areas that programs have rounded are right: a polygon's area may be 1 square pixel and a thousandth off, an
edge of its box 1 pixel. A mask's area may be off by half and an edge by 2 pixels, because COCO's own crowds are: they
were measured before they became RLE.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from cocoannot.coco.geometry import COORDINATE_LIMIT, Measured, Number, measure_bbox, measure_segmentation
from cocoannot.coco.rules import MAX_SIDE, Fields, is_integer, is_number
from cocoannot.errors import InvalidRecord

AREA_OFF, AREA_RATIO, EDGE_OFF = 1.0, 1e-3, 1.0
MASK_AREA_RATIO, MASK_EDGE_OFF = 0.5, 2.0
"""How far `area` and the edges of `bbox` may be off: square pixels, share of the larger one, pixels."""

_ROUNDING = 1e-6

Size = tuple[int, int]
"""Height and width of an image, in pixels."""


class RecordRepair:
    """The outcome: `kinds` of problems, `changes` to merge into the record (`None` removes a field), fields `lost`.

    `useless` tells that nothing of an annotation's geometry is left.
    """

    def __init__(self) -> None:
        self.kinds: list[str] = []
        self.changes: Fields = {}
        self.lost: list[str] = []
        self.useless = False

    def set(self, kind: str, field: str, value: object, *, lost: bool = False) -> None:
        if kind not in self.kinds:
            self.kinds.append(kind)
        self.changes[field] = value
        self.lost += [field] if lost else []


def without_infinite(value: Any) -> Any:
    """A JSON value without numbers that are not finite: null in a list, no field in an object; itself without any."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, list):
        items = [without_infinite(item) for item in value]
        return value if all(map(lambda new, old: new is old, items, value)) else items
    if isinstance(value, dict):
        pairs = {key: without_infinite(item) for key, item in value.items()}
        if all(pairs[key] is item for key, item in value.items()):
            return value
        return {key: new for key, new in pairs.items() if new is not None or value[key] is None}
    return value


def repair_annotation(
    record: Mapping[str, Any], size: Size | None, keypoints: int | None, *, finite: bool
) -> RecordRepair:
    """What an annotation should be; `size` is its image's, `keypoints` how many its category defines, if known.

    `finite` tells, here and below, that there are no infinite numbers to be looked for.
    """
    repair = RecordRepair()
    fields = dict(record) if finite else _finite(record, repair)
    measured = _repair_segmentation(fields, size, repair)
    if measured and repair.lost:
        repair.changes |= {field: value for field, value in measured._asdict().items() if field in record}
    else:
        box = _repair_bbox(fields, measured, repair)
        _repair_area(fields, measured, box, repair)
    _repair_keypoints(fields, keypoints, repair)
    if repair.lost or "not_finite" in repair.kinds:
        left = {**fields, **repair.changes}
        kept = ("segmentation", "bbox", "keypoints", "caption", "segments_info")
        repair.useless = any(record.get(field) for field in kept) and not any(left.get(field) for field in kept)
    return repair


def repair_image(record: Mapping[str, Any], *, finite: bool) -> RecordRepair:
    """What an image should be; `bad_size` comes without a change where only its picture could tell."""
    repair = RecordRepair()
    fields = dict(record) if finite else _finite(record, repair)
    if not is_text(fields.get("file_name")):
        repair.kinds.append("bad_file_name")
    if size_of(fields) is None:
        sides = {side: _written(fields.get(side)) for side in ("width", "height")}
        repair.kinds.append("bad_size")
        if size_of(sides) is not None:
            repair.changes |= sides
    return repair


def repair_category(record: Mapping[str, Any], record_id: int, *, finite: bool) -> RecordRepair:
    repair = RecordRepair()
    fields = dict(record) if finite else _finite(record, repair)
    if not is_text(fields.get("name")):
        repair.set("bad_name", "name", f"category {record_id}")
    return repair


def size_of(image: Mapping[str, Any]) -> Size | None:
    """Height and width, `None` where they are no sides that an image can have."""
    height, width = image.get("height"), image.get("width")
    if is_integer(height) and is_integer(width) and 1 <= height <= MAX_SIDE and 1 <= width <= MAX_SIDE:
        return int(height), int(width)
    return None


def is_text(value: object) -> bool:
    return isinstance(value, str) and bool(value.strip())


def count_labelled(keypoints: object, expected: int | None) -> int | None:
    """How many of `[x, y, v, x, y, v, ...]` have a v above 0, `None` where it is no such list of `expected` ones.

    Unlike the server for new ones, this takes any v: published files have their own.
    """
    if not isinstance(keypoints, list) or len(keypoints) % 3 or not all(map(_is_coordinate, keypoints)):
        return None
    if keypoints and expected is not None and len(keypoints) != 3 * expected:
        return None
    labels: list[Number] = keypoints[2::3]
    return sum(label > 0 for label in labels)


def _finite(record: Mapping[str, Any], repair: RecordRepair) -> Fields:
    fields = dict(record)
    for field, value in record.items():
        finite = without_infinite(value)
        if finite is not value:
            repair.set("not_finite", field, finite)
            fields[field] = finite
    return fields


def _repair_segmentation(fields: Fields, size: Size | None, repair: RecordRepair) -> Measured | None:
    segmentation = fields.get("segmentation")
    if segmentation is None or segmentation == []:
        return None
    if isinstance(segmentation, dict):
        try:
            return measure_segmentation(segmentation, *(size or _own_size(segmentation)))
        except InvalidRecord:
            repair.set("bad_rle", "segmentation", [], lost=True)
            return None
    polygons: list[Any] = segmentation if isinstance(segmentation, list) else []
    if measured := _measured(polygons):
        return measured
    if flat := _measured([polygons]):
        repair.set("bad_polygons", "segmentation", [polygons])
        return flat
    good = [polygon for polygon in polygons if _measured([polygon])]
    repair.set("bad_polygons", "segmentation", good, lost=True)
    return _measured(good)


def _measured(polygons: list[Any]) -> Measured | None:
    try:
        return measure_segmentation(polygons, None, None)
    except InvalidRecord:
        return None


def _own_size(segmentation: Mapping[str, Any]) -> tuple[int | None, int | None]:
    size = segmentation.get("size")
    if isinstance(size, list) and len(size) == 2:
        return size_of({"height": size[0], "width": size[1]}) or (None, None)
    return None, None


def _repair_bbox(fields: Fields, measured: Measured | None, repair: RecordRepair) -> list[Number] | None:
    """Returns the box as it should be, `None` for none."""
    bbox = fields.get("bbox")
    if bbox is None and (measured is None or "bbox" not in repair.changes):
        return None
    if measured is None:
        try:
            return measure_bbox(bbox).bbox
        except InvalidRecord:
            repair.set("bad_bbox", "bbox", None, lost=True)
            return None
    if bbox is None:
        repair.changes["bbox"] = measured.bbox
    elif not isinstance(bbox, list) or len(bbox) != 4 or not all(map(_is_coordinate, bbox)):
        repair.set("not_finite" if "bbox" in repair.changes else "bad_bbox", "bbox", measured.bbox)
    elif any(side <= 0 < true for side, true in zip(bbox[2:], measured.bbox[2:], strict=True)) or min(bbox[2:]) < 0:
        repair.set("bad_bbox", "bbox", measured.bbox)
    elif _edges_off(bbox, measured.bbox) > (MASK_EDGE_OFF if _is_mask(fields, repair) else EDGE_OFF) + _ROUNDING:
        repair.set("stale_bbox", "bbox", measured.bbox)
    return measured.bbox


def _repair_area(fields: Fields, measured: Measured | None, box: list[Number] | None, repair: RecordRepair) -> None:
    area = fields.get("area")
    right = measured.area if measured else box[2] * box[3] if box else None
    if area is None:
        if "area" in repair.changes:
            repair.changes["area"] = right
    elif not is_number(area) or not 0 <= area <= 2**53:
        repair.set("bad_area", "area", right)
    elif measured and _area_is_stale(area, measured.area, mask=_is_mask(fields, repair)):
        repair.set("stale_area", "area", measured.area)


def _repair_keypoints(fields: Fields, expected: int | None, repair: RecordRepair) -> None:
    if fields.get("keypoints") is None:
        return
    labelled = count_labelled(fields["keypoints"], expected)
    number = fields.get("num_keypoints")
    if labelled is None:
        repair.set("bad_keypoints", "keypoints", None, lost=True)
        repair.changes["num_keypoints"] = None
    elif "num_keypoints" in repair.changes:
        repair.changes["num_keypoints"] = labelled
    elif number is not None and number != labelled:
        repair.set("stale_num_keypoints", "num_keypoints", labelled)


def _area_is_stale(area: Number, right: Number, *, mask: bool) -> bool:
    return abs(area - right) > AREA_OFF + (MASK_AREA_RATIO if mask else AREA_RATIO) * max(area, right)


def _edges_off(box: list[Number], right: list[Number]) -> Number:
    """How many pixels the edge is off that is off most."""
    return max(
        abs(box[0] - right[0]),
        abs(box[1] - right[1]),
        abs(box[0] + box[2] - right[0] - right[2]),
        abs(box[1] + box[3] - right[1] - right[3]),
    )


def _is_mask(fields: Fields, repair: RecordRepair) -> bool:
    return isinstance(repair.changes.get("segmentation", fields.get("segmentation")), dict)


def _is_coordinate(value: object) -> bool:
    return is_number(value) and -COORDINATE_LIMIT <= value <= COORDINATE_LIMIT


def _written(value: object) -> object:
    if isinstance(value, str) and value.strip().isascii() and value.strip().isdecimal() and len(value) < 10:
        return int(value)
    return value
