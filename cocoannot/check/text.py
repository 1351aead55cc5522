"""The bytes of a JSON text that can't be read, made readable; the rest stays as it is, byte for byte.

not UTF-8, half of a surrogate pair                       U+FFFD
NaN, Infinity, an integer that Python's json refuses      1e999, which is JSON and reads as infinite
"""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Iterator

from cocoannot.check.findings import EXAMPLES, Findings

INFINITE = b"1e999"

# CPython's json, and with it pycocotools, refuses longer integers.
_MOST_DIGITS = 4300
_CHUNK = 1 << 20

_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")
# Every escape as a whole, so that a backslash that is escaped itself begins none.
_ESCAPES = re.compile(
    rb"\\(?:u[dD][89abAB][\da-fA-F]{2}\\u[dD][c-fC-F]|(?P<lone>u[dD][89a-fA-F][\da-fA-F]{2})|(?P<quote>\")|.)",
    re.DOTALL,
)
_AFTER_NUMBER = re.compile(rb"[\s,\]}]|\Z")
_TOO_LONG = re.compile(rb"(?<![\d.eE+])\d{%d,}(?![\d.eE])" % (_MOST_DIGITS + 1))
_DIGITS_AS_0 = bytes.maketrans(b"123456789", b"000000000")
_UNDECODED = re.compile("[\udc80-\udcff]+")


Shifts = list[tuple[int, int]]
"""Where bytes were put in: (byte in the result, how many more than before)."""


def in_utf8(data: bytes, findings: Findings) -> bytes:
    """`data` in UTF-8, whatever it was before."""
    encoding = json.detect_encoding(data[:4])
    if not encoding.startswith("utf-8"):
        findings.add("not_utf8", detail=f"the file is in {encoding.upper()}")
        return data.decode(encoding, "replace").encode()
    if data.isascii():
        return data
    parts: list[bytes] = []
    places: list[str] = []
    position = wrong = 0
    decoder = codecs.getincrementaldecoder("utf-8")("surrogateescape")
    for start in range(0, len(data), _CHUNK):
        text = decoder.decode(data[start : start + _CHUNK], final=start + _CHUNK >= len(data))
        part = text.encode("utf-8", "surrogateescape")
        for undecoded in _UNDECODED.finditer(text):
            wrong += 1
            if len(places) < EXAMPLES:
                places.append(f"byte {position + len(text[: undecoded.start()].encode('utf-8', 'surrogateescape'))}")
        position += len(part)
        parts.append(_UNDECODED.sub(_replaced, text).encode() if places else part)
    if not wrong:
        return data
    findings.add("not_utf8", examples=places, count=wrong)
    return b"".join(parts)


def _replaced(undecoded: re.Match[str]) -> str:
    return "\ufffd" * len(undecoded[0])


def with_characters(data: bytes, findings: Findings) -> bytes:
    """`data` without escapes that stand for half a character."""
    if not _SURROGATE.search(data):
        return data
    alone = [found.span() for found in _ESCAPES.finditer(data) if found["lone"]]
    if not alone:
        return data
    findings.add("lone_surrogate", examples=(f"byte {start}" for start, _ in alone), count=len(alone))
    fixed = bytearray(data)
    for start, end in alone:
        fixed[start:end] = rb"\ufffd"
    return bytes(fixed)


def with_numbers(data: bytes) -> tuple[bytes, Shifts]:
    """`data` with `INFINITE` for what is no number, and where that is."""
    parts: list[bytes] = []
    shifts: Shifts = []
    position = size = 0
    for start, end in _outside_strings(data):
        number = b"-" + INFINITE if data[start : start + 1] == b"-" else INFINITE
        parts += [data[position:start], number]
        size += start - position + len(number)
        shifts.append((size, len(number) - (end - start)))
        position = end
    return (b"".join([*parts, data[position:]]) if shifts else data), shifts


def _outside_strings(data: bytes) -> Iterator[tuple[int, int]]:
    spans = sorted([*_words(data, b"NaN"), *_words(data, b"Infinity")])
    if _has_long_digits(data):
        spans = sorted(spans + [found.span() for found in _TOO_LONG.finditer(data)])
    inside, position = False, 0
    for start, end in spans:
        quotes = data.count(b'"', position, start)
        if data.find(b"\\", position, start) >= 0:
            quotes -= sum(escape["quote"] is not None for escape in _ESCAPES.finditer(data, position, start))
        inside ^= bool(quotes % 2)
        position = start
        if not inside:
            yield start, end


def _words(data: bytes, word: bytes) -> Iterator[tuple[int, int]]:
    # Many times faster than a pattern.
    at = data.find(word)
    while at >= 0:
        end = at + len(word)
        if _AFTER_NUMBER.match(data, end):
            yield at - (data[at - 1 : at] == b"-"), end
        at = data.find(word, end)


def _has_long_digits(data: bytes) -> bool:
    run = b"0" * _MOST_DIGITS
    overlapping = (data[start : start + _CHUNK + _MOST_DIGITS] for start in range(0, len(data), _CHUNK))
    return any(run in part.translate(_DIGITS_AS_0) for part in overlapping)
