"""Records and bodies of requests, for the OpenAPI document. Made once, at import.

What fields may hold stands in `cocoannot.coco.fields`; the schemas here only say it in marshmallow's way. Bodies that
are records are taken as they are, and checked by the rules of the layer below, which every other way in has too.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Any, ClassVar

import marshmallow as ma
import msgspec
from marshmallow import fields, validate

from cocoannot.api.parsing import decode, etags
from cocoannot.changes.operations import Add, Delete, Operation, Restore, Update
from cocoannot.coco.fields import (
    AREA,
    CAPTION,
    CATEGORY,
    FLAG,
    ID,
    IMAGE,
    KEYPOINTS,
    NEW_ANNOTATION_ID,
    NEW_ID,
    SUPERCATEGORY,
    Field,
    Schema,
    geometry_schemas,
)
from cocoannot.coco.parser import MAX_ID

MAX_OPERATIONS = 10_000


class Record(ma.Schema):
    """A record: the fields named here, and any other, kept as they are."""

    class Meta:
        unknown = ma.INCLUDE

    def load(self, data: Any, **_: Any) -> Any:
        """`data`, which must be an object; its fields are looked at by the rules."""
        if not isinstance(data, dict):
            raise ma.ValidationError({"_schema": ["Invalid input type."]})
        return data


class RequestRecord(Record):
    """A record in a request."""

    more: ClassVar[Schema] = {"propertyNames": {"pattern": "^([^_]|$)"}}
    """What OpenAPI tells of it beside its fields."""


class Closed(ma.Schema):
    """An object that has the fields named here and no others."""

    class Meta:
        unknown = ma.RAISE


def _documented(schema: Schema, *, nullable: bool = False, required: bool = False) -> fields.Raw:
    if nullable and "type" in schema:
        schema = {**schema, "type": [schema["type"], "null"]}
    return fields.Raw(required=required, metadata=schema)


def _field(field: Field, *, required: bool = False) -> fields.Raw:
    return _documented(field.schema, nullable=field.nullable, required=required)


def _record_fields(declared: Mapping[str, Field], *, required: bool = False) -> dict[str, fields.Field[Any]]:
    return {name: _field(field, required=required) for name, field in declared.items()}


def _stored_geometry() -> dict[str, fields.Raw]:
    """Of a stored record, which may come from a file that has anything there."""
    geometry = ("segmentation", "bbox", "keypoints", "area", "caption", "iscrowd")
    return {name: _documented({"description": "as the file has it"}) for name in geometry}


def _geometry(*, removable: bool = True) -> dict[str, fields.Raw]:
    """`removable` tells whether null is taken for what every annotation has."""
    schemas = geometry_schemas()
    schemas["area"] = {key: value for key, value in AREA.schema.items() if key not in ("minimum", "maximum")}
    schemas["iscrowd"] = FLAG.schema
    if not removable:
        polygons_or_mask = [each for each in schemas["segmentation"]["oneOf"] if each != {"type": "null"}]
        schemas["segmentation"] = {"oneOf": polygons_or_mask}
    shapes = {name: _documented(schema, nullable=removable or name == "keypoints") for name, schema in schemas.items()}
    return {**shapes, "caption": _field(CAPTION)}


_OPTIONAL_ID = ID._replace(nullable=True)

NewAnnotation = RequestRecord.from_dict(
    {
        "id": _field(NEW_ANNOTATION_ID),
        "image_id": _field(ID, required=True),
        "category_id": _field(_OPTIONAL_ID),
        **_geometry(),
    },
    name="NewAnnotation",
)
AnnotationChanges = RequestRecord.from_dict(
    {"image_id": _field(ID), "category_id": _field(_OPTIONAL_ID), **_geometry(removable=False)},
    name="AnnotationChanges",
)


class RestoredAnnotation(ma.Schema):
    """An annotation as it was, whatever was in it."""

    class Meta:
        unknown = ma.INCLUDE

    id = _field(ID, required=True)
    image_id = _field(_OPTIONAL_ID)
    category_id = _field(_OPTIONAL_ID)

    def load(self, data: Any, **_: Any) -> Any:
        """The JSON text of `data`, which must be an object's."""
        text = bytes(data)
        if not text.startswith(b"{"):
            raise ma.ValidationError({"_schema": ["Invalid input type."]})
        return text


Annotation = Record.from_dict(
    {"id": _field(ID), "image_id": _field(_OPTIONAL_ID), "category_id": _field(_OPTIONAL_ID), **_stored_geometry()},
    name="Annotation",
)
ListedAnnotation = Annotation.from_dict({"_etag": fields.String()}, name="ListedAnnotation")
NewImage = RequestRecord.from_dict(
    {
        "id": _field(NEW_ID),
        **{name: _field(field, required=name == "file_name") for name, field in IMAGE.items()},
    },
    name="NewImage",
)
FORM_OF_IMAGE: Schema = {
    "type": "object",
    "required": ["file"],
    "properties": {
        "file": {"type": "string", "format": "binary", "description": "the picture, as a part with a file name"},
        "file_name": IMAGE["file_name"].schema,
        "id": NEW_ID.schema,
    },
    "propertyNames": {"pattern": "^([^_]|$)"},
}
"""A picture with the fields of its record: each as JSON, or as text where it is none."""
ImageChanges = RequestRecord.from_dict(_record_fields(IMAGE), name="ImageChanges")
Image = Record.from_dict(
    {
        "id": _field(ID, required=True),
        "file_name": fields.String(),
        "width": fields.Integer(),
        "height": fields.Integer(),
    },
    name="Image",
)
ListedImage = Image.from_dict(
    {
        "_annotation_count": fields.Integer(),
        "_annotations": fields.List(fields.Nested(Annotation)),
        "_etag": fields.String(),
    },
    name="ListedImage",
)
NewCategory = RequestRecord.from_dict(
    {
        "id": _field(NEW_ID),
        **_record_fields(CATEGORY, required=True),
        "supercategory": _field(SUPERCATEGORY),
        **_record_fields(KEYPOINTS),
    },
    name="NewCategory",
)
CategoryChanges = RequestRecord.from_dict(
    {**_record_fields(CATEGORY), "supercategory": _field(SUPERCATEGORY), **_record_fields(KEYPOINTS)},
    name="CategoryChanges",
)
Category = Record.from_dict(
    {"id": _field(ID, required=True), "name": fields.String(), "supercategory": fields.String(allow_none=True)},
    name="Category",
)
ListedCategory = Category.from_dict({"_annotation_count": fields.Integer()}, name="ListedCategory")


class Kind(fields.String):
    """What tells the operations of a batch apart: always the same text, which `BatchOperation` has looked at before."""

    def __init__(self, text: str) -> None:
        super().__init__(required=True)
        self.text = text


class Id(fields.Raw):
    """The id of a record, as it may stand in a file."""

    def __init__(self) -> None:
        super().__init__(required=True, metadata=ID.schema)

    def _deserialize(self, value: Any, *_: Any, **__: Any) -> int:
        if problem := ID.problem(value):
            raise ma.ValidationError(problem)
        return int(value)


class Natural(fields.Raw):
    """An integer from 0 on; `7.0` is one, as JSON Schema has it."""

    def __init__(self, description: str, **options: Any) -> None:
        schema = {"type": "integer", "minimum": 0, "maximum": MAX_ID, "description": description}
        super().__init__(metadata=schema, **options)

    def _deserialize(self, value: Any, *_: Any, **__: Any) -> int:
        is_whole = type(value) is int or (isinstance(value, float) and value.is_integer())
        if not is_whole or not 0 <= value <= MAX_ID:
            raise ma.ValidationError(f"must be an integer from 0 to {MAX_ID}")
        return int(value)


class Version(fields.String):
    """The ETag that an annotation must have, as the set that `If-Match` would give."""

    def __init__(self) -> None:
        super().__init__(metadata={"description": "the ETag that the annotation must have, else 412"})

    def _deserialize(self, *args: Any, **options: Any) -> Any:
        return etags(super()._deserialize(*args, **options))


class AddOperation(Closed):
    """Add an annotation."""

    op = Kind("add")
    annotation = fields.Nested(NewAnnotation, required=True)


class UpdateOperation(Closed):
    """Change fields of an annotation."""

    op = Kind("update")
    id = Id()
    changes = fields.Nested(AnnotationChanges, required=True)
    if_match = Version()
    on_conflict = fields.String(
        validate=validate.OneOf(["merge"]),
        metadata={"description": "`merge`: as for PATCH; `merged` in the result names the fields that others changed"},
    )


class DeleteOperation(Closed):
    """Delete an annotation."""

    op = Kind("delete")
    id = Id()
    if_match = Version()


class RestoreOperation(Closed):
    """Put a deleted annotation back as it was, id, area and all; at its place in the file where `position` is given."""

    op = Kind("restore")
    annotation = fields.Nested(RestoredAnnotation, required=True)
    position = Natural("how many annotations are before it once the batch is done; the end, where it is not given")


class BatchOperation(fields.Field[Operation]):
    """One operation of a batch; `op` tells which of `KINDS` it is."""

    KINDS: ClassVar[dict[str, ma.Schema]] = {
        "add": AddOperation(),
        "update": UpdateOperation(),
        "delete": DeleteOperation(),
        "restore": RestoreOperation(),
    }

    def _deserialize(self, value: Any, *_: Any, **__: Any) -> Operation:
        texts = _members(value)
        op = decode(bytes(texts["op"])) if "op" in texts else None
        if not isinstance(op, str) or op not in self.KINDS:
            raise ma.ValidationError({"op": [f"Must be one of: {', '.join(self.KINDS)}."]})
        # What is restored stays the text that it is.
        kept = {"annotation"} if op == "restore" else set()
        loaded = self.KINDS[op].load({key: text if key in kept else decode(bytes(text)) for key, text in texts.items()})
        match op:
            case "add":
                return Add("annotations", loaded["annotation"])
            case "update":
                merge = "on_conflict" in loaded
                return Update("annotations", loaded["id"], loaded["changes"], loaded.get("if_match"), merge)
            case "delete":
                return Delete("annotations", loaded["id"], loaded.get("if_match"))
        return Restore(loaded["annotation"], loaded.get("position"))


class _Addition(msgspec.Struct, tag_field="op", tag="add", forbid_unknown_fields=True, gc=False):
    """An `AddOperation` without a fault."""

    annotation: dict[str, Any]


_ADDITIONS = msgspec.json.Decoder(list[_Addition])


class Operations(fields.List[Operation]):
    """The JSON text of a list of operations."""

    def _deserialize(self, value: Any, *args: Any, **options: Any) -> Any:
        with suppress(msgspec.DecodeError):
            # Large batches do nothing else, and are read in a third of the time so.
            return [Add("annotations", each.annotation) for each in _ADDITIONS.decode(value)]
        try:
            texts = msgspec.json.decode(value, type=list[msgspec.Raw])
        except msgspec.ValidationError as exc:
            raise self.make_error("invalid") from exc
        return super()._deserialize(texts, *args, **options)


class Batch(Closed):
    """Operations that are done together, or not at all. It loads the JSON text of its members."""

    body_type = dict[str, msgspec.Raw]

    operations = Operations(BatchOperation(), required=True, validate=validate.Length(max=MAX_OPERATIONS))


def _members(text: msgspec.Raw) -> dict[str, msgspec.Raw]:
    try:
        return msgspec.json.decode(text, type=dict[str, msgspec.Raw])
    except msgspec.ValidationError as exc:
        raise ma.ValidationError({"_schema": ["Invalid input type."]}) from exc


class OnConflict(Closed):
    """What to do where something else changed the file, or the object in S3."""

    optional = True

    on_conflict = fields.String(validate=validate.OneOf(["overwrite"]))


class Reversal(Closed):
    """What a user did, to be taken back."""

    actor = fields.String(required=True, data_key="user", validate=validate.Length(1, 1000))
    since = Natural("after this revision", required=True)
    dry_run = fields.Boolean(
        load_default=False,
        metadata={"description": "tell only what would be done"},
    )

    @ma.pre_load
    def check_flag(self, data: Any, **_: Any) -> Any:
        """JSON's own `true` and `false` alone: marshmallow takes numbers and texts for them."""
        return _with_own_flag(data)


def _with_own_flag(data: Any) -> Any:
    if isinstance(data, dict) and not isinstance(data.get("dry_run", False), bool):
        raise ma.ValidationError({"dry_run": ["Not a valid boolean."]})
    return data


class Return(Closed):
    """The revision that the dataset is to be restored to."""

    revision = Natural("as it was at this revision", required=True)
    dry_run = fields.Boolean(load_default=False, metadata={"description": "tell only what would be done"})

    @ma.pre_load
    def check_flag(self, data: Any, **_: Any) -> Any:
        """See `Reversal`."""
        return _with_own_flag(data)


class Merge(Closed):
    """How to merge S3's version into ours."""

    optional = True

    dry_run = fields.Boolean(truthy={True}, falsy={False}, metadata={"description": "tell only what would be done"})
    on_conflict = fields.String(
        validate=validate.OneOf(["ours", "theirs"]),
        metadata={"description": "whose fields count where both sides changed them"},
    )


class ImportedDataset(Record):
    """What `POST /api/import` takes: a COCO file."""

    images = fields.List(fields.Nested(Image))
    annotations = fields.List(fields.Nested(Annotation))
    categories = fields.List(fields.Nested(Category))
    info = fields.Raw()
    licenses = fields.Raw()


class Replacement(Closed):
    """What `PUT /api/dataset` replaces."""

    images = fields.List(fields.Nested(Image), required=True)
    annotations = fields.List(fields.Nested(Annotation), required=True)
    categories = fields.List(fields.Nested(Category))
    info = fields.Raw()
    licenses = fields.Raw()
