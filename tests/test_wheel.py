"""The wheel as an operator gets it: built in isolation, installed into an environment of its own, run elsewhere.

Its dependencies are this environment's, so that nothing but setuptools is downloaded.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterable, Mapping, Sequence
from importlib.metadata import Distribution, distributions
from pathlib import Path
from typing import NamedTuple
from zipfile import ZipFile

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from servers import ROOT, environment, start
from terminals import free_port

pytestmark = pytest.mark.slow

CHECKOUT = ["cocoannot", "tests", "bench", "setup.cfg", "pyproject.toml", "README.md", "LICENSE"]
NESTED_FILE = "cocoannot/pages/js/probe.min.js"
"""Added to the copy that the wheel is built from: a file as pages will have, in a folder that is no package."""

EXTRAS = {"assist", "bench", "dev", "evaluate", "postgres", "test"}


class Installed(NamedTuple):
    """An environment that the wheel was installed into, and a folder to work in that is not the checkout."""

    python: Path
    distribution: Distribution
    folder: Path


def run(
    command: Sequence[str | Path], folder: Path, dataset: Path | None = None, env: Mapping[str, str] | None = None
) -> str:
    """Run `command` in `folder`; returns what it printed. It must succeed."""
    done = subprocess.run(
        command,
        cwd=folder,
        env=environment(dataset, env),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


def pip(*arguments: str | Path, folder: Path) -> None:
    # With all of this process's environment: a registry may be behind a proxy.
    run(
        [sys.executable, "-m", "pip", "--disable-pip-version-check", *arguments],
        folder,
        env={**os.environ, "PIP_NO_COMPILE": "1"},
    )


def requirements(lines: Iterable[str]) -> dict[str, Requirement]:
    """The requirements in the lines of a requirements file, or of metadata, by the names of their packages."""
    parsed = [Requirement(line) for line in lines]
    return {canonicalize_name(requirement.name): requirement for requirement in parsed}


def pinned(name: str) -> dict[str, Requirement]:
    """What a lock pins: each package in one line, that line's hashes in the next ones."""
    lines = (ROOT / name).read_text().splitlines()
    return requirements(line.removesuffix("\\") for line in lines if not line.startswith(("#", " ")))


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the checkout: building leaves files behind."""
    folder = tmp_path_factory.mktemp("sources")
    for name in CHECKOUT:
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, folder / name)
    (folder / NESTED_FILE).parent.mkdir(parents=True)
    (folder / NESTED_FILE).write_text("// a file of a page\n")
    return folder


@pytest.fixture(scope="module")
def wheel(sources: Path) -> Path:
    pip("wheel", "--quiet", "--no-deps", "--wheel-dir", "dist", ".", folder=sources)
    (path,) = (sources / "dist").iterdir()
    return path


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Installed:
    folder = tmp_path_factory.mktemp("installed")
    run([sys.executable, "-m", "venv", "--without-pip", "venv"], folder)
    python = folder / "venv" / "bin" / "python"
    pip("--python", python, "install", "--quiet", "--no-deps", wheel, folder=folder)
    site_packages = Path(sysconfig.get_path("purelib", "venv", {"base": str(folder / "venv")}))
    # Looked at after the environment's own packages.
    (site_packages / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    (distribution,) = distributions(name="cocoannot", path=[str(site_packages)])
    return Installed(python, distribution, folder)


def test_wheel_holds_every_file_of_the_package_and_its_licence_and_nothing_else(sources: Path, wheel: Path) -> None:
    package = {
        path.relative_to(sources).as_posix()
        for path in (sources / "cocoannot").rglob("*")
        if path.is_file() and path.parent.name != "__pycache__"
    }
    assert package >= {"cocoannot/py.typed", NESTED_FILE}
    with ZipFile(wheel) as archive:
        names = set(archive.namelist())
    described = {name for name in names if ".dist-info/" in name}
    assert names - described == package
    assert {name.split(".dist-info/")[1] for name in described} == {
        *("METADATA", "RECORD", "WHEEL", "top_level.txt", "entry_points.txt", "licenses/LICENSE")
    }


def test_metadata_tells_what_it_is(installed: Installed) -> None:
    metadata = installed.distribution.metadata
    assert metadata["License-Expression"] == "MIT"
    assert metadata["Requires-Python"] == ">=3.11"
    assert metadata["Description-Content-Type"] == "text/markdown"
    assert metadata["Description"] == (ROOT / "README.md").read_text()
    assert {"Framework :: Flask", "Typing :: Typed"} <= set(metadata.get_all("Classifier", []))


def test_it_needs_what_requirements_pin(installed: Installed) -> None:
    needed = requirements(line for line in installed.distribution.requires or [] if "extra ==" not in line)
    check_pins(needed, pinned("requirements.txt"))


def test_its_extras_are_what_requirements_dev_pin(installed: Installed) -> None:
    assert set(installed.distribution.metadata.get_all("Provides-Extra", [])) == EXTRAS
    extras = requirements(line for line in installed.distribution.requires or [] if "extra ==" in line)
    # `dev` is all others too.
    assert extras.pop("cocoannot").extras == EXTRAS - {"dev"}
    check_pins(extras, pinned("requirements-dev.txt"))


def check_pins(needed: dict[str, Requirement], pins: dict[str, Requirement]) -> None:
    """All that setup.cfg asks for is pinned, and each pin is allowed. (What those packages need is pinned too.)"""
    assert needed.keys() <= pins.keys(), "setup.cfg asks for what the requirements lack: make lock"
    for name, requirement in needed.items():
        assert requirement.specifier.contains(version(pins[name])), f"setup.cfg excludes {pins[name]}: make lock"


def version(pin: Requirement) -> str:
    (exactly,) = pin.specifier
    assert exactly.operator == "=="
    return exactly.version


@pytest.mark.parametrize("name", ["requirements.txt", "requirements-dev.txt"])
def test_requirements_pin_whole_packages_by_their_hashes_and_name_no_host(name: str) -> None:
    text = (ROOT / name).read_text()
    entries = re.findall(r"^(\S+==.*(?:\n .*)*)", text, re.MULTILINE)
    assert len(entries) == len(pinned(name))
    assert [entry for entry in entries if "--hash=sha256:" not in entry] == []
    assert "://" not in text
    assert re.findall(r"^-.*", text, re.MULTILINE) == []


def test_who_works_on_the_code_has_the_versions_that_operators_have() -> None:
    developers, operators = pinned("requirements-dev.txt"), pinned("requirements.txt")
    assert {name: version(developers[name]) for name in operators} == {
        name: version(pin) for name, pin in operators.items()
    }


def test_requirements_have_the_extras_that_packages_ask_for() -> None:
    """pip would look for those anew otherwise, and refuse what it finds: that has no hash."""
    pins = pinned("requirements-dev.txt")
    for each in distributions():
        for asked in map(Requirement, each.requires or [] if canonicalize_name(each.name) in pins else []):
            if asked.marker is None or asked.marker.evaluate({"extra": ""}):
                assert asked.extras <= pins[canonicalize_name(asked.name)].extras, f"{each.name} asks for {asked}"


def test_installed_package_makes_a_demo_serves_it_and_has_its_commands(installed: Installed) -> None:
    python, folder = installed.python, installed.folder
    assert run([python, "-c", "import cocoannot; print(cocoannot.__file__)"], folder).startswith(f"{folder}/venv/")
    assert "36 images" in run([python, "-m", "cocoannot.demo", "demo"], folder)
    dataset = folder / "demo" / "annotations.json"
    gunicorn = [str(python), "-m", "gunicorn", "-c", "python:cocoannot.gunicorn_conf", "--bind", "127.0.0.1:0"]
    elsewhere = ["sh", "-c", 'cd "$0" && exec "$@"', str(folder)]
    with start(dataset, [*elsewhere, *gunicorn, "cocoannot:create_app()"]) as server:
        server.wait_until_ready()
        assert server.request("GET", "/readyz").body == {"status": "ready"}
        server.add()
        flask: list[str | Path] = [python, "-m", "flask", "--app", "cocoannot"]
        status = run([*flask, "status"], folder, dataset)
        assert f"36 images, 151 annotations, 7 categories; served at {server.url}" in status
        assert "Saved" in run([*flask, "flush"], folder, dataset)
        assert server.status()["revision"]["file"] == 1


def test_installed_command_makes_a_dataset_of_a_folder_and_serves_it(installed: Installed) -> None:
    folder, command = installed.folder, installed.python.with_name("cocoannot")
    run([installed.python, "-m", "cocoannot.demo", "drawn"], folder)
    (folder / "drawn" / "images").rename(folder / "photos")
    dataset = folder / "photos" / "annotations.json"
    elsewhere = ["sh", "-c", 'cd "$0" && exec "$@"', str(folder)]
    serve = [str(command), "serve", "photos", "--port", str(free_port()), "--categories", "circle"]
    with start(dataset, [*elsewhere, *serve]) as server:
        server.wait_until_ready()
        assert len(server.request("GET", "/api/images").body) == 36
        status = run([command, "--dataset", "photos", "status"], folder)
        assert f"36 images, 0 annotations, 1 categories; served at {server.url}" in status
