"""The file that a dataset in PostgreSQL is exported to: by one process at a time, and never over somebody else's."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from postgres_servers import Postgres
from postgres_stores import FilePostgresStore

from cocoannot.changes.operations import Add
from cocoannot.database_uri import DatabaseUri
from cocoannot.errors import FileChanged, SaveError
from cocoannot.store.postgres.store import PostgresStore

BOX = {"image_id": 1, "category_id": 1, "bbox": [1, 2, 3, 4]}


@pytest.fixture
def stores(postgres: Postgres, dataset_path: Path, small: dict[str, Any]) -> Iterator[list[PostgresStore]]:
    """Of two processes that export one dataset to one file."""
    dataset_path.write_text(json.dumps(small))
    found = [FilePostgresStore(postgres) for _ in range(2)]
    for store in found:
        store.load(str(dataset_path))
    yield list(found)
    for store in found:
        store.close()


def in_file(path: Path) -> int:
    return len(json.loads(path.read_bytes())["annotations"])


def test_processes_save_one_after_the_other(stores: list[PostgresStore], dataset_path: Path) -> None:
    def change_and_save(number: int) -> None:
        stores[number % 2].commit([Add("annotations", BOX)])
        stores[number % 2].save()

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(change_and_save, range(16)))
    assert in_file(dataset_path) == 19
    assert [store.status().file_revision for store in stores] == [16, 16]
    assert stores[0].save() is None


def test_who_is_not_asked_leaves_it_to_the_process_that_exports(
    stores: list[PostgresStore], postgres: Postgres, dataset_path: Path
) -> None:
    stores[0].commit([Add("annotations", BOX)])
    stores[0].save()
    stores[0].commit([Add("annotations", BOX)])
    with postgres.connect() as connection:
        connection.execute(
            "INSERT INTO lease SELECT dataset_id, 'export', 'another process', now() + interval '1 hour' "
            "FROM dataset WHERE name = %s",
            [str(dataset_path)],
        )
        with pytest.raises(SaveError, match="another process exports"):
            stores[0].save(automatic=True)
        assert stores[0].status().saves.error is None
        # It has died.
        connection.execute("UPDATE lease SET until = now() - interval '1 second'")
    assert stores[0].save(automatic=True) is not None
    assert in_file(dataset_path) == 5


def test_what_something_else_wrote_is_not_written_over(stores: list[PostgresStore], dataset_path: Path) -> None:
    stores[0].commit([Add("annotations", BOX)])
    dataset_path.write_text("{}")
    with pytest.raises(FileChanged, match="on_conflict"):
        stores[0].save()
    assert dataset_path.read_text() == "{}"
    assert stores[0].status().saves.error is not None
    saved = stores[1].save(overwrite=True)
    assert saved is not None
    assert saved.kept is not None
    assert Path(saved.kept).read_text() == "{}"
    assert in_file(dataset_path) == 4


def test_a_process_that_dies_before_it_has_told_of_its_export_is_in_nobody_s_way(
    stores: list[PostgresStore], postgres: Postgres, dataset_path: Path
) -> None:
    stores[0].commit([Add("annotations", BOX)])
    stores[0].save()
    with postgres.connect() as connection:
        # As it was before the last step.
        connection.execute("UPDATE export SET size = -1, sha256 = '' WHERE uri = %s", [str(dataset_path)])
        connection.execute(
            "UPDATE head SET file_revision = 0 WHERE dataset_id = (SELECT dataset_id FROM dataset WHERE name = %s)",
            [str(dataset_path)],
        )
    stores[1].commit([Add("annotations", BOX)])
    assert stores[1].save() is not None
    assert in_file(dataset_path) == 5


def test_a_dataset_without_a_file_has_nothing_unsaved(
    stores: list[PostgresStore], postgres: Postgres, dataset_path: Path
) -> None:
    store = PostgresStore()
    store.load_dataset(DatabaseUri(postgres.uri(), str(dataset_path)), None)
    store.commit([Add("annotations", BOX)])
    assert store.save() is None
    assert store.unsaved_since() is None
    assert store.status().file_revision == 1
    store.close()
    assert in_file(dataset_path) == 3
