"""Thumbnails made once and kept. What they look like, which picture, and who may see it, is decided elsewhere."""

from __future__ import annotations

import hashlib
import logging
import os
import threading
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import BinaryIO, NamedTuple

from cocoannot.pictures.cache import Cache
from cocoannot.pictures.rendering import render
from cocoannot.pictures.source import Picture

log = logging.getLogger(__name__)

MAX_SIZE = 1024
"""Longest side of a thumbnail, in pixels."""

AT_ONCE = 2
"""How many pictures are decoded at the same time.

Each takes up to 4 bytes a pixel, a progressive JPEG 8, a WebP 16; a compressed TIFF its file's bytes besides.
"""

_VERSION = 1
"""To be counted up when thumbnails are made in another way: those in caches are then not used any more."""


Render = Callable[[BinaryIO, str, int | None], bytes]
"""Makes a JPEG of an open file, which its record calls by the name given, of a size in pixels, `None` for its own."""


class Thumbnail(NamedTuple):
    """A JPEG, and what it is a thumbnail of: `key` changes when the picture or the size does."""

    data: bytes
    key: str


class Thumbnails:
    """Thumbnails made by `render` and cached in `folder`, at most `max_bytes` of them; safe from any thread."""

    def __init__(self, folder: Path, max_bytes: int, render: Render = render) -> None:
        self._cache = Cache(folder, max_bytes)
        self._render = render
        self._slots = threading.BoundedSemaphore(AT_ONCE)
        # Guards what is being made, by key: who wants the same waits for it.
        self._joining = threading.Lock()
        self._making: dict[str, Future[bytes]] = {}
        self._warned = False

    def get(self, picture: Picture, size: int | None) -> Thumbnail:
        """The thumbnail of `picture` whose longest side is `size` pixels, or less where the picture is smaller.

        With `None` it is as large as the picture.

        Raises what opening the picture raises, and `BadPicture` where it is damaged or too large. A cache that can't
        be written only costs time.
        """
        key = hashlib.sha256(os.fsencode(f"{_VERSION}\0{picture.version}\0{size}")).hexdigest()[:40]
        data = self._cache.get(key)
        return Thumbnail(self._made_once(key, picture, size) if data is None else data, key)

    def _made_once(self, key: str, picture: Picture, size: int | None) -> bytes:
        with self._joining:
            making = self._making.get(key)
            if making is None:
                mine = self._making[key] = Future[bytes]()
        if making is not None:
            return making.result()
        try:
            mine.set_result(self._made(key, picture, size))
        except BaseException as exc:
            mine.set_exception(exc)
        finally:
            with self._joining:
                del self._making[key]
        return mine.result()

    def _made(self, key: str, picture: Picture, size: int | None) -> bytes:
        # Somebody may have finished it between the first look and now.
        if (data := self._cache.get(key)) is not None:
            return data
        with self._slots, picture.opened() as file:
            data = self._render(file, picture.file_name, size)
        try:
            self._cache.put(key, data)
        except OSError as exc:
            if not self._warned:
                self._warned = True
                log.warning("thumbnails are made anew each time: can't write to %s: %s", self._cache.folder, exc)
        return data
