"""Which datasets a database has: found by name, made, replaced as a whole, removed. Changes are not made here."""

from __future__ import annotations

import secrets
import uuid

import psycopg

from cocoannot.coco.parser import NOUNS, SECTIONS, Document
from cocoannot.database_uri import DatabaseUri
from cocoannot.errors import DatasetError
from cocoannot.store.postgres.complaints import first_line
from cocoannot.store.postgres.database import Connection
from cocoannot.store.postgres.file_past import NO_PAST, FilePast
from cocoannot.store.postgres.loading import Loaded, load_document
from cocoannot.store.postgres.moment import Layouts, Moment
from cocoannot.store.postgres.parts import attach_parts, drop_parts, make_parts
from cocoannot.store.postgres.rows import HeadRow
from cocoannot.store.postgres.schema import check_version
from cocoannot.store.postgres.writing import head_values, write_past_changes
from cocoannot.store.warnings import counted, few

EMPTY = b'{"info": {}, "licenses": [], "images": [], "annotations": [], "categories": []}\n'
"""The text of a dataset that has nothing yet."""

_TABLES = (
    "category",
    "layout",
    "top_value",
    "change",
    "history",
    "value_history",
    "export",
    "lease",
    "claim",
    "presence",
    "head",
    "dataset",
)


def find_dataset(connection: Connection, address: DatabaseUri) -> int | None:
    """The number of a dataset, `None` where there is none of this name. Raises `ConfigError` for other tables."""
    check_version(connection, address.dsn)
    row = connection.execute("SELECT dataset_id FROM dataset WHERE name = %s", (address.dataset,)).fetchone()
    return None if row is None else int(row[0])


def missing(connection: Connection, address: DatabaseUri) -> DatasetError:
    """The error for a dataset that is not there."""
    names = [bytes(name).decode() for (name,) in connection.execute("SELECT name FROM dataset ORDER BY name LIMIT 6")]
    there = f"there are {', '.join(names[:5])}{', ...' if len(names) > 5 else ''}" if names else "there is none yet"
    return DatasetError(
        f"{address}: there is no dataset of this name in the database ({there}); correct the name, run "
        "`cocoannot db import FILE`, or set COCOANNOT_CREATE=1 to make an empty one"
    )


def make_dataset(connection: Connection, address: DatabaseUri, document: Document, past: FilePast = NO_PAST) -> int:
    """Make a dataset of `document`, with its past; returns its number.

    Raises `DatasetError` where the name is taken, or the role may not make tables.
    """
    try:
        with connection.transaction():
            # Once more: from here on no upgrade comes in between.
            check_version(connection, address.dsn)
            # By chance: another import that is not done yet may have taken the next number.
            dataset_id = secrets.randbelow(2**31 - 1) + 1
            connection.execute("INSERT INTO dataset (dataset_id, name) VALUES (%s, %s)", (dataset_id, address.dataset))
            parts = make_parts(connection, dataset_id)
            numbers = past.numbers(document)
            loaded = load_document(connection, dataset_id, 1, document, past.revision, parts, numbers)
            attach_parts(connection, dataset_id)
            head = HeadRow(uuid.uuid4().hex, 1, past.revision, past.revision, past.floor, loaded.panoptic)
            head.next_ids = {name: past.next_ids.get(name, 1) for name in SECTIONS}
            take_loaded(head, loaded)
            write_past_changes(Moment(connection, dataset_id, head, Layouts()), past.changes())
            values = {"d": dataset_id, "lineage": head.lineage, **head_values(head)}
            connection.execute(
                b"INSERT INTO head (dataset_id, lineage, content, revision, file_revision, floor, panoptic, images, "
                b"annotations, categories, next_image, next_annotation, next_category, image_end, annotation_end, "
                b"category_end) VALUES (%(d)s, %(lineage)s, %(content)s, %(revision)s, %(file_revision)s, %(floor)s, "
                b"%(panoptic)s, %(images)s, %(annotations)s, %(categories)s, %(next_images)s, %(next_annotations)s, "
                b"%(next_categories)s, %(images_end)s, %(annotations_end)s, %(categories_end)s)",
                values,
            )
    except psycopg.errors.UniqueViolation as exc:
        raise DatasetError(f"{address} is there already ({first_line(exc)}); choose another name") from exc
    except psycopg.errors.InsufficientPrivilege as exc:
        raise DatasetError(
            f"{address}: this role may not make datasets ({first_line(exc)}); run `cocoannot db import` as the "
            "owner of the tables"
        ) from exc
    return dataset_id


def take_loaded(head: HeadRow, loaded: Loaded) -> None:
    """Let `head` say what was loaded. No id is ever given twice."""
    head.panoptic = loaded.panoptic
    for name in SECTIONS:
        head.counts[name] = loaded.counts[name]
        head.next_ids[name] = max(head.next_ids.get(name, 1), loaded.next_ids[name])
        head.ends[name] = loaded.ends[name]


def remove_generations(connection: Connection, dataset_id: int) -> None:
    """Remove the records of every generation but the one that counts: nobody is shown them any more."""
    for table in ("annotation", "image", "category", "layout", "top_value"):
        connection.execute(
            f"DELETE FROM {table} WHERE dataset_id = %(d)s "
            "AND content <> (SELECT content FROM head WHERE dataset_id = %(d)s)".encode(),
            {"d": dataset_id},
        )


def remove_dataset(connection: Connection, dataset_id: int) -> None:
    """Remove a dataset with its history; by the owner of the tables."""
    with connection.transaction():
        for table in _TABLES:
            connection.execute(f"DELETE FROM {table} WHERE dataset_id = %s".encode(), (dataset_id,))
    drop_parts(connection, dataset_id)


def find_warnings(moment: Moment) -> list[str]:
    """What is wrong with the dataset and kept as it is: repeated ids, records that point nowhere, and what would
    surprise whoever annotates."""
    head, found = moment.head, []
    ours = "dataset_id = %(d)s AND content = %(c)s"
    for name in SECTIONS:
        table = {"images": "image", "annotations": "annotation", "categories": "category"}[name]
        ids = [
            row[0]
            for row in moment.rows(
                f"SELECT id FROM {table} WHERE {ours} AND id IS NOT NULL GROUP BY id HAVING count(*) > 1 ORDER BY id"
            )
        ]
        if ids:
            found.append(f"{counted(len(ids), NOUNS[name] + ' id')} there more than once: {few(ids)}")
    measured = moment.one(f"SELECT 1 FROM annotation WHERE {ours} AND area IS NOT NULL LIMIT 1") is not None
    uncategorised = "NOT (area IS NULL)" if not head.counts["categories"] else "true"
    known = "NOT EXISTS (SELECT FROM {0} t WHERE t.dataset_id = %(d)s AND t.content = %(c)s AND t.id = {0}_id)"
    for table, condition, what in (
        ("annotation", known.format("image"), "of no image that is there"),
        (
            "annotation",
            "category_id IS NOT NULL AND " + known.format("category"),
            "of no category that is there",
        ),
        ("annotation", f"category_id IS NULL AND id IS NOT NULL AND {uncategorised}", "without a category"),
        (
            "annotation",
            "category_id IS NOT NULL AND area IS NULL" if measured else "false",
            "without an area, as others have it",
        ),
        ("image", "NOT sized", "without a width and a height"),
    ):
        count = moment.one(f"SELECT count(*) FROM {table} WHERE {ours} AND {condition}")
        if count:
            sql = f"SELECT id FROM {table} WHERE {ours} AND {condition} ORDER BY position LIMIT 6"
            ids = [row[0] for row in moment.rows(sql) if row[0] is not None]
            found.append(f"{counted(count, table)} {what}: {few(ids)}")
    return found
