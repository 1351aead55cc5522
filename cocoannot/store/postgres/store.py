"""The store of many processes: everything is in PostgreSQL, and this process keeps only what it may lose.

    change --> the head's lock, checked, written, COMMIT --> followers --> first unsaved one? --> on_dirty()

It knows no HTTP and starts no thread of its own, but those of psycopg's pool. What it is made of is in the room's
`__init__`.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePath
from typing import TypeVar

import psycopg

from cocoannot.changes.change import Change, Edit, ValueEdit
from cocoannot.changes.description import DescribedChange
from cocoannot.changes.operations import Operation
from cocoannot.clock import Clock
from cocoannot.coco.parser import SECTIONS, SectionName, read_document
from cocoannot.coco.records import Record
from cocoannot.database_uri import DatabaseUri, read_database_uri
from cocoannot.errors import NotLoaded, SaveError, Unavailable
from cocoannot.store import base
from cocoannot.store.base import (
    Committed,
    Export,
    Found,
    Head,
    Measure,
    Neighbours,
    Page,
    Saved,
    Status,
    Texts,
    Touched,
    UserDay,
    Version,
    Walk,
)
from cocoannot.store.postgres import queries, single
from cocoannot.store.postgres.committer import Committer, Made
from cocoannot.store.postgres.database import Database, connect, telling
from cocoannot.store.postgres.datasets import EMPTY, find_dataset, find_warnings, make_dataset, missing
from cocoannot.store.postgres.export import PostgresSnapshot, dataset_text, dataset_text_at, export_of, walk
from cocoannot.store.postgres.following import Following
from cocoannot.store.postgres.forgetting import Forgetting
from cocoannot.store.postgres.lookup import top_level
from cocoannot.store.postgres.moment import Moment, Reading
from cocoannot.store.postgres.past import Past
from cocoannot.store.postgres.place import Place, place_of
from cocoannot.store.postgres.replacing import replace
from cocoannot.store.postgres.saving import Exporter, NotOurTurn
from cocoannot.store.postgres.team import TeamTables
from cocoannot.store.postgres.wishes import Wish
from cocoannot.store.queries import NEWEST, ChangeQuery, Derived, ImageQuery, Query, Statistics

log = logging.getLogger(__name__)

Answer = TypeVar("Answer")


class _Parts:
    """What there is once a dataset was found."""

    def __init__(self, store: PostgresStore, address: DatabaseUri, dataset_id: int, export: Place | None) -> None:
        self.database = Database(address, store.patience)
        self.reading = Reading(self.database, dataset_id)
        self.following = Following(self.reading, store.follower)
        self.exporter = Exporter(self.reading, export, store.clock, self.following.saved)
        self.committer = Committer(self.reading, store.made)
        self.past = Past(self.reading.moment)
        self.forgetting = Forgetting(self.reading, store.history_days, exports=export is not None)
        self.warnings: list[str] = []
        self.loaded_at = store.clock.time()


class PostgresStore:
    """One COCO dataset in PostgreSQL; a `Store`, `Saves` and `History` (see `cocoannot.store.base`).

    `on_dirty` is called after the first change that is not in the exported file; `follower` hears of each change, those
    of other processes when `look` is called. `export` is where the file is, a path or a `Place`. `patience` is how many
    seconds somebody waits at most for a database that does not answer. Changes older than `history_days` are forgotten
    by `forget`.
    """

    def __init__(
        self,
        on_dirty: Callable[[], object] = lambda: None,
        clock: Clock = time,
        follower: base.Follower | None = None,
        export: Place | Path | None = None,
        patience: float = 30.0,
        history_days: int | None = None,
    ) -> None:
        self.clock = clock
        self.follower = follower or base.Followers()
        self.patience = patience
        self.history_days = history_days
        self.team = TeamTables(lambda: self._parts.reading)
        self._on_dirty = on_dirty
        self._export = export
        self._found: _Parts | None = None
        self._closed = False

    # Beginning and ending

    def load(self, uri: str, *, create: bool = False) -> None:
        """See `cocoannot.store.base.Saves`, here and below. Raises `ConfigError` too: what the database refuses."""
        self.load_dataset(read_database_uri(uri), self._export, create=create)

    def load_dataset(self, address: DatabaseUri, export: Place | Path | None, *, create: bool = False) -> None:
        """Like `load`, with the file that is kept up to date."""
        with telling(address.dsn):
            self._load(address, export, create=create)

    def _load(self, address: DatabaseUri, export: Place | Path | None, *, create: bool) -> None:
        with connect(address.dsn) as connection:
            dataset_id = find_dataset(connection, address)
            if dataset_id is None and create:
                dataset_id = make_dataset(connection, address, read_document(EMPTY, str(address)))
            if dataset_id is None:
                raise missing(connection, address)
        parts = _Parts(self, address, dataset_id, place_of(export))
        with parts.reading.moment() as moment:
            parts.warnings = find_warnings(moment)
            parts.exporter.recall(moment)
            is_dirty = parts.exporter.age(moment) is not None
            parts.following.start(moment)
        if self._found is not None:
            # A start that did not come to its end.
            self._found.database.close()
        self._found, self._closed = parts, False
        log.info("Dataset found in %s", address)
        for warning in parts.warnings:
            log.warning("%s: %s; kept as it is", address.dataset, warning)
        if is_dirty:
            self._on_dirty()

    def shutdown(self) -> None:
        if self._found is None or self._closed:
            return
        try:
            if self.save(automatic=True):
                log.info("Dataset saved on shutdown")
        except NotOurTurn:
            # Whoever exports ends later, and exports what is there then.
            pass
        except SaveError as exc:
            log.warning("Dataset not exported on shutdown (%s); the database has it", exc)

    def close(self) -> None:
        if self._found is not None and not self._closed:
            self._closed = True
            self._found.database.close()

    @property
    def is_loaded(self) -> bool:
        return self._found is not None

    @property
    def database(self) -> Database:
        """The connections. Raises `NotLoaded`."""
        return self._parts.database

    @property
    def committer(self) -> Committer:
        """What makes changes, for those who count. Raises `NotLoaded`."""
        return self._parts.committer

    def made(self, made: Made) -> None:
        """Changes were committed; called by the committer, in order."""
        self._parts.following.made(made.changes, made.timeline)
        if made.first and self._parts.exporter.place is not None:
            self._on_dirty()

    def look(self) -> None:
        """Tell followers what other processes did. Raises `LOST`, `OtherTables`; both may end by themselves."""
        parts = self._parts
        if parts.following.look() and parts.exporter.place is not None:
            self._on_dirty()

    def catch_up(self, *, settled: bool = False) -> None:
        """Tell followers of what is committed by now; `settled`, of what is under way too. Raises `Unavailable`."""
        self._open_parts.following.catch_up(settled=settled)

    # Reading

    @property
    def revision(self) -> int:
        """How many changes were accepted so far; the newest that is known here where the database does not answer."""
        if self._found is None:
            return 0
        try:
            return self._found.following.newest()
        except (psycopg.Error, Unavailable):
            return self._found.following.told

    @property
    def lineage(self) -> str:
        return "" if self._found is None else self._found.following.lineage

    def get(self, section: SectionName, record_id: int) -> Found:
        parts = self._parts
        return parts.database.insist(lambda: single.get(parts.reading, section, record_id))

    def find(self, query: Query, offset: int = 0, limit: int | None = None) -> Page:
        return self._ask(lambda moment: queries.find(moment, query, offset, limit))

    def neighbours(self, image_id: int, query: ImageQuery) -> Neighbours | None:
        return self._ask(lambda moment: queries.neighbours(moment, image_id, query))

    def first(self, query: ImageQuery) -> Found:
        def ask(moment: Moment) -> Found:
            text = queries.first(moment, query)
            return Found(None if text is None else Record(text), moment.head.revision)

        return self._ask(ask)

    def annotations_of(self, image_id: int, derived: Collection[Derived] = ()) -> Page | None:
        parts = self._parts
        return parts.database.insist(lambda: single.annotations_of(parts.reading, image_id, derived))

    def head(self) -> Head:
        def ask(moment: Moment) -> Head:
            texts = {key: top_level(moment, key) or b"null" for key in ("info", "licenses")}
            texts["categories"] = b"[%b]" % b",".join(queries.category_texts(moment))
            return Head(texts, _counts(moment), moment.head.revision)

        return self._ask(ask)

    def top_level(self, key: str) -> bytes | None:
        return self._ask(lambda moment: top_level(moment, key))

    def counts(self) -> dict[str, int]:
        return self._ask(_counts)

    def next_id(self, section: SectionName) -> int:
        return self._ask(lambda moment: moment.head.next_ids[section])

    def statistics(self) -> Statistics:
        return self._ask(queries.statistics)

    def export(self) -> Export:
        parts = self._parts

        def ask() -> Export:
            with parts.reading.long_moment() as moment:
                return export_of(self._file_name, moment.head.revision, dataset_text(moment))

        return parts.database.insist(ask)

    def snapshot(self) -> PostgresSnapshot:
        parts = self._parts
        return parts.database.insist(lambda: PostgresSnapshot(self._file_name, None, parts.reading.long_moment()))

    def walk(self, section: SectionName) -> Walk:
        parts = self._parts
        return parts.database.insist(lambda: walk(parts.reading.long_moment(), section))

    # Changing

    def commit(
        self,
        operations: Sequence[Operation],
        *,
        actor: str | None = None,
        key: str | None = None,
        request: str = "",
        if_revision: int | None = None,
    ) -> Committed:
        return self._open_parts.committer.commit(Wish(operations, actor, key, request, if_revision))

    def replace(self, texts: Texts, *, actor: str | None = None, if_revision: int | None = None) -> Change:
        parts = self._open_parts
        with telling(parts.database.address.dsn):
            change, timeline = replace(parts.reading, parts.exporter, texts, actor, if_revision)
        parts.warnings = self._ask(find_warnings)
        parts.following.made([change], timeline, saved=parts.exporter.place is not None)
        return change

    # The past

    @property
    def oldest_change(self) -> int:
        return self._insist(lambda past: past.oldest_change)

    def changes(self, since: int) -> list[Change] | None:
        return self._insist(lambda past: past.changes(since))

    def change(self, revision: int) -> Change | None:
        return self._insist(lambda past: past.change(revision))

    def find_changes(self, query: ChangeQuery) -> list[DescribedChange]:
        return self._insist(lambda past: past.find_changes(query))

    def whole_changes(self, query: ChangeQuery) -> list[Change] | None:
        return self._insist(lambda past: past.whole_changes(query))

    def versions(self, section: SectionName, record_id: int, query: ChangeQuery = NEWEST) -> list[Version]:
        return self._insist(lambda past: past.versions(section, record_id, query))

    def annotations_at(self, image_id: int, revision: int, derived: Collection[Derived] = ()) -> Page | None:
        return self._insist(lambda past: past.annotations_at(image_id, revision, derived))

    def work(self) -> list[UserDay]:
        return self._insist(lambda past: past.work())

    @contextmanager
    def touched_since(self, revision: int) -> Iterator[Touched]:
        with telling(self._parts.database.address.dsn), self._parts.past.touched_since(revision) as touched:
            yield touched

    @contextmanager
    def edits_since(self, revision: int) -> Iterator[Iterable[Edit | ValueEdit]]:
        with telling(self._parts.database.address.dsn), self._parts.past.edits_since(revision) as edits:
            yield edits

    def export_at(self, revision: int) -> Export:
        parts = self._parts

        def ask() -> Export:
            with parts.reading.long_moment() as moment:
                return export_of(self._file_name, revision, dataset_text_at(moment, revision))

        return parts.database.insist(ask)

    def snapshot_at(self, revision: int) -> PostgresSnapshot:
        parts = self._parts
        return parts.database.insist(lambda: PostgresSnapshot(self._file_name, revision, parts.reading.long_moment()))

    def forget(self) -> float | None:
        """Forget some changes that are too old; returns in how many seconds there may be more, `None` for never."""
        return None if self._closed else self._parts.forgetting.step()

    # The exported file

    def save(self, *, overwrite: bool = False, automatic: bool = False) -> Saved | None:
        parts = self._open_parts
        return parts.exporter.save(overwrite=overwrite, automatic=automatic)

    def unsaved_since(self) -> float | None:
        parts = self._parts
        try:
            age = self._ask(parts.exporter.age)
        except Unavailable:
            # Nobody knows; a look that works tells it again.
            return None
        return None if age is None else self.clock.monotonic() - age[1]

    def save_is_urgent(self) -> bool:
        return False

    def sync(self) -> None:
        """Every change that was made is durable: COMMIT made it so."""

    def check_writable(self) -> None:
        parts = self._parts
        parts.database.check(writable=True)

    def status(self) -> Status:
        parts, exporter = self._parts, self._parts.exporter

        def ask(moment: Moment) -> Status:
            age = exporter.age(moment)
            address = parts.database.address
            return Status(
                name=exporter.name or address.dataset,
                path=exporter.uri or str(address),
                size=exporter.size,
                counts=_counts(moment),
                warnings=list(parts.warnings),
                revision=moment.head.revision,
                journal_revision=moment.head.revision,
                file_revision=exporter.file_revision(moment),
                pending=exporter.pending(moment),
                pending_since=None if age is None else age[0],
                pending_seconds=None if age is None else age[1],
                loaded_at=parts.loaded_at,
                saves=exporter.results,
                journal_size=0,
                journal_error=None,
                backups=[],
            )

        return self._ask(ask)

    def measures(self) -> list[Measure]:
        """See `cocoannot.store.base.Measures`."""
        if self._found is None:
            return []
        database, committer = self._found.database, self._found.committer
        waiting, waited = database.waits()
        return [
            Measure("database_lost", "1 where the database did not answer last, else 0", database.is_lost, False),
            Measure("database_retries", "Tries that were repeated after a connection was lost", database.retries, True),
            Measure("database_waiting", "Threads that wait for a connection", waiting, False),
            Measure("database_wait_seconds", "Time that threads waited for a connection", waited, True),
            Measure("commit_groups", "Transactions that made changes", committer.groups, True),
            Measure("commit_changes", "Changes in these transactions", committer.changes, True),
        ]

    @property
    def _parts(self) -> _Parts:
        if self._found is None:
            raise NotLoaded("the dataset is not loaded yet; try again in a moment")
        return self._found

    @property
    def _open_parts(self) -> _Parts:
        if self._closed:
            raise NotLoaded("the dataset is not loaded yet; try again in a moment")
        return self._parts

    @property
    def _file_name(self) -> str:
        """What a file is called that holds the text."""
        name = PurePath(self._parts.database.address.dataset).name or "dataset"
        name = name.removesuffix(".gz")
        return name if name.endswith(".json") else f"{name}.json"

    def _ask(self, ask: Callable[[Moment], Answer]) -> Answer:
        """What `ask` finds in a snapshot, asked again where the connection is lost."""
        parts = self._parts

        def once() -> Answer:
            with parts.reading.moment() as moment:
                return ask(moment)

        return parts.database.insist(once)

    def _insist(self, ask: Callable[[Past], Answer]) -> Answer:
        parts = self._parts
        return parts.database.insist(lambda: ask(parts.past))


def _counts(moment: Moment) -> dict[str, int]:
    return {name: moment.head.counts[name] for name in SECTIONS}
