"""Who is on which image: told by clients, and by the stream of events."""

from __future__ import annotations

import re
from typing import Any

from flask import Response
from webargs.flaskparser import abort

from cocoannot.api import event_schemas
from cocoannot.api.blueprint import store
from cocoannot.api.caller import holder
from cocoannot.api.events import blueprint
from cocoannot.api.responses import json_response, no_content
from cocoannot.coco.fields import ID
from cocoannot.errors import InvalidRecord
from cocoannot.extension import runtime
from cocoannot.people.roles import needs

__all__ = ["blueprint"]
"""That of the events."""


@blueprint.route("/presence")
@needs("viewer")
@blueprint.response(200, event_schemas.Present(many=True))
def list_presence() -> Response:
    """List who is on which image, and since when"""
    return json_response(runtime().team.presence.present())


@blueprint.route("/presence/<client:client>", methods=["PUT"])
@needs("viewer")
@blueprint.arguments(event_schemas.PresenceBody)
@blueprint.response(204)
@blueprint.errors(400, 404, 413, 415, 429)
def set_presence(body: dict[str, Any], client: str) -> Response:
    """Say on which image a client is, or null for none

    At each change of it, and each 20 seconds: it is gone after 60 seconds, or with the client's last stream of events.
    It renews what the client has claimed.
    """
    _check_name(client)
    image_id = body["image_id"]
    if image_id is not None:
        image_id = _existing_image(image_id)
    runtime().team.arrive(holder(client), image_id, editing=body["editing"])
    return no_content()


@blueprint.route("/presence/<client:client>", methods=["DELETE"])
@needs("viewer")
@blueprint.response(204)
@blueprint.errors(404)
def delete_presence(client: str) -> Response:
    """Say that a client is gone"""
    _check_name(client)
    runtime().team.presence.leave(holder(client))
    return no_content()


def _check_name(client: str) -> None:
    if not re.fullmatch(event_schemas.CLIENT, client):
        message = "the name of a client must be 1 to 64 letters, digits, or any of . _ ~ -"
        abort(422, message=message, errors={"path": {"client": ["Not a valid name."]}})


def _existing_image(image_id: object) -> int:
    if problem := ID.problem(image_id):
        raise InvalidRecord({"image_id": [problem]})
    number: int = int(image_id)  # type: ignore[call-overload]
    if store().get("images", number).record is None:
        raise InvalidRecord({"image_id": [f"there is no image with id {number}"]})
    return number
