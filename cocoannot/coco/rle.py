"""Run-length encoded masks: their runs, their pixel count and their box. No mask is ever painted,
so the work grows with the number of runs and never with the picture; what else makes a
segmentation valid is the business of `cocoannot.coco.geometry`.

The format is that of pycocotools (`rleFrString`, `rleToBbox` and `rleArea` in `common/maskApi.c`
of cocodataset/cocoapi). That C code trusts its input and takes the process down when it is
hostile, so nothing here calls it: the tests compare with it.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

# pycocotools counts pixels in 32 bits; a larger mask would be one that no reader can load.
MOST_PIXELS = 2**32 - 1

# Seven chars of 5 bits carry any difference between two 32-bit counts, sign included. The limit also keeps
# the sums of differences, before anything is known about their size, far from overflowing 64 bits.
MOST_CHARS = 7

Runs = npt.NDArray[np.int64]


def runs(counts: object, height: int, width: int) -> Runs:
    """Give the run lengths of a mask: shape (n,), in pixels, background first and then alternating.

    The pixels are counted down the columns, first column first. `counts` is COCO's uncompressed list
    of integers or its compressed string, `height` and `width` the picture's in pixels. Runs of length 0 are kept.

    Raises ValueError, and nothing else, when `counts` is not a mask of exactly `height * width` pixels.
    """
    if height < 1 or width < 1 or height * width > MOST_PIXELS:
        raise ValueError(f"a mask needs a picture of 1 to {MOST_PIXELS} pixels")
    if isinstance(counts, str):
        lengths = _from_string(counts)
    elif isinstance(counts, list):
        lengths = _from_list(counts)
    else:
        raise ValueError("counts must be a list of integers or a string")
    pixels = height * width
    # Each run is bounded before they are added up, so that the sum can't overflow.
    wrong = (lengths < 0) | (lengths > pixels)
    if wrong.any():
        raise ValueError(f"count {int(wrong.argmax())} is not from 0 to {pixels}, the number of pixels of the picture")
    total = int(lengths.sum())
    if total != pixels:
        raise ValueError(f"the counts add up to {total} and must add up to {height} * {width} = {pixels} pixels")
    return lengths


def area_and_bbox(runs: Runs, height: int, width: int) -> tuple[int, list[float]]:
    """Measure the mask that `runs` (from the function of that name) describes.

    Gives the number of its pixels, and its box as whole numbers [x, y, width, height] in pixels:
    [0, 0, 0, 0] for an empty mask, also one of foreground runs of length 0 (pycocotools gives nonsense there).
    """
    lengths = runs[1::2]
    area = int(lengths.sum())
    if area == 0:
        return 0, [0, 0, 0, 0]
    painted = lengths > 0
    last = np.cumsum(runs)[1::2][painted] - 1
    first = last - lengths[painted] + 1
    left, right = int(first[0]) // height, int(last[-1]) // height
    if (first // height != last // height).any():
        # A run that goes on in the next column holds the bottom row of the one and the top row of the other.
        top, bottom = 0, height - 1
    else:
        top, bottom = int((first % height).min()), int((last % height).max())
    return area, [left, top, right - left + 1, bottom - top + 1]


def _from_list(counts: list[object]) -> Runs:
    if not counts:
        raise ValueError("counts must not be empty")
    kinds = set(map(type, counts))  # NumPy would take True for 1
    if not kinds <= {int, float}:
        raise ValueError("counts must hold integers only")
    try:
        if kinds == {int}:
            return np.array(counts, dtype=np.int64)
        numbers = np.array(counts, dtype=np.float64)
    except OverflowError as exc:
        raise ValueError(f"counts must be at most {MOST_PIXELS}") from exc
    # The bound lets no infinity and nothing that a float holds inexactly pass; NaN equals nothing.
    whole = (np.floor(numbers) == numbers) & (np.abs(numbers) <= MOST_PIXELS)
    if not whole.all():
        raise ValueError(f"count {int(whole.argmin())} is not an integer of at most {MOST_PIXELS}")
    return numbers.astype(np.int64)


def _from_string(counts: str) -> Runs:
    """Decode the compressed form: each value is a little-endian string of 5-bit digits, 32 added to each
    but the last, and 48 to make it a printable char; the highest bit of the last is the sign. From the
    fourth value on, what is written is the difference to the value two places before.
    """
    if not counts:
        raise ValueError("counts must not be empty")
    if not counts.isascii():
        raise ValueError("counts must be made of the chars '0' to 'o'")
    codes = np.frombuffer(counts.encode("ascii"), dtype=np.uint8) - np.uint8(48)  # chars below '0' wrap to above 63
    if codes.max() > 63:
        raise ValueError(f"char {int((codes > 63).argmax())} of counts is not one of '0' to 'o'")
    if codes[-1] >= 32:
        raise ValueError("counts ends in the middle of a value")
    # From the last digit of each value, which has the sign, back to its first. The steps are in place because
    # a hostile string has a value for each byte.
    place = np.flatnonzero(codes < 32)
    values = codes[place].astype(np.int64)
    values ^= 16
    values -= 16
    place -= 1  # -1 before the first value is the last char, which ends a value: nothing is taken from it
    longer = np.flatnonzero(codes[place] >= 32)
    place = place[longer]
    for _ in range(MOST_CHARS - 1):
        values[longer] = values[longer] * 32 + (codes[place] & 31)
        place -= 1
        more = codes[place] >= 32
        longer, place = longer[more], place[more]
    if longer.size:
        raise ValueError(f"value {int(longer[0])} of counts has more than {MOST_CHARS} chars")
    np.cumsum(values[1::2], out=values[1::2])
    np.cumsum(values[2::2], out=values[2::2])
    return values
