"""Rows put together as a file's text, now or at a revision. What nobody touched is there byte for byte.

The database joins records, a thousand at a time, so that few rows come. The text goes to a temporary file first, so
that no connection waits for who reads it slowly.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack
from typing import IO

import msgspec

from cocoannot.coco.parser import SECTIONS, SectionName
from cocoannot.coco.serializer import Piece, split
from cocoannot.store.base import Export, Walk
from cocoannot.store.placing import STRIDE
from cocoannot.store.postgres.moment import Moment
from cocoannot.store.postgres.past import check_kept
from cocoannot.store.postgres.rows import CODES, TABLES

_CHUNK = 1_000
"""Records that are joined to one row."""
_IN_BLOCK = 2_000
_IN_MEMORY = 1 << 20
_BLOCK = 1 << 20

Replaced = Mapping[str, bytes | None]


def dataset_text(moment: Moment, replaced: Replaced | None = None) -> Iterator[Piece]:
    """The whole text as it is at `moment`, in pieces; `replaced` gives other texts for top-level values."""
    layout = moment.layout
    sections = {
        name: layout.section(name, _joined(moment, name, layout.sections[name].gap))
        for name in SECTIONS
        if moment.head.counts[name] or layout.sections[name].filled
    }
    omitted = ["categories"] if _lacks_categories(moment) else []
    return layout.text(sections, own_values(moment), replaced or {}, omitted)


def dataset_text_at(moment: Moment, revision: int) -> Iterator[Piece]:
    """The same as it was at `revision`. Raises `NotKept`."""
    return text_of(moment, revision, {})


def text_of(moment: Moment, revision: int, records: Mapping[SectionName, Iterable[Piece]]) -> Iterator[Piece]:
    """The text at `revision`, with these records in some sections. Raises `NotKept`."""
    check_kept(moment, revision)
    layout = moment.layout
    sections: dict[SectionName, Iterable[Piece]] = {}
    for name in SECTIONS:
        if name in records:
            there = layout.value(name) is not None or moment.head.counts[name]
            if there:
                sections[name] = layout.joined(name, records[name])
        elif _touched(moment, name, revision):
            sections[name] = layout.joined(name, records_at(moment, name, revision))
        elif moment.head.counts[name] or layout.sections[name].filled:
            sections[name] = layout.section(name, _joined(moment, name, layout.sections[name].gap))
    return layout.text(sections, {**own_values(moment), **_values_at(moment, revision)}, {})


def records_at(moment: Moment, name: SectionName, revision: int) -> Iterator[bytes]:
    """The texts of a section's records at `revision`, in order. Other statements may be asked meanwhile."""
    own = f"SELECT position, record FROM {TABLES[name]} WHERE dataset_id = %(d)s AND content = %(c)s"
    sql = f"{own} ORDER BY position"
    if revision < moment.head.revision:
        sql = (
            f"{own} AND revision <= %(revision)s UNION ALL SELECT position, before FROM (SELECT DISTINCT ON (position) "
            "position, before FROM history WHERE dataset_id = %(d)s AND section = %(section)s "
            "AND revision > %(revision)s ORDER BY position, revision, seq) h WHERE before IS NOT NULL ORDER BY position"
        )
    with moment.connection.cursor(name=f"records_{name}_{id(sql)}") as cursor:
        cursor.itersize = _IN_BLOCK
        cursor.execute(sql.encode(), moment.named({"revision": revision, "section": CODES[name]}))
        for _, text in cursor:
            yield text


def own_values(moment: Moment) -> dict[str, bytes | None]:
    """Top-level values that are others than in the file's layout."""
    return {
        msgspec.json.decode(key, type=str): value
        for key, value in moment.rows(
            "SELECT key, value FROM top_value WHERE dataset_id = %(d)s AND content = %(c)s ORDER BY key"
        )
    }


class Spool:
    """A text in a temporary file, in memory where it is short; gone when it was read, or let go of."""

    def __init__(self, pieces: Iterable[Piece]) -> None:
        self.size = 0
        self._file: IO[bytes] = tempfile.SpooledTemporaryFile(_IN_MEMORY)  # noqa: SIM115
        try:
            for piece in pieces:
                self._file.write(piece)
                self.size += len(piece)
        except BaseException:
            self._file.close()
            raise
        self._file.seek(0)

    def blocks(self) -> Iterator[bytes]:
        """The text, once."""
        with self._file:
            while block := self._file.read(_BLOCK):
                yield block

    def close(self) -> None:
        """Let go of it."""
        self._file.close()

    def __del__(self) -> None:
        self._file.close()


def export_of(name: str, revision: int, pieces: Iterable[Piece]) -> Export:
    """A text as who asks for it gets it."""
    spool = Spool(split(pieces))
    return Export(name, revision, spool.size, spool.blocks())


class PostgresSnapshot:
    """See `cocoannot.store.base.Snapshot`. Has a connection of its own until it is closed, or its text was read."""

    def __init__(self, name: str, revision: int | None, opened: AbstractContextManager[Moment]) -> None:
        self.name = name
        self._stack = ExitStack()
        self._moment = self._stack.enter_context(opened)
        self.revision = self._moment.head.revision if revision is None else revision
        try:
            check_kept(self._moment, self.revision)
        except BaseException:
            self.close()
            raise

    def records(self, section: SectionName) -> Iterator[bytes]:
        return records_at(self._moment, section, self.revision)

    def text(self, records: Mapping[SectionName, Iterable[Piece]]) -> Iterator[Piece]:
        try:
            yield from split(text_of(self._moment, self.revision, records))
        finally:
            self.close()

    def close(self) -> None:
        self._stack.close()

    def __del__(self) -> None:
        self.close()


def walk(opened: AbstractContextManager[Moment], section: SectionName) -> Walk:
    """See `cocoannot.store.base.Store.walk`."""
    snapshot = PostgresSnapshot("", None, opened)
    total = snapshot._moment.head.counts[section]
    return Walk(snapshot.revision, total, _in_blocks(snapshot, section))


def _in_blocks(snapshot: PostgresSnapshot, section: SectionName) -> Iterator[list[bytes | memoryview]]:
    try:
        block: list[bytes | memoryview] = []
        for text in snapshot.records(section):
            block.append(text)
            if len(block) == _IN_BLOCK:
                yield block
                block = []
        if block:
            yield block
    finally:
        snapshot.close()


def _joined(moment: Moment, name: SectionName, gap: str) -> Iterator[bytes]:
    """A section's records with what stands between them, many at a time."""
    table = TABLES[name]
    ends = moment.row(f"SELECT min(position), max(position) FROM {table} WHERE dataset_id = %(d)s AND content = %(c)s")
    if ends is None or ends[0] is None:
        return
    sql = (
        "SELECT t.text FROM generate_series(%(first)s::int8, %(last)s::int8, %(step)s::int8) AS g (at) "
        "CROSS JOIN LATERAL (SELECT string_agg(CASE WHEN position = %(first)s THEN record "
        "ELSE coalesce(lead, %(gap)s) || record END, '' ORDER BY position) AS text "
        f"FROM {table} WHERE dataset_id = %(d)s AND content = %(c)s "
        "AND position >= g.at AND position < g.at + %(step)s::int8) AS t"
    )
    values = {"first": ends[0], "last": ends[1], "gap": gap, "step": _CHUNK * STRIDE}
    for (text,) in moment.stream(sql, values, size=1):
        if text:
            yield text


def _lacks_categories(moment: Moment) -> bool:
    """Whether the key is left out: programs that read COCO look for the category of each annotation where it is."""
    if moment.head.counts["categories"]:
        return False
    found = moment.one(
        "SELECT 1 FROM annotation WHERE dataset_id = %(d)s AND content = %(c)s AND category_id IS NULL LIMIT 1"
    )
    return found is not None


def _touched(moment: Moment, name: SectionName, revision: int) -> bool:
    found = moment.one(
        "SELECT 1 FROM history WHERE dataset_id = %(d)s AND section = %(section)s AND revision > %(revision)s LIMIT 1",
        {"section": CODES[name], "revision": revision},
    )
    return found is not None


def _values_at(moment: Moment, revision: int) -> dict[str, bytes | None]:
    """Top-level values that later changes gave other texts, as they were."""
    found: dict[str, bytes | None] = {}
    for key, before in moment.rows(
        "SELECT key, before FROM value_history WHERE dataset_id = %(d)s AND revision > %(revision)s "
        "ORDER BY revision, seq",
        {"revision": revision},
    ):
        found.setdefault(msgspec.json.decode(key, type=str), before)
    return found
