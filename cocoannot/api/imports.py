"""Importing: another dataset comes into this one. What becomes of its records is the store's business."""

from __future__ import annotations

import codecs
from typing import Any

import msgspec
from flask import Response, request
from webargs.flaskparser import abort
from werkzeug.exceptions import BadRequest

from cocoannot.api import body_schemas, query_schemas, response_schemas
from cocoannot.api.blueprint import Blueprint, titled_examples
from cocoannot.api.committing import change
from cocoannot.api.parsing import decode, json_body
from cocoannot.api.responses import json_response
from cocoannot.changes.operations import Import
from cocoannot.coco.incoming import read_incoming
from cocoannot.coco.records import Record
from cocoannot.extension import runtime
from cocoannot.people.roles import needs

blueprint = Blueprint("imports", __name__, url_prefix="/api", description="Other datasets brought in")


@blueprint.route("/import", methods=["POST"])
@needs("admin")
@blueprint.arguments(query_schemas.ImportQuery, location="query")
@blueprint.response(200, response_schemas.Imported)
@blueprint.commits(400, 413, 415, 422)
@blueprint.doc(
    requestBody={
        "required": True,
        "content": {
            "application/json": {
                "schema": body_schemas.ImportedDataset,
                "examples": titled_examples(body_schemas.ImportedDataset),
            }
        },
    }
)
def import_dataset(query: dict[str, Any]) -> Response:
    """Import another dataset

    The body is a COCO dataset, read by the same rules as a file. Its categories are found here by their names, its
    images by `match`; what is not here is added. An annotation is left out where one of the same image, category and
    geometry is here. Records keep their ids where these are free, else they get new ones; `ids` tells which. What is
    here stays as it is. `refused` lists what can't be taken, and why.

    It is one change, which an undo takes back; with `dry_run=1` it is only told what would be done. 409 where a
    category has other keypoints or another skeleton here, or where annotations here are panoptic; nothing is imported
    then.
    """
    request.max_content_length = runtime().settings.max_dataset_bytes
    theirs = read_incoming(_dataset(), "the body")
    committed = change(Import(theirs, query["match"], query["dry_run"]))
    (report,) = committed.results
    assert isinstance(report, Record)
    told = msgspec.json.decode(report.text, type=dict[str, msgspec.Raw])
    head = {"revision": committed.revision, "changed": committed.change is not None}
    return json_response({**head, **query, **told}, committed=committed)


def _dataset() -> bytes:
    data = json_body(request)
    if data is None:
        raise BadRequest("The body is empty; send a COCO dataset as JSON")
    try:
        # A file may begin with a byte order mark.
        decode(data.removeprefix(codecs.BOM_UTF8), dict[str, msgspec.Raw], any_depth=True)
    except msgspec.ValidationError as exc:
        abort(
            422,
            message="The body is no COCO dataset, which is an object with images, annotations and categories",
            errors={"json": {"_schema": [str(exc)]}},
        )
    return data
