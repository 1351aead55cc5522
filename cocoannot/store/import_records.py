"""New records that an import brings: their ids, their texts as records here are written, and their edits."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from cocoannot.changes.change import Edit
from cocoannot.coco.incoming import Incoming
from cocoannot.coco.parser import MAX_ID, SECTIONS, SectionName
from cocoannot.coco.records import merge, renumber
from cocoannot.errors import Conflict
from cocoannot.store.base import Lookup

_NOTHING: Mapping[str, Any] = {}


class NewRecords:
    """The edits that add records of `theirs`, each at the end of its section."""

    def __init__(self, theirs: Incoming, lookup: Lookup) -> None:
        self.edits: list[Edit] = []
        self.counts: dict[SectionName, int] = dict.fromkeys(SECTIONS, 0)
        self._lookup = lookup
        self._styles = {name: (theirs.styles[name], lookup.style(name)) for name in SECTIONS}

    def add(
        self,
        section: SectionName,
        record_id: int,
        text: bytes,
        ids: Mapping[str, int],
        changes: Mapping[str, Any] = _NOTHING,
    ) -> None:
        """Add a record: `text` with other `ids` in fields that have some, and with `changes`."""
        theirs, ours = self._styles[section]
        if ids:
            text = renumber(text, ids, theirs)
        if changes:
            text = merge(text, changes, theirs)
        if ours != theirs:
            text = ours.lay_out(msgspec.json.format(text, indent=-1))
        place = self._lookup.next_place(section, self.counts[section])
        self.counts[section] += 1
        self.edits.append(Edit(section, record_id, place.position, None, text))


class FreeIds:
    """Ids for new records: theirs where nobody has it, else one that nobody ever had here, nor has in their file."""

    def __init__(self, section: SectionName, theirs: Iterable[int], lookup: Lookup) -> None:
        self._section = section
        self._theirs = frozenset(theirs)
        self._taken = lookup.ids_there(section, self._theirs)
        self._given: set[int] = set()
        self._next = lookup.next_place(section).record_id

    def give(self, their_id: int) -> int:
        """The id here. Raises `Conflict` where there is none left."""
        record_id = their_id
        if record_id in self._given or record_id in self._taken:
            while self._next in self._theirs or self._next in self._given:
                self._next += 1
            record_id = self._next
            if record_id > MAX_ID:
                raise Conflict(
                    f"nothing was imported: {self._section} have used the largest id there is, {MAX_ID}; give the "
                    "records of the file ids that are free here"
                )
        self._given.add(record_id)
        return record_id
