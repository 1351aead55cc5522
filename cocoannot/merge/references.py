"""What annotations refer to after a merge: they follow ids that are others now, and keep what they refer to.

Only ours follow: the ids that they gave stay as they are.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

import numpy as np

from cocoannot.coco.parser import AnnotationKeys, Document, Ints, SectionName, read_keys
from cocoannot.coco.records import merge
from cocoannot.coco.style import Style
from cocoannot.merge.differences import Differences, Records
from cocoannot.merge.records import MergedRecords
from cocoannot.merge.report import Conflict, Report

FIELDS: dict[SectionName, str] = {"images": "image_id", "categories": "category_id"}


def follow(ours: Document, moved: Mapping[SectionName, Mapping[int, int]], style: Style) -> dict[int, bytes]:
    """Our annotations that refer to ids that are `moved`, by their id, as they are to be then."""
    section = ours.sections["annotations"]
    changes: dict[int, dict[str, int]] = {}
    for name, new_ids in moved.items():
        column: Ints = section.keys[FIELDS[name]]
        for slot in _where(column, new_ids):
            changes.setdefault(slot, {})[FIELDS[name]] = new_ids[int(column[slot])]
    texts = {slot: ours.buffer[section.starts[slot] : section.ends[slot]] for slot in changes}
    own_ids = section.keys["id"]
    return {int(own_ids[slot]): merge(text, changes[slot], style) for slot, text in texts.items()}


def with_followers(found: Differences, texts: Mapping[int, bytes], ours: Records) -> Differences:
    """`found` with what became of our annotations whose references follow."""
    known = {record_id: text for record_id, text in texts.items() if record_id not in found.our_new}
    as_they_are = ours.texts(ours.slots_of(np.array([*known], np.int64)))
    return found._replace(
        base={**as_they_are, **found.base},
        ours={**found.ours, **known},
        our_new={record_id: texts.get(record_id, text) for record_id, text in found.our_new.items()},
    )


def keep_what_is_used(
    section: SectionName,
    ours: Document,
    found: Differences,
    merged: Mapping[SectionName, MergedRecords],
    report: Report,
) -> None:
    """Let images or categories stay that one side deleted and annotations of the other one refer to."""
    own = merged[section]
    deleted = {record_id for record_id, text in own.texts.items() if text is None}
    missing = {record_id for record_id, text in found.ours.items() if text is None and record_id not in own.added}
    for record_id in sorted(_used(section, ours, merged["annotations"], deleted | missing)):
        if record_id in deleted:
            del own.texts[record_id]
            report.counts[section].deleted_by_them -= 1
            report.conflicts.append(Conflict(section, record_id, "in_use", taken="ours"))
        else:
            own.added[record_id] = found.base[record_id]
            report.counts[section].deleted_by_us -= record_id not in found.theirs
            report.conflicts.append(Conflict(section, record_id, "in_use", taken="theirs"))


def _used(section: SectionName, ours: Document, annotations: MergedRecords, ids: Collection[int]) -> set[int]:
    """Those of `ids` that an annotation refers to after the merge."""
    if not ids:
        return set()
    field, keys = FIELDS[section], ours.sections["annotations"].keys
    column: Ints = keys[field]
    own_ids: Ints = keys["id"]
    used = {int(column[slot]) for slot in _where(column, ids) if int(own_ids[slot]) not in annotations.texts}
    for text in (*annotations.texts.values(), *annotations.added.values()):
        if text is not None:
            found = read_keys("annotations", text)
            assert isinstance(found, AnnotationKeys)
            used.add(getattr(found, field))
    return used & set(ids)


def _where(column: Ints, ids: Collection[int]) -> list[int]:
    """The slots whose value is one of `ids`."""
    slots: list[int] = np.flatnonzero(np.isin(column, np.array([*ids], np.int64))).tolist() if ids else []
    return slots
