"""Forgetting changes that are too old, a portion at a time, by one process at a time.

    oldest changes --older than `days`, and exported?--> the head's lock, their rows deleted    one round trip

Whoever undoes a change holds the same lock, so that nothing that it has asked for goes meanwhile.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence

import psycopg

from cocoannot.errors import Unavailable
from cocoannot.history.work import DAY
from cocoannot.store.postgres.leases import Lease
from cocoannot.store.postgres.moment import LOCK_HEAD, Reading

log = logging.getLogger(__name__)

FEWEST_DAYS = 1
"""So long a change is needed: to answer a request that is sent again, and by processes that have not heard of it."""

_PORTION = 500
"""Changes, or edits of these, that are forgotten at once: who changes the dataset waits meanwhile."""

_HOUR = 3600.0
_AFTER_FAILURE = 60.0

_OLDEST = """
SELECT g.revision, g.time < extract(epoch FROM clock_timestamp())::float8 - %(age)s,
    (SELECT count(*) FROM history h WHERE h.dataset_id = %(d)s AND h.revision = g.revision)
FROM change g WHERE g.dataset_id = %(d)s AND g.revision < %(end)s ORDER BY g.revision LIMIT %(portion)s
"""


class Forgetting:
    """Forgets changes of a dataset that are older than `days`, `None` for never.

    With `exports`, what the file lacks is kept. The newest change stays in any case.
    """

    def __init__(self, reading: Reading, days: int | None, *, exports: bool) -> None:
        self._reading = reading
        self._days = None if days is None else max(FEWEST_DAYS, days)
        self._exports = exports
        self._lease = Lease(reading, "forget")

    def step(self) -> float | None:
        """Forget a portion; returns in how many seconds there may be more to do, `None` for never."""
        if self._days is None:
            return None
        try:
            # A replica refuses this.
            if not self._lease.take():
                return _HOUR
            if self._forget(self._days * DAY):
                return 0.0
        except (psycopg.Error, Unavailable) as exc:
            log.debug("Can't forget old changes now: %s", exc)
            return _AFTER_FAILURE
        self._lease.let_go()
        return _HOUR

    def _forget(self, age: float) -> bool:
        """Forget the oldest changes; returns whether there may be more."""
        with self._reading.moment() as moment:
            # What comes after the newest change is told from that by those who have not heard of it.
            end = min(moment.head.revision, moment.head.file_revision + 1) if self._exports else moment.head.revision
            rows = moment.rows(_OLDEST, {"age": age, "end": end, "portion": _PORTION})
        revision = _newest_to_forget(rows)
        if revision is None:
            return False
        with self._reading.together() as connection:
            connection.execute(LOCK_HEAD, {"d": self._reading.dataset_id})
            for table in ("history", "value_history", "change"):
                connection.execute(
                    f"DELETE FROM {table} WHERE dataset_id = %(d)s AND revision <= %(revision)s".encode(),
                    {"d": self._reading.dataset_id, "revision": revision},
                )
        return True


def _newest_to_forget(rows: Sequence[tuple[int, bool, int]]) -> int | None:
    """Up to which change a portion goes, `None` for no change."""
    found, count = None, 0
    for revision, is_old, edits in rows:
        count += edits
        # Only while one follows the other: a clock that was set back must not tear a hole.
        if not is_old or (found is not None and count > _PORTION):
            break
        found = revision
    return found
