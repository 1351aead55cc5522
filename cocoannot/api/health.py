"""Whether the process answers, and whether it can serve: for supervisors and load balancers."""

from __future__ import annotations

from flask import Blueprint, Response

from cocoannot.api.responses import json_response
from cocoannot.extension import runtime

blueprint = Blueprint("health", __name__)


@blueprint.route("/healthz")
def healthz() -> Response:
    """200 while the process answers."""
    return json_response({"status": "ok"})


@blueprint.route("/readyz")
def readyz() -> Response:
    """200 once the dataset is loaded and changes are accepted, else 503 with the reason."""
    reason = None if runtime().manager.is_loaded else "the dataset is not loaded yet"
    return json_response(
        {"status": "ready"} if reason is None else {"status": "not ready", "reason": reason},
        200 if reason is None else 503,
    )
