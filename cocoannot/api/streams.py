"""The bytes of a picture, passed on as they come. Where they come from, and who may see them, is not known here."""

from __future__ import annotations

import errno
import logging
import posixpath
from collections.abc import Iterator

from flask import Response, request

from cocoannot.errors import CocoannotError
from cocoannot.pictures.source import Blocks, Picture

log = logging.getLogger(__name__)


def stream_response(picture: Picture) -> Response:
    """The bytes of `picture`, or what the request's conditions and `Range` want of them.

    Nothing is read for an answer without a body. Raises what reading raises before the first byte comes.
    """
    response = Response(mimetype=picture.media_type())
    response.cache_control.no_cache = True
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers.set("Content-Disposition", "inline", filename=posixpath.basename(picture.name))
    response.content_length = picture.size
    response.last_modified = picture.modified
    response.set_etag(picture.etag)
    response.make_conditional(request.environ, accept_ranges=True, complete_length=picture.size)
    if request.method == "HEAD" or response.status_code not in (200, 206):
        return response
    start = response.content_range.start or 0
    response.response = _Passed(picture.stream(start, response.content_length))
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
        except CocoannotError as exc:
            log.error("%s; the client's connection is broken off", exc)
            # Servers take it for a client that is gone, and close the connection: it must not look like a whole answer.
            raise ConnectionResetError(errno.ECONNRESET, str(exc)) from exc
