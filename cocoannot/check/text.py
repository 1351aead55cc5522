"""JSON that can't be read, made readable by markers, and what stood there before; the rest stays byte for byte.

half of a surrogate pair                                  an escape of a character that nobody uses (U+E000 to U+E7FF)
NaN, Infinity, an integer that Python's json refuses      1e999NN, which is JSON and reads as infinite
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from cocoannot.check.encoding import Decoded, decode_file
from cocoannot.check.findings import Findings

INFINITE = b"1e999"
"""What every marker of a number begins with."""

_WORDS = {b"NaN": INFINITE + b"00", b"Infinity": INFINITE + b"01"}
_LONG = INFINITE + b"02"
_NUMBERS = re.compile(rb"1e999(?:00|01|02(\d+))(?![\d.eE])")

# CPython's json, and with it pycocotools, refuses longer integers.
_MOST_DIGITS = 4300
_CHUNK = 1 << 20

_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")
# Every escape as a whole, so that a backslash that is escaped itself begins none.
_ESCAPES = re.compile(
    rb"\\(?:u[dD][89abAB][\da-fA-F]{2}\\u[dD][c-fC-F]|(?P<lone>u[dD][89a-fA-F][\da-fA-F]{2})|(?P<quote>\")|.)",
    re.DOTALL,
)
_HALF = re.compile(rb"\\u[eE][0-7][\da-f]{2}")
_HALF_CHARACTER = re.compile("[\ue000-\ue7ff]")
_BEFORE_NUMBER = (b"", *(bytes([char]) for char in b" \t\r\n[,:"))
_AFTER_NUMBER = re.compile(rb"[\s,\]}]|\Z")
_TOO_LONG = re.compile(rb"(?<![\d.eE+])\d{%d,}(?![\d.eE])" % (_MOST_DIGITS + 1))
_DIGITS_AS_0 = bytes.maketrans(b"123456789", b"000000000")


class MarkedText:
    """A text of JSON in UTF-8, `text`, with markers in the place of what is none."""

    def __init__(self, data: bytes, findings: Findings) -> None:
        self._decoded: Decoded = decode_file(data, findings)
        text = self._decoded.text
        self._halves = False
        self._digits: list[bytes] = []
        self.infinite = False
        """Whether there are markers of numbers."""
        self.text = self._with_numbers(self._with_characters(text, findings))

    def original(self, part: bytes) -> bytes:
        """What stood in the file for a part of the text, byte for byte (a file in UTF-16: in UTF-8)."""
        return self._decoded.original(self.original_json(part))

    def original_json(self, part: bytes) -> bytes:
        """The same, but for bytes that are no UTF-8."""
        if self._halves:
            part = _HALF.sub(lambda found: rb"\u%04x" % (int(found[0][2:], 16) - 0x800), part)
        if self.infinite:
            part = _NUMBERS.sub(self._number, part)
        return part

    def readable(self, part: bytes) -> bytes:
        """A part of a repaired text with U+FFFD for what is no character."""
        if self._halves:
            part = _HALF_CHARACTER.sub("\ufffd", _HALF.sub(rb"\\ufffd", part).decode()).encode()
        return self._decoded.readable(part)

    def has_other_bytes(self, part: bytes) -> bool:
        """Whether a part was no UTF-8 in the file, or half of a surrogate pair."""
        return self._decoded.had_others(part) or (self._halves and _HALF.search(part) is not None)

    @property
    def had_others(self) -> bool:
        """Whether anything in the file was no UTF-8, or half of a surrogate pair."""
        return self.has_characters or bool(self._decoded.encoding)

    @property
    def has_characters(self) -> bool:
        """Whether the text has markers of characters."""
        return self._halves or self._decoded.marked

    def _with_characters(self, text: bytes, findings: Findings) -> bytes:
        if not _SURROGATE.search(text):
            return text
        alone = [found.span() for found in _ESCAPES.finditer(text) if found["lone"]]
        if not alone:
            return text
        findings.add("lone_surrogate", examples=(f"byte {start}" for start, _ in alone), count=len(alone))
        self._halves = _HALF.search(text) is None
        fixed = bytearray(text)
        for start, end in alone:
            half = int(text[start + 2 : end], 16)
            fixed[start:end] = rb"\u%04x" % (half + 0x800) if self._halves else rb"\ufffd"
        return bytes(fixed)

    def _with_numbers(self, text: bytes) -> bytes:
        parts: list[bytes] = []
        position = 0
        for start, end in _outside_strings(text):
            word = text[start:end].removeprefix(b"-")
            marker = _WORDS.get(word)
            if marker is None:
                marker = _LONG + b"%d" % len(self._digits)
                self._digits.append(word)
            parts += [text[position:start], b"-" * (text[start : start + 1] == b"-"), marker]
            position = end
        self.infinite = bool(parts)
        return b"".join([*parts, text[position:]]) if parts else text

    def _number(self, found: re.Match[bytes]) -> bytes:
        if found[1]:
            number = int(found[1])
            return self._digits[number] if number < len(self._digits) else found[0]
        return b"NaN" if found[0].endswith(b"00") else b"Infinity"


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
        start = at - (data[at - 1 : at] == b"-")
        if _AFTER_NUMBER.match(data, end) and data[start - 1 : start] in _BEFORE_NUMBER:
            yield start, end
        at = data.find(word, end)


def _has_long_digits(data: bytes) -> bool:
    run = b"0" * _MOST_DIGITS
    overlapping = (data[start : start + _CHUNK + _MOST_DIGITS] for start in range(0, len(data), _CHUNK))
    return any(run in part.translate(_DIGITS_AS_0) for part in overlapping)
