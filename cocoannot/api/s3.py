"""S3: where the dataset's object stands, and sending ours there."""

from __future__ import annotations

from typing import Any

from cocoannot.api import body_schemas, response_schemas
from cocoannot.api.blueprint import Blueprint, store
from cocoannot.api.caller import actor
from cocoannot.api.dataset import s3_part
from cocoannot.extension import runtime
from cocoannot.people.roles import needs

blueprint = Blueprint("s3", __name__, url_prefix="/api", description="The dataset's object in S3")


@blueprint.route("/s3")
@needs("viewer")
@blueprint.response(200, response_schemas.S3Status)
@blueprint.errors(400)
def get_s3() -> dict[str, Any] | None:
    """Get where S3 stands, after asking it

    `state` is `level`, `ahead` (there are changes that S3 has not), `conflict` (S3 has a version of somebody else, or
    none any more) or `unknown` (S3 could not be asked; `last_error` says why). 400 where the dataset is not from S3.
    """
    s3 = runtime().s3_dataset()
    s3.refresh(runtime().memory_store())
    return s3_part(s3.status(store().revision))


@blueprint.route("/save-to-s3", methods=["POST"])
@needs("admin")
@blueprint.arguments(body_schemas.OnConflict, required=False)
@blueprint.response(200, response_schemas.SavedToS3)
@blueprint.errors(400, 409, 413, 415, 502, 503, 507)
def save_to_s3(options: dict[str, Any]) -> dict[str, Any]:
    """Save, then upload exactly what was saved

    Nothing is sent where S3 has it already. 400 where the dataset is not from S3; 409 where S3 has a version of
    somebody else, with both ETags and the choices, or while another upload runs; 502 where S3 refuses or can't be
    reached.
    `{"on_conflict": "overwrite"}` copies what is there to `KEY.conflict-TIME`, then uploads over exactly that.
    """
    uploaded = (
        runtime().s3_dataset().upload(runtime().memory_store(), overwrite=options.get("on_conflict") == "overwrite")
    )
    runtime().events.uploaded(uploaded.revision)
    return {
        "status": "success",
        "s3_uri": uploaded.uri,
        "etag": uploaded.etag,
        "size": uploaded.size,
        "revision": uploaded.revision,
        "kept": uploaded.kept,
    }


@blueprint.route("/s3/merge", methods=["POST"])
@needs("admin")
@blueprint.arguments(body_schemas.Merge, required=False)
@blueprint.response(200, response_schemas.MergedFromS3)
@blueprint.errors(400, 409, 413, 415, 502, 503, 507)
def merge_from_s3(options: dict[str, Any]) -> dict[str, Any]:
    """Merge S3's version into ours

    In a conflict: what each side changed since the version agreed last comes together, as one change. Ids that both
    gave are given anew on our side. Nothing is uploaded; the next upload goes over the version that was merged. Where
    both changed a field of a record, and not to the same value, it is a 409 that lists these, and nothing is changed;
    `{"on_conflict": "ours"}` or `"theirs"` decides whose fields count. `{"dry_run": true}` tells only. 400 where the
    dataset is not from S3; 409 too while an upload runs, or where a version can't be merged.
    """
    s3, choice, dry_run = runtime().s3_dataset(), options.get("on_conflict"), options.get("dry_run", False)
    merged = s3.merge(runtime().memory_store(), choice, dry_run=dry_run, actor=actor())
    return {
        "status": "success",
        "s3_uri": merged.uri,
        "etag": merged.etag,
        "revision": merged.revision,
        "needed": merged.is_needed,
        "dry_run": dry_run,
        "base": merged.base,
        **merged.report.as_json(),
    }
