"""Counting what changed since the last save. Nothing else."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from cocoannot.changes.change import Edit

Action = Literal["added", "updated", "deleted"]

_NOUNS = {"annotations": "annotation(s)", "categories": "category(ies)", "images": "image(s)"}


@dataclass
class ChangeTracker:
    """Changes since the last save, counted by kind of record and by what was done to it."""

    annotations_added: int = 0
    annotations_updated: int = 0
    annotations_deleted: int = 0
    categories_added: int = 0
    categories_updated: int = 0
    categories_deleted: int = 0
    images_added: int = 0
    images_updated: int = 0
    images_deleted: int = 0

    def count(self, section: str, action: Action, number: int = 1) -> None:
        """Add `number` changes of `section` (`annotations`, `categories`, `images`)."""
        name = f"{section}_{action}"
        setattr(self, name, getattr(self, name) + number)

    def count_edits(self, edits: Sequence[Edit]) -> None:
        """Add what `edits` did."""
        if len(edits) == 1:
            self.count(edits[0].section, edits[0].action)
            return
        for (section, action), number in Counter([(edit.section, edit.action) for edit in edits]).items():
            self.count(section, action, number)

    def merge(self, other: ChangeTracker) -> ChangeTracker:
        """The changes of both, as a new tracker."""
        theirs = other.counts()
        return ChangeTracker(**{name: count + theirs[name] for name, count in self.counts().items()})

    def reset(self) -> None:
        """Set every count to zero."""
        for name in self.counts():
            setattr(self, name, 0)

    def counts(self) -> dict[str, int]:
        """Every count by its name, zeros included."""
        return dict(vars(self))

    def has_changes(self) -> bool:
        """Whether anything was counted."""
        return any(self.counts().values())

    def summary(self) -> str:
        """What was counted, such as `3 annotation(s) added, 1 category(ies) deleted`; `no changes` for nothing."""
        parts = []
        for name, count in self.counts().items():
            section, action = name.split("_")
            if count:
                parts.append(f"{count} {_NOUNS[section]} {action}")
        return ", ".join(parts) or "no changes"
