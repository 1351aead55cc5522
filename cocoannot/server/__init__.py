"""How gunicorn runs cocoannot."""
