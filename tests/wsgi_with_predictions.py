"""The application with the route that takes predictions, as far as a client sees it: it counts them, for tests."""

from __future__ import annotations

from typing import Any

from flask import Flask, Response, jsonify, request

from cocoannot import create_app
from cocoannot.people.roles import needs


def make() -> Flask:
    """The application; where it has the route itself, that one answers."""
    made = create_app()

    @needs("viewer")
    def take(name: str) -> Response:
        results: list[dict[str, Any]] = request.get_json()
        return jsonify(name=name, predictions=len(results))

    made.add_url_rule("/api/predictions/<name>", "take", take, methods=["PUT"])
    return made


app = make()
