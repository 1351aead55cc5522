"""A file's text without its records, and how those stand in it: kept once for each generation of records.

The skeleton is the file's text with `[...]` of each section that has records cut down to what stands before the first
and behind the last of them. So the text can be put together again, byte for byte.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

import msgspec

from cocoannot.coco.parser import SECTIONS, Document, Section, SectionName, find_values
from cocoannot.coco.serializer import FrozenDataset, Layout, Piece, layout_of
from cocoannot.coco.style import Style, styles_of


class SectionLayout(msgspec.Struct, frozen=True):
    """How the records of a section are written, and what stands around them. `filled`: the file has records there."""

    item_separator: str
    key_separator: str
    ascii: bool
    line: str
    indent: str
    head: str
    gap: str
    tail: str
    filled: bool

    @property
    def style(self) -> Style:
        """How a record is written."""
        return Style(
            self.item_separator.encode(),
            self.key_separator.encode(),
            self.ascii,
            self.line.encode(),
            self.indent.encode(),
        )

    @property
    def around(self) -> Layout:
        """What stands around records."""
        return Layout(self.head.encode(), self.gap.encode(), self.tail.encode())


class FileLayout:
    """What a file is without its records; it does not change."""

    def __init__(self, skeleton: bytes, sections: Mapping[SectionName, SectionLayout]) -> None:
        self.skeleton = skeleton
        self.sections = sections
        self.styles = {name: section.style for name, section in sections.items()}
        self._values = {key: (start, end) for key, start, end in find_values(skeleton)}

    def value(self, key: str) -> bytes | None:
        """The JSON text of a top-level value, as it is in the file."""
        span = self._values.get(key)
        return None if span is None else self.skeleton[span[0] : span[1]]

    def text(
        self,
        sections: Mapping[SectionName, Iterable[Piece]],
        own_values: Mapping[str, bytes | None],
        replaced: Mapping[str, bytes | None],
        omitted: Iterable[str] = (),
    ) -> Iterator[Piece]:
        """The whole text. `sections` are the texts of those that have records, or had some when the file was read.

        `replaced` are top-level values with other texts, sections included, `None` for those that go.
        """
        frozen = FrozenDataset(self.skeleton, self._values, {}, frozenset(omitted), own_values)
        # In the order that they get where the file does not have them yet.
        given: dict[str, bytes | Iterator[Piece] | None] = dict(replaced)
        for name in SECTIONS:
            if name in sections and name not in given:
                given[name] = iter(sections[name])
        return frozen.pieces(given)  # type: ignore[arg-type]

    def section(self, name: SectionName, blocks: Iterable[Piece]) -> Iterator[Piece]:
        """A section's text, of `blocks` that have what stands between records in them."""
        layout = self.sections[name]
        yield layout.head.encode()
        yield from blocks
        yield layout.tail.encode()

    def joined(self, name: SectionName, records: Iterable[Piece]) -> Iterator[Piece]:
        """A section's text, of records alone."""
        head, gap, tail = self.sections[name].around
        yield head
        for index, record in enumerate(records):
            if index:
                yield gap
            yield record
        yield tail


def layout_of_document(document: Document) -> FileLayout:
    """The layout of a file that was read."""
    styles = styles_of(document)
    sections: dict[SectionName, SectionLayout] = {}
    pieces: list[bytes] = []
    position = 0
    filled = [section for section in document.sections.values() if len(section.starts)]
    for section in sorted(filled, key=lambda each: each.start):
        pieces.append(document.buffer[position : int(section.starts[0])])
        position = int(section.ends[-1])
    pieces.append(document.buffer[position:])
    for name in SECTIONS:
        section, style = document.sections[name], styles[name]
        around = layout_of(document.buffer, section, style)
        texts = [style.item_separator, style.key_separator, style.line, style.indent, *around]
        item, key_, line, indent, head, gap, tail = (text.decode() for text in texts)
        sections[name] = SectionLayout(
            item, key_, style.ascii, line, indent, head, gap, tail, filled=bool(len(section.starts))
        )
    return FileLayout(b"".join(pieces), sections)


def leads_of(document: Document, section: Section, gap: bytes) -> list[bytes | None]:
    """What stands before each record, `None` where that is `gap`, and for the first one."""
    count = len(section.starts)
    leads: list[bytes | None] = [None] * count
    if count < 2:
        return leads
    lengths = section.starts[1:] - section.ends[:-1]
    if len(gap) == 1 and bool((lengths == 1).all()):
        # A comma, what else.
        return leads
    for index, (start, end) in enumerate(zip(section.ends[:-1].tolist(), section.starts[1:].tolist(), strict=True)):
        lead = document.buffer[start:end]
        if lead != gap:
            leads[index + 1] = lead
    return leads


def encode_sections(layout: FileLayout) -> str:
    """The sections of a layout as JSON."""
    return msgspec.json.encode(dict(layout.sections)).decode()


def decode_layout(skeleton: bytes, sections: bytes) -> FileLayout:
    """What was kept of a layout."""
    return FileLayout(skeleton, msgspec.json.decode(sections, type=dict[SectionName, SectionLayout]))
