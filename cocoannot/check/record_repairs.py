"""One record: what is wrong with its fields, and what they should be. Ids, references and the file are not known here.

Boxes and areas that programs have rounded are right: a polygon's area may be 1 square pixel and a thousandth off, an
edge of its box 1 pixel. A mask's area may be off by half and an edge by 2 pixels, because COCO's own crowds are: they
were measured before they became RLE.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from cocoannot.check.conversions import box_of, flag_of, keypoints_of, masks_of, number_of, polygons_of
from cocoannot.check.holes import has_hole
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
    """The outcome: `kinds` of problems, `changes` to merge into the record (`None` removes a field).

    Fields that are `lost` had more than what is left. Of the kinds, `left` are those that stay as they are. `useless`
    tells that nothing of an annotation's geometry is left; `box` is its box in the end.
    """

    def __init__(self) -> None:
        self.kinds: list[str] = []
        self.changes: Fields = {}
        self.lost: list[str] = []
        self.left: list[str] = []
        self.useless = False
        self.box: list[Number] | None = None

    def set(self, kind: str, field: str, value: object, *, lost: bool = False) -> None:
        if kind not in self.kinds:
            self.kinds.append(kind)
        self.changes[field] = value
        self.lost += [field] if lost else []

    def leave(self, kind: str) -> None:
        """Note a problem that a copy still has."""
        self.kinds.append(kind)
        self.left.append(kind)


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
    record: Mapping[str, Any], size: Size | None, keypoints: int | None, *, finite: bool, crowds: bool = True
) -> RecordRepair:
    """What an annotation should be; `size` is its image's, `keypoints` how many its category defines, if known.

    `finite` tells, here and below, that there are no infinite numbers to be looked for, `crowds` that annotations need
    `iscrowd`.
    """
    repair = RecordRepair()
    fields = dict(record) if finite else _finite(record, repair)
    had_bbox, had_area = _has(record, "bbox"), _has(record, "area")
    plain = "caption" in record or "segments_info" in record
    _repair_keypoints(fields, keypoints, repair)
    measured = _repair_segmentation(fields, size, repair)
    if measured and "segmentation" in repair.lost:
        repair.box = measured.bbox
        repair.changes |= {field: value for field, value in measured._asdict().items() if _has(record, field)}
    else:
        repair.box = _repair_bbox(fields, measured, repair)
        _repair_area(fields, measured, repair.box, repair)
    left = {**fields, **repair.changes}
    useful = any(left.get(field) for field in _GEOMETRY)
    repair.useless = any(record.get(field) for field in _GEOMETRY) and not useful
    if useful and not plain:
        if not had_bbox and not _has(left, "bbox") and repair.box:
            repair.set("no_bbox", "bbox", repair.box)
        area = measured.area if measured else repair.box[2] * repair.box[3] if repair.box else None
        if not had_area and not _has(left, "area") and area is not None:
            repair.set("no_area", "area", area)
    elif not useful and not plain and not repair.useless:
        repair.leave("no_geometry")
    if not plain:
        _repair_iscrowd(fields, repair, needed=crowds)
    return repair


_GEOMETRY = ("segmentation", "bbox", "keypoints", "caption", "segments_info")


def _has(record: Mapping[str, Any], field: str) -> bool:
    return record.get(field) not in (None, [], "")


def repair_image(record: Mapping[str, Any], *, finite: bool) -> RecordRepair:
    """What an image should be; `bad_size` comes without a change where only its picture could tell."""
    repair = RecordRepair()
    fields = dict(record) if finite else _finite(record, repair)
    if not is_text(fields.get("file_name")):
        repair.kinds.append("bad_file_name")
    if size_of(fields) is None:
        sides = {side: _side(fields.get(side)) for side in ("width", "height")}
        repair.kinds.append("bad_size")
        if size_of(sides) is not None:
            repair.changes |= sides
    return repair


def repair_category(record: Mapping[str, Any], record_id: int, *, finite: bool) -> RecordRepair:
    repair = RecordRepair()
    fields = dict(record) if finite else _finite(record, repair)
    if not is_text(fields.get("name")):
        repair.set("bad_name", "name", f"category {record_id}")
    if skeleton := skeleton_from_1(fields):
        repair.set("skeleton_from_0", "skeleton", skeleton)
    return repair


def size_of(image: Mapping[str, Any]) -> Size | None:
    """Height and width, `None` where they are no sides that an image can have."""
    height, width = image.get("height"), image.get("width")
    if is_integer(height) and is_integer(width) and 1 <= height <= MAX_SIDE and 1 <= width <= MAX_SIDE:
        return int(height), int(width)
    return None


def skeleton_from_1(category: Mapping[str, Any]) -> list[list[int]] | None:
    """The skeleton with 1 for the first keypoint, `None` where it is so already, or can't be told."""
    skeleton, keypoints = category.get("skeleton"), category.get("keypoints")
    if not isinstance(skeleton, list) or not isinstance(keypoints, list) or not skeleton:
        return None
    if not all(
        isinstance(bone, list) and len(bone) == 2 and all(type(end) is int for end in bone) for bone in skeleton
    ):
        return None
    ends = {end for bone in skeleton for end in bone}
    if min(ends) != 0 or max(ends) >= len(keypoints):
        return None
    return [[end + 1 for end in bone] for bone in skeleton]


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
        not segmentation or not {"size", "counts"}.isdisjoint(segmentation) or not polygons_changed(segmentation)
    )


def polygons_changed(value: object) -> bool:
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
        fits = box is not None and _edges_off(box, measured.bbox) <= MASK_EDGE_OFF
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


def _repair_bbox(fields: Fields, measured: Measured | None, repair: RecordRepair) -> list[Number] | None:
    """Returns the box as it should be, `None` for none."""
    given = fields.get("bbox")
    around = measured.bbox if measured else _around(repair.changes.get("keypoints", fields.get("keypoints")))
    if not _has(fields, "bbox"):
        if "bbox" in repair.changes and around:
            # It had numbers that are not finite.
            repair.changes["bbox"] = around
        return around
    box = box_of(given)
    right = box is not None and box == given
    if box is None or not all(map(_is_coordinate, box)):
        box, right = None, False
    if measured and (box is None or (not right and _edges_off(box, measured.bbox) > EDGE_OFF)):
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
    elif _edges_off(box, measured.bbox) > (MASK_EDGE_OFF if _is_mask(fields, repair) else EDGE_OFF) + _ROUNDING:
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
    elif measured and _area_is_stale(number, measured.area, mask=_is_mask(fields, repair)):
        repair.set("stale_area" if number is area else "bad_area", "area", measured.area)
    elif number is not area:
        repair.set("bad_area", "area", number)


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
    elif number is None:
        repair.set("no_num_keypoints", "num_keypoints", labelled)
    elif number != labelled:
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


def _side(value: object) -> object:
    if isinstance(value, str) and value.strip().isascii() and value.strip().isdecimal() and len(value) < 10:
        return int(value)
    return value
