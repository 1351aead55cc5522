"""The dataset as commands read it and take it back: through the server that has it, or loaded here where none runs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, closing, contextmanager
from datetime import datetime
from http.client import HTTPResponse, IncompleteRead
from typing import Any, NamedTuple, Protocol
from urllib.parse import urlencode

import msgspec

from cocoannot.changes.description import DescribedChange, Undone, told
from cocoannot.changes.operations import GoBack
from cocoannot.cli.server_client import ask_status, call, downloading
from cocoannot.clock import moment
from cocoannot.database_uri import DatabaseUri
from cocoannot.errors import BadOperation, DatasetError
from cocoannot.exchange.export import Options, export
from cocoannot.extension import make_database_store, runtime
from cocoannot.files.dataset_file import DatasetFile
from cocoannot.files.lock import Owner
from cocoannot.store.base import RememberingStore, SavingStore
from cocoannot.store.memory.maintenance import MemoryMaintenance
from cocoannot.store.queries import CategoryQuery, ChangeQuery

_BLOCK = 1 << 18

LOCAL = "local"
"""Who runs commands on this machine, as the server calls them, too."""


class Newest(NamedTuple):
    """The newest change up to a revision: which revision it made, and when."""

    revision: int
    time: datetime


class Exported(NamedTuple):
    """A text on its way: the revision that it is, how many bytes it has where that is known, and its blocks."""

    revision: int
    size: int | None
    blocks: Iterator[bytes | memoryview]


class Dataset(Protocol):
    """What the commands need of a dataset. Raises as the store does."""

    revision: int
    categories: list[dict[str, Any]]

    def newest_change(self, until: int) -> Newest | None:
        """The newest change that made a revision up to `until`, of those that are kept."""

    def export(self, options: Options, at: int | None) -> AbstractContextManager[Exported]:
        """The dataset's text, as `options` say, to be read within the context."""

    def go_back(self, revision: int, *, dry_run: bool) -> dict[str, Any]:
        """Make the dataset what it was; the answer is that of `POST /api/changes/restore`."""


@contextmanager
def open_dataset() -> Iterator[tuple[Dataset, DatasetFile]]:
    """The dataset of the settings, and its file. Raises `DatasetError`, `OwnedElsewhere`, `OSError`."""
    settings = runtime().settings
    if isinstance(settings.dataset, DatabaseUri):
        database_store = make_database_store(settings)
        database_store.load(settings.dataset.text)
        with closing(database_store):
            yield _Here(database_store), DatasetFile(settings.dataset_path(), settings.backups)
        return
    file = runtime().file()
    maintenance = MemoryMaintenance(file, runtime().history)
    if (owner := maintenance.owner()) is not None:
        yield _Served(owner, file), file
        return
    if not maintenance.exists:
        raise DatasetError(f"{file.name} does not exist; correct COCOANNOT_DATASET")
    with maintenance.owned(), closing(maintenance.load()) as store:
        yield _Here(store), file


class _Served:
    """The dataset that a server has."""

    def __init__(self, owner: Owner, file: DatasetFile) -> None:
        self._owner = owner
        self.revision = int(ask_status(owner, file)["revision"]["memory"])
        self.categories: list[dict[str, Any]] = list(call(owner, "GET", "/api/categories"))  # type: ignore[arg-type]

    def newest_change(self, until: int) -> Newest | None:
        found: Any = call(self._owner, "GET", f"/api/changes?until={until}&limit=1")
        return Newest(found[-1]["revision"], datetime.fromisoformat(found[-1]["time"])) if found else None

    @contextmanager
    def export(self, options: Options, at: int | None) -> Iterator[Exported]:
        query = urlencode(_parameters(options, at), doseq=True)
        with downloading(self._owner, f"/api/dataset/export?{query}") as answer:
            length = answer.headers["Content-Length"]
            size = None if length is None else int(length)
            yield Exported(int(answer.headers["X-Dataset-Revision"]), size, _whole(answer, size))

    def go_back(self, revision: int, *, dry_run: bool) -> dict[str, Any]:
        return call(self._owner, "POST", "/api/changes/restore", {"revision": revision, "dry_run": dry_run})


class _Here:
    """The dataset in this process."""

    def __init__(self, store: RememberingStore) -> None:
        self._store = store
        self.revision = store.revision
        self.categories = [msgspec.json.decode(text) for text in store.find(CategoryQuery()).texts]

    def newest_change(self, until: int) -> Newest | None:
        found = self._store.find_changes(ChangeQuery(until=until, limit=1))
        return Newest(found[-1].revision, moment(found[-1].time)) if found else None

    @contextmanager
    def export(self, options: Options, at: int | None) -> Iterator[Exported]:
        snapshot = self._store.snapshot() if at is None else self._store.snapshot_at(at)
        with closing(snapshot):
            yield Exported(snapshot.revision, None, export(snapshot, options))

    def go_back(self, revision: int, *, dry_run: bool) -> dict[str, Any]:
        actor = LOCAL if runtime().people.is_on else None
        return go_back(self._store, revision, actor, dry_run=dry_run)


def go_back(store: SavingStore, revision: int, actor: str | None, *, dry_run: bool) -> dict[str, Any]:
    """Make the dataset what it was and save it; the answer is that of `POST /api/changes/restore`."""
    try:
        committed = store.commit([GoBack(revision, dry_run)], actor=actor)
    except BadOperation as exc:
        raise exc.cause from exc
    (undone,) = committed.results
    assert isinstance(undone, Undone)
    if committed.change is not None:
        store.save()
    listed = told(DescribedChange(0, 0, None, undone.edits), msgspec.to_builtins(undone.edits[:1000]))
    made = committed.change.revision if committed.change else None
    return {"revision": made, "dry_run": dry_run, "summary": listed["summary"], "edits": listed["edits"]}


def _whole(answer: HTTPResponse, size: int | None) -> Iterator[bytes]:
    """The blocks of an answer. Raises `IncompleteRead` where it breaks off, which `read` tells of chunks alone."""
    read = 0
    while block := answer.read(_BLOCK):
        read += len(block)
        yield block
    if size is not None and read < size:
        raise IncompleteRead(b"", size - read)


def _parameters(options: Options, at: int | None) -> Mapping[str, Any]:
    chosen = options.selection
    parameters: dict[str, Any] = {"category_id": list(chosen.category_ids), "status": list(chosen.statuses)}
    optional = {
        "at": at,
        "file_name": chosen.file_name or None,
        "annotated": None if chosen.annotated is None else str(chosen.annotated).lower(),
        "ids": "contiguous" if options.contiguous else None,
        "boxes": "polygons" if options.polygons else None,
        "ascii": "1" if options.ascii else None,
    }
    return {**parameters, **{name: value for name, value in optional.items() if value is not None}}
