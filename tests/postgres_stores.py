"""The store in PostgreSQL, as tests of every store use it: it loads the path of a file.

The file is imported when its path is loaded for the first time, and then kept up to date by each save; the dataset is
called as its path is.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from postgres_servers import Postgres

from cocoannot.clock import Clock
from cocoannot.database_uri import DatabaseUri
from cocoannot.store.base import Follower
from cocoannot.store.postgres.database import connect
from cocoannot.store.postgres.datasets import find_dataset, remove_dataset
from cocoannot.store.postgres.importing import import_file
from cocoannot.store.postgres.store import PostgresStore


def forget(server: Postgres, path: Path) -> None:
    """Remove the dataset of a path, if there is one."""
    uri = DatabaseUri(server.uri(), str(path))
    with connect(uri.dsn) as connection:
        dataset_id = find_dataset(connection, uri)
        if dataset_id is not None:
            remove_dataset(connection, dataset_id)


class FilePostgresStore(PostgresStore):
    """A `PostgresStore` whose `load` takes a path."""

    def __init__(
        self,
        server: Postgres,
        on_dirty: Callable[[], object] = lambda: None,
        clock: Clock = time,
        follower: Follower | None = None,
        patience: float = 20.0,
    ) -> None:
        super().__init__(on_dirty, clock, follower, patience=patience)
        self._server = server

    def load(self, uri: str, *, create: bool = False) -> None:
        address = DatabaseUri(self._server.uri(), str(uri))
        import_file(address, Path(uri), unless_there=True)
        self.load_dataset(address, Path(uri))
