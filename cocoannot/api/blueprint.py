"""What every blueprint of the API has in common: strict parsing, page sizes, how its routes are documented."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from http import HTTPStatus
from typing import Any, TypeVar

import flask_smorest
import marshmallow as ma

from cocoannot.api.examples import ANSWERS, REQUESTS
from cocoannot.api.openapi import (
    ANY_CALL,
    CHANGED,
    CREATED,
    ETAG,
    GUARDED_CALL,
    IDEMPOTENCY_KEY,
    IF_NONE_MATCH,
    PAGES,
    REVISION,
)
from cocoannot.api.parsing import StrictParser
from cocoannot.errors import UnknownId
from cocoannot.extension import runtime
from cocoannot.manager import DatasetManager
from cocoannot.people.roles import ANYBODY, role_needed
from cocoannot.store.base import History, SavingStore

_NAMES = "_query_names"

View = TypeVar("View", bound=Callable[..., Any])


class Blueprint(flask_smorest.Blueprint):
    """A blueprint under `/api`. An operation's id is the name of its view."""

    ARGUMENTS_PARSER = StrictParser()
    PAGINATION_ARGUMENTS_PARSER = StrictParser()
    DEFAULT_PAGINATION_PARAMETERS = {"page": 1, "page_size": 100, "max_page_size": 1000}  # noqa: RUF012

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._prepare_doc_cbks += [_document_headers, _document_errors]
        self.query_names: dict[str, frozenset[str]] = {}
        """The parameters that each endpoint takes in its query."""

    def add_url_rule(self, rule: str, endpoint: Any = None, view_func: Any = None, *args: Any, **options: Any) -> None:
        """Like flask-smorest's, with the view's name as the operation's id. `needs` must have said who may call it."""
        role = role_needed(view_func)
        if role is None:
            raise TypeError(f"{view_func.__name__} has no role; put `needs` below its route")
        open_to_all: dict[str, Any] = {"security": []} if role == ANYBODY else {}
        view_func = self.doc(operationId=view_func.__name__, **{"x-role": role}, **open_to_all)(view_func)
        self.query_names[f"{self.name}.{endpoint or view_func.__name__}"] = getattr(view_func, _NAMES, frozenset())
        super().add_url_rule(rule, endpoint, view_func, *args, **options)

    def register_views_in_doc(self, api: Any, *args: Any, **options: Any) -> None:
        """Describe the routes in OpenAPI when somebody asks for it: that takes longer than all the rest of a start."""
        api.describe_later(partial(super().register_views_in_doc, api, *args, **options))

    def arguments(self, schema: Any, **options: Any) -> Callable[[View], View]:
        """Like flask-smorest's, with the examples of a body's schema."""
        if options.get("location", "json") == "json":
            options["examples"] = titled_examples(schema)
        # Of a class, webargs would make an instance for each request.
        schema = schema() if isinstance(schema, type) else schema
        decorator: Callable[[View], View] = super().arguments(schema, **options)
        if options.get("location") != "query":
            return decorator
        names = [field.data_key or name for name, field in schema.fields.items()]
        return lambda view: _with_query_names(decorator(view), names)

    def paginate(self, *args: Any, **options: Any) -> Callable[[View], View]:
        """Like flask-smorest's."""
        decorator: Callable[[View], View] = super().paginate(*args, **options)
        return lambda view: _with_query_names(decorator(view), ["page", "page_size"])

    def response(self, status_code: int, schema: Any = None, **options: Any) -> Callable[[View], View]:
        """Like flask-smorest's, with the header that every answer has, and an example of its schema."""
        options["headers"] = {**(options.get("headers") or {}), **REVISION}
        if isinstance(schema, ma.Schema):
            options["example"] = [ANSWERS[_name(type(schema))]]
        elif isinstance(schema, type):
            options["example"] = ANSWERS[_name(schema)]
        decorator: Callable[[View], View] = super().response(status_code, schema, **options)
        return decorator

    def alt_response(self, *args: Any, **options: Any) -> Callable[[View], View]:
        """Like flask-smorest's."""
        return _documenting(super().alt_response(*args, **options))

    @staticmethod
    def doc(**options: Any) -> Callable[[View], View]:
        """Like flask-smorest's."""
        return _documenting(flask_smorest.Blueprint.doc(**options))

    def created(self, schema: type[ma.Schema], noun: str) -> Callable[[View], View]:
        """Document a 201 with a record, and links to what reads, changes and deletes it: `get_NOUN` and so on."""
        links = {f"{verb}_{noun}": _link(f"{verb}_{noun}", noun) for verb in ("get", "update", "delete")}

        def decorate(view: View) -> View:
            view = self.response(201, schema, headers=CREATED)(view)
            return self.doc(responses={201: {"links": links}})(view)

        return decorate

    def unchanged(self, *headers: dict[str, Any]) -> Callable[[View], View]:
        """Document that a view takes `If-None-Match`, and may answer 304; `headers` are others that it takes."""

        def decorate(view: View) -> View:
            view = self.alt_response(304, description="The client has this version", headers={**ETAG, **REVISION})(view)
            return self.takes(IF_NONE_MATCH, *headers)(view)

        return decorate

    def takes(self, *headers: dict[str, Any]) -> Callable[[View], View]:
        """Document headers that a view honours, beside its other parameters (which `doc` would replace)."""

        def decorate(view: View) -> View:
            apidoc = getattr(view, "_apidoc", {})
            view._apidoc = {**apidoc, "headers": (*apidoc.get("headers", ()), *headers)}  # type: ignore[attr-defined]
            return view

        return decorate

    def commits(self, *statuses: int) -> Callable[[View], View]:
        """Document that a view makes a change, by `cocoannot.api.committing`, and may answer these errors besides."""

        def decorate(view: View) -> View:
            return self.takes(IDEMPOTENCY_KEY)(self.errors(*statuses, 409, 503, 507)(view))

        return decorate

    def errors(self, *statuses: int) -> Callable[[View], View]:
        """Document these error statuses for a view, beside those that follow from its arguments and from who calls."""

        def decorate(view: View) -> View:
            for status in statuses:
                view = self.alt_response(status, HTTPStatus(status).name)(view)
            return view

        return decorate

    def _document_pagination_metadata(self, spec: Any, resp_doc: dict[str, Any]) -> None:
        resp_doc["headers"] = {**resp_doc.get("headers", {}), **PAGES}


def titled_examples(schema: type[ma.Schema]) -> dict[str, Any]:
    """The examples of requests with a body of `schema`, as OpenAPI has them."""
    return {title: {"value": value} for title, value in REQUESTS[_name(schema)].items()}


def manager() -> DatasetManager:
    """The dataset of the current application."""
    return runtime().manager


def store() -> SavingStore:
    """What the dataset of the current application is kept in."""
    return manager().store


def history() -> History:
    """The changes of the past, where the dataset's store has them. Raises `UnknownId` where it has none."""
    found = store()
    if not isinstance(found, History):
        raise UnknownId("this dataset's store keeps no changes of the past")
    return found


def _with_query_names(view: View, names: Iterable[str]) -> View:
    setattr(view, _NAMES, getattr(view, _NAMES, frozenset()) | frozenset(names))
    return view


def _documenting(decorator: Callable[[View], Any]) -> Callable[[View], View]:
    """Only what `decorator` documents, without its wrapper around the view, which takes time at each request."""

    def document(view: View) -> View:
        view._apidoc = decorator(view)._apidoc  # type: ignore[attr-defined]
        return view

    return document


def _name(schema: type[ma.Schema]) -> str:
    return schema.__name__


def _link(operation_id: str, noun: str) -> dict[str, Any]:
    return {"operationId": operation_id, "parameters": {f"{noun}_id": "$response.body#/id"}}


def _document_headers(doc: dict[str, Any], doc_info: dict[str, Any], **_: Any) -> dict[str, Any]:
    if headers := doc_info.get("headers"):
        doc["parameters"] = [*doc.get("parameters", []), *headers]
    if IDEMPOTENCY_KEY in doc_info.get("headers", ()):
        for status, response in doc["responses"].items():
            if int(status) < 300:
                response["headers"] = {**response["headers"], **CHANGED}
    return doc


def _document_errors(doc: dict[str, Any], doc_info: dict[str, Any], **_: Any) -> dict[str, Any]:
    """The errors that no view tells of, because they come before it; and all of its answers by status."""
    is_open = doc_info.get("manual_doc", {}).get("security") == []
    before = {status.value: status.name for status in (ANY_CALL if is_open else ANY_CALL | GUARDED_CALL)}
    doc["responses"] = dict(sorted({**before, **doc["responses"]}.items()))
    return doc
