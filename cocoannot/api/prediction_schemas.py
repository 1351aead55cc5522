"""What requests and answers about predictions hold, for validation and for the OpenAPI document. Made at import."""

from __future__ import annotations

from typing import Any

import marshmallow as ma
from marshmallow import fields, validate

from cocoannot.api.body_schemas import Closed, Record
from cocoannot.api.query_schemas import Query
from cocoannot.coco.fields import is_integer, is_number
from cocoannot.coco.parser import MAX_ID
from cocoannot.predictions.columns import KINDS

MOST_IDS = 10_000

_FINITE = 1e300


def _check_id(value: object) -> None:
    if not is_integer(value) or abs(value) > MAX_ID:
        raise ma.ValidationError("Not a valid integer.")


def _check_score(value: object) -> None:
    if not is_number(value) or not -_FINITE <= value <= _FINITE:
        raise ma.ValidationError("Not a valid number.")


def _check_share(value: object) -> None:
    if not is_number(value) or not 0 < value <= 1:
        raise ma.ValidationError("Must be a number above 0, and at most 1.")


def _check_flag(value: object) -> None:
    if type(value) is not bool:
        raise ma.ValidationError("Not a valid boolean.")


def _id(**options: Any) -> fields.Raw:
    schema = {"type": "integer", "minimum": -MAX_ID, "maximum": MAX_ID}
    return fields.Raw(validate=_check_id, metadata={**schema, **options})


class Decision(Closed):
    """Which predictions of a layer: `ids`, or those with at least `min_score`, on one image or on all."""

    ids = fields.List(_id(), validate=validate.Length(1, MOST_IDS))
    image_id = _id()
    min_score = fields.Raw(validate=_check_score, metadata={"type": "number", "minimum": -_FINITE, "maximum": _FINITE})

    @ma.validates_schema
    def check_choice(self, data: dict[str, Any], **_: Any) -> None:
        """Either `ids`, or `min_score`; never all by mistake."""
        if ("ids" in data) == ("min_score" in data) or ("ids" in data and "image_id" in data):
            raise ma.ValidationError("give either ids, or min_score, or image_id and min_score")


class Acceptance(Decision):
    """The same; `max_iou` leaves out those that have so much or more with an annotation of their category."""

    max_iou = fields.Raw(
        validate=_check_share,
        metadata={"type": "number", "exclusiveMinimum": 0, "maximum": 1, "description": "0.9 if it is not given"},
    )

    @ma.validates_schema
    def check_use(self, data: dict[str, Any], **_: Any) -> None:
        """What is chosen by id is accepted whatever is there."""
        if "max_iou" in data and "min_score" not in data:
            raise ma.ValidationError("is for min_score; leave it out", "max_iou")


class Rejection(Decision):
    """The same; `rejected: false` makes rejected ones open again."""

    rejected = fields.Raw(load_default=True, validate=_check_flag, metadata={"type": "boolean"})


class PredictionList(ma.Schema):
    """A list of results, or a dataset whose annotations have a score."""


class PredictionsQuery(Query):
    names = fields.List(
        fields.String(),
        data_key="name",
        load_default=list,
        metadata={"description": "layers; all where none is given"},
    )
    min_score = fields.Float(
        load_default=-_FINITE,
        allow_nan=False,
        metadata={"description": "those with at least this score"},
    )


class Layer(ma.Schema):
    """How much there is of a layer, and what became of it; name and `problem` alone where it can't be read."""

    name = fields.String(required=True)
    version = fields.String(metadata={"description": "a hash of what was uploaded"})
    created = fields.DateTime()
    bytes = fields.Integer()
    kinds = fields.List(fields.String(validate=validate.OneOf(KINDS)))
    images = fields.Integer(metadata={"description": "images with predictions"})
    predictions = fields.Integer()
    min_score = fields.Float(allow_none=True)
    max_score = fields.Float(allow_none=True)
    open = fields.Integer(metadata={"description": "of which nobody has decided yet"})
    accepted = fields.Integer(metadata={"description": "that annotations came of"})
    rejected = fields.Integer()
    missing = fields.Integer(metadata={"description": "whose image or category is not there any more"})
    problem = fields.String(metadata={"description": "why it can't be read"})


class ImagePrediction(Record):
    """A prediction as it was uploaded, with an id, and what annotations make of it."""

    id = fields.Integer()
    image_id = fields.Integer()
    category_id = fields.Integer()
    score = fields.Float()
    layer = fields.String(data_key="_layer")
    version = fields.String(data_key="_version")
    status = fields.String(data_key="_status", validate=validate.OneOf(["open", "accepted", "rejected", "missing"]))
    iou = fields.Float(
        data_key="_iou", metadata={"description": "with the annotation of its category that is most like it, by boxes"}
    )
    covered = fields.Boolean(data_key="_covered", metadata={"description": "whether that is at least 0.9"})
    covered_by = fields.Integer(data_key="_covered_by", allow_none=True, metadata={"description": "that annotation"})


class AcceptedAnnotation(ma.Schema):
    prediction_id = fields.Integer()
    id = fields.Integer(metadata={"description": "the annotation's"})
    etag = fields.String()


class AcceptedPredictions(ma.Schema):
    accepted = fields.Integer()
    left_out = fields.Integer(
        metadata={"description": "accepted, rejected or covered already, or of an image or category that is gone"}
    )
    annotations = fields.List(fields.Nested(AcceptedAnnotation))


class RejectedPredictions(ma.Schema):
    rejected = fields.Integer(metadata={"description": "or, with `rejected: false`, that are open again"})
    left_out = fields.Integer()
