"""The dataset at one moment, on one connection: the head, and how statements name dataset and generation.

For who reads it is a snapshot, which does not change; for who changes the dataset, everything behind the head's lock.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import psycopg

from cocoannot.errors import NotLoaded
from cocoannot.store.postgres.database import Connection, Database
from cocoannot.store.postgres.layout import FileLayout, decode_layout
from cocoannot.store.postgres.rows import HEAD, HeadRow
from cocoannot.store.postgres.schema import REFUSE_OTHERS, check_tables, find_version

Values = Mapping[str, Any]

READ_ONLY = b"BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"

TABLES_AND_HEAD = "alembic_version CROSS JOIN head h"
"""Where whatever is asked begins. The version is first, so that an upgrade that comes meanwhile waits for this one, and
not each for the other."""

_FIND_HEAD = f"SELECT version_num, {HEAD} FROM {TABLES_AND_HEAD} WHERE dataset_id = %(d)s".encode()
LOCK_HEAD = _FIND_HEAD + b" FOR UPDATE OF h"
"""What `Reading.head` takes the row of."""
LOCK_HEAD_FOR = (
    f"SELECT version_num, {HEAD}, "
    "set_config(%(limit)s, %(time)s, true) || set_config('plan_cache_mode', %(plans)s, true) "
    f"FROM {TABLES_AND_HEAD} WHERE dataset_id = %(d)s FOR UPDATE OF h"
).encode()
"""The same and a last column; `limit` names the setting that says for how long the transaction may have the lock."""


class Point(NamedTuple):
    """How far a primary was; of two, the one on a higher timeline counts, whatever their revisions are."""

    timeline: int
    revision: int


class Moment:
    """Statements get the parameters `d`, the dataset, and `c`, the generation of records that counts."""

    def __init__(self, connection: Connection, dataset_id: int, head: HeadRow, layouts: Layouts) -> None:
        self.connection = connection
        self.dataset_id = dataset_id
        self.head = head
        self._layouts = layouts
        self._together: tuple[str, str] | None = None
        self._rows: list[Values] = []

    def rows(self, sql: str, values: Values | None = None, *, binary: bool = False) -> list[tuple[Any, ...]]:
        """All rows of a statement."""
        self.settle()
        return self.connection.execute(sql.encode(), self.named(values), binary=binary).fetchall()

    def row(self, sql: str, values: Values | None = None) -> tuple[Any, ...] | None:
        """The first row of a statement, `None` for none."""
        self.settle()
        return self.connection.execute(sql.encode(), self.named(values)).fetchone()

    def one(self, sql: str, values: Values | None = None) -> Any:
        """The first column of the first row, `None` where there is no row."""
        row = self.row(sql, values)
        return None if row is None else row[0]

    def do(self, sql: str, values: Values | None = None) -> int:
        """Do a statement; returns how many rows it changed. In a pipeline that is not known yet."""
        self.settle()
        return self.connection.execute(sql.encode(), self.named(values)).rowcount

    def do_with_others(self, one: str, many: str, values: Values) -> None:
        """Do the statement `one`, before the next statement; or for several such calls in a row the statement `many`,
        whose parameters are arrays of their values."""
        if self._together != (one, many):
            self.settle()
        self._together = one, many
        self._rows.append(values)

    def settle(self) -> None:
        """Do now what was to be done with others."""
        if self._together is None:
            return
        (one, many), rows = self._together, self._rows
        self._together, self._rows = None, []
        if len(rows) == 1:
            self.do(one, rows[0])
        else:
            self.do(many, {name: [row[name] for row in rows] for name in rows[0]})

    def named(self, values: Values | None = None) -> dict[str, Any]:
        """`values`, with dataset and generation."""
        return {"d": self.dataset_id, "c": self.head.content, **(values or {})}

    def stream(self, sql: str, values: Values | None = None, size: int = 1000) -> Iterator[Sequence[Any]]:
        """The rows of a statement, `size` of them in memory at a time; nothing else is asked meanwhile."""
        self.settle()
        with self.connection.cursor() as cursor:
            yield from cursor.stream(sql.encode(), self.named(values), size=size)

    @property
    def point(self) -> Point:
        """Where the primary is."""
        return Point(self.connection.timeline, self.head.revision)

    @property
    def layout(self) -> FileLayout:
        """The file's text without records."""
        return self._layouts.get(self)


class Layouts:
    """The layouts that this process has read: they do not change."""

    def __init__(self) -> None:
        self._kept: dict[tuple[int, int, int], FileLayout] = {}

    def get(self, moment: Moment) -> FileLayout:
        """The layout of the generation that counts at `moment`."""
        # Another primary may give a number again.
        name = moment.connection.timeline, moment.dataset_id, moment.head.content
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
        self.newest = Point(0, 0)
        """The farthest that this process has seen."""
        self._seeing = threading.Lock()

    @contextmanager
    def moment(self) -> Iterator[Moment]:
        """A snapshot. Raises `LOST`, `OtherTables`, `NotLoaded` where the dataset was removed."""
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
            found = connection.execute(_FIND_HEAD, {"d": self.dataset_id})
        head = self.head(connection, found.fetchone())
        self.saw(connection, head.revision, seen)
        return Moment(connection, self.dataset_id, head, self.layouts)

    @contextmanager
    def together(self) -> Iterator[Connection]:
        """Statements that ask nothing of the head, done all or none, in one round trip. Raises `LOST`.

        On tables of another version the database fails, and nothing is done.
        """
        with self.database.connection() as connection, connection.pipeline():
            connection.execute(REFUSE_OTHERS)
            yield connection

    def saw(self, connection: Connection, revision: int, seen: Point) -> None:
        """A server was at `revision`, and one was at `seen` before it was asked: leave it if it is behind.

        After a failover, a primary that was stopped meanwhile may answer for some seconds, until it notices that it is
        none any more. It may even show changes that were never acknowledged. A replica is held to the revision alone.
        Raises `psycopg.OperationalError`.
        """
        there = Point(connection.timeline or seen.timeline, revision)
        if there < seen:
            connection.close()
            raise psycopg.OperationalError(
                f"it has revision {there.revision} of timeline {there.timeline}, though revision {seen.revision} of "
                f"timeline {seen.timeline} was there before; if that is gone for good, start the servers again"
            )
        with self._seeing:
            self.newest = max(self.newest, there)

    def head(self, connection: Connection, row: tuple[Any, ...] | None) -> HeadRow:
        """The head, of its row behind the version of the tables. Raises `OtherTables`, `NotLoaded` where it is gone."""
        if row is None:
            raise self.gone(connection)
        check_tables(row[0])
        return HeadRow.of(row[1:])

    def gone(self, connection: Connection) -> NotLoaded:
        """The error for a dataset that was removed meanwhile; raises `OtherTables` if that is why it is not there."""
        # A snapshot from before an upgrade sees no version.
        connection.rollback()
        check_tables(find_version(connection))
        return NotLoaded(f"the dataset {self.database.address} was removed from the database; import it again")
