"""What the dataset has that predictions are compared with: boxes and categories of annotations, by image; which images
and categories there are; and which annotations came of predictions. Read once, when somebody needs it, and then kept up
with changes. It knows no layer.

    unread --current()--> read --changed()--> behind --current()--> read        a replacement makes it unread
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence
from itertools import chain
from operator import attrgetter
from typing import Any, NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt

from cocoannot.changes.change import Change
from cocoannot.changes.description import images_of
from cocoannot.coco.fields import is_number
from cocoannot.coco.parser import NONE, Ints, read_keys
from cocoannot.coco.records import Record
from cocoannot.errors import AmbiguousId, DatasetError
from cocoannot.predictions.columns import Floats
from cocoannot.predictions.processes import CatchUp, alone
from cocoannot.store.base import Store
from cocoannot.store.queries import CategoryQuery

_FAR = 1e9
"""Pixels: beyond it is no picture."""

_APART = 500
"""Images that are kept apart from the others before all are put in order again."""


class Origin(msgspec.Struct, frozen=True, gc=False):
    """Which prediction an annotation came of: kept in its field `prediction`."""

    layer: str
    version: str
    id: int


class Rows(NamedTuple):
    """Annotations with a category and a box, in the order of their images; arrays of the same length.

    `boxes` has the shape (annotations, 4): left, top, width, height in pixels.
    """

    image_ids: Ints
    ids: Ints
    category_ids: Ints
    boxes: Floats
    crowds: npt.NDArray[np.bool_]

    @classmethod
    def empty(cls, rows: int) -> Rows:
        """So many rows, to be filled."""
        image_ids, ids, category_ids = (np.empty(rows, np.int64) for _ in range(3))
        return cls(image_ids, ids, category_ids, np.empty((rows, 4), np.float32), np.empty(rows, np.bool_))

    def put(self, first: int, rows: Rows) -> None:
        """Put `rows` into those from `first` on."""
        columns: Iterable[tuple[npt.NDArray[Any], npt.NDArray[Any]]] = zip(self, rows, strict=True)
        for own, other in columns:
            own[first : first + len(other)] = other

    def take(self, places: Any) -> Rows:
        """Those at `places`."""
        return Rows(*(column[places] for column in self))

    def joined(self, others: Sequence[Rows]) -> Rows:
        """These and `others`, in the order of their images."""
        together = Rows(*(np.concatenate(columns) for columns in zip(self, *others, strict=True)))
        return together.in_order()

    def in_order(self) -> Rows:
        """In the order of their images."""
        return self.take(np.argsort(self.image_ids, kind="stable"))


class Seen(NamedTuple):
    """What annotations say: rows, and which predictions they came of, by image."""

    rows: Rows
    origins: dict[int, list[Origin]]


class _Shape(msgspec.Struct, gc=False):
    id: int
    image_id: int
    category_id: int
    bbox: tuple[float, float, float, float]
    iscrowd: int = 0
    prediction: Any = None


_SHAPES = msgspec.json.Decoder(list[_Shape])


def see(texts: Iterable[bytes | memoryview]) -> Seen:
    """What annotations with these texts say."""
    texts = list(texts)
    try:
        shapes = _SHAPES.decode(b"[%b]" % b",".join(texts))
    except (msgspec.DecodeError, UnicodeDecodeError):
        # Something is odd, which is no reason to leave out the others.
        shapes = [shape for text in texts if (shape := _lenient(bytes(text))) is not None]
    count = len(shapes)
    exact = np.fromiter(chain.from_iterable(map(attrgetter("bbox"), shapes)), np.float64, 4 * count)
    # A file may hold any number.
    boxes = exact.clip(-_FAR, _FAR).astype(np.float32)
    image_ids, ids, category_ids = (
        np.fromiter(map(attrgetter(name), shapes), np.int64, count) for name in ("image_id", "id", "category_id")
    )
    crowds = np.fromiter(map(attrgetter("iscrowd"), shapes), np.int64, count) != 0
    rows = Rows(image_ids, ids, category_ids, boxes.reshape(-1, 4), crowds)
    origins: dict[int, list[Origin]] = {}
    for shape in shapes:
        if shape.prediction is not None and (origin := _origin(shape.prediction)) is not None:
            origins.setdefault(shape.image_id, []).append(origin)
    return Seen(rows, origins)


def _origin(value: object) -> Origin | None:
    try:
        return msgspec.convert(value, Origin)
    except msgspec.ValidationError:
        return None


def _lenient(text: bytes) -> _Shape | None:
    """What can be read of an annotation that is not as others are; `None` where it has no category or no box."""
    try:
        keys: Any = read_keys("annotations", text)
        record = Record(text)
        bbox = record.get("bbox")
    except (DatasetError, ValueError, RecursionError):
        return None
    if NONE in (keys.image_id, keys.category_id):
        return None
    if not isinstance(bbox, list) or len(bbox) != 4 or not all(map(is_number, bbox)):
        return None
    left, top, width, height = (float(side) for side in bbox)
    return _Shape(
        keys.id, keys.image_id, keys.category_id, (left, top, width, height), keys.iscrowd, record.get("prediction")
    )


class DatasetIndex:
    """The index of the dataset in `store()`. It is told of each change by `changed`, at last where it has to
    `catch_up`."""

    def __init__(self, store: Callable[[], Store], catch_up: CatchUp = alone) -> None:
        self._store = store
        self._catch_up = catch_up
        # Guards what is to be read again; taken in the thread of a change.
        self._noting = threading.Lock()
        self._behind: set[int] = set()
        self._images_behind: dict[int, bool] = {}
        self._stale = True
        # Guards all else; held while the index is read. Taken before the other one, and before the store's locks.
        self.lock = threading.RLock()
        self.version = 0
        """It goes up with each change that the index has taken in."""
        self._since: dict[int, int] = {}
        self._whole = 0
        self._images: Ints = np.zeros(0, np.int64)
        self._base = see([]).rows
        self._apart: dict[int, Rows] = {}
        self._origins: dict[int, list[Origin]] = {}

    def changed(self, change: Change) -> None:
        """Note what has to be read again; quick, and nothing is read here."""
        with self._noting:
            if self._stale:
                return
            if change.replaced:
                self._stale = True
                return
            for edit in change.edits:
                if edit.section == "images":
                    self._images_behind[edit.record_id] = edit.after is not None
                elif edit.section == "annotations":
                    self._behind |= images_of(edit)

    def current(self) -> DatasetIndex:
        """Itself, up with every change that was made before. It is to be used under `lock`."""
        self._catch_up()
        with self._noting:
            stale, self._stale = self._stale, False
            behind, self._behind = self._behind, set()
            images, self._images_behind = self._images_behind, {}
        try:
            if stale:
                self._read_all()
            elif behind or images:
                self._read_again(behind, images)
        except BaseException:
            with self._noting:
                self._stale = True
            raise
        return self

    @property
    def images(self) -> Ints:
        """The ids of all images, ascending."""
        return self._images

    def categories(self) -> Ints:
        """The ids of all categories, ascending."""
        texts = self._store().find(CategoryQuery()).texts
        return np.array(sorted({read_keys("categories", text).id for text in texts}), np.int64)

    def origins(self) -> dict[int, list[Origin]]:
        """Which predictions annotations came of, by image; not to be changed."""
        return self._origins

    def rows(self, image_ids: Ints | None = None) -> Rows:
        """The annotations of these images, which are in ascending order, or of all."""
        own = [
            self._apart[each]
            for each in (self._apart if image_ids is None else image_ids.tolist())
            if each in self._apart
        ]
        base = self._base
        if image_ids is not None:
            firsts = np.searchsorted(base.image_ids, image_ids, side="left")
            counts = np.searchsorted(base.image_ids, image_ids, side="right") - firsts
            places = np.repeat(firsts - np.cumsum(counts) + counts, counts) + np.arange(int(counts.sum()))
            base = base.take(places)
        if self._apart:
            base = base.take(~np.isin(base.image_ids, np.array([*self._apart], np.int64)))
        return base.joined(own) if own else base

    def changed_since(self, version: int) -> Ints | None:
        """The images, ascending, whose annotations are others than at `version`; `None` where all may be."""
        if version < self._whole:
            return None
        return np.array(sorted(image_id for image_id, at in self._since.items() if at > version), np.int64)

    def _read_all(self) -> None:
        walk = self._store().walk("annotations")
        rows, count, self._origins = Rows.empty(walk.total), 0, {}
        for texts in walk.blocks:
            seen = see(texts)
            rows.put(count, seen.rows)
            count += len(seen.rows.ids)
            for image_id, origins in seen.origins.items():
                self._origins.setdefault(image_id, []).extend(origins)
        self._base, self._apart = rows.take(slice(0, count)).in_order(), {}
        images = [
            np.array([read_keys("images", bytes(text)).id for text in texts], np.int64)
            for texts in self._store().walk("images").blocks
        ]
        self._images = np.unique(np.concatenate([np.zeros(0, np.int64), *images]))
        self.version += 1
        self._whole, self._since = self.version, {}

    def _read_again(self, image_ids: set[int], images: dict[int, bool]) -> None:
        self.version += 1
        self._since |= dict.fromkeys(image_ids, self.version)
        for image_id in image_ids:
            self._origins.pop(image_id, None)
        if len(self._apart) + len(image_ids) <= _APART:
            for image_id in image_ids:
                seen = see(self._texts_of(image_id))
                self._apart[image_id] = seen.rows
                self._origins |= seen.origins
        elif image_ids:
            # As one: of many, each by itself would take longer than all of the dataset.
            seen = see(chain.from_iterable(map(self._texts_of, image_ids)))
            others = {image_id: rows for image_id, rows in self._apart.items() if image_id not in image_ids}
            stale = np.array([*self._apart, *image_ids], np.int64)
            base = self._base.take(~np.isin(self._base.image_ids, stale))
            self._base, self._apart = base.joined([*others.values(), seen.rows]), {}
            self._origins |= seen.origins
        if images:
            gone, new = (
                np.array([image_id for image_id, is_there in images.items() if is_there is wanted], np.int64)
                for wanted in (False, True)
            )
            self._images = np.union1d(np.setdiff1d(self._images, gone), new)
            self._since |= dict.fromkeys(images, self.version)

    def _texts_of(self, image_id: int) -> list[bytes]:
        try:
            page = self._store().annotations_of(image_id)
        except AmbiguousId:
            return []
        return page.texts if page else []
