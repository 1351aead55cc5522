"""Databases that can't be served, as an operator hears of it: one line that says what to do."""

from __future__ import annotations

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psycopg
import pytest
from postgres_servers import Postgres, running_postgres, running_replica
from servers import until

from cocoannot.changes.operations import Add
from cocoannot.database_uri import DatabaseUri
from cocoannot.errors import ConfigError, DatasetError, Unavailable
from cocoannot.store.postgres.importing import import_file
from cocoannot.store.postgres.maintenance import begin_lineage, remove
from cocoannot.store.postgres.store import PostgresStore
from cocoannot.store.queries import AnnotationQuery

pytestmark = pytest.mark.slow

BOX = {"image_id": 1, "category_id": 1, "bbox": [1, 2, 3, 4]}


def test_a_role_without_rights_and_a_wrong_password_are_refused_without_showing_it(postgres: Postgres) -> None:
    with postgres.connect() as connection:
        connection.execute("CREATE ROLE guarded LOGIN PASSWORD 'right'")
    address = DatabaseUri(postgres.uri().replace("tests@", "guarded:wrong_one@"), "x")

    def refused() -> str:
        with pytest.raises(ConfigError) as raised:
            PostgresStore().load_dataset(address, None)
        return str(raised.value)

    # So far everybody is let in, but has no rights.
    assert "this role may not use the tables" in refused()
    rules = postgres.folder / "pg_hba.conf"
    rules.write_text(f"host all guarded 127.0.0.1/32 scram-sha-256\n{rules.read_text()}")
    with postgres.connect() as connection:
        connection.execute("SELECT pg_reload_conf()")
    until(lambda: "password" in refused(), "the password counts")
    assert "correct the password (in the address, ~/.pgpass or PGPASSWORD)" in refused()
    for secret in ("wrong_one", "\n"):
        assert secret not in refused()


def test_a_replica_is_read_and_its_refusal_of_changes_says_what_to_name(
    dataset_path: Path, small: dict[str, Any]
) -> None:
    dataset_path.write_text(json.dumps(small))
    with running_postgres() as primary:
        import_file(DatabaseUri(primary.uri(), "street"), dataset_path)
        with running_replica(primary) as replica:
            store = PostgresStore(patience=1)
            store.load_dataset(DatabaseUri(replica.uri(), "street"), None)
            other = DatabaseUri(replica.uri(), "other")
            assert store.find(AnnotationQuery()).total == 3
            calls: list[Callable[[], object]] = [
                lambda: store.commit([Add("annotations", BOX)]),
                store.check_writable,
                # Its tables are not logged, so a replica has nothing of them.
                lambda: store.team.claims.take(1, ("user anna", "anna", "tab"), 90),
                lambda: store.team.claims.let_go(1, ("user anna", "anna", "tab")),
            ]
            assert store.team.claims.all() == {}
            for call in calls:
                with pytest.raises(Unavailable, match="name its primary in the address, or all of its hosts") as raised:
                    call()
                assert "\n" not in str(raised.value)
            store.close()
            uri = DatabaseUri(replica.uri(), "street")
            for command in (lambda: begin_lineage(uri), lambda: remove(uri), lambda: import_file(other, dataset_path)):
                with pytest.raises(DatasetError, match="nothing was changed, this is a replica, name its primary"):
                    command()


def test_a_change_that_is_refused_is_told_though_reads_work_all_the_time(
    postgres: Postgres, dataset_path: Path, small: dict[str, Any]
) -> None:
    dataset_path.write_text(json.dumps(small))
    import_file(DatabaseUri(postgres.uri(), str(dataset_path)), dataset_path)
    read_only = f"{postgres.uri()}?options=-c%20default_transaction_read_only%3Don"
    store = PostgresStore(patience=1)
    store.load_dataset(DatabaseUri(read_only, str(dataset_path)), None)
    with ThreadPoolExecutor(1) as pool:
        change = pool.submit(store.commit, [Add("annotations", BOX)])
        until(lambda: store.find(AnnotationQuery()).total == 3 and change.done(), "it is told")
        with pytest.raises(Unavailable, match="takes no changes"):
            change.result()
    store.close()


def test_of_several_hosts_the_one_that_takes_changes_is_found(dataset_path: Path, small: dict[str, Any]) -> None:
    dataset_path.write_text(json.dumps(small))
    with running_postgres() as primary:
        import_file(DatabaseUri(primary.uri(), "street"), dataset_path)
        with running_replica(primary) as replica:
            hosts = f"127.0.0.1:{replica.port},127.0.0.1:{primary.port}"
            store = PostgresStore(patience=5)
            store.load_dataset(DatabaseUri(f"postgresql://tests@{hosts}/cocoannot", "street"), None)
            assert store.commit([Add("annotations", BOX)]).revision == 1
            # The one that took changes is gone, and the other one takes them from now on.
            primary.stop()
            with replica.connect() as connection:
                connection.execute("SELECT pg_promote()")
            assert store.commit([Add("annotations", BOX)]).revision in (1, 2)
            store.close()
            primary.start()


def test_a_server_that_stops_without_ending_its_connections_is_left_after_a_while(
    dataset_path: Path, small: dict[str, Any]
) -> None:
    dataset_path.write_text(json.dumps(small))
    with running_postgres() as primary:
        uri = DatabaseUri(primary.uri(), "street")
        import_file(uri, dataset_path)
        store = PostgresStore(patience=1)
        store.load_dataset(uri, None)
        with primary.paused(), pytest.raises(Unavailable, match="does not answer"):
            store.commit([Add("annotations", BOX)])
        until(lambda: _works(store), "the store works again")
        store.close()


def test_a_database_that_has_less_than_was_seen_before_is_not_read(
    postgres: Postgres, dataset_path: Path, small: dict[str, Any]
) -> None:
    dataset_path.write_text(json.dumps(small))
    uri = DatabaseUri(postgres.uri(), str(dataset_path))
    import_file(uri, dataset_path)
    store = PostgresStore(patience=2)
    store.load_dataset(uri, None)
    assert store.commit([Add("annotations", BOX)]).revision == 1
    assert store.get("images", 1).revision == 1
    with postgres.connect() as connection:
        # As on a server that was left behind.
        move = "UPDATE head SET revision = %s WHERE dataset_id = (SELECT dataset_id FROM dataset WHERE name = %s)"
        connection.execute(move, [0, uri.dataset])
        calls: list[Callable[[], object]] = [
            lambda: store.get("images", 1),
            lambda: store.find(AnnotationQuery()),
            lambda: store.commit([Add("annotations", BOX)]),
        ]
        for call in calls:
            with pytest.raises(Unavailable, match="it has revision 0 of timeline 1, though revision 1 of timeline 1"):
                call()
        connection.execute(move, [1, uri.dataset])
    until(lambda: _works(store), "the store works again")
    store.close()


def _works(store: PostgresStore) -> bool:
    try:
        return store.find(AnnotationQuery()).total >= 3
    except (Unavailable, psycopg.Error):
        return False
