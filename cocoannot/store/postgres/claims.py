"""Claims of images that all processes see: who has which, until when by the database's clock. Whose turn it is, and how
long a claim lasts, is decided elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

from cocoannot.store.postgres.moment import Reading

Name = tuple[str, str | None, str]
"""Who has a claim: a user or an address, the user, and the client."""

_UNTIL = "now() + %(seconds)s * interval '1 second'"


class ClaimTable:
    """See `cocoannot.teamwork.claims.SharedClaims`. `reading()` gives the dataset, or raises `NotLoaded`."""

    def __init__(self, reading: Callable[[], Reading]) -> None:
        self._reading = reading

    def take(self, image_id: int, name: Name, seconds: float) -> bool:
        """Claim an image for so long, or renew the claim; returns whether nobody else has it."""
        sql = (
            'INSERT INTO claim (dataset_id, image_id, who, "user", client, until) '
            f"VALUES (%(d)s, %(image)s, %(who)s, %(user)s, %(client)s, {_UNTIL}) "
            'ON CONFLICT (dataset_id, image_id) DO UPDATE SET who = excluded.who, "user" = excluded."user", '
            "client = excluded.client, until = excluded.until "
            "WHERE claim.until < now() OR (claim.who = excluded.who AND claim.client = excluded.client) RETURNING 1"
        )
        values = {"image": image_id, "who": name[0], "user": name[1], "client": name[2], "seconds": seconds}
        return bool(self._rows(sql, values))

    def let_go(self, image_id: int) -> None:
        """Nobody has the image any more."""
        sql = "DELETE FROM claim WHERE dataset_id = %(d)s AND image_id = %(image)s RETURNING 1"
        self._rows(sql, {"image": image_id})

    def renew(self, image_ids: Collection[int], seconds: float) -> frozenset[int]:
        """Let these claims last so long from now on; returns those that are still there."""
        sql = (
            f"UPDATE claim SET until = {_UNTIL} WHERE dataset_id = %(d)s AND image_id = ANY(%(images)s::int8[]) "
            "RETURNING image_id"
        )
        return frozenset(row[0] for row in self._rows(sql, {"images": list(image_ids), "seconds": seconds}))

    def all(self) -> dict[int, Name]:
        """Who has which image."""
        rows = self._rows(
            'SELECT image_id, who, "user", client FROM claim WHERE dataset_id = %(d)s AND until >= now()', {}
        )
        return {
            image_id: (who.decode(), user and user.decode(), client.decode()) for image_id, who, user, client in rows
        }

    def _rows(self, sql: str, values: dict[str, object]) -> list[tuple[Any, ...]]:
        reading = self._reading()

        def once() -> list[tuple[Any, ...]]:
            with reading.database.connection() as connection:
                return connection.execute(sql.encode(), {"d": reading.dataset_id, **values}).fetchall()

        return reading.database.insist(once)
