"""What two sides did to the records of one section since one that both knew. What comes of it is not decided here.

Records are compared by their texts, in blocks, and by their values only where the texts are others: a tool that wrote
the file anew has changed nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain, pairwise
from typing import NamedTuple

import msgspec
import numpy as np

from cocoannot.coco.parser import NONE, NOUNS, Document, Ints, SectionName
from cocoannot.coco.records import Record
from cocoannot.errors import DatasetError
from cocoannot.merge.fields import same_value

_BLOCK = 512
_BOOLEANS = (b"true", b"false")


class Records:
    """The records of one section of a file by id; `slots` count them in file order.

    `owner` says in errors whose file it is. Raises `DatasetError` where an id is there twice.
    """

    def __init__(self, document: Document, section: SectionName, owner: str) -> None:
        found = document.sections[section]
        self.ids: Ints = found.keys["id"]
        self._buffer, self.starts, self.ends = document.buffer, found.starts, found.ends
        self._order = np.argsort(self.ids, kind="stable")
        self._sorted = self.ids[self._order]
        twice = self._sorted[1:][self._sorted[1:] == self._sorted[:-1]]
        if len(twice):
            raise DatasetError(
                f"{owner}: {NOUNS[section]} id {int(twice[0])} is there more than once, so it can't be merged; "
                "`flask check FILE --fix OUT` writes a repaired copy where it is certain what is right"
            )

    def slots_of(self, ids: Ints) -> Ints:
        """The slot of the record with each of `ids`, -1 where there is none; shape (ids,)."""
        if not len(self._sorted):
            return np.full(len(ids), -1)
        at = np.minimum(self._sorted.searchsorted(ids), len(self._sorted) - 1)
        slots: Ints = np.where(self._sorted[at] == ids, self._order[at], -1)
        return slots

    def text(self, slot: int) -> bytes:
        """The record's text."""
        return self._buffer[self.starts[slot] : self.ends[slot]]

    def texts(self, slots: Ints) -> dict[int, bytes]:
        """The texts of records by id, in the order of `slots`."""
        return {int(self.ids[slot]): self.text(slot) for slot in slots.tolist()}

    def block(self, first: int, last: int) -> bytes:
        """The text from one record to another, both included."""
        return self._buffer[self.starts[first] : self.ends[last]]


class Differences(NamedTuple):
    """Records by id: what each side made of those in `base`, `None` for deleted; and those that each side added.

    Of a record that one side left as it was, that side has no entry.
    """

    base: dict[int, bytes]
    ours: dict[int, bytes | None]
    theirs: dict[int, bytes | None]
    our_new: dict[int, bytes]
    their_new: dict[int, bytes]


def find_differences(base: Records, ours: Records, theirs: Records) -> Differences:
    """What `ours` and `theirs` made of `base`."""
    our_changes, our_new = _changes(base, ours)
    their_changes, their_new = _changes(base, theirs)
    touched = np.array([*{**our_changes, **their_changes}], np.int64)
    return Differences(base.texts(base.slots_of(touched)), our_changes, their_changes, our_new, their_new)


def find_differences_of_two(
    ours: Records, theirs: Records, section: SectionName, others: frozenset[int]
) -> Differences:
    """The same where no common version is known: what only one side has was added, and nothing was deleted.

    A record that both have began with the fields that are the same on both sides. Where its name is another one, or its
    id is in `others`, it is not the same record.
    """
    found = Differences({}, {}, {}, ours.texts(_missing(ours, theirs)), theirs.texts(_missing(theirs, ours)))
    own = others.intersection(ours.ids.tolist(), theirs.ids.tolist()) if others else ()
    apart = np.array([*own], np.int64)
    pairs = zip(ours.slots_of(apart).tolist(), theirs.slots_of(apart).tolist(), strict=True)
    for our_slot, their_slot in chain(pairs, _changed_pairs(ours, theirs)):
        record_id, our_text, their_text = int(ours.ids[our_slot]), ours.text(our_slot), theirs.text(their_slot)
        if record_id in others or name_of(section, our_text) != name_of(section, their_text):
            found.our_new[record_id], found.their_new[record_id] = our_text, their_text
        else:
            found.base[record_id] = common_fields(our_text, their_text)
            found.ours[record_id], found.theirs[record_id] = our_text, their_text
    return found


def name_of(section: SectionName, text: bytes) -> object:
    """What people know an image or a category by, `None` for annotations, and where there is no such text."""
    key = {"images": "file_name", "categories": "name", "annotations": ""}[section]
    name = Record(text).get(key) if key else None
    return name if isinstance(name, str) and name else None


def common_fields(one: bytes, other: bytes) -> bytes:
    """The fields that two records have in common, as a record."""
    fields, others = Record(one), Record(other)
    same = {key: value for key, value in fields.items() if key in others and same_value(value, others[key])}
    return msgspec.json.encode(same)


def same_texts(one: bytes, other: bytes) -> bool:
    """Whether two JSON texts have the same value."""
    if one == other or msgspec.json.format(one, indent=-1) == msgspec.json.format(other, indent=-1):
        return True
    value, other_value = decoded(one), decoded(other)
    if value != other_value:
        return False
    # To Python, `True` is 1.
    return not any(word in text for word in _BOOLEANS for text in (one, other)) or same_value(value, other_value)


def decoded(text: bytes) -> object:
    """The value of a JSON text, whatever its numbers are."""
    return Record(b'{"value":%b}' % text)["value"]


def are_panoptic(document: Document) -> bool:
    """Whether the annotations are panoptic ones, which have no id."""
    return bool((document.sections["annotations"].keys["id"] == NONE).any())


def _changes(base: Records, side: Records) -> tuple[dict[int, bytes | None], dict[int, bytes]]:
    gone = base.ids[_missing(base, side)].tolist()
    changed = {int(side.ids[slot]): side.text(slot) for _, slot in _changed_pairs(base, side)}
    return {**changed, **dict.fromkeys(gone)}, side.texts(_missing(side, base))


def _missing(one: Records, other: Records) -> Ints:
    """The slots of the records that `other` has not."""
    return np.flatnonzero(other.slots_of(one.ids) < 0)


def _changed_pairs(one: Records, other: Records) -> Iterator[tuple[int, int]]:
    """The slots of the records that both have, and not alike."""
    there = other.slots_of(one.ids)
    slots = np.flatnonzero(there >= 0)
    for first, second in _pairs_of_other_texts(one, other, slots, there[slots]):
        if not same_texts(one.text(first), other.text(second)):
            yield first, second


def _pairs_of_other_texts(one: Records, other: Records, slots: Ints, there: Ints) -> Iterator[tuple[int, int]]:
    """Those of the pairs `slots`, `there` whose texts are others. Neighbours on both sides are compared as one text."""
    longer = one.ends[slots] - one.starts[slots] != other.ends[there] - other.starts[there]
    yield from zip(slots[longer].tolist(), there[longer].tolist(), strict=True)
    slots, there = slots[~longer], there[~longer]
    offsets = one.starts[slots] - other.starts[there]
    follows = (np.diff(slots) == 1) & (np.diff(there) == 1) & (np.diff(offsets) == 0)
    bounds = np.concatenate([[0], np.flatnonzero(~follows) + 1, [len(slots)]]).tolist()
    for begin, end in pairwise(bounds):
        for first in range(begin, end, _BLOCK):
            block = slice(first, min(first + _BLOCK, end))
            yield from _search(one, other, slots[block], there[block])


def _search(one: Records, other: Records, slots: Ints, there: Ints) -> Iterator[tuple[int, int]]:
    """The pairs of other texts among neighbours, by halves."""
    waiting = [(slots, there)]
    while waiting:
        slots, there = waiting.pop()
        if one.block(slots[0], slots[-1]) == other.block(there[0], there[-1]):
            continue
        if len(slots) == 1:
            yield int(slots[0]), int(there[0])
            continue
        half = len(slots) // 2
        waiting += [(slots[half:], there[half:]), (slots[:half], there[:half])]
