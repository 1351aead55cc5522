"""Pictures in a folder on disk: found by their names, never outside the folder, and read in blocks."""

from __future__ import annotations

import errno
import hashlib
import io
import os
import stat
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

from cocoannot.errors import UnknownId
from cocoannot.pictures.formats import media_type
from cocoannot.pictures.measuring import Head, measure, measure_file
from cocoannot.pictures.names import leads_out, missing, read, unreadable
from cocoannot.pictures.placing import place
from cocoannot.pictures.receiving import Received
from cocoannot.pictures.rendering import Unmapped
from cocoannot.pictures.source import Identify, Image, Picture, Reading, Result
from cocoannot.pictures.walking import Walked, walk

_BLOCK = 1 << 18


class FilePicture:
    """An open file: what is told and read of it is of one and the same, also where another one takes its place."""

    def __init__(self, fd: int, path: Path, file_name: str, name: str, identify: Identify) -> None:
        status = os.fstat(fd)
        self.file_name = file_name
        self.name = name
        self.size = status.st_size
        self.modified: datetime | None = datetime.fromtimestamp(status.st_mtime, UTC)
        # The change time too: a copy may have the time and the size of what it replaces.
        self.version = f"{path}\0{status.st_mtime_ns}\0{status.st_ctime_ns}\0{status.st_size}"
        self.etag = hashlib.sha256(os.fsencode(self.version)).hexdigest()[:40]
        self._fd = fd
        self._identify = identify

    def media_type(self) -> str:
        """As `Picture` says."""
        with self._file() as file:
            return self._identify(file, self.file_name)

    @contextmanager
    def opened(self) -> Iterator[BinaryIO]:
        """As `Picture` says."""
        with self._file() as file:
            self._identify(file, self.file_name)
            file.seek(0)
            yield file

    def head(self) -> Head:
        """As `Picture` says."""
        with self._file() as file:
            return measure(file, self.file_name)

    def stream(self, start: int, length: int) -> FileStream:
        """As `Picture` says."""
        return FileStream(os.dup(self._fd), start, length, self.file_name)

    def file(self) -> FileStream:
        """As `Picture` says."""
        os.lseek(self._fd, 0, os.SEEK_SET)
        return self.stream(0, self.size)

    def _file(self) -> BinaryIO:
        """The file at its start; one at a time, since all have one position."""
        file = io.BufferedReader(Unmapped(os.dup(self._fd)))
        file.seek(0)
        return file


class FileStream:
    """A part of an open file. Raises `UnknownId` where the file can't be read so far."""

    def __init__(self, fd: int, start: int, length: int, file_name: str) -> None:
        self._file = io.FileIO(fd)
        self._position = start
        self._left = length
        self._file_name = file_name

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        if block := self.read(_BLOCK):
            return block
        raise StopIteration

    def read(self, size: int) -> bytes:
        """The next bytes, `size` at most; none at the end."""
        wanted = min(self._left, size)
        try:
            block = os.pread(self.fileno(), wanted, self._position)
        except OSError as exc:
            raise unreadable(self._file_name, exc) from exc
        if wanted and not block:
            raise UnknownId(f"the picture {self._file_name!r} got shorter while it was read")
        self._position += len(block)
        self._left -= len(block)
        return block

    def fileno(self) -> int:
        """The descriptor, for who sends the file by it."""
        return self._file.fileno()

    def close(self) -> None:
        """Close the file."""
        self._file.close()


class PictureFolder:
    """The pictures under one folder; `follow_links` allows links that lead out of it."""

    sample = 100
    choose_by = (100, 10)

    def __init__(self, folder: Path, *, follow_links: bool = False, identify: Identify = media_type) -> None:
        self.folder = folder
        self.place = str(folder)
        self._root = Path(os.path.realpath(folder))
        self.paths: Sequence[str] = [str(self._root), os.path.abspath(folder)]
        self._follow_links = follow_links
        self._identify = identify

    def use(self, image: Image, act: Callable[[Picture], Result]) -> Result:
        """As `PictureSource` says; raises `UnknownId` and `BadPicture` of its own."""
        file_name, name, path = self._find(image, Reading.ANY)
        try:
            # The path has no link in it, and what is no file must not be waited for.
            fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOFOLLOW)
        except OSError as exc:
            raise unreadable(file_name, exc) from exc
        try:
            if not stat.S_ISREG(os.fstat(fd).st_mode):
                raise unreadable(file_name, OSError(errno.ENOENT, "it is not a file"))
            return act(FilePicture(fd, path, file_name, name, self._identify))
        finally:
            os.close(fd)

    def count(self, images: Sequence[Image], reading: Reading = Reading.ANY) -> int:
        """How many of the images have a file in the folder."""
        return sum(self._has(image, reading) for image in images) if self.folder.is_dir() else 0

    def walk(self, ignore: Collection[Path] = (), beat: Callable[[], object] = lambda: None) -> Walked:
        """As `PictureSource` says."""
        try:
            return walk(self._root, follow_links=self._follow_links, ignore=ignore, beat=beat)
        except OSError as exc:
            raise UnknownId(f"the image folder {self.place} can't be read: {exc.strerror}") from exc

    def head(self, name: str) -> Head:
        """As `PictureSource` says; `walk` has looked at where links lead."""
        try:
            fd = os.open(self._root / name, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        except OSError as exc:
            raise unreadable(name, exc) from exc
        try:
            return measure_file(fd, name)
        finally:
            os.close(fd)

    def receive(self, max_bytes: int, announced: int | None) -> Received:
        """As `PictureSource` says."""
        return Received(self._root, max_bytes, announced)

    def put(self, name: str, received: Received) -> None:
        """As `PictureSource` says."""
        place(received, self._root, name)

    def remove(self, name: str) -> None:
        """As `PictureSource` says."""
        with suppress(OSError):
            os.unlink(self._root / name)

    def _has(self, image: Image, reading: Reading) -> bool:
        try:
            self._find(image, reading)
        except UnknownId:
            return False
        return True

    def _find(self, image: Image, reading: Reading) -> tuple[str, str, Path]:
        """What the record says, the name of the file in the folder, and its path, without links."""
        readings = read(image, self.paths)
        error: OSError | None = None
        for name in readings.names(reading):
            try:
                path = Path(os.path.realpath(self._root / name))
                if not self._follow_links and self._root not in path.parents:
                    raise leads_out(readings.file_name, self.place)
                if path.is_file():
                    return readings.file_name, name, path
            except OSError as exc:
                # A name that is too long may have a shorter reading.
                error = error or exc
            except ValueError:
                continue
        if error is not None:
            raise unreadable(readings.file_name, error) from error
        raise missing(readings, self.place)
