"""The application on a real file, asked through Flask's test client; every answer is held to what all promise."""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Iterator
from functools import cache
from http import HTTPStatus
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit

import pytest
from flask.testing import FlaskClient
from openapi_schema_validator import OAS31Validator
from postgres_servers import Postgres
from postgres_stores import forget
from werkzeug.exceptions import HTTPException
from werkzeug.routing import RequestRedirect
from werkzeug.test import TestResponse

from cocoannot import create_app
from cocoannot.database_uri import DatabaseUri
from cocoannot.extension import runtime
from cocoannot.store.postgres.importing import import_file


@cache
def openapi() -> dict[str, Any]:
    """The OpenAPI document, which is the same for every dataset."""
    document: dict[str, Any] = create_app({}).test_client().get("/api/openapi.json", buffered=True).get_json()
    return document


class Response(TestResponse):
    """An answer whose JSON is what a test expects of it, or fails it."""

    @property
    def json(self) -> Any:
        return super().json


class Server:
    """The application on `path`. No answer may break what api.md promises of every answer, or what OpenAPI tells."""

    def __init__(self, path: Path, settings: dict[str, Any], database: Postgres | None = None) -> None:
        self.path = path
        self.settings = settings
        self._database = database
        self._open()

    def _open(self) -> None:
        own: dict[str, Any] = {"COCOANNOT_DATASET": self.path, "COCOANNOT_CACHE": self.path.with_name("cache")}
        if self._database is not None:
            uri = DatabaseUri(self._database.uri(), str(self.path))
            import_file(uri, self.path, unless_there=True)
            own |= {"COCOANNOT_DATASET": uri.text, "COCOANNOT_EXPORT": self.path}
        self.app = create_app({**own, "DATASET_AUTO_SAVE_INTERVAL": 86400, **self.settings})
        self._client = FlaskClient(self.app, Response)

    def ask(self, method: str, url: str, **options: Any) -> Response:
        # A client that keeps cookies leaves out the header that a test gives.
        own_cookie = "Cookie" in (options.get("headers") or {})
        client = FlaskClient(self.app, Response, use_cookies=False) if own_cookie else self._client
        answer = client.open(url, method=method, buffered=True, **options)
        assert isinstance(answer, Response)
        path = urlsplit(url).path
        if path.startswith("/api/"):
            assert answer.headers["X-Dataset-Revision"].isdecimal()
        if answer.status_code >= 400 and method != "HEAD":
            check_error_shape(answer)
        self._check_documented(method, path, answer)
        return answer

    def get(self, url: str, **options: Any) -> Response:
        return self.ask("GET", url, **options)

    def post(self, url: str, body: Any = None, **options: Any) -> Response:
        return self.ask("POST", url, **({"json": body} if body is not None else {}), **options)

    def patch(self, url: str, body: Any = None, **options: Any) -> Response:
        return self.ask("PATCH", url, **({"json": body} if body is not None else {}), **options)

    def forget_cookies(self) -> None:
        """As a browser that was just opened."""
        self._client = FlaskClient(self.app, Response)

    def put(self, body: Any, revision: object = None, **options: Any) -> Response:
        """`PUT /api/dataset` at `revision`, the current one if that is not given."""
        revision = self.revision if revision is None else revision
        options = {"json": body, **options} if not isinstance(body, bytes) else {**as_json(body), **options}
        return self.ask("PUT", "/api/dataset", headers={"If-Match": f'"{revision}"'}, **options)

    def delete(self, url: str, **options: Any) -> Response:
        return self.ask("DELETE", url, **options)

    @property
    def revision(self) -> int:
        return int(self.get("/api/status").headers["X-Dataset-Revision"])

    def ids(self, url: str) -> list[int]:
        return [record["id"] for record in self.get(url).json]

    def again(self) -> Server:
        """Stopped, so that everything is saved, and opened again on the same file."""
        self.stop()
        self._open()
        return self

    def stop(self) -> None:
        runtime(self.app).lifecycle.stop()

    def saved(self) -> dict[str, Any]:
        """Stopped; what the file holds then."""
        self.stop()
        content: dict[str, Any] = json.loads(self.path.read_bytes())
        return content

    def _check_documented(self, method: str, path: str, answer: Response) -> None:
        try:
            rule, _ = self.app.url_map.bind("localhost").match(path, method, return_rule=True)
        except (HTTPException, RequestRedirect):
            return
        address = re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule.rule)
        operation = openapi()["paths"].get(address, {}).get(method.lower())
        if operation is None:
            return
        assert str(answer.status_code) in operation["responses"], f"{method} {address} {answer.status_code}"
        response = operation["responses"][str(answer.status_code)]
        if "$ref" in response:
            response = openapi()["components"]["responses"][response["$ref"].rpartition("/")[2]]
        content = response.get("content", {})
        if answer.is_json and answer.data and "application/json" in content:
            schema = {**content["application/json"]["schema"], "components": openapi()["components"]}
            packed = answer.headers.get("Content-Encoding") == "gzip"
            text = gzip.decompress(answer.data) if packed else answer.data
            body = json.loads(text, parse_int=lambda digits: int(digits[:1000]))
            OAS31Validator(schema).validate(body)


class Serve(Protocol):
    """Serves the test's file; with `content` (a dataset or a text) writes it there before."""

    def __call__(self, content: dict[str, Any] | str | bytes | None = None, **settings: Any) -> Server: ...


@pytest.fixture
def serve(dataset_path: Path, database: Postgres | None) -> Iterator[Serve]:
    servers: list[Server] = []

    def serve(content: dict[str, Any] | str | bytes | None = None, **settings: Any) -> Server:
        if servers:
            servers.pop().stop()
        if isinstance(content, dict):
            content = json.dumps(content)
        if content is not None:
            dataset_path.write_bytes(content.encode() if isinstance(content, str) else content)
            if database is not None:
                forget(database, dataset_path)
        servers.append(Server(dataset_path, settings, database))
        return servers[-1]

    yield serve
    for server in servers:
        server.stop()


@pytest.fixture
def api(serve: Serve, small: dict[str, Any]) -> Server:
    """The small dataset, loaded and served, with nothing pending."""
    server = serve(small)
    assert server.get("/readyz").status_code == 200
    return server


def check_error_shape(answer: Response) -> None:
    """An error's body is `{"code", "status", "message", "errors"}`, the last one only where there is more to say."""
    body = answer.json
    assert body.keys() - {"errors"} == {"code", "status", "message"}
    assert body["code"] == answer.status_code
    assert body["status"] == HTTPStatus(answer.status_code).phrase
    assert body["message"].strip()
    assert isinstance(body.get("errors", {}), dict)


def as_json(data: bytes) -> dict[str, Any]:
    """The options of a request whose body is `data`, whatever that is."""
    return {"data": data, "content_type": "application/json"}


def if_match(etag: str) -> dict[str, dict[str, str]]:
    """The options of a request that is to fail unless the record is at `etag` (without quotes)."""
    return {"headers": {"If-Match": f'"{etag}"'}}
