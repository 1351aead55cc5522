"""Files and folders that are there as a whole or not at all: made beside their place, then renamed.

.OUT.unfinished   in the making, held by a lock that ends with the process; what a killed one left is cleared away
OUT               what came of it; never over something else unless that is said, and a folder only over an export
"""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from cocoannot.errors import DatasetError
from cocoannot.files.atomic import sync_folder

MARK = "cocoannot-export.json"
"""The file in each exported folder that says what it is."""


def write_new_file(out: Path, blocks: Iterable[bytes], *, replace: bool = False) -> int:
    """Write `blocks` to a file that becomes `out` when it is complete; returns how many bytes there are.

    With `replace`, a file at `out` goes. Raises `DatasetError` where something is there, or somebody else is making it,
    and `OSError`.
    """
    check_file(out, replace=replace)
    made = _unfinished(out)
    fd = os.open(made, os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666)
    with open(fd, "wb") as file:
        _lock(fd, made)
        try:
            file.truncate()
            for block in blocks:
                file.write(block)
            file.flush()
            os.fsync(fd)
            check_file(out, replace=replace)
            os.rename(made, out)
        except BaseException:
            made.unlink(missing_ok=True)
            raise
        size = file.tell()
    sync_folder(out.parent)
    return size


def check_file(out: Path, *, replace: bool = False) -> None:
    """Raise `DatasetError` where there can't be a new file at `out`."""
    _check_name(out)
    if out.is_dir():
        raise DatasetError(f"{out} is a folder; give the name of a file in it")
    if os.path.lexists(out) and not replace:
        raise DatasetError(f"{out} exists; give another name, or --overwrite to replace it")


@contextmanager
def new_folder(out: Path, *, replace: bool = False) -> Iterator[Path]:
    """Give an empty folder that becomes `out` where the `with` block ends well, and goes away where it does not.

    With `replace`, an earlier export at `out` goes. Raises `DatasetError` where something else is there, or somebody
    else is making it, and `OSError`.
    """
    check_folder(out, replace=replace)
    made = _unfinished(out)
    _clear(made)
    made.mkdir()
    fd = os.open(made, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        _lock(fd, made)
        yield made
        os.fsync(fd)
        _put(made, out, replace=replace)
    except BaseException:
        shutil.rmtree(made, ignore_errors=True)
        raise
    finally:
        os.close(fd)


def check_folder(out: Path, *, replace: bool = False) -> None:
    """Raise `DatasetError` where there can't be a new folder at `out`."""
    _check_name(out)
    if not os.path.lexists(out):
        return
    if not replace:
        raise DatasetError(f"{out} exists; give another name, or --overwrite to replace an earlier export")
    if not (out / MARK).is_file() or out.is_symlink():
        raise DatasetError(f"{out} is no export ({MARK} is not in it), so it is not replaced; give another name")


def write_mark(folder: Path, about: dict[str, object]) -> None:
    """Say in `folder` what was exported into it."""
    (folder / MARK).write_bytes(msgspec.json.format(msgspec.json.encode(about), indent=1) + b"\n")


def _check_name(out: Path) -> None:
    if not out.name or out.name in (".", ".."):
        raise DatasetError(f"{out} is no name for an export; give a new one")
    if not out.parent.is_dir():
        raise DatasetError(f"there is no folder {out.parent}; make it first")


def _unfinished(out: Path) -> Path:
    return out.with_name(f".{out.name}.unfinished")


def _lock(fd: int, made: Path) -> None:
    """Hold the unfinished one for as long as this process has it open. Raises `DatasetError` where another has it."""
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        mine, there = os.fstat(fd), os.stat(made, follow_symlinks=False)
    except (BlockingIOError, FileNotFoundError) as exc:
        raise _busy(made) from exc
    if (mine.st_dev, mine.st_ino) != (there.st_dev, there.st_ino):
        # Another one was done with it in between.
        raise _busy(made)


def _busy(made: Path) -> DatasetError:
    return DatasetError(f"another export writes {made}; wait for it, or give another name")


def _clear(made: Path) -> None:
    """Remove what a killed process left."""
    try:
        fd = os.open(made, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC | os.O_NOFOLLOW)
    except FileNotFoundError:
        return
    try:
        _lock(fd, made)
        shutil.rmtree(made)
    finally:
        os.close(fd)


def _put(made: Path, out: Path, *, replace: bool) -> None:
    check_folder(out, replace=replace)
    old = out.with_name(f".{out.name}.replaced")
    if os.path.lexists(out):
        shutil.rmtree(old, ignore_errors=True)
        os.rename(out, old)
        try:
            os.rename(made, out)
        except BaseException:
            os.rename(old, out)
            raise
        shutil.rmtree(old, ignore_errors=True)
    else:
        os.rename(made, out)
    sync_folder(out.parent)
