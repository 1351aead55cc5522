"""One layer: numbers in memory, texts in its file. It does not change; which of its predictions were rejected does, in
any process that has the folder.

    NAME.json       what was uploaded, byte for byte
    NAME.columns    its numbers, so that a start need not read it again; made anew where it is missing or old
    NAME.rejected   which predictions were rejected: one bit each, for one version of the layer

The version is a hash of the file's bytes, so that the same file, uploaded again, is the same layer.
"""

from __future__ import annotations

import os
import threading
import uuid
import weakref
import zipfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from cocoannot.coco.parser import Ints
from cocoannot.errors import SaveError, Unavailable
from cocoannot.files.atomic import NewFile, content_of, replace_file, sync_folder
from cocoannot.files.disk_errors import save_error
from cocoannot.predictions.columns import Columns
from cocoannot.predictions.reading import Look, read_predictions

_VERSION = 24
"""Hexadecimal digits of a version."""

_TRIES = 5
"""How often a layer is read that is replaced meanwhile."""

_COME_AGAIN = 1.0

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


class Stamp(NamedTuple):
    """What tells that a path is still the file that was read, while that is open; nanoseconds for the time."""

    device: int
    inode: int
    size: int
    mtime: int

    @classmethod
    def of(cls, status: os.stat_result) -> Stamp:
        return cls(status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns)


class Layer:
    """The layer `name` in the files `paths`. Raises `OSError` where a file can't be read."""

    def __init__(self, name: str, paths: Paths, read: Read) -> None:
        self.name = name
        self.version = read.version
        self.columns = columns = read.columns
        self._paths = paths
        self._fd = os.open(paths.predictions, os.O_RDONLY | os.O_CLOEXEC)
        # It goes with the last one who uses it: who reads a layer that is deleted meanwhile reads on.
        weakref.finalize(self, os.close, self._fd)
        status = os.fstat(self._fd)
        self.stamp = Stamp.of(status)
        self.bytes, self.created = status.st_size, status.st_mtime
        images = columns.image_ids
        self._order: npt.NDArray[np.int32] | None = None
        if len(images) and (images[1:] < images[:-1]).any():
            self._order = np.argsort(images, kind="stable").astype(np.int32)
        ids = columns.ids
        self._by_id: npt.NDArray[np.int32] | None = np.argsort(ids).astype(np.int32) if len(ids) else None
        # Guards the two below; held while the file is read, which is small.
        self._looking = threading.Lock()
        self._kept = b""
        self.rejected: Bits = np.zeros(self.rows, np.bool_)
        """By row; replaced whole, never changed."""
        self.look()

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

    def look(self) -> None:
        """Take in what was rejected by any process. Raises `OSError`."""
        with self._looking:
            try:
                data = self._paths.rejected.read_bytes()
            except FileNotFoundError:
                data = b""
            if data != self._kept:
                self.rejected, self._kept = self._bits(data), data

    def reject(self, rows: Ints, *, rejected: bool = True) -> None:
        """Remember that these predictions were rejected, or are no more; nobody else may be at it. Raises `OSError`."""
        self.look()
        after = self.rejected.copy()
        after[rows] = rejected
        if (after != self.rejected).any():
            replace_file(self._paths.rejected, self.version.encode() + np.packbits(after).tobytes())
            self.look()

    def _bits(self, data: bytes) -> Bits:
        if data[:_VERSION] != self.version.encode() or len(data) != _VERSION + (self.rows + 7) // 8:
            return np.zeros(self.rows, np.bool_)
        return np.unpackbits(np.frombuffer(data, np.uint8, offset=_VERSION), count=self.rows).astype(np.bool_)


def read_layer(name: str, paths: Paths) -> tuple[Layer, bool]:
    """The layer in `paths`, whole though it may be replaced meanwhile; and whether its columns were kept.

    Raises `DatasetError`, `OSError`, `Unavailable` where it is replaced again and again.
    """
    for _ in range(_TRIES):
        # Open meanwhile, so that no other file is taken for it.
        with paths.predictions.open("rb") as file:
            stamp = Stamp.of(os.fstat(file.fileno()))
            kept = _kept(paths.columns, stamp)
            read = kept or Read(content_of(paths.predictions).sha256[:_VERSION], read_predictions(paths.predictions))
            layer = Layer(name, paths, read)
            if layer.stamp == stamp:
                return layer, kept is not None
    raise Unavailable(f"the layer {name} is replaced again and again; try again in a moment", _COME_AGAIN)


def read_new(path: Path, sha256: str, look: Look) -> Read:
    """What an uploaded file holds. Raises as `read_predictions`."""
    return Read(sha256[:_VERSION], read_predictions(path, look))


@contextmanager
def columns_file(predictions: Path, read: Read) -> Iterator[Path]:
    """A file beside `predictions` with their columns; gone afterwards, unless it was renamed. Raises `OSError`."""
    with NewFile(predictions.with_name(f"{uuid.uuid4().hex}.columns"), like=predictions) as new:
        status = predictions.stat()
        stamp = np.array([status.st_size, status.st_mtime_ns], np.int64)
        with new.path.open("wb") as file:
            np.savez(file, allow_pickle=False, stamp=stamp, version=np.array(read.version), **read.columns._asdict())
        yield new.path


def take(paths: Paths, predictions: Path, columns: Path) -> None:
    """Make `predictions` the layer's file, with its `columns`. Raises `OSError`."""
    os.rename(columns, paths.columns)
    os.rename(predictions, paths.predictions)
    sync_folder(paths.predictions.parent)


def remove(paths: Paths) -> None:
    """Delete a layer's files; first the one that makes it a layer. Raises `OSError`."""
    for path in paths:
        path.unlink(missing_ok=True)
    sync_folder(paths.predictions.parent)


def _kept(path: Path, stamp: Stamp) -> Read | None:
    """The columns in `path`, `None` where there are none that belong to the file with this stamp."""
    try:
        with np.load(path, allow_pickle=False) as kept:
            size, mtime = kept["stamp"].tolist()
            read = Read(str(kept["version"]), Columns(*(kept[field] for field in Columns._fields)))
        # A copy of the folder has them too.
        if (size, mtime) == (stamp.size, stamp.mtime) and read.columns.fit(size):
            return read
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        pass
    return None
