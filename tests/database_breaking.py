"""What may break between clients and a database on one machine: each function breaks it, and returns when the database
itself is back. The servers are left alone, or lose a worker."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psycopg
from database_clients import Ledger
from postgres_proxy import CuttingProxy
from postgres_servers import Postgres
from postgres_workers import Workers
from servers import until

_LIMIT = 120.0
_OURS = "datname = 'cocoannot' AND pid <> pg_backend_pid()"


class Unwell(Exception):
    """Something is wrong with the database itself, whatever the servers do."""


@dataclass
class Place:
    """Servers of one dataset, and what clients were told by them."""

    servers: list[Workers]
    ledger: Ledger
    chance: random.Random

    def go_on(self, changes: int = 20) -> None:
        """Wait until so many changes more are acknowledged."""
        reached = self.ledger.changes + changes
        until(lambda: self.ledger.changes >= reached or self.ledger.wrong, f"{changes} changes more", _LIMIT)

    def check(self) -> None:
        """Raise `Unwell` where something is wrong with the database itself."""


@dataclass
class Machine(Place):
    """With a database on the same machine. The last of the servers reaches it through `proxy`."""

    database: Postgres
    proxy: CuttingProxy
    disk: Path | None = None
    """Where the database is on a small disk of its own, its mount point."""


Break = Callable[[Machine], None]


def kill_workers(place: Machine) -> None:
    """Kill -9 of one worker of each server."""
    for each in place.servers:
        each.kill_worker(place.chance)


def pause_worker(place: Machine) -> None:
    """A worker that stops within a change, as on a machine that is suspended; it goes on when others have gone on."""
    pid = until(lambda: _stopped_with_lock(place), "a worker is stopped within a change", _LIMIT)
    try:
        place.go_on(1)
        time.sleep(place.chance.uniform(0, 5))
    finally:
        os.kill(pid, signal.SIGCONT)


def _stopped_with_lock(place: Machine) -> int:
    """Stop a worker; returns its process id if everybody waits for it now. Else it goes on, and 0 is returned."""
    pid = place.chance.choice([each for server in place.servers for each in server.live_workers()])
    holders = (
        f"SELECT pid, xact_start FROM pg_stat_activity a WHERE {_OURS} AND state = 'idle in transaction' "
        "AND EXISTS (SELECT FROM pg_locks l WHERE l.pid = a.pid AND l.mode = 'RowShareLock')"
    )
    with place.database.connect() as connection:
        for _ in range(20):
            os.kill(pid, signal.SIGSTOP)
            found = connection.execute(holders).fetchone()
            if found is not None:
                # It may be that of a worker that goes on.
                time.sleep(0.5)
                if connection.execute(holders).fetchone() == found:
                    return pid
            os.kill(pid, signal.SIGCONT)
    return 0


def kill_postgres(place: Machine) -> None:
    """Kill -9 of PostgreSQL."""
    place.database.kill()
    place.database.start()


def kill_backend(place: Machine) -> None:
    """Kill -9 of one backend: PostgreSQL ends all others, and recovers."""
    with place.database.connect() as connection:
        row = connection.execute(f"SELECT pid FROM pg_stat_activity WHERE {_OURS} ORDER BY random()").fetchone()
    assert row is not None
    os.kill(row[0], signal.SIGKILL)
    place.database.wait()


def terminate_backends(place: Machine) -> None:
    """Every connection ended by an administrator, five times."""
    with place.database.connect() as connection:
        for _ in range(5):
            connection.execute(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {_OURS}")
            time.sleep(place.chance.uniform(0, 0.3))


def pause(seconds: float) -> Break:
    """PostgreSQL stops for so long (SIGSTOP), without a connection that ends."""

    def pause_postgres(place: Machine) -> None:
        with place.database.paused():
            time.sleep(seconds)

    return pause_postgres


def cut(times: int) -> Break:
    """Connections of a server cut after any number of bytes, so many times."""

    def cut_connections(place: Machine) -> None:
        for _ in range(times):
            before = place.proxy.cuts
            place.proxy.cut_after(place.chance.randrange(4000), of_client=place.chance.random() < 0.5)
            until(lambda before=before: place.proxy.cuts > before, "connections are cut", _LIMIT)  # type: ignore[misc]

    return cut_connections


def serializable(place: Machine) -> None:
    """Every transaction is SERIALIZABLE by default, for a while."""
    for level in ("serializable", "read committed"):
        with place.database.connect() as connection:
            connection.execute(f"ALTER DATABASE cocoannot SET default_transaction_isolation = '{level}'")
        terminate_backends(place)
        if level == "serializable":
            place.go_on(60)


def down(seconds: float) -> Break:
    """No database at all, until clients are told so by every server, and for so long at least."""

    def stop(place: Machine) -> None:
        told, began = place.ledger.seen["503"], time.monotonic()
        place.database.stop()
        for each in place.servers:
            until(lambda each=each: each.readiness() == 503, "/readyz is 503", _LIMIT)  # type: ignore[misc]
        until(lambda: place.ledger.seen["503"] >= told + 2 and time.monotonic() > began + seconds, "503", _LIMIT)
        place.database.start()

    return stop


def fill_disk(place: Machine, *, patient: bool = False) -> None:
    """A disk without a free byte, for changes or, half of the times, for PostgreSQL's own log.

    It stays full until nobody gets any further or, if `patient`, half of the times until clients are told so.
    """
    assert place.disk is not None
    ballast = place.disk / "ballast"
    try:
        with suppress(OSError), ballast.open("wb", buffering=0) as file:
            while file.write(bytes(1 << 20)):
                pass
        with suppress(OSError), ballast.open("ab", buffering=0) as file:
            while file.write(b"."):
                pass
        if place.chance.random() < 0.5:
            with suppress(psycopg.Error), place.database.connect() as connection:
                for _ in range(20):
                    connection.execute("SELECT pg_switch_wal(), txid_current()")
        changes = -1
        # Until nobody gets any further, and sometimes until that is told.
        while changes != place.ledger.changes:
            changes = place.ledger.changes
            time.sleep(1)
        told = place.ledger.seen["503"]
        if patient and place.chance.random() < 0.5:
            until(lambda: place.ledger.seen["503"] > told, "503", _LIMIT)
    finally:
        ballast.unlink(missing_ok=True)
    place.database.wait()


@contextmanager
def small_disk(folder: Path) -> Iterator[Path]:
    """A disk of 160 MiB at `folder`; only root may have one."""
    folder.mkdir(parents=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=160m,mode=0777", "tmpfs", folder], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", folder], check=True)
