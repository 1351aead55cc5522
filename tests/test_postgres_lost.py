"""Connections to PostgreSQL that are lost at any moment: nothing that was acknowledged is lost, none is made twice."""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from postgres_proxy import CuttingProxy
from postgres_servers import Postgres, running_postgres
from postgres_stores import FilePostgresStore
from servers import until

from cocoannot.changes.operations import Add
from cocoannot.database_uri import DatabaseUri
from cocoannot.errors import BadOperation, ConfigError, Conflict, DatasetError, Unavailable
from cocoannot.store.postgres.importing import import_file
from cocoannot.store.postgres.maintenance import check_dataset
from cocoannot.store.postgres.store import PostgresStore
from cocoannot.store.queries import AnnotationQuery, CategoryQuery

BOX = {"image_id": 1, "category_id": 1, "bbox": [1, 2, 3, 4]}


@pytest.fixture
def proxy(postgres: Postgres) -> Iterator[CuttingProxy]:
    proxy = CuttingProxy(postgres.port)
    yield proxy
    proxy.close()


def notes(store: PostgresStore) -> Counter[int]:
    """How often each number was stored."""
    records = [json.loads(text) for text in store.find(AnnotationQuery()).texts]
    return Counter(record["note"] for record in records if "note" in record)


def test_a_connection_cut_at_any_byte_of_a_commit_loses_nothing_and_does_nothing_twice(
    postgres: Postgres, uri: DatabaseUri, proxy: CuttingProxy, torture: bool
) -> None:
    store = PostgresStore(patience=20)
    store.load_dataset(DatabaseUri(uri.dsn.replace(str(postgres.port), str(proxy.port)), uri.dataset), None)
    step = 7 if torture else 150
    count = 0
    for of_client in (True, False):
        for number in range(0, 4000, step):
            proxy.cut_after(number, of_client=of_client)
            committed = store.commit([Add("annotations", {**BOX, "note": count})])
            assert committed.revision == count + 1
            count += 1
    proxy.pass_all()
    assert proxy.cuts > count // 2
    assert notes(store) == Counter(range(count))
    assert store.revision == count
    store.close()
    assert check_dataset(uri) == []


def test_changes_of_many_stores_go_on_where_backends_are_terminated(postgres: Postgres, uri: DatabaseUri) -> None:
    stores = [PostgresStore(patience=20) for _ in range(2)]
    for store in stores:
        store.load_dataset(uri, None)
    ended = threading.Event()

    def terminate() -> None:
        with postgres.connect() as connection:
            while not ended.wait(0.3):
                connection.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                    "WHERE application_name = 'cocoannot' AND pid <> pg_backend_pid()"
                )

    thread = threading.Thread(target=terminate)
    thread.start()
    try:
        with ThreadPoolExecutor(8) as pool:
            add = lambda note: stores[note % 2].commit([Add("annotations", {**BOX, "note": note})])  # noqa: E731
            made = list(pool.map(add, range(200)))
    finally:
        ended.set()
        thread.join()
    assert sorted(each.revision for each in made) == list(range(1, 201))
    assert notes(stores[0]) == Counter(range(200))
    for store in stores:
        store.close()
    assert check_dataset(uri) == []


def test_a_request_with_a_key_is_done_once_by_two_stores_at_the_same_time(uri: DatabaseUri) -> None:
    stores = [PostgresStore() for _ in range(2)]
    for store in stores:
        store.load_dataset(uri, None)
    with ThreadPoolExecutor(8) as pool:
        add = lambda number: stores[number % 2].commit(  # noqa: E731
            [Add("annotations", {**BOX, "note": 0})], actor="anna", key="k", request="r"
        )
        made = list(pool.map(add, range(16)))
    assert {each.revision for each in made} == {1}
    assert Counter(each.is_repeated for each in made) == {False: 1, True: 15}
    assert notes(stores[1]) == {0: 1}
    for store in stores:
        store.close()


def test_a_database_that_is_killed_comes_back_and_has_everything(dataset_path: Path, small: dict[str, Any]) -> None:
    dataset_path.write_text(json.dumps(small))
    # What was committed must be there after a kill.
    with running_postgres(fsync="on") as server:
        store = FilePostgresStore(server, patience=60)
        store.load(str(dataset_path))
        store.commit([Add("annotations", {**BOX, "note": 0})])
        server.kill()
        with ThreadPoolExecutor(4) as pool:
            waiting = [pool.submit(store.commit, [Add("annotations", {**BOX, "note": note})]) for note in range(1, 5)]
            server.start()
            assert {each.result().revision for each in waiting} == {2, 3, 4, 5}
        assert notes(store) == Counter(range(5))
        store.close()


def test_a_database_that_stays_away_is_told_and_everything_works_again_when_it_is_back(
    dataset_path: Path, small: dict[str, Any]
) -> None:
    dataset_path.write_text(json.dumps(small))
    with running_postgres() as server:
        uri = DatabaseUri(server.uri(), "one")
        import_file(uri, dataset_path)
        store = PostgresStore(patience=1)
        store.load_dataset(uri, None)
        store.commit([Add("annotations", BOX)])
        server.stop()
        for ask in (lambda: store.find(AnnotationQuery()), lambda: store.commit([Add("annotations", BOX)])):
            with pytest.raises(Unavailable, match="does not answer") as raised:
                ask()
            assert raised.value.retry_after > 0
            assert "\n" not in str(raised.value)
        with pytest.raises(Unavailable):
            store.check_writable()
        assert store.revision == 1, "the newest that is known"
        assert store.unsaved_since() is None, "whoever saves waits for a look that works"
        server.start()
        store.check_writable()

        def works() -> bool:
            try:
                return store.find(AnnotationQuery()).total == 4
            except Unavailable:
                return False

        until(works, "the store works again")
        assert store.commit([Add("annotations", BOX)]).revision == 2
        store.close()


def test_a_serializable_database_is_asked_again_where_it_says_so(postgres: Postgres, uri: DatabaseUri) -> None:
    dsn = f"{uri.dsn}?options=-c%20default_transaction_isolation%3Dserializable"
    stores = [PostgresStore() for _ in range(2)]
    for store in stores:
        store.load_dataset(DatabaseUri(dsn, uri.dataset), None)
    with ThreadPoolExecutor(8) as pool:
        add = lambda note: stores[note % 2].commit([Add("annotations", {**BOX, "note": note})])  # noqa: E731
        made = list(pool.map(add, range(100)))
    assert sorted(each.revision for each in made) == list(range(1, 101))
    assert notes(stores[0]) == Counter(range(100))
    for store in stores:
        store.close()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda uri: DatabaseUri(uri.dsn.replace("/cocoannot", "/nowhere"), "x"), "create it"),
        (lambda uri: DatabaseUri(uri.dsn.replace("tests@", "nobody_at_all@"), "x"), "make this role"),
        (lambda uri: DatabaseUri(uri.dsn, "not there"), "there is no dataset of this name"),
        (lambda uri: DatabaseUri(uri.dsn.replace("/cocoannot", "/postgres"), "x"), "cocoannot db upgrade"),
        (lambda uri: DatabaseUri(f"{uri.dsn}?nonsense=1", "x"), '"nonsense"; leave it out of the address'),
        (lambda uri: DatabaseUri(f"{uri.dsn}?sslmode=maybe", "x"), '"maybe"; correct it in the address'),
        (lambda uri: DatabaseUri(f"{uri.dsn}?connect_timeout=soon", "x"), "soon.*; correct it in the address"),
        (lambda uri: DatabaseUri(uri.dsn.replace("/cocoannot", "0/cocoannot"), "x"), "correct it in the address"),
    ],
)
def test_an_address_that_is_wrong_is_refused_with_what_to_do(uri: DatabaseUri, change: Any, words: str) -> None:
    store = PostgresStore()
    with pytest.raises((ConfigError, DatasetError), match=words) as raised:
        store.load_dataset(change(uri), None)
    assert "\n" not in str(raised.value)
    assert not store.is_loaded


def test_a_name_with_u_0000_is_kept_and_found(uri: DatabaseUri) -> None:
    store = PostgresStore()
    store.load_dataset(uri, None)
    store.commit([Add("categories", {"name": "a\0b"})])
    with pytest.raises(BadOperation) as raised:
        store.commit([Add("categories", {"name": "a\0b"})])
    assert isinstance(raised.value.cause, Conflict)
    # What PostgreSQL holds in its place is another name.
    store.commit([Add("categories", {"name": "a\ufffdb"})])
    names = [json.loads(text)["name"] for text in store.find(CategoryQuery()).texts]
    assert names[-2:] == ["a\0b", "a\ufffdb"]
    store.close()


# It takes half a minute: each try is ended by the database.
@pytest.mark.slow
def test_who_waits_for_the_lock_is_told_after_a_while_and_reads_meanwhile(postgres: Postgres, uri: DatabaseUri) -> None:
    store = PostgresStore(patience=1)
    store.load_dataset(uri, None)
    with postgres.connect() as connection, connection.transaction():
        connection.execute(
            "SELECT FROM head WHERE dataset_id = (SELECT dataset_id FROM dataset WHERE name = %s) FOR UPDATE",
            [uri.dataset],
        )
        with pytest.raises(Unavailable, match="nothing is lost, try again"):
            store.commit([Add("annotations", BOX)])
        assert store.find(AnnotationQuery()).total == 3, "reading waits for nobody"
    assert store.commit([Add("annotations", BOX)]).revision == 1
    store.close()


def test_changes_that_come_while_the_lock_is_waited_for_share_one_transaction(
    postgres: Postgres, uri: DatabaseUri
) -> None:
    store = PostgresStore()
    store.load_dataset(uri, None)
    made: list[int] = []

    def add(note: int) -> None:
        made.append(store.commit([Add("annotations", {**BOX, "image_id": 1 + note % 2, "note": note})]).revision)

    def four_at_once() -> bool:
        before = transactions(store)
        with ThreadPoolExecutor(4) as pool, postgres.connect() as connection, connection.transaction():
            connection.execute("SELECT FROM head FOR UPDATE")
            pool.submit(add, len(made))
            until(lambda: _waits_for_lock(postgres), "the first one waits")
            others = [pool.submit(add, len(made) + number) for number in (1, 2, 3)]
            until(lambda: all(each.running() for each in others), "the others are on their way")
        return transactions(store) == before + 1

    until(four_at_once, "four changes share one transaction")
    assert sorted(made) == list(range(1, len(made) + 1))
    assert sum(notes(store).values()) == len(made)
    store.close()
    assert check_dataset(uri) == []


def transactions(store: PostgresStore) -> float:
    """How many transactions have made changes."""
    return next(each.value for each in store.measures() if each.name == "commit_groups")


def _waits_for_lock(postgres: Postgres) -> bool:
    with postgres.connect() as connection:
        sql = "SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND application_name = 'cocoannot'"
        return connection.execute(sql).fetchone() is not None
