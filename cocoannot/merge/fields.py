"""One record that two sides changed: which fields each of them changed, and in which they contradict each other.

Values count, not how they are written: `1` and `1.0` are the same, `1` and `true` are not. The fields that say together
where an annotation is count as one.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

GEOMETRY = frozenset({"segmentation", "bbox", "area", "keypoints", "num_keypoints", "iscrowd"})
"""Fields that one side changes alone, or that contradict each other: half of one shape and half of another is none."""

Fields = Mapping[str, Any]

_ABSENT = object()


def same_value(one: object, other: object) -> bool:
    """Whether two decoded JSON values are the same."""
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same_value, one, other))
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same_value(value, other[key]) for key, value in one.items())
    return one == other


def changed_fields(before: Fields, after: Fields) -> set[str]:
    """The fields that are others, or there in one of both only."""
    return {key for key in {*before, *after} if _differs(key, before, after)}


def clashing_fields(our_changes: set[str], their_changes: set[str], ours: Fields, theirs: Fields) -> set[str]:
    """The fields that both changed, and not to the same; of the geometry all that either of them changed."""
    clash = {key for key in our_changes & their_changes - GEOMETRY if _differs(key, ours, theirs)}
    shapes = our_changes & GEOMETRY, their_changes & GEOMETRY
    # Where one side has all that the other one changed, there is one shape.
    if all(any(_differs(key, ours, theirs) for key in shape) for shape in shapes):
        clash |= shapes[0] | shapes[1]
    return clash


def _differs(key: str, one: Fields, other: Fields) -> bool:
    return not same_value(one.get(key, _ABSENT), other.get(key, _ABSENT))
