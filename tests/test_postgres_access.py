"""Ways to a database: with few rights, and through a pooler."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from postgres_servers import Postgres
from servers import ROOT

from cocoannot.changes.operations import Add, Undo
from cocoannot.database_uri import DatabaseUri
from cocoannot.errors import ConfigError, DatasetError
from cocoannot.store.postgres.dialling import client_dsn, options_of
from cocoannot.store.postgres.importing import import_file
from cocoannot.store.postgres.schema import upgrade
from cocoannot.store.postgres.store import PostgresStore
from cocoannot.store.queries import ImageQuery

BOX = {"image_id": 1, "category_id": 1, "bbox": [1, 2, 3, 4]}


@pytest.fixture
def annotators(postgres: Postgres) -> Iterator[str]:
    """The role that docs/scale.md gives a server."""
    granting = re.findall(r"^GRANT .*;$", (ROOT / "docs" / "scale.md").read_text(), re.MULTILINE)
    assert granting
    with postgres.connect() as connection:
        connection.execute("CREATE ROLE annotators LOGIN")
        for statement in granting:
            connection.execute(statement.encode())
        yield "annotators"
        connection.execute("DROP OWNED BY annotators")
        connection.execute("DROP ROLE annotators")


def test_a_server_needs_no_more_than_the_role_that_the_page_gives(
    uri: DatabaseUri, annotators: str, dataset_path: Path
) -> None:
    mine = uri._replace(dsn=uri.dsn.replace("tests@", f"{annotators}@"))
    with closing(PostgresStore(export=dataset_path)) as store:
        store.load(mine.text)
        first = store.commit([Add("annotations", BOX)]).revision
        store.catch_up(settled=True)
        store.commit([Undo(first)])
        store.replace({"licenses": b"[]", "annotations": b"[]"})
        store.commit([Add("annotations", BOX)])
        assert store.save() is not None
        assert store.team.claims.all() == {}
        assert store.find(ImageQuery()).total == 3
    assert len(json.loads(dataset_path.read_bytes())["annotations"]) == 1
    with pytest.raises(DatasetError, match="run `cocoannot db import` as the owner of the tables"):
        import_file(mine._replace(dataset="another"), dataset_path)
    with pytest.raises(ConfigError, match="upgrade as the owner"):
        upgrade(mine.dsn.replace("/cocoannot", "/postgres"))


def test_without_prepared_statements_a_pooler_may_stand_between(postgres: Postgres, uri: DatabaseUri) -> None:
    dsn = f"{uri.dsn}?sslmode=disable&prepare=0"
    assert client_dsn(dsn) == f"{uri.dsn}?sslmode=disable"
    assert options_of(dsn)["prepare_threshold"] is None
    assert options_of(uri.dsn)["prepare_threshold"] is not None
    with closing(PostgresStore()) as store:
        store.load(DatabaseUri(dsn, uri.dataset).text)
        for _ in range(8):
            assert store.find(ImageQuery()).total == 3
