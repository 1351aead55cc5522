"""The application for `gunicorn` and `flask`: `cocoannot.wsgi:app`."""

from flask.cli import NoAppException

from cocoannot.app import create_app
from cocoannot.errors import ConfigError

try:
    app = create_app()
except ConfigError as exc:
    # One line from the `flask` command; gunicorn has checked the settings before it gets here.
    raise NoAppException(str(exc)) from exc
