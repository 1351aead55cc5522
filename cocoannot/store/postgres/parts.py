"""A dataset's own part of the large tables: filled before it has an index, then indexed at once, dropped as a whole.

To fill a table that has its indexes takes several times as long. Statements name the table alone: PostgreSQL goes to
the part by `dataset_id`. Nobody else is kept waiting, neither by a part that comes nor by one that goes.
"""

from __future__ import annotations

from contextlib import suppress

import psycopg

from cocoannot.coco.parser import SectionName
from cocoannot.store.postgres.database import Connection
from cocoannot.store.postgres.rows import TABLES

_PARTED: tuple[SectionName, ...] = ("images", "annotations")
_MEMORY = "256MB"
"""For the sorting of an index."""


def make_parts(connection: Connection, dataset_id: int) -> dict[SectionName, str]:
    """Make the empty parts of a new dataset; returns the table that each section is to be copied to."""
    parts = {name: _name(TABLES[name], dataset_id) for name in _PARTED}
    for name, part in parts.items():
        # The constraint tells beforehand what would have to be looked for in all rows.
        connection.execute(
            f"CREATE TABLE {part} (LIKE {TABLES[name]}, CONSTRAINT ours CHECK (dataset_id = {dataset_id:d}))".encode()
        )
    return {**TABLES, **parts}


def attach_parts(connection: Connection, dataset_id: int) -> None:
    """Index the parts and let them be seen; in the transaction that made them."""
    connection.execute(f"SET LOCAL maintenance_work_mem = '{_MEMORY}'".encode())
    for name in _PARTED:
        table, part = TABLES[name], _name(TABLES[name], dataset_id)
        connection.execute(f"ALTER TABLE {table} ATTACH PARTITION {part} FOR VALUES IN ({dataset_id:d})".encode())
        connection.execute(f"ALTER TABLE {part} DROP CONSTRAINT ours".encode())
        # The planner knows nothing of these rows yet.
        connection.execute(f"ANALYZE {part}".encode())


def drop_parts(connection: Connection, dataset_id: int) -> None:
    """Drop the parts of a dataset that was removed. Waits for those who read the tables, and keeps nobody waiting."""
    for name in _PARTED:
        table, part = TABLES[name], _name(TABLES[name], dataset_id)
        # Somebody else may have begun it, and died.
        with suppress(psycopg.errors.UndefinedTable, psycopg.errors.ObjectNotInPrerequisiteState):
            connection.execute(f"ALTER TABLE {table} DETACH PARTITION {part} CONCURRENTLY".encode())
        connection.execute(f"DROP TABLE IF EXISTS {part}".encode())


def _name(table: str, dataset_id: int) -> str:
    return f"{table}_{dataset_id:d}"
