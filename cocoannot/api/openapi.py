"""What the OpenAPI document says of many routes: headers, errors, who may call. What one does is told at its view."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from apispec import APISpec, BasePlugin

from cocoannot.api import body_schemas, response_schemas

_ANY_ETAG = {"type": "string", "pattern": '^(W/)?"[^"]*"$'}

ETAG = {"ETag": {"description": "the version, in quotes", "required": True, "schema": _ANY_ETAG}}
CREATED = {
    **ETAG,
    "Location": {
        "description": "where the record is",
        "required": True,
        "schema": {"type": "string", "format": "uri-reference"},
    },
}
IF_MATCH = {
    "in": "header",
    "name": "If-Match",
    "description": "ETag that the record must have, else 412",
    "schema": {"type": "string"},
}
IF_NONE_MATCH = {
    "in": "header",
    "name": "If-None-Match",
    "description": "ETag that the client has, for a 304",
    "schema": {"type": "string"},
}
MAX_KEY = 255
KEY_PATTERN = "^[!-~]([ -~]*[!-~])?$"
IDEMPOTENCY_KEY = {
    "in": "header",
    "name": "Idempotency-Key",
    "description": "a name that the client gives this request. The same request with the same name, sent again, is not "
    "done again: it gets the first answer. 422 where the name was given to another request",
    "schema": {"type": "string", "minLength": 1, "maxLength": MAX_KEY, "pattern": KEY_PATTERN},
}
LAST_EVENT_ID = {
    "in": "header",
    "name": "Last-Event-ID",
    "description": "the id of the last event that the client has, to go on from there; goes before `since`",
    "schema": {"type": "string"},
}
CLAIM = {
    "X-Claim-Seconds": {
        "description": "how long the claim lasts without a sign of life; left out while the client has a stream",
        "required": False,
        "schema": {"type": "integer", "minimum": 0},
    }
}
ACCEPT_ENCODING = {
    "in": "header",
    "name": "Accept-Encoding",
    "description": "with `gzip` the answer is compressed",
    "schema": {"type": "string"},
}
ENCODING = {
    "Content-Encoding": {"description": "`gzip` where the answer is compressed", "schema": {"const": "gzip"}},
    "Vary": {"description": "what the answer depends on", "required": True, "schema": {"type": "string"}},
}
RANGE = {
    "in": "header",
    "name": "Range",
    "description": "bytes of the file, such as `bytes=0-1023`, for a 206",
    "schema": {"type": "string"},
}
RANGES = {
    **ETAG,
    "Content-Range": {"description": "which bytes these are", "required": True, "schema": {"type": "string"}},
}
REVISION = {
    "X-Dataset-Revision": {
        "description": "how many changes were accepted so far",
        "required": True,
        "schema": {"type": "integer", "minimum": 0},
    }
}
CHANGED = {
    "X-Change-Revision": {
        "description": "the revision of the change that was made; not there where nothing was changed",
        "schema": {"type": "integer", "minimum": 1},
    },
    "Idempotency-Replayed": {
        "description": "`true` where this is the answer to the same request that was sent before",
        "schema": {"const": "true"},
    },
}
MERGED = {
    "X-Merged": {
        "description": "the fields that others had changed since the version of `If-Match`, with `on_conflict=merge`: "
        "percent-encoded where that is needed, with commas between them, or `*` for very many",
        "schema": {"type": "string"},
    }
}
PAGES = {
    "X-Pagination": {
        "description": "where this page stands, as JSON",
        "required": True,
        "schema": {
            "type": "string",
            "contentMediaType": "application/json",
            "contentSchema": {
                "type": "object",
                "required": ["total", "total_pages"],
                "properties": {
                    name: {"type": "integer"}
                    for name in (
                        *("total", "total_pages", "first_page", "last_page"),
                        *("page", "previous_page", "next_page"),
                    )
                },
            },
            "examples": [
                '{"total": 250, "total_pages": 3, "first_page": 1, "last_page": 3, "page": 1, "next_page": 2}'
            ],
        },
    }
}

ANY_CALL = {HTTPStatus.FORBIDDEN, HTTPStatus.UNPROCESSABLE_ENTITY}
"""Errors that every route may answer with."""
GUARDED_CALL = {HTTPStatus.UNAUTHORIZED, HTTPStatus.SERVICE_UNAVAILABLE}
"""Errors of every route that takes the token where one is set."""

_ERRORS: dict[int, tuple[str, str, object]] = {
    400: ("The body is not JSON", "The body is not JSON: Input data was truncated", None),
    401: (
        "Not logged in: a token is set, or there are users",
        "A token is needed; send it as `Authorization: Bearer TOKEN`",
        None,
    ),
    403: (
        "The caller's role, the host or the origin is not enough",
        "This needs the role reviewer; anna is annotator",
        None,
    ),
    404: ("There is no such record", "there is no annotation with id 99", None),
    409: (
        "The change contradicts what the dataset holds",
        "category 1 is used by 2 annotations; delete them first, or move them with reassign_to=ID",
        {"annotation_count": 2},
    ),
    412: (
        "The version is another one by now",
        'annotation 7 is at "1e7ccb1b5e0a" by now; read it again',
        {"current": "1e7ccb1b5e0a"},
    ),
    413: ("The body is too large", "The body is too large; send less at a time, or raise the limit", None),
    415: ("The body is of another type", "The body's type is text/plain; send application/json", None),
    416: ("There is nothing at this range", "The requested range is beyond the end of the picture", None),
    422: (
        "A field or parameter does not fit",
        "The request does not fit; `errors` says where and why",
        {"json": {"image_id": ["there is no image with id 99"]}},
    ),
    428: ("If-Match is missing", 'If-Match: "REVISION" is missing; send the revision that you read', None),
    429: (
        "Too much at a time, or too early",
        "you have 20 event streams open, which is the limit for one user or address; close one",
        None,
    ),
    502: (
        "S3 refused, or could not be reached",
        "upload s3://data/train.json: access is denied; the credentials need the permissions that the README lists",
        None,
    ),
    503: (
        "Not possible at the moment: not loaded yet, or the disk fails; the message says whether the change was made",
        "the dataset is not loaded yet; try again in a moment",
        None,
    ),
    507: (
        "The disk is full, and the change was not made",
        "can't write annotations.json.cocoannot/journal: No space left on device; the change was not made. It can be "
        "made as soon as the disk takes it",
        None,
    ),
}

_ERROR_HEADERS: dict[int, dict[str, Any]] = {
    401: {"WWW-Authenticate": {"description": "how to send the token", "schema": {"type": "string"}}},
    412: {"ETag": {**ETAG["ETag"], "required": False, "description": "the version by now"}},
    416: {"Content-Range": {"description": "how many bytes there are", "schema": {"type": "string"}}},
    429: {"Retry-After": {"description": "seconds after which to try again", "schema": {"type": "integer"}}},
    503: {"Retry-After": {"description": "seconds, where that is known", "schema": {"type": "integer"}}},
}

_DESCRIPTION = """\
Edits one COCO dataset, which the server holds in memory and saves behind.

**Errors** have one body: `{"code": 409, "status": "Conflict", "message": "...", "errors": {...}}`, on a path that is
unknown (404) or takes another method (405, with `Allow`) too. The message says what to do.

**Records** go out as stored. Fields that begin with an underscore are derived, come where `with` asks for them, and
are refused in bodies.

**Versions.** Every answer carries `X-Dataset-Revision`. A record, and the annotations of an image, carry an `ETag`: a
GET honours `If-None-Match`, and a PATCH or DELETE `If-Match` where it is sent.

**Once only.** A request that changes records may carry `Idempotency-Key`. Sent again with the same key it gets the
first answer again, with `Idempotency-Replayed: true`, and nothing is changed. `X-Change-Revision` is the revision of
the change that was made.

**PATCH** merges at the top level: a field that is given replaces the stored one, `null` removes an optional one.

**Who may call.** Where the server has users or a token, send a token as `Authorization: Bearer TOKEN`, or log in by
`POST /api/login`, which sets a cookie. `x-role` is the role that a call needs at least: viewer, annotator, reviewer or
admin, each of which may do what those before it may. Without users every caller is an admin.

Not under `/api`, and not described here: `GET /healthz` (200 while the process answers), `GET /readyz` (200 once the
dataset is loaded and changes are accepted, else 503 with the reason) and `GET /metrics` (Prometheus' text format).
"""


class More(BasePlugin):
    """Adds what a schema tells in `more`, which marshmallow has no words for."""

    def schema_helper(self, name: str, definition: dict[str, Any], **kwargs: Any) -> dict[str, Any]:
        """What to add to the definition of the schema `name`."""
        return dict(getattr(kwargs.get("schema"), "more", {}))


def add_operations(converter: Any) -> None:
    """Describe an operation of a batch as one of its kinds; `converter` is apispec's, of marshmallow's fields."""

    def describe(self: Any, field: object, **_: Any) -> dict[str, Any]:
        if isinstance(field, body_schemas.Kind):
            return {"const": field.text}
        if not isinstance(field, body_schemas.BatchOperation):
            return {}
        kinds = {op: self.resolve_nested_schema(schema) for op, schema in field.KINDS.items()}
        mapping = {op: kind["$ref"] for op, kind in kinds.items()}
        return {"oneOf": list(kinds.values()), "discriminator": {"propertyName": "op", "mapping": mapping}}

    converter.add_attribute_function(describe)


def options(guarded: bool) -> dict[str, Any]:
    """What the document says as a whole; `guarded` tells whether a call must say who makes it."""
    ways: list[dict[str, list[str]]] = [{"bearer": []}, {"cookie": []}]
    return {
        "info": {"description": _DESCRIPTION, "license": {"name": "MIT", "identifier": "MIT"}},
        "security": ways if guarded else [*ways, {}],
    }


def add_security(spec: APISpec, cookie: str) -> None:
    """Add the ways to send the token, as a header or in the cookie of that name."""
    bearer = {"type": "http", "scheme": "bearer", "description": "a personal token, or COCOANNOT_TOKEN"}
    spec.components.security_scheme("bearer", bearer)
    spec.components.security_scheme(
        "cookie", {"type": "apiKey", "in": "cookie", "name": cookie, "description": "as POST /api/login sets it"}
    )


def add_errors(spec: APISpec) -> None:
    """Add the answer of each error status, by the name of the status; the document has those that a route refers to."""
    for code, (description, message, details) in _ERRORS.items():
        status = HTTPStatus(code)
        example: dict[str, object] = {"code": code, "status": status.phrase, "message": message}
        response = {
            "description": description,
            "headers": {**REVISION, **_ERROR_HEADERS.get(code, {})},
            "content": {
                "application/json": {
                    "schema": response_schemas.Error,
                    "example": {**example, "errors": details} if details else example,
                }
            },
        }
        spec.components.response(status.name, response, lazy=True)
