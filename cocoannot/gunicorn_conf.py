"""How gunicorn runs cocoannot: one worker that owns the dataset, and many threads.

    arbiter: the settings, the number of workers and the address are checked before anything is loaded
    worker:  post_worker_init owns and loads the dataset; TERM, INT and QUIT save at once, while requests drain;
             worker_exit cuts off requests that hang, so that the next owner need not wait for them
    client:  one that neither sends nor reads for COCOANNOT_CLIENT_TIMEOUT seconds gives its thread back

A gunicorn configuration file: `gunicorn -c python:cocoannot.gunicorn_conf 'cocoannot:create_app()'`.
"""

from __future__ import annotations

import gc
import os
import signal
import sys
import time
from types import FrameType
from typing import Any

from gunicorn.errors import HaltServer  # type: ignore[import-untyped]
from gunicorn.glogging import Logger  # type: ignore[import-untyped]

from cocoannot import logs
from cocoannot.errors import CocoannotError, ConfigError
from cocoannot.extension import Runtime, runtime, server_url
from cocoannot.server.client_timeouts import limit_waiting
from cocoannot.settings import Settings

_WORKER_BOOT_ERROR = 3
"""The exit status of a worker after which gunicorn ends instead of starting another one."""

_LOG_PAUSE = 0.1
"""Seconds that a log line may wait for others, where the last ones were written just before."""

_LAST_CALL = 1
"""Seconds that a request may still run after INT or QUIT, and after the worker has ended its loop."""


class JsonLogger(Logger):  # type: ignore[misc]
    """gunicorn's own events in the form of ours, one JSON line each."""

    def setup(self, cfg: Any) -> None:
        """Set up the handlers that gunicorn's settings ask for, with our formatter."""
        super().setup(cfg)
        for handler in [*self.error_log.handlers, *self.access_log.handlers]:
            handler.setFormatter(logs.formatter("json"))


def _settings() -> Settings:
    try:
        return Settings.read()
    except ConfigError as exc:
        # Here and not later: with --preload the application is made before any hook is called.
        sys.exit(f"Error: {exc}")


bind = "127.0.0.1:8000"
workers = 1
worker_class = "gthread"
threads = _settings().threads
# Waiting for the lock tells the arbiter that the worker is alive; loading may take this long, and so may an S3 that
# does not answer: it is asked three times.
timeout = max(120, int(4 * _settings().s3_timeout))
graceful_timeout = 30
# It is one socket for all gunicorns of a user, so that a command to one would reach another.
control_socket_disable = True
# COCOANNOT_PROXIES alone tells whether a proxy is believed.
secure_scheme_headers: dict[str, str] = {}
# It waits without a limit for a client that does not read.
sendfile = False
if _settings().log_format == "json":
    logger_class = JsonLogger


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
    settings = Settings.read()
    for warning in sorted({text for host in _hosts(server) if (text := settings.warning(host))}):
        server.log.warning("%s", warning)


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
    # What was loaded stays for as long as the process; looking through it for garbage would hold up requests.
    gc.collect()
    gc.freeze()
    limit_waiting(worker, state.settings.client_timeout)
    _gather_log_lines(worker)
    for number in (signal.SIGTERM, signal.SIGABRT):
        _hurry_at(number, state, signal.getsignal(number))
    for number in (signal.SIGINT, signal.SIGQUIT):
        _hurry_at(number, state, lambda signum, frame: _end_quickly(worker, signum, frame))


def worker_exit(server: Any, worker: Any) -> None:
    """The interpreter waits for threads that run requests, for ever if a client keeps them; so end it by an alarm."""
    # The arbiter calls this too, for a worker that is gone.
    if worker.booted and worker.pid == os.getpid():
        _cut_off_soon(worker)


def _gather_log_lines(worker: Any) -> None:
    notify = worker.notify

    def notify_and_write() -> None:
        notify()
        logs.write_due()

    # The worker calls it in each round of its loop, and at least once a second.
    worker.notify = notify_and_write
    logs.gather(_LOG_PAUSE)


def _hurry_at(number: signal.Signals, state: Runtime, then: Any) -> None:
    def handle(signum: int, frame: FrameType | None) -> None:
        # A slow request may keep the process from its exit handlers until the arbiter kills it.
        state.saver.hurry()
        then(signum, frame)

    signal.signal(number, handle)


def _end_quickly(worker: Any, signum: int, frame: FrameType | None) -> None:
    # Not by gunicorn's handler: it takes the lock of the thread pool, which the main thread that it interrupts may
    # hold, and then hangs until the arbiter kills it.
    worker.handle_exit(signum, frame)
    _cut_off_soon(worker)


def _cut_off_soon(worker: Any) -> None:
    def cut_off(signum: int, frame: FrameType | None) -> None:
        worker.log.warning("Ending with requests unanswered, they took too long")
        runtime(worker.wsgi).end()
        logs.write_all()
        os._exit(0)

    signal.signal(signal.SIGALRM, cut_off)
    signal.alarm(_LAST_CALL)


def _url(worker: Any) -> str:
    """Where the operator's commands reach this server; "" where it listens at Unix sockets alone."""
    addresses = [listener.getsockname() for listener in worker.sockets]
    return next((server_url(address[0], address[1]) for address in addresses if isinstance(address, tuple)), "")


def _check(server: Any) -> None:
    settings = Settings.read()
    settings.dataset_path()
    if server.cfg.workers != 1:
        raise ConfigError(f"workers={server.cfg.workers} is not allowed; one worker owns the dataset, threads share it")
    if server.cfg.worker_class_str != "gthread":
        raise ConfigError(f"worker_class={server.cfg.worker_class_str!r} is not allowed; give gthread")
    for host in _hosts(server):
        settings.check_address(host)


def _hosts(server: Any) -> list[str]:
    """Where gunicorn listens or is to listen: IP addresses, names, paths of sockets."""
    addresses = [*server.cfg.address, *(listener.getsockname() for listener in server.LISTENERS)]
    return [address[0] if isinstance(address, tuple) else str(address) for address in addresses]
