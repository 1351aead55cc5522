"""The names that an image's record has for its picture, as paths below the image folder. Files are not looked at."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from cocoannot.errors import UnknownId
from cocoannot.pictures.source import Image


class Readings(NamedTuple):
    """What a record says (`file_name`), and the relative paths that it may mean, the exact one first.

    `leads_out` tells that it means something outside the image folder, too or only.
    """

    file_name: str
    names: list[str]
    leads_out: bool


def read(image: Image, places: Sequence[str]) -> Readings:
    """The names of an image's picture in the image folder, whose path is the first of `places`; the others lead there.

    Raises `UnknownId` where the record has none.
    """
    name = image.get("file_name")
    if not isinstance(name, str):
        raise UnknownId("the image's record has no file_name, so there is no picture")
    below = None if posixpath.isabs(name) else _below(name, places[:1])
    return Readings(name, [] if below is None else [below], leads_out=below is None)


def missing(readings: Readings, place: str) -> UnknownId:
    """The error for a picture that is not in the image folder at `place`."""
    if readings.leads_out:
        return leads_out(readings.file_name, place)
    return UnknownId(f"there is no picture {readings.file_name!r} in the image folder {place}")


def leads_out(file_name: str, place: str) -> UnknownId:
    """The error for a picture outside the image folder at `place`."""
    return UnknownId(f"{file_name!r} leads out of the image folder {place}, so it is not served")


def unreadable(file_name: str, error: OSError) -> UnknownId:
    """The error for a file that the system does not give."""
    return UnknownId(f"the picture {file_name!r} can't be read: {error.strerror}")


def _below(path: str, places: Iterable[str]) -> str | None:
    """`path`, taken from the first of `places` that it is below, as a path from there; by its text alone."""
    if not path or "\0" in path:
        return None
    for place in places:
        joined = posixpath.normpath(posixpath.join(place, path))
        parent = place.rstrip("/") + "/"
        if joined.startswith(parent) and joined != parent:
            return joined.removeprefix(parent)
    return None
