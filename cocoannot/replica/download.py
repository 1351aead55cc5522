"""Bringing S3's version here, in the place of the local copy. Whether that is right is not decided here."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator

from cocoannot.clock import Clock
from cocoannot.errors import S3Changed, S3Error, SaveError
from cocoannot.files.atomic import Content
from cocoannot.files.dataset_file import DatasetFile
from cocoannot.files.state import Remote, Version
from cocoannot.replica.remote_object import RemoteObject, revision_of, sha256_of
from cocoannot.s3.body import Body, Seen

log = logging.getLogger(__name__)

_LOG_EVERY = 5.0
"""Seconds between two log lines of a long download."""


def download(
    remote: RemoteObject,
    seen: Seen,
    file: DatasetFile,
    clock: Clock,
    beat: Callable[[], object],
    before: Callable[[], object] = lambda: None,
) -> None:
    """Put the version that was `seen` in the place of the local copy; `before` is called when all of it has come.

    `beat` is called often. Raises `S3Error`, `SaveError`, what `before` raises; nothing was changed here then.
    """
    log.info("Downloading %s (%d bytes) to %s", remote.uri, seen.size, file.path)

    def check(content: Content) -> None:
        if sha256_of(seen) not in (None, content.sha256):
            raise S3Error(f"read {remote.uri}: what came has another checksum than what was uploaded; try again")
        before()

    def agree(version: Version) -> Remote:
        return Remote(str(remote.uri), seen.etag, version.sha256, version.revision)

    try:
        # The disk may not take it all.
        with _open(remote, seen) as body:
            blocks = _logged(body, remote, clock, beat)
            file.replace_by_download(blocks, revision_of(seen), check, agree)
    except SaveError as exc:
        raise SaveError(f"download {remote.uri}: {exc}", disk_full=exc.disk_full) from exc
    remote.became(seen)


def _open(remote: RemoteObject, seen: Seen) -> Body:
    try:
        return remote.bucket.read(remote.uri.key, seen)
    except S3Changed:
        raise S3Error(f"read {remote.uri}: it was changed in this moment; try again") from None


def _logged(body: Body, remote: RemoteObject, clock: Clock, beat: Callable[[], object]) -> Iterator[bytes]:
    logged, done = clock.monotonic(), 0
    for block in body:
        yield block
        done += len(block)
        beat()
        if clock.monotonic() - logged >= _LOG_EVERY:
            logged = clock.monotonic()
            log.info("Downloading %s: %d of %d bytes", remote.uri, done, body.seen.size)
