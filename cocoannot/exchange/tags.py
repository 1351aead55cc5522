"""Names for revisions, in a file beside the dataset: `NAME.cocoannot/tags.json`. The history itself is kept elsewhere.

Revisions can be given again, where a crash of the machine took changes that were not on disk. So a tag also has the
time of the change that was the newest one, and stands for nothing where that is another one by now.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import msgspec

from cocoannot.errors import Conflict, DatasetError, SaveError, UnknownId
from cocoannot.files.atomic import NewFile, sync_folder
from cocoannot.files.disk_errors import save_error
from cocoannot.files.lock import locked

_FORMAT = 1
_WAIT = 5.0
"""Seconds to wait for somebody else who changes the file, which takes some milliseconds."""
_NAME = re.compile(r"[^\W_][\w.+-]{0,99}")


class Tag(msgspec.Struct, frozen=True, omit_defaults=True):
    """A revision with a name: when it was named, by whom, and the time of the newest change then, `None` for none."""

    revision: int
    created: datetime
    changed: datetime | None = None
    user: str | None = None
    note: str | None = None


Tags = dict[str, Tag]


class _Content(msgspec.Struct):
    format: int
    tags: Tags


class TagsFile:
    """The file at `path`, which is there once there is a tag. Any process may read and change it."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def read(self) -> Tags:
        """All tags, by name. Raises `DatasetError`, `OSError`."""
        try:
            text = self.path.read_bytes()
        except FileNotFoundError:
            return {}
        try:
            content = msgspec.json.decode(text, type=_Content)
            if content.format != _FORMAT:
                raise ValueError(f"its format must be {_FORMAT}")
        except (ValueError, RecursionError) as exc:  # msgspec.DecodeError is the former
            raise DatasetError(f"{self.path} is damaged: {exc}; move it away, and there are no tags any more") from exc
        return content.tags

    def get(self, name: str) -> Tag:
        """One tag. Raises `UnknownId`, `DatasetError`, `OSError`."""
        tags = self.read()
        if name not in tags:
            known = ", ".join(list(tags)[:10]) + (", ..." if len(tags) > 10 else "")
            raise UnknownId(f"there is no tag {name!r}; " + (f"there are: {known}" if tags else "there are none yet"))
        return tags[name]

    def add(self, name: str, tag: Tag, *, move: bool = False) -> None:
        """Give a revision a name; one that is taken only where it is to `move`. Raises `Conflict`, `SaveError`."""
        check_name(name)

        def added(tags: Tags) -> Tags:
            if name in tags and not move:
                raise Conflict(
                    f"{name!r} is the name of revision {tags[name].revision} already; give another name, or --move"
                )
            return {**tags, name: tag}

        self._change(added)

    def delete(self, name: str) -> Tag:
        """Take a name away; returns what it stood for. Raises `UnknownId`, `SaveError`."""
        deleted = []

        def left(tags: Tags) -> Tags:
            deleted.append(self.get(name))
            return {each: tag for each, tag in tags.items() if each != name}

        self._change(left)
        return deleted[0]

    def _change(self, edit: Callable[[Tags], Tags]) -> None:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with locked(self.path.with_suffix(".lock"), _WAIT):
                text = msgspec.json.encode(_Content(_FORMAT, edit(self.read())))
                # The owner of the folder is the one who serves the dataset, also where root runs a command.
                like = self.path if self.path.exists() else self.path.parent
                with NewFile(self.path, like=like, mode=0o644) as new:
                    new.write([msgspec.json.format(text, indent=1) + b"\n"])
                    new.replace()
                sync_folder(self.path.parent)
        except TimeoutError as exc:
            raise SaveError(f"{self.path} is being changed by another process; try again in a moment") from exc
        except OSError as exc:
            raise save_error(str(self.path), exc, "nothing was changed") from exc


def check_name(name: str) -> None:
    """Raise `Conflict` where a tag can't be called so: a name must not look like a revision, a date or an option."""
    if not _NAME.fullmatch(name):
        raise Conflict(
            f"{name!r:.120} can't be the name of a tag: 1 to 100 letters, digits and . _ + - are allowed, the first "
            "one a letter or a digit"
        )
    if date_of(name) is not None or name.isdecimal():
        raise Conflict(f"{name!r} can't be the name of a tag, since it looks like a date or a number")


def date_of(text: str) -> datetime | None:
    """The moment that a text in ISO 8601 means, in this machine's time zone where it has none; `None` for no date."""
    try:
        return datetime.fromisoformat(text).astimezone()
    except (ValueError, OverflowError):
        return None
