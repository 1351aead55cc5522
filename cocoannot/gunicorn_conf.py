"""How gunicorn runs cocoannot: one worker that owns the dataset, and many threads.

    arbiter: the settings, the number of workers and the address are checked before anything is loaded
    worker:  post_worker_init owns and loads the dataset; TERM, INT and QUIT save at once, while requests drain;
             worker_exit cuts off requests that hang, so that the next owner need not wait for them

A gunicorn configuration file: `gunicorn -c python:cocoannot.gunicorn_conf 'cocoannot:create_app()'`.
"""

from __future__ import annotations

import ipaddress
import os
import signal
import sys
import time
from collections.abc import Callable
from types import FrameType
from typing import Any

from gunicorn.errors import HaltServer  # type: ignore[import-untyped]

from cocoannot.config import Settings
from cocoannot.errors import CocoannotError, ConfigError
from cocoannot.extension import Runtime, runtime

_WORKER_BOOT_ERROR = 3
"""The exit status of a worker after which gunicorn ends instead of starting another one."""

_LAST_CALL = 1
"""Seconds that a request may still run after the worker has ended its loop."""


def _threads() -> int:
    try:
        return Settings.read().threads
    except ConfigError as exc:
        # Here and not later: with --preload the application is made before any hook is called.
        sys.exit(f"Error: {exc}")


bind = "127.0.0.1:8000"
workers = 1
worker_class = "gthread"
threads = _threads()
# Waiting for the lock tells the arbiter that the worker is alive; loading may take this long.
timeout = 120
graceful_timeout = 30
# It is one socket for all gunicorns of a user, so that a command to one would reach another.
control_socket_disable = True


def on_starting(server: Any) -> None:
    """Refuse what can't work before any worker starts; ends gunicorn with one line."""
    try:
        _check(server)
    except ConfigError as exc:
        server.log.error("%s", exc)
        sys.exit(1)


def when_ready(server: Any) -> None:
    """Sockets that systemd handed over are known only now."""
    on_starting(server)


def on_reload(server: Any) -> None:
    """HUP reads the configuration again; one that is refused ends gunicorn, after its worker."""
    try:
        _check(server)
    except ConfigError as exc:
        raise HaltServer(str(exc), 1) from exc


def nworkers_changed(server: Any, new_value: int, old_value: int | None) -> None:
    """One process owns the dataset: a stray TTIN must not start another worker."""
    if old_value is not None and new_value > 1:
        server.log.error("cocoannot runs with one worker, which owns the dataset; the number of workers stays 1")
        server.num_workers = 1


def post_worker_init(worker: Any) -> None:
    """Own and load the dataset in the process that serves; a worker that can't ends gunicorn with one line."""
    state = runtime(worker.wsgi)

    def wait(seconds: float) -> None:
        if not worker.alive:
            sys.exit(0)
        worker.notify()
        time.sleep(seconds)

    # One that replaces another may have to wait until that has drained, and saved.
    patience = 0 if worker.age == 1 else worker.cfg.graceful_timeout + 10
    try:
        state.start(_url(worker), wait, max(patience, state.settings.lock_timeout))
    except CocoannotError as exc:
        worker.log.error("%s", exc)
        sys.exit(_WORKER_BOOT_ERROR)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT, signal.SIGABRT):
        _chain(number, state)


def worker_exit(server: Any, worker: Any) -> None:
    """The interpreter waits for threads that run requests, for ever if a client keeps them; so end it by an alarm."""
    # The arbiter calls this too, for a worker that is gone.
    if not worker.booted or worker.pid != os.getpid():
        return

    def cut_off(signum: int, frame: FrameType | None) -> None:
        worker.log.warning("Ending with requests unanswered, they took too long")
        runtime(worker.wsgi).end()
        os._exit(0)

    signal.signal(signal.SIGALRM, cut_off)
    signal.alarm(_LAST_CALL)


def _chain(number: signal.Signals, state: Runtime) -> None:
    before = signal.getsignal(number)
    assert callable(before)
    gunicorns: Callable[[int, FrameType | None], Any] = before

    def handle(signum: int, frame: FrameType | None) -> None:
        # A slow request may keep the process from its exit handlers until the arbiter kills it.
        state.saver.hurry()
        gunicorns(signum, frame)

    signal.signal(number, handle)


def _url(worker: Any) -> str:
    address = worker.sockets[0].getsockname()
    host = f"[{address[0]}]" if ":" in address[0] else address[0]
    return f"http://{host}:{address[1]}"


def _check(server: Any) -> None:
    Runtime(Settings.read()).dataset_path()
    if server.cfg.workers != 1:
        raise ConfigError(f"workers={server.cfg.workers} is not allowed; one worker owns the dataset, threads share it")
    if server.cfg.worker_class_str != "gthread":
        raise ConfigError(f"worker_class={server.cfg.worker_class_str!r} is not allowed; give gthread")
    for address in [*server.cfg.address, *(listener.getsockname() for listener in server.LISTENERS)]:
        if not isinstance(address, tuple) or not _is_loopback(address[0]):
            raise ConfigError(f"bind={address!r} is not allowed; give a loopback address, such as 127.0.0.1:8000")


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False
