"""What following changes, presence and claims take and answer, for validation and for the OpenAPI document."""

from __future__ import annotations

import marshmallow as ma
from marshmallow import fields, validate

from cocoannot.api.body_schemas import Closed
from cocoannot.api.query_schemas import ImageListQuery, Numeral, Query
from cocoannot.coco.fields import ID
from cocoannot.coco.statuses import STATUSES

MAX_COMMENT = 2_000
"""Longest comment on a status, in characters."""

LONGEST_WAIT = 25
"""Seconds that `GET /api/changes` waits at most: proxies give up after 30 or 60."""

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


class ChangesQuery(Query):
    since = Numeral(
        required=True, validate=validate.Range(0, 2**53 - 1), metadata={"description": "changes after this revision"}
    )
    wait = fields.Float(
        load_default=0.0,
        allow_nan=False,
        validate=validate.Range(0, LONGEST_WAIT),
        metadata={"description": "seconds to wait for a change where there is none"},
    )


class Edit(ma.Schema):
    """What a change did to a record."""

    section = fields.String(validate=validate.OneOf(["images", "annotations", "categories"]))
    id = fields.Integer()
    image_id = fields.Integer(metadata={"description": "the image that it is, or belongs to"})
    from_image_id = fields.Integer(metadata={"description": "the image that it belonged to before"})
    op = fields.String(validate=validate.OneOf(["add", "update", "delete"]))
    etag = fields.String(metadata={"description": "of the record as it is after the change"})


class Change(ma.Schema):
    """One change; a bulk replacement has `replaced`, and no edits."""

    revision = fields.Integer()
    time = fields.Float(metadata={"description": "seconds since 1970"})
    user = fields.String(allow_none=True)
    kind = fields.String(validate=validate.OneOf(["change", "reset"]))
    summary = fields.String()
    edits = fields.List(fields.Nested(Edit))
    more = fields.Integer(metadata={"description": "how many edits there are beside these"})


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
    since = fields.Float(metadata={"description": "on this image, in seconds since 1970"})


class StatusBody(Closed):
    """How far somebody is with an image."""

    status = fields.String(required=True, validate=validate.OneOf(STATUSES))
    comment = fields.String(validate=validate.Length(1, MAX_COMMENT), metadata={"description": "why"})


class ClientQuery(Query):
    client = _client_field()


class NextImageQuery(ImageListQuery):
    class Meta:
        exclude = ("derived", "statuses")
        unknown = ma.EXCLUDE

    task = fields.String(
        load_default="annotate",
        validate=validate.OneOf(["annotate", "review"]),
        metadata={"description": "`review` gives what is done, never one's own work"},
    )
    client = _client_field()
