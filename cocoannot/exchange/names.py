"""Names of files that an export makes, from the `file_name` of images, which may be anything. Nothing is written here.

A name never leads out of the folder, and no two images share one, with whatever extension: a label file is called like
its picture, so `a.jpg` and `a.png` would have the same. A folder called `images` is left out of names: programs find
labels by putting `labels` for the last `images` of a path.
"""

from __future__ import annotations

import posixpath
import re

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_EXTENSION = re.compile(r"\.[A-Za-z0-9]{1,10}")
_LONGEST = 200
"""Bytes of one part of a name; file systems take 255, and something may have to be added."""
_LEFT_OUT = frozenset(["", ".", "..", "images"])


class Names:
    """Gives each image a name of its own, a path below a folder, with `/` between its parts."""

    def __init__(self) -> None:
        # Every name that was given, with and without an extension.
        self._files: set[str] = set()
        self._folders: set[str] = set()
        # How often a stem was wanted that was given already.
        self._repeats: dict[str, int] = {}

    def give(self, file_name: object, image_id: int) -> str:
        """The name for an image: its `file_name`, where that can be."""
        folders, wanted, extension = _parts(file_name, image_id)
        for number in range(len(folders)):
            # What is a file here may not be a folder there: `a.txt` beside `a.txt/b.jpg`.
            while posixpath.join(*folders[: number + 1]) in self._files:
                folders[number] += "_"
        folder = "/".join(folders)
        stem = wanted
        while not self._is_free(name := posixpath.join(folder, stem), extension):
            first = posixpath.join(folder, wanted)
            self._repeats[first] = self._repeats.get(first, 1) + 1
            stem = f"{wanted}_{self._repeats[first]}"
        self._files |= _files_of(name, extension)
        self._folders.update("/".join(folders[: number + 1]) for number in range(len(folders)))
        return name + extension

    def _is_free(self, name: str, extension: str) -> bool:
        return name not in self._files and not _files_of(name, extension) & self._folders


def stem_of(name: str) -> str:
    """`name`, as it was given, without its extension."""
    stem, extension = posixpath.splitext(name)
    return stem if _EXTENSION.fullmatch(extension) else name


def _files_of(stem: str, extension: str) -> set[str]:
    """What may be called so in an export: the picture, and its labels."""
    return {stem, stem + extension, f"{stem}.txt", f"{stem}.xml"}


def _parts(file_name: object, image_id: int) -> tuple[list[str], str, str]:
    """The folders, the stem and the extension of a name that is safe."""
    text = file_name if isinstance(file_name, str) else ""
    parts = [_CONTROL.sub("_", part) for part in text.replace("\\", "/").split("/") if part not in _LEFT_OUT]
    *folders, base = parts or [f"image_{image_id}"]
    stem = stem_of(base)
    return [_short(part) for part in folders], _short(stem), base[len(stem) :]


def _short(part: str) -> str:
    return part.encode()[:_LONGEST].decode(errors="ignore")
