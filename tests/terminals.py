"""Terminals in which a reader follows a page: a folder that looks like a fresh checkout, shells, and servers.

Ports and folders that a page names are others here: they are exchanged in each command, and back in what it prints.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import sysconfig
from collections.abc import Callable, Mapping
from contextlib import closing, suppress
from pathlib import Path

import warm_starts
from servers import ROOT, environment, until

CHECKOUT: tuple[str, ...] = ("Makefile", "cocoannot", "deploy", "docs", "bench", "wsgi.py", "gunicorn.conf.py")
CHECKOUT += ("setup.cfg", "README.md", "pyproject.toml", "requirements.txt", "requirements-dev.txt", "LICENSE")
ENVIRONMENT = Path(sys.prefix)
LAUNCHER = Path(__file__).with_name("warm_launcher.py")

_LIMIT = 120.0
_PICTURES = "pictures found under"
"""In the last line that a server logs at its start."""

_SERVER = re.compile(r"make run\b|\bgunicorn -|\bcocoannot (serve|demo)\b|\bweed mini\b")
# What differs each time; the first that fits counts.
_CHANGING = [
    (r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d([.,]\d+)?( ?\+00:?00)?", "TIME"),
    (r"\d{8}T\d{6}Z", "TIME"),
    (r"\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT", "TIME"),
    (r"\d{4}-\d\d-\d\d\.json", "DAY.json"),
    (r"\[\d+\] \[", "[PID] ["),
    (r"(?m)(http://\S+) \(\d+\)$", r"\1 (PID)"),
    (r"(pid: |process |\"pid\": )\d+", r"\1PID"),
    (r"next save in \d+ s", "next save in SECONDS s"),
    (r"[\d.]+ ms\b", "MILLISECONDS ms"),
    (r'("duration_ms": )[\d.]+', r"\1MILLISECONDS"),
    (r"(?m)^(cocoannot_\w*(?:seconds|seconds_total)) \d\S*$", r"\1 SECONDS"),
    (r'python="[\d.]+"', 'python="VERSION"'),
    (r"Makefile:\d+", "Makefile:LINE"),
    (r"pip install --.* -r", "pip install OPTIONS -r"),
]


def is_server(command: str) -> bool:
    """Whether `command` keeps its terminal busy."""
    return bool(_SERVER.search(command))


def normalised(text: str) -> str:
    """`text` without what differs each time: times, process ids, durations."""
    for pattern, replacement in _CHANGING:
        text = re.sub(pattern, replacement, text)
    return text


def free_port() -> int:
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def make_checkout(folder: Path, *, installed: bool) -> None:
    """Make `folder` look like a checkout; `installed` gives it this environment as `.venv`, ready to use, with programs
    that start at once.

    Without that, `.venv` is yet to be made, and has only the programs that installing would put there: what is
    installed here counts as installed for it (see `PYTHONPATH` in `Desk`), so that nothing is downloaded.
    """
    for name in CHECKOUT:
        if not (ROOT / name).is_dir():
            shutil.copy2(ROOT / name, folder / name)
        elif installed:
            # Nothing is written there.
            (folder / name).symlink_to(ROOT / name)
        else:
            shutil.copytree(ROOT / name, folder / name)
    (folder / ".git" / "hooks").mkdir(parents=True)
    venv = folder / ".venv"
    venv.mkdir()
    if not installed:
        link_programs(venv)
        return
    for name in ("lib", "pyvenv.cfg"):
        (venv / name).symlink_to(ENVIRONMENT / name)
    (venv / "bin").mkdir()
    for program in (ENVIRONMENT / "bin").iterdir():
        (venv / "bin" / program.name).symlink_to(program)
    for name in ("flask", "python"):
        launcher = venv / "bin" / name
        launcher.unlink()
        launcher.write_text(f"#!{sys.executable} -IS\n{LAUNCHER.read_text()}")
        launcher.chmod(0o755)
    (venv / "installed").touch()


def link_programs(venv: Path) -> None:
    """Put gunicorn and flask into an environment that is yet to be made."""
    (venv / "bin").mkdir(parents=True)
    for name in ("gunicorn", "flask"):
        (venv / "bin" / name).symlink_to(Path(sys.executable).with_name(name))


class Desk:
    """Where a reader sits: the checkout at `home`, a terminal, and the servers that run in other terminals.

    `places` says which folder of this machine stands for one that pages name, `ports` the same of ports. pip builds
    with what is in `build_tools`, where that is given.
    """

    def __init__(
        self, home: Path, places: Mapping[str, Path], ports: Mapping[int, int], build_tools: Path | None = None
    ) -> None:
        self._home = home
        # The longest first: one may be in another.
        self._places = sorted(places.items(), key=lambda place: -len(str(place[1])))
        self._ports = dict(ports)
        self._env = _reader_environment(home, ports)
        if build_tools:
            # pip reads it the other way round: 0 is for no isolation.
            self._env["PIP_NO_BUILD_ISOLATION"] = "0"
            self._env["PYTHONPATH"] = f"{build_tools}{os.pathsep}{self._env['PYTHONPATH']}"
        self._servers: dict[str, subprocess.Popen[bytes]] = {}
        self.open_terminal()

    def open_terminal(self) -> None:
        """Go on in a new terminal, where nothing was exported and the folder is the checkout's."""
        self._terminal = dict(self._env)

    def run(self, command: str) -> tuple[int, str]:
        """Run `command` in this terminal; returns its exit status and what it printed."""
        state = self._home.parent / "terminal"
        script = f"trap 'env -0 >{state}' EXIT\n{self._here(command)}\n"
        done = subprocess.run(
            ["bash", "-c", script],
            cwd=self._home,
            env=self._terminal,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=_LIMIT,
        )
        self._terminal = dict(entry.split("=", 1) for entry in state.read_text().split("\0") if "=" in entry)
        return done.returncode, self._there(done.stdout)

    def serve(self, command: str, ready: Callable[[], object] | None = None, options: str = "") -> tuple[int, str]:
        """Start a server in this terminal, and go on in another one; returns as `run` does, 0 while it runs.

        Waits until `ready`, or until it says how many pictures it found. One of the same kind is stopped before.
        """
        kind = "S3" if "weed" in command else "cocoannot"
        self.stop(kind)
        output = self._home.parent / f"{kind}.log"
        with output.open("wb") as file:
            process = self._servers[kind] = subprocess.Popen(
                ["bash", "-c", self._here(command) + options],
                cwd=self._home,
                env=self._terminal,
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                # Python ignores INT where its parent does, as one in the background.
                preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
            )
        ready = ready or (lambda: _PICTURES in output.read_text())
        until(lambda: process.poll() is not None or ready(), f"{command} is ready", _LIMIT)
        self.open_terminal()
        return process.poll() or 0, self._there(output.read_text())

    def stop(self, kind: str = "cocoannot") -> None:
        """Press Ctrl+C in the terminal of a server, if there is one."""
        if (process := self._servers.pop(kind, None)) is None:
            return
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGINT)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()

    def close(self) -> None:
        for kind in list(self._servers):
            self.stop(kind)

    def _here(self, text: str) -> str:
        for port, real in self._ports.items():
            text = re.sub(rf"(?<=[:=]){port}\b", str(real), text)
        for place, real_place in self._places:
            text = re.sub(rf"{place}\b(?=/| |$)", str(real_place), text)
        # The day on which a page is read is another one than that on which it was written.
        return re.sub(r"(?<=/backups/)\d{4}-\d\d-\d\d\b", "*", text)

    def _there(self, text: str) -> str:
        for place, real_place in self._places:
            text = text.replace(str(real_place), place)
        for port, real in self._ports.items():
            text = text.replace(f":{real}", f":{port}")
        return text


def _reader_environment(home: Path, ports: Mapping[int, int]) -> dict[str, str]:
    env = environment(None)
    for name in list(env):
        if name.startswith(("MAKE", "MFLAGS", "AWS_", "XDG_", "PORT", "PYTEST_")):
            del env[name]
    # Proxies may be needed for what pip builds with; this machine is reached without.
    env |= {name: value for name, value in os.environ.items() if name.lower().endswith("_proxy")}
    env |= {"no_proxy": "127.0.0.1,localhost", "NO_PROXY": "127.0.0.1,localhost"}
    env |= {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{env['PATH']}",
        "PYTHONPATH": sysconfig.get_path("purelib"),
        "XDG_CACHE_HOME": str(home.parent / ".cache"),
        "GUNICORN_CMD_ARGS": f"--bind 127.0.0.1:{ports[8000]}",
        "TZ": "UTC",
        "LC_ALL": "C.UTF-8",
        # Of what is installed, little is run.
        "PIP_NO_COMPILE": "1",
        "WARM_STARTS": warm_starts.address(),
    }
    return env
