"""Programs that are forked from a warm process do what they do when they are started anew."""

from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import warm_starts
from servers import FLASK, GUNICORN, ROOT, environment, run

pytestmark = pytest.mark.slow

PROGRAMS = [
    [*FLASK, "nonsense"],
    [sys.executable, "-m", "cocoannot", "--help"],
    [*GUNICORN, "--check-config", "wsgi:app"],
]


def anew(command: list[str], env: dict[str, str]) -> tuple[int, str]:
    done = subprocess.run(
        command,
        cwd=ROOT,
        env=env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    return done.returncode, done.stdout


@pytest.mark.parametrize("command", PROGRAMS, ids=lambda command: Path(command[0]).name + " " + command[-1])
def test_what_a_program_prints_and_how_it_ends_are_the_same(command: list[str]) -> None:
    env = environment(None)
    assert run(command, env=env) == anew(command, env)


def test_gunicorn_finds_the_configuration_of_the_folder_that_it_is_started_in(tmp_path: Path) -> None:
    (tmp_path / "gunicorn.conf.py").write_text("threads = 7\n")
    (tmp_path / "wsgi.py").write_text("app = None\n")
    printed = tmp_path / "printed"
    with printed.open("wb") as output, Path(os.devnull).open("rb") as nothing:
        command = [GUNICORN[0], "--print-config", "wsgi:app"]
        process = warm_starts.start(command, tmp_path, environment(None), nothing, output)
        process.wait(60)
    lines = [line.split() for line in printed.read_text().splitlines()]
    assert ["chdir", "=", str(tmp_path)] in lines
    assert ["threads", "=", "7"] in lines


def test_programs_that_threads_start_at_once_are_not_mixed_up() -> None:
    env = environment(None)
    names = ["status", "flush", "nonsense", "check"] * 3
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda name: run([*FLASK, name, "--help"], env=env), names))
    for name, (status, printed) in zip(names, found, strict=True):
        assert status == (2 if name == "nonsense" else 0), printed
        assert name in printed
