"""Finding an image's picture on disk, and what kind of file it is. Never outside the image folder."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from cocoannot.errors import UnknownId
from cocoannot.pictures.formats import media_type, no_picture

log = logging.getLogger(__name__)

FOLDERS = ("images", "train2017", "val2017", "test2017", "train2014", "val2014", "JPEGImages", "data", "imgs")
"""Names of folders that datasets keep their pictures in."""

SAMPLE = 100
"""How many pictures are looked for at the start: each may take a network's time."""


class Picture(NamedTuple):
    """A file that is a picture, and its media type."""

    path: Path
    media_type: str


class Pictures:
    """The pictures under one folder; `follow_links` allows links that lead out of it."""

    def __init__(self, folder: Path, *, follow_links: bool = False) -> None:
        self.folder = folder
        self._root = Path(os.path.realpath(folder))
        self._follow_links = follow_links

    def find(self, file_name: str) -> Picture:
        """The picture that a record's `file_name` names.

        Raises `UnknownId`, which says why there is none, and `BadPicture` for one beyond Pillow's limit.
        """
        try:
            path = self._contained(file_name)
            if not path.is_file():
                raise UnknownId(f"there is no picture {file_name!r} in the image folder")
        except OSError as exc:
            raise UnknownId(f"the picture {file_name!r} can't be read: {exc.strerror}") from exc
        except ValueError as exc:
            raise no_picture(file_name) from exc
        return Picture(path, media_type(path, file_name))

    def report(self, file_names: Sequence[str]) -> None:
        """Log how many of the first `SAMPLE` of the dataset's `file_names` are there."""
        sample = file_names[:SAMPLE]
        log.info("%d of %d pictures found under %s", self.count(sample), len(sample), self.folder)

    def count(self, file_names: Iterable[str]) -> int:
        """How many of `file_names` are files in the folder."""
        return sum(self._exists(name) for name in file_names)

    def _exists(self, file_name: str) -> bool:
        try:
            return self._contained(file_name).is_file()
        except (UnknownId, OSError, ValueError):
            return False

    def _contained(self, file_name: str) -> Path:
        outside = UnknownId(f"{file_name!r} leads out of the image folder, so it is not served")
        if not file_name or "\0" in file_name or os.path.isabs(file_name):
            raise outside
        joined = Path(os.path.normpath(self._root / file_name))
        if self._root not in joined.parents:
            raise outside
        real = Path(os.path.realpath(joined))
        if not self._follow_links and self._root not in real.parents:
            raise outside
        return real


def choose_folder(dataset: Path, file_names: Sequence[str], *, follow_links: bool = False) -> Pictures:
    """The folder that holds the first pictures of a dataset, of those where pictures usually are.

    Tried in order: the dataset's own folder, its parent, and the usual names (`FOLDERS`) below both; the first
    that holds any of the first `SAMPLE` of `file_names` is taken, the dataset's own folder where none does.
    """
    near = [dataset.parent, dataset.parent.parent]
    candidates = near + [place / name for place in near for name in FOLDERS]
    best = Pictures(dataset.parent, follow_links=follow_links)
    for folder in candidates:
        if folder.is_dir() and (pictures := Pictures(folder, follow_links=follow_links)).count(file_names[:SAMPLE]):
            best = pictures
            break
    best.report(file_names)
    return best
