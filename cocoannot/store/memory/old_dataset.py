"""The dataset as it was: what is there now, with edits taken back, put together as a text. Which edits, others say.

What is in memory for it are numbers, about 50 bytes for a record that was changed since; the texts of these are in a
file without a name, unless they are few.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

import numpy as np

from cocoannot.changes.change import Edit, ValueEdit
from cocoannot.coco.parser import Ints, SectionName
from cocoannot.coco.serializer import Piece
from cocoannot.store.memory.tables import Tables

_IN_MEMORY = 16 << 20


class _Place(NamedTuple):
    """Where the text of a record is that was another one then, or is not there any more."""

    position: int
    start: int
    size: int


class _Columns(NamedTuple):
    """The records of a section as they are now, in file order: slots, ids and positions, shape (records,) each."""

    slots: Ints
    ids: Ints
    positions: Ints


class OldDataset:
    """Made under the lock of `tables`, which takes moments; used by one thread, outside it."""

    def __init__(self, tables: Tables) -> None:
        self._frozen = tables.freeze()
        self._now = {
            name: _Columns(table.slots(), table.ids(table.slots()), table.positions())
            for name, table in tables.by_section.items()
        }
        self._before: dict[SectionName, dict[int, _Place | None]] = {name: {} for name in tables.by_section}
        self._values: dict[str, bytes | None] = {}
        self._texts = tempfile.SpooledTemporaryFile(_IN_MEMORY)  # noqa: SIM115
        self._size = 0

    def take_back(self, edit: Edit | ValueEdit) -> None:
        """Take `edit` back; they come in the order in which they were made. Raises `OSError`."""
        if isinstance(edit, ValueEdit):
            self._values.setdefault(edit.key, edit.before)
            return
        before = self._before[edit.section]
        if edit.record_id in before:
            # Of several, the first one tells what was there.
            return
        if edit.before is None:
            before[edit.record_id] = None
            return
        before[edit.record_id] = _Place(edit.position, self._size, len(edit.before))
        self._texts.write(edit.before)
        self._size += len(edit.before)

    def pieces(self, records: Mapping[SectionName, Iterable[Piece]] | None = None) -> Iterator[Piece]:
        """The text, once, with these records of some sections instead of those that they had. Raises `OSError`."""
        try:
            touched = {name: self.records(name) for name, before in self._before.items() if before}
            omitted = self._frozen.omitted - self._before.keys() if self._before["categories"] else self._frozen.omitted
            own = {**self._frozen.own_values, **self._values}
            frozen = self._frozen._replace(omitted=omitted, own_values=own)
            yield from frozen.pieces_with({**touched, **(records or {})})
        finally:
            self.close()

    def close(self) -> None:
        """Let go of the file."""
        self._texts.close()

    def records(self, name: SectionName) -> Iterator[Piece]:
        """The texts of a section's records, in the order that they had. Raises `OSError`."""
        now, before, section = self._now[name], self._before[name], self._frozen.sections[name]
        changed = np.fromiter(before, np.int64, len(before))
        same = ~np.isin(now.ids, changed)
        places = sorted(place for place in before.values() if place is not None)
        old = np.array([place.position for place in places], np.int64)
        positions = np.concatenate([now.positions[same], old])
        slots = now.slots[same]
        for index in np.argsort(positions, kind="stable").tolist():
            if index < len(slots):
                yield section.text(int(slots[index]))
            else:
                place = places[index - len(slots)]
                self._texts.seek(place.start)
                yield self._texts.read(place.size)
