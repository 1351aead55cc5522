"""An object in S3 that a dataset of a database is exported to; see `cocoannot.store.postgres.place`.

The server of S3 itself sees to it that what somebody else wrote is not written over (`If-Match`).
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from itertools import chain, count
from pathlib import Path

from cocoannot.errors import S3Changed, S3Error, SaveError
from cocoannot.files.atomic import Content
from cocoannot.files.hashing import Hashing
from cocoannot.files.packing import has_packed_name, pack
from cocoannot.files.state import Version
from cocoannot.replica.remote_object import metadata_of, sha256_of
from cocoannot.s3.body import Seen
from cocoannot.s3.bucket import MAX_BYTES, Bucket
from cocoannot.settings import S3Options, S3Uri
from cocoannot.store.postgres.place import Blocks, PlaceChanged, Put, Sight


class ObjectPlace:
    """The object at `uri`; gzip if its key ends in .gz. It is the one that was exported if its metadata say so."""

    def __init__(self, uri: S3Uri, options: S3Options) -> None:
        self.name = self.uri = str(uri)
        self._key = uri.key
        self._bucket = Bucket(uri.bucket, options)

    def look(self) -> Sight | None:
        try:
            seen = self._bucket.look(self._key)
        except S3Error as exc:
            raise _failed(exc) from exc
        return None if seen is None else Sight(Content(seen.size, sha256_of(seen) or ""), seen)

    def put(
        self, blocks: Blocks, seen: Sight | None, expect: Callable[[Content], object], revision: int, keep: str | None
    ) -> Put:
        there = None if seen is None else seen.mark
        assert there is None or isinstance(there, Seen)
        # A request says how long its body is, so that all of it has to be there first.
        with tempfile.TemporaryFile() as file, Hashing() as hashing:
            try:
                for block in pack(blocks) if has_packed_name(Path(self._key)) else blocks:
                    hashing.update(block)
                    file.write(block)
                file.seek(0)
            except OSError as exc:
                raise SaveError(f"can't write to {tempfile.gettempdir()} what is for {self.name}: {exc}") from exc
            content = Content(hashing.size, hashing.hexdigest())
            if content.size > MAX_BYTES:
                raise SaveError(f"{self.name}: {content.size} bytes; one request brings {MAX_BYTES} at most")
            expect(content)
            condition: dict[str, str] = {}
            if self._bucket.is_conditional:
                condition = {"IfNoneMatch": "*"} if there is None else {"IfMatch": there.etag}
            metadata = metadata_of(Version(content.size, content.sha256, revision, {}))
            try:
                kept = self._copy_aside(there, keep) if there is not None and keep is not None else None
                self._bucket.put(self._key, file, metadata, condition)
            except S3Changed as exc:
                raise PlaceChanged(self.name) from exc
            except S3Error as exc:
                raise _failed(exc) from exc
        return Put(content, kept)

    def _copy_aside(self, seen: Seen, keep: str) -> str:
        names = chain([keep], (f"{keep}-{number}" for number in count(2)))
        target = next(key for name in names if self._bucket.look(key := f"{self._key}.{name}", explain=False) is None)
        self._bucket.copy(self._key, target, seen.etag)
        return f"s3://{self._bucket.name}/{target}"


def _failed(exc: S3Error) -> SaveError:
    return SaveError(f"{exc}; nothing is lost, the database has it; it is tried again")
