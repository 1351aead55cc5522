"""`cocoannot db`, and other commands where the dataset is in PostgreSQL."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from postgres_servers import Postgres

from cocoannot.changes.operations import Add, Delete
from cocoannot.console import cocoannot
from cocoannot.database_uri import DatabaseUri
from cocoannot.errors import ConfigError, DatasetError
from cocoannot.settings import Settings
from cocoannot.store.postgres.importing import import_file
from cocoannot.store.postgres.store import PostgresStore

BOX = {"image_id": 1, "category_id": 1, "bbox": [1, 2, 3, 4]}

Run = Callable[..., Result]


@pytest.fixture
def uri(postgres: Postgres, dataset_path: Path, small: dict[str, Any]) -> DatabaseUri:
    """The small dataset, written over several lines, in the database."""
    dataset_path.write_text(json.dumps(small, indent=1))
    found = DatabaseUri(postgres.uri(), str(dataset_path))
    import_file(found, dataset_path)
    return found


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, uri: DatabaseUri, tmp_path: Path) -> Run:
    """Runs a command on the dataset, as `cocoannot` does."""
    monkeypatch.setenv("COCOANNOT_CACHE", str(tmp_path / "cache"))

    def run(*args: str, dataset: str = uri.text) -> Result:
        monkeypatch.setenv("COCOANNOT_DATASET", dataset)
        return CliRunner().invoke(cocoannot, args, prog_name="cocoannot")

    return run


def changed(uri: DatabaseUri) -> None:
    """Make two changes."""
    store = PostgresStore()
    store.load_dataset(uri, None)
    store.commit([Add("annotations", BOX)])
    store.commit([Delete("annotations", 7)])
    store.close()


def test_what_was_imported_is_exported_byte_for_byte(
    run: Run, uri: DatabaseUri, dataset_path: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out.json"
    answer = run("db", "export", str(out))
    assert (answer.exit_code, answer.output) == (0, f"Exported {uri} to {out}, revision 0\n")
    assert out.read_bytes() == dataset_path.read_bytes()
    assert "exists; give another name, or --overwrite" in run("db", "export", str(out)).output
    assert run("db", "export", str(out), "--overwrite").exit_code == 0
    packed = tmp_path / "out.json.gz"
    assert run("db", "export", str(packed)).exit_code == 0
    assert gzip.decompress(packed.read_bytes()) == dataset_path.read_bytes()
    answer = run("db", "import", str(packed), "--database", DatabaseUri(uri.dsn, f"{packed}").text)
    assert answer.exit_code == 0, answer.output


def test_only_what_was_changed_differs_in_an_export(
    run: Run, uri: DatabaseUri, dataset_path: Path, tmp_path: Path
) -> None:
    changed(uri)
    out = tmp_path / "out.json"
    assert run("db", "export", str(out)).exit_code == 0
    before, after = dataset_path.read_text(), out.read_text()
    gone = before[before.index('  {\n   "id": 7') : before.index('  }\n ],\n "categories"')]
    assert gone not in after
    for record in ('"id": 1,', '"id": 2,', '"file_name": "one.jpg"', '"skeleton"'):
        assert before.count(record) == after.count(record)
    answer = run("diff", str(dataset_path), str(out))
    assert "1 added" in answer.output


def test_datasets_are_listed_and_removed(run: Run, uri: DatabaseUri) -> None:
    assert f"{uri.dataset}: 3 images, 3 annotations" in run("db", "list").output.splitlines()
    assert run("db", "remove", "--yes").exit_code == 0
    assert uri.dataset not in run("db", "list").output
    assert "there is no dataset of this name" in run("db", "remove", "--yes").output


def test_a_check_finds_what_does_not_agree(run: Run, uri: DatabaseUri, postgres: Postgres) -> None:
    changed(uri)
    answer = run("db", "check")
    assert (answer.exit_code, answer.output) == (0, f"{uri}: everything agrees\n")
    with postgres.connect() as connection:
        row = connection.execute("SELECT dataset_id FROM dataset WHERE name = %s", [uri.dataset]).fetchone()
        assert row is not None
        for statement, words in (
            ("UPDATE head SET annotations = annotations + 1 WHERE dataset_id = %s", "the head counts 4"),
            ("UPDATE image SET annotations = 9 WHERE dataset_id = %s AND id = 1", "count their annotations wrong"),
            ("DELETE FROM change WHERE dataset_id = %s AND revision = 2", "from revision 1 to 1"),
            ("UPDATE head SET next_annotation = 2 WHERE dataset_id = %s", "the next id is 2"),
        ):
            connection.execute(statement, row)
            answer = run("db", "check")
            assert answer.exit_code == 1
            assert words in answer.output


def test_other_commands_read_the_database_too(run: Run, uri: DatabaseUri, tmp_path: Path) -> None:
    changed(uri)
    out = tmp_path / "out.json"
    assert run("export", str(out), "--at", "@1").exit_code == 0
    assert [record["id"] for record in json.loads(out.read_text())["annotations"]] == [1, 2, 7, 8]


@pytest.mark.parametrize("command", [["flush"], ["status"], ["scan"], ["predictions", "list"]])
def test_commands_that_ask_a_server_say_that_it_has_to_be_named(run: Run, command: list[str]) -> None:
    answer = run(*command)
    assert answer.exit_code == 1
    assert "is in a database: name a server of it, such as --server http://127.0.0.1:8000" in answer.output
    assert answer.output.count("\n") == 1


def test_what_is_wrong_with_an_address_is_told_in_one_line_without_the_password(run: Run, uri: DatabaseUri) -> None:
    where = uri.dsn.rpartition("/")[0].replace("tests@", "tests:secret@")
    for address, words in (
        ("", "no database is named"),
        ("annotations.json", "is to be postgresql://"),
        (f"{where}/cocoannot", "names no dataset"),
        (f"{where}/nowhere?dataset=x", "create it (createdb)"),
        (f"{where}/postgres?dataset=x", "run `cocoannot db upgrade`"),
        (f"{where}/cocoannot?dataset=x", "there is no dataset of this name"),
        (f"{where}/cocoannot?dataset=a%00b", "without U+0000"),
        (f"{where}/cocoannot?dataset=x&nonsense=1", "can't be read"),
        ("postgresql://tests:secret@127.0.0.1:1/cocoannot?dataset=x", "start the database"),
    ):
        answer = run("db", "check", dataset=address)
        assert answer.exit_code == 1, address
        assert words in answer.output, address
        assert answer.output.count("\n") == 1, answer.output
        assert "secret" not in answer.output
    # The server's settings are read elsewhere.
    with pytest.raises(ConfigError, match="names no dataset") as raised:
        Settings.read({"COCOANNOT_DATASET": f"{where}/cocoannot"})
    assert "secret" not in str(raised.value)


def test_a_replica_is_refused_where_changes_are_made(run: Run, uri: DatabaseUri, dataset_path: Path) -> None:
    read_only = DatabaseUri(f"{uri.dsn}?options=-c%20default_transaction_read_only%3Don", f"{uri.dataset}2")
    answer = run("db", "import", str(dataset_path), dataset=read_only.text)
    assert answer.exit_code == 1
    assert "read-only transaction" in answer.output
    assert answer.output.count("\n") == 1


def test_many_files_are_imported_at_the_same_time_each_name_once(uri: DatabaseUri, dataset_path: Path) -> None:
    def make(number: int) -> bool:
        try:
            return import_file(DatabaseUri(uri.dsn, f"{uri.dataset} {number // 2}"), dataset_path)
        except DatasetError:
            return False

    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(make, range(8)))
    assert [made[number] + made[number + 1] for number in range(0, 8, 2)] == [1, 1, 1, 1]


def test_a_file_that_is_no_dataset_is_not_imported(run: Run, uri: DatabaseUri, tmp_path: Path) -> None:
    broken = tmp_path / "broken.json"
    broken.write_text('{"images": [{"id": 1}, {"id": "x"}]}')
    other = DatabaseUri(uri.dsn, f"{uri.dataset}2").text
    for file, words in ((broken, "--fix OUT"), (tmp_path / "none.json", "can't read")):
        answer = run("db", "import", str(file), dataset=other)
        assert answer.exit_code == 1
        assert words in answer.output
    assert f"{uri.dataset}2" not in run("db", "list").output
    assert "is there already" in run("db", "import", str(broken)).output
