"""One image or category: what is wrong with its fields, and what they should be; annotations are looked at beside it.

Ids, references and the file are not known here.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from cocoannot.coco.fields import MAX_SIDE, is_integer, is_number
from cocoannot.coco.geometry import COORDINATE_LIMIT, Number
from cocoannot.coco.rules import Errors, Fields, check_keypoints

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


def repair_image(record: Mapping[str, Any], *, finite: bool) -> RecordRepair:
    """What an image should be; `bad_size` comes without a change where only its picture could tell."""
    repair = RecordRepair()
    fields = dict(record) if finite else finite_fields(record, repair)
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
    fields = dict(record) if finite else finite_fields(record, repair)
    if not is_text(fields.get("name")):
        repair.set("bad_name", "name", f"category {record_id}")
    errors: Errors = {}
    check_keypoints(errors, fields)
    if skeleton := skeleton_from_1(fields):
        repair.set("skeleton_from_0", "skeleton", skeleton)
    elif errors:
        repair.leave("bad_skeleton")
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
    if not isinstance(keypoints, list) or len(keypoints) % 3 or not all(map(is_coordinate, keypoints)):
        return None
    if keypoints and expected is not None and len(keypoints) != 3 * expected:
        return None
    labels: list[Number] = keypoints[2::3]
    return sum(label > 0 for label in labels)


def finite_fields(record: Mapping[str, Any], repair: RecordRepair) -> Fields:
    fields = dict(record)
    for field, value in record.items():
        finite = without_infinite(value)
        if finite is not value:
            repair.set("not_finite", field, finite)
            fields[field] = finite
    return fields


def is_coordinate(value: object) -> bool:
    return is_number(value) and -COORDINATE_LIMIT <= value <= COORDINATE_LIMIT


def _side(value: object) -> object:
    if isinstance(value, str) and value.strip().isascii() and value.strip().isdecimal() and len(value) < 10:
        return int(value)
    return value
