"""Asking the history: which changes there were, what they did, and what was before. Nothing is written.

One moment of the file is read, whatever is written meanwhile. Only what counts is found: see
`cocoannot.history.stretches`.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from typing import Annotated, NamedTuple, TypeVar

import msgspec

from cocoannot.changes.change import Change, Edit, ValueEdit
from cocoannot.changes.description import DescribedChange
from cocoannot.coco.parser import MAX_ID, SectionName
from cocoannot.coco.records import Record
from cocoannot.history.blocks import (
    DamagedHistory,
    Head,
    Texts,
    edit_of,
    section_number,
    unpack,
    unpack_heads,
    value_of,
)
from cocoannot.history.database import checked
from cocoannot.history.stretches import Span, first_after, last_revision, spans
from cocoannot.history.work import day_of
from cocoannot.store.base import Touched, UserDay, Version
from cocoannot.store.queries import ChangeQuery

MOST_EDITS = 100_000
MOST_TEXT = 16 << 20
MOST_WHOLE = 256 << 20
"""Edits, and bytes of records, in one answer: with more, it has less than was asked for, but one change at least;
and bytes of whole changes, of which none comes with more."""

_Kind = TypeVar("_Kind")
_Day = Annotated[int, msgspec.Meta(ge=-719_162, le=2_932_896)]
"""Those that the calendar has, from year 1 to 9999, in days since 1970."""

_COLUMNS = "change.edit, revision, time, user.name, key, undoes, replaced, heads"
_ONE = f"SELECT {_COLUMNS} FROM change LEFT JOIN user ON user.id = change.user"


class _Row(NamedTuple):
    """A change as its table has it, with the name of its user."""

    edit: int
    revision: int
    time: float
    actor: str | None
    key: str | None
    undoes: int | None
    replaced: str | None
    heads: bytes

    @property
    def names(self) -> tuple[str, ...]:
        """The top-level values that were replaced. Raises `DamagedHistory`."""
        try:
            return () if self.replaced is None else msgspec.json.decode(self.replaced, type=tuple[str, ...])
        except msgspec.DecodeError as exc:
            raise DamagedHistory(f"what was replaced can't be read ({exc})") from exc


class Reader:
    """Reads an open history. Every method raises `sqlite3.Error` and `DamagedHistory`."""

    def __init__(self, database: sqlite3.Connection) -> None:
        self._database = database
        self._spans = spans(database)
        self._block: tuple[int, list[Texts]] = (0, [])

    def last(self) -> int:
        """The newest revision that is kept, or what the next one that is kept will follow."""
        return last_revision(self._database, self._spans)

    def floor(self) -> int:
        """The oldest revision that the dataset can be told at: from there on every change is known."""
        oldest = self.oldest()
        return max(oldest, self.replaced_since(oldest) or 0)

    def oldest(self) -> int:
        """The revision after which every change is kept, those included that replaced the dataset."""
        span = next((span for span in reversed(self._spans) if not span.joined), self._newest)
        sql = "SELECT edit, revision FROM change WHERE edit >= ? ORDER BY edit LIMIT 1"
        oldest = self._one(tuple[int, int], sql, span.start)
        # What came before it may have been forgotten.
        return span.revision - 1 if oldest is None or oldest[0] == span.start else oldest[1] - 1

    def replaced_since(self, revision: int) -> int | None:
        """The newest change that replaced the dataset after `revision`, `None` where there is none."""
        sql = "SELECT revision FROM change WHERE replaced IS NOT NULL ORDER BY edit DESC LIMIT 1"
        row = self._one(tuple[int], sql)
        return row[0] if row is not None and row[0] > revision else None

    def touched_since(self, revision: int) -> Touched:
        """The records that changes after `revision` touched."""
        starts = [(self._first_after(revision, span), span.end) for span in self._spans]
        return _Touched(self._database, [(start, end) for start, end in starts if start < end])

    def change(self, revision: int) -> Change | None:
        """The change that made `revision`, whole."""
        for span in self._spans:
            row = self._one(_Row, f"{_ONE} WHERE edit = ?", self._first_after(revision - 1, span))
            if row is not None and row.revision == revision:
                return self._whole(row)
        return None

    def changes(self, query: ChangeQuery) -> list[DescribedChange]:
        """The changes that `query` selects, oldest first; see there which where there are more than it wants."""
        found: list[DescribedChange] = []
        count = 0
        for row in self._rows(query):
            edits = tuple([head.described() for head in unpack_heads(row.heads) if not head.is_of_value])
            count += len(edits)
            if len(found) == query.limit or (found and count > MOST_EDITS):
                break
            found.append(DescribedChange(row.revision, row.time, row.actor, edits, row.names, row.undoes))
        return found if query.since is not None else found[::-1]

    def whole_changes(self, query: ChangeQuery) -> list[Change] | None:
        """The changes that `query` selects, whole, oldest first; `None` where they are too many, or too large."""
        found: list[Change] = []
        edits = size = 0
        for row in self._rows(query):
            change = self._whole(row)
            found.append(change)
            edits += len(change.edits)
            size += sum([len(edit.before or b"") + len(edit.after or b"") for edit in change.edits])
            if len(found) > query.limit or edits > MOST_EDITS or size > MOST_WHOLE:
                return None
        return found if query.since is not None else found[::-1]

    def versions(self, section: SectionName, record_id: int, query: ChangeQuery) -> list[Version]:
        """What changes made of a record, oldest first; which of them, `query` says."""
        found: list[Version] = []
        size = 0
        number = section_number(section)
        for row in self._rows(query._replace(record=(section, record_id))):
            if len(found) == query.limit or size > MOST_TEXT:
                break
            mine = [
                edit
                for edit, head in enumerate(unpack_heads(row.heads), start=row.edit)
                if head.section == number and head.record_id == record_id
            ]
            if not mine:
                raise DamagedHistory(f"revision {row.revision} did not change {section} {record_id}")
            before, after = self._texts(mine[0]).before, self._texts(mine[-1]).after
            size += len(before or b"") + len(after or b"")
            found.append(Version(row.revision, row.time, row.actor, _record(after), _record(before)))
        return found if query.since is not None else found[::-1]

    def edits(self, since: int, until: int, image_id: int | None = None) -> Iterator[Edit | ValueEdit]:
        """Every edit of the changes after `since`, up to `until`, in order; those on `image_id` where that is given."""
        for row in self._rows(ChangeQuery(since, until, image_id=image_id)):
            for number, head in enumerate(unpack_heads(row.heads), start=row.edit):
                if image_id is None or image_id in head.images:
                    yield self._edit(head, number)

    def last_changed_by(self, actor: str) -> set[int]:
        """The annotations whose newest change was made by `actor`, those included that it has deleted."""
        counted = " OR ".join(["change >= ? AND change < ?"] * len(self._spans))
        sql = (
            f"SELECT id FROM version WHERE section = ? AND ({counted}) GROUP BY id "
            "HAVING max(change) IN (SELECT edit FROM change WHERE user = (SELECT id FROM user WHERE name = ?))"
        )
        replaced = self.replaced_since(-1)
        bounds: list[int] = []
        for span in self._spans:
            start = span.start if replaced is None else self._first_after(replaced, span)
            bounds += (start, span.end)
        return {row[0] for row in self._database.execute(sql, [section_number("annotations"), *bounds, actor])}

    def work(self) -> list[UserDay]:
        """What each user did on each day, by day and name."""
        rows = self._database.execute(
            "SELECT day, user.name, changes, annotations, images FROM work LEFT JOIN user ON user.id = work.user "
            "ORDER BY day, user.name"
        )
        days = checked(rows.fetchall(), list[tuple[_Day, str | None, int, int, int]])
        return [UserDay(day_of(day), actor, *counts) for day, actor, *counts in days]

    @property
    def _newest(self) -> Span:
        return self._spans[-1]

    def _rows(self, query: ChangeQuery) -> Iterator[_Row]:
        """The changes that `query` selects, without regard to its limit: forwards where it says since when, else
        backwards."""
        table, key, conditions, values = _searched(query)
        if any(isinstance(value, int) and abs(value) > MAX_ID for value in values):
            # No record has such an id, and SQLite can't even be asked.
            return
        join = "" if table == "change" else f"CROSS JOIN change ON change.edit = {key}"
        sql = (
            f"SELECT {_COLUMNS} FROM {table} {join} LEFT JOIN user ON user.id = change.user "
            f"WHERE {' AND '.join([*conditions, f'{key} >= ?', f'{key} < ?'])} "
            f"ORDER BY {key} {'DESC' if query.since is None else 'ASC'}"
        )
        for span in reversed(self._spans) if query.since is None else self._spans:
            for row in self._database.execute(sql, [*values, *self._between(span, query)]):
                yield checked(row, _Row)

    def _between(self, span: Span, query: ChangeQuery) -> tuple[int, int]:
        """The edits of `span` whose changes are after `query.since`, and not after `query.until`."""
        start, end = span.start, span.end
        if query.since is not None and query.since >= span.revision:
            start = self._first_after(query.since, span)
        if query.until is not None:
            end = self._first_after(query.until, span)
        return start, end

    def _first_after(self, revision: int, span: Span) -> int:
        return first_after(self._database, revision, span.start, span.end)

    def _whole(self, row: _Row) -> Change:
        heads = enumerate(unpack_heads(row.heads), start=row.edit)
        all_edits = [self._edit(head, number) for number, head in heads]
        edits = tuple([edit for edit in all_edits if isinstance(edit, Edit)])
        values = tuple([edit for edit in all_edits if isinstance(edit, ValueEdit)])
        return Change(row.revision, row.time, row.actor, row.key, edits, row.names, row.undoes, values)

    def _edit(self, head: Head, number: int) -> Edit | ValueEdit:
        texts = self._texts(number)
        return value_of(texts) if head.is_of_value else edit_of(head, texts)

    def _texts(self, edit: int) -> Texts:
        first, texts = self._block
        if not first <= edit < first + len(texts):
            sql = "SELECT edit, texts FROM block WHERE edit <= ? ORDER BY edit DESC LIMIT 1"
            row = self._one(tuple[int, bytes], sql, edit)
            first, texts = self._block = (0, []) if row is None else (row[0], unpack(row[1]))
        if not first <= edit < first + len(texts):
            raise DamagedHistory(f"the texts of edit {edit} are missing")
        return texts[edit - first]

    def _one(self, kind: type[_Kind], sql: str, *values: int) -> _Kind | None:
        row = self._database.execute(sql, values).fetchone()
        return None if row is None else checked(row, kind)


class _Touched:
    """Records that were touched by the changes in some ranges of edits, oldest first; looked up one by one."""

    def __init__(self, database: sqlite3.Connection, ranges: list[tuple[int, int]]) -> None:
        self._database = database
        self._ranges = ranges

    def __contains__(self, name: tuple[SectionName, int], /) -> bool:
        return self._first(name) is not None

    def was_there(self, name: tuple[SectionName, int]) -> bool:
        first = self._first(name)
        if first is None:
            return False
        row = self._database.execute("SELECT heads FROM change WHERE edit = ?", (first,)).fetchone()
        (heads,) = checked(row, tuple[bytes])
        number = section_number(name[0])
        for head in unpack_heads(heads):
            if (head.section, head.record_id) == (number, name[1]):
                return head.described().op != "add"
        raise DamagedHistory(f"edit {first} did not change {name[0]} {name[1]}")

    def _first(self, name: tuple[SectionName, int]) -> int | None:
        """The first change that touched a record."""
        sql = "SELECT min(change) FROM version WHERE section = ? AND id = ? AND change >= ? AND change < ?"
        number, record_id = section_number(name[0]), name[1]
        for start, end in self._ranges:
            row = self._database.execute(sql, (number, record_id, start, end)).fetchone()
            (first,) = checked(row, tuple[int | None])
            if first is not None:
                return first
        return None


def _searched(query: ChangeQuery) -> tuple[str, str, list[str], list[object]]:
    """The table that is gone through for `query`, its column with the number of a change, conditions, their values."""
    table, key = "change", "change.edit"
    conditions: list[str] = []
    values: list[object] = []
    if query.image_id is not None:
        table, key = "touched", "touched.change"
        conditions.append("touched.image = ?")
        values.append(query.image_id)
    if query.record is not None:
        section, record_id = query.record
        if table == "touched":
            conditions.append("EXISTS (SELECT 1 FROM version WHERE section = ? AND id = ? AND change = touched.change)")
        else:
            table, key = "version", "version.change"
            conditions.append("version.section = ? AND version.id = ?")
        values += [section_number(section), record_id]
    if query.actor is not None:
        conditions.append("change.user = (SELECT id FROM user WHERE name = ?)")
        values.append(query.actor)
    return table, key, conditions, values


def _record(text: bytes | None) -> Record | None:
    return None if text is None else Record(text)
