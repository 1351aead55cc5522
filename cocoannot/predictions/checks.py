"""What one prediction must be, and the box that it is compared by. Whether its image and category exist is asked
elsewhere: they may go and come back."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

from cocoannot.coco.fields import ID, NEW_ANNOTATION_ID, SIDE, is_number
from cocoannot.coco.geometry import measure_bbox, measure_keypoints, measure_segmentation
from cocoannot.coco.records import Record
from cocoannot.errors import InvalidRecord
from cocoannot.predictions.columns import KINDS

Errors = dict[str, list[str]]

_LABELLED = (0, 1, 2)


class Checked(NamedTuple):
    """One prediction's row. `size` is the height and width that its mask is of, `None` where it has no mask; `points`
    how many keypoints it has, 0 for none."""

    image_id: int
    category_id: int
    score: float
    box: list[float]
    kind: int
    id: int | None
    size: tuple[int, int] | None = None
    points: int = 0


def check(fields: Mapping[str, Any]) -> Checked:
    """The row of a prediction with these fields. Raises `InvalidRecord`."""
    errors: Errors = {}
    for name, field in (("image_id", ID), ("category_id", ID), ("id", NEW_ANNOTATION_ID)):
        value = fields.get(name)
        if value is None and name != "id":
            errors[name] = ["is missing"]
        elif value is not None and (problem := field.problem(value)):
            errors[name] = [problem]
    score = fields.get("score")
    if score is None:
        errors["score"] = ["is missing; each prediction needs one"]
    elif not is_number(score) or not _is_finite(score):
        errors["score"] = ["must be a finite number"]
    try:
        box, kind = _measured(fields)
    except InvalidRecord as exc:
        errors |= exc.errors
    if errors:
        raise InvalidRecord(errors)
    own_id = fields.get("id")
    segmentation = fields.get("segmentation")
    return Checked(
        int(fields["image_id"]),
        int(fields["category_id"]),
        float(fields["score"]),
        box,
        KINDS.index(kind),
        None if own_id is None else int(own_id),
        (int(segmentation["size"][0]), int(segmentation["size"][1])) if isinstance(segmentation, dict) else None,
        len(fields.get("keypoints") or ()) // 3,
    )


def annotation_of(prediction: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of the annotation that a prediction becomes, without where it came from.

    What the server gives and what it computes is left out. A model's keypoints may have any third number, often a
    score: what is above 0 counts as visible.
    """
    left_out = {"id", "score", "area", "num_keypoints", "prediction"}
    fields = {name: value for name, value in prediction.items() if name not in left_out and not name.startswith("_")}
    if fields.get("segmentation"):
        fields.pop("bbox", None)
    elif "segmentation" in fields:
        del fields["segmentation"]
    if "keypoints" in fields:
        fields["keypoints"] = _labelled(fields["keypoints"])
    return fields


def _measured(fields: Mapping[str, Any]) -> tuple[list[float], str]:
    """The box of a prediction, and what kind it is. Raises `InvalidRecord`."""
    segmentation, bbox, keypoints = (fields.get(name) for name in ("segmentation", "bbox", "keypoints"))
    if keypoints:
        of_points = measure_keypoints(_labelled(keypoints))
        if not segmentation:
            return [*map(float, of_points.bbox if bbox is None else measure_bbox(bbox).bbox)], "keypoints"
    if segmentation:
        box = measure_segmentation(segmentation, *_own_size(segmentation)).bbox
        if min(box[2:]) <= 0:
            raise InvalidRecord({"segmentation": ["has no width, no height or no pixels"]})
        return [*map(float, box)], "keypoints" if keypoints else "segm"
    if bbox is None:
        raise InvalidRecord({"bbox": ["is missing; each prediction needs a bbox, a segmentation or keypoints"]})
    return [*map(float, measure_bbox(bbox).bbox)], "bbox"


def _own_size(segmentation: object) -> tuple[int | None, int | None]:
    """The height and width that a mask says it has, `None` for both where it says none."""
    size = segmentation.get("size") if isinstance(segmentation, dict) else None
    if isinstance(size, list) and len(size) == 2 and not any(map(SIDE.problem, size)):
        return int(size[0]), int(size[1])
    return None, None


def _labelled(keypoints: object) -> object:
    """Keypoints whose third numbers are those of COCO; anything else as it is."""
    if not isinstance(keypoints, list) or len(keypoints) % 3 or not all(map(is_number, keypoints)):
        return keypoints
    labelled = list(keypoints)
    labelled[2::3] = [flag if flag in _LABELLED else 2 if flag > 0 else 0 for flag in keypoints[2::3]]
    return labelled


def _is_finite(number: float) -> bool:
    try:
        return math.isfinite(number)
    except OverflowError:
        return False


def fields_of(text: bytes) -> Mapping[str, Any]:
    """The fields of a prediction's text, which is a valid object."""
    return Record(text)
