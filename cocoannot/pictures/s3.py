"""Pictures in S3: finding a record's one, never outside a prefix, and reading parts of it in bounded memory.

What counts as a picture, and how a thumbnail is made and kept, is given by the caller.
"""

from __future__ import annotations

import io
import logging
import os
import posixpath
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING, BinaryIO, TypeVar

from cocoannot.errors import BadPicture, CocoannotError, S3Changed, S3Error, UnknownId
from cocoannot.s3.body import Body, Seen
from cocoannot.s3.bucket import Bucket
from cocoannot.settings import S3Options, S3Uri

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

log = logging.getLogger(__name__)

SAMPLE = 20
"""How many pictures are looked for at the start: each takes a request, and one more where it is missing."""

MAX_HEAD = 16 * 1024 * 1024
"""How many bytes may be read to tell what a file is. Of most kinds these are some KB, but WebP is read whole."""

_CHOOSE_BY = 3
"""How many pictures are looked for under each prefix that might be theirs."""

_AT_ONCE = 8
_FIRST = 64 * 1024
_MOST = 4 * 1024 * 1024
"""Bytes of the first, and of the largest, of the reads that follow one another."""

_MAX_KEY = 1024
"""The longest key, in bytes (AWS, "Naming Amazon S3 objects")."""

_ATTEMPTS = 3
_REMEMBERED = 10_000

Result = TypeVar("Result")
Identify = Callable[[BinaryIO, str], str]
Render = Callable[[BinaryIO, str, int], bytes]
Keep = Callable[[str, int, Callable[[], bytes]], Result]


class S3Object:
    """One version of an object, which a record calls `file_name`; `size` is in bytes, `etag` has its quotes."""

    def __init__(self, bucket: Bucket, key: str, seen: Seen, file_name: str) -> None:
        self.etag = seen.etag
        self.size = seen.size
        self.file_name = file_name
        self.version = f"{S3Uri(bucket.name, key)}\0{seen.etag}"
        self._bucket = bucket
        self._key = key
        self._seen = seen

    def stream(self, start: int, length: int) -> Body:
        """The `length` bytes from `start`, which are more than none. Raises `S3Error`; `S3Changed` at another version.

        All of that is known when this returns, but for a connection that breaks later.
        """
        return self._bucket.read(self._key, self._seen, start, length)

    @contextmanager
    def opened(self, first: int) -> Iterator[_Parts]:
        """A file to read parts of, the `first` bytes at once. What fails in S3 is raised at the end too: who reads may
        have taken it for damage."""
        parts = _Parts(self, first)
        try:
            yield parts
        finally:
            if parts.error is not None:
                raise parts.error


class S3Pictures:
    """The pictures under the prefix `uri`, or where none are there, in one of the `folders` below it.

    `identify(file, file_name)` returns an open file's media type or raises; `render(file, file_name, size)` returns a
    thumbnail. Safe from any thread.
    """

    def __init__(
        self, uri: S3Uri, options: S3Options, identify: Identify, render: Render, folders: Sequence[str] = ()
    ) -> None:
        self._bucket = Bucket(uri.bucket, options)
        base = uri.key if not uri.key or uri.key.endswith("/") else f"{uri.key}/"
        self._prefixes = [base, *(f"{base}{folder}/" for folder in folders)]
        self._identify = identify
        self._render = render
        # Guards choosing the prefix.
        self._choosing = threading.Lock()
        self._prefix: str | None = None
        self._names: Sequence[str] = ()
        # Of keys with their ETags: what an object is does not change.
        self._types: dict[str, str] = {}

    def start(self, file_names: Sequence[str], beat: Callable[[], object]) -> None:
        """Choose the prefix by the first of the dataset's `file_names`, and log how many are there.

        `beat` is called often. Where S3 fails, the choice is left to when a picture is asked for.
        """
        self._names = file_names[:_CHOOSE_BY]
        sample = file_names[:SAMPLE]
        try:
            prefix = self._chosen(beat)
            found = self._count(prefix, sample)
        except S3Error as exc:
            log.warning("%s; pictures are looked for when they are asked for", exc)
            return
        log.info("%d of %d pictures found under %s", found, len(sample), S3Uri(self._bucket.name, prefix))

    def use(self, file_name: str, use: Callable[[S3Object, str], Result]) -> Result:
        """What `use(object, media_type)` returns for the picture that a record's `file_name` names; it is called again
        where the object changes meanwhile.

        Raises `UnknownId`, which says why there is none, `BadPicture` for one that is too large, `S3Error`.
        """
        return self._steadily(file_name, lambda found: use(found, self._type(found)))

    def use_thumbnail(self, file_name: str, size: int, keep: Keep[Result]) -> Result:
        """What `keep(version, size, make)` returns for the thumbnail of that size: what it kept, or what is made now.

        Raises as `use` does, and what `render` raises.
        """
        return self._steadily(file_name, lambda found: keep(found.version, size, lambda: self._rendered(found, size)))

    def _steadily(self, file_name: str, use: Callable[[S3Object], Result]) -> Result:
        name = _contained(file_name)
        key = self._chosen(lambda: None) + name
        for _ in range(_ATTEMPTS):
            seen = self._bucket.look(key) if _is_key(key) else None
            if seen is None:
                raise UnknownId(f"there is no picture {file_name!r} in the image folder")
            try:
                return use(S3Object(self._bucket, key, seen, file_name))
            except S3Changed:
                continue
        raise S3Error(f"read {S3Uri(self._bucket.name, key)}: it changes again and again; try again")

    def _type(self, found: S3Object) -> str:
        known = self._types.get(found.version)
        if known is None:
            with found.opened(_FIRST) as parts:
                known = self._identify(io.BufferedReader(parts), found.file_name)
            if len(self._types) >= _REMEMBERED:
                self._types.clear()
            self._types[found.version] = known
        return known

    def _rendered(self, found: S3Object, size: int) -> bytes:
        # Most pictures come by one read then.
        with found.opened(_MOST) as parts:
            file = io.BufferedReader(parts)
            self._identify(file, found.file_name)
            file.seek(0)
            # Decoders go through a file once, but for some of it.
            parts.allow(2 * found.size)
            return self._render(file, found.file_name, size)

    def _chosen(self, beat: Callable[[], object]) -> str:
        with self._choosing:
            if self._prefix is None:
                self._prefix = self._choose(beat)
            return self._prefix

    def _choose(self, beat: Callable[[], object]) -> str:
        if len(self._prefixes) > 1:
            for prefix in self._prefixes:
                beat()
                if self._count(prefix, self._names):
                    return prefix
        return self._prefixes[0]

    def _count(self, prefix: str, file_names: Sequence[str]) -> int:
        # One alone: where S3 can't be reached, it takes no longer to learn that than one request may.
        first = sum(self._exists(prefix, name) for name in file_names[:1])
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            return first + sum(pool.map(lambda name: self._exists(prefix, name), file_names[1:]))

    def _exists(self, prefix: str, file_name: str) -> bool:
        try:
            key = prefix + _contained(file_name)
        except UnknownId:
            return False
        return _is_key(key) and self._bucket.look(key) is not None


class _Parts(io.RawIOBase):
    """An object as a file: read by ranges that grow while they follow one another, the last two of them kept."""

    def __init__(self, source: S3Object, first: int) -> None:
        self.error: CocoannotError | None = None
        self._source = source
        self._first = first
        self._limit = self._left = MAX_HEAD
        self._position = 0
        self._parts: list[tuple[int, bytes]] = []

    def allow(self, more: int) -> None:
        """Let that many bytes more be read in all; at first it is `MAX_HEAD`."""
        self._limit += more
        self._left += more

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self._source.size}[whence]
        if base + offset < 0:
            raise ValueError(f"negative position {base + offset}")
        self._position = base + offset
        return self._position

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        if self._position >= self._source.size:
            return 0
        start, data = self._part()
        target = memoryview(buffer).cast("B")
        found = data[self._position - start : self._position - start + len(target)]
        target[: len(found)] = found
        self._position += len(found)
        return len(found)

    def _part(self) -> tuple[int, bytes]:
        """A part with the byte at the position in it, and where it starts."""
        for start, data in self._parts:
            if start <= self._position < start + len(data):
                return start, data
        length = self._first
        if self._parts:
            start, data = self._parts[-1]
            if start + len(data) == self._position:
                length = min(max(2 * len(data), self._first), _MOST)
        length = min(length, self._source.size - self._position)
        try:
            part = self._position, self._read(length)
        except CocoannotError as exc:
            self.error = exc
            raise
        self._parts = [*self._parts[-1:], part]
        return part

    def _read(self, length: int) -> bytes:
        self._left -= length
        if self._left < 0:
            raise BadPicture(
                f"the picture {self._source.file_name!r} is not served: to tell what it is takes reading more than the "
                f"{self._limit} bytes that are allowed"
            )
        with self._source.stream(self._position, length) as body:
            return b"".join(body)


def _contained(file_name: str) -> str:
    name = posixpath.normpath(file_name)
    if not file_name or "\0" in file_name or name.startswith(("/", "../")) or name in (".", ".."):
        raise UnknownId(f"{file_name!r} leads out of the image folder, so it is not served")
    return name


def _is_key(key: str) -> bool:
    try:
        return len(key.encode()) <= _MAX_KEY
    except UnicodeEncodeError:
        return False
