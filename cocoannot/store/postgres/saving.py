"""The exported file: the dataset's text beside the database, brought up to date when told to, by one process at a time.

    changes --> unsaved_since --> save: the lease --> a snapshot --> a new file --> `export` row, head.file_revision

Without a place to export to nothing is ever unsaved: the database has it.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, nullcontext

from cocoannot.changes.tracker import ChangeTracker
from cocoannot.clock import Clock
from cocoannot.coco.serializer import Piece, split
from cocoannot.errors import FileChanged, SaveError, Unavailable
from cocoannot.files.atomic import Content
from cocoannot.files.kept_copies import timestamp
from cocoannot.store.base import Saved, SaveResults
from cocoannot.store.postgres.complaints import first_line
from cocoannot.store.postgres.database import LOST, Connection
from cocoannot.store.postgres.export import dataset_text
from cocoannot.store.postgres.leases import LEASE_SECONDS, Lease
from cocoannot.store.postgres.moment import Moment, Point, Reading
from cocoannot.store.postgres.place import Place, PlaceChanged, Sight
from cocoannot.store.postgres.rows import NAMES
from cocoannot.store.postgres.schema import telling_other_tables

log = logging.getLogger(__name__)

_RENEW_SECONDS = 10
_ACTIONS = {(False, True): "added", (True, True): "updated", (True, False): "deleted"}


class NotOurTurn(SaveError):
    """Another process exports."""


class Exporter:
    """Keeps the file at `place` up to date with one dataset; `None` for no file. Any thread may call anything."""

    def __init__(self, reading: Reading, place: Place | None, clock: Clock, saved: Callable[[Point], object]) -> None:
        self.place = place
        self.name = "" if place is None else place.name
        self.results = SaveResults()
        self.size = 0
        self._reading = reading
        self._clock = clock
        self._saved = saved
        self._saving = threading.RLock()
        self._content = Content(0, "")
        self._started = 0.0
        # Of the primary whose text the file gets.
        self._timeline: int | None = None
        self._doubtful_since: float | None = None
        # When the oldest change was made that the file lacks, by the database's clock and by ours.
        self._oldest: tuple[float, float] | None = None
        self._lease = Lease(reading, "export")

    @property
    def uri(self) -> str:
        """How the tables call the file."""
        return "" if self.place is None else self.place.uri

    def pending(self, moment: Moment) -> ChangeTracker:
        """What the file lacks."""
        tracker = ChangeTracker()
        if self.place is None:
            return tracker
        for section, was_there, is_there, number in moment.rows(
            "SELECT section, before IS NOT NULL, after IS NOT NULL, count(*) FROM history "
            "WHERE dataset_id = %(d)s AND revision > %(since)s GROUP BY 1, 2, 3",
            {"since": moment.head.file_revision},
        ):
            tracker.count(NAMES[section], _ACTIONS[was_there, is_there], number)  # type: ignore[arg-type]
        return tracker

    def age(self, moment: Moment) -> tuple[float, float] | None:
        """When the oldest change was made that the file lacks, and how many seconds ago; `None` where it lacks none."""
        if self._doubtful_since is not None:
            seconds = self._clock.monotonic() - self._doubtful_since
            return self._clock.time() - seconds, seconds
        if self.file_revision(moment) == moment.head.revision:
            return None
        row = moment.row(
            "SELECT min(time), extract(epoch FROM clock_timestamp())::float8 - min(time) FROM change "
            "WHERE dataset_id = %(d)s AND revision > %(since)s",
            {"since": moment.head.file_revision},
        )
        if row is None or row[0] is None:
            return None
        if self._oldest is None or self._oldest[0] != row[0]:
            # Looked up once, since then by this machine's clock.
            self._oldest = row[0], self._clock.monotonic() - max(0.0, row[1])
        return row[0], self._clock.monotonic() - self._oldest[1]

    def file_revision(self, moment: Moment) -> int:
        """The revision of the file, of the database where there is none."""
        return moment.head.revision if self.place is None else moment.head.file_revision

    def save(self, *, overwrite: bool, automatic: bool) -> Saved | None:
        """See `cocoannot.store.base.Saves`."""
        if self.place is None:
            return None
        dsn = self._reading.database.address.dsn
        with self._saving, self._failure_told(), telling_other_tables(dsn), self.lease(wait=not automatic):
            return self._save(self.place, overwrite=overwrite, automatic=automatic)

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Nobody else writes the file meanwhile, here or in another process. Raises `SaveError`."""
        with self._saving, nullcontext() if self.place is None else self.lease(wait=True):
            yield

    @contextmanager
    def lease(self, *, wait: bool) -> Iterator[None]:
        """Be the only process that exports meanwhile. Raises `SaveError` where another one is."""
        deadline = time.monotonic() + (LEASE_SECONDS + _RENEW_SECONDS if wait else 0)
        database = self._reading.database
        while not database.insist(self._lease.take):
            if time.monotonic() >= deadline:
                raise NotOurTurn(f"another process exports {self.name} at the moment; nothing is lost")
            time.sleep(0.2)
        try:
            yield
        finally:
            self._lease.let_go()

    def write(self, place: Place, pieces: Iterable[Piece], point: Point) -> None:
        """Replace the file by a text, the dataset at `point`, for somebody who calls `done`. Raises `SaveError`,
        `FileChanged`. The tables are told only what the file may be from now on.
        """
        with self._failure_told():
            self._write(place, pieces, point, overwrite=False)

    def _write(self, place: Place, pieces: Iterable[Piece], point: Point, *, overwrite: bool) -> str | None:
        """The same; returns where another version is kept."""
        self._started, self._timeline = self._clock.monotonic(), point.timeline
        seen = place.look()
        is_theirs = self._is_theirs(place, seen)
        if is_theirs and not overwrite:
            raise self._file_changed()
        keep = f"theirs-{timestamp(self._clock.time())}" if is_theirs else None
        try:
            put = place.put(self._renewing(split(pieces)), seen, self._expect, point.revision, keep)
        except PlaceChanged:
            raise self._file_changed() from None
        self._content = put.content
        return put.kept

    def doubt(self) -> None:
        """The file may be what the dataset did not become: it is to be written again soon."""
        self._doubtful_since = self._clock.monotonic()

    def _file_changed(self) -> FileChanged:
        return FileChanged(
            f"something else changed {self.name}, so it is not written over; the database has all changes. POST "
            '/api/flush with {"on_conflict": "overwrite"} exports them, and keeps the other version beside the file'
        )

    def _expect(self, content: Content) -> None:
        """Write down what is about to be the file, so that it is known as ours whatever happens then."""
        database = self._reading.database
        values = {"d": self._reading.dataset_id, "uri": self.uri, "size": content.size, "sha256": content.sha256}

        def note() -> None:
            with self._reading.together() as connection:
                self._check_primary(connection)
                connection.execute(
                    b"INSERT INTO export (dataset_id, uri, revision, size, sha256, next_size, next_sha256, saved_at) "
                    b"VALUES (%(d)s, %(uri)s, 0, -1, '', %(size)s, %(sha256)s, 0) ON CONFLICT (dataset_id, uri) "
                    b"DO UPDATE SET next_size = excluded.next_size, next_sha256 = excluded.next_sha256",
                    values,
                )

        database.insist(note)

    def remember(self, revision: int) -> None:
        """Write down which content the file has, as `revision`; the head knows no older one after that."""
        database = self._reading.database

        def note() -> None:
            with self._reading.together() as connection:
                self.note(connection, revision)

        database.insist(note)

    def note(self, connection: Connection, revision: int) -> None:
        """The same on a connection, perhaps within a transaction."""
        self._check_primary(connection)
        content = self._content
        self.size = content.size
        values = {"d": self._reading.dataset_id, "uri": self.uri, "revision": revision}
        connection.execute(
            b"INSERT INTO export (dataset_id, uri, revision, size, sha256, saved_at) VALUES "
            b"(%(d)s, %(uri)s, %(revision)s, %(size)s, %(sha256)s, %(at)s) ON CONFLICT (dataset_id, uri) "
            b"DO UPDATE SET revision = excluded.revision, size = excluded.size, sha256 = excluded.sha256, "
            b"saved_at = excluded.saved_at",
            {**values, "size": content.size, "sha256": content.sha256, "at": self._clock.time()},
        )
        connection.execute(
            b"UPDATE head SET file_revision = greatest(file_revision, %(revision)s) WHERE dataset_id = %(d)s", values
        )

    def _check_primary(self, connection: Connection) -> None:
        """Raise `SaveError` where the text is of another primary: this one may have other changes for its revision."""
        if self._timeline not in (None, connection.timeline):
            connection.close()
            raise SaveError(
                f"the database has another primary since the export to {self.name} began; nothing is lost, try again"
            )

    def recall(self, moment: Moment) -> None:
        """Look up what is known of the file."""
        row = moment.row("SELECT size FROM export WHERE dataset_id = %(d)s AND uri = %(uri)s", {"uri": self.uri})
        if row is not None:
            self.size = row[0]

    def adopt(self, content: Content, revision: int) -> None:
        """The file that is there already is ours: `revision` was imported from it."""
        self._content = content
        self.remember(revision)

    def _save(self, place: Place, *, overwrite: bool, automatic: bool) -> Saved | None:
        with self._reading.long_moment() as moment:
            revision = moment.head.revision
            is_level = revision == moment.head.file_revision and self._doubtful_since is None
            if is_level and not (overwrite and self._is_theirs(place, place.look())):
                return None
            summary = self.pending(moment).summary()
            kept = self._write(place, dataset_text(moment), moment.point, overwrite=overwrite)
        self.remember(revision)
        self._doubtful_since = None
        self.done()
        log.info("%s dataset to %s (%s)", "Auto-saved" if automatic else "Saved", self.name, summary)
        self._saved(moment.point)
        return Saved(summary, revision, kept)

    def done(self) -> None:
        """What was written last is in the tables too: the save worked."""
        self.results = self.results.worked(self._clock.time(), self._clock.monotonic() - self._started)

    def _is_theirs(self, place: Place, seen: Sight | None) -> bool:
        """Whether something else wrote what was seen."""
        if seen is None:
            return False
        size, sha256 = seen.content
        with self._reading.database.connection() as connection:
            row = connection.execute(
                b"SELECT 1 FROM export WHERE dataset_id = %(d)s AND uri = %(uri)s AND ((size = %(size)s "
                b"AND sha256 = %(sha256)s) OR (next_size = %(size)s AND next_sha256 = %(sha256)s))",
                {"d": self._reading.dataset_id, "uri": place.uri, "size": size, "sha256": sha256},
            ).fetchone()
        return row is None

    @contextmanager
    def _failure_told(self) -> Iterator[None]:
        """A failure of what is done meanwhile counts as one of a save; it is logged, once, and shown in the status."""
        try:
            yield
        except NotOurTurn:
            raise
        except (SaveError, Unavailable, *LOST) as exc:
            error = (
                exc
                if isinstance(exc, SaveError)
                else SaveError(f"can't export to {self.name}: {first_line(exc)}; nothing is lost, it is tried again")
            )
            if str(error) != self.results.error:
                log.error("%s", error)
            self.results = self.results.went_wrong(str(error))
            raise error from exc
        except Exception as exc:
            self.results = self.results.went_wrong(f"saving failed in an unforeseen way: {exc!r}")
            raise

    def _renewing(self, blocks: Iterable[Piece]) -> Iterator[Piece]:
        """`blocks`, while the lease is renewed."""
        renewed = time.monotonic()
        for block in blocks:
            if time.monotonic() > renewed + _RENEW_SECONDS:
                if not self._lease.take():
                    raise NotOurTurn(f"another process exports {self.name} meanwhile; nothing is lost")
                renewed = time.monotonic()
            yield block
