"""What is in memory of a layer: numbers, one row a prediction, in the order of its file. Its texts stay on disk."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from cocoannot.coco.parser import Ints

KINDS = ("bbox", "segm", "keypoints")
"""What a prediction is mainly of, as pycocotools calls it."""

Floats = npt.NDArray[np.float32]


class Columns(NamedTuple):
    """Arrays of the same length; `boxes` has the shape (predictions, 4): left, top, width, height in pixels.

    `starts` and `sizes` say where a prediction's text is in the file, in bytes; `kinds` are places in `KINDS`. `ids`
    are those that the file gives; an empty array stands for 1, 2, 3 and so on.
    """

    image_ids: Ints
    category_ids: Ints
    scores: npt.NDArray[np.float64]
    boxes: Floats
    starts: Ints
    sizes: npt.NDArray[np.int32]
    kinds: npt.NDArray[np.uint8]
    ids: Ints

    @classmethod
    def empty(cls, rows: int, *, with_ids: bool) -> Columns:
        """So many rows, to be filled."""
        return cls(
            np.empty(rows, np.int64),
            np.empty(rows, np.int64),
            np.empty(rows, np.float64),
            np.empty((rows, 4), np.float32),
            np.empty(rows, np.int64),
            np.empty(rows, np.int32),
            np.empty(rows, np.uint8),
            np.empty(rows if with_ids else 0, np.int64),
        )

    @property
    def rows(self) -> int:
        """How many predictions there are."""
        return len(self.image_ids)

    def put(self, first: int, **values: npt.NDArray[Any]) -> None:
        """Put `values`, by the column's name, into the rows from `first` on."""
        for name, value in values.items():
            column = getattr(self, name)
            column[first : first + len(value)] = value

    def fit(self, size: int) -> bool:
        """Whether they can be those of a file of `size` bytes, as far as that can be told without reading it."""
        empty = Columns.empty(self.rows, with_ids=len(self.ids) > 0)
        alike = all(
            getattr(self, name).dtype == getattr(empty, name).dtype
            and getattr(self, name).shape == getattr(empty, name).shape
            for name in Columns._fields
        )
        return alike and (
            not self.rows or (int(self.starts.min()) >= 0 and int((self.starts + self.sizes).max()) <= size)
        )
