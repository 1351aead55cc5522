"""A dataset that lives in S3: when its local copy counts, when S3's, and how ours gets there.

    local copy             S3              at the start
    none                   there           download
    no edits of its own    same ETag       use the copy: level
    no edits of its own    another ETag    download
    edits not uploaded     same ETag       use the copy: ahead
    edits not uploaded     another, gone   use the copy: conflict, nothing is discarded
    no edits of its own    gone            use the copy: conflict
    there                  unreachable     use the copy: unknown
    not known, or changed  there           stop, and say how to choose
    none                   missing, or     stop
                           unreachable

Edits are what came after the revision that was agreed with S3 last. The local copy is an ordinary dataset file, and
saving it never waits for S3.
"""

from __future__ import annotations

import io
import logging
import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from itertools import count
from pathlib import Path
from typing import BinaryIO, Literal, NamedTuple

import msgspec

from cocoannot.errors import Conflict, DatasetError, S3Changed, S3Conflict, S3Error, SaveError
from cocoannot.files.atomic import Content
from cocoannot.files.conflicts import LoadedFile, load_file, set_aside
from cocoannot.files.dataset_file import DatasetFile
from cocoannot.files.state import Remote, Version
from cocoannot.manager import DatasetManager
from cocoannot.s3.bucket import MAX_BYTES, Bucket, Seen
from cocoannot.settings import S3Options, S3Uri
from cocoannot.store.memory.saving import Clock

log = logging.getLogger(__name__)

State = Literal["level", "ahead", "conflict", "unknown"]

_SHA256 = "cocoannot-sha256"
_REVISION = "cocoannot-revision"
_REVISIONS = re.compile(r"[0-9]{1,15}")
_TELL_EVERY = 5.0
"""Seconds between two log lines of a long download."""


class Progress(NamedTuple):
    """How far an upload is: `bytes` of `total`."""

    bytes: int
    total: int


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


class Uploaded(NamedTuple):
    """An upload that worked, or was not needed: S3 has this; `kept` is where somebody else's version was copied to."""

    uri: str
    etag: str
    size: int
    revision: int
    kept: str | None


class S3Dataset:
    """The object at `uri` and the local copy `file`, which the caller owns. Safe from any thread once started."""

    def __init__(self, uri: S3Uri, options: S3Options, file: DatasetFile, clock: Clock = time) -> None:
        self.uri = uri
        self.file = file
        self._options = options
        self._bucket = Bucket(uri.bucket, options)
        self._clock = clock
        # One upload at a time.
        self._uploading = threading.Lock()
        self._progress: Progress | None = None
        self._seen: Seen | None = None
        self._looked = False
        self._last_error: str | None = None

    def start(self, beat: Callable[[], object], *, create: bool = False) -> None:
        """Bring the local copy to what the table says. `beat` is called often while that takes long.

        With `create`, a dataset that is nowhere yet is left to be made. Raises `S3Error`, `DatasetError`.
        """
        found = self._read_copy()
        try:
            self._look()
        except S3Error as exc:
            if found is None:
                raise
            log.warning("%s; the local copy is used, it is not known what is in S3", exc)
            return
        if found is None:
            self._start_without_copy(beat, create=create)
        else:
            self._start_with_copy(found, beat)

    def status(self, revision: int) -> S3Status:
        """Where S3 stands beside the dataset's `revision`, as it was seen last."""
        remote = self.file.identity.remote
        return S3Status(
            str(self.uri),
            self._state(revision),
            remote.etag if remote else None,
            remote.revision if remote and remote.etag else None,
            remote.uploaded_at if remote else None,
            self._progress,
            self._last_error,
            self._options.conditional,
        )

    def refresh(self, manager: DatasetManager) -> None:
        """Look at S3. What goes wrong is shown in the status."""
        if self._uploading.locked():
            # An upload looks by itself, and knows better than what was seen while it ran.
            return
        try:
            self._look()
            self._recognise(manager.remember_remote)
        except S3Error as exc:
            log.warning("%s", exc)

    def upload(self, manager: DatasetManager, *, overwrite: bool = False) -> Uploaded:
        """Save, then put exactly that file, unless S3 has it. With `overwrite`, what is there is copied aside first.

        Raises `S3Conflict` where S3 has a version of somebody else, `Conflict` while another upload runs, `SaveError`,
        `S3Error`; S3 is then as it was, or the upload that failed is recognised when S3 is looked at again.
        """
        if not self._uploading.acquire(blocking=False):
            raise Conflict(f"an upload to {self.uri} is running; wait for it, GET /api/status shows how far it is")
        try:
            uploaded = self._upload(manager, overwrite=overwrite)
        except (S3Error, S3Conflict) as exc:
            self._last_error = str(exc)
            log.error("%s", exc)
            raise
        finally:
            self._progress = None
            self._uploading.release()
        self._last_error = None
        return uploaded

    def pull(self, beat: Callable[[], object], moment: str) -> list[Path]:
        """Take S3's version, while no server runs; returns where the local one is kept.

        Raises `S3Error`, `SaveError`, `DatasetError`; nothing was changed then.
        """
        seen = self._look()
        if seen is None:
            raise S3Error(f"{self.uri}: there is no such object, so there is nothing to take")
        kept: list[Path] = []

        def keep_ours() -> None:
            if self.file.path.exists():
                kept.extend(set_aside(self.file, moment))

        self._download(seen, beat, keep_ours)
        return kept

    def _read_copy(self) -> LoadedFile | None:
        return load_file(self.file) if self.file.path.exists() else None

    def _start_without_copy(self, beat: Callable[[], object], *, create: bool) -> None:
        if self._seen is not None:
            self._download(self._seen, beat)
        elif not create:
            raise S3Error(
                f"{self.uri}: there is no such object; correct COCOANNOT_DATASET, or set COCOANNOT_CREATE=1 to make an "
                "empty dataset"
            )
        else:
            self.file.remember_remote(Remote(str(self.uri), None, "", -1))

    def _start_with_copy(self, found: LoadedFile, beat: Callable[[], object]) -> None:
        remote = self.file.identity.remote
        ours = remote is not None and remote.uri == str(self.uri)
        # Where there never was an object there is nothing to choose from; a start that was killed may leave that.
        nowhere = remote is not None and remote.etag is None and self._seen is None
        if not ours or not (found.is_known or nowhere):
            reason = "was changed by something else" if ours else f"is not known to be one of {self.uri}"
            raise DatasetError(
                f"the local copy {self.file.path} {reason}: `flask pull-from-s3` takes S3's version and keeps the "
                "local one beside it, `flask save-to-s3 --on-conflict overwrite` uploads the local one and keeps S3's"
            )
        self._recognise(self.file.remember_remote)
        remote = self.file.identity.remote
        assert remote is not None
        if self._etag() == remote.etag:
            log.info("%s has not changed since; the local copy %s is used", self.uri, self.file.path)
        elif self._seen is None or found.revision > remote.revision:
            log.warning("%s; the local copy %s is used", self._conflict_text(), self.file.path)
        else:
            self._download(self._seen, beat)

    def _download(self, seen: Seen, beat: Callable[[], object], before: Callable[[], object] = lambda: None) -> None:
        """Put S3's version in the place of the local copy; `before` is called when all of it has come."""
        theirs = seen.metadata.get(_REVISION, "")
        revision = int(theirs) if _REVISIONS.fullmatch(theirs) else 0
        log.info("Downloading %s (%d bytes) to %s", self.uri, seen.size, self.file.path)
        try:
            _, body = self._bucket.read(self.uri.key, seen.etag)
        except S3Changed:
            raise S3Error(f"read {self.uri}: it was changed in this moment; try again") from None
        blocks = self._told(self._bucket.blocks(self.uri.key, body, seen.size), seen.size, beat)

        def check(content: Content) -> None:
            if content.sha256 != seen.metadata.get(_SHA256, content.sha256):
                raise S3Error(f"read {self.uri}: what came has another checksum than what was uploaded; try again")
            before()

        def agree(version: Version) -> Remote:
            return Remote(str(self.uri), seen.etag, version.sha256, version.revision)

        try:
            # The disk may not take it all.
            with closing(body):
                self.file.replace_by_download(blocks, revision, check, agree)
        except SaveError as exc:
            raise SaveError(f"download {self.uri}: {exc}", disk_full=exc.disk_full) from exc
        self._seen, self._looked = seen, True

    def _told(self, blocks: Iterator[bytes], size: int, beat: Callable[[], object]) -> Iterator[bytes]:
        told, done = self._clock.monotonic(), 0
        for block in blocks:
            yield block
            done += len(block)
            beat()
            if self._clock.monotonic() - told >= _TELL_EVERY:
                told = self._clock.monotonic()
                log.info("Downloading %s: %d of %d bytes", self.uri, done, size)

    def _upload(self, manager: DatasetManager, *, overwrite: bool) -> Uploaded:
        manager.save_now()
        with closing(manager.hold_file()) as held:
            version = held.version
            if version.size > MAX_BYTES:
                raise S3Error(f"upload {self.uri}: {version.size} bytes; one request brings {MAX_BYTES} at most")
            self._progress = Progress(0, version.size)
            # What the decision below is about, whatever others see meanwhile.
            seen = self._look()
            self._recognise(manager.remember_remote)
            remote = self.file.identity.remote or Remote(str(self.uri), None, "", -1)
            theirs = (seen.etag if seen else None) != remote.etag
            if theirs and not overwrite:
                raise self._conflict()
            kept = None
            if not theirs and remote.etag and remote.sha256 == version.sha256:
                # Level already: a put would bring nothing.
                self._agree(manager, remote.etag, version, remote.uploaded_at)
                etag = remote.etag
            else:
                if theirs and seen is not None:
                    kept = self._copy_aside(seen)
                etag = self._put(manager, held.file, version, remote, seen)
                self._agree(manager, etag, version, self._clock.time())
                log.info("Uploaded dataset to %s (revision %d, %d bytes)", self.uri, version.revision, version.size)
            return Uploaded(str(self.uri), etag, version.size, version.revision, kept)

    def _put(self, manager: DatasetManager, file: BinaryIO, version: Version, remote: Remote, seen: Seen | None) -> str:
        """Put the file where `seen` is, and nothing else; returns its ETag."""
        # Before the call: whatever becomes of the answer, and of this process, the object is recognised as ours.
        ours = (version.sha256, version.revision)
        manager.remember_remote(msgspec.structs.replace(remote, uploading=ours))
        metadata = {_SHA256: version.sha256, _REVISION: str(version.revision)}
        condition: dict[str, str] = {}
        if self._options.conditional:
            condition = {"IfMatch": seen.etag} if seen else {"IfNoneMatch": "*"}
        body = _Told(file, lambda done: self._show(done, version.size))
        try:
            return self._bucket.put(self.uri.key, body, metadata, condition)
        except (S3Error, S3Changed) as exc:
            there = self._look()
            if there is not None and _is_of(there, ours):
                return there.etag
            if isinstance(exc, S3Changed):
                raise self._conflict() from exc
            raise

    def _copy_aside(self, seen: Seen) -> str:
        moment = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(self._clock.time()))
        target = S3Uri(self.uri.bucket, f"{self.uri.key}.conflict-{moment}")
        # Another version may have been copied in the same second. Nobody copies a third one to the name that is free
        # here: `seen` would have to be gone before, and then the copy below is refused.
        for number in count(2):
            if self._bucket.look(target.key) is None:
                break
            target = S3Uri(self.uri.bucket, f"{self.uri.key}.conflict-{moment}-{number}")
        try:
            self._bucket.copy(self.uri.key, target.key, seen.etag)
        except S3Changed:
            self._look()
            raise self._conflict() from None
        return str(target)

    def _look(self) -> Seen | None:
        try:
            self._seen = self._bucket.look(self.uri.key)
        except S3Error as exc:
            self._looked, self._last_error = False, str(exc)
            raise
        if not self._looked:
            self._looked, self._last_error = True, None
        return self._seen

    def _recognise(self, remember: Callable[[Remote], object]) -> None:
        """Agree where what S3 has is a put of ours whose answer never came."""
        remote = self.file.identity.remote
        if remote and remote.uploading and self._seen and _is_of(self._seen, remote.uploading):
            sha256, revision = remote.uploading
            remember(Remote(remote.uri, self._seen.etag, sha256, revision, self._clock.time()))
            log.info("%s has revision %d, by an upload of ours whose answer did not come", self.uri, revision)

    def _agree(self, manager: DatasetManager, etag: str, version: Version, uploaded_at: float | None) -> None:
        self._seen, self._looked = Seen(etag, version.size, {}), True
        manager.remember_remote(Remote(str(self.uri), etag, version.sha256, version.revision, uploaded_at))

    def _state(self, revision: int) -> State:
        remote = self.file.identity.remote
        if not self._looked or remote is None:
            return "unknown"
        if self._etag() != remote.etag:
            return "conflict"
        return "level" if remote.etag and revision == remote.revision else "ahead"

    def _etag(self) -> str | None:
        return self._seen.etag if self._seen else None

    def _conflict_text(self) -> str:
        return f"{self.uri} was {'changed' if self._seen else 'deleted'} by somebody else since it was agreed with S3"

    def _conflict(self) -> S3Conflict:
        remote = self.file.identity.remote
        return S3Conflict(
            f"{self._conflict_text()}, so it is not written over. on_conflict=overwrite (`flask save-to-s3 "
            "--on-conflict overwrite`) copies what is there aside and uploads ours; to take S3's version, stop the "
            "server, then `flask pull-from-s3`, which keeps ours beside it",
            {
                "expected_etag": remote.etag if remote else None,
                "current_etag": self._etag(),
                "choices": ["overwrite", "pull-from-s3"],
            },
        )

    def _show(self, done: int, total: int) -> None:
        self._progress = Progress(min(done, total), total)


class _Told(io.RawIOBase):
    """A file that tells how far it was read. boto3 may read it twice: for a checksum, then to send it."""

    def __init__(self, file: BinaryIO, tell: Callable[[int], object]) -> None:
        self._file = file
        self._tell = tell

    def read(self, size: int = -1) -> bytes:
        data = self._file.read(size)
        self._tell(self._file.tell())
        return data

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = 0) -> int:
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()


def _is_of(seen: Seen, uploading: tuple[str, int]) -> bool:
    sha256, revision = uploading
    return seen.metadata.get(_SHA256) == sha256 and seen.metadata.get(_REVISION) == str(revision)
