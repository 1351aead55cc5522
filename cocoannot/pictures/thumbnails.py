"""Thumbnails made once and kept. What they look like, which picture, and who may see it, is decided elsewhere."""

from __future__ import annotations

import hashlib
import logging
import os
import threading
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import NamedTuple

from cocoannot.errors import UnknownId
from cocoannot.pictures.cache import Cache
from cocoannot.pictures.rendering import render

log = logging.getLogger(__name__)

MAX_SIZE = 1024
"""Longest side of a thumbnail, in pixels."""

AT_ONCE = 2
"""How many pictures are decoded at the same time.

Each takes up to 4 bytes a pixel, a progressive JPEG 8, a WebP 16; a compressed TIFF its file's bytes besides.
"""

_VERSION = 1
"""To be counted up when thumbnails are made in another way: those in caches are then not used any more."""


class Thumbnail(NamedTuple):
    """A JPEG, and what it is a thumbnail of: `key` changes when the picture or the size does."""

    data: bytes
    key: str


class Thumbnails:
    """Thumbnails made by `render` and cached in `folder`, at most `max_bytes` of them; safe from any thread."""

    def __init__(self, folder: Path, max_bytes: int, render: Callable[[Path, int], bytes] = render) -> None:
        self._cache = Cache(folder, max_bytes)
        self._render = render
        self._slots = threading.BoundedSemaphore(AT_ONCE)
        # Guards what is being made, by key: who wants the same waits for it.
        self._joining = threading.Lock()
        self._making: dict[str, Future[bytes]] = {}
        self._warned = False

    def get(self, picture: Path, size: int) -> Thumbnail:
        """The thumbnail of `picture` whose longest side is `size` pixels, or less where the picture is smaller.

        Raises `UnknownId` where it can't be read, `BadPicture` where it is damaged or too large. A cache that can't
        be written only costs time.
        """
        return self.keep(_version(picture), size, lambda: self._render(picture, size))

    def keep(self, version: str, size: int, render: Callable[[], bytes]) -> Thumbnail:
        """The thumbnail of that size of the picture that `version` names, as it is now; `render` makes it if need be.

        Raises what `render` raises.
        """
        key = hashlib.sha256(os.fsencode(f"{_VERSION}\0{version}\0{size}")).hexdigest()[:40]
        data = self._cache.get(key)
        return Thumbnail(self._made_once(key, render) if data is None else data, key)

    def _made_once(self, key: str, render: Callable[[], bytes]) -> bytes:
        with self._joining:
            making = self._making.get(key)
            if making is None:
                mine = self._making[key] = Future[bytes]()
        if making is not None:
            return making.result()
        try:
            mine.set_result(self._made(key, render))
        except BaseException as exc:
            mine.set_exception(exc)
        finally:
            with self._joining:
                del self._making[key]
        return mine.result()

    def _made(self, key: str, render: Callable[[], bytes]) -> bytes:
        # Somebody may have finished it between the first look and now.
        if (data := self._cache.get(key)) is not None:
            return data
        with self._slots:
            data = render()
        try:
            self._cache.put(key, data)
        except OSError as exc:
            if not self._warned:
                self._warned = True
                log.warning("thumbnails are made anew each time: can't write to %s: %s", self._cache.folder, exc)
        return data


def _version(picture: Path) -> str:
    try:
        status = picture.stat()
    except OSError as exc:
        raise UnknownId(f"the picture {picture.name!r} can't be read: {exc.strerror}") from exc
    # The change time too: a copy may have the time and the size of what it replaces.
    return f"{picture}\0{status.st_mtime_ns}\0{status.st_ctime_ns}\0{status.st_size}"
