"""A dataset that is to go into another one: read by the rules of a file, and prepared as far as it can be alone."""

from __future__ import annotations

import re
from typing import NamedTuple

from cocoannot.coco.parser import NONE, SECTIONS, Document, SectionName, read_document
from cocoannot.coco.style import Style, styles_of
from cocoannot.errors import DatasetError

_BRACKETS = re.compile(rb'"(?:[^"\\]|\\.)*"|[\[\]{}]', re.DOTALL)

MAX_DEPTH = 100
"""How deep lists and objects may be nested in a record."""


class Incoming(NamedTuple):
    """`ids` has those of each section, in file order; `styles` tells how the records of each section stand."""

    document: Document
    ids: dict[SectionName, list[int]]
    styles: dict[SectionName, Style]

    def text(self, section: SectionName, slot: int) -> bytes:
        """The text of a record, by its place in the section."""
        found = self.document.sections[section]
        return self.document.buffer[found.starts[slot] : found.ends[slot]]

    def value(self, key: str) -> bytes | None:
        """The JSON text of a top-level value, `None` where it is not there."""
        span = self.document.values.get(key)
        return None if span is None else self.document.buffer[span[0] : span[1]]


def read_incoming(data: bytes, source: str) -> Incoming:
    """Read a dataset; `source` names it in errors.

    Raises `DatasetError` for what a file may not hold either, and for panoptic annotations, which have no ids.
    """
    document = read_document(data, source)
    if document.values.keys().isdisjoint(SECTIONS):
        raise DatasetError(f"{source}: there are no images, annotations or categories in it; is it a COCO dataset?")
    annotations = document.sections["annotations"]
    if (annotations.keys["id"] == NONE).any():
        raise DatasetError(
            f"{source}: its annotations are panoptic (segments_info), which have no ids and can't be imported"
        )
    _check_depth(document, source)
    ids = {name: section.keys["id"].tolist() for name, section in document.sections.items()}
    return Incoming(document, ids, styles_of(document))


def _check_depth(document: Document, source: str) -> None:
    """Refuse what programs that read JSON one level after the other would not come to the end of."""
    for name, section in document.sections.items():
        for index, (start, end) in enumerate(zip(section.starts.tolist(), section.ends.tolist(), strict=True)):
            if _is_deep(document.buffer[start:end]):
                raise DatasetError(f"{source}: {name}[{index}] is nested more than {MAX_DEPTH} levels deep")
    for key, (start, end) in document.values.items():
        if key not in SECTIONS and _is_deep(document.buffer[start:end]):
            raise DatasetError(f"{source}: {key!r:.100} is nested more than {MAX_DEPTH} levels deep")


def _is_deep(text: bytes) -> bool:
    # Hardly any record has as many brackets.
    if text.count(b"[") + text.count(b"{") <= MAX_DEPTH:
        return False
    depth = 0
    for found in _BRACKETS.finditer(text):
        bracket = found[0]
        depth += (bracket in b"[{") - (bracket in b"]}")
        if depth > MAX_DEPTH:
            return True
    return False
