"""How far people are with images, and whose turn it is."""

from __future__ import annotations

from math import ceil
from typing import Any

from flask import Response

from cocoannot.api import body_schemas, event_schemas
from cocoannot.api.access import require
from cocoannot.api.blueprint import store
from cocoannot.api.caller import holder
from cocoannot.api.committing import change
from cocoannot.api.image_queries import image_query
from cocoannot.api.openapi import CLAIM, ETAG, IF_MATCH, REVISION
from cocoannot.api.parsing import if_match
from cocoannot.api.pictures import blueprint
from cocoannot.api.responses import changed_response, existing, found_response, no_content
from cocoannot.changes.operations import Update
from cocoannot.coco.statuses import COMMENT, REVIEWED, STATUS
from cocoannot.errors import InvalidRecord
from cocoannot.extension import runtime
from cocoannot.people.roles import needs

__all__ = ["blueprint"]
"""That of the images and their pictures."""


@blueprint.route("/<id:image_id>/status", methods=["PUT"])
@needs("annotator")
@blueprint.arguments(event_schemas.StatusBody)
@blueprint.response(200, body_schemas.Image, headers=ETAG)
@blueprint.commits(400, 404, 412, 413, 415)
@blueprint.takes(IF_MATCH)
def set_status(body: dict[str, Any], image_id: int) -> Response:
    """Say how far somebody is with an image

    It is kept in the record, as `annotation_status` and `annotation_comment`; `open` removes both. 409 where somebody
    approves what they did themselves. `approved` and `returned` need the role reviewer.
    """
    status, comment = body["status"], body.get("comment")
    if status == "open" and comment is not None:
        raise InvalidRecord({"comment": ["an open image has none; leave it out, or give another status"]})
    if status in REVIEWED:
        require("reviewer")
    runtime().team.check_status(holder().user, image_id, status)
    changes = {STATUS: None if status == "open" else status, COMMENT: comment}
    return changed_response(change(Update("images", image_id, changes, if_match())))


@blueprint.route("/next", methods=["POST"])
@needs("annotator")
@blueprint.arguments(event_schemas.NextImageQuery, location="query")
@blueprint.response(200, body_schemas.Image, headers={**ETAG, **CLAIM})
@blueprint.alt_response(204, description="There is none", headers=REVISION)
@blueprint.errors(429)
def next_image(query: dict[str, Any]) -> Response:
    """Get the next image to work on, and claim it

    Of those that the filters of the list select: one that the caller has claimed, then one that was returned to them,
    then the next one that is open and that nobody else has. With `task=review` the next one that is done or empty, and
    not by the caller. The claim lasts as long as the client's stream of events and 30 seconds, without one 10 minutes;
    presence and changes renew it. `task=review` needs the role reviewer.
    """
    who, task = holder(query.pop("client")), query.pop("task")
    if task == "review":
        require("reviewer")
    found = runtime().team.next_image(who, task, image_query(query))
    if found.record is None:
        return no_content()
    image_id = int(found.record["id"])
    response = found_response(found, "image", image_id)
    left = runtime().team.claims.seconds_left(image_id)
    if left is not None:
        response.headers["X-Claim-Seconds"] = str(ceil(left))
    return response


@blueprint.route("/<id:image_id>/claim", methods=["DELETE"])
@needs("annotator")
@blueprint.arguments(event_schemas.ClientQuery, location="query")
@blueprint.response(204)
@blueprint.errors(404, 409)
def delete_claim(query: dict[str, Any], image_id: int) -> Response:
    """Give a claimed image back

    409 where somebody else has claimed it.
    """
    existing(store().get("images", image_id).record, "image", image_id)
    runtime().team.give_back(holder(query["client"]), image_id)
    return no_content()
