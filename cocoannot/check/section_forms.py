"""The records of a section that is no list, as a list: of an object the key is the id. Other values are not guessed.

{"7": {...}}              a record with the id 7, where it has none of its own
{"cat": {"id": 7}}        a category of that name, where it has none of its own; an image of that file name
{"7": "a.jpg"}            an image or category with the id 7 and that name
{"cat": 7}                a category with that name and the id 7
{"7": [{...}, {...}]}     annotations of the image 7, where they name none of their own
{"id": 7, "width": 640}   one record, which needs no list
"""

from __future__ import annotations

import json
from typing import Any, NamedTuple

import msgspec

from cocoannot.check.identity import as_id
from cocoannot.coco.parser import find_records, find_values
from cocoannot.coco.records import encode

_FIELDS = msgspec.json.Decoder(dict[str, msgspec.Raw])
_NAMES = {"images": "file_name", "categories": "name"}


class Records(NamedTuple):
    """The texts of records, and what is none, by its key. `unused` are keys that the records do not say."""

    texts: list[bytes]
    others: list[tuple[str, bytes]]
    unused: list[str]


def records_of(section: str, text: bytes) -> Records:
    """The records in a section's value that is no list."""
    if text in (b"null", b'""'):
        return Records([], [], [])
    if not text.startswith(b"{"):
        return Records([], [("", text)], [])
    records = Records([], [], [])
    if _is_record(section, text):
        return Records([text], [], [])
    for key, start, end in find_values(text):
        value = text[start:end]
        found = _records(section, key, value, records.unused)
        if found is None:
            records.others.append((key, value))
        else:
            records.texts.extend(found)
    return records


def _is_record(section: str, text: bytes) -> bool:
    """Whether an object is one record: it has an id that is no record, and another field of such records."""
    fields = _FIELDS.decode(text)
    others = {"images": {"file_name", "width"}, "annotations": {"image_id"}, "categories": {"name"}}[section]
    return as_id(_number(bytes(fields.get("id", b"null")))) is not None and not others.isdisjoint(fields)


def _records(section: str, key: str, value: bytes, unused: list[str]) -> list[bytes] | None:
    if value.startswith(b"{"):
        return [_keyed(section, key, value, unused)]
    if section == "annotations" and value.startswith(b"["):
        starts, ends = find_records(value, 0, len(value))
        texts = [value[start:end] for start, end in zip(starts.tolist(), ends.tolist(), strict=True)]
        if all(text.startswith(b"{") for text in texts):
            return [_with_field(text, "image_id", key, unused) for text in texts]
    if section in _NAMES and value.startswith(b'"'):
        return [encode({"id": _id(key), _NAMES[section]: msgspec.Raw(value)})]
    if section == "categories" and as_id(key) is None and as_id(_number(value)) is not None:
        return [encode({"id": msgspec.Raw(value), "name": key})]
    return None


def _keyed(section: str, key: str, text: bytes, unused: list[str]) -> bytes:
    name = _NAMES.get(section)
    fields = _FIELDS.decode(text)
    if name and name not in fields and as_id(key) is None and bytes(fields.get("id", b"null")) != b"null":
        return encode({**fields, name: key})
    return _with_field(text, "id", key, unused)


def _with_field(text: bytes, field: str, key: str, unused: list[str]) -> bytes:
    """A record's text with the id that its key is, unless it has one; nothing else is changed."""
    fields = _FIELDS.decode(text)
    if field in fields and bytes(fields[field]) != b"null":
        if _number(bytes(fields[field])) not in (key, as_id(key)):
            unused.append(key)
        return text
    if field in fields:
        return encode({**fields, field: _id(key)})
    rest = text[1:].lstrip()
    return b'{"%b": %b%b%b' % (field.encode(), json.dumps(_id(key)).encode(), b"" if rest == b"}" else b", ", rest)


def _id(key: str) -> int | str:
    number = as_id(key)
    return key if number is None else number


def _number(value: bytes) -> Any:
    try:
        return msgspec.json.decode(value)
    except (msgspec.DecodeError, RecursionError):
        return None
