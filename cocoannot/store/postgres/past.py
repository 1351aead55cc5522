"""What was: changes, versions, the dataset at a revision. All of it from the tables, by SQL.

    change    one row each: who, when      history    what each did, record by record, with the texts before and after

A record is at a revision what its first later edit found, and what it is now where there is none.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import msgspec

from cocoannot.changes.change import Change, Edit, ValueEdit
from cocoannot.changes.description import DescribedChange, DescribedEdit, Operation
from cocoannot.coco.parser import SectionName
from cocoannot.coco.records import Record, with_etags
from cocoannot.errors import Conflict, NotKept
from cocoannot.history.work import day_of
from cocoannot.store.base import Page, Touched, UserDay, Version
from cocoannot.store.postgres.moment import Moment
from cocoannot.store.postgres.rows import CODES, NAMES, AnnotationRow, is_possible, row_of
from cocoannot.store.queries import NEWEST, ChangeQuery, Derived
from cocoannot.store.warnings import ambiguous

MOST_EDITS = 100_000
MOST_TEXT = 256 << 20
"""Edits, and bytes of records, in one answer; with more, it has less than was asked for, or there is none."""

MOST_VERSIONS = 16 << 20
"""Bytes of records in the versions of one."""

_FEW = 8
"""Versions that are read at a time: each may be large."""

_CHANGE = "revision, time, actor, key, undoes, replaced"
_EDIT = "revision, section, id, position, before, after, place, lead"
_AT_ONCE = 200
"""Changes that are read at a time."""


class Past:
    """A `cocoannot.store.base.History`, but for exports. `moment()` gives the connection that is asked."""

    def __init__(self, moment: Callable[[], AbstractContextManager[Moment]]) -> None:
        self._moment = moment

    @property
    def oldest_change(self) -> int:
        """See `cocoannot.store.base.History`, here and below."""
        with self._moment() as moment:
            return oldest_change(moment)

    @contextmanager
    def touched_since(self, revision: int) -> Iterator[Touched]:
        with self._moment() as moment:
            if revision < oldest_change(moment):
                raise NotKept(f"the changes after revision {revision} are not all kept any more")
            if revision < moment.head.floor:
                raise Conflict(
                    f"change {moment.head.floor} replaced the dataset since; what came before it can't be undone"
                )
            yield _Touched(moment, revision)

    @contextmanager
    def edits_since(self, revision: int) -> Iterator[Iterable[Edit | ValueEdit]]:
        with self._moment() as moment:
            check_kept(moment, revision)
            yield _edits_since(moment, revision)

    def changes(self, since: int) -> list[Change] | None:
        with self._moment() as moment:
            if since < oldest_change(moment):
                return None
            return _whole(moment, ChangeQuery(since=since, limit=2**31), MOST_TEXT)

    def change(self, revision: int) -> Change | None:
        with self._moment() as moment:
            found = _whole(moment, ChangeQuery(since=revision - 1, until=revision, limit=1), None)
        return found[0] if found else None

    def find_changes(self, query: ChangeQuery) -> list[DescribedChange]:
        with self._moment() as moment:
            rows = _rows(moment, query)
            edits = _described(moment, [row[0] for row in rows])
        found: list[DescribedChange] = []
        count = 0
        for row in rows if query.since is not None else rows[::-1]:
            change = _change(row)
            mine = tuple(edits.get(change.revision, ()))
            count += len(mine)
            if found and count > MOST_EDITS:
                break
            found.append(
                DescribedChange(change.revision, change.time, change.actor, mine, change.replaced, change.undoes)
            )
        return found if query.since is not None else found[::-1]

    def whole_changes(self, query: ChangeQuery) -> list[Change] | None:
        with self._moment() as moment:
            if query.since is not None and query.since < oldest_change(moment):
                raise NotKept(f"the changes after revision {query.since} are not all kept any more")
            found = _whole(moment, query._replace(limit=query.limit + 1), MOST_TEXT)
        return None if found is None or len(found) > query.limit else found

    def versions(self, section: SectionName, record_id: int, query: ChangeQuery = NEWEST) -> list[Version]:
        with self._moment() as moment:
            rows = _rows(moment, query._replace(record=(section, record_id)))
            if query.since is None:
                rows.reverse()
            found: list[Version] = []
            size = 0
            for at in range(0, len(rows), _FEW):
                if size > MOST_VERSIONS:
                    break
                some = _versions(moment, section, record_id, [_change(row) for row in rows[at : at + _FEW]])
                for version in some:
                    if size > MOST_VERSIONS:
                        break
                    found.append(version)
                    size += sum(len(each.text) for each in (version.record, version.before) if each is not None)
        return found if query.since is not None else found[::-1]

    def annotations_at(self, image_id: int, revision: int, derived: Collection[Derived] = ()) -> Page | None:
        with self._moment() as moment:
            check_kept(moment, revision)
            if not is_possible(image_id):
                return None
            codes = {"images": CODES["images"], "annotations": CODES["annotations"]}
            values = {"image": image_id, "revision": revision, **codes}
            if not _was_there(moment, image_id, values):
                return None
            rows = moment.rows(_IMAGE_AT, values)
        # An annotation may have come to its first image since.
        texts = [text for _, text in sorted(rows) if image_of_text(text) == image_id]
        return Page(len(texts), with_etags(texts) if "etag" in derived else texts, revision)

    def work(self) -> list[UserDay]:
        with self._moment() as moment:
            rows = moment.rows(_WORK, {"annotations": CODES["annotations"], "images": CODES["images"]})
        days = [UserDay(day_of(day), _str(actor), *map(int, counts)) for day, actor, *counts in rows]
        return sorted(days, key=lambda each: (each.day, each.actor or ""))


def check_kept(moment: Moment, revision: int) -> None:
    """Raise `NotKept` where it can't be told what the dataset was at `revision`."""
    if revision > moment.head.revision:
        raise NotKept(f"there is no revision {revision} yet; the dataset is at {moment.head.revision}")
    floor = max(moment.head.floor, oldest_change(moment))
    if revision < floor:
        raise NotKept(
            f"revision {revision} can't be told any more: from {floor} on every change is known, "
            "and before it some are not, or the dataset was replaced"
        )


_IMAGE_AT = """
SELECT position, record FROM annotation
WHERE dataset_id = %(d)s AND content = %(c)s AND image_id = %(image)s AND revision <= %(revision)s
UNION ALL
SELECT h.position, h.before FROM history h
WHERE h.dataset_id = %(d)s AND h.section = %(annotations)s AND h.revision > %(revision)s AND h.before IS NOT NULL
AND (h.from_image_id = %(image)s OR (h.image_id = %(image)s AND h.from_image_id IS NULL))
AND NOT EXISTS (SELECT FROM history o WHERE o.dataset_id = %(d)s AND o.section = %(annotations)s AND o.id = h.id
    AND o.position = h.position AND o.revision > %(revision)s AND (o.revision, o.seq) < (h.revision, h.seq))
"""

# An image is done where its status says so, and did not before. Not by PostgreSQL's JSON, which holds no U+0000.
_WORK = """
SELECT floor(g.time / 86400)::int8 AS day, g.actor, count(DISTINCT g.revision),
    count(h.seq) FILTER (WHERE h.section = %(annotations)s),
    count(h.seq) FILTER (WHERE h.section = %(images)s AND h.after ~ '"annotation_status"\\s*:\\s*"(done|empty)"'
        AND NOT coalesce(h.before ~ '"annotation_status"\\s*:\\s*"(done|empty)"', false))
FROM change g LEFT JOIN history h ON h.dataset_id = g.dataset_id AND h.revision = g.revision
WHERE g.dataset_id = %(d)s GROUP BY 1, 2
"""


def image_of_text(text: bytes) -> int | None:
    """The image that an annotation's text refers to."""
    row = row_of("annotations", text)
    assert isinstance(row, AnnotationRow)
    return row.image_id


class _Touched:
    """See `cocoannot.store.base.Touched`."""

    def __init__(self, moment: Moment, revision: int) -> None:
        self._moment = moment
        self._revision = revision
        # By record: whether it was there before the first of these changes; `None` where none touched it.
        self._known: dict[tuple[SectionName, int], bool | None] = {}

    def __contains__(self, name: tuple[SectionName, int], /) -> bool:
        return self._look(name) is not None

    def was_there(self, name: tuple[SectionName, int]) -> bool:
        return bool(self._look(name))

    def _look(self, name: tuple[SectionName, int]) -> bool | None:
        if name not in self._known:
            self._known[name] = self._moment.one(
                "SELECT before IS NOT NULL FROM history WHERE dataset_id = %(d)s AND section = %(section)s "
                "AND id = %(id)s AND revision > %(revision)s ORDER BY revision, seq LIMIT 1",
                {"section": CODES[name[0]], "id": name[1], "revision": self._revision},
            )
        return self._known[name]


def oldest_change(moment: Moment) -> int:
    """The revision after which every change is there."""
    oldest = moment.one("SELECT min(revision) FROM change WHERE dataset_id = %(d)s")
    return moment.head.revision if oldest is None else int(oldest) - 1


def _was_there(moment: Moment, image_id: int, values: dict[str, int]) -> bool:
    first = moment.row(
        "SELECT before IS NOT NULL FROM history WHERE dataset_id = %(d)s AND section = %(images)s AND id = %(image)s "
        "AND revision > %(revision)s ORDER BY revision, seq LIMIT 1",
        values,
    )
    if first is not None:
        return bool(first[0])
    count = moment.one(
        "SELECT count(*) FROM image WHERE dataset_id = %(d)s AND content = %(c)s AND id = %(image)s", values
    )
    if count > 1:
        raise ambiguous("images", image_id, count)
    return bool(count)


def _rows(moment: Moment, query: ChangeQuery) -> list[tuple[Any, ...]]:
    """The rows of the changes that `query` selects, oldest first."""
    conditions = ["dataset_id = %(d)s"]
    values: dict[str, Any] = {"limit": query.limit}
    if query.since is not None:
        conditions.append("revision > %(since)s")
        values["since"] = query.since
    if query.until is not None:
        conditions.append("revision <= %(until)s")
        values["until"] = query.until
    if query.actor is not None:
        conditions.append("actor = %(actor)s")
        values["actor"] = query.actor
    if query.image_id is not None:
        conditions.append(
            "revision IN (SELECT revision FROM history WHERE dataset_id = %(d)s AND image_id = %(image)s UNION ALL "
            "SELECT revision FROM history WHERE dataset_id = %(d)s AND from_image_id = %(image)s)"
        )
        values["image"] = query.image_id if is_possible(query.image_id) else None
    if query.record is not None:
        conditions.append(
            "revision IN (SELECT revision FROM history "
            "WHERE dataset_id = %(d)s AND section = %(section)s AND id = %(id)s)"
        )
        section, record_id = query.record
        values |= {"section": CODES[section], "id": record_id if is_possible(record_id) else None}
    order = "" if query.since is not None else " DESC"
    sql = f"SELECT {_CHANGE} FROM change WHERE {' AND '.join(conditions)} ORDER BY revision{order} LIMIT %(limit)s"
    rows = moment.rows(sql, values)
    return rows if query.since is not None else rows[::-1]


def _whole(moment: Moment, query: ChangeQuery, most_text: int | None) -> list[Change] | None:
    """The changes that `query` selects, with their edits; `None` where these are too many, or too large."""
    rows = _rows(moment, query)
    found: list[Change] = []
    count = size = 0
    for at in range(0, len(rows), _AT_ONCE):
        some = {row[0]: _change(row) for row in rows[at : at + _AT_ONCE]}
        edits: dict[int, list[Edit]] = {revision: [] for revision in some}
        for revision, *fields in moment.rows(
            f"SELECT {_EDIT} FROM history WHERE dataset_id = %(d)s AND revision = ANY(%(revisions)s::int8[]) "
            "ORDER BY revision, seq",
            {"revisions": list(some)},
        ):
            edit = _edit(fields)
            edits[revision].append(edit)
            size += len(edit.before or b"") + len(edit.after or b"")
        count += sum(map(len, edits.values()))
        if most_text is not None and (count > MOST_EDITS or size > most_text):
            return None
        values = _values(moment, list(some))
        for revision, change in some.items():
            found.append(
                msgspec.structs.replace(change, edits=tuple(edits[revision]), values=tuple(values.get(revision, ())))
            )
    return found


def whole_changes(moment: Moment, since: int, until: int) -> list[Change]:
    """Every change after `since` up to `until` that is kept, oldest first, whatever their size."""
    return _whole(moment, ChangeQuery(since=since, until=until, limit=2**31), None) or []


def _versions(moment: Moment, section: SectionName, record_id: int, changes: Sequence[Change]) -> list[Version]:
    """What `changes` made of a record, in their order."""
    first: dict[int, bytes | None] = {}
    last: dict[int, bytes | None] = {}
    for revision, before, after in moment.rows(
        "SELECT revision, before, after FROM history WHERE dataset_id = %(d)s AND section = %(section)s "
        "AND id = %(id)s AND revision = ANY(%(revisions)s::int8[]) ORDER BY revision, seq",
        {"section": CODES[section], "id": record_id, "revisions": [change.revision for change in changes]},
    ):
        first.setdefault(revision, before)
        last[revision] = after
    return [
        Version(each.revision, each.time, each.actor, _record(last[each.revision]), _record(first[each.revision]))
        for each in changes
    ]


def _values(moment: Moment, revisions: list[int]) -> dict[int, list[ValueEdit]]:
    found: dict[int, list[ValueEdit]] = {}
    for revision, key, before, after in moment.rows(
        "SELECT revision, key, before, after FROM value_history WHERE dataset_id = %(d)s "
        "AND revision = ANY(%(revisions)s::int8[]) ORDER BY revision, seq",
        {"revisions": revisions},
    ):
        found.setdefault(revision, []).append(ValueEdit(msgspec.json.decode(key, type=str), before, after))
    return found


def _edits_since(moment: Moment, revision: int) -> Iterator[Edit | ValueEdit]:
    """Every edit after `revision`, oldest first. Those of top-level values come behind the records' of their change."""
    for first in range(revision, moment.head.revision, _AT_ONCE):
        query = ChangeQuery(since=first, until=first + _AT_ONCE, limit=_AT_ONCE)
        for change in _whole(moment, query, None) or ():
            yield from change.edits
            yield from change.values


def _described(moment: Moment, revisions: list[int]) -> dict[int, list[DescribedEdit]]:
    found: dict[int, list[DescribedEdit]] = {}
    for revision, section, record_id, image_id, moved_from, was_there, is_there in moment.rows(
        "SELECT revision, section, id, image_id, from_image_id, before IS NOT NULL, after IS NOT NULL FROM history "
        "WHERE dataset_id = %(d)s AND revision = ANY(%(revisions)s::int8[]) ORDER BY revision, seq",
        {"revisions": revisions},
    ):
        op: Operation = "add" if not was_there else "update" if is_there else "delete"
        moved = msgspec.UNSET if moved_from is None else moved_from
        found.setdefault(revision, []).append(DescribedEdit(NAMES[section], record_id, image_id, op, moved))
    return found


def _change(row: tuple[Any, ...]) -> Change:
    revision, time, actor, key, undoes, replaced = row
    names = () if replaced is None else msgspec.json.decode(replaced, type=tuple[str, ...])
    return Change(revision, time, _str(actor), _str(key), replaced=names, undoes=undoes)


def _edit(fields: list[Any]) -> Edit:
    section, record_id, position, before, after, place, lead = fields
    return Edit(NAMES[section], record_id, position, before, after, place, lead)


def _record(text: bytes | None) -> Record | None:
    return None if text is None else Record(text)


def _str(text: bytes | None) -> str | None:
    return None if text is None else text.decode()
