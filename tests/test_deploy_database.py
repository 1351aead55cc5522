"""deploy/compose.database.yaml: two servers on one database, held to the server that it deploys."""

from __future__ import annotations

import configparser
import json
import re
import shutil
import subprocess
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import yaml
from postgres_servers import Postgres
from servers import GUNICORN, ROOT, send, start, until
from terminals import free_port

from cocoannot import gunicorn_conf
from cocoannot.database_uri import DatabaseUri
from cocoannot.settings import Settings
from cocoannot.store.postgres.importing import import_file

pytestmark = pytest.mark.slow

COMPOSE = ROOT / "deploy" / "compose.database.yaml"
BOX = {"image_id": 1, "category_id": 1, "bbox": [1, 2, 3, 4]}
TOKEN = "a-token-of-enough-characters"


def services() -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = yaml.safe_load(COMPOSE.read_text())["services"]
    return found


def test_both_servers_are_the_same_but_for_their_port() -> None:
    one, two = services()["one"], services()["two"]
    ports = [service.pop("ports") for service in (one, two)]
    assert one == two
    assert ports[0] != ports[1]
    assert all(port.startswith("127.0.0.1:") and port.endswith(":8000") for each in ports for port in each)
    assert int(one["stop_grace_period"].rstrip("s")) >= gunicorn_conf.graceful_timeout + 60


def test_settings_are_ones_that_a_server_takes_and_name_what_is_there() -> None:
    one, database = services()["one"], services()["database"]
    settings = Settings.read({}, {**one["environment"], "COCOANNOT_TOKEN": TOKEN})
    assert isinstance(settings.dataset, DatabaseUri)
    mounted = [Path(volume.rpartition(":")[2]) for volume in one["volumes"]]
    assert isinstance(settings.export, Path)
    assert settings.export.parent in mounted
    user, host, name = re.fullmatch(r"postgresql://(\w+)@(\w+):5432/(\w+)", settings.dataset.dsn).groups()  # type: ignore[union-attr]
    assert host in services()
    assert (user, name) == (database["environment"]["POSTGRES_USER"], database["environment"]["POSTGRES_DB"])
    assert set(one["depends_on"]) == {host}
    assert "healthcheck" in database


def test_image_has_what_a_database_needs() -> None:
    build = services()["one"]["build"]
    assert (COMPOSE.parent / build["context"] / build["dockerfile"]).exists()
    extras = configparser.ConfigParser()
    extras.read(ROOT / "setup.cfg")
    for name, value in build["args"].items():
        assert f"ARG {name}=" in (ROOT / "deploy" / "Dockerfile").read_text()
        assert value in extras["options.extras_require"]


def test_servers_serve_one_dataset_by_the_command_that_is_there(
    postgres: Postgres, dataset_path: Path, small: dict[str, Any], tmp_path: Path
) -> None:
    dataset_path.write_text(json.dumps(small))
    uri = DatabaseUri(postgres.uri(), str(dataset_path))
    import_file(uri, dataset_path)
    urls = [f"http://127.0.0.1:{free_port()}" for _ in range(2)]
    env = {
        "COCOANNOT_DATASET": uri.text,
        "COCOANNOT_EXPORT": str(dataset_path),
        "COCOANNOT_CACHE": str(tmp_path),
        "PYTHONPATH": str(ROOT),
    }
    commands = []
    for service, url in zip(("one", "two"), urls, strict=True):
        program, *args = services()[service]["command"]
        assert program == "gunicorn"
        args[args.index("0.0.0.0:8000")] = url.partition("//")[2]
        commands.append([GUNICORN[0], *args])

    def is_ready(url: str) -> bool:
        with suppress(OSError):
            return send(url, "GET", "/readyz").status == 200
        return False

    with start(dataset_path, commands[0], env=env), start(dataset_path, commands[1], env=env):
        for url in urls:
            until(lambda url=url: is_ready(url), "the server is ready", 60)  # type: ignore[misc]
        made = send(urls[0], "POST", "/api/annotations", BOX)
        assert made.status == 201
        assert send(urls[1], "GET", f"/api/annotations/{made.body['id']}").body["bbox"] == [1, 2, 3, 4]


def test_file_is_one_that_docker_takes() -> None:
    docker = shutil.which("docker")
    if docker is None or subprocess.run([docker, "compose", "version"], capture_output=True).returncode:
        # No reason to skip: what can be told without it is told above.
        return
    env = {"COCOANNOT_TOKEN": TOKEN, "POSTGRES_PASSWORD": "x", "PATH": "/usr/bin:/bin"}
    done = subprocess.run(
        [docker, "compose", "-f", COMPOSE, "config", "--quiet"], capture_output=True, text=True, env=env, timeout=60
    )
    assert done.returncode == 0, done.stderr
