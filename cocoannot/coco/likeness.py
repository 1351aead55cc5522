"""What makes two annotations of one image and one category the same: their geometry, whatever their ids and layout.

Masks (RLE) are alike where their runs are, compressed or not; numbers where their values are, `1` and `1.0`. A record
without geometry and caption is like another one where all other fields are alike. Nothing is measured here.
"""

from __future__ import annotations

import json
from hashlib import blake2b
from typing import Any

import msgspec

from cocoannot.coco import rle
from cocoannot.coco.fields import is_integer, is_number
from cocoannot.coco.records import Record

Likeness = bytes
"""A hash: annotations with the same one are alike."""


class _Mask(msgspec.Struct, gc=False):
    size: list[int]
    counts: str | list[int]


class _Shape(msgspec.Struct, gc=False):
    """The fields that count, as most files have them: numbers become floats."""

    segmentation: list[list[float]] | _Mask | None = None
    bbox: list[float] | None = None
    keypoints: list[float] | None = None
    caption: str | None = None


_SHAPE = msgspec.json.Decoder(_Shape)
_ENCODE = msgspec.msgpack.Encoder().encode
_REFERENCES = ("id", "image_id", "category_id")


def likeness(text: bytes) -> Likeness:
    """What an annotation's text is the same as others by."""
    try:
        shape = _SHAPE.decode(text)
        segmentation: Any = shape.segmentation
        if isinstance(segmentation, _Mask):
            segmentation = _runs(segmentation.size, segmentation.counts)
        parts = _parts(segmentation, shape.bbox, shape.keypoints, shape.caption)
        if parts is not None:
            return _digest(_ENCODE(parts))
    except msgspec.MsgspecError:
        pass
    return _odd_likeness(Record(text))


def _odd_likeness(record: Record) -> Likeness:
    """The same for fields of other types, and for a record that has none of them."""
    values = {key: _canonical(value) for key, value in record.items()}
    parts: Any = _parts(*(values.get(name) for name in ("segmentation", "bbox", "keypoints", "caption")))
    if parts is None:
        parts = {key: value for key, value in values.items() if key not in _REFERENCES}
    return _digest(json.dumps(parts, sort_keys=True).encode())


def _parts(segmentation: Any, bbox: Any, keypoints: Any, caption: Any) -> tuple[Any, ...] | None:
    """What counts of the four fields; `None` where that is nothing. A box follows from a segmentation."""
    box = None if segmentation else bbox
    if not (segmentation or box or keypoints or caption):
        return None
    return segmentation or None, box, keypoints or None, caption


def _runs(size: list[int], counts: str | list[int]) -> tuple[Any, ...]:
    try:
        return size, rle.runs(counts, *size).tobytes()
    except (ValueError, TypeError):
        return size, counts


def _canonical(value: Any) -> Any:
    if isinstance(value, list):
        return [_canonical(each) for each in value]
    if isinstance(value, dict):
        return {key: _canonical(each) for key, each in value.items()}
    if is_integer(value):
        return int(value)
    return float(value) if is_number(value) else value


def _digest(data: bytes) -> bytes:
    return blake2b(data, digest_size=16).digest()
