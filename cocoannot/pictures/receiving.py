"""A picture on its way in: its bytes go to a file of their own, within limits, before anything else sees them.

Where it goes then is the sources' business; how the bytes come is not known here.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import secrets
import shutil
import time
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, BinaryIO

from cocoannot.errors import BadPicture, PictureTooLarge, SaveError, UnknownId
from cocoannot.pictures.measuring import Head, measure_file

if TYPE_CHECKING:
    from cocoannot.pictures.source import Picture

_PREFIX = ".cocoannot-"
_SUFFIX = ".unfinished"
_WRITE = 512 << 10
_RESERVE = 16 << 20
"""Bytes that stay free on the disk: the dataset and its journal may be there too."""

_LEFT_BEHIND = 24 * 3600
"""Seconds after which an unfinished file is nobody's any more."""


class Received:
    """At most `max_bytes` bytes in a new file in `folder`, which is gone again at the end of the `with` block.

    `announced` is how many are to come, `None` where that is not known. Raises `SaveError`, `PictureTooLarge`.
    """

    def __init__(self, folder: Path, max_bytes: int, announced: int | None = None) -> None:
        self.path = folder / f"{_PREFIX}{secrets.token_hex(8)}{_SUFFIX}"
        self.size = 0
        self._max_bytes = max_bytes
        self._announced = announced or 0
        self._digest = hashlib.sha256()
        self._fd = -1

    def __enter__(self) -> Received:
        if self._announced > self._max_bytes:
            raise self._too_large()
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            if shutil.disk_usage(self.path.parent).free < self._announced + _RESERVE:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            self._fd = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666)
        except OSError as exc:
            raise self._unwritable(exc) from exc
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with contextlib.suppress(OSError):
            os.close(self._fd)
        with contextlib.suppress(OSError):
            self.path.unlink()

    def write(self, data: bytes) -> int:
        """Take the next bytes."""
        self.size += len(data)
        if self.size > self._max_bytes:
            raise self._too_large()
        self._digest.update(data)
        view = memoryview(data)
        try:
            while view:
                view = view[os.write(self._fd, view[:_WRITE]) :]
        except OSError as exc:
            raise self._unwritable(exc) from exc
        return len(data)

    def finish(self, name: str) -> Head:
        """What picture it is, which messages call `name`; on disk for good. Raises `BadPicture` where it is none."""
        if not self.size:
            raise BadPicture(f"{name!r} is empty; send the picture's bytes")
        try:
            head = measure_file(self._fd, name)
        except UnknownId as exc:
            raise BadPicture(str(exc)) from exc
        try:
            os.fsync(self._fd)
        except OSError as exc:
            raise self._unwritable(exc) from exc
        return head

    @property
    def sha256(self) -> str:
        """Of all bytes so far, in hexadecimal."""
        return self._digest.hexdigest()

    def opened(self) -> BinaryIO:
        """The file, to be read from its start; to be closed by the caller."""
        return self.path.open("rb")

    def is_same(self, path: Path) -> bool:
        """Whether the file at `path` has the same bytes. Raises `OSError`."""
        with path.open("rb") as file:
            if os.fstat(file.fileno()).st_size != self.size:
                return False
            return hashlib.file_digest(file, "sha256").hexdigest() == self.sha256

    def is_same_as(self, picture: Picture) -> bool:
        """Whether a picture has the same bytes. Raises what reading it raises."""
        if picture.size != self.size:
            return False
        digest = hashlib.sha256()
        with contextlib.closing(picture.stream(0, picture.size)) as blocks:
            for block in blocks:
                digest.update(block)
        return digest.hexdigest() == self.sha256

    def _too_large(self) -> PictureTooLarge:
        return PictureTooLarge(
            f"the picture has more than {self._max_bytes:,} bytes; make it smaller, or raise the limit "
            "(COCOANNOT_MAX_PICTURE_BYTES)"
        )

    def _unwritable(self, error: OSError) -> SaveError:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        todo = "make room, then send it again" if full else "nothing was changed"
        reason = error.strerror or str(error)
        return SaveError(f"can't store the picture in {self.path.parent}: {reason}; {todo}", disk_full=full)


def clear_left_behind(folder: Path) -> None:
    """Remove what killed processes left in `folder`, a day ago or earlier; others may be at what is newer."""
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.startswith(_PREFIX) and entry.name.endswith(_SUFFIX):
                with contextlib.suppress(OSError):
                    if entry.stat(follow_symlinks=False).st_mtime < time.time() - _LEFT_BEHIND:
                        os.unlink(entry.path)
