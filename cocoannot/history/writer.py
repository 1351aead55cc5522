"""Adding changes to the history's file, each of them once, in transactions. When that is done is for others to say."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Any

import msgspec

from cocoannot.changes.change import Change
from cocoannot.history.blocks import (
    MOST_BYTES,
    MOST_EDITS,
    Texts,
    all_texts_of,
    heads_of,
    pack,
    pack_heads,
    unpack,
)
from cocoannot.history.database import checked, transaction
from cocoannot.history.stretches import Beginning, begin, last_revision, next_edit, numbers_of, spans
from cocoannot.history.work import Work

_AT_ONCE = 2000
"""How many changes go into one transaction."""
_ROWS = 200
"""How many rows go into one statement: between two of them the interpreter is let go of, and has to be waited for."""


Row = tuple[Any, ...]


class Writer:
    """Writes to an open history. One thread at a time may use it. Every method raises `sqlite3.Error` and
    `DamagedHistory`."""

    def __init__(self, database: sqlite3.Connection, beginning: Beginning | None, now: float) -> None:
        """Go on where the history ends, in a new stretch where one has to begin."""
        self._database = database
        if beginning is not None:
            with transaction(database):
                begin(database, beginning, now)
        counted = spans(database)
        self.revision = last_revision(database, counted)
        """The newest revision that is kept."""
        self._edit = next_edit(database)
        # The texts of the newest block, which has room for more, and its number.
        self._block, self._texts = self._last_block()
        self._users: dict[str, int] = {}

    def write(self, changes: Sequence[Change]) -> None:
        """Add `changes`, without those that are there already."""
        new = [change for change in changes if change.revision > self.revision]
        for at in range(0, len(new), _AT_ONCE):
            self._write(new[at : at + _AT_ONCE])

    def _write(self, changes: Sequence[Change]) -> None:
        database, edit = self._database, self._edit
        blocks = _Blocks(self._block, self._texts)
        rows: list[Row] = []
        versions: list[Row] = []
        touched: list[Row] = []
        work = Work()
        try:
            with transaction(database):
                revision = self.revision
                for change in changes:
                    if change.revision != revision + 1:
                        reason = f"the changes after revision {revision} were not kept"
                        _begin_amid(database, rows, Beginning(change.revision, False, reason), change.time)
                    revision = change.revision
                    heads = heads_of(change)
                    user = self._user(change.actor)
                    rows.append(
                        (
                            *(edit, revision, change.time, user, change.key, change.undoes, _replaced(change)),
                            pack_heads(heads),
                        )
                    )
                    versions += {(head.section, head.record_id, edit) for head in heads if not head.is_of_value}
                    touched += {(image_id, edit) for head in heads for image_id in head.images}
                    work.add(change)
                    for number, texts in enumerate(all_texts_of(change), start=edit):
                        blocks.add(number, texts)
                    edit += numbers_of(heads)
                _insert(database, "change", rows)
                # In one order, so that neighbours go to the same page.
                _insert(database, "version", sorted(versions))
                _insert(database, "touched", sorted(touched))
                _insert(database, "block", blocks.packed())
                self._write_work(work)
        except BaseException:
            # Some of those may have come with the transaction that was taken back.
            self._users = {}
            raise
        self.revision, self._edit = revision, edit
        self._block, self._texts = blocks.last()

    def forget_names(self) -> None:
        """Look the names of users up again: some may not be there any more."""
        self._users = {}

    def _write_work(self, work: Work) -> None:
        for (day, actor), counts in work.counts.items():
            self._database.execute(
                "INSERT INTO work (day, user, changes, annotations, images) VALUES (?, ?, ?, ?, ?) ON CONFLICT DO "
                "UPDATE SET changes = changes + excluded.changes, annotations = annotations + excluded.annotations, "
                "images = images + excluded.images",
                (day, self._user(actor) or 0, *counts),
            )

    def _user(self, name: str | None) -> int | None:
        if name is None:
            return None
        if name not in self._users:
            # One that UTF-8 can't write is kept in a form that it can.
            text = name.encode(errors="backslashreplace").decode()
            self._database.execute("INSERT OR IGNORE INTO user (name) VALUES (?)", (text,))
            found = self._database.execute("SELECT id FROM user WHERE name = ?", (text,)).fetchone()
            self._users[name] = checked(found, tuple[int])[0]
        return self._users[name]

    def _last_block(self) -> tuple[int, list[Texts]]:
        row = self._database.execute("SELECT edit, texts FROM block ORDER BY edit DESC LIMIT 1").fetchone()
        if row is None:
            return 0, []
        edit, block = checked(row, tuple[int, bytes])
        texts = unpack(block)
        # A change without texts has a number too, so that what comes after it begins another block.
        return (edit, texts) if edit + len(texts) == self._edit else (0, [])


class _Blocks:
    """Texts put together to blocks; the first of them goes on with the newest that is there."""

    def __init__(self, first: int, texts: Sequence[Texts]) -> None:
        self._first, self._texts = first, list(texts)
        self._size = sum(each.size for each in texts)
        self._rows: list[tuple[int, bytes]] = []
        self._added = False

    def add(self, edit: int, texts: Texts) -> None:
        """Put the texts of the edit with this number into a block."""
        full = len(self._texts) >= MOST_EDITS or self._size + texts.size > MOST_BYTES
        if self._texts and (full or edit != self._first + len(self._texts)):
            self._end()
        if not self._texts:
            self._first, self._size = edit, 0
        self._texts.append(texts)
        self._size += texts.size
        self._added = True

    def packed(self) -> list[tuple[int, bytes]]:
        """The blocks to be written, the one that has room for more as it is now."""
        return [*self._rows, *([(self._first, pack(self._texts))] if self._added else [])]

    def last(self) -> tuple[int, list[Texts]]:
        """The block that has room for more, and its number."""
        return self._first, self._texts

    def _end(self) -> None:
        if self._added:
            self._rows.append((self._first, pack(self._texts)))
        self._texts, self._added = [], False


def _begin_amid(database: sqlite3.Connection, rows: list[Row], beginning: Beginning, now: float) -> None:
    """Begin a stretch amid a transaction: what comes before it is written first, as it numbers what comes next."""
    _insert(database, "change", rows)
    rows.clear()
    begin(database, beginning, now)


def _insert(database: sqlite3.Connection, table: str, rows: Sequence[Row]) -> None:
    for at in range(0, len(rows), _ROWS):
        part = rows[at : at + _ROWS]
        row = f"({', '.join('?' * len(part[0]))})"
        values = [value for each in part for value in each]
        database.execute(f"INSERT OR REPLACE INTO {table} VALUES {', '.join([row] * len(part))}", values)


def _replaced(change: Change) -> str | None:
    return msgspec.json.encode(change.replaced).decode() if change.replaced else None
