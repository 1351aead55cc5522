"""A JPEG of a picture, small or of its own size, in bounded memory, whatever is in the file.

Which file, and when, is decided elsewhere.
"""

from __future__ import annotations

import io
import logging
import math
import os
from collections.abc import Callable
from typing import BinaryIO, cast

from PIL import ExifTags, Image

from cocoannot.errors import BadPicture, CocoannotError, UnknownId
from cocoannot.pictures.formats import FORMATS

log = logging.getLogger(__name__)

MAX_PIXELS = Image.MAX_IMAGE_PIXELS or 89_478_485
"""Pictures with more pixels than this get no thumbnail: Pillow's own limit against decompression bombs."""

MAX_BYTES = 512 * 1024 * 1024
"""Nor do larger files: of some formats, Pillow reads the whole file into memory."""

MAX_WHOLE_PIXELS = 50_000_000
"""Pictures with more pixels than this get no JPEG of their own size: it takes up to 10 bytes of memory a pixel."""

MAX_SIDE = 65_500
"""Nor do longer ones: that is what a JPEG can hold."""

_QUALITY = 85
_WHOLE_QUALITY = 92
_STRIP_PIXELS = 1 << 20
_TOO_LARGE = (Image.DecompressionBombError, Image.DecompressionBombWarning, MemoryError)
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""What to do with a picture, by its EXIF orientation."""


class Unmapped(io.FileIO):
    """A file that Pillow and libtiff only read: one that they map, and that gets shorter, ends the process."""

    def fileno(self) -> int:
        raise io.UnsupportedOperation("fileno")


def render(file: BinaryIO, name: str, size: int | None) -> bytes:
    """A JPEG of a picture, turned as its EXIF says, on white where it is transparent.

    It is at most `size` pixels long, never longer than the picture, and as long as that where `size` is `None`.

    Raises `UnknownId` where it can't be read, `BadPicture` where it is damaged or too large, and what reading `file`
    raises of our own errors.
    """
    try:
        return _jpeg(file, size)
    except CocoannotError:
        raise
    except _TOO_LARGE as exc:
        pixels = f"{MAX_PIXELS} pixels" if size else f"{MAX_WHOLE_PIXELS} pixels, {MAX_SIDE} in a side,"
        reason, problem = repr(exc), f"too large; {pixels} and {MAX_BYTES} bytes are allowed"
    except Exception as exc:
        if isinstance(exc, OSError) and exc.strerror:
            raise UnknownId(f"the picture {name!r} can't be read: {exc.strerror}") from exc
        # A file that is made to be hostile may raise anything in Pillow.
        reason, problem = repr(exc), "damaged"
    what = "thumbnail" if size else "JPEG"
    log.info("no %s of %r: %s", what, name, reason)
    # Not from within: the traceback there keeps the picture in memory for as long as it is kept itself.
    raise BadPicture(f"there is no {what} of {name!r}: the picture is {problem}")


def _jpeg(file: BinaryIO, size: int | None) -> bytes:
    if file.seek(0, os.SEEK_END) > MAX_BYTES:
        raise Image.DecompressionBombError("too many bytes")
    with Image.open(file, formats=FORMATS) as image:
        is_too_long = size is None and max(image.size) > MAX_SIDE
        if image.width * image.height > (MAX_PIXELS if size else MAX_WHOLE_PIXELS) or is_too_long:
            raise Image.DecompressionBombError(f"{image.width} x {image.height} pixels")
        # Of a JPEG, decode only every second, fourth or eighth pixel where that is enough.
        longest = max(image.size) if size is None else size
        draft = image.draft(None, _fitting(*image.size, longest))
        image.load()
        _, _, width, height = draft[1] if draft else (0, 0, *image.size)
        small = _resized(image, width, height, _fitting(width, height, longest))
        turn = _turn(image)
    target = io.BytesIO()
    (small if turn is None else small.transpose(turn)).save(
        target, "JPEG", quality=_QUALITY if size else _WHOLE_QUALITY
    )
    return target.getvalue()


def _fitting(width: float, height: float, size: int) -> tuple[int, int]:
    scale = min(1, size / max(width, height))
    return max(1, round(width * scale)), max(1, round(height * scale))


def _resized(image: Image.Image, width: float, height: float, target: tuple[int, int]) -> Image.Image:
    """The top left `width` x `height` pixels of `image`, which are almost all, in RGB and at the size `target`.

    In strips, so that another mode takes no memory for a second whole picture.
    """
    across, down = (max(1, int(side / wanted / 2)) for side, wanted in zip((width, height), target, strict=True))
    reduced = Image.new("RGB", (math.ceil(image.width / across), math.ceil(image.height / down)))
    to_grey = _scale_to_grey(image)
    rows = down * max(1, _STRIP_PIXELS // (image.width * down))
    for top in range(0, image.height, rows):
        strip = image.crop((0, top, image.width, min(top + rows, image.height)))
        flat = strip.convert("F").point(to_grey).convert("L") if to_grey else _on_white(strip)
        reduced.paste(flat.reduce((across, down)), (0, top // down))
    if reduced.size == target == (width, height):
        return reduced
    return reduced.resize(target, Image.Resampling.BICUBIC, (0, 0, width / across, height / down))


def _scale_to_grey(image: Image.Image) -> Callable[[float], float] | None:
    """What makes 0 to 255 of the values of a mode with more than 8 bits, `None` for other modes.

    16 bits are shown as browsers do. 32 have no usual range, so they go from the darkest to the brightest pixel.
    """
    if image.mode.startswith("I;16"):
        return lambda value: value * (1 / 257) + 0.5
    if image.mode not in ("I", "F"):
        return None
    low, high = cast("tuple[float, float]", image.getextrema())
    span = high - low
    scale = 255 / span if math.isfinite(span) and span > 0 else 1.0
    offset = -low * scale if math.isfinite(low * scale) else 0.0
    return lambda value: value * scale + (offset + 0.5)


def _on_white(image: Image.Image) -> Image.Image:
    if image.mode in ("RGB", "L") and not image.has_transparency_data:
        return image
    if not image.has_transparency_data:
        return image.convert("RGB")
    clear = image.convert("RGBA")
    white = Image.new("RGB", clear.size, "white")
    white.paste(clear, mask=clear)
    return white


def _turn(image: Image.Image) -> Image.Transpose | None:
    try:
        return _TURNS.get(image.getexif().get(ExifTags.Base.Orientation, 1))
    except Exception:
        # Damaged EXIF is no reason to show nothing.
        return None
