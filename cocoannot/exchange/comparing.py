"""Two datasets compared: which records were added, changed by which fields, and deleted. Values count, not layout.

Records are the same by their id; those of an id that is there more than once are told apart by their texts. Panoptic
annotations, which have no id, are known by their image.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

import msgspec

from cocoannot.coco.parser import NONE, SECTIONS, Document, SectionName
from cocoannot.coco.records import Record
from cocoannot.merge.differences import same_texts
from cocoannot.merge.fields import changed_fields

_Texts = dict[int, list[bytes]]
"""The records of a section by id: one each, as a rule."""


class Changed(msgspec.Struct, frozen=True):
    """A record that is another one: the fields that differ, and its texts."""

    id: int
    fields: tuple[str, ...]
    before: bytes
    after: bytes


class SectionDifferences(msgspec.Struct):
    """What became of the records of one section, by id. `fields` counts the changed records by field."""

    added: list[int] = []
    changed: list[Changed] = []
    deleted: list[int] = []
    fields: dict[str, int] = {}

    @property
    def are_none(self) -> bool:
        """Whether there is nothing to tell."""
        return not (self.added or self.changed or self.deleted)


class DatasetDifferences(msgspec.Struct):
    """All of it. `values` has the other top-level values that are not the same: `added`, `changed` or `deleted`."""

    sections: dict[SectionName, SectionDifferences]
    values: dict[str, str]

    @property
    def are_none(self) -> bool:
        """Whether both hold the same."""
        return not self.values and all(section.are_none for section in self.sections.values())

    def as_json(self) -> dict[str, Any]:
        """All of it for `--json`."""
        sections: dict[str, Any] = {
            name: {
                "added": section.added,
                "changed": [{"id": each.id, "fields": list(each.fields)} for each in section.changed],
                "deleted": section.deleted,
                "fields": section.fields,
            }
            for name, section in self.sections.items()
        }
        return {"same": self.are_none, **sections, "values": self.values}


def compare(before: Document, after: Document) -> DatasetDifferences:
    """What `after` has otherwise than `before`."""
    sections = {name: _compare_section(_texts(before, name), _texts(after, name)) for name in SECTIONS}
    return DatasetDifferences(sections, dict(_compare_values(before, after)))


def _texts(document: Document, name: SectionName) -> _Texts:
    section = document.sections[name]
    ids = section.keys["id"]
    if name == "annotations" and (ids == NONE).any():
        ids = section.keys["image_id"]
    found: _Texts = {}
    for record_id, start, end in zip(ids.tolist(), section.starts.tolist(), section.ends.tolist(), strict=True):
        found.setdefault(record_id, []).append(document.buffer[start:end])
    return found


def _compare_section(before: _Texts, after: _Texts) -> SectionDifferences:
    found = SectionDifferences()
    for record_id, theirs in after.items():
        ours = before.get(record_id, [])
        if ours != theirs:
            _compare_records(record_id, list(ours), list(theirs), found)
    for record_id, ours in before.items():
        if record_id not in after:
            found.deleted += [record_id] * len(ours)
    found.fields = dict(Counter(field for changed in found.changed for field in changed.fields).most_common())
    return found


def _compare_records(record_id: int, before: list[bytes], after: list[bytes], found: SectionDifferences) -> None:
    """Of copies, those that are the same first; then one by one."""
    for text in list(after):
        if (same := next((each for each in before if same_texts(each, text)), None)) is not None:
            before.remove(same)
            after.remove(text)
    for one, other in zip(before, after, strict=False):
        fields = tuple(sorted(changed_fields(Record(one), Record(other))))
        found.changed.append(Changed(record_id, fields, one, other))
    found.added += [record_id] * (len(after) - len(before))
    found.deleted += [record_id] * (len(before) - len(after))


def _compare_values(before: Document, after: Document) -> Iterator[tuple[str, str]]:
    for key in {**before.values, **after.values}:
        if key in SECTIONS:
            continue
        one, other = _value(before, key), _value(after, key)
        if one is None or other is None:
            yield key, "added" if one is None else "deleted"
        elif not same_texts(one, other):
            yield key, "changed"


def _value(document: Document, key: str) -> bytes | None:
    span = document.values.get(key)
    return None if span is None else document.buffer[span[0] : span[1]]
