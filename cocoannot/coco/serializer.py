"""The dataset's text at one moment: the file's own, with the records in between that came or changed since.

Taken under the manager's lock, which takes moments, and put together outside it: what is held here does not change.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import NamedTuple

import msgspec
import numpy as np

from cocoannot.coco.parser import Ints, Section, SectionName
from cocoannot.coco.style import Style

Piece = bytes | memoryview

_AT_ONCE = 256
_IN_BLOCK = 2048


class Layout(NamedTuple):
    """What stands around the records of a list: before the first, between two that are new, behind the last."""

    head: bytes
    gap: bytes
    tail: bytes


def layout_of(buffer: bytes, section: Section, style: Style) -> Layout:
    """How `section` stands in the file; `style` is that of its records."""
    starts, ends = section.starts, section.ends
    if not len(starts):
        line = style.line
        gap = b"," + line if line else style.item_separator
        return Layout(b"[" + line, gap, line.removesuffix(style.indent) + b"]")
    head, tail = buffer[section.start : int(starts[0])], buffer[int(ends[-1]) : section.end]
    if len(starts) > 1:
        return Layout(head, buffer[int(ends[0]) : int(starts[1])], tail)
    return Layout(head, b"," + head[1:] if head[1:] else style.item_separator, tail)


class FrozenSection(NamedTuple):
    """One list of records: `slots` in order, of those that the file has and, behind them, of those that were `added`.

    A slot below `len(starts)` is of the file: its record is there from `starts` to `ends`, unless it is in `changed`,
    and the gap before it begins at `leads`, unless it is in `own_leads`. `style` is that of the records. `layout` is
    how they stand, where that is not told by the file.
    """

    buffer: bytes
    section: Section
    starts: Ints
    ends: Ints
    leads: Ints
    slots: Ints
    changed: Mapping[int, bytes]
    added: Sequence[bytes]
    style: Style = Style()
    layout: Layout | None = None
    own_leads: Mapping[int, bytes] = {}

    def pieces(self) -> Iterator[Piece]:
        """The section's text, brackets included, as immutable pieces in order; long ones are views of the file."""
        section, view = self.section, memoryview(self.buffer)
        in_file = self.slots[: self.slots.searchsorted(len(self.starts))]
        if not self.changed and len(in_file) == len(self.slots) == len(section.starts):
            yield view[section.start : section.end] if section.end else b"[]"
            return
        head, gap, tail = self.layout or layout_of(self.buffer, section, self.style)
        yield head
        first = True
        for slot, lead, start, end in self._runs(in_file):
            own, own_lead = self.changed.get(slot), self.own_leads.get(slot)
            if own is None and own_lead is None and lead < start:
                yield view[start if first else lead : end]
            else:
                if not first:
                    # The first record of the file has no gap before it that it could bring along.
                    yield own_lead or (view[lead:start] if lead < start else gap)
                yield view[start:end] if own is None else own
            first = False
        # Many at a time: one by one they would keep other threads from running for long.
        for at in range(len(in_file), len(self.slots), _AT_ONCE):
            texts = map(self.added.__getitem__, self._places(self.slots[at : at + _AT_ONCE]))
            yield (b"" if first else gap) + gap.join(texts)
            first = False
        yield tail

    def records(self) -> Iterator[Piece]:
        """Every record, in order."""
        return (self.text(slot) for first in range(0, len(self.slots), _AT_ONCE) for slot in self._some(first))

    def text(self, slot: int) -> Piece:
        """The record at `slot`."""
        if slot >= len(self.starts):
            return self.added[slot - len(self.starts)]
        own = self.changed.get(slot)
        return memoryview(self.buffer)[self.starts[slot] : self.ends[slot]] if own is None else own

    def blocks(self) -> Iterator[list[Piece]]:
        """The records, in order, many at a time."""
        view = memoryview(self.buffer)
        in_file = len(self.starts)
        for at in range(0, len(self.slots), _IN_BLOCK):
            slots = self.slots[at : at + _IN_BLOCK]
            own = slots[slots.searchsorted(in_file) :]
            slots = slots[: len(slots) - len(own)]
            spans = zip(slots.tolist(), self.starts[slots].tolist(), self.ends[slots].tolist(), strict=True)
            texts = [self.changed.get(slot) or view[start:end] for slot, start, end in spans]
            yield [*texts, *map(self.added.__getitem__, self._places(own))]

    def pieces_of(self, records: Iterable[Piece]) -> Iterator[Piece]:
        """The section's text, brackets included, with these records and no others."""
        head, gap, tail = self.layout or layout_of(self.buffer, self.section, self.style)
        yield head
        begun = False
        for texts in _batches(records):
            yield (gap if begun else b"") + gap.join(texts)
            begun = True
        yield tail

    def _places(self, slots: Ints) -> list[int]:
        """Where the records at `slots`, which the file does not have, are among those that were added."""
        places: list[int] = (slots - len(self.starts)).tolist()
        return places

    def _some(self, first: int) -> list[int]:
        slots: list[int] = self.slots[first : first + _AT_ONCE].tolist()
        return slots

    def _runs(self, slots: Ints) -> Iterator[tuple[int, int, int, int]]:
        """Untouched neighbours in the file as one, every other record by itself: first slot, lead, start, end."""
        starts, ends, leads = self.starts[slots], self.ends[slots], self.leads[slots]
        own = np.zeros(len(self.starts), np.bool_)
        own[[*self.changed, *(slot for slot in self.own_leads if slot < len(own))]] = True
        own = own[slots]
        breaks = np.ones(len(slots), np.bool_)
        breaks[1:] = own[1:] | own[:-1] | (leads[1:] != ends[:-1])
        firsts = np.flatnonzero(breaks)
        lasts = np.append(firsts, len(slots))[1:] - 1
        columns = (slots[firsts], leads[firsts], starts[firsts], ends[lasts])
        yield from zip(*(column.tolist() for column in columns), strict=True)


class FrozenDataset(NamedTuple):
    """The whole text: `values` gives each top-level key its byte range in the file's `buffer`, in order.

    `omitted` are keys that are left out, comma and all. `own_values` are those that have another text than in the file,
    `None` for one that is gone.
    """

    buffer: bytes
    values: Mapping[str, tuple[int, int]]
    sections: Mapping[SectionName, FrozenSection]
    omitted: frozenset[str] = frozenset()
    own_values: Mapping[str, bytes | None] = {}

    def pieces_with(self, records: Mapping[SectionName, Iterable[Piece]]) -> Iterator[Piece]:
        """The text as `pieces` gives it, with these records in some sections and no others.

        A section that is left out stays so.
        """
        there = {name: each for name, each in records.items() if name not in self.omitted}
        return self.pieces({name: self.sections[name].pieces_of(each) for name, each in there.items()})

    def pieces(
        self, replaced: Mapping[str, bytes | None] | Mapping[SectionName, Iterator[Piece]] | None = None
    ) -> Iterator[Piece]:
        """The text as immutable pieces in order; `replaced` gives other texts, or their pieces, for top-level values,
        `None` for one that is to go.

        Everything that nobody touched is there byte for byte. A value that the file does not have yet goes to
        the end of the object.
        """
        given: dict[str, bytes | Iterator[Piece] | None] = {**self.own_values}
        given |= dict((replaced or {}).items())
        texts: dict[str, Iterable[Piece]] = {
            key: [text] if isinstance(text, bytes) else text for key, text in given.items() if text is not None
        }
        omitted = self.omitted - texts.keys() | {key for key, text in given.items() if text is None}
        for name, section in self.sections.items():
            if name in self.values or len(section.slots):
                texts.setdefault(name, section.pieces())
        buffer = memoryview(self.buffer)
        opened = self.buffer.index(b"{") + 1
        position = last = 0
        kept = False
        for key, (start, end) in self.values.items():
            if key in omitted:
                texts.pop(key, None)
                if kept:
                    yield buffer[position:last]
                    position = end
                else:
                    # Of the first one the comma is behind it.
                    yield buffer[position:opened]
                    position = max(self.buffer.find(b",", end) + 1, end)
            else:
                kept = True
            last = end
            if key in texts:
                yield buffer[position:start]
                yield from texts.pop(key)
                position = end
        if texts:
            # The closing brace is the last one of the file, and nothing but white space comes before it.
            close = self.buffer.rindex(b"}")
            body_end = max((end for _, end in self.values.values()), default=opened)
            yield buffer[position:body_end]
            for i, (key, value) in enumerate(texts.items()):
                comma = b", " if i or kept else b""
                yield comma + msgspec.json.encode(key) + b": "
                yield from value
            position = close if not self.values else body_end
        yield buffer[position:]


def _batches(records: Iterable[Piece]) -> Iterator[tuple[Piece, ...]]:
    """`records`, many at a time."""
    iterator = iter(records)
    while batch := tuple(islice(iterator, _AT_ONCE)):
        yield batch


def split(pieces: Iterable[Piece], size: int = 1 << 20) -> Iterator[Piece]:
    """`pieces` in blocks of about `size` bytes: small ones joined, long ones cut, so that neither dominates."""
    waiting: list[Piece] = []
    length = 0
    for piece in pieces:
        if len(piece) >= size:
            if waiting:
                yield b"".join(waiting)
                waiting, length = [], 0
            view = memoryview(piece)
            for start in range(0, len(view), size):
                yield view[start : start + size]
            continue
        waiting.append(piece)
        length += len(piece)
        if length >= size:
            yield b"".join(waiting)
            waiting, length = [], 0
    if waiting:
        yield b"".join(waiting)
