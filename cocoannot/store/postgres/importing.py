"""A file made a dataset of a database, for the operator. No server has to be stopped: nobody is shown half of it."""

from __future__ import annotations

import shlex
import time
from pathlib import Path

import psycopg

from cocoannot.coco.parser import read_document
from cocoannot.database_uri import DatabaseUri
from cocoannot.errors import DatasetError, NotADataset
from cocoannot.files.atomic import Content, content_of
from cocoannot.files.dataset_file import DatasetFile
from cocoannot.files.packing import is_packed, unpack
from cocoannot.store.postgres.complaints import nothing_changed
from cocoannot.store.postgres.database import Database, connect
from cocoannot.store.postgres.datasets import find_dataset, make_dataset
from cocoannot.store.postgres.file_past import read_past
from cocoannot.store.postgres.moment import Reading
from cocoannot.store.postgres.place import FilePlace
from cocoannot.store.postgres.saving import Exporter


def import_file(address: DatabaseUri, path: Path, *, unless_there: bool = False) -> bool:
    """Make a dataset of the file at `path`, which may be gzip, with its history; returns whether it was made.

    Where the file is later exported to the same path, it is known to be ours. `unless_there` leaves a dataset of this
    name as it is. Raises `ConfigError`, and `DatasetError`, also where the name is taken.
    """
    with connect(address.dsn) as connection:
        if find_dataset(connection, address) is not None:
            if unless_there:
                return False
            raise DatasetError(
                f"{address} is there already; nothing was changed. Choose another name, or remove that dataset first: "
                "`cocoannot db remove`"
            )
        try:
            data = path.read_bytes()
            content = content_of(path)
            past = read_past(DatasetFile(path), content)
        except OSError as exc:
            raise DatasetError(f"can't read {path}: {exc.strerror}") from exc
        try:
            document = read_document(unpack(data, str(path)) if is_packed(path, data) else data, str(path))
        except NotADataset:
            raise
        except DatasetError as exc:
            raise DatasetError(
                f"{exc}. `flask check {shlex.quote(str(path))} --fix OUT` writes a repaired copy, where one can be made"
            ) from exc
        try:
            dataset_id = make_dataset(connection, address, document, past)
        except psycopg.Error as exc:
            raise DatasetError(f"can't import {path} into {address}: {nothing_changed(exc)}") from exc
    _remember(address, dataset_id, path, content, past.revision)
    return True


def _remember(address: DatabaseUri, dataset_id: int, path: Path, content: Content, revision: int) -> None:
    database = Database(address)
    try:
        Exporter(Reading(database, dataset_id), FilePlace(path), time, lambda point: None).adopt(content, revision)
    finally:
        database.close()
