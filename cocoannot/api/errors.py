"""Errors: which error has which status, and one body for all of them."""

from __future__ import annotations

from collections.abc import Callable
from http import HTTPStatus
from math import ceil
from threading import Lock
from typing import Any

import flask_smorest
from flask import Flask, Response, request
from werkzeug.exceptions import HTTPException, MethodNotAllowed

from cocoannot import errors
from cocoannot.api.openapi import add_errors
from cocoannot.api.responses import json_response

_STATUS: dict[type[errors.CocoannotError], HTTPStatus] = {
    errors.UnknownId: HTTPStatus.NOT_FOUND,
    errors.NotKept: HTTPStatus.NOT_FOUND,
    errors.AmbiguousId: HTTPStatus.CONFLICT,
    errors.Conflict: HTTPStatus.CONFLICT,
    errors.FileChanged: HTTPStatus.CONFLICT,
    errors.VersionMismatch: HTTPStatus.PRECONDITION_FAILED,
    errors.InvalidRecord: HTTPStatus.UNPROCESSABLE_ENTITY,
    errors.BadPicture: HTTPStatus.UNPROCESSABLE_ENTITY,
    errors.PictureTooLarge: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    errors.BadHeader: HTTPStatus.UNPROCESSABLE_ENTITY,
    errors.KeyReused: HTTPStatus.UNPROCESSABLE_ENTITY,
    errors.DatasetError: HTTPStatus.UNPROCESSABLE_ENTITY,
    errors.SaveError: HTTPStatus.SERVICE_UNAVAILABLE,
    errors.NotInS3: HTTPStatus.BAD_REQUEST,
    errors.S3Error: HTTPStatus.BAD_GATEWAY,
    errors.JournalError: HTTPStatus.SERVICE_UNAVAILABLE,
    errors.HistoryError: HTTPStatus.SERVICE_UNAVAILABLE,
    errors.NotLoaded: HTTPStatus.SERVICE_UNAVAILABLE,
    errors.UsersUnreadable: HTTPStatus.SERVICE_UNAVAILABLE,
    errors.UnknownUser: HTTPStatus.NOT_FOUND,
    errors.LoginFailed: HTTPStatus.UNAUTHORIZED,
    errors.NotAllowed: HTTPStatus.FORBIDDEN,
    errors.TooMany: HTTPStatus.TOO_MANY_REQUESTS,
    errors.Unavailable: HTTPStatus.SERVICE_UNAVAILABLE,
}

_WHAT_TO_DO = {
    HTTPStatus.NOT_FOUND: "There is nothing at this address; /api/openapi.json lists what there is",
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "The body is too large; send less at a time, or raise the limit "
    "(COCOANNOT_MAX_BODY_BYTES, for PUT /api/dataset, POST /api/import and PUT /api/predictions "
    "COCOANNOT_MAX_DATASET_BYTES, for pictures COCOANNOT_MAX_PICTURE_BYTES)",
    HTTPStatus.INTERNAL_SERVER_ERROR: "The server failed in an unforeseen way; nothing was changed by this request. "
    "The server's log has the details",
}


class Api(flask_smorest.Api):
    """flask-smorest's API with every error, its own included, in one shape, and each documented by itself. Its document
    is made when it is first asked for."""

    DEFAULT_ERROR_RESPONSE_NAME = None

    def __init__(self, *args: Any, **options: Any) -> None:
        self._waiting: list[Callable[[], None]] = []
        self._lock = Lock()
        super().__init__(*args, **options)

    def describe_later(self, describe: Callable[[], None]) -> None:
        """Call `describe` before the document is given to anybody."""
        self._waiting.append(describe)

    def _init_spec(self, **options: Any) -> None:
        super()._init_spec(**options)
        as_it_is = self.spec.to_dict

        def to_dict() -> dict[str, Any]:
            with self._lock:
                while self._waiting:
                    self._waiting.pop(0)()
                document: dict[str, Any] = as_it_is()
                return document

        self.spec.to_dict = to_dict

    def _register_responses(self) -> None:
        self.describe_later(lambda: add_errors(self.spec))

    def handle_http_exception(self, error: HTTPException) -> Response:
        """Any HTTP error as `{"code", "status", "message", "errors"}`."""
        data: dict[str, Any] = getattr(error, "data", None) or {}
        status = HTTPStatus(error.code or 500)
        details = data.get("errors") or data.get("messages")
        if details and "message" not in data:
            data = {**data, "message": "The request does not fit; `errors` says where and why"}
        message = data.get("message") or _WHAT_TO_DO.get(status) or error.description or status.phrase
        if isinstance(error, MethodNotAllowed):
            message = f"This address takes {', '.join(sorted(error.valid_methods or []))}"
        response = error_response(status, str(message), details)
        for name, value in [*error.get_headers(), *(data.get("headers") or {}).items()]:
            if name.lower() not in ("content-type", "content-length"):
                response.headers[name] = value
        return response


def register_errors(app: Flask) -> None:
    """Turn the errors of the layers below into answers."""
    app.register_error_handler(errors.CocoannotError, _handle)


def error_response(status: HTTPStatus, message: str, details: object = None) -> Response:
    """An error's body: what happened and what to do, and `details` by field where there are any."""
    body: dict[str, object] = {"code": int(status), "status": status.phrase, "message": message}
    if details:
        body["errors"] = details
    return json_response(body, int(status))


def _handle(error: errors.CocoannotError) -> Response:
    cause = error.cause if isinstance(error, errors.BadOperation) else error
    response = error_response(_status(cause), str(error), _details(error))
    if isinstance(error, errors.VersionMismatch):
        response.set_etag(error.current)
    if isinstance(error, errors.LoginFailed):
        response.headers["WWW-Authenticate"] = "Bearer"
    if isinstance(error, errors.ComeAgain):
        response.headers["Retry-After"] = str(ceil(error.retry_after))
    return response


def _status(error: errors.CocoannotError) -> HTTPStatus:
    if isinstance(error, errors.SaveError | errors.JournalError) and error.disk_full:
        return HTTPStatus.INSUFFICIENT_STORAGE
    for kind in type(error).__mro__:
        if kind in _STATUS:
            return _STATUS[kind]
    return HTTPStatus.INTERNAL_SERVER_ERROR


def _details(error: errors.CocoannotError) -> object:
    if isinstance(error, errors.BadOperation):
        cause = error.cause
        if isinstance(cause, errors.InvalidRecord):
            fields = _nested(cause.errors)
            return {"json": {"operations": {str(error.index): {error.part: fields} if error.part else fields}}}
        return {"operation": error.index, **(_plain(cause))}
    if isinstance(error, errors.InvalidRecord):
        # The first three have no body: what is wrong with them came in the query.
        in_query = request.method in ("GET", "HEAD", "DELETE") or isinstance(error, errors.InvalidQuery)
        return {"query" if in_query else "json": _nested(error.errors)}
    if isinstance(error, errors.BadHeader):
        return {"headers": {error.name: [error.problem]}}
    if isinstance(error, errors.KeyReused):
        return {"headers": {"Idempotency-Key": [str(error)]}}
    if isinstance(error, errors.BadPredictions):
        return {"json": {"predictions": error.errors}}
    if isinstance(error, errors.ForeignPredictions):
        return {"json": error.counts}
    if isinstance(error, errors.DatasetError):
        return {"json": {"_schema": [str(error)]}}
    return _plain(error)


def _plain(error: errors.CocoannotError) -> dict[str, object]:
    if isinstance(error, errors.VersionMismatch):
        return {"current": error.current, **error.details}
    return error.details if isinstance(error, errors.Conflict) else {}


def _nested(by_path: dict[str, list[str]]) -> dict[str, Any]:
    """`{"segmentation.0": [...]}` as `{"segmentation": {"0": [...]}}`, as marshmallow has it."""
    result: dict[str, Any] = {}
    for path, texts in by_path.items():
        *parents, last = path.split(".") if path.startswith("segmentation.") else [path]
        place = result
        for parent in parents:
            place = place.setdefault(parent, {})
        place[last] = texts
    return result
