"""What a merge did, and what it could not decide. For people and programs; nothing is merged here."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from cocoannot.coco.parser import SECTIONS, SectionName

Side = Literal["ours", "theirs"]
Kind = Literal["fields", "deleted_by_us", "deleted_by_them", "in_use"]

MOST_LISTED = 1000
"""Conflicts, and renumbered ids, that a report lists; all of them are counted."""

_WORDS: dict[Kind, str] = {
    "fields": "both sides changed",
    "deleted_by_us": "we deleted it, they changed it: it stays",
    "deleted_by_them": "they deleted it, we changed it: it stays",
    "in_use": "one side deleted it, the other one uses it: it stays",
}


class Conflict(msgspec.Struct, frozen=True):
    """One record, or one other top-level value (`id` is `None`), that both sides changed.

    `fields` are those that contradict each other, none for a value that has no fields. `taken` is whose version counts,
    `None` where that is left to be chosen.
    """

    section: str
    id: int | None
    kind: Kind
    fields: tuple[str, ...] = ()
    taken: Side | None = None

    def __str__(self) -> str:
        what = self.section if self.id is None else f"{self.section} {self.id}"
        words = f"{_WORDS[self.kind]} {', '.join(self.fields) or 'it'}" if self.kind == "fields" else _WORDS[self.kind]
        return f"{what}: {words}" + (f"; {self.taken} taken" if self.kind == "fields" and self.taken else "")


class Counts(msgspec.Struct):
    """Records of one section. `merged` are those in which fields of both came together, `same` those that both changed
    or added alike, `renumbered` ours that got another id, `unified` ours that became the one that they added too."""

    added_by_us: int = 0
    changed_by_us: int = 0
    deleted_by_us: int = 0
    added_by_them: int = 0
    changed_by_them: int = 0
    deleted_by_them: int = 0
    merged: int = 0
    same: int = 0
    renumbered: int = 0
    unified: int = 0


class Report(msgspec.Struct):
    """All of it. `renumbered` has our old id and the new one, by section."""

    counts: dict[SectionName, Counts] = msgspec.field(default_factory=lambda: {name: Counts() for name in SECTIONS})
    conflicts: list[Conflict] = []
    renumbered: dict[SectionName, dict[int, int]] = msgspec.field(
        default_factory=lambda: {name: {} for name in SECTIONS}
    )

    @property
    def undecided(self) -> list[Conflict]:
        """The conflicts that somebody has to choose in."""
        return [conflict for conflict in self.conflicts if conflict.taken is None]

    def as_json(self) -> dict[str, Any]:
        """The report as an answer has it."""
        return {
            "counts": {section: msgspec.structs.asdict(counts) for section, counts in self.counts.items()},
            "conflict_count": len(self.conflicts),
            "undecided_count": len(self.undecided),
            # First those that wait for somebody.
            "conflicts": [
                {**msgspec.structs.asdict(each), "fields": list(each.fields)}
                for each in sorted(self.conflicts, key=lambda each: each.taken is not None)[:MOST_LISTED]
            ],
            "renumbered": {
                section: [{"from": old, "to": new} for old, new in [*moved.items()][:MOST_LISTED]]
                for section, moved in self.renumbered.items()
            },
        }
