"""Running a small script under strace, which makes its system calls fail, or kills it at one of them."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import cocoannot

_ROOT = Path(cocoannot.__file__).parent.parent


def _why_not() -> str:
    if shutil.which("strace") is None:
        return "strace is not installed"
    tried = subprocess.run(["strace", "-f", "-o", "/dev/null", "true"], capture_output=True, text=True, timeout=10)
    return f"strace can't trace here: {tried.stderr.strip()}" if tried.returncode else ""


_reason = _why_not()
needs_strace = pytest.mark.skipif(bool(_reason), reason=_reason)


def run_traced(
    script: str, *arguments: object, options: list[str], log: Path | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a Python script under `strace OPTIONS`; what strace saw goes to `log`.

    With strace 6.1, `--seccomp-bpf` is faster by far, but injects no signals.
    """
    command = ["strace", "-f", "-o", str(log or os.devnull), *options, sys.executable, "-c", script]
    # Files of bytecode are written and renamed too, and would be counted.
    environment = {**os.environ, "PYTHONPATH": str(_ROOT), "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run([*command, *map(str, arguments)], env=environment, capture_output=True, text=True, timeout=60)
