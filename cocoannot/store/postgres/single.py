"""What is asked most, by one statement each, without a snapshot: a record, and the annotations of an image."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from cocoannot.coco.parser import SectionName
from cocoannot.coco.records import Record, with_etags
from cocoannot.store.base import Found, Page
from cocoannot.store.postgres.moment import TABLES_AND_HEAD, Reading, Values
from cocoannot.store.postgres.rows import TABLES, is_possible
from cocoannot.store.postgres.schema import check_tables
from cocoannot.store.queries import Derived
from cocoannot.store.warnings import ambiguous


def get(reading: Reading, section: SectionName, record_id: int) -> Found:
    """One record. Raises `LOST`, `OtherTables`, `NotLoaded`, `AmbiguousId`, as what follows does."""
    revision, rows = _ask(
        reading,
        f"SELECT version_num, h.revision, t.record FROM {TABLES_AND_HEAD} LEFT JOIN {TABLES[section]} t "
        "ON t.dataset_id = %(d)s AND t.content = h.content AND t.id = %(id)s WHERE h.dataset_id = %(d)s",
        {"id": record_id if is_possible(record_id) else None},
    )
    if len(rows) > 1:
        raise ambiguous(section, record_id, len(rows))
    ((text,),) = rows
    return Found(None if text is None else Record(text), revision)


def annotations_of(reading: Reading, image_id: int, derived: Collection[Derived]) -> Page | None:
    """The annotations of an image, in file order; `None` where there is no such image."""
    revision, rows = _ask(
        reading,
        "SELECT version_num, h.revision, (SELECT count(*) FROM image i WHERE i.dataset_id = %(d)s "
        f"AND i.content = h.content AND i.id = %(image)s), a.record FROM {TABLES_AND_HEAD} LEFT JOIN annotation a "
        "ON a.dataset_id = %(d)s AND a.content = h.content AND a.image_id = %(image)s "
        "WHERE h.dataset_id = %(d)s ORDER BY a.position",
        {"image": image_id if is_possible(image_id) else None},
    )
    times = rows[0][0]
    if times > 1:
        raise ambiguous("images", image_id, times)
    if not times:
        return None
    texts = [text for _, text in rows if text is not None]
    return Page(len(texts), with_etags(texts) if "etag" in derived else texts, revision)


def _ask(reading: Reading, sql: str, values: Values) -> tuple[int, list[tuple[Any, ...]]]:
    """The revision, and the rows of a statement that begins with the version of the tables and the revision."""
    seen = reading.newest
    with reading.database.connection() as connection:
        rows = connection.execute(sql.encode(), {"d": reading.dataset_id, **values}).fetchall()
        if not rows:
            raise reading.gone(connection)
        version, revision = rows[0][:2]
        check_tables(version)
        reading.saw(connection, revision, seen)
    return revision, [row[2:] for row in rows]
