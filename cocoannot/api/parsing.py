"""Bodies and versions of requests, read strictly. What they mean is the schemas' business."""

from __future__ import annotations

import codecs
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

import marshmallow as ma
import msgspec
import numpy as np
from flask import Request, request
from webargs.flaskparser import FlaskParser
from werkzeug.exceptions import (
    BadRequest,
    HTTPException,
    RequestEntityTooLarge,
    RequestTimeout,
    UnsupportedMediaType,
)
from werkzeug.http import parse_etags

from cocoannot.errors import CocoannotError

MAX_DEPTH = 100
"""How deep lists and objects may be nested in a body."""

CUT_OFF = "The body ends before the length that was announced"

_BLOCK = 1 << 20
_STEPS = np.zeros(256, np.int8)
_STEPS[[ord("["), ord("{")]] = 1
_STEPS[[ord("]"), ord("}")]] = -1


class StrictParser(FlaskParser):
    """webargs' parser with msgspec for JSON: 415 for another type, 400 for what is not JSON or nested too deep."""

    def parse(self, argmap: Any, req: Request | None = None, *, location: str | None = None, **options: Any) -> Any:
        """Like webargs'; most queries are alike, so that what came of one is kept. Views must not change its lists."""
        if location == "query" and isinstance(argmap, ma.Schema):
            return dict(_parsed(self, argmap, request.query_string))
        return super().parse(argmap, req, location=location, **options)

    def load_json(self, req: Request, schema: Any) -> Any:
        """The body's JSON value; nothing at all counts as `{}` where `schema` says `optional`, else as a 400."""
        data = json_body(req)
        if data is None and not getattr(schema, "optional", False):
            raise BadRequest("The body is empty; send JSON")
        if data is None:
            return {}
        try:
            return decode(data, getattr(schema, "body_type", Any))
        except msgspec.ValidationError:
            # It is of another type, which is the schema's to say.
            return decode(data)


@lru_cache(maxsize=256)
def _parsed(parser: FlaskParser, schema: ma.Schema, _: bytes) -> dict[str, Any]:
    query: dict[str, Any] = FlaskParser.parse(parser, schema, location="query")
    return query


def json_body(req: Request) -> bytes | None:
    """The body's bytes, `None` where there is none. Raises 415, 413, 408."""
    data = _read(req)
    if not data:
        return None
    _check_type(req)
    return data


def json_blocks(req: Request) -> Iterator[bytes]:
    """The body in blocks, for one that memory should not hold. Raises 415, 413, 408, 400, also while it is read."""
    _check_type(req)
    with reading_body():
        stream = req.stream
    received = 0
    while True:
        with reading_body():
            block = stream.read(_BLOCK)
        if not block:
            break
        received += len(block)
        yield block
    _check_length(req, received)


def _check_type(req: Request) -> None:
    if not req.is_json:
        raise UnsupportedMediaType(f"The body's type is {req.mimetype or 'not given'}; send application/json")
    if (charset := req.mimetype_params.get("charset", "utf-8")).lower() not in ("utf-8", "utf8", "us-ascii"):
        raise UnsupportedMediaType(f"The body's charset is {charset}; send UTF-8, as JSON is")


def _read(req: Request) -> bytes:
    """The body, whole."""
    with reading_body():
        data = req.get_data()
    _check_length(req, len(data))
    return data


def _check_length(req: Request, received: int) -> None:
    """A server that undoes chunks does not tell werkzeug whether the body ended, or was cut off."""
    announced = req.content_length
    if announced is None and received >= _most(req):
        with reading_body():
            if req.environ["wsgi.input"].read(1):
                raise RequestEntityTooLarge
    if announced is not None and received < announced:
        raise BadRequest(CUT_OFF)


@contextmanager
def reading_body() -> Iterator[None]:
    """Raises 408 where the body stops coming meanwhile, 400 where its chunks are none; our own errors as they are."""
    try:
        yield
    except CocoannotError:
        raise
    except (HTTPException, MemoryError) as exc:
        # Under gunicorn, sockets that block have a time limit.
        if not isinstance(exc.__context__, BlockingIOError):
            raise
        raise RequestTimeout("The body stopped coming; send it again, without a pause") from exc
    except Exception as exc:
        # Every server has errors of its own for chunks that are none.
        raise BadRequest("The body's chunks can't be read") from exc


def _most(req: Request) -> float:
    return float("inf") if req.max_content_length is None else req.max_content_length


def decode(data: bytes, type: Any = Any, *, any_depth: bool = False) -> Any:
    """The JSON value in `data`; with `any_depth`, how deep it is nested is looked at elsewhere. Raises 400."""
    try:
        # msgspec does not look into what it leaves undecoded.
        if not data.isascii():
            check_utf8(data)
        if not any_depth and data.count(b"[") + data.count(b"{") > MAX_DEPTH:
            check_depth(data)
        return msgspec.json.decode(data, type=type)
    except msgspec.ValidationError:
        if type is not Any:
            raise
        raise BadRequest("The body holds a number that is out of range") from None
    except UnicodeDecodeError as exc:
        raise BadRequest("The body is not UTF-8, as JSON is") from exc
    except msgspec.DecodeError as exc:
        reason = "text is cut off, or half of a surrogate pair" if "truncated" in str(exc) else str(exc)
        raise BadRequest(f"The body is not JSON: {reason}") from exc
    except RecursionError as exc:
        raise BadRequest(f"The body is nested more than {MAX_DEPTH} levels deep") from exc


def check_utf8(data: bytes) -> None:
    """Raise `UnicodeDecodeError` where `data` is not UTF-8."""
    blocks = (data[start : start + _BLOCK] for start in range(0, len(data), _BLOCK))
    for _ in codecs.iterdecode(blocks, "utf-8"):
        pass


def check_depth(data: bytes) -> None:
    """Raise `RecursionError` where lists and objects are nested deeper than `MAX_DEPTH`."""
    text = data.replace(b"\\\\", b"").replace(b'\\"', b"")
    quotes = depth = 0
    for start in range(0, len(text), _BLOCK):
        block = np.frombuffer(text, np.uint8, min(_BLOCK, len(text) - start), start)
        quotes_so_far = np.cumsum(block == ord('"'), dtype=np.int64) + quotes
        depths = np.cumsum(_STEPS[block] * (quotes_so_far % 2 == 0), dtype=np.int64) + depth
        if int(depths.max()) > MAX_DEPTH:
            raise RecursionError
        quotes, depth = int(quotes_so_far[-1]), int(depths[-1])


def if_match() -> frozenset[str] | None:
    """The ETags of the request's `If-Match`, without quotes, `*` for any; `None` where it has none."""
    return etags(request.headers["If-Match"]) if "If-Match" in request.headers else None


def merges(query: dict[str, Any]) -> bool:
    """Whether an update with this query is to be merged with what others did."""
    return query.get("on_conflict") == "merge"


def etags(text: str) -> frozenset[str]:
    """The ETags in the text of an `If-Match`, without quotes; `*` for any.

    Weak ones count too: proxies that compress make them of ours.
    """
    if text.strip() == "*":
        return frozenset("*")
    # werkzeug gives None for the empty tag `""`.
    return frozenset(tag or "" for tag in parse_etags(text).as_set(include_weak=True)) - {"*"}
