"""What a record must be before it is stored: what all share, images, categories. Nothing is stored here."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, TypeGuard

from cocoannot.coco.parser import MAX_ID
from cocoannot.errors import InvalidRecord

MAX_SIDE = 65_535
"""Largest width or height of an image, in pixels."""

MAX_NAME = 1_000
"""Longest name or supercategory of a category, in characters."""

MAX_FILE_NAME = 4_096
"""Longest `file_name` of an image, in characters: a path on Linux has no more bytes."""

Fields = dict[str, Any]
Errors = dict[str, list[str]]

_COMPUTED = {"segmentation", "bbox", "area", "keypoints", "num_keypoints"}


def new_image(fields: Mapping[str, Any]) -> Fields:
    """The fields of a new image. `id` is passed through. Raises `InvalidRecord`."""
    return _checked({key: value for key, value in fields.items() if value is not None}, fields, _IMAGE)


def changed_image(changes: Mapping[str, Any]) -> Fields:
    """What to merge into an image. Raises `InvalidRecord`."""
    return _checked(changes, changes, {key: check for key, check in _IMAGE.items() if key in changes}, id_errors)


def new_category(fields: Mapping[str, Any]) -> Fields:
    """The fields of a new category, `supercategory` "none" if not given. Raises `InvalidRecord`."""
    given = {key: value for key, value in fields.items() if value is not None}
    return _checked({"supercategory": "none", **given}, given, _CATEGORY)


def changed_category(changes: Mapping[str, Any]) -> Fields:
    """What to merge into a category. Raises `InvalidRecord`."""
    required = {key: check for key, check in _CATEGORY.items() if key in changes and key != "supercategory"}
    if changes.get("supercategory") is not None:
        required["supercategory"] = _CATEGORY["supercategory"]
    return _checked(changes, changes, required, id_errors)


def check_new_id(record_id: object, lowest: int = 0) -> int:
    """An id that a client brings, as an integer; files may hold negative ones. Raises `InvalidRecord`."""
    if not is_integer(record_id) or not lowest <= record_id <= MAX_ID:
        raise InvalidRecord({"id": ["must be an integer from 0 to 2^53 - 1"]})
    return int(record_id)


def plain_errors(fields: Mapping[str, Any], *, geometry: bool = False) -> Errors:
    errors: Errors = {}
    for key, value in fields.items():
        if key.startswith("_"):
            errors[key] = ["names that begin with an underscore are for derived fields; leave it out"]
        elif (geometry or key not in _COMPUTED) and (problem := _unstorable(value)):
            errors[key] = [problem]
    crowd = fields.get("iscrowd")
    if crowd is not None and not (is_number(crowd) and crowd in (0, 1)):
        errors["iscrowd"] = ["must be 0 or 1"]
    return errors


def _unstorable(value: object) -> str | None:
    """Why a JSON value can't be stored as it is; `None` where it can."""
    if type(value) is int and -(2**63) <= value < 2**63:
        return None
    waiting = [value]
    while waiting:
        item = waiting.pop()
        if isinstance(item, int):
            if not -(2**63) <= item < 2**63:
                return "holds an integer that does not fit into 64 bits"
        elif isinstance(item, float):
            if not math.isfinite(item):
                return "holds a number that is not finite"
        elif isinstance(item, (list, tuple)):
            waiting.extend(item)
        elif isinstance(item, dict):
            waiting.extend(item.values())
    return None


def id_errors(changes: Mapping[str, Any]) -> Errors:
    return {"id": ["can't be changed; leave it out"]} if "id" in changes else {}


def _side(value: object) -> str | None:
    if is_integer(value) and 1 <= value <= MAX_SIDE:
        return None
    return f"must be an integer from 1 to {MAX_SIDE:,}, in pixels"


def _text(longest: int, *, required: bool = True) -> Callable[[object], str | None]:
    def check(value: object) -> str | None:
        if value is None and not required:
            return None
        if not isinstance(value, str):
            return "must be a text"
        if required and not value.strip():
            return "must be a text that is not empty"
        return None if len(value) <= longest else f"must have at most {longest:,} characters"

    return check


_Checks = Mapping[str, Callable[[object], str | None]]
_IMAGE: _Checks = {"file_name": _text(MAX_FILE_NAME), "width": _side, "height": _side}
_CATEGORY: _Checks = {"name": _text(MAX_NAME), "supercategory": _text(MAX_NAME, required=False)}


def _checked(
    result: Mapping[str, Any],
    given: Mapping[str, Any],
    checks: _Checks,
    more: Callable[[Mapping[str, Any]], Errors] = lambda _: {},
) -> Fields:
    errors = plain_errors(given) | more(given)
    for field, check in checks.items():
        if problem := check(given.get(field)):
            errors[field] = [problem]
    refuse(errors)
    return {key: int(value) if key in ("width", "height") else value for key, value in result.items()}


def collect(errors: Errors, check: Callable[[], object]) -> None:
    try:
        check()
    except InvalidRecord as exc:
        errors |= exc.errors


def refuse(errors: Errors) -> None:
    if errors:
        raise InvalidRecord(errors)


def is_number(value: object) -> TypeGuard[int | float]:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def is_integer(value: object) -> TypeGuard[int | float]:
    return is_number(value) and (isinstance(value, int) or value.is_integer())
