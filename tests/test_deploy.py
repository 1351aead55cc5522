"""What is in deploy/, held to the server that it deploys: each name, option and limit in it is one that exists."""

from __future__ import annotations

import configparser
import json
import re
import shlex
import shutil
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from api_client import Server
from servers import GUNICORN, ROOT, send, start

from cocoannot import gunicorn_conf
from cocoannot.settings import SETTINGS, Settings

pytestmark = pytest.mark.slow

DEPLOY = ROOT / "deploy"
FILES = sorted(path for path in DEPLOY.iterdir() if path.is_file())
UNIT = DEPLOY / "cocoannot.service"
DASHBOARD = DEPLOY / "grafana-dashboard.json"
ALERTS = DEPLOY / "alerts.yml"
TOKEN = "a-token-of-enough-characters"

SETTING = re.compile(r"\b(?:COCOANNOT|DATASET)_[A-Z_]+[A-Z]\b")
METRIC = re.compile(r"\b(?:cocoannot|process)_[a-z_]+\b")


@pytest.fixture
def dataset(dataset_path: Path, small: dict[str, Any]) -> Path:
    """The small dataset in a file."""
    dataset_path.write_text(json.dumps(small))
    return dataset_path


@pytest.fixture
def exported(api: Server) -> set[str]:
    """The names of all series of a server that has answered, changed and saved."""
    api.post("/api/annotations", {"image_id": 1, "category_id": 1, "bbox": [1, 2, 3, 4]})
    api.post("/api/flush")
    lines = api.get("/metrics").text.splitlines()
    return {re.split("[ {]", line)[0] for line in lines if not line.startswith("#")}


def unit() -> configparser.ConfigParser:
    """The unit, its repeated options as one of several lines."""
    parser = configparser.ConfigParser(strict=False, interpolation=None, delimiters=("=",), comment_prefixes=("#",))
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read(UNIT)
    return parser


def words(text: str) -> str:
    """A text without its line ends, those that a command goes on over included."""
    return " ".join(text.replace("\\\n", " ").split())


def seconds(text: str) -> float:
    assert text.isdecimal(), text
    return float(text)


def env_file() -> dict[str, str]:
    lines = (DEPLOY / "cocoannot.env").read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))


def dockerfile() -> list[tuple[str, str]]:
    """Each instruction with its arguments, of both stages."""
    text = re.sub(r"\\\n\s*", "", (DEPLOY / "Dockerfile").read_text())
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    return [(line.split(None, 1)[0], line.split(None, 1)[1]) for line in lines]


def expressions() -> list[str]:
    """Every PromQL expression of the dashboard and the alerts."""
    panels = json.loads(DASHBOARD.read_text())["panels"]
    rules = [rule for group in yaml.safe_load(ALERTS.read_text())["groups"] for rule in group["rules"]]
    return [target["expr"] for panel in panels for target in panel["targets"]] + [rule["expr"] for rule in rules]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_every_setting_that_is_named_exists(path: Path) -> None:
    names = set(SETTING.findall(path.read_text()))
    assert names <= {setting.name for setting in SETTINGS.values()}


# Dashboard and alerts


def test_every_metric_that_is_asked_for_exists(exported: set[str]) -> None:
    asked = {name for expression in expressions() for name in METRIC.findall(re.sub('"[^"]*"', "", expression))}
    assert asked <= exported
    assert asked >= {
        "cocoannot_http_requests_total",
        "cocoannot_http_request_duration_seconds_bucket",
        "cocoannot_revision",
        "cocoannot_pending_changes",
        "cocoannot_unsaved_age_seconds",
        "cocoannot_saves_total",
        "cocoannot_failed_saves_total",
        "cocoannot_records",
    }


def test_every_label_that_is_asked_for_exists(api: Server) -> None:
    text = api.get("/metrics").text + api.get("/metrics").text
    exported = {name for labels in re.findall(r"{(.*)}", text) for name in re.findall(r"(\w+)=", labels)}
    for expression in expressions():
        grouped = [name.strip() for names in re.findall(r"by \(([^)]*)\)", expression) for name in names.split(",")]
        assert set(grouped) <= exported | {"job", "instance"}, expression
        selected = re.findall(r"[{,]\s*(\w+)=~?\"", expression)
        assert set(selected) <= exported | {"job", "instance"}, expression


def test_dashboard_s_panels_do_not_overlap_and_say_what_they_show() -> None:
    dashboard = json.loads(DASHBOARD.read_text())
    cells: set[tuple[int, int]] = set()
    for panel in dashboard["panels"]:
        place = panel["gridPos"]
        own = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not own & cells, panel["title"]
        assert max(x for x, _ in own) < 24
        cells |= own
    ids = [panel["id"] for panel in dashboard["panels"]]
    assert len(set(ids)) == len(ids)
    assert {variable["name"] for variable in dashboard["templating"]["list"]} == {"datasource", "job", "instance"}


def test_alerts_are_told_with_what_to_do() -> None:
    (group,) = yaml.safe_load(ALERTS.read_text())["groups"]
    assert [rule["alert"] for rule in group["rules"]] == [
        *("CocoannotDown", "CocoannotSaveFailed", "CocoannotChangesRefused", "CocoannotUnsaved", "CocoannotErrors")
    ]
    for rule in group["rules"]:
        assert set(rule["annotations"]) == {"summary", "description"}
        assert rule["labels"]["severity"] in ("critical", "warning")


# The service


def test_unit_waits_longer_than_requests_may_drain() -> None:
    service = unit()["Service"]
    assert seconds(service["TimeoutStopSec"]) >= gunicorn_conf.graceful_timeout + 60
    assert (service["KillMode"], service["KillSignal"]) == ("mixed", "SIGTERM")


def test_unit_may_write_where_the_dataset_is() -> None:
    folder = Path(env_file()["COCOANNOT_DATASET"]).parent
    assert unit()["Service"]["ReadWritePaths"].split() == [str(folder)]


def test_unit_s_command_serves_with_the_settings_beside_it(dataset: Path, tmp_path: Path) -> None:
    program, *args = shlex.split(unit()["Service"]["ExecStart"])
    assert Path(program).name == "gunicorn"
    args[args.index("127.0.0.1:8000")] = "127.0.0.1:0"
    env = {**env_file(), "COCOANNOT_DATASET": str(dataset), "COCOANNOT_CACHE": str(tmp_path), "PYTHONPATH": str(ROOT)}
    with start(dataset, [GUNICORN[0], *args], env=env) as server:
        server.wait_until_ready()
        assert send(server.url, "GET", "/api/status").status == 401
        server.signal(signal.SIGTERM)
        assert server.wait() == 0
        assert all(json.loads(line) for line in server.log.splitlines())


@pytest.mark.parametrize("name", ["cocoannot.service", "Dockerfile"])
def test_comments_give_the_commands_of_the_page_about_installing(name: str) -> None:
    comments = re.findall(r"^#     (\S(?:.*\\\n#)*.*)$", (DEPLOY / name).read_text(), re.MULTILINE)
    page = words((ROOT / "docs" / "install.md").read_text())
    assert len(comments) >= 3
    for comment in comments:
        assert words(comment.replace("\n#", "\n")) in page


def test_unit_is_one_that_systemd_takes(tmp_path: Path) -> None:
    analyze = shutil.which("systemd-analyze")
    if analyze is None:
        # No reason to skip: what can be told without it is told above.
        return
    copy = tmp_path / UNIT.name
    copy.write_text(UNIT.read_text().replace("/opt/cocoannot/bin/gunicorn", GUNICORN[0]))
    done = subprocess.run([analyze, "verify", "--man=no", copy], capture_output=True, text=True, timeout=20)
    assert UNIT.name not in done.stderr, done.stderr


def test_settings_are_ones_that_are_allowed_behind_a_proxy() -> None:
    settings = Settings.read({}, env_file())
    assert settings.token is not None
    assert settings.proxies == 1
    assert "annotate.example.org" in settings.hosts


# nginx


def test_nginx_takes_bodies_as_large_as_the_server_does() -> None:
    text = (DEPLOY / "nginx.conf").read_text()
    defaults = Settings.read({}, {})
    sizes = [int(size) * 2**20 for size in re.findall(r"client_max_body_size (\d+)m;", text)]
    form = 2**20
    assert sizes == [defaults.max_body_bytes, defaults.max_dataset_bytes, defaults.max_picture_bytes + form]


def test_nginx_replaces_every_header_that_the_server_believes() -> None:
    text = (DEPLOY / "nginx.conf").read_text()
    headers = dict(re.findall(r"proxy_set_header (\S+) (\S+);", text))
    assert headers.keys() >= {"Host", "X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Host"}
    # Set for the whole server: a location with one of its own would lose all of them.
    assert not re.findall(r"location[^}]*proxy_set_header", text)
    bind = shlex.split(unit()["Service"]["ExecStart"])
    assert set(re.findall(r"proxy_pass http://([^;]+);", text)) == {bind[bind.index("--bind") + 1]}


# The image


def test_image_is_made_of_files_that_exist() -> None:
    copied = [args.split()[:-1] for name, args in dockerfile() if name == "COPY" and not args.startswith("--from")]
    sources = [source for names in copied for source in names]
    assert {"cocoannot", "requirements.txt", "setup.cfg", "pyproject.toml"} <= set(sources)
    for source in sources:
        assert (ROOT / source).exists(), source


def test_image_runs_as_somebody_and_ends_by_term() -> None:
    instructions = dict(dockerfile())
    assert instructions["USER"].split(":")[0] not in ("root", "0")
    assert instructions["STOPSIGNAL"] == "SIGTERM"
    assert all(
        re.fullmatch(r"python:3\.11-slim-\w+( AS build)?", args) for name, args in dockerfile() if name == "FROM"
    )


def test_image_s_command_needs_a_token_and_then_serves(dataset: Path) -> None:
    program, *args = json.loads(dict(dockerfile())["CMD"])
    assert program == "gunicorn"
    args[args.index("0.0.0.0:8000")] = "0.0.0.0:0"
    env = {"PYTHONPATH": str(ROOT)}
    with start(dataset, [GUNICORN[0], *args], env=env) as server:
        assert server.wait() != 0
        assert "set COCOANNOT_TOKEN" in server.log
    with start(dataset, [GUNICORN[0], *args], env={**env, "COCOANNOT_TOKEN": TOKEN}) as server:
        server.wait_until_ready()
        assert send(server.url, "GET", "/api/status").status == 401
