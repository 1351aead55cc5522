"""Ids that more than one image or category has, and annotations refer to: each is for somebody to decide about."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from cocoannot.check.findings import EXAMPLES
from cocoannot.check.sections import Section
from cocoannot.coco.parser import NOUNS, Ints

_SHOWN = 20


class SharedId(NamedTuple):
    """`records` are places in the section, `names` what the first ones are called, `annotations` ids or places."""

    section: str
    id: int
    records: list[int]
    names: list[str]
    annotations: list[int | str]

    def as_json(self) -> dict[str, Any]:
        return self._asdict()

    def __str__(self) -> str:
        noun = NOUNS[self.section]
        names = ", ".join(self.names) + (", ..." if len(self.records) > len(self.names) else "")
        few = ", ".join(map(str, self.annotations[:_SHOWN])) + (", ..." if len(self.annotations) > _SHOWN else "")
        count = len(self.annotations)
        refer = "annotation refers" if count == 1 else "annotations refer"
        return f"{noun} id {self.id}: {len(self.records):,} records ({names}), and {count:,} {refer} to it" + (
            f" ({few})" if few else ""
        )


def find_shared(section: Section, ids: set[int], annotations: Section, references: Ints) -> list[SharedId]:
    """All that is known of the `ids` of a section that records share; `references` has one an annotation."""
    wanted = np.array(sorted(ids), np.int64)
    records = _positions(section.identity.ids, wanted)
    referring = _positions(references, wanted)
    found = []
    for record_id in wanted.tolist():
        places = [i for i in records[record_id] if i not in section.dropped]
        names = [section.label(i) for i in places[:EXAMPLES]]
        found.append(SharedId(section.name, record_id, places, names, annotations.named(referring[record_id])))
    return found


def _positions(column: Ints, wanted: Ints) -> dict[int, list[int]]:
    """Where each of the wanted values stands in a column."""
    at = np.flatnonzero(np.isin(column, wanted))
    order = at[np.argsort(column[at], kind="stable")]
    values = column[order]
    starts, ends = values.searchsorted(wanted, "left"), values.searchsorted(wanted, "right")
    return {int(each): order[start:end].tolist() for each, start, end in zip(wanted, starts, ends, strict=True)}
