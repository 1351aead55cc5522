"""The ring of events: what fits, what goes, and what is put back before it. No thread, no socket."""

from __future__ import annotations

import pytest

from cocoannot.events.feed import Place, read_place
from cocoannot.events.ring import Ring
from cocoannot.events.texts import Event


def event(revision: int, size: int = 10) -> Event:
    return Event(revision, b"x" * size, None)


def filled(*revisions: int, most_events: int = 100, most_bytes: int = 1000) -> Ring:
    ring = Ring(most_events, most_bytes)
    for revision in revisions:
        ring.add(event(revision))
    return ring


def revisions(ring: Ring, since: int) -> list[int] | None:
    found = ring.since(since)
    return None if found is None else [each.revision for each in found]


def test_everything_after_a_revision_is_given_in_order() -> None:
    ring = filled(1, 2, 3, 5)
    assert revisions(ring, 0) == [1, 2, 3, 5]
    assert revisions(ring, 2) == [3, 5]
    # A revision that no change made.
    assert revisions(ring, 4) == [5]
    assert revisions(ring, 5) == revisions(ring, 9) == []
    assert (ring.floor, ring.newest) == (0, 5)


def test_the_oldest_go_where_there_are_too_many() -> None:
    ring = filled(*range(1, 8), most_events=3)
    assert (ring.floor, revisions(ring, 4), revisions(ring, 3)) == (4, [5, 6, 7], None)


def test_the_oldest_go_where_they_are_too_large() -> None:
    ring = filled(1, 2, 3, most_bytes=100)
    ring.add(event(4, 95))
    assert (ring.floor, revisions(ring, 3)) == (3, [4])


def test_images_of_an_event_take_room_too() -> None:
    ring = filled(1, most_bytes=965)
    ring.add(Event(2, b"", frozenset(range(15))))
    assert revisions(ring, 1) == [2]
    assert ring.floor == 1


def test_an_event_larger_than_the_ring_leaves_nothing() -> None:
    ring = filled(1, most_bytes=100)
    ring.add(event(2, 200))
    assert (ring.floor, ring.newest, revisions(ring, 1), revisions(ring, 2)) == (2, 2, None, [])


def test_what_nobody_wants_is_forgotten() -> None:
    ring = filled(1, 2)
    ring.clear(4)
    ring.add(event(3))
    ring.add(event(5))
    assert (revisions(ring, 4), revisions(ring, 2)) == ([5], None)


def test_what_was_before_can_be_put_back_once() -> None:
    ring = Ring(100, 1000)
    ring.clear(4)
    ring.add(event(5))
    assert not ring.put_before([event(3), event(4)], 3, 2), "the floor is another one"
    assert ring.put_before([event(3), event(4)], 4, 2)
    assert (ring.floor, revisions(ring, 2)) == (2, [3, 4, 5])
    assert not ring.put_before([event(2, 990)], 2, 1), "there is no room"
    assert revisions(ring, 2) == [3, 4, 5]


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("5d1f0c2a:42", Place("5d1f0c2a", 42)),
        ("42", Place("", 42)),
        ("0", Place("", 0)),
        ("", None),
        ("a1:", None),
        (":4", None),
        ("-1", None),
        ("a1:1_0", None),
        ("a1:٤", None),
        ("x y:1", None),
        ("9" * 40, None),
        ("4 ", None),
    ],
)
def test_places_are_read_strictly(text: str, place: Place | None) -> None:
    assert read_place(text) == place
