"""A picture that was received gets its name in a folder: never one that is there already, in whatever case or form."""

from __future__ import annotations

import errno
import os
from pathlib import Path

from cocoannot.errors import Conflict, SaveError
from cocoannot.files.atomic import link_new, sync_folder
from cocoannot.pictures.receiving import Received
from cocoannot.pictures.safe_names import folded


class NameTaken(Conflict):
    """There is a file of this name; `is_same` tells whether it has the same bytes, `name` what it is called."""

    def __init__(self, name: str, *, is_same: bool) -> None:
        what = "this very picture is there already" if is_same else "there is another picture"
        super().__init__(f"{what}, called {name!r}; nothing was written over")
        self.name = name
        self.is_same = is_same


def place(received: Received, root: Path, name: str) -> None:
    """Give what was `received` the path `name` below `root`, durably.

    Raises `NameTaken`, and `SaveError` where it can't be written, or where a folder on the way is none or is a link.
    """
    target = root / name
    try:
        _make_folders(root, target.parent)
        if taken := _taken(target):
            raise NameTaken(
                (target.parent / taken).relative_to(root).as_posix(), is_same=_is_same(received, target, taken)
            )
        link_new(received.path, target)
        sync_folder(target.parent)
    except FileExistsError as exc:
        raise NameTaken(name, is_same=_is_same(received, target, target.name)) from exc
    except OSError as exc:
        full = exc.errno in (errno.ENOSPC, errno.EDQUOT)
        raise SaveError(
            f"can't store the picture as {target}: {exc.strerror or exc}; nothing was changed", disk_full=full
        ) from exc


def _make_folders(root: Path, folder: Path) -> None:
    # What a link leads to is not below the image folder; nothing is made there.
    if Path(os.path.realpath(folder)) != folder:
        raise OSError(errno.ELOOP, f"{folder.relative_to(root)} has a link in it")
    folder.mkdir(parents=True, exist_ok=True)


def _taken(target: Path) -> str | None:
    """The name in the folder that `target` would have in common with another file, `None` where there is none."""
    if os.path.lexists(target):
        return target.name
    wanted = folded(target.name)
    with os.scandir(target.parent) as entries:
        return next((entry.name for entry in entries if folded(entry.name) == wanted), None)


def _is_same(received: Received, target: Path, name: str) -> bool:
    try:
        return received.is_same(target.with_name(name))
    except OSError:
        return False
