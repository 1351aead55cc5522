"""What a check knows of a file in the end: enough to say what is wrong, and to write a copy that is right."""

from __future__ import annotations

import numpy as np

from cocoannot.check.annotation_repairs import repair_annotation
from cocoannot.check.lenient_parser import Readable
from cocoannot.check.record_repairs import RecordRepair
from cocoannot.check.scan import Floats, Known
from cocoannot.check.sections import Section
from cocoannot.coco.parser import NONE, SECTIONS, Ints
from cocoannot.coco.rules import Fields


class Checked:
    """A file that can be read. `geometry` marks the annotations whose own fields are to be repaired.

    `image_ids` and `category_ids` are what annotations refer to when that is repaired, `NONE` for nothing; `boxes` are
    theirs then, [x, y, width, height] in pixels, NaN for none; `captions` are those that have nothing but a caption.
    LVIS has no `iscrowd`.
    """

    def __init__(self, readable: Readable) -> None:
        self.readable = readable
        self.sections = {name: Section(readable, name) for name in SECTIONS}
        self.images, self.annotations, self.categories = (self.sections[name] for name in SECTIONS)
        lvis = any(field in readable.buffer for field in (b'"neg_category_ids"', b'"not_exhaustive_category_ids"'))
        self.known = Known({}, {}, crowds=not lvis)
        count = len(self.annotations)
        self.boxes: Floats = np.full((count, 4), np.nan)
        self.geometry = np.zeros(count, np.bool_)
        self.captions: list[int] = []
        self.image_ids: Ints = np.full(count, NONE, np.int64)
        self.category_ids: Ints = np.full(count, NONE, np.int64)

    def repair_annotation(self, position: int, record: Fields) -> RecordRepair:
        """Raises `RecursionError`."""
        size = self.known.sizes.get(int(self.image_ids[position]))
        keypoints = self.known.keypoints.get(int(self.category_ids[position]))
        finite = position not in self.annotations.infinite
        return repair_annotation(record, size, keypoints, finite=finite, crowds=self.known.crowds)
