"""A dataset moved from a file into a database and back: its history, ids, users and tags come along."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from flask.cli import ScriptInfo
from postgres_servers import Postgres

from cocoannot.app import create_app
from cocoannot.changes.operations import Add, Delete, Undo, Update
from cocoannot.console import cocoannot
from cocoannot.database_uri import DatabaseUri
from cocoannot.files.dataset_file import DatasetFile
from cocoannot.files.lock import Owner
from cocoannot.history.kept import KeptHistory
from cocoannot.store.base import RememberingStore
from cocoannot.store.memory.store import MemoryStore
from cocoannot.store.postgres.store import PostgresStore
from cocoannot.store.queries import ChangeQuery, ImageQuery

BOX = {"image_id": 1, "category_id": 1, "bbox": [1, 2, 3, 4]}

Run = Callable[..., Result]


@pytest.fixture
def uri(postgres: Postgres, dataset_path: Path, small: dict[str, Any]) -> DatabaseUri:
    dataset_path.write_text(json.dumps(small, indent=1))
    return DatabaseUri(postgres.uri(), str(dataset_path))


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, uri: DatabaseUri, tmp_path: Path) -> Run:
    """Runs a command that works, on the database unless it is told otherwise."""
    monkeypatch.setenv("COCOANNOT_CACHE", str(tmp_path / "cache"))

    def run(*args: str, dataset: str = uri.text) -> Result:
        monkeypatch.setenv("COCOANNOT_DATASET", dataset)
        return CliRunner().invoke(cocoannot, args, prog_name="cocoannot", obj=ScriptInfo(create_app=create_app))

    return run


@contextmanager
def opened(path: Path) -> Iterator[MemoryStore]:
    """The dataset in a file, saved at the end."""
    with closing(MemoryStore(on_append=lambda: None, history=KeptHistory())) as store:
        store.load_file(DatasetFile(path))
        yield store
        store.save()
        store.file_saver.shutdown()


@contextmanager
def in_database(uri: DatabaseUri) -> Iterator[PostgresStore]:
    with closing(PostgresStore()) as store:
        store.load_dataset(uri, None)
        yield store


def change(store: MemoryStore | PostgresStore) -> None:
    """A change of each kind; the undo puts a record back between two others."""
    store.commit([Update("annotations", 1, {"note": store.revision})], actor="anna")
    store.commit([Add("annotations", BOX)], actor="ben")
    deleted = store.commit([Delete("annotations", 2)]).revision
    store.commit([Undo(deleted)], actor="anna")
    newest = store.next_id("annotations") - 1
    store.commit([Delete("annotations", newest), Add("categories", {"name": f"new {store.revision}"})])


def told(store: RememberingStore) -> dict[str, Any]:
    """All that can be asked of the past and of what comes next."""
    revisions = range(store.oldest_change, store.revision + 1)
    return {
        "revision": store.revision,
        "changes": store.find_changes(ChangeQuery(since=store.oldest_change)),
        "whole": store.whole_changes(ChangeQuery(since=store.oldest_change)),
        "texts": [b"".join(map(bytes, store.export_at(revision).blocks)) for revision in revisions],
        "versions": store.versions("annotations", 2),
        "annotations": [store.annotations_at(1, revision) for revision in revisions],
        "work": store.work(),
        "anna's": store.find(ImageQuery(user="anna")),
        "next ids": {name: store.next_id(name) for name in ("images", "annotations", "categories")},
    }


def test_a_dataset_moves_into_a_database_and_back_with_its_whole_past(
    run: Run, uri: DatabaseUri, dataset_path: Path, tmp_path: Path
) -> None:
    with opened(dataset_path) as store:
        change(store)
        expected = told(store)
    answer = run("db", "import", str(dataset_path))
    assert answer.exit_code == 0, answer.output
    assert run("db", "check").output == f"{uri}: everything agrees\n"
    with in_database(uri) as moved:
        assert told(moved) == expected
        moved.commit([Undo(1)])
        change(moved)
        expected = told(moved)
    back = tmp_path / "back.json"
    answer = run("db", "export", str(back))
    assert answer.exit_code == 0, answer.output
    with opened(back) as store:
        assert told(store) == expected
        change(store)
        expected = told(store)
    again = DatabaseUri(uri.dsn, f"{uri.dataset} again")
    assert run("db", "import", str(back), dataset=again.text).exit_code == 0
    with in_database(again) as moved:
        assert told(moved) == expected


def test_changes_that_only_the_journal_has_move_too(run: Run, uri: DatabaseUri, dataset_path: Path) -> None:
    store = MemoryStore(on_append=lambda: None, history=KeptHistory())
    store.load_file(DatasetFile(dataset_path))
    change(store)
    expected = told(store)
    # As after a crash: nothing was saved.
    store.close()
    assert run("db", "import", str(dataset_path)).exit_code == 0
    with in_database(uri) as moved:
        assert told(moved) == expected


def test_users_and_tags_move_into_a_database_and_back(
    run: Run, uri: DatabaseUri, dataset_path: Path, tmp_path: Path
) -> None:
    with opened(dataset_path) as store:
        change(store)
    assert run("user", "add", "ben", "--role", "admin", "--no-password", dataset=str(dataset_path)).exit_code == 0
    assert run("tag", "reviewed", "--at", "@2", dataset=str(dataset_path)).exit_code == 0
    assert run("db", "import", str(dataset_path)).exit_code == 0
    assert "ben" in run("user", "list").output
    out = tmp_path / "then.json"
    assert run("export", str(out), "--at", "reviewed").exit_code == 0
    back = tmp_path / "back.json"
    assert run("db", "export", str(back)).exit_code == 0
    assert "ben" in run("user", "list", dataset=str(back)).output
    again = tmp_path / "again.json"
    assert run("export", str(again), "--at", "reviewed", dataset=str(back)).exit_code == 0
    assert again.read_bytes() == out.read_bytes()
    assert (back.parent / "back.json.cocoannot" / "users.json").stat().st_mode & 0o077 == 0


def test_a_file_that_a_server_has_is_not_moved(run: Run, uri: DatabaseUri, dataset_path: Path) -> None:
    with opened(dataset_path) as store:
        change(store)
    lock = DatasetFile(dataset_path).lock
    lock.acquire(Owner(1, "http://127.0.0.1:1", str(dataset_path)), 0, lambda seconds: None)
    try:
        answer = run("db", "import", str(dataset_path))
        assert answer.exit_code == 1
        assert "stop it first" in answer.output
    finally:
        lock.release()


def test_what_an_older_file_left_is_put_aside(run: Run, uri: DatabaseUri, dataset_path: Path, tmp_path: Path) -> None:
    assert run("db", "import", str(dataset_path)).exit_code == 0
    back = tmp_path / "back.json"
    back.write_bytes(dataset_path.read_bytes())
    with opened(back) as store:
        change(store)
    assert run("db", "export", str(back), "--overwrite").exit_code == 0
    with opened(back) as store:
        assert store.revision == 0
        assert store.find_changes(ChangeQuery(since=0)) == []
    (aside,) = DatasetFile(back).folder.glob("before-*")
    assert (aside / "history.sqlite").exists()


def test_a_database_that_was_recovered_goes_on_as_a_new_lineage(run: Run, uri: DatabaseUri, dataset_path: Path) -> None:
    assert run("db", "import", str(dataset_path)).exit_code == 0
    with in_database(uri) as store:
        change(store)
        before = store.lineage, store.revision
    assert "goes on from revision 5, as a new lineage" in run("db", "recovered").output
    with in_database(uri) as store:
        assert store.revision == before[1]
        assert store.lineage != before[0]
