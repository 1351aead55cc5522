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
from cocoannot.check.section_forms import records_of
from cocoannot.check.text import INFINITE, MarkedText
from cocoannot.coco.parser import SECTIONS, Ints, find_records, find_values
from cocoannot.coco.recognition import recognise_bytes, recognise_json, recognise_keys
from cocoannot.coco.refusals import refusal

_REASONS = {
    "segmentation": ("bad_polygons", "bad_rle"),
    "bbox": ("bad_bbox",),
    "area": ("bad_area",),
    "keypoints": ("bad_keypoints",),
}


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

    @property
    def reasons(self) -> tuple[str, ...]:
        """The kinds of problems that it was removed for: a record may have others too."""
        return tuple(kind for kind in self.kinds if not self.part or kind in _REASONS.get(self.part, self.kinds))


class Replaced(NamedTuple):
    """What stood in a field (in all of a record or value, where `field` is empty) that a copy has otherwise."""

    section: str
    position: int
    field: str
    text: bytes


class Readable(NamedTuple):
    """`values` gives each top-level key its byte range in `buffer`, in file order.

    `removed` and `replaced` are what had to go already; `marked` tells what stood where the text has markers.
    """

    buffer: bytes
    values: dict[str, tuple[int, int]]
    rows: dict[str, Rows]
    marked: MarkedText
    removed: list[Removed]
    replaced: list[Replaced]


class _Gone(NamedTuple):
    removed: list[Removed]
    replaced: list[Replaced]


class _Entry(NamedTuple):
    key: str
    start: int
    end: int


def make_readable(data: bytes, findings: Findings) -> Readable | None:
    """Read the bytes of any file; `None` where they are no dataset, which `findings` then says like all else."""
    if not data.removeprefix(codecs.BOM_UTF8).strip():
        findings.add("empty_file")
        return None
    if not data.lstrip(codecs.BOM_UTF8 + b" \t\r\n").startswith(b"{") and (words := recognise_bytes(data)):
        findings.add("not_json", detail=words)
        return None
    if data.startswith(codecs.BOM_UTF8):
        findings.add("byte_order_mark")
    marked = MarkedText(data, findings)
    buffer = marked.text
    try:
        entries = _entries(buffer)
    except msgspec.ValidationError as exc:
        words = _reason(exc, marked).removeprefix("not a COCO file: ")
        findings.add("not_a_dataset", detail=words)
        return None
    except (msgspec.DecodeError, RecursionError) as exc:
        findings.add("not_json", detail=_reason(exc, marked))
        return None
    if recognise_keys([entry.key for entry in entries]):
        findings.add("not_a_dataset", detail=recognise_json(buffer) or "")
        return None
    gone = _Gone([], [])
    normalised = _normalise(marked, entries, findings, gone)
    if normalised is not None:
        buffer = normalised
        entries = _entries(buffer)
    values = {entry.key: (entry.start, entry.end) for entry in entries}
    rows: dict[str, Rows] = {section: _rows(buffer, *values.get(section, (0, 0))) for section in SECTIONS}
    return Readable(buffer, values, rows, marked, gone.removed, gone.replaced)


def _reason(exc: Exception, marked: MarkedText) -> str:
    """Why it is no dataset, by the words of the server, with the bytes counted in the file as it is."""
    if isinstance(exc, RecursionError):
        return "nested too deep to read"
    text = marked.text

    def place(found: re.Match[str]) -> str:
        return f"byte {len(marked.original_json(text[: int(found[1])]))}"

    error = type(exc)(re.sub(r"byte (\d+)", place, str(exc)))
    words = str(refusal(error, marked.original_json(text), "", recognise=lambda: recognise_json(text)))
    return words.removeprefix(": ").removeprefix("not JSON: ").removeprefix("not a COCO file: ")


def _entries(buffer: bytes) -> list[_Entry]:
    return [_Entry(*value) for value in find_values(buffer)]


def _normalise(marked: MarkedText, entries: list[_Entry], findings: Findings, gone: _Gone) -> bytes | None:
    """The text with each top-level key there once and each section a list; `None` where that is so already.

    Lists of records under one key are joined; of other values the last one counts, as in json.load.
    """
    buffer = marked.text
    groups: dict[str, list[_Entry]] = {}
    for entry in entries:
        groups.setdefault(entry.key, []).append(entry)
    odd = {key for key, group in groups.items() if len(group) > 1 or _is_odd(marked, group[0])}
    if not odd:
        return None
    parts, position = [], 0
    for entry in entries:
        if entry is groups[entry.key][0]:
            text = buffer[entry.start : entry.end]
            if entry.key in odd:
                texts = [buffer[each.start : each.end] for each in groups[entry.key]]
                text = _as_one(entry.key, texts, findings, gone)
            parts += [buffer[position : entry.start], text]
        position = entry.end
    return b"".join([*parts, buffer[position:]])


def _is_odd(marked: MarkedText, entry: _Entry) -> bool:
    if entry.key in SECTIONS:
        return marked.text[entry.start] != ord("[")
    return marked.infinite and marked.text.find(INFINITE, entry.start, entry.end) >= 0


def _as_one(key: str, texts: list[bytes], findings: Findings, gone: _Gone) -> bytes:
    if len(texts) > 1:
        findings.add("repeated_key", examples=[key])
    if key not in SECTIONS:
        gone.removed.extend(Removed(key, -1, ("repeated_key",), "", text) for text in texts[:-1])
        return _finite_value(key, texts[-1], findings, gone)
    if not all(text.startswith(b"[") for text in texts):
        findings.add("section_not_list", examples=[key])
    inner = []
    for text in texts:
        if text.startswith(b"["):
            inner.append(text[1:-1].strip())
            continue
        records = records_of(key, text)
        inner.append(b", ".join(records.texts))
        gone.removed.extend(Removed(key, -1, ("section_not_list",), part, other) for part, other in records.others)
        if records.unused:
            gone.replaced.append(Replaced(key, -1, "", text))
        if records.others:
            findings.unrepairable("section_not_list", "", 1)
    return b"[" + b", ".join(filter(None, inner)) + b"]"


def _finite_value(key: str, text: bytes, findings: Findings, gone: _Gone) -> bytes:
    if INFINITE not in text:
        return text
    try:
        value: Any = json.loads(text)
        finite = without_infinite(value)
    except RecursionError:
        gone.removed.append(Removed(key, -1, ("not_finite",), "", text))
        finite = value = None
    if finite is value is not None:
        return text
    findings.add("not_finite", examples=[key])
    if value is not None:
        gone.replaced.append(Replaced(key, -1, "", text))
    return json.dumps(finite, ensure_ascii=False).encode()


def _rows(buffer: bytes, start: int, end: int) -> Rows:
    nowhere = np.zeros(0, np.int64)
    return Rows(start, end, *(find_records(buffer, start, end) if end else (nowhere, nowhere)))
