"""The positions of the records in a version of the dataset's file, so that they mean the same after a restart.

Without them a record that was deleted before could not be put between those that were beside it. Few steps from one
position to the next differ from the others, so that they take next to nothing.
"""

from __future__ import annotations

import sqlite3
import zlib
from collections.abc import Mapping
from typing import NamedTuple

import msgspec
import numpy as np

from cocoannot.coco.parser import Ints, SectionName
from cocoannot.history.blocks import DamagedHistory
from cocoannot.history.database import checked, transaction

_LEVEL = 1


class Numbering(NamedTuple):
    """The positions of a section's records, in file order, and the one that the next record at the end gets."""

    positions: Ints
    next_position: int


Numberings = Mapping[SectionName, Numbering]
"""Those of the sections that are not numbered as any file is that is read for the first time."""


class _Packed(msgspec.Struct, frozen=True, array_like=True):
    next_position: int
    steps: bytes


_packed = msgspec.msgpack.Decoder(dict[SectionName, _Packed])


def keep_numberings(database: sqlite3.Connection, revision: int, numberings: Numberings, file_revision: int) -> None:
    """Keep those of a file that is about to be saved as `revision`, and no others but of the one that is there.

    Raises `sqlite3.Error`.
    """
    packed = {name: _Packed(each.next_position, _pack(each.positions)) for name, each in numberings.items()}
    with transaction(database):
        database.execute("DELETE FROM numbering WHERE revision <> ?", (file_revision,))
        database.execute("INSERT OR REPLACE INTO numbering VALUES (?, ?)", (revision, msgspec.msgpack.encode(packed)))


def find_numberings(database: sqlite3.Connection, revision: int) -> Numberings:
    """Those of the file that is `revision`. Raises `sqlite3.Error`, `DamagedHistory`."""
    row = database.execute("SELECT sections FROM numbering WHERE revision = ?", (revision,)).fetchone()
    if row is None:
        return {}
    (packed,) = checked(row, tuple[bytes])
    try:
        return {
            name: Numbering(np.cumsum(np.frombuffer(zlib.decompress(each.steps), np.int64)), each.next_position)
            for name, each in _packed.decode(packed).items()
        }
    except (zlib.error, msgspec.MsgspecError, ValueError) as exc:
        raise DamagedHistory(f"the positions of records can't be read ({exc})") from exc


def _pack(positions: Ints) -> bytes:
    return zlib.compress(np.diff(positions, prepend=0).astype(np.int64).tobytes(), _LEVEL)
