"""The dataset as a whole: head, replacement, export, status, flush."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
from flask import Response, request
from webargs.flaskparser import abort
from werkzeug.exceptions import BadRequest

from cocoannot.api import body_schemas, response_schemas
from cocoannot.api.access import require
from cocoannot.api.blueprint import Blueprint, store, titled_examples
from cocoannot.api.committing import replace
from cocoannot.api.openapi import CHANGED, IF_MATCH
from cocoannot.api.parsing import decode, if_match, json_body
from cocoannot.api.responses import CHANGE, json_response, moment_or_none
from cocoannot.errors import VersionMismatch
from cocoannot.extension import runtime
from cocoannot.people.roles import needs
from cocoannot.version import __version__

if TYPE_CHECKING:
    from cocoannot.replica.replica import S3Status

blueprint = Blueprint("dataset", __name__, url_prefix="/api", description="The dataset as a whole")


class _Replacement(msgspec.Struct, forbid_unknown_fields=True):
    images: msgspec.Raw
    annotations: msgspec.Raw
    categories: msgspec.Raw = msgspec.Raw()
    info: msgspec.Raw = msgspec.Raw()
    licenses: msgspec.Raw = msgspec.Raw()


_REPLACE = {
    "replace_dataset": {
        "operationId": "replace_dataset",
        "parameters": {"If-Match": '"{$response.body#/revision}"'},
        "description": "the revision, in quotes",
    }
}


@blueprint.route("/dataset")
@needs("viewer")
@blueprint.response(200, response_schemas.DatasetHead)
@blueprint.doc(responses={200: {"links": _REPLACE}})
def get_dataset() -> Response:
    """Get what the dataset is, without its images and annotations"""
    return _head()


@blueprint.route("/dataset", methods=["PUT"])
@needs("admin")
@blueprint.response(200, response_schemas.DatasetHead, headers={"X-Change-Revision": CHANGED["X-Change-Revision"]})
@blueprint.errors(400, 409, 412, 413, 415, 422, 428, 503, 507)
@blueprint.doc(
    requestBody={
        "required": True,
        "content": {
            "application/json": {
                "schema": body_schemas.Replacement,
                "examples": titled_examples(body_schemas.Replacement),
            }
        },
    },
    parameters=[{**IF_MATCH, "required": True, "description": "the current revision in quotes"}],
)
def replace_dataset() -> Response:
    """Replace the dataset's records in one step

    `images` and `annotations`, and `categories`, `info` and `licenses` where given, read by the same rules as a
    file and saved to disk before memory changes. Needs `If-Match: "REVISION"`.
    """
    expected = _expected_revision()
    request.max_content_length = runtime().settings.max_dataset_bytes
    change = replace(_replacement_texts(), if_revision=expected)
    response = _head()
    response.headers[CHANGE] = str(change.revision)
    return response


@blueprint.route("/stats")
@needs("viewer")
@blueprint.response(200, response_schemas.Statistics)
def get_statistics() -> Response:
    """Get what the dataset is made of

    Annotations per category; images by how many annotations they have; annotations by their size, the square root of
    `area` in pixels (those without an area are left out); images by how far people are with them. `GET /api/images`
    takes each of these as a filter.
    """
    found = store().statistics()
    body = {
        "counts": found.counts,
        "categories": [category._asdict() for category in found.categories],
        "annotations_per_image": [
            {"at_least": bar.low, "at_most": None if bar.high is None else bar.high - 1, "images": bar.number}
            for bar in found.images
        ],
        "sizes": [{"at_least": bar.low, "below": bar.high, "annotations": bar.number} for bar in found.sizes],
        "statuses": [{"status": status, "images": number} for status, number in found.statuses.items()],
    }
    return json_response(body, revision=found.revision)


@blueprint.route("/status")
@needs("viewer")
@blueprint.response(200, response_schemas.Status)
def get_status() -> dict[str, Any]:
    """Get what is saved and what is not"""
    status, saver = store().status(), runtime().saver
    s3 = None if runtime().s3 is None else runtime().s3_dataset().status(status.revision)
    return {
        "version": __version__,
        "dataset": {
            "uri": runtime().uri(),
            "path": status.path,
            "loaded_at": moment_or_none(status.loaded_at),
            "bytes": status.size,
            "counts": status.counts,
            "warnings": status.warnings,
            "backups": [{"path": backup.path, "bytes": backup.size} for backup in status.backups],
        },
        "revision": {
            "memory": status.revision,
            "journal": status.journal_revision,
            "file": status.file_revision,
            "s3": s3.revision if s3 else None,
        },
        "pending": {
            **status.pending.counts(),
            "summary": status.pending.summary(),
            "since": moment_or_none(status.pending_since),
        },
        "saver": {
            "interval": runtime().settings.auto_save_interval,
            "next_save_in": saver.next_save_in(),
            "last_saved_at": moment_or_none(status.saves.last_at),
            "last_save_seconds": status.saves.last_seconds,
            "last_error": status.journal_error or status.saves.error,
        },
        "s3": s3_part(s3),
    }


def s3_part(s3: S3Status | None) -> dict[str, Any] | None:
    """The `s3` part of the status, `None` for a dataset that is not from S3."""
    if s3 is None:
        return None
    return {
        "uri": s3.uri,
        "state": s3.state,
        "etag": s3.etag,
        "last_uploaded_at": moment_or_none(s3.uploaded_at),
        "uploading": s3.uploading._asdict() if s3.uploading else None,
        "last_error": s3.last_error,
        "atomic": s3.atomic,
    }


@blueprint.route("/flush", methods=["POST"])
@needs("annotator")
@blueprint.arguments(body_schemas.OnConflict, required=False)
@blueprint.response(200, response_schemas.Flushed)
@blueprint.errors(400, 409, 413, 415, 503, 507)
def flush(options: dict[str, Any]) -> dict[str, Any]:
    """Save now

    `saved` is false where there was nothing to save. 409 where something else changed the file; `{"on_conflict":
    "overwrite"}` keeps the other version beside it and saves; that needs the role admin.
    """
    if "on_conflict" in options:
        require("admin")
    saved = store().save(overwrite=options.get("on_conflict") == "overwrite")
    if saved is None:
        return {"saved": False, "summary": "no changes", "revision": store().revision}
    return {"saved": True, "summary": saved.summary, "revision": saved.revision}


def _head() -> Response:
    head = store().head()
    texts = {key: msgspec.Raw(text) for key, text in head.texts.items()}
    return json_response({**texts, "counts": head.counts, "revision": head.revision}, revision=head.revision)


def _expected_revision() -> int:
    tags = if_match()
    if tags is None:
        abort(428, message='If-Match: "REVISION" is missing; send the revision that you read (GET /api/dataset)')
    tag = " or ".join(sorted(tags))
    if not (tag.isascii() and tag.isdecimal() and len(tag) < 20):
        current = str(store().revision)
        raise VersionMismatch(f'If-Match must name one revision; the dataset is at "{current}"', current)
    return int(tag)


def _replacement_texts() -> dict[str, bytes]:
    data = json_body(request)
    if data is None:
        raise BadRequest("The body is empty; send images and annotations as JSON")
    try:
        texts: _Replacement = decode(data, _Replacement)
    except msgspec.ValidationError as exc:
        abort(
            422, message="The body does not fit; `errors` says where and why", errors={"json": {"_schema": [str(exc)]}}
        )
    found = {field: bytes(getattr(texts, field)) for field in texts.__struct_fields__}
    return {field: text for field, text in found.items() if text}
