"""The bytes of a file as UTF-8, whatever encoding they were written in. JSON is not known here.

A file that is no UTF-8 is taken for Windows-1252 or GBK where all of it can be read so, and next to nothing as UTF-8.
Otherwise each byte that is no UTF-8 becomes a marker, from which the byte can be had again.
"""

from __future__ import annotations

import codecs
import json
import re

from cocoannot.check.findings import EXAMPLES, Findings

_CHUNK = 1 << 20
_NAMES = {"cp1252": "Windows-1252", "gbk": "GBK"}
_UNDECODED = re.compile("[\udc80-\udcff]+")
_WORDS = re.compile("[^\x00-\x7f]+")
_ACCIDENTS = 4
_HIGH = re.compile(rb"[\x80-\xff]+")
_MARKS = (0x10FF00, 0x10FE00, 0xFFF00)
_SAMPLE = 10_000
_MOST = 0.5
_LAST_COMMON = 0xD7
_WESTERN = 2


class Decoded:
    """A text in UTF-8, and how its bytes were before: `encoding` they had, `mark` is the marker of byte 0."""

    def __init__(self, text: bytes, encoding: str = "", mark: int = 0) -> None:
        self.text = text
        self.encoding = encoding
        self._mark = mark
        self._markers = re.compile("[" + chr(mark) + "-" + chr(mark + 255) + "]+") if mark else None

    @property
    def marked(self) -> bool:
        """Whether there are markers in the text."""
        return self._markers is not None

    def original(self, part: bytes) -> bytes:
        """The bytes that a part of the text had in the file; the same where that was in UTF-8 or UTF-16."""
        if self.encoding:
            return part.decode().encode(self.encoding, "replace")
        if self._markers is None:
            return part
        text = self._markers.sub(
            lambda found: "".join(chr(0xDC00 + ord(c) - self._mark) for c in found[0]), part.decode()
        )
        return text.encode("utf-8", "surrogateescape")

    def readable(self, part: bytes) -> bytes:
        """A part of the text with U+FFFD for what is no character."""
        if self._markers is None:
            return part
        return self._markers.sub(lambda found: "\ufffd" * len(found[0]), part.decode()).encode()

    def had_others(self, part: bytes) -> bool:
        """Whether a part of the text was no UTF-8 in the file."""
        return not part.isascii() and self.original(part) != part


def decode_file(data: bytes, findings: Findings) -> Decoded:
    """What stands in a file; that it is not UTF-8 goes to `findings`."""
    encoding = json.detect_encoding(data[:4])
    if not encoding.startswith("utf-8"):
        findings.add("not_utf8", detail=f"the file is in {encoding.upper()}")
        return Decoded(data.decode(encoding, "replace").encode())
    if data.isascii():
        return Decoded(data)
    try:
        codecs.utf_8_decode(data, "strict", True)
    except UnicodeDecodeError:
        pass
    else:
        return Decoded(data)
    return _decode_other(data, findings)


def _decode_other(data: bytes, findings: Findings) -> Decoded:
    text = data.decode("utf-8", "surrogateescape")
    undecoded = list(_UNDECODED.finditer(text))
    places, position, last = [], 0, 0
    for found in undecoded[:EXAMPLES]:
        position += len(text[last : found.start()].encode("utf-8", "surrogateescape"))
        last = found.start()
        places.append(f"byte {position}")
    problem = findings.add("not_utf8", examples=places, count=len(undecoded))
    # In other encodings a few words are right in UTF-8, by accident.
    words = _WORDS.findall(text)
    wrong = sum(_UNDECODED.search(word) is not None for word in words)
    if (len(words) - wrong) * _ACCIDENTS <= wrong and (encoding := _guess(data)):
        problem.detail = f"read as {_NAMES[encoding]}"
        return Decoded(data.decode(encoding).encode(), encoding)
    problem.detail = "no encoding fits all of them"
    mark = next((mark for mark in _MARKS if chr(mark).encode()[:2] not in data), _MARKS[-1])
    marked = _UNDECODED.sub(lambda found: "".join(chr(mark + ord(c) - 0xDC00) for c in found[0]), text)
    return Decoded(marked.encode(), mark=mark)


def _guess(data: bytes) -> str | None:
    """The encoding that all of `data` can be read in, told by its characters beyond ASCII."""
    chinese = western = 0
    for number, found in enumerate(_HIGH.finditer(data)):
        before, after = data[found.start() - 1 : found.start()], data[found.end() : found.end() + 1]
        if len(found[0]) % 2 or (before.isalpha() and after.isalpha()):
            western += 1
        else:
            chinese += 1
        if number > _SAMPLE:
            break
    order = ("gbk", "cp1252") if chinese > western else ("cp1252", "gbk")
    return next((encoding for encoding in order if _is_likely(data, encoding)), None)


def _is_likely(data: bytes, encoding: str) -> bool:
    """Whether all of `data` can be read so, and is what people write. Other encodings can be read so by accident.

    Most of Chinese are the common characters of GB 2312, which stand before its others; few Western words have more
    than two letters in a row that are beyond ASCII, as Cyrillic and Greek ones have.
    """
    try:
        words = _WORDS.findall(data.decode(encoding))
    except UnicodeDecodeError:
        return False
    if encoding == "gbk":
        characters = "".join(words[:_SAMPLE])
        common = sum(lead <= _LAST_COMMON for lead in characters.encode("gb2312", "ignore")[::2])
        return common > _MOST * len(characters)
    return sum(len(word) <= _WESTERN for word in words) > _MOST * len(words)
