"""What a transaction asks of the tables while it checks a change: a `cocoannot.store.base.Lookup`.

The head's row is locked meanwhile, so that nobody else changes the dataset.
"""

from __future__ import annotations

from collections.abc import Collection, Container, Iterable, Iterator, Sequence

import msgspec
import numpy as np

from cocoannot.changes.change import Edit
from cocoannot.coco.parser import NONE, Ints, SectionName
from cocoannot.coco.records import Record
from cocoannot.coco.style import Style
from cocoannot.store.base import AnnotationText, Place, Stored
from cocoannot.store.placing import STRIDE, between
from cocoannot.store.postgres.moment import Moment
from cocoannot.store.postgres.rows import CODES, TABLES, clean, is_possible
from cocoannot.store.warnings import ambiguous

_FEW = 8
"""So many positions are looked up one by one; more in a list of all."""

Name = tuple[SectionName, int]


class PostgresLookup:
    """Remembers records that were found by their ids; who changes them tells it of the edits."""

    def __init__(self, moment: Moment) -> None:
        self._moment = moment
        self._found: dict[Name, list[Stored]] = {}

    def take(self, section: SectionName, ids: Collection[int], rows: Iterable[Sequence[object]]) -> None:
        """Remember the rows of these ids: id, position, record, lead."""
        for record_id in ids:
            self._found[section, record_id] = []
        for row in rows:
            stored = _stored(row)
            self._found[section, stored.record_id].append(stored)

    def changed(self, edits: Iterable[Edit]) -> None:
        """The tables have these edits now."""
        for edit in edits:
            name = edit.section, edit.record_id
            if name not in self._found:
                continue
            others = [each for each in self._found[name] if each.position != edit.position]
            if edit.after is not None:
                lead = next((each.lead for each in self._found[name] if each.position == edit.position), edit.lead)
                others.append(Stored(edit.record_id, edit.position, Record(edit.after), lead))
            self._found[name] = others

    def forget(self) -> None:
        """Records may have other positions now."""
        self._found.clear()

    @property
    def panoptic(self) -> bool:
        """See `cocoannot.store.base.Lookup`, here and below."""
        return self._moment.head.panoptic

    def style(self, section: SectionName) -> Style:
        return self._moment.layout.styles[section]

    def find(self, section: SectionName, record_id: int) -> Stored | None:
        found = self._all(section, record_id)
        if len(found) > 1:
            raise ambiguous(section, record_id, len(found))
        return found[0] if found else None

    def has(self, section: SectionName, record_id: int) -> bool:
        return self.find(section, record_id) is not None

    def ids_there(self, section: SectionName, record_ids: Iterable[int]) -> Container[int]:
        wanted = [record_id for record_id in record_ids if is_possible(record_id)]
        sql = (
            f"SELECT id FROM {TABLES[section]} "
            "WHERE dataset_id = %(d)s AND content = %(c)s AND id = ANY(%(ids)s::int8[])"
        )
        return frozenset(row[0] for row in self._moment.rows(sql, {"ids": wanted}))

    @property
    def has_categories(self) -> bool:
        return self._moment.head.counts["categories"] > 0

    def top_level(self, key: str) -> bytes | None:
        return top_level(self._moment, key)

    def next_place(self, section: SectionName, others: int = 0) -> Place:
        head = self._moment.head
        return Place(head.next_ids[section], head.ends[section] + others * STRIDE)

    def find_copy(self, section: SectionName, record_id: int, text: bytes) -> Stored | None:
        found = self._all(section, record_id)
        if len(found) > 1:
            found = [each for each in found if each.record.text == text]
        return found[0] if found else None

    def rank(self, section: SectionName, position: int) -> int:
        (rank,) = self.ranks(section, [position])
        return rank

    def ranks(self, section: SectionName, positions: Sequence[int]) -> list[int]:
        if len(positions) > _FEW:
            found: list[int] = self._positions(section).searchsorted(np.array(positions, np.int64)).tolist()
            return found
        sql = (
            f"SELECT count(*) FROM {TABLES[section]} "
            "WHERE dataset_id = %(d)s AND content = %(c)s AND position < %(position)s"
        )
        count = self._moment.head.counts[section]
        end = self._moment.head.ends[section]
        return [count if each >= end else self._moment.one(sql, {"position": each}) for each in positions]

    def positions_at(self, section: SectionName, indexes: Sequence[int]) -> list[int | None]:
        if len(indexes) > _FEW:
            every = self._positions(section)
            return [int(every[index]) if index < len(every) else None for index in indexes]
        sql = (
            f"SELECT position FROM {TABLES[section]} "
            "WHERE dataset_id = %(d)s AND content = %(c)s ORDER BY position LIMIT 1 OFFSET %(index)s"
        )
        return [self._moment.one(sql, {"index": index}) for index in indexes]

    def position_between(
        self, section: SectionName, before: int | None, after: int | None, record_id: int, share: int = 1
    ) -> int | None:
        own = self._moment.one(
            "SELECT max(h.position) FROM history h WHERE h.dataset_id = %(d)s AND h.section = %(section)s "
            "AND h.id = %(id)s AND h.revision > %(floor)s AND h.after IS NULL "
            "AND h.position > %(before)s AND h.position < %(after)s",
            {
                "section": CODES[section],
                "id": record_id,
                "floor": self._moment.head.floor,
                "before": -(2**62) if before is None else before,
                "after": 2**62 if after is None else after,
            },
        )
        if own is not None:
            return int(own)
        return None if after is None else between(section, before, after, share)

    def categories_named(self, name: str) -> list[int]:
        return self._named("category", "name", name)

    def images_named(self, file_name: str) -> list[int]:
        return self._named("image", "file_name", file_name)

    def count_annotations(self, *, image_id: int | None = None, category_id: int | None = None) -> int:
        column, value = ("image_id", image_id) if image_id is not None else ("category_id", category_id)
        if value is None or not is_possible(value):
            return 0
        sql = f"SELECT count(*) FROM annotation WHERE dataset_id = %(d)s AND content = %(c)s AND {column} = %(value)s"
        return int(self._moment.one(sql, {"value": value}))

    def annotations_where(self, *, image_id: int | None = None, category_id: int | None = None) -> Iterator[Stored]:
        column, value = ("image_id", image_id) if image_id is not None else ("category_id", category_id)
        if value is None or not is_possible(value):
            return iter(())
        sql = (
            f"SELECT coalesce(id, {NONE}), position, record, lead FROM annotation "
            f"WHERE dataset_id = %(d)s AND content = %(c)s AND {column} = %(value)s ORDER BY position"
        )
        return map(_stored, self._moment.rows(sql, {"value": value}))

    def annotation_texts(self, image_id: int, category_ids: Container[int]) -> Iterable[AnnotationText]:
        rows = self._moment.rows(
            f"SELECT id, coalesce(category_id, {NONE}), record FROM annotation "
            "WHERE dataset_id = %(d)s AND content = %(c)s AND image_id = %(image)s AND id IS NOT NULL "
            "ORDER BY position",
            {"image": image_id},
        )
        return [AnnotationText(*row) for row in rows if row[1] in category_ids]

    def _all(self, section: SectionName, record_id: int) -> list[Stored]:
        if (section, record_id) not in self._found:
            ids = [record_id] if is_possible(record_id) else []
            sql = (
                f"SELECT id, position, record, lead FROM {TABLES[section]} "
                "WHERE dataset_id = %(d)s AND content = %(c)s AND id = ANY(%(ids)s::int8[]) ORDER BY position"
            )
            self.take(section, [record_id], self._moment.rows(sql, {"ids": ids}))
        return self._found[section, record_id]

    def _named(self, table: str, column: str, name: str) -> list[int]:
        if not name:
            return []
        sql = (
            f"SELECT id, record FROM {table} WHERE dataset_id = %(d)s AND content = %(c)s AND {column} = %(name)s "
            "ORDER BY position"
        )
        return [row[0] for row in self._moment.rows(sql, {"name": clean(name)}) if Record(row[1]).get(column) == name]

    def _positions(self, section: SectionName) -> Ints:
        """The positions of all records, in order."""
        sql = f"SELECT position FROM {TABLES[section]} WHERE dataset_id = %(d)s AND content = %(c)s ORDER BY position"
        rows = self._moment.rows(sql, binary=True)
        return np.fromiter((row[0] for row in rows), np.int64, len(rows))


def top_level(moment: Moment, key: str) -> bytes | None:
    """The JSON text of a top-level value that is no section, `None` where it is not there."""
    row = moment.row(
        "SELECT value FROM top_value WHERE dataset_id = %(d)s AND content = %(c)s AND key = %(key)s",
        {"key": msgspec.json.encode(key).decode()},
    )
    if row is None:
        return moment.layout.value(key)
    value: bytes | None = row[0]
    return value


def _stored(row: Sequence[object]) -> Stored:
    record_id, position, text, lead = row
    assert isinstance(record_id, int)
    assert isinstance(position, int)
    assert isinstance(text, bytes)
    assert lead is None or isinstance(lead, bytes)
    return Stored(record_id, position, Record(text), lead)
