"""gunicorns that start at once: forked from a process that has imported what they import.

To import takes one longer than all the rest of its start, and a run of the tests starts hundreds. What it does is what
it always does, signals, exit handlers and status included. Tests about the start itself start it anew.

    tests --request, file for its output--> warm process --fork--> gunicorn
    tests <--its process id, later its status-- warm process
"""

from __future__ import annotations

import atexit
import json
import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import IO, Any

IMPORTED = ("gunicorn.app.wsgiapp", "gunicorn.workers.gthread", "cocoannot.app", "cocoannot.server.worker")
"""Not `cocoannot.gunicorn_conf` and `cocoannot.wsgi`, which look at the environment."""

_MOST = 1 << 17


class WarmProcess:
    """One program: as much of `subprocess.Popen` as tests need."""

    def __init__(self, starter: Starter, pid: int) -> None:
        self._starter = starter
        self.pid = pid

    def poll(self) -> int | None:
        """The exit status, negative for a signal; `None` while it runs."""
        return self._starter.status_of(self.pid)

    def wait(self, timeout: float | None = None) -> int:
        """The exit status, when it has ended. Raises `subprocess.TimeoutExpired`."""
        deadline = time.monotonic() + (timeout or float("inf"))
        while (status := self._starter.status_of(self.pid, wait=0.1)) is None:
            if time.monotonic() > deadline:
                raise subprocess.TimeoutExpired(str(self.pid), timeout or 0)
        return status

    def send_signal(self, number: signal.Signals) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)


class Starter:
    """The warm process, as the tests see it."""

    def __init__(self) -> None:
        self._channel, far = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._ended: dict[int, int] = {}
        command = [sys.executable, __file__, str(far.fileno())]
        env = {**os.environ, "PYTHONPATH": str(Path(__file__).parent.parent)}
        self._process = subprocess.Popen(command, env=env, pass_fds=[far.fileno()], stdin=subprocess.DEVNULL)
        far.close()
        atexit.register(self.stop)

    def start(self, command: Sequence[str], cwd: Path, env: Mapping[str, str], output: IO[bytes]) -> WarmProcess:
        """Start gunicorn by `command`, in a session of its own, with all that it prints in `output`."""
        request = json.dumps({"command": list(command), "cwd": str(cwd), "env": dict(env)}).encode()
        socket.send_fds(self._channel, [request], [output.fileno()])
        while "started" not in (message := json.loads(self._channel.recv(_MOST))):
            self._note(message)
        return WarmProcess(self, message["started"])

    def status_of(self, pid: int, wait: float = 0.0) -> int | None:
        """How the program ended, if it has."""
        while pid not in self._ended and select.select([self._channel], [], [], wait)[0]:
            self._note(json.loads(self._channel.recv(_MOST)))
        return self._ended.get(pid)

    def stop(self) -> None:
        self._channel.close()
        self._process.kill()
        self._process.wait()

    def _note(self, message: dict[str, int]) -> None:
        self._ended[message["ended"]] = os.waitstatus_to_exitcode(message["status"])


_starters: list[Starter] = []


def start(command: Sequence[str], cwd: Path, env: Mapping[str, str], output: IO[bytes]) -> WarmProcess:
    """As `Starter.start`, by the one warm process that these tests have."""
    if not _starters:
        _starters.append(Starter())
    return _starters[0].start(command, cwd, env, output)


# The warm process


def _serve(channel: socket.socket) -> None:
    """Start what is asked for, until whoever asks has gone. In a gunicorn that was started, it returns at the end."""
    for module in IMPORTED:
        import_module(module)
    woken, wake = os.pipe()
    for end in (woken, wake):
        os.set_blocking(end, False)
    signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda number, frame: None)
    while True:
        waiting: list[Any] = [channel, woken]
        ready = select.select(waiting, [], [])[0]
        if woken in ready:
            with suppress(BlockingIOError):
                os.read(woken, 4096)
            _reap(channel)
        if channel in ready:
            request, files, _, _ = socket.recv_fds(channel, _MOST, 1)
            if not request:
                sys.exit()
            (output,) = files
            pid = os.fork()
            if pid == 0:
                signal.set_wakeup_fd(-1)
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                for each in (woken, wake, channel.detach()):
                    os.close(each)
                return _become(json.loads(request), output)
            os.close(output)
            channel.send(json.dumps({"started": pid}).encode())


def _reap(channel: socket.socket) -> None:
    with suppress(ChildProcessError):
        while (ended := os.waitpid(-1, os.WNOHANG))[0]:
            channel.send(json.dumps({"ended": ended[0], "status": ended[1]}).encode())


def _become(request: dict[str, Any], output: int) -> None:
    """Be the gunicorn that was asked for."""
    from gunicorn.app.wsgiapp import run  # type: ignore[import-untyped]

    os.setsid()
    os.dup2(output, 1)
    os.dup2(output, 2)
    os.close(output)
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(write_through=True)  # type: ignore[union-attr]
    os.chdir(request["cwd"])
    os.environ.clear()
    os.environ.update(request["env"])
    sys.path[0] = request["cwd"]
    sys.argv = request["command"]
    run(prog="gunicorn")


if __name__ == "__main__":
    _serve(socket.socket(fileno=int(sys.argv[1])))
