"""Geometry that was written in another form than COCO's, in COCO's form. Only what can mean one thing is converted.

Whether what comes out is valid, and fits its image, is decided elsewhere, but for masks: there it decides the form.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from cocoannot.check.holes import cut_out
from cocoannot.coco.fields import is_number
from cocoannot.coco.geometry import Number

_SPLIT = re.compile(r"[\s,;]+")
_SIDES = (
    ("x", "y", "width", "height"),
    ("x", "y", "w", "h"),
    ("left", "top", "width", "height"),
    ("xmin", "ymin", "width", "height"),
)
_CORNERS = (
    ("xmin", "ymin", "xmax", "ymax"),
    ("x1", "y1", "x2", "y2"),
    ("left", "top", "right", "bottom"),
    ("minx", "miny", "maxx", "maxy"),
    ("x0", "y0", "x1", "y1"),
)
_CENTRES = (("cx", "cy", "w", "h"), ("cx", "cy", "width", "height"), ("centerx", "centery", "width", "height"))
_BYTES = re.compile(r"\s*b(['\"]).*\1\s*", re.DOTALL)


def number_of(value: object) -> Number | None:
    """A number, also one written as a text; `None` where it is none, or not finite."""
    if isinstance(value, str):
        try:
            value = int(value) if len(value) < 20 else float(value)
        except ValueError:
            try:
                value = float(value)
            except ValueError:
                return None
    if not is_number(value) or (isinstance(value, int) and abs(value) >= 2**63):
        return None
    return value if math.isfinite(value) else None


def numbers_of(value: object) -> list[Number] | None:
    """A list of numbers, also as a text: "[1, 2]", "1 2", "1,2", ["1", "2"]."""
    if isinstance(value, str):
        value = _parsed(value)
    if not isinstance(value, list):
        return None
    numbers = [number_of(item) for item in value]
    return None if None in numbers else numbers  # type: ignore[return-value]


def box_of(value: object) -> list[Number] | None:
    """A box [x, y, width, height]; of more than four numbers the first four, of a negative side the other corner."""
    if isinstance(value, str):
        value = _parsed(value)
    if isinstance(value, list) and len(value) == 1 and isinstance(value[0], (list, dict)):
        value = value[0]
    if isinstance(value, dict):
        box = _box_of_object(value)
    else:
        box = numbers_of(value)
        box = box[:4] if box and len(box) in (4, 5) else None
    if box is None:
        return None
    x, y, width, height = box
    return [min(x, x + width), min(y, y + height), abs(width), abs(height)] if min(width, height) < 0 else box


def _box_of_object(value: Mapping[str, object]) -> list[Number] | None:
    fields = {re.sub(r"[^a-z0-9]", "", key.lower()): number_of(item) for key, item in value.items()}
    if numbers := _picked(fields, _SIDES):
        return numbers
    if numbers := _picked(fields, _CORNERS):
        left, top, right, bottom = numbers
        return [left, top, right - left, bottom - top]
    if numbers := _picked(fields, _CENTRES):
        x, y, width, height = numbers
        return [x - width / 2, y - height / 2, width, height]
    return None


def _picked(fields: Mapping[str, Number | None], names: Sequence[Sequence[str]]) -> list[Number] | None:
    for each in names:
        numbers = [fields.get(name) for name in each]
        if None not in numbers:
            return numbers  # type: ignore[return-value]
    return None


def polygons_of(value: object) -> list[object]:
    """The polygons of a segmentation as flat lists of numbers; what is none comes as it is."""
    if isinstance(value, str):
        value = _parsed(value)
    if isinstance(value, dict):
        return _polygons_of_object(value) or [value]
    if not isinstance(value, list):
        return [] if value is None else [value]
    if polygon := _points(value):
        return [polygon]
    return list(_each_polygon(value))


def _each_polygon(values: list[Any]) -> Iterator[object]:
    for value in values:
        item = _parsed(value) if isinstance(value, str) else value
        if isinstance(item, dict) and (polygons := _polygons_of_object(item)):
            yield from polygons
        elif isinstance(item, list) and (polygon := _points(item)):
            yield polygon
        elif isinstance(item, list) and item and all(isinstance(each, list) and _points(each) for each in item):
            yield from map(_points, item)
        else:
            yield value


def _points(value: list[Any]) -> list[Number] | None:
    """A polygon of at least three points, written as numbers, as pairs or as objects with x and y."""
    if value and all(isinstance(item, list) and len(item) == 2 for item in value):
        value = [number for pair in value for number in pair]
    elif value and all(isinstance(item, dict) and {"x", "y"} <= item.keys() for item in value):
        value = [item[axis] for item in value for axis in ("x", "y")]
    numbers = numbers_of(value)
    return numbers if numbers and len(numbers) >= 6 and len(numbers) % 2 == 0 else None


def _polygons_of_object(value: Mapping[str, Any]) -> list[object] | None:
    if isinstance(value.get("points"), dict):
        value = value["points"]
    if isinstance(value.get("coordinates"), list) and value.get("type") == "Polygon":
        rings = value["coordinates"]
        rings = [ring[:-1] if ring[:1] == ring[-1:] else ring for ring in rings if isinstance(ring, list)]
        outer, inner = rings[:1], rings[1:]
    elif isinstance(value.get("coordinates"), list) and value.get("type") == "MultiPolygon":
        parts = [_polygons_of_object({"type": "Polygon", "coordinates": rings}) for rings in value["coordinates"]]
        return None if None in parts else [polygon for part in parts for polygon in part or ()]
    elif isinstance(value.get("exterior"), list):
        outer, inner = [value["exterior"]], value.get("interiors", value.get("interior")) or []
    elif isinstance(value.get("all_points_x"), list) and isinstance(value.get("all_points_y"), list):
        outer, inner = [list(map(list, zip(value["all_points_x"], value["all_points_y"], strict=False)))], []
    else:
        return None
    polygons = [_points(ring) if isinstance(ring, list) else None for ring in [*outer, *inner]]
    if not polygons or None in polygons:
        return None
    return [cut_out(polygons[0], polygons[1:])]  # type: ignore[arg-type]


def masks_of(value: object, size: tuple[int, int] | None) -> Iterator[dict[str, Any]]:
    """What an RLE may mean, the likeliest first; nothing where it is none. `size` is the image's height and width."""
    if isinstance(value, str):
        value = _parsed(value)
        value = {key: value.get(key) for key in ("size", "counts")} if isinstance(value, dict) else value
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    if not isinstance(value, dict) or "counts" not in value:
        return
    own = value.get("size")
    if isinstance(own, dict):
        own = [own.get("height"), own.get("width")]
    sides = list(size) if own is None and size else numbers_of(own)
    if sides is None or len(sides) != 2:
        return
    for counts in _counts_of(value["counts"]):
        yield {**value, "size": sides, "counts": counts}
        if size and sides == [size[1], size[0]] != list(size):
            yield {**value, "size": list(size), "counts": counts}


def _counts_of(counts: object) -> Iterator[object]:
    if isinstance(counts, str):
        if _BYTES.fullmatch(counts):
            # Of what Python escapes, the format has the backslash alone.
            yield counts.strip()[2:-1].replace("\\\\", "\\")
            return
        yield counts
        if (numbers := numbers_of(counts)) is not None:
            yield numbers
    elif isinstance(counts, list):
        numbers = numbers_of(counts)
        if numbers is None:
            return
        yield numbers
        if numbers and all(isinstance(number, int) and 48 <= number < 112 for number in numbers):
            # The bytes of a text, one by one.
            yield "".join(map(chr, numbers))  # type: ignore[arg-type]


def keypoints_of(value: object, expected: int | None) -> list[Number] | None:
    """Keypoints as [x, y, v, ...]: from triples, and from pairs, of which (0, 0) is one that is not labelled.

    Where a keypoint that is not labelled has no numbers for x and y, these are 0.
    """
    if isinstance(value, str):
        value = _parsed(value)
    if not isinstance(value, list):
        return None
    if value and all(isinstance(item, dict) and {"x", "y", "v"} <= item.keys() for item in value):
        value = [[item[key] for key in ("x", "y", "v")] for item in value]
    value = _with_unlabelled(value)
    if value and all(isinstance(item, list) and len(item) == len(value[0]) for item in value):
        width = len(value[0])
        flat = numbers_of([number for item in value for number in item])
    else:
        flat = numbers_of(value)
        width = 2 if flat and expected is not None and len(flat) == 2 * expected else 3
    if flat is None or width not in (2, 3):
        return None
    if width == 3:
        return flat
    pairs = zip(flat[::2], flat[1::2], strict=True)
    return [number for x, y in pairs for number in (x, y, 2 if x or y else 0)]


def _with_unlabelled(value: list[Any]) -> list[Any]:
    nowhere: list[object] = [None, None, 0]
    if any(item == nowhere for item in value):
        return [[0, 0, 0] if item == nowhere else item for item in value]
    if None in value and len(value) % 3 == 0:
        triples = [value[i : i + 3] for i in range(0, len(value), 3)]
        return [number for triple in triples for number in ([0, 0, 0] if triple == nowhere else triple)]
    return value


def flag_of(value: object) -> int | None:
    """0 or 1, also as a text; `None` for anything else."""
    number = number_of(value.strip() if isinstance(value, str) else value)
    if isinstance(value, str) and value.strip().lower() in ("true", "false"):
        number = int(value.strip().lower() == "true")
    return int(number) if number in (0, 1) else None


def _parsed(text: str) -> object:
    """The value that a text holds: JSON, or numbers with spaces or commas between."""
    stripped = text.strip()
    if len(stripped) > 1 and stripped[0] in "[{":
        try:
            return json.loads(stripped)
        except (ValueError, RecursionError):
            return None
    parts = [part for part in _SPLIT.split(stripped.strip("()")) if part]
    return parts if len(parts) > 1 else None
