"""What the suite promises of itself: a test that hangs, warns or loses a thread fails by its name, in parallel too, and
the way in which the suite was started changes nothing."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from servers import ROOT

pytestmark = pytest.mark.slow

PARALLEL = ["-n", "1"]

BROKEN = """
import threading
import warnings

def wait_for_nothing():
    threading.Event().wait()

def fail():
    raise OSError("nobody waits for this")

def test_hangs():
    threading.Thread(target=wait_for_nothing, daemon=True).start()
    threading.Event().wait()

def test_loses_a_thread():
    thread = threading.Thread(target=fail)
    thread.start()
    thread.join()

def test_warns():
    warnings.warn("this is old")

def test_passes():
    pass
"""


def run_pytest(*arguments: str | Path, before: Sequence[str] = ()) -> str:
    """Run pytest with the settings of this suite; returns what it printed."""
    env = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    command = [*before, sys.executable, "-m", "pytest", "-c", ROOT / "setup.cfg", "-p", "no:cacheprovider", *arguments]
    done = subprocess.run(
        command,
        cwd=ROOT,
        env=env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=200,
    )
    return done.stdout


@pytest.fixture(scope="module")
def broken(tmp_path_factory: pytest.TempPathFactory) -> str:
    """What pytest prints about tests of which all but one are broken."""
    folder = tmp_path_factory.mktemp("broken")
    (folder / "test_broken.py").write_text(BROKEN)
    return run_pytest(folder, "--rootdir", folder, "--timeout", "5", *PARALLEL)


def test_what_is_left_out_is_counted() -> None:
    output = run_pytest("-q", "tests/test_suite.py", "-k", "every_test_has", *PARALLEL)
    assert re.search(r"^\d+ tests were left out: every_test_has$", output, re.MULTILINE), output
    assert "1 passed" in output


def test_only_broken_tests_fail(broken: str) -> None:
    assert "3 failed, 1 passed" in broken
    assert "test_broken.py::test_passes" not in broken


def test_every_test_has_a_time_limit(pytestconfig: pytest.Config) -> None:
    assert 60 <= float(pytestconfig.getini("timeout")) <= 600


def test_hanging_test_is_named_with_the_stacks_of_all_threads(broken: str) -> None:
    assert "test_broken.py::test_hangs" in broken
    assert "Failed: Timeout (>5.0s)" in broken
    assert "threading.Event().wait()" in broken.partition("in wait_for_nothing")[2]


def test_crashed_thread_fails_its_test(broken: str) -> None:
    assert "test_broken.py::test_loses_a_thread" in broken
    assert "OSError: nobody waits for this" in broken


def test_warning_fails_its_test(broken: str) -> None:
    assert "test_broken.py::test_warns" in broken
    assert "UserWarning: this is old" in broken


@pytest.mark.parametrize("how", [[], PARALLEL], ids=["serial", "parallel"])
def test_server_takes_signals_though_the_suite_was_started_with_them_ignored(how: Sequence[str]) -> None:
    ignoring = ["sh", "-c", "trap '' HUP INT QUIT && exec \"$@\"", "sh"]
    # 2 is SIGINT.
    test = "test_flask_run_loads_at_the_first_request_and_saves_at_the_end[2]"
    output = run_pytest("-q", f"tests/test_commands.py::{test}", *how, before=ignoring)
    assert "1 passed" in output, output
