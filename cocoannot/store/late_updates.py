"""An update that was made on an older version of its record, merged by field. What is stored is not decided here.

base      the version that the client read, told by its ETag
theirs    the record as it is, changed by others since
given     what the client asks for: it holds where theirs changed other fields
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from cocoannot.changes.operations import Update
from cocoannot.coco.records import Record
from cocoannot.errors import VersionMismatch
from cocoannot.merge.fields import changed_fields, clashing_fields, same_value
from cocoannot.store.base import Version


class LateUpdate(NamedTuple):
    """What is left to do of an update, and the fields that others changed since, in alphabetical order."""

    changes: Mapping[str, Any]
    merged: tuple[str, ...]


def merge_update(operation: Update, theirs: Record, versions: Iterable[Version], what: str) -> LateUpdate:
    """Merge `operation` with what others made of its record, `theirs`; `versions` are those that are kept.

    `what` names the record. Raises `VersionMismatch` where both changed a field and not to the same value, or where the
    version that the client read is not kept.
    """
    given = operation.changes
    base = _find_base(operation.if_match or frozenset(), versions)
    if base is None:
        raise VersionMismatch(
            f"{what} has changed since you read it, and the version that you read is not kept any more, so nothing can "
            "be merged; read it again, then decide",
            theirs.etag,
            {"base": None, "theirs": theirs.raw, "fields": []},
        )
    by_others = changed_fields(base, theirs)
    ours = {key: value for key, value in {**base, **given}.items() if value is not None or key not in given}
    if clash := sorted(clashing_fields(set(given), by_others, ours, theirs)):
        raise VersionMismatch(
            f"{what} has changed since you read it, {', '.join(clash)} as well; read it again, then decide",
            theirs.etag,
            {"base": base.raw, "theirs": theirs.raw, "fields": clash},
        )
    left = {key: value for key, value in given.items() if key not in by_others or not _is(theirs, key, value)}
    return LateUpdate(left, tuple(sorted(by_others)))


def _find_base(etags: frozenset[str], versions: Iterable[Version]) -> Record | None:
    """The newest version that has one of these ETags."""
    found = None
    for version in versions:
        for record in (version.before, version.record):
            if record is not None and record.etag in etags:
                found = record
    return found


def _is(record: Record, key: str, value: object) -> bool:
    """Whether the field is what an update asks for; null removes it."""
    return key not in record if value is None else key in record and same_value(record[key], value)
