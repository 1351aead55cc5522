"""What is beside a dataset's file and moves along with it between a file and a database. The past moves elsewhere."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cocoannot.database_uri import DatabaseUri
from cocoannot.errors import DatasetError, OwnedElsewhere
from cocoannot.files.dataset_file import DatasetFile
from cocoannot.files.lock import describe
from cocoannot.history.kept import KeptHistory
from cocoannot.settings import Settings
from cocoannot.store.memory.maintenance import MemoryMaintenance

_PEOPLE = ("users.json", "tags.json", "predictions")


def served_file(uri: DatabaseUri) -> DatasetFile:
    """The file beside which servers of a database keep what is no part of the dataset: COCOANNOT_EXPORT's, or one in
    the cache."""
    return DatasetFile(Settings.read({}, {**os.environ, "COCOANNOT_DATASET": uri.text}).dataset_path())


@contextmanager
def closed_file(path: Path) -> Iterator[DatasetFile]:
    """The dataset's file, which no server has, nor gets meanwhile, and which has all changes of its journal.

    Raises `OwnedElsewhere`, `DatasetError`.
    """
    file = DatasetFile(path)
    if not file.folder.exists():
        yield file
        return
    maintenance = MemoryMaintenance(file, KeptHistory())
    if (owner := maintenance.owner()) is not None:
        raise OwnedElsewhere(f"{path} is served by {describe(owner)}; stop it first")
    with maintenance.owned():
        if maintenance.exists:
            maintenance.flush()
        yield file


def bring_people(source: DatasetFile, target: DatasetFile) -> None:
    """Copy users, tags and predictions, those that `target` has none of. Raises `DatasetError`."""
    if source.folder == target.folder:
        return
    try:
        for name in _PEOPLE:
            there, to = source.folder / name, target.folder / name
            if not there.exists() or to.exists():
                continue
            target.folder.mkdir(parents=True, exist_ok=True)
            made = to.with_name(f".{name}.coming")
            if there.is_dir():
                shutil.rmtree(made, ignore_errors=True)
                shutil.copytree(there, made)
            else:
                # As it is, with who may read it.
                shutil.copy2(there, made)
            os.replace(made, to)
    except OSError as exc:
        raise DatasetError(f"can't copy {exc.filename or source.folder}: {exc.strerror}; copy it by hand") from exc
