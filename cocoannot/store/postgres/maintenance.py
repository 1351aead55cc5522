"""What the operator's commands need of datasets in a database. They work beside running servers."""

from __future__ import annotations

import uuid
from typing import NamedTuple

import psycopg

from cocoannot.coco.parser import NOUNS, SECTIONS, SectionName
from cocoannot.database_uri import DatabaseUri
from cocoannot.errors import DatasetError
from cocoannot.store.postgres import schema
from cocoannot.store.postgres.complaints import nothing_changed
from cocoannot.store.postgres.database import Database, connect
from cocoannot.store.postgres.datasets import find_dataset, missing, remove_dataset
from cocoannot.store.postgres.giving_back import export_file
from cocoannot.store.postgres.importing import import_file
from cocoannot.store.postgres.moment import Moment, Reading
from cocoannot.store.postgres.rows import AREAS, SUMMARY, TABLES
from cocoannot.store.postgres.schema import VERSION, check_version

__all__ = [
    "VERSION",
    "Listed",
    "begin_lineage",
    "check_dataset",
    "export_file",
    "import_file",
    "list_datasets",
    "remove",
    "upgrade",
]

_OURS = "dataset_id = %(d)s AND content = %(c)s"


class Listed(NamedTuple):
    """A dataset of a database."""

    name: str
    revision: int
    images: int
    annotations: int


def upgrade(dsn: str) -> str | None:
    """Bring the tables of the database up to date; returns the version that they were at, `None` for no tables.

    All or nothing; of two at a time one comes first. Raises `ConfigError`, `Unavailable`.
    """
    # What is wrong with the address is said as other commands say it.
    connect(dsn).close()
    return schema.upgrade(dsn)


def list_datasets(dsn: str) -> list[Listed]:
    """The datasets of a database, by name. Raises `ConfigError`, `Unavailable`."""
    with connect(dsn) as connection:
        check_version(connection, dsn)
        rows = connection.execute(
            "SELECT d.name, h.revision, h.images, h.annotations FROM dataset d "
            "JOIN head h ON h.dataset_id = d.dataset_id ORDER BY d.name"
        ).fetchall()
    return [Listed(bytes(name).decode(), *numbers) for name, *numbers in rows]


def remove(uri: DatabaseUri) -> None:
    """Remove a dataset with its history. Raises `ConfigError`, `DatasetError` where there is none."""
    with connect(uri.dsn) as connection:
        dataset_id = find_dataset(connection, uri)
        if dataset_id is None:
            raise missing(connection, uri)
        try:
            remove_dataset(connection, dataset_id)
        except psycopg.Error as exc:
            raise DatasetError(f"can't remove {uri}: {nothing_changed(exc)}") from exc


def begin_lineage(uri: DatabaseUri) -> int:
    """The dataset was brought back to an earlier moment: its revisions stand for other changes from now on.

    Returns the revision. Raises `ConfigError`, `DatasetError`.
    """
    with connect(uri.dsn) as connection, connection.transaction():
        dataset_id = find_dataset(connection, uri)
        if dataset_id is None:
            raise missing(connection, uri)
        try:
            row = connection.execute(
                "UPDATE head SET lineage = %s WHERE dataset_id = %s RETURNING revision", (uuid.uuid4().hex, dataset_id)
            ).fetchone()
        except psycopg.Error as exc:
            raise DatasetError(f"can't give {uri} a new lineage: {nothing_changed(exc)}") from exc
    assert row is not None
    return int(row[0])


def check_dataset(uri: DatabaseUri) -> list[str]:
    """What does not agree in a dataset, in words; nothing for a sound one. Raises `ConfigError`, `DatasetError`."""
    with connect(uri.dsn) as connection:
        dataset_id = find_dataset(connection, uri)
        if dataset_id is None:
            raise missing(connection, uri)
    database = Database(uri)
    try:
        with Reading(database, dataset_id).long_moment() as moment:
            return _problems(moment)
    finally:
        database.close()


def _problems(moment: Moment) -> list[str]:
    head, found = moment.head, []
    for name in SECTIONS:
        found += _problems_of_section(moment, name)
    for table, column in (("image", "image_id"), ("category", "category_id")):
        wrong = moment.one(
            f"SELECT count(*) FROM {table} t WHERE {_OURS} AND annotations <> (SELECT count(*) FROM annotation a "
            f"WHERE a.dataset_id = %(d)s AND a.content = %(c)s AND a.{column} = t.id)"
        )
        if wrong:
            found.append(f"{wrong} record(s) of {table} count their annotations wrong")
    names, told = ", ".join(f"t.{name}" for name in SUMMARY), ", ".join(SUMMARY.values())
    wrong = moment.one(
        f"SELECT count(*) FROM image t WHERE {_OURS} AND ({names}) <> (SELECT {told} FROM annotation a "
        "WHERE a.dataset_id = %(d)s AND a.content = %(c)s AND a.image_id = t.id)",
        {"areas": AREAS},
    )
    if wrong:
        found.append(f"{wrong} image(s) tell categories or sizes wrong")
    revisions = moment.row(
        "SELECT count(*), count(DISTINCT revision), min(revision), max(revision) FROM change WHERE dataset_id = %(d)s"
    )
    assert revisions is not None
    count, distinct, lowest, highest = revisions
    if count and (highest != head.revision or count != distinct or highest - lowest + 1 != count):
        found.append(
            f"{count} changes are kept, from revision {lowest} to {highest}, and the dataset is at {head.revision}"
        )
    lost = moment.one(
        "SELECT count(*) FROM history h WHERE dataset_id = %(d)s AND NOT EXISTS "
        "(SELECT FROM change g WHERE g.dataset_id = %(d)s AND g.revision = h.revision)"
    )
    if lost:
        found.append(f"{lost} edits are of no change that is kept")
    left = moment.one("SELECT count(*) FROM layout WHERE dataset_id = %(d)s AND content <> %(c)s")
    if left:
        found.append(f"records of {left} replaced version(s) are still there; the next replacement removes them")
    return found


def _problems_of_section(moment: Moment, name: SectionName) -> list[str]:
    head, table, found = moment.head, TABLES[name], []
    row = moment.row(f"SELECT count(*), max(id), max(position) FROM {table} WHERE {_OURS}")
    assert row is not None
    count, largest, last = row
    if count != head.counts[name]:
        found.append(f"there are {count} {name}, and the head counts {head.counts[name]}")
    if largest is not None and largest >= head.next_ids[name]:
        found.append(f"{NOUNS[name]} {largest} is there, and the next id is {head.next_ids[name]}")
    if last is not None and last >= head.ends[name]:
        found.append(f"the last of {name} is at position {last}, and the end is {head.ends[name]}")
    return found
