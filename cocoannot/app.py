"""The application factory."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask import Flask

from cocoannot.api import register as register_api
from cocoannot.cli import register as register_commands
from cocoannot.extension import Cocoannot
from cocoannot.web import register as register_page


def create_app(config: Mapping[str, Any] | None = None) -> Flask:
    """Make the Flask application; `config` goes before the environment (see `cocoannot.settings.Settings`).

    Nothing is loaded yet: the process that serves does that, before its first answer. Raises `ConfigError`.
    """
    app = Flask("cocoannot", static_folder=None)
    app.config.update(config or {})
    Cocoannot().init_app(app)
    register_api(app)
    register_page(app)
    register_commands(app)
    return app
