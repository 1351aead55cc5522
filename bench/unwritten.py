"""cocoannot with a journal that writes nothing, to see what the journal costs. Only here: it loses work.

`gunicorn -c python:cocoannot.gunicorn_conf bench.unwritten:serve()`
"""

from __future__ import annotations

from pathlib import Path

from flask import Flask

from cocoannot import create_app, extension
from cocoannot.files.dataset_file import DatasetFile
from cocoannot.files.journal import Journal
from cocoannot.manager import DatasetManager


class UnwrittenJournal(Journal):
    """Takes every change, and forgets it."""

    def append(self, revision: int, time: float, author: str | None, change: bytes) -> None:
        """Nothing."""

    def sync(self, revision: int | None = None) -> None:
        """Nothing."""


class UnwrittenManager(DatasetManager):
    """Holds a dataset whose changes are nowhere but in memory until they are saved."""

    def load(self, path: Path | DatasetFile, *, create: bool = False) -> None:
        """As the real one does."""
        file = path if isinstance(path, DatasetFile) else DatasetFile(path)
        file.journal = UnwrittenJournal(file.journal.folder)
        super().load(file, create=create)


def serve() -> Flask:
    """The real application, with such a manager."""
    extension.DatasetManager = UnwrittenManager  # type: ignore[attr-defined]
    return create_app()
