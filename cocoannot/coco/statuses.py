"""How far people are with an image, as its record says it, in fields that COCO does not have."""

from __future__ import annotations

from typing import Literal

STATUS, COMMENT = "annotation_status", "annotation_comment"
"""The fields of an image's record; an open image has neither."""

Status = Literal["open", "done", "empty", "skipped", "approved", "returned"]

STATUSES: tuple[Status, ...] = ("open", "done", "empty", "skipped", "approved", "returned")
OPEN = STATUSES.index("open")
FINISHED: frozenset[Status] = frozenset({"done", "empty", "skipped"})
"""What whoever annotates makes of an image."""
REVIEWED: frozenset[Status] = frozenset({"approved", "returned"})
"""What whoever reviews makes of it."""

_NUMBERS = {status: number for number, status in enumerate(STATUSES)}


def status_number(value: object) -> int:
    """The place in `STATUSES` of what a record has as its status; that of `open` for none, and for anything else."""
    return _NUMBERS.get(value, OPEN) if isinstance(value, str) else OPEN  # type: ignore[call-overload]
