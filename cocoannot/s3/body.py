"""The bytes of an object as they come from S3: the one place where the connection that brings them is given up."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager
from types import TracebackType
from typing import Any, NamedTuple

from cocoannot.errors import S3Error
from cocoannot.s3.errors import Errors

# One comes soon on a slow connection too: after each, the caller may tell others that it is alive.
_BLOCK = 1 << 16


class Seen(NamedTuple):
    """An object, or a part of one, as S3 shows it: ETag (with its quotes), size in bytes, metadata; the id of its
    version where the bucket has versions."""

    etag: str
    size: int
    metadata: dict[str, str]
    version_id: str | None = None


class Body:
    """What was asked for, in blocks, and `seen` of it. Closed by itself at its end and where it breaks off.

    Who stops before that closes it: by `close`, or as a context manager. Raises `S3Error`, also for fewer or more
    bytes than were announced.
    """

    def __init__(self, seen: Seen, stream: Any, errors: Errors, key: str) -> None:
        self.seen = seen
        self._stream = stream
        self._errors = errors
        self._key = key
        self._come = 0

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        try:
            with self._translated():
                block: bytes = self._stream.read(_BLOCK)
        except BaseException:
            self.close()
            raise
        if block:
            self._come += len(block)
            return block
        self.close()
        if self._come != self.seen.size:
            raise S3Error(
                f"read {self._errors.uri(self._key)}: {self._come} bytes came where {self.seen.size} were announced"
            )
        raise StopIteration

    def __enter__(self) -> Body:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Give up the connection; nothing happens where that was done."""
        self._stream.close()

    def _translated(self) -> AbstractContextManager[None]:
        return self._errors.translated("read", self._key)
