"""Positions of the slots of a section: numbers that order all records that were ever there, with room between them."""

from __future__ import annotations

import numpy as np

from cocoannot.coco.parser import Ints
from cocoannot.store.placing import STRIDE


class Places:
    """The position of each of `slots` slots, ascending. `known` are those of the first ones; the others follow at
    `STRIDE`, so that the next one that is appended gets `next_position`."""

    def __init__(self, slots: int, known: Ints | None = None, next_position: int | None = None) -> None:
        self._slots = slots
        self._known = np.zeros(0, np.int64) if known is None else known
        self._distance = 0 if next_position is None else next_position - slots * STRIDE

    @property
    def next_position(self) -> int:
        """The position that the next record at the end gets."""
        return self._slots * STRIDE + self._distance

    @property
    def are_usual(self) -> bool:
        """Whether they are those of any file that was read for the first time."""
        return not len(self._known) and not self._distance

    def append(self, number: int = 1) -> None:
        """There are so many slots more, at the end."""
        self._slots += number

    def position(self, slot: int) -> int:
        """The position of one slot."""
        return int(self._known[slot]) if slot < len(self._known) else slot * STRIDE + self._distance

    def of(self, slots: Ints) -> Ints:
        """The positions of `slots`, which are ascending."""
        known = slots[: slots.searchsorted(len(self._known))]
        return np.concatenate([self._known[known], slots[len(known) :] * STRIDE + self._distance])

    def all(self) -> Ints:
        """The positions of all slots."""
        return self.of(np.arange(self._slots))

    def spread(self, known: Ints) -> Places:
        """The same slots, where each position is its rank among `known`, times `STRIDE`."""
        return Places(self._slots, known.searchsorted(self.all()) * STRIDE, len(known) * STRIDE)

    def first_slot(self, position: int) -> int:
        """The first slot at this position or behind it; the number of slots where there is none."""
        known = len(self._known)
        if known and position <= self._known[-1]:
            return int(self._known.searchsorted(position))
        return min(self._slots, max(known, -((self._distance - position) // STRIDE)))

    def slots_after(self, positions: Ints) -> Ints:
        """For each of `positions` the first slot behind it."""
        return np.array([self.first_slot(position + 1) for position in positions.tolist()], np.int64)

    def renumbered(self, slots: Ints) -> Places:
        """The positions of `slots` alone, in this order."""
        return Places(len(slots), self.of(slots), self.next_position)
