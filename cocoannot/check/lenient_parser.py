"""The text of a file that the server may refuse, made readable: its bytes, its top-level values, its records' places.

Only what can't be read is touched, so that the rest stays as it is byte for byte: see `text` for the bytes, and
`_normalise` for top-level keys that are repeated and sections that are no lists. What is wrong inside of records is
looked at elsewhere.
"""

from __future__ import annotations

import codecs
import json
import re
from typing import Any, NamedTuple

import msgspec
import numpy as np

from cocoannot.check.findings import Findings
from cocoannot.check.record_repairs import without_infinite
from cocoannot.check.text import INFINITE, Shifts, in_utf8, with_characters, with_numbers
from cocoannot.coco.parser import SECTIONS, Ints, find_records, find_values, read_document
from cocoannot.errors import DatasetError

_OBJECT = msgspec.json.Decoder(dict[str, msgspec.Raw])


class Rows(NamedTuple):
    """One list of records: where it stands (`start`, `end`, brackets included) and where each record does."""

    start: int
    end: int
    starts: Ints
    ends: Ints


class Removed(NamedTuple):
    """What a repaired copy does not have any more. `part` is the field that is gone, or empty for all of it.

    `position` counts the records of the section as they were read, -1 for a top-level value.
    """

    section: str
    position: int
    kinds: tuple[str, ...]
    part: str
    text: bytes


class Readable(NamedTuple):
    """`values` gives each top-level key its byte range in `buffer`, in file order; `lost` is what had to go already."""

    buffer: bytes
    values: dict[str, tuple[int, int]]
    rows: dict[str, Rows]
    infinite: bool
    lost: list[Removed]


class _Entry(NamedTuple):
    key: str
    start: int
    end: int


def make_readable(data: bytes, name: str, findings: Findings) -> Readable | None:
    """Read the bytes of any file; `None` where they are no JSON object, which `findings` then says like all else."""
    if not data.removeprefix(codecs.BOM_UTF8).strip():
        findings.add("empty_file")
        return None
    buffer, shifts = with_numbers(with_characters(in_utf8(data, findings), findings))
    try:
        entries = _entries(buffer)
    except msgspec.ValidationError as exc:
        findings.add("not_a_dataset", detail=str(exc))
        return None
    except (msgspec.DecodeError, RecursionError):
        findings.add("not_json", detail=_reason(buffer, name, shifts))
        return None
    lost: list[Removed] = []
    normalised = _normalise(buffer, entries, bool(shifts), findings, lost)
    if normalised is not None:
        buffer = normalised
        entries = _entries(buffer)
    values = {entry.key: (entry.start, entry.end) for entry in entries}
    rows = {section: _rows(buffer, *values.get(section, (0, 0))) for section in SECTIONS}
    return Readable(buffer, values, rows, bool(shifts), lost)


def _reason(buffer: bytes, name: str, shifts: Shifts) -> str:
    """Why it is no JSON, by the words of the server, with the bytes counted in the file as it is."""
    try:
        read_document(buffer, name)
    except DatasetError as exc:
        words = str(exc).removeprefix(f"{name}: ").removeprefix("not JSON: ")
        return re.sub(
            r"byte (\d+)",
            lambda found: f"byte {int(found[1]) - sum(grown for at, grown in shifts if at <= int(found[1]))}",
            words,
        )
    return "nested too deep to read"


def _entries(buffer: bytes) -> list[_Entry]:
    return [_Entry(*value) for value in find_values(buffer)]


def _normalise(
    buffer: bytes, entries: list[_Entry], infinite: bool, findings: Findings, lost: list[Removed]
) -> bytes | None:
    """The text with each top-level key there once and each section a list; `None` where that is so already.

    Lists of records under one key are joined; of other values the last one counts, as in json.load. A section that
    is an object of objects becomes the list of these.
    """
    groups: dict[str, list[_Entry]] = {}
    for entry in entries:
        groups.setdefault(entry.key, []).append(entry)
    odd = {key for key, group in groups.items() if len(group) > 1 or _is_odd(buffer, group[0], infinite)}
    if not odd:
        return None
    parts, position = [], 0
    for entry in entries:
        if entry is groups[entry.key][0]:
            text = buffer[entry.start : entry.end]
            if entry.key in odd:
                texts = [buffer[each.start : each.end] for each in groups[entry.key]]
                text = _as_list_or_value(entry.key, texts, findings, lost)
            parts += [buffer[position : entry.start], text]
        position = entry.end
    return b"".join([*parts, buffer[position:]])


def _is_odd(buffer: bytes, entry: _Entry, infinite: bool) -> bool:
    if entry.key in SECTIONS:
        return buffer[entry.start] != ord("[")
    return infinite and buffer.find(INFINITE, entry.start, entry.end) >= 0


def _as_list_or_value(key: str, texts: list[bytes], findings: Findings, lost: list[Removed]) -> bytes:
    if len(texts) > 1:
        findings.add("repeated_key", examples=[key])
    if key not in SECTIONS:
        lost += [Removed(key, -1, ("repeated_key",), "", text) for text in texts[:-1]]
        return _finite_value(key, texts[-1], findings, lost)
    if not all(text.startswith(b"[") for text in texts):
        findings.add("section_not_list", examples=[key])
    inner = []
    for text in texts:
        records = _records_in(text)
        if records is None and text != b"null":
            lost.append(Removed(key, -1, ("section_not_list",), "", text))
        inner += [records] if records else []
    return b"[" + b", ".join(inner) + b"]"


def _records_in(text: bytes) -> bytes | None:
    """The records of a list, or of an object that has nothing but objects, with commas between; `None` for others."""
    if text.startswith(b"["):
        return text[1:-1].strip()
    if text.startswith(b"{"):
        values = list(map(bytes, _OBJECT.decode(text).values()))
        if all(value.startswith(b"{") for value in values):
            return b", ".join(values)
    return None


def _finite_value(key: str, text: bytes, findings: Findings, lost: list[Removed]) -> bytes:
    if INFINITE not in text:
        return text
    try:
        value: Any = json.loads(text)
        finite = without_infinite(value)
    except RecursionError:
        lost.append(Removed(key, -1, ("not_finite",), "", text))
        finite = value = None
    if finite is value is not None:
        return text
    findings.add("not_finite", examples=[key])
    return json.dumps(finite).encode()


def _rows(buffer: bytes, start: int, end: int) -> Rows:
    nowhere = np.zeros(0, np.int64)
    return Rows(start, end, *(find_records(buffer, start, end) if end else (nowhere, nowhere)))
