"""HTTP: the only place that knows status codes. See the OpenAPI document at `/api/openapi.json`."""

from __future__ import annotations

from functools import partial

from flask import Flask, Response, request
from webargs.flaskparser import abort
from werkzeug.routing import BaseConverter

from cocoannot.api import openapi as document
from cocoannot.api.access import COOKIE, register_access
from cocoannot.api.additions import blueprint as images_blueprint
from cocoannot.api.annotations import blueprint as annotations_blueprint
from cocoannot.api.assist import blueprint as assist_blueprint
from cocoannot.api.categories import blueprint as categories_blueprint
from cocoannot.api.changes import blueprint as changes_blueprint
from cocoannot.api.dataset import blueprint as dataset_blueprint
from cocoannot.api.docs import blueprint as docs_blueprint
from cocoannot.api.errors import Api, register_errors
from cocoannot.api.event_schemas import CLIENT
from cocoannot.api.export import blueprint as export_blueprint
from cocoannot.api.health import blueprint as health_blueprint
from cocoannot.api.history import blueprint as history_blueprint
from cocoannot.api.imports import blueprint as imports_blueprint
from cocoannot.api.metrics import blueprint as metrics_blueprint
from cocoannot.api.metrics import register_metrics
from cocoannot.api.predictions import blueprint as predictions_blueprint
from cocoannot.api.presence import blueprint as events_blueprint
from cocoannot.api.responses import REVISION
from cocoannot.api.s3 import blueprint as s3_blueprint
from cocoannot.api.sessions import blueprint as sessions_blueprint
from cocoannot.api.users import blueprint as users_blueprint
from cocoannot.coco.parser import MAX_ID
from cocoannot.extension import runtime
from cocoannot.people.roles import needs
from cocoannot.version import __version__

_UNLOADED = {
    "health.healthz",
    "metrics.metrics",
    "api-docs.openapi_json",
    "sessions.login",
    "sessions.logout",
    "sessions.set_password",
    "docs.page",
    "docs.file",
    "web.page",
    "web.file",
}


class ClientConverter(BaseConverter):
    """What stands for the name of a client in a path; the views look at it."""


class IdConverter(BaseConverter):
    """An id in a path: an integer, possibly negative, of at most 19 digits."""

    regex = r"-?[0-9]{1,19}"

    def to_python(self, value: str) -> int:
        return int(value)


def register(app: Flask) -> None:
    """Put the API onto `app`."""
    state = runtime(app)
    settings = state.settings
    app.url_map.converters["id"] = IdConverter
    app.url_map.converters["client"] = ClientConverter
    app.url_map.merge_slashes = False
    app.config.update(
        API_TITLE="cocoannot",
        API_VERSION=__version__,
        OPENAPI_VERSION="3.1.0",
        OPENAPI_URL_PREFIX="/api",
        OPENAPI_JSON_PATH="openapi.json",
        API_SPEC_OPTIONS=document.options(
            guarded=bool(settings.token or settings.user_header) or state.people.file.exists
        ),
    )
    app.json.sort_keys = False  # type: ignore[attr-defined]
    register_metrics(app)
    register_access(app, settings)
    api = Api(app, spec_kwargs={"extra_plugins": [document.More()]})
    api.register_converter(IdConverter, lambda _: {"type": "integer", "minimum": -MAX_ID, "maximum": MAX_ID})
    api.register_converter(ClientConverter, lambda _: {"type": "string", "pattern": f"^{CLIENT}$"})
    document.add_operations(api.ma_plugin.converter)
    document.add_security(api.spec, COOKIE)
    query_names: dict[str, frozenset[str]] = {}
    for blueprint in (
        dataset_blueprint,
        export_blueprint,
        images_blueprint,
        annotations_blueprint,
        categories_blueprint,
        history_blueprint,
        changes_blueprint,
        predictions_blueprint,
        assist_blueprint,
        events_blueprint,
        imports_blueprint,
        s3_blueprint,
        sessions_blueprint,
        users_blueprint,
    ):
        api.register_blueprint(blueprint)
        query_names |= blueprint.query_names
    # It is flask-smorest's own, a method, which can't be marked itself.
    openapi_json = app.view_functions["api-docs.openapi_json"]
    app.view_functions["api-docs.openapi_json"] = needs("viewer")(partial(openapi_json))
    app.register_blueprint(docs_blueprint)
    app.register_blueprint(health_blueprint)
    app.register_blueprint(metrics_blueprint)
    register_errors(app)

    @app.before_request
    def load_first() -> None:
        """Under `flask run` nobody starts the dataset before the first request; under gunicorn this does nothing."""
        if not state.lifecycle.is_started and request.endpoint not in _UNLOADED:
            # Where this server listens, not the name that a proxy has.
            listens = request.environ.get("werkzeug.proxy_fix.orig", request.environ)
            state.lifecycle.start_once(listens["SERVER_NAME"], int(listens["SERVER_PORT"]))

    @app.before_request
    def refuse_unknown_parameters() -> None:
        """A filter with a wrong name would show everything, which nobody notices."""
        if not request.query_string:
            return
        known = query_names.get(request.endpoint or "")
        if known is not None and (unknown := request.args.keys() - known):
            there = f"it takes {', '.join(sorted(known)) or 'none'}"
            abort(
                422,
                message=f"There is no parameter {', '.join(map(repr, sorted(unknown)))} at this address; {there}",
                errors={"query": {name: ["Unknown field."] for name in sorted(unknown)}},
            )

    @app.after_request
    def tell_revision(response: Response) -> Response:
        """What an answer was read at, or what the dataset is at where an answer has nothing of it."""
        if REVISION not in response.headers and request.path.startswith("/api"):
            response.headers[REVISION] = str(state.manager.revision)
        return response
