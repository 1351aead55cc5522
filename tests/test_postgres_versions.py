"""Servers of one version of cocoannot while another one changes the tables: nothing is committed on tables of another
version, nothing is lost, and everything goes on when the tables fit again."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import threading
from collections import Counter
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from api_client import Serve, Server
from postgres_servers import Postgres

import cocoannot
from cocoannot.changes.operations import Add
from cocoannot.database_uri import DatabaseUri
from cocoannot.errors import OtherTables
from cocoannot.store.postgres.importing import import_file
from cocoannot.store.postgres.maintenance import check_dataset
from cocoannot.store.postgres.schema import VERSION, upgrade
from cocoannot.store.postgres.store import PostgresStore
from cocoannot.store.queries import AnnotationQuery

BOX = {"image_id": 1, "category_id": 1, "bbox": [1, 2, 3, 4]}
NEWER = "0002"
COLUMNS = {"annotation": "record", "image": "record", "head": "file_revision", "lease": "until", "claim": "until"}

MIGRATION = f'''
from alembic import op

revision = "{NEWER}"
down_revision = "{VERSION}"


def upgrade():
    # Statements of before would work on, and each of them needs what this holds, in another order.
    for name in ("annotation", "change", "head"):
        op.execute(f"ALTER TABLE {{name}} ADD COLUMN something int8 NOT NULL DEFAULT 0")
    op.execute("UPDATE head SET something = revision")
'''


@pytest.fixture
def uri(postgres: Postgres, request: pytest.FixtureRequest, dataset_path: Path, small: dict[str, Any]) -> DatabaseUri:
    """The small dataset, in a database of its own."""
    name = request.node.name[:60]
    with postgres.connect("postgres") as connection:
        connection.execute(f"CREATE DATABASE {name}".encode())
    found = DatabaseUri(postgres.uri(database=name), "one")
    upgrade(found.dsn)
    dataset_path.write_text(json.dumps(small))
    import_file(found, dataset_path)
    return found


@pytest.fixture
def newer(tmp_path: Path) -> Path:
    """A folder with a cocoannot of a later version: this one, with one migration more."""
    package = tmp_path / "newer" / "cocoannot"
    ours = Path(cocoannot.__file__).parent
    link_but(ours, package, "store")
    link_but(ours / "store", package / "store", "postgres")
    link_but(ours / "store" / "postgres", package / "store" / "postgres", "schema.py", "migrations")
    schema = (ours / "store" / "postgres" / "schema.py").read_text()
    (package / "store" / "postgres" / "schema.py").write_text(schema.replace(f'"{VERSION}"', f'"{NEWER}"'))
    migrations = package / "store" / "postgres" / "migrations"
    link_but(ours / "store" / "postgres" / "migrations", migrations, "versions")
    link_but(ours / "store" / "postgres" / "migrations" / "versions", migrations / "versions")
    (migrations / "versions" / "v0002_newer.py").write_text(MIGRATION)
    return package.parent


def link_but(source: Path, target: Path, *names: str) -> None:
    """Make a folder of links to what is in another one, but for these names."""
    target.mkdir(parents=True)
    for each in source.iterdir():
        if each.name not in (*names, "__pycache__"):
            (target / each.name).symlink_to(each)


def set_version(postgres: Postgres, uri: DatabaseUri, version: str, *statements: str) -> None:
    with postgres.connect(uri.dsn.rpartition("/")[2]) as connection:
        connection.execute("UPDATE alembic_version SET version_num = %s", [version])
        for statement in statements:
            connection.execute(statement.encode())


def test_everything_is_refused_on_other_tables_and_works_again_when_they_fit(
    postgres: Postgres, uri: DatabaseUri, serve: Serve, tmp_path: Path, small: dict[str, Any]
) -> None:
    exported = tmp_path / "exported.json"
    api = serve(COCOANNOT_DATASET=uri.text, COCOANNOT_EXPORT=exported)
    assert api.post("/api/annotations", BOX).status_code == 201
    before = retries(api)
    # The other one still has what statements ask for, or has not.
    for version, statements in (
        ("0000", []),
        (NEWER, [f"ALTER TABLE {table} RENAME COLUMN {column} TO renamed" for table, column in COLUMNS.items()]),
    ):
        set_version(postgres, uri, version, *statements)
        answers = [
            api.get("/readyz"),
            api.post("/api/annotations", BOX, headers={"Idempotency-Key": f"key {version}"}),
            api.get("/api/annotations/1"),
            api.get("/api/images/1/annotations"),
            api.get("/api/images"),
            api.get("/api/dataset/export"),
            api.get("/api/changes"),
            api.post("/api/changes/1/undo"),
            api.put({**small, "info": {}}, revision=1),
            api.post("/api/images/next"),
            api.post("/api/flush"),
        ]
        assert {answer.status_code for answer in answers} == {503}, [answer.json for answer in answers]
        for answer in answers:
            message = answer.json["message"]
            assert f"are at version {version} now" in message
            assert f"works on version {VERSION}: stop it, and start the cocoannot that fits" in message
            assert "\n" not in message
        assert answers[1].headers["Retry-After"] == "10"
        assert api.get("/metrics").status_code == 200
    back = [f"ALTER TABLE {table} RENAME COLUMN renamed TO {column}" for table, column in COLUMNS.items()]
    set_version(postgres, uri, VERSION, *back)
    assert retries(api) == before, "nothing was waited for"
    assert not exported.exists()
    assert api.get("/readyz").status_code == 200
    made = api.post("/api/annotations", BOX, headers={"Idempotency-Key": f"key {NEWER}"})
    assert made.status_code == 201
    assert made.headers["X-Dataset-Revision"] == "2"
    assert api.post("/api/flush").json["saved"] is True
    assert len(json.loads(exported.read_bytes())["annotations"]) == 5


def retries(api: Server) -> float:
    found = re.search(r"^cocoannot_database_retries_total (.*)$", api.get("/metrics").text, re.MULTILINE)
    assert found is not None
    return float(found[1])


class Worker:
    """Adds annotations and reads, again and again, until it is refused."""

    def __init__(self, store: PostgresStore, name: str) -> None:
        self.acknowledged: list[str] = []
        self.error: BaseException | None = None
        self._store = store
        self._name = name
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def end(self) -> None:
        self._thread.join(60)
        assert not self._thread.is_alive()

    def _run(self) -> None:
        try:
            for number in range(1_000_000):
                note = f"{self._name} {number}"
                self._store.commit([Add("annotations", {**BOX, "note": note})])
                self.acknowledged.append(note)
                self._store.annotations_of(2)
                self._store.find(AnnotationQuery(), 0, 10)
        except BaseException as exc:
            self.error = exc


@pytest.mark.slow
def test_an_upgrade_gives_up_where_an_export_holds_the_tables_and_others_go_on(
    uri: DatabaseUri, newer: Path, dataset_path: Path
) -> None:
    store = PostgresStore()
    store.load_dataset(uri, None)
    with closing(store.snapshot()):
        done = upgrade_by(newer, uri)
        assert done.returncode == 1
        assert done.stderr.endswith(
            "something holds the tables, perhaps an export or another upgrade; nothing was changed, try again\n"
        )
        assert done.stderr.count("\n") == 1
    assert store.commit([Add("annotations", BOX)]).revision == 1
    store.close()


def upgrade_by(newer: Path, uri: DatabaseUri) -> subprocess.CompletedProcess[str]:
    """Run `cocoannot db upgrade` of the later version."""
    return subprocess.run(
        [sys.executable, "-m", "cocoannot", "db", "upgrade", "--database", uri.dsn],
        env={**os.environ, "PYTHONPATH": str(newer)},
        cwd=newer,
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_server_that_works_while_a_newer_one_upgrades_ends_with_all_that_was_acknowledged(
    postgres: Postgres, uri: DatabaseUri, newer: Path
) -> None:
    stores = [PostgresStore() for _ in range(2)]
    for store in stores:
        store.load_dataset(uri, None)
    workers = [Worker(stores[number % 2], str(number)) for number in range(2)]
    done = upgrade_by(newer, uri)
    for worker in workers:
        worker.end()
    assert done.returncode == 0, done.stderr
    assert [type(worker.error) for worker in workers] == [OtherTables] * 2
    assert {str(worker.error) for worker in workers} == {
        f"the tables in the database are at version {NEWER} now, and this server (cocoannot {cocoannot.__version__}) "
        f"works on version {VERSION}: stop it, and start the cocoannot that fits the tables; nothing was changed, "
        "nothing is lost"
    }
    with postgres.connect(uri.dsn.rpartition("/")[2]) as connection:
        revision, revision_then = connection.execute("SELECT revision, something FROM head").fetchone() or (0, 0)
    set_version(postgres, uri, VERSION)
    notes = Counter[str | None](json.loads(text).get("note") for text in stores[0].find(AnnotationQuery()).texts)
    acknowledged = [note for worker in workers for note in worker.acknowledged]
    assert revision == revision_then == len(acknowledged) > 4
    assert notes == Counter([None, None, None, *acknowledged])
    assert stores[1].commit([Add("annotations", BOX)]).revision == revision + 1
    for store in stores:
        store.close()
    assert check_dataset(uri) == []
