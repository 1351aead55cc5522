"""Counting what changed since the last save. Nothing else."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Literal

Action = Literal["added", "updated", "deleted"]

_NOUNS = {"annotations": "annotation(s)", "categories": "category(ies)", "images": "image(s)"}


@dataclass(init=False)
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

    def __init__(self, **counts: int) -> None:
        # Only what is not zero is the object's own: there is one for each change, and most count one thing.
        vars(self).update(counts)

    def count(self, section: str, action: Action, number: int = 1) -> None:
        """Add `number` changes of `section` (`annotations`, `categories`, `images`)."""
        counts, name = vars(self), f"{section}_{action}"
        counts[name] = counts.get(name, 0) + number

    def include(self, other: ChangeTracker) -> None:
        """Count the changes of `other` too."""
        counts = vars(self)
        for name, count in vars(other).items():
            counts[name] = counts.get(name, 0) + count

    def merge(self, other: ChangeTracker) -> ChangeTracker:
        """The changes of both, as a new tracker."""
        both = ChangeTracker(**vars(self))
        both.include(other)
        return both

    def reset(self) -> None:
        """Set every count to zero."""
        vars(self).clear()

    def counts(self) -> dict[str, int]:
        """Every count by its name, zeros included."""
        return asdict(self)

    def has_changes(self) -> bool:
        """Whether anything was counted."""
        return any(vars(self).values())

    def summary(self) -> str:
        """What was counted, such as `3 annotation(s) added, 1 category(ies) deleted`; `no changes` for nothing."""
        parts = []
        for name, count in self.counts().items():
            section, action = name.split("_")
            if count:
                parts.append(f"{count} {_NOUNS[section]} {action}")
        return ", ".join(parts) or "no changes"
