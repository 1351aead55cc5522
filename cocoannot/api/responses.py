"""Answers: stored texts go out as they are, with their ETag and the revision that they belong to."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import TypeVar
from urllib.parse import quote

import msgspec
from flask import Response, request
from werkzeug.http import dump_options_header

from cocoannot.clock import moment
from cocoannot.coco.records import Record, etag
from cocoannot.errors import UnknownId
from cocoannot.store.base import Committed, Found, Page

REVISION = "X-Dataset-Revision"
CHANGE = "X-Change-Revision"
REPEATED = "Idempotency-Replayed"
MERGED = "X-Merged"

_MOST_NAMED = 2_000
"""Characters of field names in a header; proxies refuse much longer ones."""

Result = TypeVar("Result")


def json_response(
    value: object, status: int = 200, *, revision: int | None = None, committed: Committed | None = None
) -> Response:
    """`value` as JSON; `msgspec.Raw` in it keeps its text. It belongs to `revision`, or to that of `committed`."""
    response = Response(msgspec.json.encode(value), status, mimetype="application/json")
    return _of_revision(response, revision) if committed is None else _of_change(response, committed)


def found_response(found: Found, noun: str, record_id: int) -> Response:
    """One record as stored; 304 where the client has it already. Raises `UnknownId` where there is none."""
    record = existing(found.record, noun, record_id)
    return _of_revision(conditional_response(record.text, "application/json", record.etag), found.revision)


def changed_response(committed: Committed, status: int = 200) -> Response:
    """The record that a single change left, as stored, with the fields that it was merged with."""
    (record,) = committed.results
    assert isinstance(record, Record)
    response = _of_change(conditional_response(record.text, "application/json", record.etag, status), committed)
    if fields := committed.merged.get(0):
        names = ",".join([quote(name, safe="") for name in fields])
        response.headers[MERGED] = names if len(names) <= _MOST_NAMED else "*"
    return response


def created_response(committed: Committed) -> Response:
    """The record that a single change added to the list that was asked for, with its address below that list's."""
    response = changed_response(committed, 201)
    change, (record,) = committed.change, committed.results
    assert change is not None
    assert isinstance(record, Record)
    record_id = change.edits[-1].record_id if change.edits else record["id"]
    response.headers["Location"] = f"{request.script_root}{request.path}/{record_id}"
    return response


def list_response(page: Page) -> Response:
    """Records as a JSON array of their texts."""
    return _of_revision(Response(_array(page.texts), mimetype="application/json"), page.revision)


def versioned_list_response(page: Page) -> Response:
    """Records as a JSON array of their texts, with an ETag over all of them; 304 where the client has it already."""
    text = _array(page.texts)
    return _of_revision(conditional_response(text, "application/json", etag(text)), page.revision)


def conditional_response(data: bytes, media_type: str, tag: str, status: int = 200) -> Response:
    """`data` with its ETag; 304 where the client has it already."""
    # Not by `make_conditional`: it answers an `If-Match` too, by a 412 with the record as its body.
    known = request.method in ("GET", "HEAD") and "If-None-Match" in request.headers
    if known and request.if_none_match.contains_weak(tag):
        response = Response(status=304)
    else:
        response = Response(data, status, content_type=media_type)
    response.set_etag(tag)
    return response


def no_content(committed: Committed | None = None) -> Response:
    """204."""
    response = Response(status=204)
    return response if committed is None else _of_change(response, committed)


def disposition(kind: str, name: str) -> str:
    """The `Content-Disposition` of a file with this name, as RFC 6266 has it: in ASCII, and whole where that is not."""
    plain = "".join(char if " " <= char <= "~" else "_" for char in name)
    whole = {} if plain == name else {"filename*": f"UTF-8''{quote(name.encode(errors='replace'), safe='')}"}
    return dump_options_header(kind, {"filename": plain, **whole})


def existing(result: Result | None, noun: str, record_id: int) -> Result:
    """What was found for an id. Raises `UnknownId` where that is nothing."""
    if result is None:
        raise UnknownId(f"there is no {noun} with id {record_id}")
    return result


def _of_revision(response: Response, revision: int | None) -> Response:
    if revision is not None:
        response.headers[REVISION] = str(revision)
    return response


def _of_change(response: Response, committed: Committed) -> Response:
    headers, change = response.headers, committed.change
    headers[REVISION] = str(committed.revision)
    if change is not None:
        headers[CHANGE] = str(change.revision)
    if committed.is_repeated:
        headers[REPEATED] = "true"
    return response


def _array(texts: Iterable[bytes]) -> bytes:
    return b"[%b]" % b",".join(texts)


def moment_or_none(seconds: float | None) -> datetime | None:
    """A time in seconds since 1970 as answers have it, `None` for none."""
    return None if seconds is None else moment(seconds)
