"""Other servers of the same two routes, for gunicorn: what cocoannot replaces, and a bare one as the limit."""

from __future__ import annotations

import json
import os
import threading
from pathlib import Path
from typing import Any

from flask import Flask, Response, request

from bench.contenders import add, dump


def bare() -> Flask:
    """Does nothing: answers with `BENCH_ADDED` or `BENCH_LISTED` bytes, as many as cocoannot's answers have."""
    app = Flask(__name__, static_folder=None)
    added, listed = (b"." * int(os.environ[name]) for name in ("BENCH_ADDED", "BENCH_LISTED"))

    @app.post("/api/annotations")
    def add_annotation() -> Response:
        request.get_data()
        return Response(added, 201, mimetype="application/json")

    @app.get("/api/images/<int:image_id>/annotations")
    def list_annotations_of_image(image_id: int) -> Response:
        return Response(listed, mimetype="application/json")

    return _ready(app)


def dicts() -> Flask:
    """The obvious way: dicts in memory, and `json.dump` under the lock that every request takes."""
    app = Flask(__name__, static_folder=None)
    path = Path(os.environ["BENCH_DATASET"])
    data = _load(path)
    lock = threading.Lock()

    @app.post("/api/annotations")
    def add_annotation() -> tuple[dict[str, Any], int]:
        annotation = request.get_json()
        with lock:
            return add(data, annotation), 201

    @app.get("/api/images/<int:image_id>/annotations")
    def list_annotations_of_image(image_id: int) -> list[Any]:
        with lock:
            return _of_image(data, image_id)

    @app.post("/api/flush")
    def flush() -> dict[str, bool]:
        with lock:
            dump(data, path)
        return {"saved": True}

    return _ready(app)


def whole_file() -> Flask:
    """Load, modify, save: reads the file for every request, and writes it for every change."""
    app = Flask(__name__, static_folder=None)
    path = Path(os.environ["BENCH_DATASET"])
    lock = threading.Lock()

    @app.post("/api/annotations")
    def add_annotation() -> tuple[dict[str, Any], int]:
        annotation = request.get_json()
        with lock:
            data = _load(path)
            added = add(data, annotation)
            dump(data, path)
        return added, 201

    @app.get("/api/images/<int:image_id>/annotations")
    def list_annotations_of_image(image_id: int) -> list[Any]:
        with lock:
            return _of_image(_load(path), image_id)

    return _ready(app)


def _ready(app: Flask) -> Flask:
    app.add_url_rule("/readyz", "readyz", lambda: {"status": "ready"})
    return app


def _load(path: Path) -> dict[str, Any]:
    with path.open() as file:
        data: dict[str, Any] = json.load(file)
    return data


def _of_image(data: dict[str, Any], image_id: int) -> list[Any]:
    return [each for each in data["annotations"] if each["image_id"] == image_id]
