"""Records and bodies of requests, for validation and for the OpenAPI document. Made once, at import.

Types and ranges are checked here; geometry, references and uniqueness by the dataset layer.
"""

from __future__ import annotations

from typing import Any, ClassVar

import marshmallow as ma
from marshmallow import fields, validate

from cocoannot.api.parsing import etags
from cocoannot.api.quick import QuickSchema
from cocoannot.coco.geometry import COORDINATE_LIMIT
from cocoannot.coco.parser import MAX_ID
from cocoannot.coco.rules import MAX_FILE_NAME, MAX_NAME, MAX_SIDE

MAX_OPERATIONS = 10_000

_NUMBERS = {"type": "array", "items": {"type": "number"}}
_COORDINATES = {
    "type": "array",
    "items": {"type": "number", "minimum": -COORDINATE_LIMIT, "maximum": COORDINATE_LIMIT},
}


def _segmentation(polygon: dict[str, Any], side: dict[str, Any], count: dict[str, Any]) -> dict[str, Any]:
    counts = [{"type": "array", "items": {"type": "integer", **count}}, {"type": "string"}]
    return {
        "oneOf": [
            {"type": "array", "description": "polygons, each [x, y, x, y, ...] in pixels", "items": polygon},
            {
                "type": "object",
                "description": "RLE of the image's size, [height, width]",
                "required": ["size", "counts"],
                "properties": {
                    "size": {"type": "array", "items": {"type": "integer", **side}, "minItems": 2, "maxItems": 2},
                    "counts": {"oneOf": counts},
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


class Open(QuickSchema):
    """A record: the fields named here, and any other, kept as they are."""

    class Meta:
        unknown = ma.INCLUDE

    @ma.post_load(pass_original=True)
    def _as_sent(self, data: dict[str, Any], original: dict[str, Any], **_: Any) -> dict[str, Any]:
        return original


class Sent(Open):
    """A record in a request."""

    more: ClassVar[dict[str, Any]] = {"propertyNames": {"pattern": "^([^_]|$)"}}
    """What OpenAPI tells of it beside its fields."""


class Closed(QuickSchema):
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
    return Whole(validate=validate.Range(0, 1), **options)


def _name(longest: int, **options: Any) -> fields.String:
    not_blank = {"pattern": r"[^\s\x1c-\x1f\x85]"}
    return fields.String(validate=validate.Length(1, longest), metadata=not_blank, **options)


def _supercategory() -> fields.String:
    return fields.String(allow_none=True, validate=validate.Length(max=MAX_NAME))


class Kind(fields.String):
    """What tells the operations of a batch apart: always the same text, which `Operation` has looked at before."""

    def __init__(self, text: str) -> None:
        super().__init__(required=True)
        self.text = text


class Version(fields.String):
    """The ETag that an annotation must have, as the set that `If-Match` would give."""

    def __init__(self) -> None:
        super().__init__(metadata={"description": "the ETag that the annotation must have, else 412"})

    def _deserialize(self, *args: Any, **options: Any) -> Any:
        return etags(super()._deserialize(*args, **options))


def _geometry(numbers: dict[str, Any], segmentation: dict[str, Any]) -> dict[str, fields.Field[Any]]:
    box = {**numbers, "minItems": 4, "maxItems": 4, "description": "[x, y, width, height] in pixels"}
    points = {**numbers, "description": "[x, y, v, ...] in pixels, v is 0, 1 or 2"}
    return {
        "segmentation": fields.Raw(allow_none=True, metadata=segmentation),
        "bbox": fields.Raw(allow_none=True, metadata=box),
        "area": fields.Raw(allow_none=True, metadata={"type": "number", "description": "square pixels"}),
        "keypoints": fields.Raw(allow_none=True, metadata=points),
        "caption": fields.String(allow_none=True),
        "iscrowd": _flag(allow_none=True),
    }


_SENT = _geometry(
    _COORDINATES, _segmentation({**_COORDINATES, "minItems": 6}, {"minimum": 1, "maximum": MAX_SIDE}, {"minimum": 0})
)
_STORED = _geometry(_NUMBERS, _segmentation(_NUMBERS, {}, {}))

NewAnnotation = Sent.from_dict(
    {"id": _id(), "image_id": _reference(required=True), "category_id": _reference(allow_none=True), **_SENT},
    name="NewAnnotation",
)
AnnotationChanges = Sent.from_dict(
    {"image_id": _reference(), "category_id": _reference(allow_none=True), **_SENT}, name="AnnotationChanges"
)
RestoredAnnotation = Sent.from_dict(
    {
        "id": _reference(required=True),
        "image_id": _reference(required=True),
        "category_id": _reference(allow_none=True),
        **_SENT,
        "bbox": fields.Raw(
            metadata={**_SENT["bbox"].metadata, "items": {"type": "number", "minimum": -(2**53), "maximum": 2**53}}
        ),
        "area": fields.Raw(metadata={**_SENT["area"].metadata, "minimum": 0, "maximum": 2**53}),
        "caption": fields.String(),
    },
    name="RestoredAnnotation",
)
Annotation = Open.from_dict(
    {"id": _reference(), "image_id": _reference(), "category_id": _reference(allow_none=True), **_STORED},
    name="Annotation",
)
ListedAnnotation = Annotation.from_dict({"_etag": fields.String()}, name="ListedAnnotation")
NewImage = Sent.from_dict(
    {
        "id": _id(),
        "file_name": _name(MAX_FILE_NAME, required=True),
        "width": _side(required=True),
        "height": _side(required=True),
    },
    name="NewImage",
)
ImageChanges = Sent.from_dict(
    {"file_name": _name(MAX_FILE_NAME), "width": _side(), "height": _side()}, name="ImageChanges"
)
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
NewCategory = Sent.from_dict(
    {"id": _id(), "name": _name(MAX_NAME, required=True), "supercategory": _supercategory()}, name="NewCategory"
)
CategoryChanges = Sent.from_dict({"name": _name(MAX_NAME), "supercategory": _supercategory()}, name="CategoryChanges")
Category = Open.from_dict(
    {"id": _reference(required=True), "name": fields.String(), "supercategory": fields.String(allow_none=True)},
    name="Category",
)
ListedCategory = Category.from_dict({"_annotation_count": fields.Integer()}, name="ListedCategory")


class AddOperation(Closed):
    """Add an annotation."""

    op = Kind("add")
    annotation = fields.Nested(NewAnnotation, required=True)


class UpdateOperation(Closed):
    """Change fields of an annotation."""

    op = Kind("update")
    id = _reference(required=True)
    changes = fields.Nested(AnnotationChanges, required=True)
    if_match = Version()


class DeleteOperation(Closed):
    """Delete an annotation."""

    op = Kind("delete")
    id = _reference(required=True)
    if_match = Version()


class RestoreOperation(Closed):
    """Put a deleted annotation back as it was, id, area and all."""

    op = Kind("restore")
    annotation = fields.Nested(RestoredAnnotation, required=True)


class Operation(fields.Field[dict[str, Any]]):
    """One operation of a batch; `op` tells which of `KINDS` it is."""

    KINDS: ClassVar[dict[str, ma.Schema]] = {
        "add": AddOperation(),
        "update": UpdateOperation(),
        "delete": DeleteOperation(),
        "restore": RestoreOperation(),
    }

    def _deserialize(self, value: Any, *_: Any, **__: Any) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise ma.ValidationError({"_schema": ["Invalid input type."]})
        op = value.get("op")
        if not isinstance(op, str) or op not in self.KINDS:
            raise ma.ValidationError({"op": [f"Must be one of: {', '.join(self.KINDS)}."]})
        loaded: dict[str, Any] = self.KINDS[op].load(value)
        return loaded


class Batch(Closed):
    """Operations that are done together, or not at all."""

    operations = fields.List(Operation(), required=True, validate=validate.Length(max=MAX_OPERATIONS))


class Login(Closed):
    """The token, to be traded for a cookie."""

    token = fields.String(required=True, validate=validate.Length(1, 4096))


class OnConflict(Closed):
    """What to do where something else changed the file, or the object in S3."""

    optional = True

    on_conflict = fields.String(validate=validate.OneOf(["overwrite"]))


class Replacement(Closed):
    """What `PUT /api/dataset` replaces."""

    images = fields.List(fields.Nested(Image), required=True)
    annotations = fields.List(fields.Nested(Annotation), required=True)
    categories = fields.List(fields.Nested(Category))
    info = fields.Raw()
    licenses = fields.Raw()
