"""Where a dataset is exported to: what is there, and how it is replaced. Whose it is, is decided elsewhere."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple, Protocol

from cocoannot.coco.serializer import Piece
from cocoannot.errors import CocoannotError
from cocoannot.files.atomic import Content, NewFile, Stamp, content_of, sync_folder
from cocoannot.files.disk_errors import save_error
from cocoannot.files.kept_copies import kept_while_replaced
from cocoannot.files.packing import has_packed_name, pack

Blocks = Iterable[Piece]


class PlaceChanged(CocoannotError):
    """Something else wrote there since it was looked at; nothing was done."""


class Sight(NamedTuple):
    """What is there: `mark` tells whether it is the same still."""

    content: Content
    mark: object


class Put(NamedTuple):
    """What was written, and where what was there before is kept, `None` where it is not."""

    content: Content
    kept: str | None


class Place(Protocol):
    """A file or an object. Every method raises `SaveError`."""

    name: str
    """As the operator calls it."""
    uri: str
    """As no other place is called."""

    def look(self) -> Sight | None:
        """What is there, `None` for nothing."""

    def put(
        self, blocks: Blocks, seen: Sight | None, expect: Callable[[Content], object], revision: int, keep: str | None
    ) -> Put:
        """Replace what was `seen` by a text; all of it, or nothing.

        `expect` is told what will be there, before it is. With `keep`, what was there is kept as `NAME.keep`. Raises
        `PlaceChanged` too, and what the `blocks` raise.
        """


class FilePlace:
    """The file at `path`; gzip if its name ends in .gz."""

    def __init__(self, path: Path) -> None:
        self.name = str(path)
        self.path = Path(os.path.realpath(path))
        self.uri = str(self.path)

    def look(self) -> Sight | None:
        try:
            mark = Stamp.of(self.path.stat())
            return Sight(content_of(self.path), mark)
        except FileNotFoundError:
            return None
        except OSError as exc:
            raise save_error(self.name, exc) from exc

    def put(
        self, blocks: Blocks, seen: Sight | None, expect: Callable[[Content], object], revision: int, keep: str | None
    ) -> Put:
        try:
            with NewFile(self.path) as new:
                content = new.write(pack(blocks) if has_packed_name(self.path) else blocks)
                expect(content)
                # At the last moment once more, and cheaply.
                if self._mark() != (seen and seen.mark):
                    raise PlaceChanged(self.name)
                kept = None
                if keep is None:
                    new.replace()
                else:
                    with kept_while_replaced(self.path, keep, self.path.parent) as kept:
                        new.replace()
            sync_folder(self.path.parent)
        except OSError as exc:
            raise save_error(self.name, exc, "nothing is lost, the database has it; it is tried again") from exc
        return Put(content, None if kept is None else str(kept))

    def _mark(self) -> Stamp | None:
        try:
            return Stamp.of(self.path.stat())
        except FileNotFoundError:
            return None


def place_of(given: Place | Path | None) -> Place | None:
    """A place; a path is that of a file."""
    return FilePlace(given) if isinstance(given, Path) else given
