"""The bytes of a picture, passed on as they come. Where they come from, and who may see them, is not known here."""

from __future__ import annotations

import errno
import logging
import posixpath
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, cast

from flask import Response, request
from werkzeug.wsgi import wrap_file

from cocoannot.api.responses import disposition
from cocoannot.errors import CocoannotError
from cocoannot.pictures.source import Blocks, File, Picture

log = logging.getLogger(__name__)

_BLOCK = 1 << 18


def stream_response(picture: Picture) -> Response:
    """The bytes of `picture`, or what the request's conditions and `Range` want of them.

    Nothing is read for an answer without a body. Raises what reading raises before the first byte comes.
    """
    response = Response(mimetype=picture.media_type())
    response.cache_control.no_cache = True
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["Content-Disposition"] = disposition("inline", posixpath.basename(picture.name))
    response.content_length = picture.size
    response.last_modified = picture.modified
    response.set_etag(picture.etag)
    response.make_conditional(request.environ, accept_ranges=True, complete_length=picture.size)
    if request.method == "HEAD" or response.status_code not in (200, 206):
        return response
    if response.status_code == 200 and (file := picture.file()) is not None:
        # The server may have a better way to send a file.
        response.response = wrap_file(request.environ, cast("IO[bytes]", _PassedFile(file)), _BLOCK)
        response.direct_passthrough = True
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
        with _broken_off_by_errors():
            return next(self._blocks)


class _PassedFile:
    def __init__(self, file: File) -> None:
        self._file = file
        self.fileno = file.fileno
        self.close = file.close

    def read(self, size: int) -> bytes:
        with _broken_off_by_errors():
            return self._file.read(size)


@contextmanager
def _broken_off_by_errors() -> Iterator[None]:
    try:
        yield
    except CocoannotError as exc:
        log.error("%s; the client's connection is broken off", exc)
        # Servers take it for a client that is gone, and close the connection: it must not look like a whole answer.
        raise ConnectionResetError(errno.ECONNRESET, str(exc)) from exc
