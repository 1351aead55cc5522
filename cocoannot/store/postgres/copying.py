"""Rows for a binary COPY, made many at a time: NumPy lays out what has a fixed width, the texts go in between."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from cocoannot.coco.parser import Ints

HEADER = b"PGCOPY\n\xff\r\n\0" + bytes(8)
TRAILER = b"\xff\xff"

Kind = Literal["int2", "int4", "int8", "float4", "bool"]

_WIDTHS: dict[Kind, str] = {"int2": ">i2", "int4": ">i4", "int8": ">i8", "float4": ">f4", "bool": "u1"}
_AT_ONCE = 4096
_NULL = struct.pack(">i", -1)


class Column(NamedTuple):
    """Values of a fixed width, one for all rows or one for each; `null` says where there is none."""

    kind: Kind
    values: int | npt.NDArray[Any]
    null: npt.NDArray[np.bool_] | None = None


class Spans(NamedTuple):
    """Texts in a buffer: where each begins and ends."""

    buffer: bytes
    starts: Ints
    ends: Ints


Texts = Spans | Sequence[bytes | None]


def copy_blocks(count: int, columns: Sequence[Column], texts: Sequence[Texts]) -> Iterator[bytes]:
    """What COPY takes, in blocks: `count` rows, first the `columns` and then the `texts` of each."""
    yield HEADER
    fixed, ends = _fixed(count, columns, len(columns) + len(texts))
    nulls = {index: column.null for index, column in enumerate(columns) if column.null is not None}
    for first in range(0, count, _AT_ONCE):
        rows = slice(first, min(first + _AT_ONCE, count))
        heads = _heads(fixed[rows], {index: null[rows] for index, null in nulls.items()}, ends)
        fields = zip(heads, *(_lengthened(each, rows) for each in texts), strict=True)
        yield b"".join([field for row in fields for field in row])
    yield TRAILER


def _fixed(count: int, columns: Sequence[Column], fields: int) -> tuple[npt.NDArray[Any], list[tuple[int, int]]]:
    """The fixed part of all rows, and where each column's length begins and its value ends."""
    kinds: list[tuple[str, str]] = [("fields", ">i2")]
    ends: list[tuple[int, int]] = []
    at = 2
    for index, column in enumerate(columns):
        width = _WIDTHS[column.kind]
        kinds += [(f"length{index}", ">i4"), (f"value{index}", width)]
        end = at + 4 + np.dtype(width).itemsize
        ends.append((at, end))
        at = end
    rows = np.zeros(count, np.dtype(kinds))
    rows["fields"] = fields
    for index, column in enumerate(columns):
        rows[f"length{index}"] = np.dtype(_WIDTHS[column.kind]).itemsize
        rows[f"value{index}"] = column.values
    return rows, ends


def _heads(
    rows: npt.NDArray[Any], nulls: Mapping[int, npt.NDArray[np.bool_]], ends: Sequence[tuple[int, int]]
) -> list[bytes]:
    """The fixed part of each row as bytes."""
    raw, width = rows.tobytes(), rows.dtype.itemsize
    heads = [raw[at : at + width] for at in range(0, len(raw), width)]
    odd = np.zeros(len(rows), np.bool_)
    for null in nulls.values():
        odd |= null
    for row in np.flatnonzero(odd).tolist():
        head, pieces, last = heads[row], [], 0
        for column, (start, end) in enumerate(ends):
            if column in nulls and nulls[column][row]:
                pieces += [head[last:start], _NULL]
                last = end
        heads[row] = b"".join(pieces) + head[last:]
    return heads


def _lengthened(texts: Texts, rows: slice) -> list[bytes]:
    """Each text with its length before it."""
    if not isinstance(texts, Spans):
        return [_NULL if text is None else struct.pack(">i", len(text)) + text for text in texts[rows]]
    starts, ends = texts.starts[rows], texts.ends[rows]
    lengths = (ends - starts).astype(">i4").tobytes()
    spans = zip(starts.tolist(), ends.tolist(), strict=True)
    return [lengths[4 * row : 4 * row + 4] + texts.buffer[start:end] for row, (start, end) in enumerate(spans)]
