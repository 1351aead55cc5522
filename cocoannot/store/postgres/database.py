"""Connections to the database: a few for a process, opened when they are needed, and tried again where they are lost.

up --lost--> trying again, who asks waits --`patience` later--> down: who asks is told at once, and each tries once
 ^                       |                                          |
 +------ an answer ------+------------------------------------------+
"""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, TypeVar

import psycopg
from psycopg.adapt import Loader
from psycopg.pq import Format, TransactionStatus
from psycopg_pool import ConnectionPool, PoolTimeout

from cocoannot.database_uri import DatabaseUri, where
from cocoannot.errors import ConfigError, Unavailable
from cocoannot.store.postgres.complaints import advice, complaint, first_line, is_read_only
from cocoannot.store.postgres.dialling import client_dsn, options_of
from cocoannot.store.postgres.schema import check_tables, find_version, telling_other_tables
from cocoannot.store.postgres.watching import WatchedConnection

Connection = WatchedConnection
Result = TypeVar("Result")

log = logging.getLogger(__name__)
# It would tell of each try, in several lines.
logging.getLogger("psycopg").setLevel(logging.ERROR)

LOST = (
    psycopg.OperationalError,
    psycopg.InterfaceError,
    psycopg.errors.ReadOnlySqlTransaction,
    psycopg.errors.IdleInTransactionSessionTimeout,
    psycopg.errors.TransactionTimeout,
    PoolTimeout,
)
"""Worth another try: connections that are lost, servers that start, stop, or stand by, what the database itself asks to
be sent again (40001, 40P01), and transactions that took too long because this process was stopped."""

_AGAIN = (psycopg.errors.SerializationFailure, psycopg.errors.DeadlockDetected)
"""What the database itself asks to be sent again: nothing is wrong with it then."""

SIZE = 4
"""How many connections a process has at most: more make the database slower, and not the process faster."""

_TIMELINE = b"""
SELECT CASE WHEN pg_is_in_recovery() THEN 0 ELSE ('x' || left(pg_walfile_name(pg_current_wal_lsn()), 8))::bit(32)::int4
END
"""

_COME_AGAIN = 2.0
_WAIT = 5.0
_WAIT_IF_DOWN = 1.0


class Database:
    """The connections of one process to one database. Nothing is connected before it is needed.

    `patience` is how many seconds a request waits at most for a database that does not answer.
    """

    def __init__(self, address: DatabaseUri, patience: float = 30.0, size: int = SIZE) -> None:
        self.address = address
        self.where = where(address.dsn)
        self.retries = 0
        """How often something was tried again."""
        self._patience = patience
        self._size = size
        self._own = threading.BoundedSemaphore(size)
        self._opening = threading.Lock()
        self._pool: ConnectionPool[WatchedConnection] | None = None
        # When the database did not answer first, since it last did; for reads and, by True, for changes, which it may
        # refuse while it answers reads. Without what it answers.
        self._lost_since: dict[bool, float] = {}

    @property
    def is_lost(self) -> bool:
        """Whether the last one who asked got no answer."""
        return bool(self._lost_since)

    @contextmanager
    def connection(self) -> Iterator[Connection]:
        """A connection on which every statement is done at once, unless a transaction is begun. Raises `LOST`."""
        with self._opened().connection(self._wait()) as connection:
            try:
                yield connection
            except psycopg.errors.ReadOnlySqlTransaction:
                # That server stands by now: it is left, and the next connection finds the one that does not.
                connection.close()
                raise
            finally:
                if not connection.closed and connection.info.transaction_status != TransactionStatus.IDLE:
                    with suppress(psycopg.Error):
                        connection.rollback()

    @contextmanager
    def own_connection(self) -> Iterator[Connection]:
        """One that is not of the few, for what takes long. Raises `LOST`, `Unavailable` where there are too many."""
        if not self._own.acquire(timeout=self._patience):
            raise Unavailable("too many exports at a time; try again in a moment", _COME_AGAIN)
        try:
            with WatchedConnection.connect(client_dsn(self.address.dsn), **options_of(self.address.dsn)) as connection:
                _configure(connection)
                yield connection
        finally:
            self._own.release()

    def insist(self, ask: Callable[[], Result], *, changes: bool = False) -> Result:
        """What `ask` returns, which is called again where the connection is lost meanwhile; `changes` if it makes some.

        Raises `Unavailable` where the database does not answer for too long, `OtherTables` at once.
        """
        pause, first = 0.02, None
        while True:
            try:
                with telling_other_tables(self.address.dsn):
                    found = ask()
            except LOST as exc:
                now = time.monotonic()
                if not self.is_lost and not isinstance(exc, _AGAIN):
                    log.warning("The database %s %s; it is tried again", self.where, complaint(exc))
                # What fails for this one alone is not tried for ever either, though others are answered.
                first = first or now
                if now - min(first, self._lost_since.setdefault(changes, now)) >= self._patience:
                    raise Unavailable(
                        f"the database {self.where} {complaint(exc)}; nothing is lost, try again in a moment",
                        _COME_AGAIN,
                    ) from exc
                self.retries += 1
                if _is_lost(exc):
                    # Others are probably lost too, and to find out may take as long for each of them.
                    self._opened().drain()
                time.sleep(min(pause, self._patience) * random.uniform(0.5, 1.0))
                pause = min(2 * pause, 0.5)
            else:
                since = self._lost_since.pop(changes, None)
                if since is not None and time.monotonic() - since > 1:
                    log.warning("The database %s answers again", self.where)
                return found

    def check(self, *, writable: bool = False) -> None:
        """Raise `Unavailable` where the database does not answer now, or takes no changes and is to be `writable`.

        Raises `OtherTables`.
        """
        try:
            with WatchedConnection.connect(client_dsn(self.address.dsn), **options_of(self.address.dsn)) as connection:
                with connection.transaction():
                    # While an upgrade works, nobody is answered; who asks is told.
                    connection.execute(b"SET LOCAL lock_timeout = '2s'")
                    found = find_version(connection)
                row = connection.execute("SELECT pg_is_in_recovery()").fetchone()
            check_tables(found)
            if writable and row is not None and row[0]:
                raise psycopg.errors.ReadOnlySqlTransaction("it is a replica")
        except psycopg.Error as exc:
            self._lost_since.setdefault(isinstance(exc, psycopg.errors.ReadOnlySqlTransaction), time.monotonic())
            raise Unavailable(f"the database {self.where} {complaint(exc)}", _COME_AGAIN) from exc

    def waits(self) -> tuple[int, float]:
        """How many threads wait for a connection, and seconds that threads have waited so far."""
        pool = self._pool
        stats = {} if pool is None else pool.get_stats()
        return stats.get("requests_waiting", 0), stats.get("requests_wait_ms", 0) / 1000

    def close(self) -> None:
        """Let go of all connections."""
        with self._opening:
            pool, self._pool = self._pool, None
        if pool is not None:
            pool.close()

    def _opened(self) -> ConnectionPool[WatchedConnection]:
        with self._opening:
            if self._pool is None:
                self._pool = ConnectionPool(
                    client_dsn(self.address.dsn),
                    connection_class=WatchedConnection,
                    kwargs=options_of(self.address.dsn),
                    min_size=1,
                    max_size=self._size,
                    open=True,
                    configure=_configure,
                    reconnect_timeout=1,
                    name="cocoannot",
                )
            return self._pool

    def _wait(self) -> float:
        """How many seconds to wait for a connection: not long where all who asked have waited for long."""
        since = self._lost_since.get(False)
        is_down = since is not None and time.monotonic() - since >= self._patience
        return _WAIT_IF_DOWN if is_down else min(_WAIT, self._patience + 0.1)


@contextmanager
def telling(dsn: str) -> Iterator[None]:
    """Where the connection is lost meanwhile, `Unavailable` is raised: for what can't be done again just like that.

    Raises `OtherTables` too.
    """
    try:
        with telling_other_tables(dsn):
            yield
    except LOST as exc:
        raise Unavailable(
            f"the database {where(dsn)} does not answer ({first_line(exc)}); try again in a moment", _COME_AGAIN
        ) from exc


def connect(dsn: str) -> Connection:
    """A connection for a start, or for a command.

    Raises `ConfigError` for what the operator has to correct, in one line that says what to do; `Unavailable` where
    there is no answer.
    """
    try:
        connection = WatchedConnection.connect(client_dsn(dsn), **options_of(dsn))
        _configure(connection)
    except psycopg.ProgrammingError as exc:
        words = f"the address {where(dsn)} can't be read: {first_line(exc)}"
        raise ConfigError(f"{words}; {advice(exc) or 'correct it'}") from exc
    except psycopg.OperationalError as exc:
        words = f"can't connect to {where(dsn)}: {first_line(exc)}"
        if (what := advice(exc)) is not None:
            raise ConfigError(f"{words}; {what}") from exc
        missing = "name its primary" if is_read_only(exc) else "start the database, or correct host and port"
        raise Unavailable(f"{words}; {missing} in the address", _COME_AGAIN) from exc
    return connection


def _is_lost(exc: Exception) -> bool:
    """Whether the connection is of no use any more, rather than its transaction."""
    if isinstance(exc, PoolTimeout):
        return False
    state = getattr(exc, "sqlstate", None)
    return state is None or state[:2] in ("08", "25", "57")


class _BytesLoader(Loader):
    """Texts as the bytes that came: nothing is decoded on the way through."""

    def load(self, data: Any) -> bytes:
        return bytes(data)


class _BinaryBytesLoader(_BytesLoader):
    format = Format.BINARY


def _configure(connection: Connection) -> None:
    connection.adapters.register_loader("text", _BytesLoader)
    connection.adapters.register_loader("text", _BinaryBytesLoader)
    # A role may not be allowed to ask, and what is like PostgreSQL may have no such thing.
    with suppress(psycopg.ProgrammingError, psycopg.NotSupportedError):
        row = connection.execute(_TIMELINE).fetchone()
        assert row is not None
        connection.timeline = row[0]
