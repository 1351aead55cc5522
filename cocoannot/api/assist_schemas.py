"""What is asked for outlines and answered, for validation and for the OpenAPI document. Made at import."""

from __future__ import annotations

from typing import Any

import marshmallow as ma
from marshmallow import fields, validate

from cocoannot.api.body_schemas import Closed
from cocoannot.coco.fields import is_number

MOST_POINTS = 100

_FARTHEST = 1_000_000
"""Pixels; pictures are smaller."""

_NUMBER = {"type": "number", "minimum": -_FARTHEST, "maximum": _FARTHEST}
_POINT = {"type": "array", "items": _NUMBER, "minItems": 2, "maxItems": 2}
_BOX = {"type": "array", "items": _NUMBER, "minItems": 4, "maxItems": 4}


def _are_numbers(value: object, count: int) -> bool:
    return (
        isinstance(value, list)
        and len(value) == count
        and all(is_number(each) and -_FARTHEST <= each <= _FARTHEST for each in value)
    )


def _check_box(value: Any) -> None:
    if not _are_numbers(value, 4) or value[2] <= 0 or value[3] <= 0:
        raise ma.ValidationError("Must be [x, y, width, height] in pixels, with a width and a height above 0.")


def _check_point(value: object) -> None:
    if not _are_numbers(value, 2):
        raise ma.ValidationError("Must be [x, y] in pixels.")


class OutlineBody(Closed):
    """By what an object is to be found: a box around it, or points in it and beside it."""

    box = fields.Raw(validate=_check_box, metadata={**_BOX, "description": "`[x, y, width, height]` in pixels"})
    inside = fields.List(
        fields.Raw(validate=_check_point, metadata=_POINT),
        load_default=list,
        validate=validate.Length(max=MOST_POINTS),
        metadata={"description": "points that are in it"},
    )
    outside = fields.List(
        fields.Raw(validate=_check_point, metadata=_POINT),
        load_default=list,
        validate=validate.Length(max=MOST_POINTS),
        metadata={"description": "points that are not"},
    )

    @ma.validates_schema
    def check_choice(self, data: dict[str, Any], **_: Any) -> None:
        """Points that are not in it say nothing alone."""
        if "box" not in data and not data.get("inside"):
            raise ma.ValidationError("give a box, or a point that is inside, or both")


class Outline(ma.Schema):
    """An object that was found; all are null where nothing was."""

    segmentation = fields.Raw(allow_none=True, metadata={"description": "COCO's compressed RLE, of the image's size"})
    bbox = fields.List(fields.Integer(), allow_none=True, metadata={"description": "the mask's box"})
    score = fields.Float(allow_none=True, metadata={"description": "how sure the model is, 0 to 1; null without one"})


class Assistance(ma.Schema):
    """What the server can find."""

    box = fields.Boolean(metadata={"description": "the object in a box"})
    points = fields.Boolean(metadata={"description": "the object at points, by a model"})
