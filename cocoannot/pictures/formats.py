"""Which kinds of file count as pictures. Where they are, and what is made of them, is decided elsewhere."""

from __future__ import annotations

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
