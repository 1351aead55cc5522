"""The application for `gunicorn` and `flask`."""

from flask.cli import NoAppException

from cocoannot.app import create_app
from cocoannot.errors import ConfigError

try:
    app = create_app()
except ConfigError as exc:
    # One line from the `flask` command; gunicorn's configuration file has checked the settings before.
    raise NoAppException(str(exc)) from exc
