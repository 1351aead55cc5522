"""The names that an image's record has for its picture, as paths below the image folder. Files are not looked at.

People's files name pictures as the tool that wrote them did, on another machine perhaps. So a name is read as it is,
and then as what it may mean:

    images\\b.jpg                      images/b.jpg
    images/my%20photo.jpg             images/my photo.jpg
    u + combining diaeresis, or ü     the other of both (NFD, NFC)
    folder/day/b.jpg                  day/b.jpg, where the path of the image folder ends in `folder`
    /path/of/folder/day/b.jpg         day/b.jpg, where the image folder is at that path
    C:\\other\\folder\\day\\b.jpg        day/b.jpg, where the image folder is called `folder`
    /other/place/day/b.jpg            day/b.jpg, at most four of the last parts, but never the last one alone
    https://host/day/b.jpg            day/b.jpg, as any absolute path

The last part alone would be a guess: folders often hold the same names. Only of `coco_url` and `flickr_url`, which
come after `file_name`, it is what downloads are stored by.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Literal, NamedTuple
from unicodedata import normalize
from urllib.parse import unquote

from cocoannot.errors import UnknownId
from cocoannot.pictures.source import Image, Reading

_URLS = {"coco_url": 2, "flickr_url": 1}
"""How many of the last parts of a URL downloads are stored by, at most."""

_FORMS: tuple[Literal["NFC", "NFD"], ...] = ("NFC", "NFD")
_TAILS = (4, 3, 2)
_DEEPEST = 8
"""How many folders deep a path from elsewhere is looked for."""

_LONGEST = 4096
"""Characters of a name that is read in other ways."""

_MOST = 16
_NAMED = 3
"""How many names there are at most, and how many of them a message has."""

_URL = re.compile(r"(?P<scheme>[a-z][a-z0-9+.-]+)://(?P<host>[^/?#]*)(?P<path>[^?#]*).*", re.ASCII | re.DOTALL)
_DRIVE = re.compile(r"\A[A-Za-z]:(?=/)")


class Readings(NamedTuple):
    """What a record says (`file_name`), and the relative paths that it means: the `exact` one, if any, and others.

    `leads_out` tells that it means something outside the image folder, too or only.
    """

    file_name: str
    exact: list[str]
    others: list[str]
    leads_out: bool

    def names(self, reading: Reading) -> list[str]:
        """The paths by such a reading, the likeliest first."""
        return (self.exact if Reading.EXACT in reading else []) + (self.others if Reading.OTHER in reading else [])


def read(image: Image, places: Sequence[str]) -> Readings:
    """The names of an image's picture in the image folder, whose absolute path is the first of `places`, of which the
    others lead there, too.

    Raises `UnknownId` where the record has none.
    """
    file_name = image.get("file_name")
    urls = {key: url for key in _URLS if isinstance(url := image.get(key), str) and url}
    others = [name for key, url in urls.items() for text in _spellings(url) for name in _ends(text, _URLS[key])]
    if isinstance(file_name, str):
        texts = _spellings(file_name)
        exact = _exact(file_name, places)
        others = [name for text in texts for name in _names(text, places)] + others
        outside = any(_exact(text, places) is None for text in texts)
    elif urls:
        file_name, exact, outside = next(iter(urls.values())), None, False
    else:
        raise UnknownId("the image's record has no file_name, so there is no picture")
    others = [name for name in dict.fromkeys(others) if name != exact]
    return Readings(file_name, [] if exact is None else [exact], others[:_MOST], outside)


def missing(readings: Readings, place: str) -> UnknownId:
    """The error for a picture that is not in the image folder at `place`."""
    others = [repr(name) for name in readings.others[:_NAMED]]
    also = f"; nor is {' or '.join(others)} there" if others else ""
    if readings.leads_out:
        return UnknownId(f"{leads_out(readings.file_name, place)}{also}")
    return UnknownId(f"there is no picture {readings.file_name!r} in the image folder {place}{also}")


def leads_out(file_name: str, place: str) -> UnknownId:
    """The error for a picture outside the image folder at `place`."""
    return UnknownId(f"{file_name!r} leads out of the image folder {place}, so it is not served")


def unreadable(file_name: str, error: OSError) -> UnknownId:
    """The error for a file that the system does not give."""
    return UnknownId(f"the picture {file_name!r} can't be read: {error.strerror}")


def _spellings(text: str) -> Sequence[str]:
    """`text`, and what it may be where another system wrote it."""
    if len(text) > _LONGEST:
        return [text]
    plain = [text, text.replace("\\", "/"), unquote(text), unquote(text).replace("\\", "/")]
    return list(dict.fromkeys(plain + [normalize(form, name) for name in plain for form in _FORMS]))


def _names(text: str, places: Sequence[str]) -> Iterator[str]:
    exact = _exact(text, places)
    if exact is not None:
        yield exact
        yield from _below_own_path(exact, places)
    yield from _from_elsewhere(text, places)


def _exact(text: str, places: Sequence[str]) -> str | None:
    """The path below the image folder that is meant by `text` as it is, if it does not lead out."""
    return _below(text, places if posixpath.isabs(text) else places[:1])


def _from_elsewhere(text: str, places: Sequence[str]) -> Iterator[str]:
    """The paths below the image folder that an absolute one may mean, or a URL, also one of another machine."""
    path = _absolute(text)
    if path is None:
        return
    if (below := _below(path, places)) is not None:
        yield below
    parts = [part for part in posixpath.normpath(path).split("/") if part][-_DEEPEST:]
    yield from _below_namesake(parts, places)
    yield from ("/".join(parts[-count:]) for count in _TAILS if count <= len(parts))


def _below_own_path(path: str, places: Sequence[str]) -> Iterator[str]:
    """What is below the image folder where `path` begins with the last folders of the image folder's own path."""
    parts = path.split("/", _DEEPEST)
    for count in range(1, len(parts)):
        if any(f"{place}/".endswith(f"/{'/'.join(parts[:count])}/") for place in places):
            yield "/".join(parts[count:])


def _below_namesake(parts: Sequence[str], places: Sequence[str]) -> Iterator[str]:
    """What is below a folder that has the name of the image folder."""
    names = {posixpath.basename(place) for place in places}
    for start in range(1, len(parts)):
        if parts[start - 1] in names:
            yield "/".join(parts[start:])


def _ends(text: str, most: int) -> list[str]:
    """The last parts of a URL or a path, `most` of them and fewer."""
    path = posixpath.normpath("/" + (_absolute(text) or text))
    parts = [part for part in path.split("/") if part]
    return ["/".join(parts[-count:]) for count in range(min(most, len(parts)), 0, -1) if "\0" not in text]


def _absolute(text: str) -> str | None:
    """The path in a URL, with the bucket where it is one of S3; an absolute path without its drive; else `None`."""
    if "\0" in text:
        return None
    if url := _URL.fullmatch(text):
        return f"/{url['host']}{url['path']}" if url["scheme"] in ("s3", "s3a") else url["path"] or "/"
    path = _DRIVE.sub("", text)
    return path if path.startswith("/") else None


def _below(path: str, places: Iterable[str]) -> str | None:
    """`path` as a path from the first of `places` that it is below, by its text alone; a relative one is from there."""
    if not path or "\0" in path:
        return None
    for place in places:
        # Two slashes at the start are one, but not to `normpath`.
        joined = "/" + posixpath.normpath(posixpath.join(place, path)).lstrip("/")
        parent = place.rstrip("/") + "/"
        if joined.startswith(parent) and joined != parent:
            return joined.removeprefix(parent)
    return None
