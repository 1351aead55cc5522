"""Sending the dataset's file to S3, one upload at a time, and never over a version of somebody else unless told to."""

from __future__ import annotations

import io
import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from itertools import count
from typing import BinaryIO, NamedTuple, Protocol

import msgspec

from cocoannot.clock import Clock
from cocoannot.errors import Conflict, S3Changed, S3Conflict, S3Error
from cocoannot.files.dataset_file import DatasetFile, OpenedFile
from cocoannot.files.kept_copies import timestamp
from cocoannot.files.state import Remote, Version
from cocoannot.replica.remote_object import RemoteObject, is_upload, metadata_of
from cocoannot.s3.body import Seen
from cocoannot.s3.bucket import MAX_BYTES, Written
from cocoannot.settings import S3Uri

log = logging.getLogger(__name__)


class LocalDataset(Protocol):
    """What an upload needs of the dataset here."""

    def save(self) -> object:
        """Save what is pending."""

    def hold_file(self) -> OpenedFile:
        """The file as it was saved last."""

    def remember_remote(self, remote: Remote) -> None:
        """Write down what was agreed with S3."""


class Progress(NamedTuple):
    """How far an upload is: `bytes` of `total`."""

    bytes: int
    total: int


class Uploaded(NamedTuple):
    """An upload that worked, or was not needed: S3 has this; `kept` is where somebody else's version was copied to."""

    uri: str
    etag: str
    size: int
    revision: int
    kept: str | None


class Uploader:
    """Uploads `file` to `remote`. Safe from any thread.

    With `conditional`, S3 itself sees to it that nobody's upload is overwritten.
    """

    def __init__(self, remote: RemoteObject, file: DatasetFile, clock: Clock, *, conditional: bool) -> None:
        self._remote = remote
        self._file = file
        self._identity = file.identity
        self._clock = clock
        self._conditional = conditional
        # One upload, or one merge, at a time.
        self._uploading = threading.Lock()
        self.progress: Progress | None = None
        """How far the upload is that runs, `None` where none does."""

    @property
    def is_running(self) -> bool:
        """Whether there is an upload, or a merge, which look at the object by themselves."""
        return self._uploading.locked()

    def upload(self, dataset: LocalDataset, *, overwrite: bool) -> Uploaded:
        """Save, then put exactly that file, unless S3 has it. With `overwrite`, what is there is copied aside first.

        Raises `S3Conflict` where S3 has a version of somebody else, `Conflict` while another upload runs, `SaveError`,
        `S3Error`; S3 is then as it was, or the upload that failed is recognised when S3 is looked at again.
        """
        with self.alone():
            try:
                dataset.save()
                with closing(dataset.hold_file()) as opened:
                    uploaded = self._upload(dataset, opened, overwrite=overwrite)
            except (S3Error, S3Conflict) as exc:
                self._remote.last_error = str(exc)
                log.error("%s", exc)
                raise
            finally:
                self.progress = None
            self._remote.last_error = None
            return uploaded

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Nothing else is done with the object meanwhile. Raises `Conflict` where something is."""
        if not self._uploading.acquire(blocking=False):
            raise Conflict(
                f"an upload to {self._remote.uri}, or a merge with it, is running; wait for it, GET /api/status shows "
                "how far an upload is"
            )
        try:
            yield
        finally:
            self._uploading.release()

    def _upload(self, dataset: LocalDataset, opened: OpenedFile, *, overwrite: bool) -> Uploaded:
        version, uri = opened.version, str(self._remote.uri)
        if version.size > MAX_BYTES:
            raise S3Error(f"upload {uri}: {version.size} bytes; one request brings {MAX_BYTES} at most")
        self.progress = Progress(0, version.size)
        # What the decision below is about, whatever others see meanwhile.
        seen = self._remote.look()
        if recognised := self._remote.recognise(self._identity.remote, self._clock.time()):
            dataset.remember_remote(recognised)
        agreed = self._identity.remote or Remote(uri, None, "", -1)
        theirs = (seen.etag if seen else None) != agreed.etag
        if theirs and not overwrite:
            raise self._conflict()
        # Before it is agreed, and while it is certain to be there.
        self._file.agreed.keep(self._file.path, version.sha256, opened.file)
        if not theirs and agreed.etag and agreed.sha256 == version.sha256:
            # Level already: a put would bring nothing.
            self._agree(dataset, Written(agreed.etag, agreed.version_id), version, agreed.uploaded_at)
            return Uploaded(uri, agreed.etag, version.size, version.revision, None)
        kept = self._copy_aside(seen) if theirs and seen else None
        written = self._put(dataset, opened.file, version, agreed, seen)
        self._agree(dataset, written, version, self._clock.time())
        log.info("Uploaded dataset to %s (revision %d, %d bytes)", uri, version.revision, version.size)
        return Uploaded(uri, written.etag, version.size, version.revision, kept)

    def _agree(self, dataset: LocalDataset, written: Written, version: Version, uploaded_at: float | None) -> None:
        uri, (etag, version_id) = str(self._remote.uri), written
        self._remote.became(Seen(etag, version.size, {}, version_id))
        dataset.remember_remote(Remote(uri, etag, version.sha256, version.revision, uploaded_at, version_id=version_id))

    def _put(
        self, dataset: LocalDataset, file: BinaryIO, version: Version, agreed: Remote, seen: Seen | None
    ) -> Written:
        """Put the file where `seen` is, and nothing else."""
        # Before the call: whatever becomes of the answer, and of this process, the object is recognised as ours.
        ours = (version.sha256, version.revision)
        dataset.remember_remote(msgspec.structs.replace(agreed, uploading=ours))
        condition: dict[str, str] = {}
        if self._conditional:
            condition = {"IfMatch": seen.etag} if seen else {"IfNoneMatch": "*"}
        body = _WatchedFile(file, lambda done: self._show(done, version.size))
        try:
            return self._remote.bucket.put(self._remote.uri.key, body, metadata_of(version), condition)
        except (S3Error, S3Changed) as exc:
            there = self._remote.look()
            if there is not None and is_upload(there, ours):
                return Written(there.etag, there.version_id)
            if isinstance(exc, S3Changed):
                raise self._conflict() from exc
            raise

    def _copy_aside(self, seen: Seen) -> str:
        bucket, key = self._remote.bucket, self._remote.uri.key
        first = f"{key}.conflict-{timestamp(self._clock.time())}"
        target = first
        # Another version may have been copied in the same second. Nobody copies a third one to the name that is free
        # here: `seen` would have to be gone before, and then the copy below is refused.
        for number in count(2):
            if bucket.look(target) is None:
                break
            target = f"{first}-{number}"
        try:
            bucket.copy(key, target, seen.etag)
        except S3Changed:
            self._remote.look()
            raise self._conflict() from None
        return str(S3Uri(bucket.name, target))

    def _conflict(self) -> S3Conflict:
        return self._remote.conflict(self._identity.remote)

    def _show(self, done: int, total: int) -> None:
        self.progress = Progress(min(done, total), total)


class _WatchedFile(io.RawIOBase):
    """A file that shows how far it was read. boto3 may read it twice: for a checksum, then to send it."""

    def __init__(self, file: BinaryIO, show: Callable[[int], object]) -> None:
        self._file = file
        self._show = show

    def read(self, size: int = -1) -> bytes:
        data = self._file.read(size)
        self._show(self._file.tell())
        return data

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = 0) -> int:
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()
