"""What an image and a category must be before they are stored, and what all records share. Nothing is stored here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cocoannot.coco.fields import (
    CATEGORY,
    FLAG,
    IMAGE,
    KEYPOINTS,
    NEW_ANNOTATION_ID,
    NEW_ID,
    SUPERCATEGORY,
    Field,
    unstorable,
)
from cocoannot.coco.parser import SectionName
from cocoannot.errors import InvalidRecord

Fields = dict[str, Any]
Errors = dict[str, list[str]]

GEOMETRY = frozenset({"segmentation", "bbox", "area", "keypoints", "num_keypoints"})
"""Fields whose numbers are checked where the geometry is."""


def new_image(fields: Mapping[str, Any]) -> Fields:
    """The fields of a new image. `id` is passed through. Raises `InvalidRecord`."""
    errors = common_errors(fields)
    for name, field in IMAGE.items():
        check_field(errors, name, fields.get(name), field, required=True)
    refuse(errors)
    return _with_whole_sides({key: value for key, value in fields.items() if value is not None})


def changed_image(changes: Mapping[str, Any]) -> Fields:
    """What to merge into an image. Raises `InvalidRecord`."""
    errors = common_errors(changes) | id_errors(changes)
    for name, field in IMAGE.items():
        if name in changes:
            check_field(errors, name, changes[name], field, required=True)
    refuse(errors)
    return _with_whole_sides(dict(changes))


def new_category(fields: Mapping[str, Any]) -> Fields:
    """The fields of a new category, `supercategory` "none" if not given. Raises `InvalidRecord`."""
    errors = common_errors(fields)
    for name, field in CATEGORY.items():
        check_field(errors, name, fields.get(name), field, required=True)
    check_field(errors, "supercategory", fields.get("supercategory"), SUPERCATEGORY)
    check_keypoints(errors, fields)
    refuse(errors)
    given = {key: value for key, value in fields.items() if value is not None}
    return {"supercategory": "none", **_with_whole_bones(given)}


def changed_category(record: Mapping[str, Any], changes: Mapping[str, Any]) -> Fields:
    """What to merge into a category, `record`. Raises `InvalidRecord`."""
    errors = common_errors(changes) | id_errors(changes)
    for name, field in CATEGORY.items():
        if name in changes:
            check_field(errors, name, changes[name], field, required=True)
    check_field(errors, "supercategory", changes.get("supercategory"), SUPERCATEGORY)
    if not KEYPOINTS.keys().isdisjoint(changes):
        check_keypoints(errors, {**record, **changes})
    refuse(errors)
    return _with_whole_bones(dict(changes))


def count_of_keypoints(category: Mapping[str, Any]) -> int | None:
    """How many keypoints each annotation of a category has, `None` where it tells nothing of them."""
    names = category.get("keypoints")
    return len(names) if isinstance(names, list) and names else None


def check_new_id(record_id: object, section: SectionName) -> int:
    """An id that a client brings, as an integer. Raises `InvalidRecord`."""
    field = NEW_ANNOTATION_ID if section == "annotations" else NEW_ID
    if problem := field.problem(record_id):
        raise InvalidRecord({"id": [problem]})
    return int(record_id)  # type: ignore[call-overload, no-any-return]


def common_errors(fields: Mapping[str, Any], *, geometry: bool = False) -> Errors:
    """What is wrong with names, with numbers (those of the geometry only with `geometry`), and with `iscrowd`."""
    errors: Errors = {}
    for key, value in fields.items():
        if key.startswith("_"):
            errors[key] = ["names that begin with an underscore are for derived fields; leave it out"]
        elif type(value) is not str and (geometry or key not in GEOMETRY) and (problem := unstorable(value)):
            errors[key] = [problem]
    if "iscrowd" in fields:
        check_field(errors, "iscrowd", fields["iscrowd"], FLAG)
    return errors


def check_field(errors: Errors, name: str, value: object, field: Field, *, required: bool = False) -> None:
    """Add to `errors` what is wrong with a field; null, or none at all, is wrong where it is `required`."""
    problem = ("is required" if required else None) if value is None else field.problem(value)
    if problem is not None:
        errors[name] = [problem]


def check_keypoints(errors: Errors, category: Mapping[str, Any]) -> None:
    """Add to `errors` what is wrong with what a category tells of keypoints: programs that draw them need it so."""
    for name, field in KEYPOINTS.items():
        check_field(errors, name, category.get(name), field)
    skeleton, count = category.get("skeleton"), count_of_keypoints(category) or 0
    if skeleton and not errors and max(end for pair in skeleton for end in pair) > count:
        errors["skeleton"] = [f"has a keypoint above {count}, the number of keypoints of the category"]


def id_errors(changes: Mapping[str, Any]) -> Errors:
    """What is wrong with a change that brings an `id`."""
    return {"id": ["can't be changed; leave it out"]} if "id" in changes else {}


def refuse(errors: Errors) -> None:
    """Raise `InvalidRecord` where there are errors."""
    if errors:
        raise InvalidRecord(errors)


def _with_whole_sides(fields: Fields) -> Fields:
    for side in ("width", "height"):
        if type(fields.get(side)) is float:
            fields[side] = int(fields[side])
    return fields


def _with_whole_bones(fields: Fields) -> Fields:
    """`fields` with `7.0` in a skeleton as the integer that it is: programs take it for an index."""
    if fields.get("skeleton"):
        fields["skeleton"] = [[int(end) for end in pair] for pair in fields["skeleton"]]
    return fields
