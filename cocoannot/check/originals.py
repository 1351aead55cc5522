"""What a repaired copy does not have as it was, kept beside it: nothing that a file had is lost.

removed     whole records and values, and records that lost a field, all of the record
replaced    values of fields that the copy has another value for (ids are in a file of their own), and records with
            bytes that are no UTF-8: these bytes in hexadecimal
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec

from cocoannot.check.checked import Checked
from cocoannot.check.lenient_parser import Removed, Replaced
from cocoannot.check.text import MarkedText
from cocoannot.coco.parser import SECTIONS

_FIELDS = msgspec.json.Decoder(dict[str, msgspec.Raw])


def originals(
    path: Path, marked: MarkedText, removed: Sequence[Removed], replaced: Sequence[Replaced]
) -> Iterator[bytes]:
    """The text of the file that keeps them, as JSON; as in Python's, numbers may be NaN."""
    yield b'{"removed_from": %b, "removed": [' % json.dumps(str(path)).encode()
    for number, each in enumerate(removed):
        about = {"section": each.section, "index": each.position, "kinds": each.kinds, "field": each.part}
        yield (b",\n" if number else b"\n") + _entry(about, each.text, marked)
    yield b'\n], "replaced": ['
    for number, other in enumerate(replaced):
        about = {"section": other.section, "index": other.position, "field": other.field}
        yield (b",\n" if number else b"\n") + _entry(about, other.text, marked)
    yield b"\n]}\n"


def _entry(about: dict[str, Any], text: bytes, marked: MarkedText) -> bytes:
    entry = {key: value for key, value in about.items() if value not in ("", -1)}
    original = marked.original(text)
    try:
        original.decode()
    except UnicodeDecodeError:
        entry["was_bytes"] = original.hex()
        original = marked.readable(marked.original_json(text))
    return b'%b, "was": %b}' % (json.dumps(entry).encode()[:-1], original)


def changed_ids(checked: Checked) -> Iterator[dict[str, Any]]:
    """The records that have another id in the copy: what it was, and what it is."""
    for section in checked.sections.values():
        for position, record_id in sorted(section.identity.changed.items()):
            if position in section.dropped:
                continue
            text = _FIELDS.decode(section.text(position)).get("id")
            was = None if text is None else json.loads(checked.readable.marked.original_json(bytes(text)))
            if type(was) is not int or was != record_id:
                yield {"section": section.name, "index": position, "was": was, "now": record_id}


def not_utf8(checked: Checked) -> Iterator[Replaced]:
    """Records and top-level values with bytes that are no UTF-8, or with half of a surrogate pair, in the file."""
    readable, marked = checked.readable, checked.readable.marked
    if not marked.had_others:
        return
    for key, (start, end) in readable.values.items():
        if key in SECTIONS:
            section = checked.sections[key]
            for i in range(len(section)):
                text = section.text(i)
                if i not in section.dropped and marked.has_other_bytes(text):
                    yield Replaced(key, i, "", text)
        elif marked.has_other_bytes(text := readable.buffer[start:end]):
            yield Replaced(key, -1, "", text)
