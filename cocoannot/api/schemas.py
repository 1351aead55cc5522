"""What requests may hold and answers do hold, for validation and for the OpenAPI document. Made once, at import.

Types and ranges are checked here; geometry, references and uniqueness by the dataset layer.
"""

from __future__ import annotations

from typing import Any

import marshmallow as ma
from marshmallow import fields, validate

from cocoannot.api.parsing import etags
from cocoannot.dataset.document import MAX_ID
from cocoannot.dataset.queries import SORTS
from cocoannot.dataset.rules import MAX_SIDE

MAX_OPERATIONS = 10_000

_NUMBERS = {"type": "array", "items": {"type": "number"}}
_SEGMENTATION = {
    "oneOf": [
        {"type": "array", "description": "polygons, each [x, y, x, y, ...] in pixels", "items": _NUMBERS},
        {
            "type": "object",
            "description": "RLE of the image's size",
            "required": ["size", "counts"],
            "properties": {
                "size": {"type": "array", "items": {"type": "integer"}, "minItems": 2, "maxItems": 2},
                "counts": {"oneOf": [{"type": "array", "items": {"type": "integer"}}, {"type": "string"}]},
            },
        },
        {"type": "null"},
    ]
}


class Whole(fields.Integer):
    """A JSON integer; `7.0` counts, `"7"` and `true` do not."""

    def __init__(self, **options: Any) -> None:
        super().__init__(strict=True, **options)

    def _validated(self, value: Any) -> Any:
        return super()._validated(int(value) if isinstance(value, float) and value.is_integer() else value)


class Open(ma.Schema):
    """A record: the fields named here, and any other, kept as they are."""

    class Meta:
        unknown = ma.INCLUDE

    @ma.post_load(pass_original=True)
    def _as_sent(self, data: dict[str, Any], original: dict[str, Any], **_: Any) -> dict[str, Any]:
        return original


class Closed(ma.Schema):
    """An object that has the fields named here and no others."""

    class Meta:
        unknown = ma.RAISE


def _id(**options: Any) -> Whole:
    return Whole(validate=validate.Range(0, MAX_ID), **options)


def _reference(**options: Any) -> Whole:
    return Whole(validate=validate.Range(-MAX_ID, MAX_ID), **options)


def _side(**options: Any) -> Whole:
    return Whole(validate=validate.Range(1, MAX_SIDE), metadata={"description": "pixels"}, **options)


def _flag(**options: Any) -> Whole:
    return Whole(validate=validate.OneOf([0, 1]), **options)


def _name(**options: Any) -> fields.String:
    return fields.String(validate=validate.Length(1), **options)


def _geometry() -> dict[str, fields.Field[Any]]:
    return {
        "segmentation": fields.Raw(allow_none=True, metadata=_SEGMENTATION),
        "bbox": fields.Raw(
            allow_none=True,
            metadata={**_NUMBERS, "minItems": 4, "maxItems": 4, "description": "[x, y, width, height] in pixels"},
        ),
        "area": fields.Raw(allow_none=True, metadata={"type": "number", "description": "square pixels"}),
        "keypoints": fields.Raw(
            allow_none=True, metadata={**_NUMBERS, "description": "[x, y, v, ...] in pixels, v is 0, 1 or 2"}
        ),
        "caption": fields.String(allow_none=True),
        "iscrowd": _flag(allow_none=True),
    }


NewAnnotation = Open.from_dict(
    {"id": _id(), "image_id": _reference(required=True), "category_id": _reference(allow_none=True), **_geometry()},
    name="NewAnnotation",
)
AnnotationChanges = Open.from_dict(
    {"image_id": _reference(), "category_id": _reference(allow_none=True), **_geometry()}, name="AnnotationChanges"
)
Annotation = Open.from_dict(
    {"id": _reference(), "image_id": _reference(), "category_id": _reference(allow_none=True), **_geometry()},
    name="Annotation",
)
ListedAnnotation = Annotation.from_dict({"_etag": fields.String()}, name="ListedAnnotation")
NewImage = Open.from_dict(
    {"id": _id(), "file_name": _name(required=True), "width": _side(required=True), "height": _side(required=True)},
    name="NewImage",
)
ImageChanges = Open.from_dict({"file_name": _name(), "width": _side(), "height": _side()}, name="ImageChanges")
Image = Open.from_dict(
    {"id": _reference(required=True), "file_name": fields.String(), "width": Whole(), "height": Whole()}, name="Image"
)
ListedImage = Image.from_dict(
    {
        "_annotation_count": fields.Integer(),
        "_annotations": fields.List(fields.Nested(Annotation)),
        "_etag": fields.String(),
    },
    name="ListedImage",
)
NewCategory = Open.from_dict(
    {"id": _id(), "name": _name(required=True), "supercategory": fields.String(allow_none=True)}, name="NewCategory"
)
CategoryChanges = Open.from_dict(
    {"name": _name(), "supercategory": fields.String(allow_none=True)}, name="CategoryChanges"
)
Category = Open.from_dict(
    {"id": _reference(required=True), "name": fields.String(), "supercategory": fields.String(allow_none=True)},
    name="Category",
)
ListedCategory = Category.from_dict({"_annotation_count": fields.Integer()}, name="ListedCategory")


class Operation(Closed):
    """One operation of a batch."""

    op = fields.String(required=True, validate=validate.OneOf(["add", "update", "delete", "restore"]))
    id = _reference(metadata={"description": "of the annotation, for update and delete"})
    annotation = fields.Nested(NewAnnotation, metadata={"description": "for add and restore"})
    changes = fields.Nested(AnnotationChanges, metadata={"description": "for update"})
    if_match = fields.String(metadata={"description": "the ETag that the annotation must have, for update and delete"})

    @ma.validates_schema
    def _complete(self, data: dict[str, Any], **_: Any) -> None:
        needed = {"add": {"annotation"}, "restore": {"annotation"}, "update": {"id", "changes"}, "delete": {"id"}}
        allowed = {"update": {"if_match"}, "delete": {"if_match"}}
        op = data["op"]
        wrong = {field: [f"is required for {op}"] for field in needed[op] - data.keys()}
        extra = data.keys() - needed[op] - allowed.get(op, set()) - {"op"}
        wrong |= {field: [f"is not for {op}"] for field in extra}
        if wrong:
            raise ma.ValidationError(wrong)

    @ma.post_load
    def _versions(self, data: dict[str, Any], **_: Any) -> dict[str, Any]:
        return {**data, "if_match": etags(data["if_match"])} if "if_match" in data else data


class Batch(Closed):
    """Operations that are done together, or not at all."""

    operations = fields.List(fields.Nested(Operation), required=True, validate=validate.Length(max=MAX_OPERATIONS))


class OnConflict(Closed):
    """What to do where something else changed the file."""

    optional = True

    on_conflict = fields.String(validate=validate.OneOf(["overwrite"]))


class Replacement(Closed):
    """What `PUT /api/dataset` replaces."""

    images = fields.List(fields.Nested(Image), required=True)
    annotations = fields.List(fields.Nested(Annotation), required=True)
    categories = fields.List(fields.Nested(Category))
    info = fields.Raw()
    licenses = fields.Raw()


class Query(ma.Schema):
    """Query parameters; those that are not known are ignored."""

    class Meta:
        unknown = ma.EXCLUDE


class ImageListQuery(Query):
    file_name = fields.String(load_default="", metadata={"description": "part of the file name"})
    category_id = fields.List(
        fields.Integer(), load_default=list, metadata={"description": "images with any of these categories"}
    )
    annotated = fields.Boolean(truthy={"true"}, falsy={"false"})
    sort = fields.String(load_default="position", validate=validate.OneOf(SORTS))
    derived = fields.List(
        fields.String(validate=validate.OneOf(["annotation_count", "annotations", "etag"])),
        data_key="with",
        load_default=list,
    )


class WithEtag(Query):
    derived = fields.List(fields.String(validate=validate.OneOf(["etag"])), data_key="with", load_default=list)


class AnnotationListQuery(WithEtag):
    image_id = fields.Integer()
    category_id = fields.Integer()
    iscrowd = fields.Integer(validate=validate.OneOf([0, 1]))


class CategoryListQuery(Query):
    derived = fields.List(
        fields.String(validate=validate.OneOf(["annotation_count"])), data_key="with", load_default=list
    )


class ReassignQuery(Query):
    reassign_to = fields.Integer(metadata={"description": "category that takes the annotations"})


class Counts(ma.Schema):
    images = fields.Integer()
    annotations = fields.Integer()
    categories = fields.Integer()


class DatasetHead(ma.Schema):
    info = fields.Raw(allow_none=True)
    licenses = fields.Raw(allow_none=True)
    categories = fields.List(fields.Nested(Category))
    counts = fields.Nested(Counts)
    revision = fields.Integer()


class Flushed(ma.Schema):
    saved = fields.Boolean()
    summary = fields.String(metadata={"example": "3 annotation(s) added"})
    revision = fields.Integer()


class DeletedImage(ma.Schema):
    annotations_deleted = fields.Integer()


class BatchResult(ma.Schema):
    annotation = fields.Nested(Annotation, allow_none=True)
    etag = fields.String(allow_none=True)


class BatchResults(ma.Schema):
    results = fields.List(fields.Nested(BatchResult))


class DatasetStatus(ma.Schema):
    uri = fields.String()
    path = fields.String()
    loaded_at = fields.DateTime()
    bytes = fields.Integer()
    counts = fields.Nested(Counts)
    warnings = fields.List(fields.String())


class RevisionStatus(ma.Schema):
    memory = fields.Integer()
    journal = fields.Integer(allow_none=True)
    file = fields.Integer()
    s3 = fields.Integer(allow_none=True)


PendingStatus = ma.Schema.from_dict(
    {
        **{
            f"{section}_{action}": fields.Integer()
            for section in ("annotations", "categories", "images")
            for action in ("added", "updated", "deleted")
        },
        "summary": fields.String(),
        "since": fields.DateTime(allow_none=True),
    },
    name="PendingStatus",
)


class SaverStatus(ma.Schema):
    interval = fields.Float(metadata={"description": "seconds"})
    next_save_in = fields.Float(allow_none=True, metadata={"description": "seconds"})
    last_saved_at = fields.DateTime(allow_none=True)
    last_save_seconds = fields.Float(allow_none=True)
    last_error = fields.String(allow_none=True)


class Status(ma.Schema):
    version = fields.String()
    dataset = fields.Nested(DatasetStatus)
    revision = fields.Nested(RevisionStatus)
    pending = fields.Nested(PendingStatus)
    saver = fields.Nested(SaverStatus)
    s3 = fields.Raw(allow_none=True)
