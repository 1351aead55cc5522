"""Two servers that both take changes, since one was promoted while the other one was away: which of them counts."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

import psycopg
import pytest
from event_streams import reading
from postgres_proxy import CuttingProxy
from postgres_servers import Postgres, running_postgres, running_replica
from postgres_workers import serving
from servers import until

from cocoannot.changes.change import Change
from cocoannot.changes.operations import Add
from cocoannot.database_uri import DatabaseUri
from cocoannot.errors import SaveError, Unavailable
from cocoannot.files.atomic import Content
from cocoannot.store.postgres.importing import import_file
from cocoannot.store.postgres.maintenance import check_dataset
from cocoannot.store.postgres.place import Blocks, FilePlace, Put, Sight
from cocoannot.store.postgres.store import PostgresStore
from cocoannot.store.queries import AnnotationQuery

BOX = {"image_id": 1, "category_id": 1, "bbox": [1, 2, 3, 4]}
DATASET = "street"


class Recorder:
    """What a follower was told."""

    def __init__(self) -> None:
        self.told: list[Change] = []
        self.file_revision: int | None = None

    @property
    def last(self) -> tuple[int, bool]:
        """The revision that was told last, and whether everything was replaced."""
        return self.told[-1].revision, bool(self.told[-1].replaced)

    def changed(self, change: Change) -> None:
        self.told.append(change)

    def promised(self, revision: int) -> None:
        pass

    def saved(self, revision: int) -> None:
        self.file_revision = revision


class Pair(NamedTuple):
    """A primary, its copy, and one address that leads to the first of them, until it is turned."""

    old: Postgres
    new: Postgres
    proxy: CuttingProxy

    @property
    def uri(self) -> DatabaseUri:
        return DatabaseUri(self.old.uri().replace(str(self.old.port), str(self.proxy.port)), DATASET)

    def part(self) -> None:
        """The copy has everything so far, and gets nothing more."""
        with self.old.connect() as old, self.new.connect() as new:
            end = old.execute("SELECT pg_current_wal_lsn()").fetchone()
            until(lambda: _has_replayed(new, end), "the copy has everything")
            new.execute("ALTER SYSTEM SET primary_conninfo = ''")
            new.execute("SELECT pg_reload_conf()")
            until(lambda: new.execute("SELECT FROM pg_stat_wal_receiver").fetchone() is None, "it gets nothing more")

    def promote(self) -> None:
        """The copy takes changes, and the address leads to it."""
        with self.new.connect() as connection:
            connection.execute("SELECT pg_promote()")
        self.proxy.turn(self.new.port)


def _has_replayed(copy: psycopg.Connection[Any], end: tuple[Any, ...] | None) -> bool:
    return copy.execute("SELECT pg_last_wal_replay_lsn() >= %s::pg_lsn", end).fetchone() == (True,)


@pytest.fixture
def pair(dataset_path: Path, small: dict[str, Any]) -> Iterator[Pair]:
    dataset_path.write_text(json.dumps(small))
    with running_postgres() as old:
        import_file(DatabaseUri(old.uri(), DATASET), dataset_path)
        with running_replica(old) as new, closing(CuttingProxy(old.port)) as proxy:
            yield Pair(old, new, proxy)


def opened(uri: DatabaseUri, follower: Recorder | None = None, patience: float = 20) -> PostgresStore:
    store = PostgresStore(follower=follower, patience=patience)
    store.load_dataset(uri, None)
    return store


def add(store: PostgresStore, note: int) -> int:
    return store.commit([Add("annotations", {**BOX, "note": note})]).revision


def notes(store: PostgresStore) -> list[int]:
    records = [json.loads(text) for text in store.find(AnnotationQuery()).texts]
    return [record["note"] for record in records if "note" in record]


def test_the_primary_that_was_promoted_counts_though_the_one_before_it_showed_more(pair: Pair) -> None:
    recorder = Recorder()
    with closing(opened(pair.uri, recorder)) as store:
        assert add(store, 1) == 1
        pair.part()
        assert [add(store, note) for note in (2, 3)] == [2, 3]
        lineage = store.lineage
        pair.promote()
        assert notes(store) == [1]
        store.look()
        assert recorder.last == (1, True)
        assert store.lineage != lineage
        assert add(store, 4) == 2
        assert recorder.last == (2, False)
        assert store.revision == 2
    assert check_dataset(DatabaseUri(pair.new.uri(), DATASET)) == []


def test_the_old_primary_is_not_read_any_more_though_it_answers_with_a_higher_revision(pair: Pair) -> None:
    recorder = Recorder()
    with closing(opened(pair.uri, recorder, patience=1)) as store:
        pair.part()
        assert [add(store, note) for note in (1, 2, 3)] == [1, 2, 3]
        pair.promote()
        assert add(store, 4) == 1
        pair.proxy.turn(pair.old.port)
        asked: list[Callable[[], object]] = [
            lambda: notes(store),
            lambda: store.get("images", 1),
            lambda: add(store, 5),
            store.catch_up,
        ]
        for ask in asked:
            with pytest.raises(Unavailable, match="revision 3 of timeline 1, though revision 1 of timeline 2"):
                ask()
        pair.proxy.turn(pair.new.port)
        until(lambda: answers(store), "the new one is read again")
        assert notes(store) == [4]
        store.look()
        assert recorder.last == (1, True)


def answers(store: PostgresStore) -> bool:
    try:
        store.counts()
    except Unavailable:
        return False
    return True


def test_no_change_is_left_out_where_its_revision_was_told_of_another_one(pair: Pair) -> None:
    recorder = Recorder()
    with closing(opened(pair.uri, recorder)) as store:
        pair.part()
        assert [add(store, note) for note in (1, 2)] == [1, 2]
        pair.promote()
        with closing(opened(DatabaseUri(pair.new.uri(), DATASET))) as other:
            assert [add(other, note) for note in (3, 4)] == [1, 2]
            # The next one after what was told, but not of the same changes.
            assert add(store, 5) == 3
            assert recorder.last == (2, False)
            store.look()
            assert recorder.last == (3, True)
            add(other, 6)
        store.look()
        assert recorder.last == (4, False)
        assert [len(recorder.told), notes(store)] == [4, [3, 4, 5, 6]]


def test_a_switch_without_loss_is_a_new_lineage_too_for_every_process(pair: Pair) -> None:
    with closing(opened(pair.uri)) as store, closing(opened(pair.uri)) as other:
        add(store, 1)
        assert store.lineage == other.lineage
        pair.part()
        pair.promote()
        for each in (store, other):
            each.catch_up()
        assert store.lineage == other.lineage
        with closing(opened(pair.uri)) as later:
            assert later.lineage == store.lineage


def test_the_layout_of_a_replacement_that_is_lost_is_not_used_for_another_one(pair: Pair) -> None:
    with closing(opened(pair.uri)) as store:
        pair.part()
        store.replace({"annotations": b"[]", "licenses": b'["lost"]'})
        assert b"lost" in b"".join(map(bytes, store.export().blocks))
        pair.promote()
        with closing(opened(DatabaseUri(pair.new.uri(), DATASET))) as other:
            other.replace({"annotations": b"[]", "licenses": b'["kept"]'})
        assert b"kept" in b"".join(map(bytes, store.export().blocks))


class TurningPlace(FilePlace):
    """Another primary is promoted while the file is written, the first time."""

    def __init__(self, path: Path, pair: Pair) -> None:
        super().__init__(path)
        self._pair: Pair | None = pair

    def put(
        self, blocks: Blocks, seen: Sight | None, expect: Callable[[Content], object], revision: int, keep: str | None
    ) -> Put:
        pair, self._pair = self._pair, None
        if pair is not None:
            blocks = list(map(bytes, blocks))
            pair.promote()
        return super().put(blocks, seen, expect, revision, keep)


def test_what_an_old_primary_showed_is_not_exported_as_a_revision_of_the_new_one(
    pair: Pair, dataset_path: Path
) -> None:
    recorder = Recorder()
    store = PostgresStore(follower=recorder, patience=20)
    store.load_dataset(pair.uri, TurningPlace(dataset_path, pair))
    with closing(store):
        pair.part()
        before = dataset_path.read_bytes()
        assert [add(store, note) for note in (1, 2)] == [1, 2]
        with pytest.raises(SaveError, match="has another primary since the export"):
            store.save()
        assert dataset_path.read_bytes() == before
        assert add(store, 3) == 1
        saved = store.save()
        assert saved is not None
        assert (saved.revision, store.status().file_revision) == (1, 1)
        store.look()
        assert recorder.file_revision == 1
        written = [record.get("note") for record in json.loads(dataset_path.read_bytes())["annotations"]]
        assert [note for note in written if note] == notes(store) == [3]


def test_a_role_that_may_not_ask_for_the_timeline_works(dataset_path: Path, small: dict[str, Any]) -> None:
    dataset_path.write_text(json.dumps(small))
    with running_postgres() as server:
        uri = DatabaseUri(server.uri(), DATASET)
        import_file(uri, dataset_path)
        with server.connect() as connection:
            connection.execute("REVOKE EXECUTE ON FUNCTION pg_walfile_name FROM PUBLIC")
            connection.execute("CREATE ROLE plain LOGIN")
            connection.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO plain")
        recorder = Recorder()
        with closing(opened(uri._replace(dsn=uri.dsn.replace("tests@", "plain@")), recorder)) as store:
            assert add(store, 1) == 1
            store.look()
            assert [change.revision for change in recorder.told] == [1]


@pytest.mark.slow
def test_streams_end_at_another_primary_and_come_back_to_a_reset(pair: Pair, dataset_path: Path) -> None:
    with serving(pair.uri, dataset_path, workers=1) as server:
        pair.part()
        with reading(server.url) as reader:
            lineage = reader.next().data["lineage"]
            for _ in range(3):
                assert server.ask("POST", "/api/annotations", BOX).status == 201
            told = [reader.next().id for _ in range(3)]
            assert told == [f"{lineage}:{revision}" for revision in (1, 2, 3)]
            pair.promote()
            assert reader.rest()[-1].name == "restart"
        assert server.ask("POST", "/api/annotations", BOX).status == 201
        with reading(server.url, last=told[-1]) as reader:
            hello, reset = reader.next(), reader.next()
            assert (hello.name, hello.id, reset.name) == ("hello", "", "reset")
            assert hello.data["lineage"] != lineage
            assert reset.id == f"{hello.data['lineage']}:1"
            assert server.ask("POST", "/api/annotations", BOX).status == 201
            assert reader.until("change").id == f"{hello.data['lineage']}:2"
