"""What the dataset is made of, counted from the index: no record is read."""

from __future__ import annotations

import numpy as np

from cocoannot.coco.statuses import STATUSES
from cocoannot.store.memory.tables import Tables
from cocoannot.store.queries import COUNT_EDGES, SIZE_EDGES, Bar, CategoryCount, Statistics, bars


def statistics(tables: Tables, revision: int) -> Statistics:
    """Count what is in `tables`, which are at this revision."""
    per_category = [
        CategoryCount(category_id, tables.category_index.names[slot], tables.count_annotations(category_id=category_id))
        for slot in tables.categories.slots().tolist()
        if (category_id := tables.categories.record_id(slot)) is not None
    ]
    areas = tables.annotation_index.areas[tables.annotations.slots()]
    sizes = np.sqrt(areas[areas >= 0].astype(np.float64))
    images = tables.images.slots()
    counts = tables.annotation_counts(tables.images.ids(images))
    numbers = np.bincount(tables.image_index.statuses[images], minlength=len(STATUSES)).tolist()
    statuses = dict(zip(STATUSES, numbers, strict=True))
    return Statistics(
        tables.counts(), per_category, _bars(counts, COUNT_EDGES), _bars(sizes, SIZE_EDGES), statuses, revision
    )


def _bars(values: np.ndarray[tuple[int, ...], np.dtype[np.float64 | np.int64]], edges: tuple[int, ...]) -> list[Bar]:
    """`values` counted between `edges`."""
    return bars(np.histogram(values, [*edges, np.inf])[0].tolist(), edges)
