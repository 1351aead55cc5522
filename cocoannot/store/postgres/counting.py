"""What images and categories tell of their annotations, brought up to date with each change of these.

An image tells how many it has, of which categories, and of which sizes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from functools import reduce
from operator import or_

from cocoannot.store.postgres.moment import Moment
from cocoannot.store.postgres.rows import AREAS, SUMMARY, AnnotationRow, row_of, size_bit


def count_annotations(moment: Moment, changed: Iterable[tuple[bytes | None, bytes | None]]) -> None:
    """Count the annotations of images and categories anew. `changed` are the texts of some, before and after."""
    came: dict[int, list[AnnotationRow]] = {}
    images: Counter[int] = Counter()
    categories: Counter[int] = Counter()
    again: set[int] = set()
    for texts in changed:
        before, after = (None if text is None else row_of("annotations", text) for text in texts)
        if before == after:
            continue
        for row, step in ((before, -1), (after, 1)):
            if not isinstance(row, AnnotationRow):
                continue
            if row.image_id is not None:
                images[row.image_id] += step
                if step < 0:
                    again.add(row.image_id)
                else:
                    came.setdefault(row.image_id, []).append(row)
            if row.category_id is not None:
                categories[row.category_id] += step
    _tell_again(moment, {image_id: images[image_id] for image_id in again})
    _tell_more(moment, {image_id: rows for image_id, rows in came.items() if image_id not in again})
    steps = {each: step for each, step in categories.items() if step}
    if steps:
        moment.do(
            "UPDATE category t SET annotations = t.annotations + u.step "
            "FROM unnest(%(ids)s::int8[], %(steps)s::int8[]) AS u (id, step) "
            "WHERE t.dataset_id = %(d)s AND t.content = %(c)s AND t.id = u.id",
            {"ids": list(steps), "steps": list(steps.values())},
        )


def _tell_again(moment: Moment, steps: Mapping[int, int]) -> None:
    """Look up what images tell of their annotations, some of which are gone, or are others now."""
    if steps:
        moment.do(
            f"UPDATE image t SET annotations = t.annotations + u.step, ({', '.join(SUMMARY)}) = "
            f"(SELECT {', '.join(SUMMARY.values())} FROM annotation a WHERE a.dataset_id = %(d)s AND a.content = %(c)s "
            "AND a.image_id = t.id) FROM unnest(%(ids)s::int8[], %(steps)s::int8[]) AS u (id, step) "
            "WHERE t.dataset_id = %(d)s AND t.content = %(c)s AND t.id = u.id",
            {"ids": list(steps), "steps": list(steps.values()), "areas": AREAS},
        )


def _tell_more(moment: Moment, came: Mapping[int, Sequence[AnnotationRow]]) -> None:
    """Add what images tell of annotations that came to them: whatever many they have, this costs the same."""
    if not came:
        return
    added = [{row.category_id for row in rows if row.category_id is not None} for rows in came.values()]
    moment.do(
        "UPDATE image t SET annotations = t.annotations + u.step, sizes = t.sizes | u.sizes, "
        "categories = CASE WHEN t.categories @> u.categories::int8[] THEN t.categories ELSE "
        "(SELECT array_agg(DISTINCT c) FROM unnest(t.categories || u.categories::int8[]) c) END "
        "FROM unnest(%(ids)s::int8[], %(steps)s::int8[], %(sizes)s::int4[], %(categories)s::text[]) "
        "AS u (id, step, sizes, categories) WHERE t.dataset_id = %(d)s AND t.content = %(c)s AND t.id = u.id",
        {
            "ids": list(came),
            "steps": [len(rows) for rows in came.values()],
            "sizes": [reduce(or_, (size_bit(row.area) for row in rows)) for rows in came.values()],
            "categories": [f"{{{','.join(map(str, sorted(each)))}}}" for each in added],
        },
    )
