"""How large a picture is, told by its head alone: no pixel is decoded. Which file it is, is decided elsewhere."""

from __future__ import annotations

from typing import BinaryIO, NamedTuple

from PIL import ExifTags, Image

from cocoannot.coco.fields import MAX_SIDE
from cocoannot.errors import BadPicture, CocoannotError, UnknownId
from cocoannot.pictures.formats import FORMATS, no_picture
from cocoannot.pictures.rendering import Unmapped

MAX_PIXELS = 2 * (Image.MAX_IMAGE_PIXELS or 89_478_485)
"""Pictures with more pixels are refused: Pillow takes them for a decompression bomb, so nobody could open them."""

AS_STORED = 1
"""The EXIF orientation of a picture that is shown as its pixels are stored."""

SIDEWAYS = 5
"""From this one on, width and height are swapped."""


class Size(NamedTuple):
    """Width and height in pixels, as they are stored, which is what `width` and `height` of a record mean.

    `orientation` is that of EXIF, 1 to 8; from `SIDEWAYS` on, those who turn the picture see width and height swapped.
    """

    width: int
    height: int
    orientation: int = AS_STORED

    @property
    def is_turned(self) -> bool:
        """Whether programs that follow EXIF show the picture otherwise than it is stored."""
        return self.orientation != AS_STORED


class Head(NamedTuple):
    """What a picture is: Pillow's name of its format, and its size."""

    format: str
    size: Size


def measure(file: BinaryIO, name: str) -> Head:
    """What the picture in an open file is, which messages call `name`.

    Raises `UnknownId` where it is no picture or can't be read, `BadPicture` where it is larger than a record can say or
    than programs open, and what reading `file` raises of our own errors.
    """
    try:
        with Image.open(file, formats=FORMATS) as image:
            width, height = image.size
            head = Head(image.format or "", Size(width, height, _orientation(image)))
    except CocoannotError:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning, MemoryError) as exc:
        raise BadPicture(f"{name!r} has too many pixels; {MAX_PIXELS:,} are allowed") from exc
    except OSError as exc:
        if exc.strerror:
            raise UnknownId(f"{name!r} can't be read: {exc.strerror}") from exc
        raise no_picture(name) from exc
    except Exception as exc:
        # A file that is made to be hostile may raise anything in Pillow.
        raise no_picture(name) from exc
    if not (0 < width <= MAX_SIDE and 0 < height <= MAX_SIDE):
        raise BadPicture(f"{name!r} is {width} x {height} pixels; 1 to {MAX_SIDE:,} are allowed for each side")
    return head


def measure_file(fd: int, name: str) -> Head:
    """As `measure`, of an open descriptor, which stays open. It is not mapped: a file that shrinks is no crash."""
    with Unmapped(fd, closefd=False) as file:
        file.seek(0)
        return measure(file, name)


def _orientation(image: Image.Image) -> int:
    # Of a PNG whose EXIF comes after its pixels, Pillow would decode these to find it.
    if image.format == "PNG" and "exif" not in image.info:
        return AS_STORED
    try:
        turned = image.getexif().get(ExifTags.Base.Orientation, AS_STORED)
    except Exception:
        # Damaged EXIF says nothing.
        return AS_STORED
    return turned if turned in range(1, 9) else AS_STORED
