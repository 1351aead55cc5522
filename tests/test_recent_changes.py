"""The latest changes, as memory keeps them: found by their revisions, of which some are those of no change."""

from __future__ import annotations

from cocoannot.changes.change import Change, Edit
from cocoannot.store.memory.recent_changes import MOST_BYTES, MOST_CHANGES, RecentChanges


def keep(start: int, revisions: list[int], text: bytes | None = None) -> RecentChanges:
    recent = RecentChanges(start)
    for revision in revisions:
        recent.add(Change(revision, 0.0, None, None, (Edit("annotations", revision, 0, None, text),)))
    return recent


def revisions_in(changes: list[Change] | None) -> list[int] | None:
    return None if changes is None else [change.revision for change in changes]


def test_changes_are_found_by_their_revisions_where_some_are_those_of_no_change() -> None:
    recent = keep(10, [11, 12, 15, 16])
    assert [revisions_in(recent.since(revision)) for revision in (9, 10, 12, 13, 14, 15, 16, 99)] == [
        None,
        [11, 12, 15, 16],
        [15, 16],
        [15, 16],
        [15, 16],
        [16],
        [],
        [],
    ]
    found = [recent.get(revision) for revision in (10, 11, 13, 14, 15, 16, 17)]
    assert [change and change.revision for change in found] == [None, 11, None, None, 15, 16, None]


def test_the_oldest_go_where_there_are_too_many() -> None:
    recent = keep(0, list(range(1, MOST_CHANGES + 3)))
    assert revisions_in(recent.since(1)) is None
    assert revisions_in(recent.since(2)) == list(range(3, MOST_CHANGES + 3))
    assert (recent.get(2), len(recent.all())) == (None, MOST_CHANGES)


def test_the_oldest_go_where_their_texts_are_too_large() -> None:
    recent = keep(0, [1, 2, 3], b"x" * (MOST_BYTES // 2))
    assert revisions_in(recent.all()) == [2, 3]
    assert revisions_in(recent.since(0)) is None
