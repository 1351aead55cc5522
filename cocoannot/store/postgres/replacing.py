"""Top-level values given other texts in bulk: a new generation of records, loaded beside the one that counts.

    read all --> the new text --> loaded as a generation --> the head's lock: still the same revision? flipped

Others go on meanwhile. Where somebody changes the dataset before the flip, all is done again.
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Mapping
from contextlib import suppress

import psycopg

from cocoannot.changes.change import Change
from cocoannot.coco.parser import Document, read_document
from cocoannot.errors import Conflict, VersionMismatch
from cocoannot.store.base import Texts
from cocoannot.store.postgres.database import LOST
from cocoannot.store.postgres.datasets import remove_generations, take_loaded
from cocoannot.store.postgres.export import dataset_text
from cocoannot.store.postgres.loading import load_document
from cocoannot.store.postgres.moment import LOCK_HEAD, Moment, Point, Reading
from cocoannot.store.postgres.rows import HeadRow
from cocoannot.store.postgres.saving import Exporter
from cocoannot.store.postgres.schema import check_tables, find_version
from cocoannot.store.postgres.writing import write_head, write_record

log = logging.getLogger(__name__)

_MOST_TRIES = 5


def replace(
    reading: Reading, exporter: Exporter, texts: Texts, actor: str | None, if_revision: int | None
) -> tuple[Change, int]:
    """See `cocoannot.store.base.Store.replace`; `Conflict` where others never stop changing the dataset.

    Returns the timeline of the primary too.
    """
    for _ in range(_MOST_TRIES):
        with reading.moment() as moment:
            _check_revision(moment.head, if_revision)
            point = moment.point
        made = texts() if callable(texts) else texts
        with reading.long_moment() as moment:
            if moment.point != point:
                continue
            data = b"".join(map(bytes, dataset_text(moment, made)))
        document = read_document(data, "the new dataset")
        with exporter.writing():
            change = _flip(reading, exporter, document, made, actor, point)
        if change is not None:
            if exporter.place is not None:
                exporter.done()
            # What can't be removed now is removed by the next replacement.
            with suppress(psycopg.Error), reading.together() as connection:
                remove_generations(connection, reading.dataset_id)
            return change, point.timeline
    raise Conflict("others changed the dataset each time that it was to be replaced; nothing was done, try again")


def _flip(
    reading: Reading,
    exporter: Exporter,
    document: Document,
    texts: Mapping[str, bytes | None],
    actor: str | None,
    point: Point,
) -> Change | None:
    """Load `document` and let it count; `None` where the dataset is not at `point` any more."""
    request = uuid.uuid4()
    revision = point.revision
    try:
        with reading.database.own_connection() as connection, connection.transaction():
            # From here on no upgrade comes in between.
            check_tables(find_version(connection))
            content = _free_generation(connection, reading.dataset_id)
            loaded = load_document(connection, reading.dataset_id, content, document, revision + 1)
            head = reading.head(connection, connection.execute(LOCK_HEAD, {"d": reading.dataset_id}).fetchone())
            moment = Moment(connection, reading.dataset_id, head, reading.layouts)
            if moment.point != point:
                raise psycopg.Rollback
            now = moment.one("SELECT extract(epoch FROM clock_timestamp())::float8")
            change = Change(revision + 1, now, actor, None, replaced=tuple(texts))
            if exporter.place is not None:
                exporter.write(exporter.place, [document.buffer], Point(point.timeline, change.revision))
                head.file_revision = change.revision
            head.content, head.revision, head.floor = content, change.revision, change.revision
            take_loaded(head, loaded)
            write_head(moment)
            write_record(moment, change, request, None)
            if exporter.place is not None:
                exporter.note(connection, change.revision)
            log.info(
                "Dataset replaced (%s)%s", ", ".join(texts), f" and saved to {exporter.name}" if exporter.place else ""
            )
            return change
    except LOST:
        exporter.doubt()
        raise
    except psycopg.errors.UniqueViolation:
        # Somebody else loads a generation too.
        return None
    return None


def _free_generation(connection: psycopg.Connection[tuple[object, ...]], dataset_id: int) -> int:
    row = connection.execute(
        "SELECT coalesce(max(content), 0) + 1 FROM layout WHERE dataset_id = %s", (dataset_id,)
    ).fetchone()
    assert row is not None
    assert isinstance(row[0], int)
    return row[0]


def _check_revision(head: HeadRow, if_revision: int | None) -> None:
    if if_revision not in (None, head.revision):
        raise VersionMismatch(
            f"the dataset is at revision {head.revision}, not {if_revision}; read it again, then decide",
            str(head.revision),
        )
