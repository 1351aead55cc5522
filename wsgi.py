"""What `gunicorn wsgi:app` and `flask` find in the checkout."""

from cocoannot.wsgi import app

__all__ = ["app"]
