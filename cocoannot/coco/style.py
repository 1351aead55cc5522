"""How a file writes its records: spacing, lines, escapes. A changed or new record is written so too.

    {"id": 1, "bbox": [1, 2]}      by json.dump, and COCO's own files
    {"id":1,"bbox":[1,2]}          compact
    on several lines               where all values are, as by json.dump with an indent; else one line for each record

Told from the first record, in a time that does not depend on how many there are. Which fields a record has is not
known here.
"""

from __future__ import annotations

import json
import re
from typing import Any, NamedTuple

import msgspec

from cocoannot.coco.parser import SECTIONS, Document, SectionName, find_values

_NOT_ASCII = re.compile(r"[^\x00-\x7f]+")
_STRINGS = re.compile(rb'("(?:[^"\\]|\\.)*")')
_SPACES = re.compile(rb"(?<=\n) +")
_BEFORE_STRINGS = {b"", b"{", b"[", b",", b":"}
"""What stands before the quote that begins a string, in compact JSON."""
_BEFORE_VALUE = re.compile(rb":\s*$")
_BETWEEN = re.compile(rb",\s*")
_LINES = re.compile(rb"\{(\r?\n)([ \t]*)")


class Style(NamedTuple):
    """The separators are those of one line. `line` begins a line of a record's own level, the line end included, and
    `indent` is what a level adds; both are empty where a record is on one line. With `ascii` all else is escaped."""

    item_separator: bytes = b", "
    key_separator: bytes = b": "
    ascii: bool = False
    line: bytes = b""
    indent: bytes = b""

    def encode(self, value: Any) -> bytes:
        """`value` as JSON. The text of a `msgspec.Raw` in it is changed in its layout alone."""
        return self.lay_out(msgspec.json.encode(value), len(value) if isinstance(value, dict) else -1)

    def lay_out(self, text: bytes, keys: int = -1) -> bytes:
        """A JSON text in this style; `keys` is how many the outermost object has, where that is known."""
        if self.line:
            text = self._on_lines(text)
        elif self.item_separator == b"," and self.key_separator == b":":
            # Only the layout of values that came indented: JSON strings hold no line ends.
            if b"\n" in text or b"\r" in text:
                text = msgspec.json.format(text, indent=-1)
        elif len(self.item_separator) == len(self.key_separator):
            text = msgspec.json.format(text, indent=0)
        else:
            text = self._separated(_compact(text), keys)
        return escaped(text) if self.ascii else text

    def within(self, text: bytes) -> Style:
        """The style of the values in the record `text`, which is on one line or on several."""
        if not self.line:
            return self
        return self._replace(line=self.line + self.indent) if b"\n" in text else self._replace(line=b"", indent=b"")

    def _separated(self, text: bytes, keys: int) -> bytes:
        """Compact JSON with a space behind one separator and none behind the other, as COCO's own files have it."""
        if self.item_separator == b",":
            parts = text.split(b'":')
            # Each of these ends a key where there are no more than keys, or where no string begins with a colon.
            if len(parts) - 1 == keys or (
                b"\\" not in text and _BEFORE_STRINGS.isdisjoint([part[-1:] for part in parts[:-1]])
            ):
                return (b'"' + self.key_separator).join(parts)
        # Without escapes each quote begins or ends a string, and most records have none: half of the time.
        quote = b"" if b"\\" in text else b'"'
        parts = text.split(quote) if quote else _STRINGS.split(text)
        between = parts[::2]
        if self.item_separator != b",":
            between = [part.replace(b",", self.item_separator) for part in between]
        if self.key_separator != b":":
            between = [part.replace(b":", self.key_separator) for part in between]
        parts[::2] = between
        return quote.join(parts)

    def _on_lines(self, text: bytes) -> bytes:
        text = msgspec.json.format(text, indent=len(self.indent))
        if b"\t" in self.indent:
            text = _SPACES.sub(lambda found: found[0].replace(b" ", b"\t"), text)
        return text if self.line == b"\n" else text.replace(b"\n", self.line)


COMPACT = Style(b",", b":")


def _compact(text: bytes) -> bytes:
    """JSON without white space between its parts; most texts are that already, which takes no time to see."""
    return msgspec.json.format(text, indent=-1) if len(text.split(None, 1)) > 1 else text


def styles_of(document: Document) -> dict[SectionName, Style]:
    """The style of each section: that of its first record, of another section's where it has none, else of the
    top-level values."""
    found: dict[SectionName, Style] = {}
    for name, section in document.sections.items():
        if len(section.starts):
            found[name] = style_of(document.buffer[section.starts[0] : section.ends[0]], ascii=document.ascii)
    others = next(iter(found.values()), None) or _style_of_values(document)
    return {name: found.get(name, others) for name in SECTIONS}


def style_of(text: bytes, *, ascii: bool) -> Style:
    """The style of a JSON object."""
    values = find_values(text)
    if not values:
        return Style(ascii=ascii)
    before = _BEFORE_VALUE.search(text, 0, values[0][1])
    between = _BETWEEN.match(text, values[0][2]) if len(values) > 1 else before
    spaced = [found is None or len(found[0]) > 1 for found in (between, before)]
    style = Style(b", " if spaced[0] else b",", b": " if spaced[1] else b":", ascii)
    lines = _LINES.match(text)
    if lines is None:
        return style
    # The closing brace stands where the record does.
    level = text[text.rindex(b"\n") + 1 : -1]
    indented = Style(ascii=ascii, line=lines[1] + level, indent=lines[2].removeprefix(level))
    return indented if indented.indent and indented.lay_out(text) == text else style


def _style_of_values(document: Document) -> Style:
    """The style of a file without records, whose records are to stand two levels below its values."""
    buffer = document.buffer
    style = style_of(buffer[buffer.index(b"{") : buffer.rindex(b"}") + 1], ascii=document.ascii)
    return style._replace(line=style.line + 2 * style.indent)


def escaped(text: bytes) -> bytes:
    """A JSON text, or a part of one, with everything escaped that is not ASCII."""
    if text.isascii():
        return text
    return _NOT_ASCII.sub(lambda found: json.dumps(found[0])[1:-1], text.decode()).encode()
