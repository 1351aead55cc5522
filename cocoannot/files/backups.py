"""A copy of the dataset's file for each day on which it was saved, as it was before the day's first save.

NAME.cocoannot/backups/2026-11-23.json     a hard link where the file system knows them, else a copy
"""

from __future__ import annotations

import os
import re
import time
from pathlib import Path
from typing import NamedTuple

from cocoannot.files.atomic import copy_aside, sync_folder

_DAY = re.compile(r"\d{4}-\d\d-\d\d")


class Backup(NamedTuple):
    """One copy: its path, and its size in bytes."""

    path: Path
    size: int


class Backups:
    """The copies of `path` in `folder`, `keep` of them at most; days are those of UTC."""

    def __init__(self, path: Path, folder: Path, keep: int) -> None:
        self._path = path
        self._folder = folder
        self._keep = keep
        self._found: tuple[Backup, ...] = ()

    def found(self) -> list[Backup]:
        """The copies that there are, oldest first, as they were looked up last."""
        return list(self._found)

    def look_up(self) -> None:
        """See which copies there are. Raises `OSError`."""
        paths = [path for path in self._folder.glob("*") if _DAY.fullmatch(path.stem)]
        self._found = tuple(Backup(path, path.stat().st_size) for path in sorted(paths))

    def keep_today(self, now: float) -> None:
        """Keep the file as it is now, where the day of `now` (seconds since 1970) has no copy. Raises `OSError`.

        To be called before the file is replaced: a link then stands for what it was.
        """
        target = self._folder / (time.strftime("%Y-%m-%d", time.gmtime(now)) + self._path.suffix)
        if self._keep == 0 or target in [backup.path for backup in self._found] or not self._path.exists():
            return
        self._folder.mkdir(exist_ok=True)
        try:
            os.link(self._path, target)
            sync_folder(self._folder)
        except FileExistsError:
            pass
        except OSError:
            copy_aside(self._path, target)
        self.look_up()
        for backup in self._found[: -self._keep]:
            backup.path.unlink()
        self.look_up()
