"""Alembic's entry: runs what it is asked for on the connection that it is given, as one transaction."""

from __future__ import annotations

from alembic import context
from sqlalchemy import create_engine, pool

engine = create_engine("postgresql+psycopg://", creator=context.config.attributes["connect"], poolclass=pool.NullPool)
with engine.connect() as connection:
    context.configure(connection=connection, transactional_ddl=True)
    with context.begin_transaction():
        # Nobody waits for long behind this, and of two upgrades one comes first.
        connection.exec_driver_sql("SET LOCAL lock_timeout = '5s'")
        connection.exec_driver_sql("LOCK TABLE alembic_version IN ACCESS EXCLUSIVE MODE")
        context.run_migrations()
