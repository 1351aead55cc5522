"""Commands on a dataset in PostgreSQL, which ask the server that `--server` names."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from flask.cli import ScriptInfo
from PIL import Image
from servers import Server, send, start, until
from terminals import free_port

from cocoannot.app import create_app
from cocoannot.console import cocoannot
from cocoannot.database_uri import DatabaseUri

pytestmark = pytest.mark.slow

BOX = {"image_id": 1, "category_id": 1, "bbox": [1, 2, 3, 4]}

Run = Callable[..., Result]


@pytest.fixture
def settings(uri: DatabaseUri, dataset_path: Path, tmp_path: Path) -> dict[str, str]:
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    Image.new("RGB", (30, 20)).save(pictures / "new.png")
    return {
        "COCOANNOT_DATASET": uri.text,
        "COCOANNOT_EXPORT": str(dataset_path),
        "COCOANNOT_IMAGES": str(pictures),
        "COCOANNOT_CACHE": str(tmp_path / "cache"),
        "DATASET_AUTO_SAVE_INTERVAL": "3600",
    }


@pytest.fixture
def url(settings: dict[str, str], dataset_path: Path) -> Iterator[str]:
    """A server of the dataset."""
    found = f"http://127.0.0.1:{free_port()}"
    gunicorn = str(Path(sys.executable).with_name("gunicorn"))
    with start(dataset_path, [gunicorn, "--bind", found.partition("//")[2], "wsgi:app"], env=settings) as server:
        until(lambda: _is_ready(server, found), "the server is ready", 60)
        yield found


def _is_ready(server: Server, url: str) -> bool:
    try:
        return send(url, "GET", "/readyz").status == 200
    except OSError:
        return False


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, settings: dict[str, str], url: str) -> Run:
    """Runs a command that asks the server."""
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    return lambda *args: invoke(*args, "--server", url)


def invoke(*args: str) -> Result:
    found = ScriptInfo(create_app=create_app)
    return CliRunner().invoke(cocoannot, args, prog_name="cocoannot", obj=found)


def told(answer: Result) -> str:
    assert answer.exit_code == 0, answer.output
    return answer.output


def test_commands_are_done_by_the_server(
    run: Run, url: str, uri: DatabaseUri, dataset_path: Path, tmp_path: Path, small: dict[str, Any]
) -> None:
    assert send(url, "POST", "/api/annotations", BOX).status == 201
    assert f"{uri}: 3 images, 4 annotations" in told(run("status"))
    assert f"revision 1, 0 in {dataset_path}" in told(run("status"))
    assert told(run("flush")) == f"Saved {dataset_path} (1 annotation(s) added), revision 1\n"
    assert len(json.loads(dataset_path.read_bytes())["annotations"]) == 4

    assert f"added 1 image(s) to {uri}" in told(run("scan"))
    more = tmp_path / "more.json"
    more.write_text(json.dumps({**small, "annotations": [{**small["annotations"][0], "bbox": [5, 5, 9, 9]}]}))
    assert "Would import" in told(run("import", str(more), "--dry-run"))

    layer = tmp_path / "layer.json"
    layer.write_text(json.dumps([{"image_id": 1, "category_id": 1, "bbox": [50, 50, 9, 9], "score": 0.5}]))
    told(run("predictions", "add", "model", str(layer)))
    assert "model: 1 prediction(s) on 1 image(s)" in told(run("predictions", "list"))
    assert "Accepted 1 prediction(s)" in told(run("predictions", "accept", "model", "--min-score", "0.1"))
    assert json.loads(told(run("status", "--json")))["revision"]["memory"] == 3


def test_a_server_of_another_dataset_is_not_asked(run: Run, uri: DatabaseUri, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COCOANNOT_DATASET", DatabaseUri(uri.dsn, "another").text)
    answer = run("flush")
    assert answer.exit_code == 1
    assert f"serves {uri}, not" in answer.output
    monkeypatch.setenv("COCOANNOT_DATASET", "some.json")
    monkeypatch.delenv("COCOANNOT_EXPORT")
    answer = run("flush")
    assert "--server is for a dataset in a database" in answer.output, answer.output


def test_users_and_tags_need_no_server(settings: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("COCOANNOT_EXPORT")
    told(invoke("tag", "first"))
    assert "first: revision 0" in told(invoke("tag", "--list"))
    told(invoke("user", "add", "ben", "--role", "admin", "--no-password"))
    assert "ben" in told(invoke("user", "list"))
