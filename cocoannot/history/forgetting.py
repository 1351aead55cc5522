"""Forgetting what is too old, a portion at a time. What is too old is for others to say."""

from __future__ import annotations

import sqlite3

from cocoannot.history.blocks import unpack_heads
from cocoannot.history.database import checked, transaction
from cocoannot.history.work import day_number

PORTION = 500
"""How many changes are forgotten at once: others may write in between."""

_PAGES = 500
"""Pages of the file, of 8 KiB, that are given back at once."""


def forget(database: sqlite3.Connection, moment: float) -> bool:
    """Forget the oldest changes that were made before `moment`, a portion of them; returns whether there may be more.

    The newest change stays: what comes next is numbered by it. Raises `sqlite3.Error`, `DamagedHistory`.
    """
    found = database.execute(
        "SELECT edit, time, heads FROM change WHERE edit < (SELECT max(edit) FROM change) ORDER BY edit LIMIT ?",
        (PORTION,),
    )
    rows = checked(found.fetchall(), list[tuple[int, float, bytes]])
    # Only while one follows the other: a clock that was set back must not tear a hole.
    count = next((number for number, row in enumerate(rows) if row[1] >= moment), len(rows))
    if count:
        with transaction(database):
            for edit, _, data in rows[:count]:
                _forget_change(database, edit, data)
            _forget_rest(database, moment)
    # As a script: of a statement without rows, Python takes the first step only, which is one page.
    database.executescript(f"PRAGMA incremental_vacuum({_PAGES})")
    return count == PORTION


def _forget_change(database: sqlite3.Connection, edit: int, data: bytes) -> None:
    heads = unpack_heads(data)
    database.executemany(
        "DELETE FROM version WHERE section = ? AND id = ? AND change = ?",
        {(head.section, head.record_id, edit) for head in heads},
    )
    database.executemany(
        "DELETE FROM touched WHERE image = ? AND change = ?",
        {(image_id, edit) for head in heads for image_id in head.images},
    )
    database.execute("DELETE FROM change WHERE edit = ?", (edit,))


def _forget_rest(database: sqlite3.Connection, moment: float) -> None:
    """Forget what no change needs any more: texts, names, the work of days that are over."""
    oldest = database.execute("SELECT min(edit) FROM change").fetchone()[0]
    # The block that the oldest edit is in has texts of older ones too, until that goes.
    database.execute("DELETE FROM block WHERE edit < (SELECT max(edit) FROM block WHERE edit <= ?)", (oldest,))
    database.execute("DELETE FROM work WHERE day < ?", (day_number(moment),))
    database.execute(
        "DELETE FROM user WHERE NOT EXISTS (SELECT 1 FROM change WHERE change.user = user.id) "
        "AND NOT EXISTS (SELECT 1 FROM work WHERE work.user = user.id)"
    )
