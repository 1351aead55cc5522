"""What an annotation must be before it is stored, and what is computed for it. Nothing is stored here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from cocoannot.coco.fields import AREA, CAPTION, MAX_AREA, SIDE, is_integer, is_number
from cocoannot.coco.geometry import count_keypoints, measure_bbox, measure_segmentation
from cocoannot.coco.parser import SectionName
from cocoannot.coco.records import Record
from cocoannot.coco.rules import Errors, Fields, check_field, common_errors, id_errors, refuse
from cocoannot.errors import InvalidRecord

_SHAPES = ("segmentation", "bbox", "keypoints")
_SECTIONS: dict[str, SectionName] = {"image_id": "images", "category_id": "categories"}


class References(Protocol):
    """What the rules need to know of images and categories. Each method raises `AmbiguousId`."""

    def has(self, section: SectionName, record_id: int) -> bool:
        """Whether `section` holds a record with this id."""
        ...

    def get(self, section: SectionName, record_id: int) -> Record | None:
        """The record with this id, `None` where there is none."""
        ...


def new_annotation(fields: Mapping[str, Any], references: References) -> Fields:
    """The fields of a new annotation: checked, `area`, `bbox` and `num_keypoints` computed, `iscrowd` 0 if not given.

    `id` is passed through. Raises `InvalidRecord`.
    """
    errors = common_errors(fields)
    given = {key: value for key, value in fields.items() if value is not None and key != "num_keypoints"}
    image_id = _reference(errors, given, "image_id", references, required=True)
    category_id = _reference(errors, given, "category_id", references, required="caption" not in given)
    if "caption" in given:
        check_field(errors, "caption", given["caption"], CAPTION)
    measured: Fields = {}
    if given.get("segmentation"):
        measured = _measured(errors, given["segmentation"], image_id, references)
    elif "bbox" in given:
        measured = _boxed(errors, given["bbox"])
    elif "keypoints" in given or "caption" in given:
        check_field(errors, "area", given.get("area"), AREA)
    elif "segmentation" in given:
        errors["segmentation"] = ["is empty; give a polygon or an RLE, or a bbox"]
    else:
        errors["segmentation"] = ["an annotation needs a segmentation, a bbox, keypoints or a caption"]
    if "keypoints" in given:
        measured |= _counted(errors, given["keypoints"], category_id, references)
    refuse(errors)
    return _with_integers({**given, **measured, "iscrowd": given.get("iscrowd", 0)})


def restored_annotation(fields: Mapping[str, Any], references: References) -> Fields:
    """The fields of an annotation that is put back as it was: nothing is computed. Raises `InvalidRecord`."""
    errors = common_errors(fields, geometry=True)
    image_id = _reference(errors, fields, "image_id", references, required=True)
    _reference(errors, fields, "category_id", references, required=False)
    if fields.get("segmentation"):
        _measured(errors, fields["segmentation"], image_id, references)
    if fields.get("keypoints"):
        _counted(errors, fields["keypoints"], None, references)
    if not _is_box(fields.get("bbox", [0, 0, 0, 0])):
        errors["bbox"] = ["must be [x, y, width, height], in pixels"]
    check_field(errors, "area", fields.get("area", 0), AREA, required=True)
    check_field(errors, "caption", fields.get("caption"), CAPTION)
    if fields.get("id") is None:
        errors["id"] = ["is required: the one that the annotation had"]
    refuse(errors)
    return dict(fields)


def changed_annotation(record: Record, changes: Mapping[str, Any], references: References) -> Fields:
    """What to merge into an annotation: `changes`, checked, with what follows from them. Raises `InvalidRecord`."""
    merged = {key: value for key, value in {**record, **changes}.items() if value is not None}
    given = {key: value for key, value in changes.items() if value is not None}
    errors = common_errors(changes) | id_errors(changes)
    # Only what the change needs is looked up: the record may point to an id that is missing or ambiguous.
    image_id = category_id = None
    if (moved := "image_id" in changes) or given.get("segmentation"):
        image_id = _reference(errors, merged, "image_id", references, required=moved, known=moved)
    if (relabelled := "category_id" in changes) or "keypoints" in given:
        required = relabelled and "caption" not in merged
        category_id = _reference(errors, merged, "category_id", references, required=required, known=relabelled)
    check_field(errors, "caption", given.get("caption"), CAPTION)
    result: Fields = {key: value for key, value in changes.items() if key != "num_keypoints"}
    _change_shape(errors, result, merged, given, image_id, references)
    if "keypoints" in given:
        result |= _counted(errors, given["keypoints"], category_id, references)
    elif "keypoints" in changes:
        result["num_keypoints"] = None
    removed = any(field in changes for field in (*_SHAPES, "caption"))
    if removed and not any(merged.get(field) for field in _SHAPES) and "caption" not in merged:
        errors.setdefault("segmentation", ["nothing would be left of the geometry; delete the annotation instead"])
    refuse(errors)
    return _with_integers(result)


def _change_shape(
    errors: Errors, result: Fields, merged: Fields, given: Fields, image_id: int | None, references: References
) -> None:
    if given.get("segmentation"):
        result.pop("area", None)
        result.pop("bbox", None)
        result |= _measured(errors, given["segmentation"], image_id, references)
    elif merged.get("segmentation"):
        for field in ("bbox", "area"):
            if field in result:
                errors[field] = ["is computed from the segmentation; change the segmentation instead"]
        if "image_id" in given and isinstance(merged["segmentation"], dict):
            _measured(errors, merged["segmentation"], image_id, references)
    elif "bbox" in given:
        result.pop("area", None)
        result |= _boxed(errors, given["bbox"])
    else:
        check_field(errors, "area", given.get("area"), AREA)


def _measured(errors: Errors, segmentation: object, image_id: int | None, references: References) -> Fields:
    size: tuple[int | None, int | None] = None, None
    if isinstance(segmentation, dict) and image_id is not None:
        # Polygons need no size, and to know it takes decoding the image's record.
        size = _size(references.get("images", image_id))
    try:
        area, bbox = measure_segmentation(segmentation, *size)
    except InvalidRecord as exc:
        errors |= exc.errors
        return {}
    return {"area": area, "bbox": bbox}


def _boxed(errors: Errors, bbox: object) -> Fields:
    try:
        area, box = measure_bbox(bbox)
    except InvalidRecord as exc:
        errors |= exc.errors
        return {}
    return {"segmentation": [], "area": area, "bbox": box}


def _counted(errors: Errors, keypoints: object, category_id: int | None, references: References) -> Fields:
    category = None if category_id is None else references.get("categories", category_id)
    names = category.get("keypoints") if category else None
    try:
        return {"num_keypoints": count_keypoints(keypoints, len(names) if isinstance(names, list) and names else None)}
    except InvalidRecord as exc:
        errors |= exc.errors
        return {}


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


def _is_box(value: object) -> bool:
    return isinstance(value, list) and len(value) == 4 and all(is_number(n) and abs(n) <= MAX_AREA for n in value)
