"""What annotations have that depends on their image or category, and what a change of these must leave as it is.

Programs read a mask by the size of its image, and as many keypoints of an annotation as its category has.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from cocoannot.coco.annotation_rules import has_other_keypoints
from cocoannot.coco.rules import count_of_keypoints
from cocoannot.errors import Conflict
from cocoannot.store.base import Stored

Annotations = Callable[[], Iterable[Stored]]
"""The annotations of the record that changes; to find them may take long."""


def check_masks(image: Stored, changes: Mapping[str, Any], annotations: Annotations) -> None:
    """Raise `Conflict` where an image with masks (RLE) would get another size."""
    if all(changes.get(side, image.record.get(side)) == image.record.get(side) for side in ("width", "height")):
        return
    if masks := sum(isinstance(each.record.get("segmentation"), dict) for each in annotations()):
        raise Conflict(
            f"{masks} annotation(s) of image {image.record_id} are masks (RLE) of its size, so it can't get "
            "another width or height; replace them by polygons or delete them first",
            {"annotation_count": masks},
        )


def check_keypoints(category: Stored, fields: Mapping[str, Any], annotations: Annotations) -> None:
    """Raise `Conflict` where annotations of `category` would have another number of keypoints than `fields` define."""
    defined = count_of_keypoints(fields)
    if defined in (None, count_of_keypoints(category.record)):
        return
    if others := sum(has_other_keypoints(each.record, defined) for each in annotations()):
        raise Conflict(
            f"{others} annotation(s) of category {category.record_id} have another number of keypoints than {defined}; "
            "change or delete them first",
            {"annotation_count": others},
        )
