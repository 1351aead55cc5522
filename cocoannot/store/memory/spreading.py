"""Positions numbered anew, with room between all of them, where there is none left for a record that comes between."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec
import numpy as np

from cocoannot.changes.change import Change
from cocoannot.coco.parser import SectionName
from cocoannot.store.memory.tables import Tables
from cocoannot.store.placing import STRIDE


def spread(tables: Tables, section: SectionName, changes: Iterable[Change]) -> list[Change]:
    """Number the positions of `section` anew, in the same order; returns `changes` with them.

    Takes time linear in the number of records.
    """
    changes = list(changes)
    table = tables.by_section[section]
    named = [edit.position for change in changes for edit in change.edits if edit.section == section]
    # In the order of all that were ever there: records that are gone come back between the right ones.
    known = np.union1d(table.places.all(), np.array(named, np.int64))
    table.spread(known)
    new = dict(zip(named, (known.searchsorted(np.array(named, np.int64)) * STRIDE).tolist(), strict=True))
    return [_moved(change, section, new) for change in changes]


def _moved(change: Change, section: SectionName, new: dict[int, int]) -> Change:
    if all(edit.section != section for edit in change.edits):
        return change
    edits = [
        msgspec.structs.replace(edit, position=new[edit.position]) if edit.section == section else edit
        for edit in change.edits
    ]
    return msgspec.structs.replace(change, edits=tuple(edits))
