"""Which of the kept changes led to the dataset as it is. Revisions can be given again, and must not be mixed up then.

A stretch is changes that follow one another. A new one begins where it can't be proven that revisions follow the ones
before: the first start, a file that something else wrote, changes that a crash of the machine took, a history that was
away. Where it begins at a revision that an older one has too, what the older one has from there on does not count any
more: it stays in the file, unread.

    older stretch    1  2  3  4  5
    newer one                 4  5  6 ...       counts: 1 2 3 of the older, all of the newer

It is `joined` to the older one where its first change was made on what that had come to; else nothing is known of the
dataset between the two. A lineage (`cocoannot.files.lineage`) is what others are told: where revisions are given again
it ends too, and where the machine went down it may end though no change was lost.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import NamedTuple

from cocoannot.changes.change import Change
from cocoannot.history.blocks import Head, unpack_heads
from cocoannot.history.database import checked

FOREVER = 2**63 - 1


class Span(NamedTuple):
    """What counts of one stretch: the edits from `start` up to, not including, `end`; its first change made, or would
    make, `revision`."""

    start: int
    end: int
    revision: int
    joined: bool


class Beginning(NamedTuple):
    """A stretch that is to begin with the change that makes `revision`, and why.

    `repeats` tells that revisions are given again that others were told of, `is_first` that there was none before.
    """

    revision: int
    joined: bool
    reason: str
    repeats: bool = False
    is_first: bool = False


def spans(database: sqlite3.Connection) -> list[Span]:
    """What counts of each stretch, oldest first. Raises `sqlite3.Error`, `DamagedHistory`."""
    found: list[Span] = []
    end = ceiling = FOREVER
    rows = database.execute("SELECT edit, revision, joined FROM stretch ORDER BY rowid DESC").fetchall()
    for start, revision, joined in checked(rows, list[tuple[int, int, int]]):
        if revision < ceiling:
            counted = first_after(database, ceiling - 1, start, end)
            found.append(Span(start, counted, revision, bool(joined)))
            ceiling = revision
        end = start
    return found[::-1]


def first_after(database: sqlite3.Connection, revision: int, start: int, end: int) -> int:
    """The number of the first change after `revision` among the edits of one stretch, from `start` up to `end`; `end`
    where there is none. Raises `sqlite3.Error`, `DamagedHistory`."""
    # Revisions go up with the edits, so that no index is needed, which would take a twentieth of the file.
    newest: int | None = database.execute("SELECT max(edit) FROM change WHERE edit < ?", (end,)).fetchone()[0]
    low, high = start, start if newest is None else newest + 1
    found = end
    while low < high:
        middle = (low + high) // 2
        row = database.execute(
            "SELECT edit, revision FROM change WHERE edit >= ? ORDER BY edit LIMIT 1", (middle,)
        ).fetchone()
        edit, at = checked(row, tuple[int, int])
        if at > revision:
            found, high = edit, middle
        else:
            low = edit + 1
    return found


def last_revision(database: sqlite3.Connection, counted: Sequence[Span]) -> int:
    """The newest revision that is kept, or what the first change of the newest stretch follows.

    Raises `sqlite3.Error`, `DamagedHistory`.
    """
    start, end, revision, _ = counted[-1]
    row = database.execute(
        "SELECT revision FROM change WHERE edit >= ? AND edit < ? ORDER BY edit DESC LIMIT 1", (start, end)
    ).fetchone()
    return checked(row, tuple[int])[0] if row else revision - 1


def next_edit(database: sqlite3.Connection) -> int:
    """The number of the next edit, which no other had in any stretch. Raises `sqlite3.Error`, `DamagedHistory`."""
    row = database.execute("SELECT edit, heads FROM change ORDER BY edit DESC LIMIT 1").fetchone()
    if row is None:
        return 0
    edit, heads = checked(row, tuple[int, bytes])
    return edit + numbers_of(unpack_heads(heads))


def numbers_of(heads: Sequence[Head]) -> int:
    """How many numbers a change takes: one for each edit, and one where it has none."""
    return max(1, len(heads))


def find_beginning(
    database: sqlite3.Connection, changes: Sequence[Change], revision: int, *, known: bool
) -> Beginning | None:
    """The stretch that has to begin at a start, `None` where the newest one goes on.

    `changes` are those that the journal has, one after the other up to the dataset's `revision`; `known` is false for
    a file that something else wrote. Raises `sqlite3.Error`, `DamagedHistory`.
    """
    first = changes[0].revision if changes else revision + 1
    counted = spans(database)
    if not counted:
        return Beginning(first, False, "the history begins here", is_first=True)
    last = last_revision(database, counted)
    if not known:
        return Beginning(revision + 1, False, "something else wrote the file")
    lost = min(_first_other(database, counted, changes) or FOREVER, revision + 1)
    if last >= lost:
        return Beginning(lost, lost > counted[-1].revision, f"what was made after revision {lost - 1} was lost", True)
    missing = max(first, last + 1) if changes else revision + 1
    if missing > last + 1:
        return Beginning(missing, False, f"the changes after revision {last} are not known")
    return None


def begin(database: sqlite3.Connection, beginning: Beginning, now: float) -> None:
    """Write down that a stretch begins. Raises `sqlite3.Error`, `DamagedHistory`."""
    database.execute(
        "INSERT INTO stretch (edit, revision, time, reason, joined) VALUES (?, ?, ?, ?, ?)",
        (next_edit(database), beginning.revision, now, beginning.reason, beginning.joined),
    )


def _first_other(database: sqlite3.Connection, counted: Sequence[Span], changes: Sequence[Change]) -> int | None:
    """The first of `changes` whose revision the history has for another change."""
    if not changes:
        return None
    start, end = counted[-1].start, counted[-1].end
    first = first_after(database, changes[0].revision - 1, start, end)
    rows = database.execute("SELECT revision, time FROM change WHERE edit >= ? AND edit < ?", (first, end))
    times = dict(checked(rows.fetchall(), list[tuple[int, float]]))
    return next((change.revision for change in changes if times.get(change.revision, change.time) != change.time), None)
