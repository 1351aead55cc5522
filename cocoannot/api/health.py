"""Whether the process answers, and whether it can serve: for supervisors and load balancers."""

from __future__ import annotations

from flask import Blueprint, Response

from cocoannot.api.blueprint import manager
from cocoannot.api.responses import json_response
from cocoannot.errors import NotLoaded

blueprint = Blueprint("health", __name__)


@blueprint.route("/healthz")
def healthz() -> Response:
    """200 while the process answers."""
    return json_response({"status": "ok"})


@blueprint.route("/readyz")
def readyz() -> Response:
    """200 once the dataset is loaded and changes are accepted, else 503 with the reason.

    A failed save does not count: changes are accepted all the same, and the metrics tell of it.
    """
    if not manager().is_loaded:
        raise NotLoaded("the dataset is not loaded yet; try again in a moment")
    return json_response({"status": "ready"})
