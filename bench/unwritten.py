"""cocoannot with a journal that writes nothing, to see what the journal costs. Only here: it loses work.

`gunicorn -c python:cocoannot.gunicorn_conf bench.unwritten:serve()`
"""

from __future__ import annotations

from typing import Any

from flask import Flask

from cocoannot import create_app
from cocoannot.extension import runtime
from cocoannot.files.conflicts import LoadedFile
from cocoannot.files.dataset_file import DatasetFile
from cocoannot.files.journal import Journal
from cocoannot.store.memory.store import MemoryStore


class UnwrittenJournal(Journal):
    """Takes every change, and forgets it."""

    def append(self, revision: int, *change: Any, **more: Any) -> None:
        """Nothing."""

    def sync(self, revision: int | None = None) -> None:
        """Nothing."""


class UnwrittenStore(MemoryStore):
    """Holds a dataset whose changes are nowhere but in memory until they are saved."""

    def load_file(self, file: DatasetFile, *, create: bool = False, loaded: LoadedFile | None = None) -> None:
        """As the real one does, with such a journal."""
        file.journal = UnwrittenJournal(file.journal.folder)
        super().load_file(file, create=create, loaded=loaded)


def serve() -> Flask:
    """The real application, with such a store."""
    app = create_app()
    runtime(app).store.__class__ = UnwrittenStore
    return app
