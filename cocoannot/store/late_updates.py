"""An update that was made on an older version of its record, merged by field. What is stored is not decided here.

base      the version that the client read, told by its ETag
theirs    the record as it is, changed by others since
given     what the client asks for: it holds where theirs changed other fields
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from cocoannot.changes.operations import Update
from cocoannot.coco.parser import SectionName
from cocoannot.coco.records import Record
from cocoannot.errors import Conflict, VersionMismatch
from cocoannot.merge.fields import changed_fields, clashing_fields, same_value
from cocoannot.store.base import KeptChanges, Lookup

MOST_RECORDS = 100
"""Records of one change that may be merged: finding what they were takes long, and nobody can make a change then."""


class LateUpdate(NamedTuple):
    """What is left to do of an update, and the fields that others changed since, in alphabetical order."""

    changes: Mapping[str, Any]
    merged: tuple[str, ...]


class LateUpdates:
    """Merges the late updates of one change, in a store as it was before."""

    def __init__(self, lookup: Lookup, history: KeptChanges) -> None:
        self._lookup = lookup
        self._history = history
        self._versions: dict[tuple[SectionName, int], dict[str, Record]] = {}

    def merge(self, operation: Update, theirs: Record, what: str) -> LateUpdate:
        """Merge `operation` with what others made of its record, `theirs`; `what` names it.

        Raises `VersionMismatch` where both changed a field and not to the same value, or where the version that the
        client read is not kept; `Conflict` for too many records.
        """
        base = self._find_base(operation)
        if base is None:
            raise VersionMismatch(
                f"{what} has changed since you read it, and the version that you read is not kept any more, so nothing "
                "can be merged; read it again, then decide",
                theirs.etag,
                {"base": None, "theirs": theirs.raw, "fields": []},
            )
        given, by_others = operation.changes, changed_fields(base, theirs)
        ours = {key: value for key, value in {**base, **given}.items() if value is not None or key not in given}
        if clash := sorted(clashing_fields(set(given), by_others, ours, theirs)):
            raise VersionMismatch(
                f"{what} has changed since you read it, {', '.join(clash)} as well; read it again, then decide",
                theirs.etag,
                {"base": base.raw, "theirs": theirs.raw, "fields": clash},
            )
        left = {key: value for key, value in given.items() if key not in by_others or not _is(theirs, key, value)}
        return LateUpdate(left, tuple(sorted(by_others)))

    def _find_base(self, operation: Update) -> Record | None:
        """The newest version that has one of the ETags that the client gave."""
        name = operation.section, operation.record_id
        if name not in self._versions:
            if len(self._versions) == MOST_RECORDS:
                raise Conflict(
                    f"more than {MOST_RECORDS} records have changed since you read them, and one change merges no "
                    "more; send fewer at a time"
                )
            self._versions[name] = self._read_versions(*name)
        etags = operation.if_match or frozenset()
        return next((record for tag, record in self._versions[name].items() if tag in etags), None)

    def _read_versions(self, section: SectionName, record_id: int) -> dict[str, Record]:
        """Every version that is kept, by ETag, the newest first; with what others in this change began with."""
        stored = self._lookup.find(section, record_id)
        found = [None if stored is None else stored.record]
        for version in reversed(self._history.versions(section, record_id)):
            found += [version.record, version.before]
        versions: dict[str, Record] = {}
        for record in found:
            if record is not None:
                versions.setdefault(record.etag, record)
        return versions


def _is(record: Record, key: str, value: object) -> bool:
    """Whether the field is what an update asks for; null removes it."""
    return key not in record if value is None else key in record and same_value(record[key], value)
