"""What answers hold beside records, for the OpenAPI document; the status is written by it. Made once, at import."""

from __future__ import annotations

import marshmallow as ma
from marshmallow import fields, validate

from cocoannot.api.body_schemas import Annotation, Category
from cocoannot.coco.statuses import STATUSES


class Error(ma.Schema):
    """What every error answers."""

    code = fields.Integer(required=True, metadata={"description": "the status"})
    status = fields.String(required=True, metadata={"description": "its name"})
    message = fields.String(required=True, metadata={"description": "what happened and what to do"})
    errors = fields.Dict(metadata={"description": "what is wrong, by place and field, or what is there instead"})


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


class CategoryCount(ma.Schema):
    id = fields.Integer()
    name = fields.String()
    annotations = fields.Integer()


class ImageBar(ma.Schema):
    at_least = fields.Integer()
    at_most = fields.Integer(allow_none=True, metadata={"description": "null for no limit"})
    images = fields.Integer()


class SizeBar(ma.Schema):
    at_least = fields.Integer(metadata={"description": "pixels"})
    below = fields.Integer(allow_none=True, metadata={"description": "pixels, null for no limit"})
    annotations = fields.Integer()


class StatusCount(ma.Schema):
    status = fields.String(validate=validate.OneOf(STATUSES))
    images = fields.Integer()


class Statistics(ma.Schema):
    counts = fields.Nested(Counts)
    categories = fields.List(fields.Nested(CategoryCount))
    annotations_per_image = fields.List(fields.Nested(ImageBar))
    sizes = fields.List(fields.Nested(SizeBar))
    statuses = fields.List(fields.Nested(StatusCount))


class Version(ma.Schema):
    revision = fields.Integer(allow_none=True, metadata={"description": "null for what was there before"})
    time = fields.DateTime(allow_none=True)
    user = fields.String(allow_none=True)
    record = fields.Raw(allow_none=True, metadata={"description": "null where it was deleted"})


class UserDay(ma.Schema):
    day = fields.Date(metadata={"description": "of UTC"})
    user = fields.String(allow_none=True, metadata={"description": "null where it is not known"})
    changes = fields.Integer()
    annotations = fields.Integer(metadata={"description": "edits of annotations"})
    images = fields.Integer(metadata={"description": "images that were done"})


class Flushed(ma.Schema):
    saved = fields.Boolean()
    summary = fields.String(metadata={"example": "3 annotation(s) added"})
    revision = fields.Integer()


class Neighbours(ma.Schema):
    previous = fields.Integer(allow_none=True)
    next = fields.Integer(allow_none=True)
    position = fields.Integer(allow_none=True, metadata={"description": "from 0; null where the filters leave it out"})
    total = fields.Integer(metadata={"description": "how many images are in the list"})


class DeletedImage(ma.Schema):
    annotations_deleted = fields.Integer()


class BatchResult(ma.Schema):
    annotation = fields.Nested(Annotation, allow_none=True)
    etag = fields.String(allow_none=True)
    merged = fields.List(
        fields.String(), metadata={"description": "the fields that others had changed, where it was merged with that"}
    )


class BatchResults(ma.Schema):
    results = fields.List(fields.Nested(BatchResult))


class Edit(ma.Schema):
    """One record that a change touched."""

    section = fields.String(validate=ma.validate.OneOf(["images", "annotations", "categories"]))
    id = fields.Integer()
    image_id = fields.Integer(allow_none=True, metadata={"description": "the image that the record is, or is on"})
    op = fields.String(validate=ma.validate.OneOf(["add", "update", "delete"]))
    from_image_id = fields.Integer(metadata={"description": "the image that a moved annotation was on before"})
    before = fields.Raw(allow_none=True, metadata={"description": "the record, with `with=records`"})
    after = fields.Raw(allow_none=True, metadata={"description": "the record, with `with=records`"})


class Change(ma.Schema):
    revision = fields.Integer()
    time = fields.DateTime()
    user = fields.String(allow_none=True, metadata={"description": "null where it is not known"})
    kind = fields.String(
        validate=ma.validate.OneOf(["edit", "undo", "reset"]),
        metadata={"description": "`reset` is a bulk replacement, which has no edits"},
    )
    summary = fields.String()
    edits = fields.List(fields.Nested(Edit))
    undoes = fields.Integer(metadata={"description": "the revision that was taken back"})
    more = fields.Integer(metadata={"description": "how many edits are not listed"})


class Reverted(ma.Schema):
    revision = fields.Integer(allow_none=True, metadata={"description": "null where nothing was done"})
    dry_run = fields.Boolean()
    summary = fields.String()
    edits = fields.List(fields.Nested(Edit))
    more = fields.Integer(metadata={"description": "how many edits are not listed"})


class Backup(ma.Schema):
    """The dataset's file as it was before the first save of a day."""

    path = fields.String()
    bytes = fields.Integer()


class DatasetStatus(ma.Schema):
    uri = fields.String()
    path = fields.String()
    loaded_at = fields.DateTime()
    bytes = fields.Integer()
    counts = fields.Nested(Counts)
    warnings = fields.List(fields.String())
    backups = fields.List(fields.Nested(Backup))


class RevisionStatus(ma.Schema):
    memory = fields.Integer()
    journal = fields.Integer(metadata={"description": "up to here all changes would survive a power cut"})
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


class Uploading(ma.Schema):
    bytes = fields.Integer()
    total = fields.Integer()


class S3Status(ma.Schema):
    uri = fields.String()
    state = fields.String(validate=ma.validate.OneOf(["level", "ahead", "conflict", "unknown"]))
    etag = fields.String(allow_none=True, metadata={"description": "of the version that was agreed last"})
    last_uploaded_at = fields.DateTime(allow_none=True)
    uploading = fields.Nested(Uploading, allow_none=True)
    last_error = fields.String(allow_none=True)
    atomic = fields.Boolean(metadata={"description": "whether S3 itself sees to it that nobody is overwritten"})


class SavedToS3(ma.Schema):
    status = fields.String(metadata={"example": "success"})
    s3_uri = fields.String()
    etag = fields.String()
    size = fields.Integer(metadata={"description": "bytes"})
    revision = fields.Integer()
    kept = fields.String(allow_none=True, metadata={"description": "where the version that was there was copied to"})


class MergeCounts(ma.Schema):
    """Records of one section. `merged` are those in which fields of both sides came together, `same` those that both
    changed or added alike, `renumbered` ours that got another id, `unified` ours that became one that they added."""

    added_by_us = fields.Integer()
    changed_by_us = fields.Integer()
    deleted_by_us = fields.Integer()
    added_by_them = fields.Integer()
    changed_by_them = fields.Integer()
    deleted_by_them = fields.Integer()
    merged = fields.Integer()
    same = fields.Integer()
    renumbered = fields.Integer()
    unified = fields.Integer()


class MergeConflict(ma.Schema):
    section = fields.String(metadata={"description": "the record's section, or another top-level key of the file"})
    id = fields.Integer(allow_none=True)
    kind = fields.String(validate=ma.validate.OneOf(["fields", "deleted_by_us", "deleted_by_them", "in_use"]))
    fields_ = fields.List(fields.String(), data_key="fields", attribute="fields")
    taken = fields.String(
        validate=ma.validate.OneOf(["ours", "theirs"]),
        allow_none=True,
        metadata={"description": "whose version counts, null where it is left to be chosen"},
    )


class Renumbered(ma.Schema):
    from_ = fields.Integer(data_key="from", attribute="from")
    to = fields.Integer()


def _by_section(schema: type[ma.Schema], *, many: bool = False) -> fields.Nested:
    sections = {name: fields.Nested(schema, many=many) for name in ("images", "annotations", "categories")}
    return fields.Nested(ma.Schema.from_dict(sections, name=f"{schema.__name__}BySection"))  # type: ignore[arg-type]


class MergedFromS3(ma.Schema):
    status = fields.String(metadata={"example": "success"})
    s3_uri = fields.String()
    etag = fields.String(metadata={"description": "of the version that was merged"})
    revision = fields.Integer(metadata={"description": "that has both"})
    needed = fields.Boolean(metadata={"description": "false where S3 has what was agreed last"})
    dry_run = fields.Boolean()
    base = fields.String(
        validate=ma.validate.OneOf(["kept", "s3_version", "none"]),
        metadata={
            "description": "where the version agreed last is from: kept beside the file, an older version of the "
            "object, or not known any more; then nothing counts as deleted"
        },
    )
    counts = _by_section(MergeCounts)
    conflict_count = fields.Integer()
    undecided_count = fields.Integer()
    conflicts = fields.List(fields.Nested(MergeConflict), metadata={"description": "at most 1,000"})
    renumbered = _by_section(Renumbered, many=True)


class ImportCounts(ma.Schema):
    added = fields.Integer()
    matched = fields.Integer(metadata={"description": "those that were here already"})
    refused = fields.Integer()


class IdsHere(ma.Schema):
    """The id that each record has here, by the one that it had in the file; those that were refused are not there."""

    images = fields.Dict(fields.String(), fields.Integer())
    annotations = fields.Dict(fields.String(), fields.Integer())
    categories = fields.Dict(fields.String(), fields.Integer())


class RefusedRecord(ma.Schema):
    section = fields.String()
    id = fields.Integer()
    index = fields.Integer(metadata={"description": "its place in its section of the file, from 0"})
    reason = fields.String()


class Imported(ma.Schema):
    revision = fields.Integer(metadata={"description": "of the dataset afterwards"})
    changed = fields.Boolean(metadata={"description": "false for a dry run, and where everything was here already"})
    match = fields.String()
    dry_run = fields.Boolean()
    counts = _by_section(ImportCounts)
    licenses_added = fields.Integer()
    ids = fields.Nested(IdsHere)
    refused_count = fields.Integer()
    refused_reasons = fields.Dict(
        fields.String(), fields.Integer(), metadata={"description": "how many records were refused for each reason"}
    )
    refused = fields.List(fields.Nested(RefusedRecord), metadata={"description": "at most 1,000"})
    note_count = fields.Integer()
    notes = fields.List(
        fields.String(), metadata={"description": "where the file differs from what is here; at most 1,000"}
    )


class Status(ma.Schema):
    version = fields.String()
    dataset = fields.Nested(DatasetStatus)
    revision = fields.Nested(RevisionStatus)
    pending = fields.Nested(PendingStatus)
    saver = fields.Nested(SaverStatus)
    s3 = fields.Nested(S3Status, allow_none=True)


class SkippedPicture(ma.Schema):
    file_name = fields.String(required=True)
    reason = fields.String(required=True)


class Scanned(ma.Schema):
    added = fields.Integer(required=True, metadata={"description": "records"})
    skipped = fields.List(fields.Nested(SkippedPicture), required=True)
    skipped_count = fields.Integer(required=True, metadata={"description": "of which `skipped` has the first 1,000"})
    turned = fields.List(fields.String(), required=True, metadata={"description": "names of those that EXIF turns"})


class StoredPicture(ma.Schema):
    file_name = fields.String(required=True)
    bytes = fields.Integer(required=True)
    width = fields.Integer(required=True, metadata={"description": "pixels, as they are stored"})
    height = fields.Integer(required=True, metadata={"description": "pixels, as they are stored"})
    turned = fields.Boolean(required=True, metadata={"description": "whether EXIF turns it"})
