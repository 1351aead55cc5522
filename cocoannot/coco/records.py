"""One record: the JSON text that it is, its fields, its version. Which values are allowed is not known here."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from hashlib import blake2b
from typing import Any, NamedTuple

import msgspec

from cocoannot.coco.style import COMPACT, Style
from cocoannot.errors import VersionMismatch

_FIELDS = msgspec.json.Decoder(dict[str, msgspec.Raw])
_VALUE = msgspec.json.Decoder()
_NUMBER = re.compile(rb"\s*:\s*(-?[0-9.eE+-]+)")
_NAME = re.compile(rb'[\s,]*("(?:[^"\\]|\\.)*"\s*:\s*)')


class Record(Mapping[str, Any]):
    """A stored record: a read-only mapping of its fields, decoded when first asked for.

    `text` is the JSON text that is saved, byte for byte.
    """

    __slots__ = ("_fields", "text")

    def __init__(self, text: bytes) -> None:
        self.text = text
        self._fields: dict[str, Any] | None = None

    @property
    def etag(self) -> str:
        """The record's version: a hash of its text, without quotes."""
        return etag(self.text)

    @property
    def raw(self) -> msgspec.Raw:
        """The text as a value that msgspec encodes as it is."""
        return msgspec.Raw(self.text)

    def __getitem__(self, key: str) -> Any:
        return self._decoded()[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._decoded())

    def __len__(self) -> int:
        return len(self._decoded())

    def __repr__(self) -> str:
        return f"Record({self.text.decode()})"

    def _decoded(self) -> dict[str, Any]:
        if self._fields is None:
            try:
                self._fields = _VALUE.decode(self.text)
            except msgspec.ValidationError:
                # A number that no double and no 64-bit integer holds: JSON all the same, and kept as it is.
                self._fields = json.loads(self.text, parse_int=_integer)
        return self._fields


def _integer(digits: str) -> int | float:
    return int(digits) if len(digits) < 20 else float(digits)


def etag(text: bytes) -> str:
    """A hash of `text` as 24 hexadecimal digits."""
    return blake2b(text, digest_size=12).hexdigest()


def check_version(text: bytes, if_match: frozenset[str] | None, what: str) -> None:
    """Raise `VersionMismatch` where `if_match` is given and neither `*` nor the ETag of `text` is in it."""
    if if_match is None or "*" in if_match:
        return
    if (current := etag(text)) not in if_match:
        raise VersionMismatch(f"{what} has changed since you read it; read it again, then decide", current)


def encode(fields: Mapping[str, Any], style: Style = COMPACT) -> bytes:
    """The text of a new record. Values that are `msgspec.Raw` keep their text, but for its layout."""
    return style.encode(fields)


def merge(text: bytes, changes: Mapping[str, Any], style: Style = COMPACT) -> bytes:
    """`text` with `changes` merged in at the top level; a value of `None` removes its field.

    Fields that are not in `changes` keep their place and the text of their value, and the record keeps its layout.
    """
    fields: dict[str, Any] = _FIELDS.decode(text)
    # Most records are in the style of their file, and this is the fastest way to see it.
    if style.encode(fields) != text and (found := _places(text, fields)):
        return _spliced(text, found, changes, style)
    for key, value in changes.items():
        if value is None:
            fields.pop(key, None)
        else:
            fields[key] = value
    return style.encode(fields)


def renumber(text: bytes, numbers: Mapping[str, int], style: Style = COMPACT) -> bytes:
    """`text` with other numbers in these fields, which it has; all else byte for byte."""
    changed = text
    for field, number in numbers.items():
        key = b'"%b"' % field.encode()
        # A name that is there once, and nothing escaped: it can't be one further in, nor a text.
        found = None if b"\\" in text or text.count(key) != 1 else _NUMBER.match(changed, changed.index(key) + len(key))
        if found is None:
            return merge(text, numbers, style)
        changed = b"%b%d%b" % (changed[: found.start(1)], number, changed[found.end(1) :])
    return changed


class _Place(NamedTuple):
    """Where a field of a record stands: its name, its value, and the end of that."""

    name: int
    value: int
    end: int


def _places(text: bytes, fields: Mapping[str, msgspec.Raw]) -> dict[str, _Place] | None:
    """Where each of `fields` stands in `text`, in order; `None` where one is there twice, or there is none."""
    places = {}
    end = 1
    for key, raw in fields.items():
        found = _NAME.match(text, end)
        if found is None:
            return None
        end = found.end() + len(raw)
        if text[found.end() : end] != bytes(raw):
            return None
        places[key] = _Place(found.start(1), found.end(), end)
    return places if text[end:].strip() == b"}" else None


def _spliced(text: bytes, places: Mapping[str, _Place], changes: Mapping[str, Any], style: Style) -> bytes:
    """`text`, byte for byte, but for `changes`. A new field stands behind the last one, at the distance that it has."""
    of_values = style.within(text)
    *others, last = places.values()
    gap = text[others[-1].end : last.name] if others else style.item_separator
    colon = text[text.rindex(b'"', last.name, last.value) + 1 : last.value]
    parts = []
    end = 1
    for key, place in places.items():
        if key not in changes:
            parts.append((text[end : place.name], text[place.name : place.end]))
        elif changes[key] is not None:
            value = of_values.encode(changes[key])
            parts.append((text[end : place.name], text[place.name : place.value] + value))
        end = place.end
    for key, value in changes.items():
        if key not in places and value is not None:
            parts.append((gap, of_values.encode(key) + colon + of_values.encode(value)))
    # The first field is now perhaps another one, which has a comma before it.
    first = text[1 : next(iter(places.values())).name]
    joined = b"".join([lead + field for lead, field in parts])
    return b"{" + (first + joined[len(parts[0][0]) :] if parts else b"") + text[end:]


def with_derived(text: bytes, derived: Mapping[str, Any]) -> bytes:
    """`text` with derived fields put in before its closing brace; their names begin with an underscore."""
    if not derived:
        return text
    extra = msgspec.json.encode(derived)[1:]
    return b"%b,%b" % (text[:-1].rstrip(), extra)


def with_etags(texts: Iterable[bytes]) -> list[bytes]:
    """Records with their own ETag in each of them."""
    return [with_derived(text, {"_etag": etag(text)}) for text in texts]
