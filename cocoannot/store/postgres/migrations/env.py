"""Alembic's entry: runs what it is asked for on the connection that it is given, as one transaction."""

from __future__ import annotations

from alembic import context
from sqlalchemy import create_engine, pool

_VERSION = "SELECT version_num FROM alembic_version"

engine = create_engine("postgresql+psycopg://", creator=context.config.attributes["connect"], poolclass=pool.NullPool)
with engine.connect() as connection:
    context.configure(connection=connection, transactional_ddl=True)
    with context.begin_transaction():
        # Nobody waits for long behind this, and of two upgrades one comes first.
        connection.exec_driver_sql("SET LOCAL lock_timeout = '5s'")
        connection.exec_driver_sql("LOCK TABLE alembic_version IN ACCESS EXCLUSIVE MODE")
        before = connection.exec_driver_sql(_VERSION).fetchone()
        context.run_migrations()
        after = connection.exec_driver_sql(_VERSION).fetchone()
        if after is not None and after != before:
            # Who waits meanwhile with a snapshot from before would see the old version; so it sees an empty table.
            connection.exec_driver_sql("TRUNCATE alembic_version")
            connection.exec_driver_sql("INSERT INTO alembic_version (version_num) VALUES (%s)", tuple(after))
