"""Answering questions from the tables: which records, in which order. Paging is by offset and limit."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Any

import msgspec
import numpy as np

from cocoannot.coco.records import etag, with_derived, with_etags
from cocoannot.coco.statuses import STATUSES
from cocoannot.store.base import Neighbours, Page
from cocoannot.store.postgres.moment import Moment
from cocoannot.store.postgres.rows import AREAS, clean, is_possible
from cocoannot.store.queries import (
    COUNT_EDGES,
    RANKED,
    SIZE_EDGES,
    AnnotationQuery,
    CategoryCount,
    CategoryQuery,
    Derived,
    ImageQuery,
    Query,
    Statistics,
    bars,
)
from cocoannot.store.warnings import ambiguous

_COLUMNS = {"position": "i.position", "id": "i.id", "file_name": "i.file_name", "annotation_count": "i.annotations"}
_OF_DATASET = "dataset_id = %(d)s AND content = %(c)s"
_MOST = 2**62
_HAS_ONE = "i.id IN (SELECT a.image_id FROM annotation a WHERE a.dataset_id = %(d)s AND a.content = %(c)s AND {})"


def find(moment: Moment, query: Query, offset: int, limit: int | None) -> Page:
    """The records that `query` selects."""
    match query:
        case AnnotationQuery():
            return _annotations(moment, query, offset, limit)
        case ImageQuery():
            return _images(moment, query, offset, limit)
        case CategoryQuery():
            texts = _categories(moment, query.derived)
            return Page(len(texts), texts[offset : None if limit is None else offset + limit], moment.head.revision)


def first(moment: Moment, query: ImageQuery) -> bytes | None:
    """The first image that `query` selects."""
    if query.sort in RANKED:
        found = _images(moment, query, 0, 1).texts
        return found[0] if found else None
    where, values = _conditions(query)
    sql = f"SELECT i.record FROM image i WHERE {where} ORDER BY {_order(query.sort)} LIMIT 1"
    text: bytes | None = moment.one(sql, values)
    return text


def neighbours(moment: Moment, image_id: int, query: ImageQuery) -> Neighbours | None:
    """Where an image is in the list of `query`, `None` where there is no such image. Raises `AmbiguousId`."""
    if not is_possible(image_id):
        return None
    own = moment.rows(f"SELECT position FROM image WHERE {_OF_DATASET} AND id = %(id)s", {"id": image_id})
    if len(own) > 1:
        raise ambiguous("images", image_id, len(own))
    if not own:
        return None
    if query.is_whole:
        return _neighbours_of_all(moment, own[0][0], descending=query.sort == "-position")
    where, values = _conditions(query)
    # As if it were in the list, if it is not.
    sql = (
        f"SELECT i.id, i.position, ({where}) FROM image i WHERE ({where}) "
        "OR (i.dataset_id = %(d)s AND i.content = %(c)s AND i.position = %(own)s)"
    )
    rows = _ranked(moment, query, sql, {**values, "own": own[0][0]})
    at = next(index for index, row in enumerate(rows) if row[1] == own[0][0])
    previous = rows[at - 1][0] if at else None
    following = rows[at + 1][0] if at + 1 < len(rows) else None
    is_in = bool(rows[at][2])
    return Neighbours(previous, following, at if is_in else None, len(rows) - (not is_in), moment.head.revision)


def statistics(moment: Moment) -> Statistics:
    """What the dataset is made of."""
    head = moment.head
    categories = [
        CategoryCount(record_id, name.decode(), count)
        for record_id, name, count in moment.rows(
            f"SELECT id, name, annotations FROM category WHERE {_OF_DATASET} ORDER BY position"
        )
    ]
    images = moment.rows(
        f"SELECT width_bucket(annotations, %(edges)s::int8[]), count(*) FROM image WHERE {_OF_DATASET} GROUP BY 1",
        {"edges": list(COUNT_EDGES)},
    )
    sizes = moment.rows(
        f"SELECT width_bucket(area::float8, %(edges)s::float8[]), count(*) FROM annotation "
        f"WHERE {_OF_DATASET} AND area >= 0 GROUP BY 1",
        {"edges": [float(edge) ** 2 for edge in SIZE_EDGES]},
    )
    statuses = dict(moment.rows(f"SELECT status, count(*) FROM image WHERE {_OF_DATASET} GROUP BY 1"))
    counts = {name: head.counts[name] for name in ("images", "annotations", "categories")}
    return Statistics(
        counts,
        categories,
        bars(_numbers(images, len(COUNT_EDGES)), COUNT_EDGES),
        bars(_numbers(sizes, len(SIZE_EDGES)), SIZE_EDGES),
        {status: statuses.get(number, 0) for number, status in enumerate(STATUSES)},
        head.revision,
    )


def category_texts(moment: Moment) -> list[bytes]:
    """All categories, in file order."""
    return _categories(moment, ())


def _numbers(rows: Sequence[tuple[Any, ...]], length: int) -> list[int]:
    found = dict(rows)
    return [found.get(index + 1, 0) for index in range(length)]


def _neighbours_of_all(moment: Moment, position: int, *, descending: bool) -> Neighbours:
    before = moment.one(f"SELECT count(*) FROM image WHERE {_OF_DATASET} AND position < %(own)s", {"own": position})
    beside: list[int | None] = [
        moment.one(
            f"SELECT id FROM image WHERE {_OF_DATASET} AND position {sign} %(own)s ORDER BY position {order} LIMIT 1",
            {"own": position},
        )
        for sign, order in (("<", "DESC"), (">", "ASC"))
    ]
    total = moment.head.counts["images"]
    if descending:
        before, beside = total - 1 - before, beside[::-1]
    return Neighbours(beside[0], beside[1], before, total, moment.head.revision)


def _annotations(moment: Moment, query: AnnotationQuery, offset: int, limit: int | None) -> Page:
    conditions = [_OF_DATASET]
    values: dict[str, Any] = {"offset": min(offset, _MOST), "limit": limit}
    for column, value in (("image_id", query.image_id), ("category_id", query.category_id)):
        if value is not None:
            conditions.append(f"{column} = %({column})s")
            values[column] = value if is_possible(value) else None
    if query.iscrowd is not None:
        conditions.append("iscrowd = %(iscrowd)s")
        values["iscrowd"] = bool(query.iscrowd)
    where = " AND ".join(conditions)
    rows = moment.rows(
        # What is skipped is looked up in the index alone.
        f"SELECT a.record FROM (SELECT position FROM annotation WHERE {where} ORDER BY position LIMIT %(limit)s "
        "OFFSET %(offset)s) p JOIN annotation a ON a.dataset_id = %(d)s AND a.content = %(c)s "
        "AND a.position = p.position ORDER BY p.position"
        if offset
        else f"SELECT record FROM annotation WHERE {where} ORDER BY position LIMIT %(limit)s",
        values,
    )
    if len(conditions) == 1:
        total = moment.head.counts["annotations"]
    elif limit is None and not offset:
        total = len(rows)
    else:
        total = moment.one(f"SELECT count(*) FROM annotation WHERE {where}", values)
    texts = [row[0] for row in rows]
    return Page(total, with_etags(texts) if "etag" in query.derived else texts, moment.head.revision)


def _categories(moment: Moment, derived: Collection[Derived]) -> list[bytes]:
    rows = moment.rows(f"SELECT record, annotations FROM category WHERE {_OF_DATASET} ORDER BY position")
    counted = "annotation_count" in derived
    return [with_derived(text, {"_annotation_count": count} if counted else {}) for text, count in rows]


def _images(moment: Moment, query: ImageQuery, offset: int, limit: int | None) -> Page:
    where, values = _conditions(query)
    columns = "i.record, i.id, i.annotations"
    if query.sort in RANKED:
        ranked = _ranked(moment, query, f"SELECT i.id, i.position FROM image i WHERE {where}", values)
        chosen = [row[1] for row in ranked[offset : None if limit is None else offset + limit]]
        found = moment.rows(
            f"SELECT i.position, {columns} FROM image i WHERE i.dataset_id = %(d)s AND i.content = %(c)s "
            "AND i.position = ANY(%(positions)s::int8[])",
            {"positions": chosen},
        )
        by_position = {row[0]: row[1:] for row in found}
        total, rows = len(ranked), [by_position[position] for position in chosen]
    else:
        total = moment.head.counts["images"]
        if not query.is_whole:
            total = moment.one(f"SELECT count(*) FROM image i WHERE {where}", values)
        rows = moment.rows(
            f"SELECT {columns} FROM image i WHERE {where} ORDER BY {_order(query.sort)} "
            "LIMIT %(limit)s OFFSET %(offset)s",
            {**values, "limit": limit, "offset": min(offset, _MOST)},
        )
    return Page(total, _image_texts(moment, rows, query.derived), moment.head.revision)


def _image_texts(moment: Moment, rows: Sequence[tuple[Any, ...]], derived: Collection[Derived]) -> list[bytes]:
    shapes: dict[int, list[bytes]] = {}
    if "annotations" in derived and rows:
        for image_id, text in moment.rows(
            f"SELECT image_id, record FROM annotation WHERE {_OF_DATASET} AND image_id = ANY(%(ids)s::int8[]) "
            "ORDER BY position",
            {"ids": [row[1] for row in rows]},
        ):
            shapes.setdefault(image_id, []).append(text)
    texts = []
    for text, image_id, count in rows:
        extra: dict[str, Any] = {}
        if "annotation_count" in derived:
            extra["_annotation_count"] = count
        if "annotations" in derived:
            extra["_annotations"] = msgspec.Raw(b"[%b]" % b",".join(shapes.get(image_id, [])))
        if "etag" in derived:
            extra["_etag"] = etag(text)
        texts.append(with_derived(text, extra))
    return texts


def _ranked(moment: Moment, query: ImageQuery, sql: str, values: dict[str, Any]) -> list[tuple[Any, ...]]:
    """The rows of `sql`, of which the first columns are id and position, in the order of `query`."""
    if query.sort not in RANKED or query.ranking is None:
        order = _order(query.sort) if query.sort not in RANKED else "i.position"
        return moment.rows(f"{sql} ORDER BY {order}", values)
    rows = moment.rows(f"{sql} ORDER BY i.position", values)
    numbers = np.array(query.ranking.values([row[0] for row in rows]), np.float64)
    order_by = np.argsort(-numbers if query.sort.startswith("-") else numbers, kind="stable")
    return [rows[index] for index in order_by.tolist()]


def _order(sort: str) -> str:
    column, direction = _COLUMNS[sort.lstrip("-")], "DESC" if sort.startswith("-") else "ASC"
    # Ties keep file order.
    return f"{column} {direction}" + ("" if column == "i.position" else ", i.position")


def _conditions(query: ImageQuery) -> tuple[str, dict[str, Any]]:
    """What `query` asks of an image `i`, and the parameters of that."""
    conditions = ["i.dataset_id = %(d)s AND i.content = %(c)s"]
    values: dict[str, Any] = {}

    def add(condition: str, **parameters: Any) -> None:
        conditions.append(condition)
        values.update(parameters)

    _ask_for_image(query, add)
    _ask_for_annotations(query, add)
    return " AND ".join(conditions), values


def _ask_for_image(query: ImageQuery, add: Callable[..., None]) -> None:
    if query.statuses:
        add("i.status = ANY(%(statuses)s::int2[])", statuses=[STATUSES.index(status) for status in query.statuses])
    if query.ids is not None:
        add("i.id = ANY(%(ids)s::int8[])", ids=_possible(query.ids))
    if query.without:
        add("i.id <> ALL(%(without)s::int8[])", without=_possible(query.without))
    if query.annotated is not None:
        add("i.annotations > 0" if query.annotated else "i.annotations = 0")
    if query.min_annotations is not None:
        add("i.annotations >= %(min_annotations)s", min_annotations=min(query.min_annotations, _MOST))
    if query.max_annotations is not None:
        add("i.annotations <= %(max_annotations)s", max_annotations=min(query.max_annotations, _MOST))
    if query.file_name:
        add("strpos(i.file_name, %(file_name)s) > 0", file_name=clean(query.file_name))


def _ask_for_annotations(query: ImageQuery, add: Callable[..., None]) -> None:
    def has_one(condition: str, **parameters: Any) -> None:
        add(_HAS_ONE.format(condition), **parameters)

    if query.category_ids:
        add("i.categories && %(categories)s::int8[]", categories=_possible(query.category_ids))
    if query.min_size is not None or query.below_size is not None:
        low = _single((query.min_size or 0) ** 2)
        high = None if query.below_size is None else _single(query.below_size**2)
        whole, cut = _bars(low, high)
        condition = "i.sizes & %(whole)s <> 0"
        if cut:
            between = "a.area >= %(low)s::float4" + ("" if high is None else " AND a.area < %(high)s::float4")
            condition = f"({condition} OR (i.sizes & %(cut)s <> 0 AND {_HAS_ONE.format(between)}))"
        add(condition, whole=whole, cut=cut, low=low, high=high)
    if query.user is not None:
        has_one(
            "a.revision IN (SELECT g.revision FROM change g WHERE g.dataset_id = %(d)s AND g.actor = %(user)s "
            "AND g.replaced IS NULL)",
            user=query.user,
        )
    elif query.annotation_ids is not None:
        has_one("a.id = ANY(%(annotations)s::int8[])", annotations=_possible(query.annotation_ids))


def _bars(low: float, high: float | None) -> tuple[int, int]:
    """The bits of the bars that lie wholly from `low` to `high`, and of those that do in part."""
    whole = cut = 0
    for index, begin in enumerate(AREAS):
        end = AREAS[index + 1] if index + 1 < len(AREAS) else None
        if (end is not None and end <= low) or (high is not None and begin >= high):
            continue
        if begin >= low and (high is None or (end is not None and end <= high)):
            whole |= 1 << index
        else:
            cut |= 1 << index
    return whole, cut


def _single(number: float) -> float:
    """`number` in single precision, as areas are kept."""
    with np.errstate(over="ignore"):
        return float(np.float32(number))


def _possible(ids: Collection[int]) -> list[int]:
    return [number for number in ids if is_possible(number)]
