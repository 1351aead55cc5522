"""A COCO file as text: where its sections, its records and the text between them stand. Nothing is changed here.

The file is read by msgspec in C: once to find the records, and once in pieces for the few fields of each that the
index needs; the other top-level values are found in what is left without the records. Nothing is decoded further.
"""

from __future__ import annotations

import codecs
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from operator import attrgetter
from typing import Any, Literal, NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt

from cocoannot.coco.recognition import recognise_bytes, recognise_json, recognise_keys
from cocoannot.coco.refusals import refusal
from cocoannot.coco.statuses import OPEN, STATUS, status_number
from cocoannot.errors import DatasetError, NotADataset

NONE = -(2**63)
"""Stands in an id column for "this record has none"."""

Ints = npt.NDArray[np.int64]

SectionName = Literal["images", "annotations", "categories"]
SECTIONS: tuple[SectionName, ...] = ("images", "annotations", "categories")
NOUNS: dict[str, str] = {"images": "image", "annotations": "annotation", "categories": "category"}
"""What one record of a section is called."""

MAX_ID = 2**53 - 1
"""The largest id that is given out or taken: above it, JavaScript rounds integers."""

_BOM = codecs.BOM_UTF8
_PIECE = 4096
_Scalar = int | float | str | bool | None


class Section(NamedTuple):
    """One list of records. `starts`, `ends` are byte offsets into the document's buffer, shape (records,).

    `start`, `end` enclose the value itself, brackets included; `keys` has one array a field of the index and
    `names` the file names or category names, `""` where a record has none.
    """

    start: int
    end: int
    starts: Ints
    ends: Ints
    keys: dict[str, npt.NDArray[Any]]
    names: list[str]


class Document(NamedTuple):
    """A file's text and what stands where: `values` gives each top-level key its byte range, in file order.

    `ascii` tells whether the text, but for a byte order mark, is ASCII alone.
    """

    buffer: bytes
    values: dict[str, tuple[int, int]]
    sections: dict[SectionName, Section]
    ascii: bool


class ImageKeys(msgspec.Struct, gc=False):
    id: int
    file_name: Any = None
    width: Any = None
    height: Any = None
    annotation_status: Any = None


class AnnotationKeys(msgspec.Struct, gc=False):
    id: int
    image_id: int = NONE
    category_id: int = NONE
    iscrowd: int = 0
    area: Any = None


class CategoryKeys(msgspec.Struct, gc=False):
    id: int
    name: Any = None


class _AnyKeys(msgspec.Struct, gc=False):
    """The same fields as they come in files that are less tidy."""

    id: Any = None
    image_id: Any = None
    category_id: Any = None
    iscrowd: Any = 0
    area: Any = None
    file_name: Any = None
    width: Any = None
    height: Any = None
    name: Any = None
    annotation_status: Any = None
    segments_info: msgspec.Raw = msgspec.Raw()


Keys = ImageKeys | AnnotationKeys | CategoryKeys

_KEYS: dict[str, type[Any]] = {"images": ImageKeys, "annotations": AnnotationKeys, "categories": CategoryKeys}
_IDS = {"images": ("id",), "annotations": ("id", "image_id", "category_id"), "categories": ("id",)}
_COLUMNS: dict[str, dict[str, type[np.generic]]] = {
    "images": {"id": np.int64, "sized": np.bool_, "status": np.int8},
    "annotations": {
        "id": np.int64,
        "image_id": np.int64,
        "category_id": np.int64,
        "iscrowd": np.bool_,
        "area": np.float32,
    },
    "categories": {"id": np.int64},
}
"""The arrays of the index, which have these types also where a section has no records."""
_NAMES = {"images": "file_name", "annotations": None, "categories": "name"}
_LISTS = {section: msgspec.json.Decoder(list[keys]) for section, keys in _KEYS.items()}  # type: ignore[valid-type]
_ONE = {section: msgspec.json.Decoder(keys) for section, keys in _KEYS.items()}
_ANY = msgspec.json.Decoder(_AnyKeys)
_NUMBERS = frozenset([int, float])
_Raws = list[msgspec.Raw]
_RAWS = msgspec.json.Decoder(_Raws)


class _Sections(msgspec.Struct, gc=False):
    """Each record's text, where each section is a list, or null."""

    images: _Raws | None = None
    annotations: _Raws | None = None
    categories: _Raws | None = None


_SECTIONS = msgspec.json.Decoder(_Sections)


class _Key:
    """A top-level key that equals no other, so that a dict keeps a repeated one."""

    def __init__(self, text: str) -> None:
        self.text = text


_TOP = msgspec.json.Decoder(dict[_Key, msgspec.Raw], dec_hook=lambda _, text: _Key(text))


def read_document(buffer: bytes, source: str) -> Document:
    """Read the text of a COCO file; `source` names it in errors.

    Raises `DatasetError` where something can't be kept as it is: `NaN`, not UTF-8, a repeated top-level key, a section
    that is no list, a record that is no object, an id that is no integer; `NotADataset` for files of other kinds.
    """
    is_ascii = buffer.removeprefix(_BOM).isascii()
    if not is_ascii:
        _check_utf8(buffer, source)
    skip = _skipped(buffer)
    records = _find_all_records(buffer)
    values: dict[str, tuple[int, int]] = {}
    text = memoryview(buffer)[skip:]
    find = partial(_find_values_around, buffer, records.values())
    found = _decode(lambda _: find(), text, source, skip, partial(recognise_json, buffer))
    for key, start, end in found:
        if key in values:
            raise DatasetError(f"{source}: the top-level key {key!r} is there twice; keep one of them")
        values[key] = (start, end)
    if recognise_keys(list(values)):
        raise NotADataset(f"{source}: not a COCO file: {recognise_json(buffer)}")
    sections = {name: _read_section(buffer, values.get(name), records.get(name), name, source) for name in SECTIONS}
    return Document(buffer, values, sections, is_ascii)


def find_values(buffer: bytes) -> list[tuple[str, int, int]]:
    """The top-level values of a JSON object, in order: key, and byte range. A repeated key is there each time.

    Raises msgspec's errors, with positions that do not count a byte order mark, and `RecursionError`.
    """
    raws: dict[_Key, msgspec.Raw] = _TOP.decode(memoryview(buffer)[_skipped(buffer) :])
    address = _address(buffer)
    starts = [_address(raw) - address for raw in raws.values()]
    return [(key.text, at, at + len(raw)) for (key, raw), at in zip(raws.items(), starts, strict=True)]


def find_records(buffer: bytes, start: int, end: int) -> tuple[Ints, Ints]:
    """Where each value of the list in this byte range of `buffer` begins and ends, two arrays of shape (values,).

    Raises msgspec's errors, with positions counted from `start`, and `RecursionError`.
    """
    return _locate(buffer, _RAWS.decode(memoryview(buffer)[start:end]))


def read_keys(section: str, text: bytes) -> Keys:
    """The index fields of one record's text. Raises `DatasetError`."""
    try:
        keys: Keys = _ONE[section].decode(text)
        return keys
    except (msgspec.DecodeError, UnicodeDecodeError):
        return _tidy(section, text, section)


def _check_utf8(buffer: bytes, source: str) -> None:
    decoder = codecs.getincrementaldecoder("utf-8")()
    for start in range(0, len(buffer), 1 << 20):
        waiting = len(decoder.getstate()[0])
        try:
            decoder.decode(buffer[start : start + (1 << 20)], final=start + (1 << 20) >= len(buffer))
        except UnicodeDecodeError as exc:
            at = start - waiting + exc.start
            if words := recognise_bytes(buffer):
                raise NotADataset(f"{source}: not a COCO file: {words}") from exc
            raise DatasetError(f"{source}: not UTF-8 at byte {at} ({exc.reason}); convert the file to UTF-8") from exc


def _decode(
    decode: Callable[[Any], Any],
    text: Any,
    source: str,
    offset: int,
    recognise: Callable[[], str | None] = lambda: None,
) -> Any:
    """`recognise` gives more words for a value of another type, which it may take long to find."""
    try:
        return decode(text)
    except RecursionError as exc:
        raise NotADataset(f"{source}: nested too deep to read") from exc
    except (msgspec.DecodeError, UnicodeDecodeError) as exc:
        raise refusal(exc, bytes(text), source, offset, recognise) from exc


def _skipped(buffer: bytes) -> int:
    """Bytes of the byte order mark that `buffer` begins with."""
    return len(_BOM) if buffer.startswith(_BOM) else 0


def _address(data: bytes | msgspec.Raw) -> int:
    address: int = np.frombuffer(data, np.uint8).__array_interface__["data"][0]
    return address


def _find_all_records(buffer: bytes) -> dict[str, tuple[Ints, Ints]]:
    """What `find_records` gives, for each section that has records; nothing where one pass can't tell.

    Of a section that is there twice they are the last one's.
    """
    try:
        sections = _SECTIONS.decode(memoryview(buffer)[_skipped(buffer) :])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return {}  # Read again value by value: the error must name the one that is wrong.
    found = {name: raws for name in SECTIONS if (raws := getattr(sections, name))}
    return {name: _locate(buffer, raws) for name, raws in found.items()}


def _find_values_around(buffer: bytes, records: Iterable[tuple[Ints, Ints]]) -> list[tuple[str, int, int]]:
    """What `find_values` gives, without reading `records` again: found in a text that lacks them."""
    cuts = sorted((int(starts[0]), int(ends[-1])) for starts, ends in records)
    begins, stops = [0, *(end for _, end in cuts)], [*(start for start, _ in cuts), len(buffer)]
    values = find_values(b"".join(buffer[begin:stop] for begin, stop in zip(begins, stops, strict=True)))

    def place(at: int) -> int:
        for start, end in cuts:
            at += end - start if at > start else 0
        return at

    return [(key, place(start), place(end)) for key, start, end in values]


def _read_section(
    buffer: bytes, span: tuple[int, int] | None, records: tuple[Ints, Ints] | None, name: str, source: str
) -> Section:
    start, end = span or (0, 0)
    text = memoryview(buffer)[start:end]
    if span is None or bytes(text[:5]) == b"null":
        nowhere = np.zeros(0, np.int64)
        return Section(start, end, nowhere, nowhere, _joined(name, []), [])
    if bytes(text[:1]) != b"[":
        raise DatasetError(f"{source}: {name!r} must be a list of records")
    starts, ends = records or _decode(lambda _: find_records(buffer, start, end), text, source, start)
    pieces: list[dict[str, npt.NDArray[Any]]] = []
    names: list[str] = []
    for first in range(0, len(starts), _PIECE):
        at = slice(first, first + _PIECE)
        keys, arrays = _read_piece(buffer, starts[at], ends[at], name, f"{source}: {name}", first)
        pieces.append(arrays)
        if field := _NAMES[name]:
            names.extend(value if type(value) is str else "" for value in map(attrgetter(field), keys))
    return Section(start, end, starts, ends, _joined(name, pieces), names)


def _joined(name: str, pieces: Sequence[Mapping[str, npt.NDArray[Any]]]) -> dict[str, npt.NDArray[Any]]:
    columns = _COLUMNS[name].items()
    return {column: np.concatenate([np.zeros(0, kind), *(each[column] for each in pieces)]) for column, kind in columns}


def _locate(buffer: bytes, raws: Sequence[msgspec.Raw]) -> tuple[Ints, Ints]:
    """Where each record stands: the sum of lengths where all gaps are alike, else each record's own address."""
    lengths = np.fromiter(map(len, raws), np.int64, len(raws))
    starts = np.empty_like(lengths)
    if not raws:
        return starts, starts
    address = _address(buffer)
    gap = buffer[_address(raws[0]) - address + len(raws[0]) : _address(raws[1]) - address] if len(raws) > 1 else b""
    for first in range(0, len(raws), _PIECE):
        piece = raws[first : first + _PIECE]
        at = slice(first, first + len(piece))
        position = _address(piece[0]) - address
        if buffer.startswith(gap.join(piece), position):
            steps = lengths[at] + len(gap)
            starts[at] = position + np.cumsum(steps) - steps
        else:
            starts[at] = np.fromiter(map(_address, piece), np.int64, len(piece)) - address
    return starts, starts + lengths


def _read_piece(
    buffer: bytes, starts: Ints, ends: Ints, name: str, where: str, first: int
) -> tuple[list[Keys], dict[str, npt.NDArray[Any]]]:
    keys: list[Keys]
    try:
        keys = _LISTS[name].decode(b"".join((b"[", memoryview(buffer)[int(starts[0]) : int(ends[-1])], b"]")))
        arrays = read_arrays(keys, name)
        if not any(_too_large(arrays[column], column) for column in _IDS[name]):
            return keys, arrays
    except (msgspec.DecodeError, UnicodeDecodeError, OverflowError):
        pass  # Read again one by one: either it is odd but fine, or the error must name the record.
    keys = [
        _tidy(name, buffer[start:end], f"{where}[{first + i}]")
        for i, (start, end) in enumerate(zip(starts.tolist(), ends.tolist(), strict=True))
    ]
    return keys, read_arrays(keys, name)


def read_all_keys(section: str, texts: Sequence[bytes | memoryview]) -> list[Keys]:
    """The index fields of many records, at a fraction of the time that one by one takes. Raises `DatasetError`."""
    found: list[Keys] = []
    for first in range(0, len(texts), _PIECE):
        piece = texts[first : first + _PIECE]
        try:
            found += _LISTS[section].decode(b"[%b]" % b",".join(piece))
        except (msgspec.DecodeError, UnicodeDecodeError):
            found += [read_keys(section, bytes(text)) for text in piece]
    return found


def read_arrays(keys: list[Keys], name: str) -> dict[str, npt.NDArray[Any]]:
    """The index fields of records as columns, one array for each."""
    arrays: dict[str, npt.NDArray[Any]] = {
        column: np.fromiter(map(attrgetter(column), keys), np.int64, len(keys)) for column in _IDS[name]
    }
    if name == "annotations":
        arrays["iscrowd"] = np.fromiter(map(attrgetter("iscrowd"), keys), np.bool_, len(keys))
        arrays["area"] = _areas(keys)
    elif name == "images":
        arrays["sized"] = np.fromiter(map(has_size, keys), np.bool_, len(keys))  # type: ignore[arg-type]
        arrays["status"] = _statuses([*map(attrgetter(STATUS), keys)])
    return arrays


def _areas(keys: list[Keys]) -> npt.NDArray[np.float32]:
    try:
        return np.fromiter(map(attrgetter("area"), keys), np.float32, len(keys))
    except (TypeError, ValueError):
        return np.fromiter((area_of(each) for each in keys if isinstance(each, AnnotationKeys)), np.float32, len(keys))


def _statuses(values: list[Any]) -> npt.NDArray[np.int8]:
    if values.count(None) == len(values):
        return np.full(len(values), OPEN, np.int8)
    return np.fromiter(map(status_number, values), np.int8, len(values))


def _too_large(ids: Ints, column: str) -> bool:
    """Whether there is an id beyond the limit; a record may lack its image or category, but not its own id."""
    beyond = (ids > MAX_ID) | (ids < -MAX_ID)
    return bool((beyond if column == "id" else beyond & (ids != NONE)).any())


def _tidy(section: str, text: bytes, where: str) -> Keys:
    keys: _AnyKeys = _decode(_ANY.decode, text, where, 0)
    if section == "images":
        return ImageKeys(
            _integer(keys.id, "id", where), keys.file_name, keys.width, keys.height, keys.annotation_status
        )
    if section == "categories":
        return CategoryKeys(_integer(keys.id, "id", where), keys.name)
    panoptic = keys.id is None and len(bytes(keys.segments_info)) > 0
    return AnnotationKeys(
        NONE if panoptic else _integer(keys.id, "id", where),
        NONE if keys.image_id is None else _integer(keys.image_id, "image_id", where),
        NONE if keys.category_id is None else _integer(keys.category_id, "category_id", where),
        1 if keys.iscrowd else 0,
        keys.area,
    )


def has_size(keys: ImageKeys) -> bool:
    """Whether the record has a `width` and a `height` above 0."""
    width, height = keys.width, keys.height
    return type(width) in _NUMBERS and type(height) in _NUMBERS and width > 0 and height > 0


def area_of(keys: AnnotationKeys) -> float:
    """The record's `area`, NaN where it has none that is a number."""
    return float(keys.area) if type(keys.area) in _NUMBERS else math.nan


def _integer(value: _Scalar, field: str, where: str) -> int:
    if type(value) is int and -MAX_ID <= value <= MAX_ID:
        return value
    if value is None:
        raise DatasetError(f"{where}: has no {field!r}; every record needs an integer")
    if isinstance(value, bool) or not isinstance(value, (int, float)) or value != int(value):
        raise DatasetError(f"{where}: {field!r} is {value!r:.60}, which is no integer")
    if abs(value) > MAX_ID:
        raise DatasetError(f"{where}: {field!r} is {value!r:.60}; ids go up to 2^53 - 1, which JavaScript can hold")
    return int(value)
