"""The dataset at one revision, as the store of one process gives it out: references to what does not change."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Protocol

from cocoannot.coco.parser import SectionName
from cocoannot.coco.serializer import FrozenDataset, Piece, split


class Source(Protocol):
    """Where the records of a snapshot come from."""

    def records(self, name: SectionName) -> Iterator[Piece]:
        """A section's records, in order; may be asked again."""

    def pieces(self, records: Mapping[SectionName, Iterable[Piece]]) -> Iterator[Piece]:
        """The text, with these records of some sections."""

    def close(self) -> None:
        """Let go of what it holds."""


class MemorySnapshot:
    """See `cocoannot.store.base.Snapshot`."""

    def __init__(self, name: str, revision: int, source: Source) -> None:
        self._source = source
        self.name = name
        self.revision = revision
        self.close = source.close

    def records(self, section: SectionName) -> Iterator[Piece]:
        return self._source.records(section)

    def text(self, records: Mapping[SectionName, Iterable[Piece]]) -> Iterator[Piece]:
        return split(self._source.pieces(records))


class FrozenSource:
    """The dataset as it is now; made under the lock of its tables, and used outside it."""

    def __init__(self, frozen: FrozenDataset) -> None:
        self._frozen = frozen

    def records(self, name: SectionName) -> Iterator[Piece]:
        return self._frozen.sections[name].records()

    def pieces(self, records: Mapping[SectionName, Iterable[Piece]]) -> Iterator[Piece]:
        return self._frozen.pieces_with(records)

    def close(self) -> None:
        """There is nothing but memory."""
