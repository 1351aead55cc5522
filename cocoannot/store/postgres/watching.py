"""A connection that does not wait for ever for a server that is there and does nothing.

A process that is stopped, or a machine that is suspended, ends no connection: its kernel goes on to acknowledge what
is sent. So where an answer takes long, the same server is asked for another connection. If it gives none, the first one
counts as lost. A server that only works for long gives one, and is waited for.
"""

from __future__ import annotations

import time
from collections.abc import Generator
from typing import Any, TypeVar

import psycopg
from psycopg.abc import PQGen

_LONG = 10.0
_CONNECT = 3

Result = TypeVar("Result")


class WatchedConnection(psycopg.Connection[tuple[Any, ...]]):
    """Raises `psycopg.OperationalError` where the server does not answer at all."""

    timeline = 0
    """Of the primary at the other end: each that is promoted has a higher one than those before it, and keeps it.
    0 for a replica, and where it is not known."""

    def wait(self, gen: PQGen[Result], interval: float = 0.1, timeout: float | None = None) -> Result:
        """See `psycopg.Connection`."""
        return super().wait(self._watched(gen), interval, timeout)

    def _watched(self, gen: PQGen[Result]) -> Generator[Any, Any, Result]:
        since = time.monotonic()
        try:
            asked = next(gen)
            while True:
                ready = yield asked
                if ready:
                    since = time.monotonic()
                elif time.monotonic() - since > _LONG:
                    self._ask_again()
                    since = time.monotonic()
                asked = gen.send(ready)
        except StopIteration as exc:
            found: Result = exc.value
            return found

    def _ask_again(self) -> None:
        """Raise `psycopg.OperationalError`, and close the connection, where its server takes no other one."""
        info = self.info
        same: dict[str, Any] = {
            **info.get_parameters(),
            "host": info.host,
            "port": info.port,
            "password": info.password,
            "target_session_attrs": "any",
            "connect_timeout": _CONNECT,
        }
        try:
            psycopg.connect(**same).close()
        except psycopg.errors.ConnectionTimeout as exc:
            self.pgconn.finish()
            raise psycopg.OperationalError(f"the server did not answer for {_LONG + _CONNECT:g} s") from exc
        except psycopg.Error:
            # It says why it takes none: so it is there.
            pass
