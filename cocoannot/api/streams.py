"""Bytes from another server, passed on as they come. What they are, and who may see them, is not known here."""

from __future__ import annotations

import errno
import logging
from collections.abc import Iterator
from typing import Protocol

from flask import Response, request
from werkzeug.http import unquote_etag

from cocoannot.errors import S3Error

log = logging.getLogger(__name__)


class Blocks(Protocol):
    """Bytes in blocks; `close` gives up what they come from."""

    def __iter__(self) -> Iterator[bytes]: ...

    def __next__(self) -> bytes: ...

    def close(self) -> None: ...


class Source(Protocol):
    """What has `size` bytes, to be read by `stream(start, length)`; `etag` has its quotes."""

    size: int
    etag: str

    def stream(self, start: int, length: int) -> Blocks: ...


def stream_response(source: Source, media_type: str) -> Response:
    """The bytes of `source`, or what the request's conditions and `Range` want of them.

    Nothing is read for an answer without a body. Raises what reading raises before the first byte comes.
    """
    size = source.size
    response = Response(mimetype=media_type)
    response.cache_control.no_cache = True
    response.content_length = size
    response.set_etag(unquote_etag(source.etag)[0] or "")
    response.make_conditional(request.environ, accept_ranges=True, complete_length=size)
    if request.method == "HEAD" or response.status_code not in (200, 206):
        return response
    start = response.content_range.start or 0
    length = response.content_length
    response.response = _Passed(source.stream(start, length))
    return response


class _Passed:
    def __init__(self, blocks: Blocks) -> None:
        self._blocks = blocks
        self.close = blocks.close

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        try:
            return next(self._blocks)
        except S3Error as exc:
            log.error("%s; the client's connection is broken off", exc)
            # Servers take it for a client that is gone, and close the connection: it must not look like a whole answer.
            raise ConnectionResetError(errno.ECONNRESET, str(exc)) from exc
