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
        check_content(remote, seen, content)
        before()

    def agree(version: Version) -> Remote:
        return Remote(str(remote.uri), seen.etag, version.sha256, version.revision, version_id=seen.version_id)

    try:
        # The disk may not take it all.
        with open_object(remote, seen) as body:
            blocks = logged(body, remote, clock, beat)
            file.replace_by_download(blocks, revision_of(seen), check, agree)
    except SaveError as exc:
        raise SaveError(f"download {remote.uri}: {exc}", disk_full=exc.disk_full) from exc
    remote.became(seen)


def open_object(remote: RemoteObject, seen: Seen) -> Body:
    """The version that was `seen`. Raises `S3Error`, also where it is another one by now."""
    try:
        return remote.bucket.read(remote.uri.key, seen)
    except S3Changed:
        raise S3Error(f"read {remote.uri}: it was changed in this moment; try again") from None


def check_content(remote: RemoteObject, seen: Seen, content: Content) -> None:
    """Raise `S3Error` where what came is not what was uploaded as the version that was `seen`."""
    if sha256_of(seen) not in (None, content.sha256):
        raise S3Error(f"read {remote.uri}: what came has another checksum than what was uploaded; try again")


def logged(
    body: Body, remote: RemoteObject, clock: Clock, beat: Callable[[], object] = lambda: None
) -> Iterator[bytes]:
    """The blocks of `body`; the log tells now and then how far it is, and `beat` is called after each."""
    last, done = clock.monotonic(), 0
    for block in body:
        yield block
        done += len(block)
        beat()
        if clock.monotonic() - last >= _LOG_EVERY:
            last = clock.monotonic()
            log.info("Downloading %s: %d of %d bytes", remote.uri, done, body.seen.size)
