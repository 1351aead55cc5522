"""Which id each record of a section should have, and what references follow. Other fields are not known here."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from itertools import count
from typing import NamedTuple, TypeGuard

import numpy as np

from cocoannot.coco.fields import is_integer
from cocoannot.coco.parser import MAX_ID, NONE, Ints

_INTEGER = re.compile(r"-?\d{1,16}(?:\.0*)?")


class Identity(NamedTuple):
    """Ids as they should be. `ids` has one a record, `NONE` where a record may do without.

    `changed` are the records (by position) whose id is another one now, `copies` those that are an earlier one again.
    `repeated` are the positions of all that have the id of an earlier one, with that id. `renamed` gives the new id of
    what was no id; `free` are ids that nobody has.
    """

    ids: Ints
    changed: dict[int, int]
    copies: frozenset[int]
    repeated: dict[int, int]
    renamed: dict[str, int]
    free: Iterator[int]

    def resolve(self, reference: object) -> int | None:
        """The id that a reference which is no integer means, `None` where it means none."""
        found = self.renamed.get(_key(reference))
        return as_id(reference) if found is None else found

    def keep_repeated(self, position: int) -> None:
        """Give a record that has the id of an earlier one this id again: it is not certain which one is meant by it."""
        self.ids[position] = self.changed[position] = self.repeated[position]


def is_id(value: object) -> TypeGuard[int | float]:
    """Whether the server takes a JSON value for an id."""
    return is_integer(value) and abs(value) <= MAX_ID


def as_id(value: object) -> int | None:
    """The id that a JSON value is or writes out ("7", 7.0), `None` where it does not."""
    if isinstance(value, str) and _INTEGER.fullmatch(value.strip()):
        value = int(value.strip().partition(".")[0])
    return int(value) if is_id(value) else None


def identify(
    ids: Ints, odd: Mapping[int, object], is_same: Callable[[int, int], bool], *, references: bool = True
) -> Identity:
    """Give every record an id of its own. `odd` has, by position, what stands where an id should be.

    The first record with an integer keeps it; `is_same` tells whether two records are the same one. `references` tells
    that there may be references, so that what has the same text for an id has the same id.
    """
    ids = ids.copy()
    written = {position: written for position, value in odd.items() if (written := as_id(value)) is not None}
    soft = np.zeros(len(ids), np.bool_)
    for position, record_id in written.items():
        ids[position] = record_id
        soft[position] = True
    free = _free_ids(ids)
    changed = dict(written)
    renamed: dict[str, int] = {}
    for position in sorted(odd):
        key, record_id = _key(odd[position]), int(ids[position])
        if position not in written:
            again = references and odd[position] is not None and key in renamed
            record_id = renamed[key] if again else next(free)
            changed[position] = record_id
            ids[position] = record_id
            soft[position] = True
        if odd[position] is not None:
            renamed.setdefault(key, record_id)
    repeated, copies = {}, set()
    for position, keeper in _repeated(ids, soft):
        repeated[position] = int(ids[position])
        if is_same(position, keeper):
            copies.add(position)
    for position in repeated:
        if position not in copies:
            ids[position] = changed[position] = next(free)
    return Identity(ids, changed, frozenset(copies), repeated, renamed, free)


def _repeated(ids: Ints, soft: np.ndarray[tuple[int, ...], np.dtype[np.bool_]]) -> list[tuple[int, int]]:
    """The records that have the id of another one, each with the one that keeps it, in order."""
    order = np.lexsort((soft, ids))
    again = np.zeros(len(ids), np.bool_)
    again[1:] = (ids[order][1:] == ids[order][:-1]) & (ids[order][1:] != NONE)
    firsts = np.flatnonzero(~again)
    positions = np.flatnonzero(again)
    keepers = order[firsts[np.searchsorted(firsts, positions, "right") - 1]] if len(positions) else positions
    return sorted(zip(order[positions].tolist(), keepers.tolist(), strict=True))


def _free_ids(ids: Ints) -> Iterator[int]:
    """Ids that no record has: above the largest, and below it where there is no room above."""
    largest = max(0, int(ids.max())) if len(ids) else 0
    yield from range(largest + 1, MAX_ID + 1)
    taken = set(ids.tolist())
    yield from (record_id for record_id in count(1) if record_id not in taken)


def _key(value: object) -> str:
    return json.dumps(value, sort_keys=True)
