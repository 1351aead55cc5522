"""Counting what each user did on each day. Where that is kept is for others to know."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import NamedTuple

import msgspec

from cocoannot.changes.change import Change, Edit

DAY = 86400
"""Seconds; days are those of UTC."""

_DONE = (b'"done"', b'"empty"')


class Counts(NamedTuple):
    """Changes made, edits of annotations in them, and images that were done."""

    changes: int = 0
    annotations: int = 0
    images: int = 0


class _Status(msgspec.Struct):
    annotation_status: msgspec.Raw = msgspec.Raw()


_status = msgspec.json.Decoder(_Status)


class Work:
    """What was done, by the number of the day and by who did it."""

    def __init__(self) -> None:
        self.counts: dict[tuple[int, str | None], Counts] = {}

    def add(self, change: Change) -> None:
        """Count `change`; an image is done where its status says so, and did not before."""
        key = day_number(change.time), change.actor
        counts = self.counts.get(key, Counts())
        annotations = sum([edit.section == "annotations" for edit in change.edits])
        images = sum([edit.section == "images" and _gets_done(edit) for edit in change.edits])
        self.counts[key] = Counts(counts.changes + 1, counts.annotations + annotations, counts.images + images)


def day_number(moment: float) -> int:
    """The day of `moment` (seconds since 1970), as a number."""
    return int(moment // DAY)


def day_of(number: int) -> str:
    """The day with this number, such as `2026-11-30`."""
    return datetime.fromtimestamp(number * DAY, UTC).strftime("%Y-%m-%d")


def _gets_done(edit: Edit) -> bool:
    return _is_done(edit.after) and not _is_done(edit.before)


def _is_done(text: bytes | None) -> bool:
    try:
        return text is not None and bytes(_status.decode(text).annotation_status) in _DONE
    except msgspec.MsgspecError:
        return False
