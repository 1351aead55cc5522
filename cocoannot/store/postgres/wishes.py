"""What is asked of the database for changes that somebody wants to make: whether they were made before, and the records
that they name. What becomes of them is `cocoannot.store.postgres.committer`'s business."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from cocoannot.changes.operations import Add, Delete, Operation, Restore, Update
from cocoannot.coco.parser import SECTIONS, SectionName
from cocoannot.store.base import Committed
from cocoannot.store.postgres.database import Connection
from cocoannot.store.postgres.lookup import PostgresLookup
from cocoannot.store.postgres.rows import CODES, NAMES, TABLES, is_possible

MOST_TOGETHER = 64
"""Changes in one transaction."""

_NAMESPACE = uuid.UUID("6f6d1a5c-5d0c-4f8e-9d1f-1c6f0a6d2b7e")


class Wish:
    """Operations that somebody wants to make as one change, and what came of it."""

    def __init__(
        self,
        operations: Sequence[Operation],
        actor: str | None,
        key: str | None,
        request: str,
        if_revision: int | None,
    ) -> None:
        self.operations = operations
        self.actor = actor
        self.key = key
        self.request = request
        self.if_revision = if_revision
        self.name = uuid.uuid4() if key is None else uuid.uuid5(_NAMESPACE, msgspec.json.encode([actor, key]).decode())
        self.committed: Committed | None = None
        self.error: BaseException | None = None
        self.is_done = False

    @property
    def is_small(self) -> bool:
        """Whether others may wait for it."""
        return len(self.operations) <= MOST_TOGETHER and all(
            isinstance(each, Add | Update | Restore) or (isinstance(each, Delete) and each.section == "annotations")
            for each in self.operations
        )


class Asked:
    """What was asked in a pipeline about some wishes: which were answered before, and the records that they name."""

    def __init__(self, connection: Connection, dataset_id: int, wishes: Sequence[Wish]) -> None:
        self._ids: dict[SectionName, list[int]] = {section: list(ids) for section, ids in _named(wishes).items() if ids}
        # Of a statement, the way costs more than the work.
        sql = " UNION ALL ".join([_ANSWERED, *map(_find, self._ids)]) + " ORDER BY position"
        named: dict[str, list[int]] = dict(self._ids.items())
        names = [wish.name for wish in wishes]
        self._found = connection.execute(sql.encode(), {"d": dataset_id, "names": names, **named})

    def take(self, lookup: PostgresLookup) -> tuple[dict[uuid.UUID, Sequence[Any]], float]:
        """Let `lookup` remember the records; returns what was answered before by name, and the database's time."""
        now = 0.0
        known: dict[uuid.UUID, Sequence[Any]] = {}
        records: dict[SectionName, list[Sequence[Any]]] = {section: [] for section in self._ids}
        for code, record_id, position, record, lead, name, revision, time, *answer in self._found.fetchall():
            if code in NAMES:
                records[NAMES[code]].append((record_id, position, record, lead))
            elif name is None:
                now = time
            else:
                known[name] = (revision, time, *answer)
        for section, ids in self._ids.items():
            lookup.take(section, ids, records[section])
        return known, now


_ANSWERED = """
SELECT -1::int2 AS section, NULL::int8 AS id, NULL::int8 AS position, NULL::text AS record, NULL::text AS lead,
    NULL::uuid AS request, NULL::int8 AS revision, extract(epoch FROM clock_timestamp())::float8 AS time,
    NULL::int8 AS undoes, NULL::text AS answer
UNION ALL
SELECT -1, NULL, NULL, NULL, NULL, request, revision, time, undoes, answer FROM change
    WHERE dataset_id = %(d)s AND request = ANY(%(names)s::uuid[])
"""


def _find(section: SectionName) -> str:
    """The records of `section` that are named, in the generation that counts, before that is known."""
    return (
        f"SELECT {CODES[section]}, id, position, record, lead, NULL, NULL, NULL, NULL, NULL FROM {TABLES[section]} "
        "WHERE dataset_id = %(d)s AND content = (SELECT content FROM head WHERE dataset_id = %(d)s) "
        f"AND id = ANY(%({section})s::int8[])"
    )


def _named(group: Iterable[Wish]) -> dict[SectionName, set[int]]:
    """The records that operations name, so that all of them are asked for at once."""
    # Whatever a client put there: only some of it can be in a set.
    found: dict[SectionName, list[Any]] = {name: [] for name in SECTIONS}
    for wish in group:
        for operation in wish.operations:
            fields: Any = {}
            if isinstance(operation, Update | Delete):
                found[operation.section].append(operation.record_id)
            if isinstance(operation, Add):
                fields = operation.fields
                found[operation.section].append(fields.get("id"))
            if isinstance(operation, Update):
                fields = operation.changes
            if isinstance(operation, Add | Update) and operation.section == "annotations":
                found["images"].append(fields.get("image_id"))
                found["categories"].append(fields.get("category_id"))
    return {name: {each for each in ids if type(each) is int and is_possible(each)} for name, ids in found.items()}
