"""Merging S3's version into ours: where the three versions come from, and what is written down. How two sides are put
together is the business of `cocoannot.merge`.

    theirs is downloaded and kept --> merged with ours --> replaces ours in one step --> is what was agreed last

Nothing is uploaded. Wherever it breaks off, what was agreed before still counts, and merging again brings the same.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Literal, NamedTuple, Protocol

from cocoannot.changes.change import Change
from cocoannot.clock import Clock
from cocoannot.coco.parser import SECTIONS, Document, SectionName, read_document
from cocoannot.errors import Conflict, DatasetError, S3Conflict, S3Error, VersionMismatch
from cocoannot.files.dataset_file import DatasetFile
from cocoannot.files.disk_errors import save_error
from cocoannot.files.state import Remote
from cocoannot.merge.dataset import Merged, compare, merge_datasets
from cocoannot.merge.report import Report, Side
from cocoannot.replica.download import check_content, logged, open_object
from cocoannot.replica.remote_object import RemoteObject
from cocoannot.s3.body import Seen
from cocoannot.store.base import Export, Texts

log = logging.getLogger(__name__)

Base = Literal["kept", "s3_version", "none"]
"""Where the version agreed last is from: kept beside the file, an older version of the object, not known any more."""

_ATTEMPTS = 2
"""How often a merge is tried while others may change the dataset; then they have to wait for it."""
_SHOWN = 3


class MergedDataset(Protocol):
    """What a merge needs of the dataset here."""

    def export(self) -> Export:
        """The whole text as it is now."""

    def next_id(self, section: SectionName) -> int:
        """An id that was never given."""

    def replace(self, texts: Texts, *, actor: str | None = None, if_revision: int | None = None) -> Change:
        """Replace top-level values in one step."""

    def remember_remote(self, remote: Remote) -> None:
        """Write down what was agreed with S3."""


class MergeResult(NamedTuple):
    """What a merge did, or would do; `is_needed` is false where S3 has what was agreed last. `etag` is theirs."""

    uri: str
    etag: str
    revision: int
    base: Base
    is_needed: bool
    report: Report


class Merger:
    """Merges the object `remote` into the dataset whose file is `file`. The caller sees to it that nothing else is done
    with the object meanwhile."""

    def __init__(self, remote: RemoteObject, file: DatasetFile, clock: Clock) -> None:
        self._remote = remote
        self._file = file
        self._clock = clock

    def merge(self, dataset: MergedDataset, choice: Side | None, *, dry_run: bool, actor: str | None) -> MergeResult:
        """Merge S3's version into `dataset`, as one change; `choice` says whose fields count in a conflict.

        Raises `S3Conflict` with the report where that has to be chosen, `Conflict` where a version can't be merged,
        `S3Error`, `SaveError`; nothing was changed then.
        """
        uri, seen = str(self._remote.uri), self._remote.look()
        if seen is None:
            raise S3Error(
                f"{uri}: there is no such object, so there is nothing to merge; `flask save-to-s3` uploads ours"
            )
        if recognised := self._remote.recognise(self._file.identity.remote, self._clock.time()):
            dataset.remember_remote(recognised)
        agreed = self._agreed()
        if agreed is not None and agreed.etag == seen.etag:
            return MergeResult(uri, seen.etag, dataset.export().revision, "kept", False, Report())
        try:
            with self._fetched(seen) as sha256:
                load = partial(self._load, agreed, sha256)
                if dry_run:
                    done, change = _combine(dataset, load(), choice), None
                else:
                    done, change = self._replace(dataset, load, choice, actor)
                    self._agree(dataset, agreed, seen, sha256, change)
        except DatasetError as exc:
            raise Conflict(f"{uri} can't be merged: {exc}") from exc
        except OSError as exc:
            raise save_error(str(self._file.agreed.folder), exc, "nothing was changed") from exc
        revision = change.revision if change else done.revision
        return MergeResult(uri, seen.etag, revision, done.base, True, done.merged.report)

    def _agreed(self) -> Remote | None:
        agreed = self._file.identity.remote
        return agreed if agreed is not None and agreed.uri == str(self._remote.uri) else None

    @contextmanager
    def _fetched(self, seen: Seen) -> Iterator[str]:
        """Keep S3's version beside what was agreed; gives its sha256. It goes again where it does not become that."""
        with open_object(self._remote, seen) as body:
            content = self._file.agreed.write(logged(body, self._remote, self._clock))
        try:
            check_content(self._remote, seen, content)
            yield content.sha256
        finally:
            remote = self._file.identity.remote
            if remote is None or content.sha256 not in remote.contents:
                self._file.agreed.forget(content.sha256)

    def _load(self, agreed: Remote | None, sha256: str) -> _Others:
        """What ours is to be merged with."""
        theirs = self._read(sha256, "S3's version")
        if theirs is None:
            raise S3Error(f"{self._file.agreed.folder}: S3's version was changed there by something else; try again")
        base, source = self._base(agreed)
        return _Others(base, theirs, source)

    def _base(self, agreed: Remote | None) -> tuple[Document | None, Base]:
        """The version agreed last, and where it is from."""
        if agreed is None or agreed.etag is None:
            return None, "none"
        if (kept := self._read(agreed.sha256, "the version agreed last")) is not None:
            return kept, "kept"
        older = None
        if agreed.version_id is not None and self._fetch_older(agreed, agreed.version_id):
            older = self._read(agreed.sha256, "the version agreed last")
        if older is not None:
            return older, "s3_version"
        log.warning("%s: the version agreed last is not kept any more; merged without it", self._remote.uri)
        return None, "none"

    def _fetch_older(self, agreed: Remote, version_id: str) -> bool:
        """Keep the version agreed last as S3 still has it; returns whether that is it."""
        try:
            with self._remote.bucket.read_version(self._remote.uri.key, version_id) as body:
                content = self._file.agreed.write(logged(body, self._remote, self._clock))
        except S3Error as exc:
            log.warning("%s", exc)
            return False
        if content.sha256 != agreed.sha256:
            self._file.agreed.forget(content.sha256)
        return content.sha256 == agreed.sha256

    def _read(self, sha256: str, name: str) -> Document | None:
        data = self._file.agreed.read(sha256)
        return None if data is None else read_document(self._file.unpacked(data), name)

    def _replace(
        self, dataset: MergedDataset, load: Callable[[], _Others], choice: Side | None, actor: str | None
    ) -> tuple[_Combined, Change | None]:
        """Put what was combined in the place of what it was combined from; no change where that is the same.

        Others may change the dataset meanwhile, and then it is done again; in the last attempt they have to wait.
        """
        for _ in range(_ATTEMPTS):
            combined = self._decided(dataset, load(), choice)
            if not combined.merged.texts:
                return combined, None
            try:
                texts = combined.merged.texts
                return combined, dataset.replace(texts, actor=actor, if_revision=combined.revision)
            except VersionMismatch:
                log.info("The dataset was changed while %s was merged into it; once more", self._remote.uri)
        others = load()

        def combine_alone() -> dict[str, bytes | None]:
            nonlocal combined
            combined = self._decided(dataset, others, choice)
            if not combined.merged.texts:
                raise _Nothing
            return combined.merged.texts

        try:
            return combined, dataset.replace(combine_alone, actor=actor)
        except _Nothing:
            return combined, None

    def _decided(self, dataset: MergedDataset, others: _Others, choice: Side | None) -> _Combined:
        combined = _combine(dataset, others, choice)
        self._check_decided(combined.merged.report)
        return combined

    def _check_decided(self, report: Report) -> None:
        if not (undecided := report.undecided):
            return
        shown = "; ".join(map(str, undecided[:_SHOWN])) + ("; ..." if len(undecided) > _SHOWN else "")
        raise S3Conflict(
            f"{len(undecided)} conflict(s) between our version and {self._remote.uri} ({shown}); nothing was changed. "
            "on_conflict=ours or theirs (`flask merge-from-s3 --on-conflict ours`) decides all of them, a dry run "
            "shows them",
            {**report.as_json(), "choices": ["ours", "theirs"]},
        )

    def _agree(
        self, dataset: MergedDataset, agreed: Remote | None, seen: Seen, sha256: str, change: Change | None
    ) -> None:
        """Theirs is what was agreed last. Ours is beyond it, so that it counts as not uploaded."""
        before = agreed.revision if agreed else -1
        revision = before if change is None else change.revision - 1
        uploaded_at = agreed.uploaded_at if agreed else None
        uri = str(self._remote.uri)
        dataset.remember_remote(Remote(uri, seen.etag, sha256, revision, uploaded_at, version_id=seen.version_id))
        log.info(
            "Merged %s into the dataset (%s)", uri, "nothing was to be changed" if change is None else "one change"
        )


@dataclass
class _Others:
    """What ours is merged with. Each takes as much memory as the dataset itself."""

    base: Document | None
    theirs: Document | None
    source: Base


class _Combined(NamedTuple):
    """What a merge with the dataset at `revision` brought, and where the version that both began with is from."""

    merged: Merged
    revision: int
    base: Base


class _Nothing(Exception):
    """There is nothing to replace."""


def _combine(dataset: MergedDataset, others: _Others, choice: Side | None) -> _Combined:
    """Merge what is here now with `others`, which are let go of. It holds no lock."""
    export = dataset.export()
    ours = read_document(b"".join(export.blocks), "our version")
    assert others.theirs is not None
    versions = compare(others.base, ours, others.theirs)
    others.base = others.theirs = None
    next_ids = {name: dataset.next_id(name) for name in SECTIONS}
    return _Combined(merge_datasets(versions, ours, next_ids, choice), export.revision, others.source)
