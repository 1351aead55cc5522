"""One record: the JSON text that it is, its fields, its version. Which values are allowed is not known here."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from hashlib import blake2b
from typing import Any

import msgspec

from cocoannot.errors import VersionMismatch

_FIELDS = msgspec.json.Decoder(dict[str, msgspec.Raw])
_VALUE = msgspec.json.Decoder()


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


def encode(fields: Mapping[str, Any]) -> bytes:
    """The text of a new record, on one line. Values that are `msgspec.Raw` keep their text otherwise."""
    text = msgspec.json.encode(fields)
    # Only the layout of values that came indented: JSON strings hold no line ends.
    return msgspec.json.format(text, indent=-1) if b"\n" in text or b"\r" in text else text


def merge(text: bytes, changes: Mapping[str, Any]) -> bytes:
    """`text` with `changes` merged in at the top level, on one line; a value of `None` removes its field.

    Fields that are not in `changes` keep their place and the text of their value.
    """
    fields: dict[str, Any] = _FIELDS.decode(text)
    for key, value in changes.items():
        if value is None:
            fields.pop(key, None)
        else:
            fields[key] = value
    return encode(fields)


def with_derived(text: bytes, derived: Mapping[str, Any]) -> bytes:
    """`text` with derived fields put in before its closing brace; their names begin with an underscore."""
    if not derived:
        return text
    extra = msgspec.json.encode(derived)[1:]
    return b"%b,%b" % (text[:-1].rstrip(), extra)
