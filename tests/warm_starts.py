"""Programs of ours that start at once: forked from a process that has imported what they import.

To import, and to compile its routes, takes one longer than all the rest of its start, and a run of the tests starts
hundreds. What it does is what it always does, signals, exit handlers and status included. Tests about the start itself
start it anew.

    tests --request, with files for its input, output and errors--> warm process --fork--> gunicorn, flask or cocoannot
    tests <--its process id, later its status-- warm process

Each program has a connection of its own; one whose connection is closed is killed, so that none is left behind.
"""

from __future__ import annotations

import atexit
import gc
import json
import logging
import os
import runpy
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import IO, Any

PROGRAMS = {
    "gunicorn": ("gunicorn.app.wsgiapp", "run"),
    "flask": ("flask.cli", "main"),
    "cocoannot": ("cocoannot.console", "main"),
}
MODULES = ("flask", "cocoannot")
"""What `python -m` runs here."""

IMPORTED = (
    *("gunicorn.workers.gthread", "gunicorn.glogging", "cocoannot.server.worker", "cocoannot.server.json_logger"),
    *(module for module, _ in PROGRAMS.values()),
    # What is imported at the first load, picture and request.
    *("numpy.ma", "PIL.BmpImagePlugin", "PIL.GifImagePlugin", "PIL.JpegImagePlugin", "PIL.PngImagePlugin"),
    *("PIL.PpmImagePlugin", "encodings.idna"),
)
"""Not `cocoannot.gunicorn_conf` and `cocoannot.wsgi`, which look at the environment."""
IMPORTED_FOR = {"s3:": "cocoannot.replica.replica", "postgresql:": "cocoannot.store.postgres.store"}
"""What datasets need that are elsewhere, from when a program is asked for that has one."""

_MOST = 1 << 17
_LIMIT = 60.0


def knows(command: Sequence[str]) -> bool:
    """Whether `command` is one of the programs that start here."""
    if command[0] == sys.executable:
        return command[1] == "-m" and command[2] in MODULES
    return Path(command[0]).name in PROGRAMS


_asking = threading.Lock()


class WarmProcess:
    """One program: as much of `subprocess.Popen` as tests need."""

    def __init__(self, address: str, request: bytes, files: Sequence[int]) -> None:
        self._channel = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._channel.settimeout(_LIMIT)
        self._channel.connect(f"\0{address}")
        socket.send_fds(self._channel, [request], files)
        self.pid = int(self._channel.recv(_MOST))
        self._status: int | None = None
        # Threads may wait for the same.
        self._lock = threading.Lock()

    def poll(self) -> int | None:
        """The exit status, negative for a signal; `None` while it runs."""
        with self._lock:
            if self._status is None and select.select([self._channel], [], [], 0)[0]:
                self._status = os.waitstatus_to_exitcode(int(self._channel.recv(_MOST)))
                self._channel.close()
            return self._status

    def wait(self, timeout: float | None = None) -> int:
        """The exit status, when it has ended. Raises `subprocess.TimeoutExpired`."""
        if (status := self.poll()) is None:
            if not select.select([self._channel], [], [], timeout)[0]:
                raise subprocess.TimeoutExpired(str(self.pid), timeout or 0)
            status = self.poll()
            assert status is not None
        return status

    def send_signal(self, number: signal.Signals) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)


def address() -> str:
    """Where the warm process of these tests listens, in the abstract namespace of sockets."""
    with _asking:
        return _make_listening()


@cache
def _make_listening() -> str:
    """Start the warm process, which ends when this process has ended."""
    address = f"cocoannot-tests-{os.getpid()}"
    env = {**os.environ, "PYTHONPATH": str(Path(__file__).parent.parent)}
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listener:
        listener.bind(f"\0{address}")
        listener.listen(64)
        number = listener.fileno()
        process = subprocess.Popen(
            [sys.executable, __file__, str(number)], env=env, stdin=subprocess.PIPE, pass_fds=[number]
        )
    atexit.register(process.communicate)
    return address


def start(
    command: Sequence[str], cwd: Path, env: Mapping[str, str], given: IO[bytes], output: IO[bytes]
) -> WarmProcess:
    """Start `command` in a session of its own; it reads `given`, and all that it prints is in `output`."""
    request = json.dumps({"command": list(command), "cwd": str(cwd), "env": dict(env)}).encode()
    return WarmProcess(address(), request, [given.fileno(), output.fileno(), output.fileno()])


# The warm process


def _serve(listener: socket.socket) -> None:
    """Start what is asked for, until the tests have ended. In a program that was started, it returns at the end."""
    for module in IMPORTED:
        import_module(module)
    _compile_routes()
    woken, wake = os.pipe()
    for end in (woken, wake):
        os.set_blocking(end, False)
    signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda number, frame: None)
    running: dict[int, socket.socket] = {}
    while True:
        ready = select.select([sys.stdin, listener, woken, *running.values()], [], [])[0]
        if sys.stdin in ready:
            sys.exit()
        if woken in ready:
            with suppress(BlockingIOError):
                os.read(woken, 4096)
        for pid in [pid for pid, channel in running.items() if channel in ready]:
            with suppress(ProcessLookupError):
                os.killpg(pid, signal.SIGKILL)
            # Its status is asked for by nobody.
            running.pop(pid).close()
        _tell_who_ended(running)
        if listener not in ready:
            continue
        channel, _ = listener.accept()
        text, files, _, _ = socket.recv_fds(channel, _MOST, 3)
        request = json.loads(text)
        _import_for(request["env"].get("COCOANNOT_DATASET", ""))
        pid = os.fork()
        if pid == 0:
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            # From when this is told on, its session is there to be killed.
            os.setsid()
            _tell(channel, os.getpid())
            for each in (listener, channel, *running.values()):
                each.close()
            for end in (woken, wake):
                os.close(end)
            return _become(request, files)
        running[pid] = channel
        for file in files:
            os.close(file)


def _compile_routes() -> None:
    """Compile the routes for all programs: that takes as long as all the rest of an application's start."""
    from flask import Flask
    from shared_rules import RuleOfMany

    from cocoannot import create_app

    Flask.url_rule_class = RuleOfMany
    for name in list(os.environ):
        if name.startswith(("COCOANNOT_", "DATASET_")):
            del os.environ[name]
    create_app({})
    # Programs set up the log by their own environment.
    logger = logging.getLogger("cocoannot")
    logger.handlers.clear()
    logger.setLevel(logging.NOTSET)


def _import_for(dataset: str) -> None:
    if module := IMPORTED_FOR.get(dataset.partition("//")[0]):
        import_module(module)
    # What is looked at is copied, and the programs are to share it.
    gc.freeze()


def _tell_who_ended(running: dict[int, socket.socket]) -> None:
    with suppress(ChildProcessError):
        while (ended := os.waitpid(-1, os.WNOHANG))[0]:
            if channel := running.pop(ended[0], None):
                _tell(channel, ended[1])
                channel.close()


def _tell(channel: socket.socket, number: int) -> None:
    with suppress(BrokenPipeError):
        channel.send(str(number).encode())


def _become(request: dict[str, Any], files: Sequence[int]) -> None:
    """Be the program that was asked for."""
    for stream, file in enumerate(files):
        os.dup2(file, stream)
        os.close(file)
    for printed in (sys.stdout, sys.stderr):
        printed.reconfigure(write_through=True)  # type: ignore[union-attr]
    os.chdir(request["cwd"])
    # gunicorn goes back to where it was imported.
    import_module("gunicorn.config").Chdir.default = request["cwd"]
    os.environ.clear()
    os.environ.update(request["env"])
    time.tzset()
    sys.path[0] = request["cwd"]
    command = request["command"]
    sys.orig_argv = [sys.executable, *command[command[0] == sys.executable :]]
    if command[0] == sys.executable:
        sys.argv = command[2:]
        runpy.run_module(command[2], run_name="__main__", alter_sys=True)
        return
    sys.argv = command
    module, main = PROGRAMS[Path(command[0]).name]
    sys.exit(getattr(import_module(module), main)())


if __name__ == "__main__":
    _serve(socket.socket(fileno=int(sys.argv[1])))
