"""Names for pictures that come from elsewhere: such that every file system takes them, and that lead nowhere else.

Whether a name is free is not known here.
"""

from __future__ import annotations

import os
import re
import unicodedata
from collections.abc import Iterator

from cocoannot.errors import InvalidRecord

SUFFIXES = {
    "JPEG": (".jpg", ".jpeg", ".jpe", ".jfif"),
    "MPO": (".jpg", ".jpeg", ".jpe", ".jfif", ".mpo"),
    "PNG": (".png",),
    "WEBP": (".webp",),
    "GIF": (".gif",),
    "BMP": (".bmp", ".dib"),
    "TIFF": (".tif", ".tiff"),
}
"""What names of pictures end in, by Pillow's name of the format; the first is given where a name has none of them."""

_PICTURE_SUFFIXES = frozenset(suffix for suffixes in SUFFIXES.values() for suffix in suffixes)

_MAX_BYTES = 200
"""The longest name that is given; most file systems take 255, and a number may have to fit in."""

_MOST_BYTES = 255
"""The longest name that is taken as it is."""

_MOST_NUMBERED = 10_000
_MOST_FOLDERS = 16

# What Windows and macOS refuse, and what shells and web addresses read as something else.
_UNSAFE = re.compile(r'[\x00-\x1f\x7f-\x9f/\\:*?"<>|\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff\ufffd]')
_SURROGATE = re.compile(r"[\ud800-\udfff]")
_RESERVED = re.compile(
    r"(con|prn|aux|nul|com[0-9\u00b9\u00b2\u00b3]|lpt[0-9\u00b9\u00b2\u00b3])(?=\.|\Z)", re.IGNORECASE
)
_OWN = ".cocoannot"


def safe_name(text: str, format: str) -> str:
    """A name for a picture of `format` (as Pillow calls it) that somebody calls `text`: its last part, made safe."""
    name = _safe(re.split(r"[/\\]", text)[-1])
    stem, suffix = os.path.splitext(name)
    if not is_called_like_a_picture(name):
        stem, suffix = name, SUFFIXES[format][0]
    return _cut(stem or "picture", _MAX_BYTES - len(suffix)) + suffix


def is_called_like_a_picture(name: str) -> bool:
    """Whether a name ends as those of pictures do."""
    return os.path.splitext(name)[1].lower() in _PICTURE_SUFFIXES


def numbered(name: str) -> Iterator[str]:
    """`name`, then others like it: `a.jpg`, `a-2.jpg`, `a-3.jpg`, and so on."""
    yield name
    stem, suffix = os.path.splitext(name)
    for number in range(2, _MOST_NUMBERED):
        yield f"{stem}-{number}{suffix}"


def check_file_name(file_name: str) -> str:
    """`file_name` as a path below the image folder where a picture may be put, in Unicode NFC.

    Raises `InvalidRecord` where it leads out, is no name on every file system, or is of the server's own files.
    """
    path = unicodedata.normalize("NFC", file_name)
    parts = path.split("/")
    problem = _problem(path, parts)
    if problem:
        raise InvalidRecord({"file_name": [f"{problem}; a picture can't be stored by it"]})
    return path


def folded(name: str) -> str:
    """What two names have in common that are one name to a file system that does not tell case or accents' form."""
    return unicodedata.normalize("NFC", name).casefold()


def _problem(path: str, parts: list[str]) -> str | None:
    if path.startswith("/") or ".." in parts or re.match(r"[A-Za-z]:", path):
        return "leads out of the image folder"
    if _SURROGATE.search(path) or any(_UNSAFE.search(part) for part in parts):
        return "has a character that not every file system takes"
    if len(parts) > _MOST_FOLDERS:
        return f"has more than {_MOST_FOLDERS} parts"
    for part in parts:
        if not part.strip() or part != part.rstrip(". ") or part.startswith(("~", " ")):
            return "has a part that is empty, or that begins or ends with a space or ends with a dot"
        if part.startswith(".") or part.lower().endswith(_OWN) or f"{_OWN}." in part.lower():
            return "has a part that is hidden or of the server's own"
        if _RESERVED.match(part):
            return f"has {part!r}, which is a device on Windows"
        if len(part.encode()) > _MOST_BYTES:
            return f"has a part of more than {_MOST_BYTES} bytes"
    return None


def _safe(text: str) -> str:
    name = unicodedata.normalize("NFC", _SURROGATE.sub("_", text))
    name = _UNSAFE.sub("_", name).strip().strip(". ")
    name = re.sub(r"\s+", " ", name)
    name = f"_{name}" if _RESERVED.match(name) or name.startswith("~") else name
    return re.sub(rf"(?i){re.escape(_OWN)}", "_cocoannot", name)


def _cut(stem: str, most: int) -> str:
    """`stem` in at most so many bytes, without half a character."""
    return stem.encode()[:most].decode(errors="ignore").rstrip(". ") or "picture"
