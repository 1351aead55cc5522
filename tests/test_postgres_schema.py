"""The tables of a database: made and brought up to date by the operator, and refused where they are others."""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor

import pytest
from postgres_servers import Postgres
from servers import environment, run

from cocoannot.errors import ConfigError
from cocoannot.store.postgres.schema import VERSION, check_version, upgrade


@pytest.fixture
def database(postgres: Postgres, request: pytest.FixtureRequest) -> str:
    """The address of an empty database."""
    name = request.node.name.partition("[")[0][:60]
    with postgres.connect("postgres") as connection:
        connection.execute(f"CREATE DATABASE {name}".encode())
    return postgres.uri(database=name)


def name_of(dsn: str) -> str:
    return dsn.rpartition("/")[2]


def test_a_database_is_brought_up_to_date_once(postgres: Postgres, database: str) -> None:
    with (
        postgres.connect(name_of(database)) as connection,
        pytest.raises(ConfigError, match="has no tables of cocoannot; run `cocoannot db upgrade`"),
    ):
        check_version(connection, database)
    assert upgrade(database) is None
    assert upgrade(database) == VERSION
    with postgres.connect(name_of(database)) as connection:
        check_version(connection, database)
        tables = {name for (name,) in connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")}
    assert {"dataset", "head", "image", "annotation", "category", "change", "history"} <= tables


def test_of_many_upgrades_at_a_time_one_comes_first(postgres: Postgres, database: str) -> None:
    command = [sys.executable, "-m", "cocoannot", "db", "upgrade", "--database", database]
    with ThreadPoolExecutor(3) as pool:
        printed = list(pool.map(lambda _: run(command, env=environment(None), limit=60), range(3)))
    assert [status for status, _ in printed] == [0, 0, 0], printed
    with postgres.connect(name_of(database)) as connection:
        check_version(connection, database)


@pytest.mark.parametrize(("version", "words"), [("0000", "older version"), ("9999", "newer version")])
def test_tables_of_another_version_are_refused(postgres: Postgres, version: str, words: str) -> None:
    name = f"other_version_{version}"
    with postgres.connect("postgres") as connection:
        connection.execute(f"CREATE DATABASE {name}".encode())
    database = postgres.uri(database=name)
    upgrade(database)
    with postgres.connect(name) as connection:
        connection.execute("UPDATE alembic_version SET version_num = %s", [version])
        with pytest.raises(ConfigError, match=words) as raised:
            check_version(connection, database)
    assert "\n" not in str(raised.value)
    words = "install that version here too" if version > VERSION else "0000, which is no version of cocoannot's"
    with pytest.raises(ConfigError, match=words) as refused:
        upgrade(database)
    assert "\n" not in str(refused.value)


def test_what_keeps_an_upgrade_from_working_is_one_line(postgres: Postgres) -> None:
    with pytest.raises(ConfigError, match="can't upgrade postgresql://tests@") as raised:
        upgrade(postgres.uri(database="nowhere"))
    assert '"nowhere" does not exist' in str(raised.value)
    assert "\n" not in str(raised.value)
    assert "secret" not in str(raised.value)
