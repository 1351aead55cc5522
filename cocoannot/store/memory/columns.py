"""Columns of numbers that grow together, and two indexes over them: by id, and by image. No records, no text."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from cocoannot.coco.parser import NONE, Ints

Array = npt.NDArray[Any]


class Columns:
    """Arrays of one length, by name, to which rows can be appended; that costs the same at any length."""

    def __init__(self, **arrays: Array) -> None:
        self._arrays = arrays
        self._length = self._room = len(next(iter(arrays.values())))
        self.cells: dict[str, Any] = {name: array.data for name, array in arrays.items()}
        """Each column for one value at a time, which takes a quarter of the time that the array does."""

    def __len__(self) -> int:
        return self._length

    def __getitem__(self, name: str) -> Array:
        """The values of a column as a view: shape (length,), to be used before the next append."""
        return self._arrays[name][: self._length]

    def append(self, *values: float) -> int:
        """Add a row, its values in the order of the columns; returns its place."""
        row = self._length
        if row == self._room:
            self._grow()
        for cells, value in zip(self.cells.values(), values, strict=True):
            cells[row] = value
        self._length += 1
        return row

    def extend(self, **arrays: Array) -> None:
        """Add many rows, the values of each column as an array."""
        number = len(next(iter(arrays.values())))
        if self._length + number > self._room:
            self._grow(number)
        for name, array in arrays.items():
            self._arrays[name][self._length : self._length + number] = array
        self._length += number

    def keep(self, rows: Ints) -> None:
        """Leave these rows alone, in this order; -1 stands for a new one, of zeros."""
        known = rows >= 0
        arrays = {name: np.zeros(len(rows), array.dtype) for name, array in self._arrays.items()}
        for name, array in arrays.items():
            array[known] = self._arrays[name][rows[known]]
        self._arrays = arrays
        self._length = self._room = len(rows)
        self.cells = {name: array.data for name, array in self._arrays.items()}

    def _grow(self, number: int = 1) -> None:
        more = max(self._length // 8 + 1024, number)
        self._arrays = {
            name: np.concatenate([array, np.zeros(more, array.dtype)]) for name, array in self._arrays.items()
        }
        self._room += more
        self.cells = {name: array.data for name, array in self._arrays.items()}


_FEW = 150_000
"""So many ids have a dict, which finds one in a fifth of the time, and takes 100 bytes for each instead of 12."""


class IdIndex:
    """Slots by id. Many that were there at the start are a sorted array; few of them, and what came later, a dict."""

    def __init__(self, ids: Ints) -> None:
        self._added: dict[int, int] = {}
        if len(ids) <= _FEW:
            self._added = dict(zip(ids.tolist(), range(len(ids)), strict=True))
            if len(self._added) == len(ids):
                ids = ids[:0]
            else:
                # A file that repeats an id.
                self._added = {}
        order = np.argsort(ids, kind="stable")
        self._sorted = ids[order].data
        self._slots = (order.astype(np.int32) if len(ids) < 2**31 else order).data
        self._largest = self._sorted[-1] if len(ids) else NONE
        self._gone: set[int] = set()
        # Further slots of an id that came later: copies that a file had, put back.
        self._copies: dict[int, list[int]] = {}

    def slots(self, record_id: int) -> list[int]:
        """Every slot that holds `record_id`: none, one, or more where a file repeats an id."""
        if record_id == NONE:
            return []
        found = []
        if record_id <= self._largest:
            i = bisect_left(self._sorted, record_id)
            while i < len(self._sorted) and self._sorted[i] == record_id:
                slot = self._slots[i]
                if slot not in self._gone:
                    found.append(slot)
                i += 1
        if (added := self._added.get(record_id)) is not None:
            found.append(added)
            if self._copies:
                found += self._copies.get(record_id, ())
        return found

    def add(self, record_id: int, slot: int) -> None:
        if self._added.setdefault(record_id, slot) != slot:
            self._copies.setdefault(record_id, []).append(slot)

    def extend(self, record_ids: Sequence[int], first: int) -> None:
        """The slots from `first` on hold these."""
        if self._added.keys().isdisjoint(record_ids) and len(set(record_ids)) == len(record_ids):
            self._added.update(zip(record_ids, range(first, first + len(record_ids)), strict=True))
            return
        for slot, record_id in enumerate(record_ids, start=first):
            self.add(record_id, slot)

    def remove(self, record_id: int, slot: int) -> None:
        copies = self._copies.get(record_id, [])
        if slot in copies:
            copies.remove(slot)
        elif self._added.get(record_id) != slot:
            self._gone.add(slot)
        elif copies:
            self._added[record_id] = copies.pop(0)
        else:
            del self._added[record_id]

    def revive(self, record_id: int, slot: int) -> None:
        """The slot of a record that was removed holds it again."""
        if slot in self._gone:
            self._gone.remove(slot)
        else:
            self.add(record_id, slot)

    def repeated(self) -> list[int]:
        """The ids that there were more than once at the start, ascending."""
        ids: Ints = np.asarray(self._sorted)
        return sorted({*ids[1:][ids[1:] == ids[:-1]].tolist()} - {NONE})


class SlotsByImage:
    """The slots of each image's annotations, in file order; an image that changes gets a dict of its own.

    `alive` tells which slots of `image_ids` hold annotations, `None` for all of them.
    """

    def __init__(self, image_ids: Ints, alive: npt.NDArray[np.bool_] | None = None) -> None:
        order = np.argsort(image_ids, kind="stable")
        if alive is not None:
            order = order[alive[order]]
        self._sorted = image_ids[order].data
        self._slots = (order.astype(np.int32) if len(image_ids) < 2**31 else order).data
        self._own: dict[int, dict[int, None]] = {}

    def slots(self, image_id: int) -> list[int]:
        own = self._own.get(image_id)
        if own is not None:
            # A record that was moved to another image and back stands at the end of the dict.
            return sorted(own)
        return self._original(image_id)

    def count(self, image_id: int) -> int:
        own = self._own.get(image_id)
        return len(self._original(image_id)) if own is None else len(own)

    def add(self, image_id: int, slot: int) -> None:
        own = self._own.get(image_id)
        if own is None:
            own = self._own[image_id] = dict.fromkeys(self._original(image_id))
        own[slot] = None

    def remove(self, image_id: int, slot: int) -> None:
        own = self._own.get(image_id)
        if own is None:
            own = self._own[image_id] = dict.fromkeys(self._original(image_id))
        del own[slot]
        if not own and not self._original(image_id):
            del self._own[image_id]

    def _original(self, image_id: int) -> list[int]:
        start = bisect_left(self._sorted, image_id)
        slots: list[int] = self._slots[start : bisect_right(self._sorted, image_id, start)].tolist()
        return slots
