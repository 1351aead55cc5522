"""The annotator page at `/`: files of this package, a client of the API like any other."""

from __future__ import annotations

from flask import Flask

from cocoannot.web.page import blueprint


def register(app: Flask) -> None:
    """Put the page onto `app`."""
    app.register_blueprint(blueprint)
