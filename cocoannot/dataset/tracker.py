"""Counting what changed since the last save. Nothing else."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Literal

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

    def include(self, other: ChangeTracker) -> None:
        """Count the changes of `other` too."""
        for name, count in vars(other).items():
            if count:
                setattr(self, name, getattr(self, name) + count)

    def merge(self, other: ChangeTracker) -> ChangeTracker:
        """The changes of both, as a new tracker."""
        return ChangeTracker(**{name: count + getattr(other, name) for name, count in vars(self).items()})

    def reset(self) -> None:
        """Set every count to zero."""
        for field in fields(self):
            setattr(self, field.name, 0)

    def has_changes(self) -> bool:
        """Whether anything was counted."""
        return any(vars(self).values())

    def summary(self) -> str:
        """What was counted, such as `3 annotation(s) added, 1 category(ies) deleted`; `no changes` for nothing."""
        parts = []
        for name, count in vars(self).items():
            section, action = name.split("_")
            if count:
                parts.append(f"{count} {_NOUNS[section]} {action}")
        return ", ".join(parts) or "no changes"
