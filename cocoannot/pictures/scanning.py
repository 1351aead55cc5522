"""Pictures that a dataset has no record of: found in their place, and measured. What becomes of them is not known."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import msgspec

from cocoannot.errors import BadPicture, UnknownId
from cocoannot.pictures.measuring import Size
from cocoannot.pictures.names import read
from cocoannot.pictures.source import Image, PictureSource, Reading
from cocoannot.pictures.walking import Skipped, natural

AT_ONCE = 4
"""Pictures whose heads are read at the same time: a disk, a network drive or S3 answers several as soon as one."""

_BLOCK = 256


class Progress(Protocol):
    """Told `done` of `total` pictures, often: `total` is 0 while it is not known."""

    def __call__(self, done: int, total: int) -> object: ...


def no_progress(done: int, total: int) -> None:
    """Nobody wants to know."""


class NamesOfImage(msgspec.Struct):
    """What of an image's record tells which picture it means, as its JSON has it."""

    file_name: Any = None
    coco_url: Any = None
    flickr_url: Any = None


class NewPictures(NamedTuple):
    """Names of pictures with their sizes, in natural order, and what is none."""

    found: list[tuple[str, Size]]
    skipped: list[Skipped]

    @property
    def turned(self) -> list[str]:
        """The names of those that EXIF turns."""
        return [name for name, size in self.found if size.is_turned]


def find_new(
    source: PictureSource,
    images: Callable[[], Sequence[Image]],
    ignore: Sequence[Path],
    progress: Progress = no_progress,
) -> NewPictures:
    """The pictures in `source` that none of `images` means, without the files to `ignore`.

    Raises `UnknownId` where the place can't be read, `S3Error`.
    """
    progress(0, 0)
    walked = source.walk(ignore, lambda: progress(0, 0))
    names = sorted(unrecorded(walked.names, images(), source.paths), key=natural)
    new = NewPictures([], list(walked.skipped))
    progress(0, len(names))
    for done, (name, result) in enumerate(_measured(source, names), 1):
        if isinstance(result, Size):
            new.found.append((name, result))
        else:
            new.skipped.append(Skipped(name, result))
        if not done % _BLOCK:
            progress(done, len(names))
    progress(len(names), len(names))
    new.skipped.sort()
    return new


def unrecorded(names: Sequence[str], images: Iterable[Image], paths: Sequence[str]) -> list[str]:
    """Those of `names`, of pictures at the first of `paths`, that no image means, by any reading of its name."""
    there = set(names)
    recorded: set[str] = set()
    for image in images:
        file_name = image.get("file_name")
        # Nearly all records have the plain name, and other readings take their time.
        if isinstance(file_name, str) and file_name in there:
            recorded.add(file_name)
        else:
            recorded.update(_meant(image, there, paths))
    return [name for name in names if name not in recorded]


def _meant(image: Image, names: set[str], paths: Sequence[str]) -> Iterator[str]:
    """The first of `names` that a record means."""
    try:
        readings = read(image, paths)
    except UnknownId:
        return
    yield from islice((name for name in readings.names(Reading.ANY) if name in names), 1)


def _measured(source: PictureSource, names: Sequence[str]) -> Iterator[tuple[str, Size | str]]:
    """Each name with its picture's size, or with why it has none, in order."""

    def measure(name: str) -> Size | str:
        try:
            return source.head(name).size
        except (UnknownId, BadPicture) as exc:
            return str(exc)

    with ThreadPoolExecutor(AT_ONCE) as pool:
        for start in range(0, len(names), _BLOCK):
            block = names[start : start + _BLOCK]
            yield from zip(block, pool.map(measure, block), strict=True)
