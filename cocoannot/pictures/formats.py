"""Which kinds of file count as pictures, told by their content alone. Where files are is decided elsewhere."""

from __future__ import annotations

from pathlib import Path
from typing import BinaryIO

from PIL import Image

from cocoannot.errors import BadPicture, CocoannotError, UnknownId

TYPES = {
    "JPEG": "image/jpeg",
    "MPO": "image/jpeg",
    "PNG": "image/png",
    "WEBP": "image/webp",
    "GIF": "image/gif",
    "BMP": "image/bmp",
    "TIFF": "image/tiff",
}
"""Media type by Pillow's name of the format; nothing else is served. MPO is how it calls the JPEG of many phones."""

FORMATS = tuple(name for name in TYPES if name != "MPO")
"""What Pillow is to look for; it finds MPO where it looks for JPEG."""


def media_type(picture: Path | BinaryIO, file_name: str) -> str:
    """The media type of a file, which its record calls `file_name`.

    Raises `UnknownId` where it can't be read or is no picture, `BadPicture` for one beyond Pillow's limit, and what
    reading an open file raises of our own errors.
    """
    try:
        with Image.open(picture, formats=FORMATS) as image:
            return TYPES[image.format or ""]
    except CocoannotError:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as exc:
        raise BadPicture(f"the picture {file_name!r} has too many pixels, so it is not served") from exc
    except OSError as exc:
        if exc.strerror:
            raise UnknownId(f"the picture {file_name!r} can't be read: {exc.strerror}") from exc
        raise no_picture(file_name) from exc
    except Exception as exc:
        # A file that is made to be hostile may raise anything in Pillow.
        raise no_picture(file_name) from exc


def no_picture(file_name: str) -> UnknownId:
    """The error for a file that is of another kind."""
    return UnknownId(f"{file_name!r} is not a picture (JPEG, PNG, WebP, GIF, BMP or TIFF)")
