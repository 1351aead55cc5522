"""Answers: stored texts go out as they are, with their ETag. Nothing is decoded here."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import quote

import msgspec
from flask import Response, request
from werkzeug.datastructures import Headers

from cocoannot.coco.records import Record, etag
from cocoannot.errors import UnknownId

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

Result = TypeVar("Result")


class _Whole(Response):
    """An answer that is there whole: its headers are, too, and need nothing of what Flask's go through."""

    def get_wsgi_headers(self, environ: WSGIEnvironment) -> Headers:
        return self.headers


def json_response(value: object, status: int = 200) -> Response:
    """`value` as JSON; `msgspec.Raw` in it keeps its text."""
    return _Whole(msgspec.json.encode(value), status, mimetype="application/json")


def record_response(record: Record) -> Response:
    """One record as stored, with its ETag; 304 where the client has it already."""
    return _with_etag(record.text, 200)


def created_response(record: Record) -> Response:
    """A record that was added by a POST to the list of its kind, which is the parent of its own address."""
    response = _with_etag(record.text, 201)
    # Not by `url_for`, which takes longer than the record takes to be added.
    response.headers["Location"] = quote(f"{request.root_path}{request.path}/{record['id']}")
    return response


def list_response(texts: Iterable[bytes]) -> Response:
    """Records as a JSON array of their texts."""
    return _Whole(_array(texts), mimetype="application/json")


def versioned_list_response(texts: Iterable[bytes]) -> Response:
    """Records as a JSON array of their texts, with an ETag over all of them; 304 where the client has it already."""
    return _with_etag(_array(texts), 200)


def picture_response(data: bytes, tag: str) -> Response:
    """A JPEG with its ETag, to be asked for again before each use; 304 where the client has it already."""
    response = _conditional(data, "image/jpeg", 200, tag)
    response.headers["Cache-Control"] = "no-cache"
    response.headers["X-Content-Type-Options"] = "nosniff"
    return response


def found(result: Result | None, noun: str, record_id: int) -> Result:
    """What the manager gave for an id; `None` or false from it is a 404 that says what is not there."""
    if result is None or result is False:
        raise UnknownId(f"there is no {noun} with id {record_id}")
    return result


def no_content() -> Response:
    """204."""
    return Response(status=204)


def _array(texts: Iterable[bytes]) -> bytes:
    return b"[%b]" % b",".join(texts)


def _with_etag(text: bytes, status: int) -> Response:
    return _conditional(text, "application/json", status, etag(text))


def _conditional(data: bytes, media_type: str, status: int, tag: str) -> Response:
    response: Response = _Whole(data, status, mimetype=media_type)
    # Not by `make_conditional`: it answers an `If-Match` too, by a 412 with the record as its body.
    known = request.headers.get("If-None-Match")
    if known is not None and request.method in ("GET", "HEAD") and request.if_none_match.contains_weak(tag):
        response = Response(status=304)
    response.set_etag(tag)
    return response
