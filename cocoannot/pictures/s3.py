"""Pictures in S3: found by their names, never outside a prefix, and read by ranges."""

from __future__ import annotations

import io
import posixpath
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import datetime
from typing import BinaryIO

from cocoannot.errors import S3Changed, S3Error, UnknownId
from cocoannot.pictures.formats import media_type
from cocoannot.pictures.names import missing, read
from cocoannot.pictures.parts import MOST, Parts
from cocoannot.pictures.source import Identify, Image, Picture, Reading, Result
from cocoannot.s3.body import Body, Seen
from cocoannot.s3.bucket import Bucket
from cocoannot.settings import S3Uri

SAMPLE = 20
"""How many pictures are looked for at the start: each takes a request."""

_AT_ONCE = 8
_FIRST = 64 * 1024
"""Bytes of the first read to tell what a picture is."""

_MAX_KEY = 1024
"""The longest key, in bytes (AWS, "Naming Amazon S3 objects")."""

_READINGS = 5
"""How many names of a picture are looked for: each takes a request."""

_ATTEMPTS = 3
_REMEMBERED = 10_000


class S3Picture:
    """One version of an object. Reading it raises `S3Error`, and `S3Changed` where the object has another version.

    `types` has the media types of the versions that were looked at before.
    """

    def __init__(
        self, bucket: Bucket, key: str, seen: Seen, file_name: str, identify: Identify, types: dict[str, str]
    ) -> None:
        self.file_name = file_name
        self.name = key
        self.size = seen.size
        self.etag = seen.etag.removeprefix("W/").strip('"')
        self.modified: datetime | None = None
        self.version = f"{S3Uri(bucket.name, key)}\0{seen.etag}"
        self._bucket = bucket
        self._key = key
        self._seen = seen
        self._identify = identify
        self._types = types

    def media_type(self) -> str:
        """As `Picture` says."""
        known = self._types.get(self.version)
        if known is None:
            with self._parts(_FIRST) as parts:
                known = self._identify(io.BufferedReader(parts), self.file_name)
            if len(self._types) >= _REMEMBERED:
                self._types.clear()
            self._types[self.version] = known
        return known

    @contextmanager
    def opened(self) -> Iterator[BinaryIO]:
        """As `Picture` says."""
        # Most pictures come by one read then.
        with self._parts(MOST) as parts:
            file = io.BufferedReader(parts)
            self._identify(file, self.file_name)
            file.seek(0)
            # Decoders go through a file once, but for some of it.
            parts.allow(2 * self.size)
            yield file

    def stream(self, start: int, length: int) -> Body:
        """As `Picture` says. What S3 refuses is known when this returns, but not a connection that breaks later."""
        return self._bucket.read(self._key, self._seen, start, length)

    def file(self) -> None:
        """As `Picture` says."""

    @contextmanager
    def _parts(self, first: int) -> Iterator[Parts]:
        """A file to read parts of, the `first` bytes at once. What fails in S3 is raised at the end too: who reads may
        have taken it for damage."""
        parts = Parts(self, first)
        try:
            yield parts
        finally:
            if parts.error is not None:
                raise parts.error


class S3Pictures:
    """The pictures under a prefix, or in a `folder` below it. Raises `S3Error`."""

    sample = SAMPLE
    choose_by = (3, 1)

    def __init__(self, bucket: Bucket, prefix: str, folder: str = "", identify: Identify = media_type) -> None:
        self._bucket = bucket
        parts = [part if part.endswith("/") else f"{part}/" for part in (prefix, folder) if part]
        self._prefix = "".join(parts)
        self._is_below = bool(folder)
        self._identify = identify
        self._types: dict[str, str] = {}
        self.place = str(S3Uri(bucket.name, self._prefix))

    def use(self, image: Image, act: Callable[[Picture], Result]) -> Result:
        """As `PictureSource` says; raises `UnknownId`, `BadPicture` and `S3Error` of its own."""
        readings = read(image, [self._path])
        names = readings.names(Reading.ANY)
        for _ in range(_ATTEMPTS):
            key, seen = self._look(names)
            if seen is None:
                raise missing(readings, self.place)
            try:
                return act(S3Picture(self._bucket, key, seen, readings.file_name, self._identify, self._types))
            except S3Changed:
                continue
        raise S3Error(f"read {S3Uri(self._bucket.name, key)}: it changes again and again; try again")

    def count(self, images: Sequence[Image], reading: Reading = Reading.ANY) -> int:
        """How many of the images have an object here."""
        wanted = [names for image in images if (names := self._names(image, reading))]
        # One alone: where S3 can't be reached, it takes no longer to learn that than one request may.
        first = sum(self._has(names, explain=not self._is_below) for names in wanted[:1])
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            return first + sum(pool.map(self._has, wanted[1:]))

    def _names(self, image: Image, reading: Reading) -> list[str]:
        try:
            return read(image, [self._path]).names(reading)
        except UnknownId:
            return []

    @property
    def _path(self) -> str:
        """The place, as names are compared with it."""
        return posixpath.normpath(f"/{self._bucket.name}/{self._prefix}")

    def _has(self, names: Sequence[str], *, explain: bool = False) -> bool:
        return self._look(names, explain=explain)[1] is not None

    def _look(self, names: Sequence[str], *, explain: bool = True) -> tuple[str, Seen | None]:
        """The first key of these names that has an object; S3 is asked why there is none where it has to `explain`."""
        key = ""
        for name in names[:_READINGS]:
            key = self._prefix + name
            if _is_key(key):
                if (seen := self._bucket.look(key, explain=explain)) is not None:
                    return key, seen
                explain = False
        return key, None


def _is_key(key: str) -> bool:
    try:
        return len(key.encode()) <= _MAX_KEY
    except UnicodeEncodeError:
        return False
