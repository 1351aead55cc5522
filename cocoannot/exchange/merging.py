"""Files merged into one: the first one, with the others imported into it one after the other. Nothing is written here.

The rules are those of an import; see `cocoannot.store.importing`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from cocoannot.changes.operations import Import, Match
from cocoannot.coco.incoming import read_incoming
from cocoannot.coco.serializer import Piece
from cocoannot.errors import Conflict
from cocoannot.exchange.files import read_file, read_text
from cocoannot.store.import_report import Report
from cocoannot.store.importing import import_dataset
from cocoannot.store.memory.tables import Tables


class MergedFiles(NamedTuple):
    """The text of what came of it, and what each file but the first one brought."""

    pieces: Iterator[Piece]
    reports: dict[Path, Report]
    counts: dict[str, int]


def merge_files(first: Path, others: Iterable[Path], match: Match) -> MergedFiles:
    """`first` with `others` imported into it. Raises `DatasetError`, and `Conflict` where that can't be."""
    tables = Tables(read_file(first))
    reports: dict[Path, Report] = {}
    for path in others:
        operation = Import(read_incoming(read_text(path), str(path)), match)
        try:
            edits, values, reports[path] = import_dataset(operation, tables)
        except Conflict as exc:
            raise Conflict(f"{path} can't be merged into {first}: {exc}", exc.details) from exc
        tables.apply(edits)
        tables.set_values(values)
    return MergedFiles(tables.freeze().pieces(), reports, tables.counts())
