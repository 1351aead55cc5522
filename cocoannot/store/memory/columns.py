"""Columns of numbers that grow, and two indexes over them: by id, and by image. No records, no text."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from typing import Any

import numpy as np
import numpy.typing as npt

from cocoannot.coco.parser import NONE, Ints


class Column:
    """A one-dimensional array that can be appended to; appending costs the same at any length."""

    def __init__(self, values: npt.NDArray[Any]) -> None:
        self._data = values
        # For one value at a time it takes a quarter of the time that the array does.
        self._cells: Any = values.data
        self._length = self._room = len(values)

    def __len__(self) -> int:
        return self._length

    @property
    def values(self) -> npt.NDArray[Any]:
        """The values as a view: shape (length,), to be used before the next append."""
        return self._data[: self._length]

    def __getitem__(self, slot: int) -> int:
        value: int = self._cells[slot]
        return value

    def __setitem__(self, slot: int, value: float) -> None:
        self._cells[slot] = value

    def append(self, value: float) -> None:
        if self._length == self._room:
            more = np.zeros(self._length // 8 + 1024, self._data.dtype)
            self._data = np.concatenate([self._data, more])
            self._cells, self._room = self._data.data, len(self._data)
        self._cells[self._length] = value
        self._length += 1


class IdIndex:
    """Slots by id. What was there at the start is a sorted array, what came later a dict."""

    def __init__(self, ids: Ints) -> None:
        order = np.argsort(ids, kind="stable")
        self._sorted = ids[order].data
        self._slots = (order.astype(np.int32) if len(ids) < 2**31 else order).data
        self._largest = self._sorted[-1] if len(ids) else NONE
        self._gone: set[int] = set()
        self._added: dict[int, int] = {}

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
        return found

    def add(self, record_id: int, slot: int) -> None:
        self._added[record_id] = slot

    def remove(self, record_id: int, slot: int) -> None:
        if self._added.get(record_id) == slot:
            del self._added[record_id]
        else:
            self._gone.add(slot)

    def repeated(self) -> Ints:
        """The ids that the array of the start holds more than once, ascending."""
        ids: Ints = np.asarray(self._sorted)
        twice = ids[1:][ids[1:] == ids[:-1]]
        return np.unique(twice[twice != NONE])


class Groups:
    """The slots of each image's annotations, in file order; an image that changes gets a dict of its own."""

    def __init__(self, image_ids: Ints) -> None:
        order = np.argsort(image_ids, kind="stable")
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
        self._changeable(image_id)[slot] = None

    def remove(self, image_id: int, slot: int) -> None:
        own = self._changeable(image_id)
        del own[slot]
        if not own and not self._original(image_id):
            del self._own[image_id]

    def _original(self, image_id: int) -> list[int]:
        start = bisect_left(self._sorted, image_id)
        slots: list[int] = self._slots[start : bisect_right(self._sorted, image_id, start)].tolist()
        return slots

    def _changeable(self, image_id: int) -> dict[int, None]:
        own = self._own.get(image_id)
        if own is None:
            own = self._own[image_id] = dict.fromkeys(self._original(image_id))
        return own
