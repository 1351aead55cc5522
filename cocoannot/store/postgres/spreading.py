"""Positions numbered anew, with room between all of them, where there is none left for a record that comes between.

Takes time linear in the number of records, in the transaction that needs the room.
"""

from __future__ import annotations

from cocoannot.coco.parser import SectionName
from cocoannot.store.placing import STRIDE
from cocoannot.store.postgres.moment import Moment
from cocoannot.store.postgres.rows import CODES, TABLES

_AWAY = 2**62
"""Added to positions in between: no two records may have one at any moment."""


def spread(moment: Moment, section: SectionName) -> None:
    """Number the positions of `section` anew, in the same order, those of records that are gone as well."""
    table, values = TABLES[section], {"section": CODES[section], "stride": STRIDE, "away": _AWAY}
    numbered = (
        "SELECT p.position AS old, (row_number() OVER (ORDER BY p.position) - 1) * %(stride)s::int8 AS new FROM ("
        f"SELECT position FROM {table} WHERE dataset_id = %(d)s AND content = %(c)s UNION "
        "SELECT position FROM history WHERE dataset_id = %(d)s AND section = %(section)s AND revision > %(floor)s) p"
    )
    values["floor"] = moment.head.floor
    rows = moment.rows(numbered, values)
    old, new = [row[0] for row in rows], [row[1] for row in rows]
    given = {**values, "old": old, "new": new}
    moment.do(
        f"UPDATE {table} t SET position = u.new - %(away)s::int8 "
        "FROM unnest(%(old)s::int8[], %(new)s::int8[]) AS u (old, new) "
        "WHERE t.dataset_id = %(d)s AND t.content = %(c)s AND t.position = u.old",
        given,
    )
    moment.do(
        f"UPDATE {table} SET position = position + %(away)s::int8 WHERE dataset_id = %(d)s AND content = %(c)s",
        given,
    )
    moment.do(
        "UPDATE history t SET position = u.new FROM unnest(%(old)s::int8[], %(new)s::int8[]) AS u (old, new) "
        "WHERE t.dataset_id = %(d)s AND t.section = %(section)s AND t.revision > %(floor)s AND t.position = u.old",
        given,
    )
    moment.head.ends[section] = len(rows) * STRIDE
