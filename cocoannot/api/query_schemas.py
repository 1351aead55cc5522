"""What queries may hold, for validation and for the OpenAPI document. Made once, at import."""

from __future__ import annotations

import re
from typing import Any

import marshmallow as ma
from marshmallow import fields, validate

from cocoannot.coco.parser import MAX_ID
from cocoannot.coco.statuses import STATUSES
from cocoannot.pictures.thumbnails import MAX_SIZE
from cocoannot.store.queries import RANKED, SORTS

LONGEST_WAIT = 25
"""Seconds that `GET /api/changes` waits at most: proxies give up after 30 or 60."""


class Query(ma.Schema):
    """Query parameters. Those that no schema of a view knows are refused before (`cocoannot.api.register`)."""

    class Meta:
        unknown = ma.EXCLUDE


class Numeral(fields.Integer):
    """An integer in a query: digits, and nothing else that Python would take, such as `1_000`."""

    def _validated(self, value: Any) -> Any:
        if isinstance(value, str) and not re.fullmatch("-?[0-9]+", value):
            raise self.make_error("invalid", input=value)
        return super()._validated(value)


def _derived(*names: str) -> fields.List[Any]:
    return fields.List(
        fields.String(validate=validate.OneOf(names)),
        data_key="with",
        load_default=list,
        metadata={"description": "fields to add to each record, with an underscore in front"},
    )


def _count(description: str) -> Numeral:
    return Numeral(validate=validate.Range(0, 2**53 - 1), metadata={"description": description})


def _pixels(description: str) -> fields.Float:
    return fields.Float(validate=validate.Range(0, 1e6), allow_nan=False, metadata={"description": description})


class ImageFilters(Query):
    file_name = fields.String(load_default="", metadata={"description": "part of the file name"})
    category_ids = fields.List(
        Numeral(),
        data_key="category_id",
        load_default=list,
        metadata={"description": "images with any of these categories"},
    )
    annotated = fields.Boolean(
        truthy={"true"}, falsy={"false"}, metadata={"description": "images with annotations, or those without"}
    )
    min_annotations = _count("images with at least so many annotations")
    max_annotations = _count("images with at most so many annotations")
    min_size = _pixels("images with an annotation of at least this size: the square root of its area, in pixels")
    below_size = _pixels("images with an annotation below this size")
    statuses = fields.List(
        fields.String(validate=validate.OneOf(STATUSES)),
        data_key="status",
        load_default=list,
        metadata={"description": "images with any of these statuses; `open` for none"},
    )
    user = fields.String(
        validate=validate.Length(1), metadata={"description": "images with an annotation that this user changed last"}
    )
    sort = fields.String(
        load_default="position",
        validate=validate.OneOf([*SORTS, *RANKED]),
        metadata={
            "description": "`position` is the file's own order; `-` is for descending. `disagreement`, how much a "
            "layer and the annotations differ, needs `predictions`"
        },
    )
    predictions = fields.String(metadata={"description": "the layer of predictions that `sort=disagreement` is of"})


class ImageListQuery(ImageFilters):
    derived = _derived("annotation_count", "annotations", "etag")


class WithEtag(Query):
    derived = _derived("etag")


class FileQuery(Query):
    kind = fields.String(
        data_key="as",
        validate=validate.OneOf(["jpeg"]),
        metadata={"description": "`jpeg` gives a JPEG of the picture, whatever it is, for what browsers can't show"},
    )


class ThumbnailQuery(Query):
    size = Numeral(
        load_default=256, validate=validate.Range(1, MAX_SIZE), metadata={"description": "longest side in pixels"}
    )


class AtRevision(Query):
    at = _count("as it was at this revision")


class ExportQuery(AtRevision):
    category_ids = fields.List(
        Numeral(validate=validate.Range(-MAX_ID, MAX_ID)),
        data_key="category_id",
        load_default=list,
        metadata={
            "description": "images with an annotation of any of these categories, their annotations of these, and "
            "these categories; no others"
        },
    )
    statuses = fields.List(
        fields.String(validate=validate.OneOf(STATUSES)),
        data_key="status",
        load_default=list,
        metadata={"description": "images with any of these statuses (`open` for none), and their annotations"},
    )
    file_name = fields.String(
        load_default="", metadata={"description": "images with this part in the file name, and their annotations"}
    )
    annotated = fields.Boolean(
        truthy={"true"},
        falsy={"false"},
        metadata={"description": "images with annotations, or those without; false not with category_id"},
    )
    ids = fields.String(
        validate=validate.OneOf(["contiguous"]),
        metadata={
            "description": "`contiguous` numbers images, annotations and categories from 1 on, in file order. "
            "Annotations whose image or category is not there are left out"
        },
    )
    boxes = fields.String(
        validate=validate.OneOf(["polygons"]),
        metadata={"description": "`polygons` gives annotations with a box alone a polygon of its corners"},
    )
    ascii = fields.String(
        validate=validate.OneOf(["1"]), metadata={"description": "`1` writes everything else than ASCII as `\\uXXXX`"}
    )


class AnnotationsOfImageQuery(AtRevision):
    derived = _derived("etag")


class VersionsQuery(Query):
    since = _count("changes after this revision, the oldest ones first where there are more than `limit`")
    until = _count("changes up to this revision")
    limit = Numeral(load_default=100, validate=validate.Range(1, 1000), metadata={"description": "how many at most"})


class ChangesQuery(VersionsQuery):
    actor = fields.String(data_key="user", metadata={"description": "changes of this user"})
    image_id = Numeral(metadata={"description": "changes of this image and of annotations on it"})
    annotation_id = Numeral(metadata={"description": "changes of this annotation"})
    wait = fields.Float(
        load_default=0.0,
        allow_nan=False,
        validate=validate.Range(0, LONGEST_WAIT),
        metadata={"description": "seconds to wait for a change where there is none"},
    )
    derived = fields.List(
        fields.String(validate=validate.OneOf(["records"])),
        data_key="with",
        load_default=list,
        metadata={"description": "`records` adds the records before and after"},
    )


class ImportQuery(Query):
    match = fields.String(
        load_default="file_name",
        validate=validate.OneOf(["file_name", "id"]),
        metadata={"description": "what images are the same by"},
    )
    dry_run = fields.Boolean(
        load_default=False,
        truthy={"1", "true"},
        falsy={"0", "false"},
        metadata={"description": "tell only what would be done"},
    )


class AnnotationListQuery(WithEtag):
    image_id = Numeral(metadata={"description": "annotations of this image"})
    category_id = Numeral(metadata={"description": "annotations of this category"})
    iscrowd = Numeral(validate=validate.OneOf([0, 1]), metadata={"description": "crowds (1), or single objects (0)"})


class CategoryListQuery(Query):
    derived = _derived("annotation_count")


class UpdateQuery(Query):
    on_conflict = fields.String(
        validate=validate.OneOf(["merge"]),
        metadata={
            "description": "`merge`: where others changed other fields since the version of `If-Match`, both changes "
            "hold, and `X-Merged` names theirs. 412 with `base`, `theirs` and `fields` where they changed the same"
        },
    )


class ReassignQuery(Query):
    reassign_to = Numeral(metadata={"description": "category that takes the annotations"})
