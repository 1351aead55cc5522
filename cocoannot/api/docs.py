"""The page `/api/docs`: Swagger UI, from files of this package. It is open; the document that it shows may need the
token, for which the page then asks."""

from __future__ import annotations

from pathlib import Path

from flask import Blueprint, Response, send_from_directory
from webargs.flaskparser import abort

from cocoannot.people.roles import ANYBODY, needs

_STATIC = Path(__file__).parent / "static"
_FILES = {
    "docs.css": _STATIC,
    "docs.js": _STATIC,
    "favicon-32x32.png": _STATIC / "swagger-ui",
    "swagger-ui-bundle.js": _STATIC / "swagger-ui",
    "swagger-ui.css": _STATIC / "swagger-ui",
}
_HEADERS = {
    # `data:` are the icons in Swagger UI's style sheet, `blob:` the pictures that it shows.
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}

blueprint = Blueprint("docs", __name__, url_prefix="/api/docs")


@blueprint.route("")
@needs(ANYBODY)
def page() -> Response:
    """The page itself."""
    return _send("docs.html", _STATIC)


@blueprint.route("/<name>")
@needs(ANYBODY)
def file(name: str) -> Response:
    """A script, style sheet or icon of the page."""
    if name not in _FILES:
        abort(404)
    return _send(name, _FILES[name])


def _send(name: str, folder: Path) -> Response:
    response = send_from_directory(folder, name)
    response.headers.update(_HEADERS)
    return response
