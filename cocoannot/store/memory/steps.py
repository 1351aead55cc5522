"""What a change does to the tables, prepared before their lock is taken: many records at once, where there are many.

    Edit         one record, as always
    Additions    many new ones at the end of a section
    Removals     many that go
    Returns      many that come back to the places that they had

What is prepared is for the tables that it was prepared with, while nobody changes them. Nothing is changed here.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from itertools import groupby
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from cocoannot.changes.change import Edit
from cocoannot.coco.parser import Ints, Keys, SectionName, read_all_keys, read_arrays

MANY = 2_000
"""So many edits of one kind in a row are made at once."""


class Additions(NamedTuple):
    """New records of a section, in order: their texts, what the index needs of each, and the same as columns."""

    section: SectionName
    texts: list[bytes]
    keys: list[Keys]
    columns: Mapping[str, npt.NDArray[Any]]


class Removals(NamedTuple):
    """Records of a section that go: their slots and ids, shape (records,)."""

    section: SectionName
    slots: Ints
    ids: list[int]


class Returns(NamedTuple):
    """Records that come back to empty slots; the rest is as for `Additions`."""

    section: SectionName
    slots: Ints
    texts: list[bytes]
    keys: list[Keys]
    columns: Mapping[str, npt.NDArray[Any]]


Step = Edit | Additions | Removals | Returns
FindSlot = Callable[[Edit], int | None]


def steps_of(edits: Iterable[Edit], find_slot: FindSlot) -> list[Step]:
    """What `edits` do, in order; `find_slot` gives the slot of a record that is there, or was there before.

    It gives `None` for a record that was there and has no slot any more.
    """
    runs = [(kind, list(run)) for kind, run in groupby(edits, key=_kind)]
    # Only where nothing else is done in the section, so that what is prepared still holds then.
    runs_of = Counter(section for (section, _), _ in runs)
    found: list[Step] = []
    for (section, action), run in runs:
        if len(run) < MANY or action == "updated" or runs_of[section] > 1:
            found += run
            continue
        texts = [edit.after for edit in run if edit.after is not None]
        keys = read_all_keys(section, texts)
        columns = read_arrays(keys, section)
        if action == "added":
            found.append(Additions(section, texts, keys, columns))
            continue
        slots = [find_slot(edit) for edit in run]
        if None in slots:
            # Places have to be made first, and then all slots have other numbers.
            return [edit for _, each in runs for edit in each]
        known = np.array(slots, np.int64)
        if action == "deleted":
            found.append(Removals(section, known, [edit.record_id for edit in run]))
        else:
            found.append(Returns(section, known, texts, keys, columns))
    return found


def _kind(edit: Edit) -> tuple[SectionName, str]:
    """What edits that are made at once have in common."""
    if edit.before is not None or edit.after is None:
        return edit.section, edit.action
    return edit.section, "added" if edit.index is None else "returned"
