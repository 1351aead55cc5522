"""What streams of events, presence and claims take and answer, for validation and for the OpenAPI document."""

from __future__ import annotations

import marshmallow as ma
from marshmallow import fields, validate

from cocoannot.api.body_schemas import Closed
from cocoannot.api.query_schemas import ImageFilters, Numeral, Query
from cocoannot.coco.fields import ID
from cocoannot.coco.statuses import STATUSES

MAX_COMMENT = 2_000
"""Longest comment on a status, in characters."""

CLIENT = "[A-Za-z0-9._~-]{1,64}"

_client = validate.Regexp(f"^{CLIENT}$", error="must be 1 to 64 letters, digits, or any of . _ ~ -")


def _client_field() -> fields.String:
    return fields.String(
        load_default="",
        validate=lambda text: text == "" or _client(text),
        metadata={
            "description": "the name that this client (a tab, a script) gives itself, for presence and claims",
            "pattern": f"^({CLIENT})?$",
        },
    )


def _check_flag(value: object) -> None:
    if type(value) is not bool:
        raise ma.ValidationError("Not a valid boolean.")


class EventsQuery(Query):
    image_ids = fields.List(
        Numeral(),
        data_key="image_id",
        load_default=list,
        validate=validate.Length(max=100),
        metadata={"description": "only what concerns any of these images, at most 100"},
    )
    since = fields.String(metadata={"description": "go on after this: `LINEAGE:REVISION`, or a revision"})
    client = _client_field()


class PresenceBody(Closed):
    """Where a client is."""

    image_id = fields.Raw(required=True, allow_none=True, metadata=ID.schema)
    # Not `Boolean`, which takes 1 for true.
    editing = fields.Raw(load_default=False, validate=_check_flag, metadata={"type": "boolean"})


class Present(ma.Schema):
    """Where a client is."""

    client = fields.String()
    user = fields.String(allow_none=True)
    image_id = fields.Integer(allow_none=True)
    editing = fields.Boolean()
    since = fields.DateTime(metadata={"description": "when it came to this image"})


class StatusBody(Closed):
    """How far somebody is with an image."""

    status = fields.String(required=True, validate=validate.OneOf(STATUSES))
    comment = fields.String(validate=validate.Length(1, MAX_COMMENT), metadata={"description": "why"})


class ClientQuery(Query):
    client = _client_field()


class NextImageQuery(ImageFilters):
    class Meta:
        exclude = ("statuses",)
        unknown = ma.EXCLUDE

    task = fields.String(
        load_default="annotate",
        validate=validate.OneOf(["annotate", "review"]),
        metadata={"description": "`review` gives what is done, never one's own work"},
    )
    client = _client_field()
