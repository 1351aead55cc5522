"""What every blueprint of the API has in common: strict parsing, page sizes, how errors are documented."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import flask_smorest

from cocoannot.api.parsing import StrictParser
from cocoannot.dataset.manager import DatasetManager
from cocoannot.extension import runtime

View = TypeVar("View", bound=Callable[..., Any])

ETAG = {"ETag": {"description": "the version", "schema": {"type": "string"}}}
CREATED = {**ETAG, "Location": {"description": "where the record is", "schema": {"type": "string"}}}
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

RANGES = {**ETAG, "Content-Range": {"description": "which bytes these are", "schema": {"type": "string"}}}
RANGE = {
    "in": "header",
    "name": "Range",
    "description": "bytes of the file, such as `bytes=0-1023`, for a 206",
    "schema": {"type": "string"},
}

_REVISION = {
    "X-Dataset-Revision": {"description": "how many changes were accepted so far", "schema": {"type": "integer"}}
}
_PAGES = {
    "X-Pagination": {
        "description": "where this page stands, as JSON",
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
        },
    }
}

_ERRORS = {
    400: "The body is not JSON",
    404: "There is no such record",
    409: "The change contradicts what the dataset holds",
    412: "The version is another one by now",
    413: "The body is too large",
    415: "The body is of another type",
    422: "A field or parameter does not fit",
    416: "There is nothing at this range",
    428: "If-Match is missing",
    503: "Not possible at the moment: not loaded yet, or the disk fails",
    507: "The disk is full",
}


class Blueprint(flask_smorest.Blueprint):
    """A blueprint under `/api`."""

    ARGUMENTS_PARSER = StrictParser()
    PAGINATION_ARGUMENTS_PARSER = StrictParser()
    DEFAULT_PAGINATION_PARAMETERS = {"page": 1, "page_size": 100, "max_page_size": 1000}  # noqa: RUF012

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._prepare_doc_cbks.append(_document_headers)

    def response(self, status_code: int, schema: Any = None, **options: Any) -> Callable[[View], View]:
        """Like flask-smorest's, with the header that every answer has."""
        options["headers"] = {**(options.get("headers") or {}), **_REVISION}
        decorator: Callable[[View], View] = super().response(status_code, schema, **options)
        return decorator

    def unchanged(self, *headers: dict[str, Any]) -> Callable[[View], View]:
        """Document that a view takes `If-None-Match`, and may answer 304; `headers` are others that it takes."""

        def decorate(view: View) -> View:
            view = self.alt_response(304, description="The client has this version", headers={**ETAG, **_REVISION})(
                view
            )
            return self.takes(IF_NONE_MATCH, *headers)(view)

        return decorate

    def takes(self, *headers: dict[str, Any]) -> Callable[[View], View]:
        """Document headers that a view honours, beside its other parameters (which `doc` would replace)."""

        def decorate(view: View) -> View:
            view._apidoc = {**getattr(view, "_apidoc", {}), "headers": headers}  # type: ignore[attr-defined]
            return view

        return decorate

    def errors(self, *statuses: int) -> Callable[[View], View]:
        """Document these error statuses for a view, each with the one body that errors have."""

        def decorate(view: View) -> View:
            for status in statuses:
                view = self.alt_response(
                    status,
                    schema=flask_smorest.error_handler.ErrorSchema,
                    description=_ERRORS[status],
                    headers=_REVISION,
                )(view)
            return view

        return decorate

    def _document_pagination_metadata(self, spec: Any, resp_doc: dict[str, Any]) -> None:
        resp_doc["headers"] = {**resp_doc.get("headers", {}), **_PAGES}


def _document_headers(doc: dict[str, Any], doc_info: dict[str, Any], **_: Any) -> dict[str, Any]:
    if headers := doc_info.get("headers"):
        doc["parameters"] = [*doc.get("parameters", []), *headers]
    return doc


def manager() -> DatasetManager:
    """The dataset of the current application."""
    return runtime().manager
