"""Programs that are forked from a warm process do what they do when they are started anew."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
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


def test_programs_that_threads_start_at_once_are_not_mixed_up() -> None:
    env = environment(None)
    names = ["status", "flush", "nonsense", "check"] * 3
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda name: run([*FLASK, name, "--help"], env=env), names))
    for name, (status, printed) in zip(names, found, strict=True):
        assert status == (2 if name == "nonsense" else 0), printed
        assert name in printed
