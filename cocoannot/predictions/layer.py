"""One layer: numbers in memory, texts in its file. It does not change; which of its predictions were rejected does.

    NAME.json       what was uploaded, byte for byte
    NAME.columns    its numbers, so that a start need not read it again; made anew where it is missing or old
    NAME.rejected   which predictions were rejected: one bit each, for one version of the layer

The version is a hash of the file's bytes, so that the same file, uploaded again, is the same layer.
"""

from __future__ import annotations

import os
import threading
import weakref
import zipfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from cocoannot.coco.parser import Ints
from cocoannot.errors import SaveError
from cocoannot.files.atomic import NewFile, content_of, replace_file, sync_folder
from cocoannot.files.disk_errors import save_error
from cocoannot.predictions.columns import Columns
from cocoannot.predictions.reading import Look, read_predictions

_VERSION = 24
"""Hexadecimal digits of a version."""

Bits = npt.NDArray[np.bool_]


class Paths(NamedTuple):
    """Where the files of a layer are."""

    predictions: Path
    columns: Path
    rejected: Path

    @classmethod
    def of(cls, folder: Path, name: str) -> Paths:
        """Those of the layer `name`, which must be safe."""
        return cls(*(folder / f"{name}.{kind}" for kind in ("json", "columns", "rejected")))


class Read(NamedTuple):
    """A file of predictions that was read: its version and its columns."""

    version: str
    columns: Columns


class Layer:
    """The layer `name` in the files `paths`. Raises `OSError` where its file can't be opened."""

    def __init__(self, name: str, paths: Paths, read: Read) -> None:
        self.name = name
        self.version = read.version
        self.columns = columns = read.columns
        self._paths = paths
        self._fd = os.open(paths.predictions, os.O_RDONLY | os.O_CLOEXEC)
        # It goes with the last one who uses it: who reads a layer that is deleted meanwhile reads on.
        weakref.finalize(self, os.close, self._fd)
        status = os.fstat(self._fd)
        self.bytes, self.created = status.st_size, status.st_mtime
        images = columns.image_ids
        self._order: npt.NDArray[np.int32] | None = None
        if len(images) and (images[1:] < images[:-1]).any():
            self._order = np.argsort(images, kind="stable").astype(np.int32)
        ids = columns.ids
        self._by_id: npt.NDArray[np.int32] | None = np.argsort(ids).astype(np.int32) if len(ids) else None
        # Guards `rejected`, and its file.
        self._rejecting = threading.Lock()
        self.rejected = self._read_rejected()
        """By row; replaced whole, never changed."""

    @property
    def rows(self) -> int:
        """How many predictions there are."""
        return self.columns.rows

    @property
    def identity(self) -> tuple[str, str]:
        """What tells it from all others: name and version."""
        return self.name, self.version

    def of_image(self, image_id: int) -> Ints:
        """The rows of the predictions on an image, in the order of the file."""
        images = self.columns.image_ids
        first, last = np.searchsorted(images, [image_id, image_id + 1], sorter=self._order)
        return np.arange(first, last) if self._order is None else self._order[first:last].astype(np.int64)

    def of_images(self, image_ids: Ints) -> Ints:
        """The rows of the predictions on some images, which are in ascending order."""
        images = self.columns.image_ids
        first = np.searchsorted(images, image_ids, side="left", sorter=self._order)
        counts = np.searchsorted(images, image_ids, side="right", sorter=self._order) - first
        places = np.repeat(first - np.cumsum(counts) + counts, counts) + np.arange(int(counts.sum()))
        return places if self._order is None else self._order[places].astype(np.int64)

    def ids(self, rows: Ints) -> list[int]:
        """The ids of the predictions in these rows."""
        found = rows + 1 if self._by_id is None else self.columns.ids[rows]
        ids: list[int] = found.tolist()
        return ids

    def rows_of(self, ids: Iterable[int]) -> tuple[Ints, list[int]]:
        """The rows of the predictions with these ids, each once; and the ids that there are none of."""
        wanted = list(dict.fromkeys(ids))
        storable = np.array([each if abs(each) < 2**63 else 0 for each in wanted], np.int64)
        if self._by_id is None:
            rows, known = storable - 1, (storable >= 1) & (storable <= self.rows)
        else:
            own = self.columns.ids
            places = np.searchsorted(own, storable, sorter=self._by_id).clip(max=self.rows - 1)
            rows = self._by_id[places].astype(np.int64)
            known = own[rows] == storable
        return rows[known], [each for each, found in zip(wanted, known.tolist(), strict=True) if not found]

    def texts(self, rows: Ints) -> list[bytes]:
        """The JSON texts of the predictions in these rows, as they were uploaded. Raises `SaveError`."""
        places = zip(self.columns.starts[rows].tolist(), self.columns.sizes[rows].tolist(), strict=True)
        try:
            texts = [os.pread(self._fd, size, start) for start, size in places]
        except OSError as exc:
            raise save_error(f"{self.name}.json, which was to be read", exc, "upload the layer again") from exc
        if not all(text[:1] == b"{" and text[-1:] == b"}" for text in texts):
            raise SaveError(f"{self.name}.json was changed by something else; upload the layer again")
        return texts

    def reject(self, rows: Ints, *, rejected: bool = True) -> None:
        """Remember that these predictions were rejected, or are no more. Raises `OSError`."""
        with self._rejecting:
            after = self.rejected.copy()
            after[rows] = rejected
            if (after == self.rejected).all():
                return
            replace_file(self._paths.rejected, self.version.encode() + np.packbits(after).tobytes())
            self.rejected = after

    def _read_rejected(self) -> Bits:
        try:
            data = self._paths.rejected.read_bytes()
        except FileNotFoundError:
            data = b""
        if data[:_VERSION] != self.version.encode() or len(data) != _VERSION + (self.rows + 7) // 8:
            return np.zeros(self.rows, np.bool_)
        return np.unpackbits(np.frombuffer(data, np.uint8, offset=_VERSION), count=self.rows).astype(np.bool_)


def read_layer(name: str, paths: Paths) -> Layer:
    """The layer in `paths`. Raises `DatasetError`, `OSError`."""
    read = _kept(paths)
    if read is None:
        read = Read(content_of(paths.predictions).sha256[:_VERSION], read_predictions(paths.predictions))
        keep_columns(paths, paths.predictions, read)
    return Layer(name, paths, read)


def read_new(path: Path, sha256: str, look: Look) -> Read:
    """What an uploaded file holds. Raises as `read_predictions`."""
    return Read(sha256[:_VERSION], read_predictions(path, look))


def keep_columns(paths: Paths, predictions: Path, read: Read) -> None:
    """Write the columns of `predictions`, which is or becomes the layer's file, beside it. Raises `OSError`."""
    stamp = np.array(_stamp(predictions), np.int64)
    with NewFile(paths.columns, like=predictions) as new:
        with new.path.open("wb") as file:
            np.savez(file, allow_pickle=False, stamp=stamp, version=np.array(read.version), **read.columns._asdict())
        new.replace()


def take(paths: Paths, predictions: Path) -> None:
    """Make `predictions` the layer's file. Raises `OSError`."""
    os.rename(predictions, paths.predictions)
    sync_folder(paths.predictions.parent)


def remove(paths: Paths) -> None:
    """Delete a layer's files; first the one that makes it a layer. Raises `OSError`."""
    for path in paths:
        path.unlink(missing_ok=True)
    sync_folder(paths.predictions.parent)


def _kept(paths: Paths) -> Read | None:
    """What was kept of the columns, `None` where there is nothing that belongs to the file."""
    try:
        with np.load(paths.columns, allow_pickle=False) as kept:
            stamp = kept["stamp"].tolist()
            read = Read(str(kept["version"]), Columns(*(kept[field] for field in Columns._fields)))
        if stamp == _stamp(paths.predictions) and read.columns.fit(stamp[0]):
            return read
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        pass
    return None


def _stamp(path: Path) -> Sequence[int]:
    """What tells that a file is the one that was read; renaming it changes nothing of it."""
    status = path.stat()
    return [status.st_size, status.st_mtime_ns]
