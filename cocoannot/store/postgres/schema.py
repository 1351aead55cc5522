"""Which tables there are: brought up to date by the operator, and only looked at by a server.

An upgrade has the table of the version to itself, until it is done. So whoever reads the version first of all in its
transaction knows that the tables stay as they are until it ends: nothing is committed on tables of another version.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import psycopg

from cocoannot.database_uri import where
from cocoannot.errors import ConfigError, OtherTables
from cocoannot.store.postgres.complaints import first_line, nothing_changed
from cocoannot.store.postgres.dialling import client_dsn, options_of
from cocoannot.version import __version__

VERSION = "0001"
"""The newest migration that this version of cocoannot knows."""

REFUSE_OTHERS = f"SELECT 1 / (version_num = '{VERSION}')::int4 FROM alembic_version".encode()
"""Fails on tables of another version, by a division by zero: what is sent with it is not done then."""

_COME_AGAIN = 10.0


def upgrade(dsn: str) -> str | None:
    """Bring the tables of the database up to date; returns the version that they were at, `None` for no tables.

    All or nothing; of two at a time one comes first. Raises `ConfigError`.
    """
    # Alembic takes a while to be imported, and servers don't need it.
    from alembic import command
    from alembic.config import Config
    from alembic.util import CommandError

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
            f"{where(dsn)}: this role may not make tables ({first_line(exc)}); upgrade as the owner of the database"
        ) from exc
    except psycopg.Error as exc:
        raise ConfigError(f"can't upgrade {where(dsn)}: {nothing_changed(exc)}") from exc
    except CommandError as exc:
        raise ConfigError(
            f"{where(dsn)} has tables of version {before}, which is no version of cocoannot's; nothing was changed. "
            "Name another database, or go back to a backup"
        ) from exc
    except Exception as exc:
        # SQLAlchemy's, around psycopg's.
        if isinstance(exc.__cause__, psycopg.errors.LockNotAvailable):
            raise ConfigError(
                f"{where(dsn)}: something holds the tables, perhaps an export or another upgrade; nothing was "
                "changed, try again"
            ) from exc
        if isinstance(exc.__cause__, psycopg.Error):
            raise ConfigError(f"can't upgrade {where(dsn)}: {nothing_changed(exc.__cause__)}") from exc
        raise
    return before


def check_version(connection: psycopg.Connection[Any], dsn: str) -> None:
    """Raise `ConfigError` unless the tables are those that this version of cocoannot works on."""
    try:
        found = find_version(connection)
    except psycopg.errors.InsufficientPrivilege as exc:
        raise ConfigError(
            f"{where(dsn)}: this role may not use the tables ({first_line(exc)}); grant it that, see docs/scale.md"
        ) from exc
    if found == VERSION:
        return
    _check_not_newer(found, dsn)
    has = "has no tables of cocoannot" if found is None else f"has tables of an older version ({found}, not {VERSION})"
    raise ConfigError(f"{where(dsn)} {has}; run `cocoannot db upgrade`, then start again")


def check_tables(found: str | None) -> None:
    """Raise `OtherTables` unless the tables, which are at version `found` now, are those that this server works on."""
    if found != VERSION:
        there = "others now" if found is None else f"at version {found} now"
        raise OtherTables(
            f"the tables in the database are {there}, and this server (cocoannot {__version__}) works on version "
            f"{VERSION}: stop it, and start the cocoannot that fits the tables; nothing was changed, nothing is lost",
            _COME_AGAIN,
        )


@contextmanager
def telling_other_tables(dsn: str) -> Iterator[None]:
    """Where the database refuses a statement meanwhile, because the tables are others by now, raise `OtherTables`."""
    try:
        yield
    except (psycopg.DataError, psycopg.IntegrityError, psycopg.NotSupportedError, psycopg.ProgrammingError):
        # Where that can't be found out, it stays the error that it is.
        with suppress(psycopg.Error), psycopg.connect(client_dsn(dsn), **options_of(dsn)) as connection:
            check_tables(find_version(connection))
        raise


def find_version(connection: psycopg.Connection[Any]) -> str | None:
    """The newest migration that was run, `None` for none. Raises `psycopg.Error`."""
    if connection.execute("SELECT to_regclass('alembic_version')").fetchone() == (None,):
        return None
    row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    return None if row is None else str(row[0])


def _check_not_newer(found: str | None, dsn: str) -> None:
    if found is not None and found > VERSION:
        raise ConfigError(
            f"{where(dsn)} has tables of a newer version of cocoannot ({found}, and this one knows {VERSION}); install "
            "that version here too"
        )
