"""Changes in a database that are too old: forgotten in portions, by one process at a time, and never what is needed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from api_client import Serve
from postgres_servers import Postgres
from servers import until

from cocoannot.changes.change import Change
from cocoannot.changes.operations import Add
from cocoannot.database_uri import DatabaseUri
from cocoannot.errors import NotKept
from cocoannot.store.base import Followers
from cocoannot.store.postgres.giving_back import export_file
from cocoannot.store.postgres.maintenance import check_dataset
from cocoannot.store.postgres.store import PostgresStore

BOX = {"image_id": 1, "category_id": 1, "bbox": [1, 2, 3, 4]}
DAY = 86_400


@pytest.fixture
def store(uri: DatabaseUri) -> Iterator[PostgresStore]:
    """It forgets what is older than a week."""
    found = PostgresStore(history_days=7)
    found.load_dataset(uri, None)
    yield found
    found.close()


def add(store: PostgresStore, changes: int, at_once: int = 1) -> None:
    for _ in range(changes):
        store.commit([Add("annotations", BOX)] * at_once)


def make_older(postgres: Postgres, uri: DatabaseUri, until: int, days: float, since: int = 0) -> None:
    """Let the changes after `since` up to `until` have been made so many days before."""
    with postgres.connect() as connection:
        connection.execute(
            "UPDATE change SET time = time - %s WHERE revision > %s AND revision <= %s "
            "AND dataset_id = (SELECT dataset_id FROM dataset WHERE name = %s)",
            [days * DAY, since, until, uri.dataset],
        )


def forget(store: PostgresStore) -> float | None:
    """All that is too old; returns when it is looked for again."""
    while (pause := store.forget()) == 0:
        pass
    return pause


def test_a_server_forgets_what_is_too_old_and_answers_as_with_a_file(
    postgres: Postgres, uri: DatabaseUri, serve: Serve
) -> None:
    api = serve(COCOANNOT_DATASET=uri.text, COCOANNOT_HISTORY_DAYS=7)
    for _ in range(6):
        assert api.post("/api/annotations", BOX).status_code == 201
    # A clock that was set back: what came after a change that is kept is kept.
    make_older(postgres, uri, 4, 8)
    make_older(postgres, uri, 6, 9, since=5)
    assert api.post("/api/changes/2/undo").status_code == 200
    api.again()
    until(lambda: [change["revision"] for change in api.get("/api/changes").json] == [5, 6, 7], "the rest is forgotten")
    answer = api.post("/api/changes/3/undo")
    assert answer.status_code == 404
    assert "those after revision 4 are kept" in answer.json["message"]
    assert api.get("/api/images/1/annotations?at=3").status_code == 404
    assert len(api.get("/api/images/1/annotations?at=4").json) == 6
    assert api.get("/api/changes?since=3").status_code == 404
    assert [change["revision"] for change in api.get("/api/changes?since=4").json] == [5, 6, 7]
    assert api.post("/api/changes/5/undo").status_code == 200
    assert len(api.get("/api/annotations").json) == 7
    assert check_dataset(uri) == []


def test_a_file_that_is_exported_has_the_history_that_is_kept(
    postgres: Postgres, uri: DatabaseUri, store: PostgresStore, tmp_path: Path, serve: Serve
) -> None:
    add(store, 6)
    make_older(postgres, uri, 4, 8)
    assert forget(store) == 3600
    path = tmp_path / "back.json"
    export_file(uri, path, lambda path, blocks: path.write_bytes(b"".join(blocks)))
    api = serve(COCOANNOT_DATASET=path)
    assert [change["revision"] for change in api.get("/api/changes").json] == [5, 6]
    assert api.get("/api/images/1/annotations?at=3").status_code == 404
    assert len(api.get("/api/images/1/annotations?at=4").json) == 6


def test_what_the_exported_file_lacks_is_kept_and_the_newest_change(
    postgres: Postgres, uri: DatabaseUri, tmp_path: Path
) -> None:
    store = PostgresStore(history_days=7)
    store.load_dataset(uri, tmp_path / "exported.json")
    add(store, 2)
    store.save()
    add(store, 3)
    make_older(postgres, uri, 5, 30)
    assert forget(store) == 3600
    assert store.oldest_change == 2
    assert store.status().pending.summary() == "3 annotation(s) added"
    store.save()
    assert forget(store) == 3600
    assert store.oldest_change == 4
    store.close()
    assert check_dataset(uri) == []


def test_a_day_is_kept_where_no_history_is_asked_for(postgres: Postgres, uri: DatabaseUri) -> None:
    store = PostgresStore(history_days=0)
    store.load_dataset(uri, None)
    store.commit([Add("annotations", BOX)], key="k", request="r")
    add(store, 2)
    make_older(postgres, uri, 3, 0.9)
    forget(store)
    assert store.commit([Add("annotations", BOX)], key="k", request="r").is_repeated
    make_older(postgres, uri, 2, 0.2)
    forget(store)
    assert store.oldest_change == 2
    with pytest.raises(NotKept), store.touched_since(1):
        pass
    store.close()


def test_one_process_at_a_time_forgets_and_none_without_the_setting(
    postgres: Postgres, uri: DatabaseUri, store: PostgresStore
) -> None:
    add(store, 4)
    make_older(postgres, uri, 4, 8)
    ours = "WHERE dataset_id = (SELECT dataset_id FROM dataset WHERE name = %s)"
    with postgres.connect() as connection:
        connection.execute(
            "INSERT INTO lease SELECT dataset_id, 'forget', 'another process', now() + interval '1 hour' "
            "FROM dataset WHERE name = %s",
            [uri.dataset],
        )
        assert store.forget() == 3600
        assert store.oldest_change == 0
        # It has died.
        connection.execute(f"UPDATE lease SET until = now() - interval '1 second' {ours}".encode(), [uri.dataset])
        other = PostgresStore()
        other.load_dataset(uri, None)
        assert other.forget() is None
        other.close()
        assert store.oldest_change == 0
        assert forget(store) == 3600
        assert store.oldest_change == 3
        assert connection.execute(f"SELECT * FROM lease {ours}".encode(), [uri.dataset]).fetchall() == []


def test_portions_are_small_and_one_that_is_not_goes_by_itself(
    postgres: Postgres, uri: DatabaseUri, store: PostgresStore
) -> None:
    add(store, 2, at_once=200)
    add(store, 1, at_once=600)
    add(store, 3, at_once=200)
    make_older(postgres, uri, 5, 8)
    found = []
    while store.forget() == 0:
        found.append(store.oldest_change)
    assert found == [2, 3, 5]
    assert check_dataset(uri) == []


class Heard(Followers):
    """What a follower hears: revisions, and what was replaced with them."""

    def __init__(self) -> None:
        super().__init__()
        self.changes: list[tuple[int, bool]] = []

    def changed(self, change: Change) -> None:
        self.changes.append((change.revision, bool(change.replaced)))


def test_a_process_that_has_not_heard_of_what_is_forgotten_reads_everything_anew(
    postgres: Postgres, uri: DatabaseUri, store: PostgresStore
) -> None:
    heard = Heard()
    late = PostgresStore(follower=heard)
    late.load_dataset(uri, None)
    add(store, 1)
    late.look()
    add(store, 5)
    make_older(postgres, uri, 4, 8)
    forget(store)
    late.look()
    assert heard.changes == [(1, False), (6, True)]
    add(store, 1)
    late.look()
    assert heard.changes[2:] == [(7, False)]
    late.close()
