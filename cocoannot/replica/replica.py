"""A dataset that lives in S3: the object there, the local copy, and how they stand to each other.

The local copy is an ordinary dataset file, and saving it never waits for S3. What a start does is in `startup`.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from pathlib import Path
from typing import Literal, NamedTuple

from cocoannot.clock import Clock
from cocoannot.errors import S3Error
from cocoannot.files.conflicts import LoadedFile, set_aside
from cocoannot.files.dataset_file import DatasetFile
from cocoannot.merge.report import Side
from cocoannot.replica import startup
from cocoannot.replica.download import download
from cocoannot.replica.merging import MergedDataset, Merger, MergeResult
from cocoannot.replica.remote_object import RemoteObject
from cocoannot.replica.upload import LocalDataset, Progress, Uploaded, Uploader
from cocoannot.settings import S3Options, S3Uri

log = logging.getLogger(__name__)

State = Literal["level", "ahead", "conflict", "unknown"]


class S3Status(NamedTuple):
    """Where S3 stands. `uploaded_at` is seconds since 1970; `atomic` whether S3 itself sees to it that nobody's
    upload is overwritten."""

    uri: str
    state: State
    etag: str | None
    revision: int | None
    uploaded_at: float | None
    uploading: Progress | None
    last_error: str | None
    atomic: bool


class Replica:
    """The object at `uri` and the local copy `file`, which the caller owns. Safe from any thread once started."""

    def __init__(self, uri: S3Uri, options: S3Options, file: DatasetFile, clock: Clock = time) -> None:
        self.file = file
        self._remote = RemoteObject(uri, options)
        self._uploader = Uploader(self._remote, file, clock, conditional=options.conditional)
        self._conditional = options.conditional
        self._clock = clock

    def start(self, beat: Callable[[], object], *, create: bool = False) -> LoadedFile | None:
        """Bring the local copy to what S3 has, or leave it; returns it where it was read and is used as it is.

        `beat` is called often while that takes long. With `create`, a dataset that is nowhere yet is left to be made.
        Raises `S3Error`, `DatasetError`, `SaveError`.
        """
        return startup.start(self._remote, self.file, self._clock, beat, create=create)

    def status(self, revision: int) -> S3Status:
        """Where S3 stands beside the dataset's `revision`, as it was seen last."""
        agreed = self.file.identity.remote
        return S3Status(
            str(self._remote.uri),
            self._state(revision),
            agreed.etag if agreed else None,
            agreed.revision if agreed and agreed.etag and agreed.revision >= 0 else None,
            agreed.uploaded_at if agreed else None,
            self._uploader.progress,
            self._remote.last_error,
            self._conditional,
        )

    def refresh(self, dataset: LocalDataset) -> None:
        """Look at S3. What goes wrong is shown in the status."""
        if self._uploader.is_running:
            # An upload looks by itself, and knows better than what was seen while it ran.
            return
        try:
            self._remote.look()
        except S3Error as exc:
            log.warning("%s", exc)
            return
        if recognised := self._remote.recognise(self.file.identity.remote, self._clock.time()):
            dataset.remember_remote(recognised)

    def upload(self, dataset: LocalDataset, *, overwrite: bool = False) -> Uploaded:
        """Save, then put exactly that file; see `Uploader.upload`."""
        return self._uploader.upload(dataset, overwrite=overwrite)

    def merge(
        self, dataset: MergedDataset, choice: Side | None = None, *, dry_run: bool = False, actor: str | None = None
    ) -> MergeResult:
        """Merge S3's version into ours; see `Merger.merge`. Raises `Conflict` too while an upload or a merge runs."""
        with self._uploader.alone():
            return Merger(self._remote, self.file, self._clock).merge(dataset, choice, dry_run=dry_run, actor=actor)

    def pull(self, beat: Callable[[], object], moment: str) -> list[Path]:
        """Take S3's version, while no server runs; returns where the local one is kept.

        Raises `S3Error`, `SaveError`, `DatasetError`; nothing was changed then.
        """
        seen = self._remote.look()
        if seen is None:
            raise S3Error(f"{self._remote.uri}: there is no such object, so there is nothing to take")
        kept: list[Path] = []

        def keep_ours() -> None:
            if self.file.path.exists():
                kept.extend(set_aside(self.file, moment))

        download(self._remote, seen, self.file, self._clock, beat, keep_ours)
        return kept

    def _state(self, revision: int) -> State:
        agreed = self.file.identity.remote
        if not self._remote.is_known or agreed is None:
            return "unknown"
        if self._remote.etag != agreed.etag:
            return "conflict"
        return "level" if agreed.etag and revision == agreed.revision else "ahead"
