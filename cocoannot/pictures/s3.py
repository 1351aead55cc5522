"""Pictures in S3: found by their names, never outside a prefix, and read by ranges."""

from __future__ import annotations

import hashlib
import io
import posixpath
import tempfile
from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import BinaryIO

from cocoannot.errors import InvalidRecord, S3Changed, S3Error, UnknownId
from cocoannot.pictures.formats import media_type
from cocoannot.pictures.measuring import Head, measure
from cocoannot.pictures.names import missing, read
from cocoannot.pictures.parts import MOST, Parts
from cocoannot.pictures.placing import NameTaken
from cocoannot.pictures.receiving import Received
from cocoannot.pictures.safe_names import is_called_like_a_picture
from cocoannot.pictures.source import Identify, Image, Picture, Reading, Result
from cocoannot.pictures.walking import Skipped, Walked
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

    def head(self) -> Head:
        """As `Picture` says."""
        with self._parts(_FIRST) as parts:
            return measure(io.BufferedReader(parts), self.file_name)

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
    """The pictures under a prefix, or in a `folder` below it; `unfinished` is where pictures wait to be put there.

    Raises `S3Error`.
    """

    sample = SAMPLE
    choose_by = (3, 1)

    def __init__(
        self,
        bucket: Bucket,
        prefix: str,
        folder: str = "",
        identify: Identify = media_type,
        *,
        unfinished: Path | None = None,
    ) -> None:
        self._bucket = bucket
        self._unfinished = unfinished or Path(tempfile.gettempdir())
        parts = [part if part.endswith("/") else f"{part}/" for part in (prefix, folder) if part]
        self._prefix = "".join(parts)
        self._is_below = bool(folder)
        self._identify = identify
        self._types: dict[str, str] = {}
        self.place = str(S3Uri(bucket.name, self._prefix))
        self.paths: Sequence[str] = [posixpath.normpath(f"/{bucket.name}/{self._prefix}")]

    def use(self, image: Image, act: Callable[[Picture], Result]) -> Result:
        """As `PictureSource` says; raises `UnknownId`, `BadPicture` and `S3Error` of its own."""
        readings = read(image, self.paths)
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

    def walk(self, ignore: Collection[Path] = (), beat: Callable[[], object] = lambda: None) -> Walked:
        """As `PictureSource` says. What is not called like a picture is left out: each look takes a request."""
        walked = Walked([], [])
        for key in self._bucket.keys(self._prefix):
            beat()
            name = key.removeprefix(self._prefix)
            if not name or name.endswith("/") or any(part.startswith(".") for part in name.split("/")):
                continue
            if not is_called_like_a_picture(name):
                walked.skipped.append(Skipped(name, "is not called like a picture"))
            else:
                walked.names.append(name)
        return walked

    def head(self, name: str) -> Head:
        """As `PictureSource` says."""
        key = self._prefix + name
        seen = self._bucket.look(key)
        if seen is None:
            raise UnknownId(f"there is no picture {name!r} under {self.place}")
        try:
            return S3Picture(self._bucket, key, seen, name, self._identify, self._types).head()
        except S3Changed as exc:
            raise UnknownId(f"the picture {name!r} changed while it was read") from exc

    def receive(self, max_bytes: int, announced: int | None) -> Received:
        """As `PictureSource` says."""
        return Received(self._unfinished, max_bytes, announced)

    def put(self, name: str, received: Received) -> None:
        """As `PictureSource` says."""
        key = self._prefix + name
        if not _is_key(key):
            raise InvalidRecord({"file_name": ["is too long for a key in S3"]})
        with received.opened() as file:
            kind = media_type(file, name)
            file.seek(0)
            metadata = {"sha256": received.sha256}
            # Servers that know no conditions are asked before.
            taken = self._bucket.look(key) is not None
            try:
                if not taken:
                    condition = {"IfNoneMatch": "*"} if self._bucket.is_conditional else {}
                    self._bucket.put(key, file, metadata, condition, kind)
            except S3Changed:
                taken = True
        if taken:
            seen = self._bucket.look(key)
            raise NameTaken(name, is_same=seen is not None and self._is_same(key, seen, received))

    def remove(self, name: str) -> None:
        """As `PictureSource` says."""
        with suppress(S3Error):
            self._bucket.remove(self._prefix + name)

    def _is_same(self, key: str, seen: Seen, received: Received) -> bool:
        if seen.size != received.size:
            return False
        if "sha256" in seen.metadata:
            return seen.metadata["sha256"] == received.sha256
        digest = hashlib.sha256()
        try:
            with self._bucket.read(key, seen) as body:
                for block in body:
                    digest.update(block)
        except S3Changed:
            return False
        return digest.hexdigest() == received.sha256

    def _names(self, image: Image, reading: Reading) -> list[str]:
        try:
            return read(image, self.paths).names(reading)
        except UnknownId:
            return []

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
