"""The object in S3 that a dataset is from: as it was seen last, and whether that is what was agreed."""

from __future__ import annotations

import logging
import re

from cocoannot.errors import S3Conflict, S3Error
from cocoannot.files.state import Remote, Version
from cocoannot.s3.body import Seen
from cocoannot.s3.bucket import Bucket
from cocoannot.settings import S3Options, S3Uri

log = logging.getLogger(__name__)

_SHA256 = "cocoannot-sha256"
_REVISION = "cocoannot-revision"
_REVISIONS = re.compile(r"[0-9]{1,15}")


class RemoteObject:
    """The object at `uri`, in `bucket`; `seen` is `None` where there was none, or it was not looked at yet."""

    def __init__(self, uri: S3Uri, options: S3Options) -> None:
        self.uri = uri
        self.bucket = Bucket(uri.bucket, options)
        self.seen: Seen | None = None
        self.is_known = False
        """Whether S3 answered when it was asked last."""
        self.last_error: str | None = None

    @property
    def etag(self) -> str | None:
        """Its ETag as it was seen last, `None` where there was none."""
        return self.seen.etag if self.seen else None

    def look(self) -> Seen | None:
        """See what is there. Raises `S3Error`."""
        try:
            self.seen = self.bucket.look(self.uri.key)
        except S3Error as exc:
            self.is_known, self.last_error = False, str(exc)
            raise
        if not self.is_known:
            self.is_known, self.last_error = True, None
        return self.seen

    def became(self, seen: Seen) -> None:
        """It was put, or read whole, so it is this."""
        self.seen, self.is_known = seen, True

    def recognise(self, remote: Remote | None, now: float) -> Remote | None:
        """What is agreed now, where what was seen is an upload of ours whose answer never came; `None` where not."""
        if not (remote and remote.uploading and self.seen and is_upload(self.seen, remote.uploading)):
            return None
        sha256, revision = remote.uploading
        log.info("%s has revision %d, by an upload of ours whose answer did not come", self.uri, revision)
        return Remote(remote.uri, self.seen.etag, sha256, revision, now, version_id=self.seen.version_id)

    def describe_conflict(self) -> str:
        """What somebody else did to it."""
        return f"{self.uri} was {'changed' if self.seen else 'deleted'} by somebody else since it was agreed with S3"

    def conflict(self, remote: Remote | None) -> S3Conflict:
        """It is not what was agreed: the error that says how to choose."""
        return S3Conflict(
            f"{self.describe_conflict()}, so it is not written over. `flask merge-from-s3` (POST /api/s3/merge) "
            "puts both together; on_conflict=overwrite (`flask save-to-s3 --on-conflict overwrite`) copies what is "
            "there aside and uploads ours; to take S3's version, stop the server, then `flask pull-from-s3`, which "
            "keeps ours beside it",
            {
                "expected_etag": remote.etag if remote else None,
                "current_etag": self.etag,
                "choices": ["merge-from-s3", "overwrite", "pull-from-s3"],
            },
        )


def metadata_of(version: Version) -> dict[str, str]:
    """What goes along with an upload of `version`, so that it is recognised as ours."""
    return {_SHA256: version.sha256, _REVISION: str(version.revision)}


def is_upload(seen: Seen, uploading: tuple[str, int]) -> bool:
    """Whether what was seen is the upload of this sha256 and revision."""
    sha256, revision = uploading
    return seen.metadata.get(_SHA256) == sha256 and seen.metadata.get(_REVISION) == str(revision)


def revision_of(seen: Seen) -> int:
    """The revision that was uploaded, 0 where nobody said one."""
    text = seen.metadata.get(_REVISION, "")
    return int(text) if _REVISIONS.fullmatch(text) else 0


def sha256_of(seen: Seen) -> str | None:
    """The sha256 of what was uploaded, `None` where nobody said one."""
    return seen.metadata.get(_SHA256)
