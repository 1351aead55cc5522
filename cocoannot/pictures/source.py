"""What pictures are to those who show them, wherever they are kept. How they are found and read is the sources' own."""

from __future__ import annotations

import enum
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO, Protocol, TypeVar

from cocoannot.pictures.measuring import Head
from cocoannot.pictures.receiving import Received
from cocoannot.pictures.walking import Walked

Result = TypeVar("Result")
Image = Mapping[str, Any]
"""An image's record."""
Identify = Callable[[BinaryIO, str], str]
"""Returns the media type of an open file, which its record calls by the name given; raises where it is no picture."""


class Reading(enum.Flag):
    """How the name of a picture is read: as it is, as what else it may mean, or in any way."""

    EXACT = enum.auto()
    OTHER = enum.auto()
    ANY = EXACT | OTHER


class Blocks(Protocol):
    """Bytes in blocks; `close` gives up what they come from."""

    def __iter__(self) -> Iterator[bytes]: ...

    def __next__(self) -> bytes: ...

    def close(self) -> None: ...


class File(Protocol):
    """A file of this machine: to be read from its start, or to be sent by its descriptor."""

    def read(self, size: int) -> bytes: ...

    def fileno(self) -> int: ...

    def close(self) -> None: ...


class Picture(Protocol):
    """A file that was found, as it is now; what is in it is not known yet.

    `file_name` is what the image's record says, `name` what the file is called; `size` is in bytes, `etag` without
    quotes; `modified` is in UTC, where it is known. `version` is another one when the bytes are.
    """

    file_name: str
    name: str
    size: int
    etag: str
    modified: datetime | None
    version: str

    def media_type(self) -> str:
        """Raises `UnknownId` where this is no picture, `BadPicture` where it is too large to be looked at."""
        ...

    def opened(self) -> AbstractContextManager[BinaryIO]:
        """The file, to decode it. Raises as `media_type` does."""
        ...

    def head(self) -> Head:
        """What picture it is, and how large. Raises as `media_type` does, and `BadPicture` where it is too large."""
        ...

    def stream(self, start: int, length: int) -> Blocks:
        """The `length` bytes from `start`, which are more than none; may be read after the picture's use."""
        ...

    def file(self) -> File | None:
        """All of it, where it is a file of this machine; may be read after the picture's use."""
        ...


class PictureSource(Protocol):
    """Pictures in one place, a folder or a prefix, and nothing outside it. Safe from any thread.

    `paths` are the place's absolute path, and others that lead there, as names are compared with them. `sample` is how
    many images to look for when the place is reported on; `choose_by` how many to choose it by, by their exact names
    and by others.
    """

    place: str
    paths: Sequence[str]
    sample: int
    choose_by: tuple[int, int]

    def use(self, image: Image, act: Callable[[Picture], Result]) -> Result:
        """What `act` returns for an image's picture; it may be called again where the picture changes meanwhile.

        Raises `UnknownId`, which says why there is none, what reading raises, and what `act` raises.
        """
        ...

    def count(self, images: Sequence[Image], reading: Reading = Reading.ANY) -> int:
        """How many of the images have a file here, by such a reading of their names."""
        ...

    def walk(self, ignore: Collection[Path], beat: Callable[[], object]) -> Walked:
        """The names of all files here that may be pictures, in no order; `ignore` are paths on this machine.

        `beat` is called often. Raises `S3Error`, `UnknownId` where the place can't be read.
        """
        ...

    def head(self, name: str) -> Head:
        """What the picture of this name is, which `walk` has found. Raises as `Picture.head` does."""
        ...

    def receive(self, max_bytes: int, announced: int | None) -> Received:
        """A place for a picture that is to be `put` here. See `Received`."""
        ...

    def put(self, name: str, received: Received) -> None:
        """Give what was received a name here, a relative path. Raises `NameTaken`, `SaveError`, `S3Error`."""
        ...

    def remove(self, name: str) -> None:
        """Take back what was `put` here a moment ago; nothing is raised where that fails."""
        ...
