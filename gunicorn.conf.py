"""What `gunicorn wsgi:app` reads here; see `cocoannot/gunicorn_conf.py`."""

from cocoannot.gunicorn_conf import *  # noqa: F403
