"""A file of which only parts are read, in bounded memory. What it is, and where it is kept, is not known here."""

from __future__ import annotations

import io
import os
from typing import TYPE_CHECKING, Protocol

from cocoannot.errors import BadPicture, CocoannotError
from cocoannot.pictures.source import Blocks

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

MAX_HEAD = 16 * 1024 * 1024
"""How many bytes may be read to tell what a file is. Of most kinds these are some KB, but WebP is read whole."""

MOST = 4 * 1024 * 1024
"""Bytes of the largest of the reads that follow one another."""


class Source(Protocol):
    """What has `size` bytes, to be read by `stream(start, length)`."""

    file_name: str
    size: int

    def stream(self, start: int, length: int) -> Blocks: ...


class Parts(io.RawIOBase):
    """A remote file, to be read: by ranges that grow while they follow one another, the last two of them kept."""

    def __init__(self, source: Source, first: int) -> None:
        self.error: CocoannotError | None = None
        """What failed; who reads this may have taken it for damage."""
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
                length = min(max(2 * len(data), self._first), MOST)
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
        return b"".join(self._source.stream(self._position, length))
