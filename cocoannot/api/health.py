"""Whether the process answers, and whether it can serve: for supervisors and load balancers."""

from __future__ import annotations

from flask import Blueprint, Response

from cocoannot.api.blueprint import store
from cocoannot.api.responses import json_response
from cocoannot.errors import JournalError, NotLoaded
from cocoannot.people.roles import ANYBODY, needs

blueprint = Blueprint("health", __name__)


@blueprint.route("/healthz")
@needs(ANYBODY)
def healthz() -> Response:
    """200 while the process answers."""
    return json_response({"status": "ok"})


@blueprint.route("/readyz")
@needs(ANYBODY)
def readyz() -> Response:
    """200 once the dataset is loaded and changes are accepted, else 503 with the reason.

    A failed save does not count: changes are accepted all the same, and the metrics tell of it.
    """
    try:
        store().check_writable()
    except JournalError as exc:
        # Not by its own status: who asks expects a 503 of a server that is not ready.
        raise NotLoaded(str(exc)) from exc
    return json_response({"status": "ready"})
