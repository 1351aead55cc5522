"""Questions that every store answers, and what statistics look like. How they are answered is the store's business."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

from cocoannot.coco.parser import SectionName
from cocoannot.coco.statuses import Status

Derived = Literal["annotation_count", "annotations", "etag"]
"""Fields that are put into each record of an answer, with an underscore in front."""

SORTS = tuple(sign + key for key in ("position", "id", "file_name", "annotation_count") for sign in ("", "-"))


RANKED = ("disagreement", "-disagreement")
"""Orders that need a ranking."""


class Ranking(NamedTuple):
    """How high images stand in an order that the store does not know: `values` gives a number for each of some ids.

    `number` is one of its own for each ranking; those with the same one have the same values.
    """

    number: int
    values: Callable[[Sequence[int]], Sequence[float]]


@dataclass(frozen=True)
class ImageQuery:
    """Which images: every condition that is given must hold. `sort` is one of `SORTS`, or of `RANKED` where there is a
    `ranking`; ties keep file order.

    `min_annotations` and `max_annotations` enclose how many an image has; `min_size` and `below_size` one of them at
    least, by the square root of its area, in pixels. `statuses` are of `cocoannot.coco.statuses`; `ids` are those of
    which it is one, `None` for any, and `without` those of which it is none. `user` was the last to change one of the
    annotations of an image, and `annotation_ids` has one of them; `None` for any.
    """

    file_name: str = ""
    category_ids: Collection[int] = ()
    annotated: bool | None = None
    sort: str = "position"
    min_annotations: int | None = None
    max_annotations: int | None = None
    min_size: float | None = None
    below_size: float | None = None
    statuses: Collection[Status] = ()
    ids: Collection[int] | None = None
    without: Collection[int] = ()
    user: str | None = None
    annotation_ids: Collection[int] | None = None
    ranking: Ranking | None = None
    derived: Collection[Derived] = ()

    @property
    def asks_for_annotations(self) -> bool:
        """Whether a change of annotations may make it another list."""
        bounds = (self.annotated, self.min_annotations, self.max_annotations, self.min_size, self.below_size)
        conditions = (*bounds, self.user, self.annotation_ids)
        return bool(self.category_ids) or any(each is not None for each in conditions) or "count" in self.sort

    @property
    def is_whole(self) -> bool:
        """Whether it is all images, in file order or the other way round."""
        chosen = self.asks_for_annotations or self.file_name or self.statuses or self.ids is not None or self.without
        return not chosen and self.sort in ("position", "-position")


@dataclass(frozen=True)
class AnnotationQuery:
    """Which annotations: every condition that is given must hold; they come in file order."""

    image_id: int | None = None
    category_id: int | None = None
    iscrowd: bool | None = None
    derived: Collection[Derived] = ()


@dataclass(frozen=True)
class CategoryQuery:
    """All categories, in file order."""

    derived: Collection[Derived] = ()


Query = ImageQuery | AnnotationQuery | CategoryQuery


class ChangeQuery(NamedTuple):
    """Which changes: every condition that is given must hold.

    `since` and `until` are revisions, the former not included; `record` is a section and an id. Where more than `limit`
    are found, the oldest come where `since` is given, so that they can be followed, else the newest.
    """

    since: int | None = None
    until: int | None = None
    actor: str | None = None
    image_id: int | None = None
    record: tuple[SectionName, int] | None = None
    limit: int = 100


NEWEST = ChangeQuery()
"""The newest ones, whatever they did."""


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
    their area, in pixels, those without an area left out; images by each of `STATUSES`."""

    counts: dict[str, int]
    categories: list[CategoryCount]
    images: list[Bar]
    sizes: list[Bar]
    statuses: dict[Status, int]
    revision: int


COUNT_EDGES = (0, 1, 2, 3, 4, 5, 6, 8, 11, 16, 21, 31, 51, 101)
"""Where the bars of images by their number of annotations begin."""
SIZE_EDGES = (0, 8, 16, 32, 64, 96, 128, 192, 256, 384, 512, 768, 1024)
"""Where the bars of annotations by the square root of their area begin, in pixels."""


def bars(numbers: Sequence[int], edges: Sequence[int]) -> list[Bar]:
    """The bars of what was counted between `edges`; empty ones at the end are left out."""
    counts = list(numbers)
    while len(counts) > 1 and not counts[-1]:
        counts.pop()
    return [Bar(low, high, count) for low, high, count in zip(edges, [*edges[1:], None], counts, strict=False)]
