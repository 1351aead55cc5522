"""Where each record of a long JSON list begins and ends, found block by block, so that memory does not grow with it.

What is read is valid JSON; that it is, and what the records hold, is looked at elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from cocoannot.coco.parser import Ints

_BLOCK = 1 << 20
_QUOTE, _BACKSLASH = ord('"'), b"\\"

_STEPS = np.zeros(256, np.int8)
_STEPS[[ord("["), ord("{")]] = 1
_STEPS[[ord("]"), ord("}")]] = -1
_MARKS = _STEPS != 0
_MARKS[_QUOTE] = True


def split(text: memoryview, start: int, end: int) -> Iterator[tuple[Ints, Ints]]:
    """The byte offsets where the objects and lists of the JSON list from `start` to `end` begin and end, in order.

    Each time two arrays of the same length, above 0: those that end in the next block of about a mebibyte.
    """
    depth = quotes = 0
    begun = np.zeros(0, np.int64)
    while start < end:
        stop = _not_within_an_escape(text, min(start + _BLOCK, end), end)
        block = bytes(text[start:stop])
        if _BACKSLASH in block:
            block = block.replace(b"\\\\", b"  ").replace(b'\\"', b"  ")
        codes = np.frombuffer(block, np.uint8)
        marks = np.flatnonzero(_MARKS[codes])
        kinds = codes[marks]
        parity = np.cumsum(kinds == _QUOTE, dtype=np.int64) + quotes
        steps = np.where(parity % 2 == 0, _STEPS[kinds], 0)
        depths = np.cumsum(steps, dtype=np.int64) + depth
        begun = np.concatenate([begun, marks[(steps == 1) & (depths == 2)] + start])
        ended = marks[(steps == -1) & (depths == 1)] + start + 1
        if len(ended):
            yield begun[: len(ended)], ended
            begun = begun[len(ended) :]
        if len(marks):
            quotes, depth = int(parity[-1]) % 2, int(depths[-1])
        start = stop


def _not_within_an_escape(text: memoryview, stop: int, end: int) -> int:
    """The first place from `stop` on that has no backslash before it."""
    while stop < end and text[stop - 1] == _BACKSLASH[0]:
        ahead = bytes(text[stop : min(stop + _BLOCK, end)])
        run = len(ahead) - len(ahead.lstrip(_BACKSLASH))
        stop += min(run + 1, len(ahead))
    return stop
