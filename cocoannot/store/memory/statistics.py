"""What the dataset is made of, counted from the index: no record is read."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from cocoannot.store.memory.tables import Store

_COUNTS = (0, 1, 2, 3, 4, 5, 6, 8, 11, 16, 21, 31, 51, 101)
_SIZES = (0, 8, 16, 32, 64, 96, 128, 192, 256, 384, 512, 768, 1024)


class CategoryCount(NamedTuple):
    """A category, `name` `""` where it has none, and how many annotations it has."""

    id: int
    name: str
    annotations: int


class Bar(NamedTuple):
    """How many things measure at least `low` and less than `high` (`None` for no limit)."""

    low: int
    high: int | None
    number: int


class Statistics(NamedTuple):
    """Annotations per category, in file order; images by their number of annotations; annotations by the square root of
    their area, in pixels, those without an area left out."""

    counts: dict[str, int]
    categories: list[CategoryCount]
    images: list[Bar]
    sizes: list[Bar]


def statistics(store: Store) -> Statistics:
    """Count what is in `store`."""
    categories, annotations, images = store.categories, store.annotations, store.images
    per_category = [
        CategoryCount(
            categories.record_id(slot),
            categories.names[slot],
            annotations.per_category.get(categories.record_id(slot), 0),
        )
        for slot in categories.slots().tolist()
    ]
    areas = annotations.areas[annotations.slots()]
    sizes = np.sqrt(areas[areas >= 0].astype(np.float64))
    counts = store.annotation_counts(images.ids(images.slots()))
    return Statistics(store.counts(), per_category, _bars(counts, _COUNTS), _bars(sizes, _SIZES))


def _bars(values: np.ndarray[tuple[int, ...], np.dtype[np.float64 | np.int64]], edges: tuple[int, ...]) -> list[Bar]:
    """`values` counted between `edges`; empty ones at the end are left out."""
    counts = np.histogram(values, [*edges, np.inf])[0].tolist()
    while len(counts) > 1 and not counts[-1]:
        counts.pop()
    return [Bar(low, high, count) for low, high, count in zip(edges, [*edges[1:], None], counts, strict=False)]
