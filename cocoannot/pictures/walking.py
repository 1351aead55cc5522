"""Which files are in a folder of pictures and in those below it, and their natural order. They are not looked into."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

_NUMBER = re.compile(r"([0-9]+)")

OTHERS_OWN = frozenset({"__MACOSX", "@eaDir", "Thumbs.db", "desktop.ini", "lost+found"})
"""What systems keep in folders for themselves, as in hidden files: nothing is said of these."""

SERVERS_OWN = ".cocoannot"
"""What the folder ends in that a dataset has beside it."""


class Skipped(NamedTuple):
    """A file or folder, by its path below the folder of pictures, and why it is left out."""

    file_name: str
    reason: str


class Walked(NamedTuple):
    """The paths of files below a folder, in no order, and what was left out."""

    names: list[str]
    skipped: list[Skipped]


def walk(root: Path, *, follow_links: bool, ignore: Collection[Path], beat: Callable[[], object]) -> Walked:
    """The files in `root`, which has no link in its path, and in the folders below; `ignore` are absolute paths.

    `beat` is called for each folder. Raises `OSError` where `root` itself can't be read.
    """
    walked = Walked([], [])
    # Each folder once, whatever links lead to it.
    seen = {_identity(root)}
    with os.scandir(root):
        pass
    waiting = [""]
    while waiting:
        beat()
        below = waiting.pop()
        try:
            with os.scandir(root / below) as entries:
                found = list(entries)
        except OSError as exc:
            walked.skipped.append(Skipped(_told(below), f"can't be read: {exc.strerror}"))
            continue
        for entry in found:
            name = f"{below}/{entry.name}" if below else entry.name
            if not _is_hidden(entry.name) and (not ignore or Path(entry.path) not in ignore):
                _sort_in(entry, name, root, follow_links, seen, walked, waiting)
    return walked


def natural(path: str) -> list[Any]:
    """What to sort paths by, so that `2.jpg` comes before `10.jpg`, folder by folder."""
    return [(_words(part), part) for part in path.split("/")]


def _words(part: str) -> list[Any]:
    """Texts and numbers by turns, beginning with a text: those of two names can be compared."""
    return [int(word) if number % 2 else word.casefold() for number, word in enumerate(_NUMBER.split(part))]


def _sort_in(
    entry: os.DirEntry[str],
    name: str,
    root: Path,
    follow_links: bool,
    seen: set[tuple[int, int]],
    walked: Walked,
    waiting: list[str],
) -> None:
    """Put `entry` into the list of names, into that of what is left out, or among the folders that wait."""
    problem = None
    try:
        if not _is_text(name):
            problem = "its name is not UTF-8; rename it"
        elif entry.is_symlink() and not follow_links and not _is_inside(entry, root):
            problem = "is a link that leads out of the folder; COCOANNOT_IMAGES_FOLLOW_LINKS=1 allows it"
        elif entry.is_symlink() and entry.is_dir() and _is_inside(entry, root):
            # What is in it is found by its own path.
            return
        elif entry.is_dir():
            if (identity := _identity(Path(entry.path))) not in seen:
                seen.add(identity)
                waiting.append(name)
        elif entry.is_file():
            walked.names.append(name)
        else:
            problem = "is not a file" if os.path.exists(entry.path) else "is a link that leads nowhere"
    except OSError as exc:
        problem = f"can't be read: {exc.strerror}"
    if problem:
        walked.skipped.append(Skipped(_told(name), problem))


def _is_inside(link: os.DirEntry[str], root: Path) -> bool:
    target = Path(os.path.realpath(link.path))
    return target == root or root in target.parents


def _is_hidden(name: str) -> bool:
    return name.startswith(".") or name in OTHERS_OWN or name.endswith(SERVERS_OWN)


def _is_text(name: str) -> bool:
    return name.isascii() or not any("\ud800" <= letter <= "\udfff" for letter in name)


def _told(name: str) -> str:
    return name if _is_text(name) else name.encode(errors="replace").decode()


def _identity(path: Path) -> tuple[int, int]:
    status = os.stat(path)
    return status.st_dev, status.st_ino


def first_of(skipped: Sequence[Skipped], most: int) -> Iterator[str]:
    """Lines for people that name the first `most` of what was left out, and tell how many more there are."""
    for each in skipped[:most]:
        yield f"{each.file_name}: {each.reason}"
    if len(skipped) > most:
        yield f"and {len(skipped) - most:,} more"
