"""A picture in the body of a request: streamed to the place where pictures are, with what a form says beside it.

What becomes of it is decided by the views. Never more of a body than a block, and the texts of a form, is in memory.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import IO, Any, NamedTuple, cast

import msgspec
from flask import request
from werkzeug.exceptions import BadRequest, ClientDisconnected, RequestEntityTooLarge, UnsupportedMediaType
from werkzeug.formparser import MultiPartParser

from cocoannot.api.parsing import CUT_OFF, check_depth, reading_body
from cocoannot.errors import InvalidRecord
from cocoannot.extension import runtime
from cocoannot.pictures.receiving import Received

FORM = "multipart/form-data"

_BLOCK = 64 << 10
_MAX_TEXTS = 1 << 20
"""Bytes of a form beside its picture."""

_MAX_PARTS = 100


class Form(NamedTuple):
    """A picture, what its sender calls it, and the fields of its record that came with it."""

    received: Received
    file_name: str
    fields: dict[str, Any]

    @property
    def body(self) -> bytes:
        """The same bytes for the same form, whatever boundary it came with."""
        return json.dumps([self.file_name, self.received.sha256, self.fields], sort_keys=True).encode()


def is_form() -> bool:
    """Whether the current request's body is a form."""
    return request.mimetype == FORM


@contextmanager
def received_form() -> Iterator[Form]:
    """The form in the current request's body, while its picture is in a file of its own.

    Raises 400 for what is no form, 413, 408, `InvalidRecord` for one without a picture, and as `Received`.
    """
    with ExitStack() as stack:
        files: list[Received] = []

        def start(**_: Any) -> IO[bytes]:
            if files:
                raise InvalidRecord({"file": ["is there twice; send one picture in a request"]})
            files.append(stack.enter_context(runtime().pictures.receive(None)))
            return cast("IO[bytes]", _Sink(files[0]))

        texts, parts = _parsed(start)
        if "file" not in parts or not files:
            raise InvalidRecord({"file": ["is required: the picture, as a part with a file name"]})
        yield Form(files[0], parts["file"].filename or "", _fields(texts))


@contextmanager
def received_body() -> Iterator[Received]:
    """The current request's body, as a picture in a file of its own. Raises as `received_form`, and 415."""
    if request.is_json or request.mimetype.startswith(("multipart/", "text/")):
        raise UnsupportedMediaType(f"The body's type is {request.mimetype}; send the bytes of the picture, as image/*")
    # One more: werkzeug does not tell a body that is as long as the limit from one that is longer.
    request.max_content_length = runtime().settings.max_picture_bytes + 1
    with runtime().pictures.receive(request.content_length) as received, reading_body():
        while block := request.stream.read(_BLOCK):
            received.write(block)
        if received.size < (request.content_length or 0):
            raise BadRequest(CUT_OFF)
        yield received


class _Sink:
    """A file that is written by a form's parser, as far as that needs it to be one."""

    def __init__(self, received: Received) -> None:
        self.write = received.write

    def seek(self, offset: int) -> int:
        return offset

    def close(self) -> None:
        """It is closed by who made it."""


def _parsed(start: Any) -> tuple[dict[str, str], dict[str, Any]]:
    boundary = request.mimetype_params.get("boundary", "")
    if not boundary or not boundary.isascii():
        raise BadRequest("The form has no boundary; leave the Content-Type to the program that makes the form")
    limit = runtime().settings.max_picture_bytes + _MAX_TEXTS
    if (request.content_length or 0) > limit:
        raise RequestEntityTooLarge
    request.max_content_length = limit
    parser = MultiPartParser(start, _MAX_TEXTS, max_form_parts=_MAX_PARTS, buffer_size=_BLOCK)
    with reading_body():
        try:
            texts, parts = parser.parse(request.stream, boundary.encode(), request.content_length)
        except ClientDisconnected as exc:
            # One that only waits is told otherwise.
            if isinstance(exc.__context__, BlockingIOError):
                raise
            raise BadRequest(CUT_OFF) from exc
        except ValueError as exc:
            raise BadRequest(f"The form can't be read: {exc}") from exc
    return texts.to_dict(), parts.to_dict()


def _fields(texts: dict[str, str]) -> dict[str, Any]:
    """The fields of a record as a form has them: `file_name` is text, others are the JSON that they are, else text."""
    fields: dict[str, Any] = {}
    for name, text in texts.items():
        if name == "file_name":
            fields[name] = text
        else:
            fields[name] = _value(text)
    return fields


def _value(text: str) -> Any:
    try:
        data = text.encode()
        check_depth(data)
        return msgspec.json.decode(data)
    except (msgspec.MsgspecError, RecursionError, UnicodeEncodeError):
        return text
