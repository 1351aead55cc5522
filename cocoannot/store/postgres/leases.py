"""Whose turn something is, of all processes: a row with a name, which is over by itself where its process has died."""

from __future__ import annotations

import os
import socket
import uuid
from contextlib import suppress

import psycopg

from cocoannot.errors import Unavailable
from cocoannot.store.postgres.moment import Reading

LEASE_SECONDS = 60
"""How long a lease lasts that nobody renews."""

_TAKE = (
    b"INSERT INTO lease (dataset_id, name, holder, until) VALUES (%(d)s, %(name)s, %(holder)s, "
    b"now() + %(seconds)s * interval '1 second') ON CONFLICT (dataset_id, name) DO UPDATE SET "
    b"holder = excluded.holder, until = excluded.until "
    b"WHERE lease.holder = excluded.holder OR lease.until < now() RETURNING holder"
)


class Lease:
    """The lease `name` of a dataset, for this object alone."""

    def __init__(self, reading: Reading, name: str) -> None:
        self._reading = reading
        holder = f"{socket.gethostname()} {os.getpid()} {uuid.uuid4().hex[:8]}"
        self._values = {"d": reading.dataset_id, "name": name, "holder": holder, "seconds": LEASE_SECONDS}

    def take(self) -> bool:
        """Have it for a while from now on; returns whether nobody else has it. Raises `LOST`."""
        with self._reading.together() as connection:
            return connection.execute(_TAKE, self._values).fetchone() is not None

    def let_go(self) -> None:
        """Somebody else may have it."""
        # Where that fails it is over by itself.
        with suppress(psycopg.Error, Unavailable), self._reading.together() as connection:
            connection.execute(
                b"DELETE FROM lease WHERE dataset_id = %(d)s AND name = %(name)s AND holder = %(holder)s", self._values
            )
