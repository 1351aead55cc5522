"""What an annotation must be before it is stored, and what is computed for it. Nothing is stored here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from cocoannot.coco.fields import AREA, CAPTION, ID, SIDE, is_integer
from cocoannot.coco.geometry import count_keypoints, measure_bbox, measure_keypoints, measure_segmentation
from cocoannot.coco.parser import SectionName
from cocoannot.coco.records import Record
from cocoannot.coco.rules import (
    Errors,
    Fields,
    check_field,
    common_errors,
    count_of_keypoints,
    id_errors,
    refuse,
)
from cocoannot.errors import InvalidRecord

_SHAPES = ("segmentation", "bbox", "keypoints")
DERIVED = frozenset({"_annotation_count", "_annotations", "_etag"})
"""Fields that an answer may have beside those of the record."""

_NEEDED = ("area", "bbox", "iscrowd", "segmentation")
_SECTIONS: dict[str, SectionName] = {"image_id": "images", "category_id": "categories"}


class References(Protocol):
    """What the rules need to know of images and categories. Each method raises `AmbiguousId`."""

    def has(self, section: SectionName, record_id: int) -> bool:
        """Whether `section` holds a record with this id."""
        ...

    def get(self, section: SectionName, record_id: int) -> Record | None:
        """The record with this id, `None` where there is none."""
        ...

    @property
    def has_categories(self) -> bool:
        """Whether the dataset has any category: readers then want each annotation to have one."""
        ...


def new_annotation(fields: Mapping[str, Any], references: References) -> Fields:
    """The fields of a new annotation: checked, `area`, `bbox` and `num_keypoints` computed, `iscrowd` 0 if not given.

    `id` is passed through. Raises `InvalidRecord`.
    """
    errors = common_errors(fields)
    given = {key: value for key, value in fields.items() if value is not None and key != "num_keypoints"}
    image_id = _reference(errors, given, "image_id", references, required=True)
    category_id = _category(errors, given, references)
    if "caption" in given:
        check_field(errors, "caption", given["caption"], CAPTION)
    measured: Fields = {}
    if given.get("segmentation"):
        measured = _drawn(errors, given["segmentation"], image_id, references)
    elif "bbox" in given:
        measured = _boxed(errors, given["bbox"])
    elif "keypoints" in given:
        measured = _boxed_keypoints(given["keypoints"])
    elif "caption" in given:
        check_field(errors, "area", given.get("area"), AREA)
    elif "segmentation" in given:
        errors["segmentation"] = ["is empty; give a polygon or an RLE, or a bbox"]
    else:
        errors["segmentation"] = ["an annotation needs a segmentation, a bbox, keypoints or a caption"]
    if "keypoints" in given:
        measured |= _counted(errors, given["keypoints"], category_id, references)
    refuse(errors)
    return _with_integers({**given, **measured, "iscrowd": given.get("iscrowd", 0)})


def restored_annotation(text: bytes) -> int:
    """The id of an annotation that is put back as it was: it may hold whatever a file may hold. Raises `InvalidRecord`.

    Fields that are derived for an answer were never stored, and are refused.
    """
    record = Record(text)
    errors: Errors = {}
    if "id" not in record:
        errors["id"] = ["is required: the one that the annotation had"]
    for name, field in (("id", ID), ("image_id", ID), ("category_id", ID)):
        check_field(errors, name, record.get(name), field, required=name == "id")
    for name in DERIVED & record.keys():
        errors[name] = ["is derived, and was never stored; leave it out"]
    refuse(errors)
    return int(record["id"])


def changed_annotation(record: Record, changes: Mapping[str, Any], references: References) -> Fields:
    """What to merge into an annotation: `changes`, checked, with what follows from them. Raises `InvalidRecord`."""
    merged = {key: value for key, value in {**record, **changes}.items() if value is not None}
    given = {key: value for key, value in changes.items() if value is not None}
    errors = common_errors(changes) | id_errors(changes)
    for field in _NEEDED:
        # A box instead of the segmentation leaves an empty one.
        emptied = field == "segmentation" and "bbox" in given
        if field in changes and changes[field] is None and not emptied:
            errors[field] = ["can't be removed: programs that read COCO need it"]
    # Only what the change needs is looked up: the record may point to an id that is missing or ambiguous.
    image_id = category_id = None
    if (moved := "image_id" in changes) or given.get("segmentation"):
        image_id = _reference(errors, merged, "image_id", references, required=moved, known=moved)
    if "category_id" in changes:
        category_id = _category(errors, merged, references)
    elif "keypoints" in given:
        category_id = _reference(errors, merged, "category_id", references, required=False, known=False)
    check_field(errors, "caption", given.get("caption"), CAPTION)
    result: Fields = {key: value for key, value in changes.items() if key != "num_keypoints"}
    _change_shape(errors, result, record, merged, given, image_id, references)
    if "keypoints" in given:
        result |= _counted(errors, given["keypoints"], category_id, references)
    elif "keypoints" in changes:
        result["num_keypoints"] = None
    elif "category_id" in changes and has_other_keypoints(
        record, defined := _defined_keypoints(category_id, references)
    ):
        errors["category_id"] = [f"defines {defined} keypoints, and the annotation has others; give keypoints too"]
    removed = any(field in changes for field in (*_SHAPES, "caption"))
    if removed and not errors and not any(merged.get(field) for field in _SHAPES) and "caption" not in merged:
        errors["segmentation"] = ["nothing would be left of the geometry; delete the annotation instead"]
    refuse(errors)
    return _with_integers(result)


def _change_shape(
    errors: Errors,
    result: Fields,
    record: Record,
    merged: Fields,
    given: Fields,
    image_id: int | None,
    references: References,
) -> None:
    if given.get("segmentation"):
        result.pop("area", None)
        result.pop("bbox", None)
        result |= _drawn(errors, given["segmentation"], image_id, references)
    elif merged.get("segmentation"):
        for field in ("bbox", "area"):
            if field in given:
                errors[field] = ["is computed from the segmentation; change the segmentation instead"]
        if "image_id" in given and isinstance(merged["segmentation"], dict):
            _measured(errors, merged["segmentation"], image_id, references)
    elif "bbox" in given:
        result.pop("area", None)
        result |= _boxed(errors, given["bbox"])
    else:
        check_field(errors, "area", given.get("area"), AREA)
        if "keypoints" in given and _follows_keypoints(record):
            result |= _boxed_keypoints(given["keypoints"])


def _drawn(errors: Errors, segmentation: object, image_id: int | None, references: References) -> Fields:
    """What follows from a segmentation that is given. Of an empty one it would be a box that nothing can match."""
    measured = _measured(errors, segmentation, image_id, references)
    if measured and min(measured["bbox"][2:]) <= 0:
        what = "has no pixels" if isinstance(segmentation, dict) else "has no width or no height"
        errors["segmentation"] = [f"{what}, so an evaluation can't find it; draw it again, or delete the annotation"]
    return measured


def _measured(errors: Errors, segmentation: object, image_id: int | None, references: References) -> Fields:
    size: tuple[int | None, int | None] = None, None
    if isinstance(segmentation, dict) and image_id is not None:
        # Polygons need no size, and to know it takes decoding the image's record.
        size = _size(references.get("images", image_id))
    try:
        measured = measure_segmentation(segmentation, *size)
    except InvalidRecord as exc:
        errors |= exc.errors
        return {}
    return {"area": measured.area, "bbox": measured.bbox}


def _boxed(errors: Errors, bbox: object) -> Fields:
    try:
        measured = measure_bbox(bbox)
    except InvalidRecord as exc:
        errors |= exc.errors
        return {}
    return {"segmentation": [], "area": measured.area, "bbox": measured.bbox}


def _boxed_keypoints(keypoints: object) -> Fields:
    """Box and area of the labelled points, as pycocotools' `loadRes` gives them to results; nothing of bad ones."""
    try:
        measured = measure_keypoints(keypoints)
    except InvalidRecord:
        return {}
    return {"segmentation": [], "area": measured.area, "bbox": measured.bbox}


def _follows_keypoints(record: Record) -> bool:
    """Whether an annotation's box is the one that its keypoints give it, so that it moves with them."""
    computed = _boxed_keypoints(record.get("keypoints"))
    return bool(computed) and record.get("bbox", computed["bbox"]) == computed["bbox"]


def _category(errors: Errors, fields: Mapping[str, Any], references: References) -> int | None:
    """The category's id: every annotation has one, but for captions of a dataset without any category."""
    required = "caption" not in fields or references.has_categories
    return _reference(errors, fields, "category_id", references, required=required)


def _counted(errors: Errors, keypoints: object, category_id: int | None, references: References) -> Fields:
    try:
        return {"num_keypoints": count_keypoints(keypoints, _defined_keypoints(category_id, references))}
    except InvalidRecord as exc:
        errors |= exc.errors
        return {}


def _defined_keypoints(category_id: int | None, references: References) -> int | None:
    category = None if category_id is None else references.get("categories", category_id)
    return None if category is None else count_of_keypoints(category)


def has_other_keypoints(annotation: Mapping[str, Any], defined: int | None) -> bool:
    """Whether an annotation has keypoints, and others than the `defined` ones of a category that it is to belong to."""
    keypoints = annotation.get("keypoints")
    return bool(defined) and isinstance(keypoints, list) and len(keypoints) not in (0, 3 * (defined or 0))


def _size(image: Record | None) -> tuple[int | None, int | None]:
    """Height and width of an image, `None` for both where they are no sides of a picture."""
    if image is not None:
        height, width = image.get("height"), image.get("width")
        if SIDE.problem(height) is None and SIDE.problem(width) is None:
            return int(height), int(width)  # type: ignore[arg-type]
    return None, None


def _reference(
    errors: Errors, fields: Mapping[str, Any], name: str, references: References, *, required: bool, known: bool = True
) -> int | None:
    """The id of the record that the field `name` points to, if it is there; `known` tells whether it has to be."""
    value = fields.get(name)
    if value is None:
        if required:
            errors[name] = ["is required"]
        return None
    if type(value) is not int:
        if not is_integer(value):
            errors[name] = ["must be an integer"]
            return None
        value = int(value)
    if references.has(_SECTIONS[name], value):
        return value
    if known:
        errors[name] = [f"there is no {name.removesuffix('_id')} with id {value}"]
    return None


def _with_integers(fields: Fields) -> Fields:
    """`fields` with `7.0` for an id as the integer that it is."""
    for key in ("image_id", "category_id", "iscrowd"):
        value = fields.get(key)
        if type(value) is float:
            fields[key] = int(value)
    return fields
