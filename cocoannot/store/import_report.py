"""What an import did, or would do, for people and programs. Nothing is imported here."""

from __future__ import annotations

from collections import Counter
from typing import Any

import msgspec

from cocoannot.coco.parser import NOUNS, SECTIONS, SectionName

MOST_LISTED = 1000
"""Refused records, and notes, that a report lists; all of them are counted."""

_SHOWN = 10


class Counts(msgspec.Struct):
    """Records of one section: new ones, those that were there already, and those that can't be taken."""

    added: int = 0
    matched: int = 0
    refused: int = 0


class Refused(msgspec.Struct, frozen=True):
    """One record that was not taken: its place in its section of the file, counted from 0, and why."""

    section: SectionName
    id: int
    index: int
    reason: str

    def __str__(self) -> str:
        return f"{NOUNS[self.section]} {self.id} ({self.section}[{self.index}]): {self.reason}"


class Report(msgspec.Struct):
    """All of it. `ids` has, for each section, the id that a record has here by the one that it had in the file."""

    counts: dict[SectionName, Counts] = msgspec.field(default_factory=lambda: {name: Counts() for name in SECTIONS})
    ids: dict[SectionName, dict[int, int]] = msgspec.field(default_factory=lambda: {name: {} for name in SECTIONS})
    licenses_added: int = 0
    refused: list[Refused] = []
    reasons: Counter[str] = msgspec.field(default_factory=Counter)
    notes: list[str] = []
    note_count: int = 0

    def take(self, section: SectionName, their_id: int, our_id: int, *, new: bool) -> None:
        """A record of theirs is the one with `our_id` here."""
        counts = self.counts[section]
        if new:
            counts.added += 1
        else:
            counts.matched += 1
        # Of an id that their file has twice it is the first one's.
        self.ids[section].setdefault(their_id, our_id)

    def refuse(self, section: SectionName, their_id: int, index: int, reason: str, kind: str) -> None:
        """A record can't be taken; `kind` is the reason without names, to be counted by."""
        self.counts[section].refused += 1
        self.reasons[f"{section}: {kind}"] += 1
        if len(self.refused) < MOST_LISTED:
            self.refused.append(Refused(section, their_id, index, reason))

    def note(self, text: str) -> None:
        """Something that people may want to know."""
        self.note_count += 1
        if len(self.notes) < MOST_LISTED:
            self.notes.append(text)

    def as_json(self) -> bytes:
        """The report as answers have it."""
        return msgspec.json.encode(
            {
                "counts": self.counts,
                "licenses_added": self.licenses_added,
                "ids": self.ids,
                "refused_count": sum(counts.refused for counts in self.counts.values()),
                "refused_reasons": dict(self.reasons),
                "refused": self.refused,
                "note_count": self.note_count,
                "notes": self.notes,
            }
        )


def describe_report(report: dict[str, Any]) -> list[str]:
    """An answer with a report, as lines for people."""
    lines = []
    for section, counts in report["counts"].items():
        words = f"{section}: {counts['added']} added, {counts['matched']} there already"
        moved = sum(int(old) != new for old, new in report["ids"][section].items())
        words += f", {counts['refused']} refused" if counts["refused"] else ""
        lines.append(words + (f"; {moved} with another id here" if moved else ""))
    if report["licenses_added"]:
        lines.append(f"licenses: {report['licenses_added']} added")
    lines += [f"note: {note}" for note in report["notes"][:_SHOWN]]
    lines += _more(report["note_count"], "note")
    for reason, count in report["refused_reasons"].items():
        section, _, why = reason.partition(": ")
        lines.append(f"refused: {count} of the {section}, {why}")
    lines += [f"refused: {Refused(**each)}" for each in report["refused"][:_SHOWN]]
    return lines + _more(report["refused_count"], "refused record")


def _more(count: int, noun: str) -> list[str]:
    return [f"and {count - _SHOWN} more {noun}(s); --json lists them"] if count > _SHOWN else []
