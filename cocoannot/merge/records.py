"""What becomes of the records of one section that two sides changed.

one side changed it                          that one's
both changed it: other fields                both
both changed it: a field, to other values    a conflict, left to `choice`
one side deleted it, the other changed it    what was changed stays
both added it with one id                    ours gets a new id
both added the same thing                    one, with their id: categories by name, images by file_name, annotations by
                                             all of their fields

What refers to a record that gets another id is changed in `references`.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import msgspec

from cocoannot.coco.parser import SectionName
from cocoannot.coco.records import Record, merge
from cocoannot.coco.style import Style
from cocoannot.merge.differences import Differences, common_fields, name_of, same_texts
from cocoannot.merge.fields import changed_fields, clashing_fields
from cocoannot.merge.report import Conflict, Report, Side

_RAWS = msgspec.json.Decoder(dict[str, msgspec.Raw])


@dataclass
class MergedRecords:
    """What changes in our section: `texts` by our id, `None` for gone; `added` by id, in order, at the end.

    `moved` has the ids of ours that are others now.
    """

    texts: dict[int, bytes | None] = field(default_factory=dict)
    added: dict[int, bytes] = field(default_factory=dict)
    moved: dict[int, int] = field(default_factory=dict)


class RecordMerger:
    """Merges the records of `section`; ids that it gives begin at `next_id`."""

    def __init__(self, section: SectionName, style: Style, next_id: int, choice: Side | None, report: Report) -> None:
        self._section = section
        self._style = style
        self._next_id = next_id
        self._choice = choice
        self._report = report
        self._counts = report.counts[section]
        self._merged = MergedRecords()

    def merge(self, found: Differences) -> MergedRecords:
        """What becomes of our records; call it once."""
        for record_id in {**found.theirs, **found.ours}:
            if record_id not in found.theirs:
                self._count_ours(found.ours[record_id])
            elif record_id not in found.ours:
                self._take_theirs(record_id, found.theirs[record_id])
            else:
                self._merge_both(record_id, found)
        self._add(found.our_new, found.their_new)
        return self._merged

    def _count_ours(self, text: bytes | None) -> None:
        if text is None:
            self._counts.deleted_by_us += 1
        else:
            self._counts.changed_by_us += 1

    def _take_theirs(self, record_id: int, text: bytes | None) -> None:
        self._merged.texts[record_id] = text
        if text is None:
            self._counts.deleted_by_them += 1
        else:
            self._counts.changed_by_them += 1

    def _merge_both(self, record_id: int, found: Differences) -> None:
        ours, theirs = found.ours[record_id], found.theirs[record_id]
        if ours is None and theirs is None:
            self._counts.same += 1
        elif ours is None:
            assert theirs is not None
            self._merged.added[record_id] = theirs
            self._report.conflicts.append(Conflict(self._section, record_id, "deleted_by_us", taken="theirs"))
        elif theirs is None:
            self._report.conflicts.append(Conflict(self._section, record_id, "deleted_by_them", taken="ours"))
        elif same_texts(ours, theirs):
            self._counts.same += 1
        else:
            self._merged.texts[record_id] = self._fields_of_both(record_id, found.base[record_id], ours, theirs)

    def _fields_of_both(self, record_id: int, base: bytes, ours: bytes, theirs: bytes) -> bytes:
        text, clash = merge_fields(base, ours, theirs, self._choice, self._style)
        if clash:
            self._report.conflicts.append(Conflict(self._section, record_id, "fields", clash, self._choice))
        else:
            self._counts.merged += 1
        return text

    def _add(self, ours: dict[int, bytes], theirs: dict[int, bytes]) -> None:
        twins = self._twins(ours, theirs) if ours and theirs else {}
        for our_id, text in ours.items():
            if our_id in twins:
                self._unify(our_id, twins[our_id], text, theirs[twins[our_id]])
            elif our_id in theirs:
                self._renumber(our_id, text)
            else:
                self._counts.added_by_us += 1
        unified = set(twins.values())
        left = {their_id: text for their_id, text in theirs.items() if their_id not in unified}
        self._merged.added.update(left)
        self._counts.added_by_them += len(left)

    def _twins(self, ours: dict[int, bytes], theirs: dict[int, bytes]) -> dict[int, int]:
        """Our ids and theirs of the same things, one each, under the same id where that can be."""
        ours_by_thing = {our_id: self._identity(text) for our_id, text in ours.items()}
        theirs_by_thing = {their_id: self._identity(text) for their_id, text in theirs.items()}
        twins = {our_id: our_id for our_id, thing in ours_by_thing.items() if theirs_by_thing.get(our_id) == thing}
        left: dict[object, list[int]] = {}
        for their_id, thing in reversed(theirs_by_thing.items()):
            if their_id not in twins:
                left.setdefault(thing, []).append(their_id)
        for our_id, thing in ours_by_thing.items():
            if our_id not in twins and left.get(thing):
                twins[our_id] = left[thing].pop()
        return twins

    def _unify(self, our_id: int, their_id: int, ours: bytes, theirs: bytes) -> None:
        """Make one of what both added; where the rest of it is not the same, its fields are merged."""
        if our_id != their_id:
            self._merged.moved[our_id] = their_id
            self._counts.unified += 1
            ours = merge(ours, {"id": their_id}, self._style)
        else:
            self._counts.same += 1
        if not same_texts(ours, theirs):
            self._merged.texts[our_id] = self._fields_of_both(their_id, common_fields(ours, theirs), ours, theirs)
        elif our_id != their_id:
            self._merged.texts[our_id] = theirs

    def _renumber(self, our_id: int, text: bytes) -> None:
        new_id, self._next_id = self._next_id, self._next_id + 1
        self._merged.moved[our_id] = self._report.renumbered[self._section][our_id] = new_id
        self._merged.texts[our_id] = merge(text, {"id": new_id}, self._style)
        self._counts.renumbered += 1

    def _identity(self, text: bytes) -> object:
        """What is the same thing on both sides."""
        if (name := name_of(self._section, text)) is not None:
            return name
        fields = dict(Record(text))
        del fields["id"]
        return msgspec.json.encode(fields, order="deterministic")


def merge_fields(
    base: bytes, ours: bytes, theirs: bytes, choice: Side | None, style: Style
) -> tuple[bytes, tuple[str, ...]]:
    """Our text with the fields that they changed, and the fields in conflict, which are ours unless `choice` is theirs.

    A field that is theirs keeps its text.
    """
    before, our_fields, their_fields = Record(base), Record(ours), Record(theirs)
    our_changes, their_changes = changed_fields(before, our_fields), changed_fields(before, their_fields)
    clash = clashing_fields(our_changes, their_changes, our_fields, their_fields)
    taken = their_changes - our_changes - clash
    if choice == "theirs":
        taken |= clash
    if not taken:
        return ours, tuple(sorted(clash))
    raws = _RAWS.decode(theirs)
    order = [*(key for key in raws if key in taken), *sorted(taken - raws.keys())]
    return merge(ours, {key: raws.get(key) for key in order}, style), tuple(sorted(clash))
