"""A change that adds one annotation, as most do: one statement does all of it, and one all of several such changes."""

from __future__ import annotations

from uuid import UUID

from cocoannot.changes.change import Change
from cocoannot.store.postgres.moment import Moment
from cocoannot.store.postgres.rows import AnnotationRow, row_of, size_bit

_ADD = """
WITH added AS (
    INSERT INTO annotation (dataset_id, content, revision, id, image_id, category_id, area, iscrowd, record, position)
    VALUES (%(d)s, %(c)s, %(revision)s, %(id)s, %(image)s, %(category)s, %(area)s, %(iscrowd)s,
        %(record)s, %(position)s)
), of_image AS (
    UPDATE image SET annotations = annotations + 1, sizes = sizes | %(size)s::int4, categories =
        CASE WHEN %(category)s::int8 IS NULL OR %(category)s::int8 = ANY(categories) THEN categories
        ELSE categories || %(category)s::int8 END
    WHERE dataset_id = %(d)s AND content = %(c)s AND id = %(image)s
), of_category AS (
    UPDATE category SET annotations = annotations + 1
    WHERE dataset_id = %(d)s AND content = %(c)s AND id = %(category)s
), past AS (
    INSERT INTO history (dataset_id, revision, seq, section, id, position, image_id, after)
    VALUES (%(d)s, %(revision)s, 0, 1, %(id)s, %(position)s, %(image)s, %(record)s)
)
INSERT INTO change (dataset_id, revision, time, actor, key, request, answer)
VALUES (%(d)s, %(revision)s, %(time)s, %(actor)s, %(key)s, %(request)s, %(answer)s)
"""
"""By half of what it takes as statements of their own."""

_ADD_SEVERAL = """
WITH given AS (
    SELECT * FROM unnest(%(revision)s::int8[], %(id)s::int8[], %(image)s::int8[], %(category)s::int8[],
        %(area)s::float4[], %(size)s::int4[], %(iscrowd)s::boolean[], %(record)s::text[], %(position)s::int8[],
        %(time)s::float8[], %(actor)s::text[], %(key)s::text[], %(request)s::uuid[], %(answer)s::text[])
    AS g (revision, id, image, category, area, size, iscrowd, record, position, time, actor, key, request, answer)
), added AS (
    INSERT INTO annotation (dataset_id, content, revision, id, image_id, category_id, area, iscrowd, record, position)
    SELECT %(d)s::int4, %(c)s::int4, revision, id, image, category, area, iscrowd, record, position FROM given
), of_image AS (
    UPDATE image t SET annotations = t.annotations + g.count, sizes = t.sizes | g.sizes, categories =
        t.categories || ARRAY(SELECT each FROM unnest(g.categories) each WHERE each <> ALL (t.categories))
    FROM (
        SELECT image, count(*) AS count, bit_or(size) AS sizes,
            coalesce(array_agg(DISTINCT category) FILTER (WHERE category IS NOT NULL), '{}') AS categories
        FROM given GROUP BY image
    ) g
    WHERE t.dataset_id = %(d)s AND t.content = %(c)s AND t.id = g.image
), of_category AS (
    UPDATE category t SET annotations = t.annotations + g.count
    FROM (SELECT category, count(*) AS count FROM given GROUP BY category) g
    WHERE t.dataset_id = %(d)s AND t.content = %(c)s AND t.id = g.category
), past AS (
    INSERT INTO history (dataset_id, revision, seq, section, id, position, image_id, after)
    SELECT %(d)s::int4, revision, 0, 1, id, position, image, record FROM given
)
INSERT INTO change (dataset_id, revision, time, actor, key, request, answer)
SELECT %(d)s::int4, revision, time, actor, key, request, answer FROM given
"""
"""The same for changes that come one after the other. Of a statement, the way costs more than the work."""


def write_added(moment: Moment, change: Change, request: UUID, answer: bytes | None) -> bool:
    """Write a change that adds one annotation at the end, and does nothing else; returns whether this is one."""
    if len(change.edits) != 1 or change.values or change.undoes is not None or change.replaced:
        return False
    (edit,) = change.edits
    if edit.section != "annotations" or edit.before is not None or edit.index is not None or edit.lead is not None:
        return False
    assert edit.after is not None
    row = row_of(edit.section, edit.after)
    assert isinstance(row, AnnotationRow)
    moment.do_with_others(
        _ADD,
        _ADD_SEVERAL,
        {
            "revision": change.revision,
            "id": edit.record_id,
            "image": row.image_id,
            "category": row.category_id,
            "area": row.area,
            "size": size_bit(row.area),
            "iscrowd": row.iscrowd,
            "record": edit.after.decode(),
            "position": edit.position,
            "time": change.time,
            "actor": change.actor,
            "key": change.key,
            "request": request,
            "answer": None if answer is None else answer.decode(),
        },
    )
    return True
