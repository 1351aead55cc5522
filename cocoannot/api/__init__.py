"""HTTP: the only place that knows status codes. See the OpenAPI document at `/api/openapi.json`."""

from __future__ import annotations

from flask import Flask, Response, request
from werkzeug.routing import BaseConverter

from cocoannot.api.annotations import blueprint as annotations_blueprint
from cocoannot.api.categories import blueprint as categories_blueprint
from cocoannot.api.dataset import blueprint as dataset_blueprint
from cocoannot.api.errors import Api, register_errors
from cocoannot.api.health import blueprint as health_blueprint
from cocoannot.api.images import blueprint as images_blueprint
from cocoannot.extension import runtime
from cocoannot.version import __version__

_OPEN = {"health.healthz", "api-docs.openapi_json"}


class IdConverter(BaseConverter):
    """An id in a path: an integer, possibly negative, of at most 19 digits."""

    regex = r"-?[0-9]{1,19}"

    def to_python(self, value: str) -> int:
        return int(value)


def register(app: Flask) -> None:
    """Put the API onto `app`."""
    app.url_map.converters["id"] = IdConverter
    app.url_map.merge_slashes = False
    app.config.update(
        API_TITLE="cocoannot",
        API_VERSION=__version__,
        OPENAPI_VERSION="3.1.0",
        OPENAPI_URL_PREFIX="/api",
        OPENAPI_JSON_PATH="openapi.json",
    )
    app.json.sort_keys = False  # type: ignore[attr-defined]
    api = Api(app)
    api.register_converter(IdConverter, lambda _: {"type": "integer"})
    for blueprint in (dataset_blueprint, images_blueprint, annotations_blueprint, categories_blueprint):
        api.register_blueprint(blueprint)
    app.register_blueprint(health_blueprint)
    register_errors(app)
    app.before_request(_load_first)
    app.after_request(_tell_revision)


def _load_first() -> None:
    """Under `flask run` nobody starts the dataset before the first request; under gunicorn this does nothing."""
    if request.endpoint not in _OPEN:
        host, port = request.environ["SERVER_NAME"], request.environ["SERVER_PORT"]
        runtime().start_once(f"http://{host}:{port}")


def _tell_revision(response: Response) -> Response:
    if request.path.startswith("/api"):
        response.headers["X-Dataset-Revision"] = str(runtime().manager.revision)
    return response
