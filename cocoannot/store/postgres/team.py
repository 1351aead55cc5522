"""What the processes that serve a dataset know of its team: who has claimed which image, and who is where.

Until when, the database's clock tells. Whose turn it is, and how long a claim lasts, is decided elsewhere. The tables
are not logged: a database that crashes forgets them.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any

import psycopg

from cocoannot.store.postgres.moment import Reading

Name = tuple[str, str | None, str]
"""Who it is: a user or an address, the user, and the client."""

_UNTIL = "now() + %(seconds)s * interval '1 second'"


class _Table:
    """Statements on one dataset, tried again where the connection is lost."""

    def __init__(self, reading: Callable[[], Reading]) -> None:
        self._reading = reading

    def change(self, sql: str, **values: Any) -> list[tuple[Any, ...]]:
        """The rows that a statement returns which changes some, and may be repeated."""

        def once() -> list[tuple[Any, ...]]:
            try:
                return self._rows(sql, values)
            except psycopg.errors.FeatureNotSupported as exc:
                # A replica has nothing of tables that are not logged.
                raise psycopg.errors.ReadOnlySqlTransaction(str(exc)) from exc

        return self._reading().database.insist(once, changes=True)

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        """The rows of a question; on a replica there are none."""
        try:
            return self._reading().database.insist(lambda: self._rows(sql, {}))
        except psycopg.errors.FeatureNotSupported:
            return []

    def _rows(self, sql: str, values: Mapping[str, Any]) -> list[tuple[Any, ...]]:
        reading = self._reading()
        with reading.together() as connection:
            return connection.execute(sql.encode(), {"d": reading.dataset_id, **values}).fetchall()


class TeamTables:
    """Both tables of one dataset. `reading()` gives it, or raises `NotLoaded`."""

    def __init__(self, reading: Callable[[], Reading]) -> None:
        self._table = _Table(reading)
        self.claims = ClaimTable(self._table)
        self.presence = PresenceTable(self._table)

    def forget(self) -> None:
        """Remove what is over; to be called now and then, by any process."""
        for table in ("claim", "presence"):
            self._table.change(f"DELETE FROM {table} WHERE dataset_id = %(d)s AND until < now() RETURNING 1")


class ClaimTable:
    """See `cocoannot.teamwork.claims.SharedClaims`."""

    def __init__(self, table: _Table) -> None:
        self._table = table

    def take(self, image_id: int, name: Name, seconds: float) -> bool:
        """Claim an image for so long, or renew the claim; returns whether nobody else has it."""
        who, user, client = name
        rows = self._table.change(
            'INSERT INTO claim (dataset_id, image_id, who, "user", client, until) '
            f"VALUES (%(d)s, %(image)s, %(who)s, %(user)s, %(client)s, {_UNTIL}) "
            'ON CONFLICT (dataset_id, image_id) DO UPDATE SET who = excluded.who, "user" = excluded."user", '
            "client = excluded.client, until = excluded.until "
            "WHERE claim.until < now() OR (claim.who = excluded.who AND claim.client = excluded.client) RETURNING 1",
            image=image_id,
            who=who,
            user=user,
            client=client,
            seconds=seconds,
        )
        return bool(rows)

    def let_go(self, image_id: int, name: Name) -> None:
        """This client does not have the image any more."""
        self._table.change(
            "DELETE FROM claim WHERE dataset_id = %(d)s AND image_id = %(image)s AND who = %(who)s "
            "AND client = %(client)s RETURNING 1",
            image=image_id,
            who=name[0],
            client=name[2],
        )

    def renew(self, image_ids: Collection[int], seconds: float) -> frozenset[int]:
        """Let these claims last so long from now on; returns those that are still there."""
        rows = self._table.change(
            f"UPDATE claim SET until = {_UNTIL} WHERE dataset_id = %(d)s AND image_id = ANY(%(images)s::int8[]) "
            "RETURNING image_id",
            images=list(image_ids),
            seconds=seconds,
        )
        return frozenset(row[0] for row in rows)

    def all(self) -> dict[int, Name]:
        """Who has which image."""
        rows = self._table.rows(
            'SELECT image_id, who, "user", client FROM claim WHERE dataset_id = %(d)s AND until >= now()'
        )
        return {row[0]: _name(*row[1:]) for row in rows}


class PresenceTable:
    """See `cocoannot.teamwork.presence.SharedPresence`."""

    def __init__(self, table: _Table) -> None:
        self._table = table

    def put(self, name: Name, image_id: int | None, editing: bool, since: float, seconds: float) -> None:
        """A client is there since a moment, and for so many seconds from now on."""
        who, user, client = name
        self._table.change(
            'INSERT INTO presence (dataset_id, who, client, "user", image_id, editing, since, until) '
            f"VALUES (%(d)s, %(who)s, %(client)s, %(user)s, %(image)s, %(editing)s, %(since)s, {_UNTIL}) "
            'ON CONFLICT (dataset_id, who, client) DO UPDATE SET "user" = excluded."user", '
            "image_id = excluded.image_id, editing = excluded.editing, since = excluded.since, "
            "until = excluded.until RETURNING 1",
            who=who,
            user=user,
            client=client,
            image=image_id,
            editing=editing,
            since=since,
            seconds=seconds,
        )

    def remove(self, name: Name) -> None:
        """A client is gone."""
        self._table.change(
            "DELETE FROM presence WHERE dataset_id = %(d)s AND who = %(who)s AND client = %(client)s RETURNING 1",
            who=name[0],
            client=name[2],
        )

    def all(self) -> list[tuple[Name, int | None, bool, float]]:
        """Who is where, `editing` or not, and since when; the longest silent first."""
        rows = self._table.rows(
            'SELECT who, "user", client, image_id, editing, since FROM presence '
            "WHERE dataset_id = %(d)s AND until >= now() ORDER BY until"
        )
        return [(_name(*row[:3]), row[3], row[4], row[5]) for row in rows]


def _name(who: bytes, user: bytes | None, client: bytes) -> Name:
    return who.decode(), None if user is None else user.decode(), client.decode()
