"""What is kept beside the dataset, as `NAME.SUFFIX`: never written over, and durable. When that is, others decide."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import chain, count
from pathlib import Path

from cocoannot.files.atomic import copy_aside, sync_folder
from cocoannot.files.disk_errors import save_error


def timestamp(seconds: float | None = None) -> str:
    """A moment (seconds since 1970, default: now) as a part of names: `20261130T015000Z`."""
    return time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(seconds))


def free_name(dataset: Path, suffix: str) -> Path:
    """`NAME.SUFFIX` beside the dataset, with a number at its end where that was taken before."""
    names = chain([suffix], (f"{suffix}-{number}" for number in count(2)))
    paths = (dataset.with_name(f"{dataset.name}.{name}") for name in names)
    return next(path for path in paths if not path.exists())


def keep_file(dataset: Path, suffix: str, folder: Path) -> Path:
    """Copy the dataset's file to `NAME.SUFFIX`; returns its path. The copy is made in `folder`. Raises `SaveError`."""
    kept = free_name(dataset, suffix)
    try:
        copy_aside(dataset, kept, folder)
    except OSError as exc:
        raise save_error(str(kept), exc) from exc
    return kept


def keep_folder(source: Path, dataset: Path, suffix: str, folder: Path) -> Path:
    """Copy the files in `source` to a folder `NAME.SUFFIX`; returns its path. Raises `SaveError`: there is none."""
    kept = free_name(dataset, suffix)
    try:
        kept.mkdir()
        for path in source.iterdir():
            copy_aside(path, kept / path.name, folder)
        sync_folder(kept.parent)
    except OSError as exc:
        shutil.rmtree(kept, ignore_errors=True)
        raise save_error(str(kept), exc) from exc
    return kept


def move(source: Path, dataset: Path, suffix: str) -> Path:
    """Rename `source` to `NAME.SUFFIX`; returns its path. Not durable until its folders are. Raises `OSError`."""
    kept = free_name(dataset, suffix)
    os.rename(source, kept)
    return kept


@contextmanager
def kept_while_replaced(dataset: Path, suffix: str, folder: Path) -> Iterator[Path]:
    """Copy the dataset's file to `NAME.SUFFIX` before the `with` block replaces it; the copy goes where that fails.

    Raises `OSError`.
    """
    kept = free_name(dataset, suffix)
    try:
        copy_aside(dataset, kept, folder)
        yield kept
    except OSError:
        with suppress(OSError):
            kept.unlink()
        raise
