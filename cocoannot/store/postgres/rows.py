"""Which table has what, the head row, and the columns that a record is found by. No statement of its own."""

from __future__ import annotations

import math
import struct
from bisect import bisect_right
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from cocoannot.coco.parser import (
    NONE,
    SECTIONS,
    AnnotationKeys,
    CategoryKeys,
    ImageKeys,
    SectionName,
    area_of,
    has_size,
    read_keys,
)
from cocoannot.coco.statuses import status_number
from cocoannot.store.queries import SIZE_EDGES

TABLES: dict[SectionName, str] = {"images": "image", "annotations": "annotation", "categories": "category"}
CODES: dict[SectionName, int] = {"images": 0, "annotations": 1, "categories": 2}
"""How `history` names a section."""
NAMES = {code: name for name, code in CODES.items()}

AREAS = [float(edge) ** 2 for edge in SIZE_EDGES]
"""Where the bars of sizes begin, as areas; an image's `sizes` has a bit for each."""

SUMMARY = {
    "categories": "coalesce(array_agg(DISTINCT a.category_id) FILTER (WHERE a.category_id IS NOT NULL), '{}')",
    "sizes": "coalesce(bit_or(1 << (width_bucket(a.area::float8, %(areas)s::float8[]) - 1)) "
    "FILTER (WHERE a.area >= 0), 0)",
}
"""What an image tells of its annotations `a`, so that no query has to look for these."""

_LARGEST = 3.4e38

HEAD = (
    "lineage, content, revision, file_revision, floor, panoptic, images, annotations, categories, "
    "next_image, next_annotation, next_category, image_end, annotation_end, category_end"
)
"""The columns that `HeadRow` is made of."""


@dataclass
class HeadRow:
    """Where a dataset stands. While its row is locked, it is what the row is to be."""

    lineage: str
    content: int
    revision: int
    file_revision: int
    floor: int
    panoptic: bool
    counts: dict[SectionName, int] = field(default_factory=dict)
    next_ids: dict[SectionName, int] = field(default_factory=dict)
    ends: dict[SectionName, int] = field(default_factory=dict)

    @classmethod
    def of(cls, row: tuple[Any, ...]) -> HeadRow:
        """The row of `HEAD`."""
        lineage, content, revision, file_revision, floor, panoptic, *numbers = row
        sections = [dict(zip(SECTIONS, numbers[at : at + 3], strict=True)) for at in (0, 3, 6)]
        return cls(bytes(lineage).decode(), content, revision, file_revision, floor, panoptic, *sections)


class AnnotationRow(NamedTuple):
    """What an annotation is found by."""

    image_id: int | None
    category_id: int | None
    area: float | None
    iscrowd: bool


class ImageRow(NamedTuple):
    """What an image is found by."""

    status: int
    sized: bool
    file_name: str


class CategoryRow(NamedTuple):
    """What a category is found by."""

    name: str


Row = AnnotationRow | ImageRow | CategoryRow


def row_of(section: SectionName, text: bytes) -> Row:
    """The columns of a record's text."""
    match read_keys(section, text):
        case AnnotationKeys() as keys:
            area = area_of(keys)
            return AnnotationRow(
                None if keys.image_id == NONE else keys.image_id,
                None if keys.category_id == NONE else keys.category_id,
                None if area != area else _single(area),
                bool(keys.iscrowd),
            )
        case ImageKeys() as keys:
            return ImageRow(status_number(keys.annotation_status), has_size(keys), clean(keys.file_name))
        case CategoryKeys() as keys:
            return CategoryRow(clean(keys.name))


def size_bit(area: float | None) -> int:
    """The bit that an annotation of this area sets in `sizes`, in single precision as the column is."""
    if area is None or not area >= 0:
        return 0
    return 1 << (bisect_right(AREAS, struct.unpack("f", struct.pack("f", area))[0]) - 1)


def _single(number: float) -> float:
    """`number`, or infinity where a column of single precision holds nothing as large."""
    return number if abs(number) < _LARGEST else math.copysign(math.inf, number)


def clean(name: object) -> str:
    """A name as a column: PostgreSQL's text holds no U+0000 and no half of a character, a JSON text does."""
    if not isinstance(name, str):
        return ""
    return name.replace("\0", "\ufffd").encode("utf-8", "replace").decode()


def is_possible(record_id: int) -> bool:
    """Whether a record can have this id."""
    return -(2**63) < record_id < 2**63
