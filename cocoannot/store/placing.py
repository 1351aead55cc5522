"""Where records go that are put back into the middle of a section. Which they are is decided elsewhere."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable
from typing import NamedTuple

from cocoannot.coco.parser import SectionName
from cocoannot.store.base import Lookup

STRIDE = 1 << 20
"""How far the positions of neighbours are apart at first."""


class NoRoom(Exception):
    """There is no position left between two records of `section`: its positions are to be numbered anew."""

    def __init__(self, section: SectionName) -> None:
        super().__init__(section)
        self.section = section


def between(section: SectionName, before: int | None, after: int, share: int) -> int:
    """A position between two neighbours that leaves room for the last of `share` records. Raises `NoRoom`."""
    if before is None:
        return after - STRIDE * share
    if after - before <= share:
        raise NoRoom(section)
    return before + (after - before) // (share + 1)


class Wanted(NamedTuple):
    """A record, and how many others are to be before it in the end."""

    rank: int
    record_id: int


class Given(NamedTuple):
    """What a record gets, its rank as `index`: see `cocoannot.changes.change.Edit`; `None` twice for the end."""

    record_id: int
    position: int | None
    rank: int | None


def give_places(
    lookup: Lookup, section: SectionName, wanted: Iterable[Wanted], gone: Collection[int], added: Collection[int]
) -> list[Given]:
    """A place for each of `wanted`, in the order in which they come, when all others are where they are to be.

    `gone` are the positions of records that the same change deletes, `added` of those that it adds at the end.
    """
    others = _Others(lookup, section, gone, added)
    given: list[Given] = []
    before: int | None = None
    # How many others come before each, and where it is in the end.
    ranked: list[tuple[int, int, int]] = []
    for record_id, index in sorted(((each.record_id, each.rank) for each in wanted), key=lambda each: each[1]):
        number = min(max(index - len(ranked), ranked[-1][0] if ranked else 0), others.count)
        ranked.append((number, number + len(ranked), record_id))
    left = Counter(number for number, _, _ in ranked)
    positions = others.positions([number for rank, _, _ in ranked for number in (rank - 1, rank)])
    for at, (number, index, record_id) in enumerate(ranked):
        neighbour, after = positions[number - 1], positions[number]
        if at == 0 or ranked[at - 1][0] != number:
            before = neighbour
        position = lookup.position_between(section, before, after, record_id, left[number])
        left[number] -= 1
        given.append(Given(record_id, position, None if position is None else index))
        before = before if position is None else position
    return given


class _Others:
    """The records that are there in the end without those that are put back."""

    def __init__(self, lookup: Lookup, section: SectionName, gone: Collection[int], added: Collection[int]) -> None:
        self._lookup = lookup
        self._section = section
        self._added = sorted(added)
        self._gone = sorted(lookup.rank(section, position) for position in gone)
        self._stored = lookup.rank(section, lookup.next_place(section).position) - len(gone)
        self.count = self._stored + len(added)

    def positions(self, numbers: Iterable[int]) -> dict[int, int | None]:
        """The positions of these, by number from 0; `None` for what is before the first and behind the last."""
        found: dict[int, int | None] = {}
        stored = []
        skipped = 0
        for number in sorted(set(numbers)):
            if not 0 <= number < self.count:
                found[number] = None
            elif number >= self._stored:
                found[number] = self._added[number - self._stored]
            else:
                while skipped < len(self._gone) and self._gone[skipped] <= number + skipped:
                    skipped += 1
                stored.append((number, number + skipped))
        positions = self._lookup.positions_at(self._section, [index for _, index in stored])
        found.update((number, position) for (number, _), position in zip(stored, positions, strict=True))
        return found
