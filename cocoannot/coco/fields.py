"""What a field of a record may hold: a check for the rules, and the same as a JSON schema for who reads about it.

The one place where types, ranges and lengths stand. What fields mean together is decided in `rules`,
`annotation_rules` and `geometry`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, TypeGuard

from cocoannot.coco.geometry import COORDINATE_LIMIT
from cocoannot.coco.parser import MAX_ID

MAX_SIDE = 65_535
"""Largest width or height of an image, in pixels."""

MAX_NAME = 1_000
"""Longest name or supercategory of a category, in characters."""

MAX_FILE_NAME = 4_096
"""Longest `file_name` of an image, in characters: a path on Linux has no more bytes."""

MAX_AREA = 2**53
"""Largest `area`, in square pixels."""

_NOT_BLANK = r"[^\s\x1c-\x1f\x85]"

Schema = dict[str, Any]


class Field(NamedTuple):
    """One field: `problem(value)` says what is wrong with a value that is not null, `None` for nothing.

    `nullable` tells whether null is taken too, which then means "none".
    """

    problem: Callable[[object], str | None]
    schema: Schema
    nullable: bool = False


def is_number(value: object) -> TypeGuard[int | float]:
    """Whether `value` is a number; to Python, `True` is one too."""
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def is_integer(value: object) -> TypeGuard[int | float]:
    """Whether `value` is an integer; `7.0` counts."""
    return is_number(value) and (isinstance(value, int) or value.is_integer())


def unstorable(value: object) -> str | None:
    """Why a JSON value can't be stored as it is; `None` where it can."""
    if type(value) is int and -(2**63) <= value < 2**63:
        return None
    waiting = [value]
    while waiting:
        item = waiting.pop()
        if isinstance(item, int):
            if not -(2**63) <= item < 2**63:
                return "holds an integer that does not fit into 64 bits"
        elif isinstance(item, float):
            if not math.isfinite(item):
                return "holds a number that is not finite"
        elif isinstance(item, (list, tuple)):
            waiting.extend(item)
        elif isinstance(item, dict):
            waiting.extend(item.values())
    return None


def _integer(low: int, high: int, *, nullable: bool = False, description: str = "", why: str = "") -> Field:
    unit = f", in {description}" if description else ""
    reason = f": {why}" if why else ""
    message = f"must be an integer from {_written(low)} to {_written(high)}{unit}{reason}"

    def problem(value: object) -> str | None:
        return None if is_integer(value) and low <= value <= high else message

    schema: Schema = {"type": "integer", "minimum": low, "maximum": high}
    return Field(problem, {**schema, "description": description} if description else schema, nullable)


def _text(longest: int | None = None, *, blank: bool = True, nullable: bool = False) -> Field:
    def problem(value: object) -> str | None:
        if not isinstance(value, str):
            return "must be a text"
        if not blank and not value.strip():
            return "must be a text that is not empty"
        if longest is not None and len(value) > longest:
            return f"must have at most {longest} characters"
        return None

    schema: Schema = {"type": "string"}
    if longest is not None:
        schema["maxLength"] = longest
    if not blank:
        schema |= {"minLength": 1, "pattern": _NOT_BLANK}
    return Field(problem, schema, nullable)


def _number(low: float, high: float, message: str, description: str) -> Field:
    def problem(value: object) -> str | None:
        return None if is_number(value) and low <= value <= high else message

    return Field(problem, {"type": "number", "minimum": low, "maximum": high, "description": description}, True)


def _keypoint_names() -> Field:
    def problem(value: object) -> str | None:
        if isinstance(value, list) and all(isinstance(name, str) and name.strip() for name in value):
            return None
        return "must be a list of texts, the name of each keypoint"

    name: Schema = {"type": "string", "minLength": 1, "pattern": _NOT_BLANK}
    return Field(problem, {"type": "array", "items": name, "description": "names of the keypoints"}, True)


def _skeleton() -> Field:
    def problem(value: object) -> str | None:
        pairs: list[Any] = value if isinstance(value, list) else [None]
        if all(isinstance(pair, list) and len(pair) == 2 and all(map(is_integer, pair)) for pair in pairs):
            return None if all(end >= 1 for pair in pairs for end in pair) else "counts keypoints from 1, not from 0"
        return "must be a list of pairs of keypoints, [[1, 2], ...], counted from 1"

    pair: Schema = {"type": "array", "items": {"type": "integer", "minimum": 1}, "minItems": 2, "maxItems": 2}
    return Field(problem, {"type": "array", "items": pair, "description": "pairs of keypoints, counted from 1"}, True)


def _written(number: int) -> str:
    return {MAX_ID: "2^53 - 1", -MAX_ID: "-(2^53 - 1)"}.get(number, f"{number:,}")


NEW_ID = _integer(0, MAX_ID, nullable=True)
"""An id that a client brings for a new record; null is none."""

NEW_ANNOTATION_ID = _integer(1, MAX_ID, nullable=True, why="pycocotools counts an annotation with id 0 as not found")
"""The same for an annotation: pycocotools marks a detection with the id of what it matches, and 0 is for nothing."""

ID = _integer(-MAX_ID, MAX_ID)
"""An id that a file may hold, or that a record refers to."""

SIDE = _integer(1, MAX_SIDE, description="pixels")
FLAG = _integer(0, 1, nullable=True)
CAPTION = _text(nullable=True)
AREA = _number(0, MAX_AREA, "must be a number of square pixels, not negative", "square pixels")

IMAGE: Mapping[str, Field] = {"file_name": _text(MAX_FILE_NAME, blank=False), "width": SIDE, "height": SIDE}
"""The fields that an image must have."""

CATEGORY: Mapping[str, Field] = {"name": _text(MAX_NAME, blank=False)}
"""The fields that a category must have."""

SUPERCATEGORY = _text(MAX_NAME, nullable=True)

KEYPOINTS: Mapping[str, Field] = {"keypoints": _keypoint_names(), "skeleton": _skeleton()}
"""What a category may tell of the keypoints of its annotations."""


def geometry_schemas() -> dict[str, Schema]:
    """The JSON schemas of the geometry that an annotation is given. See `geometry`."""
    side: Schema = {"type": "integer", "minimum": 1, "maximum": MAX_SIDE}
    counts: Schema = {"oneOf": [{"type": "array", "items": {"type": "integer", "minimum": 0}}, {"type": "string"}]}
    mask = {
        "type": "object",
        "description": "RLE of the image's size, [height, width]",
        "required": ["size", "counts"],
        "properties": {"size": {"type": "array", "items": side, "minItems": 2, "maxItems": 2}, "counts": counts},
    }
    polygons = {
        "type": "array",
        "description": "polygons, each [x, y, x, y, ...] in pixels",
        "items": _coordinates(minItems=6),
    }
    return {
        "segmentation": {"oneOf": [polygons, mask, {"type": "null"}]},
        "bbox": _coordinates(minItems=4, maxItems=4, description="[x, y, width, height] in pixels"),
        "keypoints": _coordinates(description="[x, y, v, ...] in pixels, v is 0, 1 or 2"),
    }


def _coordinates(**more: Any) -> Schema:
    item = {"type": "number", "minimum": -COORDINATE_LIMIT, "maximum": COORDINATE_LIMIT}
    return {"type": "array", "items": item, **more}
