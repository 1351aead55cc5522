"""A dataset of a database made a file again, with its history: one snapshot, so that both are of the same revision."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import numpy as np

from cocoannot.changes.change import Change
from cocoannot.coco.parser import SECTIONS, SectionName
from cocoannot.coco.serializer import split
from cocoannot.database_uri import DatabaseUri
from cocoannot.errors import DatasetError
from cocoannot.files.atomic import Content
from cocoannot.files.dataset_file import DatasetFile
from cocoannot.files.hashing import Hashing
from cocoannot.files.packing import has_packed_name, pack
from cocoannot.history.numbering import Numbering
from cocoannot.store.placing import STRIDE
from cocoannot.store.postgres.complaints import first_line
from cocoannot.store.postgres.database import LOST, Database, connect
from cocoannot.store.postgres.datasets import find_dataset, missing
from cocoannot.store.postgres.export import dataset_text
from cocoannot.store.postgres.file_past import OWN, put_aside, write_past
from cocoannot.store.postgres.moment import Moment, Reading
from cocoannot.store.postgres.past import oldest_change, whole_changes
from cocoannot.store.postgres.rows import TABLES

Write = Callable[[Path, Iterable[bytes]], object]

_AT_ONCE = 200


def export_file(uri: DatabaseUri, path: Path, write: Write) -> int:
    """Let `write` make the file at `path`, and write its history beside it; returns the revision.

    What is there of the history of another file is put aside. Raises `ConfigError`, `DatasetError`, `OSError`.
    """
    with connect(uri.dsn) as connection:
        dataset_id = find_dataset(connection, uri)
        if dataset_id is None:
            raise missing(connection, uri)
    database, file = Database(uri), DatasetFile(path)
    try:
        with Reading(database, dataset_id).long_moment() as moment, Hashing() as hashing:
            write(path, _hashed(_blocks(moment, path), hashing))
            content = Content(hashing.size, hashing.hexdigest())
            revision, oldest = moment.head.revision, oldest_change(moment)
            numberings = {name: each for name in SECTIONS if (each := _numbering(moment, name)) is not None}
            changes = _changes(moment, oldest, revision)
            put_aside(file, OWN)
            write_past(file, content, revision, moment.head.next_ids, oldest, numberings, changes)
            return revision
    except LOST as exc:
        raise DatasetError(f"can't export {uri}: {first_line(exc)}; the database is as it was, try again") from exc
    finally:
        database.close()


def _blocks(moment: Moment, path: Path) -> Iterable[bytes]:
    blocks = split(dataset_text(moment))
    return pack(blocks) if has_packed_name(path) else map(bytes, blocks)


def _hashed(blocks: Iterable[bytes], hashing: Hashing) -> Iterator[bytes]:
    for block in blocks:
        hashing.update(block)
        yield block


def _changes(moment: Moment, oldest: int, revision: int) -> Iterator[Change]:
    for since in range(oldest, revision, _AT_ONCE):
        yield from whole_changes(moment, since, min(since + _AT_ONCE, revision))


def _numbering(moment: Moment, name: SectionName) -> Numbering | None:
    """The positions of a section's records; `None` where they are those of any file."""
    table, end = TABLES[name], moment.head.ends[name]
    ours = "dataset_id = %(d)s AND content = %(c)s"
    row = moment.row(
        "SELECT count(*), coalesce(min(position), 0), coalesce(max(position), 0), "
        f"count(*) FILTER (WHERE position %% %(stride)s <> 0) FROM {table} WHERE {ours}",
        {"stride": STRIDE},
    )
    assert row is not None
    count, first, last, odd = row
    if not odd and first == 0 and last == max(0, count - 1) * STRIDE and end == count * STRIDE:
        return None
    rows = moment.rows(f"SELECT position FROM {table} WHERE {ours} ORDER BY position", binary=True)
    return Numbering(np.fromiter((row[0] for row in rows), np.int64, count), end)
