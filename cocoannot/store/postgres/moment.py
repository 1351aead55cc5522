"""The dataset at one moment, on one connection: the head, and how statements name dataset and generation.

For who reads it is a snapshot, which does not change; for who changes the dataset, everything behind the head's lock.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import psycopg

from cocoannot.errors import NotLoaded
from cocoannot.store.postgres.database import Connection, Database
from cocoannot.store.postgres.layout import FileLayout, decode_layout
from cocoannot.store.postgres.rows import HEAD, HeadRow

Values = Mapping[str, Any]

READ_ONLY = b"BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"


class Moment:
    """Statements get the parameters `d`, the dataset, and `c`, the generation of records that counts."""

    def __init__(self, connection: Connection, dataset_id: int, head: HeadRow, layouts: Layouts) -> None:
        self.connection = connection
        self.dataset_id = dataset_id
        self.head = head
        self._layouts = layouts

    def rows(self, sql: str, values: Values | None = None, *, binary: bool = False) -> list[tuple[Any, ...]]:
        """All rows of a statement."""
        return self.connection.execute(sql.encode(), self.named(values), binary=binary).fetchall()

    def row(self, sql: str, values: Values | None = None) -> tuple[Any, ...] | None:
        """The first row of a statement, `None` for none."""
        return self.connection.execute(sql.encode(), self.named(values)).fetchone()

    def one(self, sql: str, values: Values | None = None) -> Any:
        """The first column of the first row, `None` where there is no row."""
        row = self.row(sql, values)
        return None if row is None else row[0]

    def do(self, sql: str, values: Values | None = None) -> int:
        """Do a statement; returns how many rows it changed. In a pipeline that is not known yet."""
        return self.connection.execute(sql.encode(), self.named(values)).rowcount

    def named(self, values: Values | None = None) -> dict[str, Any]:
        """`values`, with dataset and generation."""
        return {"d": self.dataset_id, "c": self.head.content, **(values or {})}

    def stream(self, sql: str, values: Values | None = None, size: int = 1000) -> Iterator[Sequence[Any]]:
        """The rows of a statement, `size` of them in memory at a time; nothing else is asked meanwhile."""
        with self.connection.cursor() as cursor:
            yield from cursor.stream(sql.encode(), self.named(values), size=size)

    @property
    def layout(self) -> FileLayout:
        """The file's text without records."""
        return self._layouts.get(self)


class Layouts:
    """The layouts that this process has read: they do not change."""

    def __init__(self) -> None:
        self._kept: dict[tuple[int, int], FileLayout] = {}

    def get(self, moment: Moment) -> FileLayout:
        """The layout of the generation that counts at `moment`."""
        name = moment.dataset_id, moment.head.content
        layout = self._kept.get(name)
        if layout is None:
            row = moment.row("SELECT skeleton, sections FROM layout WHERE dataset_id = %(d)s AND content = %(c)s")
            assert row is not None
            layout = decode_layout(*row)
            # Others are of no use any more.
            self._kept = {name: layout}
        return layout


class Reading:
    """Reads one dataset of a database."""

    def __init__(self, database: Database, dataset_id: int) -> None:
        self.database = database
        self.dataset_id = dataset_id
        self.layouts = Layouts()
        self.newest = 0
        """The newest revision that this process has seen."""

    @contextmanager
    def moment(self) -> Iterator[Moment]:
        """A snapshot. Raises `LOST`, `NotLoaded` where the dataset was removed."""
        with self.database.connection() as connection:
            yield self._begun(connection)

    @contextmanager
    def long_moment(self) -> Iterator[Moment]:
        """The same on a connection of its own, for what takes long."""
        with self.database.own_connection() as connection:
            yield self._begun(connection)
            connection.rollback()

    def _begun(self, connection: Connection) -> Moment:
        seen = self.newest
        with connection.pipeline():
            connection.execute(READ_ONLY)
            found = connection.execute(f"SELECT {HEAD} FROM head WHERE dataset_id = %s".encode(), (self.dataset_id,))
        head = HeadRow.of(self.found(found.fetchone()))
        self.saw(connection, head.revision, seen)
        return Moment(connection, self.dataset_id, head, self.layouts)

    def saw(self, connection: Connection, revision: int, seen: int) -> None:
        """A server was at `revision`, and one was at `seen` before it was asked: leave it if it has less.

        After a failover, a primary that was stopped meanwhile may answer for some seconds, until it notices that it is
        none any more. Raises `psycopg.OperationalError`.
        """
        if revision < seen:
            connection.close()
            raise psycopg.OperationalError(
                f"it has revision {revision}, though {seen} was there before; after going back to a backup, start the "
                "servers again"
            )
        self.newest = max(self.newest, revision)

    def found(self, row: tuple[Any, ...] | None) -> tuple[Any, ...]:
        """The head's row. Raises `NotLoaded` where it is gone."""
        if row is None:
            raise self.gone()
        return row

    def gone(self) -> NotLoaded:
        """The error for a dataset that was removed meanwhile."""
        return NotLoaded(f"the dataset {self.database.address} was removed from the database; import it again")
