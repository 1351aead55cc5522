"""What an annotation must be before it is stored, and what is computed for it. Nothing is stored here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from cocoannot.coco.geometry import count_keypoints, measure_bbox, measure_segmentation
from cocoannot.coco.records import Record
from cocoannot.coco.rules import (
    MAX_SIDE,
    Errors,
    Fields,
    collect,
    id_errors,
    is_integer,
    is_number,
    plain_errors,
    refuse,
)

_GEOMETRY = ("segmentation", "bbox", "keypoints")


class Lookup(Protocol):
    """What the rules need to know of the rest of the dataset. Each method raises `AmbiguousId`."""

    def has_image(self, image_id: int) -> bool: ...

    def has_category(self, category_id: int) -> bool: ...

    def image(self, image_id: int) -> Record | None: ...

    def category(self, category_id: int) -> Record | None: ...


def new_annotation(fields: Mapping[str, Any], lookup: Lookup) -> Fields:
    """The fields of a new annotation: checked, `area`, `bbox` and `num_keypoints` computed, `iscrowd` 0 if not given.

    `id` is passed through. Raises `InvalidRecord`.
    """
    given = {key: value for key, value in fields.items() if value is not None and key != "num_keypoints"}
    errors = plain_errors(fields)
    image_id = _reference(errors, "image_id", given.get("image_id"), lookup.has_image, required=True)
    category_id = _reference(
        errors, "category_id", given.get("category_id"), lookup.has_category, required="caption" not in given
    )
    if "caption" in given:
        errors |= _caption_errors(given)
    measured: Fields = {}
    if given.get("segmentation"):
        collect(errors, lambda: measured.update(_measured(given["segmentation"], image_id, lookup)))
    elif "bbox" in given:
        collect(errors, lambda: measured.update(_boxed(given["bbox"])))
    elif "segmentation" in given and "keypoints" not in given and "caption" not in given:
        errors["segmentation"] = ["is empty; give a polygon or an RLE, or a bbox"]
    elif "keypoints" not in given and "caption" not in given:
        errors["segmentation"] = ["an annotation needs a segmentation, a bbox, keypoints or a caption"]
    elif "area" in given:
        errors |= _area_errors(given["area"])
    if "keypoints" in given:
        collect(errors, lambda: measured.update(_counted(given["keypoints"], category_id, lookup)))
    refuse(errors)
    return _whole({**given, **measured, "iscrowd": given.get("iscrowd", 0)})


def restored_annotation(fields: Mapping[str, Any], lookup: Lookup) -> Fields:
    """The fields of an annotation that is put back as it was: nothing is computed. Raises `InvalidRecord`."""
    errors = plain_errors(fields, geometry=True)
    image_id = _reference(errors, "image_id", fields.get("image_id"), lookup.has_image, required=True)
    _reference(errors, "category_id", fields.get("category_id"), lookup.has_category, required=False)
    if fields.get("segmentation"):
        collect(errors, lambda: _measured(fields["segmentation"], image_id, lookup))
    if fields.get("keypoints"):
        collect(errors, lambda: count_keypoints(fields["keypoints"], None))
    if not _is_box(fields.get("bbox", [0, 0, 0, 0])):
        errors["bbox"] = ["must be [x, y, width, height], in pixels"]
    errors |= _area_errors(fields.get("area", 0)) | _caption_errors(fields)
    refuse(errors)
    return dict(fields)


def changed_annotation(record: Record, changes: Mapping[str, Any], lookup: Lookup) -> Fields:
    """What to merge into an annotation: `changes`, checked, with what follows from them. Raises `InvalidRecord`."""
    merged = {key: value for key, value in {**record, **changes}.items() if value is not None}
    given = {key: value for key, value in changes.items() if value is not None}
    errors = plain_errors(changes) | id_errors(changes)
    # Only what the change needs is looked up: the record may point to an id that is missing or ambiguous.
    image_id = category_id = None
    if "image_id" in changes or given.get("segmentation"):
        required = "image_id" in changes
        image_id = _reference(
            errors, "image_id", merged.get("image_id"), lookup.has_image, required=required, known=required
        )
    if "category_id" in changes or "keypoints" in given:
        known = "category_id" in changes
        required = known and "caption" not in merged
        category_id = _reference(
            errors, "category_id", merged.get("category_id"), lookup.has_category, required=required, known=known
        )
    errors |= _caption_errors(given)
    result: Fields = {key: value for key, value in changes.items() if key != "num_keypoints"}
    _check_geometry(errors, result, merged, given, image_id, lookup)
    if "keypoints" in given:
        collect(errors, lambda: result.update(_counted(given["keypoints"], category_id, lookup)))
    elif "keypoints" in changes:
        result["num_keypoints"] = None
    removed = any(field in changes for field in (*_GEOMETRY, "caption"))
    if removed and not any(merged.get(field) for field in _GEOMETRY) and "caption" not in merged:
        errors.setdefault("segmentation", ["nothing would be left of the geometry; delete the annotation instead"])
    refuse(errors)
    return _whole(result)


def _check_geometry(
    errors: Errors, result: Fields, merged: Fields, given: Fields, image_id: int | None, lookup: Lookup
) -> None:
    if given.get("segmentation"):
        result.pop("area", None)
        result.pop("bbox", None)
        collect(errors, lambda: result.update(_measured(given["segmentation"], image_id, lookup)))
        return
    if merged.get("segmentation"):
        for field in ("bbox", "area"):
            if field in result:
                errors[field] = ["is computed from the segmentation; change the segmentation instead"]
        if "image_id" in given and isinstance(merged["segmentation"], dict):
            collect(errors, lambda: _measured(merged["segmentation"], image_id, lookup))
        return
    if "bbox" in given:
        result.pop("area", None)
        collect(errors, lambda: result.update(_boxed(given["bbox"])))
    elif "area" in given:
        errors |= _area_errors(given["area"])


def _measured(segmentation: object, image_id: int | None, lookup: Lookup) -> Fields:
    # Polygons need no size, and to know it takes decoding the image's record.
    image = lookup.image(image_id) if isinstance(segmentation, dict) and image_id is not None else None
    area, bbox = measure_segmentation(segmentation, *_size(image))
    return {"area": area, "bbox": bbox}


def _boxed(bbox: object) -> Fields:
    area, box = measure_bbox(bbox)
    return {"segmentation": [], "area": area, "bbox": box}


def _counted(keypoints: object, category_id: int | None, lookup: Lookup) -> Fields:
    category = None if category_id is None else lookup.category(category_id)
    names = category.get("keypoints") if category else None
    return {"num_keypoints": count_keypoints(keypoints, len(names) if isinstance(names, list) and names else None)}


def _size(image: Record | None) -> tuple[int | None, int | None]:
    if image is None:
        return None, None
    height, width = image.get("height"), image.get("width")
    if is_integer(height) and is_integer(width) and 0 < height <= MAX_SIDE and 0 < width <= MAX_SIDE:
        return int(height), int(width)
    return None, None


def _reference(
    errors: Errors,
    field: str,
    value: object,
    exists: Callable[[int], bool],
    *,
    required: bool,
    known: bool = True,
) -> int | None:
    """The id of the record that `field` points to, if it is there; `known` tells whether it has to be."""
    if value is None:
        if required:
            errors[field] = ["is required"]
        return None
    if type(value) is not int:
        if not is_integer(value):
            errors[field] = ["must be an integer"]
            return None
        value = int(value)
    if exists(value):
        return value
    if known:
        errors[field] = [f"there is no {field.removesuffix('_id')} with id {value}"]
    return None


def _whole(fields: Fields) -> Fields:
    """`fields` with `7.0` for an id as the integer that it is."""
    for key in ("image_id", "category_id", "iscrowd"):
        value = fields.get(key)
        if type(value) is float:
            fields[key] = int(value)
    return fields


def _is_box(value: object) -> bool:
    return isinstance(value, list) and len(value) == 4 and all(is_number(n) and abs(n) <= 2**53 for n in value)


def _area_errors(area: object) -> Errors:
    if is_number(area) and 0 <= area <= 2**53:
        return {}
    return {"area": ["must be a number of square pixels, not negative"]}


def _caption_errors(fields: Mapping[str, Any]) -> Errors:
    caption = fields.get("caption")
    return {} if caption is None or isinstance(caption, str) else {"caption": ["must be a text"]}
