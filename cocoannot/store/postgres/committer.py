"""Making changes: those that threads of this process want to make at the same time share one transaction.

    queue --whoever has the turn takes up to 64--> BEGIN, the head's lock, what they name   first round trip
          --those who came meanwhile-------------> what they name                         another one, if there are any
                                                   each in turn: checked, then written
                                                   the head's row, COMMIT                   last round trip, if nothing
                                                                                            else has to be asked

Each change has its own revision and its own outcome, and sees those before it. Where the connection is lost, all is
done again; where that was at COMMIT, `change.request` tells whether it was done.
"""

from __future__ import annotations

import threading
import uuid
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from typing import Any

import msgspec
import psycopg

from cocoannot.changes.answer import Answer, whole
from cocoannot.changes.change import Change
from cocoannot.errors import Unavailable, VersionMismatch
from cocoannot.store.answers import answer, repeated
from cocoannot.store.base import Committed
from cocoannot.store.placing import NoRoom
from cocoannot.store.postgres.database import LOST, Connection
from cocoannot.store.postgres.lookup import PostgresLookup
from cocoannot.store.postgres.moment import LOCK_HEAD_FOR, Moment, Point, Reading
from cocoannot.store.postgres.past import Past
from cocoannot.store.postgres.spreading import spread
from cocoannot.store.postgres.wishes import MOST_TOGETHER, Asked, Wish
from cocoannot.store.postgres.writing import write_change, write_head
from cocoannot.store.transaction import Transaction

_SECONDS = {True: 15, False: 600}
"""Seconds that a transaction may take, by whether all its changes are small; on a PostgreSQL before 17, that it may ask
for nothing."""


class Made:
    """What a transaction made: changes in order, and whether the file had everything before."""

    def __init__(self) -> None:
        self.changes: list[Change] = []
        self.first = False
        self.timeline = 0
        """Of the primary."""


class Committer:
    """Makes the changes of one process to one dataset. `made` hears of each transaction that made some, in order."""

    def __init__(self, reading: Reading, made: Callable[[Made], object]) -> None:
        self.groups = 0
        """Transactions that made changes, and how many changes."""
        self.changes = 0
        self._reading = reading
        self._made = made
        self._queue: deque[Wish] = deque()
        self._queueing = threading.Lock()
        self._turn = threading.Lock()

    def commit(self, wish: Wish) -> Committed:
        """Do what `wish` asks for. Raises what `cocoannot.store.base.Store.commit` says, `Unavailable`."""
        with self._queueing:
            self._queue.append(wish)
        with self._turn:
            while not wish.is_done:
                self._commit_together(self._next())
        if wish.error is not None:
            raise wish.error
        assert wish.committed is not None
        return wish.committed

    def _next(self) -> list[Wish]:
        with self._queueing:
            group = [self._queue.popleft()]
        self._join(group)
        return group

    def _join(self, group: list[Wish]) -> list[Wish]:
        """Add to `group` those who wait, if it may have them; returns these."""
        joined: list[Wish] = []
        with self._queueing:
            while self._queue and len(group) < MOST_TOGETHER and group[0].is_small and self._queue[0].is_small:
                joined.append(self._queue.popleft())
                group.append(joined[-1])
        return joined

    def _commit_together(self, group: list[Wish], *, alone: bool = False) -> None:
        attempts = _Attempts(self._reading, group, (lambda _: []) if alone else self._join)
        try:
            made = self._reading.database.insist(attempts.once, changes=True)
            if made.changes:
                self.groups += 1
                self.changes += len(made.changes)
                self._made(made)
        except BaseException as exc:
            if attempts.in_doubt and isinstance(exc, Unavailable):
                exc = Unavailable(f"{exc}; it is not known whether the change was made", exc.retry_after)
            is_theirs = isinstance(exc, Exception) and not isinstance(exc, (Unavailable, *LOST))
            if len(group) > 1 and is_theirs and not attempts.in_doubt:
                # One of them did this: each by itself, then.
                for wish in group:
                    self._commit_together([wish], alone=True)
                return
            for wish in group:
                wish.error = exc
        for wish in group:
            wish.is_done = True


class _Attempts:
    """Tries to commit a group, as often as the connection is lost."""

    def __init__(self, reading: Reading, group: list[Wish], join: Callable[[list[Wish]], Sequence[Wish]]) -> None:
        self.in_doubt = False
        """Whether COMMIT was sent, and no answer came."""
        self._reading = reading
        self._group = group
        self._join = join
        self._made = Made()

    def once(self) -> Made:
        """Commit; raises `LOST` where it is to be tried again, `OtherTables`."""
        with self._reading.database.connection() as connection:
            moment, known, lookup, now = self._begin(connection)
            if self.in_doubt and any(wish.name in known for wish in self._group if _has_change(wish)):
                # It was done: they were all in one transaction.
                return self._made
            self.in_doubt = False
            if joined := self._join(self._group):
                self._ask_more(joined, moment, known, lookup)
            self._made = made = Made()
            made.first = moment.head.revision == moment.head.file_revision
            made.timeline = connection.timeline
            try:
                with connection.pipeline():
                    for wish in self._group:
                        self._perform(wish, moment, lookup, known, now)
                    if not made.changes:
                        return made
                    moment.settle()
                    write_head(moment)
                    self.in_doubt = True
                    connection.execute(b"COMMIT")
            except psycopg.Error as exc:
                # Where it says what was wrong, it has not committed. A server that is stopped may have.
                self.in_doubt = self.in_doubt and (exc.sqlstate is None or exc.sqlstate[:2] in ("08", "57"))
                raise
            self.in_doubt = False
            self._reading.saw(connection, moment.head.revision, Point(0, 0))
            return made

    def _begin(self, connection: Connection) -> tuple[Moment, dict[uuid.UUID, Sequence[Any]], PostgresLookup, float]:
        """The head's lock, with all that the wishes name, and those of them that were answered before."""
        reading = self._reading
        seen = reading.newest
        with connection.pipeline():
            connection.execute(b"BEGIN")
            # Where this process stops, the others do not wait for its lock for ever.
            is_small = all(wish.is_small for wish in self._group)
            has_limit = connection.info.server_version >= 170000
            limit = "transaction_timeout" if has_limit else "idle_in_transaction_session_timeout"
            # PostgreSQL would plan statements with arrays anew each time, which takes as long as to do them.
            plans = "force_generic_plan" if is_small else "auto"
            values = {"d": reading.dataset_id, "limit": limit, "time": f"{_SECONDS[is_small]}s", "plans": plans}
            locked = connection.execute(LOCK_HEAD_FOR, values)
            # Behind the lock: whoever held it has a time before this one.
            asked = Asked(connection, reading.dataset_id, self._group)
        if not has_limit:
            # A pipeline ends with a flush, after which PostgreSQL does not count how long nothing is asked for.
            connection.execute(b"SELECT 1")
        row = locked.fetchone()
        head = reading.head(connection, row and row[:-1])
        reading.saw(connection, head.revision, seen)
        moment = Moment(connection, reading.dataset_id, head, reading.layouts)
        lookup = PostgresLookup(moment)
        known, now = asked.take(lookup)
        return moment, known, lookup, now

    def _ask_more(
        self, joined: Sequence[Wish], moment: Moment, known: dict[uuid.UUID, Sequence[Any]], lookup: PostgresLookup
    ) -> None:
        """Behind the lock, what those name who came meanwhile."""
        with moment.connection.pipeline():
            asked = Asked(moment.connection, moment.dataset_id, joined)
        known |= asked.take(lookup)[0]

    def _perform(
        self,
        wish: Wish,
        moment: Moment,
        lookup: PostgresLookup,
        known: dict[uuid.UUID, Sequence[Any]],
        now: float,
    ) -> None:
        """Check what `wish` asks for, and write it."""
        wish.committed = wish.error = None
        try:
            if wish.key is not None and wish.name in known:
                wish.committed = _answered(wish, moment, known[wish.name])
                return
            if wish.if_revision not in (None, moment.head.revision):
                raise VersionMismatch(
                    f"the dataset is at revision {moment.head.revision}, not {wish.if_revision}",
                    str(moment.head.revision),
                )
            past = Past(lambda: nullcontext(moment))
            try:
                transaction = Transaction(lookup, past)
                results = transaction.perform_all(wish.operations)
            except NoRoom as exc:
                spread(moment, exc.section)
                lookup.forget()
                transaction = Transaction(lookup, past)
                results = transaction.perform_all(wish.operations)
        except (psycopg.Error, *LOST):
            raise
        except Exception as exc:
            wish.error = exc
            return
        merged = transaction.merged
        if not transaction.edits:
            wish.committed = Committed(results, moment.head.revision, None, merged=merged)
            return
        change = Change(
            moment.head.revision + 1,
            now,
            wish.actor,
            wish.key,
            tuple(transaction.edits),
            undoes=transaction.undoes,
            values=tuple(transaction.values),
        )
        kept = None
        if wish.key is not None:
            kept = msgspec.json.encode(answer(wish.request, results, change.edits, merged))
        write_change(moment, change, wish.name, kept)
        lookup.changed(change.edits)
        self._made.changes.append(change)
        known[wish.name] = (change.revision, change.time, change.undoes, kept)
        wish.committed = Committed(results, change.revision, change, merged=merged)


def _has_change(wish: Wish) -> bool:
    """Whether a change came of `wish` in the last attempt."""
    return wish.committed is not None and wish.committed.change is not None and not wish.committed.is_repeated


def _answered(wish: Wish, moment: Moment, row: Sequence[Any]) -> Committed:
    """What the same request was answered before. Raises `KeyReused`."""
    revision, time, undoes, kept = row
    after = [
        text
        for (text,) in moment.rows(
            "SELECT after FROM history WHERE dataset_id = %(d)s AND revision = %(revision)s ORDER BY seq",
            {"revision": revision},
        )
    ]
    change = Change(revision, time, wish.actor, wish.key, undoes=undoes)
    return repeated(change, whole(msgspec.json.decode(kept, type=Answer), after), wish.request)
