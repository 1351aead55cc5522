"""How gunicorn runs cocoannot: its settings, and what is checked before anything is loaded.

One worker owns the dataset, and many threads answer requests; what the worker does is in `cocoannot/server/worker.py`.

A gunicorn configuration file: `gunicorn -c python:cocoannot.gunicorn_conf 'cocoannot:create_app()'`.
"""

from __future__ import annotations

import os
import sys
from typing import Any

from gunicorn.errors import HaltServer  # type: ignore[import-untyped]

from cocoannot.database_uri import DatabaseUri
from cocoannot.errors import CocoannotError, ConfigError
from cocoannot.files.dataset_file import DatasetFile
from cocoannot.people.people import People
from cocoannot.server.json_logger import JsonLogger
from cocoannot.server.worker import Worker
from cocoannot.settings import Settings, unknown_settings


def _read_settings() -> Settings:
    try:
        return Settings.read()
    except ConfigError as exc:
        # Here and not later: with --preload the application is made before any hook is called.
        sys.exit(f"Error: {exc}")


_settings = _read_settings()

bind = "127.0.0.1:8000"
workers = 1
worker_class = "cocoannot.server.worker.Worker"
threads = _settings.threads
# Waiting for the lock tells the arbiter that the worker is alive; loading may take this long, and so may an S3 that
# does not answer: it is asked three times.
timeout = max(120, int(4 * _settings.s3_timeout))
graceful_timeout = 30
# It is one socket for all gunicorns of a user, so that a command to one would reach another.
control_socket_disable = True
# COCOANNOT_PROXIES alone tells whether a proxy is believed.
secure_scheme_headers: dict[str, str] = {}
# It waits without a limit for a client that does not read.
sendfile = False
if _settings.log_format == "json":
    logger_class = JsonLogger


def on_starting(server: Any) -> None:
    """Warn of what looks like a setting and is none, and refuse what can't work, before any worker starts."""
    for warning in unknown_settings(os.environ):
        server.log.warning("%s", warning)
    _check_or_end(server)


def when_ready(server: Any) -> None:
    """Sockets that systemd handed over are known only now."""
    _check_or_end(server)
    settings, users = Settings.read(), _has_users()
    for warning in sorted({text for host in _hosts(server) if (text := settings.warning(host, users=users))}):
        server.log.warning("%s", warning)


def on_reload(server: Any) -> None:
    """HUP reads the configuration again; one that is refused ends gunicorn, after its worker."""
    try:
        _check(server)
    except CocoannotError as exc:
        raise HaltServer(str(exc), 1) from exc


def nworkers_changed(server: Any, new_value: int, old_value: int | None) -> None:
    """One process owns the dataset: a stray TTIN must not start another worker."""
    if old_value is not None and new_value > 1 and not _has_many_owners(Settings.read()):
        server.log.error("cocoannot runs with one worker, which owns the dataset; the number of workers stays 1")
        server.num_workers = 1


def _check_or_end(server: Any) -> None:
    try:
        _check(server)
    except CocoannotError as exc:
        server.log.error("%s", exc)
        sys.exit(1)


def _check(server: Any) -> None:
    settings = Settings.read()
    settings.dataset_path()
    if server.cfg.workers != 1 and not _has_many_owners(settings):
        raise ConfigError(f"workers={server.cfg.workers} is not allowed; one worker owns the dataset, threads share it")
    if not issubclass(server.worker_class, Worker):
        raise ConfigError(
            f"worker_class={server.cfg.worker_class_str!r} is not allowed; leave it out (-k, --worker-class): "
            f"cocoannot has a worker of its own, {worker_class}"
        )
    users = _has_users()
    for host in _hosts(server):
        settings.check_address(host, users=users)


def _has_many_owners(settings: Settings) -> bool:
    """Whether any number of workers may serve the dataset: it is in a database."""
    return isinstance(settings.dataset, DatabaseUri)


def _has_users() -> bool:
    """Whether everybody has to log in. Raises `UsersUnreadable`."""
    return People(DatasetFile(Settings.read().dataset_path()).users).is_on


def _hosts(server: Any) -> list[str]:
    """Where gunicorn listens or is to listen: IP addresses, names, paths of sockets."""
    addresses = [*server.cfg.address, *(listener.getsockname() for listener in server.LISTENERS)]
    return [address[0] if isinstance(address, tuple) else str(address) for address in addresses]
