"""What the folder beside a file knows of its past, taken along into a database, and written beside a file again.

    NAME.cocoannot/state.json      which revision NAME is, and which ids were given
    NAME.cocoannot/history.sqlite  every change, and the positions of the records

The file itself is read and written elsewhere. No server may have it open.
"""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import numpy as np

from cocoannot.changes.change import Change
from cocoannot.coco.parser import SECTIONS, Document, SectionName
from cocoannot.errors import DatasetError
from cocoannot.files.atomic import Content
from cocoannot.files.dataset_file import DatasetFile
from cocoannot.files.identity import identify
from cocoannot.files.kept_copies import timestamp
from cocoannot.files.lineage import new_lineage
from cocoannot.files.state import State, Version, write_state
from cocoannot.history.blocks import DamagedHistory
from cocoannot.history.database import open_database, open_for_reading, seal
from cocoannot.history.numbering import Numberings, find_numberings, keep_numberings
from cocoannot.history.reader import Reader
from cocoannot.history.stretches import Beginning
from cocoannot.history.writer import Writer
from cocoannot.store.placing import STRIDE
from cocoannot.store.postgres.loading import Numbers

OWN = ("state.json", "journal", "history.sqlite", "history.sqlite-wal", "history.sqlite-shm", "answers", "unsaved.json")
"""What belongs to the revisions of one file, in the folder beside it."""

_AT_ONCE = 500


class FilePast(NamedTuple):
    """The `revision` of a file, ids that are free, and its history, `None` for none.

    After `oldest` every change is known, and from `floor` on the dataset can be told.
    """

    revision: int
    next_ids: Mapping[str, int]
    oldest: int
    floor: int
    numberings: Numberings
    history: Path | None

    def changes(self) -> Iterator[Change]:
        """Every change that is known, oldest first. Raises `DatasetError`."""
        if self.history is None:
            return
        try:
            with open_for_reading(self.history) as database:
                reader = Reader(database)
                for revision in range(self.oldest + 1, self.revision + 1):
                    change = reader.change(revision)
                    if change is None:
                        raise DamagedHistory(f"change {revision} is missing")
                    yield change
        except (sqlite3.Error, DamagedHistory) as exc:
            raise _unreadable(self.history, exc) from exc

    def numbers(self, document: Document) -> dict[SectionName, Numbers]:
        """The positions of the records of `document`, which the file holds, and when each was changed last."""
        last: dict[SectionName, dict[int, int]] = {name: {} for name in SECTIONS}
        for change in self.changes():
            for edit in change.edits:
                last[edit.section][edit.position] = change.revision
        return {name: self._numbers(name, len(document.sections[name].starts), last[name]) for name in SECTIONS}

    def _numbers(self, name: SectionName, count: int, last: Mapping[int, int]) -> Numbers:
        numbering = self.numberings.get(name)
        if numbering is None or len(numbering.positions) != count:
            positions, end = np.arange(count) * STRIDE, count * STRIDE
        else:
            positions, end = numbering.positions, numbering.next_position
        revisions = np.full(count, self.oldest, np.int64)
        for position, revision in last.items():
            at = int(positions.searchsorted(position))
            if at < count and positions[at] == position:
                revisions[at] = revision
        return Numbers(positions, revisions, end)


NO_PAST = FilePast(0, {}, 0, 0, {}, None)


def read_past(file: DatasetFile, content: Content) -> FilePast:
    """What is known of the file, which holds `content`. Raises `DatasetError`, `OSError`."""
    state = file.identity.stored()
    version = identify(state, content)
    nothing = FilePast(version.revision, version.next_ids, version.revision, version.revision, {}, None)
    if content not in [known.content for known in state.versions] or not file.history.exists():
        return nothing
    try:
        with open_for_reading(file.history) as database:
            reader = Reader(database)
            if reader.last() < version.revision:
                return nothing
            return FilePast(
                version.revision,
                version.next_ids,
                min(reader.oldest(), version.revision),
                min(reader.floor(), version.revision),
                find_numberings(database, version.revision),
                file.history,
            )
    except (sqlite3.Error, DamagedHistory) as exc:
        raise _unreadable(file.history, exc) from exc


def put_aside(file: DatasetFile, names: Iterable[str]) -> Path | None:
    """Move what the folder of `file` has of these into a folder within it, which is returned. Raises `OSError`."""
    there = [name for name in names if (file.folder / name).exists()]
    if not there:
        return None
    aside = file.folder / f"before-{timestamp(time.time())}"
    aside.mkdir(exist_ok=True)
    for name in there:
        os.replace(file.folder / name, aside / name)
    return aside


def write_past(
    file: DatasetFile,
    content: Content,
    revision: int,
    next_ids: Mapping[SectionName, int],
    oldest: int,
    numberings: Numberings,
    changes: Iterable[Change],
) -> None:
    """Write beside `file`, which holds `content`, that it is `revision`, and the `changes` after `oldest`.

    There must be nothing of it in the folder (`put_aside`). Raises `DatasetError`.
    """
    try:
        file.folder.mkdir(exist_ok=True)
        with closing(open_database(file.history)) as database:
            beginning = Beginning(oldest + 1, False, "it comes from a database", is_first=True)
            writer = Writer(database, beginning, time.time())
            rest = iter(changes)
            while some := list(islice(rest, _AT_ONCE)):
                writer.write(some)
            keep_numberings(database, revision, numberings, revision)
            seal(database)
        version = Version(content.size, content.sha256, revision, {name: next_ids[name] for name in SECTIONS})
        write_state(file.identity.path, State([version], lineage=new_lineage()))
    except (sqlite3.Error, DamagedHistory, OSError) as exc:
        raise DatasetError(f"can't write the history to {file.folder}: {exc}; the database has it still") from exc


def _unreadable(path: Path, exc: Exception) -> DatasetError:
    return DatasetError(f"the history {path} can't be read ({exc}); move it away to import the dataset without it")
