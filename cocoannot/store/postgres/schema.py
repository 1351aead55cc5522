"""Which tables there are: brought up to date by the operator, and only looked at by a server."""

from __future__ import annotations

from typing import Any

import psycopg

from cocoannot.database_uri import where
from cocoannot.errors import ConfigError
from cocoannot.store.postgres.dialling import client_dsn

VERSION = "0001"
"""The newest migration that this version of cocoannot knows."""


def upgrade(dsn: str) -> str | None:
    """Bring the tables of the database up to date; returns the version that they were at, `None` for no tables.

    All or nothing; of two at a time one comes first. Raises `ConfigError`.
    """
    # Alembic takes a while to be imported, and servers don't need it.
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", "cocoannot.store.postgres:migrations")
    config.attributes["connect"] = lambda: psycopg.connect(client_dsn(dsn), connect_timeout=10)
    try:
        with psycopg.connect(client_dsn(dsn), autocommit=True, connect_timeout=10) as connection:
            connection.execute(
                "CREATE TABLE IF NOT EXISTS alembic_version "
                "(version_num varchar(32) NOT NULL, CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num))"
            )
            before = find_version(connection)
            _check_not_newer(before, dsn)
        command.upgrade(config, "head")
    except psycopg.errors.InsufficientPrivilege as exc:
        raise ConfigError(
            f"{where(dsn)}: this role may not make tables ({_first_line(exc)}); upgrade as the owner of the database"
        ) from exc
    except psycopg.Error as exc:
        raise ConfigError(f"can't upgrade {where(dsn)}: {_first_line(exc)}; nothing was changed") from exc
    except Exception as exc:
        # SQLAlchemy's, around psycopg's.
        if isinstance(exc.__cause__, psycopg.errors.LockNotAvailable):
            raise ConfigError(
                f"{where(dsn)}: something holds the tables, perhaps another upgrade; nothing was changed, try again"
            ) from exc
        if isinstance(exc.__cause__, psycopg.Error):
            raise ConfigError(f"can't upgrade {where(dsn)}: {_first_line(exc.__cause__)}; nothing was changed") from exc
        raise
    return before


def check_version(connection: psycopg.Connection[Any], dsn: str) -> None:
    """Raise `ConfigError` unless the tables are those that this version of cocoannot works on."""
    try:
        found = find_version(connection)
    except psycopg.errors.InsufficientPrivilege as exc:
        raise ConfigError(
            f"{where(dsn)}: this role may not use the tables ({_first_line(exc)}); grant it that, see docs/scale.md"
        ) from exc
    if found == VERSION:
        return
    _check_not_newer(found, dsn)
    has = "has no tables of cocoannot" if found is None else f"has tables of an older version ({found}, not {VERSION})"
    raise ConfigError(f"{where(dsn)} {has}; run `cocoannot db upgrade`, then start again")


def find_version(connection: psycopg.Connection[Any]) -> str | None:
    """The newest migration that was run, `None` for none. Raises `psycopg.Error`."""
    try:
        row = connection.execute("SELECT version_num::varchar FROM alembic_version").fetchone()
    except psycopg.errors.UndefinedTable:
        return None
    return None if row is None else str(row[0])


def _check_not_newer(found: str | None, dsn: str) -> None:
    if found is not None and found > VERSION:
        raise ConfigError(
            f"{where(dsn)} has tables of a newer version of cocoannot ({found}, and this one knows {VERSION}); install "
            "that version here too"
        )


def _first_line(exc: BaseException) -> str:
    return str(exc).strip().partition("\n")[0]
