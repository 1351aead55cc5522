"""The dataset's text on its way out: a part of it, with other ids, boxes as polygons, in ASCII.

It is made while it is read, and what is in memory for it are ids and marks, never all records. What nobody asked to be
changed stays byte for byte.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import compress
from math import isfinite
from typing import Any

import msgspec

from cocoannot.coco.parser import NONE, SECTIONS, SectionName
from cocoannot.coco.records import Record, merge
from cocoannot.coco.style import COMPACT, Style, escaped, style_of
from cocoannot.exchange.selection import (
    Columns,
    Selected,
    Selection,
    check_not_panoptic,
    read_columns,
    select,
    without_orphans,
)
from cocoannot.store.base import Snapshot

Text = bytes | memoryview
Rewrite = Callable[[Iterable[bytes]], Iterator[bytes]]

_CATEGORY_LISTS = ("neg_category_ids", "not_exhaustive_category_ids")
"""Fields of LVIS's images that hold ids of categories."""

_BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True)
class Options:
    """What is to be exported, and how.

    `contiguous` numbers the records of each section from 1 on, in file order, and leaves out annotations whose image or
    category is not there. `polygons` gives annotations that have a box alone a polygon of its corners. `ascii` escapes
    everything else.
    """

    selection: Selection = field(default_factory=Selection)
    contiguous: bool = False
    polygons: bool = False
    ascii: bool = False

    @property
    def is_plain(self) -> bool:
        """Whether it is the whole text as it is."""
        return self == Options()


def export(snapshot: Snapshot, options: Options) -> Iterator[Text]:
    """The text of `snapshot` as `options` say, in blocks. Everything is checked before it returns.

    Raises `InvalidRecord` for what can't be done, and while it is read `OSError`.
    """
    rewrites: dict[SectionName, list[Rewrite]] = {name: [] for name in SECTIONS}
    sections: dict[SectionName, Iterable[Text]] = {}
    if options.contiguous or not options.selection.is_whole:
        columns = read_columns(snapshot)
        selected = select(columns, options.selection)
        if options.contiguous:
            check_not_panoptic(columns, "ids")
            selected = without_orphans(columns, selected)
            rewrites = _numbering(snapshot, columns, selected)
        for name in SECTIONS:
            if rewrites[name] or not selected.of(name).all():
                sections[name] = compress(snapshot.records(name), selected.of(name).tolist())
    if options.polygons:
        rewrites["annotations"].append(lambda texts: map(_with_polygon, texts))
    for name, each in rewrites.items():
        for rewrite in each:
            sections[name] = rewrite(map(bytes, sections.get(name) or snapshot.records(name)))
    text = snapshot.text(sections)
    return _in_ascii(text) if options.ascii else text


def _numbering(snapshot: Snapshot, columns: Columns, selected: Selected) -> dict[SectionName, list[Rewrite]]:
    """What gives the selected records of each section their numbers. Views of arrays give one integer at a time."""
    image_ids = columns.image_ids[selected.images].data
    category_ids = columns.category_ids[selected.categories].data
    images, categories = _numbers(image_ids), _numbers(category_ids)
    styles = {name: _style(snapshot, name) for name in SECTIONS}
    annotations = [
        column[selected.annotations].data
        for column in (columns.annotation_ids, columns.annotation_image_ids, columns.annotation_category_ids)
    ]

    def number_images(texts: Iterable[bytes]) -> Iterator[bytes]:
        for number, (text, image_id) in enumerate(zip(texts, image_ids, strict=True), 1):
            changes = {} if image_id == number else {"id": number}
            yield _merged(text, {**changes, **_category_lists(text, categories)}, styles["images"])

    def number_annotations(texts: Iterable[bytes]) -> Iterator[bytes]:
        for number, (text, *ids) in enumerate(zip(texts, *annotations, strict=True), 1):
            category = None if ids[2] == NONE else categories[ids[2]]
            numbers = {"id": number, "image_id": images[ids[1]], "category_id": category}
            pairs = zip(numbers.items(), ids, strict=True)
            changes = {name: new for (name, new), old in pairs if new != old and new is not None}
            yield _merged(text, changes, styles["annotations"])

    def number_categories(texts: Iterable[bytes]) -> Iterator[bytes]:
        for number, (text, category_id) in enumerate(zip(texts, category_ids, strict=True), 1):
            yield _merged(text, {} if category_id == number else {"id": number}, styles["categories"])

    return {"images": [number_images], "annotations": [number_annotations], "categories": [number_categories]}


def _numbers(ids: Iterable[int]) -> dict[int, int]:
    """The number of each id. Of records with one id the last counts, as for programs that read COCO."""
    return {record_id: number for number, record_id in enumerate(ids, 1)}


def _category_lists(text: bytes, numbers: dict[int, int]) -> dict[str, list[int]]:
    if not any(name.encode() in text for name in _CATEGORY_LISTS):
        return {}
    lists = {name: Record(text).get(name) for name in _CATEGORY_LISTS}
    return {
        name: [numbers[each] for each in ids if isinstance(each, int) and each in numbers]
        for name, ids in lists.items()
        if isinstance(ids, list)
    }


def _style(snapshot: Snapshot, name: SectionName) -> Style:
    """How the first record of a section is written: others that are written so take a third of the time."""
    first = next(snapshot.records(name), None)
    return COMPACT if first is None else style_of(bytes(first), ascii=False)


def _merged(text: bytes, changes: Mapping[str, Any], style: Style) -> bytes:
    return merge(text, changes, style) if changes else text


class _Shape(msgspec.Struct, gc=False):
    bbox: Any = None
    segmentation: msgspec.Raw = msgspec.Raw()


_SHAPE = msgspec.json.Decoder(_Shape)
_NOTHING = frozenset([b"", b"null", b"[]", b"[[]]"])


def _with_polygon(text: bytes) -> bytes:
    """An annotation that has a box and no segmentation, with the box's corners as a polygon; others as they are."""
    try:
        shape = _SHAPE.decode(text)
    except msgspec.ValidationError:
        return text
    box = shape.bbox
    is_box = isinstance(box, list) and len(box) == 4 and all(type(side) in (int, float) for side in box)
    if not is_box or not all(map(isfinite, box)) or b"".join(bytes(shape.segmentation).split()) not in _NOTHING:
        return text
    x, y, width, height = box
    if width <= 0 or height <= 0:
        return text
    # A sum of decimal fractions has digits that nobody meant.
    right, bottom = round(x + width, 6), round(y + height, 6)
    return merge(text, {"segmentation": [[x, y, right, y, right, bottom, x, bottom]]})


def _in_ascii(blocks: Iterable[Text]) -> Iterator[bytes]:
    """`blocks`, a JSON text, with everything escaped that is not ASCII; a byte order mark is left out."""
    rest = b""
    first = True
    for block in blocks:
        text = rest + block
        if first:
            text = text.removeprefix(_BOM)
            first = False
        end = _end_of_characters(text)
        rest = text[end:]
        yield escaped(text[:end])
    if rest:
        yield escaped(rest)


def _end_of_characters(text: bytes) -> int:
    """Where the last whole character of UTF-8 ends in `text`."""
    for back in range(1, min(4, len(text)) + 1):
        byte = text[-back]
        if byte < 0x80:
            break
        if byte >= 0xC0:
            length = 2 if byte < 0xE0 else 3 if byte < 0xF0 else 4
            return len(text) if length <= back else len(text) - back
    return len(text)
